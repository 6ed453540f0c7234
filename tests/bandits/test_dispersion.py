from __future__ import annotations

import numpy as np
import pytest

from bandits import dispersion, pooling
from bandits.dispersion import Dispersion
from bandits.groups import FloatArray, Groups
from bandits.posterior import GammaPoisson


def rows(
    arms: float, days: float, seed: int, *, groups: int = 150, a_day: float = 300.0, period: int = 28
) -> tuple[Groups, FloatArray, FloatArray]:
    """Four arms a group; days that vary by themselves and together."""
    rng = np.random.default_rng(seed)
    made = Groups.of(np.repeat(np.arange(groups), 4))
    exposure = rng.uniform(0.5, 1.5, (made.arms, period)) * a_day
    mean = exposure * 0.018 * np.exp(rng.normal(0, 0.3, (made.arms, 1)))
    if days:
        mean = mean * rng.gamma(1 / days, days, (groups, period))[made.index]
    if arms:
        mean = mean * rng.gamma(1 / arms, arms, mean.shape)
    return made, exposure, rng.poisson(mean).astype(float)


@pytest.mark.parametrize(("arms", "days"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.15, 0.05)])
def test_both_variances_are_recovered(arms: float, days: float) -> None:
    groups, exposure, successes = rows(arms, days, 1)
    found = dispersion.measure(exposure, successes, groups, np.ones(28))
    assert found.arms == pytest.approx(arms, abs=0.02)
    assert found.days == pytest.approx(days, abs=0.02)


def test_few_counts_say_little_and_leave_what_was_assumed() -> None:
    groups, exposure, successes = rows(0.0, 0.0, 2, groups=1, a_day=5.0)
    found = dispersion.measure(exposure, successes, groups, np.ones(28))
    assert found.arms == pytest.approx(0.01, abs=0.005)
    assert found.days == pytest.approx(0.01, abs=0.005)


def test_young_days_and_gaps_are_not_taken_for_spread() -> None:
    groups, exposure, successes = rows(0.0, 0.0, 3, a_day=2_000.0)
    maturity = np.linspace(1.0, 0.2, 28)
    reported = np.random.default_rng(4).binomial(successes.astype(int), maturity).astype(float)
    reported[::3, 5:9] = np.nan
    assert dispersion.measure(exposure, reported, groups, maturity).arms < 0.01
    assert dispersion.measure(exposure, reported, groups, np.ones(28)).days > 0.05


def test_no_rows_and_no_arms() -> None:
    nothing = np.full((2, 3), np.nan)
    groups = Groups.of(np.zeros(2, dtype=np.int64))
    assert dispersion.measure(nothing, nothing, groups, np.ones(3)) == Dispersion(0.01, 0.01)
    none = Groups.of(np.zeros(0, dtype=np.int64))
    assert dispersion.measure(nothing[:0], nothing[:0], none, np.ones(3)) == Dispersion(0.01, 0.01)


def test_worth_by_hand() -> None:
    folded = np.array([[100.0, 300.0], [0.0, 0.0]])
    worth = Dispersion(arms=0.1).worth(folded, np.array([0.5, 1.0]), np.array([0.02, 0.02]))
    mean = 0.02 * (0.5 * 100**2 + 300**2) / (0.5 * 100 + 300)
    assert worth == pytest.approx([1 / (1 + 0.1 * mean), 1])


def test_the_variance_of_a_level_by_hand() -> None:
    folded = np.array([[100.0, 300.0], [100.0, 100.0], [0.0, 0.0]])
    groups = Groups.of(np.array([0, 0, 1]))
    found = Dispersion(days=0.2).of_levels(folded, np.array([0.5, 1.0]), groups)
    assert found == pytest.approx([0.2 * (0.25 * 200**2 + 400**2) / 500**2, 0])


def test_a_factor_of_mean_one_keeps_the_mean_and_widens() -> None:
    rates, variance, n = GammaPoisson(np.array([20.0]), np.array([1000.0])), 0.04, 200_000
    rng = np.random.default_rng(5)
    drawn = rates.draws(n, rng)[:, 0] * np.exp(rng.normal(-variance / 2, np.sqrt(variance), n))
    wide = pooling.swayed(rates, np.array([variance]))
    assert wide.mean == pytest.approx(rates.mean)
    assert wide.sd == pytest.approx([drawn.std()], rel=0.02)


def test_intervals_cover_where_days_vary_more_than_chance() -> None:
    groups, exposure, _ = rows(0.0, 0.0, 6)
    rng = np.random.default_rng(7)
    rate = 0.018 * np.exp(rng.normal(0, 0.71, 150)[groups.index] + rng.normal(0, 0.24, groups.arms))
    mean = exposure * 4 * rate[:, None] * rng.gamma(10, 0.1, (150, 28))[groups.index] * rng.gamma(5, 0.2, (600, 28))
    successes = rng.poisson(mean).astype(float)
    from bandits import believe

    found = believe(
        exposure * 4,
        successes,
        group=groups.index,
        age=np.arange(28.0)[::-1],
        maturity=np.ones(28),
        share_now=np.zeros(600),
        rng=rng,
    )
    inside = (found.low90 <= rate) & (rate <= found.high90)
    assert inside.mean() == pytest.approx(0.9, abs=0.06)
    assert found.dispersion.arms == pytest.approx(0.2, abs=0.05)
    plain = GammaPoisson(successes.sum(axis=1) + 0.5, 4 * exposure.sum(axis=1))
    low, high = plain.interval(0.9)
    assert ((low <= rate) & (rate <= high)).mean() < 0.7


@pytest.mark.parametrize("name", ["arms", "days"])
def test_a_negative_dispersion_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"dispersion of {name} must be finite and not negative"):
        Dispersion(**{name: -0.1})
