"""What an experiment says on one day: each arm's posterior, its evidence against the control, and what to do now.

The verdict rests on `stopping`, which may be looked at every day. What stands beside it, P(best) and the expected loss,
is read from the conjugate posteriors and promises nothing about errors under peeking. Both share the dispersion phi:
successes and exposure enter the posterior divided by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log1p
from typing import Final

import numpy as np

from bandits import stopping
from bandits.evidence import gather
from bandits.experiment import EARLY, Experiment, Metric
from bandits.groups import FloatArray, IntArray
from bandits.mismatch import Mismatch, by_day, check_split
from bandits.posterior import BetaBinomial, GammaPoisson, Posterior
from bandits.stopping import Contrasts, Look

DRAWS: Final = 20_000
CARING: Final = 0.1
"""The expected loss that nobody cares for, as a part of the minimum effect."""

_PRIOR_SUCCESSES: Final = 1.0


class Verdict(StrEnum):
    """What to do now."""

    NO_ROWS = "no-rows"
    RUNNING = "running"
    WINNER = "winner"
    NONE_BETTER = "none-better"
    NOT_SHOWN = "not-shown"
    HARM = "harm"
    MISMATCH = "mismatch"

    @property
    def ends(self) -> bool:
        """Whether the experiment has nothing more to wait for."""
        return self not in (Verdict.NO_ROWS, Verdict.RUNNING)


class Kept(StrEnum):
    """What is known of a guard."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of an experiment, each measure of shape (A, S), nan where there is none; S days of targets.

    Attributes:
        impressions, clicks, conversions, value: As reported by now.
        day: Ordinal of each stratum's day, ascending within a target, shape (S,).
        age: Whole days since then, shape (S,).
        maturity: Conversions reported by now over those that will stand, shape (S,).

    Raises:
        ValueError: The shapes do not fit.
    """

    impressions: FloatArray
    clicks: FloatArray
    conversions: FloatArray
    value: FloatArray
    day: IntArray
    age: FloatArray
    maturity: FloatArray

    def __post_init__(self) -> None:
        shape = self.impressions.shape
        measures = (self.clicks, self.conversions, self.value)
        if len(shape) != 2 or any(values.shape != shape for values in measures):
            raise ValueError(f"all measures must have one shape (A, S), that of impressions, {shape}")
        if any(values.shape != shape[1:] for values in (self.day, self.age, self.maturity)):
            raise ValueError(f"day, age and maturity must have one value per stratum, {shape[1]}")

    def until(self, day: int) -> Rows:
        """Return the rows of the days up to and with one; `age` and `maturity` stay those of now."""
        kept = self.day <= day
        return Rows(
            impressions=self.impressions[:, kept],
            clicks=self.clicks[:, kept],
            conversions=self.conversions[:, kept],
            value=self.value[:, kept],
            day=self.day[kept],
            age=self.age[kept],
            maturity=self.maturity[kept],
        )


@dataclass(frozen=True, slots=True)
class ArmReading:
    """What is known of one arm.

    Attributes:
        arm: Its id.
        exposure, successes: Sums as reported, of the metric's measures.
        rate, low95, high95: Posterior mean and 95% interval of successes per exposure.
        p_best: Posterior probability that its rate is the largest.
        loss: Expected loss of choosing it: E[max rate - rate], relative to the control's mean rate.
        lift, lift_low95, lift_high95: Posterior mean and 95% interval of its lift over the control; 0 for the control.
        p_effect: Posterior probability that the lift is above the minimum effect.
        sure_low, sure_high: The lift's confidence sequence; of all arms together it holds at every look before the
            last one with the probability that the experiment promises for those.
        e: Evidence against "no difference from the control", merged over the arms; infinite where above 1e300.
        shown: 1 shown to be better than the control, -1 worse, 0 neither.
    """

    arm: str
    exposure: float
    successes: float
    rate: float
    low95: float
    high95: float
    p_best: float
    loss: float
    lift: float
    lift_low95: float
    lift_high95: float
    p_effect: float
    sure_low: float
    sure_high: float
    e: float
    shown: int


@dataclass(frozen=True, slots=True)
class GuardReading:
    """What is known of a guard for one arm: its relative change, the confidence sequence, and the verdict."""

    metric: Metric
    arm: str
    worst_loss: float
    change: float
    sure_low: float
    sure_high: float
    kept: Kept


@dataclass(frozen=True, slots=True)
class Readout:
    """What an experiment says on one day.

    Attributes:
        verdict: What to do now.
        winner: The arm to keep where the verdict names one: the best of those shown to be better, else None.
        arms: In the order of the registration.
        guards: Each guard and arm but the control.
        mismatch: Whether the split is what was promised; None without impressions of two days.
        days: Days with rows of two arms or more.
        exposure: Of all arms together.
        dispersion: phi, the mean over the arms.
        last: Whether this was the last look.
        threshold: The e-value from which an arm is shown to differ.
        caring: The arm that the expected-loss rule would stop for, None where it would go on. It peeks at its own risk.
    """

    verdict: Verdict
    winner: str | None
    arms: tuple[ArmReading, ...]
    guards: tuple[GuardReading, ...]
    mismatch: Mismatch | None
    days: int
    exposure: float
    dispersion: float
    last: bool
    threshold: float
    caring: str | None


def read_out(plan: Experiment, rows: Rows, *, last: bool, rng: np.random.Generator) -> Readout:
    """Read an experiment off its rows.

    Args:
        plan: What was registered.
        rows: Of its arms in the order of the registration, of its days only, as known now.
        last: Whether this is the one last look that was registered, with the conversions of all days settled.
        rng: Draws from the posteriors.

    Raises:
        ValueError: The rows are not of the plan's arms.
    """
    if rows.impressions.shape[0] != len(plan.arms):
        raise ValueError(f"rows hold {rows.impressions.shape[0]} arms, {plan.name!r} has {len(plan.arms)}")
    contrasts = contrasts_of(plan, rows, plan.metric)
    days = int(((by_day(getattr(rows, plan.metric.exposure), rows.day) > 0).sum(axis=0) > 1).sum())
    seen = stopping.look(contrasts, scale=plan.scale, error_rate=EARLY * plan.error_rate)
    shown = _shown(plan, contrasts, seen, days, last)
    arms = _arms(plan, rows, seen, shown, rng)
    guards = tuple(reading for guard in plan.guards for reading in _guarded(plan, rows, guard.metric, guard.worst_loss))
    mismatch = check_split(plan, rows.impressions, rows.day)
    broken = {reading.arm for reading in guards if reading.kept is Kept.BROKEN}
    better = [arm for arm in arms if arm.shown > 0 and arm.arm not in broken]
    winner = max(better, key=lambda arm: arm.lift, default=None)
    verdict = _verdict(plan, seen, mismatch, winner is not None, bool(broken), days, last)
    caring = min(arms, key=lambda arm: arm.loss)
    return Readout(
        verdict=verdict,
        winner=winner.arm if winner is not None and verdict is Verdict.WINNER else None,
        arms=arms,
        guards=guards,
        mismatch=mismatch,
        days=days,
        exposure=sum(arm.exposure for arm in arms),
        dispersion=float(seen.dispersion.mean()),
        last=last,
        threshold=1 / (EARLY * plan.error_rate),
        caring=caring.arm if days >= plan.least_days and caring.loss < CARING * plan.minimum_effect else None,
    )


def contrasts_of(plan: Experiment, rows: Rows, metric: Metric) -> Contrasts:
    """Set the arms beside the control for one metric; values are counted in mean values of a conversion."""
    return stopping.contrast(getattr(rows, metric.exposure), _counts(rows, metric)[0], plan.control_place)


def posterior(plan: Experiment, rows: Rows, dispersion: float) -> tuple[Posterior, float]:
    """Return the arms' posterior, and the unit that its rates are counted in.

    Beta-Binomial for clicks per impression and conversions per click, else Gamma-Poisson; a prior worth one success at
    the rate of all arms together. Conversions that are still to come lessen the exposure (`evidence.gather`).
    """
    counts, unit = _counts(rows, plan.metric)
    exposure = getattr(rows, plan.metric.exposure)
    maturity = np.ones_like(rows.maturity) if plan.metric is Metric.CTR else rows.maturity
    folded = gather(exposure, counts, age=rows.age, maturity=maturity, gamma=1.0)
    y, n = folded.successes / dispersion, folded.exposure / dispersion
    pooled = (y.sum() + _PRIOR_SUCCESSES) / max(n.sum() + _PRIOR_SUCCESSES, 1e-12)
    ones = np.full(len(plan.arms), _PRIOR_SUCCESSES)
    if plan.metric in (Metric.CTR, Metric.CONVERSION_RATE) and pooled < 1:
        return BetaBinomial(ones, ones * (1 - pooled) / pooled).update(y, np.maximum(n, y)), unit
    return GammaPoisson(ones, ones / pooled).update(y, n), unit


def _counts(rows: Rows, metric: Metric) -> tuple[FloatArray, float]:
    """Successes, and what one of them is worth in the metric's own unit."""
    counts: FloatArray = getattr(rows, metric.success)
    if metric is not Metric.REVENUE:
        return counts, 1.0
    total, conversions = float(np.nansum(counts)), float(np.nansum(rows.conversions))
    unit = total / conversions if total > 0 and conversions > 0 else 1.0
    return counts / unit, unit


