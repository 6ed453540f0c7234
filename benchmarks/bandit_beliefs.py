"""Are beliefs about creatives and audiences honest, do ads learn from one another, and how fast?

Worlds are assumed, not observed: logit rates with sd .24 within a test and .71 between tests, median 1.8% (as in
`benchmarks/bandits.py`), and creatives, audiences, drift and wear as each table says. Every table has its baseline on
the same worlds. Coverage is of central 90% intervals. A log score is the logarithm of the density that a posterior
gives to the true rate, averaged over arms; more is better, and a difference is given with its standard error over
worlds.

Run `python benchmarks/bandit_beliefs.py [--quick]`. The last line is JSON: the bars and whether they hold.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from bandits import crossed, pooling, thompson
from bandits.belief import ArmBelief, BanditSettings, believe
from bandits.evidence import Evidence, gather
from bandits.forgetting import choose_gamma
from bandits.groups import FloatArray, Groups, IntArray
from bandits.labels import Labels
from bandits.pooling import Hyperprior, Rates
from bandits.posterior import GammaPoisson
from bandits.wear import wear_out

WITHIN, BETWEEN, MEDIAN_RATE = 0.24, 0.71, 0.018
DAYS = 14


@dataclass(frozen=True)
class Size:
    """How much is simulated; bars of coverage are wider by so many standard errors."""

    seeds: tuple[int, ...]
    tests: int
    worlds: int
    arms: int
    slack: float


FULL = Size(seeds=(1, 2, 3), tests=1_000, worlds=12, arms=200_000, slack=0.0)
QUICK = Size(seeds=(1,), tests=600, worlds=4, arms=50_000, slack=3.0)


def draw_tests(tests: int, rng: np.random.Generator) -> tuple[Groups, FloatArray]:
    """Tests of 2 to 14 creatives and their hidden rates (A,)."""
    groups = Groups.of(np.repeat(np.arange(tests), rng.integers(2, 15, tests)))
    logit = np.log(MEDIAN_RATE / (1 - MEDIAN_RATE)) + rng.normal(0, BETWEEN, tests)[groups.index]
    return groups, expit(logit + rng.normal(0, WITHIN, groups.arms))


def run_adaptively(
    groups: Groups, rate: FloatArray, volume: float, rng: np.random.Generator, noise: float
) -> tuple[ArmBelief, FloatArray, FloatArray]:
    """Fourteen days under the advised shares; the last belief, and all rows (A, T)."""
    share, belief = thompson.uniform(groups), None
    exposure, successes = np.zeros((groups.arms, 0)), np.zeros((groups.arms, 0))
    for day in range(DAYS):
        mean = volume * share * rate
        if noise:
            mean = (
                mean
                * rng.gamma(1 / noise, noise, mean.size)
                * groups.spread(rng.gamma(1 / noise, noise, groups.starts.size))
            )
        exposure = np.column_stack([exposure, volume * share])
        successes = np.column_stack([successes, rng.poisson(mean)])
        belief = believe(
            exposure,
            successes,
            group=groups.index,
            age=np.arange(day + 1.0)[::-1],
            maturity=np.ones(day + 1),
            share_now=share,
            rng=rng,
            settings=BanditSettings(draws=100),
        )
        share = belief.share
    assert belief is not None
    return belief, exposure, successes


def coverage(size: Size) -> list[dict[str, object]]:
    """Print coverage of all arms and of the leaders after adaptive sampling; return bars."""
    print(f"\nCoverage of 90% intervals after {DAYS} adaptive days, %: {size.tests} tests x seeds {list(size.seeds)}")
    print(f"{'days':<26}{'a day':>8}{'all arms':>10}{'leaders':>10}{'Poisson, each alone':>22}")
    bars = []
    error = 100 * np.sqrt(0.09 / (size.tests * len(size.seeds)))  # of one arm a test
    for words, noise, bar in (("Poisson", 0.0, 2.0), ("30% of noise, twice", 0.09, 4.0)):
        for volume in (60, 200, 1_200):
            inside, leading, alone = [], [], []
            for seed in size.seeds:
                rng = np.random.default_rng([seed, volume])
                groups, rate = draw_tests(size.tests, rng)
                found, exposure, successes = run_adaptively(groups, rate, volume, rng, noise)
                hit = (found.low90 <= rate) & (rate <= found.high90)
                inside.append(hit)
                leading.append(hit[found.mean == groups.spread(groups.max(found.mean))])
                alone.append(_covered(GammaPoisson(successes.sum(axis=1) + 0.5, exposure.sum(axis=1)), rate))
            every, leaders = (100 * float(np.concatenate(each).mean()) for each in (inside, leading))
            print(f"{words:<26}{volume:>8}{every:>10.1f}{leaders:>10.1f}{100 * np.mean(alone):>22.1f}", flush=True)
            bars += [
                _at_most(
                    f"distance from 90%, {words}, {volume} a day, {who}", abs(value - 90), bar + size.slack * error
                )
                for who, value in (("all arms", every), ("leaders", leaders))
            ]
    return bars


def _covered(posterior: GammaPoisson, rate: FloatArray) -> float:
    low, high = posterior.interval(0.9)
    return float(((low <= rate) & (rate <= high)).mean())


@dataclass(frozen=True)
class Crossed:
    """Campaigns of 5 creatives x 4 audiences."""

    groups: Groups
    factors: tuple[IntArray, IntArray]
    evidence: Evidence
    rate: FloatArray


def draw_crossed(parts: tuple[float, float], a_campaign: float, campaigns: int, seed: int) -> Crossed:
    """Creatives of one campaign each, audiences of all; `parts` of the variance within a campaign are theirs."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(campaigns), 20)
    creative = np.tile(np.repeat(np.arange(5), 4), campaigns) + 5 * group
    audience = np.tile(np.arange(4), 5 * campaigns)
    effect = (
        np.sqrt(parts[0]) * rng.normal(size=5 * campaigns)[creative] + np.sqrt(parts[1]) * rng.normal(size=4)[audience]
    )
    effect += np.sqrt(1 - sum(parts)) * rng.normal(size=group.size)
    rate = MEDIAN_RATE * np.exp(rng.normal(0, BETWEEN, campaigns)[group] + WITHIN * effect)
    exposure = rng.uniform(0.2, 1.8, group.size) * a_campaign / 20
    return Crossed(
        Groups.of(group),
        (creative, audience),
        Evidence(rng.poisson(exposure * rate).astype(np.float64), exposure),
        rate,
    )


