"""Faults of a set, of a budget or of an ad: lost answers, refusals, other hands, something else than was asked.

Sets of budgets and of statuses are counted together.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from connectors.contract import (
    AdKey,
    BudgetChange,
    BudgetKey,
    Connector,
    EntityStatus,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import OutcomeUnknown, Stop
from connectors.money import Money
from simulations.platform.faults.schedules import Schedule
from simulations.platform.faults.wrapper import Wrapper

_NOWHERE: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TimesOutBeforeCommit(Wrapper):
    """A set is lost on its way: nothing was written, but the caller cannot know.

    Stands for a connection that is refused or dropped, and a gateway that gives up before the platform has begun.
    """

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, or lose the call.

        Raises:
            OutcomeUnknown: On the scheduled calls.
        """
        if self._spoils():
            raise _unanswered(change)
        return super().set_budget(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Switch one ad, or lose the call.

        Raises:
            OutcomeUnknown: On the scheduled calls.
        """
        if self._spoils():
            raise _unanswered(change)
        return super().set_status(change)


class TimesOutAfterCommit(Wrapper):
    """A set is written, then its answer is lost.

    Stands for a gateway that gives up (HTTP 504) while the platform still works, and a process that loses its network.
    """

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, and perhaps lose the answer.

        Raises:
            OutcomeUnknown: On the scheduled calls.
        """
        spoils = self._spoils()
        receipt = super().set_budget(change)
        if spoils:
            raise _unanswered(change)
        return receipt

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Switch one ad, and perhaps lose the answer.

        Raises:
            OutcomeUnknown: On the scheduled calls.
        """
        spoils = self._spoils()
        receipt = super().set_status(change)
        if spoils:
            raise _unanswered(change)
        return receipt


class Refuses(Wrapper):
    """The platform refuses a set for good, though the check let it pass.

    Stands for policies that only the real write meets: a suspended account, a limit of changes per day.
    """

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, or refuse.

        Raises:
            Stop: On the scheduled calls.
        """
        if self._spoils():
            raise Stop(f"the platform refused the change of {change.key} to {change.target}")
        return super().set_budget(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Switch one ad, or refuse.

        Raises:
            Stop: On the scheduled calls.
        """
        if self._spoils():
            raise Stop(f"the platform refused the change of {change.key} to {change.target}")
        return super().set_status(change)


class EditedBehind(Wrapper):
    """Somebody else changes the budget, or switches the ad to what was asked, just before a set arrives.

    Stands for the marketer at the platform's own page, an agency, and the platform's automated rules.

    Args:
        inner: What is wrapped; it must write budgets.
        schedule: Before which sets.
        factor: What the live budget is multiplied with, then rounded up to the budget's quantum and its minimum.
    """

    def __init__(self, inner: Connector, schedule: Schedule, factor: Fraction = Fraction(9, 10)) -> None:
        super().__init__(inner, schedule)
        self._factor = factor

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget; on the scheduled calls, after somebody else has."""
        if self._spoils():
            self._edit(change.key)
        return super().set_budget(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Switch one ad; on the scheduled calls, after somebody else has."""
        if self._spoils():
            self._switch(change.key)
        return super().set_status(change)

    def _switch(self, key: AdKey) -> None:
        for live in self._inner.ads():
            if live.key == key:
                other = EntityStatus.PAUSED if live.status is EntityStatus.ACTIVE else EntityStatus.ACTIVE
                note = f"somebody-else-{self._calls}-{live.etag}"
                self._inner.set_status(StatusChange(note, key, live.status, other))

    def _edit(self, key: BudgetKey) -> None:
        for live in self._inner.budgets():
            if live.key == key:
                wanted = Money(int(live.amount.micros * self._factor), live.amount.currency)
                edited = max(wanted.quantize(live.quantum_micros, "up"), live.minimum or wanted)
                # The etag keeps the note new in a world that outlives this wrapper.
                note = f"somebody-else-{self._calls}-{live.etag}"
                self._inner.set_budget(BudgetChange(note, key, expected=live.amount, target=edited))


class PartialSet(Wrapper):
    """The platform stores less than was asked, and only its receipt says so.

    Stands for platforms that round amounts to a unit of their own, or clip them without an error.

    Args:
        inner: What is wrapped.
        schedule: Which sets are cut.
        quantum_micros: Of such a set the target is rounded down to a multiple of it.

    Raises:
        ValueError: The quantum is not positive.
    """

    def __init__(self, inner: Connector, schedule: Schedule, quantum_micros: int) -> None:
        if quantum_micros <= 0:
            raise ValueError(f"a quantum must be positive, not {quantum_micros}")
        super().__init__(inner, schedule)
        self._quantum = quantum_micros

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, on the scheduled calls to a rounder amount, which the receipt tells."""
        stored = change.target.quantize(self._quantum, "down") if self._spoils() else change.target
        return super().set_budget(replace(change, target=stored))


class NotApplied(Wrapper):
    """The platform acknowledges a set and stores nothing.

    Stands for a write that is taken into a queue and dropped there, and for "200 OK" with an error inside.
    """

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, on the scheduled calls in words only."""
        if self._spoils():
            return Receipt(change.key, change.target, f"dropped-{self._calls}", _NOWHERE)
        return super().set_budget(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Switch one ad, on the scheduled calls in words only."""
        if self._spoils():
            return StatusReceipt(change.key, change.target, f"dropped-{self._calls}", _NOWHERE)
        return super().set_status(change)


def _unanswered(change: BudgetChange | StatusChange) -> OutcomeUnknown:
    return OutcomeUnknown(f"no answer to the change of {change.key}; it may or may not stand")
