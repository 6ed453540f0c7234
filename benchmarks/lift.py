"""Lift tests: whether their intervals cover, whether a null test finds nothing, and what calibrated plans are worth.

    python benchmarks/lift.py [--quick] [--first SEED] [--worlds N] [--workers N]

Intervals. Shops of 20 regions whose demand hangs together from day to day, with switchbacks within a step of 30% and
hold-outs of a quarter of the regions, designed and read by `optimizer.measure.lift`, with an effect and without.

Plans. Worlds of `brand-and-retargeting`: brand search and retargeting claim what others bring. In each, every channel
is switched off for four weeks in regions that were drawn, and read. From what is read beside what its platform claims
come the priors, and Outlay plans with `counts = "incremental"` beside the same Outlay that believes the claims. Both
are scored by what their ads cause, as a share of the clairvoyant's. Seeds 7000 and up judge; `--first 100` gives tuning
worlds. The tests run before the days that are compared; what they cost is told.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import Bar, above, below, ended
from connectors.money import MICROS
from optimizer.agent.simulating import UNBOUND, OutlayPolicy
from optimizer.goals import Counting, Explore, Goals
from optimizer.measure.lift import (
    Claim,
    Draft,
    Interval,
    Outcomes,
    Ratio,
    compared,
    design_holdout,
    draw_blocks,
    gap,
    levels,
    read_holdout,
    typical_interval,
)
from optimizer.measure.lift.geo import draw_regions
from optimizer.measure.lift.switchback import contrasts
from optimizer.plan.lift_tests import Holdout, LiftReading
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.snapshot import Snapshot
from simulations.oracle import expected
from simulations.oracle.regions import Country, caused, demand, sizes, sold
from simulations.policies.contract import Seen, Setting
from simulations.runs.arena import Ground, WorldSpec, clairvoyant, ground, play_world
from simulations.runs.fanout import Processes, one_by_one
from simulations.scenarios.files import find

START: Final = date(2026, 1, 5)
LEVEL: Final = 0.9
COUNTRY: Final = Country()
BEFORE, TEST = 168, 28
RUNS, QUICK_RUNS = 2_000, 300
WORLDS, DAYS, QUICK_DAYS = 16, 60, 20
PLAIN: Final = {"log_half": Spread(0.0, 0.9), "log_slope": Spread(np.log(1.3), 0.65)}
SCENARIO: Final = "brand-and-retargeting"


# Intervals


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of test in one kind of shop; `effect` is a share of what is sold."""

    name: str
    country: Country
    daily: float
    effect: float


KINDS: Final = (
    Kind("calm", COUNTRY, 400.0, 0.05),
    Kind("small", COUNTRY, 60.0, 0.05),
    Kind("moody", Country(shared_sd=0.2, own_sd=0.12, memory=0.85), 400.0, 0.05),
)


def switchback(kind: Kind, effect: float, rng: np.random.Generator) -> tuple[Interval, float]:
    """Run and read one of six pairs of weeks; the interval and the truth, a day."""
    draft, share = Draft(), sizes(kind.country, rng)
    lower, upper = levels(0.3, "down")
    high = draw_blocks(draft.pairs, rng)
    lifted = np.where(np.repeat(high, draft.block_days), upper - lower, 0.0) * effect / (upper - lower)
    rates = kind.daily * (1.0 + np.broadcast_to(lifted, (kind.country.regions, draft.days)))
    swing = demand(kind.country, draft.days, rng)
    days = sold(rates, share, swing, rng).sum(axis=0)
    found = typical_interval(contrasts(days, 0, 0, high, (draft.block_days, draft.burn_in)), draft.level)
    return found, kind.daily * effect * float((share @ swing).mean())


def holdout(kind: Kind, effect: float, rng: np.random.Generator) -> tuple[Interval, float]:
    """Run and read one of four weeks in a quarter of the regions; the interval and the truth, a day."""
    days, share = BEFORE + TEST, sizes(kind.country, rng)
    swing = demand(kind.country, days, rng)
    names = tuple(f"r{n:02}" for n in range(kind.country.regions))
    plain = sold(np.full(swing.shape, kind.daily), share, swing, rng)
    test, control = draw_regions(Outcomes(START, names, plain[:, :BEFORE]), 0.25, rng)
    rows = [names.index(name) for name in test]
    lost = np.zeros(swing.shape)
    lost[rows, BEFORE:] = rng.binomial(plain[rows, BEFORE:].astype(np.int64), effect)
    outcomes = Outcomes(START, names, plain - lost)
    found = gap(outcomes.rows(test).sum(axis=0), outcomes.rows(control), TEST, LEVEL).interval
    return found, -effect * float((kind.daily * share[rows, None] * swing[rows, BEFORE:]).sum(axis=0).mean())


