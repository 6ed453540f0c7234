"""The real agent in a process that is killed: its desk, its SQL store, and a connector over HTTP to a platform.

The named crash points stand in wrappers around the store and the connector, so that the code under test has none. Time
runs faster than on the wall, so that leases, waits and validity pass in milliseconds.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from unittest import mock

from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    Capabilities,
    Entity,
    EntityKind,
    Level,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import Drifted, OutcomeUnknown, RetryLater
from connectors.money import Money
from optimizer.agent import bootstrap
from optimizer.agent import settings as configuration
from optimizer.agent.cycle import House
from optimizer.agent.daemon import desk as desk_module
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.tenure import Tenure
from optimizer.plan.record import State
from optimizer.ports import Clock
from tests.crash.loopback import NAMES
from tests.trapped import TrappedStore

SPEED = 200.0
TIMEOUT = 0.15  # half a minute of the agent's time, as its resending assumes
ACCOUNT = Account("shop", "1", "USD", "UTC")
CAPABILITIES = Capabilities(writes_budgets=True, compares_and_sets=True, restatement_days=7)
CONFIG = """
[portfolio]
history_days = 28
[goal]
total_per_day = {total:.2f}
[guardrails]
largest_step = 1.0
largest_step_24h = 100.0
cool_down_hours = 0.0
[web]
listen = ""

[daemon]
decide_at = []
settle_minutes = 0.01
refit = "never"
listen = ""
[connectors.shop]
kind = "loopback"
port = {port}
"""

POINTS = (
    "lead:after",
    "begun:before",
    "begun:after",
    "planned-sending:before",
    "planned-sending:after",
    "call:before",
    "call:sent",
    "call:answered",
    "sending-acknowledged:before",
    "sending-acknowledged:after",
    "applied:before",
    "applied:after",
    "acknowledged-verified:before",
    "acknowledged-verified:after",
    "verified:before",
    "verified:after",
)
"""Where the process kills itself; before and after the transaction or the call of that name."""


BEGAN = datetime(2026, 11, 2, 12, tzinfo=UTC)


class FastClock:
    """The machine's clock, `SPEED` times as fast, the same in every process."""

    def __init__(self, origin: float) -> None:
        self.origin = origin

    def now(self) -> datetime:
        passed = (time.time() - self.origin) * SPEED
        return BEGAN + timedelta(seconds=passed)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / SPEED)


class Trap:
    """Kills the process (or stops it) at the n-th time that it comes to a point."""

    def __init__(self, point: str, nth: int, report: Path, sends: signal.Signals = signal.SIGKILL) -> None:
        self._point, self._left, self._report, self._sends = point, nth, report, sends

    def __call__(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            self._report.write_text(point)
            os.kill(os.getpid(), self._sends)


class LoopbackConnector:
    """A connector to the loopback platform, as one to a real one would be written."""

    name = "shop"
    capabilities = CAPABILITIES

    def __init__(self, port: int, trap: Trap | None = None, timeout: float = TIMEOUT) -> None:
        self._port, self._trap, self._timeout = port, trap or (lambda _point: None), timeout

    def accounts(self) -> Sequence[Account]:
        return (ACCOUNT,)

    def entities(self) -> Iterator[Entity]:
        for name in NAMES:
            yield Entity(ACCOUNT, EntityKind.CAMPAIGN, name, f"Campaign {name}")

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        yield from ()

    def ads(self) -> Sequence[AdState]:
        return ()

    def check_status(self, change: StatusChange) -> None:
        raise AssertionError("it cannot switch ads")

    def set_status(self, change: StatusChange) -> StatusReceipt:
        raise AssertionError("it cannot switch ads")

    def budgets(self) -> Sequence[BudgetTarget]:
        _, body = self._ask("GET", "/budgets", None)
        return [
            BudgetTarget(ACCOUNT, name, f"Campaign {name}", Level.CAMPAIGN, (name,), Money(amount, "USD"))
            for name, amount in sorted(body["budgets"].items())
        ]

    def check_budget(self, change: BudgetChange) -> None:
        """Nothing can be asked without doing it."""

    def set_budget(self, change: BudgetChange) -> Receipt:
        call = {"key": change.idempotency_key, "budget": change.key.budget_id, "expected": change.expected.micros,
                "target": change.target.micros, "by": os.getpid()}  # fmt: skip
        self._trap("call:before")
        code, body = self._ask("POST", "/set", call)
        self._trap("call:answered")
        if code == 429:
            raise RetryLater("throttled", retry_after_seconds=1.0)
        if code == 409:
            raise Drifted("not as approved", expected_micros=change.expected.micros, live_micros=body["live"])
        if code != 200:
            raise OutcomeUnknown(f"status {code}")
        return Receipt(change.key, change.target, body["request"], BEGAN)  # never ahead of the agent's clock

    def close(self) -> None:
        """Nothing is held."""

    def _ask(self, verb: str, path: str, call: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=self._timeout)
        try:
            connection.request(verb, path, None if call is None else json.dumps(call))
            if call is not None:
                self._trap("call:sent")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            if call is None:
                raise RetryLater(f"no answer: {error}", retry_after_seconds=1.0) from None
            raise OutcomeUnknown(f"no answer: {error}") from None
        finally:
            connection.close()


def build(_kind: str, context: Any) -> LoopbackConnector:
    """Stand in for the registry: the folder holds one kind of connector."""
    return LoopbackConnector(int(context.options["port"]))


class Inherited:
    """A store that the parent made, in a child of its own connections; what its statements compile to is inherited."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def close(self) -> None:
        self._store.close()


_load, _load_store = functools.cache(configuration.load), functools.cache(configuration.load_store)


@contextmanager
def wired(store: Any, trap: Trap, timeout: float = TIMEOUT) -> Iterator[None]:
    """Within it whoever opens a house gets this store, the loopback connector and the trap around both.

    Settings are read once for all children: how they are read is not what is killed here.
    """
    open_house = bootstrap.open_house

    @contextmanager
    def trapped_house(config: Path, clock: Any = None, settings: Any = None) -> Iterator[House]:
        with open_house(config, clock, settings) as house:
            trapped = TrappedStore(house.store, trap)
            port = house.connectors["shop"]._port
            tenure = Tenure(trapped, house.clock, f"process {os.getpid()}")
            yield replace(
                house, store=trapped, tenure=tenure, connectors={"shop": LoopbackConnector(port, trap, timeout)}
            )

    with ExitStack() as held:
        for module, name, new in (
            (bootstrap.registry, "build", build),
            (bootstrap, "open_sql", lambda _url: Inherited(store)),
            (configuration, "load", _load),
            (configuration, "load_store", _load_store),
            (desk_module, "open_house", trapped_house),
        ):
            held.enter_context(mock.patch.object(module, name, new))
        yield


def work(folder: Path, clock: Clock, trap: Trap, store: Any, looks: int = 200, timeout: float = TIMEOUT) -> None:
    """Be the agent until all is done, or until the trap springs."""
    with wired(store, trap, timeout):
        desk = Desk(folder / "config.toml", clock)
        for _ in range(looks):
            desk.look()
            if done(desk):
                break
            clock.sleep(2.0)
        desk.leave()


def done(desk: Desk) -> bool:
    """Whether nothing is left to write or verify."""
    house = desk._house
    busy = frozenset({State.APPROVED, State.APPLYING, State.APPLIED})
    return house is not None and not house.store.records(busy, limit=1)
