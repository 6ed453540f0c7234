"""The history as a chain: what was changed, taken away or put in is found, in either kind of database."""

import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from optimizer.agent.store import MemoryStore, migrate, open_sql
from optimizer.agent.trail import entries
from optimizer.plan.audit import GENESIS, prove, sealed
from optimizer.plan.canonical import content_hash
from optimizer.plan.record import Event, State
from tests.optimizer.test_store_sql import step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number, action="proposed"):
    return Event(f"R{number}", 1, NOON + timedelta(minutes=number), "outlay", action, "said")


def chain(count):
    made = []
    for number in range(count):
        previous = made[-1].hash if made else GENESIS
        made.append(sealed(number + 1, event(number), "s" * 64, previous))
    return made


class TestProof:
    def test_a_whole_chain_holds_and_gives_its_head(self):
        made = chain(4)
        assert (prove(iter(made)).entries, prove(made).head, prove(made).broken) == (4, made[-1].hash, None)
        assert prove([]).head == GENESIS

    def test_a_head_that_was_kept_is_found_wherever_the_chain_has_grown_to(self):
        made = chain(4)
        for kept in (made[0].hash, made[2].hash[:8], made[3].hash, GENESIS):
            assert prove(made, kept).broken is None
        assert prove(made, chain(5)[4].hash).broken.number is None

    @given(st.integers(0, 4), st.sampled_from(["rec_id", "revision", "at", "actor", "action", "detail"]))
    def test_the_first_entry_that_was_changed_is_named(self, place, field):
        made = chain(5)
        old = getattr(made[place].event, field)
        new = old + timedelta(microseconds=1) if field == "at" else old + ("!" if isinstance(old, str) else 1)
        made[place] = replace(made[place], event=replace(made[place].event, **{field: new}))
        proof = prove(made)
        assert (proof.broken.number, proof.entries) == (place + 1, place)

    @given(st.integers(0, 3))
    def test_an_entry_that_is_missing_is_found_at_the_next(self, place):
        made = chain(5)
        del made[place]
        assert prove(made).broken.number == place + 2

    def test_a_gap_that_was_closed_by_hand_is_found(self):
        made = chain(4)
        del made[1]
        made[1] = replace(made[1], previous=made[0].hash)
        assert prove(made).broken.number == 3

    def test_what_was_removed_at_the_end_is_found_by_the_kept_head_only(self):
        made = chain(5)
        assert prove(made[:4]).broken is None
        assert "removed" in prove(made[:4], made[4].hash).broken.words

    def test_entries_in_another_order_are_found(self):
        made = chain(3)
        assert prove([made[0], made[2], made[1]]).broken.number == 3
        assert prove([made[1]]).broken.number == 2


class Bare:
    """Raw SQL on either kind of database, with the triggers gone."""

    def __init__(self, kind, url):
        self.kind, self.url = kind, url

    def execute(self, statement):
        if self.kind == "postgresql":
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("SET session_replication_role = replica")
                return connection.execute(statement).statusmessage
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        for trigger in ("event_stays", "event_remains"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        with connection:
            connection.execute(statement)
        connection.close()
        return None


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'a.sqlite'}"
    return Bare(request.param, request.getfixturevalue("postgres") if request.param == "postgresql" else url)


@pytest.fixture
def store(bare):
    opened = open_sql(bare.url)
    opened.commit([step("A"), step("B"), step("C")])
    opened.commit([step("A", State.REJECTED, State.PROPOSED, by="ann")])
    yield opened
    opened.close()


def test_every_event_is_an_entry_with_what_its_step_left(store):
    found = list(entries(store, page=3))
    assert [entry.event.rec_id for entry in found] == ["A", "B", "C", "A"]
    assert [entry.number for entry in found] == [1, 2, 3, 4]
    assert found[3].subject == content_hash(store.record("A"))
    assert prove(found).broken is None
    memory = MemoryStore()
    memory.commit([step("A"), step("B"), step("C")])
    memory.commit([step("A", State.REJECTED, State.PROPOSED, by="ann")])
    assert list(entries(memory, page=2)) == found


@pytest.mark.parametrize(
    "change",
    [
        "id = 99", "rec_id = 'X'", "revision = 2", "at = at + 1", "actor = 'bob'", "action = 'approved'",
        "detail = 'no'", f"subject = '{'0' * 64}'", f"previous = '{'1' * 64}'", f"hash = '{'2' * 64}'",
    ],
)  # fmt: skip
def test_a_change_of_any_column_is_found(store, bare, change):
    bare.execute(f"UPDATE event SET {change} WHERE id = 2")
    broken = prove(entries(store)).broken
    assert broken.number == (3 if change == "id = 99" else 2)
    assert "somebody changed it" in broken.words or "removed or put in" in broken.words


def test_a_row_that_is_gone_is_found_in_the_midst_and_at_the_end(store, bare):
    head = prove(entries(store)).head
    bare.execute("DELETE FROM event WHERE id = 4")
    assert prove(entries(store)).broken is None
    assert prove(entries(store), head).broken.number is None
    bare.execute("DELETE FROM event WHERE id = 2")
    assert prove(entries(store)).broken.number == 3


def test_no_row_can_be_put_beside_another(store, bare):
    same = "rec_id, revision, at, actor, action, detail, subject, previous"
    statement = f"INSERT INTO event (id, {same}, hash) SELECT 77, {same}, '{'f' * 64}' FROM event WHERE id = 2"
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation), match=r"previous"):
        bare.execute(statement)


def test_writers_at_the_same_time_make_one_chain(store, bare):
    gate = threading.Barrier(4, timeout=30)

    def write(name):
        mine = open_sql(bare.url)
        gate.wait()
        for n in range(8):
            mine.commit([step(f"{name}{n}a"), step(f"{name}{n}b")])
        mine.close()

    threads = [threading.Thread(target=write, args=(name,)) for name in "wxyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proof = prove(entries(store, page=7))
    assert (proof.entries, proof.broken) == (4 + 4 * 16, None)


def test_events_of_before_the_chain_are_sealed_as_they_stood(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(migrate._MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        rows = [(n, f"R{n}", 1, n, "ann", "proposed", "") for n in range(1, 2_500) if n != 7]
        connection.exec_driver_sql("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    engine.dispose()
    store = open_sql(url)
    store.commit([step("new")])
    found = list(entries(store))
    assert prove(found).broken is None
    assert (len(found), found[6].number, found[-1].number, found[0].subject) == (2_499, 8, 2_500, "")
    store.close()
    bare = sqlite3.connect(tmp_path / "old.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        bare.execute("UPDATE event SET actor = ''")
    bare.close()
