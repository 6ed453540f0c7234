"""The rates of the funnel and the belief that they and the curve make together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.response.belief import CurvePosterior
from optimizer.response.curves import CELLS, place
from optimizer.response.filter import fold
from optimizer.response.funnel import Step
from optimizer.response.learning import SHAPES, VOLUME
from optimizer.response.rates import BASIS, CLICKS, CONVERSIONS, ELASTICITIES, learn_rate
from optimizer.response.scales import Basis, Days, State, start
from tests.optimizer.shapes import crossed

ONE = crossed([1.0], [1.0])
LEVEL = int(np.flatnonzero(ELASTICITIES == 0.0)[0])


def step(count, exposure, known=None, *, late=False):
    count, exposure = np.asarray(count, float), np.asarray(exposure, float)
    known = np.ones(len(count), bool) if known is None else np.asarray(known)
    return Step(count, exposure, np.full(len(count), late), known)


def one_channel(counts):
    return np.zeros(len(counts), np.int64)


def of_rate(some, dynamics=CLICKS, complete=None, log_volume=None, channel=None, measure=None):
    complete = np.ones_like(some.count) if complete is None else complete
    log_volume = np.zeros_like(some.count) if log_volume is None else log_volume
    measure = one_channel(some.count) if measure is None else measure
    return learn_rate(
        some, complete, log_volume, one_channel(some.count) if channel is None else channel, measure, dynamics
    )


def mean_rate(rate):
    return rate.moments()[0].sum(axis=1)


def none_of(targets):
    """A rate that no target has."""
    return of_rate(step(np.zeros((targets, 1)), np.zeros((targets, 1)), np.zeros(targets, bool)))


def posterior(state, rates=None, cells=CELLS):
    targets = len(state.alpha)
    log_prior = np.tile(cells.log_prior, (targets, 1))
    return CurvePosterior.of(cells, np.ones(targets), state, log_prior, rates or (none_of(targets), none_of(targets)))


def random_state(rng, targets=3, days=20):
    exposure = rng.uniform(0.1, 1.3, (targets, days)) * (rng.random((targets, days)) < 0.8)
    count = rng.poisson(6.0, (targets, days)) * (exposure > 0)
    seen = Days(place(rng.normal(0, 0.7, (targets, days))), count.astype(float), exposure)
    before = start(np.full(targets, 2.0), np.full(targets, 5.0), len(CELLS.slope))
    return fold(before, seen, np.full(targets, 0.1), SHAPES, VOLUME)


def random_rate(rng, dynamics, targets=3, days=20):
    exposure = rng.integers(50, 500, (targets, days)).astype(float)
    volume = rng.normal(0, 0.7, (targets, days))
    count = rng.poisson(0.1 * exposure * np.exp(-0.2 * volume)).astype(float)
    return of_rate(step(count, exposure), dynamics, log_volume=volume)


# Rates


def test_the_prior_of_elasticities_is_one_in_sum_and_the_basis_is_their_power():
    assert np.isclose(np.exp(BASIS.log_prior).sum(), 1.0)
    at = int(place(np.log([3.0]))[0])
    assert np.allclose(BASIS.g[at], 3.0**-ELASTICITIES, rtol=0.005)


def test_a_target_without_evidence_takes_the_pooled_rate_of_its_channel():
    """Log rates by hand: those of a channel weighed by what counting leaves of them, and the portfolio once."""
    some = step([[30.0], [60.0], [8.0], [0.0]], [[1000.0], [1000.0], [1000.0], [0.0]])
    channel = np.array([0, 0, 1, 0])
    rate = of_rate(some, CONVERSIONS, channel=channel)
    overall = 98.5 / 3000.0
    log_rate = np.log([30.5 / (1000 + 0.5 / overall), 60.5 / (1000 + 0.5 / overall), overall])
    weight = 1 / (1 / np.array([30.5, 60.5, 0.5]) + 0.15)
    expected = np.exp((weight @ log_rate + np.log(overall)) / (weight.sum() + 1.0))
    assert np.isclose((rate.alpha[3] / rate.beta[3]).mean(), expected)
    assert 0.008 < mean_rate(rate)[2] < expected < 0.06


def test_targets_that_differ_much_are_pooled_loosely_and_those_alike_tightly():
    rng = np.random.default_rng(1)
    exposure = np.append(np.full(30, 20_000.0), 0.0)[:, None]
    alike, wild = (rng.poisson(0.05 * exposure * np.exp(sd * rng.normal(0, 1, (31, 1)))) for sd in (0.05, 1.0))
    shape = [of_rate(step(counts, exposure)).alpha[30] for counts in (alike, wild)]
    assert shape[0] > 5 * shape[1]


def test_much_evidence_of_its_own_outweighs_the_pool():
    exposure = np.full((4, 30), 50_000.0)
    truth = np.array([[0.01], [0.02], [0.04], [0.08]])
    rate = of_rate(step(np.random.default_rng(2).poisson(truth * exposure), exposure))
    assert np.allclose(mean_rate(rate), truth[:, 0], rtol=0.1)


def test_an_elasticity_is_recovered():
    rng = np.random.default_rng(3)
    volume = rng.normal(0, 0.8, (20, 80))
    exposure = np.round(20_000 * np.exp(volume))
    truth = np.where(np.arange(20) < 10, 0.0, 0.3)
    count = rng.poisson(0.02 * np.exp(-truth[:, None] * volume) * exposure * rng.gamma(50, 1 / 50, volume.shape))
    rate = of_rate(step(count, exposure), log_volume=volume)
    found = rate.weights @ ELASTICITIES
    assert np.allclose(found[:10].mean(), 0.0, atol=0.03)
    assert np.allclose(found[10:].mean(), 0.3, atol=0.03)
    assert np.allclose(mean_rate(rate), 0.02, rtol=0.25)


def test_what_is_believed_of_a_fall_is_the_hierarchical_model_summed_by_hand():
    rng = np.random.default_rng(5)
    volume = rng.normal(0, 0.8, (3, 30))
    exposure = np.full((3, 30), 2_000.0)
    some = step(rng.poisson(0.02 * np.exp(-0.3 * volume) * exposure), exposure)
    alone = [of_rate(step(some.count[[k]], exposure[[k]]), log_volume=volume[[k]]).weights[0] for k in range(3)]
    means, spreads = np.linspace(-0.3, 0.6, 37), (0.02, 0.05, 0.1)
    among = np.exp(-0.5 * (means / 0.1) ** 2) / np.exp(-0.5 * (means / 0.1) ** 2).sum()
    width = np.gradient(ELASTICITIES)
    # By rows alone each rate has another pooled prior and phi, so that only the likelihood's shape can be compared.
    seen = [found / np.exp(BASIS.log_prior) for found in alone]
    expected = np.zeros((3, ELASTICITIES.size))
    for tau in spreads:
        for mean, chance in zip(means, among, strict=True):
            inner = width * np.exp(-0.5 * ((ELASTICITIES - mean) / tau) ** 2)
            inner /= inner.sum()
            each = np.array([likelihood @ inner for likelihood in seen])
            for k in range(3):
                expected[k] += chance / 3 * np.delete(each, k).prod() * inner * seen[k]
    expected /= expected.sum(axis=1, keepdims=True)
    found = of_rate(some, log_volume=volume).weights
    assert np.allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("fall", [0.0, 0.3])
def test_a_target_that_was_not_seen_falls_as_the_others_do(fall):
    rng = np.random.default_rng(6)
    volume = np.concatenate([rng.normal(0, 0.8, (20, 60)), np.zeros((2, 60))])
    exposure = np.concatenate([np.full((20, 60), 5_000.0), np.zeros((2, 60))])
    some = step(rng.poisson(0.02 * np.exp(-fall * volume) * exposure), exposure)
    rate = of_rate(some, log_volume=volume, measure=np.array([0] * 21 + [1]))
    believed = rate.weights @ ELASTICITIES
    assert believed[20] == pytest.approx(fall, abs=0.03)
    assert np.allclose(rate.weights[21], np.exp(BASIS.log_prior))  # of another measure, nothing was seen


def test_a_target_by_itself_has_the_plain_prior():
    rate = of_rate(step([[0.0]], [[0.0]]))
    assert np.allclose(rate.weights[0], np.exp(BASIS.log_prior))
    assert rate.weights[0] @ ELASTICITIES == pytest.approx(0.001, abs=0.0005)


def test_a_step_that_is_unknown_passes_everything_on_exactly():
    some = step(np.full((2, 5), 3.0), np.full((2, 5), 50.0), [True, False])
    rate = of_rate(some)
    assert np.array_equal(rate.weights[1], ELASTICITIES == 0.0)
    assert rate.excess[1] == 0.0
    assert rate.excess[0] > 0.0
    first, second = rate.moments()
    assert first[1].sum() == 1.0
    assert np.isclose(second[1].sum(), 1.0, rtol=1e-9)
    drawn, elasticity = rate.draws(100, np.random.default_rng(4))
    assert np.allclose(drawn[:, 1], 1.0, rtol=1e-4)
    assert not elasticity[:, 1].any()


def test_what_a_target_without_the_step_counts_does_not_move_the_others():
    count, exposure = np.full((3, 5), 30.0), np.full((3, 5), 500.0)
    both = of_rate(step(count, exposure, [True, True, False]))
    count[2] = 1e6
    other = of_rate(step(count, exposure, [True, True, False]))
    assert np.array_equal(both.beta[:2], other.beta[:2])
    assert np.array_equal(both.alpha[:2], other.alpha[:2])


def test_counts_that_are_still_to_come_are_no_fall_of_the_rate():
    rng = np.random.default_rng(5)
    exposure = np.full((40, 40), 300.0)
    complete = np.tile(np.append(np.ones(30), np.linspace(0.95, 0.2, 10)), (40, 1))
    count = rng.poisson(0.1 * exposure * complete).astype(float)
    late = of_rate(step(count, exposure, late=True), CONVERSIONS, complete)
    blind = of_rate(step(count, exposure, late=False), CONVERSIONS, complete)
    assert np.isclose(mean_rate(late).mean(), 0.1, rtol=0.03)
    assert mean_rate(blind).mean() < 0.092


def test_a_creative_that_was_replaced_is_followed():
    rng = np.random.default_rng(6)
    exposure = np.full((50, 60), 20_000.0)
    truth = np.where((np.arange(60) < 50) | (np.arange(50)[:, None] >= 5), 0.01, 0.02)
    rate = mean_rate(of_rate(step(rng.poisson(truth * exposure), exposure)))
    assert np.allclose(rate[:5], 0.02, rtol=0.12)
    assert np.allclose(rate[5:], 0.01, rtol=0.12)


@pytest.mark.parametrize("excess", [0.02, 0.2])
def test_the_noise_of_a_rate_beyond_counting_is_found(excess):
    rng = np.random.default_rng(7)
    mean = np.full((60, 60), 40.0)
    count = rng.poisson(mean * rng.gamma(1 / excess, excess, mean.shape))
    assert np.isclose(of_rate(step(count, mean * 50)).excess[0], excess, rtol=0.25)


def test_draws_of_a_rate_agree_with_its_moments():
    rng = np.random.default_rng(8)
    rate = random_rate(rng, CLICKS)
    first, second = (m.sum(axis=1) for m in rate.moments())
    drawn, elasticity = rate.draws(20_000, rng)
    assert (np.abs(drawn.mean(axis=0) - first) < 5.5 * np.sqrt((second - first**2) / 20_000)).all()
    chance = rate.weights[:, LEVEL]
    shares = (elasticity == 0.0).mean(axis=0)
    assert (np.abs(shares - chance) < 5.5 * np.sqrt(chance * (1 - chance) / 20_000) + 1e-9).all()


# Curve and rates together


def exact_moments(curve, log_u):
    """Sum over every cell and every pair of elasticities, the formula of the docs word by word; (K, P) each."""
    level = curve.alpha[:, None] / curve.beta
    clicks, sales = curve.rates
    log_g = curve.cells.log_shape(log_u)
    moments = []
    for order in (1, 2):
        scale, *rates = (
            probability * mean**order * (1.0 if order == 1 else 1.0 + 1.0 / shape[:, None])
            for probability, mean, shape in (
                (curve.weights, level, curve.alpha),
                (clicks.weights, clicks.alpha[:, None] / clicks.beta, clicks.alpha),
                (sales.weights, sales.alpha[:, None] / sales.beta, sales.alpha),
            )
        )
        total = np.zeros_like(log_u)
        for i, first in enumerate(clicks.elasticity):
            for j, second in enumerate(sales.elasticity):
                power = np.exp(order * (1.0 - first - second) * log_g)
                total += (rates[0][:, i] * rates[1][:, j])[:, None] * (scale[:, None, :] * power).sum(axis=2)
        moments.append(total)
    return moments


def test_moments_are_those_of_the_exact_sum():
    rng = np.random.default_rng(9)
    curve = posterior(random_state(rng), (random_rate(rng, CLICKS), random_rate(rng, CONVERSIONS)))
    log_u = rng.uniform(np.log(0.25), np.log(20.0), (3, 60))
    (mean, square), exact = curve.raw_moments(np.exp(log_u)), exact_moments(curve, log_u)
    assert np.allclose(mean, exact[0], rtol=3e-3)
    assert np.allclose(square, exact[1], rtol=1e-2)
    # Far below what was seen, the sharing out of summed elasticities costs a little more.
    log_u = rng.uniform(np.log(0.02), np.log(0.25), (3, 60))
    assert np.allclose(curve.raw_moments(np.exp(log_u))[0], exact_moments(curve, log_u)[0], rtol=3e-2)


def test_without_rates_moments_are_those_of_the_curve_alone():
    rng = np.random.default_rng(10)
    state = random_state(rng)
    curve = posterior(state)
    log_u = rng.uniform(np.log(0.01), np.log(30.0), (3, 40))
    mean = curve.weights * state.alpha[:, None] / state.beta
    exact = (mean[:, None, :] * np.exp(CELLS.log_shape(log_u))).sum(axis=2)
    assert np.allclose(curve.raw_moments(np.exp(log_u))[0], exact, rtol=3e-3)


def test_draws_agree_with_the_moments_and_are_whole_curves():
    rng = np.random.default_rng(11)
    curve = posterior(random_state(rng), (random_rate(rng, CLICKS), random_rate(rng, CONVERSIONS)))
    spend = np.tile([0.0, 0.3, 1.0, 3.0], (3, 1))
    draws = curve.draws(spend, 20_000, rng)
    first, second = curve.raw_moments(spend)
    error = np.sqrt((second - first**2) / 20_000)
    assert (np.abs(draws.mean(axis=0) - first) <= 5.5 * error + 3e-3 * first).all()
    assert np.allclose(draws.std(axis=0), np.sqrt(second - first**2), rtol=0.05)
    assert (np.diff(draws, axis=2) >= 0).all()
    assert np.abs(np.corrcoef(draws[:, :, 2].T) - np.eye(3)).max() < 0.04


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_mean_curves_rise_and_the_second_moment_is_no_less_than_the_squared_mean(seed):
    rng = np.random.default_rng(seed)
    curve = posterior(
        random_state(rng, days=5), (random_rate(rng, CLICKS, days=5), random_rate(rng, CONVERSIONS, days=5))
    )
    spend = np.sort(rng.lognormal(0, 3, (3, 12)), axis=1)
    first, second = curve.raw_moments(spend)
    assert (np.diff(first, axis=1) >= -1e-9 * first[:, 1:]).all()
    assert (second >= first**2 * (1 - 1e-9)).all()
    assert np.array_equal(curve.raw_moments(np.zeros((3, 1)))[0], np.zeros((3, 1)))


def test_more_days_make_the_belief_narrower():
    rng = np.random.default_rng(12)
    log_u = rng.normal(0, 0.5, (12, 80))
    counts = rng.poisson(8.0 * 2 * np.exp(log_u) / (1 + np.exp(log_u))).astype(float)
    spread = []
    for days in (5, 20, 80):
        seen = Days(place(log_u[:, :days]), counts[:, :days], np.ones((12, days)))
        before = start(np.full(12, 2.0), np.full(12, 5.0), len(CELLS.slope))
        first, second = posterior(fold(before, seen, np.full(12, 0.01), SHAPES, VOLUME)).raw_moments(np.ones((12, 1)))
        spread.append(np.sqrt(second - first**2).mean())
    assert spread[0] > spread[1] > spread[2]


def test_a_belief_that_is_not_finite_cannot_be_built():
    flat = Basis.of(ONE.table, ONE.log_prior)
    with pytest.raises(ValueError, match="finite"):
        posterior(State(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1)), np.ones(1, dtype=bool)), cells=ONE)
    with pytest.raises(ValueError, match="must be"):
        posterior(
            State(np.ones(1), np.ones((1, 2)), np.zeros((1, len(flat.log_prior))), np.ones(1, dtype=bool)), cells=ONE
        )


def test_conversions_per_click_say_nothing_of_conversions_per_impression():
    """Six targets are counted against impressions, six against clicks, and one of each is new."""
    impressions, clicks = np.full((6, 30), 10_000.0), np.full((6, 30), 100.0)
    nothing = np.zeros((1, 30))
    exposure = np.concatenate([impressions, nothing, clicks, nothing])
    measure = np.array([2] * 7 + [1] * 7)
    rate = of_rate(step(3e-4 * np.where(exposure > 1_000, exposure, 100 * exposure), exposure), measure=measure)
    assert np.allclose(mean_rate(rate)[[6, 13]], [3e-4, 3e-2], rtol=0.2)


def test_mean_and_deviation_rise_as_smoothly_as_the_curve_that_they_are_of():
    """Between knots too: an optimist who adds them must find no hump that is of the table's making."""
    basis = Basis.of(CELLS.table, CELLS.log_prior)
    day = Days(place(np.zeros((1, 1))), np.array([[50.0]]), np.ones((1, 1)))
    state = fold(start(np.array([400.0]), np.array([50.0]), len(CELLS.slope)), day, np.array([0.03]), basis, CLICKS)
    one = np.where(np.arange(len(CELLS.slope)) == 32, 0.0, -60.0)[None]
    curve = CurvePosterior.of(CELLS, np.ones(1), state, one, ())
    spend = np.linspace(0.3, 3.0, 2_000)[None]
    mean, square = curve.raw_moments(spend)
    slopes = [np.diff(line[0]) for line in (mean, mean + np.sqrt(square - mean**2))]
    ratio = slopes[1] / slopes[0]
    assert ratio.max() / ratio.min() < 1.02
