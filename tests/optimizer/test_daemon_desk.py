"""One portfolio's work: what is due is done once, what fails is tried again, and nothing is written while paused."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from connectors.errors import RetryLater
from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.bootstrap import open_house, open_store
from optimizer.agent.clock import SetClock
from optimizer.agent.daemon import desk as desk_module
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.claims import Shared
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.health import alive
from optimizer.agent.notify import LogNotifier
from optimizer.agent.store import MemoryStore
from optimizer.agent.store.sql import SqlStore
from optimizer.agent.web import open_premises
from optimizer.plan.office import Brake, JobRun, Outcome
from optimizer.plan.record import State
from optimizer.ports import Fenced, NotOwned, NotTold, StateConflict, StoreError
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named
from tests.optimizer.approval_world import approved, decision

START = date(2025, 9, 1)
CONFIG = """
[portfolio]
currency = "JPY"
time_zone = "Asia/Tokyo"
history_days = 60
[guardrails]
min_gain_probability = 0.0
min_gain_share = 0.0
minimum_conversions = 0.0
minimum_days = 0
cool_down_hours = 0.0
[web]
listen = ""

[daemon]
decide_at = ["06:00"]
refit = "never"
listen = ""
[connectors.market]
kind = "simulated"
scenario = "tiny-yen"
seed = 4
start = 2025-09-01
history_days = 30
state_file = "market.json"
"""


class Office:
    """A folder with a portfolio, a clock that stands, and the desk that works there."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG + more)
        market = SimulatedConnector(named("tiny-yen", history_days=30), seed=4, start=START)
        self.first, self.window = market.today, market.capabilities.restatement_days
        self.clock = SetClock(market.now + timedelta(minutes=5))
        self.desk = Desk(self.config, self.clock)

    def look(self) -> None:
        self.desk.look()

    def newest(self) -> cycle.Record:
        with open_house(self.config, self.clock) as house:
            return house.store.records(limit=1)[0]

    def approve(self, who: str = "ada") -> str:
        with open_house(self.config, self.clock) as house:
            record = house.store.records(limit=1)[0]
            whole = record.recommendation.plan_hash
            cycle.settle(house, record.recommendation.rec_id, approval.Approve(who, whole))
            return record.recommendation.rec_id

    def throw(self, *, on: bool, lasts: timedelta | None = None) -> None:
        with open_house(self.config, self.clock) as house:
            now = self.clock.now()
            house.store.throw_brake(Brake(on, now, "mia", "checkout is down", lasts and now + lasts))

    def rename(self, name: str) -> None:
        with open_store(self.config) as store:
            store.rename(name, "mia", self.clock.now())

    def outcomes(self) -> dict[str, Outcome]:
        return {job: run.outcome for job, run in self.desk.seen.runs.items()}


@pytest.fixture
def office(tmp_path: Path):
    made = Office(tmp_path)
    yield made
    made.desk.leave()


def test_the_day_is_read_decided_and_told_once(office: Office) -> None:
    office.look()
    assert office.desk.seen.trouble == ""
    assert office.outcomes() == {
        "alarms": Outcome.DONE,
        "pull": Outcome.DONE,
        "decide": Outcome.DONE,
        "announce": Outcome.DONE,
    }
    (waiting,) = office.desk.seen.waiting
    assert waiting.state is State.PROPOSED
    assert office.desk.seen.leading
    before = office.desk.seen.runs
    office.look()
    assert office.desk.seen.runs == before
    assert len(office.desk.seen.waiting) == 1


def test_an_approval_is_written_at_the_next_look_and_verified_after_it_settled(office: Office) -> None:
    office.look()
    name = office.approve()
    office.look()
    assert office.newest().state is State.APPLIED
    assert office.desk.seen.runs["apply"].words == f"{name} is applied"
    office.clock.sleep(29 * 60)
    office.look()
    assert office.newest().state is State.APPLIED
    office.clock.sleep(2 * 60)
    office.look()
    assert office.newest().state is State.VERIFIED


