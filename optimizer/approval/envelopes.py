"""Sums of budgets that must keep their bounds, for any part of a plan and at every instant of writing it.

An envelope's effective ceiling is max(ceiling, sum of the plan's base): a base that is already above its ceiling
may only go down. Only a raise can break a ceiling and only a cut can break a floor, so that a cut is never held
back by a ceiling. All sums are of integer micros, hence exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer.plan.recommendation import Decision, Envelope, Line

Levels = Mapping[BudgetKey, int]


@dataclass(frozen=True, slots=True)
class Bounds:
    """One envelope with its effective bounds, micros; None where it has none.

    Attributes:
        name, words: The envelope's.
        keys: The budgets that it sums.
    """

    name: str
    words: str
    currency: str
    keys: frozenset[BudgetKey]
    floor: int | None
    ceiling: int | None

    def sum(self, levels: Levels) -> int:
        """The envelope's sum, micros."""
        return sum(levels[key] for key in self.keys)

    def over(self, total: int) -> str | None:
        """Say by how much a sum is above the ceiling, or None."""
        return self._breach(total, "above its ceiling", self.ceiling) if _above(total, self.ceiling) else None

    def under(self, total: int) -> str | None:
        """Say by how much a sum is below the floor, or None."""
        return self._breach(total, "below its floor", self.floor) if _above(self.floor, total) else None

    def _breach(self, total: int, side: str, bound: int | None) -> str:
        stated = Money(bound or 0, self.currency)
        return f"{self.name} ({self.words}): {Money(total, self.currency)} a day would be {side} of {stated}"


def base(decision: Decision) -> dict[BudgetKey, int]:
    """The budgets that a plan was made from, micros."""
    return {line.key: line.current.micros for line in decision.lines}


def bounds(decision: Decision) -> tuple[Bounds, ...]:
    """Return the plan's envelopes with their effective bounds.

    Raises:
        KeyError: An envelope names a budget that the plan does not hold; `unreadable` tells beforehand.
    """
    return effective(decision.envelopes, base(decision), decision.currency)


def effective(envelopes: Iterable[Envelope], start: Levels, currency: str) -> tuple[Bounds, ...]:
    """Return envelopes with the bounds that count where the budgets stand at `start`, micros.

    Raises:
        KeyError: An envelope names a budget that `start` does not hold.
    """
    return tuple(_effective(envelope, start, currency) for envelope in envelopes)


def unreadable(decision: Decision) -> str | None:
    """Say why the envelopes cannot be checked, or None: a guard that cannot be read closes."""
    known = {line.key for line in decision.lines}
    for envelope in decision.envelopes:
        if missing := sorted(set(envelope.keys) - known):
            return f"envelope {envelope.name!r} sums {missing[0]}, of which the plan knows nothing"
    amounts = [money for line in decision.lines for money in (line.current, line.proposed)]
    amounts += [bound for e in decision.envelopes for bound in (e.ceiling, e.floor) if bound is not None]
    foreign = {money.currency for money in amounts} - {decision.currency}
    return f"the plan is in {decision.currency} but holds amounts in {min(foreign)}" if foreign else None


def breaches(limits: Iterable[Bounds], start: Levels, end: Levels) -> tuple[str, ...]:
    """Say which envelopes would not be kept if the budgets went from `start` to `end`; both in micros."""
    found = []
    for limit in limits:
        total = limit.sum(end)
        if any(end[key] > start[key] for key in limit.keys):
            found.append(limit.over(total))
        if any(end[key] < start[key] for key in limit.keys):
            found.append(limit.under(total))
    return tuple(words for words in found if words is not None)


def in_order(lines: Iterable[Line], limits: tuple[Bounds, ...], start: Levels) -> tuple[Line, ...]:
    """Order writes so that no ceiling is passed midway, and no floor where the order can help it.

    Cuts go first, the largest ahead. A cut that would break a floor waits while a raise fits below every ceiling;
    if none fits, the cut goes: a floor may give way for a moment, a ceiling never.

    Args:
        lines: Lines whose current budgets are live, and that together keep every ceiling.
        limits: The envelopes.
        start: The live budgets of all that the envelopes sum, micros.
    """
    sums = [limit.sum(start) for limit in limits]
    remaining = sorted(lines, key=lambda line: (_change(line), line.key))
    ordered = []
    while remaining:
        line = next((each for each in remaining if _keeps(each, limits, sums)), remaining[0])
        remaining.remove(line)
        ordered.append(line)
        sums = [total + _part(line, limit) for limit, total in zip(limits, sums, strict=True)]
    return tuple(ordered)


def _change(line: Line) -> int:
    return line.proposed.micros - line.current.micros


def _part(line: Line, limit: Bounds) -> int:
    return _change(line) if line.key in limit.keys else 0


def _keeps(line: Line, limits: tuple[Bounds, ...], sums: list[int]) -> bool:
    parts = [(limit, total, _part(line, limit)) for limit, total in zip(limits, sums, strict=True)]
    return not any(
        (part > 0 and limit.over(total + part)) or (part < 0 and limit.under(total + part))
        for limit, total, part in parts
    )


def _effective(envelope: Envelope, start: Levels, currency: str) -> Bounds:
    total = sum(start[key] for key in set(envelope.keys))
    floor = None if envelope.floor is None else min(envelope.floor.micros, total)
    ceiling = None if envelope.ceiling is None else max(envelope.ceiling.micros, total)
    return Bounds(envelope.name, envelope.words, currency, frozenset(envelope.keys), floor, ceiling)


def _above(value: int | None, bound: int | None) -> bool:
    return value is not None and bound is not None and value > bound
