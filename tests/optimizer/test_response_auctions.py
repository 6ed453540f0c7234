"""Impression shares: the capacity is known before it is met, and a shortfall of delivery is not taken for one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.plan.snapshot import FloatArray, Panel, Snapshot
from optimizer.response import learn
from optimizer.response.auctions import REACH, Volumes
from optimizer.response.delivery import Supply
from tests.optimizer.snapshots import snapshot

HALF = 100.0


def curve(spend: FloatArray) -> FloatArray:
    return 1e5 * spend / (spend + HALF)


def case(
    capacity: float, *, told: bool = True, ratio: tuple[float, float] = (0.9, 1.0), level: float = 1.0
) -> Snapshot:
    """Four targets of one curve, budgets from 40 to 130, a supply that ends at `capacity`, on days of some delivery."""
    plain, rng = snapshot(days=60), np.random.default_rng(8)
    budget = rng.uniform(40.0, 130.0, (4, 60))
    spend = np.minimum(budget * rng.uniform(*ratio, budget.shape), capacity)
    impressions = rng.poisson(curve(spend) * rng.gamma(40.0, 1 / 40.0, spend.shape)).astype(np.float64)
    clicks = rng.binomial(impressions.astype(np.int64), 0.03).astype(np.float64)
    conversions = rng.binomial(clicks.astype(np.int64), 0.05).astype(np.float64)
    share = curve(spend) / curve(np.full_like(spend, capacity))
    auctions = {"eligible": impressions / share, "lost": impressions / share * (1.0 - share)} if told else {}
    first = plain.panel.first_day
    panel = Panel(first, spend, conversions, conversions * 40.0, clicks, impressions, budget, **auctions)
    return replace(plain, panel=panel)


def usual(supply: Supply) -> FloatArray:
    return np.median(supply.capacity, axis=1)


def test_a_capacity_is_known_before_it_is_met() -> None:
    blind, told = (usual(learn(case(180.0, told=told)).supply) for told in (False, True))
    assert np.isinf(blind).all()
    assert told == pytest.approx(180.0, rel=0.3)
    assert np.exp(np.log(told).mean()) == pytest.approx(180.0, rel=0.12)


def test_a_capacity_that_was_met_is_found_too() -> None:
    assert usual(learn(case(90.0)).supply) == pytest.approx(90.0, rel=0.05)


def test_a_far_capacity_is_not_told() -> None:
    assert np.isinf(learn(case(3000.0)).supply.capacity).all()


def test_loose_delivery_is_not_taken_for_a_supply_that_ends() -> None:
    found = learn(case(3000.0, ratio=(0.55, 0.65))).supply
    assert np.isinf(found.capacity).all()
    assert found.share == pytest.approx(0.6, abs=0.03)


def test_without_shares_nothing_changes() -> None:
    plain = case(90.0, told=False)
    unsaid = replace(plain.panel, eligible=np.full((4, 60), np.nan), lost=np.full((4, 60), np.nan))
    one, two = learn(plain).supply, learn(replace(plain, panel=unsaid)).supply
    assert np.array_equal(one.capacity, two.capacity)
    assert np.array_equal(one.share, two.share)


def test_volumes_are_inverted() -> None:
    log_u = np.linspace(-6.0, 5.0, 400)
    volumes = Volumes(np.array([HALF]), log_u, np.log(curve(HALF * np.exp(log_u)))[None])
    spend = np.array([[50.0, 100.0]])
    there = volumes.beyond(spend, np.array([[1.5, 1.2]]))
    assert curve(there) == pytest.approx(curve(spend) * [[1.5, 1.2]], rel=1e-3)
    assert np.isinf(volumes.beyond(spend, np.array([[9.0, 9.0]]))).all()
    assert REACH > 1


def test_shares_come_together() -> None:
    panel = case(90.0).panel
    with pytest.raises(ValueError, match="come together"):
        replace(panel, lost=None)
    with pytest.raises(ValueError, match="one shape"):
        replace(panel, lost=np.zeros((4, 3)))


def test_a_selection_keeps_its_shares() -> None:
    chosen = case(90.0).select([2, 0])
    assert chosen.panel.eligible is not None
    assert chosen.panel.eligible.shape == (2, 60)
