"""Policies: from posterior draws to the share of its group that each arm should get.

A platform that rotates ads by share shows each arm with that probability: the shares are the policy's propensities,
and logging them is what makes off-policy estimates possible. Draws have shape (n, A); shares have shape (A,) and sum to
1 in each group. Thompson's rule is W. R. Thompson (1933), Biometrika 25, 285-294.
"""

from __future__ import annotations

import numpy as np

from bandits.groups import FloatArray, Groups


def uniform(groups: Groups) -> FloatArray:
    """Give every arm of a group the same share."""
    return groups.spread(1 / groups.sizes)


def epsilon_greedy(mean: FloatArray, groups: Groups, epsilon: float) -> FloatArray:
    """Share epsilon evenly, and give the rest to the arm with the largest mean; arms that tie divide it.

    Raises:
        ValueError: epsilon is not between 0 and 1.
    """
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must be between 0 and 1, not {epsilon}")
    return epsilon * uniform(groups) + (1 - epsilon) * thompson(mean[np.newaxis], groups)


def thompson(draws: FloatArray, groups: Groups) -> FloatArray:
    """Return how often each arm is the best of its group, over the draws; arms that tie divide the draw."""
    wins = draws == groups.spread(groups.max(draws))
    if np.count_nonzero(wins) == len(draws) * groups.starts.size:  # no ties: half the work
        return np.asarray(wins.mean(axis=0))
    ways = groups.sum(wins.astype(np.float64))
    return np.asarray((wins / groups.spread(ways)).mean(axis=0))


def tempered(draws: FloatArray, mean: FloatArray, groups: Groups, temper: FloatArray) -> FloatArray:
    """Thompson's rule on draws drawn towards the posterior mean: the posterior's sd times `temper`.

    1 is Thompson's rule, 0 is greedy. Below 1 the shares lean to the arms that lead: worth it where few successes come
    in before the arms are replaced, as with creatives (docs/bandits.md gives what was measured).

    Raises:
        ValueError: temper is not between 0 and 1.
    """
    if not ((temper >= 0) & (temper <= 1)).all():
        raise ValueError(f"temper must be between 0 and 1, not {temper}")
    return thompson(mean + temper * (draws - mean), groups)
