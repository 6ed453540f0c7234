"""Does an experiment keep its error however often one looks, and what does that cost in days?

Every experiment is looked at each morning from the seventh day on, and once more at its planned end. A null experiment
has arms that do not differ; whatever is declared of one is an error. All rules see the same counts:

- Outlay: `bandits.stopping`, a fifth of the error rate for the looks before the last one, the rest for that.
- e alone: the same e-values at the whole error rate, without a last look; may go on for ever.
- fixed: a two-sided z-test at the planned end only, at 5% (Bonferroni over the arms).
- naive: the same z-test every morning, stopping when it says so.
- P(best): stops when an arm's probability of beating the control passes 95% (or falls under 5%), flat prior.
- loss: stops when the expected loss of the arm that leads is under a tenth of the minimum effect; an error where that
  arm is not the control.

The last three are read at their normal limits. Counts are Poisson unless said otherwise, days swing by 30% for all arms
alike, the minimum effect is 10%.

Run `python benchmarks/experiments.py [--quick]`. The last line is JSON: the bars. With --quick a bar on a share
is wider by three standard errors of the few runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import log, log1p, sqrt
from pathlib import Path

import numpy as np
from scipy import special

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, in which bandits.py hides the package

from bandits import sizing, stopping
from bandits.experiment import EARLY, Metric
from bandits.groups import FloatArray
from bandits.readout import CARING

DAYS, FIRST_LOOK = 28, 7
ALPHA, EFFECT = 0.05, 0.10
SCALE = log1p(EFFECT)
SWING = 0.3
BLOCK = 2_500
SEED = 20_261

Draw = Callable[[int, np.random.Generator], tuple[FloatArray, FloatArray]]
"""n experiments -> exposure and successes as known at each look, (n, A, S) with S = DAYS, or (looks, n, A, S)."""


@dataclass(frozen=True)
class Case:
    """One kind of experiment.

    Attributes:
        name: In words.
        draw: Draws it.
        lift: True log rate ratio of the second arm; 0 for a null.
        share: Of the runs of a main case, since some cost more.
    """

    name: str
    draw: Draw
    lift: float = 0.0
    share: float = 1.0


@dataclass
class Tally:
    """What the rules did; days until each stopped."""

    runs: int = 0
    said: dict[str, int] = field(default_factory=dict)
    days: dict[str, float] = field(default_factory=dict)
    escaped: int = 0

    def add(self, rule: str, said: FloatArray, day: FloatArray) -> None:
        """Count what a rule said in a block, and when."""
        self.said[rule] = self.said.get(rule, 0) + int(said.sum())
        self.days[rule] = self.days.get(rule, 0.0) + float(day.sum())

    def rate(self, rule: str) -> float:
        """Share of the runs in which a rule declared a difference, in %."""
        return 100 * self.said[rule] / self.runs

    def mean_days(self, rule: str) -> float:
        """Mean days until a rule stopped."""
        return self.days[rule] / self.runs


def counts(daily: float, arms: int = 2, *, lift: float = 0.0, spread: float = 0.0, days: int = DAYS) -> Draw:
    """Poisson successes, `daily` an arm; days swing alike, and by `spread` (cv) each arm's own day."""

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        level = daily * _swing(SWING, (n, 1, days), rng) * _swing(spread, (n, arms, days), rng)
        level = level * np.where(np.arange(arms) == 1, np.exp(lift), 1.0)[:, np.newaxis]
        return np.full((n, arms, days), 1e4), rng.poisson(level).astype(np.float64)

    return draw


def clicks(shown: int, rate: float) -> Draw:
    """Binomial successes of a share that is far from small."""

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        exposure = np.floor(shown * _swing(SWING, (n, 1, DAYS), rng)) * np.ones((1, 2, 1))
        return exposure, rng.binomial(exposure.astype(np.int64), rate).astype(np.float64)

    return draw


