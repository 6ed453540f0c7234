"""Limits on shares, whatever the policy: floors while evidence is thin, a largest step from day to day, and pins.

All are kept together by the shares nearest (least squares) to those asked for. Shares have shape (A,) and sum to 1 in
each group.
"""

from __future__ import annotations

import numpy as np

from bandits import thompson
from bandits.groups import FloatArray, Groups


def floors(expected: FloatArray, groups: Groups, *, floor: float, new_below: float, enough_from: float) -> FloatArray:
    """Return the least share of each arm, shape (A,): whole while it is new, falling to 0 as evidence comes in.

    Args:
        expected: Successes that were to be expected of each arm so far at its group's rate, shape (A,).
        groups: Of the arms.
        floor: Least share of a new arm, as a part of an equal share, in [0, 1].
        new_below: An arm is new below this many expected successes.
        enough_from: From this many on it has no floor; between the two the floor falls in a straight line.
    """
    span = max(enough_from - new_below, 0.0)
    # Without a span the line is a step at `new_below`.
    left = np.where(expected < new_below, 1.0, (new_below + span - expected) / span if span else 0.0)
    least: FloatArray = floor * np.clip(left, 0.0, 1.0) * thompson.uniform(groups)
    return least


def within_limits(
    share: FloatArray,
    groups: Groups,
    *,
    floor: FloatArray,
    share_now: FloatArray,
    largest_step: float,
    pinned: FloatArray | None = None,
) -> FloatArray:
    """Return the shares nearest to those asked for (least squares) that keep the floors, the largest step and the pins.

    A pin is kept to the letter. An arm moves by at most `largest_step` from its share of now, always, but where pins
    leave the group's other arms more or less than steps can reach. A floor is kept as far as that step allows; where
    the floors of a group together would need more than its other arms may give up, all are lowered in proportion. A
    group with no shares of now (all 0) has no step to keep.

    Args:
        share: Shares asked for, shape (A,).
        groups: Of the arms.
        floor: Least shares, at most 1 in sum over a group, shape (A,).
        share_now: Shares of now, which sum to 1 or 0 in each group, shape (A,).
        largest_step: Largest absolute change of a share, > 0.
        pinned: Shares that a person fixed, nan where the arm is free, shape (A,); None for no pins.

    Raises:
        ValueError: A pin is not in [0, 1], or a group's pins sum to more than 1 (or, if they are all arms, not to 1).
    """
    running = groups.spread(groups.sum(share_now)) > 0
    bottom = np.where(running, np.maximum(share_now - largest_step, 0), 0)
    top = np.where(running, np.minimum(share_now + largest_step, 1), 1)
    if pinned is not None:
        bottom, top = _around_pins(pinned, bottom, top, groups)
    wanted = np.clip(floor, bottom, top)
    room, asked = 1 - groups.sum(bottom), groups.sum(wanted - bottom)
    granted = np.minimum(room, asked) / np.where(asked > 0, asked, 1)
    return _project(share, bottom + groups.spread(granted) * (wanted - bottom), top, groups)


def _around_pins(
    pinned: FloatArray, bottom: FloatArray, top: FloatArray, groups: Groups
) -> tuple[FloatArray, FloatArray]:
    """Put pins as both bounds of their arms, and widen the others' bounds where these leave no solution."""
    fixed = ~np.isnan(pinned)
    values = np.where(fixed, pinned, 0.0)
    _check_pins(values, fixed, groups)
    rest = groups.spread(np.maximum(1 - groups.sum(values), 0.0))
    low, high = np.where(fixed, 0.0, bottom), np.where(fixed, 0.0, top)
    least, most = groups.spread(groups.sum(low)), groups.spread(groups.sum(high))
    low = low * np.where(least > rest, rest / np.where(least > 0, least, 1.0), 1.0)
    high = high + np.where(fixed, 0.0, np.maximum(rest - most, 0.0))
    return np.where(fixed, values, low), np.where(fixed, values, high)


def _check_pins(values: FloatArray, fixed: FloatArray, groups: Groups) -> None:
    bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if bad.size:
        raise ValueError(f"arm {bad[0]}: a pinned share must be between 0 and 1, not {values[bad[0]]:g}")
    total, free = groups.sum(values), groups.sum(np.where(fixed, 0.0, 1.0))
    off = np.flatnonzero((total > 1 + 1e-9) | ((free == 0) & (np.abs(total - 1) > 1e-9)))
    if off.size:
        first = groups.starts[off[0]]
        raise ValueError(f"arm {first}: the pinned shares of its group sum to {total[off[0]]:g}; free or change one")


def _project(share: FloatArray, low: FloatArray, high: FloatArray, groups: Groups) -> FloatArray:
    """Nearest point of {low <= s <= high, sum(s) = 1}: clip(share - t, low, high) at the root t, by bisection."""
    left, right = -groups.max(high - share), groups.max(share - low)
    for _ in range(60):
        middle = (left + right) / 2
        over = groups.sum(np.clip(share - groups.spread(middle), low, high)) > 1
        left, right = np.where(over, middle, left), np.where(over, right, middle)
    return np.clip(share - groups.spread((left + right) / 2), low, high)
