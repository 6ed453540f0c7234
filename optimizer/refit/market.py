"""A market as its total outcome is known: spend by channel, controls, and an outcome that no platform attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

LEAST_PERIODS: Final = 26


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """G regions, C channels, T consecutive periods of equal length.

    Attributes:
        channels: Their C names.
        first_day: The first day of the first period.
        period_days: Days in a period: 1 or 7.
        spend: Currency units per period, shape (G, C, T); not below zero.
        outcome: Units per period, shape (G, T).
        controls: What moves the outcome besides spend and season (prices, promotions), each of shape (G, T).
        demand: What stands for the demand that spend follows (searches, footfall, a market index), each of shape
            (G, T). Where there is none, the fit allows for demand that nobody saw, and its intervals are wider.
        regions: Names of the G regions.

    Raises:
        ValueError: Shapes do not match, a number is not finite, spend is negative, a channel never spends, or there
            are too few periods.
    """

    channels: tuple[str, ...]
    first_day: date
    period_days: int
    spend: FloatArray
    outcome: FloatArray
    controls: Mapping[str, FloatArray] = field(default_factory=dict)
    demand: Mapping[str, FloatArray] = field(default_factory=dict)
    regions: tuple[str, ...] = ("all",)

    def __post_init__(self) -> None:
        regions, periods = len(self.regions), self.outcome.shape[-1]
        if self.period_days not in (1, 7):
            raise ValueError(f"a period is 1 or 7 days, not {self.period_days!r}")
        if periods < LEAST_PERIODS:
            raise ValueError(f"a market needs at least {LEAST_PERIODS} periods, not {periods}")
        if self.spend.shape != (regions, len(self.channels), periods):
            raise ValueError(f"spend must be {(regions, len(self.channels), periods)}, not {self.spend.shape}")
        for name, values in {"outcome": self.outcome, **self.controls, **self.demand}.items():
            if values.shape != (regions, periods) or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite and {(regions, periods)}, not {values.shape}")
        if not np.isfinite(self.spend).all() or (self.spend < 0).any():
            raise ValueError("spend must be finite and not below zero")
        silent = [c for c, sums in zip(self.channels, self.spend.sum(axis=(0, 2)), strict=True) if not sums]
        if silent:
            raise ValueError(f"channels without any spend cannot be fitted: {silent}")

    @property
    def periods(self) -> int:
        """T, the number of periods."""
        return int(self.outcome.shape[1])

    @property
    def reference(self) -> FloatArray:
        """Mean spend of a period in which the channel spends, by region and channel, shape (G, C), positive."""
        spending = self.spend > 0
        own = self.spend.sum(axis=2) / np.maximum(spending.sum(axis=2), 1)
        anywhere = self.spend.sum(axis=(0, 2)) / np.maximum(spending.sum(axis=(0, 2)), 1)
        return np.where(own > 0, own, anywhere)

    def day(self, period: int) -> date:
        """The first day of a period."""
        return self.first_day + timedelta(days=period * self.period_days)


def standardised(covariates: Mapping[str, FloatArray]) -> FloatArray:
    """Return the covariates with mean zero and sd one, stacked to (Q, G, T); one that never varies stays zero."""
    rows = []
    for values in covariates.values():
        spread = float(values.std())
        rows.append((values - values.mean()) / (spread if spread > 0 else 1.0))
    return np.stack(rows) if rows else np.zeros((0, 0, 0))


def hats(periods: int, every: int) -> FloatArray:
    """Return linear interpolation between knots that stand about `every` periods apart, shape (T, knots).

    Each row sums to one: coefficients are the heights at the knots.
    """
    knots = max(round((periods - 1) / every), 1) + 1
    place = np.linspace(0.0, periods - 1.0, knots)
    return np.column_stack([np.interp(np.arange(periods), place, unit) for unit in np.eye(knots)])


def seasons(market: Market) -> FloatArray:
    """Return waves of the year, and of the week where periods are days, shape (T, waves).

    Three waves of the year, sine and cosine, from 13 months on; less cannot tell a season from a trend.
    """
    days = np.arange(market.periods) * market.period_days + market.first_day.timetuple().tm_yday
    waves = []
    if market.periods * market.period_days >= 396:
        waves += [part(2 * np.pi * k * days / 365.25) for k in (1, 2, 3) for part in (np.sin, np.cos)]
    if market.period_days == 1:
        week = np.arange(market.periods) + market.first_day.weekday()
        waves += [part(2 * np.pi * k * week / 7) for k in (1, 2, 3) for part in (np.sin, np.cos)]
    return np.column_stack(waves) if waves else np.zeros((market.periods, 0))
