"""Which budgets a switchback asks for today, and what all budgets together may be meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connectors.money import Money, total
from optimizer.plan.lift_tests import Phase, Switchback
from optimizer.plan.snapshot import Snapshot

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
    found = {}
    index = {str(target.key): k for k, target in enumerate(snapshot.targets)}
    for plan, phase in _running(snapshot):
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
    where no total is set, they have what they have.

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
    return max(wanted - most, Money(0, snapshot.currency)) + today


def _running(snapshot: Snapshot) -> Iterator[tuple[Switchback, Phase]]:
    for record in snapshot.lift_tests:
        if isinstance(record.plan, Switchback):
            phase = record.plan.phase(snapshot.today, None if record.end is None else record.end.day)
            if phase is not None:
                yield record.plan, phase


def _times(amount: Money, level: float, quantum: int) -> Money:
    if level == 1.0:
        return amount
    return Money(round(amount.micros * level), amount.currency).quantize(quantum, "down")
