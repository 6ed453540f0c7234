"""What each channel's conversions count, side by side: as claimed, as an attribution model credits, as lift tests find.

Pure, from a snapshot: what was kept of attribution, lift tests and customers beside the claims of the last days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from optimizer.explain import EIGHTY
from optimizer.goals import Counting, Goals, Valuing
from optimizer.measure.attribution.comparing import moved
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response.counts import Counts, learn_credit, learn_customers, learn_lift
from optimizer.response.history import BoolArray

DAYS: Final = 28
"""Days whose claims are laid side by side, the latest ones."""


@dataclass(frozen=True, slots=True)
class Span:
    """An uncertain figure above zero, log-normal.

    Attributes:
        expected: Its mean.
        log_sd: Standard deviation of its logarithm, 0 or more.
    """

    expected: float
    log_sd: float = 0.0

    @property
    def low(self) -> float:
        """The lower end of its central 80% interval."""
        return self._at(-EIGHTY)

    @property
    def high(self) -> float:
        """The upper end of it."""
        return self._at(EIGHTY)

    def times(self, factor: float) -> Span:
        """The same in another unit; the factor is above zero."""
        return Span(self.expected * factor, self.log_sd)

    def and_by(self, other: Span) -> Span:
        """The product of two that are independent."""
        return Span(self.expected * other.expected, math.hypot(self.log_sd, other.log_sd))

    def _at(self, deviations: float) -> float:
        # The median of a log-normal stands below its mean.
        return self.expected * math.exp(deviations * self.log_sd - 0.5 * self.log_sd**2)


@dataclass(frozen=True, slots=True)
class Cost:
    """Spend per conversion where the conversions are uncertain, currency units.

    Attributes:
        expected: Spend per conversion that is expected.
        low, high: Central 80% interval.
    """

    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Counted:
    """A row's conversions in one way of counting.

    Attributes:
        per_claimed: Conversions that count, per claimed one.
        conversions: How many count.
        cpa: What each of them costs; None without spend or claims.
        roas: Value of them per unit spent; None without spend, or where no value is told.
        value_to_cost: What a new customer brings over what one costs if each of them is one (CLTV:CAC); None where
            either is not known.
        told: Whether something is told of all its budgets. Of what nothing is told that of the others stands in, as in
            plans.
    """

    per_claimed: Span
    conversions: float
    cpa: Cost | None
    roas: Span | None
    value_to_cost: Span | None
    told: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One channel, or all.

    Attributes:
        name: The channel's; empty for all.
        spend: Currency units.
        conversions: That platforms claim.
        value: Of them, currency units; None where none is told.
        ways: By each way of counting of which something is known.
        customer: What a new customer brings, currency units; None where nothing is known.
        customer_told: As `Counted.told`, of that.
    """

    name: str
    spend: float
    conversions: float
    value: float | None
    ways: Mapping[Counting, Counted]
    customer: Span | None
    customer_told: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """All channels in each way of counting.

    Attributes:
        since, until: The days of the claims, both included.
        rows: By channel, the largest spend first.
        whole: All of them together.
        moved: Part of the spend, 0 to 1, that would change its channel if budgets stood in proportion to what counts;
            as `attribution.comparing.moved`.
        counts: The way in which plans count now: the one that the goals ask for where something is known of it.
    """

    since: date
    until: date
    rows: tuple[Row, ...]
    whole: Row
    moved: Mapping[Counting, float]
    counts: Counting


