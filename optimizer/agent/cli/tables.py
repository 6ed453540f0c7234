"""Tables of figures: only the column of names gives way where the screen is narrow, no figure is ever cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from connectors.contract import BudgetKey, EntityStatus
from optimizer.explain import figure
from optimizer.plan.recommendation import AdLine, ArmShare, Decision, Effect, Line, LineKey
from optimizer.plan.record import AdIntent, Event, Intent, IntentState

SHOWN_LINES: Final = 30
_SHOWN_ARMS: Final = 15
_GAP: Final = 2
_LEAST_NAME: Final = 8
_FAIR_NAME: Final = 24  # a table that leaves names less than this is laid out over two lines a row

Figures = tuple[str, Sequence[str]]
"""A column: its title, and one text for each row."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """One of two layouts of the same: the wide one where the screen has the columns that it needs."""

    wide: RenderableType
    narrow: RenderableType
    needed: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the layout that fits."""
        yield self.wide if options.max_width >= self.needed else self.narrow


@dataclass(frozen=True, slots=True)
class Annotated:
    """A table of one-line rows with lines between them that are as wide as they like; the header is row 0."""

    table: Table
    above: Mapping[int, Text] = field(default_factory=dict)
    below: Mapping[int, Text] = field(default_factory=dict)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the table and what stands between its rows."""
        for row, line in enumerate(Segment.split_lines(console.render(self.table, options))):
            if row in self.above:
                yield self.above[row]
            yield from line
            yield Segment.line()
            if row in self.below:
                yield self.below[row]


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table of budgets; amounts in micros, `worse` is P(worse) in words, empty where it says nothing."""

    name: Text
    now: int
    then: int
    worse: str = ""
    effect: Effect | None = None


def clean(text: str) -> str:
    """A platform's or person's text without characters that would control a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def figures_table(columns: Mapping[str, Sequence[str]]) -> Table:
    """A table of which no figure is ever cut: the first column stands left, the others right."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for place, (title, texts) in enumerate(columns.items()):
        width = max(len(text) for text in (*title.split("\n"), *texts))
        table.add_column(title, justify="right" if place else "left", no_wrap=True, min_width=width)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(Text(text) for text in row))
    return table


def percent(before: int, after: int) -> str:
    """A relative change, such as `+12.5%`."""
    if before == after:
        return "+0.0%"
    return "new" if before == 0 else f"{(after - before) / before:+.1%}"


def interval(low: float, high: float) -> str:
    """A credible interval of a change, such as `[+0.59, +8.28]`."""
    return f"[{low:+,.2f}, {high:+,.2f}]"


def saves(decision: Decision) -> bool:
    """Whether the plan gives up some of the objective to spend less: then P(worse) of the whole says nothing new."""
    return sum(_moved(line) for line in decision.lines) < 0 and decision.total.mean < 0


def budgets(decision: Decision) -> Fitting:
    """Every changed budget from current to proposed, with the change it brings; unchanged ones as a sum."""
    rows = _rows(decision)
    names = [row.name for row in rows]
    amounts: list[Figures] = [
        ("current", [f"{row.now / 1e6:,.2f}" for row in rows]),
        ("proposed", [f"{row.then / 1e6:,.2f}" for row in rows]),
        ("change", [percent(row.now, row.then) for row in rows]),
        *([("P(worse)", [row.worse for row in rows])] if any(row.worse for row in rows) else []),
    ]
    means, inner, outer = _effects(rows)
    effects = [(decision.unit.replace(" a day", "\na day"), means), ("80%\nsure", inner), ("95%\nsure", outer)]
    wide = [*amounts, *effects]
    return Fitting(
        _sheet("budget", names, wide),
        Annotated(_sheet("budget", names, amounts), below=_notes(decision.unit, means, inner, outer)),
        needed=min(_FAIR_NAME, _width(names)) + sum(_GAP + _column_width(column) for column in wide),
    )


