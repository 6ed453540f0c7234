"""What a world of journeys is like: its channels, whom they reach, and what a touch truly does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

_SHARES: Final = ("reach", "chase", "follow")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel.

    A person meets it on a day with probability reach + chase q + follow f, at most 1: q is the person's chance to order
    that day over `World.sure`, at most 1, and f is 1 once the person touched any channel on an earlier day, else 0.

    Attributes:
        name: Of the channel.
        reach: Chance of a day to be met by anybody: it creates demand, if `lift` is high.
        chase: Chance to be met by who is about to order anyway: brand search harvests demand.
        follow: Chance to be met by who was here before: retargeting.
        lift: What a touch adds to the log-odds of an order, that day and after, fading with `World.memory_days`.
        view: Whether its touches are views.

    Raises:
        ValueError: A chance is not within 0 and 1, or the lift is negative or not finite.
    """

    name: str
    reach: float
    chase: float
    follow: float
    lift: float
    view: bool = False

    def __post_init__(self) -> None:
        for field in _SHARES:
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} of channel {self.name!r} must be 0 to 1, not {getattr(self, field)!r}")
        if not 0 <= self.lift < float("inf"):
            raise ValueError(f"lift of channel {self.name!r} must be 0 or more, not {self.lift!r}")


@dataclass(frozen=True, slots=True)
class World:
    """Persons over some days.

    Attributes:
        channels: Each by another name.
        persons: How many.
        days: How many.
        base: Mean log-odds of an order on a day without any touch.
        spread: Standard deviation of the persons' own log-odds.
        memory_days: Days after which a touch's effect has fallen to 1/e.
        sure: Chance of an order on a day at which a person is chased in full.

    Raises:
        ValueError: A channel is named twice, or a number is not above 0.
    """

    channels: tuple[Channel, ...]
    persons: int
    days: int = 21
    base: float = -6.5
    spread: float = 1.5
    memory_days: float = 5.0
    sure: float = 0.02

    def __post_init__(self) -> None:
        if len({channel.name for channel in self.channels}) < len(self.channels):
            raise ValueError("a channel is named twice")
        for field in ("persons", "days", "memory_days", "sure"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} must be above 0, not {getattr(self, field)!r}")


def drawn(persons: int, rng: np.random.Generator) -> World:
    """Draw a world of six channels: three that create demand, brand search, retargeting, and an affiliate.

    Brand search is met by who is about to order, the affiliate by who is about to and was here before; both add next to
    nothing. Retargeting shows itself to who was here before, and adds a little. How strong each is differs by world.

    Args:
        persons: How many.
        rng: Draws the strengths.
    """

    def about(middle: float) -> float:
        return float(middle * np.exp(0.3 * rng.standard_normal()))

    return World(
        channels=(
            Channel("video", about(0.02), 0.0, 0.0, about(1.0), view=True),
            Channel("social", about(0.012), 0.0, about(0.01), about(1.2)),
            Channel("generic search", about(0.008), about(0.04), 0.0, about(1.5)),
            Channel("brand search", 0.0, about(0.4), 0.0, about(0.1)),
            Channel("retargeting", 0.0, 0.0, about(0.1), about(0.15), view=True),
            Channel("affiliate", 0.0, about(0.2), about(0.01), about(0.05)),
        ),
        persons=persons,
    )
