"""When writes may be sent."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.approval import Code, Window, closed, next_opening


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        ("mon-fri 08:00-18:00", "2026-03-02 08:00", True),  # a Monday
        ("mon-fri 08:00-18:00", "2026-03-02 07:59", False),
        ("mon-fri 08:00-18:00", "2026-03-02 18:00", False),
        ("mon-fri 08:00-18:00", "2026-03-01 12:00", False),
        ("sat-mon 08:00-18:00", "2026-03-01 12:00", True),
        ("sun 00:00-24:00", "2026-03-01 23:59", True),
        ("22:00-04:00", "2026-03-02 03:59", True),
        ("fri 22:00-04:00", "2026-02-28 03:59", True),  # Saturday morning
        ("fri 22:00-04:00", "2026-02-27 03:59", False),  # Friday morning
        ("Mon 09:00-10:00", "2026-03-02 09:30", True),
    ],
)
def test_a_window_is_open(window, moment, is_open):
    assert Window.parse(window).holds(at(moment)) is is_open
    refusal = closed((Window.parse(window),), "UTC", at(moment))
    assert (refusal is None) is is_open
    assert refusal is None or refusal.code is Code.WINDOW


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("always", "is no window"),
        ("mon 8-18", "is no window"),
        ("moo 08:00-18:00", "'moo' is no day"),
        ("08:00-08:00", "opens and closes at once"),
        ("08:00-25:00", "25:00 is no time of day"),
        ("08:61-09:00", "08:61 is no time of day"),
    ],
)
def test_what_is_no_window_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Window.parse(text)


def test_without_windows_writes_may_always_be_sent():
    assert closed((), "Europe/Berlin", at("2026-03-01 03:00")) is None


def test_the_refusal_says_when_it_opens_in_the_portfolios_zone():
    refusal = closed((Window.parse("mon-fri 08:00-18:00"),), "America/New_York", at("2026-03-06 23:30"))
    assert "It is Fri 18:30 in America/New_York" in refusal.message
    assert "Mon 08:00" in refusal.mend


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(["mon-fri 08:00-18:00", "22:00-04:00", "sun 01:30-02:30"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]),
)
def test_the_next_opening_is_later_and_open_unless_the_clocks_skip_it(now, text, zone):
    window = Window.parse(text)
    opening = next_opening((window,), zone, now)
    assert opening > now
    assert window.holds(opening)
