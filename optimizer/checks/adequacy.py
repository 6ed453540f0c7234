"""Is there enough to learn from: weeks of history, conversions, days that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import numpy as np

from optimizer.checks.days import BLOCK, Days
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import Snapshot

_RECENT: Final = 56
_FEW_CONVERSIONS: Final = 30.0
_MISSING_SHARE: Final = 0.1
_NAMED_DAYS: Final = 3


def no_conversions(snapshot: Snapshot) -> tuple[Finding, ...]:
    """A finding that blocks if no row of the last four weeks tells of a conversion: nothing can be weighed."""
    panel = snapshot.panel
    spend, got = np.nan_to_num(panel.spend[:, -BLOCK:]), np.nan_to_num(panel.conversions[:, -BLOCK:])
    if not snapshot.targets or got.max(initial=0.0) > 0 or not spend.any():
        return ()
    words = (
        f"{spend.sum():,.2f} {snapshot.currency} were spent in the last {BLOCK} days, but no conversion was reported."
    )
    mend = "Check the conversion tag or import, and the column that conversions are read from."
    return (Finding("no-conversions", Severity.BLOCK, "portfolio", words, mend),)


def adequacy(days: Days) -> Iterator[Finding]:
    """Findings on how much there is to learn from."""
    seen = np.flatnonzero(days.known.any(axis=0))
    if not seen.size:
        return
    yield from _short(days, int(days.count - seen[0]))
    yield from _few(days)
    yield from _missing(days)


def _short(days: Days, length: int) -> Iterator[Finding]:
    if length < BLOCK:
        words = (
            f"The history is {length} days long. Weekdays and the effect of spend are told from at least {BLOCK}; "
            "until then they are mostly assumption."
        )
        yield Finding("short-history", Severity.INFO, "portfolio", words, "Bring older exports in, or wait.")


def _few(days: Days) -> Iterator[Finding]:
    recent = float(days.conversions[:, -BLOCK:].sum())
    if 0 < recent < _FEW_CONVERSIONS:
        words = (
            f"All budgets together brought {recent:,.1f} conversions in the last {BLOCK} days: by chance alone, the "
            f"next {BLOCK} may well bring {1 / np.sqrt(recent):.0%} more or less."
        )
        mend = "Count an earlier step of the sale as the conversion, such as a filled cart or a lead."
        yield Finding("few-conversions", Severity.WARNING, "portfolio", words, mend)


def _missing(days: Days) -> Iterator[Finding]:
    """Days without a row in a whole account, between days that have some: a gap of the report, not a pause."""
    accounts = [f"{target.key.connector}/{target.key.account_id}" for target in days.targets]
    start = max(days.count - _RECENT, 0)
    for account in sorted(set(accounts)):
        own = np.array([name == account for name in accounts])
        some = np.flatnonzero(days.known[own].any(axis=0))
        inside = np.arange(max(start, some[0]), some[-1] + 1) if some.size else np.empty(0, dtype=np.int64)
        gaps = np.setdiff1d(inside, some)
        if gaps.size:
            much = gaps.size >= _MISSING_SHARE * inside.size
            yield Finding(
                "missing-days",
                Severity.WARNING if much else Severity.INFO,
                account,
                f"{account} has no row on {gaps.size} of the last {inside.size} days: "
                f"{listed([days.day(gap) for gap in gaps])}.",
                "Export these days again, if anything was spent on them.",
            )


def listed(found: Sequence[date]) -> str:
    """Dates in words, the newest, and how many there are besides."""
    newest = ", ".join(str(day) for day in sorted(found)[-_NAMED_DAYS:])
    more = len(found) - _NAMED_DAYS
    return newest + (f" and {more} before" if more > 0 else "")
