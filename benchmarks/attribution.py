"""How fast orders are shared out over paths, and how far each model is from what channels truly add.

    python benchmarks/attribution.py [--quick] [--seed N]

First 10,000,000 paths over 30 channels (--quick: 1,000,000, with bars a tenth as high), shared out by every model, with
a chain kept in dictionaries as the baseline on the first 20,000 of them. Then simulated journeys whose channels are
switched off one by one on the same draws of chance, so that what each truly adds is known: every model's error, last
click's as the baseline. Time is that of the processor.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import Bar, above, below, ended, none
from connectors.money import MICROS, Money
from connectors.orders import Order
from connectors.touches import SCHEMA
from optimizer.measure.attribution import markov
from optimizer.measure.attribution.building import Windows, build
from optimizer.measure.attribution.credit import Knobs, Model, credit, spread
from optimizer.measure.attribution.paths import Paths, Place
from simulations.journeys import drawn, live
from simulations.journeys.walk import START

SEED = 20261128
CHANNELS = 30
PLAIN = 20_000
EVERY = [(model, order) for model in Model for order in ((1, 2, 3) if model is Model.MARKOV else (1,))]
WINDOWS = Windows(click_days=30, view_days=7, view_weight=0.3)

Floats = npt.NDArray[np.float64]


def paths_of(count: int, rng: np.random.Generator) -> Paths:
    """Random paths of 3.3 touches on average, some channels met and followed by orders far more often."""
    lengths = rng.geometric(0.3, count)
    touches = int(lengths.sum())
    met = rng.dirichlet(np.full(CHANNELS, 0.7))
    codes = np.searchsorted(np.cumsum(met)[:-1], rng.random(touches, dtype=np.float32)).astype(np.int8)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pull = rng.uniform(0.01, 0.1, CHANNELS)
    orders = (rng.random(count) < pull[codes[offsets[1:] - 1]]).astype(np.int64)
    return Paths(
        places=tuple(Place(f"channel {number}") for number in range(CHANNELS)),
        codes=codes,
        views=rng.random(touches, dtype=np.float32) < 0.2,
        ages=rng.random(touches, dtype=np.float32) * 30,
        offsets=offsets,
        orders=orders,
        values=orders * rng.integers(10_000_000, 90_000_000, count),
        persons=np.arange(count, dtype=np.int32),
        view_weight=0.3,
    )


def plain_effects(paths: Paths) -> list[float]:
    """The removal effects of a first-order chain as they are mostly written: dictionaries, a solve for each channel."""
    moves: Counter[tuple[int, int]] = Counter()
    ends: Counter[tuple[int, bool]] = Counter()
    for path in range(len(paths)):
        codes = paths.codes[paths.offsets[path] : paths.offsets[path + 1]].tolist()
        moves.update(pairwise([-1, *codes]))
        ends[codes[-1], bool(paths.orders[path])] += 1
    leaving = Counter(dict.fromkeys(range(-1, CHANNELS), 0))
    for (state, _), many in [*moves.items(), *ends.items()]:
        leaving[state] += many

    def converted(removed: int | None) -> float:
        matrix, gains = np.eye(CHANNELS + 1), np.zeros(CHANNELS + 1)
        for (state, after), many in moves.items():
            if after != removed:
                matrix[state + 1, after + 1] -= many / leaving[state]
        for (state, bought), many in ends.items():
            gains[state + 1] += many / leaving[state] if bought else 0
        return float(np.linalg.solve(matrix, gains)[0])

    every = converted(None)
    return [1 - converted(channel) / every for channel in range(CHANNELS)]


def scale(quick: bool, rng: np.random.Generator) -> list[Bar]:
    """Every model over many paths, and the plain chain over a few."""
    count = 1_000_000 if quick else 10_000_000
    part = count / 10_000_000
    paths = paths_of(count, rng)
    print(f"{count:,} paths, {len(paths.codes):,} touches, {CHANNELS} channels, {paths.orders.sum():,} orders")
    seconds: dict[str, float] = {}
    unequal: list[str] = []
    for model, order in EVERY:
        knobs = Knobs(order=order)
        began = time.process_time()
        found = credit(paths, model, knobs, rng)
        seconds[found.name] = time.process_time() - began
        if (found.orders.sum(), found.values.sum()) != (paths.orders.sum() * MICROS, paths.values.sum()):
            unequal.append(found.name)
        print(f"  {found.name:15s} {seconds[found.name]:7.2f} s")
    began = time.process_time()
    spread(paths, Model.MARKOV, Knobs(), 200, rng)
    print(f"  markov-1 with 200 replicates of the bootstrap {time.process_time() - began:.2f} s")
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    few = next(paths.blocks(PLAIN))
    began = time.process_time()
    plain = plain_effects(few)
    each = (time.process_time() - began) / PLAIN
    ours, _ = markov.removal_effects(markov.count(few, 1, np.zeros(PLAIN, dtype=np.int64), 1), np.ones(1))
    print(f"  the chain in dictionaries: {each * count:,.1f} s for as many paths, by {PLAIN:,} of them")
    print(f"  most memory {gigabytes:.2f} GB")
    return [
        below(f"markov-1, {count:,} paths, processor seconds", seconds["markov-1"], 60 * part),
        below(f"markov-2, {count:,} paths, processor seconds", seconds["markov-2"], 60 * part),
        below(f"markov-3, {count:,} paths, processor seconds", seconds["markov-3"], 60 * part),
        below(f"most memory with {count:,} paths, GB", gigabytes, 4.0),
        below("removal effects against the chain in dictionaries, largest difference", _apart(plain, ours), 1e-9),
        none("models whose credits do not sum exactly", len(unequal)),
    ]


def joining(quick: bool, rng: np.random.Generator) -> None:
    """From touches and orders to paths: three touches a person, over eighty days, every twentieth of them orders."""
    touches = 300_000 if quick else 3_000_000
    persons, seconds = touches // 3, 80 * 86_400
    columns = [
        pa.array([f"person {number}" for number in rng.integers(0, persons, touches).tolist()], pa.string()),
        pa.array((rng.integers(0, seconds, touches) * 1_000_000).tolist(), SCHEMA.field("at").type),
        pa.array([f"channel {number}" for number in rng.integers(0, CHANNELS, touches).tolist()], pa.string()),
        pa.nulls(touches, pa.string()),
        pa.array([False] * touches, pa.bool_()),
    ]
    began = datetime(1970, 1, 1, tzinfo=UTC)
    who, when = rng.integers(0, persons, persons // 20).tolist(), rng.integers(0, seconds, persons // 20).tolist()
    paid, back = Money.of(50, "EUR"), Money(0, "EUR")
    orders = [
        Order(str(number), f"person {person}", began + timedelta(seconds=second), paid, back)
        for number, (person, second) in enumerate(zip(who, when, strict=True))
    ]
    started = time.process_time()
    batch = pa.record_batch(columns, schema=SCHEMA)
    paths, treated = build([batch], orders, WINDOWS, began, began + timedelta(days=85))
    took = time.process_time() - started
    print(f"{touches:,} touches and {treated.orders:,} orders to {len(paths):,} paths: {took:.2f} s")


def _apart(one: list[float], other: Floats) -> float:
    return float(np.abs(np.array(one) - other).max())


def journeys(quick: bool, seed: int) -> list[Bar]:
    """Every model against what channels truly add, in worlds of one kind."""
    worlds, persons = (6, 30_000) if quick else (30, 100_000)
    errors: dict[str, list[float]] = {}
    ratios: dict[str, list[Floats]] = {}
    names: list[str] = []
    for number in range(worlds):
        rng = np.random.default_rng([seed, number])
        lived = live(drawn(persons, rng), rng)
        names = [channel.name for channel in lived.world.channels]
        orders = lived.orders()
        paths, _ = build([lived.touches()], orders, WINDOWS, START, lived.end)
        claims = np.array([sum(name in order.claims for order in orders) for name in names], dtype=np.float64)
        told = {"platform": claims}
        for model, order in EVERY:
            found = credit(paths, model, Knobs(order=order), rng)
            told[found.name] = np.array([found.of(name)[0] for name in names])
        for name, credited in told.items():
            errors.setdefault(name, []).append(misplaced(credited, lived.added))
            ratios.setdefault(name, []).append(credited / np.maximum(lived.added, 1))
    print(
        f"\n{worlds} worlds of {persons:,} persons: misplaced is half the sum of |share credited - share truly added|"
    )
    print(f"{'':14s}  misplaced        credited per order truly added: {', '.join(names)}")
    for name, found in errors.items():
        middle = "  ".join(f"{ratio:5.2f}" for ratio in np.median(ratios[name], axis=0))
        print(f"{name:15s} {np.mean(found):.3f} +- {_se(found):.3f}  {middle}")
    gains = {name: np.array(errors["last-click"]) - np.array(found) for name, found in errors.items()}
    return [
        above(f"{name}: last click's misplaced share less its own, in standard errors", gain.mean() / _se(gain), 2.0)
        for name, gain in gains.items()
        if name in ("markov-1", "shapley", "shapley-chain")
    ]


def misplaced(credited: Floats, added: npt.NDArray[np.int64]) -> float:
    """The part of the credit that stands at the wrong channel, if what channels truly added is right, 0 to 1."""
    return float(np.abs(credited / credited.sum() - added / added.sum()).sum() / 2)


def _se(values: list[float] | Floats) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def main() -> int:
    """Measure, print, and end with 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    bars = scale(options.quick, np.random.default_rng(options.seed))
    joining(options.quick, np.random.default_rng(options.seed))
    return ended([*bars, *journeys(options.quick, options.seed)])


if __name__ == "__main__":
    sys.exit(main())
