from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bandits.groups import FloatArray, Groups
from bandits.posterior import BetaBinomial, GammaPoisson, NormalInverseGamma
from bandits.products import Product, Profit, multiplied, revenue_per_impression, roas
from bandits.values import MeanValue, from_sums, log_value_prior

ONE = np.ones(1)
CLICKS = BetaBinomial(np.array([30.0, 5.0]), np.array([970.0, 200.0]))
SALES = BetaBinomial(np.array([4.0, 2.0]), np.array([60.0, 9.0]))
PER_SPEND = GammaPoisson(np.array([6.0, 30.0]), np.array([200.0, 700.0]))
VALUE = MeanValue(np.array([3.5, 4.0]), np.array([0.2, 0.05]))


def test_moments_by_hand() -> None:
    product = revenue_per_impression(CLICKS, SALES, VALUE)
    value = np.exp(VALUE.log_mean + VALUE.log_sd**2 / 2)
    mean = CLICKS.mean * SALES.mean * value
    assert product.mean == pytest.approx(mean)
    second = (CLICKS.sd**2 + CLICKS.mean**2) * (SALES.sd**2 + SALES.mean**2) * value**2 * np.exp(VALUE.log_sd**2)
    assert product.sd == pytest.approx(np.sqrt(second - mean**2))


@pytest.mark.parametrize("product", [revenue_per_impression(CLICKS, SALES, VALUE), roas(PER_SPEND, VALUE)])
def test_draws_agree_with_moments_and_intervals(product: Product) -> None:
    n = 200_000
    draws = product.draws(n, np.random.default_rng(1))
    assert draws.shape == (n, 2)
    assert (np.abs(draws.mean(axis=0) - product.mean) < 6 * product.sd / np.sqrt(n)).all()
    for level in (0.5, 0.9):
        low, high = product.interval(level)
        tail = (1 - level) / 2
        assert (draws < low).mean(axis=0) == pytest.approx(tail, abs=0.006)
        assert (draws > high).mean(axis=0) == pytest.approx(tail, abs=0.006)


def test_one_factor_is_that_factor() -> None:
    alone = Product((PER_SPEND,), np.array([2.0, 3.0]))
    assert alone.mean == pytest.approx([2, 3] * PER_SPEND.mean)
    assert alone.sd == pytest.approx([2, 3] * PER_SPEND.sd)
    assert alone.interval(0.9)[0] == pytest.approx([2, 3] * PER_SPEND.interval(0.9)[0])


@given(st.floats(2, 500), st.floats(2, 500), st.floats(0.01, 0.5), st.floats(0.1, 100))
def test_intervals_are_in_order_and_hold_the_median(a: float, b: float, sd: float, scale: float) -> None:
    factors = (GammaPoisson(a * ONE, ONE), BetaBinomial(b * ONE, 50 * ONE), MeanValue(ONE, sd * ONE))
    ends = [Product(factors, scale * ONE).interval(level)[0][0] for level in (0.99, 0.9, 0.5)]
    ends += [Product(factors, scale * ONE).interval(level)[1][0] for level in (0.5, 0.9, 0.99)]
    assert ends == sorted(ends)
    assert ends[0] > 0


def test_profit_is_what_the_cost_leaves() -> None:
    revenue = Product((PER_SPEND, VALUE), np.array([0.4, 0.4]))  # a margin of 40%
    profit = Profit(revenue, np.ones(2))
    assert profit.mean == pytest.approx(0.4 * roas(PER_SPEND, VALUE).mean - 1)
    assert profit.sd == pytest.approx(revenue.sd)
    low, high = profit.interval(0.9)
    draws = profit.draws(100_000, np.random.default_rng(2))
    assert ((low < draws) & (draws < high)).mean(axis=0) == pytest.approx(0.9, abs=0.012)
    assert draws.min() > -1


def test_joint_draws_multiply() -> None:
    rates, values = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6], [7, 8]])
    assert multiplied([rates, values], np.array([1.0, 0.5])).tolist() == [[5, 6], [21, 16]]


def test_the_mean_of_a_log_normal_has_moments_though_the_exponential_of_a_student_t_has_none() -> None:
    logs = NormalInverseGamma(np.array([3.0]), np.array([12.0]), np.array([9.0]), np.array([5.0]))
    value = MeanValue.of(logs)
    n, rng = 400_000, np.random.default_rng(3)
    variance = stats.invgamma(9, scale=5).rvs(n, random_state=rng)
    log_m = rng.normal(3, np.sqrt(variance / 12)) + variance / 2
    assert value.log_mean == pytest.approx([log_m.mean()], abs=0.003)
    assert value.log_sd == pytest.approx([log_m.std()], rel=0.02)
    low, high = value.interval(0.9)
    inside = (low < np.exp(log_m)) & (np.exp(log_m) < high)
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
    assert value.mean == pytest.approx(np.exp(value.log_mean + value.log_sd**2 / 2))
    with pytest.raises(ValueError, match=r"arm 0: the variance of log values is not known well enough"):
        MeanValue.of(NormalInverseGamma(ONE, ONE, 2 * ONE, ONE))


