"""Accounts, series, names and budgets in SQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Row, ScalarSelect, Select, and_, bindparam, case, func, select, text, update

from connectors.contract import Account, BudgetKey, BudgetKind, BudgetTarget, Entity, EntityKind, EntityStatus, Level
from connectors.contract import Series as SeriesValue
from connectors.money import Money
from optimizer.agent.store import tables as t
from optimizer.agent.store.known import EntityKey, KnownSeries
from optimizer.agent.store.rules import check_budgets, same_account

_ACCOUNT, _SERIES, _ENTITY = t.core(t.Account), t.core(t.Series), t.core(t.EntityReading)
_BUDGET, _READING = t.core(t.Budget), t.core(t.BudgetReading)
_NATURAL = (
    "account", "campaign_id", "ad_group_id", "ad_id", "creative_id", "audience_id",
    "conversion_definition", "attribution_setting",
)  # fmt: skip
_SERIES_COLUMNS = tuple(
    _SERIES.c[name]
    for name in ("id", "account", "campaign_id", "channel", "ad_group_id", "ad_id", "creative_id", "audience_id",
                 "conversion_definition", "attribution_setting")
)  # fmt: skip
_READ = ("name", "holder", "covers", "amount", "kind", "shared", "minimum", "quantum", "etag", "learning")
# A day of which anything was known then; the newest is found from the end of the key, so that few rows are looked at.
_KNOWN_SERIES = text("""
    SELECT s.id,
        (SELECT f.day FROM fact f
         WHERE f.series_id = s.id AND f.day < :today AND f.known_from <= :known_at
         ORDER BY f.day DESC LIMIT 1),
        (SELECT r.day FROM fact_revision r
         WHERE r.series_id = s.id AND r.day < :today AND r.known_from <= :known_at
         ORDER BY r.day DESC LIMIT 1)
    FROM series s
