"""When jobs are due: clocks that skip and repeat hours, machines that slept, jobs that fail."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.agent.daemon.agenda import Timetable, given_up, settled, wanted
from optimizer.plan.office import JobRun, Outcome

DUE = datetime(2026, 3, 2, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def table(*times, zone="UTC"):
    return Timetable(tuple(map(time.fromisoformat, times)), ZoneInfo(zone), HOUR / 4, 6 * HOUR)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "at", "now", "due"),
    [
        ("UTC", "06:00", "2026-03-02 06:00", "2026-03-02 06:00"),
        ("UTC", "06:00", "2026-03-02 05:59", "2026-03-01 06:00"),
        ("Asia/Tokyo", "06:00", "2026-03-01 21:00", "2026-03-01 21:00"),
        ("Europe/Berlin", "02:30", "2026-03-29 01:30", "2026-03-29 01:30"),  # skipped: an hour later by the clock
        ("Europe/Berlin", "02:30", "2026-03-29 01:29", "2026-03-28 01:30"),
        ("Europe/Berlin", "02:30", "2026-10-25 02:00", "2026-10-25 00:30"),  # repeated: the first counts
        ("America/New_York", "23:00", "2026-02-28 20:00", "2026-02-28 04:00"),
        ("UTC", "00:00", "2028-02-29 00:00", "2028-02-29 00:00"),
    ],
)
def test_the_last_moment_at_which_a_job_was_due(zone, at, now, due):
    assert table(at, zone=zone).last_due(utc(now)) == utc(due)


def test_of_several_times_the_latest_counts_and_without_any_nothing_is_due():
    assert table("06:00", "18:00").last_due(utc("2026-03-02 19:00")) == utc("2026-03-02 18:00")
    assert table().last_due(DUE) is None


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]),
    st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None)),
)
def test_something_was_due_within_25_hours_and_looking_again_finds_the_same(now, zone, at):
    due = table(at.isoformat(), zone=zone).last_due(now)
    assert timedelta(0) <= now - due <= timedelta(hours=25)
    assert table(at.isoformat(), zone=zone).last_due(due) == due


def run(outcome, ended=None, epoch=3):
    return JobRun("pull", DUE, epoch, 1, DUE, outcome, None if ended is None else DUE + ended)


@pytest.mark.parametrize(
    ("known", "after", "begins"),
    [
        (None, timedelta(0), True),
        (None, timedelta(hours=23), True),  # the machine slept: made up for
        (run(Outcome.DONE, HOUR), HOUR, False),
        (run(Outcome.RUNNING), HOUR, False),
        (run(Outcome.RUNNING, epoch=2), HOUR, True),  # cut off with its process
        (run(Outcome.FAILED, HOUR), HOUR + timedelta(minutes=14), False),
        (run(Outcome.FAILED, HOUR), HOUR + timedelta(minutes=15), True),
        (run(Outcome.FAILED, 5 * HOUR), 6 * HOUR, False),
    ],
)
def test_whether_a_job_begins(known, after, begins):
    assert wanted(known, DUE, DUE + after, 3, table("06:00")) is begins


def test_a_job_is_given_up_after_so_long_if_it_failed():
    assert given_up(run(Outcome.FAILED, HOUR), DUE, DUE + 6 * HOUR, table())
    assert not given_up(run(Outcome.FAILED, HOUR), DUE, DUE + 5 * HOUR, table())
    assert not given_up(run(Outcome.DONE, HOUR), DUE, DUE + 9 * HOUR, table())
    assert not given_up(None, DUE, DUE + 9 * HOUR, table())


def test_a_platform_settles_after_its_last_write():
    assert settled([DUE, DUE + HOUR], DUE + 2 * HOUR, HOUR)
    assert not settled([DUE, DUE + HOUR], DUE + 1.9 * HOUR, HOUR)
    assert not settled([], DUE, HOUR)
