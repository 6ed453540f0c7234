"""Comparisons put the oracle first and measure what was done and the budgets before under one noise."""

from datetime import date

import numpy as np
import pytest

from connectors.money import MICROS
from simulations.market.play import HorizonEnded, begin, play
from simulations.market.truth import draw
from simulations.noise import noise_key
from simulations.oracle import Impossible, expected
from simulations.oracle.regret import compare
from simulations.policies.contract import bounds_of
from simulations.scenarios import Channel, named, with_knobs

GOALS = ("conversions", "value", "incremental", "incremental-value")
SCENARIO = named("demo", history_days=5, restatement_days=10, adstock_share=0.3, returned_share=0.1)
KEY = noise_key(2)


@pytest.fixture(scope="module")
def ground():
    truth = draw(SCENARIO, np.random.default_rng([8, 0]), date(2025, 3, 3))
    carry = begin(truth)
    for budgets in truth.history:
        _, carry = play(truth, KEY, carry, budgets)
    return truth, carry, bounds_of(SCENARIO)


@pytest.mark.parametrize("goal", GOALS)
def test_what_was_left_alone_is_unchanged_and_below_the_best(ground, goal):
    truth, carry, bounds = ground
    kept = np.tile(truth.first, (4, 1))
    found = compare(truth, KEY, carry, kept, truth.first, bounds, goal)
    assert found.goal == goal
    assert found.actual.tolist() == found.unchanged.tolist()
    assert found.incremental.tolist() == found.incremental_unchanged.tolist()
    assert found.realised.tolist() == found.realised_unchanged.tolist()
    assert (found.best >= found.actual).all()
    assert (found.bound >= found.best).all()
    assert 0 < found.of_best == found.unchanged_of_best < 1


def test_half_the_money_brings_less(ground):
    truth, carry, bounds = ground
    halved = compare(truth, KEY, carry, np.tile(truth.first // 2, (4, 1)), truth.first, bounds, "value")
    assert (halved.actual < halved.unchanged).all()
    assert (halved.incremental < halved.incremental_unchanged + 1e-9).all()
    assert halved.realised.sum() < halved.realised_unchanged.sum()
    assert halved.spend.sum() < 0.6 * halved.spend_unchanged.sum()


def test_figures_are_those_of_the_days(ground):
    truth, carry, bounds = ground
    budgets = np.stack([truth.first, truth.first * 2])
    found = compare(truth, KEY, carry, budgets, truth.first, bounds, "incremental-value")
    awaited = [expected(truth, row / MICROS, carry.day + t) for t, row in enumerate(budgets)]
    assert found.actual == pytest.approx([day.incremental_value.sum() for day in awaited])
    assert found.incremental.tolist() == found.actual.tolist()
    assert found.spend == pytest.approx([day.spend.sum() for day in awaited])
    first, after = play(truth, KEY, carry, budgets[0])
    second, _ = play(truth, KEY, after, budgets[1])
    weight = truth.incrementality[truth.ads.campaign]
    assert found.realised == pytest.approx(
        [(day.matured()[1].sum(axis=1) * weight).sum() / MICROS for day in (first, second)]
    )


def test_what_was_incremental_is_of_those_who_caused_it_and_not_of_those_who_claim_it():
    brand = Channel("brand", 1, 10.0, 50.0, 0.1, 0.1, incrementality=0.1, harvest=0.9)
    scenario = with_knobs(SCENARIO, channels=(brand, Channel("new", 1, 1.0, 50.0, 0.1, 0.1)), adstock_share=0.0)
    truth = draw(scenario, np.random.default_rng(3), date(2025, 3, 3))
    # So much for the brand that it claims all that it can.
    kept = np.tile(truth.first * [3, 1], (40, 1))
    found = compare(truth, KEY, begin(truth), kept, truth.first, bounds_of(scenario), "incremental")
    claimed = compare(truth, KEY, begin(truth), kept, truth.first, bounds_of(scenario), "conversions")
    assert found.realised.sum() == pytest.approx(found.actual.sum(), rel=0.2)
    assert claimed.realised.sum() == pytest.approx(claimed.actual.sum(), rel=0.2)


def test_days_and_bounds_that_cannot_be_are_refused(ground):
    truth, carry, bounds = ground
    with pytest.raises(Impossible):
        compare(truth, KEY, carry, truth.first[None], truth.first, bounds.__class__(1.0, bounds.lower, bounds.upper, 1))
    with pytest.raises(HorizonEnded):
        compare(truth, KEY, carry, np.tile(truth.first, (400, 1)), truth.first, bounds)
