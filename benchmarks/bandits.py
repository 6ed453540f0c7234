"""How much of what creatives can bring do the shares bring, how honest are the intervals, and how fast is it?

Tests of 2 to 14 creatives are drawn from an assumed distribution: logit CTR with sd .24 within a test and .71 between
tests, median 1.8%. The median was chosen for flat Thompson sampling to gain about 12, 23 and 54% at 60, 200 and 1,200
impressions a day; at 1.5% it gains less. The defaults of `BanditSettings` were chosen on worlds of this kind, so its
figures are somewhat optimistic; the tables at half and twice the spread show how far that carries. Every policy sees
the same truths. A policy's figure is the expected successes above uniform, over 14 days and all tests, as a share of
what always showing the best creative would bring beyond it. A lead is the difference of two such figures over the same
tests, with the standard error of that difference.

Run `python benchmarks/bandits.py [--quick]`. The last line is JSON: the bars and whether they hold.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where this file hides the package

from bandits import pooling, thompson
from bandits.belief import ArmBelief, BanditSettings, believe
from bandits.evidence import Evidence, gather
from bandits.groups import FloatArray, Groups
from bandits.policy import Outlook, Rule, TemperedThompson, share_out
from bandits.posterior import GammaPoisson

WITHIN, BETWEEN, MEDIAN_CTR = 0.24, 0.71, 0.018
VOLUMES = (60, 200, 1_200)
DAYS = 14
DRAWS = 400  # of every policy: the default of BanditSettings
JUDGED = [1, 2, 3]  # seeds of these figures
TUNED = [101, 102, 103, 104, 105, 106]  # seeds on which defaults were chosen
LEAST = (22.0, 38.0, 67.0)  # % of the achievable gain, by volume
SHARED = 64
BARE = ", bare numpy"
MEMORY = "peak memory of the process, MB"


@dataclass(frozen=True)
class World:
    """Tests with their hidden rates (A,)."""

    groups: Groups
    rate: FloatArray


@dataclass(frozen=True)
class History:
    """What a policy sees on a morning: rows (A, t) as reported by now, the maturity of each, the shares in force."""

    groups: Groups
    exposure: FloatArray
    successes: FloatArray
    maturity: FloatArray
    share: FloatArray
    rng: np.random.Generator

    @property
    def totals(self) -> Evidence:
        """Plain sums, for the baselines."""
        return Evidence(np.nansum(self.successes, axis=1), np.nansum(self.exposure, axis=1))


@dataclass(frozen=True)
class Lead:
    """How many points a policy is ahead of the best rival, with the paired standard error."""

    rival: str
    points: float
    error: float


Policy = Callable[[History], FloatArray]
Figure = tuple[float, float]  # with its standard error
Plays = tuple[FloatArray, FloatArray]  # won above uniform and achievable, by test


def draw_world(tests: int, within: float, rng: np.random.Generator) -> World:
    """Draw tests from the spreads above."""
    groups = Groups.of(np.repeat(np.arange(tests), rng.integers(2, 15, tests)))
    logit = np.log(MEDIAN_CTR / (1 - MEDIAN_CTR)) + rng.normal(0, BETWEEN, tests)[groups.index]
    return World(groups, expit(logit + rng.normal(0, within, groups.arms)))


def greedy_epsilon(h: History) -> FloatArray:
    """Epsilon-greedy at .1 on the pooled means of the global prior."""
    return thompson.epsilon_greedy(_global_prior(h).mean, h.groups, 0.1)


def flat(temper: float) -> Policy:
    """Thompson sampling from Beta(1, 1), tempered by a constant."""

    def policy(h: History) -> FloatArray:
        alpha, beta = 1 + h.totals.successes, 1 + np.maximum(h.totals.exposure - h.totals.successes, 0)
        draws = h.rng.beta(alpha, beta, size=(DRAWS, alpha.size))
        return thompson.tempered(draws, alpha / (alpha + beta), h.groups, np.array(temper))

    return policy


def global_prior(temper: float) -> Policy:
    """Thompson sampling from one gamma prior for all tests, moments known, tempered by a constant."""

    def policy(h: History) -> FloatArray:
        posterior = _global_prior(h)
        return thompson.tempered(posterior.draws(DRAWS, h.rng), posterior.mean, h.groups, np.array(temper))

    return policy


def _global_prior(h: History) -> GammaPoisson:
    total, ones = h.totals, np.ones(h.groups.arms)
    strength = 1 / (WITHIN**2 + BETWEEN**2)
    rate = (total.successes.sum() + 0.5) / total.exposure.sum()
    return GammaPoisson(strength * ones, strength / rate * ones).update(total.successes, total.exposure)


def pooled(temper: float) -> Policy:
    """Ours with a constant temper and without floors, steps or forgetting."""

    def policy(h: History) -> FloatArray:
        pool = pooling.learn_pool(h.totals, h.groups, pooling.Hyperprior())
        rates = pooling.condition(h.totals, h.groups, pool)
        draws = rates.draws(DRAWS, h.rng)
        return thompson.tempered(draws, rates.arms().mean, h.groups, np.array(temper))

    return policy


def outlay(settings: BanditSettings, *, corrected: bool = True) -> Policy:
    """The front function as the optimizer calls it."""

    def policy(h: History) -> FloatArray:
        return ask(h, h.maturity if corrected else np.ones_like(h.maturity), settings).share

    return policy


def ask(h: History, maturity: FloatArray, settings: BanditSettings) -> ArmBelief:
    """Call the front function with what is seen on a morning."""
    return believe(
        h.exposure,
        h.successes,
        group=h.groups.index,
        age=np.arange(h.exposure.shape[1])[::-1].astype(np.float64),
        maturity=maturity,
        share_now=h.share,
        rng=h.rng,
        settings=settings,
    )


def play(world: World, policy: Policy, volume: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Run 14 days; return what was won above uniform and what could have been, each by test (G,)."""
    groups, rate = world.groups, world.rate
    share = thompson.uniform(groups)
    even, best = groups.sum(rate * share), groups.max(rate)
    won = np.zeros_like(even)
    exposure, successes = np.zeros((groups.arms, 0)), np.zeros((groups.arms, 0))
    for day in range(DAYS):
        won += groups.sum(share * rate) - even
        exposure = np.column_stack([exposure, volume * share])
        successes = np.column_stack([successes, rng.poisson(volume * share * rate)])
        share = policy(History(groups, exposure, successes, np.ones(day + 1), share, rng))
    return won, DAYS * (best - even)