def effects(size: Size) -> list[dict[str, object]]:
    """Print what crossed effects bring over arms by themselves; return bars."""
    print(f"\nCreatives x audiences (5 x 4, 40 campaigns), {size.worlds} worlds: crossed effects against arms alone")
    print(
        f"{'parts of creative, audience':<30}{'impressions':>12}{'log score':>18}{'error of rates':>18}{'coverage':>10}"
    )
    bars = []
    for parts, shared in (((0.6, 0.25), True), ((0.3, 0.3), True), ((0.0, 0.0), False)):
        for volume in (3_000.0, 30_000.0):
            gains, errors, hits = [], [], []
            for seed in range(size.worlds):
                made = draw_crossed(parts, volume, 40, seed)
                alone, together = _both(made)
                gains.append(_score(together, made.rate) - _score(alone, made.rate))
                errors.append(_error(together, made.rate) / _error(alone, made.rate) - 1)
                hits.append(_covered(together.arms(), made.rate))
            gain, error = float(np.mean(gains)), float(np.std(gains) / np.sqrt(len(gains)))
            print(
                f"{parts!s:<30}{volume:>12,.0f}{f'{gain:+.3f} ({error:.3f})':>18}{100 * np.mean(errors):>17.1f}%"
                f"{100 * np.mean(hits):>10.1f}",
                flush=True,
            )
            name = f"log score of crossed effects, parts {parts}, {volume:,.0f} a campaign"
            bars.append(_at_least(name, gain, 0.01 if shared else -0.015))
    return bars


def _both(made: Crossed) -> tuple[Rates, Rates]:
    pool = pooling.learn_pool(made.evidence, made.groups, Hyperprior())
    division = crossed.learn_division(made.evidence, made.groups, made.factors, pool)
    return (
        pooling.condition(made.evidence, made.groups, pool),
        crossed.condition(made.evidence, made.groups, made.factors, pool, division),
    )


def _score(rates: Rates, truth: FloatArray) -> float:
    arms = rates.arms()
    return float(stats.gamma.logpdf(truth, arms.shape, scale=1 / arms.rate).mean())


def _error(rates: Rates, truth: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.log(rates.arms().mean / truth) ** 2)))


