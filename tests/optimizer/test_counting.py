"""Ways of counting side by side: sums, intervals and costs that can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.money import Money
from optimizer.explain import EIGHTY
from optimizer.goals import Counting, Goals, Valuing
from optimizer.measure.counting import DAYS, Row, Span, compare
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.priors import ChannelPrior, ResponsePriors, Spread
from optimizer.plan.recommendation import Objective
from optimizer.plan.snapshot import Snapshot
from tests.optimizer.snapshots import CHANNELS, CURVES, NOW, TODAY, snapshot

NAMES = sorted(CURVES)  # brand, generic, prospecting, retargeting
GOALS = Goals("EUR")
CREDIT, LIFT, CLAIMS = Counting.CREDITED, Counting.INCREMENTAL, Counting.ATTRIBUTED


def daily(spend: float, conversions: float, value: float, *appraisals: Appraisal) -> Snapshot:
    """Four campaigns that each bring the same a day."""
    known = snapshot()
    shape = known.panel.spend.shape
    told = {"spend": spend, "conversions": conversions, "value": value}
    panel = replace(known.panel, **{name: np.full(shape, each) for name, each in told.items()})
    return replace(known, panel=panel, appraisals=appraisals)


def appraised(subject: Subject, *estimates: Estimate, currency: str = "EUR") -> Appraisal:
    money = currency if subject is Subject.CUSTOMER else ""
    return Appraisal(subject, "model/1", NOW - timedelta(days=1), "a" * 64, money, estimates)


def lifted(known: Snapshot, **logs: tuple[float, float]) -> Snapshot:
    channels = tuple(
        ChannelPrior(name, Spread(0.0, 0.5), Spread(0.2, 0.3), None, Spread(*log)) for name, log in sorted(logs.items())
    )
    return replace(known, priors=ResponsePriors(NOW - timedelta(days=1), "hierarchy/1", channels))


def by_name(known: Snapshot, goals: Goals = GOALS) -> dict[str, Row]:
    return {row.name: row for row in compare(known, goals).rows}


def test_claims_stand_alone_where_nothing_else_is_known() -> None:
    found = compare(daily(10.0, 2.0, 60.0), replace(GOALS, counts=CREDIT))
    assert (found.since, found.until) == (TODAY - timedelta(days=DAYS), TODAY - timedelta(days=1))
    assert found.counts is CLAIMS  # asked for credit, of which nothing is known
    assert list(found.moved) == [CLAIMS]
    assert [row.name for row in found.rows] == ["search", "social"]
    row = found.rows[0]
    assert (row.spend, row.conversions, row.value) == (2 * DAYS * 10.0, 2 * DAYS * 2.0, 2 * DAYS * 60.0)
    counted = row.ways[CLAIMS]
    assert counted.cpa is not None
    assert counted.roas is not None
    assert (counted.cpa.expected, counted.cpa.low, counted.roas.expected, counted.told) == (5.0, 5.0, 6.0, True)
    assert counted.value_to_cost is None


def test_half_the_credit_is_twice_the_cost_and_what_is_not_told_is_lent() -> None:
    known = daily(10.0, 2.0, 60.0, appraised(Subject.CREDIT, Estimate("social", 0.5, 0.2)))
    rows = by_name(known, replace(GOALS, counts=CREDIT))
    social, search = rows["social"].ways[CREDIT], rows["search"].ways[CREDIT]
    assert social.cpa is not None
    assert social.roas is not None
    assert social.conversions == pytest.approx(0.5 * rows["social"].conversions)
    assert social.cpa.expected == pytest.approx(10.0)
    low, high = (0.5 * math.exp(-0.02 + side * EIGHTY * 0.2) for side in (-1, 1))  # the median is e^(-s^2/2) of it
    assert (social.per_claimed.low, social.per_claimed.high) == (pytest.approx(low), pytest.approx(high))
    assert (social.cpa.low, social.cpa.high) == (pytest.approx(5.0 / high), pytest.approx(5.0 / low))
    assert (social.roas.expected, social.roas.low) == (pytest.approx(3.0), pytest.approx(6.0 * low))
    assert (social.told, search.told) == (True, False)
    assert search.per_claimed.expected == pytest.approx(0.5)
    assert search.per_claimed.log_sd > 0.5


def test_campaigns_add_up_to_their_channel_by_what_they_claim_and_err_together() -> None:
    known = daily(10.0, 2.0, 60.0)
    panel = known.panel
    brand, generic = (NAMES.index(name) for name in ("brand", "generic"))
    panel.conversions[brand], panel.conversions[generic] = 3.0, 1.0
    made = appraised(
        Subject.CREDIT, Estimate("search", 0.4, 0.1, campaign="brand"), Estimate("search", 0.8, 0.3, campaign="generic")
    )
    counted = by_name(replace(known, appraisals=(made,)))["search"].ways[CREDIT]
    assert counted.per_claimed.expected == pytest.approx((3 * 0.4 + 1 * 0.8) / 4)
    assert counted.per_claimed.log_sd == pytest.approx((1.2 * 0.1 + 0.8 * 0.3) / 2.0)


def test_lift_tests_count_as_the_priors_tell_them() -> None:
    known = lifted(daily(10.0, 2.0, 60.0), search=(math.log(0.3), 0.25))
    found = compare(known, replace(GOALS, counts=LIFT))
    assert found.counts is LIFT
    search = {row.name: row for row in found.rows}["search"].ways[LIFT]
    assert search.per_claimed.expected == pytest.approx(0.3 * math.exp(0.25**2 / 2))
    assert search.per_claimed.low == pytest.approx(0.3 * math.exp(-EIGHTY * 0.25))


def test_money_would_follow_what_counts() -> None:
    made = appraised(Subject.CREDIT, Estimate("social", 0.3, 0.1), Estimate("search", 0.9, 0.1))
    found = compare(daily(10.0, 2.0, 60.0, made), GOALS)
    assert found.moved[CLAIMS] == 0.0
    assert found.moved[CREDIT] == pytest.approx(0.25)  # from a half and a half to a quarter and three


def test_a_customer_over_what_one_costs() -> None:
    made = appraised(Subject.CREDIT, Estimate("social", 0.5, 0.3), Estimate("search", 1.0, 0.3))
    worth = appraised(Subject.CUSTOMER, Estimate("social", 90.0, 0.4), Estimate("search", 30.0, 0.1))
    known, goals = daily(10.0, 2.0, 60.0, made, worth), Goals("EUR", Objective.REVENUE, value=Valuing.LIFETIME)
    row = by_name(known, goals)["social"]
    assert row.customer is not None
    assert (row.customer.expected, row.customer_told) == (pytest.approx(90.0), True)
    claimed, credited = row.ways[CLAIMS].value_to_cost, row.ways[CREDIT].value_to_cost
    assert claimed is not None
    assert credited is not None
    assert claimed.expected == pytest.approx(90.0 / 5.0)
    assert (credited.expected, credited.log_sd) == (pytest.approx(90.0 / 10.0), pytest.approx(0.5))  # .3 and .4
    assert compare(known, goals).moved[CLAIMS] == pytest.approx(0.25)  # 90 to 30
    assert by_name(daily(10.0, 2.0, 60.0, replace(worth, currency="JPY")))["social"].customer is None


def test_a_fixed_value_stands_in_for_what_platforms_tell() -> None:
    row = by_name(daily(10.0, 2.0, 0.0), Goals("EUR", value_per_conversion=Money.of("20", "EUR")))["search"]
    assert row.value == pytest.approx(2 * DAYS * 2.0 * 20.0)
    assert by_name(daily(10.0, 2.0, 0.0))["search"].value is None


def test_without_claims_or_spend_or_budgets_there_is_no_cost() -> None:
    made = appraised(Subject.CREDIT, Estimate("social", 0.5, 0.2))
    for known in (daily(10.0, 0.0, 0.0, made), daily(0.0, 0.0, 0.0, made)):
        counted = by_name(known)["social"].ways[CREDIT]
        assert (counted.cpa, counted.roas, counted.conversions) == (None, None, 0.0)
        assert counted.per_claimed.expected == pytest.approx(0.5)
    bare = compare(snapshot().select([]), GOALS)
    assert (bare.rows, bare.whole.spend, bare.whole.ways[CLAIMS].cpa) == ((), 0.0, None)


@given(
    ratios=st.lists(st.floats(0.01, 5.0), min_size=4, max_size=4),
    spreads=st.lists(st.floats(0.0, 1.5), min_size=4, max_size=4),
    claims=st.lists(st.floats(0.0, 1e4), min_size=4, max_size=4),
)
def test_channels_add_up_to_all_and_intervals_hold_their_median(
    ratios: list[float], spreads: list[float], claims: list[float]
) -> None:
    known = daily(10.0, 2.0, 60.0)
    known.panel.conversions[:] = np.array(claims)[:, None]
    made = appraised(
        Subject.CREDIT,
        *(Estimate(CHANNELS[name], r, s, name) for name, r, s in zip(NAMES, ratios, spreads, strict=True)),
    )
    found = compare(replace(known, appraisals=(made,)), GOALS)
    for way in (CLAIMS, CREDIT):
        parts = [row.ways[way].conversions for row in found.rows]
        assert sum(parts) == pytest.approx(found.whole.ways[way].conversions)
        assert 0.0 <= found.moved[way] <= 1.0
    for row in found.rows:
        span: Span = row.ways[CREDIT].per_claimed
        assert span.low <= span.expected * math.exp(-(span.log_sd**2) / 2) * (1 + 1e-12)
        assert span.high >= span.expected * math.exp(-(span.log_sd**2) / 2) * (1 - 1e-12)
