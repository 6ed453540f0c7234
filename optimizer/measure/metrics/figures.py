"""The measures of the field from sums by day, with an interval where they are estimates (docs/metrics.md).

What was paid and shown is known: spend, impressions, clicks, CPC and CPM are facts and have no interval. How often
people click, convert and what they bring are estimates of what the same money would bring again:

- CTR: the Jeffreys interval of a binomial rate (Brown, Cai and DasGupta, "Interval estimation for a binomial
  proportion", Statistical Science 16, 2001);
- conversion rate and CPA: the Jeffreys interval of a Poisson rate, per click and per unit spent;
- ROAS and profit: the delta method for a ratio of sums, its days being the clusters (Cochran, Sampling Techniques,
  1977, section 6.4), on the logarithm, with Student's t.

Counts that vary from day to day more than chance alone are divided by their dispersion phi = max(1, Pearson's
chi-square / (days - 1)) first (Wedderburn's quasi-likelihood, Biometrika 61, 1974).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from optimizer.plan.snapshot import FloatArray

LEVEL: Final = 0.95
"""Of every interval."""

LEAST_DAYS: Final = 8
"""Fewest days with spend of which the spread from day to day tells something."""

_TAIL: Final = (1.0 - LEVEL) / 2.0
_Z: Final = float(special.ndtri(1.0 - _TAIL))
_JEFFREYS: Final = 0.5
_MILLE: Final = 1000.0
_PLACES: Final = 6  # of an amount in units, which is in whole micros


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure with the ends of its 95% interval; both are None for a fact, and where nothing is known of it."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """Sums by day that the ratios are made of; each of shape (D,), in units, D days with a row.

    Attributes:
        spend, conversions, value: What was spent; the eventual conversions and their value.
        reported: Conversions as reported by now.
        shown, clicked: Impressions and clicks of the accounts that report both.
        spend_shown, spend_clicked, spend_valued: Spend of the accounts that report impressions, clicks, value.
        shown_paid, clicks: Impressions and clicks of those.
        converted, converted_reported: Conversions, eventual and reported, of the accounts that report clicks.
    """

    spend: FloatArray
    conversions: FloatArray
    value: FloatArray
    reported: FloatArray
    shown: FloatArray
    clicked: FloatArray
    spend_shown: FloatArray
    spend_clicked: FloatArray
    spend_valued: FloatArray
    shown_paid: FloatArray
    clicks: FloatArray
    converted: FloatArray
    converted_reported: FloatArray


def click_through(days: Daily) -> Figure | None:
    """Return CTR, clicks per impression."""
    over, under = float(days.clicked.sum()), float(days.shown.sum())
    if under <= 0.0:
        return None
    rate = min(over / under, 1.0)
    phi = dispersion(days.clicked, days.shown, lambda expected: expected * (1.0 - rate))
    hits, misses = over / phi, max(under - over, 0.0) / phi
    low, high = special.betaincinv(hits + _JEFFREYS, misses + _JEFFREYS, [_TAIL, 1.0 - _TAIL])
    return _around(over / under, float(low), float(high))


def cost_per_click(days: Daily) -> Figure | None:
    """Return CPC, spend per click, currency units."""
    return _fact(days.spend_clicked, days.clicks)


def cost_per_mille(days: Daily) -> Figure | None:
    """Return CPM, spend per thousand impressions, currency units."""
    return _fact(days.spend_shown, days.shown_paid / _MILLE)


def conversion_rate(days: Daily) -> Figure | None:
    """Return eventual conversions per click; it may be above one."""
    return _rate(days.converted, days.converted_reported, days.clicks)


def cost_per_action(days: Daily) -> Figure | None:
    """Return CPA, spend per eventual conversion, currency units."""
    rate = _rate(days.conversions, days.reported, days.spend)
    if rate is None or rate.value <= 0.0 or not rate.low or rate.high is None:
        return None
    return Figure(1.0 / rate.value, 1.0 / rate.high, 1.0 / rate.low)


def return_on_spend(days: Daily) -> Figure | None:
    """Return ROAS, eventual value per unit spent, over the accounts that report value."""
    spend, value = float(days.spend_valued.sum()), float(days.value.sum())
    if spend <= 0.0:
        return None
    ratio = value / spend
    on = (days.spend_valued > 0.0) | (days.value != 0.0)
    count = int(on.sum())
    if count < LEAST_DAYS or ratio <= 0.0:
        return Figure(ratio)
    residual = (days.value - ratio * days.spend_valued)[on]
    error = math.sqrt(count / (count - 1) * float((residual**2).sum())) / spend
    width = float(special.stdtrit(count - 1, 1.0 - _TAIL)) * error / ratio
    return Figure(ratio, ratio * math.exp(-width), ratio * math.exp(width))


def profit(days: Daily, margin: float) -> Figure | None:
    """Return the eventual value's margin less the spend, currency units; None where some spend has no value told."""
    spend, roas = float(days.spend.sum()), return_on_spend(days)
    if roas is None or not math.isclose(float(days.spend_valued.sum()), spend):
        return None

    def of(ratio: float | None) -> float | None:
        return None if ratio is None else (margin * ratio - 1.0) * spend

    exact = round(margin * float(days.value.sum()) - spend, _PLACES)
    return Figure(exact, of(roas.low), of(roas.high))


