"""One policy in one world: the same market, limits and judge for everyone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pytest

from simulations.noise import FloatArray
from simulations.oracle import Goal
from simulations.platform.world import World
from simulations.policies.contract import MakePolicy, Proposal, Seen, Setting
from simulations.runs.arena import (
    BadProposal,
    WorldSpec,
    clairvoyant,
    clairvoyant_path,
    ground,
    play_world,
    policy_rng,
    steps,
)
from simulations.runs.traces import trace_text
from simulations.scenarios import ScenarioError, named
from tests.simulations.tiny_policies import START, Keep, Wander

SMALL = WorldSpec(named("closed-loop-6"), seed=5, days=12, start=START)


@dataclass(frozen=True)
class Answer:
    """Answers what a function makes of the live budgets."""

    answer: Callable[[Seen], Proposal]

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        del rng
        return self.answer(seen)


def answering(answer: Callable[[Seen], Proposal]) -> MakePolicy:
    return lambda _setting: Answer(answer)


def spec(name: str, goal: Goal = "conversions", days: int = 12, **knobs: object) -> WorldSpec:
    return WorldSpec(named(name, **knobs), 5, days, START, goal)


def test_the_same_policy_in_the_same_world_leaves_the_same_bytes() -> None:
    first, again = (trace_text(play_world(SMALL, "wander", Wander).trace) for _ in range(2))
    assert first == again


def test_another_name_or_world_is_another_stream_of_chance() -> None:
    draws = {policy_rng(seed, name).random() for seed in (1, 2) for name in ("a", "b")}
    assert len(draws) == 4


def test_the_market_is_that_of_the_simulated_platform() -> None:
    trace = play_world(SMALL, "keep", Keep).trace
    world = World(SMALL.scenario, SMALL.seed, SMALL.start)
    world.advance(SMALL.days)
    assert trace.budgets.tolist() == [world.truth.first.tolist()] * SMALL.days
    assert trace.spend.tolist() == [int(day.spend.sum()) for day in world.days()]
    assert trace.realised.tolist() == [float(day.occurred()[0].sum()) for day in world.days()]


def test_a_policy_sees_the_marketers_history_first() -> None:
    place = spec("demo", days=3)
    here = ground(place)
    first = next(steps(here, "keep", Keep))
    assert first.day == first.seen.today == place.first == 60
    assert (first.seen.budgets == here.truth.history.T / 1e6).all()
    assert (first.seen.live == here.opening / 1e6).all()


def test_everyone_begins_within_the_limits() -> None:
    for seed in range(1, 6):
        here = ground(WorldSpec(named("demo"), seed, 3, START))
        assert here.opening.sum() / 1e6 <= here.bounds.total + 1e-6
        assert (here.opening / 1e6 >= here.bounds.lower - 1e-6).all()
        assert (here.opening / 1e6 <= here.bounds.upper + 1e-6).all()


def test_a_policy_is_told_where_it_plays() -> None:
    heard: list[Setting] = []

    def make(setting: Setting) -> Answer:
        heard.append(setting)
        return Answer(lambda seen: Proposal(seen.live))

    play_world(spec("demo", "incremental-value", days=2), "p", make)
    assert heard[0].days == 62
    assert heard[0].start == START
    assert heard[0].goal == "value"
    assert len(heard[0].names) == heard[0].channel.size == 12


@pytest.mark.parametrize("goal", ["conversions", "value", "incremental", "incremental-value"])
def test_nobody_beats_the_bound_of_any_day(goal: Goal) -> None:
    place = spec("demo", goal, days=8)
    oracle = clairvoyant(place)
    assert (oracle.best <= oracle.bound * (1 + 1e-12)).all()
    assert (oracle.best >= 0.95 * oracle.bound).all()
    for name, make in (("keep", Keep), ("wander", Wander)):
        trace = play_world(place, name, make).trace
        assert (trace.expected <= oracle.bound * (1 + 1e-9)).all()
        assert (trace.incremental <= trace.expected * (1 + 1e-12)).all()


def test_the_best_path_keeps_what_policies_must_keep() -> None:
    here, path, daily = ground(SMALL), clairvoyant_path(SMALL), clairvoyant(SMALL)
    budgets = np.vstack([here.opening, path.budgets]) / 1e6
    assert (budgets.sum(axis=1) <= here.bounds.total * (1 + 1e-9)).all()
    assert (budgets >= here.bounds.lower - 1e-5).all()
    assert (budgets <= here.bounds.upper + 1e-5).all()
    assert (np.abs(budgets[1:] / budgets[:-1] - 1.0) <= here.bounds.step + 1e-6).all()
    assert (path.best <= path.bound * (1 + 1e-12)).all()
    assert path.best.sum() <= daily.bound.sum()
    assert path.best.sum() >= play_world(SMALL, "wander", Wander).trace.expected.sum()


@pytest.mark.parametrize(
    ("goal", "claimed"), [("incremental", "conversions"), ("incremental-value", "value")], ids=["conversions", "value"]
)
def test_under_an_incremental_goal_only_what_is_incremental_counts(goal: Goal, claimed: Goal) -> None:
    channels = tuple(replace(channel, incrementality=0.4) for channel in named("demo").channels)
    ours, theirs = (
        play_world(spec("demo", each, days=4, channels=channels, incrementality_sd=0.0), "keep", Keep).trace
        for each in (goal, claimed)
    )
    assert ours.expected.tolist() == ours.incremental.tolist() == theirs.incremental.tolist()
    assert ours.expected == pytest.approx(0.4 * theirs.expected)
    assert ours.realised == pytest.approx(0.4 * theirs.realised)


def test_what_is_harvested_counts_as_its_cause_is_incremental() -> None:
    """Brand search claims what others cause; weighted by its own small share, most of it would be lost."""
    trace = play_world(spec("brand-and-retargeting", "incremental", days=60), "keep", Keep).trace
    assert trace.realised.sum() == pytest.approx(trace.expected.sum(), rel=0.1)


def test_realised_outcomes_lie_around_the_expected_ones() -> None:
    place = spec("closed-loop-30", days=40)
    trace = play_world(place, "keep", Keep).trace
    # Daily noise is at most a few percent of 30 campaigns' conversions; 40 days average it.
    assert trace.realised.mean() == pytest.approx(trace.expected.mean(), rel=0.1)


def test_every_broken_limit_is_counted_and_none_takes_effect() -> None:
    trace = play_world(SMALL, "greedy", answering(lambda seen: Proposal(seen.live * 3.0))).trace
    kinds = [(violation.day, violation.kind) for violation in trace.violations]
    assert set(kinds) >= {(day, kind) for day in range(SMALL.days) for kind in ("total", "step")}
    assert (trace.budgets.sum(axis=1) <= ground(SMALL).bounds.total * 1e6).all()


def test_what_is_not_a_number_leaves_the_budgets_alone() -> None:
    trace = play_world(SMALL, "nan", answering(lambda seen: Proposal(np.full_like(seen.live, np.nan)))).trace
    assert [violation.kind for violation in trace.violations] == ["not-finite"] * SMALL.days
    assert (trace.budgets == trace.budgets[0]).all()


def stating(low: float, high: float) -> MakePolicy:
    def answer(seen: Seen) -> Proposal:
        ends: FloatArray = np.ones_like(seen.live)
        return Proposal(seen.live, low * ends, high * ends)

    return answering(answer)


@pytest.mark.parametrize(
    ("low", "high", "stated", "covered"),
    [(-1.0, 1e9, 6, 6), (-2.0, -1.0, 6, 0), (np.nan, 5.0, 0, 0), (0.0, np.inf, 0, 0)],
)
def test_intervals_are_held_against_what_came_in_the_end(low: float, high: float, stated: int, covered: int) -> None:
    trace = play_world(SMALL, "p", stating(low, high)).trace
    assert trace.stated.tolist() == [stated] * SMALL.days
    assert trace.covered.tolist() == [covered] * SMALL.days


def test_an_interval_that_knows_the_outcome_covers_it_and_its_neighbour_does_not() -> None:
    eventual = [
        np.bincount(ground(SMALL).truth.ads.campaign, step.outcome.occurred()[0].sum(axis=1), 6)
        for step in steps(ground(SMALL), "keep", Keep)
    ]
    for shift, covered in ((0.0, 6), (0.5, 0)):
        trace = play_world(
            SMALL,
            "seer",
            answering(
                lambda seen, shift=shift: Proposal(
                    seen.live, eventual[seen.today] + shift, eventual[seen.today] + shift
                )
            ),
        ).trace
        assert trace.covered.tolist() == [covered] * SMALL.days


def test_an_answer_of_the_wrong_shape_is_an_error_of_the_policy() -> None:
    with pytest.raises(BadProposal, match=r"policy 'short' proposed budgets of shape \(5,\); it must be \(6,\)"):
        play_world(SMALL, "short", answering(lambda seen: Proposal(seen.live[1:])))
    with pytest.raises(BadProposal, match="low of shape"):
        play_world(SMALL, "short", answering(lambda seen: Proposal(seen.live, seen.live[1:], seen.live)))


def test_a_paused_campaign_keeps_its_money_and_spends_none() -> None:
    place = spec("closed-loop-6", days=40, pause_share=1.0, pause_length=(10, 10))
    here = ground(place)
    for step in steps(here, "keep", Keep):
        paused = ~here.truth.runs[:, step.day]
        assert (step.seen.runs == ~paused).all()
        spent = np.bincount(here.truth.ads.campaign, step.outcome.spend, 6)
        assert (spent[paused] == 0).all()
        assert (step.kept.budgets == here.opening).all()
    assert not here.truth.runs[:, :40].all()


def test_every_day_says_why() -> None:
    trace = play_world(SMALL, "keep", Keep).trace
    assert trace.why[3] == "day 3: nothing to do"


@pytest.mark.parametrize(
    ("days", "seed", "field"), [(0, 1, "days"), (91, 1, "days"), (10, -1, "seed")], ids=["none", "too-many", "seed"]
)
def test_a_world_that_cannot_be_is_refused(days: int, seed: int, field: str) -> None:
    scenario = named("tiny-yen", horizon_days=100, break_days=(20, 90))
    with pytest.raises(ScenarioError) as caught:
        WorldSpec(scenario, seed, days, date(2025, 1, 1))
    assert caught.value.field == field
