"""What the calendar says of the planned day, in words."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.decide.case import Case
from optimizer.explain import EIGHTY, figure
from optimizer.plan.calendar import Occasion
from optimizer.plan.recommendation import Finding, Severity

_PLAIN: Final = 0.02


def known_days(case: Case) -> tuple[Finding, ...]:
    """Return what each event of the planned day is expected to do, and what that is learnt from."""
    belief = case.forecast.belief
    factor = belief.event
    if factor is None or belief.events is None:
        return ()
    weight = belief.conversions_28 + 1e-9
    found = []
    for i in np.unique(factor.occasion[factor.occasion >= 0]):
        rows = factor.occasion == i
        share = weight[rows] / weight[rows].sum()
        mean = float(share @ factor.expected[rows])
        spread = float(np.sqrt(factor.common[rows].max() + (share**2 * factor.own[rows]).sum()))
        low, high = (mean * np.exp(side * EIGHTY * spread) for side in (-1.0, 1.0))
        occasion = belief.events.schedule.occasions[int(i)]
        words = _words(occasion, int(rows.sum()), len(rows), (mean, float(low), float(high)))
        learnt = _learnt(occasion, int(belief.events.seen[i]), begun=occasion.first_day < case.snapshot.today)
        found.append(Finding("event", Severity.INFO, "portfolio", f"{words}{learnt}"))
    return tuple(found)


def _words(occasion: Occasion, held: int, of: int, factor: tuple[float, float, float]) -> str:
    who = "all budgets" if held == of else f"{held} of {of} budgets"
    mean, low, high = (figure(value) for value in factor)
    what = "about what an ordinary day does" if abs(factor[0] - 1.0) < _PLAIN else f"{mean} times an ordinary day"
    return (
        f"It is {occasion.name}: {who} should bring {what} (80%: {low} to {high}), and all figures of the plan say so"
    )


def _learnt(occasion: Occasion, seen: int, *, begun: bool) -> str:
    """What the expectation rests on; of the occurrences seen one may be that of the day, if it has begun before."""
    earlier = max(seen - 1, 0) if begun else seen  # of its own days none may be told yet
    if earlier:
        return f"; learnt from {earlier} earlier {'occurrence' if earlier == 1 else 'occurrences'}."
    if begun and seen:
        return "; learnt from its days so far."
    return "; so the settings guess." if occasion.guess is not None else "; none was seen before."
