"""The shapes and the filter by themselves: formulae, closed forms of one cell, the algebra of folding, breaks."""

from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from optimizer.response import filter as filter_of_days
from optimizer.response.breaks import NOTICED, break_probability, hinted
from optimizer.response.curves import (
    CELLS,
    GRID,
    LARGEST,
    LOGISTIC_SHARE,
    SMALLEST,
    even_cells,
    place,
    relative,
)
from optimizer.response.filter import BLOCK, fold
from optimizer.response.learning import SHAPES, VOLUME
from optimizer.response.prior import LEAST_SHAPE_WEIGHT, pooled_shapes
from optimizer.response.scales import Basis, Days, Dynamics, State, drift, start, weights
from tests.optimizer.shapes import crossed

AT_ONE = int(place(np.zeros(1))[0])
CALM = Dynamics(drift=2e-3, fade=0.99, break_chance=0.0)
STILL = Dynamics(drift=0.0, fade=1.0, break_chance=0.0)
POISSON = 1e-12
seeds = st.integers(0, 2**32 - 1)


def basis(cells):
    return Basis.of(cells.table, cells.log_prior)


FLAT = Basis.of(np.zeros((GRID.size, 1)), np.zeros(1))
"""One cell that is one at any spend: the level by itself."""

FEW = basis(crossed([0.3, 1.0, 3.0], [1.0, 2.0]))


def day(count, exposure=1.0, log_u=0.0):
    return Days(place(np.array([[log_u]])), np.array([[float(count)]]), np.array([[exposure]]))


def level_days(counts):
    counts = np.asarray(counts, float)
    return Days(np.full(counts.shape, AT_ONE), counts, np.ones_like(counts))


def random_days(rng, targets=3, days=20):
    exposure = rng.uniform(0.1, 1.3, (targets, days)) * (rng.random((targets, days)) < 0.8)
    count = rng.poisson(6.0, (targets, days)) * (exposure > 0)
    return Days(place(rng.normal(0, 0.7, (targets, days))), count.astype(float), exposure)


def some_days(days, part):
    return Days(*(getattr(days, name)[part] for name in ("place", "count", "exposure")))


def begin(targets=3, basis=SHAPES):
    return start(np.full(targets, 2.0), np.full(targets, 5.0), len(basis.log_prior))


# Shapes


def test_shapes_are_one_at_the_reference():
    assert np.allclose(CELLS.log_shape(np.zeros(2)), 0.0)


def test_hill_cells_match_their_formula():
    u = np.array([0.03, 0.5, 4.0])
    cells = np.flatnonzero(~CELLS.logistic)
    kappa, n = np.exp(CELLS.log_half[cells]), CELLS.slope[cells]
    truth = u[:, None] ** n / (u[:, None] ** n + kappa**n) * (1 + kappa**n)
    assert np.allclose(np.exp(CELLS.log_shape(np.log(u)))[:, cells], truth)


def test_logistic_cells_match_their_formula_in_fifty_digits_down_to_the_foot():
    def height(z, s):
        return 1 / (1 + (s * (1 - z)).exp()) - 1 / (1 + s.exp())

    for cell in np.flatnonzero(CELLS.logistic):
        half, s = Decimal(float(CELLS.log_half[cell])).exp(), Decimal(float(CELLS.slope[cell]))
        for u in (SMALLEST, 1e-3, 0.4, 1.7, LARGEST):
            with localcontext() as context:
                context.prec = 50
                truth = float((height(Decimal(u) / half, s) / height(1 / half, s)).ln())
            value = CELLS.log_shape(np.array([np.log(u)]), np.array([cell]))[0]
            assert np.isclose(value, truth, rtol=0, atol=1e-9)


def test_the_foot_of_a_logistic_is_straight():
    cells = np.flatnonzero(CELLS.logistic)
    low, high = np.exp(CELLS.log_shape(np.log([SMALLEST, 10 * SMALLEST])))[:, cells]
    assert np.allclose(high / low, 10.0, rtol=1e-3)


def test_every_shape_rises():
    # Where a logistic of a large slope is full it is flat to the last digit.
    assert (np.diff(CELLS.table, axis=0) >= 0).all()


def test_tables_are_within_half_a_step_of_their_curves():
    log_u = np.random.default_rng(1).uniform(GRID[0], np.log(LARGEST), 300)
    error = np.abs(CELLS.table[place(log_u)] - CELLS.log_shape(log_u))
    assert (error <= 0.5 * (GRID[1] - GRID[0]) * CELLS.slope * (1 + 1e-9)).all()


