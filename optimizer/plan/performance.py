"""Daily rows as they were known at one time: what is measured afterwards, to the micro."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.contract import EntityKind, Series
from optimizer.plan.snapshot import IntArray

BoolArray = npt.NDArray[np.bool_]

MEASURES: Final = ("spend", "conversions", "value", "impressions", "clicks")
"""The columns of `Performance.micros`, in their order."""

SPEND, CONVERSIONS, VALUE, IMPRESSIONS, CLICKS = range(len(MEASURES))
"""Their places."""

EntityId = tuple[str, str, EntityKind, str]
"""Connector, account, kind and id."""


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """The rows of some days as known at one time, of days that were over then; N rows of S series.

    Attributes:
        known_at: What was learnt later is not in it.
        since, until: The days that were asked for, both included.
        series: What the rows are about, in the order of their ids, length S.
        names: Names of campaigns, ad groups, ads, creatives and audiences, where the platforms told them.
        row: Index of each row's series, ascending, shape (N,).
        day: Ordinal of each row's day in its account's zone, ascending within a series, shape (N,).
        micros: The measures in micros, shape (N, 5); zero where a measure is not reported.
        reported: Whether it is, shape (N, 5).

    Raises:
        ValueError: The arrays are not of these shapes, or the last day is before the first.
    """

    known_at: datetime
    since: date
    until: date
    series: tuple[Series, ...]
    names: Mapping[EntityId, str]
    row: IntArray
    day: IntArray
    micros: IntArray
    reported: BoolArray

    def __post_init__(self) -> None:
        if self.until < self.since:
            raise ValueError(f"the last day {self.until} is before the first {self.since}")
        count = len(self.row)
        shapes = (self.day.shape, self.micros.shape, self.reported.shape)
        if shapes != ((count,), (count, len(MEASURES)), (count, len(MEASURES))):
            raise ValueError(f"{count} rows need measures of shape ({count}, {len(MEASURES)}), not {shapes}")
