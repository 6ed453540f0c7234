"""How long one agent takes over the day of a thousand accounts: pull, decide, announce.

    python benchmarks/accounts.py [--quick]

Each account is a portfolio with a settings file, a database, a clock and ten campaigns of its own, served by the desks
and the threads of `outlay run`, with two workers for the plans. Their histories are drawn from saturating curves;
yesterday's reading is in the store already, as on any morning but the first. Printed are the wall time, the processor
time of the agent and of its workers, where it goes, and as the baseline the same cycle one account after the other in
one process. The platforms answer from memory: what is measured is what Outlay does.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import below, ended
from benchmarks._memory import InMemory
from connectors import registry
from connectors.contract import (
    Account,
    BuildContext,
    Capabilities,
    PerformanceRow,
    Series,
)
from optimizer.agent import cycle
from optimizer.agent.clock import SetClock
from optimizer.agent.daemon.claims import Shared
from optimizer.agent.daemon.crew import Crew
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.serve import room_for_files
from optimizer.agent.deciding import Request, Surroundings, answer
from optimizer.agent.store import open_sql
from optimizer.agent.store.sql import SqlStore
from optimizer.agent.workers import Workers
from optimizer.plan.office import Outcome

SEED = 20260301
ACCOUNTS, QUICK = 1_000, 40
CAMPAIGNS, DAYS = 10, 60
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WORKERS, THREADS = 2, 16
CURRENCIES = (("EUR", "Europe/Berlin"), ("USD", "America/New_York"), ("GBP", "Europe/London"), ("PLN", "Europe/Warsaw"))
CORES, SECONDS = 2, 60.0  # a cycle of all accounts is to take no longer


class Platform(InMemory):
    """An account's platform, in memory: it tells each day as it was, and as it was read on the morning after it."""

    capabilities = Capabilities(writes_budgets=False, compares_and_sets=False, restatement_days=0)

    def __init__(self, name: str, number: int) -> None:
        rng = np.random.default_rng([SEED, number])
        currency, zone = CURRENCIES[number % len(CURRENCIES)]
        account = Account(name, f"a{number}", currency, zone)
        scale, half = rng.lognormal(3, 0.6, CAMPAIGNS), rng.lognormal(5, 0.5, CAMPAIGNS)
        budget = np.round(rng.lognormal(5, 0.4, CAMPAIGNS), 2)
        steps = np.cumprod(
            np.where(np.arange(DAYS)[:, None] % 14 == 0, rng.uniform(0.7, 1.4, (DAYS, CAMPAIGNS)), 1.0), 0
        )
        budgets = np.round(budget * steps, 2)
        last = np.rint(budgets[-1] * 1e6).astype(np.int64).tolist()
        super().__init__(account, {f"c{k:02}": micros for k, micros in enumerate(last)})
        self._series = [Series(account, key, "search") for key in self.live]
        spend = np.round(budgets * rng.uniform(0.9, 1.05, (DAYS, CAMPAIGNS)), 2)
        mean = scale * spend / (spend + half)
        got = rng.poisson(mean * rng.gamma(10, 0.1, (DAYS, CAMPAIGNS)))
        clicks = rng.poisson(np.maximum(got, 1) * 20.0)
        self._days = np.stack([spend, got, clicks, clicks * 40.0], axis=2)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield each day as it was read on the morning after it."""
        first = TODAY - timedelta(days=DAYS)
        for place, day in enumerate(self._days):
            on = first + timedelta(days=place)
            if not since <= on <= until:
                continue
            read = datetime(on.year, on.month, on.day, 12, tzinfo=UTC) + timedelta(hours=16)
            for series, row in zip(self._series, np.rint(day * 1e6).astype(np.int64).tolist(), strict=True):
                yield PerformanceRow(series, on, row[0], row[1], None, row[3], row[2], read)


def build(_kind: str, context: BuildContext) -> Platform:
    """Stand in for the registry."""
    return Platform(context.name, int(context.options["number"]))


def prepare(folder: Path, count: int, clock: SetClock) -> list[Path]:
    """Write the settings of all accounts, and enter what was known yesterday into their databases."""
    empty = folder / "empty.sqlite"
    open_sql(f"sqlite:///{empty}").close()
    configs = []
    for number in range(count):
        home = folder / f"{number:04}"
        home.mkdir()
        shutil.copy(empty, home / "outlay.sqlite")
        currency, zone = CURRENCIES[number % len(CURRENCIES)]
        config = home / "config.toml"
        config.write_text(
            f'[portfolio]\nname = "account {number}"\ncurrency = "{currency}"\ntime_zone = "{zone}"\n'
            f'history_days = {DAYS}\n[store]\nurl = "sqlite:///outlay.sqlite"\n'
            '[web]\nlisten = ""\n[daemon]\ndecide_at = ["02:00"]\nrefit = "never"\nlisten = ""\n'
            f'[connectors.shop]\nkind = "memory"\nnumber = {number}\n'
        )
        platform = Platform("shop", number)
        store = open_sql(f"sqlite:///{home / 'outlay.sqlite'}")
        store.ingest(platform.pull(TODAY - timedelta(days=DAYS + 1), TODAY - timedelta(days=2)))
        store.note_entities(platform.entities(), clock.now() - timedelta(days=1))
        store.note_budgets("shop", platform.budgets(), clock.now() - timedelta(days=1))
        store.close()
        configs.append(config)
    return configs


class Stages:
    """Processor seconds of the agent's own threads by stage; what a stage calls counts for it, too."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._guard = threading.Lock()

    def watch(self, owner: Any, method: str, stage: str) -> None:
        """Count what a function of a module or class takes."""
        plain = getattr(owner, method)

        def timed(*given: Any, **more: Any) -> Any:
            began = time.thread_time()
            try:
                return plain(*given, **more)
            finally:
                with self._guard:
                    self.seconds[stage] += time.thread_time() - began

        setattr(owner, method, timed)


