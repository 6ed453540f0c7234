"""The metrics of a query: the lines of the account's report, summed by entity and the segments that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator, Mapping
from datetime import date
from itertools import groupby
from types import MappingProxyType
from typing import Final, NamedTuple

from connectors.contract import WHOLE
from simulations.emulators.account import Account, Line
from simulations.emulators.google.schema import ACTIONS, DATE
from simulations.emulators.google.tables import Table

LEAST_SHARE: Final = 0.1
"""Below it an impression share is told as 0.0999; a lost share above 0.9 as 0.9001."""


class Sums:
    """Sums of lines; micros of the unit, counts alike."""

    __slots__ = (
        "all_conversions",
        "all_value",
        "clicks",
        "conversions",
        "eligible",
        "impressions",
        "lost",
        "spend",
        "value",
    )

    def __init__(self) -> None:
        self.spend = self.impressions = self.clicks = 0
        self.conversions = self.value = self.all_conversions = self.all_value = 0
        self.eligible = self.lost = 0.0

    def add(self, line: Line) -> None:
        """Count a line in; only purchases are primary conversions."""
        self.spend += line.spend
        self.impressions += line.impressions
        self.clicks += line.clicks
        self.all_conversions += line.conversions
        self.all_value += line.value
        if line.kind == 0:
            self.conversions += line.conversions
            self.value += line.value
        if line.impression_share:
            eligible = line.impressions / line.impression_share
            self.eligible += eligible
            self.lost += eligible * (line.lost_to_budget or 0)

    def share(self) -> float | None:
        """Return the impression share as the platform tells it; None where it tells none."""
        if not self.eligible:
            return None
        share = round(self.impressions / self.eligible / WHOLE, 6)
        return 0.0999 if share < LEAST_SHARE else share

    def lost_to_budget(self) -> float | None:
        """Return the share of the impressions that was lost to the budget, likewise."""
        if not self.eligible:
            return None
        lost = round(self.lost / self.eligible / WHOLE, 6)
        return 0.9001 if lost > 1 - LEAST_SHARE else lost


METRICS: Final[Mapping[str, Callable[[Sums], float | None]]] = MappingProxyType(
    {
        "metrics.cost_micros": lambda sums: sums.spend,
        "metrics.impressions": lambda sums: sums.impressions // WHOLE,
        "metrics.clicks": lambda sums: sums.clicks // WHOLE,
        "metrics.conversions": lambda sums: sums.conversions / WHOLE,
        "metrics.conversions_value": lambda sums: sums.value / WHOLE,
        "metrics.all_conversions": lambda sums: sums.all_conversions / WHOLE,
        "metrics.all_conversions_value": lambda sums: sums.all_value / WHOLE,
        "metrics.search_impression_share": Sums.share,
        "metrics.search_budget_lost_impression_share": Sums.lost_to_budget,
    }
)
"""What each metric is of the sums."""


class Fact(NamedTuple):
    """The sums of one entity in one segment."""

    entity: Hashable
    day: date | None
    kind: int | None
    sums: Sums


def facts(
    account: Account, table: Table, wanted: Container[str], since: date, until: date, entities: Container[Hashable]
) -> Iterator[Fact]:
    """Yield the sums of the entities, day by day where days are asked for; what no line tells of is left out.

    Args:
        account: Whose lines.
        table: Says which entity a line belongs to.
        wanted: The fields of the query.
        since: The first day.
        until: The last day.
        entities: Lines of others are left out.
    """
    assert table.key is not None  # noqa: S101 - the schema lets only resources with metrics through
    key, by_kind = table.key, any(name in wanted for name in ACTIONS)
    lines = account.lines(since, until)
    days = groupby(lines, key=lambda line: line.day) if DATE in wanted else [(None, lines)]
    for day, of_day in days:
        found: dict[tuple[Hashable, int | None], Sums] = {}
        for line in of_day:
            entity = key(line)
            if entity not in entities or (by_kind and not (line.conversions or line.value)):
                continue
            place = (entity, line.kind if by_kind else None)
            sums = found.get(place)
            if sums is None:
                sums = found[place] = Sums()
            sums.add(line)
        for (entity, kind), sums in found.items():
            yield Fact(entity, day, kind, sums)
