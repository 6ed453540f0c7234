"""The pictures of an experiment; each takes numbers and gives an SVG element. To be called inside `drawing.style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bandits.readout import GuardReading
from optimizer.plan.snapshot import FloatArray
from simulations.report.drawing import INK, QUIET, Margins, axes, canvas, cut, look, room, spread, svg

_PERCENT: Final = FuncFormatter(lambda share, _: f"{round(100.0 * share, 6):g}%")
_SIGNED: Final = FuncFormatter(lambda share, _: f"{round(100.0 * share, 6):+g}%")
_PLAIN: Final = FuncFormatter(lambda value, _: f"{value:,.10g}")
_POWER: Final = FuncFormatter(lambda exponent, _: f"{10.0**exponent:,.7g}")
_WIDE: Final = 390.0
_NARROW: Final = 330.0
_ROW: Final = 26.0
_STEPS: Final = [1, 2, 5, 10]
_DASHED: Final = (0, (5, 3))
_LEADER: Final = {"arrowstyle": "-", "linewidth": 0.8, "shrinkA": 2, "shrinkB": 3, "relpos": (0, 0.5)}
_HIGHEST_E: Final = 1e6


def posteriors(key: str, grid: FloatArray, density: Mapping[str, FloatArray], words: str) -> Markup:
    """Draw what is believed of each arm's rate.

    Args:
        key: See `svg`.
        grid: Rates, shape (G,).
        density: By arm, each over the grid, shape (G,).
        words: What the rate is.
    """
    figure = canvas(_WIDE, 78.0 + 46.0 * len(density))
    names = [cut(name) for name in density]
    ax = axes(figure, Margins(room(names), 14, 8, 40), "x")
    most = max(float(curve.max()) for curve in density.values()) or 1.0
    for row, curve in enumerate(density.values()):
        own = look(row)
        ax.fill_between(grid, row, row - 0.85 * curve / most, color=own.colour, alpha=0.3, linewidth=0)
        ax.plot(grid, row - 0.85 * curve / most, color=own.colour, linestyle=own.dash)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.7, -1.0)
    ax.set_xlim(float(grid[0]), float(grid[-1]))
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    ax.xaxis.set_major_formatter(_PLAIN)
    ax.set_xlabel(words)
    peaks = ", ".join(f"{name} {grid[curve.argmax()]:.4g}" for name, curve in density.items())
    return svg(figure, key, f"Where each arm's rate may be, {words}; most likely {peaks}")


def running_lift(
    key: str, name: str, place: int, days: Sequence[int], lift: FloatArray, low: FloatArray, high: FloatArray,
    effect: float, reach: float,
) -> Markup:  # fmt: skip
    """Draw an arm's lift by day with its confidence sequence.

    Args:
        key: See `svg`.
        name: Of the arm.
        place: Of the arm, for its colour.
        days: Numbered from 1, length T.
        lift: Shape (T,).
        low: Of the confidence sequence, shape (T,).
        high: Of the same, shape (T,).
        effect: The least lift worth a change.
        reach: How far the axis goes up and down.
    """
    figure, own = canvas(_NARROW, 220), look(place)
    ax = axes(figure, Margins(54, 12, 12, 40))
    ax.axhline(0.0, color=INK, linewidth=1.2)
    ax.axhline(effect, color=QUIET, linestyle=_DASHED, linewidth=1.2)
    ax.fill_between(days, np.maximum(low, -2 * reach), np.minimum(high, 2 * reach), color=own.colour, alpha=0.22, lw=0)
    ax.plot(days, lift, color=own.colour, linestyle=own.dash)
    ax.plot(days[-1], lift[-1], color=own.colour, marker=own.marker, markersize=5)
    ax.set_ylim(-reach, reach)
    _days(ax, days)
    ax.yaxis.set_major_formatter(_SIGNED)
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    label = f"{name}: lift {lift[-1]:+.1%} after {len(days)} days, surely from {low[-1]:+.1%} to {high[-1]:+.1%}"
    return svg(figure, key, label)


def by_day(key: str, curves: Mapping[str, FloatArray], days: Sequence[int], label: str) -> Markup:
    """Draw shares by day, each line named at its end; (T,) each."""
    names = [cut(name, 16) for name in curves]
    margin = Margins(46, room(names) + 22, 12, 40)
    height = max(230.0, 18.0 * len(curves) + 80.0)
    figure = canvas(_WIDE, height)
    ax = axes(figure, margin)
    values = list(curves.values())
    low, high = _around(values)
    ax.set_ylim(low, high)
    for i, curve in enumerate(values):
        own = look(i)
        ax.plot(days, curve, color=own.colour, linestyle=own.dash)
        ax.plot(days[-1], curve[-1], color=own.colour, marker=own.marker, markersize=5, clip_on=False)
    _name_ends(ax, days[-1], {name: (i, float(values[i][-1])) for i, name in enumerate(names)}, (low, high))
    _days(ax, days)
    ax.yaxis.set_major_formatter(_PERCENT)
    ends = ", ".join(f"{name} {curve[-1]:.1%}" for name, curve in curves.items())
    return svg(figure, key, f"{label}, at the end: {ends}")


def evidence(key: str, curves: Mapping[str, tuple[int, FloatArray]], days: Sequence[int], threshold: float) -> Markup:
    """Draw each arm's e-value by day on a log scale; by arm its place and (T,) values."""
    figure = canvas(_WIDE, 230)
    names = [cut(name, 16) for name in curves]
    ax = axes(figure, Margins(66, room(names) + 22, 16, 40))
    top = max(10 * threshold, *(10.0 * float(min(curve.max(), _HIGHEST_E)) for _, curve in curves.values()))
    ax.axhline(np.log10(threshold), color=INK, linestyle=_DASHED, linewidth=1.2)
    ends: dict[str, tuple[int, float]] = {}
    for name, (place, curve) in zip(names, curves.values(), strict=True):
        own, height = look(place), np.log10(np.clip(curve, 0.01, _HIGHEST_E))
        ax.plot(days, height, color=own.colour, linestyle=own.dash)
        ax.plot(days[-1], height[-1], color=own.colour, marker=own.marker, markersize=5, clip_on=False)
        ends[name] = (place, float(height[-1]))
    ax.set_ylim(-2.2, np.log10(top))
    _name_ends(ax, days[-1], ends, (-2.2, float(np.log10(top))))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS, integer=True))
    ax.yaxis.set_major_formatter(_POWER)
    ax.text(days[0] - 0.4, np.log10(threshold), f"shown from {threshold:,.0f} on", va="bottom")
    _days(ax, days)
    words = ", ".join(f"{name} {curve[-1]:,.3g}" for name, (_, curve) in curves.items())
    return svg(figure, key, f"Evidence against no difference, shown from {threshold:,.0f} on; at the end {words}")


