"""Kill the agent with a thousand writes open and start it again: how long until it does the first right thing?

    python benchmarks/restart.py            1,000 open writes, and 10 as the baseline
    python benchmarks/restart.py --quick    the same: it takes half a minute

The agent is killed right after a platform has answered its first write, so that the outcome is not known to it. The
process that follows is a new one, with nothing loaded. Told are the moments since its start, that of the interpreter
included, at which it had loaded all that `outlay run` loads, had opened the store, had settled that write from what is
live (its first right action), and had sent the next. Processor seconds count, since others may share the machine; the
process waits for nobody but its platform and store.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

BAR_SECONDS = 5.0
SECONDS = ("loaded", "opened", "settled", "sent")


def restart(place: Path, url: str) -> None:
    """Be the process that follows; prints the moments and ends at the first call that it makes."""
    from optimizer.agent.cli import commands, main  # noqa: F401, PLC0415 - loading is what is measured

    commands.found("run")
    from optimizer.agent.clock import SystemClock  # noqa: PLC0415
    from optimizer.agent.store import open_sql  # noqa: PLC0415
    from tests.crash import worker  # noqa: PLC0415

    moments = {"loaded": time.process_time()}

    def at(point: str) -> None:
        if point == "sending-acknowledged:after":
            moments.setdefault("settled", time.process_time())
        elif point == "call:sent":
            moments["sent"] = time.process_time()
            print(json.dumps(moments), flush=True)
            os._exit(0)

    store = open_sql(url)
    moments["opened"] = time.process_time()
    os.dup2(os.open(place / "agent.log", os.O_WRONLY | os.O_CREAT), 2)
    worker.work(place, SystemClock(), at, store, looks=2)
    raise SystemExit("it made no call")


def measured(url: str | None, writes: int) -> dict[str, float]:
    """Return the moments of one restart with so many open writes."""
    from optimizer.agent.clock import SystemClock  # noqa: PLC0415
    from tests.crash.campaign import Campaign  # noqa: PLC0415
    from tests.crash.loopback import NO_FAULTS  # noqa: PLC0415
    from tests.crash.worker import Trap  # noqa: PLC0415

    class Large(Campaign):
        """As many budgets as writes, of which none is touched by anybody else."""

        edits = brakes = 0.0
        faults = NO_FAULTS
        names = tuple(f"budget {n:04d}" for n in range(writes))

        def _moves(self, live: dict[str, int]) -> dict[str, int]:
            return {name: (-10_000_000, 10_000_000)[n % 2] for n, name in enumerate(live)}

    with tempfile.TemporaryDirectory() as folder:
        shop = Large(Path(folder) / "shop", 1, url, SystemClock())
        shop._prepared()
        first = shop.begun(Trap("call:answered", 1, shop.report))
        killed = os.waitpid(first, 0)[1]
        assert os.WTERMSIG(killed) == signal.SIGKILL, (shop.folder / "agent.log").read_text()
        opened = len(shop.store.open_intents())
        assert opened == writes, f"{opened} open writes, not {writes}"
        shop.store.close()
        words = [sys.executable, __file__, "--be", str(shop.folder), shop.url]
        ran = subprocess.run(words, capture_output=True, text=True, check=True)
        shop.server.close()
    moments: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return moments


def main() -> int:
    """Measure, print, and return 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--be", nargs=2, metavar=("FOLDER", "URL"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.be:
        restart(Path(words.be[0]), words.be[1])
    from benchmarks._bars import Bar, below, ended  # noqa: PLC0415
    from tests.postgres_server import new_database, server_if_any  # noqa: PLC0415

    bars: list[Bar] = []
    libraries = (
        "import time, numpy, scipy.special, sqlalchemy.orm, sqlmodel, pydantic_settings; print(time.process_time())"
    )
    bare = subprocess.run([sys.executable, "-c", libraries], capture_output=True, text=True, check=True).stdout
    print(f"to load the libraries alone takes {float(bare):.2f} processor seconds")
    print(f"processor seconds since start{'':6s}" + "".join(f"{name:>9s}" for name in SECONDS))
    with server_if_any() as address, ExitStack() as held:
        if address is None:
            print("no PostgreSQL server here: SQLite alone")
        for kind in ("SQLite", "PostgreSQL")[: 1 if address is None else 2]:
            for writes in (10, 1_000):
                own = kind == "PostgreSQL"
                url = held.enter_context(new_database(address, f"restart{writes}")) if own and address else None
                moments = measured(url, writes)
                name = f"{kind}, {writes:,} open writes"
                print(f"{name:34s}" + "".join(f"{moments[each]:9.2f}" for each in SECONDS))
            seconds = moments["settled"]
            bars.append(below(f"seconds to the first action with 1,000 open writes, {kind}", seconds, BAR_SECONDS))
    return ended(bars)


if __name__ == "__main__":
    sys.exit(main())