def processor(children: Sequence[int] = ()) -> float:
    """Processor seconds of this process, or of others."""
    if not children:
        return time.process_time()
    ticks = 0
    for pid in children:
        said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(said[11]) + int(said[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def looks(desks: Sequence[Desk], run: Callable[[Sequence[Desk]], None]) -> tuple[float, float]:
    """One look of every desk; wall and processor seconds of this process."""
    wall, own = time.perf_counter(), processor()
    run(desks)
    return time.perf_counter() - wall, processor() - own


def by_crew(desks: Sequence[Desk]) -> None:
    """As the agent does it."""
    crew = Crew(THREADS)
    wait([crew.submit(desk.look) for desk in desks])
    crew.shutdown()


def warmed(workers: Workers, request: Request) -> None:
    """Have each worker decide once: what they import is loaded once, not once a day."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(partial(workers, answer), [request] * WORKERS))


def in_turn(desks: Sequence[Desk]) -> None:
    """One after the other."""
    for desk in desks:
        desk.look()


def check(desks: Sequence[Desk]) -> None:
    """Every account must have been read, decided on and told of."""
    for desk in desks:
        jobs = {job: run.outcome for job, run in desk.seen.runs.items()}
        if desk.seen.trouble or jobs.get("decide") is not Outcome.DONE or jobs.get("pull") is not Outcome.DONE:
            raise SystemExit(f"{desk.name}: {desk.seen.trouble or desk.seen.runs}")


def table(*rows: tuple[str, float, float, int]) -> None:
    """Print wall and processor seconds, and the latter for each of some accounts."""
    print(f"{'what':<44}{'wall s':>9}{'CPU s':>9}{'CPU ms each':>13}")
    for words, wall, taken, count in rows:
        print(f"{words:<44}{wall:>9.2f}{taken:>9.2f}{taken / count * 1000:>13.1f}")


def main() -> None:
    """Measure, print a table, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} accounts instead of {ACCOUNTS:,}")
    count = QUICK if parser.parse_args().quick else ACCOUNTS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    registry.build = build  # type: ignore[assignment]
    room_for_files()
    alone = max(count // 25, 10)
    clock, stages = SetClock(NOW), Stages()
    for owner, method in ((cycle, "pull"), (cycle, "snapshot"), (cycle, "propose"), (cycle, "announce"),
                          (SqlStore, "commit"), (SqlStore, "begin_run"), (SqlStore, "end_run"),
                          (SqlStore, "take_lead"), (Desk, "look")):  # fmt: skip
        stages.watch(owner, method, method)
    with tempfile.TemporaryDirectory(prefix="outlay-accounts-") as made:
        began = time.process_time()
        configs = prepare(Path(made), count + alone, clock)
        print(f"seed {SEED}; {count:,} accounts x {CAMPAIGNS} campaigns x {DAYS} days, prepared in "
              f"{time.process_time() - began:.0f} processor seconds")  # fmt: skip
        workers = Workers(WORKERS)
        desks = [Desk(config, clock, Shared(workers)) for config in configs[:count]]
        first = [Desk(config, clock) for config in configs[count:]]
        opening = time.process_time()
        for desk in (*desks, *first):
            desk.open()
        opened = (time.process_time() - opening) / len(configs)
        base_wall, base = looks(first, in_turn)
        check(first)
        house = first[0]._house
        if house is None:
            raise SystemExit(first[0].seen.trouble)
        seen = cycle.snapshot(house, house.today())
        warm = Request(seen, house.goals, house.guards, Surroundings(), clock.now(), SEED)
        warmed(workers, warm)
        stages.seconds.clear()
        theirs = -processor(workers.processes())
        wall, own = looks(desks, by_crew)
        theirs += processor(workers.processes())
        check(desks)
        planned = sum(bool(desk.seen.waiting) for desk in desks)
        spent = dict(stages.seconds)
        idle_wall, idle = looks(desks, by_crew)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for desk in (*desks, *first):
            desk.leave()
        workers.close()
    each = (own + theirs) / count
    print(f"{planned:,} proposals wait for a person, {count - planned:,} plans moved nothing\n")
    nothing = float("nan")
    table(
        ("one after the other, in one process", base_wall, base, alone),
        (f"the agent: {THREADS} threads, {WORKERS} workers", wall, own + theirs, count),
        ("  of it the agent's own process", nothing, own, count),
        ("  of it the workers (decide)", nothing, theirs, count),
        ("a look at which nothing is due", idle_wall, idle, count),
        ("opening a portfolio", nothing, opened * len(configs), len(configs)),
    )
    print("\nof the agent's own process, CPU ms an account (what a stage calls counts for it, too):")
    for stage, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {stage:<42}{seconds / count * 1000:>32.1f}")
    print(f"peak memory of the agent's own process: {peak:.0f} MB")
    bars = [
        below(f"cycle of {count:,} accounts x {CAMPAIGNS} campaigns, wall seconds", wall, SECONDS * count / ACCOUNTS),
        below("processor seconds an account, pull to announce", each, CORES * SECONDS / ACCOUNTS),
        below("a look at which nothing is due, processor milliseconds", idle / count * 1000, 5.0),
    ]
    sys.exit(ended(bars))


if __name__ == "__main__":
    main()
