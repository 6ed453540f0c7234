"""What a platform would report of campaigns whose curves are known: settings and views for tests of policies."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from simulations.noise import FloatArray, IntArray
from simulations.policies.contract import BoolArray, Bounds, Counted, Seen, Setting

MONDAY = date(2025, 1, 6)
AT_ONCE = np.ones(1)


def setting(
    campaigns: int,
    *,
    unit: float = 100.0,
    step: float = 0.3,
    box: tuple[float, float] = (0.1, 5.0),
    channel: IntArray | None = None,
    goal: Counted = "conversions",
) -> Setting:
    """What a policy is told: so many campaigns with an average budget of `unit`, the box in such units."""
    each = np.full(campaigns, unit)
    return Setting(
        market="campaigns",
        currency="EUR",
        time_zone="Europe/Berlin",
        channels=("search", "social", "video"),
        start=MONDAY,
        days=200,
        names=tuple(f"campaign {k}" for k in range(campaigns)),
        channel=np.zeros(campaigns, dtype=np.int64) if channel is None else channel,
        bounds=Bounds(unit * campaigns, box[0] * each, box[1] * each, step),
        goal=goal,
    )


def report(
    spend: FloatArray,
    eventual: FloatArray,
    *,
    share: FloatArray = AT_ONCE,
    live: FloatArray | None = None,
    runs: BoolArray | None = None,
    budgets: FloatArray | None = None,
    order_value: float = 50.0,
) -> Seen:
    """What is known on the morning after the last day, if `share` of a day's conversions is reported by each age."""
    campaigns, today = spend.shape
    age = np.arange(today - 1, -1, -1)
    known = eventual * share[np.minimum(age, share.size - 1)]
    by_age = np.where(np.arange(share.size) <= age[:, None], eventual[..., None] * share, np.nan)
    found = spend[:, -1].copy() if today else np.full(campaigns, 100.0)
    return Seen(
        today=today,
        budgets=spend if budgets is None else budgets,
        spend=spend,
        impressions=1000.0 * known,
        clicks=20.0 * known,
        conversions=known,
        value=order_value * known,
        by_age=by_age,
        impression_share=np.full_like(spend, np.nan),
        live=found if live is None else live,
        runs=np.ones(campaigns, dtype=np.bool_) if runs is None else runs,
    )


def in_other_money(told: Setting, seen: Seen, rate: float) -> tuple[Setting, Seen]:
    """The same with every amount of money times a rate."""
    bounds = told.bounds
    other = Bounds(rate * bounds.total, rate * bounds.lower, rate * bounds.upper, bounds.step)
    return replace(told, bounds=other), replace(
        seen, budgets=rate * seen.budgets, spend=rate * seen.spend, value=rate * seen.value, live=rate * seen.live
    )