def intervals(runs: int, seed: int) -> list[Bar]:
    """Print and judge the coverage of both kinds of test in each kind of shop, with an effect and without."""
    bars: list[Bar] = []
    error = 100 * float(np.sqrt(0.09 / runs))
    # So few tests tell coverage no better than this; the bar of 2 points is judged where it can be.
    room = max(2.0, 3.0 * error) if runs < RUNS else 2.0
    print(f"{runs} tests each, 90% intervals; Monte Carlo error {error:.1f} points")
    for place, kind in enumerate(KINDS):
        for name, run in (("switchback", switchback), ("hold-out", holdout)):
            for effect in (0.0, kind.effect):
                rng = np.random.default_rng([seed, place, effect > 0, name == "hold-out"])
                read = [run(kind, effect, rng) for _ in range(runs)]
                held = float(np.mean([one.low <= truth <= one.high for one, truth in read]))
                found = float(np.mean([one.found for one, _ in read]))
                print(f"  {kind.name:<6} {name:<10} effect {effect:>4.0%}: covers {held:6.1%}, finds {found:6.1%}")
                what = f"{name}, {kind.name}"
                if effect:
                    bars.append(below(f"{what}: points of coverage off 90%", 100 * abs(held - LEVEL), room))
                else:
                    bars.append(above(f"{what}: null tests that find nothing, %", 100 * (1 - found), 90.0 - room))
    return bars


# Plans


class Calibrated(OutlayPolicy):
    """Outlay that counts by lift tests: incremental conversions per claimed one, by channel."""

    def __init__(self, setting: Setting, tests: dict[str, LiftReading]) -> None:
        super().__init__(setting, Explore.OPTIMISTIC, UNBOUND)
        self._tests, self._ratios = tests, dict[str, Ratio]()

    def snapshot(self, seen: Seen) -> Snapshot:
        """What is seen, with the priors that the tests gave."""
        known = super().snapshot(seen)
        # What platforms claimed in the days in which the tests ran: those before the first that is compared.
        self._ratios = self._ratios or {name: compared([self._claim(seen, name)]) for name in self._tests}
        told = sorted(self._ratios.items())
        channels = tuple(ChannelPrior(name, **PLAIN, log_lift=ratio.log) for name, ratio in told)
        fitted_at = datetime(START.year, START.month, START.day, tzinfo=UTC)
        return replace(known, priors=ResponsePriors(fitted_at, "lift/1", channels))

    def _claim(self, seen: Seen, channel: str) -> Claim:
        """What the platform claims for the spend that was switched off, by its rows that are a week old."""
        mine = self._setting.channel == self._setting.channels.index(channel)
        spend, claimed = (float(table[mine, : seen.today - 7].sum()) for table in (seen.spend, seen.conversions))
        test = self._tests[channel]
        rate, sure = max(claimed, 1.0) / spend, np.sqrt(max(claimed, 1.0)) / spend
        return Claim(rate * test.spend_change, float(abs(sure * test.spend_change)), test.incremental, test.se)

    def goals(self, seen: Seen) -> Goals:
        """The same goals, counting incremental conversions."""
        return replace(super().goals(seen), counts=Counting.INCREMENTAL)


@dataclass(frozen=True, slots=True)
class World:
    """One world that was played.

    Attributes:
        seed: Of it.
        plain, calibrated: Share of the clairvoyant's incremental conversions.
        covered: Of the tests of its channels, how many intervals held the truth; and how many tests.
        cost: Incremental conversions that the tests gave up, over what the clairvoyant brings on as many days.
    """

    seed: int
    plain: float
    calibrated: float
    covered: tuple[int, int]
    cost: float


