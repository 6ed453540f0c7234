"""Models that look at one path at a time: how each touch shares in the orders that its path ended with.

Each function returns shares of shape (touches,), 0 or more, that sum to 1 over every path that has touches. A view
counts `Paths.view_weight` of a click where touches are weighed; where a single touch is picked, clicks go before views.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.measure.attribution.paths import Floats, Paths

FIRST_SHARE: Final = 0.4
"""What position-based models give to the first and to the last touch; those between share the rest."""


def first_click(paths: Paths) -> Floats:
    """All to the first click; to the first view where there is no click."""
    return _picked(paths, first=True)


def last_click(paths: Paths) -> Floats:
    """All to the last click; to the last view where there is no click."""
    return _picked(paths, first=False)


def linear(paths: Paths) -> Floats:
    """The same to each touch."""
    return _normal(paths, np.ones(len(paths.codes)))


def time_decay(paths: Paths, half_life_days: float) -> Floats:
    """To each touch by its age: half as much as to one that is a half-life younger.

    Raises:
        ValueError: The half-life is not above 0.
    """
    if not half_life_days > 0:
        raise ValueError(f"half_life_days must be above 0, not {half_life_days!r}")
    # Ages count from the youngest touch of a path, so that no path is so old that all of it rounds to nothing.
    filled = paths.lengths() > 0
    youngest = np.zeros(len(paths))
    youngest[filled] = paths.ages[paths.offsets[1:][filled] - 1]
    return _normal(paths, np.exp2((youngest[paths.owners()] - paths.ages) / half_life_days))


def position_based(paths: Paths) -> Floats:
    """40% to the first touch, 40% to the last, the rest to those between; half to each of two."""
    lengths = paths.lengths()[paths.owners()]
    between = (1 - 2 * FIRST_SHARE) / np.maximum(lengths - 2, 1)
    shares = np.where(lengths <= 2, 1.0, between)
    filled = paths.lengths() > 0
    ends = np.concatenate([paths.offsets[:-1][filled], paths.offsets[1:][filled] - 1])
    shares[ends] = np.where(lengths[ends] <= 2, 1.0, FIRST_SHARE)
    return _normal(paths, shares)


def shapley_additive(paths: Paths) -> Floats:
    """The Shapley value where a coalition is worth the orders of all paths whose channels lie within it.

    A path with the channels T is worth 1 to each coalition that holds T: the game is a sum of unanimity games, whose
    value is 1/|T| to each member (Zhao, Mahboobi and Bagheri 2018, "Shapley Value Methods for Attribution Modeling in
    Online Advertising", the simplified formula). That is exact for any number of channels. Within its channel a touch
    has an equal part of what the channel has.
    """
    channels = paths.channel_codes()[paths.codes] if len(paths.places) else np.empty(0, dtype=np.int64)
    keys = paths.owners() * max(len(paths.places), 1) + channels
    distinct, inverse, times = np.unique(keys, return_inverse=True, return_counts=True)
    many = np.bincount(distinct // max(len(paths.places), 1), minlength=len(paths))
    return _normal(paths, 1 / (times[inverse] * many[paths.owners()]), weighed=False)


def _picked(paths: Paths, *, first: bool) -> Floats:
    """1 to one touch of each path: the first or the last click, or view where there is no click."""
    count = len(paths.codes)
    shares = np.zeros(count)
    filled = paths.lengths() > 0
    places = np.arange(count)
    if first:
        clicked = (
            np.minimum.reduceat(np.where(paths.views, count, places), paths.offsets[:-1][filled]) if count else places
        )
        seen = paths.offsets[:-1][filled]
        chosen = np.where(clicked < count, clicked, seen)
    else:
        clicked = (
            np.maximum.reduceat(np.where(paths.views, -1, places), paths.offsets[:-1][filled]) if count else places
        )
        chosen = np.where(clicked >= 0, clicked, paths.offsets[1:][filled] - 1)
    shares[chosen] = 1.0
    return shares


def _normal(paths: Paths, shares: npt.NDArray[np.floating], *, weighed: bool = True) -> Floats:
    """Let views count less, and each path sum to 1."""
    if weighed:
        shares = np.where(paths.views, paths.view_weight, 1.0) * shares
    owners = paths.owners()
    return np.asarray(shares / np.bincount(owners, shares, minlength=len(paths))[owners], dtype=np.float64)
