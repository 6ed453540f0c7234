"""Who leads, which jobs ran and the kill switch: one suite for every store."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer import approval
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.agent.trail import contradictions
from optimizer.plan.audit import prove
from optimizer.plan.canonical import from_json, to_json
from optimizer.plan.office import Brake, Lease, Outcome, Pulse
from optimizer.plan.record import BudgetIntent, Event, IntentState
from optimizer.ports import Braked, Fenced, NotOwned, StateConflict
from tests.optimizer.approval_world import decision

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def new_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "new.sqlite"
    open_sql(f"sqlite:///{path}").close()
    return path


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request, new_file, tmp_path):
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = open_sql(f"sqlite:///{shutil.copy(new_file, tmp_path / 'outlay.sqlite')}")
    else:
        opened = open_sql(request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def test_one_leads_until_the_lease_ends_and_the_epoch_grows(store):
    assert store.leader() is None
    first = store.take_lead("a", NOON, NOON + MINUTE)
    assert first == Lease(1, "a", NOON + MINUTE) == store.leader()
    assert store.take_lead("b", NOON + MINUTE / 2, NOON + 2 * MINUTE) is None
    second = store.take_lead("b", NOON + MINUTE, NOON + 2 * MINUTE)
    assert second == Lease(2, "b", NOON + 2 * MINUTE)
    with pytest.raises(Fenced, match="b leads in epoch 2"):
        store.renew_lead(first, NOON + 9 * MINUTE)


def test_a_lease_is_renewed_and_left(store):
    lease = store.take_lead("a", NOON, NOON + MINUTE)
    lease = store.renew_lead(lease, NOON + 3 * MINUTE)
    assert store.leader() == Lease(1, "a", NOON + 3 * MINUTE)
    assert store.take_lead("b", NOON + 2 * MINUTE, NOON + 5 * MINUTE) is None
    store.leave_lead(lease, NOON + 2 * MINUTE)
    assert store.take_lead("b", NOON + 2 * MINUTE, NOON + 5 * MINUTE).epoch == 2
    store.leave_lead(lease, NOON + 2 * MINUTE)  # of an old epoch: does nothing
    assert store.leader().until == NOON + 5 * MINUTE


def test_a_lease_that_ends_before_it_begins_is_refused(store):
    with pytest.raises(ValueError, match="must end after now"):
        store.take_lead("a", NOON, NOON)


def test_only_the_newest_epoch_may_send_and_only_while_the_switch_is_off(store):
    with pytest.raises(Fenced, match="nobody leads"):
        store.may_send(1)
    store.take_lead("a", NOON, NOON + MINUTE)
    store.may_send(1)
    store.throw_brake(Brake(True, NOON, "mia", "landing page is down"))
    with pytest.raises(Braked, match="paused since 2026-03-01 12:00 UTC by mia: landing page is down"):
        store.may_send(1)
    store.throw_brake(Brake(False, NOON, "mia", ""))
    store.may_send(1)
    assert store.brake() == Brake(False, NOON, "mia", "")
    store.take_lead("b", NOON + MINUTE, NOON + 2 * MINUTE)
    with pytest.raises(Fenced):
        store.may_send(1)


def test_each_throw_of_the_switch_stands_in_the_chain(store):
    store.throw_brake(Brake(True, NOON, "mia", "landing page is down"))
    store.throw_brake(Brake(False, NOON + MINUTE, "ben", ""))
    entries = store.audit()
    assert [(e.event.rec_id, e.event.actor, e.event.action, e.event.detail) for e in entries] == [
        ("kill-switch", "mia", "paused", "landing page is down"),
        ("kill-switch", "ben", "resumed", ""),
    ]
    assert entries[0].event.at == NOON
    proof = prove(entries)
    assert (proof.entries, proof.broken) == (2, None)


def test_a_pause_that_was_given_an_end_is_lifted_once_after_it(store):
    store.throw_brake(pause := Brake(True, NOON, "mia", "sale", NOON + MINUTE))
    assert store.brake() == pause
    store.take_lead("a", NOON, NOON + 5 * MINUTE)
    assert store.lift_brake(NOON + MINUTE - timedelta(microseconds=1)) is None
    with pytest.raises(Braked, match="by mia, until 2026-03-01 12:01 UTC: sale"):
        store.may_send(1)
    lifted = store.lift_brake(NOON + MINUTE)
    assert lifted == Brake(False, NOON + MINUTE, "outlay", "the pause by mia was until 2026-03-01 12:01 UTC")
    assert store.lift_brake(NOON + 2 * MINUTE) is None
    store.may_send(1)
    assert store.brakes() == (pause, lifted)
    told = [entry.event for entry in store.audit() if entry.event.rec_id == "kill-switch"]
    assert [(event.action, event.detail) for event in told] == [
        ("paused", "until 2026-03-01 12:01:00 UTC: sale"),
        ("pause-over", "the pause by mia was until 2026-03-01 12:01 UTC"),
    ]
    assert prove(store.audit()).broken is None
    assert tuple(contradictions(store)) == ()


def test_who_lets_writes_go_on_by_the_program_s_name_says_that_the_clock_is_right_all_the_same(store):
    store.throw_brake(Brake(True, NOON + 9 * MINUTE, "mia", "stop"))
    store.throw_brake(Brake(False, NOON, "outlay", ""))  # as the user of a container may be named
    assert store.audit()[-1].event.action == "resumed"
    assert store.last_written() == NOON


def test_a_throw_without_an_end_is_sealed_as_throws_were_before_they_could_end():
    plain = '{"actor":"mia","at":"2026-03-01T12:00:00Z","on":true,"reason":"stop"}'
    assert to_json(Brake(True, NOON, "mia", "stop")) == plain
    assert from_json(Brake, plain) == Brake(True, NOON, "mia", "stop")


def test_a_pause_without_an_end_is_lifted_by_nobody_but_people(store):
    store.throw_brake(Brake(True, NOON, "mia", "landing page is down"))
    assert store.lift_brake(NOON + timedelta(days=10_000)) is None
    assert store.brake().on


@pytest.mark.parametrize("end", [None, 3 * MINUTE])
def test_a_pause_for_a_while_ends_none_that_lasts_longer(store, end):
    store.throw_brake(first := Brake(True, NOON, "mia", "landing page is down", end and NOON + end))
    with pytest.raises(StateConflict, match=r"paused for longer already, since .* by mia"):
        store.throw_brake(Brake(True, NOON, "ben", "sale", NOON + 2 * MINUTE))
    assert store.brakes() == (first,)
    store.throw_brake(Brake(True, NOON, "ben", "for good"))
    assert store.brake().actor == "ben"


def test_a_clock_that_went_back_is_not_made_right_by_the_end_of_a_pause(store):
    store.throw_brake(Brake(True, NOON + 9 * MINUTE, "mia", "sale", NOON + 10 * MINUTE))
    store.lift_brake(NOON + 12 * MINUTE)
    assert store.last_written() == NOON + 12 * MINUTE
    store.throw_brake(Brake(True, NOON, "mia", "stop"))
    assert store.last_written() == NOON + 12 * MINUTE
    store.throw_brake(Brake(False, NOON + MINUTE, "mia", "the clock is right"))
    assert store.last_written() == NOON + MINUTE


def test_each_change_of_the_lead_stands_in_the_chain(store):
    lease = store.take_lead("a", NOON, NOON + MINUTE)
    lease = store.renew_lead(lease, NOON + 2 * MINUTE)
    assert store.take_lead("b", NOON + MINUTE, NOON + 3 * MINUTE) is None
    newer = store.take_lead("b", NOON + 2 * MINUTE, NOON + 4 * MINUTE)
    store.leave_lead(lease, NOON + 2 * MINUTE)  # it was lost already
    store.leave_lead(newer, NOON + 3 * MINUTE)
    store.leave_lead(newer, NOON + 3 * MINUTE)
    store.take_lead("c", NOON + 3 * MINUTE, NOON + 4 * MINUTE)
    entries = store.audit()
    told = [(e.event.rec_id, e.event.revision, e.event.actor, e.event.action, e.event.detail) for e in entries]
    assert told == [
        ("lead", 1, "a", "lead-taken", "until 2026-03-01 12:01:00 UTC"),
        ("lead", 1, "a", "lead-lost", "its lease ended at 2026-03-01 12:02:00 UTC; b leads"),
        ("lead", 2, "b", "lead-taken", "until 2026-03-01 12:04:00 UTC"),
        ("lead", 2, "b", "lead-released", ""),
        ("lead", 3, "c", "lead-taken", "until 2026-03-01 12:04:00 UTC"),
    ]
    assert [e.event.at for e in entries] == [NOON, *[NOON + 2 * MINUTE] * 2, *[NOON + 3 * MINUTE] * 2]
    assert prove(entries).broken is None


def test_what_a_leader_decides_is_refused_once_another_leads(store):
    shift = approval.issue(decision({"a": (100.0, 90.0), "b": (50.0, 60.0)}), now=NOON, valid_for=timedelta(days=1),
                           seed=1, code_version="t")  # fmt: skip
    with pytest.raises(Fenced, match="nobody leads"):
        store.commit([shift], 1)
    store.take_lead("a", NOON, NOON + MINUTE)
    store.take_lead("b", NOON + MINUTE, NOON + 2 * MINUTE)
    with pytest.raises(Fenced, match="b leads in epoch 2"):
        store.commit([shift], 1)
    assert store.records() == ()
    store.commit([shift], 2)
    verdict = approval.Approve("ann", shift.record.recommendation.plan_hash)
    store.commit([approval.judge(shift.record, verdict, NOON, approval.Policy())])  # a person needs no lead
    assert store.records()[0].approved_by == "ann"


@pytest.mark.parametrize(
    ("actor", "reason", "message"), [(" ", "x", "nobody is named"), ("mia", " ", "needs a reason")]
)
def test_a_pause_without_name_or_reason_is_not_built(actor, reason, message):
    with pytest.raises(ValueError, match=message):
        Brake(True, NOON, actor, reason)


def test_a_job_runs_once_to_its_end_for_each_moment(store):
    store.take_lead("a", NOON, NOON + MINUTE)
    run = store.begin_run("pull", NOON, 1, NOON)
    assert (run.attempt, run.outcome, run.ended_at) == (1, Outcome.RUNNING, None)
    assert store.begin_run("pull", NOON, 1, NOON) is None
    store.end_run(run, Outcome.FAILED, "throttled", NOON + MINUTE)
    again = store.begin_run("pull", NOON, 1, NOON + MINUTE)
    assert again.attempt == 2
    store.end_run(again, Outcome.DONE, "12 rows", NOON + 2 * MINUTE)
    assert store.begin_run("pull", NOON, 1, NOON) is None
    other = store.begin_run("decide", NOON + MINUTE, 1, NOON + MINUTE)
    done = replace(again, outcome=Outcome.DONE, words="12 rows", ended_at=NOON + 2 * MINUTE)
    assert store.runs() == (other, done)
    assert store.runs("pull") == (done,)
    assert store.runs(limit=1) == (other,)


def test_a_run_that_was_cut_off_is_begun_anew_by_the_next_leader_only(store):
    store.take_lead("a", NOON, NOON + MINUTE)
    cut = store.begin_run("pull", NOON, 1, NOON)
    store.take_lead("b", NOON + MINUTE, NOON + 2 * MINUTE)
    with pytest.raises(Fenced):
        store.begin_run("pull", NOON, 1, NOON + MINUTE)
    again = store.begin_run("pull", NOON, 2, NOON + MINUTE)
    assert (again.attempt, again.epoch) == (2, 2)
    with pytest.raises(StateConflict, match="begun anew"):
        store.end_run(cut, Outcome.DONE, "late", NOON + MINUTE)
    with pytest.raises(ValueError, match="done or failed"):
        store.end_run(again, Outcome.RUNNING, "", NOON + MINUTE)


def test_an_unknown_write_is_fenced_before_anything_else_is_looked_at(store):
    before = BudgetIntent("k", "R-1", 1, BudgetKey("ads", "1", "b"), Money.of(1, "USD"), Money.of(2, "USD"), 0,
                    IntentState.PLANNED)  # fmt: skip
    after = replace(before, state=IntentState.SENDING, attempts=1)
    told = Event("R-1", 1, NOON, "outlay", "write-sent", "")
    with pytest.raises(Fenced):
        store.advance(before, after, told, epoch=1)
    store.throw_brake(Brake(True, NOON, "mia", "stop"))
    with pytest.raises(Braked):
        store.advance(before, after, told)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_end_of_a_process_that_stood_still_does_not_pass_for_that_of_the_one_that_took_over(
    kind, request, new_file, tmp_path
):
    if kind == "sqlite":
        url = f"sqlite:///{shutil.copy(new_file, tmp_path / 'outlay.sqlite')}"
    else:
        url = request.getfixturevalue("postgres")
    still, leader, standby = (open_sql(url) for _ in range(3))
    still.take_lead("still", NOON, NOON + MINUTE)
    lease = leader.take_lead("leader", NOON + MINUTE, NOON + 3 * MINUTE)  # without the lock, which the first one has
    assert lease.epoch == 2
    still.close()
    assert standby.take_lead("standby", NOON + 2 * MINUTE, NOON + 9 * MINUTE) is None
    leader.renew_lead(lease, NOON + 4 * MINUTE)  # with the lock
    leader.close()
    assert standby.take_lead("standby", NOON + 3 * MINUTE, NOON + 9 * MINUTE).epoch == 3
    standby.close()


_LEADER = """
import sys
from datetime import datetime, timedelta, UTC
from optimizer.agent.store import open_sql
store = open_sql(sys.argv[1])
now = datetime(2026, 3, 1, 12, tzinfo=UTC)
print(store.take_lead("other", now, now + timedelta(hours=1)).epoch, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_lead_of_a_process_that_was_killed_is_free_at_once_and_not_before(kind, request, new_file, tmp_path):
    file = f"sqlite:///{shutil.copy(new_file, tmp_path / 'outlay.sqlite')}"
    url = file if kind == "sqlite" else request.getfixturevalue("postgres")
    with subprocess.Popen([sys.executable, "-c", _LEADER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"1\n"
        store = open_sql(url)
        assert store.take_lead("me", NOON, NOON + MINUTE) is None
        other.kill()
        other.wait()
        lease = store.take_lead("me", NOON, NOON + MINUTE)
        for _ in range(100):  # a server notices the end of a session a moment later
            lease = lease or time.sleep(0.05) or store.take_lead("me", NOON, NOON + MINUTE)
        assert lease.epoch == 2
        store.close()


def test_the_pulse_differs_once_the_history_has_grown_or_another_leads(store):
    assert store.pulse() == Pulse(0, None)
    lease = store.take_lead("a", NOON, NOON + MINUTE)
    assert store.pulse() == Pulse(1, lease), "that it was taken is told"
    store.throw_brake(Brake(True, NOON, "mia", "checkout is down"))
    assert store.pulse() == Pulse(2, lease)
    store.begin_run("pull", NOON, 1, NOON)
    assert store.pulse() == Pulse(2, lease), "runs are the leader's own"


def test_runs_of_long_ago_are_forgotten_but_for_the_newest_of_each_job(store):
    store.take_lead("a", NOON, NOON + MINUTE)
    for job, days in (("pull", 5), ("decide", 3)):
        for day in range(days):
            run = store.begin_run(job, NOON + timedelta(days=day), 1, NOON)
            store.end_run(run, Outcome.DONE, f"{job} {day}", NOON + MINUTE)
    assert store.begin_run("apply", NOON, 1, NOON).outcome is Outcome.RUNNING
    store.begin_run("apply", NOON + timedelta(days=9), 1, NOON)
    assert store.forget_runs(NOON + timedelta(days=3)) == 3 + 2
    assert store.forget_runs(NOON + timedelta(days=99)) == 1, "day 3 of the pulls"
    kept = {(run.job, run.words) for run in store.runs()}
    assert kept == {("pull", "pull 4"), ("decide", "decide 2"), ("apply", "")}
    assert len(store.runs("apply")) == 2, "what runs is not forgotten"
    assert store.forget_runs(NOON + timedelta(days=99)) == 0
    store.take_lead("b", NOON + 2 * MINUTE, NOON + 3 * MINUTE)
    assert store.forget_runs(NOON + timedelta(days=99)) == 1, "what an earlier leader left runs no more"
    assert [run.due_at for run in store.runs("apply")] == [NOON + timedelta(days=9)], "the newest stays"


def test_a_store_is_the_portfolios_that_takes_it_first(store):
    assert store.owner() is None
    for _ in range(2):
        store.own("shop")
    with pytest.raises(NotOwned, match=r"that of the portfolio 'shop', and this one is 'travel'.*outlay db rename"):
        store.own("travel")
    assert (store.owner(), store.audit()) == ("shop", ())


def test_a_portfolio_gets_another_name_and_the_history_tells(store):
    assert store.rename("shop", "mia", NOON) is None
    assert (store.rename("shop", "mia", NOON), store.audit()) == ("shop", ())
    assert store.rename("shoes", "mia", NOON) == "shop"
    store.own("shoes")
    with pytest.raises(NotOwned):
        store.own("shop")
    (entry,) = store.audit()
    assert entry.event == Event("portfolio", 0, NOON, "mia", "renamed", "from shop to shoes")
    assert (prove([entry]).broken, tuple(contradictions(store))) == (None, ())


def test_a_file_has_one_seat_by_whatever_name_it_is_opened(new_file, tmp_path, monkeypatch):
    file, folder = shutil.copy(new_file, tmp_path / "outlay.sqlite"), tmp_path / "elsewhere"
    folder.mkdir()
    link = folder / "same.sqlite"
    link.symlink_to(file)
    leader = open_sql(f"sqlite:///{file}")
    assert leader.take_lead("a", NOON, NOON + MINUTE).epoch == 1
    monkeypatch.chdir(folder)
    for name in (link, "same.sqlite", "../outlay.sqlite"):
        other = open_sql(f"sqlite:///{name}")
        assert other.take_lead("b", NOON + MINUTE / 2, NOON + 2 * MINUTE) is None, "a leads, and is there"
        other.close()
    leader.close()
    other = open_sql(f"sqlite:///{link}")
    assert other.take_lead("b", NOON + MINUTE / 2, NOON + 2 * MINUTE).epoch == 2, "a is gone"
    other.close()
    assert [path.name for path in folder.iterdir()] == ["same.sqlite"]
