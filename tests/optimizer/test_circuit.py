"""When an account is called no more, and when again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.plan.circuit import Circuit, Fuse, Happened, step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FUSE = Fuse(3, 5 * MINUTE, 15 * MINUTE)


def after(*happened: Happened, now: datetime = NOON, circuit: Circuit | None = None, call: str = "pull") -> Circuit:
    found = circuit or Circuit("shop")
    for each in happened:
        found = step(found, each, now, FUSE, call, "503")
    return found


def test_it_opens_at_the_last_of_so_many_failures_in_a_row() -> None:
    two = after(Happened.FAILED, Happened.FAILED)
    assert (two.is_open, two.failures) == (False, 2)
    assert after(Happened.FAILED, Happened.FAILED, Happened.WORKED, Happened.FAILED, Happened.FAILED).failures == 2
    three = after(Happened.FAILED, circuit=two)
    assert (three.until, three.wait, three.why) == (NOON + 5 * MINUTE, 5 * MINUTE, "pull: 503")


def test_one_probe_goes_through_after_the_wait_and_a_second_one_does_not() -> None:
    opened = after(*[Happened.FAILED] * 3)
    later = NOON + 5 * MINUTE
    assert opened.rests(later - timedelta(seconds=1))
    assert not opened.rests(later)
    claimed = after(Happened.ASKED, now=later, circuit=opened)
    assert claimed.rests(later + MINUTE)
    assert after(Happened.WORKED, now=later, circuit=claimed) == Circuit("shop")


def test_the_wait_doubles_up_to_its_longest() -> None:
    found, now, waits = after(*[Happened.FAILED] * 3), NOON, []
    for _ in range(4):
        waits.append(found.wait)
        now = found.until
        found = after(Happened.ASKED, Happened.FAILED, now=now, circuit=found)
    assert waits == [5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 15 * MINUTE]


def test_only_what_failed_closes_it_again() -> None:
    two = after(Happened.FAILED, Happened.FAILED)
    assert after(Happened.ASKED, Happened.WORKED, circuit=two, call="accounts") == two
    opened = after(Happened.FAILED, circuit=two)
    later = NOON + 5 * MINUTE
    passed = after(Happened.ASKED, Happened.WORKED, now=later, circuit=opened, call="accounts")
    assert (passed.is_open, passed.rests(later), passed.failures) == (True, False, 3)
    again = after(Happened.ASKED, Happened.FAILED, now=later, circuit=passed)
    assert (again.wait, again.failures) == (10 * MINUTE, 4)
    assert after(Happened.ASKED, Happened.WORKED, now=later, circuit=passed) == Circuit("shop")


def test_to_ask_of_a_closed_circuit_or_of_one_that_rests_changes_nothing() -> None:
    assert after(Happened.ASKED) == Circuit("shop")
    opened = after(*[Happened.FAILED] * 3)
    assert after(Happened.ASKED, now=NOON + MINUTE, circuit=opened) == opened


@given(st.lists(st.tuples(st.sampled_from(Happened), st.integers(0, 40)), max_size=40))
def test_it_never_calls_twice_within_a_wait_and_never_waits_longer_than_its_longest(told: list) -> None:
    found, now, last = Circuit("shop"), NOON, None
    for happened, minutes in told:
        now += minutes * MINUTE
        if happened is not Happened.ASKED:
            found = step(found, happened, now, FUSE, "pull")
            last = now if found.is_open else None
        elif found.is_open and not found.rests(now):
            assert now - last >= FUSE.wait
            found, last = step(found, Happened.ASKED, now, FUSE, "pull"), now
        assert found.wait <= FUSE.longest
        assert found.is_open == (found.wait > timedelta(0)) == (found.failures >= FUSE.failures)


@pytest.mark.parametrize("wrong", [(0, MINUTE, MINUTE), (1, timedelta(0), MINUTE), (1, 2 * MINUTE, MINUTE)])
def test_a_fuse_that_makes_no_sense_is_not_built(wrong: tuple) -> None:
    with pytest.raises(ValueError, match="breaker"):
        Fuse(*wrong)
