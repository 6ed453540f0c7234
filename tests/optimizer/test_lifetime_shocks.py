"""What moves all customers at once: expectations and evidence by hand, and shocks that are known found again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln

from optimizer.measure.lifetime import buying, shocks
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.shocks import Scale, expectation, learn


def _kinds(*each: tuple[float, float, float, float]) -> Buying:
    return Buying(*(np.array(column) for column in zip(*each, strict=True)))


def test_customers_who_are_never_lost_are_expected_at_their_rate() -> None:
    """One at .01 a day, won 10 days before the end; two at .02, won on its day: 3 and 7 days of the first one."""
    p = _kinds((0.5, 50.0, 1e-9, 1.0), (1.0, 50.0, 1e-9, 1.0))
    found = expectation(p, np.array([0, 1, 1]), np.array([90, 100, 100]), 100, 3)
    assert found == pytest.approx([0.0, 0.03, 0.07])


def test_expectations_of_weeks_are_those_of_single_customers() -> None:
    p, group, first = _kinds((0.4, 30.0, 0.8, 2.4), (0.9, 60.0, 1.2, 3.0)), np.array([0, 1, 1]), np.array([10, 15, 31])
    found = expectation(p, group, first, 50, 6)
    by_hand = sum(buying.expected(p.of(np.array([g])), 50.0 - day)[0] for g, day in zip(group, first, strict=True))
    assert found.sum() == pytest.approx(by_hand)
    last = buying.expected(p.of(group), 50.0 - first) - buying.expected(p.of(group), 43.0 - first)
    assert found[-1] == pytest.approx(last.sum())


def test_the_evidence_of_two_weeks_is_the_integral_over_what_sets_them_apart() -> None:
    """Measured against their mean, two weeks are one Gaussian number: m = (20, 60), half a difference each way."""
    scale, y, m = Scale(0.3, 0.2, 4.0), np.array([31.0, 52.0]), np.array([20.0, 60.0])
    apart = math.sqrt(2 * 0.3**2 * (1 - scale.kept) + 2 * 0.2**2)  # sd of the difference of the logs

    def height(z: float) -> float:
        logs = apart * np.array([0.75, -0.25]) * z - 0.5 * (apart * np.array([0.75, 0.25])) ** 2
        rate = m * np.exp(logs)
        return float(np.exp((y * np.log(rate) - rate - gammaln(y + 1)).sum() - 0.5 * z * z) / math.sqrt(2 * math.pi))

    whole, _ = quad(height, -8, 8)
    fit = shocks._fit(scale, y, m)
    constant = float((y * np.log(m) - gammaln(y + 1)).sum())
    assert fit.evidence + constant == pytest.approx(math.log(whole), abs=0.02)
    mean, _ = quad(lambda z: z * height(z) / whole, -8, 8)
    # The spell of the last week is known by its covariance with the difference.
    with_difference = 0.3**2 * (scale.kept - 1)
    assert fit.mean[0] == pytest.approx(with_difference / apart * mean, rel=0.05)


def test_of_one_week_nothing_is_learnt_and_the_factors_have_a_mean_of_one() -> None:
    found = learn(np.array([9]), np.array([4.0]), 30, 40_000, np.random.default_rng(1))
    assert (found.weeks, found.factors.shape) == (1, (40_000, 30))
    assert found.spell == pytest.approx(found.noise)
    assert found.spell == pytest.approx(1 / 9.21, rel=0.1)  # of the exponential prior
    assert found.factors.mean() == pytest.approx(1.0, abs=0.02)


def test_a_shop_without_shocks_has_next_to_none() -> None:
    rng = np.random.default_rng(2)
    m = np.linspace(80.0, 160.0, 78)
    found = learn(rng.poisson(m), m, 52, 2_000, rng)
    assert found.noise < 0.04
    assert found.spell < 0.04
    assert found.factors.mean(axis=1).std() < 0.05


def test_shocks_that_are_known_are_found_again() -> None:
    """Of 104 weeks: noise of 15% and spells of 40% with a half-life of three weeks."""
    rng, kept, levels = np.random.default_rng(3), 0.5 ** (1 / 3), [0.4 * np.random.default_rng(3).standard_normal()]
    for _ in range(103):
        levels.append(kept * levels[-1] + 0.4 * math.sqrt(1 - kept**2) * rng.standard_normal())
    seen = rng.poisson(200.0 * np.exp(np.array(levels) + 0.15 * rng.standard_normal(104)))
    found = learn(seen, np.full(104, seen.mean()), 52, 2_000, rng)
    assert 0.08 < found.noise < 0.25
    assert 0.25 < found.spell < 0.65
    assert 2.0 <= found.half_life < 10.0


def test_a_spell_goes_on_and_fades() -> None:
    """Eight last weeks at half of what was expected: the next one is low, and next year's as likely above as below."""
    m = np.full(60, 300.0)
    seen = np.where(np.arange(60) < 52, 330, 165)
    found = learn(seen, m, 104, 4_000, np.random.default_rng(4))
    assert found.factors[:, 0].mean() < 0.75
    assert found.factors[:, 0].mean() < found.factors[:, 12].mean() < found.factors[:, 103].mean()
    assert np.quantile(found.factors[:, 103], 0.1) < 1.0 < np.quantile(found.factors[:, 103], 0.9)


def test_the_latest_weeks_alone_are_learnt_from() -> None:
    rng = np.random.default_rng(5)
    m = np.full(shocks.LONGEST + 30, 50.0)
    seen = rng.poisson(m)
    wild = np.concatenate([seen[:30] * 9, seen[30:]])
    one, other = (learn(y, m, 3, 10, np.random.default_rng(6)) for y in (seen, wild))
    assert (one.weeks, one.spell, one.noise) == (shocks.LONGEST, other.spell, other.noise)
    assert np.array_equal(one.factors, other.factors)
