"""A running lift test in plans: its block's budgets through every guard, nothing to the others, and back at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer import guardrails
from optimizer.decide import decide
from optimizer.goals import Goals, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan import under_test
from optimizer.plan.lift_tests import Base, LiftEnd, LiftReading, LiftRecord, Switchback
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.recommendation import Decision, content_hash
from optimizer.plan.snapshot import Snapshot
from tests.optimizer.snapshots import NOW, TODAY, snapshot

GUARDS = Guardrails()
GOALS = Goals("EUR")
KNOWN = snapshot()
FIRST = KNOWN.targets[0]
HIGH = (False, True) * 4


def record(first_day: date = TODAY, end: LiftEnd | None = None, base: Money | None = None) -> LiftRecord:
    bases = (Base(str(FIRST.key), base or FIRST.budget.amount),)
    plan = Switchback("brand", FIRST.channel, None, bases, first_day, 3, 1, HIGH, 0.8, 1.0, settle_days=2)
    return LiftRecord("L-1", plan, content_hash(plan), NOW - timedelta(days=60), "ann", "0.1", end)


def with_tests(*records: LiftRecord, amount: Money | None = None) -> Snapshot:
    targets = list(KNOWN.targets)
    if amount is not None:
        targets[0] = replace(FIRST, budget=replace(FIRST.budget, amount=amount))
    return replace(KNOWN, lift_tests=records, targets=tuple(targets))


def decided(known: Snapshot, goals: Goals = GOALS, guards: Guardrails = GUARDS) -> Decision:
    return decide(known, goals, guards, NOW, np.random.default_rng(1))


def of_first(decision: Decision) -> Money:
    return next(line.proposed for line in decision.lines if line.key == FIRST.key)


def times(level: float) -> Money:
    return Money(round(FIRST.budget.amount.micros * level), "EUR").quantize(FIRST.budget.quantum_micros, "down")


def stay(guards: Guardrails = GUARDS) -> Guardrails:
    """Guards that ask for so much gain that nothing but a test moves."""
    return replace(guards, min_gain_share=1.0, min_gain_probability=1.0)


def test_a_low_block_takes_the_budget_down_and_gives_others_nothing() -> None:
    decision = decided(with_tests(record()), guards=stay())
    assert of_first(decision) == times(0.8)
    assert [line.proposed for line in decision.lines if line.key != FIRST.key] == [
        line.current for line in decision.lines if line.key != FIRST.key
    ]
    told = next(finding for finding in decision.findings if finding.code == "lift-test")
    assert "low, days 1 to 3 of 24" in told.message
    line = next(line for line in decision.lines if line.key == FIRST.key)
    assert [why.name for why in line.bindings if "lift test brand: low, days 1 to 3 of 24" in why.words] == [
        "lift-test"
    ]


def test_the_others_have_the_same_in_low_and_in_high_blocks() -> None:
    sums = []
    for first_day, amount in ((TODAY, None), (TODAY - timedelta(days=3), times(0.8))):
        decision = decided(with_tests(record(first_day), amount=amount))
        sums.append(sum(line.proposed.micros for line in decision.lines if line.key != FIRST.key))
    assert sums[0] == pytest.approx(sums[1], rel=1e-3)


def test_a_high_block_after_a_low_one_goes_up_though_the_total_is_not_set() -> None:
    known = with_tests(record(TODAY - timedelta(days=3)), amount=times(0.8))
    decision = decided(known, guards=stay())
    assert of_first(decision) == FIRST.budget.amount


def test_after_the_end_and_after_a_stop_the_budget_is_put_back() -> None:
    for one in (
        record(TODAY - timedelta(days=24)),
        record(TODAY - timedelta(days=1), LiftEnd("L-1", NOW, TODAY, "ann", "enough")),
    ):
        decision = decided(with_tests(one, amount=times(0.8)), guards=stay())
        assert of_first(decision) == FIRST.budget.amount


def test_before_it_begins_and_after_it_has_settled_nothing_is_asked() -> None:
    for first_day in (TODAY + timedelta(days=1), TODAY - timedelta(days=26)):
        assert under_test.asked(with_tests(record(first_day))) == {}
        assert decided(with_tests(record(first_day))).lines == decided(KNOWN).lines


def test_every_guard_goes_before_the_test() -> None:
    known = with_tests(record())
    pinned = replace(GOALS, pins=(Pin(Scope.parse(f"budget:{FIRST.budget.budget_id}"), "ann", "no"),))
    assert of_first(decided(known, pinned, stay())) == FIRST.budget.amount
    small = replace(GOALS, largest_step=0.1)
    assert of_first(decided(known, small, stay())) == times(0.9)
    floor = replace(GOALS, limits=(Limit(Scope.parse(f"budget:{FIRST.budget.budget_id}"), floor=times(0.95)),))
    assert of_first(decided(known, floor, stay())) == times(0.95)
    room = guardrails.room(known, small, GUARDS, NOW)
    assert room.lower[0] == room.upper[0] == times(0.9).micros / 1e6


def test_a_total_leaves_room_for_the_high_blocks() -> None:
    whole = Money(sum(target.budget.amount.micros for target in KNOWN.targets), "EUR")
    low = under_test.ceiling(with_tests(record()), whole)
    assert low == whole - FIRST.budget.amount + times(0.8)
    assert under_test.ceiling(with_tests(record(TODAY - timedelta(days=3))), whole) == whole
    assert under_test.ceiling(with_tests(record()), None) == low
    assert under_test.ceiling(KNOWN, whole) == whole


def test_the_same_snapshot_gives_the_same_plan_and_another_test_another_digest() -> None:
    known = with_tests(record())
    assert decided(known) == decided(known)
    assert known.digest() != with_tests(record(TODAY - timedelta(days=1))).digest()


def reading(claimed: float | None) -> LiftReading:
    last = TODAY - timedelta(days=5)
    return LiftReading(last - timedelta(days=23), last, 800.0, 200.0, 5.0, 4.0, -2.0, 12.0, 0.9, claimed, 2.0)


def marks(known: Snapshot) -> list[str]:
    return [finding.message for finding in decided(known).findings if finding.code == "overclaimed"]


def test_what_claims_more_than_its_test_found_is_marked() -> None:
    def ended(claimed: float | None) -> Snapshot:
        at = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(days=1)
        end = LiftEnd("L-1", at, at.date(), "ann", "read", reading(claimed), "0" * 64)
        return with_tests(record(TODAY - timedelta(days=28), end))

    assert any("claims more than it brings" in message for message in marks(ended(60.0)))
    assert marks(ended(6.0)) == marks(ended(None)) == []


def test_a_channel_is_marked_by_its_priors() -> None:
    def believed(mean: float) -> Snapshot:
        prior = ChannelPrior(FIRST.channel, Spread(0.0, 0.9), Spread(0.3, 0.6), None, Spread(mean, 0.2))
        return replace(KNOWN, priors=ResponsePriors(NOW - timedelta(days=1), "m/1", (prior,)))

    (message,) = marks(believed(np.log(0.3)))
    assert message.startswith(f"{FIRST.channel} claims more than it brings, with a probability of 100%")
    assert marks(believed(-0.1)) == []
