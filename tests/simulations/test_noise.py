"""Uniforms that depend only on their place, and exact quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulations.noise import Stream, beta22_quantile, gamma_quantile, noise_key, poisson_quantile, uniforms

Z = 5.5  # a standard normal is further out than this less often than once in ten million times


def test_a_longer_draw_begins_with_the_shorter_one():
    key = noise_key(7)
    assert np.array_equal(uniforms(key, 3, Stream.CELL, 1000)[:10], uniforms(key, 3, Stream.CELL, 10))


@pytest.mark.parametrize(("seed", "day", "stream"), [(8, 3, Stream.CELL), (7, 4, Stream.CELL), (7, 3, Stream.ORDER)])
def test_another_seed_day_or_stream_is_another_draw(seed, day, stream):
    ours = uniforms(noise_key(7), 3, Stream.CELL, 4000)
    other = uniforms(noise_key(seed), day, stream, 4000)
    assert not np.intersect1d(ours, other).size
    assert abs(np.corrcoef(ours, other)[0, 1]) < Z / np.sqrt(4000)


def test_uniforms_are_uniform_and_inside_the_unit_interval():
    draws = np.concatenate([uniforms(noise_key(1), day, Stream.CELL, 10_000) for day in range(20)])
    assert 0.0 < draws.min() < draws.max() < 1.0
    assert stats.kstest(draws, "uniform").pvalue > 1e-7


def test_the_ends_of_the_unit_interval_have_finite_quantiles():
    ends = np.array([2.0**-54, 1 - 2.0**-53])
    for mean in (0.0, 1e-9, 0.3, 11.9, 12.1, 4e6):
        counts = poisson_quantile(ends, np.full(2, mean))
        assert 0 <= counts[0] <= counts[1] < mean + 12 * np.sqrt(mean) + 40


def test_poisson_quantile_equals_scipys():
    rng = np.random.default_rng(0)
    mean = np.exp(rng.uniform(np.log(1e-3), np.log(1e5), 3000))
    u = rng.random(3000)
    assert np.array_equal(poisson_quantile(u, mean), stats.poisson.ppf(u, mean).astype(int))


def test_poisson_quantile_of_zero_mean_is_zero():
    assert poisson_quantile(np.array([[0.5, 0.999]]), np.zeros((1, 2))).tolist() == [[0, 0]]


@given(st.floats(1e-9, 1 - 1e-9), st.floats(0, 5e4), st.floats(0, 5e4))
def test_a_larger_mean_never_yields_a_smaller_count(u, one, other):
    low, high = poisson_quantile(np.array([u, u]), np.array(sorted((one, other))))
    assert low <= high


def test_gamma_and_beta_quantiles_equal_scipys():
    u = np.linspace(0.001, 0.999, 501)
    assert np.allclose(beta22_quantile(u), stats.beta(2, 2).ppf(u), atol=1e-12)
    assert np.allclose(gamma_quantile(u, 3.5), stats.gamma(3.5, scale=1 / 3.5).ppf(u))
    assert gamma_quantile(u, np.inf).tolist() == [1.0] * 501
