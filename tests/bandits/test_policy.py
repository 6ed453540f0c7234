from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bandits import thompson
from bandits.groups import FloatArray, Groups
from bandits.policy import (
    EpsilonGreedy,
    Outlook,
    Part,
    Policy,
    Rule,
    TemperedThompson,
    Thompson,
    TopTwo,
    Uniform,
    UpperBound,
    assign,
    share_out,
)
from bandits.posterior import GammaPoisson

PAIR = Groups.of(np.array([0, 0]))
DRAWS = 40_000


class Independent:
    """A joint posterior of independent gamma rates with prior exposure `rate`."""

    def __init__(self, marginal: GammaPoisson) -> None:
        self.marginal = marginal

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        return self.marginal.draws(n, rng)

    def learnable(self, ahead: FloatArray) -> FloatArray:
        return ahead / (self.marginal.rate + ahead)


def outlook(shape: list[float], rate: list[float], groups: Groups, daily: float = 10.0) -> Outlook:
    marginal = GammaPoisson(np.array(shape), np.array(rate))
    return Outlook(groups, marginal, Independent(marginal), np.full(groups.arms, daily))


def shares(policy: Policy, seen: Outlook, n: int = DRAWS) -> FloatArray:
    return share_out(policy, seen, n, np.random.default_rng(3)).share


NEAR = outlook([6.0, 4.0], [100.0, 100.0], PAIR)
# P(Gamma(6) > Gamma(4)) with one rate: the share of a beta(6, 4) above a half.
BETTER = float(stats.beta.sf(0.5, 6, 4))
ERROR = 5.5 * 0.5 / np.sqrt(DRAWS)


def test_thompson_is_the_probability_of_being_best() -> None:
    assert shares(Thompson(), NEAR)[0] == pytest.approx(BETTER, abs=ERROR)


@pytest.mark.parametrize("policy", [Thompson(), TemperedThompson(), Uniform(), UpperBound(), TopTwo(), EpsilonGreedy()])
def test_p_best_is_that_of_the_posterior_whatever_the_policy(policy: Policy) -> None:
    advice = share_out(policy, NEAR, DRAWS, np.random.default_rng(3))
    assert advice.p_best[0] == pytest.approx(BETTER, abs=ERROR)


def test_the_tempered_rule_explores_more_where_more_can_be_learnt() -> None:
    few, many = (outlook([6.0, 4.0], [100.0, 100.0], PAIR, daily) for daily in (1.0, 1e6))
    assert shares(TemperedThompson(0.4, 14), few)[1] < shares(TemperedThompson(0.4, 14), many)[1] < 1 - BETTER
    assert TemperedThompson(0.4, 14).temper(few) == pytest.approx(0.4 * np.sqrt(14 / 114) * np.ones(2))
    assert shares(TemperedThompson(0.4, 0), NEAR) == pytest.approx([1, 0]), "the last day has nothing to learn for"
    whole = share_out(TemperedThompson(1, 1e12), NEAR, 500, np.random.default_rng(3))
    assert whole.share == pytest.approx(whole.p_best, abs=0.01)


def test_top_two_by_hand() -> None:
    groups = Groups.of(np.array([0, 0, 0, 1]))
    seen = outlook([1.0] * 4, [1.0] * 4, groups)
    wins = np.array([0.5, 0.3, 0.2, 1.0])
    many = TopTwo(0.6, draws=10**9)  # so many that the equal share has no weight
    first = 0.6 * 0.5 + 0.4 * 0.5 * (0.3 / 0.7 + 0.2 / 0.8)
    assert many.shares(seen, wins)[[0, 3]] == pytest.approx([first, 1.0])
    assert TopTwo(1.0, draws=10**9).shares(seen, wins) == pytest.approx(wins)


def test_top_two_keeps_a_challenger_when_the_best_is_beyond_doubt() -> None:
    clear = outlook([900.0, 100.0, 100.0], [1000.0] * 3, Groups.of(np.zeros(3, dtype=np.int64)))
    assert shares(TopTwo(draws=400), clear, 400) == pytest.approx([0.5, 0.25, 0.25], abs=0.01)
    assert shares(Thompson(), clear, 400) == pytest.approx([1, 0, 0])


def test_arms_that_stopped_are_drawn_by_blocks_however_many_they_are() -> None:
    """Two of 300,000 arms run."""
    asked: list[int] = []

    class Many(Independent):
        def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
            asked.append(n)
            return np.broadcast_to(rng.random((n, 1)), (n, 300_000))

    chosen = np.zeros(300_000, dtype=np.bool_)
    chosen[[3, 70_000]] = True
    drawn = Part(Many(GammaPoisson(np.ones(1), np.ones(1))), chosen).draws(20, np.random.default_rng(3))
    assert (drawn.shape, sum(asked)) == ((20, 2), 20)
    assert max(asked) * chosen.size <= 2_000_000


def test_a_part_is_the_posterior_of_the_arms_that_were_chosen() -> None:
    whole = outlook([6.0, 900.0, 4.0], [100.0, 100.0, 100.0], Groups.of(np.zeros(3, dtype=np.int64)))
    part = Part(whole.joint, np.array([True, False, True]))
    some = part.draws(5, np.random.default_rng(1))
    assert (some == whole.joint.draws(5, np.random.default_rng(1))[:, [0, 2]]).all()
    assert part.learnable(np.array([100.0, 300.0])) == pytest.approx([0.5, 0.75])
    seen = Outlook(PAIR, NEAR.marginal, part, np.full(2, 10.0))
    assert share_out(Thompson(), seen, DRAWS, np.random.default_rng(3)).share[0] == pytest.approx(BETTER, abs=ERROR)


