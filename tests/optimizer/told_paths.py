"""Paths written as words: each letter is a touch of the channel of that name, a small letter a view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.measure.attribution.paths import Paths, Place

Told = tuple[str, int, int]
"""Touches, orders at the end, and their value in micros."""


def paths_of(told: Sequence[Told], channels: str = "ABC", view_weight: float = 1.0) -> Paths:
    """Paths of one person each, their touches a day apart and the last on the day of the order."""
    letters = "".join(touches for touches, _, _ in told)
    lengths = [len(touches) for touches, _, _ in told]
    ages = [back for length in lengths for back in range(length - 1, -1, -1)]
    return Paths(
        places=tuple(Place(name) for name in channels),
        codes=np.array([channels.index(letter.upper()) for letter in letters], dtype=np.int32),
        views=np.array([letter.islower() for letter in letters], dtype=np.bool_),
        ages=np.array(ages, dtype=np.float32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        orders=np.array([orders for _, orders, _ in told], dtype=np.int64),
        values=np.array([value for _, _, value in told], dtype=np.int64),
        persons=np.arange(len(told)),
        view_weight=view_weight,
    )
