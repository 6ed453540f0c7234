"""What a platform reports of a day, ad by ad."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from connectors.money import MICROS
from simulations.market.play import Day


def lines(day: Day, on: int) -> Iterator[tuple[int, int, list[int]]]:
    """Yield the rows of a day as reported on the morning of day `on`: conversion definition, ad and measures.

    Measures are conversions, value, spend, impressions and clicks, in micros. A purchase has a row for each ad that was
    shown. Everything else has a row from its first conversion on, and no delivery of its own: that stands with the
    purchases, so that the rows of an ad sum to its totals.
    """
    conversions, value = day.reported(on)
    told = ~day.cell_lost & (day.cell_lag < on - day.day)
    reported = np.zeros(conversions.shape, dtype=np.bool_)
    reported[day.cell_ad[told], day.cell_kind[told]] = True
    reported[:, 0] |= (day.impressions > 0) | (day.spend > 0)
    delivery = np.column_stack([day.spend, day.impressions * MICROS, day.clicks * MICROS])
    for kind in range(conversions.shape[1]):
        ads = np.flatnonzero(reported[:, kind])
        own = delivery if kind == 0 else np.zeros_like(delivery)
        table = np.column_stack([conversions[:, kind] * MICROS, value[:, kind], own])
        for ad, measures in zip(ads.tolist(), table[ads].tolist(), strict=True):
            yield kind, ad, measures
