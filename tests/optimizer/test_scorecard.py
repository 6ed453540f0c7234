"""The scorecard: which days count, what came of lines, what the lot says, and whether intervals hold."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scorecard import Summed, bars
from connectors.money import Money
from optimizer import approval
from optimizer.decide import decide
from optimizer.forecast import Forecast
from optimizer.goals import Goals, Model, Payment, Scope, owed
from optimizer.guardrails import Guardrails
from optimizer.measure.scorecard import Advice, Figure, Foretold, Scorecard, score, shares, watch
from optimizer.measure.scorecard.figures import promised, together
from optimizer.measure.scorecard.lift import DRAWS, believed, came
from optimizer.measure.scorecard.lots import LEAST, Cast, by_lot, credit
from optimizer.measure.scorecard.marks import ALARM, foretold, kept
from optimizer.measure.scorecard.spans import WINDOW, on_the_morning, span
from optimizer.plan.recommendation import Binding, Decision, Effect, Objective
from optimizer.plan.snapshot import DelayTriangle, Snapshot
from optimizer.response import Belief, learn
from tests.optimizer.snapshots import NOW, TODAY, snapshot

SEEN = snapshot()
GOALS = Goals("EUR")
BEFORE = 20
"""Days between the writing and today."""
WRITTEN = TODAY - timedelta(days=BEFORE)
MORNING = on_the_morning(SEEN, WRITTEN)
DECIDED = decide(MORNING, GOALS, Guardrails(freshness_days=1_000), NOW, np.random.default_rng(3))


def at_new_budgets(decision: Decision = DECIDED, seen: Snapshot = SEEN) -> Snapshot:
    """The evidence in which the budgets since the writing are the proposed ones."""
    budget = seen.panel.budget.copy()
    place = {target.key: k for k, target in enumerate(seen.targets)}
    for line in decision.lines:
        budget[place[line.key], -BEFORE:] = line.proposed.micros / 1e6
    return replace(seen, panel=replace(seen.panel, budget=budget))


KNOWN = at_new_budgets()
LINES = tuple(line for line in DECIDED.lines if line.changes)


def advice(decision: Decision = DECIDED, *, left: bool = False, days_ago: int = BEFORE) -> Advice:
    step = approval.issue(
        decision, now=NOW - timedelta(days=days_ago), valid_for=timedelta(days=1), seed=days_ago, code_version="0"
    )
    keys = frozenset(line.key for line in decision.lines if line.changes)
    if left:
        return Advice(step.record.recommendation, GOALS, None, frozenset(), WRITTEN + timedelta(days=3))
    return Advice(step.record.recommendation, GOALS, WRITTEN, keys)


THEN = learn(MORNING)


def seen_as(belief: Belief, wanted: Goals = GOALS) -> Forecast:
    return Forecast(belief, wanted, SEEN.current, owed=owed(wanted, SEEN.targets, belief.worth.mean))


COMPLETE = learn(KNOWN).maturity(np.arange(KNOWN.panel.days, 0, -1))


def test_days_count_from_the_day_after_the_writing_to_the_last_one_that_is_mature() -> None:
    days = span(KNOWN, WRITTEN, LINES, COMPLETE)
    assert days.days[0] == WRITTEN + timedelta(days=1)
    assert days.days[-1] == TODAY - timedelta(days=1)
    mature = (COMPLETE[days.rows, -BEFORE + 1 :] >= 0.9).sum(axis=1)
    assert days.measured.tolist() == mature.tolist()
    assert not days.changed.any()
    assert (days.awaited == WINDOW - days.measured).all()
    assert days.weight.sum(axis=1) == pytest.approx(1.0)


def test_a_line_ends_where_its_budget_is_changed_again() -> None:
    budget = KNOWN.panel.budget.copy()
    row = next(k for k, target in enumerate(KNOWN.targets) if target.key == LINES[0].key)
    budget[row, -10:] *= 1.2
    again = replace(KNOWN, panel=replace(KNOWN.panel, budget=budget))
    days = span(again, WRITTEN, LINES, COMPLETE)
    assert days.measured[0] == BEFORE - 1 - 10
    assert days.changed.tolist() == [1.0] + [0.0] * (len(LINES) - 1)
    assert days.awaited[0] == 0


def test_a_budget_that_nobody_read_is_taken_to_stand() -> None:
    unread = replace(KNOWN, panel=replace(KNOWN.panel, budget=np.full_like(KNOWN.panel.budget, np.nan)))
    assert (span(unread, WRITTEN, LINES, COMPLETE).measured > 0).all()


def test_what_was_written_before_the_history_has_no_days() -> None:
    days = span(KNOWN, KNOWN.panel.first_day - timedelta(days=3), LINES, COMPLETE)
    assert not days.measured.any()
    assert not days.awaited.any()
    with pytest.raises(ValueError, match="the history begins on"):
        on_the_morning(KNOWN, KNOWN.panel.first_day)


def test_the_belief_of_the_morning_knows_nothing_of_what_came() -> None:
    wild = SEEN.panel.conversions.copy()
    wild[:, -BEFORE:] *= 9
    other = replace(SEEN, panel=replace(SEEN.panel, conversions=wild))
    assert on_the_morning(other, WRITTEN).digest() == MORNING.digest()


def test_late_conversions_that_are_in_by_now_are_not_corrected_twice() -> None:
    lags = np.concatenate([[0.0, 50.0, 80.0], np.full(33, 100.0)])
    triangle = DelayTriangle("files/all", np.arange(4), np.tile(lags, (60, 1)))
    late = replace(SEEN, delays=(triangle,))
    now = learn(late).maturity(np.array([1, 2, 3]))[0]
    then = learn(on_the_morning(late, TODAY - timedelta(days=2))).maturity(np.array([1]))[0]
    assert then[0] == pytest.approx(now[2], abs=0.01)  # yesterday of then is three days old by now
    assert learn(on_the_morning(late, WRITTEN - timedelta(days=40))).maturity(np.array([1]))[0, 0] > 0.999


def test_came_is_what_was_observed_less_what_the_old_budgets_would_have_brought() -> None:
    days = span(KNOWN, WRITTEN, LINES, COMPLETE)
    found = came(KNOWN, seen_as(THEN), LINES, days, np.random.default_rng(1))
    panel = KNOWN.panel.conversions[days.rows, days.start : days.start + len(days.days)]
    by_hand = (days.counted * panel / days.complete).sum(axis=1) / days.measured
    assert found.observed == pytest.approx(by_hand, abs=0.15)  # draws of the noise have a mean of their own
    old = np.array([[line.current.micros / 1e6] for line in LINES])
    whole = np.array([[target.budget.amount.micros / 1e6] for target in KNOWN.targets])
    whole[days.rows] = old
    expected = THEN.curves.raw_moments(THEN.delivered(whole))[0][days.rows, 0]
    assert found.otherwise == pytest.approx(expected, rel=0.12)  # weekdays of the days that count, and draws
    assert (found.sd > 0).all()


def test_twice_the_conversions_are_a_gain_of_as_many_again() -> None:
    days = span(KNOWN, WRITTEN, LINES, COMPLETE)
    doubled = KNOWN.panel.conversions.copy()
    doubled[:, -BEFORE:] *= 2
    more = replace(KNOWN, panel=replace(KNOWN.panel, conversions=doubled))
    plain, twice = (came(each, seen_as(THEN), LINES, days, np.random.default_rng(1)) for each in (KNOWN, more))
    assert twice.otherwise == pytest.approx(plain.otherwise)
    assert twice.mean - plain.mean == pytest.approx(plain.observed, abs=0.3)


@pytest.mark.parametrize(
    ("wanted", "scale", "cost"),
    [
        (Goals("EUR", objective=Objective.REVENUE), 40.0, False),
        (Goals("EUR", objective=Objective.REVENUE, value_per_conversion=Money.of("40", "EUR")), 40.0, False),
        (Goals("EUR", objective=Objective.PROFIT, margin=0.5), 20.0, True),
    ],
)
def test_revenue_and_profit_are_counted_as_their_plans_count_them(wanted: Goals, scale: float, cost: bool) -> None:
    days = span(KNOWN, WRITTEN, LINES, COMPLETE)
    plain = came(KNOWN, seen_as(THEN), LINES, days, np.random.default_rng(1))
    found = came(KNOWN, seen_as(THEN, wanted), LINES, days, np.random.default_rng(1))
    spend = KNOWN.panel.spend[days.rows, days.start : days.start + len(days.days)]
    paid = (days.weight * spend).sum(axis=1) if cost else np.zeros(len(LINES))
    assert found.observed + paid == pytest.approx(scale * plain.observed, rel=0.05)
    assert (found.sd > 0.5 * scale * plain.sd).all()


def test_a_line_that_reports_no_value_counts_what_the_others_are_worth() -> None:
    silent, revenue = KNOWN.panel.value.copy(), Goals("EUR", objective=Objective.REVENUE)
    silent[0] = np.nan
    known, morning = (
        replace(seen, panel=replace(seen.panel, value=silent[:, : seen.panel.days])) for seen in (KNOWN, MORNING)
    )
    days = span(known, WRITTEN, LINES, COMPLETE)
    then = seen_as(learn(morning), revenue)
    found, told = (came(seen, then, LINES, days, np.random.default_rng(1)) for seen in (known, KNOWN))
    assert found.observed == pytest.approx(told.observed, rel=0.02)


PAID = (
    Payment(Scope.parse("channel:search"), Model.CPA, 12.0),
    Payment(Scope.parse("channel:social"), Model.REVENUE_SHARE, 0.25),
)
"""A conversion of search costs 12, one of social 10: a quarter of what it is worth."""


@pytest.mark.parametrize("worth", [None, Money.of("40", "EUR")])
def test_what_is_paid_by_outcomes_costs_what_came_and_not_what_was_delivered(worth: Money | None) -> None:
    wanted = Goals("EUR", objective=Objective.PROFIT, margin=0.8, value_per_conversion=worth, payments=PAID)
    days = span(KNOWN, WRITTEN, LINES, COMPLETE)
    plain = came(KNOWN, seen_as(THEN), LINES, days, np.random.default_rng(1))
    found = came(KNOWN, seen_as(THEN, wanted), LINES, days, np.random.default_rng(1))
    each = np.array([0.8 * 40 - (12.0 if line.channel == "search" else 10.0) for line in LINES])
    noise = 5 * found.sd / np.sqrt(DRAWS)
    assert (np.abs(found.observed - each * plain.observed) < noise).all()
    assert found.otherwise == pytest.approx(each * plain.otherwise, rel=0.02)
    assert (found.sd >= 0.85 * each * plain.sd).all()  # on top of it, the values of orders differ
    if worth is not None:
        assert found.sd == pytest.approx(each * plain.sd)


def test_a_promise_and_the_score_have_one_unit_where_outcomes_are_paid() -> None:
    """The morning's belief says of the days what the plan promised, up to weekdays and draws."""
    wanted = Goals("EUR", objective=Objective.PROFIT, value_per_conversion=Money.of("40", "EUR"), payments=PAID)
    decision = decide(MORNING, wanted, Guardrails(freshness_days=1_000), NOW, np.random.default_rng(3))
    lines = [line for line in decision.lines if line.changes]
    days = span(at_new_budgets(decision), WRITTEN, lines, COMPLETE)
    gained = believed(seen_as(THEN, wanted), lines, days, np.random.default_rng(1))
    promises = np.array([line.effect.mean for line in lines])
    assert gained.mean(axis=0) == pytest.approx(promises, rel=0.15, abs=1.0)


