"""Faults that meet calls of every kind: throttling, slow answers, credentials that run out."""

from __future__ import annotations

from collections.abc import Callable

from connectors.contract import Connector
from connectors.errors import AskMarketer, RetryLater
from simulations.platform.faults.schedules import Schedule
from simulations.platform.faults.wrapper import Wrapper


class Throttled(Wrapper):
    """The platform turns calls of any kind away for a while.

    Stands for the quotas of every advertising API: so many calls a minute or a day, or HTTP 429.

    Args:
        inner: What is wrapped.
        schedule: Which calls of all methods together are turned away, by `RetryLater`.
        retry_after_seconds: What the platform asks to wait, if it says.
    """

    def __init__(self, inner: Connector, schedule: Schedule, retry_after_seconds: float | None = None) -> None:
        super().__init__(inner, schedule)
        self._wait = retry_after_seconds

    def _on_call(self) -> None:
        if self._spoils():
            raise RetryLater("too many calls; the platform did nothing", retry_after_seconds=self._wait)


class Delayed(Wrapper):
    """Calls of any kind take time before the platform takes them up.

    Stands for slow hours, and for reports that are first made and then fetched. What others do in the meantime comes
    first. An answer that takes too long is another fault: `TimesOutAfterCommit`.

    Args:
        inner: What is wrapped.
        schedule: Which calls of all methods together take time.
        sleep: Lets so many seconds pass: on a real clock, or on one that is set.
        seconds: How long such a call takes.

    Raises:
        ValueError: The seconds are negative.
    """

    def __init__(self, inner: Connector, schedule: Schedule, sleep: Callable[[float], object], seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds}")
        super().__init__(inner, schedule)
        self._sleep = sleep
        self._seconds = seconds

    def _on_call(self) -> None:
        if self._spoils():
            self._sleep(self._seconds)


class TokenExpired(Wrapper):
    """From a scheduled call on the platform takes no call of any kind, until `renew`.

    Stands for a token that ran out, was revoked, or went with the person who had granted it: `AskMarketer`, since
    waiting does not help.
    """

    def __init__(self, inner: Connector, schedule: Schedule) -> None:
        super().__init__(inner, schedule)
        self._expired = False

    def renew(self) -> None:
        """Grant access anew, as the marketer does after being asked."""
        self._expired = False

    def _on_call(self) -> None:
        self._expired = self._spoils() or self._expired
        if self._expired:
            raise AskMarketer(f"{self.name}: the access token has expired", mend="sign in to the platform again.")