def tests_in(here: Ground, rng: np.random.Generator) -> tuple[dict[str, LiftReading], int, float]:
    """Design, run and read a hold-out of each channel; what each found, how many intervals held, what they gave up."""
    truth, budgets = here.truth, here.opening / MICROS
    day = here.spec.first
    channels = [channel.name for channel in truth.scenario.channels]
    whole = caused(truth, budgets, day)
    organic, share = COUNTRY.organic * whole, sizes(COUNTRY, rng)
    names = tuple(f"r{n:02}" for n in range(COUNTRY.regions))
    read, held, given_up = {}, 0, 0.0
    for c, channel in enumerate(channels):
        swing = demand(COUNTRY, BEFORE + TEST, rng)
        rates = np.full(swing.shape, organic + whole)
        past = sold(rates[:, :BEFORE], share, swing[:, :BEFORE], rng)
        design = design_holdout(Outcomes(START, names, past), TEST, 0.25, (LEVEL, 0.8), rng)
        rows = [names.index(name) for name in design.test]
        off = caused(truth, np.where(truth.channel == c, 0.0, budgets), day)
        rates[rows, BEFORE:] = organic + off
        now = sold(rates[:, BEFORE:], share, swing[:, BEFORE:], rng)
        outcomes = Outcomes(START, names, np.concatenate([past, now], axis=1))
        first = START + timedelta(days=BEFORE)
        plan = Holdout(channel, channel, None, first, first + timedelta(days=TEST - 1), design.test, design.control)
        spent = float(expected(truth, budgets, day).spend[truth.channel == c].sum()) * TEST * design.share
        found = read_holdout(plan, outcomes, spent, None, LEVEL)
        lost = (off - whole) * float((share[rows, None] * swing[rows, BEFORE:]).sum())
        held += found.low <= lost <= found.high
        given_up -= lost
        read[channel] = found
    return read, held, given_up


def played(seed: int, days: int) -> World:
    """Test, calibrate and play one world with and without."""
    spec = WorldSpec(find(SCENARIO, Path()), seed, days, START, "incremental")
    here = ground(spec)
    tests, held, given_up = tests_in(here, np.random.default_rng([seed, 9]))
    best = clairvoyant(spec).best
    policies = {"outlay": partial(OutlayPolicy, explore=Explore.OPTIMISTIC, guards=UNBOUND),
                "outlay-calibrated": partial(Calibrated, tests=tests)}  # fmt: skip
    shares = [play_world(spec, name, make).trace.expected.sum() / best.sum() for name, make in policies.items()]
    cost = given_up / (best.mean() * TEST * len(tests))
    return World(seed, float(shares[0]), float(shares[1]), (held, len(tests)), float(cost))


def plans(worlds: int, days: int, first: int, workers: int | None) -> list[Bar]:
    """Play the worlds, print them and judge the gain."""
    jobs = [(seed, days) for seed in range(first, first + worlds)]
    print(f"{SCENARIO}, {worlds} worlds, {days} days, seeds {first} and up")
    ended_jobs = one_by_one(_job, jobs) if worlds == 1 else Processes(workers)(_job, jobs)
    found = [world for _, world in sorted(ended_jobs, key=itemgetter(0))]
    for world in found:
        print(
            f"  seed {world.seed}: {world.plain:.1%} -> {world.calibrated:.1%} of the clairvoyant's incremental "
            f"conversions; {world.covered[0]} of {world.covered[1]} intervals held; tests gave up {world.cost:.1%}"
        )
    gain = 100 * np.array([world.calibrated - world.plain for world in found])
    error = float(gain.std(ddof=1) / np.sqrt(gain.size)) if gain.size > 1 else float("nan")
    plain, calibrated = (100 * float(np.mean([getattr(w, name) for w in found])) for name in ("plain", "calibrated"))
    print(
        f"uncalibrated {plain:.1f}, calibrated {calibrated:.1f}: gain {gain.mean():+.1f} +- {error:.1f} points, worst "
        f"{gain.min():+.1f}; tests gave up {np.mean([world.cost for world in found]):.1%} meanwhile"
    )
    # Few worlds show which way it goes, not how far.
    bar = 5.0 if gain.size >= WORLDS else 0.0
    return [above(f"points of true incremental value gained (SE {error:.2f})", float(gain.mean()), bar)]


def _job(job: tuple[int, int]) -> World:
    return played(*job)


def main() -> None:
    """Run both parts and end with the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few tests and one short world: whether it runs")
    parser.add_argument("--first", type=int, default=7_000, help="first seed of the worlds")
    parser.add_argument("--worlds", type=int, help=f"instead of {WORLDS}")
    parser.add_argument("--days", type=int, help=f"compared days, instead of {DAYS}")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    asked = parser.parse_args()
    print(f"seed {asked.first}")
    bars = intervals(QUICK_RUNS if asked.quick else RUNS, asked.first)
    worlds, days = (1, QUICK_DAYS) if asked.quick else (WORLDS, DAYS)
    bars += plans(asked.worlds or worlds, asked.days or days, asked.first, asked.workers)
    sys.exit(ended(bars))


if __name__ == "__main__":
    main()
