"""Uniforms that depend only on their place, and exact quantiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri, pdtr, pdtrc

from simulations.noise import (
    Stream,
    beta22_quantile,
    binomial_quantile,
    gamma_quantile,
    lognormal_quantile,
    noise_key,
    poisson_counts,
    poisson_quantile,
    uniforms,
    uniforms_at,
)

Z = 5.5  # a standard normal is further out than this less often than once in ten million times


def test_a_longer_draw_begins_with_the_shorter_one():
    key = noise_key(7)
    assert np.array_equal(uniforms(key, 3, Stream.CELL, 1000)[:10], uniforms(key, 3, Stream.CELL, 10))


def test_slots_can_be_picked_over_many_blocks():
    key, slots = noise_key(7), np.array([0, 5, 17, 32_767, 32_768, 70_001])
    whole = uniforms(key, 3, Stream.ORDER, 80_000, 1)
    assert np.array_equal(uniforms_at(key, 3, Stream.ORDER, slots, 1), whole[slots])
    assert uniforms_at(key, 3, Stream.ORDER, slots[:0]).size == 0


def test_counts_are_the_quantiles_of_their_slots():
    mean = np.random.default_rng(0).gamma(0.2, 5.0, (9_000, 9))
    whole = uniforms(noise_key(7), 3, Stream.CELL, mean.size, 2).reshape(mean.shape)
    assert np.array_equal(poisson_counts(noise_key(7), 3, Stream.CELL, mean, 2), poisson_quantile(whole, mean))


@pytest.mark.parametrize(
    ("seed", "day", "stream", "part"),
    [(8, 3, Stream.CELL, 0), (7, 4, Stream.CELL, 0), (7, 3, Stream.ORDER, 0), (7, 3, Stream.CELL, 1)],
)
def test_another_seed_day_stream_or_part_is_another_draw(seed, day, stream, part):
    ours = uniforms(noise_key(7), 3, Stream.CELL, 4000)
    other = uniforms(noise_key(seed), day, stream, 4000, part)
    assert not np.intersect1d(ours, other).size
    assert abs(np.corrcoef(ours, other)[0, 1]) < Z / np.sqrt(4000)


def test_uniforms_are_uniform_and_inside_the_unit_interval():
    draws = np.concatenate([uniforms(noise_key(1), day, Stream.CELL, 10_000) for day in range(20)])
    assert 0.0 < draws.min() < draws.max() < 1.0
    assert stats.kstest(draws, "uniform").pvalue > 1e-7


def test_the_ends_of_the_unit_interval_have_finite_quantiles():
    ends = np.array([2.0**-53, 1 - 2.0**-53])
    for mean in (0.0, 1e-9, 0.3, 3.9, 4.1, 12.1, 4e6):
        counts = poisson_quantile(ends, np.full(2, mean))
        assert 0 <= counts[0] <= counts[1] < mean + 12 * np.sqrt(mean) + 40
    assert binomial_quantile(ends, np.array([7, 7]), 0.4).tolist() == [0, 7]


@pytest.mark.parametrize(("low", "high"), [(1e-6, 4.0), (3.0, 30.0), (30.0, 1e5)])
def test_poisson_quantile_equals_scipys(low, high):
    rng = np.random.default_rng(0)
    mean = np.exp(rng.uniform(np.log(low), np.log(high), 20_000))
    u = rng.random(20_000)
    assert np.array_equal(poisson_quantile(u, mean), stats.poisson.ppf(u, mean).astype(int))


@pytest.mark.parametrize("mean", [0.02, 1.0, 3.99, 4.0, 5.5, 13.0, 60.0, 700.0])
def test_poisson_quantile_is_exact_at_every_step_of_the_distribution(mean):
    """On both sides of each step, where a rounded expansion would go wrong first."""
    counts = np.arange(int(mean + 6 * np.sqrt(mean) + 6))
    counts = counts[(pdtr(counts, mean) > 1e-9) & (pdtrc(counts, mean) > 1e-9)]
    step, near = pdtr(counts, mean), 1e-4 * stats.poisson.pmf(counts + 1, mean)
    means = np.full(step.shape, mean)
    assert np.array_equal(poisson_quantile(step - near, means), counts)
    assert np.array_equal(poisson_quantile(step + near, means), counts + 1)


def test_the_expansion_is_as_near_as_it_is_trusted():
    """At the upper end of each count the expansion is the next whole number, but for the doubt that is allowed it."""
    for mean in np.geomspace(4.0, 3e4, 40):
        counts = np.unique(np.maximum(np.floor(mean + np.sqrt(mean) * np.linspace(-8, 9, 1500)), 0.0))
        below, above = pdtr(counts, mean), pdtrc(counts, mean)
        z = np.where(below < 0.5, ndtri(below), -ndtri(above))
        counts, z = counts[np.abs(z) < 7.0], z[np.abs(z) < 7.0]
        # Giles (2016), terms up to 1 / mean.
        x = mean + np.sqrt(mean) * z + (2 + z**2) / 6 - (z**3 + 2 * z) / (72 * np.sqrt(mean))
        x += (3 * z**4 + 7 * z**2 - 16) / (810 * mean)
        assert (np.abs(x - counts - 1) < 0.9 * (0.05 + np.abs(z) ** 5 / 200) / mean**1.5).all()


def test_poisson_quantile_of_zero_mean_is_zero():
    assert poisson_quantile(np.array([[0.5, 0.999]]), np.zeros((1, 2))).tolist() == [[0, 0]]


@given(st.floats(1e-9, 1 - 1e-9), st.floats(0, 5e4), st.floats(0, 5e4))
def test_a_larger_mean_never_yields_a_smaller_count(u, one, other):
    low, high = poisson_quantile(np.array([u, u]), np.array(sorted((one, other))))
    assert low <= high


@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5, 0.9])
def test_binomial_quantile_equals_scipys(chance):
    rng = np.random.default_rng(1)
    trials = np.concatenate([rng.integers(1, 6, 2000), rng.integers(1, 3000, 1000)])
    u = rng.random(3000)
    assert np.array_equal(binomial_quantile(u, trials, chance), stats.binom.ppf(u, trials, chance).astype(int))


def test_continuous_quantiles_equal_scipys():
    u = np.linspace(0.001, 0.999, 501)
    assert np.allclose(beta22_quantile(u), stats.beta(2, 2).ppf(u), atol=1e-12)
    assert np.allclose(gamma_quantile(u, 3.5), stats.gamma(3.5, scale=1 / 3.5).ppf(u))
    assert gamma_quantile(u, np.inf).tolist() == [1.0] * 501
    sigma = np.sqrt(np.log(1.25))
    lognormal = stats.lognorm(sigma, scale=np.exp(-(sigma**2) / 2))
    assert np.allclose(lognormal_quantile(u, np.full(501, 0.5)), lognormal.ppf(u))