def arms(shown: Sequence[ArmShare], names: Mapping[BudgetKey, str]) -> RenderableType:
    """The advised shares of creatives and audiences by budget, the budget with the largest shifts first."""
    shifts: dict[BudgetKey, float] = {}
    for arm in shown:
        shifts[arm.key] = shifts.get(arm.key, 0.0) + abs(arm.share - arm.share_now)
    ordered = sorted(shown, key=lambda arm: (-shifts[arm.key], arm.key, -arm.share))
    listed = ordered[:_SHOWN_ARMS]
    table = _sheet(
        "creative, audience",
        [_name(f"  {arm.name}") for arm in listed],
        [
            ("share", [f"{arm.share_now:.0%}" for arm in listed]),
            ("advised", [f"{arm.share:.0%}" for arm in listed]),
            ("P(best)", [f"{arm.p_best:.0%}" if arm.enough else "thin data" for arm in listed]),
            ("rate", [figure(arm.rate) for arm in listed]),
            ("90% sure", [f"[{figure(arm.low90)}, {figure(arm.high90)}]" for arm in listed]),
        ],
    )
    above, row = {}, 1
    for key, members in groupby(listed, key=lambda arm: arm.key):
        above[row] = _name(names.get(key, str(key)))
        row += len(list(members))
    below = {i: Text(f"    {clean(arm.worn)}", style="dim") for i, arm in enumerate(listed, start=1) if arm.worn}
    rest = len(ordered) - len(listed)
    return Group(
        Annotated(table, above, below), *([Text(f"and {rest} more (--json shows all)", style="dim")] if rest else [])
    )


def ads(shown: Sequence[AdLine], unit: str, names: Mapping[BudgetKey, str]) -> RenderableType:
    """The ads to be paused and resumed, by budget, with what each brings and the reason under it."""
    listed = shown[:SHOWN_LINES]
    effects = [line.effect for line in listed]
    texts = [_name(f"  {_sign(line)} {line.name}") for line in listed]
    plain: list[Figures] = [
        ("id", [clean(line.key.ad_id) for line in listed]),
        ("to do", ["resume" if line.proposed is EntityStatus.ACTIVE else "pause" for line in listed]),
        ("a day", [f"{line.moved.micros / 1e6:,.2f}" for line in listed]),
        ("P(worse)", [f"{e.p_worse:.0%}" if e else "" for e in effects]),
    ]
    means = [f"{e.mean:+,.2f}" if e else "" for e in effects]
    sure = [interval(e.low80, e.high80) if e else "" for e in effects]
    wide = [*plain, (unit.replace(" a day", "\na day"), means), ("80%\nsure", sure)]
    above = _heads(listed, names)
    reasons = {row: Text(f"      {clean(line.reason)}", style="dim") for row, line in enumerate(listed, start=1)}
    notes = {
        row: Text(f"      {mean} {unit}, 80% {low_high}\n") + reasons[row] if mean else reasons[row]
        for row, (mean, low_high) in enumerate(zip(means, sure, strict=True), start=1)
    }
    rest = len(shown) - len(listed)
    return Group(
        Fitting(
            Annotated(_sheet("ad", texts, wide), above, reasons),
            Annotated(_sheet("ad", texts, plain), above, notes),
            needed=min(_FAIR_NAME, _width(texts)) + sum(_GAP + _column_width(column) for column in wide),
        ),
        *([Text(f"and {rest} more (--json shows all)", style="dim")] if rest else []),
    )


def _sign(line: AdLine) -> str:
    return "+" if line.proposed is EntityStatus.ACTIVE else "-"


def _heads(lines: Sequence[AdLine], names: Mapping[BudgetKey, str]) -> dict[int, Text]:
    """The name of each budget above the first of its ads."""
    found, row = {}, 1
    for key, members in groupby(lines, key=lambda line: line.target):
        found[row] = _name(names.get(key, str(key)))
        row += len(list(members))
    return found


def history(events: Sequence[Event]) -> Table:
    """A recommendation's history, oldest first."""
    table = Table(box=None, pad_edge=False)
    for title in ("when (UTC)", "rev", "who", "did"):
        table.add_column(title, no_wrap=True)
    table.add_column("detail", overflow="fold")
    for event in events:
        who, did, detail = (Text(clean(text)) for text in (event.actor, event.action, event.detail))
        table.add_row(f"{event.at:%Y-%m-%d %H:%M:%S}", str(event.revision), who, did, detail)
    return table


