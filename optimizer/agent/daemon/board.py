"""What stands in the store that a look decides on, read anew only once the history has grown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from optimizer import approval
from optimizer.approval.table import PROGRAM
from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, Lease
from optimizer.plan.record import Intent, Record, State
from optimizer.ports import Store

WRITTEN: Final = frozenset({State.APPROVED, State.APPLYING})
"""What is written as soon as it may be."""

_PROPOSED: Final = frozenset({State.PROPOSED})
_APPLIED: Final = frozenset({State.APPLIED})
_BEGUN: Final = WRITTEN | _APPLIED | {State.VERIFIED, State.FAILED}
_ALL: Final = 1_000_000
_FEW: Final = 50  # that were begun; people's rollbacks may stand among those of the policy


class Board:
    """The records that are not at their end and the open writes of one store.

    `read` asks for the store's pulse first, which costs a fraction of what reading does: most looks find that nothing
    has happened, and a thousand portfolios look all the time. What else is asked is as it was read last.
    """

    def __init__(self, store: Store) -> None:
        """Read nothing yet."""
        self._store = store
        self._leader: Lease | None = None
        self._entries: int | None = None
        self._records: tuple[Record, ...] = ()
        self._begun: tuple[Record, ...] = ()
        self._open: tuple[Intent, ...] = ()
        self._brake: Brake | None = None
        self._circuits: tuple[Circuit, ...] = ()

    def read(self) -> None:
        """Read what has changed since, if anything has.

        Raises:
            StoreError: The store does not answer.
        """
        pulse = self._store.pulse()
        if pulse.entries != self._entries:
            self._entries = None  # until all of it was read
            self._records = self._store.records(_PROPOSED | WRITTEN | _APPLIED, limit=_ALL)
            self._begun = self._newest_begun()
            self._open, self._brake = self._store.open_intents(), self._store.brake()
            self._circuits = tuple(circuit for circuit in self._store.circuits() if circuit.is_open)
            self._entries = pulse.entries
        self._leader = pulse.leader

    @property
    def entries(self) -> int:
        """The number of the history's newest entry, as it was read last."""
        return self._entries or 0

    def waiting(self) -> tuple[Record, ...]:
        """The proposals that wait for a person, the newest first."""
        return self._in(_PROPOSED)

    def approved(self) -> tuple[Record, ...]:
        """The recommendations that are to be written, or are being written, the newest first."""
        return self._in(WRITTEN)

    def applied(self) -> tuple[Record, ...]:
        """The recommendations that were written and not read back yet, the newest first."""
        return self._in(_APPLIED)

    def failed(self) -> Record | None:
        """The newest recommendation that was approved, if it ended in failure."""
        return next((record for record in self._begun[:1] if record.state is State.FAILED), None)

    def own(self) -> Record | None:
        """The agent's newest proposal that waits; without one, its newest that was approved, if the policy did that.

        What people propose, such as a rollback, does not count, however new it is.
        """
        waiting, begun = (self._of_the_agent(records) for records in (self.waiting(), self._begun))
        by_policy = begun is not None and begun.approved_by == approval.AUTOPILOT
        return waiting or (begun if by_policy else None)

    def any_expired(self, now: datetime) -> bool:
        """Whether the time of a proposal or approval has passed."""
        return any(approval.expire(record, now) is not None for record in self._records)

    def pause_is_over(self, now: datetime) -> bool:
        """Whether writes are stopped until a time that has passed."""
        return self._brake is not None and self._brake.is_over(now)

    def seen(self) -> tuple[Lease | None, Brake | None, tuple[Record, ...], tuple[Intent, ...]]:
        """Who leads, the newest throw of the kill switch, what waits for a person, and the open writes."""
        return self._leader, self._brake, self.waiting(), self._open

    def open_circuits(self) -> tuple[Circuit, ...]:
        """The breakers of accounts that are open; each stands in the history when it opens and when it closes."""
        return self._circuits

    def _newest_begun(self) -> tuple[Record, ...]:
        """The newest of those that were approved, back to one of the agent's: mostly that is the first."""
        newest = self._store.records(_BEGUN, limit=1)
        theirs = bool(newest) and self._of_the_agent(newest) is None
        return self._store.records(_BEGUN, limit=_FEW) if theirs else newest

    def _of_the_agent(self, records: Iterable[Record]) -> Record | None:
        return next((record for record in records if record.recommendation.author == PROGRAM), None)

    def _in(self, states: frozenset[State]) -> tuple[Record, ...]:
        return tuple(record for record in self._records if record.state in states)
