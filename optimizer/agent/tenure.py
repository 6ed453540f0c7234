"""This process's right to write: a lease of the store that it takes, renews, proves before each call, and leaves."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from threading import RLock
from typing import Final

from optimizer.plan.office import Lease
from optimizer.ports import Clock, Fenced, Office

LASTS: Final = timedelta(seconds=90)
"""Longer than the longest wait between two looks at a platform, so that whoever writes never loses its lease."""


class Tenure:
    """The lead of one portfolio's store, as far as this process has it.

    Attributes:
        leaving: Set when the process was asked to end: the write in hand is finished, and none is begun after it.
    """

    def __init__(self, office: Office, clock: Clock, holder: str, lasts: timedelta = LASTS) -> None:
        """Take nothing yet.

        Args:
            office: The store.
            clock: Tells when leases end.
            holder: Who this process is, for people to read.
            lasts: Length of a lease; it is renewed at half of that.
        """
        self.leaving = False
        self._office, self._clock, self._holder, self._lasts = office, clock, holder, lasts
        self._lease: Lease | None = None
        self._guard = RLock()  # one thread renews while another writes

    @property
    def epoch(self) -> int | None:
        """The epoch of the lease that is held; None without one."""
        with self._guard:
            return None if self._lease is None else self._lease.epoch

    def take(self) -> bool:
        """Take the lead; False if it is held already, here or elsewhere."""
        with self._guard:
            if self._lease is not None:
                return False
            now = self._clock.now()
            self._lease = self._office.take_lead(self._holder, now, now + self._lasts)
            return self._lease is not None

    def renew(self) -> None:
        """Renew the lease once half of it has passed.

        Raises:
            Fenced: Somebody has taken over; it is held no more.
        """
        with self._guard:
            try:
                self._renewed()
            except Fenced:
                self._lease = None
                raise

    def keep(self) -> None:
        """Renew the lease, if one is held, while another thread is at work for long; for a clock's tick.

        Whoever was overtaken goes on holding the epoch that is fenced off, so that the thread at work learns of it at
        its next step, and not that it needs no epoch.

        Raises:
            StoreError: The store did not answer.
        """
        with self._guard, suppress(Fenced):
            self._renewed()

    def confirm(self) -> None:
        """Ask the store, right before a call to a platform, whether it may be made.

        Raises:
            Fenced: Somebody has taken over.
            Braked: The kill switch is on.
        """
        with self._guard:
            if self._lease is None:
                raise Fenced("this process does not lead any more")
            self._office.may_send(self._lease.epoch)

    def _renewed(self) -> None:
        if self._lease is None:
            raise Fenced("this process does not lead any more")
        now = self._clock.now()
        if self._lease.until - now <= self._lasts / 2:
            self._lease = self._office.renew_lead(self._lease, now + self._lasts)

    def leave(self) -> None:
        """Give the lead up; may be called twice."""
        with self._guard:
            lease, self._lease = self._lease, None
        if lease is not None:
            self._office.leave_lead(lease, self._clock.now())
