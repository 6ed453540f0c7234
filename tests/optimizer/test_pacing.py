"""Amounts spread over days: what every day gets, what is never overspent, and what is known of the days before."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.money import Money
from optimizer.goals import Flight, GoalsError, Scope
from optimizer.pacing import (
    TOLERANCE,
    Course,
    Curve,
    Delivery,
    Morning,
    Pace,
    Reach,
    delivery,
    fan,
    followed,
    ledger,
    pace,
    spread,
)
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import Severity
from optimizer.plan.snapshot import Freshness, IntArray, Restatements
from optimizer.plan.under_test import Leave
from tests.optimizer.snapshots import BUDGETS, TODAY, snapshot

EXACT = Delivery(1.0, 1e-6, 1e-6)
CALM = Delivery(0.97, 0.03, 0.03)
SEEN = snapshot()
ALL = (0, 1, 2, 3)
LEAVE = Leave(SEEN.current, SEEN.current, SEEN.current)


def eur(amount: float) -> Money:
    return Money.of(str(amount), "EUR")


def course(left: float = 3_000.0, days: int = 30, slack: float = 1.0) -> Course:
    """Days alike, spent to the cent."""
    return Course(
        amount=3_000.0,
        left=left,
        sure=left,
        factor=np.ones(days),
        curve=Curve.isoelastic(100.0, 0.5),
        delivery=EXACT,
        slack=np.full(days, slack),
    )


def flight(amount: float = 17_670.0, **more: object) -> Flight:
    return Flight("month", Scope.parse("all"), eur(amount), **more)  # type: ignore[arg-type]


# What every day gets


def test_equal_days_get_equal_parts() -> None:
    plan = spread(course())
    assert plan.budget == pytest.approx(np.full(30, 100.0), rel=0.06)
    assert plan.over <= TOLERANCE * 3_000.0
    assert plan.reaches


def test_the_next_unit_brings_the_same_on_every_day() -> None:
    # With x^.5, f x^-.5 = lambda gives x proportional to f^2: a day of twice the demand gets four times the money.
    factor = np.array([1.0, 2.0, 1.0, 1.0])
    plan = spread(replace(course(700.0, 4), factor=factor))
    assert plan.spend / plan.spend[0] == pytest.approx([1.0, 4.0, 1.0, 1.0], rel=1e-2)
    assert plan.spend.sum() == pytest.approx(700.0, abs=TOLERANCE * 3_000.0)


def test_a_curve_that_nothing_is_known_of_is_that_power() -> None:
    slope, place = Curve.isoelastic(100.0, 0.5).tangents()
    assert slope[1:] == pytest.approx(0.5 * place[1:] ** -0.5, rel=0.02)  # the first chord begins at nothing


def test_an_s_shaped_curve_counts_by_its_concave_hull() -> None:
    spend = np.array([1.0, 2.0, 3.0, 4.0])
    slope, _ = Curve(spend, np.array([0.0, 4.0, 5.0, 5.5])).tangents()
    assert slope == pytest.approx([2.0, 1.0, 0.5])


@pytest.mark.parametrize(
    ("spend", "value"),
    [([1.0], [1.0]), ([2.0, 1.0], [1.0, 2.0]), ([0.0, 1.0], [0.0, 1.0]), ([1.0, 2.0], [1.0, math.nan])],
)
def test_what_is_no_curve_is_refused(spend: list[float], value: list[float]) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve(np.array(spend), np.array(value))


def test_where_twice_a_budget_may_be_spent_each_of_the_last_days_gets_half_of_what_is_left() -> None:
    plan = spread(course(slack=2.0))
    left = 3_000.0 - np.concatenate([[0.0], np.cumsum(plan.spend)[:-1]])
    assert (plan.budget <= left / 2 + 1e-9).all()
    assert plan.budget[-3:] == pytest.approx(left[-3:] / 2)
    assert plan.over <= 0.005 * 3_000.0


def test_a_month_end_without_slack_needs_no_tapering() -> None:
    held = replace(course(slack=2.0), slack=np.array([2.0] * 29 + [1.0]))
    plan = spread(held)
    assert plan.budget[-1] > 0.9 * plan.budget[0]


def test_where_cuts_are_bounded_the_budgets_come_down_in_time() -> None:
    plan = spread(replace(course(slack=2.0), cut=0.3, step=0.3, before=100.0))
    left = 3_000.0 - float(plan.spend[:-2].sum())
    at_worst = 2.0 * plan.budget[-2] + 0.7 * plan.budget[-2]
    assert at_worst <= left + 1e-6


def test_what_exactness_would_cost_stays_over() -> None:
    # Each of the last days gets half of what is left at most, and budgets come down by 30% a day: to spend it all, much
    # must be spent in the first days.
    held = replace(course(slack=2.0), before=100.0, step=0.3, cut=0.3)
    exact, even = spread(held), spread(replace(held, exactness=0.01))
    best = spread(replace(held, exactness=0.0))
    brought = {name: float(held.curve.worth(plan.spend).sum()) for name, plan in
               {"exact": exact, "even": even, "best": best}.items()}  # fmt: skip
    assert exact.over <= TOLERANCE * 3_000.0 < even.over < best.over
    assert 0.99 * brought["best"] <= brought["even"] < brought["best"]
    assert brought["exact"] < 0.99 * brought["best"]
    assert even.budget.max() < exact.budget.max()
    assert exact.reaches and even.reaches  # noqa: PT018 - one claim: what could be kept


def test_a_budget_moves_by_no_more_than_a_step() -> None:
    plan = spread(replace(course(), before=50.0, step=0.2))
    growth = plan.budget / np.concatenate([[50.0], plan.budget[:-1]])
    assert (growth <= 1.2 + 1e-9).all()
    assert plan.spend.sum() == pytest.approx(3_000.0, abs=0.005 * 3_000.0)


def test_what_cannot_be_spent_is_said() -> None:
    plan = spread(replace(course(), most=50.0))
    assert not plan.reaches
    assert plan.budget == pytest.approx(np.full(30, 50.0))
    assert plan.over == pytest.approx(1_500.0)


def test_nothing_is_planned_of_what_is_spent() -> None:
    assert spread(course(-5.0)).budget == pytest.approx(np.zeros(30))


def test_a_day_that_is_not_told_yet_counts_at_its_worst() -> None:
    # 100 are left, of which 60 may be gone: the last day gets the 40 that are sure, at a slack of 1.
    plan = spread(replace(course(100.0, 1), sure=40.0, untold=np.array([60.0])))
    assert plan.budget == pytest.approx([40.0])


def test_budgets_beside_a_plan_s_leave_what_later_days_have_at_the_least() -> None:
    known = replace(course(100.0, 3), least=np.array([0.0, 0.0, 30.0]))
    found = followed(known, spread(known), np.full(3, 80.0))
    assert found.budget == pytest.approx([70.0, 0.0, 30.0])
    assert found.over == pytest.approx(0.0, abs=1e-9)
    # What is had whatever is left goes beyond it.
    assert followed(replace(known, least=np.full(1, 40.0)), spread(known), np.zeros(3)).over == pytest.approx(-20.0)


courses = st.builds(
    lambda left, factor, slack, before, low: Course(
        amount=3_000.0,
        left=left,
        sure=left * low,
        factor=np.array(factor),
        curve=Curve.isoelastic(100.0, 0.6),
        delivery=CALM,
        slack=np.full(len(factor), slack),
        before=before,
        step=0.3,
    ),
    st.floats(0.0, 6_000.0),
    st.lists(st.floats(0.2, 4.0), min_size=1, max_size=31),
    st.sampled_from([1.0, 1.75, 2.0]),
    st.floats(1.0, 500.0),
    st.floats(0.5, 1.0),
)


@given(courses)
def test_at_worst_no_day_costs_more_than_is_sure_to_be_left(known: Course) -> None:
    plan = spread(known)
    assert plan.budget[0] * known.slack[0] <= known.sure + 1e-6
    left = known.left - np.concatenate([[0.0], np.cumsum(plan.spend)])
    assert (plan.budget * known.slack <= left[:-1] + 1e-6).all()
    assert left[-1] >= -1e-6


@given(courses, st.floats(0.0, 500.0))
def test_more_money_is_never_less_for_all_days(known: Course, extra: float) -> None:
    richer = replace(known, left=known.left + extra, sure=known.sure + extra)
    assert spread(richer).spend.sum() >= spread(known).spend.sum() - 0.005 * known.amount


@pytest.mark.parametrize(
    "wrong",
    [{"factor": np.zeros(30)}, {"factor": np.ones(3)}, {"slack": np.full(30, 0.5)}, {"amount": 0.0}, {"sure": 9e9}],
)
def test_a_course_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"factor|amount"):
        replace(course(), **wrong)  # type: ignore[arg-type]


# What platforms spend of a budget


def test_a_share_is_learnt_next_to_three_days_of_the_usual() -> None:
    # One day ago at .5: weight .5^.1 = .933; (.933 x .5 + 3 x .97) / 3.933.
    weight = 0.5**0.1
    assert delivery(np.array([0.5])).mean == pytest.approx((weight * 0.5 + 2.91) / (weight + 3.0))
    assert delivery(np.array([math.nan])).mean == pytest.approx(0.97)


def test_days_far_above_do_not_widen_what_may_be_missed() -> None:
    steady = delivery(np.full(28, 0.97))
    wild = delivery(np.where(np.arange(28) % 7 == 0, 1.8, 0.95))
    assert wild.above > 3 * steady.above
    assert wild.low > 0.75 * wild.mean


def test_draws_have_the_mean_that_is_expected() -> None:
    drawn = Delivery(0.9, 0.1, 0.3).draws((200_000,), np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(0.9, abs=6 * drawn.std() / 200_000**0.5)


def test_a_dead_portfolio_is_seen() -> None:
    assert delivery(np.zeros(28)).mean < 0.3


# What was spent


def test_the_days_before_are_added_up() -> None:
    book = ledger(SEEN, flight(), ALL, TODAY.replace(day=1))
    assert book.spent == pytest.approx(float(SEEN.panel.spend[:, -1].sum()))
    assert (book.told, book.behind, book.missing) == (1, 0, 0)
    assert book.worst == pytest.approx(1.01 * book.spent)
    assert book.current == sum(BUDGETS.values())


def test_a_day_that_an_account_does_not_tell_of_is_expected_and_doubted() -> None:
    spend = SEEN.panel.spend.copy()
    spend[:, -1] = np.nan
    late = replace(
        SEEN,
        panel=replace(SEEN.panel, spend=spend),
        freshness=(Freshness("files", "shop", TODAY - timedelta(days=2)),),
    )
    book = ledger(late, flight(), ALL, TODAY.replace(day=1))
    assert (book.told, book.behind) == (0, 1)
    assert book.spent == pytest.approx(book.delivery.mean * 570.0)
    assert book.worst == pytest.approx(book.delivery.high * 570.0)
    ending = flight(first_day=TODAY - timedelta(days=1), last_day=TODAY)
    assert ledger(late, ending, ALL, TODAY - timedelta(days=1)).worst == pytest.approx(2 * 570.0)


def test_a_budget_without_a_row_on_a_day_that_is_told_spent_nothing() -> None:
    spend = SEEN.panel.spend.copy()
    spend[0, -1] = np.nan
    book = ledger(replace(SEEN, panel=replace(SEEN.panel, spend=spend)), flight(), ALL, TODAY.replace(day=1))
    assert book.behind == 0
    assert book.spent == pytest.approx(float(np.nansum(spend[:, -1])))


def test_what_was_restated_of_late_may_be_so_again() -> None:
    column: IntArray = np.array([SEEN.panel.days - 2], dtype=np.int64)
    before = float(SEEN.panel.spend[:, -2].sum())
    news = Restatements(np.array([0], dtype=np.int64), column, np.array([0.05 * before]), np.zeros(1))
    book = ledger(replace(SEEN, restated=news), flight(), ALL, TODAY.replace(day=1))
    assert book.worst == pytest.approx(book.spent * (1 + 0.05 / 0.95))


def test_days_before_the_history_are_told_of() -> None:
    long = flight(first_day=TODAY - timedelta(days=130), last_day=TODAY)
    found = pace(
        long,
        SEEN,
        ALL,
        Curve.isoelastic(570.0),
        np.ones(131),
        Reach(300.0, 800.0, 0.02, 300.0),
        LEAVE,
        np.random.default_rng(1),
    )
    assert found is not None
    assert found.book.missing == 10
    assert "flight-history" in [finding.code for finding in found.findings]


# A morning


SPENT = float(SEEN.panel.spend[:, -1].sum())
SHARE = ledger(SEEN, flight(), ALL, TODAY).delivery.mean
EVEN = SPENT + 30 * 570.0 * SHARE
"""What the budgets as they are would spend by the end of the month."""


def told(amount: float, low: float = 399.0, high: float = 741.0, slack: float = 1.0, exactness: float = 1.0) -> Pace:
    """The flight of a month on its second morning, every day alike."""
    found = pace(
        flight(amount, daily_slack=slack, month_end_slack=1.0, exactness=exactness),
        SEEN,
        ALL,
        Curve.isoelastic(570.0, 0.5),
        np.ones(31),
        Reach(low, high, 0.02, low),
        LEAVE,
        np.random.default_rng(1),
    )
    assert found is not None
    return found


def test_budgets_that_fit_are_left_alone() -> None:
    morning = told(EVEN)
    assert morning.day.due == eur(570)
    assert "differ too little for a change" in morning.day.words
    assert morning.day.left.micros / 1e6 == pytest.approx(EVEN - SPENT, abs=0.01)
    assert morning.findings == ()


def test_more_or_less_money_moves_the_budgets() -> None:
    assert told(1.1 * EVEN).day.due > eur(600)
    assert told(0.9 * EVEN).day.due < eur(540)


def test_what_the_steps_cannot_reach_is_said_with_the_mend() -> None:
    morning = told(4 * EVEN, high=580.0)
    assert morning.day.due == eur(580)
    (finding,) = morning.findings
    assert (finding.code, finding.severity) == ("flight-short", Severity.WARNING)
    assert "largest_step" in finding.mend


def test_what_the_steps_cannot_hold_back_is_said_with_the_mend() -> None:
    morning = told(SPENT + 100.0, slack=2.0)
    assert morning.day.due == eur(399)
    (finding,) = morning.findings
    assert finding.code == "flight-over"
    assert morning.fan.over > 0.9
    assert "by hand" in finding.mend


def test_what_stays_over_for_its_price_is_told_and_is_no_trouble() -> None:
    exact, even = (told(17_670.0, low=399.0, high=741.0, slack=2.0, exactness=part) for part in (1.0, 0.01))
    assert "stay over" not in exact.day.words
    assert "which spent too early would cost more than they bring" in even.day.words
    assert even.findings == ()


def test_a_flight_of_before_there_was_a_price_is_recorded_as_it_was() -> None:
    assert "exactness" not in to_json(flight())
    assert from_json(Flight, to_json(flight(exactness=0.01))) == flight(exactness=0.01)
    assert from_json(Flight, to_json(flight())).exactness == 1.0


def test_a_morning_says_what_it_rests_on() -> None:
    words = told(17_670.0).day.words
    assert words.startswith("Of 17,670.00 EUR for March 2026 (all) 17,117.12 EUR are left for 30 days. Budgets of ")


def test_a_flight_that_does_not_run_today_says_nothing() -> None:
    old = flight(first_day=date(2026, 1, 1), last_day=date(2026, 1, 31))
    assert old.span(TODAY) is None
    assert Morning.of(old, SEEN, ALL, Curve.isoelastic(1.0), np.ones(31), Reach(0.0, 1.0, 0.02, 0.0), LEAVE) is None


def test_the_fan_of_a_sure_course_is_its_plan() -> None:
    known = replace(course(), delivery=Delivery(1.0, 1e-9, 1e-9))
    book = replace(ledger(SEEN, flight(), ALL, TODAY), spend=np.zeros(0), doubt=np.zeros(0), behind=0)
    plan = spread(known)
    drawn = fan(known, plan, book, float(plan.budget[0]), np.random.default_rng(1))
    assert drawn.middle == pytest.approx(np.cumsum(plan.spend), rel=1e-6)
    assert drawn.high == pytest.approx(drawn.low, rel=1e-6)
    assert (drawn.over, drawn.short) == (0.0, 0.0)


# What a flight is


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "needs a name"),
        ({"amount": eur(0)}, "amount must be above zero"),
        ({"most_per_day": eur(0)}, "most_per_day must be above zero"),
        ({"first_day": TODAY}, "one end only"),
        ({"first_day": TODAY, "last_day": TODAY - timedelta(days=1)}, "before it begins"),
        ({"daily_slack": 0.5}, "daily_slack lies between"),
        ({"exactness": 1.5}, "exactness lies between 0 and 1"),
        ({"exactness": math.nan}, "exactness lies between 0 and 1"),
        ({"scope": Scope.parse("ad:1")}, "an ad has no budget"),
    ],
)
def test_a_flight_that_makes_no_sense_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(GoalsError, match=words):
        replace(flight(), **wrong)  # type: ignore[arg-type]


def test_a_month_is_a_flight_again_and_again() -> None:
    assert flight().span(date(2026, 2, 10)) == (date(2026, 2, 1), date(2026, 2, 28))
    assert flight(month_end_slack=1.0).slack(date(2026, 2, 28)) == 1.0
    assert flight(month_end_slack=1.0).slack(date(2026, 2, 27)) == 2.0
