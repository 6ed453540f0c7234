"""The measures: sums to the micro, ratios by hand, intervals that cover, and nothing where nothing is defined."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from connectors.contract import Account
from connectors.money import Money
from optimizer.forecast import Forecast
from optimizer.goals import Goals
from optimizer.measure.metrics import (
    Completeness,
    Cut,
    Metric,
    Period,
    PeriodError,
    Question,
    completeness,
    marginal_roas,
    measure,
    period_of,
    still_to_come,
)
from optimizer.measure.metrics.figures import log_normal, log_spread
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.performance import Performance
from optimizer.response import learn
from optimizer.response.maturity import learn_maturity
from tests.optimizer import snapshots
from tests.optimizer.performances import ACCOUNT, MICROS, TODAY, performance, series

DAY = timedelta(days=1)
SOON = TODAY - DAY
WHOLE = Completeness({"": np.ones(2)})
FEBRUARY = Period(date(2026, 2, 1), date(2026, 2, 28))


def nothing_to_come(told):
    return np.zeros((len(told.row), 2), dtype=np.int64)


def table(told, cuts=(), period=FEBRUARY, come=None, **asked):
    marginal = asked.pop("marginal", {})
    question = Question(period, tuple(cuts), **asked)
    return measure(told, nothing_to_come(told) if come is None else come, question, "EUR", marginal)


def one_day(spend, conversions, value, impressions, clicks):
    return performance([(series(), FEBRUARY.since, (spend, conversions, value, impressions, clicks))])


# Periods


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("yesterday", "2026-03-01", "2026-03-01"),
        ("LAST-7-DAYS", "2026-02-23", "2026-03-01"),
        ("last-1-day", "2026-03-01", "2026-03-01"),
        ("last-week", "2026-02-23", "2026-03-01"),
        ("this-month", "2026-03-01", "2026-03-01"),
        ("last-month", "2026-02-01", "2026-02-28"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-03", "2026-03-01", "2026-03-01"),
        ("2026-01-30..2026-02-02", "2026-01-30", "2026-02-02"),
        ("2026-02-20", "2026-02-20", "2026-02-20"),
    ],
)
def test_a_period_is_read_and_ends_yesterday(text, since, until):
    assert period_of(text, TODAY) == Period(date.fromisoformat(since), date.fromisoformat(until))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soon", "'soon' is no period. Mend: write yesterday, last-7-days"),
        ("last-0-days", "is no period"),
        ("2026-13", "is no period"),
        ("2026-02-30", "is no period"),
        ("2026-02-03..2026-02-01", "ends before it begins"),
        ("2026-04", "no day of the period '2026-04' is over on 2026-03-02"),
        ("2026-03-02", "is over on 2026-03-02"),
    ],
)
def test_what_is_no_period_is_refused_with_a_mend(text, words):
    with pytest.raises(PeriodError, match=words):
        period_of(text, TODAY)


def test_this_month_has_no_day_on_its_first():
    with pytest.raises(PeriodError, match="is over"):
        period_of("this-month", date(2026, 3, 1))


# Ratios by hand


def test_one_day_by_hand():
    total = table(one_day(100.0, 5.0, 400.0, 20_000.0, 250.0), margin=0.5).total
    figures = {metric: figure.value for metric, figure in total.figures.items()}
    assert figures == {
        Metric.CTR: 0.0125,
        Metric.CPC: 0.4,
        Metric.CPM: 5.0,
        Metric.CONVERSION_RATE: 0.02,
        Metric.CPA: 20.0,
        Metric.ROAS: 4.0,
        Metric.PROFIT: 100.0,
    }
    assert total.totals.spend == 100 * MICROS
    ctr, cpa = total.figures[Metric.CTR], total.figures[Metric.CPA]
    assert (ctr.low, ctr.high) == pytest.approx(stats.beta(250.5, 19_750.5).interval(0.95))
    rate = stats.gamma(5.5, scale=1 / 100.0).interval(0.95)
    assert (cpa.low, cpa.high) == pytest.approx((1 / rate[1], 1 / rate[0]))
    assert total.figures[Metric.CPC].low is None
    assert total.figures[Metric.ROAS].low is None, "one day tells nothing of how value varies"


def test_nothing_is_defined_of_nothing():
    total = table(one_day(0.0, 0.0, None, None, None)).total
    assert dict(total.figures) == {}
    assert (total.totals.value, total.totals.impressions, total.totals.clicks) == (None, None, None)
    empty = table(performance([]), [Cut.CAMPAIGN])
    assert (empty.rows, empty.total.totals.spend, dict(empty.total.figures)) == ((), 0, {})


def test_clicks_without_a_conversion_have_a_rate_of_zero_with_a_bound_and_no_cpa():
    figures = table(one_day(50.0, 0.0, 0.0, 1000.0, 100.0)).total.figures
    rate = figures[Metric.CONVERSION_RATE]
    assert (rate.value, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(special.gammaincinv(0.5, 0.975) / 100.0)
    assert Metric.CPA not in figures
    assert figures[Metric.ROAS].value == 0.0


def test_an_account_that_reports_no_clicks_bears_on_no_ratio_of_clicks():
    other = Account("ads", "2", "EUR", "UTC")
    told = performance(
        [
            (series(), FEBRUARY.since, (100.0, 4.0, 200.0, 1000.0, 50.0)),
            (series("x", account=other), FEBRUARY.since, (300.0, 6.0, None, 9000.0, None)),
        ]
    )
    total = table(told).total
    figures = total.figures
    assert figures[Metric.CTR].value == 0.05
    assert figures[Metric.CPC].value == 2.0
    assert figures[Metric.CONVERSION_RATE].value == 0.08
    assert figures[Metric.CPM].value == 40.0
    assert figures[Metric.CPA].value == 40.0
    assert figures[Metric.ROAS].value == 2.0
    assert Metric.PROFIT not in figures, "what the other account's spend brought is not known"
    assert total.totals.conversions == 10 * MICROS


def test_a_fixed_worth_counts_in_place_of_reported_value():
    total = table(one_day(100.0, 2.5, None, None, None), worth=Money.of("40.10", "EUR"), margin=1.0).total
    assert total.totals.value == 100_250_000
    assert total.figures[Metric.ROAS].value == pytest.approx(1.0025)
    assert total.figures[Metric.PROFIT].value == pytest.approx(0.25)


def test_cpa_of_one_definition_is_its_cost_per_lead():
    lead, sale = series(conversion_definition="lead"), series(conversion_definition="sale")
    told = performance(
        [
            (lead, FEBRUARY.since, (60.0, 6.0, None, 100.0, 30.0)),
            (sale, FEBRUARY.since, (0.0, 2.0, 500.0, 0.0, 0.0)),
        ]
    )
    assert table(told, definition="lead").total.figures[Metric.CPA].value == 10.0
    assert table(told, definition="sale").total.figures[Metric.CPA].value == 30.0
    assert table(told).total.figures[Metric.CPA].value == 7.5


def test_roas_is_bounded_by_how_its_days_vary():
    values = [100.0, 140.0, 90.0, 120.0, 110.0, 130.0, 80.0, 150.0]
    told = performance(
        [(series(), FEBRUARY.since + n * DAY, (50.0, 1.0, value, None, None)) for n, value in enumerate(values)]
    )
    roas = table(told).total.figures[Metric.ROAS]
    ratios = np.array(values) / 50.0
    error = ratios.std(ddof=1) / math.sqrt(8)
    width = stats.t(7).ppf(0.975) * error / ratios.mean()
    assert roas.value == pytest.approx(ratios.mean())
    assert (roas.low, roas.high) == pytest.approx((ratios.mean() * math.exp(-width), ratios.mean() * math.exp(width)))


# Splits


def test_a_table_is_split_by_channel_and_week_in_the_order_of_time():
    told = performance(
        [
            (series("c1", "search"), date(2026, 2, 2), (1.0, 0.0, None, None, None)),
            (series("c1", "search"), date(2026, 2, 8), (2.0, 0.0, None, None, None)),
            (series("c2", "search"), date(2026, 2, 9), (4.0, 0.0, None, None, None)),
            (series("c3", "social"), date(2026, 2, 9), (9.0, 0.0, None, None, None)),
        ]
    )
    rows = table(told, [Cut.CHANNEL, Cut.WEEK]).rows
    assert [(row.key, row.totals.spend // MICROS) for row in rows] == [
        (("search", "2026-02-02"), 3),
        (("social", "2026-02-09"), 9),
        (("search", "2026-02-09"), 4),
    ]


def test_a_week_that_began_earlier_is_named_by_the_first_day_of_the_period():
    told = performance([(series(), date(2026, 2, 1), (1.0, 0.0, None, None, None))])
    assert table(told, [Cut.WEEK]).rows[0].key == ("2026-02-01",)
    assert table(told, [Cut.MONTH]).rows[0].parts[0].label == "2026-02"


def test_campaigns_are_named_and_those_of_two_accounts_are_two():
    other = Account("ads", "2", "EUR", "UTC")
    told = performance(
        [
            (series("c1"), FEBRUARY.since, (3.0, 0.0, None, None, None)),
            (series("c1", account=other), FEBRUARY.since, (5.0, 0.0, None, None, None)),
        ],
        {"c1": "Brand"},
    )
    rows = table(told, [Cut.CAMPAIGN]).rows
    assert [(row.parts[0].key, row.parts[0].label) for row in rows] == [("ads/2/c1", "c1"), ("ads/1/c1", "Brand")]
    assert [row.parts[0].key for row in table(told, [Cut.CREATIVE]).rows] == [""]


@pytest.mark.parametrize("cuts", [(Cut.DAY, Cut.DAY), (Cut.DAY, Cut.WEEK)])
def test_a_split_that_makes_no_sense_is_refused(cuts):
    with pytest.raises(ValueError, match="cannot be split"):
        Question(FEBRUARY, cuts)


amounts = st.integers(0, 10**10)
rows_of_days = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 40), st.tuples(amounts, amounts, amounts, amounts, amounts)),
    max_size=30,
    unique_by=lambda row: row[:2],
)


def made_up(rows) -> Performance:
    names = [series(f"c{n}", f"channel{n % 2}", ad_id=f"a{n % 3}") for n in range(5)]
    return performance(
        [
            (names[n], date(2026, 1, 20) + day * DAY, tuple(micros / MICROS for micros in measures))
            for n, day, measures in rows
        ]
    )


@given(rows_of_days, st.sampled_from([(Cut.CAMPAIGN,), (Cut.CHANNEL, Cut.DAY), (Cut.AD, Cut.MONTH), (Cut.WEEK,)]))
def test_the_rows_of_a_table_add_up_to_its_total_to_the_micro(rows, cuts):
    told = made_up(rows)
    complete = Completeness({"": np.array([0.3, 0.6, 0.9])})
    found = table(told, cuts, come=still_to_come(told, complete, date(2026, 2, 25)))
    for name in ("spend", "conversions", "to_come", "value", "value_to_come", "impressions", "clicks"):
        parts = [getattr(row.totals, name) for row in found.rows]
        assert sum(part or 0 for part in parts) == (getattr(found.total.totals, name) or 0)


@given(rows_of_days)
def test_every_figure_is_finite_and_lies_in_its_interval(rows):
    found = table(made_up(rows), [Cut.CAMPAIGN], margin=0.4)
    for row in (*found.rows, found.total):
        for figure in row.figures.values():
            assert all(math.isfinite(each) for each in (figure.value, figure.low or 0.0, figure.high or 0.0))
            assert figure.low is None or figure.low <= figure.value + 1e-9 * abs(figure.value)
            assert figure.high is None or figure.high >= figure.value - 1e-9 * abs(figure.value)


# Coverage: if a 95% interval covers as it says, it holds the truth in fewer than 173 of 200 made-up months less than
# once in a million.


def test_the_intervals_of_rates_cover_also_where_days_vary_more_than_chance():
    rng = np.random.default_rng(11)
    held = {Metric.CTR: 0, Metric.CONVERSION_RATE: 0, Metric.CPA: 0}
    truth = {Metric.CTR: 0.02, Metric.CONVERSION_RATE: 0.05, Metric.CPA: 10.0}
    for _ in range(200):
        shown = rng.integers(4000, 6000, 28)
        clicks = rng.binomial(shown, np.clip(0.02 * rng.gamma(20, 1 / 20, 28), 0, 1))
        spend = 0.5 * clicks
        conversions = rng.poisson(0.05 * clicks * rng.gamma(10, 1 / 10, 28))
        day = [FEBRUARY.since + n * DAY for n in range(28)]
        rows = zip(day, spend, conversions, shown, clicks, strict=True)
        told = performance([(series(), d, (float(s), float(c), None, float(i), float(k))) for d, s, c, i, k in rows])
        figures = table(told).total.figures
        for metric, value in truth.items():
            held[metric] += figures[metric].low <= value <= figures[metric].high
    assert all(count >= 173 for count in held.values()), held


def test_the_interval_of_roas_covers():
    rng = np.random.default_rng(12)
    held = 0
    for _ in range(200):
        spend = rng.uniform(50, 150, 28)
        value = rng.poisson(0.1 * spend * rng.gamma(20, 1 / 20, 28)) * 40.0
        told = performance(
            [
                (series(), FEBRUARY.since + n * DAY, (float(s), 1.0, float(v), None, None))
                for n, (s, v) in enumerate(zip(spend, value, strict=True))
            ]
        )
        roas = table(told).total.figures[Metric.ROAS]
        held += roas.low <= 4.0 <= roas.high
    assert held >= 173


# What is still to come


def test_what_is_still_to_come_by_hand():
    """100 clicks a day; half is reported after a day, all after two: 10 + 4 conversions from 100 + 50 ready clicks."""
    told = performance(
        [
            (series(), SOON - DAY, (20.0, 10.0, 500.0, None, 100.0)),
            (series(), SOON, (20.0, 5.0, 250.0, None, 100.0)),
        ]
    )
    complete = Completeness({"": np.array([0.0, 0.5, 1.0])})
    come = still_to_come(told, complete, TODAY)
    rate = 15.0 / 150.0
    assert come[0].tolist() == [0, 0]
    assert come[1].tolist() == [round(rate * 100 * 0.5 * MICROS), round(rate * 100 * 0.5 * 50.0 * MICROS)]
    total = table(told, period=Period(SOON - DAY, SOON), come=come).total
    assert (total.totals.conversions, total.totals.to_come) == (15 * MICROS, 5 * MICROS)
    assert total.figures[Metric.CPA].value == 2.0


def test_a_day_of_which_nothing_is_reported_yet_has_conversions_to_come():
    told = performance(
        [
            (series(), SOON - 9 * DAY, (10.0, 10.0, None, None, None)),
            (series(), SOON, (10.0, 0.0, None, None, None)),
        ]
    )
    come = still_to_come(told, Completeness({"": np.array([0.0, 0.0])}), TODAY)
    assert come[:, 0].tolist() == [0, 10 * MICROS]


def test_each_definition_matures_at_its_own_pace_by_the_delivery_that_stands_once():
    quick, slow = series(conversion_definition="lead"), series(conversion_definition="sale")
    told = performance(
        [
            (quick, SOON, (10.0, 8.0, None, None, 100.0)),
            (slow, SOON, (0.0, 1.0, None, None, 0.0)),
        ]
    )
    curves = {"": np.ones(2), "ads/lead": np.ones(2), "ads/sale": np.array([0.0, 0.25])}
    come = dict(zip(told.series, still_to_come(told, Completeness(curves), TODAY)[:, 0].tolist(), strict=True))
    assert come == {quick: 0, slow: 3 * MICROS}


def test_completeness_is_that_of_the_forecasts():
    found = completeness((), 3)
    lags = np.array([0, 1, 35, 90])
    assert np.array_equal(found.of(series(), lags), learn_maturity((), 3).at(lags)[0])
    assert found.of(series(), lags).tolist() == pytest.approx([0.780, 0.882, 1.0, 1.0], abs=1e-3)


# The value of customers, and what the next unit brings


def test_cltv_and_its_ratio_to_the_cost_of_a_customer_by_hand():
    made = datetime(2026, 3, 1, tzinfo=UTC)
    estimates = (Estimate("search", 90.0, 0.1), Estimate("search", 30.0, 0.0, "c2"))
    appraisal = Appraisal(Subject.CUSTOMER, "bg-nbd/1", made, "a" * 64, "EUR", estimates)
    told = performance(
        [
            (series("c1"), FEBRUARY.since, (100.0, 3.0, None, None, None)),
            (series("c2"), FEBRUARY.since, (20.0, 1.0, None, None, None)),
        ]
    )
    found = table(told, [Cut.CAMPAIGN], customers=appraisal)
    first = found.rows[0].figures
    assert first[Metric.CLTV] == log_normal(90.0, 0.1)
    assert first[Metric.CLTV].low == pytest.approx(stats.lognorm(0.1, scale=90 * math.exp(-0.005)).ppf(0.025))
    assert first[Metric.CLTV_CAC].value == pytest.approx(90.0 / (100.0 / 3.0))
    both = math.hypot(0.1, log_spread(first[Metric.CPA]))
    assert log_spread(first[Metric.CLTV_CAC]) == pytest.approx(both)
    assert found.total.figures[Metric.CLTV].value == pytest.approx((3 * 90.0 + 30.0) / 4)
    assert log_spread(found.rows[1].figures[Metric.CLTV]) == 0.0


def test_no_cltv_where_one_channel_has_no_estimate():
    made = datetime(2026, 3, 1, tzinfo=UTC)
    appraisal = Appraisal(Subject.CUSTOMER, "bg-nbd/1", made, "a" * 64, "EUR", (Estimate("search", 90.0, 0.1),))
    told = performance(
        [
            (series("c1", "search"), FEBRUARY.since, (1.0, 1.0, None, None, None)),
            (series("c2", "social"), FEBRUARY.since, (1.0, 1.0, None, None, None)),
            (series("c3", "video"), FEBRUARY.since, (1.0, 0.0, None, None, None)),
        ]
    )
    found = table(told, [Cut.CHANNEL], customers=appraisal)
    assert [Metric.CLTV in row.figures for row in found.rows] == [True, False, False]
    assert Metric.CLTV not in found.total.figures


def test_marginal_roas_is_the_slope_of_the_forecast():
    seen = snapshots.snapshot()
    forecast = Forecast(learn(seen), Goals(currency="EUR"), seen.current)
    found = marginal_roas(forecast, seen.targets, [Cut.CAMPAIGN], np.random.default_rng(1))
    valued = Forecast(forecast.belief, replace(Goals(currency="EUR"), objective="revenue"), seen.current)
    slope = dict(zip([f"files/shop/{target.campaigns[0]}" for target in seen.targets],
                     valued.marginal(seen.current), strict=True))  # fmt: skip
    for key, expected in slope.items():
        figure = found[(key,)]
        assert figure.value == pytest.approx(expected)
        assert figure.low < figure.value < figure.high
    weights = seen.current / seen.current.sum()
    assert found[()].value == pytest.approx(float(valued.marginal(seen.current) @ weights))
    assert set(marginal_roas(forecast, seen.targets, [Cut.DAY], np.random.default_rng(1))) == {()}


def test_an_account_in_the_table_is_the_one_of_the_rows():
    assert ACCOUNT.currency == "EUR"
    assert table(one_day(1.0, 0.0, None, None, None)).currency == "EUR"
