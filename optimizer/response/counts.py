"""What one claimed conversion counts: incremental ones by lift tests, credit from paths, or what a customer brings."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.priors import Spread
from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot, Target
from optimizer.response.history import BoolArray

BETWEEN: Final = 0.5
"""Standard deviation between channels of the log of what a conversion counts: one of which nothing is told."""

_LEAST_SD: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """What one conversion that a platform claims counts, log-normal, one number for all targets of a group.

    Attributes:
        names: Of the C groups, channels or campaigns.
        group: Index of each target's, shape (K,).
        mean, sd: Of the log, shape (C,).
        told: Groups of which something is told, shape (C,); the others lean on those.
    """

    names: tuple[str, ...]
    group: IntArray
    mean: FloatArray
    sd: FloatArray
    told: BoolArray

    @property
    def expected(self) -> FloatArray:
        """The mean, exp(m + s^2 / 2), shape (K,)."""
        value: FloatArray = np.exp(self.mean + 0.5 * self.sd**2)[self.group]
        return value

    @property
    def square(self) -> FloatArray:
        """The mean of the square, shape (K,)."""
        value: FloatArray = np.exp(2.0 * self.mean + 2.0 * self.sd**2)[self.group]
        return value

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw what each target's conversions count, shape (n, K); targets of a group share theirs."""
        drawn: FloatArray = np.exp(self.mean + self.sd * rng.standard_normal((n, self.mean.size)))[:, self.group]
        return drawn


def learn_lift(snapshot: Snapshot) -> Counts | None:
    """Read incremental conversions per attributed one from the slow tier's priors; None where no lift test stands."""
    channels = tuple(sorted({target.channel for target in snapshot.targets}))
    given = [None if snapshot.priors is None else snapshot.priors.of(name) for name in channels]
    told = [None if prior is None else prior.log_lift for prior in given]
    tests = [] if snapshot.priors is None else [p.log_lift for p in snapshot.priors.channels if p.log_lift is not None]
    index = {name: place for place, name in enumerate(channels)}
    return _counts(channels, [index[target.channel] for target in snapshot.targets], told, tests)


def learn_credit(snapshot: Snapshot) -> Counts | None:
    """Read credited conversions per claimed one; None where nothing was appraised."""
    return _appraised(snapshot, Subject.CREDIT)


def learn_customers(snapshot: Snapshot) -> Counts | None:
    """Read what a new customer brings, currency units; None where nothing was appraised in this currency."""
    return _appraised(snapshot, Subject.CUSTOMER)


def _appraised(snapshot: Snapshot, subject: Subject) -> Counts | None:
    made = next((each for each in snapshot.appraisals if each.subject is subject), None)
    if made is None or made.currency not in ("", snapshot.currency):
        return None
    found = [_of(made, target) for target in snapshot.targets]
    groups: dict[Hashable, int] = {}
    scopes: list[tuple[str, tuple[Estimate, ...]]] = []
    place = []
    for target, estimates in zip(snapshot.targets, found, strict=True):
        key = estimates or target.channel
        if key not in groups:
            groups[key] = len(scopes)
            scopes.append((_name(target, estimates), estimates))
        place.append(groups[key])
    told = [_spread(estimates) if estimates else None for _, estimates in scopes]
    every = [_spread((estimate,)) for estimate in made.estimates]
    return _counts(tuple(name for name, _ in scopes), place, told, every)


def _of(made: Appraisal, target: Target) -> tuple[Estimate, ...]:
    """The different estimates of a target's campaigns; nothing where one of them has none."""
    each = [made.of(target.channel, campaign) for campaign in target.campaigns]
    known = tuple(dict.fromkeys(estimate for estimate in each if estimate is not None))
    return known if None not in each else ()


def _name(target: Target, estimates: tuple[Estimate, ...]) -> str:
    own = any(estimate.campaign is not None for estimate in estimates)
    return target.budget.name if own else target.channel


def _spread(estimates: tuple[Estimate, ...]) -> Spread:
    """The log of the mean of several, as uncertain as the least certain: they may well err together."""
    sd = max(_LEAST_SD, *(estimate.log_sd for estimate in estimates))
    mean = sum(estimate.mean for estimate in estimates) / len(estimates)
    return Spread(float(np.log(mean)) - 0.5 * sd**2, sd)


def _counts(
    names: tuple[str, ...], group: Sequence[int], told: Sequence[Spread | None], every: Sequence[Spread]
) -> Counts | None:
    """Give a number to every group; None where nothing is told of any.

    A group of which nothing is told is expected to be as those of which something is are on average, give or take
    `BETWEEN`: not to test a channel must not be a way to have its conversions count for more. So its log is that much
    lower as its doubt, by which the mean of a log-normal grows, is wider.
    """
    if not every or not names:
        return None
    precise = np.array([1.0 / (spread.sd**2 + BETWEEN**2) for spread in every])
    average = float(precise @ np.array([spread.mean + 0.5 * spread.sd**2 for spread in every]) / precise.sum())
    wide = float(np.sqrt(BETWEEN**2 + 1.0 / precise.sum()))
    pool = average - 0.5 * wide**2
    return Counts(
        names,
        np.array(group, dtype=np.int64),
        np.array([pool if spread is None else spread.mean for spread in told]),
        np.array([wide if spread is None else spread.sd for spread in told]),
        np.array([spread is not None for spread in told], dtype=np.bool_),
    )
