"""What stands in the store that a look decides on, read anew only once the history has grown."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from optimizer import approval
from optimizer.plan.office import Brake, Lease
from optimizer.plan.recommendation import Intent, Record, State
from optimizer.ports import Store

WRITTEN: Final = frozenset({State.APPROVED, State.APPLYING})
"""What is written as soon as it may be."""

_PROPOSED: Final = frozenset({State.PROPOSED})
_APPLIED: Final = frozenset({State.APPLIED})
_MOST: Final = 20  # of each, the newest
_ALL: Final = 1_000_000


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
        self._open: tuple[Intent, ...] = ()
        self._brake: Brake | None = None

    def read(self) -> None:
        """Read what has changed since, if anything has.

        Raises:
            StoreError: The store does not answer.
        """
        pulse = self._store.pulse()
        if pulse.entries != self._entries:
            self._entries = None  # until all of it was read
            self._records = self._store.records(_PROPOSED | WRITTEN | _APPLIED, limit=_ALL)
            self._open, self._brake = self._store.open_intents(), self._store.brake()
            self._entries = pulse.entries
        self._leader = pulse.leader

    def waiting(self) -> tuple[Record, ...]:
        """The newest proposals that wait for a person."""
        return self._in(_PROPOSED)

    def approved(self) -> tuple[Record, ...]:
        """The newest recommendations that are to be written, or are being written."""
        return self._in(WRITTEN)

    def applied(self) -> tuple[Record, ...]:
        """The newest recommendations that were written and not read back yet."""
        return self._in(_APPLIED)

    def any_expired(self, now: datetime) -> bool:
        """Whether the time of a proposal or approval has passed."""
        return any(approval.expire(record, now) is not None for record in self._records)

    def seen(self) -> tuple[Lease | None, Brake | None, tuple[Record, ...], tuple[Intent, ...]]:
        """Who leads, the newest throw of the kill switch, what waits for a person, and the open writes."""
        return self._leader, self._brake, self.waiting(), self._open

    def _in(self, states: frozenset[State]) -> tuple[Record, ...]:
        return tuple(record for record in self._records if record.state in states)[:_MOST]