def intents(writes: Sequence[Intent], names: Mapping[LineKey, str]) -> Annotated:
    """The writes of a recommendation and where each stands; what happened last stands under those not verified."""
    table = _sheet(
        "budget or ad" if any(isinstance(intent, AdIntent) for intent in writes) else "budget",
        [_name(f"{intent.order + 1}. {names.get(intent.key, str(intent.key))}") for intent in writes],
        [
            ("from", [str(intent.base) for intent in writes]),
            ("to", [str(intent.target) for intent in writes]),
            ("state", [intent.state.value for intent in writes]),
        ],
    )
    told = {row: intent for row, intent in enumerate(writes, start=1) if intent.state is not IntentState.VERIFIED}
    return Annotated(
        table, below={row: Text(f"   {clean(intent.note)}") for row, intent in told.items() if intent.note}
    )


def _rows(decision: Decision) -> list[_Row]:
    changed = [line for line in decision.lines if line.changes]
    weighed = not saves(decision) or any(_moved(line) > 0 for line in changed)
    rows = [_row(line, f"{line.effect.p_worse:.0%}" if weighed else "") for line in changed[:SHOWN_LINES]]
    rows += _sums("smaller moves; --json shows all", changed[SHOWN_LINES:])
    rows += _sums("unchanged", [line for line in decision.lines if not line.changes])
    now, then = _sum(decision.lines)
    worse = "" if saves(decision) else f"{decision.total.p_worse:.0%}"
    return [*rows, _Row(_name("  total", "bold"), now, then, worse, decision.total)]


def _row(line: Line, worse: str) -> _Row:
    up = _moved(line) > 0
    name = Text.assemble(("+ " if up else "- ", "green" if up else "red"), clean(line.name))
    return _Row(_one_line(name), line.current.micros, line.proposed.micros, worse, line.effect)


def _sums(words: str, lines: Sequence[Line]) -> list[_Row]:
    return [_Row(_name(f"  ({len(lines)} {words})", "dim"), *_sum(lines))] if lines else []


def _sum(lines: Sequence[Line]) -> tuple[int, int]:
    return sum(line.current.micros for line in lines), sum(line.proposed.micros for line in lines)


def _moved(line: Line) -> int:
    return line.proposed.micros - line.current.micros


def _effects(rows: Sequence[_Row]) -> tuple[list[str], list[str], list[str]]:
    """Mean, 80% and 95% interval of each row, empty where a row has none."""
    found = [row.effect for row in rows]
    return (
        [f"{e.mean:+,.2f}" if e else "" for e in found],
        [interval(e.low80, e.high80) if e else "" for e in found],
        [interval(e.low95, e.high95) if e else "" for e in found],
    )


def _notes(unit: str, means: list[str], inner: list[str], outer: list[str]) -> dict[int, Text]:
    """The effects as lines under their rows, the header's included."""
    first, second, third = (max(map(len, texts)) for texts in (means, inner, outer))
    notes = {
        row: Text(f"    {mean:>{first}}  {f'80% {narrow}':>{second + 4}}  {f'95% {wide}':>{third + 4}}")
        for row, (mean, narrow, wide) in enumerate(zip(means, inner, outer, strict=True), start=1)
        if mean
    }
    return {0: Text(f"    change in {unit}, with 80% and 95% intervals", style="dim"), **notes}


def _sheet(title: str, names: Sequence[Text], figures: Sequence[Figures]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    table.add_column(_name(title), min_width=_LEAST_NAME)  # the one that wraps, so that Rich shrinks no other
    for column in figures:
        table.add_column(column[0], justify="right", no_wrap=True, min_width=_column_width(column))
    for name, *cells in zip(names, *(texts for _, texts in figures), strict=True):
        table.add_row(name, *(Text(str(cell), style=name.style) for cell in cells))
    return table


def _name(text: str, style: str = "") -> Text:
    return _one_line(Text(clean(text), style=style))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _column_width(column: Figures) -> int:
    title, texts = column
    return _width([Text(text) for text in (*title.split("\n"), *texts)])


def _width(texts: Sequence[Text]) -> int:
    return max((cell_len(text.plain) for text in texts), default=0)
