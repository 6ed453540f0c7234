"""Any model over any paths: credited orders and value that sum to all there are, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from connectors.money import MICROS
from optimizer.measure.attribution import markov, rules, shapley
from optimizer.measure.attribution.paths import Floats, Paths, Place

_BLOCK: Final = 500_000
_MOST_GROUPS: Final = 500
_FEWEST_GROUPS: Final = 50
_MOST_CELLS: Final = 50_000_000
_DRAWS: Final = 10
"""Orders of joining that the replicates of a bootstrap share; more would cost much and tell little."""

Int64 = npt.NDArray[np.int64]


class Model(StrEnum):
    """A way of sharing orders out."""

    FIRST = "first-click"
    LAST = "last-click"
    LINEAR = "linear"
    DECAY = "time-decay"
    POSITION = "position-based"
    MARKOV = "markov"
    SHAPLEY = "shapley"
    SHAPLEY_CHAIN = "shapley-chain"


_RULES: Final[Mapping[Model, Callable[[Paths], Floats]]] = {
    Model.FIRST: rules.first_click,
    Model.LAST: rules.last_click,
    Model.LINEAR: rules.linear,
    Model.POSITION: rules.position_based,
    Model.SHAPLEY: rules.shapley_additive,
}
"""The models that look at one path at a time and need to be told nothing."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What models can be told.

    Attributes:
        half_life_days: Of time decay, above 0.
        order: How many channels a state of the Markov chain remembers, 1 to 3.
        draws: Pairs of orders of joining, where the Shapley value is sampled, 2 or more.
    """

    half_life_days: float = 7.0
    order: int = 1
    draws: int = 200

    def named(self, model: Model) -> str:
        """The model's name with what sets it apart, such as `markov-2`."""
        return f"{model.value}-{self.order}" if model is Model.MARKOV else model.value


@dataclass(frozen=True, slots=True, eq=False)
class Credit:
    """What one model credits; orders and value sum exactly to those of the paths.

    Attributes:
        name: The model's.
        places: Channels, and campaigns within them where touches name some.
        orders: Millionths of orders (as money has micros), whole so that they sum exactly, shape (places,).
        values: Micros, shape (places,).
        direct_orders, direct_value: Of orders that nothing led to, likewise.
        errors: Standard errors of sampling, in orders, by channel; None where nothing was sampled.
    """

    name: str
    places: tuple[Place, ...]
    orders: Int64
    values: Int64
    direct_orders: int
    direct_value: int
    errors: Floats | None = None

    def of(self, channel: str, campaign: str | None = None) -> tuple[float, int]:
        """Orders and micros credited to a channel, or to one campaign of it; 0 where it was not met."""
        at = [
            number
            for number, place in enumerate(self.places)
            if place.channel == channel and campaign in (None, place.campaign)
        ]
        return float(self.orders[at].sum()) / MICROS, int(self.values[at].sum())


class _Tally(Protocol):
    """What a model counted, by groups of paths."""

    def shared(self, weights: Floats) -> Floats:
        """Orders and micros by place with the groups weighed, shape (places, 2)."""
        ...


def credit(paths: Paths, model: Model, knobs: Knobs, rng: np.random.Generator) -> Credit:
    """Share the orders of paths out.

    Within a channel, the models that look at all paths (`markov`, both of `shapley`) give campaigns what linear
    attribution gives them in proportion.

    Args:
        paths: What persons met, and what came of it.
        model: How to share.
        knobs: What the model is told.
        rng: Draws orders of joining where the Shapley value is sampled.

    Raises:
        ValueError: A knob is out of its range.
    """
    tally = _tally(paths, model, knobs, np.zeros(len(paths), dtype=np.int64), 1, rng)
    shared = tally.shared(np.ones(1))
    touched = paths.lengths() > 0
    orders, values = int(paths.orders[touched].sum()), int(paths.values[touched].sum())
    return Credit(
        name=knobs.named(model),
        places=paths.places,
        orders=settle(shared[:, 0] * MICROS, orders * MICROS),
        values=settle(shared[:, 1], values),
        direct_orders=int(paths.orders[~touched].sum()) * MICROS,
        direct_value=int(paths.values[~touched].sum()),
        errors=tally.errors if isinstance(tally, _Coalitions) else None,
    )