def forgetting(size: Size) -> list[dict[str, object]]:
    """Print which discounts are chosen as arms drift, and what they are worth on the day after; return bars."""
    print(f"\nForgetting: 40 groups of 5 arms, 50 days, 2,000 impressions a day, {size.worlds} worlds")
    print(f"{'drift a day':<14}{'chosen':>8}{'error, chosen':>15}{'error, .99':>12}{'error, 1':>10}")
    bars, chosen = [], {}
    for drift in (0.0, 0.03, 0.08):
        gammas, errors = [], []
        for seed in range(size.worlds):
            groups, exposure, successes, rate = _drifting(drift, seed)
            gamma = choose_gamma(exposure, successes, groups, np.ones(50)).gamma
            gammas.append(gamma)
            errors.append([_error_now(exposure, successes, groups, rate, each) for each in (gamma, 0.99, 1.0)])
        means = np.mean(errors, axis=0)
        chosen[drift] = float(np.mean(gammas))
        print(
            f"{drift:<14}{chosen[drift]:>8.3f}"
            + "".join(f"{e:>{w}.3f}" for e, w in zip(means, (15, 12, 10), strict=True))
        )
        bars.append(
            _at_most(
                f"error of the chosen discount over the better of .99 and 1, drift {drift}",
                means[0] / min(means[1:]),
                1.02,
            )
        )
    bars.append(_at_least("mean discount of steady arms", chosen[0.0], 0.98))
    bars.append(_at_most("mean discount at a drift of .08", chosen[0.08], 0.95))
    return bars