def test_nothing_is_written_while_paused_and_it_goes_on_afterwards(office: Office) -> None:
    office.look()
    office.approve()
    office.throw(on=True)
    office.look()
    assert office.newest().state is State.APPROVED
    assert "paused since" in office.desk.seen.runs["apply"].words
    office.throw(on=False)
    office.clock.sleep(61)
    office.look()
    assert office.newest().state is State.APPLIED


def test_a_clock_that_went_back_ends_no_pause_and_holds_up_nothing_else(office: Office) -> None:
    office.look()
    office.approve()
    with open_house(office.config, office.clock) as house:
        house.store.throw_brake(Brake(False, office.clock.now() + timedelta(days=30), "mia", "by another clock"))
    office.throw(on=True, lasts=timedelta(hours=1))
    waits = office.newest().recommendation.rec_id
    office.clock.sleep(26 * 3600)
    office.look()
    with open_house(office.config, office.clock) as house:
        assert house.store.record(waits).state is State.EXPIRED
        assert house.store.brake().on
    assert office.desk.seen.runs["resume"].outcome is Outcome.FAILED
    assert "set this machine's clock" in office.desk.seen.runs["resume"].words


def test_a_pause_that_was_given_an_end_is_over_by_itself_and_what_waited_is_written(office: Office) -> None:
    office.look()
    office.approve()
    office.throw(on=True, lasts=timedelta(hours=2))
    for minutes in (0, 119):
        office.clock.sleep(60 * minutes)
        office.look()
        assert office.newest().state is State.APPROVED
    assert "resume" not in office.desk.seen.runs
    office.clock.sleep(60)
    office.look()
    assert office.newest().state is State.APPLIED
    assert office.desk.seen.runs["resume"].words.startswith("writes go on: the pause by mia was until ")
    assert office.desk.seen.brake is not None
    assert not office.desk.seen.brake.on


def test_nothing_is_written_outside_of_the_windows(tmp_path: Path) -> None:
    office = Office(tmp_path, '[windows]\nwrites = ["09:00-17:00"]\n')
    office.look()
    office.approve()
    office.look()
    assert office.newest().state is State.APPROVED
    assert "writes are sent in 09:00-17:00 only" in office.desk.seen.runs["apply"].words
    office.clock.sleep(3 * 3600)
    office.look()
    assert office.newest().state is State.APPLIED
    office.desk.leave()


def test_an_approval_that_waits_for_its_window_is_not_superseded_by_the_next_morning(tmp_path: Path) -> None:
    office = Office(tmp_path, '[windows]\nwrites = ["09:00-17:00"]\n[approval]\nvalid_hours = 48\n')
    office.look()
    office.approve()
    office.clock.sleep(24 * 3600)
    office.look()
    assert office.newest().state is State.APPROVED
    assert "no other plan is made" in office.desk.seen.runs["decide"].words
    office.clock.sleep(3 * 3600)
    office.look()
    assert office.newest().state is State.APPLIED
    office.desk.leave()


@pytest.mark.parametrize("above", [None, 0.0])
def test_an_approval_that_is_given_while_the_next_plan_is_worked_out_stands(
    tmp_path: Path, above: float | None
) -> None:
    """Also the first of two: whoever gave it waits for the second."""
    more = '[windows]\nwrites = ["09:00-17:00"]\n[approval]\nvalid_hours = 48\n'
    office = Office(tmp_path, more + ("" if above is None else f"second_approver_above = {above}\n"))
    office.look()
    first = office.newest()

    def approving[J, R](do: Callable[[J], R], job: J) -> R:
        if office.newest().state is State.PROPOSED and not office.newest().approvals:
            office.approve()
        return do(job)

    office.desk.leave()
    office.desk = Desk(office.config, office.clock, Shared(call=approving))
    office.clock.sleep(24 * 3600)
    office.look()
    assert office.newest().recommendation == first.recommendation
    assert office.newest().approvals == ("ada",)
    ran = office.desk.seen.runs["decide"]
    waits = "to be written" if above is None else "for a second person"
    assert (ran.outcome, office.desk.seen.trouble) == (Outcome.DONE, "")
    assert ran.words == f"{first.recommendation.rec_id} is approved and waits {waits}: no other plan is made"
    office.desk.leave()


