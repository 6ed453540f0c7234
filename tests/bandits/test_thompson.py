from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import thompson
from bandits.groups import Groups

GROUPS = Groups.of(np.array([0, 0, 1, 1, 1, 2]))


def test_uniform() -> None:
    assert thompson.uniform(GROUPS) == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 1])


def test_thompson_counts_wins_and_divides_ties() -> None:
    draws = np.array([[2.0, 1, 5, 5, 1, 0], [0, 1, 1, 2, 3, 0], [3, 1, 1, 2, 3, 9], [3, 3, 4, 4, 4, 9]])
    share = thompson.thompson(draws, GROUPS)
    assert share == pytest.approx([2.5 / 4, 1.5 / 4, (1 / 2 + 1 / 3) / 4, (1 / 2 + 1 / 3) / 4, (2 + 1 / 3) / 4, 1])


def test_thompson_of_two_normals_is_the_normal_integral() -> None:
    n = 200_000
    draws = np.random.default_rng(1).normal([1.0, 0.0], [1.0, np.sqrt(3)], size=(n, 2))
    share = thompson.thompson(draws, Groups.of(np.array([0, 0])))
    assert share[0] == pytest.approx(0.6914625, abs=5.5 * 0.5 / np.sqrt(n))  # Phi(1 / 2)
    calm = thompson.tempered(draws, np.array([1.0, 0.0]), Groups.of(np.array([0, 0])), np.array(0.5))
    assert calm[0] == pytest.approx(0.8413447, abs=5.5 * 0.5 / np.sqrt(n))  # Phi(1)


def test_epsilon_greedy() -> None:
    mean = np.array([1.0, 2, 3, 3, 1, 0])
    share = thompson.epsilon_greedy(mean, GROUPS, 0.3)
    assert share == pytest.approx([0.15, 0.85, 0.45, 0.45, 0.1, 1])


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_policies_share_out_each_group_and_follow_a_permutation(seed: int, temper: float) -> None:
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, 5, 14))
    groups = Groups.of(labels)
    draws, mean = rng.gamma(2.0, size=(30, 14)), rng.gamma(2.0, size=14)
    order = np.lexsort([rng.random(14), labels])
    for policy in (
        lambda d, m: thompson.thompson(d, groups),
        lambda d, m: thompson.tempered(d, m, groups, np.array(temper)),
        lambda d, m: thompson.epsilon_greedy(m, groups, temper),
    ):
        share = policy(draws, mean)
        assert groups.sum(share) == pytest.approx(np.ones(groups.starts.size))
        assert (share >= 0).all()
        assert policy(draws[:, order], mean[order]) == pytest.approx(share[order])


def test_temper_runs_from_greedy_to_thompson() -> None:
    rng = np.random.default_rng(2)
    draws, mean = rng.normal(size=(500, 6)), np.array([0.1, 0, 0, 0.1, 0, 0])
    assert (thompson.tempered(draws, mean, GROUPS, np.array(0.0)) == [1, 0, 0, 1, 0, 1]).all()
    assert (thompson.tempered(draws, mean, GROUPS, np.array(1.0)) == thompson.thompson(draws, GROUPS)).all()


def test_parts_outside_zero_and_one_are_refused() -> None:
    with pytest.raises(ValueError, match="temper must be between 0 and 1"):
        thompson.tempered(np.ones((1, 6)), np.ones(6), GROUPS, np.array(1.5))
    with pytest.raises(ValueError, match="epsilon must be between 0 and 1"):
        thompson.epsilon_greedy(np.ones(6), GROUPS, -0.1)
