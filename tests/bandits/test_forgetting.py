from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bandits import dispersion
from bandits.forgetting import choose_gamma
from bandits.groups import FloatArray, Groups

DAYS = 40


def rows(
    drift: float, seed: int, *, groups: int = 60, a_day: float = 2_000.0, noise: float = 0.0
) -> tuple[FloatArray, FloatArray, Groups]:
    """Five arms a group whose log rates walk by `drift` a day, on days that vary by themselves."""
    rng = np.random.default_rng(seed)
    made = Groups.of(np.repeat(np.arange(groups), 5))
    exposure = rng.uniform(0.5, 1.5, (made.arms, DAYS)) * a_day
    start = np.log(0.018) + rng.normal(0, 0.5, groups)[made.index] + rng.normal(0, 0.24, made.arms)
    mean = exposure * np.exp(start[:, None] + np.cumsum(rng.normal(0, drift, exposure.shape), axis=1))
    if noise:
        mean *= rng.gamma(1 / noise, noise, mean.shape)
    return exposure, rng.poisson(mean).astype(float), made


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_steady_arms_are_hardly_forgotten(noise: float, seed: int) -> None:
    found = choose_gamma(*rows(0.0, seed, noise=noise), np.ones(DAYS))
    assert found.gamma >= 0.98
    assert found.dispersion == pytest.approx(noise)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_drifting_arms_are_forgotten_sooner(noise: float, seed: int) -> None:
    slow, fast = (choose_gamma(*rows(drift, seed, noise=noise), np.ones(DAYS)).gamma for drift in (0.02, 0.1))
    assert fast < 0.95
    assert fast <= slow < 0.99


def test_days_of_noise_are_not_taken_for_change() -> None:
    exposure, successes, groups = rows(0.0, 4, noise=0.2)
    assert choose_gamma(exposure, successes, groups, np.ones(DAYS)).gamma >= 0.98


def test_delay_is_not_taken_for_change() -> None:
    exposure, successes, groups = rows(0.0, 5)
    maturity = np.linspace(1.0, 0.3, DAYS)
    reported = np.random.default_rng(6).binomial(successes.astype(int), maturity).astype(float)
    assert choose_gamma(exposure, reported, groups, maturity).gamma >= 0.98


def test_what_befalls_whole_groups_is_no_reason_to_forget_their_order() -> None:
    exposure, _, groups = rows(0.0, 8)
    rng = np.random.default_rng(9)
    rate = 0.018 * np.exp(rng.normal(0, 0.24, (groups.arms, 1)))
    common = np.exp(np.cumsum(rng.normal(0, 0.08, (60, DAYS)), axis=1))[groups.index]
    successes = rng.poisson(exposure * rate * common).astype(float)
    assert choose_gamma(exposure, successes, groups, np.ones(DAYS)).gamma >= 0.98


def test_without_evidence_the_usual_discount_stands() -> None:
    nothing = np.full((3, 5), np.nan)
    groups = Groups.of(np.zeros(3, dtype=np.int64))
    assert choose_gamma(nothing, nothing, groups, np.ones(5)).gamma == 0.99
    none = Groups.of(np.zeros(0, dtype=np.int64))
    assert choose_gamma(nothing[:0], nothing[:0], none, np.ones(5)).gamma == 0.99
    thin = choose_gamma(np.full((3, 5), 10.0), np.eye(3, 5), groups, np.ones(5))
    assert thin.gamma == 0.99


def test_the_score_is_the_predictive_probability() -> None:
    exposure = np.array([[100.0, 120, 80, 90, 110]])
    successes = np.array([[2.0, 3, 0, 4, 1]])
    found = choose_gamma(exposure, successes, Groups.of(np.zeros(1, dtype=np.int64)), np.ones(5), candidates=(0.9,))
    expected = []
    for extra in (0.0, 0.02, 0.05, 0.1, 0.2, 0.5):
        total = 0.0
        for day in (3, 4):
            weight = 0.9 ** np.arange(day - 1, -1, -1)
            n, y = exposure[0, :day] @ weight, successes[0, :day] @ weight
            overall = (y + 0.5) / n
            a, b = 16 + y, 16 * (n + 2 / overall) / (y + 2) + n
            mean, size = exposure[0, day] * a / b, 1 / (1 / a + extra + 1 / 16)
            total += stats.nbinom.logpmf(successes[0, day], size, size / (size + mean))
            total += np.log(np.arange(1, successes[0, day] + 1)).sum()  # y!, which is left out
        expected.append(total)
    assert found.scores == pytest.approx([max(expected)])
    assert found.dispersion == (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)[int(np.argmax(expected))]


def test_many_groups_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    exposure, successes, groups = rows(0.0, 7, groups=30)
    monkeypatch.setattr(dispersion, "_SAMPLE_GROUPS", 15)
    half = choose_gamma(exposure, successes, groups, np.ones((groups.arms, DAYS)))
    kept = groups.index % 2 == 0
    again = choose_gamma(exposure[kept], successes[kept], Groups.of(groups.index[kept]), np.ones(DAYS))
    assert half.scores == pytest.approx(again.scores)


@pytest.mark.parametrize("candidates", [(), (0.0, 1.0), (0.9, 1.1)])
def test_candidates_out_of_range_are_refused(candidates: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="candidates must be above 0"):
        choose_gamma(*rows(0.0, 1, groups=1), np.ones(DAYS), candidates=candidates)
