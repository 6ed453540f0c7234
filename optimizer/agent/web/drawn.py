"""Small pictures as SVG, drawn by the server, so that they need no script; figures beside them say the same.

No picture carries a `style`: the page's policy forbids them, and classes follow the reader's theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from optimizer.decide import Curve, Seen
from optimizer.plan.recommendation import Effect
from optimizer.plan.snapshot import FloatArray

_SPARK: Final = (96, 24)
_BAR: Final = (160, 22)
_COUNTS: Final = (260, 36)
_MOST: Final = 3.0  # conversions that count per claimed one; an interval that goes beyond says little
_CURVE: Final = (420, 200)
_MARGIN: Final = (8, 8, 22, 44)  # top, right, bottom, left
_PAD: Final = 2.0


@dataclass(frozen=True, slots=True)
class Scale:
    """The common axis of the intervals of one plan, so that lines can be compared by eye.

    Attributes:
        low, high: Its ends, in the objective's unit; 0 is within.
    """

    low: float
    high: float

    @classmethod
    def of(cls, effects: Sequence[Effect]) -> Scale:
        """The axis that holds all 95% intervals."""
        low = min([0.0, *(effect.low95 for effect in effects)])
        high = max([0.0, *(effect.high95 for effect in effects)])
        return cls(low, high) if high > low else cls(-1.0, 1.0)

    def place(self, value: float, width: int) -> float:
        """Where a value stands on a picture so wide, in its units."""
        return _PAD + (value - self.low) / (self.high - self.low) * (width - 2 * _PAD)


def interval(effect: Effect, scale: Scale, words: str) -> Markup:
    """A change with its 80% and 95% intervals, and where nothing changes.

    Args:
        effect: The change.
        scale: The axis.
        words: The same for who cannot see it.
    """
    width, height = _BAR
    low95, low80, mean, high80, high95, nil = (
        _short(scale.place(value, width))
        for value in (effect.low95, effect.low80, effect.mean, effect.high80, effect.high95, 0.0)
    )
    side = "up" if effect.mean >= 0 else "down"
    middle = height / 2
    return _svg(
        f"interval {side}",
        _BAR,
        words,
        f'<line class="nil" x1="{nil}" x2="{nil}" y1="1" y2="{height - 1}"/>'
        f'<line class="wide" x1="{low95}" x2="{high95}" y1="{middle}" y2="{middle}"/>'
        f'<line class="narrow" x1="{low80}" x2="{high80}" y1="{middle}" y2="{middle}"/>'
        f'<circle class="mean" cx="{mean}" cy="{middle}" r="3.5"/>',
    )


def spark(values: FloatArray, words: str) -> Markup:
    """The last days as a small line; days without a row are gaps."""
    width, height = _SPARK
    top = float(np.nanmax(values, initial=0.0)) or 1.0
    across = (width - 2 * _PAD) / max(len(values) - 1, 1)
    places = [
        (_PAD + n * across, height - _PAD - (value / top) * (height - 2 * _PAD))
        for n, value in enumerate(values.tolist())
    ]
    return _svg("spark", _SPARK, words, f'<path d="{_path(places)}"/>')


def curve(drawn: Curve, seen: Seen, now: float, then: float, words: str) -> Markup:
    """What a budget would bring at each spend, with the days that were seen and both points.

    Args:
        drawn: The curve.
        seen: The days; each is a dot.
        now: The current budget, currency units.
        then: The proposed one.
        words: The same for who cannot see it.
    """
    width, height = _CURVE
    upper, right, lower, left = _MARGIN
    most = float(drawn.budget[-1]) or 1.0
    dots = [
        (spend, brought)
        for spend, brought in zip(seen.spend.tolist(), seen.matured.tolist(), strict=True)
        if np.isfinite(spend) and np.isfinite(brought)
    ]
    ends = (*drawn.high80.tolist(), *(brought for _, brought in dots), *drawn.low80.tolist(), 0.0)
    top, bottom = max(ends), min(ends)
    span = (top - bottom) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / most * (width - left - right), upper + (top - y) / span * (height - upper - lower)

    def along(values: FloatArray) -> list[tuple[float, float]]:
        return [place(x, y) for x, y in zip(drawn.budget.tolist(), values.tolist(), strict=True)]

    band = [*along(drawn.high80), *reversed(along(drawn.low80))]
    points = "".join(
        f'<circle class="day" cx="{_short(x)}" cy="{_short(y)}" r="2"/>' for x, y in (place(*dot) for dot in dots)
    )
    marks = "".join(
        _mark(name, *place(spend, float(np.interp(spend, drawn.budget, drawn.mean))), height - lower)
        for name, spend in (("now", now), ("then", then))
    )
    base = _short(place(0.0, 0.0)[1])
    ticks = "".join(
        f'<text x="{left - 6}" y="{_short(place(0.0, value)[1] + 4)}" text-anchor="end">{value:.4g}</text>'
        for value in (0.0, top)
    ) + "".join(
        f'<text x="{_short(place(value, 0.0)[0])}" y="{height - 6}" text-anchor="middle">{value:,.0f}</text>'
        for value in (0.0, most / 2, 0.94 * most)
    )
    return _svg(
        "curve",
        _CURVE,
        words,
        f'<line class="nil" x1="{left}" x2="{width - right}" y1="{base}" y2="{base}"/>'
        f'<path class="band" d="{_path(band)}Z"/>{points}<path class="mean" d="{_path(along(drawn.mean))}"/>{marks}'
        f"{ticks}",
    )


def _mark(name: str, x: float, y: float, foot: float) -> str:
    across, up = _short(x), _short(y)
    return (
        f'<line class="{name}" x1="{across}" x2="{across}" y1="{up}" y2="{foot}"/>'
        f'<circle class="{name}" cx="{across}" cy="{up}" r="5"/>'
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    """A line through places, with a gap where one is not a number."""
    parts, pen = [], "M"
    for x, y in places:
        if not (np.isfinite(x) and np.isfinite(y)):
            pen = "M"
            continue
        parts.append(f"{pen}{_short(x)} {_short(y)}")
        pen = "L"
    return "".join(parts) or "M0 0"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def rate(mean: float, low: float, high: float, top: float, words: str) -> Markup:
    """A rate with its interval, on an axis from 0 to a top that rates of one table share."""
    width, height = _BAR
    left, middle, right = (_short(_PAD + value / (top or 1.0) * (width - 2 * _PAD)) for value in (low, mean, high))
    line = f'<line class="narrow" x1="{left}" x2="{right}" y1="{height / 2}" y2="{height / 2}"/>'
    return _svg("interval rate", _BAR, words, f'{line}<circle class="mean" cx="{middle}" cy="{height / 2}" r="3.5"/>')


@dataclass(frozen=True, slots=True)
class Mark:
    """Conversions that count per claimed one, as a picture shows them.

    Attributes:
        name: `credited`, a dot, or `incremental`, a diamond.
        expected, low, high: The estimate and its interval.
        told: Whether something is told of this very channel; a mark that is not is hollow.
    """

    name: str
    expected: float
    low: float
    high: float
    told: bool


def top_of(highs: Sequence[float]) -> float:
    """The end of the axis that the marks of one table share."""
    return min(max(1.2, 1.05 * max(highs, default=0.0)), _MOST)


def counts(marks: Sequence[Mark], top: float, words: str) -> Markup:
    """What claimed conversions count, one mark under the other, beside a line where all of them would count.

    Args:
        marks: From the top down.
        top: Where the axis ends; it begins at 0. An interval that goes beyond ends in an arrow.
        words: The same for who cannot see it.
    """
    width, height = _COUNTS
    claimed = _short(_along(1.0, top))
    each = height / max(len(marks), 1)
    shown = "".join(_counted(mark, (place + 0.5) * each, top) for place, mark in enumerate(marks))
    return _svg(
        "counts",
        _COUNTS,
        words,
        f'<line class="axis" x1="{_PAD}" x2="{width - _PAD}" y1="{height - 0.5}" y2="{height - 0.5}"/>'
        f'<line class="nil" x1="{claimed}" x2="{claimed}" y1="0" y2="{height}"/>{shown}',
    )


def _counted(mark: Mark, y: float, top: float) -> str:
    left, x, right = (_along(value, top) for value in (mark.low, mark.expected, mark.high))
    up = _short(y)
    arrow = f'<path d="M{_short(right - 5)} {_short(y - 4)}l5 4l-5 4"/>' if mark.high > top else ""
    shape = (
        f'<circle cx="{_short(x)}" cy="{up}" r="4"/>'
        if mark.name == "credited"
        else f'<path class="diamond" d="M{_short(x)} {_short(y - 5.5)}l5.5 5.5l-5.5 5.5l-5.5 -5.5Z"/>'
    )
    line = f'<line x1="{_short(left)}" x2="{_short(right)}" y1="{up}" y2="{up}"/>'
    return f'<g class="{mark.name}{"" if mark.told else " lent"}">{line}{arrow}{shape}</g>'


def _along(value: float, top: float) -> float:
    return _PAD + min(value / top, 1.0) * (_COUNTS[0] - 2 * _PAD)


def _svg(kind: str, size: tuple[int, int], words: str, inside: str) -> Markup:
    """A picture; what is inside is made of numbers and names of our own, only the words come from elsewhere."""
    width, height = size
    return Markup(  # noqa: S704
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(words)}">{inside}</svg>'
    )
