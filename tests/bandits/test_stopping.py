"""Evidence that may be looked at every day, against what can be worked out by hand or by exhaustion."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from bandits import stopping
from bandits.stopping import Contrasts, contrast, look

ONE = np.ones(1)


def pair(arm, control, n_arm=None, n_control=None):
    """Contrasts of one arm, its strata's successes and exposures given as lists."""
    size = len(arm)
    exposure = np.array([n_control or [100.0] * size, n_arm or [100.0] * size], dtype=np.float64)
    return contrast(exposure, np.array([control, arm], dtype=np.float64), 0)


counts = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=6)


def test_the_likelihood_is_the_binomial_one_given_the_total():
    made = pair([20], [10])
    assert made.gain(np.array([0.5])) == pytest.approx(20 * 0.5 - 30 * (np.log1p(np.exp(0.5)) - np.log(2)))
    uneven = pair([20], [10], [300.0], [100.0])
    p = 3 * np.exp(0.5) / (1 + 3 * np.exp(0.5))
    ratio = stats.binom.logpmf(20, 30, p) - stats.binom.logpmf(20, 30, 0.75)
    assert uneven.gain(np.array([0.5])) == pytest.approx(ratio)


def test_strata_in_which_one_arm_was_not_shown_say_nothing():
    exposure = np.array([[100.0, 0.0, np.nan, 100.0], [100.0, 100.0, 100.0, 0.0]])
    made = contrast(exposure, np.array([[3.0, 2.0, 5.0, 1.0], [4.0, 6.0, np.nan, 2.0]]), 0)
    np.testing.assert_array_equal(made.both, [[7, 0, 0, 0]])
    np.testing.assert_array_equal(made.arm, [[4, 0, 0, 0]])


@pytest.mark.parametrize("phi", [1.0, 2.5])
@pytest.mark.parametrize(("arm", "control"), [([20, 3], [10, 4]), ([0], [0]), ([0], [9]), ([2_000], [1_500])])
def test_the_mixture_is_the_integral(arm, control, phi):
    made = pair(arm, control)

    def density(theta):
        return np.exp(made.gain(np.array([theta]))[0] / phi) * (
            0.8 * stats.norm.pdf(theta, 0, 0.1) + 0.2 * stats.norm.pdf(theta, 0, 1)
        )

    whole = integrate.quad(density, -6, 6, points=[-0.5, 0, 0.2, 0.3, 0.5], limit=400)[0]
    assert stopping.log_evidence(made, 0.1, phi * ONE) == pytest.approx(np.log(whole), abs=1e-3)


@pytest.mark.parametrize("odds", [1.0, 3.0])
def test_its_mean_is_one_where_nothing_differs_given_all_that_was_seen_before(odds):
    """By exhaustion: e is a martingale in the days, whatever the split."""
    p = odds / (1 + odds)
    for first, total in itertools.product((0, 4, 8), (6, 12)):
        before = np.exp(stopping.log_evidence(pair([first], [8 - first], [odds], [1.0]), 0.3, ONE))
        after = [
            np.exp(stopping.log_evidence(pair([first, y], [8 - first, total - y], [odds] * 2, [1.0] * 2), 0.3, ONE))
            for y in range(total + 1)
        ]
        weights = stats.binom.pmf(np.arange(total + 1), total, p)
        assert weights @ np.concatenate(after) == pytest.approx(before[0], rel=1e-4)


def test_looks_every_day_keep_the_error():
    rng = np.random.default_rng(11)
    counts = rng.poisson(30 * rng.gamma(10, 0.1, (500, 1, 14)) * np.ones((1, 3, 1))).astype(np.float64)
    crossed = np.zeros(500, dtype=bool)
    for day in range(7, 15):
        seen = look(contrast(np.full(counts.shape, 1e4)[..., :day], counts[..., :day], 0), scale=0.2, error_rate=0.2)
        crossed |= (seen.shown(0.2) != 0).any(axis=1)
    assert crossed.mean() <= 0.2  # far below in truth: chance alone does not fail this


@given(counts)
@settings(derandomize=True, max_examples=30)
def test_arm_and_control_are_mirrors(strata):
    arm, control = map(list, zip(*strata, strict=True))
    one = look(pair(arm, control, [300.0] * len(arm)), scale=0.1, error_rate=0.05)
    other = look(pair(control, arm, None, [300.0] * len(arm)), scale=0.1, error_rate=0.05)
    np.testing.assert_allclose(one.estimate, -other.estimate, atol=1e-6)
    np.testing.assert_allclose(one.log_e, other.log_e, atol=1e-6)
    np.testing.assert_allclose(one.low, -other.high, atol=1e-4)


@given(counts, st.floats(0.1, 50))
@settings(derandomize=True, max_examples=30)
def test_days_good_for_both_and_their_order_do_not_matter(strata, factor):
    arm, control = map(list, zip(*strata, strict=True))
    plain = look(pair(arm, control), scale=0.1, error_rate=0.05)
    days = [100.0 * factor] + [100.0] * (len(arm) - 1)
    swung = look(pair(arm, control, days, days), scale=0.1, error_rate=0.05)
    turned = look(pair(arm[::-1], control[::-1]), scale=0.1, error_rate=0.05)
    for other in (swung, turned):
        np.testing.assert_allclose(plain.log_e, other.log_e, atol=1e-8)
        np.testing.assert_allclose(plain.high, other.high, atol=1e-6)


