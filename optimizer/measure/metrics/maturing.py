"""Conversions that are still to come, told apart from those that are reported.

A day's conversions arrive over weeks. With F(l) the share of the eventual ones that is reported l days after the day
(`optimizer.response.maturity`), E_d the day's exposure and R_d what is reported of it, the rate of a campaign is

    r = sum R_d / sum E_d F(lag_d),    still to come of day d = r E_d (1 - F(lag_d)),

the Cape Cod method of claims reserving (Buehlmann and Straub 1983; Gluck, "Balancing development and trend in loss
reserve analysis", PCAS 84, 1997). Unlike R_d / F it tells of days of which nothing is reported yet. The exposure is
clicks where the account reports them, else spend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from connectors.contract import Series
from connectors.money import MICROS
from optimizer.plan.performance import CLICKS, CONVERSIONS, SPEND, VALUE, Performance
from optimizer.plan.snapshot import DelayTriangle, FloatArray, IntArray
from optimizer.response.maturity import learn_maturity

LEAD_DAYS: Final = 28
"""Days before a period that are read for the rates of its campaigns."""

_POOL: Final = ""


@dataclass(frozen=True, slots=True, eq=False)
class Completeness:
    """Share of the eventual conversions that is reported, by lag in days.

    Attributes:
        curves: F(l) for l = 0, 1, ... by `connector/conversion definition`; complete after the last. The curve under
            the empty text is that of all others.
    """

    curves: Mapping[str, FloatArray]

    def of(self, series: Series, lag: IntArray) -> FloatArray:
        """Return F at lags of 0 or more, shape (D,), for one series."""
        group = f"{series.account.connector}/{series.conversion_definition}"
        curve = np.append(self.curves.get(group, self.curves[_POOL]), 1.0)
        return curve[np.minimum(lag, len(curve) - 1)]


def completeness(delays: Sequence[DelayTriangle], targets: int) -> Completeness:
    """Learn how complete reported conversions are, as the forecasts learn it.

    Args:
        delays: Of the snapshot.
        targets: K, of the snapshot.
    """
    curves = learn_maturity(delays, targets).curves
    return Completeness({**{each.group: curves[row] for row, each in enumerate(delays)}, _POOL: curves[-1]})


def still_to_come(told: Performance, complete: Completeness, today: date) -> IntArray:
    """Return the conversions and their value that are expected beyond what is reported, micros, shape (N, 2).

    Args:
        told: The rows; those before a period bear on the rates, too.
        complete: How complete conversions are.
        today: The day after the last that is over; a row of the day before is one day old.
    """
    exposure = _exposure(told)
    come = np.zeros((len(told.row), 2))
    lag = np.maximum(today.toordinal() - told.day, 0)
    for rows in _by_source(told):
        ready = complete.of(told.series[told.row[rows[0]]], lag[rows])
        reported = told.micros[rows][:, [CONVERSIONS, VALUE]].sum(axis=0)
        under = float((exposure[rows] * ready).sum())
        if under > 0.0 and reported[0] > 0:
            rate = float(reported[0]) / under
            come[rows, 0] = rate * exposure[rows] * (1.0 - ready)
            come[rows, 1] = come[rows, 0] * (float(reported[1]) / float(reported[0]))
    found: IntArray = np.rint(come).astype(np.int64)
    return found


def _exposure(told: Performance) -> FloatArray:
    """Clicks, or spend where no row of the account reports clicks, of each row's ad and day, units, shape (N,).

    Of several conversion definitions only one carries the delivery, which counts for all of them.
    """
    accounts, ads = _numbered([s.account for s in told.series]), _numbered([_ad(s) for s in told.series])
    clicked = np.bincount(accounts[told.row], told.reported[:, CLICKS], accounts.max(initial=-1) + 1) > 0
    spent, clicks = told.micros[:, SPEND] / MICROS, told.micros[:, CLICKS] / MICROS
    own = np.where(clicked[accounts[told.row]], clicks, spent)
    place = np.unique(ads[told.row] * 2**23 + told.day, return_inverse=True)[1]
    total = np.bincount(place, own)
    found: FloatArray = total[place]
    return found


def _by_source(told: Performance) -> list[IntArray]:
    """The rows of each campaign, conversion definition and attribution setting, by index."""
    sources = _numbered(
        [(s.account, s.campaign_id, s.conversion_definition, s.attribution_setting) for s in told.series]
    )
    of_row = sources[told.row]
    order = np.argsort(of_row, kind="stable")
    cuts = np.flatnonzero(np.diff(of_row[order])) + 1
    return np.split(order, cuts) if len(order) else []


def _ad(series: Series) -> tuple[object, ...]:
    below = (series.ad_group_id, series.ad_id, series.creative_id, series.audience_id)
    return (series.account, series.campaign_id, *below)


def _numbered(keys: Sequence[object]) -> IntArray:
    """Number equal things alike, shape (len(keys),)."""
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
