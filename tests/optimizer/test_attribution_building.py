"""From touches and orders to paths: each treatment of docs/attribution.md by a case that can be checked by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.money import Money
from connectors.orders import Order
from connectors.touches import DIRECT, SCHEMA, Touch, batch, check
from optimizer.measure.attribution.building import Treated, Windows, build, claims
from optimizer.measure.attribution.paths import Paths

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=100)
WINDOWS = Windows(click_days=30, view_days=1, view_weight=0.3, skew_seconds=60)


def _at(day: float) -> datetime:
    return START + timedelta(days=day)


def _touch(person: str, day: float, channel: str, *, campaign: str | None = None, view: bool = False) -> Touch:
    return Touch(person, _at(day), channel, campaign, view)


def _order(
    name: str, customer: str, day: float, paid: str = "10", back: str = "0", claimed: Sequence[str] = ()
) -> Order:
    return Order(name, customer, _at(day), Money.of(paid, "EUR"), Money.of(back, "EUR"), claims=tuple(claimed))


def _built(
    touches: Sequence[Touch], orders: Sequence[Order], windows: Windows = WINDOWS, since: datetime = START
) -> tuple[Paths, Treated]:
    return build([batch(touches)], orders, windows, since, END)


def _words(paths: Paths) -> list[tuple[str, int]]:
    """Each path as its channels, and its orders."""
    names = [paths.places[code].channel for code in paths.codes]
    bounds = [int(each) for each in paths.offsets]
    return [
        (">".join(names[first:last]), int(many))
        for first, last, many in zip(bounds[:-1], bounds[1:], paths.orders, strict=True)
    ]


def test_a_path_ends_at_an_order_and_the_next_begins() -> None:
    touches = [_touch("p", 1, "a"), _touch("p", 2, "b"), _touch("p", 4, "c"), _touch("q", 1, "b")]
    paths, treated = _built(touches, [_order("1", "p", 3), _order("2", "p", 5, "20")])
    assert _words(paths) == [("a>b", 1), ("c", 1), ("b", 0)]
    assert list(paths.values) == [10_000_000, 20_000_000, 0]
    assert list(paths.ages) == [2.0, 1.0, 1.0, 0.0]
    assert (treated.orders, treated.lost, treated.touches) == (2, 1, 4)
    assert paths.persons[0] == paths.persons[1] != paths.persons[2]


def test_repeated_touches_are_kept_as_they_were() -> None:
    paths, _ = _built([_touch("p", day, "a") for day in (1, 1, 2)], [_order("1", "p", 3)])
    assert _words(paths) == [("a>a>a", 1)]


def test_a_touch_after_the_last_order_leads_to_none() -> None:
    paths, treated = _built([_touch("p", 5, "a")], [_order("1", "p", 3)])
    assert _words(paths) == [("", 1), ("a", 0)]
    assert treated.without_touch == 1


def test_a_touch_just_after_an_order_counts_as_before_it() -> None:
    minute = 1 / 1440
    paths, treated = _built([_touch("p", 3 + minute, "a"), _touch("p", 3 + 1.1 * minute, "b")], [_order("1", "p", 3)])
    assert _words(paths) == [("a", 1), ("b", 0)]
    assert treated.late == 1
    assert paths.ages[0] == 0


def test_a_touch_at_the_time_of_an_order_is_before_it_and_touches_of_one_time_keep_their_order() -> None:
    windows = Windows(skew_seconds=0)
    paths, _ = _built([_touch("p", 3, name) for name in "bac"], [_order("1", "p", 3)], windows)
    assert _words(paths) == [("b>a>c", 1)]


def test_orders_of_one_person_at_one_time_end_one_path() -> None:
    paths, _ = _built([_touch("p", 1, "a")], [_order("1", "p", 3, "10"), _order("2", "p", 3, "5")])
    assert _words(paths) == [("a", 2)]
    assert list(paths.values) == [15_000_000]


def test_windows_of_clicks_and_views_include_their_last_moment() -> None:
    touches = [
        _touch("p", 0, "old"),
        _touch("p", 10, "click"),
        _touch("p", 38, "seen", view=True),
        _touch("p", 39, "view", view=True),
    ]
    paths, treated = _built(touches, [_order("1", "p", 40)])
    assert _words(paths)[0] == ("click>view", 1)
    assert sorted(_words(paths)[1:]) == [("old", 0), ("seen", 0)]
    assert treated.lost == 2
    assert list(paths.views[:2]) == [False, True]


def test_views_that_count_nothing_are_left_out() -> None:
    windows = Windows(view_weight=0)
    paths, treated = _built([_touch("p", 2.5, "a", view=True), _touch("p", 1, "b")], [_order("1", "p", 3)], windows)
    assert _words(paths) == [("b", 1)]
    assert treated.views_left_out == 1


def test_visits_from_no_channel_are_left_out_unless_nothing_else_is_there() -> None:
    touches = [_touch("p", 1, "a"), _touch("p", 2, DIRECT), _touch("q", 2, DIRECT)]
    paths, treated = _built(touches, [_order("1", "p", 3), _order("2", "q", 3)])
    assert _words(paths) == [("a", 1), ("", 1)]
    assert (treated.direct, treated.without_touch) == (2, 1)


def test_an_order_before_all_touches_is_direct() -> None:
    paths, _ = _built([_touch("p", 9, "a")], [_order("1", "p", 3)])
    assert _words(paths) == [("", 1), ("a", 0)]


def test_refunds_are_taken_off_and_an_order_paid_back_in_full_is_none() -> None:
    touches = [_touch("p", 1, "a"), _touch("q", 1, "b"), _touch("r", 1, "c")]
    orders = [_order("1", "p", 3, "10", "4"), _order("2", "q", 3, "10", "10"), _order("3", "r", 3, "0")]
    paths, treated = _built(touches, orders)
    assert _words(paths) == [("a", 1), ("c", 1), ("b", 0)]
    assert list(paths.values) == [6_000_000, 0, 0]
    assert (treated.orders, treated.refunded, treated.partly_refunded) == (2, 1, 1)


def test_the_last_telling_of_an_order_stands() -> None:
    paths, treated = _built([_touch("p", 1, "a")], [_order("1", "p", 3, "10"), _order("1", "p", 3, "12")])
    assert _words(paths) == [("a", 1)]
    assert list(paths.values) == [12_000_000]
    assert treated.told_again == 1


def test_one_order_of_two_customers_is_refused() -> None:
    with pytest.raises(ValueError, match="order '1' is told of customer 'p' and of 'q'"):
        _built([], [_order("1", "p", 3), _order("1", "q", 3)])


def test_two_currencies_are_refused() -> None:
    yen = Order("2", "p", _at(3), Money.of(10, "JPY"), Money(0, "JPY"))
    with pytest.raises(ValueError, match="order '2' is in JPY, order '1' in EUR"):
        _built([], [_order("1", "p", 3), yen])


def test_a_path_that_may_still_lead_to_an_order_is_left_out() -> None:
    touches = [_touch("p", 65, "a"), _touch("q", 65, "a"), _touch("q", 80, "b"), _touch("r", 70.5, "c")]
    paths, treated = _built(touches, [])
    assert _words(paths) == [("a", 0)]
    assert treated.open == 3


def test_a_path_without_an_order_is_cut_where_a_window_ran_out() -> None:
    touches = [_touch("p", day, name) for day, name in ((1, "a"), (20, "b"), (51, "c"))]
    paths, _ = _built(touches, [])
    assert _words(paths) == [("a>b", 0), ("c", 0)]


def test_what_ended_before_the_days_asked_for_only_bounds_what_follows() -> None:
    touches = [_touch("p", 1, "a"), _touch("p", 12, "b"), _touch("q", 1, "c")]
    orders = [_order("1", "p", 2), _order("2", "p", 13)]
    paths, treated = _built(touches, orders, since=_at(10))
    assert _words(paths) == [("b", 1)]
    assert treated.orders == 1


def test_campaigns_are_places_within_their_channel() -> None:
    touches = [_touch("p", 1, "a", campaign="x"), _touch("p", 2, "a", campaign="y"), _touch("p", 2.5, "a")]
    paths, _ = _built(touches, [_order("1", "p", 3)])
    assert {place.campaign for place in paths.places} == {"x", "y", None}
    assert paths.channels == ("a",)
    assert _words(paths.by_channel()) == [("a>a>a", 1)]


def test_nothing_makes_no_path() -> None:
    paths, treated = build([], [], WINDOWS, START, END)
    assert len(paths) == 0
    assert treated.orders == 0


PERSONS = st.sampled_from(["p", "q", "r"])
DAYS = st.integers(0, 99)
TOUCHES = st.lists(
    st.builds(_touch, PERSONS, DAYS, st.sampled_from(["a", "b", DIRECT]), view=st.booleans()), max_size=30
)
ORDERS = st.lists(st.tuples(PERSONS, DAYS), max_size=10).map(
    lambda found: [_order(str(number), who, day) for number, (who, day) in enumerate(found)]
)


@settings(max_examples=150, deadline=None)
@given(TOUCHES, ORDERS)
def test_every_touch_has_one_fate_and_every_order_one_path(touches: list[Touch], orders: list[Order]) -> None:
    paths, treated = _built(touches, orders)
    assert paths.orders.sum() == len(orders) == treated.orders
    assert paths.values.sum() == 10_000_000 * len(orders)
    assert len(paths.codes) + treated.direct + treated.open == len(touches)
    assert (np.diff(paths.ages)[np.diff(paths.owners()) == 0] <= 0).all()


@settings(max_examples=100, deadline=None)
@given(TOUCHES, ORDERS)
def test_paths_are_those_of_a_walk_over_each_person(touches: list[Touch], orders: list[Order]) -> None:
    """The converted paths equal those of a plain loop."""
    paths, _ = _built(touches, orders)
    expected = []
    for person in "pqr":
        before = START - timedelta(days=1)
        times = sorted({order.at for order in orders if order.customer == person})
        for time in times:
            own = sorted((t for t in touches if t.person == person and before < t.at <= time), key=lambda t: t.at)
            own = [t for t in own if t.channel != DIRECT and time - t.at <= timedelta(days=1 if t.view else 30)]
            many = sum(order.at == time and order.customer == person for order in orders)
            expected.append((">".join(t.channel for t in own), many))
            before = time
    assert sorted(word for word in _words(paths) if word[1]) == sorted(expected)


def test_claims_are_shared_between_those_who_claim() -> None:
    orders = [_order("1", "p", 3, claimed=["a", "b"]), _order("2", "q", 3, claimed=["a"]), _order("3", "r", 3)]
    assert claims(orders) == {"a": 1.5, "b": 0.5}
    assert claims([_order("1", "p", 3, "10", "10", claimed=["a"])]) == {}


# The record


def test_a_touch_checks_itself() -> None:
    with pytest.raises(ValueError, match="needs person and channel"):
        Touch("", START, "a")
    with pytest.raises(ValueError, match="a time with a zone"):
        Touch("p", datetime(2026, 3, 1), "a")  # noqa: DTZ001 - that it has no zone is the point


def test_a_batch_is_checked() -> None:
    good = batch([_touch("p", 1, "a")])
    assert good.schema == SCHEMA
    check(good)
    with pytest.raises(ValueError, match="need the columns person, at"):
        check(good.drop_columns(["view"]))
    empty = pa.array([""], pa.string())
    with pytest.raises(ValueError, match="an empty channel"):
        check(good.set_column(2, SCHEMA.field("channel"), empty))
    with pytest.raises(ValueError, match="a touch without person"):
        check(good.set_column(0, SCHEMA.field("person"), pa.array([None], pa.string())))


@pytest.mark.parametrize("change", [{"click_days": -1}, {"view_weight": 2}, {"skew_seconds": float("inf")}])
def test_windows_check_themselves(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        Windows(**change)
