"""From touches and orders to paths: windows, repeated orders, and all that is odd in such data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.orders import Order
from connectors.touches import DIRECT, SCHEMA
from optimizer.measure.attribution.paths import Paths, Place

_DAY: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)

Int64 = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Windows:
    """How far back from an order a touch may lie to be credited.

    Attributes:
        click_days, view_days: Of a click and of a view, 0 or more.
        view_weight: What a view counts where a click counts 1, 0 to 1; at 0 views are left out.
        skew_seconds: By how much the clock of the touches may be ahead of that of the orders: a touch so shortly
            after an order counts as one before it, 0 or more.

    Raises:
        ValueError: A number is out of its range.
    """

    click_days: float = 30.0
    view_days: float = 1.0
    view_weight: float = 0.3
    skew_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("click_days", "view_days", "skew_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)!r}")
        if not 0 <= self.view_weight <= 1:
            raise ValueError(f"view_weight must be 0 to 1, not {self.view_weight!r}")

    def micros(self, views: Bools) -> Int64:
        """The window of each touch in microseconds, shape as `views`."""
        return np.where(views, round(self.view_days * _DAY), round(self.click_days * _DAY)).astype(np.int64)

    @property
    def longest_days(self) -> float:
        """The longer of the two windows."""
        return max(self.click_days, self.view_days)


@dataclass(frozen=True, slots=True)
class Treated:
    """What was met in the data, and how often.

    Attributes:
        orders: Orders that count, each once, of the days asked for.
        told_again: Orders of which an id was told more than once; the last telling stands.
        refunded: Orders paid back in full, which are no conversions.
        partly_refunded: Orders paid back in part, which count with what is left.
        without_touch: Orders that nothing led to, credited as direct.
        touches: Touches that were read.
        direct: Touches of no channel, left out.
        views_left_out: Views, left out because they count nothing.
        late: Touches after an order, but within the tolerance of the clocks.
        lost: Touches that led to no order within their window.
        open: Touches whose window was not over at the end of the data, and that led to nothing so far; left out.
    """

    orders: int
    told_again: int
    refunded: int
    partly_refunded: int
    without_touch: int
    touches: int
    direct: int
    views_left_out: int
    late: int
    lost: int
    open: int


@dataclass(frozen=True, slots=True, eq=False)
class _Touches:
    """Touches as columns: person, time in microseconds since 1970, place, view; all of shape (touches,)."""

    persons: Ints
    times: Int64
    codes: Ints
    views: Bools

    def keep(self, which: Any) -> _Touches:
        return _Touches(self.persons[which], self.times[which], self.codes[which], self.views[which])


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """Times at which a person ordered, in order of person and time; orders of one time are one end."""

    persons: Ints
    times: Int64
    orders: Int64
    values: Int64


def build(
    touches: Iterable[Any], orders: Iterable[Order], windows: Windows, since: datetime, until: datetime
) -> tuple[Paths, Treated]:
    """Make paths of what was read.

    Args:
        touches: Arrow record batches of `connectors.touches.SCHEMA`, from a window before `since` on.
        orders: From a window before `since` on, so that a touch is not put down to a later order than its own.
        windows: How far back touches count.
        since: Paths that ended before it are left out; aware.
        until: Where the data end; aware.

    Returns:
        Paths with orders, in order of person and time, then those without; and what was met.

    Raises:
        ValueError: Orders are in two currencies, or one order id is told of two customers.
    """
    table = pa.Table.from_batches(touches, SCHEMA)
    told = tuple(orders)
    kept, counts = _standing(told)
    persons, customers = _persons(table, kept)
    places, met = _met(table, persons)
    count = len(met.times)
    met, direct = _without(met, met.codes == len(places))
    met, unseen = _without(met, met.views if windows.view_weight == 0 else np.zeros(len(met.times), dtype=np.bool_))
    ends = _ends(kept, customers)
    paths, seen = _joined(places, met, ends, windows, _micros(since), _micros(until))
    own = [order for order in kept if order.at >= since]
    return paths, Treated(
        orders=len(own),
        told_again=counts["told_again"],
        refunded=counts["refunded"],
        partly_refunded=sum(order.refunded.micros > 0 for order in own),
        touches=count,
        direct=direct,
        views_left_out=unseen,
        **seen,
    )


def _standing(told: Sequence[Order]) -> tuple[list[Order], dict[str, int]]:
    """The orders that count: the last telling of each id, less those that were paid back in full."""
    latest: dict[str, Order] = {}
    again: set[str] = set()
    for order in told:
        before = latest.get(order.order_id)
        if before is not None:
            again.add(order.order_id)
            if before.customer != order.customer:
                words = f"order {order.order_id!r} is told of customer {before.customer!r} and of {order.customer!r}"
                raise ValueError(f"{words}. Mend: give each order an id of its own")
        latest[order.order_id] = order
    kept = [order for order in latest.values() if not (order.value.micros and order.kept.micros == 0)]
    for order in kept:
        if order.value.currency != kept[0].value.currency:
            words = f"order {order.order_id!r} is in {order.value.currency}, order {kept[0].order_id!r} in "
            raise ValueError(f"{words}{kept[0].value.currency}. Mend: convert them to one currency")
    return kept, {"told_again": len(again), "refunded": len(latest) - len(kept)}


def _persons(table: Any, kept: Sequence[Order]) -> tuple[Ints, Ints]:
    """Number persons and customers alike: of the touches, shape (touches,), and of the orders, shape (orders,)."""
    customers = pa.array([order.customer for order in kept], pa.string())
    codes = _numbered(pa.chunked_array([*table.column("person").chunks, customers], pa.string()))[0]
    return codes[: table.num_rows], codes[table.num_rows :]


def _met(table: Any, persons: Ints) -> tuple[tuple[Place, ...], _Touches]:
    """The touches as columns, and the places that they name; a touch of no channel has the code after the last."""
    channels, channel_names = _numbered(table.column("channel"))
    campaigns, campaign_names = _numbered(pc.fill_null(table.column("campaign"), ""))
    names, within = channel_names.to_pylist(), campaign_names.to_pylist()
    many = max(len(within), 1)
    joint = pa.py_buffer(channels.astype(np.int64) * many + campaigns)
    pairs = pa.chunked_array([pa.Array.from_buffers(pa.int64(), len(channels), [None, joint])])
    codes, met = _numbered(pairs)
    found = [(names[pair // many], within[pair % many] or None) for pair in met.to_pylist()]
    places = tuple(Place(*pair) for pair in found if pair[0] != DIRECT)
    numbers = {(place.channel, place.campaign): number for number, place in enumerate(places)}
    table_of = np.array([numbers.get(pair, len(places)) for pair in found], dtype=np.int32)
    views = _flat(pc.cast(table.column("view"), pa.uint8()).chunks, np.uint8).astype(np.bool_)
    times = _flat(pc.cast(table.column("at"), pa.int64()).chunks, np.int64)
    return places, _Touches(persons, times, table_of[codes], views)


def _without(met: _Touches, left_out: Bools) -> tuple[_Touches, int]:
    count = int(left_out.sum())
    return (met.keep(~left_out), count) if count else (met, 0)


def _ends(kept: Sequence[Order], customers: Ints) -> _Ends:
    """When persons ordered; several orders of one person at one time end one path together."""
    times = np.array([_micros(order.at) for order in kept], dtype=np.int64)
    values = np.array([order.kept.micros for order in kept], dtype=np.int64)
    order = np.lexsort((times, customers))
    customers, times, values = customers[order], times[order], values[order]
    new = np.ones(len(kept), dtype=np.bool_)
    new[1:] = (customers[1:] != customers[:-1]) | (times[1:] != times[:-1])
    first = np.flatnonzero(new)
    many = np.diff(np.append(first, len(kept)))
    return _Ends(customers[first], times[first], many, np.add.reduceat(values, first) if len(first) else values)


def _joined(
    places: tuple[Place, ...], met: _Touches, ends: _Ends, windows: Windows, since: int, until: int
) -> tuple[Paths, dict[str, int]]:
    """Give each touch to the order that it led to, or to a path that led to none."""
    met, following = _following(met, ends, round(windows.skew_seconds * 1e6))
    ordered = following < len(ends.times)
    ahead = np.zeros(len(met.times), dtype=np.int64)
    ahead[ordered] = ends.times[following[ordered]] - met.times[ordered]
    window = windows.micros(met.views)
    led = ordered & (ahead <= window)
    recent = ends.times >= since
    numbers = np.cumsum(recent) - 1
    credited = led & recent[np.minimum(following, len(recent) - 1)] if len(recent) else led
    own = met.keep(credited)
    owners = numbers[following[credited]] if len(recent) else following[credited]
    pending = ~ordered[~led]
    lost, lost_owners, lost_ages, still_open = _lost(
        met.keep(~led), following[~led], window[~led], pending, (since, until)
    )
    converted, none = int(recent.sum()), int(lost_owners[-1]) + 1 if len(lost_owners) else 0
    lengths = np.bincount(np.concatenate([owners, converted + lost_owners]), minlength=converted + none)
    paths = Paths(
        places=places,
        codes=np.concatenate([own.codes, lost.codes]).astype(np.int32),
        views=np.concatenate([own.views, lost.views]),
        ages=(np.concatenate([np.maximum(ahead[credited], 0), lost_ages]) / _DAY).astype(np.float32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        orders=np.concatenate([ends.orders[recent], np.zeros(none, dtype=np.int64)]),
        values=np.concatenate([ends.values[recent], np.zeros(none, dtype=np.int64)]),
        persons=np.concatenate([ends.persons[recent], _firsts(lost.persons, lost_owners)]),
        view_weight=windows.view_weight or 1.0,
    )
    alone = (lengths == 0) & (paths.orders > 0)
    return paths, {
        "without_touch": int(paths.orders[alone].sum()),
        "late": int((ahead[credited] < 0).sum()),
        "lost": len(lost.codes),
        "open": still_open,
    }


def _following(met: _Touches, ends: _Ends, skew: int) -> tuple[_Touches, Ints]:
    """Order the touches by person and time, and find the next order of each; the number of orders where there is none.

    An order stands after the touches of its own time, and after those that are late by less than the tolerance.
    """
    touches, count = len(met.times), len(ends.times)
    persons = np.concatenate([met.persons, ends.persons])
    times = np.concatenate([met.times, ends.times + skew])
    # The sort is stable, and the orders come last: at one time, touches stay before them.
    order = np.lexsort((times, persons))
    # The numbers of the orders rise along `order`, so that the next one is the least of those that are still to come.
    numbers = np.where(order >= touches, order - touches, count).astype(np.int32)
    following = np.minimum.accumulate(numbers[::-1])[::-1]
    rows = order < touches
    sorted_met, following = met.keep(order[rows]), following[rows]
    if count:
        owner = ends.persons[np.minimum(following, count - 1)]
        following[(following == count) | (owner != sorted_met.persons)] = count
    return sorted_met, following


def _lost(
    met: _Touches, following: Ints, window: Int64, pending: Bools, span: tuple[int, int]
) -> tuple[_Touches, Int64, Int64, int]:
    """Cut touches that led to no order into paths: where the person or the next order changes, or a window ran out.

    Returns:
        The touches of the paths that are over, the path of each, microseconds to the path's last touch, and how many
        touches stand in paths that may still lead to an order.
    """
    count = len(met.times)
    if not count:
        return met, window, window, 0
    new = np.ones(count, dtype=np.bool_)
    over = met.times[1:] - met.times[:-1] > window[:-1]
    new[1:] = (met.persons[1:] != met.persons[:-1]) | (following[1:] != following[:-1]) | over
    owners = np.cumsum(new) - 1
    last = np.append(np.flatnonzero(new)[1:], count) - 1
    # With an order after it that came too late, a path is over; else once the last window is.
    ended = ~pending[last] | (met.times[last] + window[last] <= span[1])
    kept = (ended & (met.times[last] >= span[0]))[owners]
    ages = met.times[last][owners] - met.times
    numbers = np.cumsum(np.bincount(owners[kept], minlength=len(last)) > 0) - 1
    return met.keep(kept), numbers[owners[kept]], ages[kept], int((~ended)[owners].sum())


def _firsts(persons: Ints, owners: Int64) -> Ints:
    """The person of each path, by the first of its touches."""
    return persons[np.flatnonzero(np.diff(owners, prepend=-1))]


def _numbered(column: Any) -> tuple[Ints, Any]:
    """Number the distinct values of a chunked column: shape (n,), and those values in order, an Arrow array."""
    encoded = column.dictionary_encode().unify_dictionaries()
    values = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([])
    return _flat([chunk.indices for chunk in encoded.chunks], np.int32), values


def _flat[T: np.generic](chunks: Sequence[Any], kind: type[T]) -> npt.NDArray[T]:
    """Arrow arrays of numbers without nulls as one array, shape (n,)."""
    parts = [np.from_dlpack(chunk) for chunk in chunks if len(chunk)]
    return np.concatenate(parts, dtype=kind, casting="unsafe") if parts else np.empty(0, dtype=kind)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def claims(orders: Iterable[Order]) -> Mapping[str, float]:
    """Return each channel's part of the orders that platforms claim: an order that k of them claim counts 1/k to each.

    Args:
        orders: As they were read, with `Order.claims`.

    Returns:
        By channel; empty where the books say nothing of claims.
    """
    parts: dict[str, float] = {}
    for order in _standing(tuple(orders))[0]:
        claimants = tuple(dict.fromkeys(order.claims))
        for channel in claimants:
            parts[channel] = parts.get(channel, 0.0) + 1 / len(claimants)
    return parts
