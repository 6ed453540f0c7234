"""Every store keeps doubts by their times, leaves unread accounts as they were, and tells what was restated of late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from connectors.contract import Account, AdState, BudgetTarget, EntityStatus, Level, PerformanceRow, Series
from connectors.money import Money
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.plan.doubts import CHANGED, GONE, Doubt
from optimizer.plan.office import Brake
from optimizer.ports import SnapshotQuery, StoreError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = date(2026, 3, 1)
ACCOUNT, OTHER = Account("ads", "1", "USD", "UTC"), Account("ads", "2", "USD", "UTC")


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, tmp_path):
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = open_sql(f"sqlite:///{tmp_path / 'outlay.sqlite'}")
    else:
        opened = open_sql(request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def doubt(code=CHANGED, account="1", words="its currency was USD and is EUR now", since=NOON, connector="ads"):
    return Doubt(code, connector, account, words, "set it back", since)


def budget(account, amount=10):
    return BudgetTarget(account, "b", "Budget", Level.CAMPAIGN, ("c",), Money.of(amount, "USD"))


def row(spend, at, day=date(2026, 2, 10), conversions=4, campaign="c", account=ACCOUNT):
    return PerformanceRow(
        Series(account, campaign, "search"), day, spend * 10**6, conversions * 10**6, None, None, None, at
    )


def restated(store, at, within=48 * HOUR):
    query = SnapshotQuery(at, TODAY, 60, "USD", "UTC", restated_within=within)
    return store.snapshot(query).restated


def test_a_doubt_stands_since_it_was_seen_first_until_a_reading_without_it(store):
    store.note_doubts("ads", [doubt()], NOON)
    store.note_doubts("ads", [doubt(since=NOON + DAY), doubt(GONE, "2", "gone", NOON + DAY)], NOON + DAY)
    store.note_doubts("other", [doubt(connector="other")], NOON + DAY)
    store.note_doubts("ads", [doubt(GONE, "2", "gone")], NOON + 2 * DAY)
    assert store.doubts(NOON - HOUR) == ()
    assert store.doubts(NOON) == (doubt(),)
    then = store.doubts(NOON + DAY)
    assert [(d.connector, d.account_id, d.since) for d in then] == [
        ("ads", "1", NOON), ("ads", "2", NOON + DAY), ("other", "1", NOON + DAY)
    ]  # fmt: skip
    assert [d.connector for d in store.doubts(NOON + 2 * DAY)] == ["ads", "other"]
    assert store.snapshot(SnapshotQuery(NOON, TODAY, 60, "USD", "UTC")).doubts == (doubt(),)


def test_a_doubt_in_other_words_is_a_new_one_and_one_of_the_same_instant_is_replaced(store):
    store.note_doubts("ads", [doubt()], NOON)
    store.note_doubts("ads", [doubt(words="another")], NOON)
    assert store.doubts(NOON) == (doubt(words="another"),)
    store.note_doubts("ads", [doubt()], NOON + DAY)
    assert [d.since for d in store.doubts(NOON + DAY)] == [NOON + DAY]
    assert store.doubts(NOON) == (doubt(words="another"),)


def test_doubts_of_another_connector_or_of_one_kind_twice_are_refused(store):
    with pytest.raises(StoreError, match="was noted as one of 'other'"):
        store.note_doubts("other", [doubt()], NOON)
    with pytest.raises(StoreError, match="noted twice"):
        store.note_doubts("ads", [doubt(), doubt(words="again")], NOON)
    assert store.doubts(NOON) == ()


def test_what_an_account_that_was_not_read_holds_stays_as_it_was(store):
    ad = AdState(OTHER, "a", "Ad", "c", None, EntityStatus.ACTIVE)
    store.note_budgets("ads", [budget(ACCOUNT), replace(budget(OTHER), learning=True)], NOON)
    store.note_ads("ads", [ad], NOON)
    store.note_budgets("ads", [budget(ACCOUNT, 20)], NOON + DAY, frozenset({"2"}))
    store.note_ads("ads", [], NOON + DAY, frozenset({"2"}))
    seen = store.snapshot(SnapshotQuery(NOON + DAY, TODAY, 60, "USD", "UTC"))
    assert seen.current.tolist() == [20, 10]
    assert [target.budget.learning for target in seen.targets] == [False, True]
    assert seen.ads == (ad,)
    store.note_budgets("ads", [budget(ACCOUNT, 20)], NOON + 2 * DAY)
    assert store.snapshot(SnapshotQuery(NOON + 2 * DAY, TODAY, 60, "USD", "UTC")).current.tolist() == [20]
    assert store.accounts("ads") == (ACCOUNT, OTHER)
    assert store.accounts("none") == ()


def test_what_became_known_of_late_of_days_that_were_known_is_told_by_budget_and_day(store):
    store.note_budgets("ads", [budget(ACCOUNT), budget(OTHER)], NOON - 30 * DAY)
    day = date(2026, 2, 10)
    store.ingest([row(100, NOON - 10 * DAY), row(50, NOON - 10 * DAY, campaign="c", account=OTHER)])
    store.ingest([row(90, NOON - 5 * DAY)])  # long ago
    assert restated(store, NOON) is None
    store.ingest([row(120, NOON - DAY, conversions=3), row(7, NOON - DAY, day=day + DAY)])  # restated, and new
    found = restated(store, NOON)
    assert (found.target.tolist(), found.day.tolist()) == ([0], [(day - TODAY + timedelta(days=60)).days])
    assert (found.spend.tolist(), found.conversions.tolist()) == ([30.0], [-1.0])
    store.ingest([row(90, NOON + HOUR, conversions=4)])  # and back again: nothing is other than it was
    assert restated(store, NOON + 2 * HOUR) is None
    replayed = restated(store, NOON)
    assert replayed.spend.tolist() == [30.0], "a replay sees what was known then"
    assert restated(store, NOON, timedelta(0)) is None


def test_evidence_without_doubts_and_restatements_keeps_the_digest_that_it_had(store):
    store.note_budgets("ads", [budget(ACCOUNT)], NOON - 30 * DAY)
    store.ingest([row(100, NOON - 10 * DAY), row(120, NOON - DAY)])
    query = SnapshotQuery(NOON, TODAY, 60, "USD", "UTC")
    plain, told = store.snapshot(query), store.snapshot(replace(query, restated_within=2 * DAY))
    assert plain.digest() != told.digest()
    assert replace(told, restated=None).digest() == plain.digest()
    assert replace(plain, doubts=(doubt(),)).digest() != plain.digest()
    assert np.array_equal(told.select([0]).restated.spend, told.restated.spend)


def test_the_last_entry_of_the_history_says_when_it_was_written(store):
    assert store.last_written() is None
    store.throw_brake(Brake(True, NOON, "mia", "why"))
    assert store.last_written() == NOON


def test_a_clock_that_went_back_hides_no_later_entry_until_writes_are_let_go_on(store):
    store.throw_brake(Brake(True, NOON, "mia", "why"))
    assert store.take_lead("b", NOON - DAY, NOON - HOUR) is not None
    store.throw_brake(Brake(True, NOON - DAY, "mia", "and again"))
    assert store.last_written() == NOON
    store.throw_brake(Brake(False, NOON - DAY, "mia", "the clock is right"))
    assert store.last_written() == NOON - DAY


def test_budgets_are_told_as_they_were_read_last_by_connector(store):
    first, second = budget(ACCOUNT), budget(OTHER)
    store.note_budgets("ads", [second, first], NOON)
    store.note_budgets("ads", [budget(ACCOUNT, 20)], NOON + DAY)
    assert store.budgets("ads", NOON - HOUR) == store.budgets("other", NOON) == ()
    assert store.budgets("ads", NOON) == (first, second)
    assert store.budgets("ads", NOON + DAY) == (budget(ACCOUNT, 20),)


def test_a_day_that_is_not_over_in_its_account_s_zone_is_no_day_of_the_evidence(store):
    west = Account("ads", "3", "USD", "America/Los_Angeles")
    store.note_budgets("ads", [budget(west), budget(ACCOUNT)], NOON - 30 * DAY)
    yesterday = TODAY - timedelta(days=1)
    early = datetime(2026, 3, 1, 5, tzinfo=UTC)  # 21:00 of the day before, in Los Angeles
    rows = [row(7, early - HOUR, day=day, account=account)
            for account in (ACCOUNT, west) for day in (yesterday - DAY, yesterday)]  # fmt: skip
    store.ingest(rows)
    spend = store.snapshot(SnapshotQuery(early, TODAY, 60, "USD", "UTC")).panel.spend
    assert np.nan_to_num(spend[:, -2:], nan=-1.0).tolist() == [[7, 7], [7, -1]]
    later = store.snapshot(SnapshotQuery(early + 3 * HOUR, TODAY, 60, "USD", "UTC")).panel.spend
    assert later[:, -2:].tolist() == [[7, 7], [7, 7]]