def values(daily: float) -> Draw:
    """Revenue: Poisson conversions with log-normal values of sd 1 in the log, in mean values of a conversion."""

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        sold = rng.poisson(daily * _swing(SWING, (n, 1, DAYS), rng) * np.ones((1, 2, 1)))
        one = rng.lognormal(0.0, 1.0, int(sold.sum()))
        ends = np.cumsum(sold)
        total = np.concatenate([[0.0], np.cumsum(one)])
        worth = (total[ends] - total[ends - sold.ravel()]).reshape(sold.shape)
        unit = worth.sum(axis=(1, 2), keepdims=True) / np.maximum(sold.sum(axis=(1, 2), keepdims=True), 1)
        return np.full(sold.shape, 1e4), worth / unit

    return draw


def late(daily: float) -> Draw:
    """Conversions 4 days late on average, a split that goes from 1:9 to 1:1 over a fortnight; one array a look."""
    hazard = 1 / 5.0
    share = np.minimum(0.1 + 0.4 * np.arange(DAYS) / 14, 0.5)

    def draw(n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        split = np.stack([1 - share, share])
        exposure = 2e4 * split * np.ones((n, 1, 1))
        pending = rng.poisson(2 * daily * split * _swing(SWING, (n, 1, DAYS), rng))
        told = np.zeros(pending.shape)
        looks = np.zeros((DAYS + 1, *pending.shape))
        for morning in range(DAYS + 7):
            begun = min(morning + 1, DAYS)
            fresh = rng.binomial(pending[..., :begun], hazard)
            pending[..., :begun] -= fresh
            told[..., :begun] += fresh
            looks[min(morning + 1, DAYS)] = told  # the last one is taken a week after the last day
        return exposure, looks

    return draw


def _swing(cv: float, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Gamma factors of mean 1 and that coefficient of variation."""
    return rng.gamma(cv**-2, cv**2, shape) if cv > 0 else np.ones(shape)


def play(case: Case, runs: int, seed: int, *, days: int = DAYS, tempered: bool = True) -> Tally:
    """Run a case and tally every rule."""
    tally = Tally()
    for block, n in enumerate(_blocks(runs)):
        rng = np.random.default_rng([seed, block])
        exposure, successes = case.draw(n, rng)
        _play_block(tally, exposure, successes, case.lift, days, tempered)
        tally.runs += n
    return tally


def _blocks(runs: int) -> Iterator[int]:
    for begin in range(0, runs, BLOCK):
        yield min(BLOCK, runs - begin)


def _play_block(
    tally: Tally, exposure: FloatArray, successes: FloatArray, lift: float, days: int, tempered: bool
) -> None:
    n, arms = exposure.shape[:2]
    stopped = {rule: np.full(n, np.inf) for rule in ("Outlay", "e alone", "naive", "P(best)", "loss")}
    wrong = {rule: np.zeros(n, dtype=bool) for rule in stopped}
    escaped = np.zeros(n, dtype=bool)
    truth = np.where(np.arange(1, arms) == 1, lift, 0.0) * np.ones((n, 1))
    for day in range(FIRST_LOOK, days + 1):
        known = successes[day] if successes.ndim == 4 else successes
        pairs = stopping.contrast(exposure[..., :day], known[..., :day], 0)
        phi = stopping.dispersion_of(pairs) if tempered else np.ones((n, arms - 1))
        used = stopping.careful(pairs, phi, scale=SCALE, error_rate=EARLY * ALPHA)
        log_e = stopping.log_evidence(pairs, SCALE, used)
        sure = log_e - pairs.gain(truth) / used
        escaped |= (sure >= log((arms - 1) / (EARLY * ALPHA))).any(axis=1)
        z, lead, se = _normal(exposure[..., :day], known[..., :day])
        bayes = (special.ndtr(z) > 0.95) | (special.ndtr(z) < 0.05)
        loss, ahead = _loss(lead, se)
        says = {
            "Outlay": (stopping.merged(log_e) >= -log(EARLY * ALPHA)).any(axis=1),
            "e alone": (stopping.merged(log_e) >= -log(ALPHA)).any(axis=1),
            "naive": (np.abs(z) > -special.ndtri(ALPHA / 2 / (arms - 1))).any(axis=1),
            "P(best)": bayes.any(axis=1),
            "loss": loss < CARING * EFFECT,
        }
        if day == days:
            says["Outlay"] = says["Outlay"] | (stopping.last_look(pairs, phi) <= (1 - EARLY) * ALPHA).any(axis=1)
        for rule, now in says.items():
            fresh = now & np.isinf(stopped[rule])
            stopped[rule][fresh] = day
            wrong[rule] |= fresh & (ahead if rule == "loss" else True)
    for rule, day_of in stopped.items():
        tally.add(rule, wrong[rule], np.minimum(day_of, days))
    tally.add("fixed", (np.abs(z) > -special.ndtri(ALPHA / 2 / (arms - 1))).any(axis=1), np.full(n, float(days)))
    tally.escaped += int(escaped.sum())


def _normal(exposure: FloatArray, known: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Score z of each arm against the control, (n, B), and the log rate ratio with its standard error."""
    y, shown = known.sum(axis=-1), exposure.sum(axis=-1)
    both, part = y[:, 1:] + y[:, :1], shown[:, 1:] / (shown[:, 1:] + shown[:, :1])
    spread = np.sqrt(np.maximum(both * part * (1 - part), 1e-12))
    rate = (y + 0.5) / shown
    return (
        (y[:, 1:] - both * part) / spread,
        np.log(rate[:, 1:] / rate[:, :1]),
        np.sqrt(1 / (y[:, 1:] + 0.5) + 1 / (y[:, :1] + 0.5)),
    )


def _loss(lead: FloatArray, se: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Relative expected loss of the arm that leads, and whether it is another than the control; exact for two arms."""
    best = lead.max(axis=1)
    spread = np.take_along_axis(se, lead.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    z = np.abs(best) / spread
    density = np.exp(-(z**2) / 2) / sqrt(2 * np.pi)
    return spread * (density - z * special.ndtr(-z)), best > 0


def nulls(runs: int) -> dict[str, Tally]:
    """Print how often each rule finds a difference where there is none."""
    cases = [
        Case("two arms, 100 conversions a day each", counts(100.0)),
        Case("two arms, 3 conversions a day each", counts(3.0)),
        Case("four arms, 100 a day each", counts(100.0, 4), share=0.5),
        Case("two arms, 2,000 a day each", counts(2_000.0), share=0.5),
        Case("arms' own days swing by 20%", counts(200.0, spread=0.2)),
        Case("the same, four arms", counts(200.0, 4, spread=0.2), share=0.5),
        Case("conversions 4 days late, split ramped up", late(100.0), share=0.5),
        Case("clicks, 30% of 300 a day", clicks(300, 0.3), share=0.5),
        Case("revenue, log-normal values", values(50.0)),
    ]
    rules = ("fixed", "naive", "P(best)", "loss", "e alone", "Outlay")
    print(f"Null experiments, {DAYS} days, looked at daily from day {FIRST_LOOK}: % in which a difference is declared")
    print(f"{'case':<44}{'runs':>8}" + "".join(f"{rule:>9}" for rule in rules) + f"{'escaped':>9}{'cpu s':>7}")
    found = {}
    for case in cases:
        begun = time.process_time()
        tally = play(case, max(200, round(runs * case.share)), SEED)
        shown = "".join(f"{tally.rate(rule):>9.2f}" for rule in rules)
        escaped = 100 * tally.escaped / tally.runs
        print(f"{case.name:<44}{tally.runs:>8,}{shown}{escaped:>9.2f}{time.process_time() - begun:>7.1f}", flush=True)
        found[case.name] = tally
    bare = play(Case("", counts(200.0, spread=0.2)), max(200, runs // 4), SEED, tempered=False)
    print(f"{'own days swing, dispersion taken as 1':<44}{bare.runs:>8,}{'':>45}{bare.rate('Outlay'):>9.2f}")
    found["untempered"] = bare
    return found


def powers(runs: int) -> tuple[dict[float, Tally], dict[float, Tally], sizing.Size]:
    """Print what each rule finds of true lifts, in the days of the fixed test and in those that `size` plans."""
    rate, exposure = 0.01, 1e4
    daily = 2 * exposure
    aim = sizing.Aim(Metric.CONVERSIONS, rate, EFFECT, daily)
    events = sizing.fixed_sample(aim) / DAYS / 2 * rate  # an arm and day, so that the fixed test takes 28 days
    planned = sizing.size(
        sizing.Aim(Metric.CONVERSIONS, rate, EFFECT, 2 * events / rate), np.random.default_rng(SEED), least_days=7
    )
    print(
        f"\nPlanned for a lift of {EFFECT:.0%}: fixed test {planned.fixed_days} days at 80%; the rule that may stop "
        f"early {planned.days} days, {planned.expected_days:.1f} expected"
    )
    print(f"{'true lift, planned days':<32}" + "".join(f"{r:>24}" for r in ("fixed", "naive", "e alone", "Outlay")))
    length = planned.days or DAYS
    short, long = {}, {}
    for lift in (0.5 * EFFECT, EFFECT, 2 * EFFECT):
        for days, into in ((DAYS, short), (length, long)):
            case = Case("", counts(events, lift=log1p(lift), days=days), log1p(lift))
            tally = play(case, runs, SEED + days, days=days)
            into[lift] = tally
            shown = "".join(
                f"{tally.rate(r):>11.1f}% {tally.mean_days(r):>6.1f} days"
                for r in ("fixed", "naive", "e alone", "Outlay")
            )
            print(f"{lift:>6.0%}, {days} days{'':<17}{shown}", flush=True)
    return short, long, planned


def main() -> None:
    """Run everything and print the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer experiments, under 50 s")
    quick = parser.parse_args().quick
    runs = 1_000 if quick else 20_000
    print(f"seed {SEED}, error rate {ALPHA:.0%}, {EARLY:.0%} of it before the last look")
    found = nulls(runs)
    short, long, planned = powers(max(runs // 5, 500))
    bare = found.pop("untempered")
    bars = [
        _at_most(f"error under daily peeking, {name}, %", t.rate("Outlay"), 100 * ALPHA + quick * _by_chance(ALPHA, t))
        for name, t in found.items()
    ]
    bars += [
        _at_most(f"confidence sequence misses, {name}, %", 100 * t.escaped / t.runs, 100 * EARLY * ALPHA)  # far below
        for name, t in found.items()
        if name in _PROVEN
    ]
    naive = min(tally.rate("naive") for tally in found.values())
    bars += [
        _at_least("error of naive peeking in its best case, which must fail, %", naive, 100 * ALPHA),
        _at_least("error where the dispersion is not estimated, which must fail, %", bare.rate("Outlay"), 100 * ALPHA),
        _at_least(
            "power at the minimum effect in the days that size plans, %",
            long[EFFECT].rate("Outlay"),
            78.0 - quick * _by_chance(0.8, long[EFFECT]),
        ),
        _at_most(
            "size: distance of the power it foresees in the fixed test's days, points",
            abs(short[EFFECT].rate("Outlay") - 100 * planned.power_at_fixed),
            4.0 + quick * _by_chance(0.7, short[EFFECT]),
        ),
        _at_most(
            "size: expected days over those that it took",
            max(r := planned.expected_days / long[EFFECT].mean_days("Outlay"), 1 / r),
            1.1,
        ),
        _at_most(
            "mean days at twice the minimum effect over the fixed test's",
            short[2 * EFFECT].mean_days("Outlay") / DAYS,
            0.6,
        ),
    ]
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


_PROVEN = ("two arms, 100 conversions a day each", "two arms, 3 conversions a day each", "four arms, 100 a day each")


def _by_chance(share: float, tally: Tally) -> float:
    """Three standard errors of a share, in points: what the few runs of --quick may be off by chance."""
    return 300 * sqrt(share * (1 - share) / tally.runs)


def _at_least(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "bar": round(bar, 2), "holds": bool(value >= bar)}


def _at_most(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "bar": round(bar, 2), "holds": bool(value <= bar)}


if __name__ == "__main__":
    main()
