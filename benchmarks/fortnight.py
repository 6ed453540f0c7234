"""The whole agent for a fortnight on the emulators of Google Ads and Meta, beside the same on the in-process simulator.

Each way is a process of `outlay run` with two connectors. Every day it reads, decides and announces, a person approves
by `outlay approve`, and it writes and reads back; then a day passes in both markets. Settings (the defaults, but for
what tests/journeys/two_platforms.py says), worlds, days and the seeds of decisions are the same. Counted are expected
conversions of the days, as a share of the clairvoyant's, and how far the two ways are apart; the baseline is to leave
the budgets alone. The clairvoyant moves budgets and no ads, so that an agent that pauses poor ads may bring more.

    python benchmarks/fortnight.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._bars import Bar, above, below, ended, none
from connectors.money import MICROS
from simulations.market.truth import Truth
from simulations.noise import FloatArray
from simulations.oracle import expected, optimum
from simulations.platform.world import World
from tests.journeys.two_platforms import SIDES, Lived, Shop, live

SHOPS = tuple(replace(shop, seed=seed) for seed in (1, 2) for shop in (Shop(3, 3, 45), Shop(4, 4, 60)))
SMALL = Shop(2, 2, 30, days=2)
POINTS = 2.0
"""So far apart may the two ways be."""


def outcome(worlds: Sequence[World], since: date, days: int) -> tuple[float, float, float]:
    """Return the expected conversions of some days: of what was done, of the budgets before, of the clairvoyant.

    The clairvoyant parts the total of the budgets before between the two worlds, and in each among its campaigns, every
    day anew; it has the ads that there were.
    """
    before = [world.in_force(since - timedelta(days=1), since - timedelta(days=1))[0] / MICROS for world in worlds]
    total = float(sum(row.sum() for row in before))
    done = kept = best = 0.0
    for day in (since + timedelta(days=number) for number in range(days)):
        for world, row in zip(worlds, before, strict=True):
            index = world.index_of(day)
            done += _expected(world.truth_on(index), world.in_force(day, day)[0] / MICROS, index)
            kept += _expected(world.truth, row, index)
        best += _best(worlds, day, total)
    return done, kept, best


def _expected(truth: Truth, budgets: FloatArray, index: int) -> float:
    return float(expected(truth, budgets, index).of("conversions").sum())


def _best(worlds: Sequence[World], day: date, total: float) -> float:
    def lost(first: float) -> float:
        return -sum(
            _optimum(world, world.index_of(day), part)
            for world, part in zip(worlds, (first, total - first), strict=True)
        )

    return float(-minimize_scalar(lost, bounds=(0.0, total), method="bounded", options={"xatol": total / 1_000}).fun)


def _optimum(world: World, index: int, total: float) -> float:
    zero = np.zeros(world.truth.channel.size)
    return optimum(world.truth, index, total=total, lower=zero, upper=zero + total).value


def measured(shop: Shop) -> dict[str, tuple[float, float, Lived]]:
    """Let both ways live through the days of one shop, and print what came of each.

    Returns:
        By way: its share of the clairvoyant in points, how much more that is than of the budgets before, and the rest.
    """
    found = {}
    for way in SIDES:
        with tempfile.TemporaryDirectory(prefix="outlay-fortnight-") as folder:
            lived = live(shop, way, Path(folder))
            done, kept, best = outcome(lived.worlds, shop.first, shop.days)
        found[way] = (100.0 * done / best, 100.0 * (done - kept) / best, lived)
        print(f"{f'{shop.search} + {shop.social}':>9}{shop.history:>9}{shop.days:>6}{shop.seed:>6}  {way:<11}"
              f"{done:>9.1f}{found[way][0]:>8.2f}{100.0 * kept / best:>11.2f}"
              f"{lived.verified:>7}{lived.written:>8}{lived.drifted:>7}{lived.requests:>10}", flush=True)  # fmt: skip
    return found


def bars(apart: Sequence[float], gained: Sequence[float], lived: Sequence[Lived]) -> list[Bar]:
    """Return what must hold; two days are too few to gain anything for sure."""
    found = [
        below("points apart, most of any shop", float(np.abs(apart).max()), POINTS),
        none("writes that drifted", sum(each.drifted for each in lived)),
        none("effects without a write that was read back, or writes without one", sum(e.unmatched for e in lived)),
        none("ways on which nothing was written", sum(each.written == 0 for each in lived)),
        none("agents that did not end in order", sum(each.exit_code != 0 for each in lived)),
    ]
    if gained:
        found.append(above("points more than leaving the budgets alone, mean of all ways", float(np.mean(gained)), 0.0))
    return found


def main() -> None:
    """Measure, print, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small shop for two days")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the agents' processes, which share the cores
    shops = [SMALL] if given.quick else SHOPS
    print(
        f"{'campaigns':>9}{'history':>9}{'days':>6}{'seed':>6}  {'way':<11}"
        f"{'expected':>9}{'% best':>8}{'% unmoved':>11}{'plans':>7}{'writes':>8}{'drift':>7}{'requests':>10}"
    )
    found = [measured(shop) for shop in shops]
    apart = [each["emulators"][0] - each["in-process"][0] for each in found]
    print(f"emulators less in-process, points: {', '.join(f'{points:+.2f}' for points in apart)}")
    spent = os.times()
    print(f"processor s: {spent.user + spent.system:.0f} of markets, emulators and people, "
          f"{spent.children_user + spent.children_system:.0f} of the agents")  # fmt: skip
    ways = [way for each in found for way in each.values()]
    gained = [] if given.quick else [gain for _, gain, _ in ways]
    sys.exit(ended(bars(apart, gained, [lived for *_, lived in ways])))


if __name__ == "__main__":
    main()
