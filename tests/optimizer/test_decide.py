"""The decision as a whole: what it keeps, what it says, and that it says the same thing twice."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from connectors.money import Money
from optimizer.decide import choose, decide, search, tell, trying
from optimizer.goals import Explore, Goals, GoalsError, Limit, Pin, Scope
from optimizer.guardrails import Guardrails
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.recommendation import Decision, Finding, Objective, Severity
from optimizer.plan.snapshot import Panel, Snapshot
from optimizer.trials import Trial
from tests.optimizer.snapshots import BUDGETS, NOW, snapshot, target

SEEN = snapshot()
GUARDS = Guardrails()
TOTAL = sum(BUDGETS.values())


def eur(amount: float) -> Money:
    return Money.of(str(amount), "EUR")


def decided(goals: Goals | None = None, guards: Guardrails = GUARDS, seed: int = 1, **more: object) -> Decision:
    return decide(SEEN, goals or Goals("EUR"), guards, NOW, np.random.default_rng(seed), **more)


def proposed(decision: Decision) -> dict[str, float]:
    return {line.key.budget_id: line.proposed.micros / 1e6 for line in decision.lines}


def codes(decision: Decision) -> list[str]:
    return [finding.code for finding in decision.findings]


def test_money_goes_where_the_next_unit_brings_more() -> None:
    decision = decided()
    amounts = proposed(decision)
    assert amounts["generic"] == pytest.approx(130, abs=0.01)
    assert amounts["brand"] < 170
    assert sum(amounts.values()) == pytest.approx(TOTAL, abs=0.04)
    assert sum(amounts.values()) <= TOTAL
    assert decision.total.mean > 0
    assert decision.total.p_worse < 0.1
    assert decision.expected_then - decision.expected_now == pytest.approx(decision.total.mean)


@pytest.mark.parametrize("objective", list(Objective))
def test_all_that_is_told_of_a_plan_is_told_of_the_same_worlds(objective: Objective) -> None:
    wanted = Goals("EUR", objective=objective, margin=0.5)
    choice = choose(SEEN, wanted, GUARDS, NOW, np.random.default_rng(1))
    assert choice.worlds is not None
    forecast, now = choice.case.forecast, choice.case.snapshot.current
    between, then = 1.1 * now, 1.3 * now
    first, second, both = (
        choice.worlds.change(np.stack(pair, axis=1)) for pair in ((now, between), (between, then), (now, then))
    )
    assert first + second == pytest.approx(both)
    assert not choice.worlds.change(np.stack([then, then], axis=1)).any()
    pair = np.stack([now, then], axis=1)
    anew = forecast.draws(pair, choice.case.draw_count, np.random.default_rng(2))
    assert np.array_equal(anew, forecast.sample(choice.case.draw_count, np.random.default_rng(2)).at(pair))
    proposed = np.array([amount.micros / 1e6 for amount in choice.proposed])
    worse = (choice.worlds.change(np.stack([now, proposed], axis=1)).sum(axis=1) < 0).mean()
    assert tell(choice, np.random.default_rng(3)).total.p_worse == pytest.approx(worse)


def test_intervals_nest_and_lines_add_up() -> None:
    decision = decided()
    for effect in (decision.total, *(line.effect for line in decision.lines)):
        assert effect.low95 <= effect.low80 <= effect.high80 <= effect.high95
        assert 0 <= effect.p_worse <= 1
    assert sum(line.effect.mean for line in decision.lines) == pytest.approx(decision.total.mean)


def test_the_same_input_gives_the_same_bytes_and_another_seed_other_draws() -> None:
    assert to_json(decided()) == to_json(decided())
    assert to_json(decided()) != to_json(decided(seed=2))
    assert from_json(Decision, to_json(decided())) == decided()


def test_the_order_of_the_targets_does_not_matter_to_the_plan() -> None:
    turned = np.array([2, 0, 3, 1])
    panel = replace(
        SEEN.panel,
        **{name: getattr(SEEN.panel, name)[turned] for name in
           ("spend", "conversions", "value", "clicks", "impressions", "budget")},
    )  # fmt: skip
    other = replace(SEEN, targets=tuple(SEEN.targets[i] for i in turned), panel=panel)
    there = decide(other, Goals("EUR"), GUARDS, NOW, np.random.default_rng(1))
    for name, amount in proposed(decided()).items():
        assert proposed(there)[name] == pytest.approx(amount, abs=0.5)


def test_every_line_says_why_and_names_what_holds_it() -> None:
    decision = decided()
    by_name = {line.key.budget_id: line for line in decision.lines}
    assert by_name["generic"].reason.startswith("Raised: the money added brings")
    assert [b.name for b in by_name["generic"].bindings] == ["step"]
    assert by_name["generic"].bindings[0].shadow_price > 0
    assert by_name["brand"].reason.startswith("Cut: the money cut brought")
    assert [b.name for b in decision.bindings] == ["total"]
    assert "would bring" in decision.bindings[0].words


def test_a_price_is_what_a_larger_total_brings() -> None:
    """The shadow price of the total against a finite difference of what the best plan is expected to bring."""
    wide = Guardrails(min_gain_probability=0.0, smallest_step=0.0, largest_step_24h=9.0)
    goals = Goals("EUR", total=eur(600), largest_step=9.0, explore=Explore.NONE)
    more = replace(goals, total=eur(606))
    gain = decided(more, wide).expected_then - decided(goals, wide).expected_then
    (price,) = [b.shadow_price for b in decided(goals, wide).bindings if b.name == "total"]
    assert gain / 6 == pytest.approx(price, rel=0.1)


@pytest.mark.parametrize(
    ("total", "limits"),
    [
        (
            TOTAL,
            tuple(Limit(Scope.parse(f"campaign:{name}"), floor=Money.of(BUDGETS[name], "EUR")) for name in BUDGETS),
        ),
        (0, ()),
        (0, (Limit(Scope.parse("channel:search"), ceiling=Money.of(300, "EUR")),)),
    ],
)
def test_a_total_that_the_lower_ends_fill_is_worth_what_one_more_unit_brings(
    total: int, limits: tuple[Limit, ...]
) -> None:
    goals = Goals("EUR", total=eur(total), limits=limits, explore=Explore.NONE)
    plan, more = (
        search.search(choose(SEEN, wanted, GUARDS, NOW, np.random.default_rng(1)).case, np.random.default_rng(1))
        for wanted in (goals, replace(goals, total=eur(total + 0.1)))
    )
    assert not isinstance(plan, Finding)
    assert not isinstance(more, Finding)
    assert plan.prices[0] == pytest.approx((more.aim.value - plan.aim.value) / 0.1, rel=0.05)


def test_profit_may_leave_money_unspent() -> None:
    goals = Goals("EUR", objective=Objective.PROFIT, margin=0.1, largest_step=0.9, explore=Explore.NONE)
    decision = decided(goals, Guardrails(largest_step_24h=1.0))
    assert sum(proposed(decision).values()) < 0.7 * TOTAL
    assert decision.unit == "EUR profit a day"


def test_revenue_counts_the_reported_value_or_the_stated_one() -> None:
    reported = decided(Goals("EUR", objective=Objective.REVENUE))
    conversions = decided()
    assert reported.expected_now == pytest.approx(40 * conversions.expected_now, rel=0.02)
    stated = decided(Goals("EUR", objective=Objective.REVENUE, value_per_conversion=eur(25)))
    assert stated.expected_now == pytest.approx(25 * conversions.expected_now, rel=1e-6)


@pytest.mark.parametrize("explore", list(Explore))
def test_every_way_to_explore_keeps_every_limit(explore: Explore) -> None:
    goals = Goals("EUR", explore=explore, limits=(Limit(Scope.parse("channel:social"), share_floor=0.45),))
    amounts = proposed(decided(goals, Guardrails(min_gain_probability=0.0)))
    assert sum(amounts.values()) <= TOTAL
    assert amounts["retargeting"] + amounts["prospecting"] >= 0.45 * TOTAL - 0.02
    for name, amount in amounts.items():
        assert abs(amount - BUDGETS[name]) <= 0.3 * BUDGETS[name] + 0.01


def test_a_cpa_ceiling_is_kept_with_the_asked_probability() -> None:
    loose = decided(Goals("EUR", largest_step=0.9), Guardrails(largest_step_24h=1.0))
    cost = sum(proposed(loose).values()) / loose.expected_then
    goals = Goals("EUR", cpa_ceiling=eur(round(0.8 * cost, 2)), largest_step=0.9, confidence=0.9)
    decision = decided(goals, Guardrails(largest_step_24h=1.0))
    (promise,) = decision.promises
    assert promise.probability >= 0.9 - 0.015  # told from draws of its own
    assert promise.then < 0.8 * cost < promise.now
    assert "out-of-reach" not in codes(decision)
    assert "cpa" in [b.name for b in decision.bindings]


@pytest.mark.parametrize("goals", [Goals("EUR", cpa_ceiling=eur(0.5)), Goals("EUR", roas_floor=90.0)])
def test_a_promise_is_never_kept_by_shutting_down(goals: Goals) -> None:
    decision = decided(goals, Guardrails(min_gain_probability=0.99))
    assert not decision.moves
    assert "confidence" in [finding.code for finding in decision.blocked]


def without_value() -> Snapshot:
    return replace(SEEN, panel=replace(SEEN.panel, value=np.full_like(SEEN.panel.value, np.nan)))


@pytest.mark.parametrize(
    "goals",
    [Goals("EUR", objective=Objective.REVENUE), Goals("EUR", objective=Objective.PROFIT), Goals("EUR", roas_floor=2.0)],
)
def test_a_goal_that_counts_value_needs_some(goals: Goals) -> None:
    decision = decide(without_value(), goals, GUARDS, NOW, np.random.default_rng(1))
    assert not decision.moves
    assert [finding.code for finding in decision.blocked] == ["no-value"]
    stated = decide(
        without_value(), replace(goals, value_per_conversion=eur(40)), GUARDS, NOW, np.random.default_rng(1)
    )
    assert "no-value" not in codes(stated)


def test_a_paused_campaign_is_left_alone_and_named() -> None:
    panel = replace(SEEN.panel, spend=SEEN.panel.spend.copy())
    panel.spend[0, -6:] = np.nan
    decision = decide(replace(SEEN, panel=panel), Goals("EUR"), GUARDS, NOW, np.random.default_rng(1))
    line = next(line for line in decision.lines if line.key == SEEN.targets[0].key)
    assert not line.changes
    assert "it has spent nothing since 2026-02-23 and may be paused" in line.reason


def test_a_move_that_a_floor_asks_for_says_so() -> None:
    goals = Goals("EUR", limits=(Limit(Scope.parse("campaign:retargeting"), floor=eur(170)),))
    line = next(line for line in decided(goals).lines if line.key.budget_id == "retargeting")
    assert line.proposed == eur(170)
    assert line.reason == "Raised because its floor is 170.00 EUR."


def test_nothing_moves_away_from_its_aim_while_another_can_take_the_money() -> None:
    """A floor on the worst budget must not send money that steps hold up to a budget that should be cut."""
    goals = Goals("EUR", limits=(Limit(Scope.parse("campaign:brand"), floor=eur(150)),), explore=Explore.NONE)
    amounts = proposed(decided(goals))
    assert amounts["brand"] <= 200
    assert amounts["retargeting"] <= 150


def test_a_distant_ceiling_changes_nothing() -> None:
    goals = Goals("EUR", limits=(Limit(Scope.parse("campaign:generic"), ceiling=eur(1_000_000)),))
    assert proposed(decided(goals)) == proposed(decided())
    assert decided(goals).certificate == decided().certificate


def test_the_price_of_a_floor_is_that_of_lowering_it() -> None:
    goals = Goals("EUR", limits=(Limit(Scope.parse("channel:search"), floor=eur(320)),))
    (floor,) = [b for b in decided(goals).bindings if b.name == "floor:channel:search"]
    assert "a day less of it would bring" in floor.words


def test_only_what_holds_the_proposed_budgets_is_said_to_hold_them() -> None:
    goals = Goals("EUR", limits=(Limit(Scope.parse("channel:search"), floor=eur(200)),))
    assert [b.name for b in decided(goals).bindings] == ["total"]


def test_p_worse_of_a_line_is_its_own_where_money_may_stay_unspent() -> None:
    goals = Goals("EUR", objective=Objective.PROFIT, margin=0.1, largest_step=0.9, explore=Explore.NONE)
    decision = decided(goals, Guardrails(largest_step_24h=1.0))
    for line in decision.lines:
        if line.changes:
            assert line.effect.p_worse < 0.5
            assert (line.effect.low95 > 0) <= (line.effect.p_worse < 0.025 + 0.01)


def test_a_limit_that_only_a_small_move_mends_is_mended() -> None:
    decision = decided(Goals("EUR", total=eur(566), explore=Explore.NONE), Guardrails(smallest_step=0.4))
    assert sum(proposed(decision).values()) <= 566


def test_few_changes_are_paid_for() -> None:
    decision = decided(guards=Guardrails(max_changes=2, min_gain_probability=0.0))
    changed = [line for line in decision.lines if line.changes]
    assert len(changed) == 2
    assert {line.proposed > line.current for line in changed} == {True, False}


def test_what_cannot_be_reached_with_few_changes_is_told() -> None:
    decision = decided(Goals("EUR", total=eur(420)), Guardrails(max_changes=1))
    assert "out-of-reach" in codes(decision)


def test_one_budget_and_a_fixed_total_leave_nothing_to_shift() -> None:
    one = SEEN.select([1])
    decision = decide(one, Goals("EUR"), GUARDS, NOW, np.random.default_rng(1))
    (finding,) = decision.findings
    assert (finding.code, decision.moves) == ("nothing-to-shift", False)
    assert "one budget" in finding.message


def test_a_fixed_amount_is_one_that_the_platform_takes_and_keeps_every_limit_to_the_cent() -> None:
    goals = Goals("EUR", limits=(Limit(Scope.parse("campaign:brand"), ceiling=eur(210)),))
    key = target("brand").key
    for amount, words in (("210.01", "its ceiling is 210.00 EUR"), ("205.001", "multiples of 0.01 EUR")):
        with pytest.raises(GoalsError, match=words):
            decided(goals, fixed={key: eur(amount)})
    assert proposed(decided(goals, fixed={key: eur(210)}))["brand"] == 210


def test_what_a_step_leaves_of_a_limit_beyond_it_is_an_amount_that_a_hand_may_set() -> None:
    """A step of 7.777% from 200 ends at 184.446; the next amount within it is 184.45."""
    goals = Goals("EUR", largest_step=0.07777, limits=(Limit(Scope.parse("campaign:brand"), ceiling=eur(90)),))
    key = target("brand").key
    assert proposed(decided(goals))["brand"] == 184.45
    assert proposed(decided(goals, fixed={key: eur("184.45")}))["brand"] == 184.45
    with pytest.raises(GoalsError, match=r"the largest step is 8%. Mend: choose 184.45 EUR$"):
        decided(goals, fixed={key: eur("184.44")})


def test_a_hand_may_pass_over_a_hold_but_not_in_silence_and_not_on_a_shared_budget() -> None:
    key = target("brand").key
    thin = Guardrails(minimum_conversions=1_000)
    decision = decided(guards=thin, fixed={key: eur(190)})
    assert proposed(decision)["brand"] == 190
    assert "hold-overridden" in codes(decision)
    targets = tuple(replace(t, budget=replace(t.budget, shared=True)) if t.key == key else t for t in SEEN.targets)
    with pytest.raises(GoalsError, match="shared with others"):
        decide(replace(SEEN, targets=targets), Goals("EUR"), GUARDS, NOW, np.random.default_rng(1), {key: eur(190)})


def test_a_lower_total_is_walked_towards_and_told() -> None:
    decision = decided(Goals("EUR", total=eur(300)))
    amounts = proposed(decision)
    for name, amount in amounts.items():
        assert amount == pytest.approx(0.7 * BUDGETS[name], abs=0.02)
    assert "out-of-reach" in codes(decision)


def test_a_total_out_of_reach_is_no_leave_to_break_a_floor_that_is_kept() -> None:
    search_now = sum(BUDGETS[name] for name in BUDGETS if target(name).channel == "search")
    floor = round(0.97 * search_now, 2)
    limits = (Limit(Scope.parse("channel:search"), floor=eur(floor)),)
    decision = decided(Goals("EUR", total=eur(300), limits=limits, explore=Explore.NONE))
    amounts = proposed(decision)
    assert "out-of-reach" in codes(decision)
    assert sum(amounts[name] for name in BUDGETS if target(name).channel == "search") == pytest.approx(floor, abs=0.02)
    for name in BUDGETS:
        if target(name).channel != "search":
            assert amounts[name] == pytest.approx(0.7 * BUDGETS[name], abs=0.02)


def test_contradicting_limits_move_nothing_and_are_named() -> None:
    limits = (
        Limit(Scope.parse("channel:search"), floor=eur(300)),
        Limit(Scope.parse("channel:social"), floor=eur(350)),
    )
    decision = decided(Goals("EUR", total=eur(500), limits=limits))
    assert not decision.moves
    (block,) = decision.blocked
    for word in ("channel search at least 300.00 EUR", "channel social at least 350.00 EUR", "total"):
        assert word in block.message


def test_the_total_that_is_told_to_do_does_so_where_shares_of_it_are_asked_for() -> None:
    """Social at least 60% of the total and search 300: 300 / 0.4 = 750, though 60% of 570 would ask for 642 alone."""
    limits = (
        Limit(Scope.parse("channel:social"), share_floor=0.6),
        Limit(Scope.parse("channel:search"), floor=eur(300)),
    )
    goals = Goals("EUR", total=eur(TOTAL), limits=limits)
    (block,) = decided(goals).blocked
    told = re.search(r"`total` at ([\d,.]+) instead of 570.00", block.message)
    assert told is not None
    total = float(told[1].replace(",", ""))
    assert total == pytest.approx(750, abs=0.02)
    assert not decided(replace(goals, total=eur(total))).blocked


def test_pins_and_held_lines_stay_to_the_micro() -> None:
    pin = Pin(Scope.parse("campaign:generic"), "ada", "sale")
    line = next(line for line in decided(Goals("EUR", pins=(pin,))).lines if line.key.budget_id == "generic")
    assert line.proposed == line.current
    assert line.reason == "Stays: pinned by ada: sale."
    assert line.effect.mean == line.effect.p_worse == 0.0


def test_few_changes_when_few_are_allowed() -> None:
    decision = decided(guards=Guardrails(max_changes=2, min_gain_probability=0.0))
    assert 0 < sum(line.changes for line in decision.lines) <= 2


def test_no_line_moves_by_less_than_the_smallest_step() -> None:
    decision = decided(guards=Guardrails(smallest_step=0.15, min_gain_probability=0.0))
    for line in decision.lines:
        size = abs(line.proposed.micros - line.current.micros) / line.current.micros
        assert size == 0 or size >= 0.149


def test_an_unlikely_gain_is_not_worth_a_change() -> None:
    decision = decided(guards=Guardrails(min_gain_share=0.9))
    assert not decision.moves
    assert "gain-too-small" in codes(decision)
    assert decision.total.mean == 0.0


def test_fixed_lines_are_kept_and_the_rest_is_solved_around_them() -> None:
    key = target("brand").key
    amounts = proposed(decided(fixed={key: eur(210)}))
    assert amounts["brand"] == 210
    assert sum(amounts.values()) <= TOTAL
    with pytest.raises(GoalsError, match=r"the largest step is 30%.* between 140.00 EUR and 260.00 EUR"):
        decided(fixed={key: eur(300)})
    with pytest.raises(GoalsError, match="there is no budget"):
        decided(fixed={replace(key, budget_id="nobody"): eur(1)})


def test_nothing_known_is_a_held_decision_not_an_error() -> None:
    nothing = replace(
        SEEN,
        targets=(),
        panel=replace(SEEN.panel, **{n: np.empty((0, 120)) for n in
                      ("spend", "conversions", "value", "clicks", "impressions", "budget")}),
    )  # fmt: skip
    decision = decide(nothing, Goals("EUR"), GUARDS, NOW, np.random.default_rng(1))
    assert not decision.moves
    assert codes(decision) == ["no-budgets"]


def test_a_slip_in_a_scope_is_told() -> None:
    decision = decided(Goals("EUR", limits=(Limit(Scope.parse("channel:serch"), floor=eur(1)),)))
    assert ("no-such-scope", Severity.WARNING) in [(f.code, f.severity) for f in decision.findings]


def test_ads_with_a_rival_get_a_share_and_the_better_one_more() -> None:
    decision = decide(snapshot(ads=True), Goals("EUR"), GUARDS, NOW, np.random.default_rng(1))
    shares = {arm.arm_id: arm for arm in decision.arms}
    assert set(shares) == {"ad1", "ad2"}, "an only child has nothing to be compared with"
    assert shares["ad1"].share > shares["ad2"].share
    assert shares["ad1"].p_best > 0.99
    assert shares["ad1"].low90 < 20 < shares["ad1"].high90
    assert shares["ad1"].metric == "conversions per 1,000 impressions"
    assert shares["ad1"].share + shares["ad2"].share == pytest.approx(1)


def test_the_certificate_proves_the_aim() -> None:
    certificate = decided().certificate
    assert certificate is not None
    assert certificate.upper_bound >= certificate.value
    assert certificate.gap < 1e-3


def test_hope_is_held_to_its_share_and_told() -> None:
    loose = Guardrails(largest_step_24h=1.0)
    whole = decided(Goals("EUR", largest_step=0.9, explore_limit=1.0), loose)
    assert whole.explored is not None
    assert whole.explored > 0
    found = []
    for limit in (0.0, whole.explored / 2, 1.0):
        decision = decided(Goals("EUR", largest_step=0.9, explore_limit=limit), loose)
        assert decision.explored is not None
        assert decision.explored <= limit
        found.append(decision.explored)
    assert found == sorted(found)
    assert found[-1] == whole.explored
    none = decided(Goals("EUR", largest_step=0.9, explore_limit=0.0), loose)
    assert proposed(none) == proposed(decided(Goals("EUR", largest_step=0.9, explore=Explore.NONE), loose))


def starved() -> Snapshot:
    """One campaign fell steeply when it was cut, as at the foot of an S-curve; three were varied a little."""
    days, rng = 28, np.random.default_rng(9)
    spend = 150.0 * rng.uniform(0.7, 1.3, (4, days))
    spend[2] = np.clip(150.0 * 0.75 ** np.maximum(np.arange(days) - 6.0, 0.0), 10.0, None)
    shown = 30_000.0 * spend / (spend + 60.0)
    shown[2] = 9_000.0 * (spend[2] / 150.0) ** 2.3
    shown = rng.poisson(shown)
    clicks = rng.binomial(shown, 0.02)
    sold = rng.binomial(clicks, 0.03).astype(float)
    panel = Panel(
        SEEN.today - timedelta(days=days), spend, sold, 40.0 * sold, clicks.astype(float), shown.astype(float), spend
    )
    targets = tuple(
        replace(one, budget=replace(one.budget, amount=eur(round(float(now), 2))))
        for one, now in zip(SEEN.targets, spend[:, -1], strict=True)
    )
    return replace(SEEN, targets=targets, panel=panel)


TRYING = Goals("EUR", total=eur(600))


def of_starved(goals: Goals) -> Decision:
    return decide(starved(), goals, Guardrails(largest_step_24h=1.0), NOW, np.random.default_rng(1))


def test_a_trial_is_told_with_what_it_may_cost_and_when_it_stops() -> None:
    decision = of_starved(TRYING)
    (trial,) = [finding for finding in decision.findings if finding.code == "trial"]
    line = next(line for line in decision.lines if str(line.key) == trial.subject)
    assert line.proposed.micros > line.current.micros
    for words in ("on trial: towards", "expected to cost", "judged anew each morning", "stops"):
        assert words in trial.message
    assert decision.explored is not None
    assert decision.explored <= TRYING.explore_limit


def test_a_trial_that_has_arrived_is_told_with_its_rule_of_stopping() -> None:
    case = choose(starved(), TRYING, Guardrails(), NOW, np.random.default_rng(1)).case
    now = case.snapshot.current
    there, elsewhere = Trial(0, float(now[0]), 4.0, 1.0, 1.0, 50.0), Trial(1, 3.0 * float(now[1]), 9.0, 1.0, 1.0, 50.0)
    (finding,) = trying.told(case, (there, elsewhere), now)
    assert finding.subject == str(case.snapshot.targets[0].key)
    assert "where it stays" in finding.message
    assert "stops" in finding.message


def test_nothing_is_tried_where_nothing_may_be_hoped_for() -> None:
    for goals in (
        replace(TRYING, explore=Explore.NONE),
        replace(TRYING, explore_limit=0.0),
        replace(TRYING, risk_aversion=0.5),
        replace(TRYING, roas_floor=1.0),
    ):
        assert "trial" not in codes(of_starved(goals))


def test_a_budget_that_can_trade_with_none_is_not_tried() -> None:
    pins = tuple(Pin(Scope.parse(f"campaign:{name}"), "ada", "sale") for name in BUDGETS if name != "prospecting")
    choice = choose(SEEN, Goals("EUR", pins=pins), GUARDS, NOW, np.random.default_rng(1))
    assert choice.plan is not None
    assert choice.plan.trials == ()


def test_trials_find_room_in_their_part_of_the_explored_share() -> None:
    choice = choose(starved(), TRYING, Guardrails(), NOW, np.random.default_rng(1))
    assert choice.plan is not None
    sober = replace(choice.plan.aim, spend=np.zeros(4))
    now = choice.case.snapshot.current
    box = replace(choice.plan.box, lower=np.zeros(4), upper=np.full(4, 600.0))
    trials = [Trial(k, 5.0 * float(now[k]), 9.0, 1.0, 1.0, 50.0) for k in range(4)]
    for limit, hope in ((0.0, 1.0), (0.5, 1.0), (0.5, 0.5), (1.0, 1.0)):
        goals = replace(TRYING, explore_limit=limit)
        case = replace(choice.case, goals=goals, forecast=replace(choice.case.forecast, hope=hope))
        found = trying.admitted(case, box, case.rows, trials, sober)
        assert sum(1.3 * now[trial.target] for trial in found) <= trying.SHARE * limit * hope * 600.0
        assert bool(found) == (limit > 0)


def test_a_promise_that_hope_would_break_is_looked_for_with_less(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []
    whole = search._search

    def blocked_at_first(case, ground, rng):
        tried.append(case.forecast.hope)
        if case.forecast.hope == 1.0:
            return Finding("confidence", Severity.BLOCK, "portfolio", "not with so much hope")
        return whole(case, ground, rng)

    monkeypatch.setattr(search, "_search", blocked_at_first)
    assert decided(Goals("EUR")).moves
    assert tried[:2] == [1.0, 0.5]


def test_where_nothing_may_be_hoped_for_no_hope_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []
    whole = search._search

    def watched(case, ground, rng):
        tried.append(case.forecast.hope)
        return whole(case, ground, rng)

    monkeypatch.setattr(search, "_search", watched)
    decided(Goals("EUR", explore_limit=0.0))
    assert tried == [0.0]
