from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from bandits import crossed, pooling
from bandits.crossed import Division
from bandits.design import Design
from bandits.evidence import Evidence
from bandits.groups import FloatArray, Groups, IntArray
from bandits.labels import Labels
from bandits.pooling import Hyperprior, Pool, Rates


@dataclass(frozen=True)
class World:
    """Groups of 5 creatives x 4 audiences, and hidden rates."""

    groups: Groups
    creative: IntArray
    audience: IntArray
    evidence: Evidence
    rate: FloatArray

    @property
    def factors(self) -> tuple[IntArray, ...]:
        return self.creative, self.audience


def world(parts: tuple[float, float], seed: int, *, groups: int = 60, a_group: float = 15_000.0) -> World:
    """Rates whose variance within a group, .24^2, divides so; audiences are the same people in all groups."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), 20)
    creative = np.tile(np.repeat(np.arange(5), 4), groups) + 5 * group
    audience = np.tile(np.arange(4), 5 * groups)
    effects = np.sqrt(parts[0]) * rng.normal(size=5 * groups)[creative]
    effects += np.sqrt(parts[1]) * rng.normal(size=4)[audience]
    effects += np.sqrt(1 - sum(parts)) * rng.normal(size=group.size)
    rate = 0.018 * np.exp(rng.normal(0, 0.71, groups)[group] + 0.24 * effects)
    exposure = rng.uniform(0.2, 1.8, group.size) * a_group / 20
    successes = rng.poisson(exposure * rate).astype(float)
    return World(Groups.of(group), creative, audience, Evidence(successes, exposure), rate)


def learn(made: World) -> tuple[Rates, Rates]:
    """Arms by themselves, and through what they share."""
    pool = pooling.learn_pool(made.evidence, made.groups, Hyperprior())
    division = crossed.learn_division(made.evidence, made.groups, made.factors, pool)
    return (
        pooling.condition(made.evidence, made.groups, pool),
        crossed.condition(made.evidence, made.groups, made.factors, pool, division),
    )


def log_scores(rates: Rates, truth: FloatArray) -> FloatArray:
    arms = rates.arms()
    return stats.gamma.logpdf(truth, arms.shape, scale=1 / arms.rate)


def covered(rates: Rates, truth: FloatArray) -> float:
    low, high = rates.arms().interval(0.9)
    return float(((low <= truth) & (truth <= high)).mean())


def test_shared_effects_beat_arms_by_themselves() -> None:
    gain, every = [], []
    for seed in range(4):
        made = world((0.6, 0.25), seed)
        alone, together = learn(made)
        gain.append(log_scores(together, made.rate) - log_scores(alone, made.rate))
        every.append(covered(together, made.rate))
    won = np.concatenate(gain)
    assert won.mean() > 0.05
    assert won.mean() > 5 * won.std() / np.sqrt(won.size)
    assert np.mean(every) == pytest.approx(0.9, abs=0.03)


def test_effects_that_are_not_shared_do_no_harm() -> None:
    gain, every = [], []
    for seed in range(4):
        made = world((0.0, 0.0), seed)
        alone, together = learn(made)
        gain.append(log_scores(together, made.rate) - log_scores(alone, made.rate))
        every.append(covered(together, made.rate))
    assert np.concatenate(gain).mean() > -0.01
    assert np.mean(every) == pytest.approx(0.9, abs=0.03)


def test_parts_of_the_variance_are_recovered() -> None:
    found = []
    for seed in range(3):
        made = world((0.6, 0.0), seed, groups=100, a_group=100_000.0)
        pool = pooling.learn_pool(made.evidence, made.groups, Hyperprior())
        found.append(crossed.learn_division(made.evidence, made.groups, made.factors, pool).parts)
    assert np.mean(found, axis=0) == pytest.approx([0.6, 0.0], abs=0.15)


def test_a_new_ad_inherits_from_its_creative_elsewhere() -> None:
    groups = Groups.of(np.zeros(4, dtype=np.int64))
    creative = np.array([0, 0, 1, 1])
    evidence = Evidence(np.array([300.0, 0, 100, 0]), np.array([10_000.0, 0, 10_000, 0]))
    rates = crossed.condition(evidence, groups, [creative], Pool(np.log(0.02), 0.7, 16.0), Division((0.6,)))
    mean, sd = rates.arms().mean, rates.arms().sd
    assert mean[1] > 1.3 * mean[3]
    assert mean[0] > mean[1] > mean[3] > mean[2]
    assert (sd[[1, 3]] > 2 * sd[[0, 2]]).all()


def test_families_pool_creatives() -> None:
    groups = Groups.of(np.zeros(4, dtype=np.int64))
    evidence = Evidence(np.array([300.0, 0, 100, 0]), np.array([10_000.0, 0, 10_000, 0]))
    labels = Labels(creative=np.arange(4), family=np.array([0, 0, 1, 1]))
    assert [each.tolist() for each in crossed.telling(groups, labels.factors)] == [[0, 0, 1, 1]]
    rates = crossed.condition(
        evidence, groups, crossed.telling(groups, labels.factors), Pool(np.log(0.02), 0.7, 16.0), Division((0.5,))
    )
    assert rates.arms().mean[1] > 1.2 * rates.arms().mean[3]


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 2, 3], [0, 0, 1, 1], [-1, -1, -1, -1], [5, 5, 5, 5]],
    ids=["each its own", "the group again", "unknown", "all alike"],
)
def test_labels_that_tell_nothing_are_left_out(labels: list[int]) -> None:
    groups = Groups.of(np.array([0, 0, 1, 1]))
    assert crossed.telling(groups, [np.array(labels)]) == ()


def test_the_same_factor_twice_counts_once() -> None:
    groups = Groups.of(np.zeros(4, dtype=np.int64))
    assert len(crossed.telling(groups, [np.array([0, 0, 1, 1]), np.array([7, 7, 3, 3])])) == 1


def test_without_effects_the_rates_are_those_of_the_pool() -> None:
    made = world((0.0, 0.0), 3, groups=10)
    pool = Pool(np.log(0.018), 0.7, 16.0)
    alone = pooling.condition(made.evidence, made.groups, pool).arms()
    none = crossed.condition(made.evidence, made.groups, made.factors, pool, Division((0.0, 0.0)))
    assert none.arms().mean == pytest.approx(alone.mean, rel=1e-3)
    assert none.arms().sd == pytest.approx(alone.sd, rel=2e-3)
    assert none.group_rate == pytest.approx(pooling.condition(made.evidence, made.groups, pool).group_rate, rel=1e-3)


def test_draws_agree_with_the_marginals_and_share_the_creative() -> None:
    groups = Groups.of(np.zeros(4, dtype=np.int64))
    evidence = Evidence(np.array([3.0, 0, 1, 0]), np.array([150.0, 0, 100, 0]))
    pool = Pool(np.log(0.02), 0.1, 16.0)
    rates = crossed.condition(evidence, groups, [np.array([0, 0, 1, 1])], pool, Division((0.8,)))
    n = 100_000
    draws, arms = rates.draws(n, np.random.default_rng(2)), rates.arms()
    assert (np.abs(draws.mean(axis=0) - arms.mean) < 6 * arms.sd / np.sqrt(n)).all()
    assert draws.std(axis=0) == pytest.approx(arms.sd, rel=0.03)
    together = np.corrcoef(np.log(draws).T)
    assert together[0, 1] > together[0, 3] + 0.3


def test_posterior_agrees_with_importance_sampling() -> None:
    groups = Groups.of(np.zeros(3, dtype=np.int64))
    creative = np.array([0, 0, 1])
    evidence = Evidence(np.array([9.0, 1, 3]), np.array([300.0, 100, 300]))
    pool, division = Pool(np.log(0.02), 0.5, 16.0), Division((0.6,))
    arms = crossed.condition(evidence, groups, [creative], pool, division).arms()
    variance, rng, n = np.log1p(1 / 16), np.random.default_rng(1), 150_000
    eta = rng.normal(np.log(0.02) - 0.3 * variance, 0.5, (n, 1))
    x = eta + rng.normal(0, np.sqrt(0.6 * variance), (n, 2))[:, creative]
    nu = 1 / np.expm1(0.4 * variance)
    weight = np.exp(stats.nbinom.logpmf(evidence.successes, nu, nu / (nu + evidence.exposure * np.exp(x))).sum(axis=1))
    theta = (nu + evidence.successes) / (nu * np.exp(-x) + evidence.exposure)
    mean = weight @ theta / weight.sum()
    second = weight @ (theta**2 * (1 + 1 / (nu + evidence.successes))) / weight.sum()
    assert arms.mean == pytest.approx(mean, rel=0.03)
    assert arms.sd == pytest.approx(np.sqrt(second - mean**2), rel=0.06)


def test_blocks_by_group_and_all_at_once_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made, rng = world((0.6, 0.25), 5, groups=7), np.random.default_rng(6)
    uneven = Groups.of(np.sort(rng.integers(0, 5, made.groups.arms)))
    pool, division = Pool(np.log(0.018), 0.7, 16.0), Division((0.4, 0.3))

    def found() -> tuple[FloatArray, FloatArray]:
        rates = crossed.condition(made.evidence, uneven, made.factors, pool, division)
        return rates.log_mean, rates.log_sd

    monkeypatch.setattr("bandits.design._FEW", 0)
    design = Design.of(uneven, made.factors)
    assert design.spanning.shape[1] >= 4
    assert design.home.size > 0
    blocks = found()
    monkeypatch.setattr("bandits.design._FEW", 10_000)
    assert Design.of(uneven, made.factors).home.size == 0
    dense = found()
    assert blocks[0] == pytest.approx(dense[0], abs=1e-6)
    assert blocks[1] == pytest.approx(dense[1], rel=1e-6)


def test_the_inverse_is_the_inverse() -> None:
    groups = Groups.of(np.array([0, 0, 0, 1, 1, 2]))
    factors = [np.array([0, 0, 1, 2, -1, 3]), np.array([0, 1, 0, 1, 0, 1])]
    rng = np.random.default_rng(4)
    weight = rng.uniform(0, 5, 6)
    design = Design.of(groups, factors)
    z = np.hstack([design.local.toarray(), design.spanning])
    assert (z.sum(axis=1) == 3).all()
    precision = rng.uniform(1, 2, z.shape[1])
    whole = z.T @ (weight[:, None] * z) + np.diag(precision)
    solved = design.solved(weight, precision)
    slope = rng.normal(size=z.shape[1])
    own, far = solved.roots()
    assert solved.apply(slope) == pytest.approx(np.linalg.solve(whole, slope))
    assert solved.log_det == pytest.approx(np.linalg.slogdet(whole)[1])
    assert own @ own.T + far @ far.T == pytest.approx(z @ np.linalg.inv(whole) @ z.T)


def test_levels_beyond_what_can_span_have_an_effect_in_each_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bandits.design._FEW", 0)
    monkeypatch.setattr("bandits.design._MOST_SPANNING", 1)
    groups = Groups.of(np.repeat(np.arange(3), 2))
    design = Design.of(groups, [np.array([0, 1, 0, 1, 0, 9])])
    assert design.spanning.shape[1] == 1
    assert design.spanning.sum() == 3  # label 0 spans; label 1 and 9 do not
    assert design.local.sum() == 6 + 3


def test_a_division_leaves_something_for_the_arm() -> None:
    with pytest.raises(ValueError, match="leave something for the arm"):
        Division((0.6, 0.4))
    with pytest.raises(ValueError, match="not be negative"):
        Division((-0.1,))
    made = world((0.0, 0.0), 1, groups=2)
    with pytest.raises(ValueError, match="1 parts does not suit 2 factors"):
        crossed.condition(made.evidence, made.groups, made.factors, Pool(-4.0, 0.7, 16.0), Division((0.1,)))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"arm": np.array([4, 5, 4])}, r"arm 4 is in two groups: 0 \(row 0\) and 1 \(row 2\)"),
        ({"arm": np.array([4, 4, 5])}, "arm 4 stands twice, in rows 0 and 1"),
        ({"creative": np.array([1, 2])}, "group names 3 arms, the labels 2"),
    ],
)
def test_labels_that_contradict_the_groups_are_refused(labels: dict[str, IntArray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Labels(**labels).check(np.array([0, 0, 1]))


def test_labels_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(ValueError, match=r"creative 3 is in two families: 0 \(row 0\) and 1 \(row 2\)"):
        Labels(creative=np.array([3, 4, 3]), family=np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="labels must be of the same arms"):
        Labels(creative=np.array([3, 4, 3]), family=np.array([0, 0]))
    with pytest.raises(ValueError, match="audience must hold one integer per arm, not float64"):
        Labels(audience=np.zeros(3))  # type: ignore[arg-type]
    Labels(creative=np.array([3, -1, -1]), family=np.array([0, 0, 1])).check(np.array([0, 0, 1]))
