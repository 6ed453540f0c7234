"""Do intervals hold as often as they say, and is the filter the posterior of its own model?

    python benchmarks/calibration.py [--quick] [--part loop|history|calibration] [--workers N]

In worlds of the simulator at about 1, 5 and 25 conversions a day and campaign, 90% and 95% intervals of two questions
are compared with what is true: how many conversions of tomorrow there will be in the end, for each campaign under its
budget, and by how much a shift changes what a campaign brings, from its current to its proposed budget (the mean of
the coming week, by the simulator's expectations). Once in the closed loop (a cold start of `closed-loop-6`, in which
half of the campaigns break; the policy shifts by up to 30% a day), once after 60 days of a marketer's edits (`demo`).
Counts are judged by the part of the step of the predictive distribution that lies within the interval (the
non-randomised transform of Czado, Gneiting and Held 2009), which is exact for a true forecast however small the counts.
Standard errors are over worlds, since the campaigns of one world are not independent.

Simulation-based calibration (Talts et al. 2018): parameters are drawn from the filter's prior, days from its
likelihood, both by the formulae of docs/models.md and not by its code; the rank of the truth among posterior draws is
then uniform. A chi-square test and the largest distance of the ranks' distribution function from the diagonal, in its
standard deviations, each at 1% over all quantities together (Bonferroni; the second against simulated ranks). What is
asked of the model stands in one place, `CurveFilter`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from connectors.money import MICROS
from optimizer.agent.simulating import UNBOUND, OutlayPolicy
from optimizer.decide import Choice, choose
from optimizer.goals import Goals
from optimizer.plan.snapshot import FloatArray
from optimizer.response.belief import CurvePosterior
from optimizer.response.curves import CELLS, place, relative
from optimizer.response.filter import fold
from optimizer.response.scales import Basis, Days, Dynamics, State, start
from simulations.market.play import Day
from simulations.market.truth import Truth
from simulations.oracle import expected
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.runs.arena import Step, WorldSpec, ground, steps
from simulations.runs.fanout import Processes
from simulations.scenarios import Scenario, named

START: Final = date(2025, 9, 1)
FIRST_SEED: Final = 5_000  # seeds 100..199 are for tuning
RATES: Final = (1.0, 5.0, 25.0)
LEVELS: Final = (0.90, 0.95)
BAND: Final = 0.02
WEEK, WARM, EVERY = 7, 14, 5
DRAWS: Final = 2_000
ALPHA: Final = 0.01
ROUNDING: Final = 1e-9  # of what a campaign brings: the truth of a week is a mean of its days


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    loops: int
    loop_days: int
    histories: int
    truths: int
    slack: float


FULL, QUICK = Size(40, 90, 240, 8_000, 0.0), Size(2, 40, 8, 1_500, 2.0)


def at_rate(scenario: Scenario, rate: float, **knobs: object) -> Scenario:
    """Return a scenario whose campaigns bring about so many conversions a day at their reference budgets."""
    own = np.mean([scenario.average_budget / channel.cost_per_conversion for channel in scenario.channels])
    channels = tuple(
        replace(
            channel,
            cost_per_conversion=channel.cost_per_conversion * own / rate,
            value_per_conversion=channel.value_per_conversion * own / rate,
        )
        for channel in scenario.channels
    )
    one_ad = {"creatives": (1, 1), "audiences": (1, 1)}
    return named(scenario.name, **{"channels": channels, **one_ad, **knobs})


class Watch:
    """A `Policy` that decides as Outlay does and keeps its last choice; it may be asked to leave all as it is."""

    def __init__(self, setting: Setting, *, moving: bool) -> None:
        self._outlay = OutlayPolicy(setting, Goals(setting.currency).explore, UNBOUND)
        self._moving = moving
        self.choice: Choice | None = None

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return the budgets."""
        if seen.today == 0:
            return Proposal(seen.live)
        snapshot = self._outlay.snapshot(seen)
        self.choice = choose(snapshot, self._outlay.goals(seen), UNBOUND, snapshot.known_at, rng)
        proposed = np.array([amount.micros for amount in self.choice.proposed]) / MICROS
        return Proposal(proposed if self._moving else seen.live)


@dataclass(frozen=True)
class Job:
    """One world, watched on some of its days (from the first compared one)."""

    spec: WorldSpec
    days: tuple[int, ...]
    moving: bool

    def __str__(self) -> str:
        return f"world {self.spec.seed} of {self.spec.scenario.name}"


@dataclass(frozen=True)
class Found:
    """Of one world, by question: the part of each interval's worth that held, shape (levels,), and their number."""

    inside: dict[str, FloatArray]
    count: dict[str, int]