def test_a_card_of_what_is_paid_per_action_counts_each_conversion_less_its_price() -> None:
    """40 less 10: thirty times the card of conversions, the draws being the same."""
    paid = (Payment(Scope.parse("all"), Model.CPA, 10.0),)
    wanted = Goals("EUR", objective=Objective.PROFIT, value_per_conversion=Money.of("40", "EUR"), payments=paid)
    advised = [advice(), advice(left=True)]
    plain, card = score(KNOWN, advised), score(KNOWN, [replace(each, wanted=wanted) for each in advised])
    for one, other in ((plain.scored[0].came, card.scored[0].came), (plain.missed[0].would, card.missed[0].would),
                       (plain.scored[0].believed, card.scored[0].believed)):  # fmt: skip
        assert one is not None
        assert other is not None
        assert (other.mean, other.sd) == pytest.approx((30 * one.mean, 30 * one.sd))


def test_a_score_does_not_depend_on_the_order_of_advice_and_adds_up() -> None:
    other = advice(days_ago=BEFORE - 1)
    card, again = score(KNOWN, [advice(), other]), score(KNOWN, [other, advice()])
    assert card == again
    assert [each.rec_id for each in card.scored] == [other.made.rec_id, advice().made.rec_id]
    assert card.gained is not None
    assert card.gained.mean == pytest.approx(sum(each.whole.mean for each in card.scored if each.whole))
    first = card.scored[0]
    assert first.came is not None
    assert first.came.mean == pytest.approx(sum(line.came.mean for line in first.lines if line.came))
    assert first.promised is not None
    assert first.promised.mean == pytest.approx(DECIDED.total.mean)
    assert first.believed is not None
    assert card.kept.count == sum(len(each.lines) for each in card.scored)
    assert card.kept.groups == 2


