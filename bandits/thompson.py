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


def within_limits(
    share: FloatArray, groups: Groups, *, floor: FloatArray, share_now: FloatArray, largest_step: float
) -> FloatArray:
    """Return the shares nearest to those asked for (least squares) that keep the floors and the largest step.

    An arm moves by at most `largest_step` from its share of now, always. A floor is kept as far as that step allows;
    where the floors of a group together would need more than its other arms may give up, all are lowered in
    proportion. A group with no shares of now (all 0) has no step to keep.

    Args:
        share: Shares asked for, shape (A,).
        groups: Of the arms.
        floor: Least shares, at most 1 in sum over a group, shape (A,).
        share_now: Shares of now, which sum to 1 or 0 in each group, shape (A,).
        largest_step: Largest absolute change of a share, > 0.
    """
    running = groups.spread(groups.sum(share_now)) > 0
    bottom = np.where(running, np.maximum(share_now - largest_step, 0), 0)
    top = np.where(running, np.minimum(share_now + largest_step, 1), 1)
    wanted = np.clip(floor, bottom, top)
    room, asked = 1 - groups.sum(bottom), groups.sum(wanted - bottom)
    granted = np.minimum(room, asked) / np.where(asked > 0, asked, 1)
    return _project(share, bottom + groups.spread(granted) * (wanted - bottom), top, groups)


def _project(share: FloatArray, low: FloatArray, high: FloatArray, groups: Groups) -> FloatArray:
    """Nearest point of {low <= s <= high, sum(s) = 1}: clip(share - t, low, high) at the root t, by bisection."""
    left, right = -groups.max(high - share), groups.max(share - low)
    for _ in range(60):
        middle = (left + right) / 2
        over = groups.sum(np.clip(share - groups.spread(middle), low, high)) > 1
        left, right = np.where(over, middle, left), np.where(over, right, middle)
    return np.clip(share - groups.spread((left + right) / 2), low, high)
