"""Many judged mornings summed up: what a backtest reports. Pure.

Means are over budget-days; standard errors are by day, since the budgets of one day share its weather: with s_d and
n_d the sum and the number of a day's scores and m their mean, se^2 = D / (D - 1) sum_d (s_d - m n_d)^2 / (sum_d n_d)^2
(the ratio estimator of cluster sampling: Cochran, Sampling Techniques, 3rd edition, section 9A).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from optimizer.decide.hindsight import LEVELS, RIVALS, Advice, Judged, Marks
from optimizer.plan.snapshot import FloatArray

_TOLERANCE: Final = 1e-3  # of a spend: a budget at the edge of what was tried is not outside


@dataclass(frozen=True, slots=True)
class Averaged:
    """A mean over budget-days with its standard error by day; both nan without a score, the error with one day."""

    mean: float
    se: float
    days: int
    cells: int


@dataclass(frozen=True, slots=True)
class Forecaster:
    """The scores of one forecaster.

    Attributes:
        window: Days that a rival takes its rate from; None for the model.
        log: Mean log score, higher is better.
        crps, error: Mean CRPS and absolute error of the mean, in conversions, lower is better.
        behind: By how much its log score and its CRPS are worse than the model's, paired by budget-day; None for the
            model.
    """

    window: int | None
    log: Averaged
    crps: Averaged
    error: Averaged
    behind: tuple[Averaged, Averaged] | None


@dataclass(frozen=True, slots=True)
class Moves:
    """The advice beside what was done, over all mornings.

    Attributes:
        mornings, proposals: How many there were, and on how many of them anything was to be changed.
        advised: Budgets that were to be changed and of which it is known what was done.
        agreed, opposed, left: How many of those went the same way, the other way, or stayed within the smallest step.
        recorded: How many of those are judged by budgets that were read; the others by spend.
        distance_advised, distance_done, distance_between: Sum of |advised - current|, |done - current| and
            |advised - done| over the sum of the current budgets, mean over mornings; nan without one.
        claim, low80, high80: The model's claim of what its advice would have brought more a day, and the ends of its
            80% intervals, means over mornings.
    """

    mornings: int
    proposals: int
    advised: int
    agreed: int
    opposed: int
    left: int
    recorded: int
    distance_advised: float
    distance_done: float
    distance_between: float
    claim: float
    low80: float
    high80: float
    unit: str


@dataclass(frozen=True, slots=True)
class Reach:
    """One budget: what had been tried, and what was advised.

    Attributes:
        mornings: On how many it was planned.
        least, most: Daily spends seen until the last of them; nan without one.
        low, high: Least and largest spend to be expected under the advice.
        outside: Share of mornings on which that lay outside of what had been seen by then.
    """

    key: BudgetKey
    name: str
    mornings: int
    least: float
    most: float
    low: float
    high: float
    outside: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What a backtest says.

    Attributes:
        coverage: By level of `LEVELS`, which share of counts lay within the model's central intervals.
        forecasters: The model, then its rivals.
        reach: By budget, those most often outside first.
        outside: Share of all budget-mornings on which the advice lay outside of what had been tried.
    """

    coverage: tuple[tuple[float, Averaged], ...]
    forecasters: tuple[Forecaster, ...]
    moves: Moves
    reach: tuple[Reach, ...]
    outside: float


def tally(judged: Sequence[Judged], smallest_step: float) -> Tally:
    """Sum up mornings.

    Args:
        judged: At least one.
        smallest_step: Relative changes below this count as none.

    Raises:
        ValueError: There is no morning.
    """
    if not judged:
        raise ValueError("there is no morning to sum up")
    reach = _reach(judged)
    mornings = sum(item.mornings for item in reach)
    return Tally(
        coverage=tuple(
            (level, by_day([morning.marks.inside[place] for morning in judged])) for place, level in enumerate(LEVELS)
        ),
        forecasters=tuple(_forecaster(judged, place) for place in range(len(RIVALS) + 1)),
        moves=_moves([morning.advice for morning in judged], smallest_step),
        reach=reach,
        outside=sum(item.outside * item.mornings for item in reach) / mornings if mornings else np.nan,
    )