def value_to_cost(customer: Figure | None, cpa: Figure | None) -> Figure | None:
    """Return CLTV:CAC, each conversion taken as a new customer; the errors of both are taken as independent."""
    if customer is None or cpa is None:
        return None
    ratio = customer.value / cpa.value
    spreads = (log_spread(customer), log_spread(cpa))
    if None in spreads:
        return Figure(ratio)
    width = _Z * math.hypot(*(spread for spread in spreads if spread is not None))
    return Figure(ratio, ratio * math.exp(-width), ratio * math.exp(width))


def log_spread(figure: Figure) -> float | None:
    """Return the standard deviation of the logarithm that a figure's interval tells; None without an interval."""
    if figure.low is None or figure.high is None or figure.low <= 0.0:
        return None
    return (math.log(figure.high) - math.log(figure.low)) / (2.0 * _Z)


def log_normal(mean: float, log_sd: float) -> Figure:
    """Return the figure of a log-normal estimate with this expectation."""
    middle = mean * math.exp(-0.5 * log_sd**2)
    return Figure(mean, middle * math.exp(-_Z * log_sd), middle * math.exp(_Z * log_sd))


def quantiles(mean: float, draws: FloatArray) -> Figure:
    """Return the figure of posterior draws, shape (n,)."""
    low, high = np.quantile(draws, [_TAIL, 1.0 - _TAIL])
    return Figure(mean, float(low), float(high))


def dispersion(over: FloatArray, under: FloatArray, variance: Callable[[FloatArray], FloatArray]) -> float:
    """Return Pearson's chi-square over its degrees of freedom, one at least.

    Args:
        over: Counts by day, shape (D,).
        under: What they come of, shape (D,).
        variance: Of a count by its expectation, if chance alone moved it.
    """
    on = under > 0.0
    count = int(on.sum())
    expected = float(over[on].sum() / under[on].sum()) * under[on] if count else under[on]
    spread = variance(expected)
    if count <= 1 or not (spread > 0.0).all():
        return 1.0
    return max(1.0, float(((over[on] - expected) ** 2 / spread).sum()) / (count - 1))


def _rate(eventual: FloatArray, reported: FloatArray, under: FloatArray) -> Figure | None:
    """A Poisson rate; what is still to come raises it, and tells nothing of how sure it is."""
    total, seen, exposure = float(eventual.sum()), float(reported.sum()), float(under.sum())
    if exposure <= 0.0 or total < 0.0 or seen < 0.0:
        return None
    rate = total / exposure
    phi = dispersion(eventual, under, lambda expected: expected)
    observed = seen / rate if seen > 0.0 and rate > 0.0 else exposure
    low, high = special.gammaincinv(seen / phi + _JEFFREYS, [_TAIL, 1.0 - _TAIL]) * phi / observed
    return _around(rate, float(low), float(high))


def _around(rate: float, low: float, high: float) -> Figure:
    """A rate with an interval that holds it: of no or few counts the prior alone would place it beside them."""
    return Figure(rate, min(low, rate), max(high, rate))


def _fact(over: FloatArray, under: FloatArray) -> Figure | None:
    count = float(under.sum())
    return Figure(float(over.sum()) / count) if count > 0.0 else None
