"""Who changed which budget or ad: the edge `activities`, newest first; unless more is asked for it tells a week."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from connectors.changes import Change
from connectors.contract import Account, AdKey, BudgetKey, EntityStatus
from connectors.meta.door import Body, Door, text
from connectors.meta.units import from_units
from connectors.money import Money
from connectors.payload import understood

BUDGET_EVENTS: Final = ("update_ad_set_budget", "update_campaign_budget")
_STATUS_EVENTS: Final = ("update_ad_run_status", "update_ad_run_status_to_be_set_after_review")
_STATUSES: Final = MappingProxyType({"Active": EntityStatus.ACTIVE, "Inactive": EntityStatus.PAUSED})
_LIFETIME: Final = "lifetime"
_FIELDS: Final = "event_type,event_time,object_id,actor_name,application_name,extra_data"


def read_changes(door: Door, account: Account, since: datetime) -> list[Change]:
    """Return the changes of budgets and of the switches of ads of an account since then, oldest first."""
    found: list[Change] = []
    for category in ("BUDGET", "STATUS"):
        mine = [_change(account, event) for event in events(door, account, category, since, _FIELDS)]
        found += [change for change in reversed(mine) if change is not None and change.at >= since]
    return sorted(found, key=attrgetter("at"))  # of one second, those of a category stay in their order


def events(door: Door, account: Account, category: str, since: datetime, fields: str) -> Iterator[Body]:
    """Yield the events of a category since then, newest first; without `since` the platform tells a week."""
    path = f"act_{account.account_id}"
    return door.rows(path, "activities", fields=fields, category=category, since=int(since.timestamp()))


def instant(event: Body, where: str) -> datetime:
    """Return the moment of an event.

    Raises:
        Stop: It is none.
    """
    told = text(event, "event_time", where)
    with understood(where):
        at = datetime.fromisoformat(told)
        if at.tzinfo is None:
            raise ValueError(f"{told!r} names no zone")
    return at


def _change(account: Account, event: Body) -> Change | None:
    """Return an event as the contract has it; None where neither a daily budget nor a switch of an ad was changed."""
    where, kind = f"{account.connector}: activities of {account.account_id}", event.get("event_type")
    before: Money | EntityStatus | None
    after: Money | EntityStatus | None
    key: BudgetKey | AdKey
    if kind in BUDGET_EVENTS:
        key = BudgetKey(account.connector, account.account_id, text(event, "object_id", where))
        before, after = (_amount(account, event, name) for name in ("old_value", "new_value"))
    elif kind in _STATUS_EVENTS:
        key = AdKey(account.connector, account.account_id, text(event, "object_id", where))
        before, after = (_STATUSES.get(str(_extra(event).get(name))) for name in ("old_value", "new_value"))
    else:
        return None
    return None if after is None else Change(key, instant(event, where), _who(event), before, after)


def _extra(event: Body) -> dict[str, Any]:
    found = json.loads(event["extra_data"])
    if not isinstance(found, dict):
        raise TypeError(f"extra_data of {event.get('event_type')} is no object")
    return found


def _amount(account: Account, event: Body, name: str) -> Money | None:
    """The daily amount before or after; None of a lifetime budget, and where there was none.

    It is a number, or an object that holds one by the same name and says what for.
    """
    told = _extra(event).get(name)
    if isinstance(told, dict):
        if _LIFETIME in f"{told.get('additional_value')} {told.get('type')}".lower():
            return None
        told = told.get(name)
    return None if told in (None, "", 0) else from_units(int(told), account.currency)


def _who(event: Body) -> str:
    """The person, and by what: a person and a program may act as the same user."""
    actor, application = event.get("actor_name"), event.get("application_name")
    return f"{actor or 'unknown'} by {application}" if application else str(actor or "unknown")
