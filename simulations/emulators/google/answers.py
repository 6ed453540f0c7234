"""A query answered: rows of the platform's own type, one by one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from simulations.emulators.account import Account
from simulations.emulators.google import messages
from simulations.emulators.google.facts import Fact, facts
from simulations.emulators.google.gaql import Condition, Query, QueryProblem, parse
from simulations.emulators.google.schema import ACTIONS, DATE, check, span
from simulations.emulators.google.tables import Fields, Table, Traits, action, table, written

CHANGES_DAYS: Final = 30
"""How far back `change_event` tells."""

CHANGES_LIMIT: Final = 10_000


class ChangeProblem(Exception):  # noqa: N818 - it is answered as the platform's ChangeEventError
    """A query of `change_event` that the platform refuses; `code` is the name of its ChangeEventError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer(account: Account, traits: Traits, text: str) -> tuple[Query, Iterator[Any]]:
    """Read a query and return it with its rows.

    Raises:
        QueryProblem, ChangeProblem: The platform would refuse it.
        NotEmulated: The platform would answer it, and the emulator cannot.
    """
    query = parse(text)
    check(query)
    if query.resource == "change_event":
        _check_changes(account, query)
    tests = [_test(condition) for condition in query.where if condition.field != DATE]
    rows = _rows(account, query, table(account, traits, query.resource), tests)
    if query.order:
        rows = iter(_sorted(list(rows), query))
    return query, (row for row, _ in islice(rows, query.limit))


_Test = tuple[str, Callable[[Any], bool]]
_Told = tuple[Any, Fields]


def _rows(account: Account, query: Query, resource: Table, tests: list[_Test]) -> Iterator[_Told]:
    """Yield rows with the values of their fields."""
    measured = any(name.startswith(("metrics.", "segments.")) for name in (*query.select, *(name for name, _ in tests)))
    own = [test for test in tests if not test[0].startswith(("metrics.", "segments."))]
    left = {key: each for key, each in resource.entities.items() if _passes(each, own)}
    shown = [name for name in query.select if not name.startswith(("metrics.", "segments."))]
    shown = list(dict.fromkeys((f"{query.resource}.resource_name", *shown)))
    if not measured:
        yield from ((_written(each, shown), each) for each in left.values())
        return
    low, high = span(query, account.today)
    since, until = low or account.truth.start, min(high or account.today, account.today)
    wanted = {*query.select, *(name for name, _ in tests)}
    rest = [test for test in tests if test[0].startswith(("metrics.", "segments."))]
    metrics = [(name, name.split(".")[1]) for name in wanted if name.startswith("metrics.")]
    in_order = any(not name.startswith(("metrics.", "segments.")) for name, _ in query.order)
    templates: dict[Hashable, Any] = {}
    names = [action(account, kind) for kind in range(len(account.kinds))]
    for fact in facts(account, resource, wanted, since, until, left):
        template = templates.get(fact.entity)
        if template is None:
            template = templates[fact.entity] = _written(left[fact.entity], shown)
        values = _values(fact, metrics, names)
        if not all(test(values.get(name)) for name, test in rest):
            continue
        row = messages.Row()
        row.MergeFrom(template)
        _measure(row, query.select, values, metrics)
        yield row, {**left[fact.entity], **values} if in_order else values


def _values(fact: Fact, metrics: list[tuple[str, str]], names: list[Fields]) -> Fields:
    values: Fields = {name: fact.sums.metric(name) for name, _ in metrics}
    if fact.day is not None:
        values[DATE] = fact.day.isoformat()
    if fact.kind is not None:
        values[ACTIONS[0]] = names[fact.kind]["conversion_action.resource_name"]
        values[ACTIONS[1]] = names[fact.kind]["conversion_action.name"]
    return values


def _measure(row: Any, select: tuple[str, ...], values: Fields, metrics: list[tuple[str, str]]) -> None:
    told = row.metrics
    for name, leaf in metrics:
        value = values[name]
        if value is not None and name in select:
            setattr(told, leaf, value)
    for name in (DATE, *ACTIONS):
        if name in select:
            setattr(row.segments, name.split(".")[1], values[name])


