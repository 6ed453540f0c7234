"""Which budgets a switchback asks for today, and what all budgets together may be meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.money import Money, total
from optimizer.plan.lift_tests import Phase, Switchback
from optimizer.plan.snapshot import FloatArray, Snapshot

LIFT_TEST: Final = "lift-test"
"""What binds a budget that a test sets, and is told of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a running lift test asks of one budget today.

    Attributes:
        amount: In what its platform takes.
        most: The same in a high block of the test.
        words: Which part of which test.
    """

    amount: Money
    most: Money
    words: str


def asked(snapshot: Snapshot) -> dict[int, Asked]:
    """Return what lift tests ask of budgets today, by index of the target."""
    return _asked(snapshot, snapshot.today, _index(snapshot))


@dataclass(frozen=True, slots=True, eq=False)
class Leave:
    """What K budgets may be where a lift test asks for them; currency units, each of shape (K,).

    Attributes:
        today: What they are today by limits, guards, holds and hands, all of which go before the test.
        low, high: Least and most that limits and pins let them be on any day.
    """

    today: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Withheld:
    """By how much lift tests have some budgets below what they have them at most; currency units.

    Attributes:
        now: By how much the budgets that are tested today are below it as they stand.
        days: By how much they will be on each day from today on, shape (T,); 0 on days without a test.
        given: What they are on each of these days, shape (T,); 0 on days without a test.
    """

    now: float
    days: FloatArray
    given: FloatArray


def withheld(snapshot: Snapshot, members: Collection[int], days: int, leave: Leave) -> Withheld:
    """Return what lift tests withhold from the budgets with the indices `members`, today and on the days after it.

    Today that is what comes of the tests; a hold, a hand or a step may end any day, so that what they ask for counts on
    the days after it, as far as limits and pins let it be.
    """
    index, now, found, given = _index(snapshot), 0.0, np.zeros(days), np.zeros(days)
    for ahead in range(days if snapshot.lift_tests else 0):
        for k, each in _asked(snapshot, snapshot.today + timedelta(days=ahead), index).items():
            if k in members:
                least, most = (
                    float(np.clip(amount.micros / 1e6, leave.low[k], leave.high[k]))
                    for amount in (each.amount, each.most)
                )
                had = least if ahead else float(leave.today[k])
                given[ahead] += had
                found[ahead] += most - had
                now += 0.0 if ahead else most - float(snapshot.current[k])
    return Withheld(now, found, given)


def _index(snapshot: Snapshot) -> dict[str, int]:
    return {str(target.key): k for k, target in enumerate(snapshot.targets)}


def _asked(snapshot: Snapshot, day: date, index: dict[str, int]) -> dict[int, Asked]:
    found = {}
    for plan, phase in _running(snapshot, day):
        for base in plan.bases:
            k = index.get(base.key)
            if k is None or base.amount.currency != snapshot.currency:
                continue
            quantum = snapshot.targets[k].budget.quantum_micros
            found[k] = Asked(
                _times(base.amount, phase.level, quantum), _times(base.amount, plan.upper, quantum), phase.words
            )
    return found


def ceiling(snapshot: Snapshot, wanted: Money | None) -> Money:
    """Return what all budgets together may be today.

    What a test takes from its budgets is not given to others, and what it gives them is not taken from others: else
    these would follow the lot, and be read with it. So the others have the total less what the test takes at most;
    where no total is set, they have what they have. The total stands, even where the tests alone ask for more.

    Args:
        snapshot: What is known.
        wanted: The total of the goals; None keeps the sum of the present budgets.
    """
    tests = asked(snapshot)
    present = [target.budget.amount for target in snapshot.targets]
    if not tests:
        return wanted or total(present, snapshot.currency)
    today = total([each.amount for each in tests.values()], snapshot.currency)
    if wanted is None:
        return today + total([amount for k, amount in enumerate(present) if k not in tests], snapshot.currency)
    most = total([each.most for each in tests.values()], snapshot.currency)
    return min(max(wanted - most, Money(0, snapshot.currency)) + today, wanted)


def _running(snapshot: Snapshot, day: date) -> Iterator[tuple[Switchback, Phase]]:
    for record in snapshot.lift_tests:
        if isinstance(record.plan, Switchback):
            phase = record.plan.phase(day, None if record.end is None else record.end.day)
            if phase is not None:
                yield record.plan, phase


def _times(amount: Money, level: float, quantum: int) -> Money:
    if level == 1.0:
        return amount
    return Money(round(amount.micros * level), amount.currency).quantize(quantum, "down")