def test_one_cell_of_each_can_be_asked_for():
    log_u = np.random.default_rng(2).normal(0, 1, (4, 5))
    cell = np.random.default_rng(3).integers(0, len(CELLS.slope), (4, 5))
    every = np.take_along_axis(CELLS.log_shape(log_u), cell[..., None], axis=2)[..., 0]
    assert np.array_equal(CELLS.log_shape(log_u, cell), every)


def test_the_prior_of_the_cells_sums_to_one_and_gives_the_logistic_its_share():
    prior = np.exp(CELLS.log_prior)
    assert np.isclose(prior.sum(), 1.0)
    assert np.isclose(prior[CELLS.logistic].sum(), LOGISTIC_SHARE)
    assert np.isclose(np.exp(crossed([0.5, 2.0], [1.0]).log_prior).sum(), 1.0)


def test_steep_slopes_have_more_cells_and_no_more_of_the_prior():
    cells = even_cells(np.array([0.5, 2.0]), np.array([4.0]), 0.5)
    many = [int((~cells.logistic & (cells.slope == n)).sum()) for n in (0.5, 2.0)]
    assert many == [5, 19]  # 4.6 x n / .5, rounded up
    prior = np.exp(cells.log_prior)
    share = [prior[~cells.logistic & (cells.slope == n)].sum() for n in (0.5, 2.0)]
    density = np.exp(-0.5 * ((np.log([0.5, 2.0]) - np.log(1.3)) / 0.65) ** 2)
    assert np.allclose(share, (1.0 - LOGISTIC_SHARE) * density / density.sum())
    told = np.exp(cells.weighed((0.3, 0.5), (np.log(2.0), 10.0)))
    steep = np.where(~cells.logistic & (cells.slope == 2.0), told, 0.0)
    assert np.isclose(steep @ cells.log_half / steep.sum(), 0.3, atol=0.01)
    assert np.isclose(told[~cells.logistic & (cells.slope == 0.5)].sum(), steep.sum(), rtol=0.02)


def test_neighbouring_cells_of_any_slope_are_about_equally_far_apart():
    """By the elasticity at x_ref, which is what neighbours are told apart by, for Hill around its half-saturation."""
    for n in np.unique(CELLS.slope[~CELLS.logistic]):
        own = np.sort(CELLS.log_half[~CELLS.logistic & (CELLS.slope == n)])
        assert 0.6 < n * np.diff(own).max() < 1.2


def test_spends_are_held_between_the_smallest_and_the_largest():
    log_u = relative(np.array([[0.0, 2.0, 1e9]]), np.array([2.0]))
    assert np.allclose(log_u, [[np.log(SMALLEST), 0.0, np.log(LARGEST)]])
    assert (np.abs(GRID[place(log_u)] - log_u) < GRID[1] - GRID[0]).all()


# One cell by hand


def test_one_cell_one_poisson_day_is_the_conjugate_gamma_update():
    state = fold(start(np.array([2.0]), np.array([4.0]), 1), day(7, 0.5), np.array([POISSON]), FLAT, CALM)
    shrink = 1.0  # before a target's first day no time passes for it
    assert np.isclose(state.alpha[0], 2.0 * shrink + 7.0)
    assert np.isclose(state.beta[0, 0], 0.5 * shrink + 0.5)


def test_overdispersion_discounts_a_day_by_omega():
    state = fold(start(np.array([2.0]), np.array([4.0]), 1), day(7), np.array([0.25]), FLAT, CALM)
    omega = 1 / (1 + 0.25 * 4.0)  # the predicted mean is 4, which drift keeps
    shrink = 1.0  # before a target's first day no time passes for it
    assert np.isclose(state.alpha[0], 2.0 * shrink + omega * 7.0)
    assert np.isclose(state.beta[0, 0], 0.5 * shrink + omega)


def test_counts_above_and_below_the_forecast_weigh_alike_but_for_one_that_no_chance_explains():
    """Were a low count weighed more than a high one, levels would be pulled down."""
    before = start(np.array([50.0]), np.array([100.0]), 1)
    grown = [fold(before, day(y), np.array([0.05]), FLAT, CALM) for y in (60, 100, 160)]
    gained = [state.beta[0, 0] - grown[1].beta[0, 0] for state in grown]
    assert np.allclose(gained, 0.0)
    beyond = fold(before, day(5_000), np.array([0.05]), FLAT, CALM)
    assert beyond.beta[0, 0] < grown[1].beta[0, 0]


