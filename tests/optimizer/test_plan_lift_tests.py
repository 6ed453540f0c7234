"""Lift tests as values: what is asked for on a day, and what cannot be promised."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.money import Money
from optimizer.plan.canonical import content_hash, from_json, to_json
from optimizer.plan.lift_tests import (
    Base,
    Holdout,
    LiftEnd,
    LiftReading,
    LiftRecord,
    LiftTestError,
    Switchback,
)

START = date(2026, 3, 2)
HIGH = (True, False, False, True, True, False, False, True)
PLAN = Switchback(
    "Brand", "search", None, (Base("shop/shop/1", Money.of(100, "EUR")),), START, 3, 1, HIGH, 0.8, 1.0, settle_days=2
)
READING = LiftReading(START, START + timedelta(days=23), 2400.0, 600.0, 30.0, 10.0, 12.0, 48.0, 0.9, 60.0, 5.0)


def test_the_days_of_a_switchback_follow_its_blocks_and_end_at_the_base() -> None:
    levels = [phase and phase.level for d in range(-1, 27) for phase in [PLAN.phase(START + timedelta(days=d))]]
    assert levels == [None, *[1.0] * 3, *[0.8] * 6, *[1.0] * 6, *[0.8] * 6, *[1.0] * 3, 1.0, 1.0, None]
    second = PLAN.phase(START + timedelta(days=4))
    assert second is not None
    assert second.words == "lift test Brand: low, days 4 to 6 of 24"
    after = PLAN.phase(PLAN.last_day + timedelta(days=1))
    assert after is not None
    assert "back to 100" in after.words


@given(st.integers(-3, 40), st.integers(-3, 40))
def test_from_the_day_it_is_stopped_budgets_go_back_and_then_are_free(stop: int, day: int) -> None:
    stopped, now = START + timedelta(days=stop), START + timedelta(days=day)
    phase, whole = PLAN.phase(now, stopped), PLAN.phase(now)
    end = min(stopped, PLAN.last_day + timedelta(days=1))
    if stopped < START:
        assert phase is None
    elif now < end:
        assert phase == whole
    elif end <= now < end + timedelta(days=PLAN.settle_days) and now >= START:
        assert phase is not None
        assert phase.level == 1.0
    else:
        assert phase is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "name"),
        ({"bases": ()}, "one or more budgets"),
        ({"bases": (Base("a", Money.of(0, "EUR")),)}, "above zero"),
        ({"burn_in": 3}, "burn_in"),
        ({"high": HIGH[:6]}, "4 to 14 pairs"),
        ({"high": (True, True, *HIGH[2:])}, "one is high and one low"),
        ({"lower": 1.0}, "levels"),
        ({"lower": -0.1}, "levels"),
        ({"settle_days": 0}, "settle_days"),
    ],
)
def test_a_switchback_that_cannot_be_is_told_so(change: dict[str, object], words: str) -> None:
    with pytest.raises(LiftTestError, match=words):
        replace(PLAN, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"last_day": START - timedelta(days=1)}, "before it begins"), ({"test": ("b",)}, "none in both"),
     ({"change": 0.0}, "change"), ({"change": -1.2}, "change")],
)  # fmt: skip
def test_a_holdout_that_cannot_be_is_told_so(change: dict[str, object], words: str) -> None:
    plan = Holdout("Brand", "search", None, START, START + timedelta(days=20), ("a",), ("b", "c"))
    with pytest.raises(LiftTestError, match=words):
        replace(plan, **change)  # type: ignore[arg-type]


def test_plans_survive_json_and_records_hold_their_hash() -> None:
    at = datetime(2026, 3, 1, 6, tzinfo=UTC)
    end = LiftEnd("L-1", at, date(2026, 3, 1), "ann", "read", READING, "0" * 64)
    record = LiftRecord("L-1", PLAN, content_hash(PLAN), at, "ann", "0.1", end)
    assert from_json(Switchback, to_json(PLAN)) == PLAN
    assert from_json(LiftReading, to_json(READING)) == READING
    assert record.ended_by(at) == end
    assert record.ended_by(at - timedelta(seconds=1)) is None
    with pytest.raises(ValueError, match="hash is another"):
        replace(record, plan=replace(PLAN, lower=0.7))
    with pytest.raises(ValueError, match="no digest"):
        replace(end, evidence="")
    with pytest.raises(ValueError, match="why"):
        replace(end, reason=" ")


@pytest.mark.parametrize("change", [{"se": 0.0}, {"spend_change": 0.0}, {"low": 50.0}, {"claimed": None, "level": 1.0}])
def test_a_reading_that_cannot_be_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="reading"):
        replace(READING, **change)  # type: ignore[arg-type]
    assert READING.found
    assert not replace(READING, low=-1.0).found