def by_day(days: Sequence[FloatArray]) -> Averaged:
    """Average scores, one array a day of any length, nan where there is none; see the module for the error."""
    counts = np.array([np.isfinite(day).sum() for day in days], dtype=np.float64)
    sums = np.array([np.nansum(day) for day in days])
    cells, seen = float(counts.sum()), int((counts > 0).sum())
    if not cells:
        return Averaged(np.nan, np.nan, 0, 0)
    mean = float(sums.sum()) / cells
    square = float(((sums - mean * counts) ** 2).sum()) / cells**2
    error = float(np.sqrt(square * seen / (seen - 1))) if seen > 1 else np.nan
    return Averaged(mean, error, seen, int(cells))


def _forecaster(judged: Sequence[Judged], place: int) -> Forecaster:
    def averaged(score: Callable[[Marks], FloatArray]) -> Averaged:
        return by_day([score(morning.marks) for morning in judged])

    return Forecaster(
        window=RIVALS[place - 1] if place else None,
        log=averaged(lambda marks: marks.log[place]),
        crps=averaged(lambda marks: marks.crps[place]),
        error=averaged(lambda marks: marks.error[place]),
        behind=None
        if not place
        else (
            averaged(lambda marks: marks.log[0] - marks.log[place]),
            averaged(lambda marks: marks.crps[place] - marks.crps[0]),
        ),
    )


def _moves(advices: Sequence[Advice], smallest_step: float) -> Moves:
    current, recommended, done, recorded = (
        np.concatenate([getattr(advice, name) for advice in advices])
        for name in ("current", "recommended", "done", "recorded")
    )
    judged = (recommended != current) & np.isfinite(done)
    stayed = judged & (np.abs(done - current) <= smallest_step * current)
    same = judged & ~stayed & (np.sign(recommended - current) == np.sign(done - current))
    return Moves(
        mornings=len(advices),
        proposals=sum(advice.proposed for advice in advices),
        advised=int(judged.sum()),
        agreed=int(same.sum()),
        opposed=int((judged & ~stayed & ~same).sum()),
        left=int(stayed.sum()),
        recorded=int((judged & recorded).sum()),
        distance_advised=_distance(advices, lambda advice: advice.recommended - advice.current),
        distance_done=_distance(advices, lambda advice: advice.done - advice.current),
        distance_between=_distance(advices, lambda advice: advice.recommended - advice.done),
        claim=float(np.mean([advice.claim.mean for advice in advices])),
        low80=float(np.mean([advice.claim.low80 for advice in advices])),
        high80=float(np.mean([advice.claim.high80 for advice in advices])),
        unit=advices[0].unit,
    )


def _distance(advices: Sequence[Advice], difference: Callable[[Advice], FloatArray]) -> float:
    """Mean over mornings of the sum of distances over the sum of current budgets, where what was done is known."""
    shares = []
    for advice in advices:
        known = np.isfinite(advice.done)
        total = float(advice.current[known].sum())
        if total > 0:
            shares.append(float(np.abs(difference(advice)[known]).sum()) / total)
    return float(np.mean(shares)) if shares else np.nan


def _reach(judged: Sequence[Judged]) -> tuple[Reach, ...]:
    found: dict[BudgetKey, list[tuple[Judged, int]]] = {}
    for morning in judged:
        for place, key in enumerate(morning.keys):
            found.setdefault(key, []).append((morning, place))
    reach = [_reach_of(key, places) for key, places in found.items()]
    return tuple(sorted(reach, key=lambda item: (-item.outside, item.key)))


def _reach_of(key: BudgetKey, places: Sequence[tuple[Judged, int]]) -> Reach:
    least, most, spend = (
        np.array([getattr(morning.advice, name)[place] for morning, place in places])
        for name in ("least", "most", "delivered")
    )
    inside = (spend >= least * (1 - _TOLERANCE)) & (spend <= most * (1 + _TOLERANCE))
    inside |= spend == 0  # of nothing spent, nothing need be extrapolated
    last, place = places[-1]
    return Reach(
        key=key,
        name=last.names[place],
        mornings=len(places),
        least=float(least[-1]),
        most=float(most[-1]),
        low=float(spend.min()),
        high=float(spend.max()),
        outside=float((~inside).mean()),
    )
