"""Made-up rows for tests of what is measured."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np

from connectors.contract import Account, EntityKind, Series
from optimizer.plan.performance import Performance

TODAY = date(2026, 3, 2)
ACCOUNT = Account("ads", "1", "EUR", "UTC")
MICROS = 1_000_000

Measured = tuple[float, float, float | None, float | None, float | None]
"""Spend, conversions, value, impressions and clicks, units."""


def series(campaign: str = "c1", channel: str = "search", **ids: str) -> Series:
    return Series(ids.pop("account", ACCOUNT), campaign, channel, **ids)


def performance(rows: list[tuple[Series, date, Measured]], names: dict[str, str] | None = None) -> Performance:
    """The rows, in the order of a store; `names` are campaigns' by id."""
    order = sorted({row[0] for row in rows}, key=lambda s: (s.account.account_id, s.campaign_id, str(s.ad_id)))
    place = {each: n for n, each in enumerate(order)}
    rows = sorted(rows, key=lambda row: (place[row[0]], row[1]))
    told = np.array([[measure is not None for measure in row[2]] for row in rows], dtype=bool).reshape(-1, 5)
    micros = np.array([[round((measure or 0) * MICROS) for measure in row[2]] for row in rows], dtype=np.int64)
    days = [row[1] for row in rows] or [TODAY]
    return Performance(
        known_at=datetime(2026, 3, 2, 8, tzinfo=UTC),
        since=min(days),
        until=max(days),
        series=tuple(order),
        names={("ads", "1", EntityKind.CAMPAIGN, key): name for key, name in (names or {}).items()},
        row=np.array([place[row[0]] for row in rows], dtype=np.int64),
        day=np.array([row[1].toordinal() for row in rows], dtype=np.int64),
        micros=micros.reshape(-1, 5),
        reported=told,
    )