def test_epsilon_and_uniform_by_hand() -> None:
    assert shares(EpsilonGreedy(0.2), NEAR, 1) == pytest.approx([0.9, 0.1])
    assert shares(Uniform(), NEAR, 1) == pytest.approx([0.5, 0.5])


def test_the_upper_bound_prefers_what_is_less_known() -> None:
    seen = outlook([60.0, 5.5], [1000.0, 100.0], PAIR)
    high = stats.gamma.ppf(0.9, [60.0, 5.5], scale=[1 / 1000.0, 1 / 100.0])
    assert high[1] > high[0]
    assert shares(UpperBound(0.9), seen, 1) == pytest.approx([0, 1])
    assert shares(UpperBound(0.501), seen, 1) == pytest.approx([1, 0])


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(list(Rule)), st.floats(0, 60))
def test_every_rule_shares_out_each_group(seed: int, rule: Rule, horizon: float) -> None:
    rng = np.random.default_rng(seed)
    groups = Groups.of(np.sort(rng.integers(0, 4, 9)))
    seen = outlook(list(rng.gamma(1.0, 5.0, 9) + 0.1), list(rng.gamma(1.0, 100.0, 9) + 1), groups)
    advice = share_out(rule.policy(horizon), seen, 30, rng)
    for values in (advice.share, advice.p_best):
        assert groups.sum(values) == pytest.approx(np.ones(groups.starts.size))
        assert (values >= 0).all()
    assert advice.share[groups.spread(groups.sizes.astype(float)) == 1] == pytest.approx(1.0)


def test_the_tempered_rule_takes_its_horizon_from_the_settings() -> None:
    assert Rule("tempered").policy(5.0) == TemperedThompson(horizon=5.0)
    assert Rule("top-two").policy(5.0) == TopTwo()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TemperedThompson(constant=1.1), "constant must be between 0 and 1"),
        (lambda: TemperedThompson(horizon=-1), "horizon must be finite and not negative"),
        (lambda: TemperedThompson(horizon=np.inf), "horizon must be finite"),
        (lambda: TopTwo(beta=0.0), "beta must be above 0"),
        (lambda: TopTwo(draws=0), "draws at least 1"),
        (lambda: EpsilonGreedy(np.nan), "epsilon must be between 0 and 1"),
        (lambda: UpperBound(0.5), "quantile must be above 0.5"),
        (lambda: Rule.TEMPERED.policy(-2.0), "horizon must be finite and not negative"),
        (lambda: share_out(Uniform(), NEAR, 0, np.random.default_rng(1)), "n must be at least 1"),
        (lambda: Outlook(PAIR, NEAR.marginal, NEAR.joint, np.ones(3)), "daily must be of shape"),
    ],
)
def test_parameters_out_of_range_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


def test_assignments_follow_the_shares_and_carry_their_propensity() -> None:
    groups = Groups.of(np.array([0, 0, 0, 1, 2, 2]))
    share = np.array([0.5, 0.0, 0.5, 1.0, 0.9, 0.1])
    asked = np.repeat(np.array([2, 0, 1]), 60_000)
    got = assign(share, groups, asked, np.random.default_rng(9))
    assert (groups.index[got.arm] == asked).all()
    assert (got.propensity == share[got.arm]).all()
    counts = np.bincount(got.arm, minlength=6) / 60_000
    assert counts == pytest.approx(share, abs=5.5 * 0.5 / np.sqrt(60_000))
    assert counts[1] == 0


@given(st.integers(0, 2**32))
def test_an_assignment_never_leaves_its_group_or_picks_what_has_no_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = Groups.of(np.sort(rng.integers(0, 6, 20)))
    raw = rng.gamma(0.2, size=20) * (rng.random(20) < 0.6)
    raw[groups.starts] += 1e-9
    share = raw / groups.spread(groups.sum(raw))
    asked = rng.integers(0, groups.starts.size, 500)
    got = assign(share, groups, asked, rng)
    assert (groups.index[got.arm] == asked).all()
    assert (got.propensity > 0).all()
    assert got.propensity == pytest.approx(share[got.arm])


@pytest.mark.parametrize(
    ("share", "asked", "words"),
    [
        ([0.5, 0.4], [0], "group 0: its shares sum to 0.9"),
        ([1.5, -0.5], [0], "finite and not negative"),
        ([0.5, 0.5], [1], "group must be 0 to 0"),
        ([0.5, 0.5], [-1], "group must be 0 to 0"),
    ],
)
def test_assignments_that_make_no_sense_are_refused(share: list[float], asked: list[int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        assign(np.array(share), PAIR, np.array(asked), np.random.default_rng(1))


def test_logged_shares_make_an_unbiased_estimate_of_another_policy() -> None:
    """What `assign` logs is what inverse propensities need: the weights of another policy average 1."""
    rng = np.random.default_rng(4)
    got = assign(np.array([0.7, 0.3]), PAIR, np.zeros(50_000, dtype=np.int64), rng)
    weight = thompson.uniform(PAIR)[got.arm] / got.propensity
    assert weight.mean() == pytest.approx(1, abs=5.5 * weight.std() / np.sqrt(50_000))