def test_evidence_is_the_negative_binomial_marginal_likelihood():
    """Between cells, the log ratio of Gamma-Poisson marginals as SciPy has them."""
    cells = crossed([0.5, 2.0], [1.0])
    point = place(np.array([np.log(0.4)]))
    seen = Days(point[None], np.array([[3.0]]), np.array([[0.8]]))
    before = start(np.array([2.0]), np.array([4.0]), 2)
    state = fold(before, seen, np.array([POISSON]), basis(cells), CALM)
    shrink = 1.0  # before a target's first day no time passes for it
    rate = 0.8 * np.exp(cells.table[point[0]])
    log_marginal = stats.nbinom.logpmf(3.0, 2.0 * shrink, 0.5 * shrink / (0.5 * shrink + rate))
    assert np.isclose(state.evidence[0, 0] - state.evidence[0, 1], log_marginal[0] - log_marginal[1])


# Time and the algebra of folding


def test_a_day_without_exposure_only_lets_time_pass():
    state = begin(2)
    state = replace(state, evidence=np.random.default_rng(4).normal(0, 1, state.evidence.shape))
    empty = Days(np.zeros((2, 1), np.int64), np.zeros((2, 1)), np.zeros((2, 1)))
    after, waited = fold(state, empty, np.full(2, 0.1), SHAPES, VOLUME), drift(state, VOLUME)
    for name in ("alpha", "beta", "evidence"):
        assert np.array_equal(getattr(after, name), getattr(waited, name))


def test_a_target_without_exposure_learns_nothing_from_a_day_of_others():
    days = Days(np.full((2, 1), AT_ONE), np.array([[400.0], [0.0]]), np.array([[1.0], [0.0]]))
    after, waited = fold(begin(2), days, np.full(2, 0.1), SHAPES, VOLUME), drift(begin(2), VOLUME)
    assert np.isclose(after.alpha[1], waited.alpha[1])
    assert np.allclose(after.beta[1], waited.beta[1])
    assert np.allclose(weights(after.evidence, CELLS.log_prior)[1], np.exp(CELLS.log_prior))


def test_a_target_that_is_not_there_yet_forgets_nothing_of_what_the_others_show():
    """However long the panel is before its first day, the prior is the same; from that day on time passes."""
    late, soon = np.zeros((1, 60)), np.zeros((1, 5))
    late[0, -2] = soon[0, -2] = 1.0
    found = [
        fold(start(np.array([9.0]), np.array([4.0]), 1), Days(np.zeros_like(e, dtype=np.int64), 3 * e, e),
             np.array([POISSON]), FLAT, CALM)
        for e in (late, soon)
    ]  # fmt: skip
    assert found[0].alpha == found[1].alpha
    assert found[0].alpha[0] == pytest.approx(12.0 / (1 + CALM.drift * 12.0))


def test_drift_keeps_the_mean_and_adds_its_variance_of_the_logarithm():
    later = drift(State(np.array([50.0]), np.array([[10.0]]), np.array([[3.0]]), np.array([True])), CALM)
    assert np.isclose(later.alpha[0] / later.beta[0, 0], 5.0)
    assert np.isclose(1 / later.alpha[0], 1 / 50.0 + CALM.drift)
    assert np.isclose(later.evidence[0, 0], 3.0 * CALM.fade)


@given(seed=seeds, cut=st.integers(0, 20))
@settings(max_examples=20, deadline=None)
def test_folding_in_two_pieces_equals_folding_at_once(seed, cut):
    rng = np.random.default_rng(seed)
    days, excess = random_days(rng), rng.uniform(0.01, 0.5, 3)
    whole = fold(begin(3, FEW), days, excess, FEW, VOLUME)
    first, second = some_days(days, np.s_[:, :cut]), some_days(days, np.s_[:, cut:])
    pieces = fold(fold(begin(3, FEW), first, excess, FEW, VOLUME), second, excess, FEW, VOLUME)
    for name in ("alpha", "beta", "evidence"):
        assert np.allclose(getattr(whole, name), getattr(pieces, name), rtol=1e-11, atol=1e-11)


