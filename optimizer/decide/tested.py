"""What the counted conversions rest on: lift tests where they stand, the platforms' attribution where not."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.decide.case import Case
from optimizer.explain import figure
from optimizer.goals import Counting
from optimizer.plan.recommendation import Finding, Severity
from optimizer.response.lift import Lift

_REACH: Final = 1.2816  # standard deviations of an 80% interval
_MEND: Final = "Test a channel, write it as a [[lift_tests]] table, and run `outlay refit`."


def calibration(case: Case) -> tuple[Finding, ...]:
    """Return what the plan makes of lift tests: what they say, that none stands, or that they are not counted."""
    lift = case.forecast.belief.lift
    if case.goals.counts is Counting.ATTRIBUTED:
        return () if lift is None or not lift.tested.any() else (_unused(lift),)
    if lift is None:
        words = "Incremental conversions are asked for, but no lift test stands: what platforms attribute stands in."
        return (Finding("no-lift", Severity.WARNING, "portfolio", words, _MEND),)
    rest = [name for name, tested in zip(lift.channels, lift.tested, strict=True) if not tested]
    words = f"Incremental conversions are counted: by lift tests 100 attributed ones are {_told(lift)}."
    if rest:
        words += f" Of {', '.join(rest)} there is no test; the others' stand in, widely."
    return (Finding("lift", Severity.INFO, "portfolio", words, _MEND if rest else ""),)


def _unused(lift: Lift) -> Finding:
    words = f"By lift tests 100 attributed conversions are {_told(lift)}; this plan counts attributed ones."
    mend = 'Write counts = "incremental" in [goal] to plan by the tests.'
    return Finding("lift-unused", Severity.INFO, "portfolio", words, mend)


def _told(lift: Lift) -> str:
    parts = []
    for c in np.flatnonzero(lift.tested):
        middle, low, high = (
            100.0 * float(np.exp(lift.mean[c] + side * _REACH * lift.sd[c])) for side in (0.0, -1.0, 1.0)
        )
        parts.append(f"{figure(middle)} incremental ones of {lift.channels[c]} (80%: {figure(low)} to {figure(high)})")
    return ", ".join(parts)