def watch(job: Job) -> Found:
    """Play one world and judge the intervals of its days."""
    here, watchers = ground(job.spec), []

    def make(setting: Setting) -> Watch:
        watchers.append(Watch(setting, moving=job.moving))
        return watchers[0]

    rng = np.random.default_rng([job.spec.seed, 11])
    inside = {question: np.zeros(len(LEVELS)) for question in QUESTIONS}
    count = dict.fromkeys(QUESTIONS, 0)
    for step in steps(here, "outlay", make):
        choice = watchers[0].choice
        if choice is None or step.day - job.spec.first not in job.days:
            continue
        for question, judge in QUESTIONS.items():
            below, upto = judge(here.truth, step, choice, rng)
            inside[question] += [part_inside(below, upto, level).sum() for level in LEVELS]
            count[question] += len(below)
    return Found(inside, count)


def tomorrow(truth: Truth, step: Step, choice: Choice, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return P(Y < y) and P(Y <= y) for the eventual conversions y of the day, each campaign that runs."""
    belief = choice.case.forecast.belief
    spend = belief.delivered(step.kept.budgets[:, None] / MICROS)[:, 0]
    drawn = belief.predict(spend, choice.case.snapshot.today, DRAWS, rng)[:, step.seen.runs]
    came = eventual(truth, step.outcome)[step.seen.runs]
    return (drawn < came).mean(axis=0), (drawn <= came).mean(axis=0)


def shift(truth: Truth, step: Step, choice: Choice, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return P(change < the true one) and P(change <= the true one) for each line that is to move.

    Both budgets may lie beyond the supply, and then nothing changes, in truth as in every draw.
    """
    case = choice.case
    proposed = np.array([amount.micros for amount in choice.proposed]) / MICROS
    moves = (proposed != case.snapshot.current) & step.seen.runs
    pair = np.stack([case.snapshot.current, proposed], axis=1)
    draws = case.forecast.draws(pair, DRAWS, rng)
    days = range(step.day, step.day + WEEK)
    now, then = (np.mean([expected(truth, side, day).conversions for day in days], axis=0) for side in pair.T)
    change, true = (draws[..., 1] - draws[..., 0])[:, moves], (then - now)[moves]
    same = ROUNDING * now[moves]
    return (change < true - same).mean(axis=0), (change <= true + same).mean(axis=0)


QUESTIONS: Final = {"tomorrow": tomorrow, "shift": shift}


def eventual(truth: Truth, day: Day) -> FloatArray:
    """Return the conversions of a day that will stand in the end, shape (K,)."""
    by_ad = day.occurred()[0]
    return np.bincount(truth.ads.campaign, by_ad.reshape(len(by_ad), -1).sum(axis=1), truth.channel.size)


def part_inside(below: FloatArray, upto: FloatArray, level: float) -> FloatArray:
    """Return the part of each step [below, upto] of the distribution function in the central interval, 0 to 1."""
    bottom, top = (1 - level) / 2, (1 + level) / 2
    step = upto - below
    part = np.clip(np.minimum(upto, top) - np.maximum(below, bottom), 0.0, None)
    return np.where(step > 0, part / np.where(step > 0, step, 1.0), (below >= bottom) & (below <= top))


def jobs_of(part: str, rate: float, size: Size) -> list[Job]:
    """Return the worlds of one part of the table."""
    if part == "loop":
        scenario, worlds, days = at_rate(named("closed-loop-6"), rate), size.loops, size.loop_days
        probes = tuple(range(WARM, days, EVERY))
    else:
        scenario, worlds, days = at_rate(named("demo"), rate, history_days=60), size.histories, 1
        probes = (0,)
    seeds = range(FIRST_SEED, FIRST_SEED + worlds)
    return [Job(WorldSpec(scenario, seed, days, START), probes, part == "loop") for seed in seeds]


def covered(part: str, size: Size, workers: int | None) -> Iterator[dict[str, object]]:
    """Print the coverage at each rate, and yield its bars."""
    print(f"\n{part}: {size.loops if part == 'loop' else size.histories} worlds, seeds {FIRST_SEED} and up")
    print(f"{'a day':>6}  {'interval':<10}{'asked':>7}{'covered':>9}{'SE':>7}{'n':>8}")
    for rate in RATES:
        found = [result for _, result in Processes(workers)(watch, jobs_of(part, rate, size))]
        for question in QUESTIONS:
            count = np.array([world.count[question] for world in found], dtype=np.float64)
            for column, level in enumerate(LEVELS):
                inside = np.array([world.inside[question][column] for world in found])
                share = float(inside.sum() / count.sum())
                clustered = float(np.sqrt(((inside - share * count) ** 2).sum()) / count.sum())
                error = max(clustered, float(np.sqrt(share * (1 - share) / count.sum())))  # a few worlds may agree
                print(
                    f"{rate:>6g}  {question:<10}{level:>7.2f}{share:>9.3f}{error:>7.3f}{int(count.sum()):>8,}",
                    flush=True,
                )
                band = BAND + size.slack * error
                words = f"{part}, {rate:g} a day: {level:.0%} interval of {question} (SE {error:.3f}), +-{band:.3f}"
                yield _bar(words, share, level, abs(share - level) <= band)


class Model(Protocol):
    """What calibration asks of a model: its own prior and likelihood, and its posterior draws."""

    quantities: tuple[str, ...]

    def simulate(self, truths: int, rng: np.random.Generator) -> tuple[FloatArray, object]:
        """Draw parameters and days. Returns the quantities, shape (truths, Q), and what `posterior` reads."""
        ...

    def posterior(self, data: object, draws: int, rng: np.random.Generator) -> FloatArray:
        """Return posterior draws of the quantities, shape (draws, truths, Q)."""
        ...


def _shapes() -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Half saturation, slope, whether it is logistic, and chance of every shape, by the formulae of docs/models.md."""
    parts = [(n, np.linspace(-2.3, 2.3, int(np.ceil(4.6 * n / 0.7))), False) for n in np.geomspace(0.6, 3.2, 12)]
    parts += [(s, np.linspace(-1.4, 1.8, int(np.ceil(3.2 * s / 0.7))), True) for s in np.geomspace(2.0, 5.0, 5)]
    half, slope, bent, chance = (np.concatenate(column) for column in zip(*map(_of_slope, parts), strict=True))
    chance[~bent] *= 0.8 / chance[~bent].sum()
    chance[bent] *= 0.2 / chance[bent].sum()
    return half, slope, bent, chance


def _of_slope(part: tuple[float, FloatArray, bool]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    slope, log_half, bent = part
    chance = np.exp(-0.5 * (log_half / 0.9) ** 2)
    steep = 1.0 if bent else np.exp(-0.5 * ((np.log(slope) - np.log(1.3)) / 0.65) ** 2)
    return np.exp(log_half), np.full(log_half.size, slope), np.full(log_half.size, bent), chance / chance.sum() * steep


def _height(z: FloatArray, slope: FloatArray, bent: FloatArray) -> FloatArray:
    hill = z**slope / (1.0 + z**slope)
    return np.where(bent, 1.0 / (1.0 + np.exp(slope * (1.0 - z))) - 1.0 / (1.0 + np.exp(slope)), hill)


@dataclass(frozen=True)
class CurveFilter:
    """The filter of the curve of docs/models.md with its hyperparameters given: prior, likelihood and posterior.

    Drift is played as a random walk of log lambda, breaks as jumps of it. Shapes stand still: that the filter lets its
    evidence of them fade is caution, not a law by which they change. With CurveFilter(q=0.0) in the truths alone the
    ranks are too narrow by a sixth: the test sees it.
    """

    days: int = 90
    prior: float = 4.0  # Gamma shape of the scale
    mean: float = 60.0  # events a day at the reference spend
    excess: float = 0.03
    q: float = 4e-4
    breaks: float = 4e-3
    budget: float = 0.8  # over the reference spend
    quantities: tuple[str, ...] = ("at half the budget", "at the budget", "at twice the budget", "log level")

    def simulate(self, truths: int, rng: np.random.Generator) -> tuple[FloatArray, object]:
        """Draw from the prior, then let days pass."""
        half, slope, bent, chance = _shapes()

        def g(x: FloatArray, cell: FloatArray) -> FloatArray:
            raw, top = (_height(u / half[cell], slope[cell], bent[cell]) for u in (x, np.ones(truths)))
            return raw / top

        scale = rng.gamma(self.prior, self.mean / self.prior, truths)
        cell = rng.choice(len(chance), truths, p=chance)
        spend, counts = np.empty((2, truths, self.days))
        for day in range(self.days):
            scale = scale * np.exp(np.sqrt(self.q) * rng.standard_normal(truths) - self.q / 2)
            jump = np.exp(np.sqrt(0.5) * rng.standard_normal(truths) - 0.25)
            scale = np.where(rng.random(truths) < self.breaks, scale * jump, scale)
            spend[:, day] = self.budget * np.exp(0.3 * rng.standard_normal(truths))
            mean = scale * g(spend[:, day], cell)
            counts[:, day] = rng.poisson(mean * rng.gamma(1 / self.excess, self.excess, truths))
        values = [scale * g(np.full(truths, self.budget * times), cell) for times in (0.5, 1.0, 2.0)]
        return np.stack([*values, np.log(scale)], axis=1), (spend, counts)

    def posterior(self, data: object, draws: int, rng: np.random.Generator) -> FloatArray:
        """Fold the days and draw curves."""
        spend, counts = data  # type: ignore[misc]
        truths = len(spend)
        state = fold(
            start(np.full(truths, self.prior), np.full(truths, self.mean), len(CELLS.slope)),
            Days(place(relative(spend, np.ones(truths))), counts, np.ones_like(spend)),
            np.full(truths, self.excess),
            Basis.of(CELLS.table, CELLS.log_prior),
            Dynamics(drift=self.q, fade=1.0, break_chance=self.breaks),
        )
        return self._draws(state, draws, rng)

    def _draws(self, state: State, draws: int, rng: np.random.Generator) -> FloatArray:
        truths = len(state.alpha)
        prior = np.broadcast_to(CELLS.log_prior, state.evidence.shape)
        curves = CurvePosterior.of(CELLS, np.ones(truths), state, prior, ())
        at = np.broadcast_to(self.budget * np.array([0.5, 1.0, 2.0, 1.0 / self.budget]), (truths, 4))
        values = curves.draws(at, draws, rng)
        values[..., 3] = np.log(values[..., 3])
        return values


MODEL: Final[Model] = CurveFilter()
RANKS, BINS = 99, 20


def calibration(model: Model, size: Size) -> Iterator[dict[str, object]]:
    """Print how uniform the ranks are, and yield their bars."""
    rng = np.random.default_rng(FIRST_SEED)
    truth, data = model.simulate(size.truths, rng)
    drawn = model.posterior(data, RANKS, rng)
    ranks = (drawn < truth).sum(axis=0)
    level = ALPHA / len(model.quantities)
    limit = envelope(size.truths, level, rng)
    print(f"\nsimulation-based calibration: {size.truths:,} truths, {RANKS} draws each, seed {FIRST_SEED}")
    print(f"{'quantity':<22}{'chi-square p':>13}{'ECDF':>7}{'limit':>7}{'mean rank':>11}{'variance / uniform':>20}")
    for name, own in zip(model.quantities, ranks.T, strict=True):
        counts = np.bincount(own * BINS // (RANKS + 1), minlength=BINS)
        p, distance = (
            float(stats.chisquare(counts).pvalue),
            float(_distance(np.bincount(own, minlength=RANKS + 1)[None])[0]),
        )
        centre, spread = own.mean() / RANKS, own.var() / (((RANKS + 1) ** 2 - 1) / 12)
        print(f"{name:<22}{p:>13.2g}{distance:>7.2f}{limit:>7.2f}{centre:>11.3f}{spread:>20.3f}", flush=True)
        yield _bar(f"calibration {name}: chi-square p, at least", p, level, p >= level)
        yield _bar(f"calibration {name}: distance of the ECDF, SD", distance, round(limit, 2), distance <= limit)


def envelope(truths: int, level: float, rng: np.random.Generator) -> float:
    """Return what the distance of uniform ranks exceeds with this probability, from 20,000 simulations."""
    counts = rng.multinomial(truths, np.full(RANKS + 1, 1 / (RANKS + 1)), size=20_000)
    return float(np.quantile(_distance(counts), 1 - level))


def _distance(counts: FloatArray) -> FloatArray:
    """The largest distance of an ECDF of ranks from the diagonal, in its standard deviations; counts (n, RANKS + 1)."""
    total = counts.sum(axis=1, keepdims=True)
    z = np.arange(1, RANKS + 1) / (RANKS + 1)
    ecdf = np.cumsum(counts, axis=1)[:, :-1] / total
    return np.abs((ecdf - z) / np.sqrt(z * (1 - z) / total)).max(axis=1)


def _bar(name: str, value: float, bar: float, holds: object) -> dict[str, object]:
    return {"name": name, "value": float(f"{value:.4g}"), "bar": bar, "holds": bool(holds)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer worlds, under 50 s; coverage may miss by two standard errors more"
    )
    parser.add_argument("--part", choices=["loop", "history", "calibration"], action="append")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    asked = parser.parse_args(arguments)
    size = QUICK if asked.quick else FULL
    bars: list[dict[str, object]] = []
    for part in asked.part or ("loop", "history", "calibration"):
        bars += calibration(MODEL, size) if part == "calibration" else covered(part, size, asked.workers)
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
