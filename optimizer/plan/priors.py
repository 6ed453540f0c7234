"""What the slow tier hands to the fast one: pooled beliefs about response by channel, and where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Spread:
    """A normal belief about one number.

    Raises:
        ValueError: A number is not finite, or the standard deviation is not positive.
    """

    mean: float
    sd: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ValueError(f"a spread needs a finite mean and a positive sd, not {self.mean!r} and {self.sd!r}")


@dataclass(frozen=True, slots=True)
class ChannelPrior:
    """What is believed of a campaign of one channel before its own days.

    Attributes:
        channel: As in `Target.channel`.
        log_half: Log of the half-saturation spend over the campaign's reference spend, over its campaigns.
        log_slope: Log of the Hill slope, over its campaigns.
        carry_over: Share of a day's effect that comes on later days (of geometric adstock: its decay), 0 to 1; None
            where the data do not tell it.
        log_lift: Log of incremental conversions per attributed conversion; None without a lift test.
    """

    channel: str
    log_half: Spread
    log_slope: Spread
    carry_over: Spread | None = None
    log_lift: Spread | None = None

    def __post_init__(self) -> None:
        if self.carry_over is not None and not 0.0 <= self.carry_over.mean < 1.0:
            raise ValueError(f"channel {self.channel!r}: carry-over is a share below 1, not {self.carry_over.mean!r}")


@dataclass(frozen=True, slots=True)
class ResponsePriors:
    """Priors that passed their checks.

    Attributes:
        fitted_at: Aware UTC.
        model: Name and version of the model that they are from.
        channels: One for each channel that had enough data, sorted by channel; others keep the plain prior.
    """

    fitted_at: datetime
    model: str
    channels: tuple[ChannelPrior, ...]

    def __post_init__(self) -> None:
        names = [prior.channel for prior in self.channels]
        if names != sorted(set(names)):
            raise ValueError("priors need each channel once, sorted")

    def of(self, channel: str) -> ChannelPrior | None:
        """The prior of a channel, or None."""
        return next((prior for prior in self.channels if prior.channel == channel), None)
