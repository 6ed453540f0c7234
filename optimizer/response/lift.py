"""From attributed to incremental conversions: what lift tests say of each channel, as the slow tier learnt it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot
from optimizer.response.history import BoolArray

BETWEEN: Final = 0.5
"""Standard deviation between channels of log incremental conversions per attributed one: a channel without a test."""


@dataclass(frozen=True, slots=True, eq=False)
class Lift:
    """Incremental conversions per attributed one, log-normal, one number for all targets of a channel.

    Attributes:
        channels: The C channels of the targets, sorted.
        channel: Index of each target's, shape (K,).
        mean, sd: Of the log, shape (C,).
        tested: Channels that a test speaks of, shape (C,); the others lean on those.
    """

    channels: tuple[str, ...]
    channel: IntArray
    mean: FloatArray
    sd: FloatArray
    tested: BoolArray

    @property
    def expected(self) -> FloatArray:
        """The mean, exp(m + s^2 / 2), shape (K,)."""
        value: FloatArray = np.exp(self.mean + 0.5 * self.sd**2)[self.channel]
        return value

    @property
    def square(self) -> FloatArray:
        """The mean of the square, shape (K,)."""
        value: FloatArray = np.exp(2.0 * self.mean + 2.0 * self.sd**2)[self.channel]
        return value

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw what each target's conversions count, shape (n, K); targets of a channel share theirs."""
        drawn: FloatArray = np.exp(self.mean + self.sd * rng.standard_normal((n, self.mean.size)))[:, self.channel]
        return drawn


def learn_lift(snapshot: Snapshot) -> Lift | None:
    """Read the priors of the slow tier; None where no lift test stands behind them.

    A channel without a test is expected to be as those with one are on average, give or take `BETWEEN`: not to test a
    channel must not be a way to have its conversions count for more. So its log is that much lower as its doubt, by
    which the mean of a log-normal grows, is wider.
    """
    channels = tuple(sorted({target.channel for target in snapshot.targets}))
    given = [None if snapshot.priors is None else snapshot.priors.of(name) for name in channels]
    told = [None if prior is None else prior.log_lift for prior in given]
    tests = [] if snapshot.priors is None else [p.log_lift for p in snapshot.priors.channels if p.log_lift is not None]
    if not tests or not channels:
        return None
    precise = np.array([1.0 / (spread.sd**2 + BETWEEN**2) for spread in tests])
    average = float(precise @ np.array([spread.mean + 0.5 * spread.sd**2 for spread in tests]) / precise.sum())
    wide = float(np.sqrt(BETWEEN**2 + 1.0 / precise.sum()))
    pool = average - 0.5 * wide**2
    index = {name: place for place, name in enumerate(channels)}
    return Lift(
        channels,
        np.array([index[target.channel] for target in snapshot.targets], dtype=np.int64),
        np.array([pool if spread is None else spread.mean for spread in told]),
        np.array([wide if spread is None else spread.sd for spread in told]),
        np.array([spread is not None for spread in told], dtype=np.bool_),
    )