def test_blocks_of_targets_do_not_change_the_result():
    rng = np.random.default_rng(5)
    count = BLOCK + 20
    days, excess = random_days(rng, targets=count, days=5), np.full(count, 0.1)
    whole = fold(begin(count), days, excess, SHAPES, VOLUME)
    for k in (0, BLOCK - 1, BLOCK, count - 1):
        alone = fold(begin(1), some_days(days, np.s_[k : k + 1]), excess[:1], SHAPES, VOLUME)
        assert np.isclose(alone.alpha[0], whole.alpha[k])
        assert np.allclose(alone.beta[0], whole.beta[k])
        assert np.allclose(weights(alone.evidence, CELLS.log_prior)[0], weights(whole.evidence, CELLS.log_prior)[k])


def test_a_year_in_single_precision_is_near_one_in_double(monkeypatch):
    rng = np.random.default_rng(8)
    days, excess = random_days(rng, targets=12, days=365), np.full(12, 0.03)
    days = Days(days.place, 1000.0 * days.count, days.exposure)
    single = fold(begin(12), days, excess, SHAPES, VOLUME)
    monkeypatch.setattr(filter_of_days, "WIDE", len(CELLS.slope) + 1)
    double = fold(begin(12), days, excess, SHAPES, VOLUME)
    found = [weights(state.evidence, CELLS.log_prior) for state in (single, double)]
    assert np.abs(found[0] - found[1]).max() < 5e-3
    assert not np.array_equal(*found)
    assert np.allclose(single.alpha, double.alpha, rtol=1e-3)


def test_no_target_at_all_is_no_state():
    none = fold(begin(0), random_days(np.random.default_rng(6), targets=0), np.empty(0), SHAPES, VOLUME)
    assert none.beta.shape == (0, len(CELLS.slope))


def test_fading_the_evidence_equals_fading_the_weights_towards_their_prior():
    """The prior of the cells enters once, however long the fold."""
    cells = crossed([0.3, 1.0, 3.0], [1.0, 2.0])
    log_w, state = cells.log_prior[None].copy(), begin(1, basis(cells))
    rng = np.random.default_rng(7)
    for _ in range(30):
        before = state
        state = fold(state, day(rng.poisson(5.0), log_u=rng.normal(0, 1)), np.array([POISSON]), basis(cells), CALM)
        likelihood = state.evidence - CALM.fade * before.evidence
        log_w = CALM.fade * log_w + (1 - CALM.fade) * cells.log_prior + likelihood
    assert np.allclose(weights(log_w, np.zeros(6)), weights(state.evidence, cells.log_prior))


def test_steep_concave_and_logistic_truths_are_told_apart():
    u = np.exp(np.tile(np.random.default_rng(8).uniform(-2.0, 1.0, 60), (3, 1)))
    logistic = lambda z: 1 / (1 + np.exp(5 * (1 - z))) - 1 / (1 + np.exp(5))  # noqa: E731 - the truth in one line
    truth = np.stack([u[0] ** 2.8 / (1 + u[0] ** 2.8), u[1] ** 0.7 / (1 + u[1] ** 0.7), logistic(u[2])])
    days = Days(place(np.log(u)), np.round(2_000 * truth), np.ones_like(u))
    state = fold(begin(3), days, np.full(3, 0.003), SHAPES, STILL)
    weight = weights(state.evidence, CELLS.log_prior)
    assert weight[0, ~CELLS.logistic & (CELLS.slope > 2)].sum() > 0.9
    assert weight[1, ~CELLS.logistic & (CELLS.slope < 1.2)].sum() > 0.9
    assert weight[2, CELLS.logistic].sum() > 0.9


def by_the_letter(state, days, excess, basis, dynamics):
    """The update of docs/models.md without breaks, in double precision, day by day."""
    alpha, beta, evidence = state.alpha, state.beta, state.evidence
    begun = state.begun.copy()
    for place_, count, exposure in zip(days.place.T, days.count.T, days.exposure.T, strict=True):
        shrink = np.where(begun, 1 / (1 + dynamics.drift * alpha), 1.0)
        alpha, beta, evidence = alpha * shrink, beta * shrink[:, None], evidence * dynamics.fade
        lead = (evidence + basis.log_prior).argmax(axis=1)
        g = basis.g[place_]
        mean = exposure * alpha * np.take_along_axis(g / beta, lead[:, None], axis=1)[:, 0]
        omega = 1 / (1 + excess * np.maximum(np.clip(mean, (count - 10) / 3, (count + 10) * 3), 0))
        after = beta + (omega * exposure)[:, None] * g
        gain = alpha[:, None] * np.log(beta) - (alpha + omega * count)[:, None] * np.log(after)
        evidence = evidence + gain + (omega * count)[:, None] * basis.log_g[place_]
        alpha, beta, begun = alpha + omega * count, after, begun | (exposure > 0)
    return State(alpha, beta, evidence, begun)


