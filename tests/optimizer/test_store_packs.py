"""Packed weeks: they say what their rows say, at any instant, and go as soon as a row of theirs changes."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from connectors.contract import Account, BudgetTarget, Level, PerformanceRow, Series
from connectors.money import Money
from optimizer.agent import trail
from optimizer.agent.store import MemoryStore, open_sql, packs
from optimizer.agent.store.known import UNREPORTED
from optimizer.agent.store.packing import COLUMNS, SPEND, pack, unpack
from optimizer.ports import SnapshotQuery

ACCOUNT = Account("ads", "1", "USD", "UTC")
SERIES = [Series(ACCOUNT, f"c{n}", "search") for n in range(4)]
SERIES += [Series(ACCOUNT, "c1", "search", "g1", "a1", conversion_definition="sale")]
FIRST = date(2026, 1, 1)
LENGTH = 120
START = datetime(2026, 1, 1, 6, tzinfo=UTC)

numbers = st.one_of(
    st.just(UNREPORTED),
    st.integers(-3, 300).map(lambda n: 1_000_000 * n),
    st.integers(0, 10**7).map(lambda n: 10_000 * n),
    st.integers(-(2**63) + 1, 2**63 - 1),
)


@given(st.integers(0, 40).flatmap(lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=COLUMNS,
                                                    max_size=COLUMNS)))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_what_is_packed_comes_out_the_same(columns):
    facts = np.array(columns, dtype=np.int64).reshape(COLUMNS, -1)
    assert np.array_equal(unpack(pack(facts)), facts)


def test_counts_and_cents_take_a_few_bytes():
    rng = np.random.default_rng(1)
    facts = 1_000_000 * rng.integers(0, 200, (COLUMNS, 5_000))
    assert len(pack(facts)) < 5_000 * 9


@pytest.mark.parametrize("damaged", [b"", b"nothing that was packed", pack(np.zeros((COLUMNS, 3), np.int64))[:-9]])
def test_damaged_bytes_are_refused(damaged):
    with pytest.raises(ValueError, match="damaged"):
        unpack(damaged)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outlay.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, path):
    opened = open_sql(f"sqlite:///{path}" if request.param == "sqlite" else request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def row(series, day, at, spend, value=None):
    return PerformanceRow(series, day, spend * 10_000, 1_000_000 * (spend % 7), value, 5_000_000 * spend, None, at)


def history(rng, until=LENGTH, series=SERIES):
    """Rows of each day as read on the morning after it, with gaps."""
    return [
        row(own, FIRST + timedelta(days=n), START + timedelta(days=n + 1), int(rng.integers(1, 500)),
            1_000 if rng.random() < 0.5 else None)
        for n in range(until)
        for own in series
        if rng.random() < 0.9
    ]  # fmt: skip


def note(store):
    held = [
        BudgetTarget(ACCOUNT, f"b{n}", "B", Level.CAMPAIGN, (f"c{n}",), Money.of("10", "USD"))
        for n in range(len(SERIES))
    ]
    store.note_budgets("ads", held, START)


def seen(store, days_later, span=LENGTH):
    known_at = START + timedelta(days=days_later)
    return store.snapshot(SnapshotQuery(known_at, known_at.date(), span, "USD", "UTC")).digest()


def kept(path):
    with closing(sqlite3.connect(path)) as file:
        return dict(file.execute("SELECT week, newest FROM fact_pack ORDER BY week"))


def test_a_snapshot_is_the_same_with_packs_and_without_at_any_instant(store):
    """The store in memory has none; weeks that are settled are restated, and history is read in late."""
    rng, plain = np.random.default_rng(2), MemoryStore()
    first = history(rng)
    late = [
        row(own, FIRST + timedelta(days=int(n)), START + timedelta(days=130, hours=int(n)), int(rng.integers(500, 900)))
        for n in (3, 4, 50, 51, 80, 100)
        for own in SERIES[:3]
    ]
    new = [row(Series(ACCOUNT, "c4", "social"), FIRST + timedelta(days=n), START + timedelta(days=131), n + 1)
           for n in range(90)]  # fmt: skip
    note(store), note(plain)
    for reading in (first[:200], first[200:], late, new):
        assert store.ingest(reading) == plain.ingest(reading)
        for days, span in ((125, LENGTH), (140, 133), (60, 40), (131, 9), (400, 30)):
            assert seen(store, days, span) == seen(plain, days, span)


def test_settled_weeks_are_packed_once_and_reading_the_same_again_writes_nothing(path):
    rows, newest = history(np.random.default_rng(3)), FIRST.toordinal() + LENGTH - 1
    found = []
    for _ in range(2):
        store = open_sql(f"sqlite:///{path}")
        store.ingest(rows)
        store.close()
        found.append((path.read_bytes(), kept(path)))
    assert found[0] == found[1]
    assert list(found[0][1]) == list(range(FIRST.toordinal() // 7, (newest + 1 - packs.SETTLED) // 7))


def test_a_changed_row_takes_its_pack_away_whoever_changes_it(path):
    store = open_sql(f"sqlite:///{path}")
    store.ingest(history(np.random.default_rng(4)))
    note(store)
    week, before = FIRST.toordinal() // 7 + 2, seen(store, LENGTH)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE fact SET spend = spend + 10000, known_from = known_from + 1 WHERE day = ?", [week * 7 + 3])
    assert week not in kept(path)
    assert seen(store, LENGTH) != before
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM fact WHERE series_id = 1 AND day = ?", [(week + 1) * 7])
    assert week + 1 not in kept(path)
    store.ingest([row(SERIES[0], FIRST + timedelta(days=LENGTH), START + timedelta(days=LENGTH + 1), 5)])
    store.close()
    assert {week, week + 1} <= set(kept(path))  # made up for by the next reading


def test_a_pack_does_not_stand_for_what_was_known_before_its_youngest_row(path):
    store, plain = open_sql(f"sqlite:///{path}"), MemoryStore()
    rows = history(np.random.default_rng(5))
    restated = [row(SERIES[0], FIRST + timedelta(days=n), START + timedelta(days=200), 999) for n in (10, LENGTH)]
    for each in (store, plain):
        note(each)
        each.ingest(rows)
        each.ingest(restated)
    youngest = max(kept(path).values())
    assert youngest == int((START + timedelta(days=200)).timestamp() * 1e6)
    for days in (199, 200, 201):
        assert seen(store, days, 200) == seen(plain, days, 200)
    store.close()


def test_what_was_there_before_packs_is_packed_by_the_next_reading(path):
    store = open_sql(f"sqlite:///{path}")
    store.ingest(history(np.random.default_rng(6)))
    packed = kept(path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM fact_pack")
    store.ingest([row(SERIES[0], FIRST + timedelta(days=LENGTH - 1), START + timedelta(days=300), 5)])
    store.close()
    assert kept(path) == packed


@pytest.mark.parametrize("change", ["spend", "newest", "damage"])
def test_a_pack_that_says_something_else_than_its_rows_is_found(store, change):
    store.ingest(history(np.random.default_rng(8)))
    assert store.stray() == ()
    week = FIRST.toordinal() // 7 + 3
    with store._database.write() as connection:
        (packed,) = connection.execute(text("SELECT packed FROM fact_pack WHERE week = :week"), {"week": week}).one()
        facts = unpack(bytes(packed))
        facts[SPEND, 0] += 10_000
        said = {"spend": pack(facts), "newest": bytes(packed), "damage": b"nothing"}[change]
        later = 1 if change == "newest" else 0
        connection.execute(
            text("UPDATE fact_pack SET packed = :said, newest = newest - :later WHERE week = :week"),
            {"said": said, "later": later, "week": week},
        )
    (found,) = trail.contradictions(store)
    assert found.startswith(f"the week of {date.fromordinal(week * 7)} (block 0) is packed as something else")


def test_a_portfolio_without_budgets_reads_no_week(path):
    store = open_sql(f"sqlite:///{path}")
    store.ingest(history(np.random.default_rng(7), 60))
    found = store.snapshot(SnapshotQuery(START, FIRST + timedelta(days=60), 60, "USD", "UTC"))
    store.close()
    assert found.targets == ()
    assert found.panel.spend.shape == (0, 60)
