"""What plans make of the slow tier: lift tests calibrate what counts, and spend that is felt later is known to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import numpy as np
import pytest

from optimizer.allocate.periods import Carry, schedule
from optimizer.decide import decide, horizon
from optimizer.forecast import Forecast
from optimizer.goals import Counting, Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.problem import Outcome
from optimizer.plan.recommendation import Decision, Objective
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from tests.optimizer.snapshots import CHANNELS, CURVES, NOW, TODAY, snapshot

NAMES = sorted(CURVES)
SOCIAL = np.array([CHANNELS[name] == "social" for name in NAMES])
INCREMENTAL = Goals("EUR", counts=Counting.INCREMENTAL)
PLAIN_SHAPE = {"log_half": Spread(0.0, 0.9), "log_slope": Spread(np.log(1.3), 0.65)}


def priors(**channels: ChannelPrior) -> ResponsePriors:
    return ResponsePriors(NOW - timedelta(days=1), "m/1", tuple(channels[name] for name in sorted(channels)))


def lifted(mean: float, sd: float = 0.1) -> ResponsePriors:
    return priors(social=ChannelPrior("social", **PLAIN_SHAPE, log_lift=Spread(mean, sd)))


def forecast(goals: Goals, known: Snapshot) -> Forecast:
    return Forecast(learn(known), goals, known.current)


def told(decision: Decision) -> dict[str, str]:
    return {finding.code: finding.message for finding in decision.findings}


def decided(known: Snapshot, goals: Goals) -> Decision:
    return decide(known, goals, Guardrails(), NOW, np.random.default_rng(1))


def test_a_lift_test_calibrates_the_objective_and_its_uncertainty() -> None:
    known = replace(snapshot(), priors=lifted(np.log(0.5), 0.2))
    budget = known.current[:, None] * np.array([0.5, 1.0, 1.5])
    plain, counted = (forecast(goals, known).moments(budget) for goals in (Goals("EUR"), INCREMENTAL))
    ratio = counted[0] / plain[0]
    assert ratio[SOCIAL] == pytest.approx(0.5 * np.exp(0.5 * 0.2**2))
    # What was not tested is expected to count as what was, and is less sure: doubt must not make it count for more.
    assert ratio[~SOCIAL] == pytest.approx(ratio[SOCIAL].mean())
    spread = counted[1] / counted[0]
    assert (spread > plain[1] / plain[0]).all()
    assert (spread[~SOCIAL] > 0.5).all()


def test_draws_agree_with_the_moments_and_share_the_lift_of_a_channel() -> None:
    known = replace(snapshot(), priors=lifted(np.log(0.5), 0.4))
    seen = forecast(INCREMENTAL, known)
    budget = known.current[:, None]
    draws = seen.draws(budget, 40_000, np.random.default_rng(3))[..., 0]
    mean, sd = seen.moments(budget)
    assert draws.mean(axis=0) == pytest.approx(mean[:, 0], rel=0.03)
    assert draws.std(axis=0) == pytest.approx(sd[:, 0], rel=0.08)
    pair = np.flatnonzero(SOCIAL)
    assert np.corrcoef(draws[:, pair].T)[0, 1] > 0.3


def test_profit_takes_the_cost_off_the_incremental_return() -> None:
    known = replace(snapshot(), priors=lifted(np.log(0.5)))
    goals = replace(INCREMENTAL, objective=Objective.PROFIT)
    seen, budget = forecast(goals, known), known.current[:, None]
    assert seen.brought(budget) - seen.belief.delivered(budget) == pytest.approx(seen.moments(budget)[0])


def test_rows_stay_about_what_the_platforms_attribute() -> None:
    known = replace(snapshot(), priors=lifted(np.log(0.5)))
    budget = known.current[:, None]
    one, two = (forecast(goals, known).outcomes(budget)[Outcome.VALUE] for goals in (Goals("EUR"), INCREMENTAL))
    assert np.array_equal(one, two)


def test_money_leaves_a_channel_that_harvests() -> None:
    # Half as good as they look, all channels alike: no reason to move. One of them: its budgets shrink.
    harvests = priors(
        search=ChannelPrior("search", **PLAIN_SHAPE, log_lift=Spread(0.0, 0.1)),
        social=ChannelPrior("social", **PLAIN_SHAPE, log_lift=Spread(np.log(0.3), 0.1)),
    )
    known = replace(snapshot(), priors=harvests)
    attributed, incremental = (decided(known, goals) for goals in (Goals("EUR"), INCREMENTAL))

    def social(decision: Decision) -> float:
        return sum(line.proposed.micros / 1e6 for line in decision.lines if line.channel == "social")

    assert social(incremental) < social(attributed) - 10.0
    assert incremental.unit == "incremental conversions a day"


def test_the_recommendation_says_what_it_rests_on() -> None:
    known = replace(snapshot(), priors=lifted(np.log(0.5), 0.2))
    found = told(decided(known, INCREMENTAL))["lift"]
    assert "100 attributed ones are 50.0 incremental ones of social (80%: 38.7 to 64.6)" in found
    assert "Of search there is no test" in found
    assert "this plan counts attributed ones" in told(decided(known, Goals("EUR")))["lift-unused"]
    bare = decided(snapshot(), INCREMENTAL)
    assert "no lift test stands" in told(bare)["no-lift"]
    assert bare.unit == "conversions a day"
    assert not {"lift", "no-lift", "lift-unused"} & told(decided(snapshot(), Goals("EUR"))).keys()


def carried(theta: float, *, known: bool, days: int = 90, seed: int = 12) -> tuple[Snapshot, FloatArray, FloatArray]:
    """Conversions only, of spend that is felt later; what a day of so much spend would bring, and that spend."""
    plain, rng = snapshot(days=days), np.random.default_rng(seed)
    spend = np.exp(rng.normal(np.log(120.0), 0.7, (4, days + 1)))
    felt = spend.copy()
    for day in range(1, days + 1):
        felt[:, day] = (1.0 - theta) * spend[:, day] + theta * felt[:, day - 1]
    mean = 60.0 * felt / (felt + 150.0)
    conversions = rng.poisson(mean * rng.gamma(60.0, 1 / 60.0, mean.shape)).astype(np.float64)
    nothing = np.full((4, days), np.nan)
    panel = replace(
        plain.panel,
        spend=spend[:, :-1],
        budget=spend[:, :-1],
        conversions=conversions[:, :-1],
        value=nothing,
        clicks=nothing,
        impressions=nothing,
    )
    told = {name: ChannelPrior(name, **PLAIN_SHAPE, carry_over=Spread(theta, 0.05)) for name in ("search", "social")}
    return replace(plain, panel=panel, priors=priors(**told) if known else None), mean[:, -1], spend[:, -1]


def test_a_day_is_forecast_with_what_is_felt_of_the_days_before() -> None:
    off = {True: 0.0, False: 0.0}
    for known, seed in product(off, range(12, 20)):
        seen, mean, spend = carried(0.6, known=known, seed=seed)
        drawn = learn(seen).expected(spend, TODAY, 500, np.random.default_rng(2)).mean(axis=0)
        off[known] += float(np.abs(np.log(drawn / mean)).mean())
    assert off[True] < 0.8 * off[False]


def test_a_held_budget_is_learnt_as_it_is_felt() -> None:
    budget = np.full((4, 1), 120.0) * np.array([1.0, 2.0])
    true = 60.0 * budget / (budget + 150.0)
    slope = {}
    for known in (True, False):
        mean = learn(carried(0.6, known=known)[0]).moments(budget, Outcome.CONVERSIONS)[0]
        slope[known] = float(np.log(mean[:, 1] / mean[:, 0]).mean())
    truth = float(np.log(true[0, 1] / true[0, 0]))
    assert abs(slope[True] - truth) < 0.5 * abs(slope[False] - truth)


def test_carry_over_is_not_of_impressions() -> None:
    search = ChannelPrior("search", **PLAIN_SHAPE, carry_over=Spread(0.5, 0.1))
    known = replace(snapshot(), priors=priors(search=search))
    memory = learn(known).memory
    assert not memory.retention.any()
    assert np.array_equal(memory.felt(known.current), known.current)


def test_a_plan_of_days_knows_season_events_and_memory() -> None:
    seen, _, _ = carried(0.6, known=True)
    days = [TODAY + timedelta(days=n) for n in range(7)]
    grid = np.linspace(0.0, 400.0, 33) * np.ones((4, 1))
    lower, upper = np.zeros((7, 4)), np.full((7, 4), 400.0)
    asked = horizon(forecast(Goals("EUR"), seen), days, 3_000.0, grid, lower, upper)
    assert asked.carry is Carry.STOCK
    assert asked.retention == pytest.approx(0.6)
    assert asked.before == pytest.approx(learn(seen).memory.stock)
    plan = schedule(asked)
    assert plan.spend.sum() == pytest.approx(3_000.0, rel=1e-3)
    plain = horizon(forecast(Goals("EUR"), snapshot()), days, 3_000.0, grid, lower, upper)
    assert plain.carry is Carry.EFFECT
    assert not plain.before.any()