def spread(paths: Paths, model: Model, knobs: Knobs, replicates: int, rng: np.random.Generator) -> Floats:
    """Return how sure the credited orders are: standard deviations of their logarithm, by the bootstrap over persons.

    Persons are dealt into up to 500 groups of one size, and groups are drawn again with replacement: what a model
    counts is counted once by group, so that a replicate costs no walk over the paths. The spread is that of a
    log-normal with the replicates' mean and variance. Where the Shapley value is sampled, all replicates see the same
    few orders of joining, and the sampling's own variance is added: of a campaign its part of the channel's error.

    Args:
        paths: What persons met.
        model: How to share.
        knobs: What the model is told.
        replicates: 2 or more.
        rng: Deals and draws.

    Returns:
        Shape (places,); with fewer than two persons, or for a place with no credit, that of a count.
    """
    persons = int(paths.persons.max(initial=-1)) + 1
    count = min(_groups(paths, model, knobs), persons)
    found = credit(paths, model, knobs, rng)
    counting = np.sqrt(np.log1p(1 / np.maximum(found.orders / MICROS, 0.5)))
    if count < 2:
        return counting
    dealt = rng.permutation(persons) % count
    tally = _tally(paths, model, replace(knobs, draws=_DRAWS), dealt[paths.persons], count, rng)
    drawn = np.empty((replicates, len(paths.places)))
    for number in range(replicates):
        weights = rng.multinomial(count, np.full(count, 1 / count)).astype(np.float64)
        drawn[number] = tally.shared(weights)[:, 0]
    mean, variance = drawn.mean(axis=0), drawn.var(axis=0, ddof=1) + _sampling_errors(found, paths) ** 2
    known = (mean > 0) & (variance > 0)
    ratio = np.divide(variance, mean**2, out=np.zeros(len(mean)), where=known)
    return np.where(known, np.sqrt(np.log1p(ratio)), counting)


def _sampling_errors(found: Credit, paths: Paths) -> Floats:
    """Standard errors of sampling by place: a campaign has of its channel's what it has of its orders."""
    if found.errors is None:
        return np.zeros(len(paths.places))
    codes = paths.channel_codes()
    whole = np.bincount(codes, found.orders)[codes]
    parts = np.divide(found.orders, whole, out=np.zeros(len(codes)), where=whole > 0)
    return np.asarray(found.errors[codes] * parts)


def settle(shares: Floats, total: int) -> Int64:
    """Round shares to whole numbers that sum to `total`: those with the largest remainders are rounded up.

    Args:
        shares: They sum to `total` but for rounding, shape (n,).
        total: Must be 0 where n is 0.
    """
    whole = np.floor(shares).astype(np.int64)
    if not len(shares):
        return whole
    every, some = divmod(total - int(whole.sum()), len(shares))
    whole += every
    whole[np.argsort(whole - every - shares, kind="stable")[:some]] += 1
    return whole


