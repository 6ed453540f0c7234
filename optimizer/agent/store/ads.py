"""Statuses of ads in SQL, by the time they were read. Plain statements, which any database takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, func, select, tuple_

from connectors.contract import Account, AdKey, AdState, EntityStatus
from optimizer.agent.store import tables as t
from optimizer.agent.store.catalogue import all_accounts, number_accounts
from optimizer.agent.store.rules import check_ads

_READING = t.core(t.AdReading)
# Written out once: to put a statement together takes longer than to run it.
_LAST = (
    select(_READING.c.account, _READING.c.ad_id, func.max(_READING.c.read_at).label("read_at"))
    .where(_READING.c.read_at <= bindparam("known_at"))
    .group_by(_READING.c.account, _READING.c.ad_id)
    .subquery()
)
_KNOWN: Final = (
    select(_READING)
    .join(_LAST, and_(*(_LAST.c[name] == _READING.c[name] for name in ("account", "ad_id", "read_at"))))
    .where(_READING.c.status.is_not(None))
)
_AT_ONCE = 300  # rows of one statement; a database bounds how many values a statement may hold


def note(
    connection: Connection, connector: str, ads: Sequence[AdState], read_at: int, unread: Collection[str] = frozenset()
) -> None:
    """Enter readings that differ from what was in force at their time; one of the same instant replaces.

    Ads of the connector that were in force then, but were not read, are entered as absent, but for those of accounts
    that are `unread`.
    """
    check_ads(connector, ads)
    in_force = read(connection, read_at)
    changed = [(ad, _reading(ad)) for ad in ads if in_force.get(ad.key) != ad]
    met = {ad.key for ad in ads}
    gone = [
        ad
        for key, ad in in_force.items()
        if key.connector == connector and key not in met and key.account_id not in unread
    ]
    changed += [(ad, _reading(ad) | {"status": None}) for ad in gone]
    accounts = number_accounts(connection, dict.fromkeys(ad.account for ad in (*ads, *gone)))
    rows = [
        {"account": accounts[ad.key.connector, ad.key.account_id], "read_at": read_at, **reading}
        for ad, reading in changed
    ]
    for first in range(0, len(rows), _AT_ONCE):
        part = rows[first : first + _AT_ONCE]
        same = tuple_(_READING.c.account, _READING.c.ad_id).in_([(row["account"], row["ad_id"]) for row in part])
        connection.execute(_READING.delete().where(_READING.c.read_at == read_at, same))
        connection.execute(_READING.insert(), part)


def read(connection: Connection, known_at: int) -> dict[AdKey, AdState]:
    """Return each ad as read last at or before an instant, less those that had left their platform."""
    rows = connection.execute(_KNOWN, {"known_at": known_at}).all()
    accounts = all_accounts(connection) if rows else {}
    found = (_ad(row, accounts[row.account]) for row in rows)
    return {ad.key: ad for ad in found}


def _reading(ad: AdState) -> dict[str, Any]:
    return {
        "ad_id": ad.ad_id,
        "name": ad.name,
        "campaign_id": ad.campaign_id,
        "ad_group_id": ad.ad_group_id or "",
        "status": ad.status.value,
        "etag": ad.etag,
    }


def _ad(row: Row[Any], account: Account) -> AdState:
    return AdState(
        account, row.ad_id, row.name, row.campaign_id, row.ad_group_id or None, EntityStatus(row.status), row.etag
    )