def test_the_policy_approves_what_stays_within_it_and_is_named(tmp_path: Path) -> None:
    more = '[autonomy]\nmode = "autopilot"\nlargest_step = 1.0\nmoved_share = 1.0\ngain_probability = 0.0\n'
    office = Office(tmp_path, more)
    office.look()
    words = office.desk.seen.runs["approve"].words
    record = office.newest()
    if record.state is State.PROPOSED:  # it says why it waits
        assert "waits for a person" in words
    else:
        assert record.approvals == (approval.AUTOPILOT,)
        office.look()
        assert office.newest().state is State.APPLIED
    office.desk.leave()


def test_the_policy_approves_nothing_while_writes_are_paused(tmp_path: Path) -> None:
    more = '[autonomy]\nmode = "autopilot"\nlargest_step = 1.0\nmoved_share = 1.0\ngain_probability = 0.0\n'
    office = Office(tmp_path, more)
    office.throw(on=True)
    office.look()
    assert office.newest().state is State.PROPOSED
    assert "waits for a person: writes are paused since" in office.desk.seen.runs["approve"].words
    office.throw(on=False)
    office.look()
    assert office.newest().state is State.PROPOSED, "a person decides on it now"
    office.desk.leave()


def test_what_needs_two_people_is_left_to_them_whatever_the_policy_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path, '[approval]\nsecond_approver_above = "0.01"\n[autonomy]\nmode = "autopilot"\n')
    monkeypatch.setattr(approval, "consider", _waves_through)
    office.look()
    assert (office.newest().state, office.newest().approvals) == (State.PROPOSED, ())
    assert "waits for a person: it needs two people" in office.desk.seen.runs["approve"].words
    office.desk.leave()


def test_whoever_observes_proposes_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path, '[autonomy]\nmode = "observe"\n')
    office.look()
    record = office.newest()
    assert record.state is State.HELD
    assert "observing" in {finding.code for finding in record.recommendation.decision.findings}
    assert office.desk.seen.waiting == ()
    office.desk.leave()


def test_a_second_agent_stands_by_until_the_first_leaves(office: Office) -> None:
    office.look()
    other = Desk(office.config, office.clock)
    other.look()
    assert not other.seen.leading
    assert other.seen.leader.epoch == 1
    office.approve()
    other.look()
    assert office.newest().state is State.APPROVED, "only the leader writes"
    office.desk.leave()
    other.look()
    assert other.seen.leading
    assert other.seen.leader.epoch == 2
    assert office.newest().state is State.APPLIED
    other.leave()


def test_an_edit_of_the_settings_counts_and_nonsense_does_not(office: Office) -> None:
    office.look()
    name = office.approve()
    _write(office, CONFIG.replace('"06:00"', '"25:00"'))
    office.look()
    assert "the settings that were read before stand" in office.desk.seen.trouble
    assert "25:00" in office.desk.seen.trouble
    assert office.desk.seen.leading
    assert office.desk.seen.runs["apply"].words == f"{name} is applied", "the old settings serve on"
    office.look()
    assert "stand" in office.desk.seen.trouble, "it is told until it is mended"
    _write(office, CONFIG.replace('"06:00"', '"07:00"'))
    office.look()
    assert office.desk.seen.trouble == ""
    assert office.desk.seen.leading


