"""Goals with a target and a deadline: how they stand, and how likely they are to be met."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from connectors.contract import Account
from optimizer.measure.kpis import state
from optimizer.measure.metrics import Period, Question
from optimizer.plan.kpis import Indicator, Kpi, Standing
from tests.optimizer.performances import TODAY, performance, series

DAY = timedelta(days=1)
APRIL = date(2026, 4, 30)


def steady(days: int = 56, day=(10.0, 2.0, 100.0, 1000.0, 50.0)):
    """So many alike days before today."""
    return performance([(series(), TODAY - n * DAY, day) for n in range(1, days + 1)])


def stands(kpi, told, today=TODAY, at=None, only=None, margin=1.0):
    window = kpi.window(at or today)
    come = np.zeros((len(told.row), 2), dtype=np.int64)
    return state(kpi, window, told, come, Question(window, (), margin), today, np.random.default_rng(1), only)


def test_the_days_that_count_are_a_month_or_end_on_a_deadline():
    assert Kpi("k", Indicator.CLICKS, 1.0).window(date(2026, 2, 9)) == Period(date(2026, 2, 1), date(2026, 2, 28))
    assert Kpi("k", Indicator.CLICKS, 1.0, APRIL).window(TODAY) == Period(date(2026, 4, 1), APRIL)
    assert Kpi("k", Indicator.CLICKS, 1.0, APRIL, TODAY).window(TODAY) == Period(TODAY, APRIL)


@pytest.mark.parametrize(
    ("target", "standing", "probability"),
    [(62.0, Standing.ON_TRACK, 4001 / 4002), (62.01, Standing.BEHIND, 1 / 4002)],
)
def test_alike_days_go_on_as_they_were(target, standing, probability):
    """March has 31 days of 2 conversions each; yesterday was its first."""
    found = stands(Kpi("Leads", Indicator.CONVERSIONS, target), steady())
    assert (found.so_far, found.forecast.value, found.forecast.low, found.forecast.high) == (2.0, 62.0, 62.0, 62.0)
    assert (found.standing, found.probability) == (standing, probability)


@pytest.mark.parametrize(
    ("measure", "reached"),
    [
        (Indicator.SPEND, 10.0), (Indicator.IMPRESSIONS, 1000.0), (Indicator.CLICKS, 50.0),
        (Indicator.CONVERSIONS, 2.0), (Indicator.VALUE, 100.0), (Indicator.PROFIT, 40.0), (Indicator.CTR, 0.05),
        (Indicator.CPC, 0.2), (Indicator.CPM, 10.0), (Indicator.CONVERSION_RATE, 0.04), (Indicator.CPA, 5.0),
        (Indicator.ROAS, 10.0),
    ],
)  # fmt: skip
def test_each_measure_by_hand(measure, reached):
    found = stands(Kpi("k", measure, 1.0), steady(), margin=0.5)
    assert found.so_far == pytest.approx(reached)
    whole = 31.0 if measure in (*list(Indicator)[:6],) else 1.0
    assert found.forecast.value == pytest.approx(whole * reached)


def test_a_month_that_is_over_was_met_or_missed():
    told, over = steady(), date(2026, 2, 28)
    met, missed = (stands(Kpi("k", Indicator.VALUE, target), told, at=over) for target in (2800.0, 2800.5))
    assert (met.standing, missed.standing) == (Standing.MET, Standing.MISSED)
    assert (met.so_far, met.forecast.value, met.probability) == (2800.0, 2800.0, None)
    dear, cheap = (stands(Kpi("k", Indicator.CPA, target), told, at=over) for target in (4.9, 5.0))
    assert (dear.standing, cheap.standing) == (Standing.MISSED, Standing.MET)


def test_what_can_only_grow_is_decided_before_the_end():
    told = steady()
    assert stands(Kpi("k", Indicator.CLICKS, 50.0), told).standing is Standing.MET
    assert stands(Kpi("k", Indicator.SPEND, 9.0), told).standing is Standing.MISSED
    assert stands(Kpi("k", Indicator.VALUE, 50.0), told).standing is Standing.ON_TRACK, "value may be taken back"


def test_nothing_is_forecast_from_less_than_two_weeks():
    found = stands(Kpi("k", Indicator.CLICKS, 5000.0), steady(13))
    assert (found.standing, found.forecast, found.probability) == (Standing.UNKNOWN, None, None)
    assert stands(Kpi("k", Indicator.CLICKS, 5000.0), steady(14)).standing is Standing.BEHIND
    none = stands(Kpi("k", Indicator.CLICKS, 5000.0), performance([]))
    assert (none.standing, none.so_far) == (Standing.UNKNOWN, None)


def test_a_cost_per_action_without_any_is_unknown():
    found = stands(Kpi("k", Indicator.CPA, 5.0), steady(day=(10.0, 0.0, None, None, None)))
    assert (found.standing, found.so_far, found.forecast) == (Standing.UNKNOWN, None, None)
    over = stands(Kpi("k", Indicator.CPA, 5.0), steady(day=(10.0, 0.0, None, None, None)), at=date(2026, 2, 1))
    assert over.standing is Standing.UNKNOWN


def test_a_profit_is_unknown_where_some_spend_has_no_value_told():
    """As in tables: what one account brought is not known, so that its spend alone must not count as a loss."""
    silent = replace(series(), account=Account("ads", "2", "EUR", "UTC"))
    days = [TODAY - n * DAY for n in range(1, 57)]
    told = performance(
        [(series(), day, (10.0, 2.0, 100.0, None, None)) for day in days]
        + [(silent, day, (90.0, 2.0, None, None, None)) for day in days]
    )
    found = stands(Kpi("k", Indicator.PROFIT, 5.0), told)
    assert (found.standing, found.so_far, found.forecast) == (Standing.UNKNOWN, None, None)
    alone = stands(Kpi("k", Indicator.PROFIT, 5.0), told, only=lambda each: each == series())
    assert (alone.standing, alone.so_far) == (Standing.ON_TRACK, 90.0)


def test_a_goal_of_what_no_row_tells_is_unknown():
    """A slip of the pen in a scope or definition must not pass for a goal that is missed."""
    nowhere = stands(Kpi("k", Indicator.CLICKS, 5.0), steady(), only=lambda each: each.channel == "serach")
    slip = stands(Kpi("k", Indicator.CONVERSIONS, 5.0, definition="laed"), steady())
    assert [(each.standing, each.so_far) for each in (nowhere, slip)] == [(Standing.UNKNOWN, None)] * 2


def test_weekdays_come_again_and_a_window_to_come_begins_on_its_own():
    """Only Mondays bring anything; TODAY is one, and the seven days from Wednesday on hold one more."""
    told = performance([(series(), TODAY - 7 * n * DAY, (0.0, 0.0, None, None, 10.0)) for n in range(1, 9)])
    kpi = Kpi("k", Indicator.CLICKS, 10.0, TODAY + 8 * DAY, TODAY + 2 * DAY)
    assert stands(kpi, told).forecast.value == 10.0
    none = Kpi("k", Indicator.CLICKS, 10.0, TODAY + 6 * DAY, TODAY + 2 * DAY)
    assert stands(none, told).forecast.value == 0.0


def test_only_what_the_scope_names_counts():
    told = performance(
        [
            (series(name, channel), TODAY - n * DAY, (1.0, 1.0, None, None, None))
            for n in range(1, 29)
            for name, channel in (("a", "search"), ("b", "social"))
        ]
    )
    found = stands(Kpi("k", Indicator.CONVERSIONS, 31.0), told, only=lambda each: each.channel == "social")
    assert found.forecast.value == 31.0


def test_the_probability_is_kept():
    """Of 300 months whose days are Poisson, a target at the truth's own 30th percentile is met in 70%.

    The mean predicted probability must be near; so far off as here by chance less than once in a million.
    """
    rng = np.random.default_rng(3)
    predicted, met = [], []
    for _ in range(300):
        counts = rng.poisson(20.0, 56)
        told = performance(
            [
                (series(), TODAY - (56 - n) * DAY, (1.0, float(count), None, None, None))
                for n, count in enumerate(counts)
            ]
        )
        window_sum = float(counts[-1]) + rng.poisson(20.0 * 30)
        found = stands(Kpi("k", Indicator.CONVERSIONS, 607.0), told)
        predicted.append(found.probability)
        met.append(window_sum >= 607.0)
    error = np.array(predicted) - np.array(met)
    assert abs(error.mean()) < 4.9 * error.std() / np.sqrt(300) + 0.02