def play_delayed(
    world: World, policy: Policy, volume: float, rng: np.random.Generator, *, days: int = 28, mean_delay: float = 4.0
) -> tuple[FloatArray, FloatArray]:
    """The same with geometric delays, and creatives launched on days of their own over the first three weeks."""
    hazard = 1 / (1 + mean_delay)
    launch = rng.integers(0, 21, world.groups.arms)
    launch[world.groups.starts] = 0
    shape = (world.groups.arms, days)
    exposure, reported, pending = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
    share = np.zeros(world.groups.arms)
    won, could = np.zeros(world.groups.starts.size), np.zeros(world.groups.starts.size)
    for day in range(days):
        live = np.flatnonzero(launch <= day)
        groups, rate = Groups.of(world.groups.index[live]), world.rate[live]
        even = thompson.uniform(groups)
        if day == 0:
            share[live] = even
        elif (launch == day).any():  # what is launched starts with its equal share
            fresh = launch[live] == day
            rest = 1 - groups.spread(groups.sum(np.where(fresh, even, 0.0)))
            share[live] = np.where(fresh, even, share[live] * rest)
        won += groups.sum((share[live] - even) * rate)
        could += groups.max(rate) - groups.sum(even * rate)
        exposure[live, day], reported[live, day] = volume * share[live], 0
        pending[live, day] = rng.poisson(volume * share[live] * rate)
        told = rng.binomial(pending, hazard)
        pending, reported = pending - told, reported + told
        maturity = 1 - (1 - hazard) ** (np.arange(day + 1)[::-1] + 1.0)
        seen = (exposure[live, : day + 1], reported[live, : day + 1])
        share[live] = policy(History(groups, *seen, maturity, share[live], rng))
    return won, could


