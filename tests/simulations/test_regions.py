"""What a shop sells by region: shares, swings with the asked spread and memory, and what ads cause."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from simulations.market.truth import draw
from simulations.oracle import expected
from simulations.oracle.regions import Country, caused, demand, sizes, sold
from simulations.scenarios.files import find

COUNTRY = Country(regions=400)


def test_sizes_are_shares_of_the_asked_spread() -> None:
    share = sizes(COUNTRY, np.random.default_rng(1))
    assert share.sum() == pytest.approx(1.0)
    assert np.log(share).std() == pytest.approx(0.7, abs=0.15)


def test_demand_swings_by_itself_and_together_and_hangs_together() -> None:
    country = Country(regions=200, week=0.0)
    swing = np.log(demand(country, 600, np.random.default_rng(2)))
    shared = swing.mean(axis=0)
    own = swing - shared
    assert shared.std() == pytest.approx(0.08, abs=0.02)
    assert own.std() == pytest.approx(0.05, abs=0.005)
    assert np.corrcoef(own[:, 1:].ravel(), own[:, :-1].ravel())[0, 1] == pytest.approx(0.6, abs=0.03)


def test_what_is_sold_is_the_rate_in_expectation() -> None:
    rates = np.full((2, 4_000), 100.0)
    rates[1] = 50.0
    counts = sold(rates, np.array([0.25, 0.75]), np.ones((2, 4_000)), np.random.default_rng(3))
    assert counts.mean(axis=1) == pytest.approx([25.0, 37.5], abs=0.6)


def test_what_is_caused_does_not_ask_who_claims_it() -> None:
    truth = draw(find("brand-and-retargeting", Path()), np.random.default_rng([5, 0]), date(2026, 1, 1))
    budgets = np.full(truth.channel.size, 50.0)
    assert caused(truth, budgets, 3) == pytest.approx(expected(truth, budgets, 3).incremental.sum())
    assert caused(truth, np.where(truth.channel == 0, 0.0, budgets), 3) < caused(truth, budgets, 3)
