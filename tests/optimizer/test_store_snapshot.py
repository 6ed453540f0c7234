"""Snapshots worked out by hand, on both stores."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import (
    Account,
    BudgetKind,
    BudgetTarget,
    Entity,
    EntityKind,
    EntityStatus,
    Level,
    PerformanceRow,
    Series,
)
from connectors.money import Money
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.ports import SnapshotQuery, StoreError

TODAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
ACCOUNT = Account("ads", "1", "USD", "UTC")
NAN = np.nan


@pytest.fixture(scope="module")
def new_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "new.sqlite"
    open_sql(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["memory", "sql"])
def store(request, new_file, tmp_path):
    path = shutil.copy(new_file, tmp_path / "outlay.sqlite")
    opened = MemoryStore() if request.param == "memory" else open_sql(f"sqlite:///{path}")
    yield opened
    opened.close()


def ago(days):
    return TODAY - timedelta(days=days)


def row(series, day, spend=1.0, conversions=0.0, value=None, clicks=None, impressions=None, at=NOW):
    def micros(x):
        return None if x is None else round(x * 1e6)

    return PerformanceRow(
        series, day, micros(spend), micros(conversions), micros(value), micros(impressions), micros(clicks), at
    )


def campaign(name="c1", channel="search", account=ACCOUNT, **ids):
    return Series(account, name, channel, **ids)


def budget(name, covers, holder=Level.CAMPAIGN, amount="10", account=ACCOUNT, **changes):
    return BudgetTarget(account, name, f"Budget {name}", holder, covers, Money.of(amount, "USD"), **changes)


def take(store, days=5, known_at=NOW, today=TODAY, currency="USD"):
    return store.snapshot(SnapshotQuery(known_at, today, days, currency, "UTC"))


def test_an_empty_store_gives_an_empty_snapshot(store):
    snapshot = take(store)
    assert snapshot.targets == snapshot.delays == snapshot.freshness == snapshot.unbudgeted == ()
    assert snapshot.panel.spend.shape == (0, 5)
    assert snapshot.arms is None


def test_daily_totals_add_up_over_the_campaigns_of_a_budget(store):
    store.note_budgets("ads", [budget("b", ("c1", "c2"))], NOW)
    store.ingest([
        row(campaign("c1"), ago(5), 1.5, 0.25, value=10, clicks=3),
        row(campaign("c2"), ago(5), 2.0, 1.0, clicks=4),
        row(campaign("c2"), ago(3), 4.0, 2.0),
        row(campaign("c2"), ago(6), 100.0),
        row(campaign("c2"), ago(0), 100.0),
    ])  # fmt: skip
    panel = take(store).panel
    assert panel.first_day == ago(5)
    np.testing.assert_array_equal(panel.spend, [[3.5, NAN, 4.0, NAN, NAN]])
    np.testing.assert_array_equal(panel.conversions, [[1.25, NAN, 2.0, NAN, NAN]])
    np.testing.assert_array_equal(panel.value, [[10.0, NAN, NAN, NAN, NAN]])
    np.testing.assert_array_equal(panel.clicks, [[7.0, NAN, NAN, NAN, NAN]])
    np.testing.assert_array_equal(panel.impressions, [[NAN] * 5])


def test_targets_stand_by_key_with_the_names_that_goals_use(store):
    store.note_budgets("ads", [budget("b2", ("c2",)), budget("b1", ("c9", "c1"))], NOW)
    store.note_entities([
        Entity(ACCOUNT, EntityKind.CAMPAIGN, "c1", "Old name"),
        Entity(ACCOUNT, EntityKind.CAMPAIGN, "c1", "Brand", tags=("brand", "de")),
        Entity(ACCOUNT, EntityKind.CAMPAIGN, "c9", "Shoes", tags=("de", "autumn")),
        Entity(ACCOUNT, EntityKind.AD, "c9", "An ad of the same id"),
    ])  # fmt: skip
    store.ingest([row(campaign("c1", "social"), ago(2)), row(campaign("c9", "social"), ago(2))])
    first, second = take(store).targets
    assert (first.budget.budget_id, first.channel, first.tags) == ("b1", "social", ("autumn", "brand", "de"))
    assert (first.campaigns, first.campaign_names) == (("c1", "c9"), ("Brand", "Shoes"))
    assert (second.channel, second.tags, second.campaign_names) == ("unknown", (), ("c2",))


def test_the_budget_held_nearest_pays_for_a_row(store):
    store.note_budgets("ads", [budget("camp", ("c1",)), budget("group", ("g1",), Level.AD_GROUP)], NOW)
    store.note_entities([Entity(ACCOUNT, EntityKind.AD_GROUP, "g1", "Group", parent_id="c1")])
    store.ingest([
        row(campaign(ad_group_id="g1"), ago(1), 1.0),
        row(campaign(ad_group_id="g2"), ago(1), 2.0),
    ])  # fmt: skip
    snapshot = take(store, days=1)
    assert [t.budget.budget_id for t in snapshot.targets] == ["camp", "group"]
    np.testing.assert_array_equal(snapshot.panel.spend, [[2.0], [1.0]])
    assert snapshot.targets[1].campaigns == ("c1",)


def test_an_ad_group_budget_finds_its_campaign_by_name_before_it_has_rows(store):
    store.note_budgets("ads", [budget("ad", ("a1",), Level.AD), budget("group", ("g7",), Level.AD_GROUP)], NOW)
    store.note_entities([
        Entity(ACCOUNT, EntityKind.AD_GROUP, "g1", "Group", parent_id="c1"),
        Entity(ACCOUNT, EntityKind.AD, "a1", "Ad", parent_id="g1"),
    ])  # fmt: skip
    assert [t.campaigns for t in take(store).targets] == [("c1",), ()]


def test_a_budget_of_removed_campaigns_is_no_target(store):
    store.note_budgets("ads", [budget("b1", ("c1", "c2")), budget("b2", ("c3",))], NOW)
    for removed in ("c1", "c3"):
        store.note_entities([Entity(ACCOUNT, EntityKind.CAMPAIGN, removed, removed, status=EntityStatus.REMOVED)])
    assert [t.budget.budget_id for t in take(store).targets] == ["b1"]


def test_budgets_are_known_from_their_reading_and_in_force_on_the_accounts_day(store):
    # 2026-02-26 23:30 UTC is already the 27th in Berlin: two days before the panel's last day.
    berlin = replace(ACCOUNT, account_id="2", time_zone="Europe/Berlin")
    made = budget("b", ("c1",), account=berlin)
    store.note_budgets("ads", [made], datetime(2026, 2, 25, 12, tzinfo=UTC))
    store.note_budgets("ads", [made], datetime(2026, 2, 25, 13, tzinfo=UTC))
    raised = replace(made, amount=Money.of(20, "USD"))
    store.note_budgets("ads", [raised], datetime(2026, 2, 26, 23, 30, tzinfo=UTC))
    np.testing.assert_array_equal(take(store).panel.budget, [[NAN, 10, 10, 20, 20]])
    early = take(store, known_at=datetime(2026, 2, 26, 23, tzinfo=UTC))
    assert early.targets[0].budget == made
    np.testing.assert_array_equal(early.panel.budget, [[NAN, 10, 10, 10, 10]])
    assert take(store, known_at=datetime(2026, 2, 25, 11, tzinfo=UTC)).targets == ()
    lifetime = replace(raised, kind=BudgetKind.LIFETIME, shared=True, minimum=Money.of(1, "USD"), etag="e")
    store.note_budgets("ads", [lifetime], datetime(2026, 2, 28, 12, tzinfo=UTC))
    last = take(store)
    assert last.targets[0].budget == lifetime
    np.testing.assert_array_equal(last.panel.budget, [[NAN, 10, 10, 20, NAN]])


def test_of_two_readings_of_one_instant_the_later_told_holds(store):
    made = budget("b", ("c1",))
    for amount in ("10", "20", "10"):
        store.note_budgets("ads", [replace(made, amount=Money.of(amount, "USD"))], NOW)
    assert take(store).current.tolist() == [10.0]
    store.note_budgets("ads", [replace(made, amount=Money.of(5, "USD"))], NOW - timedelta(days=1))
    assert take(store).current.tolist() == [10.0]
    assert take(store, known_at=NOW - timedelta(hours=1)).current.tolist() == [5.0]


def test_a_budget_that_left_its_platform_is_no_target_from_then_on(store):
    one, two = budget("b1", ("c1",)), budget("b2", ("c2",))
    meta = budget("m", ("c9",), account=Account("meta", "1", "USD", "UTC"))
    store.note_budgets("ads", [one, two], NOW - timedelta(days=4))
    store.note_budgets("meta", [meta], NOW - timedelta(days=4))
    store.note_budgets("ads", [two], NOW - timedelta(days=2))

    def known(days, hours=0):
        at = NOW - timedelta(days=days, hours=hours)
        return [target.budget.budget_id for target in take(store, known_at=at).targets]

    assert known(2, hours=1) == ["b1", "b2", "m"]
    assert known(2) == known(0) == ["b2", "m"]
    store.note_budgets("ads", [one, two], NOW - timedelta(days=1))
    assert known(1, hours=1) == ["b2", "m"]
    assert known(1) == ["b1", "b2", "m"]
    np.testing.assert_array_equal(take(store).panel.budget[0], [NAN, 10.0, 10.0, NAN, 10.0])


def test_arms_are_ads_and_audiences_of_their_target(store):
    store.note_budgets("ads", [budget("b", ("c1",))], NOW)
    store.note_entities([
        Entity(ACCOUNT, EntityKind.AD, "a2", "Video"), Entity(ACCOUNT, EntityKind.AUDIENCE, "u1", "Runners"),
    ])  # fmt: skip
    ad = campaign(ad_group_id="g", ad_id="a2", audience_id="u1")
    store.ingest([
        row(ad, ago(1), 1.0, 1.0, impressions=100),
        row(replace(ad, conversion_definition="lead"), ago(1), 2.0, impressions=50),
        row(campaign(creative_id="x"), ago(2), 4.0),
        row(campaign("stray", ad_id="a9"), ago(2), 4.0),
        row(campaign(), ago(2), 8.0),
    ])  # fmt: skip
    snapshot = take(store, days=2)
    arms = snapshot.arms
    assert [(a.target, a.ad_id, a.creative_id, a.name) for a in arms.arms] == [
        (0, None, "x", "x"), (0, "a2", None, "Video | Runners"),
    ]  # fmt: skip
    np.testing.assert_array_equal(arms.spend, [[4.0, NAN], [NAN, 3.0]])
    np.testing.assert_array_equal(arms.impressions, [[NAN, NAN], [NAN, 150.0]])
    np.testing.assert_array_equal(snapshot.panel.spend, [[12.0, 3.0]])
    assert snapshot.unbudgeted == ("ads/1/stray",)


def test_campaigns_that_spent_of_late_without_a_budget_are_named(store):
    store.ingest([
        row(campaign("late"), ago(28)), row(campaign("long-ago"), ago(29)), row(campaign("idle"), ago(1), 0.0),
    ])  # fmt: skip
    assert take(store, days=60).unbudgeted == ("ads/1/late",)


def test_freshness_is_the_last_day_with_rows_by_account(store):
    other = replace(ACCOUNT, account_id="2")
    silent = replace(ACCOUNT, account_id="3")
    store.note_budgets("ads", [budget("b", ("c1",), account=silent)], NOW)
    store.ingest([
        row(campaign(), ago(9)), row(campaign(), ago(0)), row(campaign(account=other), ago(2)),
        row(campaign(account=other), ago(1), at=NOW + timedelta(hours=1)),
    ])  # fmt: skip
    told = [(f.account_id, f.last_day) for f in take(store).freshness]
    assert told == [("1", ago(9)), ("2", ago(2)), ("3", None)]


def test_an_account_in_another_currency_is_refused_by_name(store):
    store.ingest([row(campaign(), ago(1))])
    with pytest.raises(StoreError, match=r"'1' of 'ads' is in USD, the portfolio in EUR.*settings file of its own"):
        take(store, currency="EUR")


def test_what_is_learnt_later_changes_no_earlier_snapshot(store):
    store.note_budgets("ads", [budget("b", ("c1",))], NOW - timedelta(days=1))
    store.ingest([row(campaign(), ago(2), at=NOW - timedelta(days=1))])
    before = take(store).digest()
    later = NOW + timedelta(hours=1)
    store.ingest([row(campaign(), ago(d), 9.0, at=later) for d in (1, 2, 3)])
    store.ingest([row(campaign("c2", account=replace(ACCOUNT, account_id="9", currency="EUR")), ago(2), at=later)])
    store.note_budgets("ads", [budget("b", ("c1",), amount="99"), budget("b2", ("c2",))], later)
    assert take(store).digest() == before


class TestDelays:
    def read(self, store, series, day, conversions, at):
        store.ingest([row(series, day, conversions=conversions, at=at)])

    def test_cells_are_what_was_known_at_the_end_of_each_day(self, store):
        store.note_budgets("ads", [budget("b", ("c1",)), budget("b2", ("c2",))], NOW - timedelta(days=9))
        day = ago(4)
        for lag, conversions in ((1, 2.0), (2, 3.0), (4, 7.0)):
            self.read(store, campaign(), day, conversions, NOW - timedelta(days=4 - lag))
        self.read(store, campaign("c2"), day, 10.0, NOW - timedelta(days=3))
        (triangle,) = take(store).delays
        assert (triangle.group, triangle.targets.tolist()) == ("ads/all", [0, 1])
        assert triangle.cumulative.shape == (1, 36)
        # Lag 4 is today, which is not over; a lag without a restatement keeps what was known.
        np.testing.assert_array_equal(triangle.cumulative[0, :5], [NAN, 12.0, 13.0, 13.0, NAN])
        (then,) = take(store, known_at=NOW - timedelta(days=2)).delays
        np.testing.assert_array_equal(then.cumulative[0, :3], [NAN, 12.0, NAN])
        (later,) = take(store, known_at=NOW + timedelta(days=60)).delays
        np.testing.assert_array_equal(later.cumulative[0], [NAN, 12.0, 13.0, 13.0] + [17.0] * 32)

    def test_a_history_read_in_late_stands_in_rows_of_its_own(self, store):
        store.note_budgets("ads", [budget("b", ("c1", "c2"))], NOW - timedelta(days=9))
        self.read(store, campaign("c1"), ago(4), 1.0, NOW - timedelta(days=4))
        self.read(store, campaign("c2"), ago(4), 50.0, NOW - timedelta(days=2))
        self.read(store, campaign("c2"), ago(4), 51.0, NOW - timedelta(days=1))
        (triangle,) = take(store).delays
        np.testing.assert_array_equal(
            triangle.cumulative[:, :5], [[1.0, 1.0, 1.0, 1.0, NAN], [NAN, NAN, 50.0, 51.0, NAN]]
        )

    def test_days_end_in_the_accounts_zone(self, store):
        auckland = replace(ACCOUNT, time_zone="Pacific/Auckland")
        store.note_budgets("ads", [budget("b", ("c1",), account=auckland)], NOW - timedelta(days=9))
        # 12:00 UTC on the 27th is the 28th in Auckland (UTC+13): a lag of 1 for the row of the 27th.
        self.read(store, campaign(account=auckland), date(2026, 2, 27), 2.0, datetime(2026, 2, 27, 12, tzinfo=UTC))
        (triangle,) = take(store, known_at=datetime(2026, 2, 28, 11, tzinfo=UTC)).delays
        np.testing.assert_array_equal(triangle.cumulative[0, :3], [NAN, 2.0, NAN])

    def test_groups_are_by_connector_and_definition_and_hold_each_target_once(self, store):
        store.note_budgets("ads", [budget(n, (n,)) for n in ("c1", "c2", "c3")], NOW - timedelta(days=9))
        store.note_budgets("meta", [budget("m", ("c1",), account=Account("meta", "1", "USD", "UTC"))], NOW)
        sale = {"conversion_definition": "sale"}
        self.read(store, campaign("c1", **sale), ago(2), 1.0, NOW - timedelta(days=1))
        self.read(store, campaign("c2", **sale), ago(2), 2.0, NOW - timedelta(days=1))
        self.read(store, campaign("stray", **sale), ago(2), 4.0, NOW - timedelta(days=1))
        groups = {t.group: (t.targets.tolist(), t.cumulative[:, :2].tolist()) for t in take(store).delays}
        assert set(groups) == {"ads/all", "ads/sale", "meta/all"}
        assert groups["ads/all"] == ([2], [])
        assert groups["meta/all"] == ([3], [])
        assert groups["ads/sale"][0] == [0, 1]
        (triangle,) = (t for t in take(store).delays if t.group == "ads/sale")
        np.testing.assert_array_equal(triangle.cumulative[:, :2], [[NAN, 7.0]])