def run(policy: Policy, tests: int, seeds: list[int], within: float, volume: float) -> Plays:
    """Play a policy on the worlds of all seeds; return won and achievable by test, each (G,)."""
    worlds = [draw_world(tests, within, np.random.default_rng(s)) for s in seeds]
    rngs = [np.random.default_rng([s, int(volume)]) for s in seeds]
    plays = [play(w, policy, volume, r) for w, r in zip(worlds, rngs, strict=True)]
    won, could = (np.concatenate(part) for part in zip(*plays, strict=True))
    return won, could


def gain(won: FloatArray, could: FloatArray) -> Figure:
    """Share of the achievable gain in percent, with its standard error over tests (ratio estimator)."""
    ratio = won.sum() / could.sum()
    return 100 * float(ratio), 100 * float(np.sqrt(((won - ratio * could) ** 2).sum()) / could.sum())


def leads_over(ours: list[Plays], rivals: dict[str, list[Plays]]) -> list[dict[str, Lead]]:
    """Compare ours with each rival, by volume, test by test."""
    return [
        {name: Lead(name, *gain(won - plays[i][0], could)) for name, plays in rivals.items()}
        for i, (won, could) in enumerate(ours)
    ]


def table(policies: dict[str, Policy], tests: int, seeds: list[int], within: float) -> dict[str, list[Plays]]:
    """Print a row per policy, a figure per volume; return what was played."""
    print(f"\nShare of the achievable gain over uniform, % (standard error); sd within a test {within}, seeds {seeds}")
    print(f"{'policy':<34}" + "".join(f"{v:>8} a day " for v in VOLUMES))
    played: dict[str, list[Plays]] = {}
    for name, policy in policies.items():
        played[name] = [run(policy, tests, seeds, within, volume) for volume in VOLUMES]
        _row(name, [gain(*plays) for plays in played[name]])
    return played


def compare(
    shown: dict[str, Policy], tests: int, seeds: list[int], within: float
) -> tuple[list[Figure], list[dict[str, Lead]]]:
    """Print the table and below it the lead over the best rival; return the advised policy's figures and leads."""
    played = table(shown, tests, seeds, within)
    leads = leads_over(played[ADVISED], {name: played[name] for name in RIVALS})
    best = [min(each.values(), key=lambda lead: lead.points) for each in leads]
    _row("lead over the best rival, paired", [(lead.points, lead.error) for lead in best])
    print("best rivals: " + "; ".join(f"{v}: {lead.rival}" for v, lead in zip(VOLUMES, best, strict=True)))
    return [gain(*plays) for plays in played[ADVISED]], leads


def _row(name: str, figures: list[Figure]) -> None:
    print(f"{name:<34}" + "".join(f"{mean:>7.1f} ({error:.1f})" for mean, error in figures), flush=True)


def delay_gain(settings: BanditSettings, tests: int, seeds: list[int]) -> float:
    """Print the table with staggered launches and delay; return the points that the correction brings."""
    print("\nStaggered launches, delay of 4 days on average, 1200 a day, 28 days: % (standard error)")
    means = []
    for name, corrected in (("corrected", True), ("not corrected", False)):
        plays = []
        for seed in seeds:
            rng = np.random.default_rng([seed, 4])
            plays.append(
                play_delayed(draw_world(tests, WITHIN, rng), outlay(settings, corrected=corrected), 1_200, rng)
            )
        won, could = (np.concatenate(part) for part in zip(*plays, strict=True))
        figure = gain(won, could)
        means.append(figure[0])
        _row(name, [figure])
    return means[0] - means[1]


