"""The room of the aim: without steps, and with what flights give the day loosened where other limits need it.

What a flight gives goes by where budgets can get today. The aim lies where other limits want them in the end, which may
take several days; it must not be kept from there by what one of these days gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from connectors.money import Money, minor_unit_micros
from optimizer import goals
from optimizer.decide import linear
from optimizer.decide.case import Case
from optimizer.decide.holds import immovable
from optimizer.goals import Box, Limit
from optimizer.plan import under_test
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray

_FLOOR, _CEILING = 1.0, 1000.0
"""What a unit costs by which a floor or a ceiling of a flight is loosened: floors give way first."""

_KEPT: Final = 1000.0
"""What it costs to loosen a limit that the present budgets keep, over one that they break, each over its bound."""

_ALIKE: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Soft:
    """A row that may be loosened, and what a unit of that costs."""

    row: Row
    cost: float


def closed(case: Case, box: Box, step: Box) -> Box:
    """The box with every budget that a person fixed, a guard holds or a lift test asks for closed around its amount."""
    tested = under_test.asked(case.snapshot)
    at = {k: (float(step.lower[k]), step.lower_because[k][0]) for k in tested}
    return box.closed(at | immovable(case.snapshot, case.held, case.fixed))


def aimed(case: Case, step: Box) -> tuple[Box, tuple[Row, ...]]:
    """Return the room of the aim and its rows, which are those of the case, in their order, but for bounds.

    A linear programme finds by how much the floors and ceilings of flights, and a total that follows from flights, must
    give way so that some budgets keep all limits that were written; nothing does where these contradict one another.

    Args:
        case: What is decided on.
        step: What today allows each budget.

    Raises:
        GoalsError: A floor or platform minimum lies above a ceiling of the same budget.
    """
    if not case.paces:
        return _room(case, case.goals.limits, step), case.rows
    hard = [row for row in _rows(case, case.written.limits) if row.outcome is None]
    follows = case.written.total is None
    soft = [_Soft(row, _CEILING) for row in hard if follows and goals.of_total(row)]
    soft += [each for limit in case.goals.limits for each in _given(case, limit)]
    kept = [row for row in hard if not (follows and goals.of_total(row))]
    slack = _slack(_room(case, case.written.limits, step), kept, soft)
    if slack is None or slack.max(initial=0.0) <= _ALIKE:
        return _room(case, case.goals.limits, step), case.rows
    by_row = {each.row.name: float(more) for each, more in zip(soft, slack, strict=True) if more > _ALIKE}
    limits = tuple(_looser(limit, by_row) for limit in case.goals.limits)
    rows = (
        replace(row, bound=row.bound + by_row.get(row.name, 0.0) * goals.of_total(row)) for row in _rows(case, limits)
    )
    return _room(case, limits, step), tuple(rows)


def bounded(case: Case, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return rows of the aim with the bounds of the day, which no plan goes beyond."""
    return tuple(
        row if row.outcome is not None else replace(row, bound=own.bound)
        for row, own in zip(rows, case.rows, strict=True)
    )


def in_reach(box: Box, rows: Sequence[Row], current: FloatArray) -> tuple[Row, ...]:
    """Return rows with linear bounds moved, as little as can be, to where budgets of a box keep them all.

    What the present budgets keep gives way last: a total that is out of today's reach is no leave to break a floor.

    Args:
        box: Today's room.
        rows: The limits of the day.
        current: The live budgets, currency units a day, shape (K,).
    """
    soft = [
        _Soft(row, (_KEPT if float(row.spend @ current) <= row.bound + _ALIKE else 1.0) / max(abs(row.bound), 1.0))
        for row in rows
        if row.outcome is None
    ]
    slack = _slack(box, (), soft) if soft else None
    if slack is None:
        return tuple(rows)
    more = iter(slack)
    moved = (0.0 if row.outcome is not None or (by := float(next(more))) <= _ALIKE else by + _ALIKE for row in rows)
    return tuple(replace(row, bound=row.bound + by) for row, by in zip(rows, moved, strict=True))


def _room(case: Case, limits: tuple[Limit, ...], step: Box) -> Box:
    seen, wanted = case.snapshot, replace(case.goals, limits=limits)
    return closed(case, goals.wide_box(wanted, seen.targets, seen.current, seen.today), step)


def _rows(case: Case, limits: tuple[Limit, ...]) -> tuple[Row, ...]:
    return goals.rows(replace(case.goals, limits=limits), case.snapshot.targets, case.ceiling)


def _given(case: Case, limit: Limit) -> list[_Soft]:
    """The sides of a limit that a flight gives the day."""
    if not any(pace.flight.scope == limit.scope for pace in case.paces):
        return []
    member = np.array([limit.scope.covers(target) for target in case.snapshot.targets], dtype=np.float64)
    found = []
    if limit.ceiling is not None:
        row = Row(f"ceiling:{limit.scope}", "", member, limit.ceiling.micros / 1e6)
        found.append(_Soft(row, _CEILING))
    if limit.floor is not None:
        found.append(_Soft(Row(f"floor:{limit.scope}", "", -member, -limit.floor.micros / 1e6), _FLOOR))
    return found


def _slack(box: Box, hard: Sequence[Row], soft: Sequence[_Soft]) -> FloatArray | None:
    """The cheapest loosening of the soft rows, one number each, with which some budgets keep all; None for none."""
    cost = np.array([each.cost for each in soft])
    return linear.loosening(linear.sides(box), hard, [each.row for each in soft], cost, _ALIKE)


def _looser(limit: Limit, by_row: dict[str, float]) -> Limit:
    """The limit with its sides moved out, and by one or two minor units more."""
    floor, ceiling = limit.floor, limit.ceiling
    if ceiling is not None and (more := by_row.get(f"ceiling:{limit.scope}")):
        ceiling = _moved(ceiling, more)
    if floor is not None and (less := by_row.get(f"floor:{limit.scope}")):
        floor = max(_moved(floor, -less), Money(0, floor.currency))
    return replace(limit, floor=floor, ceiling=ceiling)


def _moved(amount: Money, by: float) -> Money:
    unit = minor_unit_micros(amount.currency)
    return amount + Money(int(np.sign(by)) * unit * (int(abs(by) * 1e6) // unit + 2), amount.currency)
