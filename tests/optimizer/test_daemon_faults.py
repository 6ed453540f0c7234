"""What breaks in the midst of a day is told in clear words, leaves nothing half written, and the next look goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, make_url

from connectors.contract import Account, Connector
from optimizer.agent.cli import checks
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import Record
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.health import Figures, ready
from optimizer.agent.store.backup import back_up
from optimizer.agent.store.engine import Database
from optimizer.plan.audit import prove
from optimizer.plan.office import Outcome
from optimizer.plan.record import State
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named
from tests.optimizer.test_daemon_desk import CONFIG, Office
from tests.postgres_server import own_server

DAY = 24 * 3600


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.desk.leave()


def file_of(office: Office) -> Path:
    return office.config.parent / ".outlay" / "outlay.sqlite"


@contextmanager
def spoilt(office: Office, pragma: str) -> Iterator[None]:
    """Let every connection of the desk's store be spoilt by a pragma."""
    database = office.desk._house.store._database
    engine = database._engine

    def spoil(connection: Any, _record: object) -> None:
        connection.execute(pragma).close()

    engine.dispose()
    event.listen(engine, "connect", spoil)
    yield
    event.remove(engine, "connect", spoil)
    engine.dispose()


def words(office: Office) -> str:
    """Everything that the desk says is wrong."""
    return " ".join([office.desk.seen.trouble, *ready([office.desk], office.clock.now()).values()])


