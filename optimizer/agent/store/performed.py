"""From what a store knows to the daily rows that are measured. Pure but for the totals that it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np

from connectors.contract import Entity
from optimizer.agent.store.instants import local_day, to_instant
from optimizer.agent.store.known import EntityKey, Facts, KnownSeries, Span
from optimizer.agent.store.layout import natural
from optimizer.plan.performance import Performance


def performed(
    known_at: datetime,
    since: date,
    until: date,
    series: Sequence[KnownSeries],
    entities: Mapping[EntityKey, Entity],
    facts: Facts,
) -> Performance:
    """Return the rows of each series and day.

    Amounts pass through floats, which hold a row's micros exactly up to 2**53: nine thousand million units a day.

    Args:
        known_at: When this was known.
        since: The first day.
        until: The last day.
        series: Those of which a row was known.
        entities: Names as known then.
        facts: The facts as known then.
    """
    ordered = sorted(series, key=lambda item: natural(item.series))
    groups = {item.number: place for place, item in enumerate(ordered)}
    cells = facts.totals(groups, Span(since.toordinal(), until.toordinal() + 1))
    instant = to_instant(known_at)
    today = np.array([local_day(instant, item.series.account.time_zone) for item in ordered], dtype=np.int64)
    over = np.flatnonzero(cells.day < today[cells.group])
    over = over[np.lexsort((cells.day[over], cells.group[over]))]
    measures = cells.measures[over]
    reported = np.isfinite(measures)
    return Performance(
        known_at=known_at.astimezone(UTC),
        since=since,
        until=until,
        series=tuple(item.series for item in ordered),
        names={key: entity.name for key, entity in entities.items()},
        row=cells.group[over],
        day=cells.day[over],
        micros=np.where(reported, measures, 0.0).astype(np.int64),
        reported=reported,
    )
