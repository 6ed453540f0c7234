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


@dataclass(frozen=True, slots=True)
class AdLevel:
    """How far the labels of one level of ads lie apart.

    Attributes:
        name: `platform`, `account`, `campaign`, `creative`, `audience` or `ad`.
        labels: How many there were.
        log_sd: Log of the standard deviation of their effects on log rates.
    """

    name: str
    labels: int
    log_sd: Spread


@dataclass(frozen=True, slots=True)
class AdMean:
    """The typical rate of one budget's ads: log of conversions per unit of exposure; `budget` is its key as text."""

    budget: str
    log_rate: Spread


@dataclass(frozen=True, slots=True)
class AdPriors:
    """What is believed of ads before their own days; passed its checks.

    Attributes:
        fitted_at: Aware UTC.
        model: Name and version of the model that it is from.
        metric: The exposure that rates are of: `impression`, `click` or a currency.
        log_strength: Log of nu; 1 / sqrt(nu) is the relative spread of rates within a budget.
        log_spread: Log of the standard deviation of log rates between budgets; None where too few were fitted.
        log_drift: Log of the standard deviation by which an ad's log rate moves in a day; None with too few weeks.
        excess: Relative variance of a day's rate around its mean beyond chance, >= 0.
        levels: From coarse to fine; told for people to read.
        means: Of the fitted budgets; told for people to read, since the fast tier has the days that they are from.

    Raises:
        ValueError: The excess is negative or not finite.
    """

    fitted_at: datetime
    model: str
    metric: str
    log_strength: Spread
    log_spread: Spread | None
    log_drift: Spread | None
    excess: float
    levels: tuple[AdLevel, ...] = ()
    means: tuple[AdMean, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.excess < math.inf:
            raise ValueError(f"the excess of ads must be finite and not negative, not {self.excess!r}")
