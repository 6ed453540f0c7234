"""Outlay as a policy of the simulator: the same snapshot as the store's, the same decision, within the same bounds."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from connectors.contract import BudgetChange
from connectors.money import MICROS, Money
from optimizer import guardrails
from optimizer.agent.simulating import ABOUT, OUTLAY, POLICIES, UNBOUND, ConversionsOnly, OutlayPolicy, outlay_policy
from optimizer.agent.store import MemoryStore
from optimizer.decide import decide
from optimizer.goals import Explore
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import SnapshotQuery
from simulations.market.play import begin, play
from simulations.platform.connector import SimulatedConnector
from simulations.policies.contract import Bounds, Proposal, Seen, Setting, bounds_of, setting_of
from simulations.runs.seen import Diary
from simulations.scenarios import Scenario, named

START = date(2025, 9, 1)
AGES = 31
HALF = np.array([60.0, 100.0, 150.0, 220.0, 300.0, 400.0])
SCALE = np.array([12.0, 30.0, 8.0, 45.0, 25.0, 50.0])


def told_of(scenario: Scenario, days: int, **changes: object) -> Setting:
    channel = np.repeat(np.arange(len(scenario.channels)), [c.campaigns for c in scenario.channels])
    names = tuple(f"campaign {k}" for k in range(scenario.campaigns))
    return replace(setting_of(scenario, START, days, names, channel), **changes)


def seen_of(setting: Setting, budgets: np.ndarray, eventual: np.ndarray, live: np.ndarray, worth: float = 40.0) -> Seen:
    """What is reported of so many eventual conversions, shape (K, t), half of the rest of which comes each day."""
    campaigns, days = budgets.shape
    ages = AGES
    share = 1.0 - 0.5 ** np.arange(1.0, ages + 1)
    came = np.floor(eventual[..., None] * share / share[-1])
    age = days - 1 - np.arange(days)
    known = came[:, np.arange(days), np.minimum(age, ages - 1)]
    by_age = np.where(np.arange(ages) <= age[:, None], came, np.nan)
    spend = 0.98 * budgets
    return Seen(
        today=days,
        budgets=budgets,
        spend=spend,
        impressions=spend * 40.0,
        clicks=spend * 2.0,
        conversions=known,
        value=known * worth,
        by_age=by_age,
        impression_share=np.full_like(spend, np.nan),
        live=live,
        runs=np.ones(campaigns, dtype=np.bool_),
    )


def steady(days: int = 40, **changes: object) -> tuple[Setting, Seen]:
    """Six campaigns whose curves are known; the first are fed too much, the last too little."""
    setting = told_of(named("closed-loop-6"), days + 1, **changes)
    rng = np.random.default_rng(4)
    live = np.array([300.0, 300.0, 250.0, 150.0, 100.0, 100.0])
    budgets = live[:, None] * rng.uniform(0.6, 1.2, (6, days))
    mean = SCALE[:, None] * budgets / (budgets + HALF[:, None])
    return setting, seen_of(setting, budgets, rng.poisson(mean).astype(np.float64), live)


def made(setting: Setting, name: str = "outlay") -> OutlayPolicy:
    policy = OUTLAY[name](setting)
    assert isinstance(policy, OutlayPolicy)
    return policy


class Twins:
    """One world, read by a store through the connector and by a policy through its diary."""

    def __init__(self, scenario: Scenario, days: int) -> None:
        self.scenario, self.market = scenario, SimulatedConnector(scenario, seed=3, start=START)
        self.store, world = MemoryStore(), self.market.world
        self.store.note_entities(self.market.entities())
        self.diary = Diary(world.truth, days)
        rng, carry = np.random.default_rng(5), begin(world.truth)
        for _ in range(days):
            self._edit(rng)
            live = world.live
            outcome, carry = play(world.truth, world.key, carry, live)
            self.diary.add(live, outcome)
            self.market.advance()
            self.store.ingest(self.market.pull(START, self.market.today))
        self.store.note_budgets(self.market.name, self.market.budgets(), self.market.now)
        truth = world.truth
        self.setting = setting_of(scenario, START, days + 1, truth.names, truth.channel)
        self.seen = self.diary.seen(world.live)

    def snapshot(self) -> Snapshot:
        days = (self.market.today - START).days
        query = SnapshotQuery(self.market.now, self.market.today, days, self.scenario.currency, self.scenario.time_zone)
        return self.store.snapshot(query)

    def _edit(self, rng: np.random.Generator) -> None:
        budget = self.market.budgets()[int(rng.integers(self.scenario.campaigns))]
        target = Money(int(budget.amount.micros * rng.uniform(0.8, 1.2)), budget.amount.currency)
        target = target.quantize(budget.quantum_micros, "down")
        name = f"{self.market.today}"
        self.market.set_budget(BudgetChange(name, budget.key, budget.amount, target))
        self.store.note_budgets(self.market.name, self.market.budgets(), self.market.now)


@pytest.fixture(scope="module")
def twins() -> Twins:
    return Twins(named("demo", history_days=0, restatement_days=20), days=30)


def test_the_snapshot_is_what_a_store_knows_of_the_same_days(twins: Twins) -> None:
    stored, own = twins.snapshot(), made(twins.setting).snapshot(twins.seen)
    for measure in ("spend", "conversions", "value", "clicks", "impressions", "budget"):
        theirs, ours = getattr(stored.panel, measure), getattr(own.panel, measure)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=measure)
    assert own.panel.first_day == stored.panel.first_day
    assert (own.known_at, own.today, own.currency) == (stored.known_at, stored.today, stored.currency)
    np.testing.assert_array_equal(own.current, stored.current)
    assert [t.channel for t in own.targets] == [t.channel for t in stored.targets]
    assert [t.budget.name for t in own.targets] == [t.budget.name for t in stored.targets]
    assert [t.key for t in own.targets] == sorted(t.key for t in own.targets)


def test_the_channels_triangles_sum_to_the_stores(twins: Twins) -> None:
    (stored,), own = twins.snapshot().delays, made(twins.setting).snapshot(twins.seen).delays
    assert [group.group for group in own] == ["search/all", "social/all", "video/all"]
    np.testing.assert_array_equal(np.concatenate([group.targets for group in own]), np.arange(12))
    np.testing.assert_allclose(np.sum([group.cumulative for group in own], axis=0), stored.cumulative, rtol=1e-12)


def test_the_decision_is_the_products_own() -> None:
    """One channel is one delay group to the store, too: the proposal equals what `decide` says on the store's word."""
    channel = replace(named("demo").channels[0], campaigns=6, harvest=0.0)
    scenario = replace(named("demo", history_days=0), channels=(channel,))
    twins = Twins(scenario, days=30)
    policy = made(twins.setting)
    proposal = policy.propose(twins.seen, np.random.default_rng(7))
    stored, goals = twins.snapshot(), policy.goals(twins.seen)
    limits, targets = [], []
    for limit, target, own in zip(goals.limits, stored.targets, policy.snapshot(twins.seen).targets, strict=True):
        limits.append(replace(limit, scope=replace(limit.scope, name=target.campaigns[0])))
        targets.append(replace(target, budget=replace(target.budget, minimum=own.budget.minimum)))
    bare = replace(stored, targets=tuple(targets), moves=(), arms=None)
    goals = replace(goals, limits=tuple(limits))
    decision = decide(bare, goals, UNBOUND, stored.known_at, np.random.default_rng(7))
    proposed = {line.key: line.proposed.micros / MICROS for line in decision.lines}
    assert decision.moves
    np.testing.assert_allclose(proposal.budgets, [proposed[t.key] for t in stored.targets], atol=0.011)


