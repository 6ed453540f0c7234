"""Which days tell what came of lines: from the first whole day at the new budgets to their next change. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.money import MICROS
from optimizer.plan.recommendation import Line
from optimizer.plan.snapshot import DelayTriangle, FloatArray, IntArray, Snapshot

WINDOW: Final = 28
"""Days that are looked at at most: later ones say more of what changed meanwhile than of the budgets."""

MATURE: Final = 0.9
"""Share of a day's eventual conversions that must be reported before the day is counted."""

_SAME: Final = 0.005  # of a budget: platforms round
_LAGS: Final = 36
_MANY: Final = 1e6  # conversions of the assumed triangle: so many that no prior outweighs it


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The days of each of L lines: D days from the first whole one on, at most `WINDOW`.

    Attributes:
        rows: Each line's place among the targets, shape (L,).
        start: The first day's column of the panel.
        days: The D days.
        complete: Share of the eventual conversions of each that is reported by now, shape (L, D).
        counted: 1 for each day that counts for a line: at the budget that was written, with a row, mature; (L, D).
        changed: 1 for each line whose budget was changed within the window, shape (L,).
        awaited: Days that are still to come, or to mature, for each line, shape (L,).
    """

    rows: IntArray
    start: int
    days: tuple[date, ...]
    complete: FloatArray
    counted: FloatArray
    changed: FloatArray
    awaited: FloatArray

    @property
    def measured(self) -> FloatArray:
        """How many days count for each line, shape (L,)."""
        number: FloatArray = self.counted.sum(axis=1)
        return number

    @property
    def weight(self) -> FloatArray:
        """What each day counts in a line's mean, shape (L, D); nan for a line without a day."""
        number = self.measured[:, None]
        return np.divide(self.counted, number, out=np.full_like(self.counted, np.nan), where=number > 0)


def span(known: Snapshot, written: date, lines: Sequence[Line], complete: FloatArray) -> Span:
    """Find the days that tell of some lines.

    The day of writing is none of them: the old and the new budgets share it. A line's days end where its budget is
    known to be another one than what was written; a budget of which nothing is known is taken to stand.

    Args:
        known: What is known now.
        written: The day of writing, in the portfolio's zone.
        lines: Lines of which each budget is among the targets.
        complete: Share of the eventual conversions of each of the panel's days that is reported by now, shape (K, T).
    """
    place = {target.key: k for k, target in enumerate(known.targets)}
    rows = np.array([place[line.key] for line in lines], dtype=np.int64)
    panel = known.panel
    first = (written - panel.first_day).days + 1
    start = min(max(first, 0), panel.days)
    stop = min(start + WINDOW, panel.days) if first > 1 else start  # of what is older there is no evidence before it
    amount = np.array([line.proposed.micros for line in lines], dtype=np.float64).reshape(-1, 1) / MICROS
    budget = panel.budget[rows, start:stop]
    apart = np.isfinite(budget) & (np.abs(budget - amount) > _SAME * np.maximum(amount, 1e-9))
    stands = np.cumsum(apart, axis=1) == 0
    told, mature = np.isfinite(panel.spend[rows, start:stop]), complete[rows, start:stop] >= MATURE
    changed = apart.any(axis=1)
    last = written + timedelta(days=WINDOW)
    to_come = min(max((last - panel.first_day).days + 1 - panel.days, 0), WINDOW)
    return Span(
        rows=rows,
        start=start,
        days=tuple(panel.first_day + timedelta(days=n) for n in range(start, stop)),
        complete=complete[rows, start:stop],
        counted=(stands & told & mature).astype(np.float64),
        changed=changed.astype(np.float64),
        awaited=(stands & ~mature).sum(axis=1) + np.where(changed, 0.0, to_come),
    )


def on_the_morning(known: Snapshot, day: date) -> Snapshot:
    """Return what is known now of the days before a morning, as the evidence of that morning.

    Late conversions have come in meanwhile: the delays are moved by as many days, so that no day is corrected twice.

    Raises:
        ValueError: The history begins on that day or later.
    """
    panel, kept = known.panel, (day - known.panel.first_day).days
    if kept < 1:
        raise ValueError(f"nothing is known of the days before {day}: the history begins on {panel.first_day}")
    later = max((known.today - day).days, 0)
    before = replace(
        panel,
        spend=panel.spend[:, :kept],
        conversions=panel.conversions[:, :kept],
        value=panel.value[:, :kept],
        clicks=panel.clicks[:, :kept],
        impressions=panel.impressions[:, :kept],
        budget=panel.budget[:, :kept],
        eligible=None if panel.eligible is None else panel.eligible[:, :kept],
        lost=None if panel.lost is None else panel.lost[:, :kept],
    )
    delays = tuple(_older(triangle, later) for triangle in known.delays)
    return replace(known, today=day, panel=before, delays=delays, arms=None, moves=(), restated=None)


def _older(triangle: DelayTriangle, days: int) -> DelayTriangle:
    """The delays of conversions as they are for days that lie so much further back."""
    left = triangle.cumulative[:, days:]
    if left.shape[1] < 2:
        left = np.full((1, _LAGS), _MANY)
    return replace(triangle, cumulative=left)
