"""docs/scenarios.md is compared with the code: its list of scenarios, its knobs and defaults, and its file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from simulations.scenarios import (
    GROUPS,
    MIXED,
    SCENARIOS,
    Channel,
    FamilyShare,
    FurtherConversion,
    Holiday,
    Scenario,
    parse_scenario,
)
from simulations.scenarios.files import literal

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenarios.md"
TABLES: dict[str, type] = {
    "before the first table": Scenario,
    "`[[channels]]`": Channel,
    "`[[channels.further]]`": FurtherConversion,
    **{f"`[{name}]`": kind for name, kind in GROUPS.items()},
    "`[[demand.holidays]]`": Holiday,
    "`[[saturation.families]]`": FamilyShare,
}


def _told(kind: type) -> Iterator[tuple[list[str], str]]:
    """The names and the meaning of each entry under `Attributes:` of a docstring."""
    text = inspect.cleandoc(str(kind.__doc__)).split("Attributes:\n")[1].split("\n\n")[0]
    for entry in re.split(r"\n    (?=\S)", "\n" + text)[1:]:
        names, meaning = entry.split(": ", 1)
        yield names.split(", "), " ".join(meaning.split())


def _default(knob: Field[Any]) -> str:
    if knob.default is MISSING:
        return "(needed)"
    several = isinstance(knob.default, tuple) and knob.default and is_dataclass(knob.default[0])
    return "(the mix below)" if several else f"`{literal(knob.default)}`"


def _rows(kind: type) -> list[str]:
    knobs = {knob.name: knob for knob in fields(kind)}
    rows = []
    for names, told in _told(kind):
        defaults = [_default(knobs[name]) for name in names if name not in GROUPS]
        if defaults:
            rows.append(f"| {', '.join(f'`{name}`' for name in names)} | {', '.join(defaults)} | {told} |")
    return rows


def _table_under(heading: str) -> list[str]:
    """The rows of the one table of a section, its two head lines left out."""
    section = PAGE.read_text(encoding="utf-8").split(f"# {heading}\n")[1].split("\n#")[0]
    return [line for line in section.splitlines() if line.startswith("|")][2:]


def test_the_page_lists_every_scenario_with_its_sentence() -> None:
    assert _table_under("The library") == [f"| `{s.name}` | {s.summary} |" for s in SCENARIOS.values()]


@pytest.mark.parametrize("heading", TABLES)
def test_the_page_lists_every_knob_with_its_default_and_meaning(heading: str) -> None:
    assert _table_under(heading[0].upper() + heading[1:]) == _rows(TABLES[heading])


def test_the_mix_is_as_the_page_says() -> None:
    by_hand = [f"| `{share.family}` | {share.weight:.0%} | {_slope(share)} |" for share in MIXED]
    assert _table_under("The mix") == by_hand


def _slope(share: FamilyShare) -> str:
    low, high = share.slope
    return "none" if low == high else f"{low:g} to {high:g}"


def test_the_files_of_the_page_are_scenarios() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    read = [parse_scenario(block, "shop") for block in blocks]
    assert [scenario.campaigns for scenario in read] == [7, 12]
    assert read[1].demand.season_sd == 0.3
