"""Checks before advice: are the days enough, do they tell of the effect of spend, and can they be right.

Each check is pure and returns findings; docs/decision.md lists their codes. Those of severity block stand in the way
of a plan (`blocking`), all others are told with it (`examine`).
"""

from __future__ import annotations

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

_RISING: Final = (Severity.INFO, Severity.WARNING, Severity.BLOCK)


def blocking(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return the failed checks that keep money from moving: of the portfolio, or of the budgets that they name."""
    return (*no_conversions(snapshot), *frozen(snapshot))


def examine(days: Days, snapshot: Snapshot, proposed: FloatArray, delivered: FloatArray) -> tuple[Finding, ...]:
    """Return everything else that was noticed.

    Args:
        days: Of the snapshot.
        snapshot: The evidence; K targets.
        proposed: Budgets in currency units a day, shape (K,); slopes are looked at where they differ from the present.
        delivered: The spend a day to be expected at them, shape (K,).
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
            *slopes(days, snapshot, proposed, delivered),
        )
    )


def _gathered(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The most severe findings of each code by themselves, the others as a count: nobody reads a thousand.

    Among findings alike the first ones are kept. A count is as severe as the worst that it stands for.
    """
    alike: dict[str, list[int]] = {}
    for i, finding in enumerate(findings):
        alike.setdefault(finding.code, []).append(i)
    kept: list[int] = []
    counts: list[Finding] = []
    for code, found in alike.items():
        worst_first = sorted(found, key=lambda i: -_RISING.index(findings[i].severity))
        kept += worst_first[:MOST_ALIKE]
        left = worst_first[MOST_ALIKE:]
        if left:
            words = f"{len(left)} more of the findings {code!r} are not listed."
            counts.append(Finding(code, findings[left[0]].severity, "portfolio", words))
    return (*(findings[i] for i in sorted(kept)), *counts)
