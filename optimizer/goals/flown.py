"""The goals of one day, of which flights say what it may spend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from connectors.money import Money, minor_unit_micros
from connectors.money import total as summed
from optimizer.goals.limits import Limit
from optimizer.goals.scope import Scope, ScopeKind, indices
from optimizer.goals.wishes import Goals
from optimizer.plan import under_test
from optimizer.plan.flights import DayOfFlight
from optimizer.plan.snapshot import Snapshot

_LEAST: Final = 0.97
"""The part of its amount that a scope's budgets are held to: what is meant for them must not go to others."""


def of_day(wanted: Goals, flights: Sequence[DayOfFlight], snapshot: Snapshot) -> Goals:
    """Return the goals with each flight's amount of the day as the total, or as ceiling and floor of its scope.

    Where no total is asked for and no flight is on all, the total is what the flights give and what the budgets
    outside of them are now, or what a running lift test asks of them. Cuts beyond the steps are allowed where a flight
    counts on them.

    Args:
        wanted: The goals as written.
        flights: What the flights that run give the day.
        snapshot: The budgets of the portfolio, and the lift tests; its history is not read.
    """
    if not flights:
        return replace(wanted, flights=(), largest_cut=None)
    scoped = [(Scope.parse(day.scope), day) for day in flights]
    whole = next((day.due for scope, day in scoped if scope.kind is ScopeKind.ALL), wanted.total)
    parts = [(scope, day) for scope, day in scoped if scope.kind is not ScopeKind.ALL]
    limits = list(wanted.limits)
    for scope, day in parts:
        place = next((n for n, limit in enumerate(limits) if limit.scope == scope), None)
        old = Limit(scope, ceiling=day.due) if place is None else limits.pop(place)
        limits.append(_beside(_bounded(old, day), wanted.limits, snapshot))
    total = _with_others(parts, snapshot) if whole is None else whole
    cut = wanted.largest_cut if any(day.beyond for day in flights) else None
    return replace(wanted, total=total, limits=tuple(limits), flights=(), largest_cut=cut)


def _bounded(limit: Limit, day: DayOfFlight) -> Limit:
    """The limit with an amount as its ceiling, and most of it as its floor; a lower ceiling of its own stands."""
    ceiling = day.due if limit.ceiling is None else min(limit.ceiling, day.due)
    least = Money(int(ceiling.micros * _LEAST), ceiling.currency).quantize(minor_unit_micros(ceiling.currency), "down")
    floor = least if limit.floor is None else min(max(limit.floor, least), ceiling)
    return replace(limit, ceiling=ceiling, floor=floor)


def _beside(limit: Limit, written: Sequence[Limit], snapshot: Snapshot) -> Limit:
    """The limit of a flight, on one budget within other limits on it, where steps keep these two or more days apart."""
    own = indices(limit.scope, snapshot.targets)
    if len(own) != 1 or limit.floor is None or limit.ceiling is None:
        return limit
    others = [
        other for other in written if other.scope != limit.scope and indices(other.scope, snapshot.targets) == own
    ]
    floors = [other.floor for other in others if other.floor is not None]
    ceilings = [other.ceiling for other in others if other.ceiling is not None]
    minimum = snapshot.targets[own[0]].budget.minimum
    ceiling = max([limit.ceiling, *floors, *([] if minimum is None else [minimum])])
    return replace(limit, ceiling=ceiling, floor=min([limit.floor, *ceilings]))


def _with_others(parts: Sequence[tuple[Scope, DayOfFlight]], snapshot: Snapshot) -> Money:
    """What scopes are given, each budget counted with the widest one, and what all others are to be without them."""
    targets, currency = snapshot.targets, snapshot.currency
    left = {k: target.budget.amount for k, target in enumerate(targets)}
    left |= {k: each.amount for k, each in under_test.asked(snapshot).items()}
    present = dict(left)
    found = Money(0, currency)
    for scope, day in sorted(parts, key=lambda part: -len(indices(part[0], targets))):
        own = indices(scope, targets)
        free = [left.pop(k) for k in own if k in left]
        if not free:
            continue
        whole = sum(present[k].micros for k in own)
        part = summed(free, currency).micros / whole if whole else len(free) / len(own)
        found += day.due if len(free) == len(own) else Money(round(day.due.micros * part), currency)
    return found + summed(list(left.values()), currency)