def guards(key: str, readings: Sequence[tuple[str, GuardReading]]) -> Markup:
    """Draw what each guard may have lost, a line each, with what is tolerated as a stroke."""
    names = [cut(name, 26) for name, _ in readings]
    figure = canvas(_WIDE, _ROW * len(readings) + 60)
    ax = axes(figure, Margins(room(names, 180.0), 14, 8, 40), "x")
    ax.axvline(0.0, color=INK, linewidth=1.2)
    reach = max(0.1, 1.5 * max(reading.worst_loss for _, reading in readings))
    for row, (_, reading) in enumerate(readings):
        own = look(row)
        ax.plot([reading.sure_low, min(reading.sure_high, 10.0)], [row, row], color=own.colour)
        ax.plot(reading.change, row, color=own.colour, marker=own.marker, markersize=6)
        ax.plot([-reading.worst_loss] * 2, [row - 0.4, row + 0.4], color=INK, linestyle=_DASHED)
        reach = max(reach, min(1.1 * max(-reading.sure_low, reading.sure_high), 1.0))
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(-reach, reach)
    ax.xaxis.set_major_formatter(_SIGNED)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    ax.set_xlabel("change against the control")
    label = "; ".join(
        f"{name}: {r.change:+.1%}, surely {r.sure_low:+.1%} to {r.sure_high:+.1%}" for name, r in readings
    )
    return svg(figure, key, f"Guards. {label}")


def split(key: str, names: Sequence[str], shares: FloatArray, promised: Sequence[float], days: Sequence[int]) -> Markup:
    """Draw each arm's share of the impressions by day, shape (A, T), and the promised one as a stroke."""
    curves = {name: shares[a] for a, name in enumerate(names)}
    figure = canvas(_WIDE, 230)
    short = [cut(name, 16) for name in names]
    ax = axes(figure, Margins(46, room(short) + 22, 12, 40))
    for place, (curve, share) in enumerate(zip(curves.values(), promised, strict=True)):
        own = look(place)
        ax.axhline(share, color=own.colour, linestyle=_DASHED, linewidth=1.0)
        ax.plot(days, curve, color=own.colour, linestyle="none", marker=own.marker, markersize=5)
    low, high = _around([*curves.values(), np.array(promised)])
    ax.set_ylim(low, high)
    _name_ends(ax, days[-1], {name: (a, float(shares[a, -1])) for a, name in enumerate(short)}, (low, high))
    ax.yaxis.set_major_formatter(_PERCENT)
    _days(ax, days)
    means = ", ".join(f"{n} {np.nanmean(c):.1%} of {p:.1%}" for (n, c), p in zip(curves.items(), promised, strict=True))
    return svg(figure, key, f"Share of the impressions by day, against the promised: {means}")


def _name_ends(ax: Axes, day: int, ends: Mapping[str, tuple[int, float]], bounds: tuple[float, float]) -> None:
    """Write each line's name beside its end, by name its place among the arms and its last height."""
    low, high = bounds
    box = ax.get_window_extent()
    gap = 15.0 * (high - low) / box.height
    places = spread([end for _, end in ends.values()], gap, low, high)
    for (name, (arm, end)), place in zip(ends.items(), places, strict=True):
        ax.annotate(
            name,
            (day, end),
            (1.0 + 20.0 / box.width, place),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            arrowprops=_LEADER | {"color": look(arm).colour},
            annotation_clip=False,
        )


def _around(values: Sequence[FloatArray]) -> tuple[float, float]:
    """Bounds of an axis of shares: what there is, with room, between 0 and 1."""
    low = min(float(np.nanmin(curve)) for curve in values)
    high = max(float(np.nanmax(curve)) for curve in values)
    margin = max(0.15 * (high - low), 0.02)
    return max(low - margin, -0.02), min(high + margin, 1.02)


def _days(ax: Axes, days: Sequence[int]) -> None:
    """One day, too, has a width; ticks are whole days."""
    ax.set_xlim(days[0] - 0.5, days[-1] + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS, integer=True))
    ax.set_xlabel("day")