def coverage(settings: BanditSettings, tests: int, seeds: list[int]) -> tuple[float, float]:
    """Coverage of the 90% intervals after 14 adaptive days at 200 a day, in %: of all arms, of each test's leader."""
    every, leaders = [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, 9])
        world = draw_world(tests, WITHIN, rng)

        def spy(h: History, rate: FloatArray = world.rate) -> FloatArray:
            b = ask(h, h.maturity, settings)
            if h.exposure.shape[1] == DAYS:
                inside = (b.low90 <= rate) & (rate <= b.high90)
                every.append(inside)
                leaders.append(inside[b.mean == h.groups.spread(h.groups.max(b.mean))])
            return b.share

        play(world, spy, 200, rng)
    result = 100 * float(np.concatenate(every).mean()), 100 * float(np.concatenate(leaders).mean())
    print(f"\nCoverage of 90% intervals after 14 adaptive days at 200 a day: {result[0]:.1f}% of all arms,")
    print(f"{result[1]:.1f}% of each test's leader")
    return result


def scale(arms: int, groups: int) -> dict[str, float]:
    """Print processor seconds at so many arms, measured in a process of its own; return them with its peak memory."""
    command = [sys.executable, __file__, "--scale", str(arms), str(groups)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(ran.stdout)
    print(f"\nProcessor seconds at {arms:,} arms in {groups:,} groups, one thread (medians)")
    for name, value in found.items():
        print(f"{name:<44}{value:9.{0 if name == MEMORY else 4}f}")
    return found


def measure(arms: int, groups_of_arms: int) -> dict[str, float]:
    """Time a day at scale, each step beside bare numpy; the peak of resident memory is of this whole process."""
    rng = np.random.default_rng(5)
    groups = Groups.of(np.arange(arms) * groups_of_arms // arms)
    shown, seen = rng.uniform(500, 1_500, arms), rng.uniform(50, 150, (arms, 1))
    past = Evidence(rng.poisson(shown * MEDIAN_CTR).astype(np.float64), shown)
    clicks = rng.poisson(seen * MEDIAN_CTR).astype(np.float64)
    today, late = np.zeros(1), np.array([0.5])
    pool = pooling.Pool(float(np.log(MEDIAN_CTR)), BETWEEN, 16.0)
    rates = pooling.condition(past, groups, pool)
    outlook = Outlook(groups, rates.arms(), rates, seen[:, 0])
    prior = pool.strength / MEDIAN_CTR

    def update() -> None:
        day = gather(seen, clicks, age=today, maturity=late, gamma=0.99)
        Evidence(0.99 * past.successes + day.successes, 0.99 * past.exposure + day.exposure)

    def bare_update() -> None:
        weight = 0.99**today
        y = 0.99 * past.successes + np.where(np.isnan(clicks), 0, clicks) @ weight
        n = 0.99 * past.exposure + (np.where(np.isnan(seen), 0, seen) * late) @ weight
        assert (y >= 0).all()
        assert (n >= 0).all()

    def bare_draw() -> FloatArray:
        theta = rng.standard_gamma(pool.strength + past.successes) / (prior + past.exposure)
        return np.asarray(theta == np.repeat(np.maximum.reduceat(theta, groups.starts), groups.sizes))

    def bare_shares() -> None:
        wins = np.zeros(arms)
        for _ in range(SHARED):
            wins += bare_draw()
        assert wins.any()

    seconds = _medians({f"daily update{BARE}": bare_update, "daily update": update}, 11)
    seconds |= _medians({"posteriors of all groups, pool given": lambda: pooling.condition(past, groups, pool)}, 3)
    seconds |= _medians(
        {f"joint draw and winners{BARE}": bare_draw, "joint draw and winners": lambda: _draw(rates, rng)}, 11
    )
    shares = {
        f"shares from {SHARED} draws{BARE}": bare_shares,
        f"shares from {SHARED} draws": lambda: share_out(TemperedThompson(), outlook, SHARED, rng),
    }
    seconds |= _medians(shares, 1)
    return seconds | {MEMORY: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _draw(rates: pooling.PooledRates, rng: np.random.Generator) -> None:
    thompson.thompson(rates.draws(1, rng), rates.groups)


def _medians(steps: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median processor seconds of each step, taken in turn."""
    rounds = [{name: _timed(step) for name, step in steps.items()} for _ in range(repeats)]
    return {name: statistics.median(taken[name] for taken in rounds) for name in steps}


def _timed(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


RIVALS: dict[str, Policy] = {
    "epsilon .1": greedy_epsilon,
    "flat Thompson": flat(1.0),
    "flat, constant .3": flat(0.3),
    "global prior, Thompson": global_prior(1.0),
    "global prior, constant .3": global_prior(0.3),
    "pooled by test, constant .3": pooled(0.3),
}
ADVISED = "Outlay, as it advises"
SHOWN_RULES = (Rule.THOMPSON, Rule.TOP_TWO, Rule.EPSILON_GREEDY, Rule.UPPER_BOUND)


def advised(rule: Rule) -> Policy:
    """Another of our policies, on the same belief and within the same limits."""
    return outlay(BanditSettings(draws=DRAWS, policy=rule.policy(DAYS)))


def main() -> None:
    """Run everything and print the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer tests, under 50 s; bars are loosened")
    parser.add_argument("--scale", nargs=2, type=int, metavar=("ARMS", "GROUPS"), help="only time so many arms")
    asked = parser.parse_args()
    if asked.scale:
        print(json.dumps(measure(*asked.scale)))
        return
    tests, seeds = (250, JUDGED[:1]) if asked.quick else (2_000, JUDGED)
    settings = BanditSettings(draws=DRAWS)
    print(f"{tests} tests x seeds {seeds} (defaults were chosen on {TUNED}), {DAYS} days, {DRAWS} draws")
    shown = RIVALS | {ADVISED: outlay(settings)}
    if not asked.quick:
        shown["Outlay, free of floors and steps"] = outlay(BanditSettings(draws=DRAWS, floor=0.0, largest_step=1.0))
    ours, leads = compare(shown, tests, seeds, WITHIN)
    if not asked.quick:
        table({f"Outlay's limits, {rule.value}": advised(rule) for rule in SHOWN_RULES}, tests, seeds[:1], WITHIN)
        for within in (0.12, 0.48):
            compare(RIVALS | {ADVISED: outlay(settings)}, tests, seeds[:1], within)
    bars = []
    for volume, figure, ahead, bar in zip(VOLUMES, ours, leads, LEAST, strict=True):
        slack = round(2 * figure[1], 2) if asked.quick else 0.0
        bars.append(_at_least(f"gain at {volume} a day, % (standard error {figure[1]:.1f})", figure[0], bar - slack))
        for name in ("epsilon .1", "flat Thompson"):
            words = f"points over {name} at {volume} a day: {'not behind' if asked.quick else 'ahead'} by 2 paired SE"
            bars.append(_at_least(words, ahead[name].points, round((-2 if asked.quick else 2) * ahead[name].error, 2)))
        best = min(ahead.values(), key=lambda lead: lead.points)
        words = f"points over the best rival ({best.rival}) at {volume} a day: not behind by more than 2 paired SE"
        bars.append(_at_least(words, best.points, round(-2 * best.error, 2)))
    bars.append(_at_least("points from delay correction", delay_gain(settings, tests // 2, seeds), 10.0))
    covered, covered_leaders = coverage(settings, max(tests, 750), seeds)
    far = 4.0 if asked.quick else 2.0
    bars.append(_at_most("distance of coverage from 90%, all arms", abs(covered - 90), far))
    bars.append(_at_most("distance of coverage from 90%, leaders", abs(covered_leaders - 90), far))
    bars += scale_bars(scale(1_000_000, 10_000))
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def scale_bars(found: dict[str, float]) -> list[dict[str, object]]:
    """Judge what was measured at scale."""
    most = {"daily update": 0.1, "joint draw and winners": 0.3, f"shares from {SHARED} draws": 15.0}
    bars = [_at_most(f"{name}, processor seconds", found[name], seconds) for name, seconds in most.items()]
    bars += [_at_most(f"{name} / bare numpy, times", found[name] / found[name + BARE], 2.0) for name in most]
    return [*bars, _at_most(MEMORY, found[MEMORY], 400.0)]


def _at_least(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "bar": bar, "holds": bool(value >= bar)}


def _at_most(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "bar": bar, "holds": bool(value <= bar)}


if __name__ == "__main__":
    main()