def test_what_was_written_yesterday_says_when_its_first_figure_comes() -> None:
    late = DelayTriangle("files/all", np.arange(4), np.tile(np.r_[0.0, 40.0, 80.0, np.full(33, 100.0)], (60, 1)))
    young = replace(advice(), written=TODAY - timedelta(days=1))
    card = score(replace(KNOWN, delays=(late,)), [young])
    (only,) = card.scored
    assert only.came is None
    assert only.whole is None
    assert card.gained is None
    assert only.first_on is not None
    assert only.first_on > TODAY
    assert only.whole_on == only.first_on + timedelta(days=WINDOW - 1)


def test_a_score_without_advice_is_empty() -> None:
    card = score(KNOWN, [])
    assert (card.scored, card.missed, card.gained, card.lost, card.by_lot) == ((), (), None, None, None)
    assert card.kept.count == 0


def test_what_a_lift_test_moves_is_no_advice() -> None:
    """A low block loses on purpose; what it loses must be neither promised nor gained, nor missed."""
    low = (Binding("lift-test", "lift test brand: low", None),)
    tested, *others = LINES
    mixed = replace(DECIDED, lines=(replace(tested, bindings=low), *others))
    card = score(KNOWN, [advice(mixed), advice(mixed, left=True)])
    (scored,), (missed,) = card.scored, card.missed
    assert [line.key for line in scored.lines] == [line.key for line in others]
    assert scored.promised is not None
    assert scored.promised.mean == pytest.approx(sum(line.effect.mean for line in others))
    assert missed.promised.mean == pytest.approx(sum(line.effect.mean for line in others))
    gained = believed(seen_as(learn(KNOWN)), others, span(KNOWN, WRITTEN, others, COMPLETE), np.random.default_rng(1))
    assert scored.believed is not None
    assert scored.believed.mean == pytest.approx(gained.sum(axis=1).mean(), abs=0.4)
    assert missed.would is not None
    assert missed.would.mean == pytest.approx(gained.sum(axis=1).mean(), abs=0.4)
    only = replace(DECIDED, lines=tuple(replace(line, bindings=low) for line in DECIDED.lines))
    none = score(KNOWN, [advice(only), advice(only, left=True)])
    assert (none.scored, none.missed, none.gained, none.lost) == ((), (), None, None)


