"""The doors to what is not stored: people who are told, calls that may be lost, the clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol


class NotTold(Exception):  # noqa: N818 - it is people who were not
    """A message did not reach all whom it was for; to be tried again, and never a reason to stop.

    Attributes:
        addresses: The numbers of those that were not reached, counted from 1.
    """

    def __init__(self, addresses: Sequence[int], table: str = "[notify]") -> None:
        named = ", ".join(map(str, addresses))
        super().__init__(f"no message reached address {named} of {table}; check it with `outlay doctor`")
        self.addresses = tuple(addresses)


class Notifier(Protocol):
    """Tells people that something waits for them; a link to the recommendation, never an approval by itself."""

    def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
        """Send one message.

        Args:
            title: In a line.
            body: The rest.
            about: The id of the recommendation that it is about.
            page: An HTML page to be attached, where the service takes files.

        Raises:
            NotTold: Somebody was not reached. To tell the same again reaches those only.
        """
        ...


class CallLost(RuntimeError):  # noqa: N818 - it is the call that was lost
    """A job took too long, or whoever did it was lost; the message says which, with the mend."""


class CallRaised(RuntimeError):  # noqa: N818 - it is the call that raised
    """A job raised an error, which is a defect; the cause or a note tells where."""


class Call(Protocol):
    """How a pure function is applied to one job: in this process, or in another that knows nothing but its job.

    What is raised is the same in both.
    """

    def __call__[J, R](self, do: Callable[[J], R], job: J) -> R:
        """Return what the function makes of the job.

        Args:
            do: A function of a module.
            job: A value that can be pickled and holds no secret. What comes back is plain: text, numbers, bytes, and
                tuples, lists and dictionaries of these.

        Raises:
            CallRaised: The job raised.
            CallLost: It was not done, for no fault of its own.
        """
        ...


class Clock(Protocol):
    """Now, in UTC; the agent's only source of time."""

    def now(self) -> datetime:
        """Return an aware UTC datetime."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
