"""A query answered: rows of the platform's own type, one by one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from simulations.emulators.account import Account
from simulations.emulators.google import messages
from simulations.emulators.google.facts import METRICS, Fact, facts
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


def answer(account: Account, traits: Traits, text: str) -> tuple[Query, Iterator[bytes]]:
    """Read a query and return it with its rows, as they go over the wire.

    Raises:
        QueryProblem, ChangeProblem: The platform would refuse it.
        NotEmulated: The platform would answer it, and the emulator cannot.
    """
    query = parse(text)
    check(query)
    if query.resource == "change_event":
        _check_changes(account, query)
    tests = [_test(condition) for condition in query.where if condition.field != DATE]
    named = frozenset((*query.select, *(name for name, _ in tests), *(name for name, _ in query.order)))
    rows = _rows(account, query, table(account, traits, query.resource, named), tests)
    if query.order:
        rows = iter(_sorted(list(rows), query))
    return query, (row for row, _ in islice(rows, query.limit))


_Test = tuple[str, Callable[[Any], bool]]
_Told = tuple[bytes, Fields]


def _measured(name: str) -> bool:
    return name.startswith(("metrics.", "segments."))


def _rows(account: Account, query: Query, resource: Table, tests: list[_Test]) -> Iterator[_Told]:
    """Yield rows, with the values of their fields where an order needs them."""
    left = {
        key: each
        for key, each in resource.entities.items()
        if all(test(each.get(name)) for name, test in tests if not _measured(name))
    }
    own = [name for name in query.select if not _measured(name)]
    shown = [_Setter(name) for name in dict.fromkeys((f"{query.resource}.resource_name", *own))]
    if any(map(_measured, (*query.select, *(name for name, _ in tests)))):
        yield from _facts(account, query, resource, tests, left, shown)
        return
    for each in left.values():
        yield _written(each, shown), each


def _facts(
    account: Account,
    query: Query,
    resource: Table,
    tests: list[_Test],
    left: dict[Hashable, Fields],
    shown: list[_Setter],
) -> Iterator[_Told]:
    """Yield the rows of a query with metrics or segments."""
    low, high = span(query, account.today)
    since, until = low or account.truth.start, min(high or account.today, account.today)
    rest = [(name, test) for name, test in tests if _measured(name)]
    named = {*query.select, *(name for name, _ in rest)}
    told = [(METRICS[name], name.partition(".")[2]) for name in query.select if name in METRICS]
    looked_at = {name for name, _ in rest} | {name for name, _ in query.order}
    scratch, segments = messages.Metrics(), _SegmentBytes(account, query.select)
    templates: dict[Hashable, bytes] = {}
    for fact in facts(account, resource, named, since, until, left):
        values = _values(fact, segments, looked_at) if looked_at else _NOTHING
        if not all(test(values.get(name)) for name, test in rest):
            continue
        template = templates.get(fact.entity)
        if template is None:
            template = templates[fact.entity] = _written(left[fact.entity], shown)
        scratch.Clear()
        for of, leaf in told:
            if (value := of(fact.sums)) is not None:
                setattr(scratch, leaf, value)
        measured = messages.embedded(messages.METRICS, scratch.SerializeToString()) if told else b""
        yield template + measured + segments(fact), {**left[fact.entity], **values} if query.order else values


def _values(fact: Fact, segments: _SegmentBytes, looked_at: set[str]) -> Fields:
    """The values that conditions or an order look at."""
    values: Fields = {name: METRICS[name](fact.sums) for name in looked_at if name in METRICS}
    return values | segments.values(fact)


_NOTHING: Final[Fields] = {}


class _SegmentBytes:
    """The segments of a row as they go over the wire, each made once."""

    def __init__(self, account: Account, select: tuple[str, ...]) -> None:
        self._actions = [action(account, kind) for kind in range(len(account.kinds))]
        self._select = [name for name in (DATE, *ACTIONS) if name in select]
        self._made: dict[tuple[date | None, int | None], bytes] = {}

    def values(self, fact: Fact) -> Fields:
        found: Fields = {} if fact.day is None else {DATE: fact.day.isoformat()}
        if fact.kind is not None:
            found[ACTIONS[0]] = self._actions[fact.kind]["conversion_action.resource_name"]
            found[ACTIONS[1]] = self._actions[fact.kind]["conversion_action.name"]
        return found

    def __call__(self, fact: Fact) -> bytes:
        key = (fact.day, fact.kind)
        if key not in self._made:
            values, message = self.values(fact), messages.Segments()
            for name in self._select:
                setattr(message, name.partition(".")[2], values[name])
            whole = messages.embedded(messages.SEGMENTS, message.SerializeToString())
            self._made[key] = whole if self._select else b""
        return self._made[key]


class _Setter:
    """Puts the value of one field into a row."""

    def __init__(self, name: str) -> None:
        self.name = name
        *self._heads, self._leaf = name.split(".")
        self._constants = messages.numbers(name)

    def __call__(self, row: Any, value: Any) -> None:
        for head in self._heads:
            row = getattr(row, head)
        leaf = messages.leaf(row, self._leaf)
        if isinstance(value, tuple):
            getattr(row, leaf).paths.extend(value)
        elif hasattr(value, "DESCRIPTOR"):
            getattr(row, leaf).CopyFrom(value)
        else:
            setattr(row, leaf, value if self._constants is None else self._constants[value])


def _written(fields: Fields, shown: list[_Setter]) -> bytes:
    row = messages.Row()
    for put in shown:
        if (value := fields.get(put.name)) is not None:
            put(row, value)
    return bytes(row.SerializeToString())


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
