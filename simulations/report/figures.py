"""The pictures of a report; each takes numbers and gives an SVG element. To be called inside `drawing.style`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from simulations.noise import FloatArray
from simulations.report.drawing import INK, QUIET, Look, Margins, axes, canvas, cut, look, room, spread, svg
from simulations.report.series import Band

_PERCENT: Final = FuncFormatter(lambda share, _: f"{round(100.0 * share, 6):g}%")
_SHORT: Final = FuncFormatter(lambda value, _: _short(value))
_WIDE: Final = 390.0
_NARROW: Final = 330.0
_LINE: Final = 22.0
_STEPS: Final = [1, 2, 5, 10]
_NOMINAL: Final = 0.9
_HATCHES: Final = ("", "///", "...", "xx", "\\\\\\")
_LEADER: Final = {"arrowstyle": "-", "linewidth": 0.8, "shrinkA": 2, "shrinkB": 3, "relpos": (0, 0.5)}
_NAMED_ROWS: Final = 12


def by_day(
    key: str, name: str, own: Look, share: Band, spend: Band, first: FloatArray | None, least: tuple[float, float]
) -> Markup:
    """Draw a policy's share of the oracle by day, and under it what it spends of the total.

    Args:
        key: See `svg`.
        name: Of the policy.
        own: Its look.
        share: Of the oracle.
        spend: Of the total.
        first: The share of the run's first policy, shape (T,); None where this is it.
        least: Where the two axes begin, below 1, the same in all panels.
    """
    figure, days = canvas(_NARROW, 250), share.mean.size
    top = axes(figure, Margins(50, 10, 12, 104))
    top.axhline(1.0, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
    _band(top, share, own)
    if first is not None:
        top.plot(range(days), first, color=QUIET, linestyle=(0, (1, 2)), linewidth=1.4)
    _measure(top, days, "of the oracle")
    top.set_ylim(least[0], max(1.0, float(share.high.max())) + 0.06 * (1.0 - least[0]))
    top.tick_params(labelbottom=False)
    top.yaxis.set_major_locator(MaxNLocator(4, steps=_STEPS))
    under = axes(figure, Margins(50, 10, 166, 38))
    under.axhline(1.0, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
    _band(under, spend, own)
    _measure(under, days, "spent")
    under.set_ylim(least[1], max(1.0, float(spend.high.max())) + 0.1 * (1.0 - least[1]))
    under.yaxis.set_major_locator(MaxNLocator(2, steps=_STEPS))
    under.set_xlabel("day")
    label = (
        f"{name}: from {share.mean[0]:.0%} of the oracle on the first day to {share.mean[-1]:.0%} on the last, "
        f"spending {spend.mean.mean():.0%} of the total on average"
    )
    return svg(figure, key, label)


def lost(key: str, curves: Mapping[str, FloatArray]) -> Markup:
    """Draw cumulative regret of every policy (mean over worlds, as a share, shape (T,)), each line named at its end."""
    height = max(300.0, 16.0 * len(curves) + 70.0)
    names = [cut(name) for name in curves]
    margin = Margins(40, room(names) + 22, 12, 38)
    figure = canvas(_WIDE, height)
    ax = axes(figure, margin)
    days = len(next(iter(curves.values())))
    most = max(1e-3, *(1.04 * float(curve.max()) for curve in curves.values()))
    ax.set_ylim(0.0, most)
    _measure(ax, days, "")
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    ax.set_xlabel("day")
    per_pixel = most / (height - margin.top - margin.bottom)
    last = [float(curve[-1]) for curve in curves.values()]
    places = spread(last, 15 * per_pixel, 4 * per_pixel, most)
    for i, (name, curve, place) in enumerate(zip(names, curves.values(), places, strict=True)):
        own = look(i)
        ax.plot(range(days), curve, color=own.colour, linestyle=own.dash)
        ax.plot(days - 1, curve[-1], color=own.colour, marker=own.marker, markersize=5, clip_on=False)
        ax.annotate(
            name,
            (days - 1, float(curve[-1])),
            (1.0 + 20 / (_WIDE - margin.left - margin.right), place),
            textcoords=ax.get_yaxis_transform(),
            va="center",
            arrowprops=_LEADER | {"color": own.colour},
            annotation_clip=False,
        )
    ends = ", ".join(f"{name} {end:.1%}" for name, end in zip(curves, last, strict=True))
    return svg(figure, key, f"Lost against the oracle by the last day: {ends}")


def worlds(key: str, shares: Mapping[str, tuple[int, FloatArray]]) -> Markup:
    """Draw a dot for each world and a stroke at the mean, a line per policy, from the top in the order given.

    Args:
        key: See `svg`.
        shares: By policy: its place in the run, and its share of the oracle in each world, shape (W,).
    """
    names = [cut(name) for name in shares]
    figure = canvas(_WIDE, _LINE * len(shares) + 60)
    ax = axes(figure, Margins(room(names), 14, 8, 40), "x")
    for row, (place, values) in enumerate(shares.values()):
        own = look(place)
        offsets = 0.27 * np.resize([0.0, 1.0, -1.0, 0.5, -0.5], values.size)
        height = np.empty(values.size)
        height[np.argsort(values, kind="stable")] = row + offsets
        ax.scatter(values, height, s=22, color=own.colour, marker=own.marker, alpha=0.7, linewidths=0)
        ax.plot([values.mean()] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=2)
    _lines_of(ax, names, "of the oracle, over all days")
    label = "; ".join(f"{name}: {v.min():.0%} to {v.max():.0%}, mean {v.mean():.1%}" for name, (_, v) in shares.items())
    return svg(figure, key, f"Share of the oracle world by world. {label}")


def coverage(key: str, held: Mapping[str, tuple[int, float, float]]) -> Markup:
    """Draw which share of each policy's 90% intervals held, with two standard errors either way.

    Args:
        key: See `svg`.
        held: By policy: its place in the run, the share, and its standard error.
    """
    names = [cut(name) for name in held]
    figure = canvas(_WIDE, _LINE * len(held) + 66)
    ax = axes(figure, Margins(room(names), 16, 20, 40), "x")
    ax.axvline(_NOMINAL, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
    ax.text(_NOMINAL, -0.75, "aim", ha="center", va="bottom")
    for row, (place, share, error) in enumerate(held.values()):
        own = look(place)
        ax.errorbar(
            share, row, xerr=2.0 * error, color=own.colour, marker=own.marker, markersize=6, capsize=3, linewidth=1.6
        )
    _lines_of(ax, names, "of the 90% intervals held")
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, _NOMINAL - 0.02), max(high, _NOMINAL + 0.02))
    label = ", ".join(f"{name} {share:.1%}" for name, (_, share, _) in held.items())
    return svg(figure, key, f"Share of 90% intervals that held: {label}")


def heat(key: str, names: Sequence[str], titles: tuple[str, str], shares: tuple[FloatArray, FloatArray]) -> Markup:
    """Draw two allocations under one another, campaigns by days, the darker the less.

    Args:
        key: See `svg`.
        names: Of the campaigns, length K, from the top.
        titles: Of the two.
        shares: Of the total, each of shape (T, K).
    """
    few = len(names) <= _NAMED_ROWS
    rows = [cut(name, 24) for name in names] if few else ["1", str(len(names))]
    left, each = (room(rows, 165.0), max(14.0 * len(names), 60.0)) if few else (40.0, 170.0)
    height = 2 * each + 148
    figure = canvas(_WIDE, height)
    most = max(float(share.max()) for share in shares) or 1.0
    for title, share, above in zip(titles, shares, (24, each + 54), strict=True):
        ax = axes(figure, Margins(left, 8, above, height - above - each))
        image = ax.imshow(share.T, cmap="cividis", vmin=0.0, vmax=most, aspect="auto", interpolation="none")
        ax.grid(visible=False)
        ax.set_title(title, fontsize=11, loc="left", pad=5)
        ax.set_yticks(range(len(rows)) if few else [0, len(names) - 1], rows)
        ax.set_ylabel("" if few else "campaign")
        _days(ax, len(share))
        ax.tick_params(labelbottom=above > each)
    ax.set_xlabel("day")
    box = axes(figure, Margins(left, 8, height - 46, 38))
    bar = figure.colorbar(image, cax=box, orientation="horizontal", format=_PERCENT, label="share of the total")
    bar.outline.set_visible(False)
    box.tick_params(length=0)
    box.grid(visible=False)
    gap = float(np.abs(shares[0] - shares[1]).sum(axis=1).mean() / 2.0)
    return svg(figure, key, f"{titles[0]} and {titles[1]}: on an average day {gap:.0%} of the total lies elsewhere")


def against(key: str, name: str, own: Look, expected: FloatArray, best: FloatArray, unit: str, day: int) -> Markup:
    """Draw what a policy's budgets bring by day in one world, and what the oracle's do, each of shape (T,).

    Args:
        key: See `svg`.
        name: Of the policy.
        own: Its look.
        expected: Of the policy.
        best: Of the oracle.
        unit: Of both.
        day: To be pointed out.
    """
    figure, days = canvas(_NARROW, 190), range(best.size)
    ax = axes(figure, Margins(52, 12, 20, 38))
    ax.fill_between(days, expected, best, color=own.colour, alpha=0.15, linewidth=0)
    ax.plot(days, best, color=INK, linestyle=(0, (5, 3)), linewidth=1.2)
    ax.plot(days, expected, color=own.colour)
    ax.plot([day, day], [expected[day], best[day]], color=INK, linewidth=1.6)
    ax.text(day, 1.02, f"day {day}", transform=ax.get_xaxis_transform(), ha=_anchor(day, best.size), va="bottom")
    ax.set_ylim(0.0, 1.04 * max(float(best.max()), float(expected.max())) or 1.0)
    _days(ax, best.size)
    ax.set(xlabel="day", ylabel=unit)
    ax.yaxis.set_major_formatter(_SHORT)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    label = (
        f"{name} brings {expected.sum():,.0f} {unit} in all, the oracle {best.sum():,.0f}; most is lost on day {day}"
    )
    return svg(figure, key, label)


def violations(key: str, counts: Mapping[str, Mapping[str, int]]) -> Markup:
    """Draw how many limits each policy broke, by kind: a line per policy, kinds by colour and hatching."""
    names = [cut(name) for name in counts]
    kinds = list(dict.fromkeys(kind for by_kind in counts.values() for kind in by_kind))
    figure = canvas(_WIDE, _LINE * len(counts) + 78)
    ax = axes(figure, Margins(room(names), 20, 28, 40), "x")
    begin = np.zeros(len(counts))
    for i, kind in enumerate(kinds):
        width = np.array([by_kind.get(kind, 0) for by_kind in counts.values()], dtype=float)
        hatch, colour = _HATCHES[i % len(_HATCHES)], look(i).colour
        ax.barh(range(len(counts)), width, 0.6, begin, color=colour, hatch=hatch, edgecolor=INK, label=kind)
        begin += width
    _lines_of(ax, names, "limits broken, all worlds and days together")
    ax.set_xlim(0.0, 1.05 * begin.max())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.legend(loc="upper left", ncols=len(kinds), frameon=False, borderpad=0, handlelength=1.6, columnspacing=1.2)
    label = ", ".join(f"{name} {sum(by_kind.values()):,}" for name, by_kind in counts.items())
    return svg(figure, key, f"Limits broken: {label}")


def _band(ax: Axes, band: Band, own: Look) -> None:
    days = np.arange(band.mean.size)
    ax.fill_between(days, band.low, band.high, color=own.colour, alpha=0.22, linewidth=0)
    ax.plot(days, band.mean, color=own.colour)


def _measure(ax: Axes, days: int, title: str) -> None:
    _days(ax, days)
    ax.yaxis.set_major_formatter(_PERCENT)
    ax.set_ylabel(title)


def _days(ax: Axes, days: int) -> None:
    """One day, too, has a width; ticks are whole days."""
    ax.set_xlim(-0.5, days - 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS, integer=True))


def _lines_of(ax: Axes, names: Sequence[str], title: str) -> None:
    """A line per policy, from the top."""
    ax.set_yticks(range(len(names)), names, color=INK)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(title)
    ax.xaxis.set_major_formatter(_PERCENT)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))


def _anchor(day: int, days: int) -> str:
    """Labels stay inside the picture."""
    if day < 0.15 * days:
        return "left"
    return "right" if day > 0.85 * days else "center"


def _short(value: float) -> str:
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:,g}{name}"
    return f"{value:g}"
