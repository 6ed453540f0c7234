"""Weekdays of conversions per click: shared by all targets, found where they matter, exactly one where they do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from optimizer.response.scores import Predictive
from optimizer.response.season import shared_weekdays
from tests.optimizer.snapshots import TODAY, snapshot

DAYS = 140
TRUE = np.array([1.25, 1.2, 1.1, 1.0, 0.9, 0.75, 0.8])


def shop(week: FloatArray, seed: int = 4) -> tuple[Snapshot, FloatArray, FloatArray]:
    """Four targets with the whole funnel whose conversions per click follow the week; spend and result of today."""
    plain, rng = snapshot(days=DAYS), np.random.default_rng(seed)
    days = np.arange(DAYS + 1)
    weekday = (plain.panel.first_day.weekday() + days) % 7
    spend = rng.uniform(60.0, 180.0, (4, DAYS + 1))
    impressions = rng.poisson(4e4 * spend / (spend + 150.0) * rng.gamma(40.0, 1 / 40.0, spend.shape)).astype(np.float64)
    clicks = rng.binomial(impressions.astype(np.int64), 0.04).astype(np.float64)
    conversions = rng.poisson(0.03 * clicks * week[weekday]).astype(np.float64)
    first = {
        name: measure[:, :-1]
        for name, measure in (
            ("spend", spend),
            ("budget", spend),
            ("impressions", impressions),
            ("clicks", clicks),
            ("conversions", conversions),
            ("value", 40.0 * conversions),
        )
    }
    return replace(plain, panel=replace(plain.panel, **first)), spend[:, -1], conversions[:, -1]


def test_weekdays_of_a_rate_are_found() -> None:
    rng = np.random.default_rng(1)
    weekday = np.arange(DAYS) % 7
    clicks = rng.uniform(300.0, 900.0, (6, DAYS))
    found = shared_weekdays(rng.poisson(0.03 * clicks * TRUE[weekday]).astype(np.float64), clicks, weekday)
    assert found == pytest.approx(TRUE / TRUE.mean(), abs=0.12)
    assert found.mean() == pytest.approx(1.0)


def test_noise_is_not_taken_for_a_weekday() -> None:
    weekday, clicks = np.arange(DAYS) % 7, np.full((6, DAYS), 500.0)
    off = []
    for seed in range(40):
        counts = np.random.default_rng(seed).poisson(0.03 * clicks).astype(np.float64)
        off.append(float(np.abs(np.log(shared_weekdays(counts, clicks, weekday))).max()))
    # Of plain ratios the largest of seven is off by 4% or so.
    assert np.mean(off) < 0.015
    assert np.mean(np.array(off) < 1e-9) > 0.3


def test_nothing_to_learn_from_is_an_even_week() -> None:
    nothing = np.zeros((3, 20))
    assert shared_weekdays(nothing, nothing, np.arange(20) % 7) == pytest.approx(1.0)


def test_a_day_is_forecast_with_the_weekday_of_the_rate() -> None:
    known, spend, came = shop(TRUE)
    belief = learn(known)
    weekday = TODAY.weekday()
    ratio = belief.factor([TODAY])[0] / belief.factor([TODAY + timedelta(days=5)])[0]
    assert ratio == pytest.approx(TRUE[weekday] / TRUE[(weekday + 5) % 7], rel=0.25)
    assert belief.season.mean(axis=1) == pytest.approx(1.0)
    drawn = belief.expected(spend, TODAY, 2_000, np.random.default_rng(3))
    blind = drawn / belief.season[:, [weekday]].T
    score = [Predictive(mean, belief.excess).log_score(came).sum() for mean in (drawn, blind)]
    assert score[0] > score[1]


def test_an_even_week_costs_the_curves_nothing() -> None:
    known, _, _ = shop(np.ones(7))
    budget = known.current[:, None] * np.array([0.5, 1.0, 2.0])
    mean = learn(known).moments(budget, Outcome.CONVERSIONS)[0]
    true = 4e4 * 0.04 * 0.03 * budget / (budget + 150.0)
    assert mean == pytest.approx(true, rel=0.2)
