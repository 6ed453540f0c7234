"""`outlay scorecard`: what advice promised, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cells import csv_text
from optimizer.agent.cli.answers import Answer, finite
from optimizer.agent.cli.days import day
from optimizer.agent.cli.render import bullet, section
from optimizer.agent.cli.tables import figures_table, interval
from optimizer.agent.scoring import Reading, read
from optimizer.measure.scorecard import Figure, Kept, Missed, Scored
from optimizer.plan.canonical import adapter

_COMMAND: Final = "outlay scorecard"
_SHOWN: Final = 30
_LEVEL: Final = 0.9
_NONE: Final = "-"
_HEAD: Final = (
    "kind", "recommendation", "revision", "as_of", "written", "unit", "days", "promised", "promised_low90",
    "promised_high90", "came", "came_low90", "came_high90", "whole", "whole_low90", "whole_high90", "first_on",
    "whole_on",
)  # fmt: skip
_LIMITS: Final = (
    "What came is what was observed less what the old budgets would have brought on the same days; one "
    "recommendation's interval is wide, since days are noisy: look at the sums.",
    "It counts conversions as the goal does: attributed ones would partly have come anyway.",
    "What was left was never observed: there stands what the curves say today.",
)


def scorecard(config: Path, since: str | None, as_csv: bool) -> Answer:
    """Keep score of the advice since a day."""
    first = None if since is None else day(since, _COMMAND, "--since")
    with open_house(config) as house:
        found = read(house, cycle.snapshot(house, house.today()), first)
    if as_csv:
        return Answer(Text(csv_text(_HEAD, _rows(found)).rstrip("\n"), no_wrap=True, overflow="ignore"), _data(found))
    return Answer(_shown(found), _data(found))


def _data(found: Reading) -> Any:
    data = adapter(Reading).dump_python(found, mode="json")
    data["watch"]["alarm"] = found.watch.alarm
    return finite(data)


def _shown(found: Reading) -> RenderableType:
    card = found.card
    return Group(
        Text(f"Scorecard of the advice since {found.since}", style="bold"),
        section("In one look", *map(bullet, _sums(found))),
        section(f"Carried out ({_many(card.scored)}), a day, with 90% intervals", *_carried_out(card.scored)),
        section(f"Left ({_many(card.missed)}), a day, with 90% intervals", *_left(card.missed)),
        section("What this cannot say", *map(bullet, _LIMITS)),
    )


def _many(rows: tuple[object, ...]) -> str:
    return f"{len(rows)}, the newest {_SHOWN}" if len(rows) > _SHOWN else f"{len(rows)}"


def _sums(found: Reading) -> Iterator[str]:
    card = found.card
    if card.promised is None or card.gained is None:
        yield _to_come(found)
    else:
        yield (
            f"Came: {_with_interval(card.gained)} {card.unit} over the days that count; promised for them: "
            f"{_with_interval(card.promised)}."
        )
    if card.lost is not None:
        yield f"Left: {_with_interval(card.lost)} {card.unit}, by today's curves, until the next advice."
    if card.by_lot is not None:
        lot = card.by_lot
        yield (
            f"By lot: {lot.mean:+,.2f} {interval(lot.low90, lot.high90)} {card.unit} a day from {lot.moved} lines that "
            f"moved and {lot.held} that were held back; promised: {lot.promised:+,.2f}."
        )
    elif card.held:
        yield f"By lot: nothing yet; {card.held} lines were held back so far."
    yield _kept("Promises whose interval held what came", card.kept, "lines")
    yield _kept("Forecasts of the last weeks that held what came", found.forecast, "budget-days")
    if found.watch.alarm:
        yield "ALARM: intervals hold less than they say; the policy approves nothing until they hold again."


def _to_come(found: Reading) -> str:
    days = [each.first_on for each in found.card.scored if each.first_on is not None]
    if days:
        return f"Nothing can be said yet: the first figure comes on {min(days)}, once conversions have come in."
    if found.card.scored:
        return "No day of what was carried out can be counted: see the budgets' days in the history."
    return "Nothing was carried out since then; what is approved and written is kept score of here."


def _kept(what: str, kept: Kept, unit: str) -> str:
    if not kept.shares:
        return f"{what}: none to count yet."
    told = ", ".join(
        f"{share.held:.0%}{'' if share.se is None else f' ± {share.se:.0%}'} of {share.level:.0%}"
        for share in kept.shares
    )
    return f"{what}: {told} ({kept.count:,} {unit})."


def _carried_out(scored: tuple[Scored, ...]) -> Iterator[RenderableType]:
    if not scored:
        return
    rows = scored[:_SHOWN]
    yield figures_table(
        {
            "written": [f"{each.written}" for each in rows],
            "recommendation": [each.rec_id for each in rows],
            "days": [f"{each.days}" for each in rows],
            "promised": [_cell(each.promised) for each in rows],
            "came": [_cell(each.came) for each in rows],
            "complete on": [_when(each) for each in rows],
        }
    )


def _left(missed: tuple[Missed, ...]) -> Iterator[RenderableType]:
    if not missed:
        return
    rows = missed[:_SHOWN]
    yield figures_table(
        {
            "for": [f"{each.as_of}" for each in rows],
            "recommendation": [each.rec_id for each in rows],
            "days": [f"{each.days}" for each in rows],
            "promised": [_cell(each.promised) for each in rows],
            "by today's curves": [_cell(each.would) for each in rows],
        }
    )


def _when(each: Scored) -> str:
    if each.first_on is not None:
        return f"first on {each.first_on}"
    return "complete" if each.whole_on is None else f"{each.whole_on}"


def _cell(figure: Figure | None) -> str:
    return _NONE if figure is None else _with_interval(figure)


def _with_interval(figure: Figure) -> str:
    return f"{figure.mean:+,.2f} {interval(*figure.interval(_LEVEL))}"


def _rows(found: Reading) -> Iterator[tuple[object, ...]]:
    for each in found.card.scored:
        yield ("carried out", each.rec_id, each.revision, each.as_of, each.written, each.unit, each.days,
               *_ends(each.promised), *_ends(each.came), *_ends(each.whole), each.first_on, each.whole_on)  # fmt: skip
    for left in found.card.missed:
        yield ("left", left.rec_id, left.revision, left.as_of, None, left.unit, left.days,
               *_ends(left.promised), *_ends(left.would), *_ends(left.whole), None, None)  # fmt: skip


def _ends(figure: Figure | None) -> tuple[float | None, ...]:
    return (None,) * 3 if figure is None else (figure.mean, *figure.interval(_LEVEL))
