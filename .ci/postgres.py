#!/usr/bin/env python3
"""Runs a command beside a PostgreSQL server of its own, which is gone afterwards.

    .ci/postgres.py [--durable] COMMAND [ARGUMENT ...]
    .ci/postgres.py --there

The server listens on a free port of the loopback address, keeps its cluster in a temporary folder and runs as a user
other than root. Its address, with a password, stands in OUTLAY_TEST_POSTGRES while the command runs. Without
`--durable` it does not wait for the disk, which suits tests and not measurements. Exit code: the command's; 69 if no
server programs are found, which is all that `--there` asks. Needs Python 3.9 or newer and nothing else.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ADDRESS = "OUTLAY_TEST_POSTGRES"
UNAVAILABLE = 69
_TRIES = 5
_SECONDS = 60.0
_HASTY = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def programs() -> Path | None:
    """Return the folder of initdb and postgres, the newest version's first; None if there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name.zfill(4))
    found = shutil.which("initdb")
    folders = [*folders[::-1], *([Path(found).resolve().parent] if found else [])]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged() -> str | None:
    """Return the user to run the server as; None where this process is not root and may run it itself."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Server:
    """One server in one folder.

    Attributes:
        url: Its address, as its superuser.
    """

    def __init__(self, found: Path, folder: Path, durable: bool) -> None:
        self._found, self._folder = found, folder
        self._user = unprivileged()
        self._hasty = () if durable else _HASTY
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._make()

    def start(self, at: int | None = None) -> None:
        """Start it on a free port, another one if somebody takes that meanwhile; or again on one that it had."""
        for _ in range(_TRIES):
            port = at or free_port()
            self._process = self._begin(port)
            if self._answers(port):
                self.url = f"postgresql://outlay:{self._password}@127.0.0.1:{port}/postgres"
                return
            self.stop()
        raise SystemExit(f"the server did not start; it says: {(self._folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        """End it and whoever is connected."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # "fast": sessions are ended, nothing is lost
            self._process.wait(_SECONDS)

    def _make(self) -> None:
        secret = self._folder / "secret"
        secret.write_text(self._password)
        if self._user is not None:
            for path in (self._folder, secret):
                shutil.chown(path, self._user)
        self._run("initdb", "-D", str(self._folder / "data"), "-U", "outlay", "-A", "scram-sha-256", "--pwfile",
                  str(secret), "-E", "UTF8", "--locale=C", "--no-sync")  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._found / program), *arguments]
        made = subprocess.run(command, cwd=self._folder, user=self._user, capture_output=True, text=True, check=False)
        if made.returncode:
            raise SystemExit(f"{program} failed: {made.stderr}")

    def _begin(self, port: int) -> subprocess.Popen[bytes]:
        command = [
            str(self._found / "postgres"), "-D", str(self._folder / "data"), "-p", str(port),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", *self._hasty,
        ]  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, user=self._user, stdout=log, stderr=log)

    def _answers(self, port: int) -> bool:
        """Whether it lets connections in before it ends or the time is up."""
        assert self._process is not None
        ready = [str(self._found / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        until = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            if subprocess.run(ready, check=False).returncode == 0:
                return True
            time.sleep(0.05)
        return False


def main(arguments: list[str]) -> int:
    """Run the command beside a server."""
    durable = arguments[:1] == ["--durable"]
    command = arguments[durable:]
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    found = programs()
    if found is None:
        print("no PostgreSQL server programs in /usr/lib/postgresql/*/bin or on PATH", file=sys.stderr)
        return UNAVAILABLE
    if command == ["--there"]:
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="outlay-postgres-") as name:
        server = Server(found, Path(name), durable)
        try:
            server.start()
            return subprocess.run(command, env={**os.environ, ADDRESS: server.url}, check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
