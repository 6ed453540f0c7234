"""Checks before advice: are the days enough, do they tell of the effect of spend, and can they be right.

Each check is pure and returns findings; docs/decision.md lists their codes. Those of severity block stand in the way
of a plan (`blocking`), all others are told with it (`examine`).
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from optimizer.checks.adequacy import adequacy, no_conversions
from optimizer.checks.days import Days, read
from optimizer.checks.demand import demand
from optimizer.checks.outliers import level_shifts, outliers
from optimizer.checks.slope import assumed_share, slopes
from optimizer.checks.tracking import frozen, impossible, restated
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, Snapshot

__all__ = ["MOST_ALIKE", "Days", "assumed_share", "blocking", "examine", "read"]

MOST_ALIKE: Final = 20
"""Findings of one code that are told one by one."""


def blocking(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return the failed checks that keep money from moving: of the portfolio, or of the budgets that they name."""
    return (*no_conversions(snapshot), *frozen(snapshot))


def examine(days: Days, snapshot: Snapshot, proposed: FloatArray) -> tuple[Finding, ...]:
    """Return everything else that was noticed.

    Args:
        days: Of the snapshot.
        snapshot: The evidence; K targets.
        proposed: Budgets in currency units a day, shape (K,); slopes are looked at where they differ from the present.
    """
    if not days.targets or not days.count:
        return ()
    return _gathered(
        (
            *adequacy(days),
            *impossible(snapshot),
            *restated(snapshot),
            *demand(days),
            *level_shifts(days),
            *outliers(days),
            *slopes(days, snapshot, proposed),
        )
    )


def _gathered(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The first findings of each code by themselves, the others as a count: nobody reads a thousand."""
    kept: list[Finding] = []
    seen: Counter[str] = Counter()
    for finding in findings:
        seen[finding.code] += 1
        if seen[finding.code] <= MOST_ALIKE:
            kept.append(finding)
    return (
        *kept,
        *(
            Finding(
                code, Severity.INFO, "portfolio", f"{count - MOST_ALIKE} more of the findings {code!r} are not listed."
            )
            for code, count in seen.items()
            if count > MOST_ALIKE
        ),
    )
