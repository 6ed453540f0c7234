"""What the slow tier tells the fast one: how fast to forget, and from which spreads to start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandits import BanditSettings
from bandits.hierarchy import LEAST_GAMMA, forgetting, informed
from bandits.policy import Policy, TemperedThompson, TopTwo
from bandits.pooling import Hyperprior

PLAIN = BanditSettings()


@pytest.mark.parametrize(("drift", "daily", "excess"), [(0.03, 2.0, 0.0), (0.1, 0.5, 0.2), (0.01, 40.0, 0.05)])
def test_gamma_is_the_steady_state_of_the_kalman_filter(drift: float, daily: float, excess: float) -> None:
    noise, variance = 1 / daily + excess, 1.0
    for _ in range(20_000):
        before = variance + drift**2
        gain = before / (before + noise)
        variance = (1 - gain) * before
    gamma = forgetting(drift, daily=daily, excess=excess)
    assert gamma == pytest.approx(1 - gain, abs=1e-9)
    assert (1 - gamma) * noise == pytest.approx(variance, rel=1e-6), "what discounted sums believe of their own error"


def test_no_other_gamma_tracks_a_wandering_rate_better() -> None:
    """Sixty thousand steps of a walk: the mean squared error of one day ahead, for gammas around it."""
    rng = np.random.default_rng(1)
    drift, daily = 0.05, 4.0
    steps, walkers = 3000, 20
    truth = np.cumsum(rng.normal(0, drift, (steps, walkers)), axis=0)
    seen = truth + rng.normal(0, daily**-0.5, truth.shape)
    best = forgetting(drift, daily=daily, excess=0.0)

    def error(gamma: float) -> float:
        guess, total = seen[0], 0.0
        for day in range(1, steps):
            total += float(((guess - truth[day]) ** 2).mean()) * (day > 500)
            guess = gamma * guess + (1 - gamma) * seen[day]
        return total

    assert error(best) < min(error(best - 0.06), error(best + 0.06))


def test_gamma_falls_from_one() -> None:
    assert forgetting(0.0, daily=5.0, excess=0.0) == 1.0
    assert forgetting(0.1, daily=0.0, excess=0.0) == 1.0
    falling = [forgetting(drift, daily=2.0, excess=0.1) for drift in (0.001, 0.01, 0.05, 2.0)]
    assert falling == sorted(falling, reverse=True)
    assert 0 < falling[-1] < 0.3
    assert 1 - forgetting(1e-9, daily=1.0, excess=0.0) == pytest.approx(1e-9, rel=1e-6)


@pytest.mark.parametrize("bad", [{"drift": -1.0}, {"daily": np.nan}, {"excess": np.inf}])
def test_bad_numbers_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be finite"):
        forgetting(**({"drift": 0.1, "daily": 1.0, "excess": 0.0} | bad))


def learnt(**changes: object) -> BanditSettings:
    plain = {
        "log_strength": (np.log(30.0), 0.2),
        "log_spread": (np.log(0.5), 0.3),
        "drift": 0.05,
        "excess": 0.1,
        "daily": 2.0,
    }
    return informed(PLAIN, **(plain | changes))  # type: ignore[arg-type]


def test_settings_start_from_what_was_learnt() -> None:
    prior = learnt().hyperprior
    assert (prior.strength, prior.strength_sd, prior.spread, prior.spread_sd) == pytest.approx((30.0, 0.2, 0.5, 0.3))
    assert learnt(drift=0.01).gamma == forgetting(0.01, daily=2.0, excess=0.1) > LEAST_GAMMA
    assert learnt(drift=0.5).gamma == LEAST_GAMMA
    assert replace(learnt(), hyperprior=PLAIN.hyperprior, gamma=PLAIN.gamma) == PLAIN


def test_where_ads_differ_more_the_draws_of_a_new_one_spread_no_wider() -> None:
    unlike = learnt(log_strength=(np.log(4.0), 0.2))
    assert unlike.temper / np.sqrt(4.0) == pytest.approx(PLAIN.temper / np.sqrt(PLAIN.hyperprior.strength))


def test_a_policy_that_was_asked_for_is_tempered_like_the_settings() -> None:
    def rule(policy: Policy) -> Policy:
        learnt_from = {"log_spread": None, "drift": None, "excess": 0.1, "daily": 2.0}
        return informed(replace(PLAIN, policy=policy), log_strength=(np.log(4.0), 0.2), **learnt_from).rule

    assert rule(TemperedThompson(0.4, 30.0)) == TemperedThompson(0.2, 30.0)
    assert rule(TopTwo()) == TopTwo()


def test_what_was_not_learnt_stays_and_ads_never_look_more_alike_than_the_cap() -> None:
    kept = learnt(log_spread=None, drift=None, log_strength=(9.0, 1e-9))
    cap = Hyperprior().strength_cap
    assert (kept.hyperprior.spread, kept.hyperprior.spread_sd, kept.gamma) == (0.7, 0.5, 0.99)
    assert (kept.hyperprior.strength, kept.hyperprior.strength_sd) == (cap, 0.05)
    assert learnt(log_strength=(1000.0, 1.0)).hyperprior.strength == cap


def test_a_belief_that_is_none_is_refused() -> None:
    for wrong in ((np.nan, 1.0), (0.0, 0.0)):
        with pytest.raises(ValueError, match="positive sd"):
            learnt(log_strength=wrong)