def _drifting(drift: float, seed: int) -> tuple[Groups, FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng([seed, 7])
    groups = Groups.of(np.repeat(np.arange(40), 5))
    exposure = rng.uniform(0.5, 1.5, (200, 51)) * 2_000
    start = np.log(MEDIAN_RATE) + rng.normal(0, BETWEEN, 40)[groups.index] + rng.normal(0, WITHIN, 200)
    rate = np.exp(start[:, None] + np.cumsum(rng.normal(0, drift, (200, 51)), axis=1))
    successes = rng.poisson(exposure * rate).astype(np.float64)
    return groups, exposure[:, :50], successes[:, :50], rate[:, 50]


def _error_now(exposure: FloatArray, successes: FloatArray, groups: Groups, rate: FloatArray, gamma: float) -> float:
    evidence = gather(exposure, successes, age=np.arange(50.0)[::-1], maturity=np.ones(50), gamma=gamma)
    return _error(pooling.condition(evidence, groups, pooling.learn_pool(evidence, groups, Hyperprior())), rate)


def wear(size: Size) -> list[dict[str, object]]:
    """Print how often steady and worn ads are called worn, beside a plain test of a trend; return bars."""
    print(f"\nWear: ads of 5 a campaign, launched over four weeks, 40 days; % called worn at 95%, {size.worlds} worlds")
    heads = f"{'lost over 30%':>15}{'trend test':>12}{'coverage':>10}"
    print(f"{'campaigns':<22}{'a day':>8}{'steady':>9}{'trend test':>12}{heads}")
    bars = []
    for words, trend, noise in (("steady", 0.0, 0.0), ("in decline by 40%", -0.5, 0.0), ("noisy days", 0.0, 0.1)):
        for volume in (500.0, 5_000.0):
            told = [_worn(trend, noise, volume, seed) for seed in range(size.worlds)]
            ours, plain, lost, hit = (np.concatenate([each[i] for each in told]) for i in range(4))
            steady, gone = lost == 0, lost > 0.3
            false = 100 * float(ours[steady].mean())
            print(
                f"{words:<22}{volume:>8,.0f}{false:>9.2f}{100 * plain[steady].mean():>12.1f}"
                f"{100 * ours[gone].mean():>15.1f}{100 * plain[gone].mean():>12.1f}{100 * hit.mean():>10.1f}",
                flush=True,
            )
            bars.append(_at_most(f"% of steady ads called worn, campaigns {words}, {volume:,.0f} a day", false, 5.0))
            if not noise and volume > 1_000:
                found = 100 * float(ours[gone].mean())
                bars.append(_at_least(f"% of ads that lost over 30% found, campaigns {words}", found, 60.0))
    return bars


def _worn(
    trend: float, noise: float, volume: float, seed: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Called worn by us, by a one-sided test of a log-linear trend at 5%, what was lost, and covered; (A,) each."""
    rng, days, arms = np.random.default_rng([seed, 11]), 40, 100
    groups = Groups.of(np.repeat(np.arange(20), 5))
    exposure = rng.uniform(0.5, 1.5, (arms, days)) * volume
    exposure[np.arange(days) < rng.integers(0, 27, arms)[:, None]] = np.nan
    shown = np.nan_to_num(exposure)
    seen, scale = np.cumsum(shown, axis=1), volume * days * rng.uniform(0.2, 0.6, (arms, 1))
    wearing = rng.random((arms, 1)) < 0.4
    left = np.where(wearing, 0.4 + 0.6 * np.exp(-(seen - shown / 2) / scale), 1.0)
    mean = shown * MEDIAN_RATE * np.exp(rng.normal(0, WITHIN, (arms, 1)) + trend * np.arange(days) / days) * left
    if noise:
        mean = mean * rng.gamma(1 / noise, noise, mean.shape)
    successes = np.where(np.isnan(exposure), np.nan, rng.poisson(mean).astype(np.float64))
    lost = np.where(wearing, 0.6 * -np.expm1(-seen[:, -1:] / scale), 0.0)[:, 0]
    found = wear_out(exposure, successes, group=groups.index, maturity=np.ones(days))
    covered = (found.low90 <= lost + 1e-9) & (lost <= found.high90 + 1e-9)
    return found.worn, _declining(shown, np.nan_to_num(successes)), lost, covered


def _declining(shown: FloatArray, y: FloatArray) -> FloatArray:
    """The score test of a Poisson trend by day, one-sided at 5%: what a spreadsheet would do."""
    day = np.arange(shown.shape[1])
    total, n = y.sum(axis=1, keepdims=True), shown.sum(axis=1, keepdims=True)
    centre = (shown * day).sum(axis=1, keepdims=True) / n
    score = ((y - shown * total / n) * day).sum(axis=1)
    variance = (total / n * (shown * (day - centre) ** 2)).sum(axis=1)
    return score < -1.645 * np.sqrt(np.maximum(variance, 1e-300))


def scale(arms: int) -> list[dict[str, object]]:
    """Print processor seconds of each step at so many arms in groups of 100; return bars in units of bare numpy."""
    rng = np.random.default_rng(5)
    groups = Groups.of(np.arange(arms) // 100)
    creative, audience = np.arange(arms) // 10, np.arange(arms) % 10
    exposure = rng.uniform(50, 150, (arms, 28))
    successes = rng.poisson(exposure * MEDIAN_RATE).astype(np.float64)
    age, maturity = np.arange(28.0)[::-1], np.ones(28)
    evidence = gather(exposure, successes, age=age, maturity=maturity, gamma=0.99)
    pool = pooling.learn_pool(evidence, groups, Hyperprior())
    factors = crossed.telling(groups, Labels(creative=creative, audience=audience).factors)
    division = crossed.learn_division(evidence, groups, factors, pool)

    def bare() -> None:
        for gamma in (0.99, 0.98):
            np.where(np.isnan(exposure + successes), 0.0, successes) @ gamma**age

    steps: dict[str, Callable[[], object]] = {
        "two discounted sums, bare numpy": bare,
        "refold": lambda: gather(exposure, successes, age=age, maturity=maturity, gamma=0.99),
        "pool and posteriors": lambda: pooling.condition(
            evidence, groups, pooling.learn_pool(evidence, groups, Hyperprior())
        ).arms(),
        "discount": lambda: choose_gamma(exposure, successes, groups, maturity),
        "division of the variance": lambda: crossed.learn_division(evidence, groups, factors, pool),
        "crossed posteriors": lambda: crossed.condition(evidence, groups, factors, pool, division).arms(),
        "wear": lambda: wear_out(exposure, successes, group=groups.index, maturity=maturity),
    }
    print(f"\nProcessor seconds at {arms:,} arms in {groups.starts.size:,} groups, 28 days")
    seconds = {name: _processor(step) for name, step in steps.items()}
    for name, value in seconds.items():
        print(f"{name:<36}{value:9.3f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")
    return [
        _at_most("crossed posteriors, seconds a million arms", 1e6 / arms * seconds["crossed posteriors"], 30.0),
        _at_most("wear, seconds a million arms", 1e6 / arms * seconds["wear"], 120.0),
    ]


def _processor(step: Callable[[], object]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def _at_least(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(float(value), 3), "bar": round(bar, 3), "holds": bool(value >= bar)}


def _at_most(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(float(value), 3), "bar": round(bar, 3), "holds": bool(value <= bar)}


def main() -> None:
    """Run everything and print the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer worlds, under 50 s")
    size = QUICK if parser.parse_args().quick else FULL
    bars = [*coverage(size), *effects(size), *forgetting(size), *wear(size), *scale(size.arms)]
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