def test_a_long_fold_of_many_cells_is_the_formula_but_for_single_precision():
    rng = np.random.default_rng(12)
    excess, calm = np.full(40, 0.03), replace(VOLUME, break_chance=0.0)
    exposure = rng.uniform(0.7, 1.3, (40, 200)) * (rng.random((40, 200)) < 0.9)
    log_u = rng.normal(0, 0.4, (40, 200))
    mean = 300 * exposure * np.exp(log_u) / (0.5 + np.exp(log_u))
    days = Days(place(log_u), rng.poisson(mean).astype(float), exposure)
    truth = by_the_letter(begin(40), days, excess, SHAPES, calm)
    state = fold(begin(40), days, excess, SHAPES, calm)
    assert np.allclose(state.alpha, truth.alpha, rtol=1e-3)
    assert np.allclose(state.alpha[:, None] / state.beta, truth.alpha[:, None] / truth.beta, rtol=1e-4)
    expected = weights(truth.evidence, CELLS.log_prior)
    assert np.allclose(weights(state.evidence, CELLS.log_prior), expected, rtol=0, atol=3e-3)


def test_a_fold_of_few_cells_is_the_formula_to_the_last_digits():
    rng = np.random.default_rng(13)
    days, excess, calm = random_days(rng, targets=9, days=100), np.full(9, 0.03), replace(VOLUME, break_chance=0.0)
    truth, state = by_the_letter(begin(9, FEW), days, excess, FEW, calm), fold(begin(9, FEW), days, excess, FEW, calm)
    assert np.allclose(state.alpha, truth.alpha, rtol=1e-12)
    assert np.allclose(state.beta, truth.beta, rtol=1e-12)
    expected = weights(truth.evidence, FEW.log_prior)
    assert np.allclose(weights(state.evidence, FEW.log_prior), expected, rtol=0, atol=1e-10)


# Breaks


@pytest.mark.parametrize("chance", [5e-4, 2e-3, 4e-3, 0.013, 0.05])
def test_no_break_is_overlooked(chance):
    """Wherever gamma functions are spared, they would have found a break less probable than is looked into."""
    dynamics = replace(VOLUME, break_chance=chance)
    alpha, odds = (a.ravel() for a in np.meshgrid(np.geomspace(0.1, 1e5, 60), np.geomspace(1e-6, 1e5, 80)))
    mean, sd = alpha * odds, np.sqrt(alpha * odds * (1 + odds))
    for z in np.linspace(-5, 5, 101):
        count = np.maximum(mean + z * sd, 0.0)
        noticed = np.flatnonzero(break_probability(alpha, odds, count, dynamics) > NOTICED)
        assert np.array_equal(hinted(alpha, odds, count, dynamics), noticed)


def test_a_break_is_the_mixture_of_two_stories_collapsed_by_moments():
    """One cell: 50 events of shape, mean 5; a day of 12 and exposure one, either after a jump or not."""
    dynamics = Dynamics(drift=0.0, fade=1.0, break_chance=0.05, break_variance=0.5)
    state = fold(
        State(np.array([50.0]), np.array([[10.0]]), np.zeros((1, 1)), np.array([True])),
        day(12),
        np.array([POISSON]),
        FLAT,
        dynamics,
    )
    loose = 50 / (1 + 0.5 * 50)
    stories = []
    for shape, chance in ((50.0, 0.95), (loose, 0.05)):
        rate = shape / 5.0
        odds = chance * stats.nbinom.pmf(12, shape, rate / (rate + 1))
        mean, variance = (shape + 12) / (rate + 1), (shape + 12) / (rate + 1) ** 2
        stories.append((odds, mean, variance + mean**2))
    total = sum(odds for odds, _, _ in stories)
    first, second = (sum(s[0] * s[i] for s in stories) / total for i in (1, 2))
    assert 0.1 < stories[1][0] / total < 0.9
    assert np.isclose(state.alpha[0] / state.beta[0, 0], first)
    assert np.isclose(state.alpha[0] * (state.alpha[0] + 1) / state.beta[0, 0] ** 2, second)


