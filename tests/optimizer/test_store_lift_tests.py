"""Lift tests in both stores: registered once, ended once, never changed, and in the snapshots of their time."""

import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.money import Money
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.plan.canonical import content_hash
from optimizer.plan.lift_tests import Base, Holdout, LiftEnd, LiftReading, LiftRecord, Switchback
from optimizer.ports import NotFound, SnapshotQuery, StateConflict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PULSES = Switchback(
    "pulses", "brand", None, (Base("shop/shop/1", Money.of("100.50", "EUR")),), date(2026, 3, 2), 7, 2,
    (True, False) * 4, 0.8, 1.0,
)  # fmt: skip
REGIONS = Holdout("regions", "social", "7", date(2026, 3, 2), date(2026, 3, 29), ("a",), ("b", "c"))
READING = LiftReading(date(2026, 3, 2), date(2026, 4, 26), 4480.0, 1120.0, 12.5, 30.25, -40.0, 60.0, 0.9, 250.0, 8.0)


@pytest.fixture(params=["memory", "sql"])
def store(request, tmp_path):
    opened = MemoryStore() if request.param == "memory" else open_sql(f"sqlite:///{tmp_path}/outlay.sqlite")
    yield opened
    opened.close()


def record(lift_id="L-1", plan=PULSES, at=NOON):
    return LiftRecord(lift_id, plan, content_hash(plan), at, "ann", "0.1")


def end(lift_id="L-1", at=NOON + timedelta(days=60), reading=READING):
    return LiftEnd(lift_id, at, at.date(), "bob", "read — for good", reading, "e" * 64 if reading else "")


def test_both_kinds_come_back_as_they_were_and_so_do_their_ends(store):
    store.register_lift_test(record())
    store.register_lift_test(record("L-2", REGIONS))
    assert store.lift_tests() == (record("L-2", REGIONS), record())
    store.end_lift_test(end())
    store.end_lift_test(end("L-2", reading=None))
    assert store.lift_tests()[1].end == end()
    assert store.lift_tests()[0].end == end("L-2", reading=None)


@pytest.mark.parametrize(
    ("lift_id", "plan", "words"),
    [
        ("L-1", REGIONS, "never changed"),
        ("L-2", replace(REGIONS, name="pulses"), "choose another name"),
        ("L-2", replace(PULSES, name="x", channel="other"), "the same spend"),
        ("L-2", replace(REGIONS, channel="brand"), "the same spend"),
    ],
)
def test_no_two_open_tests_are_about_the_same_spend(store, lift_id, plan, words):
    store.register_lift_test(record())
    with pytest.raises(StateConflict, match=words):
        store.register_lift_test(record(lift_id, plan))
    store.end_lift_test(end())
    if lift_id != "L-1":
        store.register_lift_test(record(lift_id, plan))
        assert len(store.lift_tests()) == 2


def test_other_campaigns_and_other_budgets_may_be_tested_meanwhile(store):
    store.register_lift_test(record("L-1", REGIONS))
    store.register_lift_test(record("L-2", replace(REGIONS, name="other", campaign="8")))
    store.register_lift_test(record("L-3", PULSES))
    assert len(store.lift_tests()) == 3


def test_an_end_needs_a_beginning_and_is_final(store):
    with pytest.raises(NotFound, match="L-1"):
        store.end_lift_test(end())
    store.register_lift_test(record())
    with pytest.raises(StateConflict, match="not registered by then"):
        store.end_lift_test(end(at=NOON - timedelta(hours=1)))
    store.end_lift_test(end())
    with pytest.raises(StateConflict, match="ended already"):
        store.end_lift_test(end())


def test_a_snapshot_tells_what_was_known_then(store):
    def snapshot(at):
        return store.snapshot(SnapshotQuery(at, at.date(), 30, "EUR", "UTC"))

    bare = snapshot(NOON - timedelta(seconds=1))
    store.register_lift_test(record())
    store.end_lift_test(end())
    assert snapshot(NOON - timedelta(seconds=1)).digest() == bare.digest()
    assert snapshot(NOON).lift_tests == (record(),)
    assert snapshot(NOON + timedelta(days=60)).lift_tests == (replace(record(), end=end()),)
    assert snapshot(NOON).digest() != replace(snapshot(NOON), lift_tests=()).digest()


def test_the_database_itself_forbids_to_change_them(tmp_path):
    path = tmp_path / "outlay.sqlite"
    store = open_sql(f"sqlite:///{path}")
    store.register_lift_test(record())
    store.end_lift_test(end())
    store.close()
    copy = shutil.copy(path, tmp_path / "copy.sqlite")
    with sqlite3.connect(copy) as connection:
        for words in ("UPDATE lift_test SET kind = 'holdout'", "DELETE FROM lift_test", "DELETE FROM lift_end"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(words)
