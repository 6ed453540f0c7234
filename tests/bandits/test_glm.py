from __future__ import annotations

from math import inf

import numpy as np
import pytest
from scipy import optimize, special, stats

from bandits.glm import Family, LaplaceGlm, log_gamma_moments

RNG = np.random.default_rng(1)
DESIGN = np.column_stack([np.ones(60), RNG.integers(0, 2, 60), RNG.normal(size=60)])
EXPOSURE = RNG.uniform(100, 3000, 60)
TRUE = np.array([-4.0, 0.5, 0.3])
COUNTS = RNG.poisson(EXPOSURE * np.exp(DESIGN @ TRUE)).astype(np.float64)
FAMILIES = [(Family.POISSON, inf), (Family.POISSON, 12.0), (Family.BINOMIAL, inf)]


def prior(family: Family, strength: float = inf, size: int = 3, sd: float = 1.0) -> LaplaceGlm:
    mean = np.zeros(size)
    mean[0] = -3.0
    return LaplaceGlm.prior(family, mean, np.full(size, sd), strength)


def log_density(model: LaplaceGlm, b: np.ndarray, y: np.ndarray) -> float:
    eta = DESIGN @ b
    if model.family is Family.BINOMIAL:
        rows = y * np.log(special.expit(eta)) + (EXPOSURE - y) * np.log(special.expit(-eta))
    elif model.strength == inf:
        rows = stats.poisson.logpmf(y, EXPOSURE * np.exp(eta))
    else:
        chance = model.strength / (model.strength + EXPOSURE * np.exp(eta))
        rows = stats.nbinom.logpmf(y, model.strength, chance)
    return float(rows.sum() - (b - model.mean) @ model.precision @ (b - model.mean) / 2)


