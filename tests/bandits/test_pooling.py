from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from bandits.evidence import Evidence
from bandits.groups import Groups
from bandits.pooling import Hyperprior, Pool, condition, learn_pool, log_evidence
from bandits.posterior import GammaPoisson


def evidence(successes: list[float], exposure: list[float]) -> Evidence:
    return Evidence(np.array(successes, dtype=float), np.array(exposure, dtype=float))


def one_group(arms: int) -> Groups:
    return Groups.of(np.zeros(arms, dtype=np.int64))


def simulate(groups: Groups, strength: float, exposure: float, seed: int) -> tuple[Evidence, np.ndarray]:
    rng = np.random.default_rng(seed)
    typical = 0.015 * np.exp(rng.normal(0, 0.7, groups.starts.size))
    rate = rng.gamma(strength, groups.spread(typical) / strength)
    n = rng.uniform(0.2, 1.8, groups.arms) * exposure
    return Evidence(rng.poisson(rate * n).astype(float), n), rate


def exact(data: Evidence, pool: Pool, arm: int) -> tuple[float, float]:
    """Posterior mean and sd of one arm's rate in a single group, integrating over log mu numerically."""
    nu = pool.strength

    def weight(eta: float) -> float:
        p = nu / (nu + data.exposure * np.exp(eta))
        return float(np.exp(stats.nbinom.logpmf(data.successes, nu, p).sum()) * stats.norm.pdf(eta, *at))

    def moment(order: int) -> float:
        a = nu + data.successes[arm]
        top = a if order == 1 else a * (a + 1)

        def inner(eta: float) -> float:
            return weight(eta) * top / (nu / np.exp(eta) + data.exposure[arm]) ** order

        return integrate.quad(inner, *ends, limit=400)[0] / integrate.quad(weight, *ends, limit=400)[0]

    at = (pool.location, pool.spread)
    ends = (pool.location - 8 * pool.spread, pool.location + 8 * pool.spread)
    mean = moment(1)
    return mean, float(np.sqrt(moment(2) - mean**2))


@pytest.mark.parametrize(
    ("successes", "exposure", "strength"),
    [([3, 1], [100, 100], 17.0), ([30, 18, 5], [2000, 900, 400], 17.0), ([0, 2, 0], [50, 100, 0], 5.0)],
)
def test_posterior_agrees_with_numerical_integration(
    successes: list[float], exposure: list[float], strength: float
) -> None:
    data, pool = evidence(successes, exposure), Pool(np.log(0.015), 0.7, strength)
    arms = condition(data, one_group(len(successes)), pool).arms()
    for arm in range(len(successes)):
        mean, sd = exact(data, pool, arm)
        assert arms.mean[arm] == pytest.approx(mean, rel=0.05)
        assert arms.sd[arm] == pytest.approx(sd, rel=0.1)


def test_known_group_rate_leaves_the_conjugate_posterior() -> None:
    data, pool = evidence([3, 0], [100, 50]), Pool(np.log(0.02), 1e-6, 10.0)
    arms = condition(data, one_group(2), pool).arms()
    plain = GammaPoisson(np.full(2, 10.0), np.full(2, 500.0)).update(data.successes, data.exposure)
    assert arms.shape == pytest.approx(plain.shape, rel=1e-4)
    assert arms.rate == pytest.approx(plain.rate, rel=1e-4)


def test_log_evidence_of_a_known_group_rate_is_negative_binomial() -> None:
    data, groups = evidence([3, 0, 7], [100, 50, 300]), one_group(3)

    def exact_difference(a: float, b: float) -> float:
        def loglik(nu: float) -> float:
            return float(stats.nbinom.logpmf(data.successes, nu, nu / (nu + 0.02 * data.exposure)).sum())

        return loglik(a) - loglik(b)

    known = [log_evidence(data, groups, Pool(np.log(0.02), 1e-5, nu)) for nu in (4.0, 40.0)]
    assert known[0] - known[1] == pytest.approx(exact_difference(4.0, 40.0), abs=1e-6)


def test_a_strong_pool_never_turns_the_order_round() -> None:
    arms = condition(evidence([3, 1], [100, 100]), one_group(2), Pool(np.log(0.015), 0.7, 60.0)).arms()
    assert arms.mean[0] > arms.mean[1]


def test_draws_agree_with_the_marginals_and_share_the_group() -> None:
    rates = condition(evidence([3, 1], [100, 100]), one_group(2), Pool(np.log(0.015), 0.7, 60.0))
    n = 200_000
    draws, arms = rates.draws(n, np.random.default_rng(2)), rates.arms()
    assert (np.abs(draws.mean(axis=0) - arms.mean) < 6 * arms.sd / np.sqrt(n)).all()
    assert draws.std(axis=0) == pytest.approx(arms.sd, rel=0.03)
    assert np.corrcoef(draws.T)[0, 1] > 0.5


