"""What was spent, where a platform reports no costs because the advertiser pays by contract. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np

from connectors.contract import Account, Series
from connectors.money import MICROS, Money
from optimizer.goals import PER_ACTION, Model, Payment
from optimizer.plan.performance import CLICKS, CONVERSIONS, IMPRESSIONS, SPEND, VALUE, BoolArray, Performance
from optimizer.plan.snapshot import IntArray

_MILLE: Final = 1000

Payer = Callable[[Series], Payment | None]


def costed(told: Performance, come: IntArray, payment_of: Payer, worth: Money | None = None) -> Performance:
    """Return the rows with the cost of campaigns that report none and are paid by contract, to the micro.

    A row's cost is its rate times impressions / 1000, clicks, conversions, or value. Conversions and value still to
    come are owed, too, so that a cost per action is its rate also of days that are not complete. Where a campaign
    reports spend in any row, all of its rows keep theirs: the platform's own bill holds, and a day without spend, or a
    conversion definition that carries no delivery, comes under it. Conversions of every definition are paid, as in
    plans (`goals.owed`).

    Args:
        told: The rows; all of them tell whether a campaign reports spend.
        come: Conversions and value still to come, micros, shape (N, 2).
        payment_of: The payment of a series; None where there is none.
        worth: What a conversion counts in place of the value that is reported; None where that counts.
    """
    payments = [payment_of(series) for series in told.series]
    if not any(payments):
        return told
    micros = told.micros.copy()
    for place in np.flatnonzero(~_billed(told)).tolist():
        payment = payments[int(told.row[place])]
        if payment is not None:
            conversions, value = (micros[place, [CONVERSIONS, VALUE]] + come[place]).tolist()
            if worth is not None:
                value = round(Fraction(conversions * worth.micros, MICROS))
            counts = (int(micros[place, IMPRESSIONS]), int(micros[place, CLICKS]), conversions, value)
            micros[place, SPEND] = max(_cost(payment, *counts), 0)
    return replace(told, micros=micros)


def _billed(told: Performance) -> BoolArray:
    """Whether the campaign of each row reports spend in any row, shape (N,)."""
    numbers: dict[tuple[Account, str], int] = {}
    campaign = np.array(
        [numbers.setdefault((s.account, s.campaign_id), len(numbers)) for s in told.series], dtype=np.int64
    )
    of_row = campaign[told.row]
    found: BoolArray = (np.bincount(of_row, told.micros[:, SPEND] != 0, len(numbers)) > 0)[of_row]
    return found


def _cost(payment: Payment, impressions: int, clicks: int, conversions: int, value: int) -> int:
    """The cost of one row in whole micros; all counts are micros."""
    rate = Fraction(str(payment.rate))
    if payment.model in PER_ACTION:
        return round(rate * conversions)
    match payment.model:
        case Model.REVENUE_SHARE:
            return round(rate * value)
        case Model.CPM:
            return round(rate * impressions / _MILLE)
        case _:
            return round(rate * clicks)
