"""From expected amounts to counts: every cell a Poisson count, its value log-normal, some of it taken back.

By the thinning of Poisson counts the purchases of a day's clicks at each lag, the clicks that bring none, and the
impressions that nobody clicks are independent Poisson counts given the day's shocks, and are drawn so. What is borrowed
from other campaigns and earlier days, and kinds beside purchases, come on top as counts of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulations.market.booking import Booking
from simulations.market.day import Day
from simulations.market.delivery import to_micros
from simulations.market.events import BoolArray
from simulations.market.response import wear
from simulations.market.truth import Truth
from simulations.noise import (
    FloatArray,
    IntArray,
    KeyArray,
    Stream,
    binomial_quantile,
    lognormal_quantile,
    poisson_counts,
    uniforms_at,
)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Conversions of one or more kinds by ad and lag, as in `day.Day`; each of shape (cells,)."""

    ad: IntArray
    kind: IntArray
    lag: IntArray
    count: IntArray
    value: IntArray
    lost: BoolArray


def count_day(truth: Truth, key: KeyArray, day: int, spend: IntArray, shown: FloatArray, booking: Booking) -> Day:
    """Return what a day brings.

    Args:
        truth: The world.
        key: Of its noise.
        day: Index of the day.
        spend: Charged, micros, shape (K,).
        shown: Expected impressions given the day's shocks, shape (K,).
        booking: Expected conversions given the day's shocks.
    """
    ads, fresh = truth.ads, wear(truth, day)
    weight = ads.purchases * fresh
    weight /= np.bincount(ads.campaign, weight)[ads.campaign]
    seen = shown[ads.campaign] * ads.share
    clicked = seen * ads.click_rate * fresh
    own = booking.direct.conversions[ads.campaign, 0] * weight
    direct = np.minimum(own, clicked)
    clicks, views, purchases = _thinned(truth, key, day, seen, clicked, direct)
    further = booking.borrowed.conversions[ads.campaign, 0] * weight + (own - direct)
    if further.any():
        purchases = purchases + _counts(truth, key, day, Stream.BORROWED, 0, further)

    landing = booking.direct + booking.borrowed
    each = np.divide(landing.value, landing.conversions, out=np.zeros_like(landing.value), where=landing.value > 0)
    cells = [_cells(truth, key, day, 0, purchases, each[:, 0])]
    for kind in range(1, len(truth.kinds)):
        counts = _counts(truth, key, day, Stream.CELL, kind, landing.conversions[ads.campaign, kind] * weight)
        cells.append(_cells(truth, key, day, kind, counts, each[:, kind]))
    return _day(truth, day, spend, clicks, views, _together(cells))


def _thinned(
    truth: Truth, key: KeyArray, day: int, seen: FloatArray, clicked: FloatArray, direct: FloatArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Clicks and impressions without a click by ad, and purchases from the day's clicks by ad and lag."""
    delay = truth.kinds[0].delay
    mean = np.empty((seen.size, delay.shape[1] + 2))
    in_time = _spread(truth, direct, delay, mean[:, :-2])
    mean[:, -2] = np.maximum(clicked - in_time, 0.0)
    mean[:, -1] = seen - clicked
    counts = poisson_counts(key, day, Stream.CELL, mean)
    return counts[:, :-1].sum(axis=1), counts[:, -1], counts[:, :-2]


def _counts(truth: Truth, key: KeyArray, day: int, stream: Stream, kind: int, conversions: FloatArray) -> IntArray:
    """Counts by ad and lag, shape (A, L + 1), of expected conversions by ad."""
    delay = truth.kinds[kind].delay
    mean = np.empty((conversions.size, delay.shape[1]))
    _spread(truth, conversions, delay, mean)
    return poisson_counts(key, day, stream, mean, kind)


def _spread(truth: Truth, conversions: FloatArray, delay: FloatArray, out: FloatArray) -> FloatArray:
    """Fill `out` with expected conversions by ad and lag; return their sums by ad."""
    channel = truth.channel[truth.ads.campaign]
    edges = np.searchsorted(channel, np.arange(len(delay) + 1))
    for law, first, last in zip(delay, edges[:-1], edges[1:], strict=True):
        np.multiply(conversions[first:last, None], law, out=out[first:last])
    sums: FloatArray = conversions * delay.sum(axis=1)[channel]
    return sums


def _cells(truth: Truth, key: KeyArray, day: int, kind: int, counts: IntArray, each: FloatArray) -> Cells:
    """The cells that have conversions, and those that take some of them back; `each` is the value of one, (K,)."""
    ad, lag = np.nonzero(counts)
    count, campaign = counts[ad, lag], truth.ads.campaign[ad]
    slot = ad * counts.shape[1] + lag
    spread = truth.scenario.funnel.order_cv / np.sqrt(count)
    worth = count * each[campaign] * lognormal_quantile(uniforms_at(key, day, Stream.ORDER, slot, kind), spread)
    lost = _lost(truth, truth.channel[campaign], day + lag)
    value = to_micros(worth, truth.quantum_micros)
    cells = Cells(ad, np.full_like(ad, kind), lag, count, value, lost)
    share = truth.scenario.tracking.returned_share
    if share == 0:
        return cells
    back = binomial_quantile(uniforms_at(key, day, Stream.RETURN, slot, kind), count, share)
    return _together([cells, _returned(truth, cells, back)])


def _returned(truth: Truth, cells: Cells, back: IntArray) -> Cells:
    """Negative cells for the conversions that are taken back, with their part of the value."""
    some = np.flatnonzero(back)
    quantum = truth.quantum_micros
    value = np.rint(cells.value[some] / quantum * (back[some] / cells.count[some])).astype(np.int64) * quantum
    lag = cells.lag[some] + truth.scenario.tracking.returned_after_days
    return Cells(cells.ad[some], cells.kind[some], lag, -back[some], -value, cells.lost[some])


def _lost(truth: Truth, channel: IntArray, comes: IntArray) -> BoolArray:
    """Whether conversions of these channels come on days without tracking; beyond the horizon there are none."""
    within = comes < truth.scenario.horizon_days
    lost = np.zeros(comes.size, dtype=bool)
    lost[within] = ~truth.tracked[channel[within], comes[within]]
    return lost


def _together(parts: list[Cells]) -> Cells:
    return Cells(*(np.concatenate([getattr(p, name) for p in parts]) for name in Cells.__slots__))


def _day(truth: Truth, day: int, spend: IntArray, clicks: IntArray, views: IntArray, cells: Cells) -> Day:
    return Day(
        day=day,
        kinds=len(truth.kinds),
        spend=_split(truth, spend),
        impressions=clicks + views,
        clicks=clicks,
        cell_ad=cells.ad,
        cell_kind=cells.kind,
        cell_lag=cells.lag,
        cell_count=cells.count,
        cell_value=cells.value,
        cell_lost=cells.lost,
    )


def _split(truth: Truth, spend: IntArray) -> IntArray:
    """Each campaign's spend among its ads by their shares, whole minor units that sum to the campaign's."""
    ads = truth.ads
    whole = spend // truth.quantum_micros
    first = np.flatnonzero(np.diff(ads.campaign, prepend=-1))
    running = np.cumsum(ads.share)
    before = (running - ads.share)[first][ads.campaign]
    upto = np.rint(whole[ads.campaign] * (running - before)).astype(np.int64)
    parts = np.diff(upto, prepend=0)
    parts[first] = upto[first]
    return parts * truth.quantum_micros