def test_left_advice_is_missed_until_the_next() -> None:
    (missed,) = score(SEEN, [advice(left=True)]).missed
    assert missed.days == min(3 + (WRITTEN - DECIDED.as_of).days, WINDOW)
    assert missed.would is not None
    assert missed.whole is not None
    assert missed.whole.mean == pytest.approx(missed.days * missed.would.mean)
    assert missed.would.mean == pytest.approx(DECIDED.total.mean, abs=4 * missed.would.sd + 4 * missed.promised.sd)


def test_a_budget_that_is_known_no_more_is_left_out() -> None:
    fewer = KNOWN.select([k for k, target in enumerate(KNOWN.targets) if target.key != LINES[0].key])
    card = score(fewer, [advice(), advice(left=True, days_ago=3)])
    assert LINES[0].key not in {line.key for line in card.scored[0].lines}
    assert card.missed[0].would is None
    assert card.lost is None


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 3), min_size=1, max_size=6), st.floats(0.05, 0.95))
def test_over_the_lot_the_credit_is_what_the_moves_bring(
    lines: list[tuple[float, float, float]], chance: float
) -> None:
    """Every way in which the lot may fall, with its probability: the mean is exact, however wrong the promises are."""
    total = 0.0
    for held in itertools.product((False, True), repeat=len(lines)):
        probability = np.prod([chance if stays else 1 - chance for stays in held])
        casts = [
            Cast(stays, chance, promise, still if stays else moved)
            for stays, (promise, still, moved) in zip(held, lines, strict=True)
        ]
        total += probability * sum(map(credit, casts))
    assert total == pytest.approx(sum(moved - still for _, still, moved in lines), abs=1e-6)


def test_the_lot_says_nothing_before_enough_were_held() -> None:
    moved, held = Cast(False, 0.25, 1.0, 1.2), Cast(True, 0.25, 1.0, 0.1)
    assert by_lot([moved] * 40 + [held] * (LEAST - 1)) is None
    found = by_lot([moved] * 40 + [held] * LEAST)
    assert found is not None
    assert found.mean == pytest.approx(40 * (1.0 + 0.2 / 0.75) + 10 * (1.0 - 0.1 / 0.25))
    assert (found.moved, found.held, found.promised) == (40, 10, 50.0)
    assert found.low90 < found.mean < found.high90
    with pytest.raises(ValueError, match="between 0 and 1"):
        Cast(True, 1.0, 0.0, 0.0)


