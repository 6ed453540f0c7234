"""What a store refuses, and why; each message names the mend."""

from __future__ import annotations

from datetime import date, datetime

from connectors.contract import Series
from optimizer.plan.office import Brake
from optimizer.plan.record import Record, State


class StoreError(Exception):
    """The store cannot do what was asked; the message names the mend."""


class StoreGone(StoreError):  # noqa: N818
    """The database that was opened is not there any more.

    Attributes:
        replaced: Whether another one stands in its place.
    """

    def __init__(self, name: str, *, replaced: bool) -> None:
        what = "was replaced by another file" if replaced else "is gone"
        mend = (
            "it is opened anew"
            if replaced
            else "put it back, or restore a backup (`outlay db restore`); it is not begun anew while this runs"
        )
        super().__init__(f"{name} {what} while it was open: nothing is written. Mend: {mend}")
        self.replaced = replaced


class ConflictingRows(StoreError):  # noqa: N818 - it is the rows that conflict
    """One ingest stated two different values for one series and day; nothing of it was kept.

    Attributes:
        series, day: The key with two values.
    """

    def __init__(self, series: Series, day: date) -> None:
        super().__init__(f"two different rows for {series} on {day} in one reading; nothing was stored")
        self.series = series
        self.day = day


class StateConflict(StoreError):  # noqa: N818
    """A record or intent was no longer in the state that the step started from: somebody else was first."""


class ApprovalStands(StateConflict):
    """Another recommendation was approved, by one person of two at least: no new plan takes its place unasked."""

    @classmethod
    def of(cls, record: Record) -> ApprovalStands:
        """Say of which recommendation, and what it waits for."""
        waits = "for a second person" if record.state is State.PROPOSED else "to be written"
        return cls(f"{record.recommendation.rec_id} is approved and waits {waits}: no other plan is made")


class Fenced(StateConflict):
    """Another process has taken over the lead since; what this one was about to do is not done."""


class Braked(StateConflict):
    """The kill switch is on: nothing is sent until a person resumes.

    Attributes:
        brake: Who stopped writes, when and why.
    """

    def __init__(self, brake: Brake) -> None:
        super().__init__(f"writes are paused {brake}")
        self.brake = brake


class NotOwned(StoreError):  # noqa: N818
    """The database is another portfolio's, whose plans and approvals are not to be mixed with those of this one.

    Attributes:
        owner: Whose it is.
    """

    def __init__(self, owner: str, name: str) -> None:
        super().__init__(
            f"[store] url: the database is that of the portfolio {owner!r}, and this one is {name!r} by "
            "[portfolio] name: nothing is read into it, decided or written. Mend: name a database of its own; or, if "
            f"this is {owner!r} by a new name, say so with `outlay db rename`"
        )
        self.owner = owner


class ClockWentBack(StoreError):  # noqa: N818
    """The clock says an earlier time than what was written last: no guard that counts hours can be trusted.

    Attributes:
        now: What the clock says.
        written: When the last entry of the history was written, by the clock of then.
    """

    def __init__(self, now: datetime, written: datetime) -> None:
        super().__init__(
            f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the history was last written at "
            f"{written:%Y-%m-%d %H:%M:%S} UTC: nothing is read, decided or written. Mend: set this machine's clock; "
            "if it is right now and was wrong then, say so with `outlay resume`, which takes the present time for true"
        )
        self.now = now
        self.written = written


class NotFound(StoreError):  # noqa: N818
    """There is no such recommendation, experiment or user."""