def test_learnable_is_the_variance_that_data_resolve() -> None:
    rates = condition(evidence([20, 20], [1000, 1000]), one_group(2), Pool(np.log(0.02), 1e-6, 10.0))
    part = rates.learnable(np.array([0.0, 500.0]))
    assert part == pytest.approx([0, 500 / (500 + 500 + 1000)], rel=1e-4)
    rng = np.random.default_rng(3)
    theta = rng.gamma(30, 1 / 1500, 400_000)
    means = (30 + rng.poisson(500 * theta)) / (1500 + 500)
    assert means.var() == pytest.approx(part[1] * 30 / 1500**2, rel=0.02)


@pytest.mark.parametrize("strength", [5.0, 17.0])
def test_strength_and_location_are_recovered(strength: float) -> None:
    data, _ = simulate(Groups.of(np.arange(3000) // 6), strength, exposure=10_000, seed=4)
    pool = learn_pool(data, Groups.of(np.arange(3000) // 6), Hyperprior())
    assert pool.strength == pytest.approx(strength, rel=0.25)
    assert pool.location == pytest.approx(np.log(0.015), abs=0.2)
    assert pool.spread == pytest.approx(0.7, rel=0.2)


@pytest.mark.parametrize("arms", [2, 20, 400])
def test_strength_does_not_run_away_at_low_volume(arms: int) -> None:
    groups, hyperprior = Groups.of(np.arange(arms) // 2), Hyperprior()
    alike = Evidence(np.ones(arms), np.full(arms, 70.0))  # less spread than chance alone would give
    strength = learn_pool(alike, groups, hyperprior).strength
    assert hyperprior.strength <= strength <= min(hyperprior.strength_cap, 4 * hyperprior.strength)


def test_strength_is_capped() -> None:
    alike = Evidence(np.full(4000, 1000.0), np.full(4000, 70_000.0))
    assert learn_pool(alike, Groups.of(np.arange(4000) // 4), Hyperprior()).strength == pytest.approx(60)


@pytest.mark.parametrize(
    "data",
    [evidence([0], [0]), evidence([0], [500]), evidence([4], [500]), evidence([9], [9]), evidence([2], [1e-3])],
    ids=["nothing", "no-success", "few", "all", "tiny-exposure"],
)
def test_a_group_of_one_behaves(data: Evidence) -> None:
    pool = learn_pool(data, one_group(1), Hyperprior())
    arms = condition(data, one_group(1), pool).arms()
    low, high = arms.interval(0.9)
    assert (low >= 0).all()
    assert (low < arms.mean).all()
    assert (arms.mean < high).all()
    assert np.isfinite(high).all()


def test_no_arms_at_all() -> None:
    empty = evidence([], [])
    groups = Groups.of(np.array([], dtype=np.int64))
    assert condition(empty, groups, learn_pool(empty, groups, Hyperprior())).arms().mean.shape == (0,)


def test_a_group_without_data_takes_the_portfolio() -> None:
    groups = Groups.of(np.array([0, 0, 1, 1, 2]))
    data = evidence([20, 30, 25, 25, 0], [1000, 1000, 1000, 1000, 0])
    arms = condition(data, groups, learn_pool(data, groups, Hyperprior())).arms()
    assert 0.015 < arms.mean[4] < 0.05
    assert (arms.sd[4] > 3 * arms.sd[:4]).all()


@pytest.mark.parametrize("factor", [1e-4, 1e6])
def test_the_unit_of_exposure_does_not_matter(factor: float) -> None:
    groups = Groups.of(np.arange(60) // 3)
    data, _ = simulate(groups, 17.0, exposure=800, seed=5)
    scaled = Evidence(data.successes, data.exposure * factor)
    pool, other = learn_pool(data, groups, Hyperprior()), learn_pool(scaled, groups, Hyperprior())
    assert other.strength == pytest.approx(pool.strength, rel=1e-2)
    mean = condition(data, groups, pool).arms().mean
    assert condition(scaled, groups, other).arms().mean * factor == pytest.approx(mean, rel=1e-3)


@pytest.mark.parametrize("exposure", [100.0, 1_000.0, 20_000.0])
def test_ninety_percent_intervals_cover(exposure: float) -> None:
    groups = Groups.of(np.arange(24_000) // 6)
    data, rate = simulate(groups, 17.0, exposure, seed=6)
    arms = condition(data, groups, learn_pool(data, groups, Hyperprior())).arms()
    low, high = arms.interval(0.9)
    assert ((low < rate) & (rate < high)).mean() == pytest.approx(0.9, abs=0.02)


def test_settings_are_checked_at_birth() -> None:
    with pytest.raises(ValueError, match="strength_sd must be positive"):
        Hyperprior(strength_sd=0)
    with pytest.raises(ValueError, match="must not exceed strength_cap"):
        Hyperprior(strength=100)
    with pytest.raises(ValueError, match="finite location"):
        Pool(0.0, 0.0, 1.0)