def _written(fields: Fields, names: list[str]) -> Any:
    row = messages.Row()
    for name in names:
        if (value := fields.get(name)) is not None:
            _put(row, name, value)
    return row


def _put(row: Any, name: str, value: Any) -> None:
    *heads, last = name.split(".")
    for head in heads:
        row = getattr(row, head)
    last = messages.leaf(row, last)
    if isinstance(value, tuple):
        getattr(row, last).paths.extend(value)
    elif hasattr(value, "DESCRIPTOR"):
        getattr(row, last).CopyFrom(value)
    else:
        constants = messages.numbers(name)
        setattr(row, last, value if constants is None else constants[value])


def _passes(fields: Fields, tests: list[_Test]) -> bool:
    return all(test(fields.get(name)) for name, test in tests)


def _test(condition: Condition) -> _Test:
    """Return a condition as a function of the field's value."""
    values = [_typed(condition.field, value) for value in condition.values]
    first, last = values[0], values[-1]
    tests: dict[str, Callable[[Any], bool]] = {
        "=": lambda value: value == first,
        "!=": lambda value: value != first,
        "in": lambda value: value in values,
        "not in": lambda value: value not in values,
        "between": lambda value: value is not None and first <= value <= last,
        "<": lambda value: value is not None and value < first,
        "<=": lambda value: value is not None and value <= first,
        ">": lambda value: value is not None and value > first,
        ">=": lambda value: value is not None and value >= first,
    }
    return condition.field, tests[condition.operator]


def _typed(name: str, text: str) -> Any:
    """Return a value of a condition as one of the field's own kind."""
    constants = messages.numbers(name)
    if constants is not None:
        if text not in constants:
            raise QueryProblem("BAD_ENUM_CONSTANT", f"Invalid enum value '{text}' for {name}.")
        return text
    if text.lower() in {"true", "false"} and name.endswith(
        ("explicitly_shared", "negative", "manager", "primary_for_goal")
    ):
        return text.lower() == "true"
    if name.startswith("metrics.") or name.endswith((".id", "_id", "_micros", "reference_count")):
        try:
            return float(text) if name.startswith("metrics.") else int(text)
        except ValueError:
            raise QueryProblem("BAD_NUMBER", f"Invalid number '{text}' for {name}.") from None
    return text


def _sorted(rows: list[_Told], query: Query) -> list[_Told]:
    for name, descends in reversed(query.order):
        rows.sort(key=lambda told, name=name: _rank(told[1].get(name)), reverse=descends)  # type: ignore[misc]
    return rows


def _rank(value: Any) -> tuple[bool, Any]:
    return value is not None, value if value is not None else 0


def _check_changes(account: Account, query: Query) -> None:
    """Refuse what the platform refuses of this resource: its range of dates and its limit."""
    if query.limit is None:
        raise ChangeProblem("LIMIT_NOT_SPECIFIED", "A LIMIT clause is needed for change events.")
    if query.limit > CHANGES_LIMIT:
        raise ChangeProblem("INVALID_LIMIT_CLAUSE", f"The limit is at most {CHANGES_LIMIT}.")
    low: list[str] = []
    high: list[str] = []
    for condition in query.where:
        if condition.field == "change_event.change_date_time":
            if condition.operator in {">", ">=", "=", "between"}:
                low.append(condition.values[0])
            if condition.operator in {"<", "<=", "=", "between"}:
                high.append(condition.values[-1])
    if not low or not high:
        raise ChangeProblem("CHANGE_DATE_RANGE_INFINITE", "The range of change_date_time must be finite.")
    if min(high) < max(low):
        raise ChangeProblem("CHANGE_DATE_RANGE_NEGATIVE", "The range of change_date_time ends before it begins.")
    oldest = _moment_day(written(account.now, account.time_zone)) - timedelta(days=CHANGES_DAYS)
    if _moment_day(max(low)) < oldest:
        raise ChangeProblem(
            "START_DATE_TOO_OLD", "The requested start date is too old. It cannot be older than 30 days."
        )


def _moment_day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise QueryProblem("INVALID_DATE_FORMAT", f"Invalid date: {text}") from None
