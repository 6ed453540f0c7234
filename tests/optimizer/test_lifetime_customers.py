"""Orders summed up by customer: what counts as a purchase, whose it is, and what is said of the rest."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.money import Money
from connectors.orders import Order
from optimizer.measure.lifetime.contract import By
from optimizer.measure.lifetime.customers import summarise
from optimizer.measure.lifetime.evidence import amounts, grouped, sampled

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = date(2026, 3, 31)


def order(
    name: str, customer: str, day: float, value: str = "10", refunded: str = "0", channel: str | None = "search"
) -> Order:
    at = START + timedelta(days=day)
    return Order(name, customer, at, Money.of(value, "EUR"), Money.of(refunded, "EUR"), channel)


def test_one_day_is_one_purchase_and_the_first_is_no_repeat() -> None:
    told = [order("1", "a", 0, "10"), order("2", "a", 0.2, "5"), order("3", "a", 7, "20"), order("4", "a", 10, "40")]
    found = summarise(told, END, "EUR", UTC)
    assert (found.names, len(found)) == (("a",), 1)
    assert (found.repeats[0], found.recency[0], found.age[0]) == (2, 10, 30)
    assert (found.opening[0], found.spend[0]) == (15.0, 30.0)
    assert found.left_out == ()


def test_refunds_are_taken_off_and_what_was_paid_back_in_full_is_no_purchase() -> None:
    told = [
        order("1", "a", 0, "10", "10"),
        order("2", "a", 3, "10", "4"),
        order("3", "a", 9, "10", "10"),
        order("4", "b", 1, "10", "10"),
    ]
    found = summarise(told, END, "EUR", UTC)
    assert (found.names, found.repeats.tolist(), found.opening.tolist()) == (("a",), [0], [6.0])
    assert found.first_day[0] == date(2026, 3, 4).toordinal()
    assert found.left_out == ("3 orders that were paid back in full are no purchases.",)


def test_a_free_order_is_a_purchase() -> None:
    found = summarise([order("1", "a", 0, "0"), order("2", "a", 5, "8")], END, "EUR", UTC)
    assert (found.repeats[0], found.opening[0], found.spend[0]) == (1, 0.0, 8.0)


def test_an_order_that_is_told_again_takes_the_place_of_the_first() -> None:
    found = summarise([order("1", "a", 0), order("2", "a", 4), order("2", "a", 4, "10", "10")], END, "EUR", UTC)
    assert found.repeats.tolist() == [0]
    assert found.left_out[0] == "1 orders were told again; what was told last counts."


def test_days_after_the_end_are_left_out_and_days_are_those_of_the_zone() -> None:
    night = Order("1", "a", datetime(2026, 3, 31, 23, tzinfo=UTC), Money.of("1", "EUR"), Money.of("0", "EUR"))
    assert len(summarise([night], END, "EUR", UTC)) == 1
    abroad = summarise([night], END, "EUR", ZoneInfo("Europe/Berlin"))
    assert (len(abroad), abroad.left_out) == (0, ("1 orders of today and later are left out.",))


def test_the_channel_is_that_of_the_earliest_order_of_the_first_day_that_names_one() -> None:
    told = [
        order("3", "a", 0.3, channel="email"),
        order("2", "a", 0.2, channel="social"),
        order("1", "a", 0.1, channel=None),
        order("4", "a", 1, channel="search"),
        order("5", "b", 0, channel=None),
        order("6", "b", 2, channel="search"),
    ]
    found = summarise(told, END, "EUR", UTC)
    assert dict(zip(found.names, np.array(found.channels)[found.channel], strict=True)) == {"a": "social", "b": ""}


def test_another_currency_is_refused_by_the_order_s_name() -> None:
    with pytest.raises(ValueError, match=r"order .1. is in EUR, not USD\. Mend: convert the books"):
        summarise([order("1", "a", 0)], END, "USD", UTC)


def test_no_order_is_no_customer() -> None:
    found = summarise([], END, "EUR", UTC)
    assert (len(found), found.channels, found.names) == (0, (), ())


ORDERS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 29),
        st.integers(0, 500),
        st.integers(0, 500),
        st.sampled_from([None, "x", "y"]),
    ),
    max_size=30,
)


@given(ORDERS, st.randoms())
def test_sums_are_those_of_the_books_in_any_order(drawn: list[tuple[int, int, int, int, str | None]], shuffle) -> None:
    told = [
        order(str(place), f"c{who}", day + place / 1000, str(paid), str(min(back, paid)), channel)
        for place, (who, day, paid, back, channel) in enumerate(drawn)
    ]
    found = summarise(told, END, "EUR", UTC)
    good = [each for each in told if each.kept.micros > 0 or each.value.micros == 0]
    by = {name: [each for each in good if each.customer == name] for name in {each.customer for each in good}}
    assert sorted(found.names) == sorted(by)
    for place, name in enumerate(found.names):
        days = {each.at.date() for each in by[name]}
        assert found.repeats[place] == len(days) - 1
        assert found.recency[place] == (max(days) - min(days)).days
        total = sum(each.kept.micros for each in by[name]) / 1e6
        assert found.opening[place] + found.repeats[place] * found.spend[place] == pytest.approx(total)
    shuffle.shuffle(told)
    again = summarise(told, END, "EUR", UTC)
    place = {name: i for i, name in enumerate(again.names)}
    order_of = [place[name] for name in found.names]
    assert again.repeats[order_of].tolist() == found.repeats.tolist()
    assert again.channels == found.channels
    assert again.channel[order_of].tolist() == found.channel.tolist()


def test_cohorts_are_months_of_first_orders() -> None:
    found = summarise([order("1", "a", -20), order("2", "b", 0), order("3", "c", 5)], END, "EUR", UTC)
    names, group = grouped(found, By.COHORT)
    assert (names, group.tolist()) == (("2026-02", "2026-03"), [0, 1, 1])


@given(st.lists(st.integers(0, 4), min_size=5, max_size=200), st.integers(5, 60))
def test_a_sample_takes_small_groups_whole(group: list[int], most: int) -> None:
    codes = np.array(group, dtype=np.int64)
    rows = sampled(codes, 5, most, np.random.default_rng(1))
    assert len(set(rows.tolist())) == len(rows)
    kept, counts = np.bincount(codes[rows], minlength=5), np.bincount(codes, minlength=5)
    assert len(rows) <= most
    assert len(rows) == len(group) or len(rows) > most - 5
    assert all(k == c or k == kept.max() for k, c in zip(kept, counts, strict=True))


def test_means_of_groups_and_how_well_they_are_known() -> None:
    """Two and six of one group, spread like the five of the other: relative to means of about five."""
    values, group = np.array([2.0, 6.0, 5.0, 5.0]), np.array([0, 0, 2, 2])
    found = amounts(values, np.ones(4), group, 3)
    assert (found.groups.tolist(), found.mean.tolist(), found.whole) == ([0, 2], [4.0, 5.0], 4.5)
    level = (8.0 + 4.5) / 3.0
    spread = np.sqrt((2 * (2.0 / level) ** 2) / 4.0)
    assert found.error[0] == pytest.approx(spread * level / np.sqrt(2.0))
    free = amounts(np.zeros(3), np.ones(3), np.array([0, 0, 1]), 2)
    assert (free.whole, free.mean.tolist()) == (0.0, [0.0, 0.0])
