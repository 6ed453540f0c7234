from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bandits.groups import FloatArray, Groups
from bandits.wear import Wear, wear_out

DAYS = 40
NAN = np.nan


@dataclass(frozen=True)
class Shown:
    """What was shown, what it brought, and what each ad has lost of its first rate."""

    groups: Groups
    exposure: FloatArray
    successes: FloatArray
    lost: FloatArray

    def read(self, **changes: float) -> Wear:
        return wear_out(self.exposure, self.successes, group=self.groups.index, maturity=np.ones(DAYS), **changes)


def shown(
    seed: int,
    *,
    wearing: float,
    groups: int = 100,
    arms: int = 5,
    a_day: float = 3_000.0,
    noise: float = 0.0,
    trend: float = 0.0,
) -> Shown:
    """Ads launched over four weeks; a part of them loses up to 60% of its rate; campaigns have weeks and a trend."""
    rng = np.random.default_rng(seed)
    made = Groups.of(np.repeat(np.arange(groups), arms))
    exposure = rng.uniform(0.5, 1.5, (made.arms, DAYS)) * a_day
    exposure[np.arange(DAYS) < rng.integers(0, 27, made.arms)[:, None]] = NAN
    seen = np.cumsum(np.nan_to_num(exposure), axis=1)
    scale = a_day * DAYS * rng.uniform(0.2, 0.6, (made.arms, 1))
    worn = rng.random((made.arms, 1)) < wearing
    left = np.where(worn, 0.4 + 0.6 * np.exp(-(seen - np.nan_to_num(exposure) / 2) / scale), 1.0)
    day = np.exp(trend * np.arange(DAYS) / DAYS) * (1 + 0.2 * np.sin(2 * np.pi * np.arange(DAYS) / 7))
    mean = exposure * 0.018 * np.exp(rng.normal(0, 0.3, (made.arms, 1))) * left * day
    if noise:
        mean = mean * rng.gamma(1 / noise, noise, mean.shape)
    successes = np.where(np.isnan(mean), NAN, rng.poisson(np.nan_to_num(mean)).astype(float))
    lost = np.where(worn, 0.6 * -np.expm1(-seen[:, -1:] / scale), 0.0)[:, 0]
    return Shown(made, exposure, successes, lost)


@pytest.mark.parametrize("arms", [1, 2, 6])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("trend", [-0.4, 0.0])
def test_steady_ads_are_seldom_called_worn(arms: int, noise: float, trend: float) -> None:
    worn = shown(1, wearing=0.0, groups=1200 // arms, arms=arms, noise=noise, trend=trend).read().worn
    assert worn.mean() < 0.03  # the bar is 1 in 20


def test_worn_ads_are_found_and_what_they_lost_is_told() -> None:
    made = shown(2, wearing=0.4)
    found = made.read()
    assert found.worn[made.lost > 0.3].mean() > 0.8
    assert found.worn[made.lost == 0].mean() < 0.02
    assert np.abs(found.lost - made.lost).mean() < 0.08
    inside = (found.low90 <= made.lost + 1e-9) & (made.lost <= found.high90 + 1e-9)
    assert inside.mean() > 0.88


def test_probabilities_are_honest() -> None:
    made = shown(3, wearing=0.5, groups=250, a_day=1_000.0)
    found = made.read()
    sure = found.probability > 0.8
    assert sure.sum() > 100
    assert (made.lost[sure] > 0.1).mean() > 0.8


def test_more_loss_is_more_sure_and_the_limit_counts() -> None:
    exposure = np.full((4, DAYS), 2_000.0)
    slopes = np.array([0.0, 0.2, 0.4, 0.8])[:, None]
    successes = np.round(exposure * 0.02 * (1 - slopes * np.arange(DAYS) / DAYS))
    successes[0] = 40.0
    found = wear_out(exposure, successes, group=np.zeros(4, dtype=np.int64), maturity=np.ones(DAYS))
    assert (np.diff(found.lost) > 0).all()
    assert (np.diff(found.probability) >= -1e-9).all()
    assert (found.low90 <= found.lost).all()
    assert (found.lost <= found.high90).all()
    strict = wear_out(exposure, successes, group=np.zeros(4, dtype=np.int64), maturity=np.ones(DAYS), counts_from=0.5)
    assert (strict.probability <= found.probability).all()
    assert (strict.lost == found.lost).all()


def test_young_days_are_not_wear() -> None:
    group, maturity = np.repeat(np.arange(100), 3), np.linspace(1.0, 0.3, DAYS)
    exposure = np.full((300, DAYS), 3_000.0)
    reported = np.random.default_rng(4).poisson(exposure * 0.02 * maturity).astype(float)
    assert wear_out(exposure, reported, group=group, maturity=maturity).worn.mean() < 0.03


def test_without_rows_the_odds_are_even_and_nothing_is_called_worn() -> None:
    nothing = np.full((2, 5), NAN)
    found = wear_out(nothing, nothing, group=np.array([0, 1]), maturity=np.ones(5))
    assert found.probability == pytest.approx([0.5, 0.5])
    assert not found.worn.any()
    none = wear_out(nothing[:0], nothing[:0], group=np.zeros(0, dtype=np.int64), maturity=np.ones(5))
    assert none.lost.shape == (0,)


def test_the_unit_of_exposure_does_not_matter() -> None:
    made = shown(5, wearing=0.4, groups=10)
    other = wear_out(1e-3 * made.exposure, made.successes, group=made.groups.index, maturity=np.ones(DAYS))
    assert other.probability == pytest.approx(made.read().probability)


def test_bad_arguments_are_refused() -> None:
    made = shown(6, wearing=0.0, groups=1)
    with pytest.raises(ValueError, match="counts_from must be in"):
        made.read(counts_from=1.0)
    with pytest.raises(ValueError, match="level in"):
        made.read(level=1.0)
    with pytest.raises(ValueError, match=r"must both be \(2, T\)"):
        wear_out(made.exposure, made.successes, group=np.zeros(2, dtype=np.int64), maturity=np.ones(DAYS))