def _shop(seed: int, mean_count: float) -> tuple[FloatArray, FloatArray, Groups, FloatArray, list[FloatArray]]:
    """Days of values (A, T) and conversions, groups, the true mean values, and single log values."""
    rng = np.random.default_rng(seed)
    groups = Groups.of(np.arange(100) // 5)
    location = 3 + rng.normal(0, 0.4, 20)[groups.index] + rng.normal(0, 0.2, 100)
    counts = rng.poisson(mean_count / 10, (100, 10))
    singles = [[rng.normal(m, 0.8, c) for c in row] for m, row in zip(location, counts, strict=True)]
    value = np.array([[np.exp(day).sum() for day in row] for row in singles])
    return value, counts.astype(float), groups, np.exp(location + 0.32), [np.concatenate(row) for row in singles]


def test_mean_values_cover_from_single_values_and_from_sums() -> None:
    from_single, by_day = [], []
    for seed in range(15):
        value, counts, groups, truth, logs = _shop(seed, 20.0)
        statistics = (
            np.array([float(each.size) for each in logs]),
            np.array([each.sum() for each in logs]),
            np.array([(each**2).sum() for each in logs]),
        )
        for posterior, kept in (
            (MeanValue.of(log_value_prior(*statistics).update(*statistics)), from_single),
            (from_sums(value, counts, groups), by_day),
        ):
            low, high = posterior.interval(0.9)
            kept.append(((low <= truth) & (truth <= high)).mean())
    assert np.mean(from_single) == pytest.approx(0.9, abs=0.04)
    assert np.mean(by_day) == pytest.approx(0.9, abs=0.04)


def test_values_are_pooled_and_the_unknown_take_their_groups() -> None:
    groups = Groups.of(np.array([0, 0, 0, 1, 1, 2]))
    conversions = np.array([[50.0, 50], [60, 40], [0, 0], [50, 50], [1, np.nan], [np.nan, np.nan]])
    value = conversions * np.array([[20.0], [21], [np.nan], [80], [10], [np.nan]])
    found = from_sums(value, conversions, groups)
    assert found.mean[0] == pytest.approx(20, rel=0.05)
    assert 20 < np.exp(found.log_mean[2]) < 21
    assert found.mean[4] > 40  # one sale of 10 says little beside 100 of 80
    assert found.log_sd[5] > found.log_sd[2] > found.log_sd[0]
    assert found.log_sd[5] > 0.9


def test_broken_values_are_refused() -> None:
    groups = Groups.of(np.zeros(2, dtype=np.int64))
    with pytest.raises(ValueError, match="no conversion has a value"):
        from_sums(np.zeros((2, 3)), np.ones((2, 3)), groups)
    with pytest.raises(ValueError, match=r"must both be \(A, T\)"):
        from_sums(np.zeros((2, 3)), np.ones((2, 2)), groups)
    with pytest.raises(ValueError, match="two values or more, not 1"):
        log_value_prior(np.array([1.0, 0]), np.array([3.0, 0]), np.array([9.0, 0]))
    with pytest.raises(ValueError, match="arm 1: weight must be finite and not negative"):
        log_value_prior(np.array([1.0, -1]), np.array([3.0, 0]), np.array([9.0, 0]))
    with pytest.raises(ValueError, match="arm 0: log_sd must not be negative"):
        MeanValue(ONE, -ONE)
    with pytest.raises(ValueError, match="arm 0: log_mean must be finite"):
        MeanValue(np.nan * ONE, ONE)


def test_broken_products_are_refused() -> None:
    with pytest.raises(ValueError, match="a product needs a factor"):
        Product((), ONE)
    with pytest.raises(ValueError, match="must be of the same arms"):
        roas(PER_SPEND, MeanValue(ONE, ONE))
    with pytest.raises(ValueError, match="arm 1: scale must be finite and positive, not 0"):
        Product((PER_SPEND,), np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="arm 1: cost must be finite"):
        Profit(roas(PER_SPEND, VALUE), np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="must be of the product's arms"):
        Profit(roas(PER_SPEND, VALUE), ONE)


def test_a_mean_value_is_stored_to_the_byte() -> None:
    text = VALUE.to_json(gamma=0.99)
    assert text == MeanValue.from_json(text).to_json(gamma=0.99)
    with pytest.raises(ValueError, match="not of 'mean-value'"):
        MeanValue.from_json(PER_SPEND.to_json())
