"""How fast a year of days is learnt from, and how long a cycle takes from the store to the recommendation.

    python benchmarks/learning.py [--quick]

`learn` on ready panels of 300, 3,000 and 10,000 campaigns (--quick: 300 and 1,000): processor time per campaign-day,
and whether it grows faster than the number of campaigns. Then a SQLite store of 10,000 campaigns (--quick: 1,000) with
a year of days, the last of which were restated as conversions came in late, and one cycle: read the snapshot, learn,
choose the budgets, tell. Baselines in the same run: for learning, one pass of NumPy's logarithm over as many numbers
as the panel has cells and days; for the snapshot, the same daily rows read by bare `sqlite3`. Learning and reading use
two threads: on an idle machine of two cores they take less time than processor time. A machine on which others work
makes both longer, the time most. Figures of learning are the least of three runs (of 10,000 campaigns: of one), the
cycle's are of one run in a cold process.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from connectors.contract import Account, BudgetTarget, Level, PerformanceRow, Series
from connectors.money import MICROS, Money
from optimizer.agent.store import open_sql
from optimizer.decide import choose, tell
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.snapshot import DelayTriangle, FloatArray, Panel, Snapshot, Target
from optimizer.ports import SnapshotQuery
from optimizer.response import learn
from optimizer.response.curves import CELLS
from optimizer.response.rates import ELASTICITIES

SEED = 20_260_301
DAYS = 365
FIRST_DAY = date(2025, 1, 1)
TODAY = FIRST_DAY + timedelta(days=DAYS)
NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 6, tzinfo=UTC)
ACCOUNT = Account("bench", "1", "EUR", "UTC")
CHANNELS = ("search", "social", "video")
RESTATED = 10  # days at the end that are stated twice
SIZES, QUICK_SIZES = (300, 3_000, 10_000), (300, 1_000)
CELLS_A_DAY = len(CELLS.slope) + 2 * len(ELASTICITIES)  # numbers per campaign-day of the baseline: of volume, of rates
LARGEST_RATIO = 1.4


@dataclass(frozen=True)
class Took:
    """Wall and processor seconds."""

    wall: float
    cpu: float


def timed[T](work: Callable[[], T]) -> tuple[T, Took]:
    """Do something, and measure it."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    return done, Took(time.perf_counter() - wall, time.process_time() - cpu)


def best_of(work: Callable[[], object], runs: int = 3) -> Took:
    """Return the least times of some runs."""
    took = [timed(work)[1] for _ in range(runs)]
    return Took(min(t.wall for t in took), min(t.cpu for t in took))


@dataclass(frozen=True)
class World:
    """A year of K campaigns, each array of shape (K, DAYS): currency units and counts."""

    budget: FloatArray
    spend: FloatArray
    impressions: FloatArray
    clicks: FloatArray
    conversions: FloatArray

    @classmethod
    def draw(cls, campaigns: int) -> World:
        """Draw concave responses, a weekly season, budgets that change every two weeks, and noise."""
        rng = np.random.default_rng([SEED, campaigns])
        scale, half = rng.lognormal(1.5, 0.6, (campaigns, 1)), rng.lognormal(5.0, 0.5, (campaigns, 1))
        edits = rng.normal(0.0, 0.15, (campaigns, DAYS)) * (np.arange(DAYS) % 14 == 0)
        budget = np.round(rng.lognormal(5.0, 0.4, (campaigns, 1)) * np.exp(np.cumsum(edits, axis=1)), 2)
        spend = np.round(budget * rng.uniform(0.9, 1.05, budget.shape), 2)
        impressions = rng.poisson(40.0 * spend).astype(np.float64)
        clicks = rng.binomial(impressions.astype(np.int64), 0.03).astype(np.float64)
        week = 1.0 + 0.15 * np.sin(np.arange(DAYS) % 7)
        mean = 2.0 * scale * spend / (spend + half) * week
        return cls(budget, spend, impressions, clicks, rng.poisson(mean).astype(np.float64))


