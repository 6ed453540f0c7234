"""Models side by side: costs, shares, money moved, duplicates, and ratios to what platforms claim."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.money import MICROS
from optimizer.measure.attribution.comparing import Claim, claimed, credited, deduplicated, moved, to_appraisal
from optimizer.measure.attribution.credit import Credit
from optimizer.measure.attribution.paths import Place
from optimizer.plan.appraisal import Estimate

CLAIMS = {"search": Claim(200, 20.0, 400), "social": Claim(100, 20.0, 100)}
CREDIT = Credit(
    "linear",
    (Place("search", "b"), Place("search", "g"), Place("email")),
    np.array([6, 2, 4]) * MICROS,
    np.array([240, 60, 90]),
    0,
    0,
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_costs_and_shares_by_hand() -> None:
    view = credited(CREDIT, CLAIMS)
    search, social, email = view.rows
    assert (search.conversions, search.value, search.cpa, search.roas, search.share) == (8.0, 300, 25.0, 1.5, 1.0)
    assert (social.conversions, social.cpa, social.roas, social.share) == (0.0, None, 0.0, 0.0)
    assert (email.conversions, email.cpa, email.roas, email.share) == (4.0, None, None, None)
    # Search has two thirds of the spend and, of what has a price, all of the value.
    assert view.moved == pytest.approx(1 / 3)


def test_without_any_value_money_follows_orders() -> None:
    claims = {"a": Claim(100, 3.0, 0), "b": Claim(100, 1.0, 0)}
    view = claimed(claims)
    assert [row.share for row in view.rows] == [0.75, 0.25]
    assert view.moved == 0.25


def test_claims_of_one_order_count_once() -> None:
    view = deduplicated(CLAIMS, {"search": 7.5, "social": 2.5}, 12.0)
    assert [(row.conversions, row.value) for row in view.rows] == [(7.5, 150), (2.5, 12)]


def test_where_the_books_say_nothing_claims_are_scaled_down_to_the_orders() -> None:
    assert [row.conversions for row in deduplicated(CLAIMS, {}, 10.0).rows] == [5.0, 5.0]
    assert [row.conversions for row in deduplicated(CLAIMS, {}, 90.0).rows] == [20.0, 20.0]
    assert [row.conversions for row in deduplicated({"a": Claim(5, 0.0, 0)}, {}, 9.0).rows] == [0.0]


AMOUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(-100, 10**6)), min_size=1, max_size=8)


@given(AMOUNTS)
def test_what_moves_is_a_share_and_nothing_where_spend_follows_value(pairs: list[tuple[int, int]]) -> None:
    spend, value = [float(s) for s, _ in pairs], [float(v) for _, v in pairs]
    assert -1e-12 <= moved(spend, value) <= 1 + 1e-12
    assert moved(spend, [3 * s for s in spend]) == pytest.approx(0.0)


def test_ratios_to_claims_by_hand() -> None:
    claims = {
        Place("search"): Claim(200, 20.0, 0),
        Place("search", "b"): Claim(150, 16.0, 0),
        Place("search", "g"): Claim(50, 4.0, 0),
        Place("social"): Claim(100, 20.0, 0),
    }
    appraisal = to_appraisal(CREDIT, np.array([0.1, 0.3, 0.2]), claims, NOW, "a" * 64)
    assert appraisal.model == "linear/1"
    # Social is named by no touch, and campaign g has too few claims: neither has an estimate.
    assert [(each.channel, each.campaign, each.mean) for each in appraisal.estimates] == [
        ("search", None, 0.4),
        ("search", "b", 0.375),
    ]
    assert [each.log_sd for each in appraisal.estimates] == pytest.approx([0.15, 0.1])


def test_a_channel_that_is_credited_nothing_has_a_ratio_above_zero() -> None:
    nothing = Credit("linear", (Place("a"),), np.array([0]), np.array([0]), 0, 0)
    appraisal = to_appraisal(nothing, np.array([1.0]), {Place("a"): Claim(9, 50.0, 0)}, NOW, "a" * 64)
    assert appraisal.estimates == (Estimate("a", 0.01, 1.0),)
