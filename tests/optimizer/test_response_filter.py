"""The grid filter by itself: closed forms of one cell, the algebra of folding, sensible curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from optimizer.response.belief import CurvePosterior
from optimizer.response.curves import CELLS, SMALLEST, hill_cells, log_shape, relative
from optimizer.response.filter import DRIFT, FADE, Days, State, drift, fold, start, weights
from optimizer.response.prior import pooled_shapes

ONE = hill_cells(np.array([1.0]), np.array([1.0]))
seeds = st.integers(0, 2**32 - 1)


def random_days(rng, targets=3, days=20):
    exposure = rng.uniform(0.1, 1.3, (targets, days)) * (rng.random((targets, days)) < 0.8)
    conversions = rng.poisson(6.0, (targets, days)) * (exposure > 0)
    return Days(rng.normal(0, 0.7, (targets, days)), conversions.astype(float), exposure)


def begin(targets=3, cells=CELLS):
    return start(np.full(targets, 2.0), np.full(targets, 5.0), cells)


def posterior(state, cells=CELLS):
    return CurvePosterior(
        cells, np.ones(len(state.alpha)), weights(state.evidence, cells.log_prior), state.alpha, state.log_beta
    )


def test_shapes_are_one_at_the_reference_and_match_the_hill_formula():
    assert np.allclose(log_shape(CELLS, np.zeros(2)), 0.0)
    u = np.array([0.03, 0.5, 4.0])
    kappa, n = np.exp(CELLS.log_kappa), CELLS.order
    hill = u[:, None] ** n / (u[:, None] ** n + kappa**n) * (1 + kappa**n)
    assert np.allclose(np.exp(log_shape(CELLS, np.log(u))), hill)
    assert np.isclose(np.exp(CELLS.log_prior).sum(), 1.0)


def test_spend_of_nothing_is_held_at_the_smallest():
    assert np.allclose(relative(np.array([[0.0, 2.0]]), np.array([2.0])), [[np.log(SMALLEST), 0.0]])


def test_one_cell_one_poisson_day_is_the_conjugate_gamma_update():
    days = Days(np.zeros((1, 1)), np.array([[7.0]]), np.array([[0.5]]))
    state = fold(start(np.array([2.0]), np.array([4.0]), ONE), days, np.array([1e-12]), ONE)
    shrink = 1 / (1 + DRIFT * 2.0)
    assert np.isclose(state.alpha[0], 2.0 * shrink + 7.0)
    assert np.isclose(np.exp(state.log_beta[0, 0]), 0.5 * shrink + 0.5)


def test_overdispersion_discounts_a_day_by_omega():
    days = Days(np.zeros((1, 1)), np.array([[7.0]]), np.array([[1.0]]))
    state = fold(start(np.array([2.0]), np.array([4.0]), ONE), days, np.array([0.25]), ONE)
    omega = 1 / (1 + 0.25 * 4.0)  # the predicted mean is 4: drift keeps it
    shrink = 1 / (1 + DRIFT * 2.0)
    assert np.isclose(state.alpha[0], 2.0 * shrink + omega * 7.0)
    assert np.isclose(np.exp(state.log_beta[0, 0]), 0.5 * shrink + omega)


def test_evidence_is_the_negative_binomial_marginal_likelihood():
    """Between cells, the log ratio of Gamma-Poisson marginals as SciPy has them."""
    cells = hill_cells(np.array([0.5, 2.0]), np.array([1.0]))
    log_u, y, e = np.log(0.4), 3.0, 0.8
    state = fold(
        start(np.array([2.0]), np.array([4.0]), cells),
        Days(np.array([[log_u]]), np.array([[y]]), np.array([[e]])),
        np.array([1e-12]),
        cells,
    )
    shrink = 1 / (1 + DRIFT * 2.0)
    alpha, beta = 2.0 * shrink, 0.5 * shrink
    rate = e * np.exp(log_shape(cells, np.array([log_u]))[0])
    log_marginal = stats.nbinom.logpmf(y, alpha, beta / (beta + rate))
    assert np.isclose(state.evidence[0, 0] - state.evidence[0, 1], log_marginal[0] - log_marginal[1])


def test_a_day_without_exposure_only_lets_time_pass():
    state = begin(2)
    empty = Days(np.zeros((2, 1)), np.zeros((2, 1)), np.zeros((2, 1)))
    after, waited = fold(state, empty, np.full(2, 0.1), CELLS), drift(state)
    assert np.allclose(after.alpha, waited.alpha)
    assert np.allclose(after.log_beta, waited.log_beta)
    assert np.allclose(after.evidence, 0.0)


def test_drift_keeps_the_mean_and_adds_its_variance_of_the_logarithm():
    state = State(np.array([50.0]), np.log(np.array([[10.0]])), np.array([[0.0]]))
    later = drift(state)
    assert np.isclose(later.alpha[0] / np.exp(later.log_beta[0, 0]), 5.0)
    assert np.isclose(1 / later.alpha[0], 1 / 50.0 + DRIFT)


@given(seed=seeds, cut=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_folding_in_two_pieces_equals_folding_at_once(seed, cut):
    rng = np.random.default_rng(seed)
    days, excess = random_days(rng), rng.uniform(0.01, 0.5, 3)
    whole = fold(begin(), days, excess, CELLS)
    first = Days(days.log_u[:, :cut], days.conversions[:, :cut], days.exposure[:, :cut])
    second = Days(days.log_u[:, cut:], days.conversions[:, cut:], days.exposure[:, cut:])
    pieces = fold(fold(begin(), first, excess, CELLS), second, excess, CELLS)
    for name in ("alpha", "log_beta", "evidence"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name))


def test_blocks_of_targets_do_not_change_the_result():
    rng = np.random.default_rng(3)
    days, excess = random_days(rng, targets=300, days=5), np.full(300, 0.1)
    whole = fold(begin(300), days, excess, CELLS)
    for k in (0, 127, 128, 299):
        alone = fold(
            begin(1),
            Days(*(getattr(days, n)[k : k + 1] for n in ("log_u", "conversions", "exposure"))),
            excess[:1],
            CELLS,
        )
        assert np.allclose(alone.log_beta[0], whole.log_beta[k])
        assert np.allclose(alone.evidence[0], whole.evidence[k])


def test_the_prior_of_the_cells_enters_once_however_long_the_fold():
    """Fading w towards its prior each day equals fading the likelihood alone and adding the prior at the end."""
    cells = hill_cells(np.array([0.3, 1.0, 3.0]), np.array([1.0, 2.0]))
    log_w, state, likelihood = cells.log_prior[None].copy(), begin(1, cells), np.zeros((1, 6))
    rng = np.random.default_rng(1)
    for _ in range(30):
        before = state
        day = Days(rng.normal(0, 1, (1, 1)), rng.poisson(5.0, (1, 1)).astype(float), np.ones((1, 1)))
        state = fold(state, day, np.array([1e-12]), cells)
        likelihood = state.evidence - FADE * before.evidence
        log_w = FADE * log_w + (1 - FADE) * cells.log_prior + likelihood
    assert np.allclose(weights(log_w, np.zeros(6)), weights(state.evidence, cells.log_prior))


@given(seed=seeds)
@settings(max_examples=30, deadline=None)
def test_mean_curves_rise_and_the_second_moment_is_no_less_than_the_squared_mean(seed):
    rng = np.random.default_rng(seed)
    curve = posterior(fold(begin(), random_days(rng), np.full(3, 0.1), CELLS))
    spend = np.sort(rng.lognormal(0, 2, (3, 12)), axis=1)
    first, second = curve.raw_moments(spend)
    assert (np.diff(first, axis=1) >= -1e-9 * first[:, 1:]).all()
    assert (second >= first**2 * (1 - 1e-12)).all()


def test_more_days_make_the_belief_narrower():
    rng = np.random.default_rng(5)
    u = rng.normal(0, 0.5, (50, 80))
    mean = 8.0 * 2 * np.exp(u) / (1 + np.exp(u))
    days = Days(u, rng.poisson(mean).astype(float), np.ones_like(u))
    spread = []
    for count in (5, 20, 80):
        part = Days(u[:, :count], days.conversions[:, :count], days.exposure[:, :count])
        first, second = posterior(fold(begin(50), part, np.full(50, 0.01), CELLS)).raw_moments(np.ones((50, 1)))
        spread.append(np.sqrt(second - first**2).mean())
    assert spread[0] > spread[1] > spread[2]


def test_a_steep_truth_and_a_concave_truth_are_told_apart():
    u = np.tile(np.random.default_rng(6).uniform(-1.5, 1.0, 60), (2, 1))
    x = np.exp(u)
    truth = np.stack([200 * x[0] ** 2.8 / (1 + x[0] ** 2.8), 200 * x[1] ** 0.7 / (1 + x[1] ** 0.7)])
    state = fold(begin(2), Days(u, np.round(truth), np.ones_like(u)), np.full(2, 0.003), CELLS)
    order = weights(state.evidence, CELLS.log_prior) @ CELLS.order
    assert order[0] > 2.2
    assert order[1] < 1.0


def test_draws_agree_with_the_moments_and_are_whole_curves():
    rng = np.random.default_rng(7)
    curve = posterior(fold(begin(), random_days(rng), np.full(3, 0.1), CELLS))
    spend = np.tile([0.0, 0.3, 1.0, 3.0], (3, 1))
    draws = curve.draws(spend, 40_000, rng)
    first, second = curve.raw_moments(spend)
    error = np.sqrt((second - first**2) / 40_000)
    assert (np.abs(draws.mean(axis=0) - first) <= 5.5 * error).all()
    assert np.allclose(draws.std(axis=0), np.sqrt(second - first**2), rtol=0.05)
    assert (np.diff(draws, axis=2) >= 0).all()
    assert np.abs(np.corrcoef(draws[:, :, 2].T) - np.eye(3)).max() < 0.04


def test_pooled_shapes_leave_a_target_out_of_its_own_prior():
    evidence = np.zeros((1, len(CELLS.order)))
    evidence[0, 3] = 50.0
    assert np.allclose(np.exp(pooled_shapes(evidence, np.ones(1), CELLS)), np.exp(CELLS.log_prior))


def test_pooled_shapes_lean_towards_what_the_others_show():
    evidence = np.zeros((40, len(CELLS.order)))
    evidence[:39, 3] = 50.0
    prior = np.exp(pooled_shapes(evidence, np.append(np.ones(39), 0.0), CELLS))
    damping = 40 / 3
    assert np.isclose(prior[39, 3], (damping * np.exp(CELLS.log_prior[3]) + 39) / (damping + 39))
    assert np.allclose(prior.sum(axis=1), 1.0)


def test_a_belief_that_is_not_finite_cannot_be_built():
    with pytest.raises(ValueError, match="finite"):
        CurvePosterior(ONE, np.ones(1), np.ones((1, 1)), np.zeros(1), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="must be"):
        CurvePosterior(ONE, np.ones(2), np.ones((1, 1)), np.ones(1), np.zeros((1, 1)))
