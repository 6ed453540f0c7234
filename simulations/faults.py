"""Things that go wrong on real platforms, as wrappers around any connector; they compose.

    TimesOutAfterCommit(Throttled(platform, on_calls(2)), on_calls(1))

Each takes the schedule of its calls: which of them, counted from 1, it spoils. All other calls pass through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction

import numpy as np

from connectors.contract import (
    Account,
    BudgetChange,
    BudgetKey,
    BudgetTarget,
    Connector,
    Entity,
    PerformanceRow,
    Receipt,
)
from connectors.errors import OutcomeUnknown, RetryLater, Stop
from connectors.money import Money

Schedule = Callable[[int], bool]
"""Whether the call of this number, counted from 1, goes wrong; asked once per call, in order."""


def on_calls(*numbers: int) -> Schedule:
    """Spoil the calls of these numbers."""
    return frozenset(numbers).__contains__


def always(number: int) -> bool:
    """Spoil every call."""
    return number > 0


def with_chance(probability: float, rng: np.random.Generator) -> Schedule:
    """Spoil each call with this probability, independently.

    Raises:
        ValueError: The probability is not in [0, 1].
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability must be from 0 to 1, not {probability}")
    return lambda number: bool(rng.random() < probability)


class _Wrapper:
    """A connector that passes everything through to `inner`."""

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        self.name = inner.name
        self.capabilities = inner.capabilities
        self._inner = inner
        self._schedule = schedule
        self._calls = 0

    def accounts(self) -> Sequence[Account]:
        return self._inner.accounts()

    def entities(self) -> Iterable[Entity]:
        return self._inner.entities()

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        return self._inner.pull(since, until)

    def budgets(self) -> Sequence[BudgetTarget]:
        return self._inner.budgets()

    def check_budget(self, change: BudgetChange) -> None:
        self._inner.check_budget(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        return self._inner.set_budget(change)

    def close(self) -> None:
        self._inner.close()

    def _spoils(self) -> bool:
        self._calls += 1
        return self._schedule(self._calls)


class TimesOutBeforeCommit(_Wrapper):
    """A set is lost on its way: nothing was written, but the caller cannot know."""

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, or lose the call.

        Raises:
            OutcomeUnknown: On the scheduled calls.
        """
        if self._spoils():
            raise OutcomeUnknown(f"no answer to the change of {change.key}; it may or may not stand")
        return self._inner.set_budget(change)


class TimesOutAfterCommit(_Wrapper):
    """A set is written, then its answer is lost."""

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, and perhaps lose the answer.

        Raises:
            OutcomeUnknown: On the scheduled calls.
        """
        spoils = self._spoils()
        receipt = self._inner.set_budget(change)
        if spoils:
            raise OutcomeUnknown(f"no answer to the change of {change.key}; it may or may not stand")
        return receipt


class Throttled(_Wrapper):
    """The platform turns calls of any kind away for a while.

    Args:
        inner: What is wrapped.
        schedule: Which calls of all methods together are turned away.
        retry_after_seconds: What the platform asks to wait, if it says.
    """

    def __init__(self, inner: Connector, schedule: Schedule, retry_after_seconds: float | None = None) -> None:
        super().__init__(inner, schedule)
        self._wait = retry_after_seconds

    def accounts(self) -> Sequence[Account]:
        """Return the accounts, or raise `RetryLater`."""
        self._admit()
        return self._inner.accounts()

    def entities(self) -> Iterable[Entity]:
        """Yield the entities, or raise `RetryLater`."""
        self._admit()
        return self._inner.entities()

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows, or raise `RetryLater`."""
        self._admit()
        return self._inner.pull(since, until)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets, or raise `RetryLater`."""
        self._admit()
        return self._inner.budgets()

    def check_budget(self, change: BudgetChange) -> None:
        """Check one change, or raise `RetryLater`."""
        self._admit()
        self._inner.check_budget(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, or raise `RetryLater`."""
        self._admit()
        return self._inner.set_budget(change)

    def _admit(self) -> None:
        if self._spoils():
            raise RetryLater("too many calls; the platform did nothing", retry_after_seconds=self._wait)


class Refuses(_Wrapper):
    """The platform refuses a set for good, though the check let it pass."""

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget, or refuse.

        Raises:
            Stop: On the scheduled calls.
        """
        if self._spoils():
            raise Stop(f"the platform refused the change of {change.key} to {change.target}")
        return self._inner.set_budget(change)


class EditedBehind(_Wrapper):
    """Somebody else changes the budget just before a set arrives.

    Args:
        inner: What is wrapped; it must write budgets.
        schedule: Before which sets.
        factor: What the live budget is multiplied with, then rounded up to the budget's quantum.
    """

    def __init__(self, inner: Connector, schedule: Schedule, factor: Fraction = Fraction(9, 10)) -> None:
        super().__init__(inner, schedule)
        self._factor = factor

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget; on the scheduled calls, after somebody else has."""
        if self._spoils():
            self._edit(change.key)
        return self._inner.set_budget(change)

    def _edit(self, key: BudgetKey) -> None:
        for live in self._inner.budgets():
            if live.key == key:
                wanted = Money(int(live.amount.micros * self._factor), live.amount.currency)
                edited = wanted.quantize(live.quantum_micros, "up")
                note = f"somebody-else-{self._calls}"
                self._inner.set_budget(BudgetChange(note, key, expected=live.amount, target=edited))


class StaleBudgets(_Wrapper):
    """A reading of the budgets is the one before: the platform answers from a replica that lags behind.

    The first reading of all is always fresh.
    """

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        super().__init__(inner, schedule)
        self._last: tuple[BudgetTarget, ...] | None = None

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets, or on the scheduled calls those of the last fresh reading."""
        if self._spoils() and self._last is not None:
            return self._last
        self._last = tuple(self._inner.budgets())
        return self._last
