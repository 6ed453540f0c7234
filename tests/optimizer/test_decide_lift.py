"""A running lift test in plans: its block's budgets through every guard, nothing to the others, and back at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer import guardrails
from optimizer.decide import decide, paces
from optimizer.goals import Flight, Goals, Limit, Pin, Scope
from optimizer.goals import of_day as goals_of_day
from optimizer.guardrails import Guardrails
from optimizer.plan import under_test
from optimizer.plan.canonical import content_hash
from optimizer.plan.flights import DayOfFlight
from optimizer.plan.lift_tests import Base, LiftEnd, LiftReading, LiftRecord, Switchback
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.recommendation import Decision, Severity
from optimizer.plan.snapshot import BudgetMove, Snapshot
from optimizer.plan.under_test import Leave
from tests.optimizer.snapshots import NOW, TODAY, snapshot

GUARDS = Guardrails()
GOALS = Goals("EUR")
KNOWN = snapshot()
FIRST = KNOWN.targets[0]
HIGH = (False, True) * 4
BRAND = Pin(Scope.parse("campaign:brand"), "ann", "no")


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


def test_a_total_below_what_tests_ask_for_stands_and_is_told() -> None:
    low, high = with_tests(record()), with_tests(record(TODAY - timedelta(days=3)), amount=times(0.8))
    for known, asked, amount in ((low, 160, 150), (high, 200, 180)):
        small = Money.of(amount, "EUR")
        assert under_test.ceiling(known, small) == small
        made = decided(known, Goals("EUR", total=small))
        (finding,) = [each for each in made.findings if each.severity is Severity.BLOCK]
        words = f"{asked}.00 EUR, and all budgets together may be no more than {amount}.00 EUR"
        assert finding.code == "lift-test-total"
        assert words in finding.message
        assert not made.moves
    assert "lift-test-total" not in [each.code for each in decided(low).findings]


def test_what_a_test_does_not_get_is_not_held_against_the_total() -> None:
    known = with_tests(record(TODAY - timedelta(days=3)), amount=times(0.4))
    pinned = decided(known, Goals("EUR", total=Money.of(180, "EUR"), pins=(BRAND,)))
    assert [finding for finding in pinned.findings if finding.severity is Severity.BLOCK] == []
    assert of_first(pinned) == times(0.4)


# Beside flights


def leave(today: float, low: float = 0.0, high: float = 1_000.0) -> Leave:
    """The same of each budget."""
    return Leave(*(np.full(len(KNOWN.targets), side) for side in (today, low, high)))


def test_what_a_test_withholds_is_known_for_the_days_to_come() -> None:
    """On day 2: days 2 and 3 are low, 4 to 6 high, 7 low again; somebody has set 150 of 200, and 160 is asked for."""
    known = with_tests(record(TODAY - timedelta(days=1)), amount=Money.of(150, "EUR"))
    found = under_test.withheld(known, {0, 1}, 6, leave(160))
    assert found.now == 50.0
    assert found.days.tolist() == [40.0, 40.0, 0.0, 0.0, 0.0, 40.0]
    assert not under_test.withheld(known, {1}, 6, leave(160)).days.any()
    assert not under_test.withheld(KNOWN, {0}, 6, leave(160)).days.any()


def test_what_goes_before_a_test_is_not_withheld() -> None:
    known = with_tests(record(TODAY - timedelta(days=1)))
    # A step lets the budget go no further than 180 today.
    assert under_test.withheld(known, {0}, 4, leave(180)).days.tolist() == [20.0, 40.0, 0.0, 0.0]
    # A limit lets it be no less than 190, no more than 170, and a pin no other than 200, on any day.
    assert under_test.withheld(known, {0}, 4, leave(190, low=190)).days.tolist() == [10.0, 10.0, 0.0, 0.0]
    assert under_test.withheld(known, {0}, 4, leave(160, high=170)).days.tolist() == [10.0, 10.0, 0.0, 0.0]
    assert not under_test.withheld(known, {0}, 4, leave(200, low=200, high=200)).days.any()


def flown(scope: str, amount: float, **more: object) -> Goals:
    """Goals of one flight that may be spent evenly: no platform spends more than a budget, and any may be cut."""
    flight = Flight(
        "month", Scope.parse(scope), Money.of(str(amount), "EUR"), daily_slack=1.0, month_end_slack=1.0, **more
    )  # type: ignore[arg-type]
    return Goals("EUR", flights=(flight,), largest_cut=1.0)


def days_of(goals: Goals, count: int) -> list[Decision]:
    """The plans of the first days of the test, each from the budgets of the one before."""
    made: list[Decision] = []
    known = with_tests(record())
    for ahead in range(count):
        known = replace(known, lift_tests=(record(TODAY - timedelta(days=ahead)),))
        made.append(decided(known, goals))
        proposed = {line.key: line.proposed for line in made[-1].lines}
        targets = tuple(
            replace(target, budget=replace(target.budget, amount=proposed[target.key])) for target in known.targets
        )
        known = replace(known, targets=targets)
    return made


def others(decision: Decision, *names: str) -> float:
    return sum(line.proposed.micros for line in decision.lines if line.name in names) / 1e6


def test_low_days_beside_a_flight_of_others_take_nothing_from_the_rest() -> None:
    """Days 1 to 3 are low, day 4 is high; prospecting and retargeting are in no flight, and have 270."""
    made = days_of(flown("campaign:generic", 3_100.0), 4)
    assert [of_first(day) for day in made] == [times(0.8)] * 3 + [FIRST.budget.amount]
    # Up to 3% of the flight's 110 a day may go to others.
    assert all(270 - 0.05 <= others(day, "prospecting", "retargeting") <= 274 for day in made)


@pytest.mark.parametrize("first_day", [TODAY, TODAY - timedelta(days=3)])
def test_the_total_beside_a_flight_of_others_has_what_the_test_asks_for(first_day: date) -> None:
    given = DayOfFlight("m", "campaign:generic", TODAY, TODAY, times(1), times(1), Money.of(130, "EUR"), "")
    known = with_tests(record(first_day), amount=times(0.8))
    daily = goals_of_day(GOALS, [given], known)
    assert daily.total == Money.of(130 + 270, "EUR") + (times(0.8) if first_day == TODAY else times(1.0))


def test_a_flight_of_all_gives_others_the_same_in_low_and_in_high_blocks() -> None:
    goals = flown("all", 17_000.0)
    pair = [
        decided(with_tests(record(first_day), amount=amount), goals)
        for first_day, amount in ((TODAY, None), (TODAY - timedelta(days=3), times(0.8)))
    ]
    assert [of_first(decision) for decision in pair] == [times(0.8), times(1.0)]
    low, high = (others(decision, "generic", "prospecting", "retargeting") for decision in pair)
    # Three low days that are over withhold nothing any more: the days left have 120 / 30 less each.
    assert high == pytest.approx(low - 4.0, abs=1.0)
    for decision in pair:
        (day,) = decision.flights
        assert decision.envelopes[0].ceiling == day.due
        assert sum(line.proposed.micros for line in decision.lines) == pytest.approx(day.due.micros, rel=0.01)


@pytest.mark.parametrize(
    ("pins", "guards", "low"), [((BRAND,), GUARDS, 1.0), ((), replace(GUARDS, largest_step_24h=0.1), 0.9)]
)
def test_a_flight_counts_on_what_a_test_gets(pins: tuple[Pin, ...], guards: Guardrails, low: float) -> None:
    goals = replace(flown("all", 17_000.0), pins=pins)
    pair = [decided(with_tests(record(first)), goals, guards) for first in (TODAY, TODAY - timedelta(days=3))]
    assert [of_first(decision) for decision in pair] == [times(low), times(1.0)]
    first, then = (others(decision, "generic", "prospecting", "retargeting") for decision in pair)
    assert then == pytest.approx(first, abs=5.0)
    words = "a lift test takes 20.00" if low < 1.0 else "a lift test"
    assert (words in pair[0].flights[0].words) == (low < 1.0)


@pytest.mark.parametrize("level", [0.8, 1.0])
def test_a_tested_budget_that_is_held_where_it_is_moves_the_others_no_more_than_one_that_is_not(level: float) -> None:
    goals, names = flown("all", 17_000.0), ("generic", "prospecting", "retargeting")
    known = with_tests(record(), amount=times(level))
    move = BudgetMove(FIRST.key, NOW - timedelta(hours=2), times(level), times(level))
    held = decided(replace(known, moves=(move,)), goals)
    assert of_first(held) == times(level)
    assert others(held, *names) == pytest.approx(others(decided(known, goals), *names), abs=4.0)
    # A hand may set what the test asks for, and nothing else.
    hand = decide(known, goals, GUARDS, NOW, np.random.default_rng(1), {FIRST.key: times(0.8)})
    assert hand.flights == decided(known, goals).flights


def test_a_flight_of_all_that_ends_in_a_low_block_is_spent_by_the_days_before() -> None:
    """Days 1 to 3 are low, days 4 to 6 high, days 7 to 9 low; on a low day 40 less is asked of the tested budget."""
    wanted = flown("all", 4_500.0, first_day=TODAY, last_day=TODAY + timedelta(days=8))
    (pace,), (plain,) = (paces(known, wanted, GUARDS, NOW, ()) for known in (with_tests(record()), KNOWN))
    assert pace.plan.reaches
    assert pace.plan.spend.sum() + pace.plan.over == pytest.approx(4_500.0, rel=1e-6)
    withheld = np.array([1, 1, 1, 0, 0, 0, 1, 1, 1]) * 40.0
    # All days together have what the low ones leave; the last two are held back by what must not be overspent.
    assert (plain.plan.budget - pace.plan.budget)[:7] == pytest.approx((withheld - withheld.mean())[:7], abs=3.0)
    assert "a lift test takes 40.00, which all days left make up for" in pace.day.words


@pytest.mark.parametrize("amount", [700.0, 800.0, 2_000.0])
def test_a_flight_leaves_what_tests_have_on_its_last_days(amount: float) -> None:
    """Three low days and a high one: the tested budget has 160, 160, 160 and 200, in all 680."""
    wanted = flown("all", amount, first_day=TODAY, last_day=TODAY + timedelta(days=3))
    (pace,) = paces(with_tests(record()), wanted, GUARDS, NOW, ())
    plan = pace.plan
    assert (plan.budget >= [160.0, 160.0, 160.0, 200.0]).all()
    assert plan.spend.sum() + plan.over == pytest.approx(amount)
    assert 0.0 <= plan.over <= 0.02 * amount
    assert "flight-over" not in [finding.code for finding in pace.findings]


@pytest.mark.parametrize("amount", [200.0, 640.0])
def test_a_flight_that_tests_alone_overspend_is_told_as_that(amount: float) -> None:
    wanted = flown("all", amount, first_day=TODAY, last_day=TODAY + timedelta(days=3))
    (pace,) = paces(with_tests(record()), wanted, GUARDS, NOW, ())
    assert pace.plan.over < 0
    assert pace.day.due == times(0.8)
    (finding,) = pace.findings
    assert finding.code == "flight-over"
    assert f"{amount:,.2f} are left, and lift tests ask for budgets of 680.00 on all its days left" in finding.message
    assert "outlay lift stop" in finding.mend


def test_a_low_block_is_not_what_a_flight_asks_more_for() -> None:
    goals = flown("all", 17_000.0)
    settled = days_of(goals, 2)[-1]
    due = settled.flights[0].due.micros / 1e6
    now = sum(line.current.micros for line in settled.lines) / 1e6
    assert due <= (1.0 + GUARDS.smallest_step) * now


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