def whole(office: Office) -> None:
    """The file is sound, its history hangs together, and no job or write stands half done."""
    with sqlite3.connect(file_of(office)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = office.desk._house.store
    assert prove(store.audit()).broken is None
    assert store.open_intents() == ()
    assert Outcome.RUNNING not in {run.outcome for run in store.runs()}


def goes_on(office: Office, name: str) -> None:
    """The approval of before is written, and the next day is read and decided."""
    office.clock.sleep(16 * 60)
    office.look()
    assert office.desk.seen.trouble == ""
    assert office.newest().recommendation.rec_id == name
    assert office.newest().state is State.APPLIED
    office.clock.sleep(DAY)
    office.look()
    assert office.outcomes()["pull"] is office.outcomes()["decide"] is Outcome.DONE
    whole(office)


def approved(office: Office) -> str:
    office.look()
    return office.approve()


def test_a_database_that_became_read_only_is_told_and_an_approval_waits(office: Office) -> None:
    name = approved(office)
    with spoilt(office, "PRAGMA query_only = ON"):
        office.clock.sleep(61)
        office.look()
        assert "readonly database. Mend: make the file and its folder writable" in words(office)
        assert office.newest().state is State.APPROVED
    goes_on(office, name)


def test_a_disk_that_is_full_is_told_nothing_is_half_stored_and_the_day_is_made_up_for(office: Office) -> None:
    name = approved(office)
    office.look()
    office.clock.sleep(DAY)
    with sqlite3.connect(file_of(office), isolation_level=None) as database:
        database.execute("VACUUM")  # no page is free
    with spoilt(office, "PRAGMA max_page_count = 1"):
        office.look()
        assert "disk is full. Mend: free some space" in words(office)
        assert office.newest().recommendation.rec_id == name, "no plan is half there"
        assert prove(office.desk._house.store.audit()).broken is None
    office.clock.sleep(16 * 60)
    office.look()
    assert office.desk.seen.trouble == ""
    assert office.outcomes()["pull"] is office.outcomes()["decide"] is Outcome.DONE
    assert office.newest().recommendation.rec_id != name
    whole(office)


def test_a_database_that_is_locked_for_longer_than_is_waited_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Database.__init__, "__defaults__", (0.05,))
    office = Office(tmp_path)
    name = approved(office)
    with sqlite3.connect(file_of(office), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        office.clock.sleep(61)
        office.look()
        assert "locked. Mend: another process is writing" in words(office)
        other.execute("ROLLBACK")
    goes_on(office, name)
    office.desk.leave()


def test_a_database_file_that_was_removed_is_not_begun_anew(office: Office, tmp_path: Path) -> None:
    name = approved(office)
    away = tmp_path / "away"
    shutil.move(file_of(office).parent, away)
    file_of(office).parent.mkdir()
    for _ in range(2):
        office.clock.sleep(61)
        office.look()
        assert "is gone while it was open: nothing is written. Mend: put it back" in words(office)
    os.utime(office.config)  # an edit of the settings opens all anew, but not another database
    office.clock.sleep(61)
    office.look()
    assert "is gone" in words(office)
    assert not file_of(office).exists()
    shutil.rmtree(file_of(office).parent)
    shutil.move(away, file_of(office).parent)
    goes_on(office, name)


def test_a_backup_that_was_put_in_the_place_of_the_file_is_opened_anew(office: Office, tmp_path: Path) -> None:
    name = approved(office)
    back_up(f"sqlite:///{file_of(office)}", tmp_path / "backup.sqlite")
    for path in file_of(office).parent.glob("outlay.sqlite*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.sqlite", file_of(office))
    office.look()
    assert "was replaced by another file while it was open" in words(office)
    goes_on(office, name)


def test_a_server_that_stops_in_the_midst_of_a_day_and_comes_back() -> None:
    with tempfile.TemporaryDirectory(prefix="outlay-stop-") as folder:
        Path(folder).chmod(0o755)  # the server's user is not this one
        with own_server(Path(folder) / "server") as server:
            office = Office(Path(folder), f'[store]\nurl = "{server.url}"\n')
            name = approved(office)
            server.stop()
            office.clock.sleep(61)
            office.look()
            assert "Mend: start the server" in words(office) or "Mend: wait until the server is up" in words(office)
            server.start(make_url(server.url).port)
            office.clock.sleep(16 * 60)
            office.look()
            assert office.desk.seen.trouble == ""
            assert (office.newest().recommendation.rec_id, office.newest().state) == (name, State.APPLIED)
            assert prove(office.desk._house.store.audit()).broken is None
            office.desk.leave()


def test_settings_that_became_nonsense_are_told_by_status_while_the_old_ones_stand(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = approved(office)
    monkeypatch.setattr(checks, "SystemClock", lambda: office.clock)
    well = office.config.read_text()
    office.config.write_text(well + "[goal]\nmargin = 7\n")
    office.look()
    assert office.desk._house.store.records(limit=1)[0].state is State.APPLIED, (
        f"{name} is written by the settings of before"
    )
    answer = checks.status(office.config)
    said = str(answer.shown)
    assert int(answer.code) == 1
    assert "goal.margin: must be less than or equal to 1" in said
    assert "The agent goes on with the settings that it read before:" in said
    assert "settings: failed" in said
    office.config.write_text(well + "\n")
    office.look()
    assert office.desk.seen.runs["settings"].outcome is Outcome.DONE
    assert words(office).strip() == ""


def test_settings_that_were_mended_while_no_agent_ran_are_told_as_well_by_the_next(office: Office) -> None:
    well = office.config.read_text()
    office.look()
    assert "settings" not in office.outcomes(), "of settings that were never refused there is nothing to tell"
    office.config.write_text(well + "[goal]\nmargin = 7\n")
    office.look()
    assert office.outcomes()["settings"] is Outcome.FAILED
    office.desk.leave()
    office.config.write_text(well)
    office.desk = Desk(office.config, office.clock)
    office.clock.sleep(1)
    office.look()
    assert office.outcomes()["settings"] is Outcome.DONE
    told = office.desk.seen.runs["settings"]
    office.look()
    assert office.desk.seen.runs["settings"] == told, "once"


def test_an_account_whose_currency_changes_is_told_by_the_desk_and_holds_what_it_had(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    accounts = SimulatedConnector.accounts

    def other(connector: Connector) -> list[Account]:
        return [replace(account, currency="EUR") for account in accounts(connector)]

    with monkeypatch.context() as changed:
        changed.setattr(SimulatedConnector, "accounts", other)
        office.clock.sleep(DAY)
        office.look()
        assert "is held" in office.desk.seen.runs["decide"].words
        assert [doubt.code for doubt in office.desk.seen.doubts] == ["account-changed"]
        (told,) = [m for m in Figures([office.desk], office.clock.now).collect() if m.name == "outlay_doubts"]
        assert [(sample.labels["code"], sample.value) for sample in told.samples] == [("account-changed", 1.0)]
    office.clock.sleep(DAY)
    office.look()
    assert office.desk.seen.doubts == ()
    assert "is proposed" in office.desk.seen.runs["decide"].words


def portfolio(folder: Path, start: date, zone: str, at: str) -> Office:
    """An office in another zone, whose world has 30 days of history since `start`."""
    made = Office(folder)
    text = CONFIG.replace('time_zone = "Asia/Tokyo"', f'time_zone = "{zone}"')
    made.config.write_text(text.replace('"06:00"', f'"{at}"').replace("2025-09-01", start.isoformat()))
    market = SimulatedConnector(named("tiny-yen", history_days=30), seed=4, start=start)
    made.clock = SetClock(market.now + timedelta(minutes=5))
    made.desk = Desk(made.config, made.clock)
    return made


def decided(office: Office) -> list[tuple[datetime, Outcome]]:
    runs = office.desk._house.store.runs("decide")
    return sorted((run.due_at, run.outcome) for run in runs)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        (date(2026, 3, 29), "01:30"),  # 02:30 does not exist: it falls as much later as the clocks skip
        (date(2026, 10, 25), "00:30"),  # 02:30 comes twice: the first counts
    ],
)
def test_a_cycle_at_half_past_two_runs_once_on_the_days_that_the_clocks_change(
    tmp_path: Path, day: date, due: str
) -> None:
    office = portfolio(tmp_path, day - timedelta(days=30), "Europe/Berlin", "02:30")
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("UTC"))
    for hours in (0.4, 0.6, 1.4, 1.6, 2.6, 20.0):
        office.clock.sleep((midnight + timedelta(hours=hours) - office.clock.now()).total_seconds())
        office.look()
    done = [(moment, outcome) for moment, outcome in decided(office) if moment >= midnight]
    assert [(f"{moment:%H:%M}", outcome) for moment, outcome in done] == [(due, Outcome.DONE)]
    assert office.desk.seen.trouble == ""
    office.desk.leave()


def test_a_leap_day_is_a_day_like_any_other(tmp_path: Path) -> None:
    office = portfolio(tmp_path, date(2028, 1, 30), "Asia/Tokyo", "06:00")
    office.look()
    first: Record = office.newest()
    assert first.recommendation.decision.as_of == date(2028, 2, 29)
    assert first.state is State.PROPOSED
    office.clock.sleep(DAY)
    office.look()
    assert office.newest().recommendation.decision.as_of == date(2028, 3, 1)
    assert [outcome for _, outcome in decided(office)] == [Outcome.DONE] * 2
    office.desk.leave()