def targets_of(world: World) -> tuple[Target, ...]:
    """Return the budgets as they stand on the last morning."""
    return tuple(
        Target(budget_of(k, float(amount)), CHANNELS[k % 3], (), (f"c{k:05}",), (f"Campaign {k}",))
        for k, amount in enumerate(world.budget[:, -1])
    )


def budget_of(k: int, amount: float) -> BudgetTarget:
    """Return the daily budget of one campaign."""
    money = Money(round(amount * 100) * (MICROS // 100), "EUR")
    return BudgetTarget(ACCOUNT, f"b{k:05}", f"Budget {k}", Level.CAMPAIGN, (f"c{k:05}",), money)


def panel_of(world: World) -> Snapshot:
    """Return the world as a snapshot, without a store."""
    panel = Panel(
        FIRST_DAY,
        world.spend,
        world.conversions,
        55.0 * world.conversions,
        world.clicks,
        world.impressions,
        world.budget,
    )
    age = np.arange(DAYS, 0, -1)[-90:]
    total = world.conversions[:, -90:].sum(axis=0)[:, None]
    known = np.where(np.arange(36) < age[:, None], total * (1 - 0.5 ** np.arange(36)), np.nan)
    delays = (DelayTriangle("bench/purchase", np.arange(len(world.spend)), known),)
    return Snapshot(NOW, TODAY, "EUR", "UTC", targets_of(world), panel, delays, None)


def rows(world: World) -> Iterator[PerformanceRow]:
    """Yield the rows of each day as read on the morning after it, and the last days once more, now complete."""
    series = [Series(ACCOUNT, f"c{k:05}", CHANNELS[k % 3]) for k in range(len(world.spend))]
    spend, late = world.spend * MICROS, np.floor(0.8 * world.conversions)
    for again in (False, True):
        for day in range(DAYS - RESTATED if again else 0, DAYS - again):
            came = world.conversions if again or day < DAYS - RESTATED else late
            at = NOW if again else NOW - timedelta(days=DAYS - 1 - day)
            columns = (
                spend[:, day],
                MICROS * came[:, day],
                55 * MICROS * came[:, day],
                MICROS * world.impressions[:, day],
                MICROS * world.clicks[:, day],
            )
            measures = zip(*(np.rint(column).astype(np.int64).tolist() for column in columns), strict=True)
            on = FIRST_DAY + timedelta(days=day)
            for own, (paid, got, worth, shown, clicked) in zip(series, measures, strict=True):
                yield PerformanceRow(own, on, paid, got, worth, shown, clicked, at)


def build(file: Path, world: World) -> None:
    """Fill a store, with the readings of each campaign's budget."""
    store = open_sql(f"sqlite:///{file}")
    store.ingest(rows(world))
    for day in range(0, DAYS, 14):
        read = [budget_of(k, float(amount)) for k, amount in enumerate(world.budget[:, day])]
        store.note_budgets(ACCOUNT.connector, read, NOW - timedelta(days=DAYS - day))
    store.close()


def learning(sizes: tuple[int, ...]) -> dict[int, float]:
    """Print and return milliseconds of `learn` per campaign-day, by number of campaigns."""
    print(f"\nlearn, {DAYS} days, seeds [{SEED}, campaigns]")
    print(f"{'campaigns':>10}{'seconds':>9}{'cpu':>8}{'ms per campaign-day':>21}{'x one pass of log':>19}")
    found = {}
    for campaigns in sizes:
        snapshot = panel_of(World.draw(campaigns))
        took = best_of(lambda: learn(snapshot), 1 if campaigns > 5_000 else 3)  # noqa: B023 - called at once
        numbers = np.full((campaigns, CELLS_A_DAY), 1.5)
        bare = best_of(lambda: [np.log(numbers) for _ in range(DAYS)], 1)  # noqa: B023
        found[campaigns] = 1e3 * took.cpu / (campaigns * DAYS)
        print(f"{campaigns:>10,}{took.wall:>9.2f}{took.cpu:>8.2f}{found[campaigns]:>21.4f}{took.cpu / bare.cpu:>19.1f}")
    return found


def bare_read(file: Path) -> int:
    """Read the rows of every campaign and day by bare SQL into tuples; return how many there are."""
    connection = sqlite3.connect(file)
    found = connection.execute(
        "SELECT series_id, day, SUM(spend), SUM(conversions), SUM(value), SUM(impressions), SUM(clicks) "
        "FROM fact GROUP BY series_id, day"
    ).fetchall()
    connection.close()
    return len(found)


def cycle(campaigns: int) -> tuple[float, float]:
    """Print what each part of a cycle takes; return its wall seconds and its processor seconds."""
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as made:
        file = Path(made) / "store.sqlite"
        _, filling = timed(lambda: build(file, World.draw(campaigns)))
        print(f"\ncycle, {campaigns:,} campaigns x {DAYS} days; filling the store took {filling.wall:.0f} s")
        count, bare = timed(lambda: bare_read(file))
        store = open_sql(f"sqlite:///{file}")
        rng, wanted = np.random.default_rng(SEED), Goals("EUR")
        query = SnapshotQuery(NOW, TODAY, DAYS, "EUR", "UTC")
        snapshot, reading = timed(lambda: store.snapshot(query))
        store.close()
    _, learnt = timed(lambda: learn(snapshot))
    choice, choosing = timed(lambda: choose(snapshot, wanted, Guardrails(), NOW, rng))
    decision, telling = timed(lambda: tell(choice, rng))
    moved = sum(line.changes for line in decision.lines)
    rest = Took(choosing.wall - learnt.wall, choosing.cpu - learnt.cpu)
    whole = Took(*(sum(getattr(t, of) for t in (reading, choosing, telling)) for of in ("wall", "cpu")))
    parts = {
        f"(bare SQL, {count:,} rows)": bare,
        "snapshot": reading,
        "learn": learnt,
        "choose, the rest": rest,
        "tell": telling,
        "the cycle": whole,
    }
    print(f"{'part':<32}{'seconds':>9}{'cpu':>8}")
    for name, took in parts.items():
        print(f"{name:<32}{took.wall:>9.2f}{took.cpu:>8.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{moved:,} of {len(decision.lines):,} budgets move; peak memory {peak:,.0f} MB", flush=True)
    return whole.wall, whole.cpu


def main() -> None:
    """Measure, print the tables, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the campaigns, under 50 s")
    quick = parser.parse_args().quick
    campaigns = 1_000 if quick else 10_000
    wall, cpu = cycle(campaigns)  # first, so that the process is as cold as a real one
    speed = learning(QUICK_SIZES if quick else SIZES)
    seconds = 2.0 if quick else 10.0  # of which a part does not grow with the campaigns
    sizes = " to ".join(f"{size:,}" for size in (min(speed), max(speed)))
    # What does not grow with the campaigns makes those of few dearer; that more of them get dearer is what counts.
    growth = max(speed[more] / speed[fewer] for fewer in speed for more in speed if more > fewer)
    bars = [
        ("learn, ms of processor time per campaign-day", max(speed.values()), 0.1),
        (f"a campaign-day of more / of fewer campaigns, {sizes}, at most", growth, LARGEST_RATIO),
        (f"cycle of {campaigns:,} campaigns, seconds (processor {cpu:.1f})", wall, seconds),
    ]
    rows_ = [{"name": name, "value": round(v, 4), "bar": f"< {bar:g}", "holds": v < bar} for name, v, bar in bars]
    print(json.dumps({"bars": rows_}))
    sys.exit(0 if all(bar["holds"] for bar in rows_) else 1)


if __name__ == "__main__":
    main()