@given(counts)
@settings(derandomize=True, max_examples=30)
def test_the_confidence_sequence_and_the_test_agree(strata):
    arm, control = map(list, zip(*strata, strict=True))
    made = pair(arm, control)
    seen = look(made, scale=0.1, error_rate=0.05)
    assert (seen.low <= seen.estimate).all()
    assert (seen.estimate <= seen.high).all()
    inside = (seen.low < 0) & (seen.high > 0)
    assert inside == (seen.log_e < np.log(20))
    used = stopping.careful(made, seen.dispersion, scale=0.1, error_rate=0.05)
    for end in (seen.low, seen.high):
        if np.isfinite(end).all():
            assert seen.log_e - made.gain(end) / used == pytest.approx(np.log(20), abs=1e-4)


def test_nothing_seen_is_no_evidence_and_everything_is_possible():
    seen = look(pair([0, 0], [0, 0]), scale=0.1, error_rate=0.05)
    assert seen.log_e == pytest.approx(0, abs=1e-9)
    assert (seen.low[0], seen.high[0], seen.estimate[0]) == (-np.inf, np.inf, 0)
    none = look(pair([0] * 8, [9] * 8), scale=0.1, error_rate=0.05)
    assert none.low[0] == -np.inf
    assert none.high[0] < 1


def test_merging_by_hand():
    assert np.exp(stopping.merged(np.log([2.0, 8.0]))) == pytest.approx([2, 5])
    assert np.exp(stopping.merged(np.log([90.0, 30.0, 1.0]))) == pytest.approx([121 / 3, 31 / 2, 1])


@given(st.lists(st.floats(-3, 9), min_size=1, max_size=5))
@settings(derandomize=True)
def test_merging_is_the_closure_and_never_below_bonferroni(log_e):
    e = np.exp(log_e)
    sets = [s for size in range(1, len(e) + 1) for s in itertools.combinations(range(len(e)), size)]
    closed = [min(e[list(s)].mean() for s in sets if arm in s) for arm in range(len(e))]
    found = np.exp(stopping.merged(np.array(log_e)))
    np.testing.assert_allclose(found, closed, rtol=1e-9)
    assert (found >= e / len(e) * (1 - 1e-9)).all()


def test_holm_by_hand():
    np.testing.assert_allclose(stopping.holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(stopping.holm(np.array([[0.9], [0.02]])), [[0.9], [0.02]])


def test_dispersion_by_hand():
    """Residuals of 3 at variances of 2.5, each with half of the leverage: (3 / .5)^2 x 2 / 5."""
    assert stopping.dispersion_of(pair([8, 2], [2, 8])) == pytest.approx(14.4)
    assert stopping.dispersion_of(pair([5, 5], [5, 5])) == 1
    assert stopping.dispersion_of(pair([9], [1])) == 1


def test_strata_count_by_their_information():
    assert stopping.freedom_of(pair([5] * 8, [5] * 8)) == pytest.approx(7)
    assert stopping.freedom_of(pair([5, 5_000], [5, 5_000])) == pytest.approx(1.0, abs=0.01)


def test_a_variance_from_few_days_is_raised_more():
    few, many, endless = (stopping.caution(ONE, f * ONE, 0.1, 0.01)[0] for f in (3.0, 30.0, 1e6))
    z = np.sqrt(2 * np.log(100) + np.log1p(0.01))
    assert few == pytest.approx((stats.t.isf(stats.norm.sf(z), 3) / z) ** 2)
    assert few > many > endless == pytest.approx(1, abs=1e-4)


def test_the_last_look_is_the_score_test():
    arm, control = [30, 28, 35, 31], [22, 25, 20, 24]
    made = pair(arm, control)
    phi = stopping.dispersion_of(made)
    z = (sum(arm) - (sum(arm) + sum(control)) / 2) / np.sqrt(phi * (sum(arm) + sum(control)) / 4)
    expected = 2 * stats.t.sf(z, stopping.freedom_of(made))
    assert stopping.last_look(made, phi) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda: contrast(np.ones((2, 3)), np.ones((2, 4)), 0), "must both be"),
        (lambda: contrast(np.ones((1, 3)), np.ones((1, 3)), 0), "A >= 2"),
        (lambda: contrast(np.ones((2, 3)), np.ones((2, 3)), 2), "one of 2 arms"),
        (lambda: look(pair([1], [1]), scale=0, error_rate=0.05), "must be positive"),
        (lambda: look(pair([1], [1]), scale=0.1, error_rate=1), "between 0 and 1"),
    ],
)
def test_what_makes_no_sense_is_refused(attempt, words):
    with pytest.raises(ValueError, match=words):
        attempt()


def test_many_experiments_at_once_are_each_alone():
    rng = np.random.default_rng(5)
    exposure, y = rng.uniform(50, 150, (4, 3, 6)), rng.poisson(8, (4, 3, 6)).astype(float)
    together = look(contrast(exposure, y, 1), scale=0.1, error_rate=0.05)
    for i in range(4):
        alone = look(contrast(exposure[i], y[i], 1), scale=0.1, error_rate=0.05)
        np.testing.assert_allclose(together.high[i], alone.high, rtol=1e-9)
        np.testing.assert_allclose(together.adjusted[i], alone.adjusted, rtol=1e-9)
    assert isinstance(contrast(exposure, y, 1), Contrasts)
