"""Pictures as SVG that stands inside a page: it takes the page's ink and font, so it suits light, dark and paper.

Matplotlib draws with a few colours that stand for the page's own (`INK`, `QUIET`, `RULE`); `svg` puts CSS variables in
their place. One unit is one CSS pixel at natural size. Used inside `style` only.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any, Final, Literal, NamedTuple

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#010203"
QUIET: Final = "#040506"
RULE: Final = "#070809"
_VARIABLES: Final = {INK: "var(--ink)", QUIET: "var(--quiet)", RULE: "var(--rule)"}

# Okabe and Ito, "Color Universal Design" (2008), but for black, which is the oracle's, and yellow, too pale on paper.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES: Final = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")

_STYLE: Final[dict[Any, Any]] = {
    "axes.axisbelow": True,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.dpi": 72,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.labelsize": 11,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "lines.dash_capstyle": "butt",
    "lines.linewidth": 1.6,
    "lines.scale_dashes": True,
    "patch.edgecolor": INK,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": RULE,
    "xtick.labelcolor": QUIET,
    "xtick.labelsize": 11,
    "ytick.color": RULE,
    "ytick.labelcolor": QUIET,
    "ytick.labelsize": 11,
}
_NO_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))


class Look(NamedTuple):
    """How a policy is drawn: never told by colour alone."""

    colour: str
    dash: str | tuple[float, tuple[float, ...]]
    marker: str


class Margins(NamedTuple):
    """What lies around the axes, CSS pixels."""

    left: float
    right: float
    top: float
    bottom: float


def look(index: int) -> Look:
    """Return how the policy at a place of the run is drawn; the first 84 differ."""
    return Look(_COLOURS[index % 6], _DASHES[index % 4], _MARKERS[index % 7])


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's own style, whatever the user's Matplotlib is set to."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Names in any script: the browser has the glyphs, Matplotlib only measures with its own font.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def canvas(width: float, height: float) -> Figure:
    """Begin a picture of so many CSS pixels."""
    return Figure(figsize=(width / 72.0, height / 72.0))


def axes(figure: Figure, margins: Margins, grid: Literal["x", "y"] = "y") -> Axes:
    """Add axes with fixed margins and rules across one of the two directions."""
    width, height = 72.0 * figure.get_size_inches()
    left, right, top, bottom = margins
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    made = figure.add_axes(box)
    made.grid(visible=False, axis="x" if grid == "y" else "y")
    made.tick_params(length=0)
    return made


def svg(figure: Figure, key: str, label: str) -> Markup:
    """Return a picture as an element of a page.

    Args:
        figure: The picture.
        key: Differs from picture to picture of a page: it keeps their element ids apart.
        label: What the picture shows, for those who do not see it.
    """
    out = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": key}):
        figure.savefig(out, format="svg", transparent=True, metadata=_NO_METADATA)
    width, height = 72.0 * figure.get_size_inches()
    text = out.getvalue().partition("<svg")[2].partition(">")[2]
    for pattern, instead in _TIDY:
        text = pattern.sub(instead, text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    start = Markup('<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">').format(width, height, label)
    return start + Markup(text.strip())  # noqa: S704 - Matplotlib escapes what it writes


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels that lie too close upwards, and down again from the top of the range; their order stays.

    Args:
        wanted: Where each belongs.
        gap: The least distance.
        low: The least place; labels that do not all fit go below it.
        high: The greatest place.
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = [0.0] * len(wanted)
    floor = low
    for i in order:
        placed[i] = max(wanted[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def room(names: Sequence[str], largest: float = 130.0) -> float:
    """Return how many pixels the longest of some names takes, about, at the size of tick labels."""
    return min(max(len(name) for name in names) * 6.4 + 8.0, largest)


def cut(name: str, letters: int = 20) -> str:
    """Return a name that fits beside a picture."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


_TIDY: Final = (
    (re.compile(r"<style.*?</style>", re.DOTALL), ""),
    (re.compile(r"<defs>\s*</defs>"), ""),
    (re.compile(r'<g id="[^"]*"'), "<g"),
    (re.compile(r"font-family: [^;\"]*; ?"), ""),
    (re.compile(r' transform="rotate\(-0 [^"]*\)"'), ""),
    (re.compile(r"(\d\.\d{3})\d+"), r"\1"),
    (re.compile(r"\n\s*"), "\n"),
)
