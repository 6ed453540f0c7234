"""Paths as columns: what each person met before an order, or without one; ten millions of them fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a touch happened: a channel, and the campaign within it where that is known."""

    channel: str
    campaign: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Paths with and without orders; path p has the touches from `offsets[p]` to before `offsets[p + 1]`, oldest first.

    A path without touches is an order that nothing led to: it is credited to nobody, and reported as direct.

    Attributes:
        places: What the codes mean.
        codes: Of the touches, shape (touches,).
        views: Whether a touch is a view, shape (touches,).
        ages: Days from a touch to the end of its path, 0 or more, shape (touches,).
        offsets: Shape (paths + 1,).
        orders: Orders at the end of each path, 0 for a path that led to none, shape (paths,).
        values: What those orders brought, micros, shape (paths,).
        persons: Number of the person, shape (paths,).
        view_weight: What a view counts where a click counts 1, above 0 and at most 1.

    Raises:
        ValueError: Columns do not fit together, a code is unknown, or a number is out of its range.
    """

    places: tuple[Place, ...]
    codes: Ints
    views: npt.NDArray[np.bool_]
    ages: npt.NDArray[np.floating]
    offsets: Ints
    orders: Ints
    values: Ints
    persons: Ints
    view_weight: float = 1.0

    def __post_init__(self) -> None:
        touches, count = len(self.codes), len(self.orders)
        if len(self.views) != touches or len(self.ages) != touches:
            raise ValueError(f"codes, views and ages must be of one length, not {touches}, {len(self.views)}, ...")
        if not len(self.offsets) - 1 == count == len(self.values) == len(self.persons):
            raise ValueError(f"{count} paths need as many values and persons, and one offset more")
        if self.offsets[0] != 0 or self.offsets[-1] != touches or (np.diff(self.offsets) < 0).any():
            raise ValueError("offsets must rise from 0 to the number of touches")
        if touches and not (self.codes.min() >= 0 and self.codes.max() < len(self.places)):
            raise ValueError(f"a code is not one of the {len(self.places)} places")
        if not (self.ages >= 0).all() or (self.orders < 0).any():
            raise ValueError("ages and orders must be 0 or more")
        if len(set(self.places)) < len(self.places):
            raise ValueError("a place stands there twice")
        if not 0 < self.view_weight <= 1:
            raise ValueError(f"a view must count above 0 and at most 1, not {self.view_weight!r}")

    def __len__(self) -> int:
        return len(self.orders)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels, in the order in which the places name them first."""
        return tuple(dict.fromkeys(place.channel for place in self.places))

    def channel_codes(self) -> npt.NDArray[np.int64]:
        """The number of each place's channel, shape (places,)."""
        numbers = {name: number for number, name in enumerate(self.channels)}
        return np.array([numbers[place.channel] for place in self.places], dtype=np.int64)

    def by_channel(self) -> Paths:
        """The same paths with channels as places."""
        if all(place.campaign is None for place in self.places):
            return self
        places = tuple(Place(name) for name in self.channels)
        return self._with(places, self.channel_codes()[self.codes])

    def blocks(self, size: int) -> Iterator[Paths]:
        """Yield the paths in blocks of at most `size`, so that work on them takes bounded memory."""
        for first in range(0, len(self), size):
            last = min(first + size, len(self))
            start, end = int(self.offsets[first]), int(self.offsets[last])
            yield Paths(
                self.places,
                self.codes[start:end],
                self.views[start:end],
                self.ages[start:end],
                self.offsets[first : last + 1] - start,
                self.orders[first:last],
                self.values[first:last],
                self.persons[first:last],
                self.view_weight,
            )

    def owners(self) -> npt.NDArray[np.int64]:
        """The path of each touch, shape (touches,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))

    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of touches of each path, shape (paths,)."""
        return np.diff(self.offsets).astype(np.int64)

    def _with(self, places: tuple[Place, ...], codes: Ints) -> Paths:
        rest = (self.views, self.ages, self.offsets, self.orders, self.values, self.persons, self.view_weight)
        return Paths(places, codes, *rest)
