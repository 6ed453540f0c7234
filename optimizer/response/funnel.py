"""The funnel of each target, as far as its rows tell it: volume, clicks per impression, conversions per click.

Spend buys volume along a curve, and volume turns into conversions at rates that hardly depend on the curve. Counts of
impressions are a hundred times those of conversions and are complete the next morning, so that a curve learnt from
them is learnt weeks earlier. Each target's volume is the first of these that its rows carry and that counts at least
`WORTHWHILE` per conversion:

    impressions  ->  clicks  ->  conversions
    clicks       ->              conversions
    conversions alone

A step that a target does not have passes everything on: a rate of exactly one. A target without a day of its own is
taken to have what most others have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import BoolArray, History

CONVERSIONS, CLICKS, IMPRESSIONS = 0, 1, 2
"""What may be counted, in the order of the funnel from its end."""

WORTHWHILE: Final = 2.0
"""Events per conversion below which a step says too little to be modelled by itself."""

REPORTED: Final = 0.9
"""Share of a target's counted days on which a measure must be reported to be used."""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One rate of the funnel; each of shape (K, T) but `known`.

    Attributes:
        count: What came out, as reported so far.
        exposure: What went in; zero on days that do not count.
        late: Whether the count is one of conversions, which arrive late, shape (K,).
        known: Targets that have the step, shape (K,).
    """

    count: FloatArray
    exposure: FloatArray
    late: BoolArray
    known: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Funnel:
    """What is learnt from: K targets, T days.

    Attributes:
        spend: Zero on days that do not count, shape (K, T).
        volume: Events that spend bought, shape (K, T).
        late: Targets whose volume is conversions, which arrive late, shape (K,).
        measure: What the volume counts: `CONVERSIONS`, `CLICKS` or `IMPRESSIONS`, shape (K,).
        before: What conversions are counted against, likewise, shape (K,).
        clicks: From impressions to clicks.
        conversions: From the last step before to conversions.
    """

    spend: FloatArray
    volume: FloatArray
    late: BoolArray
    measure: IntArray
    before: IntArray
    clicks: Step
    conversions: Step


def funnel(history: History) -> Funnel:
    """Choose the volume of each target and lay out the steps from it to conversions.

    Days without spend, without reported conversions or without the target's volume are left out of all steps.
    """
    counted = history.counted
    conversions = np.where(counted, history.conversions, 0.0)
    shown = _usable(history.impressions, conversions, counted)
    clicked = _usable(history.clicks, conversions, counted)
    impressions, clicks = (np.where(np.isfinite(m), m, 0.0) for m in (history.impressions, history.clicks))
    volume = _of_rows(shown, impressions, _of_rows(clicked, clicks, conversions))
    counted = counted & (~shown[:, None] | np.isfinite(history.impressions))
    counted &= ~clicked[:, None] | np.isfinite(history.clicks)
    spend = np.where(counted, history.spend, 0.0)
    before = _of_rows(clicked, clicks, impressions)
    both, some = shown & clicked, shown | clicked
    return Funnel(
        spend=spend,
        volume=np.where(counted, volume, 0.0),
        late=~some,
        measure=np.where(shown, IMPRESSIONS, np.where(clicked, CLICKS, CONVERSIONS)),
        before=np.where(clicked, CLICKS, np.where(shown, IMPRESSIONS, CONVERSIONS)),
        clicks=_step(clicks, impressions, counted, both, late=False),
        conversions=_step(conversions, before, counted, some, late=True),
    )


def _of_rows(rows: BoolArray, these: FloatArray, others: FloatArray) -> FloatArray:
    """Return some targets' days from one table and the rest from another, (K, T); nearly always they are all alike."""
    if rows.all():
        return these
    return np.where(rows[:, None], these, others) if rows.any() else others


def _usable(measure: FloatArray, conversions: FloatArray, counted: BoolArray) -> BoolArray:
    """Targets whose rows carry a measure nearly always, and enough of it per conversion, shape (K,).

    A target without a counted day follows the majority of those with one.
    """
    reported = np.isfinite(measure) & counted
    often = reported.sum(axis=1) >= REPORTED * np.maximum(counted.sum(axis=1), 1)
    total = np.where(reported, measure, 0.0).sum(axis=1)
    got = np.where(reported, conversions, 0.0).sum(axis=1)
    usable = often & (total > 0) & (total >= WORTHWHILE * got)
    seen = counted.any(axis=1)
    mostly = usable.sum() > 0.5 * seen.sum()
    chosen: BoolArray = np.where(seen, usable, mostly)
    return chosen


def _step(count: FloatArray, exposure: FloatArray, counted: BoolArray, known: BoolArray, *, late: bool) -> Step:
    use = counted & known[:, None]
    return Step(
        count=np.where(use, count, 0.0),
        exposure=np.where(use, exposure, 0.0),
        late=np.full(len(known), late),
        known=known,
    )