def _groups(paths: Paths, model: Model, knobs: Knobs) -> int:
    """How many groups the bootstrap deals persons into: fewer where a model counts much of each."""
    cells = (len(paths.channels) + 1) ** (knobs.order + 1) if model in (Model.MARKOV, Model.SHAPLEY_CHAIN) else 1
    return min(max(_MOST_CELLS // cells, _FEWEST_GROUPS), _MOST_GROUPS)


def _tally(paths: Paths, model: Model, knobs: Knobs, groups: Int64, count: int, rng: np.random.Generator) -> _Tally:
    match model:
        case Model.MARKOV:
            chain = markov.count(paths.by_channel(), knobs.order, groups, count)
            return _Removals(chain, _Split(paths, groups, count), _totals(paths, groups, count))
        case Model.SHAPLEY_CHAIN:
            chain = markov.count(paths.by_channel(), 1, groups, count)
            joinings = [rng.permutation(chain.channels) for _ in range(knobs.draws)]
            return _Coalitions(chain, _Split(paths, groups, count), joinings)
        case Model.DECAY:
            return _Sums(_summed(paths, lambda block: rules.time_decay(block, knobs.half_life_days), groups, count))
        case _:
            return _Sums(_summed(paths, _RULES[model], groups, count))


class _Sums:
    """Models that look at one path at a time: their sums."""

    def __init__(self, sums: Floats) -> None:
        self._sums = sums

    def shared(self, weights: Floats) -> Floats:
        return np.tensordot(weights, self._sums, axes=1)


class _Removals:
    """The removal effects of a Markov chain, as parts of all orders."""

    def __init__(self, chain: markov.Chain, split: _Split, totals: Floats) -> None:
        self._chain, self._split, self._totals = chain, split, totals

    def shared(self, weights: Floats) -> Floats:
        effects = np.stack(markov.removal_effects(self._chain, weights), axis=1)
        sums = effects.sum(axis=0)
        parts = np.divide(effects, sums, out=np.zeros_like(effects), where=sums > 0)
        return self._split.of(parts * (weights @ self._totals), weights)


class _Coalitions:
    """The Shapley value of the chain's orders; sampled where there are many channels.

    Attributes:
        errors: Standard errors of the orders by channel, of the last time that it was sampled.
    """

    def __init__(self, chain: markov.Chain, split: _Split, joinings: Sequence[Int64]) -> None:
        self._chain, self._split, self._joinings = chain, split, joinings
        self.errors: Floats | None = None

    def shared(self, weights: Floats) -> Floats:
        if self._chain.channels <= shapley.EXACT:
            return self._split.of(shapley.chain_exact(self._chain, weights), weights)
        values, errors = shapley.chain_sampled(self._chain, weights, self._joinings)
        self.errors = errors[:, 0]
        return self._split.of(values, weights)


class _Split:
    """Shares a channel's credit out between its campaigns, as linear attribution does."""

    def __init__(self, paths: Paths, groups: Int64, count: int) -> None:
        self._channels = paths.channel_codes()
        self._single = len(paths.channels) == len(paths.places)
        self._sums = None if self._single else _summed(paths, rules.linear, groups, count)

    def of(self, credited: Floats, weights: Floats) -> Floats:
        """Credit by place from credit by channel: shape (channels, 2) to (places, 2)."""
        if self._sums is None:
            return credited
        linear = np.tensordot(weights, self._sums, axes=1)
        many = np.bincount(self._channels)
        whole = np.stack([np.bincount(self._channels, linear[:, kind]) for kind in range(2)], axis=1)
        equal = np.broadcast_to((1 / many)[self._channels, None], linear.shape).copy()
        parts = np.divide(linear, whole[self._channels], out=equal, where=whole[self._channels] > 0)
        return np.asarray(credited[self._channels] * parts)


def _summed(paths: Paths, rule: Callable[[Paths], Floats], groups: Int64, count: int) -> Floats:
    """Orders and micros that a rule credits, by group: shape (groups, places, 2)."""
    size = len(paths.places)
    found = np.zeros((2, count * size))
    done = 0
    for block in paths.blocks(_BLOCK):
        owners = block.owners()
        cells = groups[done : done + len(block)][owners] * size + block.codes
        shares = rule(block)
        for kind, brought in enumerate((block.orders, block.values)):
            found[kind] += np.bincount(cells, shares * brought[owners], minlength=count * size)
        done += len(block)
    return np.moveaxis(found.reshape(2, count, size), 0, 2)


def _totals(paths: Paths, groups: Int64, count: int) -> Floats:
    """Orders and micros of the paths that have touches, by group: shape (groups, 2)."""
    touched = paths.lengths() > 0
    brought = (paths.orders[touched], paths.values[touched])
    return np.stack([np.bincount(groups[touched], each, minlength=count) for each in brought], axis=1)
