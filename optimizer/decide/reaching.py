"""What the budgets of a flight may sum to today: by their room, and by what is asked of them with others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np

from connectors.money import Money, minor_unit_micros
from optimizer import goals, guardrails
from optimizer.decide import linear
from optimizer.goals import Because, Goals
from optimizer.guardrails import Guardrails
from optimizer.pacing import Reach
from optimizer.plan import under_test
from optimizer.plan.flights import DayOfFlight
from optimizer.plan.problem import Row
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.plan.under_test import Leave

_PROBED: Final = 6.0
_ALIKE: Final = 1e-6
_SLACK: Final = (1e-6, 1e-9)
"""What rows that were moved are given more, currency units and share: the solver keeps them to 1e-7."""


def reached(
    snapshot: Snapshot,
    wanted: Goals,
    given: Sequence[DayOfFlight],
    shut: Mapping[int, tuple[float, Because]],
    limits: tuple[Guardrails, datetime],
    members: Sequence[int],
) -> Reach:
    """Return what budgets may sum to, in amounts that their platforms take.

    The total, groups' floors and ceilings and what other flights have got are kept, so that an amount in reach collides
    with none of them; where steps cannot keep them today, they are kept as nearly as can be.

    Args:
        snapshot: The evidence; daily budgets only.
        wanted: The goals as written.
        given: What other flights give the day; this one goes within it.
        shut: The budgets, by index, that cannot move, and where they are; currency units.
        limits: The written limits of the agent, and the moment that they are judged at.
        members: Indices of the budgets, one or more.
    """
    daily = goals.of_day(wanted, given, snapshot)
    rows = _rows(snapshot, wanted, given, daily, members)
    least, high = _sums(_box(snapshot, daily, shut, limits), rows, members)
    low = least
    if daily.largest_cut != wanted.largest_cut:
        cut = replace(daily, largest_cut=wanted.largest_cut)
        low = min(least, _sums(_box(snapshot, cut, shut, limits), rows, members)[0])
    return Reach(low, high, limits[0].smallest_step, least)


def leave(
    snapshot: Snapshot,
    wanted: Goals,
    shut: Mapping[int, tuple[float, Because]],
    limits: tuple[Guardrails, datetime],
) -> Leave:
    """Return what budgets may be where a lift test asks for them, whatever the total is.

    Args:
        snapshot: The evidence; daily budgets only.
        wanted: The goals.
        shut: The budgets, by index, that cannot move, and where they are; currency units.
        limits: The written limits of the agent, and the moment that they are judged at.
    """
    free = _unbound(snapshot, replace(wanted, flights=()))
    today = guardrails.room(snapshot, free, *limits).lower.copy()
    for k, (amount, _) in shut.items():
        today[k] = amount
    sides = goals.wide_box(free, snapshot.targets, snapshot.current, snapshot.today)
    return Leave(today, sides.lower, sides.upper)


def _unbound(snapshot: Snapshot, wanted: Goals) -> Goals:
    """Goals whose total bounds nothing: it is what is asked for, or too small a one is told of."""
    wide = Money(round(_PROBED * float(snapshot.current.sum()) * 1e6), wanted.currency)
    return replace(wanted, total=wide if wide.micros > 0 else None)


def _rows(
    snapshot: Snapshot, wanted: Goals, given: Sequence[DayOfFlight], daily: Goals, members: Sequence[int]
) -> list[Row]:
    """The limits on sums. A total that follows from the flights bounds none of them; shares of it go with it."""
    whole = next((day.due for day in given if day.scope == str(goals.Scope(goals.ScopeKind.ALL))), None)
    if whole is None and wanted.total is not None:
        whole = under_test.ceiling(snapshot, wanted.total)
    rows = goals.rows(daily, snapshot.targets, whole or Money(0, wanted.currency))
    linear = [row for row in rows if row.outcome is None]
    if whole is not None:
        return linear
    return [*(row for row in linear if not goals.of_total(row)), *_shares(snapshot, daily, given, members)]


def _shares(snapshot: Snapshot, daily: Goals, given: Sequence[DayOfFlight], members: Sequence[int]) -> Iterator[Row]:
    """Shares of a total that is what the budgets of this flight will be, and what the others are."""
    amounts = snapshot.current
    for k, each in under_test.asked(snapshot).items():
        amounts[k] = each.amount.micros / 1e6
    within = {k for day in given for k in goals.indices(goals.Scope.parse(day.scope), snapshot.targets)}
    own = np.array([k in members and k not in within for k in range(len(amounts))], dtype=np.float64)
    total = float(amounts.sum()) if daily.total is None else daily.total.micros / 1e6
    others = total - float(own @ amounts)
    unit = minor_unit_micros(daily.currency) / 1e6  # such bounds are rounded down to it
    for limit in daily.limits:
        covered = np.array([limit.scope.covers(target) for target in snapshot.targets], dtype=np.float64)
        for share, sign in ((limit.share_ceiling, 1.0), (limit.share_floor, -1.0)):
            if share is not None and covered.any():
                bound = sign * share * others - (unit if sign > 0 else 0.0)
                yield Row(f"share:{limit.scope}", "", sign * (covered - share * own), bound)


def _box(
    snapshot: Snapshot, daily: Goals, shut: Mapping[int, tuple[float, Because]], limits: tuple[Guardrails, datetime]
) -> tuple[FloatArray, FloatArray]:
    """The least and the most that each budget may be, (K,) each."""
    room = guardrails.room(snapshot, _unbound(snapshot, daily), *limits)
    low, high = goals.in_quanta(np.where(room.pausable, 0.0, room.lower), room.upper, snapshot.targets)
    for k, (amount, _) in shut.items():
        low[k] = high[k] = amount
    return low, high


def _sums(box: tuple[FloatArray, FloatArray], rows: Sequence[Row], members: Sequence[int]) -> tuple[float, float]:
    """The least and the largest sum of some budgets in their box under linear rows.

    Three linear programmes: rows that the box cannot keep are moved as little as can be, then the sum is made least
    and largest.
    """
    keep, (low, high) = list(members), box
    bare = float(low[keep].sum()), float(high[keep].sum())
    if not rows:
        return bare
    room, bounds = np.stack([low, high], axis=1), np.array([row.bound for row in rows])
    more = _there(linear.loosening(room, (), rows, np.ones(len(rows))))
    loose = bounds + more + _SLACK[0] + _SLACK[1] * np.abs(bounds)
    member = np.zeros(len(low))
    member[keep] = 1.0
    found = [float(_there(linear.cheapest(sign * member, room, rows, loose)) @ member) for sign in (1.0, -1.0)]
    least, most = (end if abs(end - to) <= _ALIKE * max(end, 1.0) else to for end, to in zip(bare, found, strict=True))
    return min(least, most), most


def _there(found: FloatArray | None) -> FloatArray:
    if found is None:
        raise ArithmeticError("a linear programme that has a solution was not solved")
    return found