def test_another_name_counts_once_it_is_told_that_it_is_the_same_portfolio(office: Office) -> None:
    office.look()
    name = office.approve()
    _write(office, CONFIG.replace('currency = "JPY"', 'name = "renamed"\ncurrency = "JPY"'))
    office.look()
    assert "is that of the portfolio 'main', and this one is 'renamed'" in office.desk.seen.trouble
    assert "outlay db rename" in office.desk.seen.trouble
    assert office.desk.seen.runs["apply"].words == f"{name} is applied", "the old settings serve on"
    office.rename("renamed")
    office.clock.sleep(61)
    office.look()
    assert (office.desk.seen.trouble, office.desk.name) == ("", "renamed")
    assert office.desk.seen.leading


def test_another_portfolio_reads_decides_and_writes_nothing_in_a_database_that_is_not_its_own(
    office: Office, tmp_path: Path
) -> None:
    office.look()
    name = office.approve()
    office.desk.leave()
    stranger = tmp_path / "stranger.toml"
    stranger.write_text(office.config.read_text().replace('currency = "JPY"', 'name = "other"\ncurrency = "JPY"'))
    before = office.newest()
    with pytest.raises(NotOwned, match="is that of the portfolio 'main'"), open_house(stranger, office.clock):
        pass
    other = Desk(stranger, office.clock)
    other.look()
    assert "is that of the portfolio 'main'" in other.seen.trouble
    assert office.newest() == before
    assert before.recommendation.rec_id == name
    with pytest.raises(NotOwned), open_premises([stranger], office.clock):
        pass


def test_a_job_that_fails_is_told_and_tried_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttled(*_words: object, **_more: object) -> None:
        raise RetryLater("too many requests", retry_after_seconds=1)

    with monkeypatch.context() as broken:
        broken.setattr(SimulatedConnector, "pull", throttled)
        office.look()
        assert office.outcomes() == {"alarms": Outcome.DONE, "pull": Outcome.FAILED}
        assert "too many requests" in office.desk.seen.runs["pull"].words
        office.clock.sleep(6 * 3600)
        office.look()
    assert office.outcomes()["decide"] is Outcome.DONE
    assert office.desk.seen.runs["decide"].words.startswith("nothing was decided")
    office.clock.sleep(24 * 3600)
    office.look()
    assert office.outcomes()["pull"] is Outcome.DONE, "the next day is another one"


def test_a_defect_of_one_look_is_told_and_the_next_look_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    with monkeypatch.context() as broken:
        broken.setattr(Board, "any_expired", lambda *_words: 1 / 0)
        office.look()
        assert "unexpected ZeroDivisionError" in office.desk.seen.trouble
    office.look()
    assert office.desk.seen.trouble == ""


def test_a_leader_that_stood_still_is_fenced_off_in_the_middle_of_its_write(office: Office) -> None:
    """As if the process had been stopped between its commit and its call for longer than its lease."""
    office.look()
    office.approve()
    other = Desk(office.config, office.clock)
    other.look()
    confirm = type(office.desk._house.tenure).confirm
    sent: list[str] = []

    def stand_still(tenure: object) -> None:
        if not sent:
            sent.append("stopped here")
            office.clock.sleep(91)
            other.look()
        confirm(tenure)

    old, calls = office.desk._house.connectors["market"], []
    set_budget = SimulatedConnector.set_budget

    def noted(connector: SimulatedConnector, change: object) -> object:
        calls.append("old" if connector is old else "new")
        return set_budget(connector, change)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SimulatedConnector, "set_budget", noted)
        patched.setattr(type(office.desk._house.tenure), "confirm", stand_still)
        office.look()
    assert not office.desk.seen.leading, "it has stepped down"
    assert other.seen.leading
    record = office.newest()
    assert record.state is State.APPLIED
    moved = sum(line.changes for line in record.recommendation.decision.lines)
    assert calls == ["new"] * moved, "the late call of the old leader was not made"
    other.leave()


