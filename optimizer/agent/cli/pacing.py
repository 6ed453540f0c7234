"""`outlay pacing`: what was spent of each month's or flight's amount, what today gets, and how it would end."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from optimizer import decide
from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Answer
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.shown.flights import flight

_NONE = "No flight runs today: set total_per_month of [goal], or [[flights]], to spread an amount over days."


def pacing(config: Path) -> Answer:
    """Tell how every flight stands, by what the store knows; asks no platform, and writes nothing."""
    with open_house(config) as house:
        seen = cycle.snapshot(house, house.today())
        found = decide.paces(seen, house.goals, house.guards, house.clock.now(), seen.occasions)
    told = [flight(pace) for pace in found]
    data = {"flights": [each.model_dump(mode="json") for each in told]}
    if not told:
        return Answer(Text(_NONE), data)
    columns = {
        "flight": [clean(each.name) for each in told],
        "amount": [str(pace.day.amount) for pace in found],
        "left": [str(pace.day.left) for pace in found],
        "today": [str(pace.day.due) for pace in found],
        "ends at (80%)": [f"{pace.fan.low[-1]:,.2f} to {pace.fan.high[-1]:,.2f}" for pace in found],
        "P(over)": [f"{each.over:.1%}" for each in told],
    }
    parts: list[RenderableType] = [figures_table(columns)]
    for each in told:
        parts += [Text(clean(words)) for words in (each.words, *each.troubles)]
    return Answer(Group(*parts), data)
