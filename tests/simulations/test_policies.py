"""What every baseline must keep to, whatever it sees."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.policies import ABOUT, BASELINES
from simulations.policies.rules import WARM_UP, Automation, Equal, LastPlan, Roas, Winners
from simulations.policies.steps import step_box
from tests.simulations.reports import in_other_money, report, setting

SEEDS = st.integers(0, 2**32 - 1)
NAMES = sorted(BASELINES)


def drawn_view(seed):
    """A setting and a morning, as odd as a platform may report it: zeros, gaps, pauses, no past at all."""
    rng = np.random.default_rng(seed)
    campaigns, today = int(rng.choice([1, 2, 7])), int(rng.choice([0, 1, 6, 7, 9, 30, 64]))
    told = setting(
        campaigns,
        unit=float(rng.choice([0.5, 80.0, 20_000.0])),
        step=float(rng.choice([0.1, 0.3, 5.0])),
        channel=np.arange(campaigns) % 2 if campaigns > 1 else None,
        goal=rng.choice(["conversions", "value"]),
    )
    bounds, shape = told.bounds, (campaigns, today)
    spend = (
        bounds.total / campaigns * rng.lognormal(0.0, 0.5, shape) * (rng.random(shape) < rng.choice([0.0, 0.7, 1.0]))
    )
    counts = rng.poisson(rng.choice([0.0, 0.3, 20.0]), shape).astype(float)
    live = np.clip(bounds.total / campaigns * rng.lognormal(0.0, 1.0, campaigns), bounds.lower, bounds.upper)
    above = live - bounds.lower
    live = bounds.lower + above * min(1.0, (bounds.total - bounds.lower.sum()) / max(above.sum(), 1e-9))
    share = np.cumsum(rng.dirichlet(np.ones(int(rng.choice([1, 5, 31])))))
    seen = report(spend, counts, share=share, live=live, runs=rng.random(campaigns) < 0.8, budgets=1.2 * spend)
    by_age = np.where(rng.random(seen.by_age.shape) < 0.05, np.nan, seen.by_age)
    return told, replace(seen, by_age=by_age)


@given(SEEDS)
@settings(max_examples=60)
def test_every_proposal_keeps_every_limit(seed):
    told, seen = drawn_view(seed)
    low, high = step_box(seen.live, told.bounds)
    slack = 1e-9 * told.bounds.total
    for name in NAMES:
        proposal = BASELINES[name](told).propose(seen, np.random.default_rng(seed))
        assert np.isfinite(proposal.budgets).all(), name
        assert proposal.budgets.sum() <= told.bounds.total + slack, name
        assert (proposal.budgets >= low - slack).all(), name
        assert (proposal.budgets <= high + slack).all(), name
        assert proposal.why, name
        if proposal.low is not None and proposal.high is not None:
            stated = np.isfinite(proposal.low) & np.isfinite(proposal.high)
            assert (stated == (seen.runs & (seen.today >= WARM_UP))).all(), name
            assert (proposal.low[stated] >= 0).all(), name
            assert (proposal.low[stated] <= proposal.high[stated]).all(), name


@pytest.mark.parametrize("name", NAMES)
def test_the_same_view_and_seed_give_the_same_budgets(name):
    told, seen = drawn_view(3)
    first, again = (BASELINES[name](told).propose(seen, np.random.default_rng(5)).budgets for _ in range(2))
    assert (first == again).all()


@pytest.mark.parametrize("name", NAMES)
def test_currency_does_not_matter(name):
    rng = np.random.default_rng(12)
    spend = 80.0 * rng.lognormal(0.0, 0.5, (7, 64))
    seen = report(spend, rng.poisson(15.0, (7, 64)).astype(float), live=np.full(7, 80.0), share=np.array([0.6, 0.9, 1]))
    told = setting(7, unit=80.0, goal="value")
    dear = in_other_money(told, seen, 1000.0)
    here = BASELINES[name](told).propose(seen, np.random.default_rng(5))
    there = BASELINES[name](dear[0]).propose(dear[1], np.random.default_rng(5))
    assert there.budgets == pytest.approx(1000.0 * here.budgets, rel=1e-6)
    if here.high is not None:
        assert there.high == pytest.approx(here.high)


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_sent_to_another_process_and_says_what_it_does(name):
    assert pickle.loads(pickle.dumps(BASELINES[name])) is BASELINES[name]
    assert ABOUT[name].endswith(".")
    assert set(ABOUT) == set(BASELINES)


def two_against_one():
    """Three campaigns with equal budgets; the first brings twice what the others bring."""
    spend = np.full((3, 28), 100.0)
    return report(spend, np.repeat([[8.0], [4.0], [4.0]], 28, axis=1))


def propose(make, seen, **knobs):
    return make(setting(len(seen.live), **knobs)).propose(seen, np.random.default_rng(0)).budgets


def test_equal_and_last_plan():
    seen = replace(two_against_one(), live=np.array([100.0, 120.0, 80.0]))
    assert propose(Equal, seen) == pytest.approx([100.0, 100.0, 100.0])
    assert propose(LastPlan, seen) == pytest.approx([100.0, 120.0, 80.0])


def test_roas_is_proportional():
    assert propose(Roas, two_against_one(), step=5.0) == pytest.approx([150.0, 75.0, 75.0], rel=0.01)


def test_winners_gain_a_fifth_and_losers_pay():
    assert propose(Winners, two_against_one()) == pytest.approx([120.0, 90.0, 90.0])
    other_day = report(np.full((3, 27), 100.0), np.repeat([[8.0], [4.0], [4.0]], 27, axis=1))
    assert propose(Winners, other_day) == pytest.approx([100.0, 100.0, 100.0])


def test_automation_moves_money_within_its_channel_only():
    seen = report(np.full((4, 28), 100.0), np.repeat([[8.0], [4.0], [1.0], [1.0]], 28, axis=1))
    budgets = propose(Automation, seen, channel=np.array([0, 0, 1, 1]))
    assert budgets[:2].sum() == pytest.approx(200.0)
    assert budgets[2:] == pytest.approx([100.0, 100.0])
    assert budgets[0] == pytest.approx(115.0)


@pytest.mark.parametrize("name", ["roas", "greedy", "gp-ucb", "gp-ts", "change-point", "automation", "winners"])
def test_every_learner_gives_more_to_the_better_campaign(name):
    rng = np.random.default_rng(13)
    spend = 100.0 * rng.lognormal(0.0, 0.3, (3, 63))
    mean = np.array([[40.0], [10.0], [10.0]]) * np.sqrt(spend / 100.0)
    seen = report(spend, rng.poisson(mean).astype(float), live=np.full(3, 100.0))
    budgets = BASELINES[name](setting(3)).propose(seen, rng).budgets
    assert budgets[0] == max(budgets)
    assert budgets[0] > 105.0
