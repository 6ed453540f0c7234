"""How often intervals held what came, with the uncertainty of that share, and whether it has fallen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.contract import zone
from optimizer import guardrails
from optimizer.decide.hindsight import LEVELS
from optimizer.measure.scorecard.figures import Figure
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from optimizer.response.scores import Predictive

WEEK: Final = 7

ASKED: Final = 0.9
SLACK: Final = 0.03
BET: Final = 5.0
ALARM: Final = 52.0
"""The watch over intervals: by how much less than asked they may hold, the stake, and at what the alarm is raised."""

_DRAWS: Final = 300


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some intervals of one probability held what came.

    Attributes:
        level: The probability that they state.
        held: The share that held.
        se: Its standard error, with what belongs together taken together; None for one such group.
    """

    level: float
    held: float
    se: float | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Shares by probability, of so many intervals in so many groups; no shares without one."""

    shares: tuple[Share, ...]
    count: int
    groups: int


def kept(groups: Sequence[Sequence[tuple[Figure, Figure]]]) -> Kept:
    """Count the promises whose interval held what came, given what is uncertain of what came, too.

    A promise and what came of it have errors of their own, so that their difference has the variance of both.

    Args:
        groups: Promise and what came, line by line; the lines of one recommendation belong together.
    """
    inside = [[[_apart(*pair).holds(0.0, level) for pair in group] for level in LEVELS] for group in groups if group]
    return shares([np.array(group, dtype=np.float64).T for group in inside])


def shares(groups: Sequence[FloatArray]) -> Kept:
    """Sum up which part of each interval's worth held, by the ratio estimator of cluster sampling.

    With s_g and n_g the sum and the number of a group and m the share, se^2 = G / (G - 1) sum_g (s_g - m n_g)^2 /
    (sum_g n_g)^2 (Cochran, Sampling Techniques, 3rd edition, section 9A).

    Args:
        groups: Of each group the parts that held, shape (n, levels).
    """
    filled = [group for group in groups if len(group)]
    if not filled:
        return Kept((), 0, 0)
    number = np.array([len(group) for group in filled], dtype=np.float64)
    sums = np.array([group.sum(axis=0) for group in filled])
    share = sums.sum(axis=0) / number.sum()
    errors: list[float | None] = [None] * len(LEVELS)
    if len(filled) > 1:
        square = ((sums - share * number[:, None]) ** 2).sum(axis=0)
        errors = (np.sqrt(len(filled) / (len(filled) - 1) * square) / number.sum()).tolist()
    found = tuple(Share(level, float(held), se) for level, held, se in zip(LEVELS, share, errors, strict=True))
    return Kept(found, int(number.sum()), len(filled))


def _apart(promise: Figure, came: Figure) -> Figure:
    return Figure(came.mean - promise.mean, float(np.hypot(came.sd, promise.sd)))


@dataclass(frozen=True, slots=True, eq=False)
class Foretold:
    """One morning's forecasts of the week that followed.

    Attributes:
        morning: The first day that was forecast.
        inside: Which part of each budget-day lies within the intervals of `LEVELS`, shape (n, levels).
    """

    morning: date
    inside: FloatArray


def foretold(then: Snapshot, now: Snapshot, rng: np.random.Generator) -> Foretold:
    """Forecast the conversions of a week by what was known on its morning, and compare with what is known of it now.

    The forecast is given the spend that really happened, so that a wrong budget is not taken for a wrong curve.

    Args:
        then: What was known on the morning of `then.today`.
        now: What is known now.
        rng: For posterior draws.
    """
    planned, _ = guardrails.daily(then)
    if not planned.targets or not np.isfinite(planned.panel.spend).any():
        return Foretold(then.today, np.empty((0, len(LEVELS))))
    belief = learn(planned)
    place = {target.key: k for k, target in enumerate(now.targets)}
    rows = np.array([place.get(target.key, -1) for target in planned.targets], dtype=np.int64)
    today = now.known_at.astimezone(zone(now.time_zone)).date()
    found = []
    for n in range(WEEK):
        day = then.today + timedelta(days=n)
        at = (day - now.panel.first_day).days
        if not 0 <= at < now.panel.days:
            continue
        spend, count = (np.where(rows >= 0, m[rows, at], np.nan) for m in (now.panel.spend, now.panel.conversions))
        scored = np.flatnonzero((spend > 0) & (count >= 0))
        complete = belief.maturity(np.array([max((today - day).days, 0)], dtype=np.int64))[:, 0]
        mean = belief.expected(np.nan_to_num(spend), day, _DRAWS, rng) * complete
        forecast = Predictive(mean[:, scored], np.maximum(belief.excess[scored], 1e-9))
        found.append(np.stack([forecast.inside(count[scored], level) for level in LEVELS], axis=1))
    return Foretold(then.today, np.concatenate(found) if found else np.empty((0, len(LEVELS))))


@dataclass(frozen=True, slots=True)
class Watch:
    """Whether the intervals of forecasts hold as often as they say.

    Attributes:
        weeks: Weeks that were looked at.
        held: Of the last four, the share of 90% intervals that held; None without a week.
        evidence: Of the detector; at `ALARM` it says that they do not hold.
    """

    weeks: int
    held: float | None
    evidence: float

    @property
    def alarm(self) -> bool:
        """Whether intervals hold less than they say, beyond what chance does within a year."""
        return self.evidence >= ALARM


def watch(weeks: Iterable[Foretold]) -> Watch:
    """Bet each week against the claim that 90% intervals hold 87% at least.

    With I_t the share of a week's intervals that held, M_t = (1 + M_{t-1}) (1 + 5 (.87 - I_t)). While the claim holds
    each factor is expected to be at most 1 given all before it, however the budgets and days of one week hang
    together, so that M_t - t is a supermartingale, and the time until M_t >= 52 is 52 weeks at least on average (the
    e-detector of Shin, Ramdas and Rinaldo 2024, New England Journal of Statistics in Data Science 2; Shiryaev-Roberts).
    M falls again once intervals hold.

    Args:
        weeks: In any order.
    """
    known = sorted((week for week in weeks if len(week.inside)), key=lambda week: week.morning)
    at = LEVELS.index(ASKED)
    evidence = 0.0
    for week in known:
        evidence = (1.0 + evidence) * (1.0 + BET * (ASKED - SLACK - float(week.inside[:, at].mean())))
    last = [week.inside[:, at] for week in known[-4:]]
    return Watch(len(known), float(np.concatenate(last).mean()) if last else None, evidence)
