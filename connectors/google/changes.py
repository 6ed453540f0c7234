"""Who changed which budget or ad: the resource `change_event`, 30 days back, and up to 3 minutes late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from connectors.changes import Change
from connectors.contract import AdKey, BudgetKey, EntityStatus, zone
from connectors.errors import Stop
from connectors.google.accounts import Held, Searches
from connectors.google.units import constant
from connectors.money import Money

MOST: Final = 10_000
"""So many rows of this resource are answered at once, and a query must name a limit."""

REACH: Final = timedelta(days=29)
"""The platform refuses what begins more than 30 days ago; a day is left for clocks that differ."""

_QUERY: Final = (
    "SELECT change_event.resource_name, change_event.change_date_time, change_event.change_resource_type, "
    "change_event.change_resource_name, change_event.client_type, change_event.user_email, "
    "change_event.old_resource, change_event.new_resource, change_event.changed_fields FROM change_event "
    "WHERE change_event.change_date_time >= '{since}' AND change_event.change_date_time <= '{until}' "
    "AND change_event.change_resource_type IN ('CAMPAIGN_BUDGET', 'AD_GROUP_AD') "
    "ORDER BY change_event.change_date_time LIMIT {limit}"
)
_SECOND: Final = "%Y-%m-%d %H:%M:%S"
_STATUSES: Final = MappingProxyType({"ENABLED": EntityStatus.ACTIVE, "PAUSED": EntityStatus.PAUSED})


def read_changes(session: Searches, held: Held, since: datetime, now: datetime) -> list[Change]:
    """Return the changes of budgets' amounts and ads' statuses of an account since then, oldest first.

    Raises:
        Stop: More changes were made in one microsecond than the platform answers at once.
    """
    found = (_change(held, event) for event in _events(session, held, max(since, now - REACH), max(since, now)))
    return sorted((change for change in found if change and change.at >= since), key=attrgetter("at"))


def _events(session: Searches, held: Held, since: datetime, until: datetime) -> Iterator[Any]:
    """Yield the events, each once: a further query begins at the moment at which the one before ended."""
    account = held.account
    first = f"{since.astimezone(zone(account.time_zone)):{_SECOND}}"
    last = f"{(until + timedelta(days=1)).astimezone(zone(account.time_zone)):{_SECOND}}"
    met: set[str] = set()
    while True:
        query = _QUERY.format(since=first, until=last, limit=MOST)
        events = [row.change_event for row in session.search(account.account_id, query, "changes")]
        yield from (event for event in events if event.resource_name not in met)
        if len(events) < MOST:
            return
        met = {event.resource_name for event in events}
        if events[-1].change_date_time == events[0].change_date_time:
            raise Stop(f"{account.connector}: more than {MOST} changes of {account.account_id} at {first}")
        first = events[-1].change_date_time


def _change(held: Held, event: Any) -> Change | None:
    """Return an event as the contract has it; None where neither an amount of a day nor a switch was changed."""
    kind, paths = constant(event, "change_resource_type"), set(event.changed_fields.paths)
    account, name = held.account, event.change_resource_name.rpartition("/")[2]
    before: Money | EntityStatus | None
    after: Money | EntityStatus | None
    key: BudgetKey | AdKey
    if kind == "CAMPAIGN_BUDGET" and "amount_micros" in paths:
        old, new = event.old_resource.campaign_budget, event.new_resource.campaign_budget
        key = BudgetKey(account.connector, account.account_id, name)
        before = Money(old.amount_micros, account.currency) if old.amount_micros else None
        after = Money(new.amount_micros, account.currency)
    elif kind == "AD_GROUP_AD" and "status" in paths:
        key = AdKey(account.connector, account.account_id, name.rpartition("~")[2])
        before = _STATUSES.get(constant(event.old_resource.ad_group_ad, "status"))
        after = _STATUSES.get(constant(event.new_resource.ad_group_ad, "status"))
    else:
        return None
    return None if after is None else Change(key, _instant(event, account.time_zone), _who(event), before, after)


def _instant(event: Any, time_zone: str) -> datetime:
    """The moment of an event, which is told on the account's clock; of an hour that comes twice it is the later one."""
    return datetime.fromisoformat(event.change_date_time).replace(fold=1, tzinfo=zone(time_zone))


def _who(event: Any) -> str:
    """The person and by what: a person and a program may sign in as the same user."""
    by = constant(event, "client_type").lower().replace("_", " ")
    return f"{event.user_email} by {by}" if event.user_email else by