def _shown(plan: Experiment, contrasts: Contrasts, seen: Look, days: int, last: bool) -> IntArray:
    """For each arm but the control: 1 better, -1 worse, 0 not shown."""
    signs: IntArray = np.zeros(len(plan.arms) - 1, dtype=np.int64)
    if days < plan.least_days:
        return signs
    found = seen.shown(EARLY * plan.error_rate) != 0
    if last:
        found |= stopping.last_look(contrasts, seen.dispersion) <= (1 - EARLY) * plan.error_rate
    signs[found] = np.sign(seen.estimate[found]).astype(np.int64)
    return signs


def _arms(
    plan: Experiment, rows: Rows, seen: Look, shown: IntArray, rng: np.random.Generator
) -> tuple[ArmReading, ...]:
    believed, unit = posterior(plan, rows, float(seen.dispersion.mean()))
    draws = believed.draws(DRAWS, rng)
    at = plan.control_place
    lift = draws / draws[:, [at]] - 1
    low, high = believed.interval(0.95)
    best = draws.max(axis=1, keepdims=True)
    p_best = (draws == best).mean(axis=0)
    loss = (best - draws).mean(axis=0) / believed.mean[at]
    sides = np.quantile(lift, [0.025, 0.975], axis=0)
    exposure = np.nansum(getattr(rows, plan.metric.exposure), axis=1)
    successes = np.nansum(getattr(rows, plan.metric.success), axis=1)
    # The others' places in the arrays that leave the control out.
    place = [a if a < at else a - 1 for a in range(len(plan.arms))]
    return tuple(
        ArmReading(
            arm=arm,
            exposure=float(exposure[a]),
            successes=float(successes[a]),
            rate=float(believed.mean[a]) * unit,
            low95=float(low[a]) * unit,
            high95=float(high[a]) * unit,
            p_best=float(p_best[a]),
            loss=float(loss[a]),
            lift=float(lift[:, a].mean()),
            lift_low95=float(sides[0, a]),
            lift_high95=float(sides[1, a]),
            p_effect=float((lift[:, a] > plan.minimum_effect).mean()),
            sure_low=0.0 if a == at else float(np.expm1(seen.low[place[a]])),
            sure_high=0.0 if a == at else float(np.expm1(seen.high[place[a]])),
            e=1.0 if a == at else float(np.exp(min(seen.adjusted[place[a]], 690.0))),
            shown=0 if a == at else int(shown[place[a]]),
        )
        for a, arm in enumerate(plan.ids)
    )