def compare(snapshot: Snapshot, goals: Goals) -> Comparison:
    """Lay the ways of counting side by side over the last `DAYS` days.

    A budget counts as in a plan (`response.counts`). What budgets count is added up as if they all erred together,
    which never says too little of how uncertain the sum is.

    Args:
        snapshot: What is known.
        goals: Of the portfolio: what a conversion is worth, and which conversions count.
    """
    seen = _Seen.of(snapshot, goals)
    channels = np.array([target.channel for target in snapshot.targets], dtype=np.str_)
    rows = [_row(seen, name, channels == name) for name in dict.fromkeys(channels.tolist())]
    rows.sort(key=lambda row: (-row.spend, row.name))
    known = tuple(seen.ways)
    panel = snapshot.panel
    over = panel.first_day + timedelta(days=panel.days)
    return Comparison(
        since=over - timedelta(days=min(DAYS, panel.days)),
        until=over - timedelta(days=1),
        rows=tuple(rows),
        whole=_row(seen, "", np.ones(len(channels), dtype=np.bool_)),
        moved={way: moved([row.spend for row in rows], [_worth(row, way, goals) for row in rows]) for way in known},
        counts=goals.counts if goals.counts in known else Counting.ATTRIBUTED,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Sums of the days by target, each of shape (K,), and what is known of how they count."""

    spend: FloatArray
    conversions: FloatArray
    value: FloatArray | None
    ways: Mapping[Counting, Counts | None]
    customers: Counts | None

    @classmethod
    def of(cls, snapshot: Snapshot, goals: Goals) -> _Seen:
        spend, conversions, value = (
            np.nansum(measure[:, -DAYS:], axis=1)
            for measure in (snapshot.panel.spend, snapshot.panel.conversions, snapshot.panel.value)
        )
        if goals.value_per_conversion is not None:
            value = conversions * (goals.value_per_conversion.micros / 1e6)
        credit, lift = learn_credit(snapshot), learn_lift(snapshot)
        ways: dict[Counting, Counts | None] = {Counting.ATTRIBUTED: None}
        ways |= {} if credit is None else {Counting.CREDITED: credit}
        ways |= {} if lift is None else {Counting.INCREMENTAL: lift}
        return cls(spend, conversions, value if value.any() else None, ways, learn_customers(snapshot))


def _row(seen: _Seen, name: str, of: BoolArray) -> Row:
    shares = _shares(seen.conversions[of])
    customer = None if seen.customers is None else _summed(shares, seen.customers, of)
    return Row(
        name=name,
        spend=float(seen.spend[of].sum()),
        conversions=float(seen.conversions[of].sum()),
        value=None if seen.value is None else float(seen.value[of].sum()),
        ways={way: _counted(seen, counts, of, customer) for way, counts in seen.ways.items()},
        customer=customer,
        customer_told=seen.customers is not None and bool(seen.customers.told[seen.customers.group][of].all()),
    )


def _counted(seen: _Seen, counts: Counts | None, of: BoolArray, customer: Span | None) -> Counted:
    spend, claimed = float(seen.spend[of].sum()), float(seen.conversions[of].sum())
    per_claimed = _summed(_shares(seen.conversions[of]), counts, of)
    found = per_claimed.times(claimed)
    costs = spend > 0 and claimed > 0
    value = None if seen.value is None else _summed(seen.value[of], counts, of)
    return Counted(
        per_claimed=per_claimed,
        conversions=found.expected,
        cpa=Cost(spend / found.expected, spend / found.high, spend / found.low) if costs else None,
        roas=None if value is None or not (value.expected > 0 and spend > 0) else value.times(1.0 / spend),
        value_to_cost=found.and_by(customer).times(1.0 / spend) if costs and customer else None,
        told=counts is None or bool(counts.told[counts.group][of].all()),
    )


def _shares(claims: FloatArray) -> FloatArray:
    """What each target has of the claims; all the same where nothing is claimed."""
    every = float(claims.sum())
    return claims / every if every > 0 else np.full(len(claims), 1.0 / max(len(claims), 1))


def _summed(amounts: FloatArray, counts: Counts | None, of: BoolArray) -> Span:
    """The sum of amounts by target, each multiplied by what it counts."""
    if counts is None:
        return Span(float(amounts.sum()))
    parts = amounts * counts.expected[of]
    whole = float(parts.sum())
    return Span(whole, float(parts @ counts.sd[counts.group][of]) / whole if whole > 0 else 0.0)


def _worth(row: Row, way: Counting, goals: Goals) -> float:
    """What money would follow: the value that counts where one is known, else the conversions."""
    found = row.ways[way]
    if goals.value is Valuing.LIFETIME and row.customer is not None:
        return found.conversions * row.customer.expected
    if row.value is not None:
        return 0.0 if found.roas is None else found.roas.expected * row.spend
    return found.conversions
