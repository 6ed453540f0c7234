"""Proposals are judged, and brought to the nearest budgets that keep every limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.noise import FloatArray, IntArray
from simulations.policies.contract import Bounds
from simulations.runs.limits import brought_within, keep, nearest, whole

CENT = 10_000
EURO = 1_000_000


def bounds(total: float, lower: list[float], upper: list[float], step: float) -> Bounds:
    return Bounds(total, np.array(lower), np.array(upper), step)


def euros(*amounts: float) -> IntArray:
    return np.rint(np.array(amounts) * EURO).astype(np.int64)


@dataclass(frozen=True)
class Case:
    bounds: Bounds
    live: IntArray
    quantum: int
    rng: np.random.Generator


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 12))
    quantum = draw(st.sampled_from([CENT, EURO, 1_000]))
    scale = 10.0 ** draw(st.integers(0, 6)) * quantum / EURO
    lower = scale * rng.uniform(0.0, 1.0, count) * draw(st.sampled_from([0.0, 1.0]))
    upper = lower + scale * rng.uniform(0.0, 5.0, count)
    total = lower.sum() + (upper - lower).sum() * draw(st.floats(0.0, 1.2))
    case = Bounds(float(total), lower, upper, draw(st.floats(0.01, 2.0)))
    first = np.rint(rng.uniform(0.0, 8.0 * scale, count) * EURO / quantum).astype(np.int64) * quantum
    return Case(case, brought_within(first, case, quantum), quantum, rng)


def wish(case: Case, spread: float) -> FloatArray:
    centre = case.live / EURO
    return centre + spread * (centre.mean() + 1.0) * case.rng.standard_normal(centre.size)


@given(cases(), st.sampled_from([0.0, 1e-12, 0.01, 1.0, 1e4, 1e300]))
def test_what_is_kept_meets_every_limit(case: Case, spread: float) -> None:
    kept = keep(0, wish(case, spread), case.live, case.bounds, case.quantum).budgets
    units, live, scale = kept // case.quantum, case.live // case.quantum, EURO / case.quantum
    assert (kept % case.quantum == 0).all()
    assert units.sum() <= case.bounds.total * scale + 1e-6
    assert (units >= np.floor(case.bounds.lower * scale + 1e-9)).all()
    assert (units <= case.bounds.upper * scale + 1e-6).all()
    assert (np.abs(units - live) <= case.bounds.step * live * (1 + 1e-9) + 1e-6).all()


@given(cases())
def test_the_live_budgets_can_always_stay(case: Case) -> None:
    kept = keep(0, case.live / EURO, case.live, case.bounds, case.quantum)
    assert (kept.budgets == case.live).all()
    assert kept.violations == ()


@given(cases(), st.floats(0.0, 2.0))
def test_a_proposal_within_the_limits_changes_by_rounding_only(case: Case, spread: float) -> None:
    feasible = keep(0, wish(case, spread), case.live, case.bounds, case.quantum).budgets / EURO
    # Less than a minor unit off, and still within the total.
    wanted = np.maximum(feasible - 0.4 * case.quantum / EURO * case.rng.random(feasible.size), 0.0)
    kept = keep(0, wanted, case.live, case.bounds, case.quantum)
    assert kept.violations == ()
    assert (np.abs(kept.budgets / EURO - wanted) <= 1.000001 * case.quantum / EURO).all()


def test_everybody_gives_up_the_same_share_until_nothing_is_left_to_give() -> None:
    cut = nearest(np.array([10.0, 6.0, 2.0]), np.array([0.0, 0.0, 1.5]), np.full(3, 20.0), 9.5)
    assert cut.tolist() == pytest.approx([5.0, 3.0, 1.5])
    assert nearest(np.array([10.0, -3.0]), np.zeros(2), np.full(2, 8.0), 8.0).tolist() == [8.0, 0.0]
    assert nearest(np.array([10.0, 0.0]), np.zeros(2), np.full(2, 8.0), 0.0).tolist() == [0.0, 0.0]


def test_the_greatest_remainders_get_the_units_that_are_left() -> None:
    assert whole(np.array([1.2, 2.7, 3.6, 0.5]), 8.0).tolist() == [1, 3, 4, 0]
    assert whole(np.array([1.2, 2.7, 3.6, 0.5]), 7.0).tolist() == [1, 3, 3, 0]
    assert whole(np.array([2.0, 3.0]), 9.0).tolist() == [2, 3]


def test_each_limit_that_is_broken_is_told_with_its_size() -> None:
    limits = bounds(30.0, [5.0, 5.0], [20.0, 20.0], 0.5)
    kept = keep(7, np.array([26.0, 7.0]), euros(16.0, 10.0), limits, CENT)
    assert [(v.day, v.kind) for v in kept.violations] == [(7, "total"), (7, "upper"), (7, "step")]
    assert [v.size for v in kept.violations] == pytest.approx([3.0, 6.0, 2.0])
    kept = keep(0, np.array([16.0, 2.0]), euros(16.0, 10.0), limits, CENT)
    assert [(v.kind, v.size) for v in kept.violations] == [("lower", 3.0), ("step", 3.0)]
    assert kept.budgets.tolist() == euros(16.0, 5.0).tolist()


def test_rounding_to_minor_units_is_no_violation() -> None:
    limits = bounds(30.0, [5.0, 5.0], [20.0, 20.0], 0.5)
    assert keep(0, np.array([20.006, 10.006]), euros(16.0, 10.0), limits, CENT).violations == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_amounts_that_are_not_finite_change_nothing(bad: float) -> None:
    live = euros(16.0, 10.0)
    kept = keep(2, np.array([bad, 12.0]), live, bounds(30.0, [5.0, 5.0], [20.0, 20.0], 0.5), CENT)
    assert kept.budgets.tolist() == live.tolist()
    assert [(v.kind, v.size) for v in kept.violations] == [("not-finite", 1.0)]


def test_first_budgets_outside_the_limits_are_brought_within() -> None:
    limits = bounds(30.0, [5.0, 5.0, 5.0], [20.0, 20.0, 20.0], 0.1)
    assert brought_within(euros(40.0, 1.0, 10.0), limits, CENT).tolist() == euros(16.67, 5.0, 8.33).tolist()