@pytest.mark.parametrize(("family", "strength"), FAMILIES)
def test_the_posterior_is_mode_and_curvature_of_the_density(family: Family, strength: float) -> None:
    start = prior(family, strength)
    found = start.update(DESIGN, COUNTS, EXPOSURE)
    best = optimize.minimize(lambda b: -log_density(start, b, COUNTS), TRUE, method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(found.mean, best.x, atol=1e-4)
    step = 1e-4 * np.eye(3)
    curvature = [
        [
            -sum(
                i * j * log_density(start, found.mean + i * step[a] + j * step[b], COUNTS)
                for i in (1, -1)
                for j in (1, -1)
            )
            / 4e-8
            for a in range(3)
        ]
        for b in range(3)
    ]
    np.testing.assert_allclose(found.precision, curvature, rtol=2e-3, atol=5e-2)


def test_an_intercept_alone_is_the_conjugate_posterior() -> None:
    vague = LaplaceGlm.prior(Family.POISSON, np.zeros(1), np.array([1e3]))
    found = vague.update(np.ones((2, 1)), np.array([70.0, 50.0]), np.array([1000.0, 3000.0]))
    conjugate = stats.gamma(120, scale=1 / 4000)
    assert np.exp(found.mean[0]) == pytest.approx(120 / 4000, rel=1e-4)
    assert found.predict(np.ones((1, 1)))[1][0] == pytest.approx(conjugate.std() / conjugate.mean(), rel=0.01)
    low, high = found.interval(np.ones((1, 1)), 0.9)
    assert (low[0], high[0]) == pytest.approx((conjugate.ppf(0.05), conjugate.ppf(0.95)), rel=0.01)


@pytest.mark.parametrize(("family", "strength"), FAMILIES)
def test_batches_one_after_another_are_all_at_once_up_to_laplace(family: Family, strength: float) -> None:
    whole = prior(family, strength).update(DESIGN, COUNTS, EXPOSURE)
    stepped = prior(family, strength)
    for rows in np.array_split(np.arange(60), 6):
        stepped = stepped.update(DESIGN[rows], COUNTS[rows], EXPOSURE[rows])
    sd = np.sqrt(np.diag(np.linalg.inv(whole.precision)))
    assert (np.abs(stepped.mean - whole.mean) < 0.15 * sd).all()
    np.testing.assert_allclose(np.sqrt(np.diag(np.linalg.inv(stepped.precision))), sd, rtol=0.05)


def test_intervals_cover_new_rows() -> None:
    """A thousand ads from the prior's own world: 90% intervals of their rates, spread between alike ads included."""
    rng = np.random.default_rng(2)
    design = np.column_stack([np.ones(1500), rng.normal(size=(1500, 4))])
    rate = np.exp(design @ np.array([-4.0, 0.3, 0.0, -0.2, 0.1])) * rng.gamma(12.0, 1 / 12.0, 1500)
    exposure = rng.uniform(500, 5000, 500)
    start = prior(Family.POISSON, 12.0, size=5)
    found = start.update(design[:500], rng.poisson(exposure * rate[:500]).astype(np.float64), exposure)
    low, high = found.interval(design[500:], 0.9)
    inside = ((low < rate[500:]) & (rate[500:] < high)).mean()
    assert inside == pytest.approx(0.9, abs=0.05)


def test_the_marginal_likelihood_is_that_of_the_integral() -> None:
    start = LaplaceGlm.prior(Family.POISSON, np.array([-3.0]), np.array([0.7]), 9.0)
    y, n = np.array([12.0, 20.0]), np.array([400.0, 500.0])

    def integrand(b: float, nu: float) -> float:
        rows = stats.nbinom.logpmf(y, nu, nu / (nu + n * np.exp(b))).sum()
        return float(np.exp(rows) * stats.norm.pdf(b, -3.0, 0.7))

    grid = np.linspace(-5.0, -1.5, 351)
    found, true = [], []
    for nu in (9.0, 40.0):
        model = LaplaceGlm(start.family, start.mean, start.precision, start.mean, start.precision, nu)
        found.append(model.learn(np.ones((2, 1)), y, n)[1])
        true.append(np.log(np.trapezoid([integrand(b, nu) for b in grid], grid)))
    assert found[1] - found[0] == pytest.approx(true[1] - true[0], abs=0.02)


def test_forgetting_returns_to_the_prior_and_keeps_half_in_a_half_life() -> None:
    start = prior(Family.POISSON)
    learnt = start.update(DESIGN, COUNTS, EXPOSURE)
    gone = learnt
    for _ in range(400):
        gone = gone.forget(0.9)
    np.testing.assert_allclose(gone.mean, start.mean, atol=1e-6)
    np.testing.assert_allclose(gone.precision, start.precision, atol=1e-6)
    half = learnt.forget(0.5)
    np.testing.assert_allclose(half.precision, (learnt.precision + start.precision) / 2)
    assert learnt.forget(1.0).mean == pytest.approx(learnt.mean)
    with pytest.raises(ValueError, match="gamma"):
        learnt.forget(0.0)


def test_rows_without_exposure_say_nothing_and_far_starts_arrive() -> None:
    start = prior(Family.POISSON, 5.0)
    learnt = start.update(DESIGN[:2], np.zeros(2), np.zeros(2))
    np.testing.assert_allclose(learnt.mean, start.mean)
    far = LaplaceGlm.prior(Family.POISSON, np.array([-30.0]), np.array([50.0]))
    assert far.update(np.ones((1, 1)), np.array([1e6]), np.array([1.0])).mean[0] == pytest.approx(np.log(1e6), abs=0.01)


def test_moments_of_a_log_gamma() -> None:
    shift, scatter = log_gamma_moments(4.0)
    assert (shift, scatter) == pytest.approx((stats.loggamma(4).mean() - np.log(4), stats.loggamma(4).var()))
    assert log_gamma_moments(inf) == (0.0, 0.0)


@pytest.mark.parametrize(("family", "strength"), FAMILIES)
def test_state_is_read_back_to_the_bit(family: Family, strength: float) -> None:
    model = prior(family, strength).update(DESIGN, COUNTS, EXPOSURE)
    again = LaplaceGlm.from_json(model.to_json(), family)
    assert again.to_json() == model.to_json()
    assert again.update(DESIGN, COUNTS, EXPOSURE).to_json() == model.update(DESIGN, COUNTS, EXPOSURE).to_json()
    other = Family.BINOMIAL if family is Family.POISSON else Family.POISSON
    with pytest.raises(ValueError, match="not of"):
        LaplaceGlm.from_json(model.to_json(), other)


@pytest.mark.parametrize(
    ("family", "rows", "match"),
    [
        (Family.POISSON, (np.ones((2, 2)), np.ones(2), np.ones(2)), "design"),
        (Family.POISSON, (np.ones((2, 3)), np.array([1.0, -1.0]), np.ones(2)), "arm 1: successes"),
        (Family.POISSON, (np.ones((2, 3)), np.ones(2), np.array([np.nan, 1.0])), "arm 0: exposure"),
        (Family.POISSON, (np.full((2, 3), np.nan), np.ones(2), np.ones(2)), "arm 0: its attributes"),
        (Family.BINOMIAL, (np.ones((2, 3)), np.array([1.0, 3.0]), np.full(2, 2.0)), "arm 1: 3 successes of 2 trials"),
    ],
)
def test_bad_rows_are_named(family: Family, rows: tuple[np.ndarray, np.ndarray, np.ndarray], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        prior(family).update(*rows)


def test_bad_posteriors_are_refused() -> None:
    good = prior(Family.BINOMIAL)
    eye = np.eye(3)
    with pytest.raises(ValueError, match="strength"):
        LaplaceGlm(Family.BINOMIAL, good.mean, eye, good.mean, eye, 3.0)
    with pytest.raises(ValueError, match="positive definite"):
        LaplaceGlm(Family.POISSON, good.mean, -eye, good.mean, eye)
    with pytest.raises(ValueError, match="shape"):
        LaplaceGlm(Family.POISSON, good.mean, np.eye(2), good.mean, eye)
    with pytest.raises(ValueError, match="level"):
        good.interval(DESIGN, 1.0)
