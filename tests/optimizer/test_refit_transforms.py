"""Adstock, saturation and the lift of a test, against the same worked out period by period."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.refit.transforms import adstock, adstock_weights, hill, lagged, steady_lift


def test_lags_count_back_and_are_zero_before_the_first_period() -> None:
    found = lagged(np.array([[1.0, 2.0, 3.0]]), 2)
    assert found.tolist() == [[[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]]]


def test_adstock_weights_are_geometric_and_sum_to_one() -> None:
    found = adstock_weights(np.array([0.5, 0.2]), 3)
    assert found[0] == pytest.approx(np.array([1.0, 0.5, 0.25]) / 1.75)
    assert found[1] == pytest.approx(np.array([1.0, 0.2, 0.04]) / 1.24)


def test_adstock_leaves_a_constant_spend_as_it_is_and_spreads_a_burst() -> None:
    weights = adstock_weights(np.array([0.6]), 4)
    constant = adstock(lagged(np.full((1, 10), 7.0), 4), weights)
    assert constant[0, 3:] == pytest.approx(np.full(7, 7.0))
    burst = adstock(lagged(np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]]), 4), weights)
    assert burst[0] == pytest.approx([0.0, *weights[0], 0.0])


def test_hill_is_half_at_half_and_zero_without_spend() -> None:
    felt, active = np.array([0.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0])
    assert hill(felt, 2.0, 3.0, active) == pytest.approx([0.0, 0.5, 64.0 / 72.0])


def _by_hand(half: float, slope: float, weights: list[float], spend: float, change: float, periods: int) -> float:
    """The difference between two spend histories, period by period, of one target."""

    def brought(history: dict[int, float], t: int) -> float:
        felt = sum(weight * history.get(t - lag, spend) for lag, weight in enumerate(weights))
        return 0.0 if felt <= 0 else felt**slope / (felt**slope + half**slope)

    changed = dict.fromkeys(range(periods), spend + change)
    return sum(brought(changed, t) - brought({}, t) for t in range(periods + len(weights)))


@pytest.mark.parametrize(("spend", "change", "periods"), [(0.5, 0.5, 1), (1.0, -1.0, 4), (0.0, 2.0, 3), (1.2, 0.3, 12)])
def test_a_lift_counts_the_carry_over_after_the_test(spend: float, change: float, periods: int) -> None:
    half, slope = np.array([0.7, 1.4]), np.array([0.8, 2.1])
    weights = adstock_weights(np.array([0.3, 0.6]), 5)
    found = steady_lift(half, slope, weights, 5, np.full(2, spend), np.full(2, change), periods)
    for n in range(2):
        by_hand = _by_hand(half[n], slope[n], weights[n].tolist(), spend, change, periods)
        assert found[n] == pytest.approx(by_hand, rel=1e-9)


def test_a_long_test_approaches_the_difference_of_the_curve() -> None:
    weights = adstock_weights(np.array([0.5]), 4)
    found = steady_lift(np.array([1.0]), np.array([1.0]), weights, 4, np.array([1.0]), np.array([1.0]), 2000)
    assert found[0] / 2000 == pytest.approx(2 / 3 - 1 / 2, rel=2e-3)