def test_money_goes_from_flat_curves_to_steep_ones_within_one_step() -> None:
    setting, seen = steady()
    proposal = made(setting, "outlay-none").propose(seen, np.random.default_rng(1))
    slope = SCALE * HALF / (HALF + seen.live) ** 2
    assert (proposal.budgets < seen.live)[slope.argsort()[:2]].all()
    assert (proposal.budgets > seen.live)[slope.argsort()[-2:]].all()
    assert (np.abs(proposal.budgets / seen.live - 1.0) <= setting.bounds.step + 1e-9).all()
    assert proposal.budgets.sum() == pytest.approx(setting.bounds.total, abs=0.011)
    assert "budgets change" in proposal.why
    assert "conversions a day expected" in proposal.why


def test_a_value_goal_counts_value() -> None:
    setting, seen = steady(goal="value")
    worth = np.array([400.0, 1.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    policy = made(setting)
    assert policy.goals(seen).objective is Objective.REVENUE
    proposal = policy.propose(replace(seen, value=seen.conversions * worth), np.random.default_rng(1))
    assert proposal.budgets[0] > seen.live[0]
    assert "EUR revenue a day" in proposal.why
    without = policy.propose(replace(seen, value=np.zeros_like(seen.value)), np.random.default_rng(1))
    np.testing.assert_array_equal(without.budgets, seen.live)
    assert "no row reports any" in without.why


def test_intervals_hold_the_counts_that_the_curves_bring() -> None:
    """By the Poisson law of the true curves, 90% intervals have at least 80% each, and 88% on average."""
    setting, seen = steady(60)
    proposal = made(setting).propose(seen, np.random.default_rng(2))
    assert proposal.low is not None
    assert proposal.high is not None
    spend = 0.98 * proposal.budgets
    mean = SCALE * spend / (spend + 0.98 * HALF)
    held = poisson.cdf(proposal.high, mean) - poisson.cdf(proposal.low - 1, mean)
    assert (held > 0.8).all(), held
    assert held.mean() > 0.88, held
    assert (proposal.high - proposal.low < mean + 12.0).all(), "nor do they hold everything"


def test_what_does_not_run_comes_down_to_its_floor_step_by_step() -> None:
    setting, seen = steady()
    policy, rng = made(setting), np.random.default_rng(3)
    paused = replace(seen, runs=np.array([True, False, True, True, True, True]))
    first = policy.propose(paused, rng)
    assert first.budgets[1] == pytest.approx(300.0 * (1.0 - setting.bounds.step))
    np.testing.assert_array_equal(np.isnan(first.low), ~paused.runs, "nothing is expected, so nothing is stated")
    near = np.where(paused.runs, paused.live, setting.bounds.lower * 1.1)
    second = policy.propose(replace(paused, live=near), rng)
    assert second.budgets[1] == pytest.approx(setting.bounds.lower[1])
    assert second.budgets.sum() == pytest.approx((near * 1.3)[paused.runs].sum() + second.budgets[1], rel=0.2)


def test_before_the_first_day_the_budgets_stay() -> None:
    setting, _ = steady()
    live = np.full(6, 200.0)
    nothing = seen_of(setting, np.empty((6, 0)), np.empty((6, 0)), live)
    proposal = made(setting).propose(nothing, np.random.default_rng(1))
    np.testing.assert_array_equal(proposal.budgets, live)
    assert proposal.low is None
    assert "nothing to learn from" in proposal.why


def test_a_guard_that_blocks_leaves_the_budgets_and_says_so() -> None:
    setting, seen = steady(5)
    policy = outlay_policy(guards=Guardrails())(setting)
    proposal = policy.propose(seen, np.random.default_rng(1))
    np.testing.assert_array_equal(proposal.budgets, seen.live)
    assert "Every budget is held" in proposal.why


def test_no_guardrail_of_the_comparison_holds_what_others_may_move() -> None:
    """A dead tracking tag, a wild last day, a budget that stopped spending and one that never spent."""
    setting, seen = steady()
    conversions, spend = seen.conversions.copy(), seen.spend.copy()
    conversions[0, -6:] = 0.0
    spend[1, -1] *= 40.0
    spend[2, -20:] = conversions[2, -20:] = 0.0
    spend[3] = conversions[3] = 0.0
    odd = replace(seen, conversions=conversions, spend=spend, impressions=spend * 40.0)
    snapshot = made(setting).snapshot(odd)
    proof = guardrails.evidence(*np.zeros((3, 6)), UNBOUND)
    assert guardrails.holds(snapshot, proof, UNBOUND, snapshot.known_at) == (None,) * 6
    strict = guardrails.holds(snapshot, proof, Guardrails(minimum_days=0, minimum_conversions=0), snapshot.known_at)
    assert [hold and hold.code for hold in strict[:3]] == ["tracking-outage", "spend-spike", "no-spend"]


@pytest.mark.parametrize("name", OUTLAY)
def test_the_same_morning_and_generator_give_the_same_answer(name: str) -> None:
    setting, seen = steady(20)
    first, second = (OUTLAY[name](setting).propose(seen, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(first.budgets, second.budgets)
    np.testing.assert_array_equal(first.high, second.high)
    assert first.why == second.why


def test_ways_of_exploring_differ() -> None:
    setting, seen = steady(3)
    ways = ("outlay", "outlay-none", "outlay-thompson")
    answers = {name: made(setting, name).propose(seen, np.random.default_rng(9)).budgets for name in ways}
    assert len({budgets.tobytes() for budgets in answers.values()}) == 3


def test_without_the_funnel_a_policy_sees_spend_and_conversions_alone() -> None:
    setting, seen = steady(10)
    shown: list[Seen] = []

    class Asked:
        def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
            shown.append(seen)
            return Proposal(seen.live)

    ConversionsOnly(setting, lambda _: Asked()).propose(seen, np.random.default_rng(1))
    assert np.isnan([shown[0].impressions, shown[0].clicks]).all()
    assert shown[0].impressions.shape == seen.impressions.shape
    for name in ("spend", "conversions", "value", "by_age", "budgets", "live"):
        assert getattr(shown[0], name) is getattr(seen, name)
    panel = OutlayPolicy(setting, Explore.NONE, UNBOUND).snapshot(shown[0]).panel
    assert np.isfinite(panel.spend).all()
    assert np.isnan(panel.clicks).all()


def test_every_policy_travels_to_another_process_and_is_described() -> None:
    assert list(POLICIES)[: len(OUTLAY)] == [
        "outlay",
        "outlay-none",
        "outlay-kg",
        "outlay-thompson",
        "outlay-conversions",
    ]
    assert set(ABOUT) == set(POLICIES)
    for name, make in POLICIES.items():
        assert pickle.loads(pickle.dumps(make)) is not None
        assert ABOUT[name].endswith(".")
    _, seen = steady(10)
    again = pickle.loads(pickle.dumps(OUTLAY["outlay"]))(steady(10)[0])
    assert again.propose(seen, np.random.default_rng(1)).budgets.shape == (6,)


@st.composite
def mornings(draw: st.DrawFn) -> tuple[Setting, Seen]:
    """Any history, sparse or rich, with gaps, pauses and days of nothing, in euros or yen, of one campaign or six."""
    scenario = named(draw(st.sampled_from(["closed-loop-6", "tiny-yen"])))
    if draw(st.booleans()):
        scenario = replace(scenario, channels=(replace(scenario.channels[0], campaigns=1),))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bounds = replace(bounds_of(scenario), step=draw(st.sampled_from([0.05, 0.3, 1.0, 20.0])))
    setting = told_of(scenario, 60, bounds=bounds, goal=draw(st.sampled_from(["conversions", "value"])))
    days, campaigns = draw(st.integers(1, 50)), scenario.campaigns
    quantum = 1.0 if scenario.currency == "JPY" else 0.01
    live = _within(rng.dirichlet(np.ones(campaigns)) * bounds.total, bounds, quantum)
    budgets = live[:, None] * rng.uniform(0.2, 2.0, (campaigns, days))
    active = rng.random((campaigns, days)) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    rate = draw(st.sampled_from([0.0, 0.05, 3.0, 500.0]))
    seen = seen_of(setting, budgets, rng.poisson(rate, budgets.shape) * active * 1.0, live)
    quiet = {name: getattr(seen, name) * active for name in ("spend", "impressions", "clicks")}
    return setting, replace(seen, **quiet, runs=rng.random(campaigns) < 0.8)


def _within(budgets: np.ndarray, bounds: Bounds, quantum: float) -> np.ndarray:
    """Budgets in whole minor units within box and total, as a comparison's live ones are."""
    share = np.clip(budgets, bounds.lower, bounds.upper) - bounds.lower
    room = bounds.total - bounds.lower.sum()
    fitted = bounds.lower + share * min(1.0, room / max(share.sum(), 1e-9))
    return np.floor(fitted / quantum + 1e-6) * quantum


@settings(max_examples=60)
@given(mornings(), st.sampled_from(sorted(OUTLAY)))
def test_every_proposal_is_feasible(morning: tuple[Setting, Seen], name: str) -> None:
    setting, seen = morning
    proposal = OUTLAY[name](setting).propose(seen, np.random.default_rng(1))
    bounds, unit = setting.bounds, 1.0 if setting.currency == "JPY" else 0.01
    assert proposal.budgets.sum() <= bounds.total + 1e-6
    least = np.maximum(bounds.lower, seen.live * (1.0 - bounds.step))
    most = np.minimum(bounds.upper, seen.live * (1.0 + bounds.step))
    assert ((least - unit <= proposal.budgets) & (proposal.budgets <= most + unit)).all()
    assert proposal.low is not None
    assert proposal.high is not None
    low, high = proposal.low[seen.runs], proposal.high[seen.runs]
    assert ((low >= 0.0) & (low <= high) & np.isfinite(high)).all()
    assert proposal.why.endswith((".", "!"))


def test_a_comparison_starts_on_its_own_date() -> None:
    setting, seen = steady(10)
    snapshot = made(setting).snapshot(seen)
    assert snapshot.panel.first_day == START
    assert snapshot.today == START + timedelta(days=10)
    assert snapshot.known_at.isoformat() == "2025-09-11T04:00:00+00:00", "six in the morning in Berlin"
    assert Explore.OPTIMISTIC is made(setting).goals(seen).explore
