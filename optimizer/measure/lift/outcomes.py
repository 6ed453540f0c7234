"""What was sold in all, by day and by region, whoever claims it: the only thing that a lift test reads."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from optimizer.plan.lift_tests import LiftTestError
from optimizer.plan.snapshot import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """R regions over T consecutive days.

    Attributes:
        first_day: Of the first column.
        regions: Their R names.
        values: Orders, or their value in currency units, by region and day, shape (R, T).
        spend: Currency units that the tested channel or campaign spent there, shape (R, T); None where not known.

    Raises:
        LiftTestError: Shapes do not match, a region is named twice, or a number is not finite.
    """

    first_day: date
    regions: tuple[str, ...]
    values: FloatArray
    spend: FloatArray | None = None

    def __post_init__(self) -> None:
        if len(set(self.regions)) < len(self.regions):
            raise LiftTestError("outcomes name a region twice")
        for name, table in {"outcomes": self.values, "spend": self.spend}.items():
            if table is None:
                continue
            if table.ndim != 2 or table.shape != (len(self.regions), self.days):
                raise LiftTestError(f"{name} must be of {len(self.regions)} regions by days, not {table.shape}")
            if not np.isfinite(table).all():
                raise LiftTestError(f"{name} must be finite on every day")

    @property
    def days(self) -> int:
        """T, the number of days."""
        return int(self.values.shape[1])

    @property
    def last_day(self) -> date:
        """Of the last column."""
        return self.first_day + timedelta(days=self.days - 1)

    @property
    def weekday(self) -> FloatArray:
        """0 is Monday, shape (T,)."""
        return (self.first_day.weekday() + np.arange(self.days, dtype=np.float64)) % 7

    @property
    def total(self) -> FloatArray:
        """Of all regions by day, shape (T,)."""
        summed: FloatArray = self.values.sum(axis=0)
        return summed

    def column(self, day: date) -> int:
        """Return the column of a day.

        Raises:
            LiftTestError: There is none.
        """
        column = (day - self.first_day).days
        if not 0 <= column < self.days:
            raise LiftTestError(f"outcomes are known from {self.first_day} to {self.last_day}, {day} is not among them")
        return column

    def rows(self, regions: Sequence[str]) -> FloatArray:
        """Return the outcomes of some regions, in their order, shape (len(regions), T).

        Raises:
            LiftTestError: One is not known.
        """
        return self.values[self.places(regions)]

    def places(self, regions: Sequence[str]) -> list[int]:
        """Return the rows of regions.

        Raises:
            LiftTestError: One is not known.
        """
        unknown = sorted(set(regions) - set(self.regions))
        if unknown:
            raise LiftTestError(f"outcomes know no region {unknown[0]!r}; they know {', '.join(self.regions[:8])}")
        return [self.regions.index(region) for region in regions]

    def until(self, day: date) -> Outcomes:
        """Return the days before a day."""
        end = max((day - self.first_day).days, 0)
        spend = None if self.spend is None else self.spend[:, :end]
        return Outcomes(self.first_day, self.regions, self.values[:, :end], spend)

    def digest(self) -> str:
        """SHA-256 of all of it, 64 hexadecimal digits."""
        sha = hashlib.sha256(repr((self.first_day, self.regions, self.values.shape)).encode())
        sha.update(np.ascontiguousarray(self.values).tobytes())
        if self.spend is not None:
            sha.update(np.ascontiguousarray(self.spend).tobytes())
        return sha.hexdigest()