def _guarded(plan: Experiment, rows: Rows, metric: Metric, worst_loss: float) -> tuple[GuardReading, ...]:
    """Judge one guard for all arms; the error rate is shared between the guards."""
    error_rate = plan.error_rate / len(plan.guards)
    seen = stopping.look(contrasts_of(plan, rows, metric), scale=plan.scale, error_rate=error_rate)
    line = log1p(-worst_loss)
    others = [arm for arm in plan.ids if arm != plan.control]
    return tuple(
        GuardReading(
            metric=metric,
            arm=arm,
            worst_loss=worst_loss,
            change=float(np.expm1(seen.estimate[b])),
            sure_low=float(np.expm1(seen.low[b])),
            sure_high=float(np.expm1(seen.high[b])),
            kept=Kept.BROKEN if seen.high[b] < line else Kept.KEPT if seen.low[b] > line else Kept.OPEN,
        )
        for b, arm in enumerate(others)
    )


def _verdict(
    plan: Experiment, seen: Look, mismatch: Mismatch | None, won: bool, broken: bool, days: int, last: bool
) -> Verdict:
    if days == 0:
        return Verdict.NOT_SHOWN if last else Verdict.NO_ROWS
    if mismatch is not None and mismatch.found:
        return Verdict.MISMATCH
    if won:
        return Verdict.WINNER
    if broken:
        return Verdict.HARM
    if days >= plan.least_days and (seen.high < plan.scale).all():
        return Verdict.NONE_BETTER
    return Verdict.NOT_SHOWN if last else Verdict.RUNNING
