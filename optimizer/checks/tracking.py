"""Rows that cannot be right, and reports that were rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np

from optimizer.checks.days import BLOCK
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import DelayTriangle, FloatArray, Snapshot

_CHANCE: Final = 1e-6  # of a false alarm per budget
_LATE: Final = 7  # days after which little should change any more
_REWRITTEN: Final = 0.1
_LEAST_ROWS: Final = 5
_LEAST_COUNT: Final = 50.0
_BACK: Final = 0.15
_SETTLED: Final = 14


def frozen(snapshot: Snapshot) -> Iterator[Finding]:
    """Findings that block budgets whose last days are copies of one another: a report that stands still.

    That two counts of mean m are equal has a probability of at most 1 / (2 sqrt(pi m)); over the measures and the days
    of the run these multiply.
    """
    panel = snapshot.panel
    for k, target in enumerate(snapshot.targets):
        run, odds = 0, 1.0
        counts = [grid[k] for grid in (panel.conversions, panel.clicks, panel.impressions)]
        for day in range(panel.days - 1, max(panel.days - BLOCK, 1) - 1, -1):
            pair = [(float(count[day]), float(count[day - 1])) for count in counts]
            if panel.spend[k, day] != panel.spend[k, day - 1] or any(a != b and a == a for a, b in pair):  # noqa: PLR0124
                break
            run += 1
            for a, _ in pair:
                odds *= min(1.0, 0.5 / np.sqrt(np.pi * a)) if a > 0 else 1.0
        if run and odds < _CHANCE:
            last = panel.first_day + timedelta(days=panel.days - 1)
            words = f"{target.budget.name}: the last {run + 1} days up to {last} are the same to the last click."
            mend = "The report stands still or was copied forward; export these days again."
            yield Finding("frozen-report", Severity.BLOCK, str(target.key), words, mend)


def impossible(snapshot: Snapshot) -> Iterator[Finding]:
    """Findings on budgets with more conversions than clicks, or more clicks than impressions, over four weeks."""
    panel = snapshot.panel
    sums = [_sum(grid) for grid in (panel.conversions, panel.clicks, panel.impressions)]
    names = ("conversions", "clicks", "impressions")
    for fewer, more, what in ((0, 1, "Views may be counted as well as clicks, or conversions twice."),
                              (1, 2, "One of the two columns is mapped wrongly.")):  # fmt: skip
        for k in np.flatnonzero((sums[fewer] > sums[more]) & (sums[more] > 0)):
            target = snapshot.targets[k]
            words = (
                f"{target.budget.name}: {sums[fewer][k]:,.0f} {names[fewer]} but only {sums[more][k]:,.0f} "
                f"{names[more]} in the last {BLOCK} days. {what}"
            )
            yield Finding("more-than-possible", Severity.WARNING, str(target.key), words, "Check the mapped columns.")


def restated(snapshot: Snapshot) -> Iterator[Finding]:
    """Findings on groups whose past was rewritten on one day, or whose conversions are taken back."""
    for triangle in snapshot.delays:
        if triangle.cumulative.size:
            yield from _rewritten(triangle, snapshot)
            yield from _taken_back(triangle)


def _rewritten(triangle: DelayTriangle, snapshot: Snapshot) -> Iterator[Finding]:
    """Late changes of many days that became known on the same day: a setting changed, not the customers.

    A row's last known lag is that of yesterday's end, which dates all of its lags; rows that are known to the last
    column are older than that, and left out.
    """
    known = triangle.cumulative
    lags = known.shape[1]
    newest = lags - 1 - np.argmax(np.isfinite(known[:, ::-1]), axis=1)
    steps = np.diff(known, axis=1)
    row, lag = np.nonzero(np.isfinite(steps) & (newest < lags - 1)[:, None])
    late = lag + 1 > _LATE
    row, lag = row[late], lag[late]
    ago = newest[row] - (lag + 1)
    size = np.bincount(ago, weights=np.abs(steps[row, lag]), minlength=1)
    whole = np.bincount(ago, weights=known[row, lag], minlength=1)
    count = np.bincount(ago, weights=steps[row, lag] != 0, minlength=1)
    odd = np.flatnonzero((size > _REWRITTEN * whole) & (whole >= _LEAST_COUNT) & (count >= _LEAST_ROWS))
    for at in odd[:1]:
        day = snapshot.today - timedelta(days=1 + int(at))
        words = (
            f"{triangle.group}: on {day} the platform rewrote {int(count[at])} days of more than a week before, by "
            f"{size[at] / whole[at]:.0%} of their conversions. Days before and after may be counted differently."
        )
        mend = "Look whether the attribution setting or the definition of a conversion changed on that day."
        yield Finding("rewritten-past", Severity.WARNING, triangle.group, words, mend)


def _taken_back(triangle: DelayTriangle) -> Iterator[Finding]:
    known = triangle.cumulative
    if known.shape[1] <= _SETTLED:
        return
    both = np.isfinite(known[:, 1]) & np.isfinite(known[:, _SETTLED])
    first, settled = float(known[both, 1].sum()), float(known[both, _SETTLED].sum())
    if first >= _LEAST_COUNT and settled < (1 - _BACK) * first:
        words = (
            f"{triangle.group}: {1 - settled / first:.0%} of the conversions reported after a day are taken back "
            f"within {_SETTLED} days. The newest days look better than they will; the model allows for it."
        )
        yield Finding("taken-back", Severity.INFO, triangle.group, words, "")


def _sum(grid: FloatArray) -> FloatArray:
    total: FloatArray = np.nansum(grid[:, -BLOCK:], axis=1)
    return total