""")
# The others are written out once, too: to put a statement together takes longer than to run it.
_ACCOUNTS: Final = select(_ACCOUNT)
_COUNT: Final = select(func.count()).select_from(_SERIES)
_ALL_SERIES: Final = select(*_SERIES_COLUMNS).order_by(_SERIES.c.id)
_NUMBERS: Final[Select[Any]] = select(_SERIES.c.id, _SERIES.c.channel, *(_SERIES.c[name] for name in _NATURAL)).where(
    _SERIES.c.account.in_(bindparam("accounts", expanding=True))
)
_LABEL: Final = update(_SERIES).where(_SERIES.c.id == bindparam("of"))
_BUDGET_NUMBERS: Final = select(_BUDGET.c.id, _BUDGET.c.account, _BUDGET.c.budget_id)
_BUDGET_NUMBERS_OF: Final = _BUDGET_NUMBERS.where(_BUDGET.c.account.in_(bindparam("accounts", expanding=True)))


def _last_until(bound: str) -> ScalarSelect[int | None]:
    """When a budget was read last at or before an instant: one step down its key, however often it was read."""
    earlier = _READING.alias()
    return (
        select(func.max(earlier.c.read_at))
        .where(earlier.c.budget == _BUDGET.c.id, earlier.c.read_at <= bindparam(bound))
        .correlate(_BUDGET)
        .scalar_subquery()
    )


_READ_BUDGETS = _BUDGET.join(_READING, _READING.c.budget == _BUDGET.c.id)
_BUDGETS: Final[Select[Any]] = (
    select(_BUDGET.c.account, _BUDGET.c.budget_id, *(_READING.c[name] for name in _READ))
    .select_from(_READ_BUDGETS)
    .where(_READING.c.read_at == _last_until("known_at"), _READING.c.amount.is_not(None))
    .order_by(_BUDGET.c.id)  # SQLite goes from budgets to readings then, and not the other way
)
_AMOUNTS: Final = (
    select(_READING.c.budget, _READING.c.read_at, case((_READING.c.kind == BudgetKind.DAILY, _READING.c.amount)))
    .select_from(_READ_BUDGETS)
    .where(
        _READING.c.read_at >= func.coalesce(_last_until("since"), bindparam("since")),
        _READING.c.read_at <= bindparam("known_at"),
    )
    .order_by(_BUDGET.c.id, _READING.c.read_at)
)
_KEY = ("account", "kind", "entity_id")


def _names(chosen: Any) -> Select[Any]:
    """The names of which the time of reading is what is chosen of all their readings."""
    key = [_ENTITY.c[name] for name in _KEY]
    last = select(*key, chosen.label("read_at")).group_by(*key).subquery()
    return select(_ENTITY).join(last, and_(*(last.c[name] == _ENTITY.c[name] for name in (*_KEY, "read_at"))))


_READ_UNTIL = func.max(case((_ENTITY.c.read_at <= bindparam("known_at"), _ENTITY.c.read_at)))
_NAMES_THEN: Final = _names(_READ_UNTIL)
_NAMES_THEN_OR_FIRST: Final = _names(func.coalesce(_READ_UNTIL, func.min(_ENTITY.c.read_at)))


def number_accounts(connection: Connection, accounts: Iterable[Account]) -> dict[tuple[str, str], int]:
    """Return the numbers of accounts by connector and id, entering those that are new.

    Raises:
        StoreError: An account has another currency or zone than before.
    """
    insert = _insert(connection)
    stored = all_accounts(connection)
    numbers = {(account.connector, account.account_id): (number, account) for number, account in stored.items()}
    for account in accounts:
        key = (account.connector, account.account_id)
        if key not in numbers:
            row = insert(_ACCOUNT).values(
                connector=account.connector, account_id=account.account_id,
                currency=account.currency, time_zone=account.time_zone,
            )  # fmt: skip
            numbers[key] = (connection.execute(row.returning(_ACCOUNT.c.id)).scalar_one(), account)
        same_account(numbers[key][1], account)
    return {key: number for key, (number, _) in numbers.items()}


def number_series(connection: Connection, series: Sequence[SeriesValue]) -> list[int]:
    """Return the numbers of series, in their order, entering those that are new and noting channels that changed.

    Raises:
        StoreError: An account has another currency or zone than before.
    """
    accounts = number_accounts(connection, dict.fromkeys(item.account for item in series))
    keys = [_natural(item, accounts) for item in series]
    stored = _series_numbers(connection, {key[0] for key in keys})
    labelled = dict(zip(keys, (item.channel for item in series), strict=True))
    missing = [
        dict(zip(_NATURAL, key, strict=True)) | {"channel": channel}
        for key, channel in labelled.items()
        if key not in stored
    ]
    if missing:
        connection.execute(_insert(connection)(_SERIES), missing)
        stored = _series_numbers(connection, {key[0] for key in keys})
    for key, channel in labelled.items():
        if stored[key][1] != channel:
            connection.execute(_LABEL, {"of": stored[key][0], "channel": channel})
    return [stored[key][0] for key in keys]


def note_entities(connection: Connection, entities: Iterable[Entity], read_at: int) -> None:
    """Enter names that differ from what was in force at their time; of two of one identity the later holds."""
    listed = list(entities)
    accounts = number_accounts(connection, dict.fromkeys(entity.account for entity in listed))
    in_force = read_entities(connection, read_at) if listed else {}
    changed = {}
    for entity in listed:
        key = _identity(entity)
        if in_force.get(key) != entity or key in changed:
            changed[key] = entity
    if not changed:
        return
    statement = _insert(connection)(_ENTITY)
    told = ("name", "parent_id", "status", "tags")
    statement = statement.on_conflict_do_update(
        index_elements=["account", "kind", "entity_id", "read_at"],
        set_={name: statement.excluded[name] for name in told},
    )
    connection.execute(statement, [
        {
            "account": accounts[entity.account.connector, entity.account.account_id],
            "kind": entity.kind.value, "entity_id": entity.entity_id, "read_at": read_at, "name": entity.name,
            "parent_id": entity.parent_id or "", "status": entity.status.value, "tags": json.dumps(entity.tags),
        }
        for entity in changed.values()
    ])  # fmt: skip


def note_budgets(
    connection: Connection,
    connector: str,
    budgets: Iterable[BudgetTarget],
    read_at: int,
    unread: Collection[str] = frozenset(),
) -> None:
    """Enter readings that differ from what was in force at their time; one of the same instant replaces.

    Budgets of the connector that were in force then, but were not read, are entered as absent, but for those of
    accounts that are `unread`.
    """
    listed = list(budgets)
    check_budgets(connector, listed)
    in_force = read_budgets(connection, read_at)
    accounts = number_accounts(connection, dict.fromkeys(b.account for b in (*in_force.values(), *listed)))
    gone = {
        key: budget for key, budget in in_force.items() if key.connector == connector and key.account_id not in unread
    }
    changed: list[tuple[BudgetTarget, dict[str, Any]]] = []
    for budget in listed:
        gone.pop(budget.key, None)
        if in_force.get(budget.key) != budget:
            changed.append((budget, _reading(budget)))
            in_force[budget.key] = budget
    changed += [(budget, _reading(budget) | {"amount": None}) for budget in gone.values()]
    if changed:
        _enter(connection, accounts, changed, read_at)


def _enter(
    connection: Connection,
    accounts: Mapping[tuple[str, str], int],
    changed: Sequence[tuple[BudgetTarget, dict[str, Any]]],
    read_at: int,
) -> None:
    """Enter readings, of one budget the last, in three statements for all: one by one a budget takes milliseconds."""
    owners = [accounts[budget.account.connector, budget.account.account_id] for budget, _ in changed]
    identities = [
        {"account": owner, "budget_id": budget.budget_id} for owner, (budget, _) in zip(owners, changed, strict=True)
    ]
    insert = _insert(connection)
    connection.execute(insert(_BUDGET).on_conflict_do_nothing(), identities)
    rows = connection.execute(_BUDGET_NUMBERS_OF, {"accounts": list(set(owners))}).all()
    numbers = {(row.account, row.budget_id): row.id for row in rows}
    statement = insert(_READING)
    told = tuple(changed[0][1])
    statement = statement.on_conflict_do_update(
        index_elements=["budget", "read_at"], set_={name: statement.excluded[name] for name in told}
    )
    connection.execute(statement, [
        {"budget": numbers[owner, budget.budget_id], "read_at": read_at, **reading}
        for owner, (budget, reading) in zip(owners, changed, strict=True)
    ])  # fmt: skip


def stored_accounts(connection: Connection, connector: str) -> tuple[Account, ...]:
    """Return the accounts of one connector, by their ids."""
    found = (account for account in all_accounts(connection).values() if account.connector == connector)
    return tuple(sorted(found, key=lambda account: account.account_id))


def count_series(connection: Connection) -> int:
    """Return the number of series."""
    return int(connection.execute(_COUNT).scalar_one())


def read_series(connection: Connection, known_at: int, today: int) -> list[KnownSeries]:
    """Return the series of which a row of a day before `today` was known."""
    accounts = all_accounts(connection)
    last = {
        number: max(day for day in days if day is not None)
        for number, *days in connection.execute(_KNOWN_SERIES, {"today": today, "known_at": known_at})
        if any(day is not None for day in days)
    }
    rows = connection.execute(_ALL_SERIES).all()
    return [
        KnownSeries(number, _series(row, accounts[account]), last[number])
        for number, account, *row in rows
        if number in last
    ]


def read_entities(connection: Connection, known_at: int, *, first: bool = False) -> dict[EntityKey, Entity]:
    """Return names by identity, each as read last at or before an instant; with `first` also what was read later only.

    The latter as it was read first: rows may carry the time at which they were learnt where names do not.
    """
    accounts = all_accounts(connection)
    rows = connection.execute(_NAMES_THEN_OR_FIRST if first else _NAMES_THEN, {"known_at": known_at}).all()
    return {_identity(entity): entity for entity in (_entity(row, accounts[row.account]) for row in rows)}


def _identity(entity: Entity) -> EntityKey:
    return (entity.account.connector, entity.account.account_id, EntityKind(entity.kind), entity.entity_id)


def read_budgets(connection: Connection, known_at: int) -> dict[BudgetKey, BudgetTarget]:
    """Return each budget as read last at or before an instant, less those that had left their platform."""
    accounts = all_accounts(connection)
    rows = connection.execute(_BUDGETS, {"known_at": known_at}).all()
    found = (_budget(row, accounts[account]) for account, *row in rows)
    return {budget.key: budget for budget in found}


def read_amounts(connection: Connection, since: int, known_at: int) -> dict[BudgetKey, list[tuple[int, int | None]]]:
    """Return the readings of each budget from that in force at one instant up to another, oldest first.

    The amount is None where it was no daily budget, or gone.
    """
    accounts = all_accounts(connection)
    keys = {
        number: BudgetKey(accounts[account].connector, accounts[account].account_id, budget_id)
        for number, account, budget_id in connection.execute(_BUDGET_NUMBERS)
    }
    rows = connection.execute(_AMOUNTS, {"since": since, "known_at": known_at}).all()
    return {
        keys[budget]: [(read_at, amount) for _, read_at, amount in readings]
        for budget, readings in groupby(rows, key=itemgetter(0))
    }


def _insert(connection: Connection) -> Any:
    """The INSERT that knows ON CONFLICT; what the two kinds share has no name of its own in SQLAlchemy.

    Only the dialect in use is loaded: that of PostgreSQL takes as long as all of this store.
    """
    return import_module(f"sqlalchemy.dialects.{connection.dialect.name}").insert


def all_accounts(connection: Connection) -> dict[int, Account]:
    """Return every account by its number."""
    return {number: Account(*given) for number, *given in connection.execute(_ACCOUNTS)}


def _series_numbers(connection: Connection, accounts: set[int]) -> dict[tuple[Any, ...], tuple[int, str]]:
    """The number and the channel of each stored series by its natural key."""
    rows = connection.execute(_NUMBERS, {"accounts": list(accounts)}).all()
    return {tuple(key): (number, channel) for number, channel, *key in rows}


def _natural(series: SeriesValue, accounts: Mapping[tuple[str, str], int]) -> tuple[Any, ...]:
    return (
        accounts[series.account.connector, series.account.account_id],
        *(getattr(series, name) or "" for name in _NATURAL[1:]),
    )


def _series(row: Sequence[str], account: Account) -> SeriesValue:
    """A series from its columns after the account, in the order of `_SERIES_COLUMNS`."""
    campaign, channel, group, ad, creative, audience, *rest = row
    return SeriesValue(account, campaign, channel, group or None, ad or None, creative or None, audience or None, *rest)


def _entity(row: Row[Any], account: Account) -> Entity:
    return Entity(
        account, EntityKind(row.kind), row.entity_id, row.name, row.parent_id or None,
        EntityStatus(row.status), tuple(json.loads(row.tags)),
    )  # fmt: skip


def _reading(budget: BudgetTarget) -> dict[str, Any]:
    return {
        "name": budget.name,
        "holder": budget.holder.value,
        "covers": json.dumps(budget.covers),
        "amount": budget.amount.micros,
        "kind": budget.kind.value,
        "shared": budget.shared,
        "minimum": None if budget.minimum is None else budget.minimum.micros,
        "quantum": budget.quantum_micros,
        "etag": budget.etag,
        "learning": budget.learning,
    }


def _budget(row: Sequence[Any], account: Account) -> BudgetTarget:
    """A budget from its id and the columns of `_READ`."""
    budget_id, name, holder, covers, amount, kind, shared, minimum, quantum, etag, learning = row
    return BudgetTarget(
        account, budget_id, name, Level(holder), tuple(json.loads(covers)),
        Money(amount, account.currency), BudgetKind(kind), shared,
        None if minimum is None else Money(minimum, account.currency), quantum, etag, bool(learning),
    )  # fmt: skip
