"""What conversions are worth beside what their platforms claim: credit from paths, and the value of a new customer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from connectors.money import exponent

_DIGEST_LENGTH: Final = 64


class Subject(StrEnum):
    """What an appraisal is about."""

    CREDIT = "credit"
    """Conversions that an attribution model credits, per conversion that the platform claims."""
    CUSTOMER = "customer"
    """What a new customer brings over the horizon, in currency units."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """One channel's or campaign's figure, log-normal.

    Attributes:
        channel: As in `Target.channel`.
        mean: Expectation, above zero: credited per claimed conversion, or currency units per new customer.
        log_sd: Standard deviation of its logarithm, 0 or more.
        campaign: Id of the campaign; None where it is the channel's, for campaigns that have none of their own.

    Raises:
        ValueError: A number is not finite or out of its range.
    """

    channel: str
    mean: float
    log_sd: float
    campaign: str | None = None

    def __post_init__(self) -> None:
        where = f"the estimate of {self.campaign or self.channel!r}"
        if not (math.isfinite(self.mean) and self.mean > 0):
            raise ValueError(f"{where} must be above zero, not {self.mean!r}")
        if not (math.isfinite(self.log_sd) and self.log_sd >= 0):
            raise ValueError(f"{where}: the spread of its logarithm must be 0 or more, not {self.log_sd!r}")


@dataclass(frozen=True, slots=True)
class Appraisal:
    """All estimates of one subject as they were made at one time; never changed afterwards.

    Attributes:
        subject: What they are about.
        model: Name and version of what made them, such as `markov-2/1` or `bg-nbd/1`.
        made_at: In `datetime.UTC`; from then on they are known.
        evidence: Digest of what they were made from, 64 hexadecimal digits.
        currency: ISO 4217 code of amounts; empty for credit.
        estimates: At least one, and at most one for each channel and campaign.

    Raises:
        ValueError: The time is not in UTC, the digest is none, the currency is missing, nothing is estimated, or a
            scope is named twice.
    """

    subject: Subject
    model: str
    made_at: datetime
    evidence: str
    currency: str
    estimates: tuple[Estimate, ...]

    def __post_init__(self) -> None:
        where = f"the appraisal by {self.model!r}"
        if self.made_at.tzinfo is not UTC:
            raise ValueError(f"{where}: its time must be in UTC, not {self.made_at}")
        if len(self.evidence) != _DIGEST_LENGTH:
            raise ValueError(f"{where}: {self.evidence!r} is no digest")
        if self.subject is Subject.CUSTOMER:
            exponent(self.currency)
        elif self.currency:
            raise ValueError(f"{where}: credit is a ratio, and has no currency")
        if not self.estimates:
            raise ValueError(f"{where}: it estimates nothing")
        scopes = [(each.channel, each.campaign) for each in self.estimates]
        if len(set(scopes)) < len(scopes):
            raise ValueError(f"{where}: a channel or campaign is named twice")

    def of(self, channel: str, campaign: str) -> Estimate | None:
        """Return the campaign's own estimate, else its channel's, else None."""
        return next(self._of(channel, campaign), None)

    def _of(self, channel: str, campaign: str) -> Iterator[Estimate]:
        for scope in (campaign, None):
            yield from (each for each in self.estimates if (each.channel, each.campaign) == (channel, scope))
