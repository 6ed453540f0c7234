"""An ad platform in a process of its own, over HTTP on loopback: it loses answers, delays, repeats and throttles.

It keeps a ledger of every change with the key of the call behind it, in the order in which they took effect, so that a
test can say afterwards what truly happened.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

START = 100_000_000
NAMES = tuple("abcdef")


@dataclass(frozen=True, slots=True)
class Faults:
    """How often a set goes wrong, each a probability; and how long a slow one takes."""

    lost_before: float = 0.04
    lost_after: float = 0.06
    throttled: float = 0.04
    broken: float = 0.03
    slow: float = 0.05
    repeated: float = 0.06
    slow_seconds: float = 0.05


FAULTS = Faults()
NO_FAULTS = Faults(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass
class Platform:
    """Budgets and what changed them; one lock around it all, as a platform's database has."""

    seed: int
    compares: bool
    faults: Faults
    budgets: dict[str, int]
    ledger: list[dict[str, Any]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.chance = random.Random(self.seed)

    def set(self, call: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Set one budget, absolutely; refused if it is not what the call expects, where the platform compares."""
        with self.lock:
            live = self.budgets[call["budget"]]
            if self.compares and live not in (call["expected"], call["target"]):
                return 409, {"live": live}
            if live != call["target"]:
                self._enter(call["budget"], call["target"], call["key"], call.get("expected"))
            return 200, {"request": f"req-{len(self.ledger)}"}

    def edit(self, budget: str, factor: float) -> None:
        """Somebody's own change in the platform's interface; only ever a cut, so that no cap is theirs to break."""
        with self.lock:
            self._enter(budget, round(self.budgets[budget] * factor / 10_000) * 10_000, "human", None)

    def _enter(self, budget: str, amount: int, key: str, expected: int | None) -> None:
        before, self.budgets[budget] = self.budgets[budget], amount
        total = sum(self.budgets.values())
        self.ledger.append({"budget": budget, "before": before, "after": amount, "key": key, "expected": expected,
                            "total": total})  # fmt: skip

    def fate(self, caller: int) -> str:
        """What goes wrong with the next set; `caller` is the process that makes it."""
        with self.lock:
            self.calls.append(caller)
            roll = self.chance.random()
        for name in ("lost_before", "lost_after", "throttled", "broken", "slow", "repeated"):
            roll -= getattr(self.faults, name)
            if roll < 0:
                return name
        return "well"


class Handler(BaseHTTPRequestHandler):
    """Answers for the platform that its server holds."""

    protocol_version = "HTTP/1.1"
    server: Door

    def do_GET(self) -> None:
        platform, name = self.server.platform, self.path.removeprefix("/")
        with platform.lock:
            known = {"budgets": platform.budgets, "ledger": platform.ledger, "calls": platform.calls}
            text = json.dumps({name: known[name]})
        self._say(200, text)

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/edit":
            return self._set(call)
        edit = (call["budget"], call["factor"])
        threading.Timer(call.get("after", 0.0), self.server.platform.edit, edit).start()
        return self._say(200, "{}")

    def _set(self, call: dict[str, Any]) -> None:
        platform = self.server.platform
        fate = platform.fate(call["by"])
        if fate in ("throttled", "broken"):
            return self._say(429 if fate == "throttled" else 500, "{}")
        if fate == "lost_before":
            return self._hang_up()
        if fate == "slow":
            time.sleep(platform.faults.slow_seconds)
        if fate == "repeated":  # a proxy that sends the call a second time, later
            threading.Timer(0.03, platform.set, (call,)).start()
        code, body = platform.set(call)
        return self._hang_up() if fate == "lost_after" else self._say(code, json.dumps(body))

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _say(self, code: int, text: str) -> None:
        try:
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:
            self.close_connection = True  # the client was killed meanwhile

    def log_message(self, *_words: object) -> None:
        pass


class Door(ThreadingHTTPServer):
    """The platform's door; a client that was killed in the middle is no news."""

    daemon_threads = True

    def __init__(self, platform: Platform) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.platform = platform

    def handle_error(self, *_words: object) -> None:
        pass


def _serve(platform: Platform, ready: Any) -> None:
    server = Door(platform)
    ready.send(server.server_address[1])
    server.serve_forever()


class Server:
    """The platform's process; ended with `close`."""

    def __init__(
        self, seed: int, *, compares: bool = True, faults: Faults = FAULTS, names: Sequence[str] = NAMES
    ) -> None:
        platform = Platform(seed, compares, faults, dict.fromkeys(names, START))
        fork = multiprocessing.get_context("fork")
        here, there = fork.Pipe()
        self._process = fork.Process(target=_serve, args=(platform, there), daemon=True)
        self._process.start()
        self.port = int(here.recv())

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask something that does not fail."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
