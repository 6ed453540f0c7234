"""Whether the agent's memory and its database stay as they are, over thousands of days without a new start.

    python benchmarks/endurance.py [--quick]

One desk of `outlay run` serves a small portfolio whose platform answers from memory, and a person who approves every
plan: each day it reads, decides, announces, writes, reads back and verifies. Printed are resident memory and the Python
objects that are alive, at intervals; what grows with each day is a leak. The baseline is the same measure of a desk
whose days bring nothing (it looks, and nothing is due). Then what is known is read a hundred times more, each row with
the time of that reading, and the file of the database must keep its size to the byte.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import below, ended
from benchmarks._memory import InMemory
from connectors import registry
from connectors.contract import (
    Account,
    BudgetChange,
    BuildContext,
    Capabilities,
    PerformanceRow,
    Receipt,
    Series,
)
from optimizer import approval
from optimizer.agent import cycle
from optimizer.agent.clock import SetClock
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.store import open_sql
from optimizer.plan.office import Outcome
from optimizer.plan.record import State

SEED = 20260301
CYCLES, QUICK = 10_000, 60
CAMPAIGNS, HISTORY = 2, 28
START = date(2026, 3, 1)
REREADS = 100
SETTLED = timedelta(minutes=31)
MEGABYTE = 1024.0 * 1024.0
ACCOUNT = Account("shop", "a1", "EUR", "UTC")
SETTINGS = f"""
[portfolio]
currency = "EUR"
history_days = {HISTORY}
[guardrails]
min_gain_probability = 0.0
min_gain_share = 0.0
minimum_conversions = 0.0
smallest_step = 0.0
cool_down_hours = 0.0
[store]
url = "sqlite:///outlay.sqlite"
[web]
listen = ""

[daemon]
decide_at = ["06:00"]
refit = "never"
listen = ""
[connectors.shop]
kind = "memory"
"""


class Platform(InMemory):
    """Two campaigns, whose days are drawn from the date whenever they are asked for; budgets can be set."""

    capabilities = Capabilities(writes_budgets=True, compares_and_sets=True, restatement_days=0)

    def __init__(self) -> None:
        """Two budgets of 100 a day."""
        super().__init__(ACCOUNT, {f"c{k}": 100_000_000 for k in range(CAMPAIGNS)})
        self._series = [Series(ACCOUNT, name, "search") for name in self.live]
        self._clicks = 0

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield each day as it was read on the morning after it."""
        for ordinal in range(since.toordinal(), until.toordinal() + 1):
            rng = np.random.default_rng([SEED, ordinal])
            day = date.fromordinal(ordinal)
            read = datetime(day.year, day.month, day.day, 5, tzinfo=UTC) + timedelta(days=1)
            for series in self._series:
                spend = rng.uniform(50.0, 150.0)
                clicks = rng.poisson(spend)
                measures = [round(spend * 100) * 10_000, int(rng.binomial(clicks, 0.1)) * 1_000_000]
                yield PerformanceRow(series, day, *measures, None, clicks * 30_000_000, clicks * 1_000_000, read)

    def check_budget(self, change: BudgetChange) -> None:
        """Take every amount."""

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget."""
        self._clicks += 1
        self.live[change.key.budget_id.removeprefix("b")] = change.target.micros
        return Receipt(change.key, change.target, f"request {self._clicks}", datetime(2026, 3, 1, tzinfo=UTC))


class Life:
    """A desk, its clock, and a person who approves."""

    def __init__(self, folder: Path) -> None:
        """Open a new portfolio."""
        self.platform = Platform()
        registry.build = self._build  # type: ignore[assignment]
        (folder / "config.toml").write_text(SETTINGS)
        self.clock = SetClock(datetime(START.year, START.month, START.day, 7, tzinfo=UTC))
        self.desk = Desk(folder / "config.toml", self.clock)
        self.written = 0

    def _build(self, _kind: str, _context: BuildContext) -> Platform:
        return self.platform

    def day(self) -> None:
        """Read, decide and announce; approve, write, read back."""
        self._look()
        house = self.desk._house
        if house is None:
            raise SystemExit(self.desk.seen.trouble)
        for record in self.desk.seen.waiting[:1]:
            made = record.recommendation
            cycle.settle(house, made.rec_id, approval.Approve("ada", made.plan_hash))
            self._look()
            self.clock.at += SETTLED
            self._look()
            if house.store.record(made.rec_id).state is not State.VERIFIED:
                raise SystemExit(f"{made.rec_id} is {house.store.record(made.rec_id).state}: {self.desk.seen.runs}")
            self.written += 1
        self.idle()  # the night: the database is closed, and opened anew by whatever is due next
        self.clock.at = datetime.combine(self.clock.at.date() + timedelta(days=1), START_OF_DAY, UTC)

    def idle(self) -> None:
        """Look, a second later, when nothing is due."""
        self.clock.at += timedelta(seconds=1)
        self._look()

    def _look(self) -> None:
        self.desk.look()
        failed = [run for run in self.desk.seen.runs.values() if run.outcome is Outcome.FAILED]
        if self.desk.seen.trouble or failed:
            raise SystemExit(f"{self.clock.at}: {self.desk.seen.trouble or failed}")


START_OF_DAY = datetime(2026, 3, 1, 7, tzinfo=UTC).time()


def resident() -> float:
    """Resident memory of this process, megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / MEGABYTE