def test_the_marginals_of_the_two_stories_are_mixed_in_each_cell():
    cells = crossed([0.5, 2.0], [1.0])
    dynamics = Dynamics(drift=0.0, fade=1.0, break_chance=0.05, break_variance=0.5)
    point = place(np.array([np.log(0.4)]))
    seen = Days(point[None], np.array([[12.0]]), np.ones((1, 1)))
    state = fold(
        State(np.array([50.0]), np.full((1, 2), 10.0), np.zeros((1, 2)), np.array([True])),
        seen,
        np.array([POISSON]),
        basis(cells),
        dynamics,
    )
    rate = np.exp(cells.table[point[0]])
    marginal = np.zeros(2)
    for shape, chance in ((50.0, 0.95), (50 / (1 + 0.5 * 50), 0.05)):
        marginal += chance * stats.nbinom.pmf(12, shape, shape / 5 / (shape / 5 + rate))
    assert np.isclose(state.evidence[0, 0] - state.evidence[0, 1], np.log(marginal[0] / marginal[1]))


def test_a_day_as_expected_is_no_break():
    with_breaks, without = (
        fold(
            State(np.array([50.0]), np.array([[10.0]]), np.zeros((1, 1)), np.array([True])),
            day(5),
            np.array([POISSON]),
            FLAT,
            dynamics,
        )
        for dynamics in (VOLUME, replace(VOLUME, break_chance=0.0))
    )
    assert with_breaks.alpha == without.alpha
    assert with_breaks.beta == without.beta


def followed(counts, excess, dynamics):
    """The level that is believed after each day, shape (K, T)."""
    state = start(np.ones(len(counts)), counts.mean(axis=1), 1)
    levels = []
    for d in range(counts.shape[1]):
        state = fold(state, level_days(counts[:, d : d + 1]), np.full(len(counts), excess), FLAT, dynamics)
        levels.append(state.alpha / state.beta[:, 0])
    return np.stack(levels, axis=1)


def noisy(rng, mean, excess):
    return rng.poisson(mean * rng.gamma(1 / excess, excess, mean.shape)).astype(float)


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_a_jump_is_followed_within_days(factor):
    rng = np.random.default_rng(9)
    mean = np.full((200, 70), 500.0)
    mean[:, 60:] *= factor
    counts = noisy(rng, mean, 0.03)
    error = np.abs(np.log(followed(counts, 0.03, VOLUME) / mean))
    unaware = np.abs(np.log(followed(counts, 0.03, replace(VOLUME, break_chance=0.0)) / mean))
    assert np.median(error[:, 64]) < 0.15
    assert np.median(unaware[:, 64]) > 2 * np.median(error[:, 64])


def test_without_a_jump_the_level_is_steadier_than_with_a_drift_that_would_follow_one():
    rng = np.random.default_rng(10)
    counts = noisy(rng, np.full((200, 90), 500.0), 0.03)
    calm, nervous = (
        followed(counts, 0.03, dynamics)[:, 45:] / 500.0 - 1
        for dynamics in (VOLUME, Dynamics(drift=0.03, fade=1.0, break_chance=0.0))
    )
    assert np.sqrt((calm**2).mean()) < 0.6 * np.sqrt((nervous**2).mean())


def test_false_alarms_are_rare():
    """A quiet level stays where it is: overnight moves of a fifth, which only a break makes, are one day in 500."""
    rng = np.random.default_rng(11)
    levels = followed(noisy(rng, np.full((100, 120), 500.0), 0.03), 0.03, VOLUME)[:, 10:]
    assert (np.abs(np.diff(np.log(levels), axis=1)) > np.log(1.2)).mean() < 0.002


# Pooling of shapes


def test_pooled_shapes_leave_a_target_out_of_its_own_prior():
    evidence = np.zeros((1, len(CELLS.slope)))
    evidence[0, 3] = 50.0
    prior = pooled_shapes(evidence, np.ones(1), CELLS.log_prior[None])
    assert np.allclose(np.exp(prior), np.exp(CELLS.log_prior))


def test_pooled_shapes_lean_towards_what_the_others_show():
    evidence = np.zeros((40, len(CELLS.slope)))
    evidence[:39, 3] = 80.0
    prior = np.exp(pooled_shapes(evidence, np.append(np.ones(39), 0.0), np.tile(CELLS.log_prior, (40, 1))))
    damping = max(LEAST_SHAPE_WEIGHT, 40 / 3)
    assert np.isclose(prior[39, 3], (damping * np.exp(CELLS.log_prior[3]) + 39) / (damping + 39))
    assert np.allclose(prior.sum(axis=1), 1.0)
