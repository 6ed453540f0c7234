"""What is stored is what the history says of it: a row that was altered behind its back is found, column by column."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from optimizer.agent import trail, writing
from optimizer.agent.store import open_sql
from optimizer.agent.store.sql import SqlStore
from optimizer.plan.audit import prove
from optimizer.plan.office import Brake
from optimizer.plan.record import State
from simulations.platform import faults
from tests.optimizer.test_cycle import rig


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a verified plan, one that failed and was retried, one that is proposed, and a pause."""
    file = tmp_path_factory.mktemp("witness") / "told.sqlite"
    store = open_sql(f"sqlite:///{file}")
    it = rig(lambda c: faults.Refuses(c, faults.on_calls(3)), store=store)
    for day in range(3):
        if day:
            it.platform.inner.advance(1)
            it.house.clock.sleep(24 * 3600)
        record = it.approved() if day < 2 else it.proposed()
        name = record.recommendation.rec_id
        if day < 2 and writing.apply(it.house, name).state is State.FAILED:
            writing.apply(it.house, name)
        if day == 0:
            assert writing.verify(it.house, name).state is State.VERIFIED
    for on in (True, False):
        store.throw_brake(Brake(on, it.house.clock.now(), "mia", "checkout is down"))
    with closing(sqlite3.connect(file)) as bare:
        states = {row[0] for row in bare.execute("SELECT state FROM intent")}
    assert states >= {"verified", "acknowledged", "refused"}
    store.close()
    return file


@pytest.fixture
def altered(told: Path, tmp_path: Path):
    """Runs SQL on a copy, its triggers gone, and says what is found."""

    def found(*statements: str) -> tuple[str, ...]:
        file = tmp_path / "altered.sqlite"
        file.write_bytes(told.read_bytes())
        with closing(sqlite3.connect(file)) as bare, bare:
            bare.execute("PRAGMA ignore_check_constraints = ON")
            for (name,) in bare.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                bare.execute(f"DROP TRIGGER {name}")
            changed = [bare.execute(statement).rowcount for statement in statements]
        assert all(changed), "the statement changed nothing"
        store = open_sql(f"sqlite:///{file}")
        assert prove(trail.entries(store)).broken is None, "the chain itself holds"
        said = tuple(trail.contradictions(store))
        store.close()
        return said

    return found


def test_what_nobody_altered_is_what_the_history_says(altered) -> None:
    assert altered() == ()


@pytest.mark.parametrize(
    "change",
    [
        "rec_id = rec_id || 'x'", "revision = revision + 1", f"plan_hash = '{'0' * 64}'", "created_at = created_at + 1",
        "valid_until = valid_until + 1", "payload = replace(payload, '\"seed\":1', '\"seed\":2')", "state = 'applied'",
        "approved_by = 'mallory'", "approved_lines = '[]'", "approvals = '[\"mallory\"]'",
    ],
)  # fmt: skip
def test_a_column_of_a_recommendation_that_was_altered_is_found(altered, change: str) -> None:
    assert altered(f"UPDATE recommendation SET {change} WHERE id = 1")


@pytest.mark.parametrize("state", ["verified", "acknowledged", "refused"])
@pytest.mark.parametrize(
    "change",
    [
        "idempotency_key = idempotency_key || 'x'", "rec_id = rec_id || 'x'", "revision = revision + 1",
        "connector = 'other'", "account_id = 'other'", "budget_id = 'other'", "currency = 'USD'", "base = base + 1",
        "target = target + 1", "position = position + 9", "state = 'cancelled'", "attempts = attempts + 1",
        "request_id = 'other'", "note = 'all is well'", "updated_at = updated_at + 1",
        "acknowledged_at = coalesce(acknowledged_at, updated_at) + 90000000",
        "budget_id = NULL, currency = NULL, base = NULL, target = NULL, ad_id = 'a', base_status = 'active', "
        "target_status = 'paused'",
    ],
)  # fmt: skip
def test_a_column_of_a_write_that_was_altered_is_found(altered, change: str, state: str) -> None:
    one = f"(SELECT max(id) FROM intent WHERE state = '{state}')"
    assert altered(f"UPDATE intent SET {change} WHERE id = {one}")


def test_a_write_that_was_set_back_is_found(altered) -> None:
    """All of the row is as it once was; only the history knows that it went on."""
    one = "(SELECT max(id) FROM intent WHERE state = 'verified')"
    begun = "(SELECT at FROM event WHERE action = 'begun' ORDER BY id LIMIT 1)"
    back = f"state = 'planned', attempts = 0, request_id = '', note = '', acknowledged_at = NULL, updated_at = {begun}"
    assert altered(f"UPDATE intent SET {back} WHERE id = {one}")


@pytest.mark.parametrize(
    "change",
    ["stops = 1 - stops", "at = at + 1", "actor = 'bob'", "reason = 'nothing'", "until = at + 1", "until = at"],
)
def test_a_column_of_the_kill_switch_that_was_altered_is_found(altered, change: str) -> None:
    assert altered(f"UPDATE brake SET {change} WHERE id = 1")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE setting SET content = content || ' '",
        "UPDATE basis SET goals = guards",
        "DELETE FROM brake WHERE id = 2",
        "DELETE FROM intent WHERE id = 1",
        "DELETE FROM recommendation WHERE id = 1",
        "INSERT INTO recommendation SELECT 99, 'R-x', 1, plan_hash, created_at, valid_until, payload, state, "
        "approved_by, approved_lines, approvals FROM recommendation WHERE id = 1",
        "INSERT INTO intent SELECT 99, idempotency_key || 'x', rec_id, revision, connector, account_id, 'b9', "
        "currency, base, target, 9, state, attempts, request_id, note, updated_at, acknowledged_at, ad_id, "
        "base_status, target_status FROM intent WHERE id = 1",
        "INSERT INTO intent SELECT 99, 'R-forged', 'R-forged', revision, connector, account_id, 'b9', currency, base, "
        "target, 9, 'planned', 0, '', '', updated_at, NULL, ad_id, base_status, target_status FROM intent WHERE id = 1",
        "INSERT INTO intent SELECT 99, 'lead', 'lead', 1, connector, account_id, 'b9', currency, base, target, 9, "
        "'planned', 0, '', '', updated_at, NULL, ad_id, base_status, target_status FROM intent WHERE id = 1",
    ],
)
def test_what_was_put_in_taken_away_or_written_over_is_found(altered, statement: str) -> None:
    assert altered(statement)


def test_the_same_holds_in_memory() -> None:
    it = rig()
    writing.apply(it.house, it.approved().recommendation.rec_id)
    assert tuple(trail.contradictions(it.house.store)) == ()
    assert not isinstance(it.house.store, SqlStore)