def objects() -> int:
    """Python objects that are alive and may refer to others."""
    gc.collect()
    return len(gc.get_objects())


def slope(seen: list[tuple[int, float]]) -> float:
    """Growth with each cycle, by least squares over the second half."""
    half = np.array(seen[len(seen) // 2 :])
    return float(np.polyfit(half[:, 0], half[:, 1], 1)[0])


def leak(seen: list[tuple[int, float]]) -> float:
    """Growth with each cycle from the most of the second third to the most of the last: a week's days differ."""
    third = len(seen) // 3
    before, after = seen[third : 2 * third], seen[2 * third : 3 * third]
    most = [max(value for _, value in part) for part in (before, after)]
    return (most[1] - most[0]) / (after[0][0] - before[0][0])


def lived(life: Life, cycles: int) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Let days pass; memory and objects after each of some, printed."""
    memory, alive = [], []
    every = max(cycles // 20, 1)
    print(f"{'cycle':>8}{'RSS MB':>9}{'objects':>10}{'file MB':>9}{'CPU s':>8}")
    file = life.desk.config.parent / "outlay.sqlite"
    for number in range(1, cycles + 1):
        life.day()
        if number % every == 0:
            alive.append((number, float(objects())))
            memory.append((number, resident()))
            size = file.stat().st_size / MEGABYTE
            print(f"{number:>8,}{memory[-1][1]:>9.1f}{alive[-1][1]:>10,.0f}{size:>9.2f}{time.process_time():>8.0f}",
                  flush=True)  # fmt: skip
    return memory, alive


def idled(life: Life, looks: int) -> list[tuple[int, float]]:
    """Let looks pass at which nothing is due; objects after each of some, which go up and down by two hundred."""
    alive = []
    for number in range(1, looks + 1):
        life.idle()
        if number % max(looks // 60, 1) == 0:
            alive.append((number, float(objects())))
    return alive


def grown(folder: Path) -> int:
    """By how many bytes a database's file grows when what is known is read a hundred times more, each time anew."""
    platform, path = Platform(), folder / "again.sqlite"
    since, until = START - timedelta(days=365), START - timedelta(days=1)
    sizes = []
    for times in (1, REREADS):
        store = open_sql(f"sqlite:///{path}")
        for number in range(times):
            read = datetime(2026, 3, 1, 6, tzinfo=UTC) + timedelta(minutes=number + times)
            store.ingest(replace(row, fetched_at=read) for row in platform.pull(since, until))
            store.note_entities(platform.entities(), read)
            store.note_budgets("shop", platform.budgets(), read)
        store.close()
        sizes.append(path.stat().st_size)
    return sizes[1] - sizes[0]


def main() -> None:
    """Measure, print, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} cycles instead of {CYCLES:,}")
    parser.add_argument("--cycles", type=int, default=CYCLES, help="another number of cycles")
    given = parser.parse_args()
    cycles = QUICK if given.quick else given.cycles
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    print(f"seed {SEED}; {cycles:,} days of {CAMPAIGNS} campaigns: pull, decide, announce, approve, apply, verify")
    with tempfile.TemporaryDirectory(prefix="outlay-endurance-") as made:
        life = Life(Path(made))
        memory, alive = lived(life, cycles)
        idle = leak(idled(life, cycles))
        life.desk.leave()
        more = grown(Path(made))
    growth = memory[-1][1] - memory[len(memory) // 10][1]
    print(f"{life.written:,} recommendations were written and verified")
    leaked = leak(alive)
    print(f"objects more with each cycle: {leaked:+.3f}; with each look at which nothing is due: {idle:+.3f}")
    print(f"memory: {slope(memory) * 1000:+.2f} MB over 1,000 cycles in the second half; {growth:+.1f} MB in all since "
          "the first tenth")  # fmt: skip
    print(f"file after {REREADS} more readings of the same {365 * CAMPAIGNS} rows: {more:+} bytes")
    bars = [
        below("Python objects more with each cycle, last third", leaked, 1.0),
        below("Python objects more with each look at which nothing is due", idle, 0.5),
        below("resident memory since the first tenth of the cycles, MB more", growth, 16.0),
        below(f"file after {REREADS} unchanged readings, bytes more", more, 1.0),
    ]
    sys.exit(ended(bars))


if __name__ == "__main__":
    main()
