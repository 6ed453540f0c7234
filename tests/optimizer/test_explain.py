"""Why a plan is what it is, and what it would take to change it: the figures behind the words hold."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from connectors.money import Money
from optimizer import explain
from optimizer.decide import decide
from optimizer.explain import Counts, LineFacts, Move, Mover, Moves, Rates
from optimizer.goals import Explore, Goals, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import Decision, Effect, Explanation, Objective, Shift
from tests.optimizer.snapshots import BUDGETS, NOW, snapshot, target

SEEN = snapshot()
TOTAL = sum(BUDGETS.values())


def eur(amount: float) -> Money:
    return Money.of(str(amount), "EUR")


def decided(goals: Goals | None = None, guards: Guardrails | None = None, **more: object) -> Decision:
    return decide(SEEN, goals or Goals("EUR"), guards or Guardrails(), NOW, np.random.default_rng(1), **more)


def told(decision: Decision) -> Explanation:
    assert decision.explanation is not None
    return decision.explanation


def test_a_move_gains_nothing_at_its_factor() -> None:
    """At the factor, what the raises bring for each unit is what that unit brought where it was cut, and vice versa."""
    decision = decided(Goals("EUR", explore=Explore.NONE))
    moved = {line: (line.proposed.micros - line.current.micros) / 1e6 for line in decision.lines if line.changes}
    up = [line for line, amount in moved.items() if amount > 0]
    down = [line for line, amount in moved.items() if amount < 0]
    added = sum(line.effect.mean for line in up) / sum(moved[line] for line in up)
    cut = sum(line.effect.mean for line in down) / sum(moved[line] for line in down)
    for line, amount in moved.items():
        assert line.turn is not None
        elsewhere = cut if amount > 0 else added
        assert line.turn.factor * line.effect.mean == pytest.approx(elsewhere * amount, rel=0.15), "draws, not means"
        assert (line.turn.factor < 1) == (amount > 0)
        assert line.turn.probability == line.effect.p_worse


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (Move(True, 2.0, 1.64, 0.12), "If its money brought 18% less than expected, the raise would gain nothing; "
                                      "that or less is 12% likely."),
        (Move(True, 2.0, 2.5, 0.7), "The raise pays only if its money brought 25% more than expected; "
                                    "that is 30% likely."),
        (Move(True, 2.0, 0.02, 0.001), "The raise would pay even if its money brought a twentieth of what is expected; "
                                       "less is under 1% likely."),
        (Move(False, -2.0, -2.5, 0.2), "If its money brought 25% more than expected, the cut would gain nothing; "
                                       "that or more is 20% likely."),
        (Move(False, -2.0, -1.5, 0.6), "The cut pays only if its money brought 25% less than expected; "
                                       "that is 40% likely."),
        (Move(False, -2.0, -9.0, 0.0), "The cut would pay even if its money brought 3 times as much; "
                                       "more is under 1% likely."),
    ],
)  # fmt: skip
def test_what_would_turn_a_line_in_words(move: Move, words: str) -> None:
    turn = explain.turn(move, Counts(10.0, 12.0, 28, 1.0))
    assert turn is not None
    assert turn.words.startswith(words)
    assert turn.words.endswith("Its own conversions tell the change from chance after about 19 days.")


def test_no_figure_turns_a_move_that_gains_whatever_it_brings() -> None:
    counts = Counts(10.0, 12.0, 28, 1.0)
    assert explain.turn(Move(True, 0.0, 1.0, 0.5), counts) is None
    assert explain.turn(Move(True, 2.0, 0.0, 0.0), counts) is None


def test_days_until_the_counts_tell_a_change() -> None:
    """After so many days two means of Poisson counts differ by two standard errors; one day before, by less."""
    before, after, seen = 10.0, 14.0, 28

    def errors(days: int) -> float:
        return (after - before) / np.sqrt(after / days + before / seen)

    days = explain.days_to_tell(Counts(before, after, seen, 1.0))
    assert days is not None
    assert errors(days) >= 2.0 > errors(days - 1)
    assert explain.days_to_tell(Counts(10.0, 10.4, seen, 1.0)) is None
    wider = explain.days_to_tell(Counts(before, after, seen, 3.0))
    assert wider is not None
    assert wider > 2 * days


def moves(moved: list[float], rates: list[float]) -> Moves:
    """Lines whose unit brings a rate, with draws of a tenth around it."""
    amount, rate = np.array(moved), np.array(rates)
    draws = amount * rate * (1 + 0.1 * np.random.default_rng(2).standard_normal((500, len(moved))))
    targets = tuple(SEEN.targets[k % 4] for k in range(len(moved)))
    return Moves(targets, amount, amount * rate, draws, "EUR", "conversions")


def test_shifts_add_up_to_the_plan_and_go_from_the_least_to_the_most() -> None:
    made = moves([30.0, 20.0, -40.0, -10.0], [0.05, 0.08, 0.03, 0.01])
    shifts = explain.shifts(made)
    assert sum(shift.amount.micros for shift in shifts) == 50_000_000
    assert sum(shift.gain.mean for shift in shifts) == pytest.approx(float(made.mean.sum()))
    first = shifts[0]
    assert first.gain.mean == max(shift.gain.mean for shift in shifts)
    assert {(s.source.budget_id, s.to.budget_id, s.amount.micros) for s in shifts} == {
        ("retargeting", "generic", 10_000_000),  # of the least to the most
        ("prospecting", "generic", 10_000_000),
        ("prospecting", "brand", 30_000_000),
    }
    assert "7.00 per 100 EUR moved" in next(s for s in shifts if s.source.budget_id == "retargeting").words


def test_of_many_shifts_the_most_valuable_are_told() -> None:
    count = 40
    made = moves([1.0] * count + [-1.0] * count, list(np.linspace(0.05, 0.09, 2 * count)))
    shifts: tuple[Shift, ...] = explain.shifts(made)
    assert len(shifts) == explain.MOST_SHIFTS
    gains = [shift.gain.mean for shift in shifts]
    assert gains == sorted(gains, reverse=True)


def test_the_shifts_of_a_decision_sum_to_its_gain() -> None:
    decision = decided()
    assert sum(shift.gain.mean for shift in told(decision).shifts) == pytest.approx(decision.total.mean, abs=0.02)
    assert told(decision).unspent is None
    assert told(decision).declined is None


def test_a_larger_total_is_placed_no_worse_than_the_next_plan_would() -> None:
    goals = Goals("EUR", explore=Explore.NONE, limits=(Limit(Scope.parse("campaign:generic"), ceiling=eur(125)),))
    more = told(decided(goals)).more
    assert more is not None
    assert more.extra == eur(57)
    larger = decided(replace(goals, total=eur(TOTAL) + more.extra), Guardrails(min_gain_probability=0.0))
    whole = larger.expected_then - decided(goals).expected_then
    assert more.gain.mean >= 0.95 * whole > 0
    assert more.gain.mean < 57 * max(binding.shadow_price or 0 for binding in decided(goals).bindings) * 1.1
    assert sum(amount.micros for _, amount in more.takers) == pytest.approx(57e6, rel=0.01)


def test_money_that_is_spread_thin_names_nobody() -> None:
    gain = explain.effect(np.full(10, 2.0), 2.0)
    targets = [SEEN.targets[k % 4] for k in range(50)]
    more = explain.more(eur(100), targets, np.full(50, 2.0), gain, "conversions")
    assert more.takers == ()
    assert "spread over 50 budgets" in more.words
    some = explain.more(eur(100), targets[:3], np.array([30.0, 0.0, 20.0]), gain, "conversions")
    assert "mostly through brand (+30.00 EUR) and prospecting (+20.00 EUR); only 50% of it" in some.words


def test_money_that_is_left_is_told_with_its_reason() -> None:
    profit = Goals("EUR", objective=Objective.PROFIT, margin=0.1, largest_step=0.9, explore=Explore.NONE)
    left = told(decided(profit, Guardrails(largest_step_24h=1.0))).unspent
    assert left is not None
    assert left.code == "not-worth-it"
    steps = told(decided(Goals("EUR", total=eur(2 * TOTAL)))).unspent
    assert steps is not None
    assert (steps.code, steps.amount) == ("steps", eur(round(2 * TOTAL - 1.3 * TOTAL, 2)))
    ceilings = tuple(Limit(Scope.parse(f"campaign:{name}"), ceiling=eur(BUDGETS[name])) for name in BUDGETS)
    limits = told(decided(Goals("EUR", total=eur(2 * TOTAL), limits=ceilings))).unspent
    assert limits is not None
    assert limits.code == "limits"
    promise = told(decided(Goals("EUR", cpa_ceiling=eur(12), largest_step=0.9), Guardrails(largest_step_24h=1.0)))
    assert promise.unspent is not None
    assert promise.unspent.code == "promise"


def test_money_that_a_declined_plan_or_the_cost_of_moving_leaves_is_told_so() -> None:
    wanted = Goals("EUR", total=eur(2 * TOTAL), explore=Explore.NONE)
    declined = told(decided(wanted, Guardrails(min_gain_share=1.0))).unspent
    assert declined is not None
    assert (declined.code, declined.amount) == ("declined", eur(TOTAL))
    moving = told(decided(replace(wanted, switching_cost=50.0))).unspent
    assert moving is not None
    assert moving.code == "moving"
    assert "moving it costs" in moving.words


def test_money_that_no_supply_can_take_is_worth_nothing_and_not_a_limit() -> None:
    """Budgets of which the platform spends half whatever they are: more of them buys nothing."""
    panel = replace(SEEN.panel, spend=np.minimum(SEEN.panel.spend, 0.5 * SEEN.panel.budget.min(axis=1)[:, None]))
    decision = decide(
        replace(SEEN, panel=panel),
        Goals("EUR", total=eur(2 * TOTAL), explore=Explore.NONE),
        Guardrails(),
        NOW,
        np.random.default_rng(1),
    )
    left = told(decision).unspent
    assert left is not None
    assert left.code == "not-worth-it"


def test_more_money_is_named_in_whole_coins() -> None:
    gain = explain.effect(np.full(10, 2.0), 2.0)
    words = explain.more(Money.of(100, "JPY"), SEEN.targets, np.array([60.4, 39.3, 0.3, 0.0]), gain, "conversions")
    assert [amount.micros for _, amount in words.takers] == [60_000_000, 39_000_000]
    assert "brand (+60 JPY) and generic (+39 JPY)" in words.words


def test_more_money_leaves_no_paused_budget_in_its_gap() -> None:
    """A paused budget runs with its least amount or not at all: a tenth of the total does not reach it here."""
    paused = tuple(
        replace(t, budget=replace(t.budget, amount=eur(0))) if t.budget.name == "generic" else t for t in SEEN.targets
    )
    for least in (30.0, 90.0):
        limits = (Limit(Scope.parse("campaign:generic"), minimum_when_on=eur(least)),)
        made = decide(
            replace(SEEN, targets=paused),
            Goals("EUR", explore=Explore.NONE, limits=limits),
            Guardrails(min_gain_share=1.0),
            NOW,
            np.random.default_rng(1),
        )
        more = told(made).more
        assert more is not None
        taken = {key.budget_id: amount.micros / 1e6 for key, amount in more.takers}
        assert taken.get("generic", least) >= least


def test_to_do_nothing_is_an_answer_with_figures() -> None:
    best = decided(guards=Guardrails(min_gain_share=0.0, min_gain_probability=0.0))
    decision = decided(guards=Guardrails(min_gain_share=0.9))
    declined = told(decision).declined
    assert declined is not None
    assert declined.gain is not None
    assert declined.gain.mean == pytest.approx(best.total.mean)
    assert declined.moved is not None
    assert f"moves {declined.moved} a day" in declined.words
    assert f"{0.9 * decision.expected_now:,.2f} or more with a probability of 60%" in declined.words
    assert told(decision).shifts == ()


def test_where_no_shift_is_found_the_ends_of_what_money_brings_are_told() -> None:
    best = decided(Goals("EUR", explore=Explore.NONE), Guardrails(smallest_step=1.0))
    declined = told(best).declined
    assert declined is not None
    assert declined.gain is None
    assert "of the 4 budgets that may move" in declined.words
    ends = re.search(r"bring from ([\d.]+) \((\w+)\) to ([\d.]+) conversions a day \((\w+)\)", declined.words)
    assert ends is not None
    low, least, high, most = ends.groups()
    assert float(low) < float(high)
    assert least in {"brand", "retargeting"}, "in truth these two are nearly saturated"
    assert most in {"generic", "prospecting"}
    pins = tuple(Pin(Scope.parse(f"campaign:{name}"), "ada", "sale") for name in list(BUDGETS)[:3])
    assert told(decided(Goals("EUR", pins=pins))).declined is None, "with one free budget there is nothing to compare"


def test_the_ends_of_what_money_brings_are_the_least_and_the_most() -> None:
    words = explain.nothing_found(SEEN.targets, np.array([0.03, 0.07, 0.01, 0.05]), "EUR", "conversions").words
    least, most = SEEN.targets[2].budget.name, SEEN.targets[1].budget.name
    assert f"the next 100 EUR a day bring from 1.00 ({least}) to 7.00 conversions a day ({most})" in words


def test_a_line_set_by_hand_or_by_a_limit_turns_on_nothing() -> None:
    fixed = decided(fixed={target("brand").key: eur(190)})
    assert next(line for line in fixed.lines if line.key.budget_id == "brand").turn is None
    floor = decided(Goals("EUR", limits=(Limit(Scope.parse("campaign:retargeting"), floor=eur(170)),)))
    assert next(line for line in floor.lines if line.key.budget_id == "retargeting").turn is None
    assert next(line for line in floor.lines if line.key.budget_id == "generic").turn is not None


@pytest.mark.parametrize("forced", [True, False])
def test_what_a_limit_or_a_hand_moves_is_no_measure_of_the_others(forced: bool) -> None:
    """A good budget is cut by its ceiling or by hand: the raise that its money pays for is no worse for that."""
    goals = Goals("EUR", explore=Explore.NONE)
    limits = (Limit(Scope.parse("campaign:generic"), ceiling=eur(70)),)
    decision = (
        decided(replace(goals, limits=limits)) if forced else decided(goals, fixed={target("generic").key: eur(75)})
    )
    lines = {line.key.budget_id: line for line in decision.lines}
    assert lines["generic"].reason.startswith("Cut because its ceiling" if forced else "Set by hand: costs")
    raised, cut = lines["prospecting"], lines["retargeting"]
    assert raised.turn is not None
    assert raised.turn.factor < 1
    assert raised.effect.p_worse == raised.turn.probability < 0.05
    assert raised.reason.startswith("Raised: the money added brings")
    rate = cut.effect.mean / ((cut.proposed.micros - cut.current.micros) / 1e6)
    told_rate = re.search(r"where it was cut it brought ([\d.]+)\.$", raised.reason)
    assert told_rate is not None
    assert float(told_rate[1]) == pytest.approx(100 * rate, rel=0.05), "draws, not means"


def test_cuts_that_all_pay_for_a_floor_are_weighed_against_the_price_of_money() -> None:
    limits = (Limit(Scope.parse("campaign:brand"), floor=eur(400)),)
    decision = decided(Goals("EUR", explore=Explore.NONE, limits=limits, largest_step=0.9))
    (price,) = [binding.shadow_price for binding in decision.bindings if binding.name == "total"]
    cuts = [line for line in decision.lines if line.proposed < line.current]
    assert len(cuts) > 1
    for line in cuts:
        assert line.turn is not None
        moved = (line.proposed.micros - line.current.micros) / 1e6
        assert line.turn.factor == pytest.approx(moved * price / line.effect.mean)
        (units,) = re.findall(r" conversions per (\d+) EUR; ", line.reason)
        assert line.reason.endswith(f"at the aim the next unit brings {explain.figure(int(units) * price)}.")


@pytest.mark.parametrize(
    ("mover", "moved", "mean", "words"),
    [
        (Mover.CHOICE, 10, 0.2, "Raised: expected to bring 2.00 conversions per 100 EUR, though where it was cut it "
                                "brought 3.00; limits, or the way to the aim, ask for it."),
        (Mover.HOPE, 10, 0.2, "Raised to learn: expected to bring 2.00 conversions per 100 EUR, less than the 3.00 "
                              "where it was cut, but may be more."),
        (Mover.CHOICE, -10, -0.5, "Cut: it brought 5.00 conversions per 100 EUR, though where it is added it brings "
                                  "4.00; limits, or the way to the aim, ask for it."),
        (Mover.HOPE, -10, -0.5, "Cut to make room, though it brought 5.00 conversions per 100 EUR and 4.00 is expected "
                                "where it is added: more may be."),
        (Mover.TRIAL, 10, 0.2, "Raised on trial, to learn what more brings: expected are 2.00 conversions per "
                               "100 EUR."),
        (Mover.TRIAL, -10, -0.5, "Cut on trial, to learn whether less does: the money cut brought 5.00 conversions per "
                                 "100 EUR."),
        (Mover.HAND, 10, 0.2, "Set by hand: brings 2.00 conversions per 100 EUR."),
    ],
)  # fmt: skip
def test_only_what_hope_moves_is_said_to_be_moved_to_learn(mover: Mover, moved: int, mean: float, words: str) -> None:
    one = SEEN.targets[0]
    now = one.budget.amount
    facts = LineFacts(
        target=one,
        current=now,
        proposed=now + eur(moved),
        effect=Effect(mean, mean, mean, mean, mean, 0.5),
        evidence=decided().lines[0].evidence,
        pull=0.0,
        rates=Rates(np.full(4, 0.04), np.full(4, 0.03), 2, (0.03, 0.04)),
        reached=(),
        forced=None,
        mover=mover,
        hold=None,
        thing="conversions",
    )
    assert explain.line(facts).reason == words


@pytest.mark.parametrize(
    ("goals", "code"),
    [
        (Goals("EUR", roas_floor=90.0), "confidence"),
        (Goals("EUR", total=eur(300), limits=(Limit(Scope.parse("channel:social"), floor=eur(350)),)), "contradiction"),
    ],
)
def test_lines_that_nothing_was_planned_for_name_what_forbade_it(goals: Goals, code: str) -> None:
    decision = decided(goals)
    (block,) = decision.blocked
    assert block.code == code
    assert {line.reason for line in decision.lines} == {f"Stays, as every budget does ({code}): {block.message}"}


def test_profit_counts_the_cost_of_the_spend_into_the_factor() -> None:
    goals = Goals("EUR", objective=Objective.PROFIT, margin=0.1, largest_step=0.9, explore=Explore.NONE)
    for line in decided(goals, Guardrails(largest_step_24h=1.0)).lines:
        assert line.turn is not None
        saved = (line.current.micros - line.proposed.micros) / 1e6
        cost = line.effect.mean * line.turn.factor / (1 - line.turn.factor)  # from factor = cost / (effect + cost)
        assert 0.9 * saved < -cost <= saved, "delivery is a little below the budget"


def test_an_explanation_survives_the_store_and_a_blocked_plan_has_an_empty_one() -> None:
    decision = decided()
    assert from_json(Decision, to_json(decision)) == decision
    block = decided(Goals("EUR", roas_floor=90.0))
    assert told(block) == Explanation()
