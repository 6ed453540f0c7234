"""Experiments in both stores: registered once, closed once, never changed, and in the snapshots of their time."""

import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from bandits.experiment import Experiment, Kind, Metric, Share
from bandits.readout import Verdict
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.plan.experiments import Closing, ExperimentRecord
from optimizer.ports import NotFound, SnapshotQuery, StateConflict

ELSEWHERE = timezone(timedelta(hours=1))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Experiment("headline", ("ads/1/b1",), Kind.AD, (Share("a", 0.5), Share("b", 0.5)), "a", Metric.CTR, 0.1,
                  date(2026, 3, 2), date(2026, 3, 29))  # fmt: skip


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


def record(experiment_id="E-1", at=NOON, plan=PLAN, **changes):
    plan = replace(plan, **changes)
    return ExperimentRecord(experiment_id, plan, plan.digest(), at, "ann", "0.1")


def closing(experiment_id="E-1", at=NOON + timedelta(days=9), kept="b"):
    return Closing(experiment_id, at, "bob", Verdict.WINNER, kept, "b is better — by far", "e" * 64)


def test_a_registration_comes_back_as_it_was_and_so_does_its_end(store):
    store.register_experiment(record())
    assert store.experiments() == (record(),)
    store.close_experiment(closing())
    assert store.experiments() == (replace(record(), closing=closing()),)
    assert store.experiments()[0].plan.digest() == PLAN.digest()


def test_the_newest_comes_first_and_of_one_time_the_last_registered(store):
    hours = (0, 2, 2, 1)
    for n, hour in enumerate(hours):
        store.register_experiment(record(f"E-{n}", NOON + timedelta(hours=hour), name=f"n{n}", targets=(f"t{n}",)))
    assert [r.experiment_id for r in store.experiments()] == ["E-2", "E-1", "E-3", "E-0"]
    assert [r.experiment_id for r in store.experiments(2)] == ["E-2", "E-1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment_id": "E-1", "name": "other", "targets": ("x",)}, "registered already, and is never changed"),
        ({"targets": ("x",)}, r"of this name is 'headline' \(E-1\)"),
        ({"name": "other"}, r"arm 'a' is in 'headline' \(E-1\).*close that one first"),
        ({"name": "other", "kind": Kind.AUDIENCE}, "an ad of the one may reach an audience of the other"),
    ],
)
def test_what_is_in_an_open_experiment_takes_part_in_no_other(store, changes, words):
    store.register_experiment(record())
    changes = dict(changes)
    experiment_id = changes.pop("experiment_id", "E-2")
    with pytest.raises(StateConflict, match=words):
        store.register_experiment(record(experiment_id, **changes))
    assert [r.experiment_id for r in store.experiments()] == ["E-1"]


def test_other_arms_of_the_target_and_the_same_arms_after_the_end_may(store):
    store.register_experiment(record())
    store.register_experiment(record("E-2", name="other", arms=(Share("c", 0.5), Share("d", 0.5)), control="c"))
    store.close_experiment(closing())
    store.register_experiment(record("E-3"))
    assert [r.experiment_id for r in store.experiments()] == ["E-3", "E-2", "E-1"]


def test_an_end_is_entered_once_and_not_before_the_beginning(store):
    with pytest.raises(NotFound, match="'E-1'"):
        store.close_experiment(closing())
    store.register_experiment(record())
    with pytest.raises(StateConflict, match="was not registered by then"):
        store.close_experiment(closing(at=NOON - timedelta(hours=1)))
    store.close_experiment(closing(kept=None))
    with pytest.raises(StateConflict, match="closed already"):
        store.close_experiment(closing())
    assert store.experiments()[0].closing == closing(kept=None)


def test_a_snapshot_carries_what_was_open_then_and_nothing_else_changes_its_digest(store):
    def at(moment):
        return store.snapshot(SnapshotQuery(moment, date(2026, 3, 5), 5, "USD", "UTC"))

    before = at(NOON)
    store.register_experiment(record(at=NOON))
    store.close_experiment(closing())
    assert at(NOON - timedelta(microseconds=1)).experiments == ()
    assert at(NOON).experiments == at(NOON + timedelta(days=8)).experiments == (PLAN,)
    assert at(NOON + timedelta(days=9)).experiments == ()
    assert at(NOON).digest() != before.digest()
    assert replace(at(NOON), experiments=()).digest() == before.digest()


def test_the_file_itself_refuses_changes(new_file, tmp_path):
    path = shutil.copy(new_file, tmp_path / "outlay.sqlite")
    store = open_sql(f"sqlite:///{path}")
    store.register_experiment(record())
    store.close_experiment(closing())
    store.close()
    connection = sqlite3.connect(path)
    for statement in (
        "UPDATE experiment SET name = 'x'", "DELETE FROM experiment",
        "UPDATE experiment_closing SET kept = 'a'", "DELETE FROM experiment_closing",
    ):  # fmt: skip
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plan_hash": "0" * 64}, "not the one that was registered"),
        ({"registered_at": datetime(2026, 3, 1, tzinfo=ELSEWHERE)}, "must be in UTC"),
        ({"registered_by": " "}, "who registered it"),
        ({"closing": closing("E-9")}, "its end is that of 'E-9'"),
    ],
)
def test_a_broken_record_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(record(), **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"closed_at": datetime(2026, 3, 1, tzinfo=ELSEWHERE)}, "in UTC"),
        ({"reason": ""}, "and why"),
        ({"evidence": "e"}, "no digest"),
    ],
)
def test_a_broken_end_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(closing(), **changes)