def test_a_full_benchmark_in_which_no_lot_says_anything_misses_a_bar() -> None:
    one = Summed(error=0.01, error_se=0.1, true=3.0, covered=0.9, covered_se=0.01, rms=1.0, count=100)
    found = {"recommendations": one, "whole worlds": one, "lines": one, "before and after": replace(one, rms=2.0)}
    assert all(bar["holds"] for bar in bars(found, 120, quick=True))
    missed = [bar["name"] for bar in bars(found, 120, quick=False) if not bar["holds"]]
    assert missed == ["by lot: worlds of 120 in which it says something"]
    assert all(bar["holds"] for bar in bars({**found, "by lot": one}, 120, quick=False))


def test_figures_are_normal_and_add_up() -> None:
    figure = Figure(2.0, 1.0)
    assert figure.interval(0.9) == pytest.approx((2 - 1.6449, 2 + 1.6449), abs=1e-4)
    assert figure.holds(3.6, 0.9)
    assert not figure.holds(3.7, 0.9)
    assert together([Figure(1.0, 3.0), Figure(2.0, 4.0)]) == Figure(3.0, 5.0)
    assert promised(Effect(1.0, 0, 2, 1 - 1.959964, 1 + 1.959964, 0.1)).sd == pytest.approx(1.0, abs=1e-6)


def test_shares_that_held_have_an_error_by_group() -> None:
    ones, zeros = np.ones((2, 3)), np.zeros((2, 3))
    found = shares([ones, zeros, ones, ones])
    assert (found.count, found.groups) == (8, 4)
    assert found.shares[2].held == 0.75
    # sums 2 0 2 2, numbers 2: residuals .5 -1.5 .5 .5, squares sum to 3; sqrt(4 / 3 * 3) / 8
    assert found.shares[2].se == pytest.approx(0.25)
    assert shares([ones]).shares[0].se is None
    assert shares([np.empty((0, 3))]).shares == ()


def test_a_promise_is_kept_where_the_difference_holds_zero() -> None:
    near, far = (Figure(1.0, 3.0), Figure(2.0, 4.0)), (Figure(1.0, 3.0), Figure(20.0, 4.0))
    assert [share.held for share in kept([[near]]).shares] == [1.0, 1.0, 1.0]
    assert [share.held for share in kept([[near, far]]).shares] == [0.5, 0.5, 0.5]


def week(number: int, share: float, count: int = 40) -> Foretold:
    inside = np.zeros((count, 3))
    inside[: round(share * count)] = 1.0
    return Foretold(TODAY + timedelta(days=7 * number), inside)


def test_the_watch_bets_against_the_intervals_and_stops_once_they_hold() -> None:
    assert watch([]).held is None
    assert not watch([]).alarm
    one = watch([week(0, 0.7)])
    assert one.evidence == pytest.approx(1 + 5 * (0.87 - 0.7))
    assert watch([week(1, 0.7), week(0, 1.0)]).evidence == pytest.approx((1 + 0.35) * 1.85)
    bad = [week(n, 0.6) for n in range(6)]
    assert watch(bad).alarm
    assert watch(bad).held == pytest.approx(0.6)
    assert not watch(bad + [week(6 + n, 0.95) for n in range(10)]).alarm
    assert not watch([week(n, 0.9) for n in range(52)]).alarm


def test_the_watch_is_seldom_wrong_where_intervals_hold_as_little_as_allowed() -> None:
    """The time to a false alarm is `ALARM` weeks at least on average; of 26 weeks so at most half end in one."""
    rng = np.random.default_rng(4)
    runs = 400
    alarms = 0
    for _ in range(runs):
        own = rng.beta(0.87 * 12, 0.13 * 12, 26)  # budgets of a week hang together
        evidence = 0.0
        for share in own:
            evidence = (1 + evidence) * (1 + 5 * (0.87 - share))
            if evidence >= ALARM:
                alarms += 1
                break
    assert alarms / runs < 26 / ALARM + 5 * np.sqrt(0.25 / runs)


def test_forecasts_of_a_week_are_judged_by_what_is_known_now() -> None:
    morning = TODAY - timedelta(days=14)
    found = foretold(on_the_morning(SEEN, morning), SEEN, np.random.default_rng(1))
    assert found.morning == morning
    assert found.inside.shape == (7 * 4, 3)
    assert (found.inside >= 0).all()
    assert (found.inside <= 1).all()
    held = found.inside.mean(axis=0)
    assert held[0] <= held[1] <= held[2]
    nothing = SEEN.select([])
    assert len(foretold(nothing, SEEN, np.random.default_rng(1)).inside) == 0


def test_the_card_has_the_objective_s_unit() -> None:
    card: Scorecard = score(KNOWN, [advice()])
    assert card.unit == "conversions"
    assert card.known_on == TODAY
    assert {line.key for line in LINES} == {line.key for line in card.scored[0].lines}