def test_a_job_whose_end_could_not_be_kept_is_not_lost_for_the_day(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = SqlStore.end_run

    def locked_after_the_reading(store: SqlStore, run: JobRun, *words: object) -> None:
        if run.job == "pull":
            raise StoreError("the database is locked")
        end(store, run, *words)

    with monkeypatch.context() as broken:
        broken.setattr(SqlStore, "end_run", locked_after_the_reading)
        office.look()
        assert "locked" in office.desk.seen.trouble
    office.look()
    assert office.desk.seen.runs["pull"].outcome is Outcome.FAILED
    office.clock.sleep(16 * 60)
    office.look()
    assert office.outcomes()["pull"] is office.outcomes()["decide"] is Outcome.DONE
    assert office.desk.seen.runs["pull"].attempt == 2


def test_a_job_that_somebody_else_was_faster_than_is_tried_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(cycle, "propose", _overtaken)
        office.look()
        assert office.outcomes() == {"alarms": Outcome.DONE, "pull": Outcome.DONE, "decide": Outcome.FAILED}
    office.clock.sleep(16 * 60)
    office.look()
    assert office.outcomes()["decide"] is Outcome.DONE


def test_a_defect_that_one_plan_meets_holds_up_no_other_job(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.look()
    office.approve()
    before = office.desk.seen.runs["pull"].due_at
    office.clock.sleep(24 * 3600)
    with monkeypatch.context() as broken:
        broken.setattr(writing, "apply", lambda *_words: 1 / 0)
        broken.setattr(cycle, "expire", lambda _house: ())
        office.look()
    assert office.desk.seen.runs["apply"].outcome is Outcome.FAILED
    assert "unexpected ZeroDivisionError" in office.desk.seen.runs["apply"].words
    assert office.desk.seen.runs["pull"].due_at == before + timedelta(days=1)
    assert office.desk.seen.runs["pull"].outcome is Outcome.DONE


def test_a_lease_is_kept_while_one_job_takes_longer_than_it_lasts(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the clock's tick does in another thread is done here by the slow platform itself."""
    other, pull = Desk(office.config, office.clock), SimulatedConnector.pull

    def slow(connector: SimulatedConnector, since: date, until: date) -> object:
        for _ in range(60):
            office.clock.sleep(10)
            office.desk.keep()
        other.look()
        return pull(connector, since, until)

    monkeypatch.setattr(SimulatedConnector, "pull", slow)
    office.look()
    assert not other.seen.leading
    assert office.desk.seen.leader.epoch == 1
    assert office.outcomes()["pull"] is Outcome.DONE
    other.leave()


def test_a_look_that_hangs_keeps_the_lead_no_longer_and_gives_no_sign_of_life(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    signs: list[bool] = []

    def hangs(*_words: object, **_more: object) -> None:
        for minutes in (59, 2):
            office.clock.sleep(60 * minutes)
            office.desk.keep()
            signs.append(not alive([office.desk], office.clock.now()))
        raise RetryLater("at last", retry_after_seconds=1)

    monkeypatch.setattr(cycle, "pull", hangs)
    office.look()
    assert signs == [True, False]
    lease = office.desk.seen.leader
    assert lease.until == office.clock.now() - timedelta(minutes=2) + timedelta(seconds=90)


def test_whoever_was_overtaken_while_its_lease_was_kept_stays_fenced(office: Office) -> None:
    office.look()
    tenure = office.desk._house.tenure
    office.clock.sleep(91)
    with open_house(office.config, office.clock) as other:
        assert other.tenure.take()
        tenure.keep()
        assert tenure.epoch == 1, "its next step carries the epoch that is fenced off"
        with pytest.raises(Fenced):
            tenure.confirm()


def test_settings_that_could_not_be_taken_for_a_moment_are_taken_later(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    office.rename("renamed")
    _write(office, CONFIG.replace('currency = "JPY"', 'name = "renamed"\ncurrency = "JPY"'))
    with monkeypatch.context() as broken:
        broken.setattr(desk_module, "open_house", _locked)
        office.look()
        assert "locked" in office.desk.seen.trouble
    office.look()
    assert "locked" in office.desk.seen.trouble
    office.clock.sleep(61)
    office.look()
    assert (office.desk.seen.trouble, office.desk.name) == ("", "renamed")


def test_settings_that_fail_at_the_last_step_change_nothing_at_all(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    name = office.approve()
    before = (office.desk._house, office.desk.url, office.desk._board)
    _write(office, CONFIG + '[windows]\nwrites = ["03:00-03:01"]\n[store]\nurl = "sqlite:///other.sqlite"\n')
    for last in ("_timetable", "Refits", "Hooks", "Reports"):
        with monkeypatch.context() as broken:
            broken.setattr(desk_module, last, lambda *_words: 1 / 0)
            office.clock.sleep(61)
            office.look()
        assert "the settings that were read before stand" in office.desk.seen.trouble
        assert (office.desk._house, office.desk.url, office.desk._board) == before
    assert office.desk.seen.runs["apply"].words == f"{name} is applied", "no window of the new ones keeps it"


def test_a_lead_that_cannot_be_given_up_does_not_keep_the_house_open(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    with monkeypatch.context() as broken:
        broken.setattr(SqlStore, "leave_lead", _locked)
        office.desk.leave()
    office.look()
    assert office.desk.seen.leading
    assert office.desk.seen.leader.epoch == 2, "the file beside the database told that the first had gone"


def test_what_the_policy_approved_is_told_though_nobody_was_reached_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def unheard(_self: object, title: str, *_words: object) -> None:
        titles.append(title)
        raise NotTold([1])

    office = Office(tmp_path, '[autonomy]\nmode = "autopilot"\nlargest_step = 1.0\nmoved_share = 1.0\n')
    monkeypatch.setattr(approval, "consider", _waves_through)
    with monkeypatch.context() as broken:
        broken.setattr(LogNotifier, "tell", unheard)
        office.look()
        assert office.newest().approvals == (approval.AUTOPILOT,)
        assert office.outcomes()["announce"] is Outcome.FAILED
        office.clock.sleep(60)
        office.look()
        assert office.newest().state is State.APPLIED
    monkeypatch.setattr(LogNotifier, "tell", lambda _self, title, *_words: titles.append(title))
    office.clock.sleep(60 * 60)
    office.look()
    office.look()
    assert office.outcomes()["announce"] is Outcome.DONE
    assert office.newest().state is State.VERIFIED
    assert len(titles) == 2
    assert titles[0] == titles[1]
    assert titles[0].endswith("is approved by the policy")
    office.desk.leave()


def test_a_proposal_is_announced_until_somebody_was_reached_though_a_person_proposes_meanwhile(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def unheard(*_words: object) -> None:
        raise NotTold([1])

    office.look()
    first = office.approve()
    office.look()
    office.clock.sleep(24 * 3600)
    with monkeypatch.context() as broken:
        broken.setattr(LogNotifier, "tell", unheard)
        office.look()
        second = office.newest().recommendation.rec_id
        assert office.outcomes()["announce"] is Outcome.FAILED
    with open_house(office.config, office.clock) as house:
        assert writing.rollback(house, first, "mia").state is State.PROPOSED
    monkeypatch.setattr(LogNotifier, "tell", lambda _self, title, *_words: titles.append(title))
    for _ in range(2):
        office.clock.sleep(16 * 60)
        office.look()
    assert titles == [f"main: {second} waits for approval"]
    assert office.outcomes()["announce"] is Outcome.DONE


def test_what_came_of_a_write_is_kept_later_if_it_could_not_be_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    name = office.approve()
    with monkeypatch.context() as broken:
        broken.setattr(SqlStore, "end_run", _locked)
        office.look()
        assert "locked" in office.desk.seen.trouble
        assert office.newest().state is State.APPLIED
    office.look()
    assert office.desk.seen.trouble == ""
    (run,) = office.desk._house.store.runs("apply")
    assert (run.outcome, run.words) == (Outcome.DONE, f"{name} is applied")


def test_what_could_not_be_begun_to_be_said_is_said_later(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.look()
    office.throw(on=True)
    office.approve()
    with monkeypatch.context() as broken:
        broken.setattr(SqlStore, "begin_run", _locked)
        office.look()
        assert "locked" in office.desk.seen.trouble
    office.clock.sleep(61)
    office.look()
    assert "Writes are paused" in office.desk.seen.runs["apply"].words


def test_old_runs_are_forgotten_though_no_daily_job_is_ever_due(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.config.write_text(CONFIG.replace('["06:00"]', "[]"))
    office.look()
    house = office.desk._house
    for days in (200, 199):
        due = office.clock.now() - timedelta(days=days)
        house.store.end_run(house.store.begin_run("apply", due, 1, due), Outcome.DONE, str(days), due)
    office.look()
    assert len(house.store.runs("apply")) == 2, "today's tidying is done"
    office.clock.sleep(24 * 3600)
    office.look()
    assert [run.words for run in house.store.runs("apply")] == ["199"], "the newest stays"
    office.desk.leave()


class Crowded(MemoryStore):
    """A store in which more wait, are approved and were written than anybody looks through, the oldest begun."""

    def records(
        self, states: frozenset[State] | None = None, limit: int = 50, since: datetime | None = None
    ) -> tuple[cycle.Record, ...]:
        record = approved(decision({"a": (100, 90), "b": (100, 110)}))
        whole = [replace(record, state=state) for state in (State.PROPOSED, State.APPROVED, State.APPLIED)] * 25
        found = [
            one for one in (*whole, replace(record, state=State.APPLYING)) if states is None or one.state in states
        ]
        return tuple(found[:limit])


def test_what_is_being_written_is_seen_however_many_came_after_it() -> None:
    board = Board(Crowded())
    board.read()
    assert len(board.approved()) == 26
    assert board.approved()[-1].state is State.APPLYING
    assert len(board.applied()) == len(board.waiting()) == 25


def test_a_store_that_cannot_rest_ends_no_look(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(SqlStore, "rest", lambda *_words: 1 / 0)
        office.look()
        assert "unexpected ZeroDivisionError" in office.desk.seen.trouble
        assert not office.desk.busy
    office.look()
    assert office.desk.seen.trouble == ""


def test_a_look_that_is_broken_off_is_not_taken_for_one_that_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Board, "read", _exit)
    with pytest.raises(SystemExit):
        office.look()
    assert not office.desk.busy


def test_whoever_leads_for_one_act_carries_its_epoch_to_the_last_step_of_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    name = office.approve()
    office.desk.leave()
    epochs: list[int | None] = []
    commit = SqlStore.commit

    def noted(store: SqlStore, steps: object, epoch: int | None = None) -> None:
        epochs.append(epoch)
        commit(store, steps, epoch)

    monkeypatch.setattr(SqlStore, "commit", noted)
    with open_house(office.config, office.clock) as house:
        assert writing.apply(house, name).state is State.APPLIED
    assert epochs == [2, 2], "that it began and that it ended"


def _waves_through(record: cycle.Record, *_words: object) -> approval.Approve:
    return approval.Approve(approval.AUTOPILOT, record.recommendation.plan_hash, None, "within the policy")


def _exit(*_words: object) -> None:
    raise SystemExit(3)


def _locked(*_words: object, **_more: object) -> None:
    raise StoreError("the database is locked")


def _overtaken(*_words: object, **_more: object) -> None:
    raise StateConflict("somebody else was first")


def _write(office: Office, text: str) -> None:
    office.config.write_text(text)
    later = office.config.stat().st_mtime + 10
    os.utime(office.config, (later, later))
