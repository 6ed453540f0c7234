"""Waiting as asked, spending few calls, and watching a version's sunset."""

from datetime import UTC, date, datetime, timedelta

import pytest
import stamina

from connectors.errors import AskMarketer, RetryLater, Stop
from connectors.manners import Pace, Quota, TokenRefused, Version, once_anew, patiently, stretches


@pytest.fixture(autouse=True)
def _without_waiting():
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


def _failing(times, error):
    left = [error] * times

    def call():
        if left:
            raise left.pop()
        return "read"

    return call


def test_a_read_is_made_again():
    assert patiently(_failing(3, RetryLater("busy", retry_after_seconds=0.01))) == "read"


def test_it_ends_with_the_error_that_it_met():
    with pytest.raises(RetryLater, match="busy"):
        patiently(_failing(9, RetryLater("busy")))


def test_nobody_waits_for_what_is_too_far_away():
    calls = []

    def call():
        calls.append(1)
        raise RetryLater("come back tomorrow", retry_after_seconds=3_600)

    with pytest.raises(RetryLater, match="tomorrow"):
        patiently(call)
    assert len(calls) == 1


@pytest.mark.parametrize(("refusals", "told"), [(0, "read"), (1, "read")])
def test_a_read_whose_token_was_refused_is_made_once_anew(refusals, told):
    assert once_anew(_failing(refusals, TokenRefused("expired", mend="sign in again"))) == told


def test_a_token_that_is_refused_twice_asks_the_marketer():
    with pytest.raises(AskMarketer, match="sign in again"):
        once_anew(_failing(2, TokenRefused("expired", mend="sign in again")))
    with pytest.raises(AskMarketer, match="no role"):
        once_anew(_failing(1, AskMarketer("no role", mend="give one")))  # another token would not help


def test_what_cannot_help_is_not_repeated():
    with pytest.raises(Stop):
        patiently(_failing(1, Stop("no")))


def test_a_day_has_so_many_calls():
    now = [datetime(2025, 3, 3, 22, tzinfo=UTC)]
    quota = Quota(3, lambda: now[0], "google")
    quota.spend(2)
    with pytest.raises(RetryLater, match="the 3 calls of today are spent") as met:
        quota.spend(2)
    assert met.value.retry_after_seconds == 7_200
    quota.spend()
    assert quota.spent == 3
    now[0] += timedelta(hours=2)
    assert quota.spent == 0
    quota.spend(3)


def test_any_number_of_calls_is_counted():
    quota = Quota(None, lambda: datetime(2025, 3, 3, tzinfo=UTC), "files")
    quota.spend(10_000)
    assert quota.spent == 10_000


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2025, 1, 1), None),
        (date(2025, 10, 20), "ends on 2025-12-31, in 72 days"),
        (date(2026, 1, 1), "ended on 2025-12-31"),
    ],
)
def test_a_sunset_is_told_in_time(today, words):
    warning = Version("v26", date(2025, 12, 31)).warning(today)
    assert warning is None if words is None else words in warning


def test_a_version_without_a_sunset_has_nothing_to_tell():
    assert Version("v26").warning(date(2025, 1, 1)) is None


def test_stretches_cover_each_day_once():
    cut = list(stretches(date(2025, 1, 1), date(2025, 1, 10), 4))
    assert cut == [
        (date(2025, 1, 1), date(2025, 1, 4)),
        (date(2025, 1, 5), date(2025, 1, 8)),
        (date(2025, 1, 9), date(2025, 1, 10)),
    ]
    assert list(stretches(date(2025, 1, 2), date(2025, 1, 1), 4)) == []
    with pytest.raises(ValueError, match="at least one day"):
        list(stretches(date(2025, 1, 1), date(2025, 1, 2), 0))


def test_calls_come_no_faster_than_they_may():
    now, made = [0.0], []

    def sleep(seconds):
        now[0] += seconds

    pace = Pace(3, 60.0, clock=lambda: now[0], sleep=sleep)
    for _ in range(8):
        pace.wait()
        made.append(now[0])
        now[0] += 1.0
    assert made == [0.0, 1.0, 2.0, 60.0, 61.0, 62.0, 120.0, 121.0]
