"""What is due at a moment. Pure: the clock ticks elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from optimizer.plan.office import JobRun, Outcome


@dataclass(frozen=True, slots=True)
class Timetable:
    """When daily jobs are due, and how long one that fails is tried again.

    Attributes:
        at: Times of day; none for never.
        zone: In which they are meant.
        retry: After a failure.
        give_up: After the moment that it was due; then it waits for the next.
    """

    at: tuple[time, ...]
    zone: tzinfo
    retry: timedelta
    give_up: timedelta

    def last_due(self, now: datetime) -> datetime | None:
        """Return the latest moment until now at which the jobs were due, in UTC; None if they never are.

        What was missed while the machine slept is thus made up for once, not once for each time. A time of day that
        the clocks skip falls as much later as they skip; of one that they repeat the first counts.

        Args:
            now: Aware.
        """
        today = now.astimezone(self.zone).date()
        days = (today - timedelta(days=1), today)
        moments = [datetime.combine(day, at, self.zone).astimezone(UTC) for day in days for at in self.at]
        return max((moment for moment in moments if moment <= now), default=None)


def wanted(run: JobRun | None, due: datetime, now: datetime, epoch: int, timetable: Timetable) -> bool:
    """Whether a job should be begun now for a moment at which it was due.

    Args:
        run: What is known of it for that moment.
        due: The moment.
        now: Aware UTC.
        epoch: Of the leader; a run that an older one began was cut off.
        timetable: How long it is tried.
    """
    if run is None:
        return True
    match run.outcome:
        case Outcome.DONE:
            return False
        case Outcome.RUNNING:
            return run.epoch != epoch
        case Outcome.FAILED:
            over = run.ended_at is not None and now >= run.ended_at + timetable.retry
            return over and now < due + timetable.give_up


def given_up(run: JobRun | None, due: datetime, now: datetime, timetable: Timetable) -> bool:
    """Whether a job that failed is not tried again for this moment."""
    return run is not None and run.outcome is Outcome.FAILED and now >= due + timetable.give_up


def settled(ends: Sequence[datetime], now: datetime, settle: timedelta) -> bool:
    """Whether a platform had time to settle since the last of some writes."""
    return bool(ends) and now >= max(ends) + settle
