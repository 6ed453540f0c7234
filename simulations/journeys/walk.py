"""Persons live through a world of journeys, with all channels or without one, on the same draws of chance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.money import Money
from connectors.orders import Order
from connectors.touches import SCHEMA
from simulations.journeys.world import World

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first day begins."""

_PRICE: Final = Money.of(50, "EUR")
_DAY: Final = 86_400_000_000

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Lived:
    """What happened in a world, and what each channel truly added.

    Attributes:
        world: Where.
        met: Touches as (person, day, channel), in order of person and day, shape (touches, 3).
        hours: The time of the day of each touch as a part of it, 0 to 0.9, shape (touches,).
        ordered: The day on which each person ordered, -1 for never, shape (persons,). Nobody orders twice, and an
            order comes after the touches of its day.
        added: Orders that would not have been without the channel, by channel, shape (channels,).
    """

    world: World
    met: Ints
    hours: Floats
    ordered: Ints
    added: Ints

    @property
    def end(self) -> datetime:
        """When the last day is over."""
        return START + timedelta(days=self.world.days)

    def touches(self) -> Any:
        """The touches as an Arrow record batch of `connectors.touches.SCHEMA`."""
        persons, days, codes = self.met.T
        names = np.array([channel.name for channel in self.world.channels])
        views = np.array([channel.view for channel in self.world.channels])
        began = round(START.timestamp() * 1e6)
        times = began + days * _DAY + np.round(self.hours * _DAY).astype(np.int64)
        columns = [
            pa.array([f"p{person}" for person in persons.tolist()], pa.string()),
            pa.array(times.tolist(), SCHEMA.field("at").type),
            pa.array(names[codes].tolist(), pa.string()),
            pa.nulls(len(codes), pa.string()),
            pa.array(views[codes].tolist(), pa.bool_()),
        ]
        return pa.record_batch(columns, schema=SCHEMA)

    def orders(self) -> list[Order]:
        """The orders, each of 50 EUR and claimed by every channel that its person touched before."""
        names = [channel.name for channel in self.world.channels]
        claims: dict[int, dict[str, None]] = {}
        for person, _, code in self.met.tolist():
            claims.setdefault(person, {})[names[code]] = None
        found = []
        for person in np.flatnonzero(self.ordered >= 0).tolist():
            at = START + timedelta(days=int(self.ordered[person]), hours=22)
            claimed = tuple(claims.get(person, ()))
            found.append(Order(f"o{person}", f"p{person}", at, _PRICE, Money(0, "EUR"), claims=claimed))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Chance:
    """All draws of a world, which every run of it shares: persons' log-odds, meetings, orders, hours of the day."""

    own: Floats
    meeting: npt.NDArray[np.float32]
    buying: npt.NDArray[np.float32]
    hours: npt.NDArray[np.float32]


def live(world: World, rng: np.random.Generator) -> Lived:
    """Let a world happen, and once more without each channel on the same draws: what is missing then was added by it.

    Args:
        world: What it is like.
        rng: Draws all chance.
    """
    shape = (world.days, len(world.channels), world.persons)
    chance = _Chance(
        own=world.base + world.spread * rng.standard_normal(world.persons),
        meeting=rng.random(shape, dtype=np.float32),
        buying=rng.random((world.days, world.persons), dtype=np.float32),
        hours=rng.random(shape, dtype=np.float32),
    )
    ordered, met = _run(world, chance, None)
    every = int((ordered >= 0).sum())
    added = [every - int((_run(world, chance, off)[0] >= 0).sum()) for off in range(len(world.channels))]
    days, codes, persons = np.nonzero(met)
    hours = 0.9 * chance.hours[days, codes, persons].astype(np.float64)
    order = np.lexsort((hours, days, persons))
    found = np.stack([persons, days, codes], axis=1)[order]
    return Lived(world, found, hours[order], ordered, np.array(added, dtype=np.int64))


def _run(world: World, chance: _Chance, off: int | None) -> tuple[Ints, Bools]:
    """The day of each person's order, -1 for none, and who met what: shape (days, channels, persons)."""
    effect, before = np.zeros(world.persons), np.zeros(world.persons, dtype=np.bool_)
    ordered = np.full(world.persons, -1, dtype=np.int64)
    met = np.zeros(chance.meeting.shape, dtype=np.bool_)
    fade = np.exp(-1 / world.memory_days)
    for day in range(world.days):
        effect *= fade
        waiting = ordered < 0
        near = np.minimum(_odds(chance.own + effect) / world.sure, 1.0)
        for code, channel in enumerate(world.channels):
            if code != off:
                likely = channel.reach + channel.chase * near + channel.follow * before
                met[day, code] = waiting & (chance.meeting[day, code] < likely)
        for code, channel in enumerate(world.channels):
            effect += channel.lift * met[day, code]
        before |= met[day].any(axis=0)
        ordered[waiting & (chance.buying[day] < _odds(chance.own + effect))] = day
    return ordered, met


def _odds(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
