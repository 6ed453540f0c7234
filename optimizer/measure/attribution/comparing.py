"""Models side by side: against what platforms claim, what they cost, and what money they would move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.money import MICROS
from optimizer.measure.attribution.credit import Credit
from optimizer.measure.attribution.paths import Floats, Place
from optimizer.plan.appraisal import Appraisal, Estimate, Subject

FEWEST_CLAIMS: Final = 10
"""Fewer claimed conversions tell nothing of a ratio to them."""

_LEAST: Final = 0.5
"""Orders that a channel is taken to have where a model credits it none: its ratio must be above 0."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a platform says of itself.

    Attributes:
        spend: Micros.
        conversions: That it claims.
        value: Micros that it claims.
    """

    spend: int
    conversions: float
    value: int

    def __add__(self, other: Claim) -> Claim:
        return Claim(self.spend + other.spend, self.conversions + other.conversions, self.value + other.value)


@dataclass(frozen=True, slots=True)
class Row:
    """One channel under one model.

    Attributes:
        channel: Its name.
        conversions: That are credited to it.
        value: Micros credited to it.
        cpa: Micros spent per conversion credited; None without any.
        roas: Value per unit spent; None without spend.
        share: Part of the spend that it would get if budgets followed the credited value; None without spend.
    """

    channel: str
    conversions: float
    value: int
    cpa: float | None
    roas: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class View:
    """All channels under one model.

    Attributes:
        name: The model's, or `platform` for what platforms claim, or `deduplicated`.
        rows: One for each channel, in the order asked for.
        moved: Part of all spend that would change its channel if budgets followed the credited value, 0 to 1.
    """

    name: str
    rows: tuple[Row, ...]
    moved: float


def claimed(claims: Mapping[str, Claim]) -> View:
    """Return what platforms claim; conversions that two of them claim count twice."""
    figures = {name: (claim.conversions, claim.value) for name, claim in claims.items()}
    return _view("platform", figures, claims)


def deduplicated(claims: Mapping[str, Claim], parts: Mapping[str, float], orders: float) -> View:
    """Return claims after orders that several platforms claim were counted once.

    Args:
        claims: By channel.
        parts: Orders by channel, where the books say who claims which (`building.claims`): 1/k to each of k. Where they
            say nothing, claims are scaled down by one factor to as many as there are orders, if they are more.
        orders: In the advertiser's own books.
    """
    every = sum(claim.conversions for claim in claims.values())
    factor = min(1.0, orders / every) if every > 0 else 1.0
    figures = {}
    for name, claim in claims.items():
        conversions = parts.get(name, 0.0) if parts else claim.conversions * factor
        each = claim.value / claim.conversions if claim.conversions > 0 else 0.0
        figures[name] = (conversions, round(conversions * each))
    return _view("deduplicated", figures, claims)


def credited(credit: Credit, claims: Mapping[str, Claim]) -> View:
    """Return what a model credits, for all channels with a claim or a credit."""
    names = dict.fromkeys([*claims, *(place.channel for place in credit.places)])
    return _view(credit.name, {name: credit.of(name) for name in names}, claims)


def moved(spend: Sequence[float], value: Sequence[float]) -> float:
    """Return which part of the spend would change its channel if budgets stood in proportion to value.

    Half the sum over channels of |s_c - S v_c / V|, over S: s is the spend, v the credited value, S and V their sums.
    It compares models; it is no advice, since the next unit brings less than the average one.

    Args:
        spend: By channel, 0 or more.
        value: By channel; what is below 0 counts as 0.
    """
    every, worth = sum(spend), sum(max(each, 0.0) for each in value)
    if every <= 0 or worth <= 0:
        return 0.0
    return sum(abs(s / every - max(v, 0.0) / worth) for s, v in zip(spend, value, strict=True)) / 2


def to_appraisal(
    credit: Credit, log_sd: Floats, claims: Mapping[Place, Claim], made_at: datetime, evidence: str
) -> Appraisal | None:
    """Return what the model credits per conversion that a platform claims.

    A channel that no touch names has no estimate: where its touches are not told, that it brought nothing cannot be
    said.

    Args:
        credit: Of any model.
        log_sd: How sure its orders are by place, as `credit.spread` tells.
        claims: By channel, and by campaign within it; those with fewer than `FEWEST_CLAIMS` have no estimate.
        made_at: In `datetime.UTC`.
        evidence: Digest of what it was made from.

    Returns:
        None where no scope has an estimate.
    """
    channels = dict.fromkeys(place.channel for place in credit.places)
    scopes = [Place(name) for name in channels] + [place for place in credit.places if place.campaign is not None]
    estimates = []
    for scope in scopes:
        claim = claims.get(scope)
        if claim is not None and claim.conversions >= FEWEST_CLAIMS:
            mean = max(credit.of(scope.channel, scope.campaign)[0], _LEAST) / claim.conversions
            estimates.append(Estimate(scope.channel, mean, _spread(credit, log_sd, scope), scope.campaign))
    if not estimates:
        return None
    return Appraisal(Subject.CREDIT, f"{credit.name}/1", made_at, evidence, "", tuple(estimates))


def _spread(credit: Credit, log_sd: Floats, scope: Place) -> float:
    """The spread of a scope: of its one place, else that of its places' mean weighed by their orders.

    Campaigns of a channel rise and fall together in part; their weighted mean is the spread if they did so wholly,
    which never says too little.
    """
    at = [
        number
        for number, place in enumerate(credit.places)
        if place.channel == scope.channel and scope.campaign in (None, place.campaign)
    ]
    weights = [max(float(credit.orders[number]) / MICROS, _LEAST) for number in at]
    return sum(w * float(log_sd[number]) for w, number in zip(weights, at, strict=True)) / sum(weights)


def _view(name: str, figures: Mapping[str, tuple[float, int]], claims: Mapping[str, Claim]) -> View:
    spends = [claims[channel].spend if channel in claims else 0 for channel in figures]
    paid = [spend > 0 for spend in spends]
    # Only what has a price can be bought more of: channels without spend take no part of the money.
    by_value = any(value for _, value in figures.values())
    worth = [
        max(value if by_value else orders, 0) * own for (orders, value), own in zip(figures.values(), paid, strict=True)
    ]
    whole = sum(worth)
    rows = tuple(
        Row(
            channel=channel,
            conversions=orders,
            value=value,
            cpa=spend / orders if spend and orders > 0 else None,
            roas=value / spend if spend else None,
            share=each / whole if spend and whole > 0 else None,
        )
        for (channel, (orders, value)), spend, each in zip(figures.items(), spends, worth, strict=True)
    )
    return View(name, rows, moved(spends, worth))
