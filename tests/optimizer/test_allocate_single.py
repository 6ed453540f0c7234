"""One row is filled without a linear programme: its answer is that of the programme."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from optimizer.allocate.master import best_mixture
from optimizer.allocate.single import fill


def _programme(gain, usage, owner, bound, penalty):
    owners = int(owner.max()) + 1
    result = linprog(
        np.append(-gain, penalty),
        A_ub=np.append(usage, -1.0)[None, :],
        b_ub=[bound],
        A_eq=np.array([[*(owner == k).astype(float), 0.0] for k in range(owners)]),
        b_eq=np.ones(owners),
    )
    return -result.fun, -result.ineqlin.marginals[0]


def test_the_edge_that_fills_the_row_is_bought_in_part() -> None:
    gain, usage = np.array([0.0, 4.0, 6.0, 0.0, 3.0]), np.array([0.0, 1.0, 2.0, 0.0, 1.0])
    weight, multiplier, excess = fill(gain, usage, np.array([0, 0, 0, 1, 1]), 1.5, 100.0)
    assert weight.tolist() == [0.0, 1.0, 0.0, 0.5, 0.5]
    assert (multiplier, excess) == (3.0, 0.0)


def test_a_column_under_the_hull_is_never_bought() -> None:
    weight, multiplier, _ = fill(np.array([0.0, 1.0, 8.0]), np.array([0.0, 1.0, 2.0]), np.zeros(3, int), 1.0, 100.0)
    assert weight.tolist() == [0.5, 0.0, 0.5]
    assert multiplier == 4.0


def test_a_row_that_cannot_be_kept_pays_the_penalty() -> None:
    weight, multiplier, excess = fill(np.array([1.0, 9.0]), np.array([3.0, 4.0]), np.zeros(2, int), 1.0, 100.0)
    assert weight.tolist() == [1.0, 0.0]
    assert (multiplier, excess) == (100.0, 2.0)


@pytest.mark.parametrize("missing", [0.0, 1e-15])
def test_a_row_that_is_full_by_what_cannot_be_left_out_costs_what_more_room_would_bring(missing: float) -> None:
    """Three floors of 0.1 fill a row of 0.3 (whose sum in floats is a hair more); a tenth more would bring 0.7."""
    gain, usage = np.array([0.0, 0.4, 0.0, 0.7, 0.0, 0.2]), np.array([0.1, 0.2] * 3)
    weight, multiplier, excess = fill(gain, usage, np.array([0, 0, 1, 1, 2, 2]), 0.3 - missing, 1000.0)
    assert np.allclose(weight, [1, 0, 1, 0, 1, 0], atol=1e-12)
    assert np.isclose(multiplier, 7.0)
    assert 0.0 <= excess < 1e-14


def test_rows_that_are_full_by_what_cannot_be_left_out_cost_so_too() -> None:
    """A second row with room to spare brings in the programme, which knows of no price between 7 and the penalty."""
    gain, usage = np.array([0.0, 0.4, 0.0, 0.7]), np.array([[0.5, 0.6, 0.5, 0.6], [0.0, 0.0, 0.5, 0.6]])
    mixed = best_mixture(gain, usage, np.array([0, 0, 1, 1]), np.array([1.0, 3.0]), np.array([1000.0, 1000.0]))
    assert np.allclose(mixed.multipliers, [7.0, 0.0])
    assert np.allclose(mixed.weight, [1, 0, 1, 0])
    assert mixed.value == pytest.approx(0.0, abs=1e-9)


def test_a_row_with_room_for_all_is_free() -> None:
    weight, multiplier, excess = fill(np.array([1.0, 9.0, 8.0]), np.array([0.0, 2.0, 3.0]), np.zeros(3, int), 5.0, 9.0)
    assert weight.tolist() == [0.0, 1.0, 0.0]
    assert (multiplier, excess) == (0.0, 0.0)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 30), st.floats(-2.0, 12.0), st.sampled_from([0.3, 50.0])
)
def test_it_answers_as_the_programme_does(seed: int, owners: int, columns: int, bound: float, penalty: float) -> None:
    rng = np.random.default_rng(seed)
    owner = np.concatenate([np.arange(owners), rng.integers(0, owners, columns)])
    rng.shuffle(owner)
    # Few different figures, so that ties and columns twice over come up.
    gain, usage = rng.integers(-3, 9, owner.size) / 2.0, rng.integers(-2, 7, owner.size) / 2.0
    weight, multiplier, excess = fill(gain, usage, owner, bound, penalty)
    best, _ = _programme(gain, usage, owner, bound, penalty)
    assert (weight >= 0).all()
    assert np.allclose(np.bincount(owner, weight), 1.0)
    assert usage @ weight - excess <= bound + 1e-9
    assert np.isclose(gain @ weight - penalty * excess, best, atol=1e-8)
    assert 0.0 <= multiplier <= penalty
    # Weak duality is strong here: the multiplier proves the value.
    reduced = np.full(owners, -np.inf)
    np.maximum.at(reduced, owner, gain - multiplier * usage)
    assert np.isclose(reduced.sum() + multiplier * bound, best, atol=1e-8)
