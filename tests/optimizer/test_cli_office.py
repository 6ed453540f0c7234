"""The kill switch as it is typed: it works whatever else is broken."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import ConnectorError
from optimizer.agent import whereabouts
from optimizer.agent.bootstrap import open_house, open_store
from optimizer.agent.cli import checks
from optimizer.agent.cli import office as office_module
from optimizer.agent.cli.checks import status
from optimizer.agent.cli.office import office_data, office_words, pause, resume
from optimizer.agent.clock import SystemClock
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.settings import SettingsError
from optimizer.agent.settings.store import StoreTable
from optimizer.plan.office import Brake
from optimizer.ports import StateConflict, StoreGone
from tests.optimizer.test_daemon_desk import Office

BROKEN = """
[connectors.shop]
kind = "no-such-platform"
"""


def test_the_switch_is_thrown_and_released_while_no_connector_can_be_built(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(BROKEN)
    with pytest.raises(ConnectorError), open_house(config):
        pass
    assert pause("checkout is down", config, "mia").data["paused"] is True
    with open_store(config) as store:
        brake = store.brake()
        assert brake is not None
        assert (brake.on, brake.actor, brake.reason) == (True, "mia", "checkout is down")
    assert resume("", config, "mia").data["paused"] is False
    with open_store(config) as store:
        assert not store.brake().on


def test_the_switch_is_thrown_while_the_settings_make_no_sense(tmp_path: Path) -> None:
    """The agent goes on with the old ones meanwhile, and must be stopped all the same."""
    config = tmp_path / "config.toml"
    config.write_text('[store]\nurl = "sqlite:///other.sqlite"\n[guardrails]\nlargest_step = "a lot"\n')
    with pytest.raises(SettingsError, match="largest_step"), open_house(config):
        pass
    assert pause("a step too large", config, "mia").data["paused"] is True
    assert (tmp_path / "other.sqlite").exists()


def test_a_pause_for_some_hours_says_when_it_ends_and_nonsense_stops_nothing(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    for hours in (0.0, -1.0, 8785.0, math.nan, math.inf):
        with pytest.raises(SettingsError, match=r"--hours: a pause lasts more than 0 and up to 8,784 hours"):
            pause("sale", config, "mia", hours)
    answer = pause("sale", config, "mia", 1.5)
    with open_store(config) as store:
        (brake,) = store.brakes()
        assert brake.until == brake.at + timedelta(minutes=90)
        assert f"Writes are PAUSED {brake}" in office_words(store, brake.at)
        assert office_data(store)["brake"]["until"] is not None
    assert f"They go on by themselves at {brake.until:%Y-%m-%d %H:%M} UTC." in str(answer.shown)
    with pytest.raises(StateConflict, match="Mend: pause without an end"):
        pause("short", config, "ben", 0.1)
    assert json.loads(json.dumps(answer.data))["until"] == brake.until.isoformat()


def test_the_hours_of_a_pause_are_counted_from_the_history_where_this_clock_is_behind_it(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    ahead = SystemClock().now() + timedelta(minutes=90)
    with open_store(config) as store:
        store.throw_brake(Brake(False, ahead, "agent", ""))
    pause("sale", config, "mia", 1.0)
    with open_store(config) as store:
        assert store.brake().until == ahead + timedelta(hours=1)


def test_a_pause_without_a_reason_stops_nothing_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    with pytest.raises(SettingsError, match="needs a reason"):
        pause(" ", config, "mia")
    with open_store(config) as store:
        assert store.brake() is None


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    made = Office(tmp_path)
    for module in (office_module, checks):
        monkeypatch.setattr(module, "SystemClock", lambda: made.clock)
    made.look()
    yield made
    made.desk.leave()


def test_the_switch_stops_the_agent_while_the_settings_are_half_typed(office: Office) -> None:
    name = office.approve()
    whole = office.config.read_text()
    office.config.write_text(whole + "\n[guardrails\nlargest_step = 0.1\n")
    answer = pause("stop", office.config, "mia")
    assert answer.data["paused"] is True
    assert "not valid TOML" in str(answer.shown)
    assert "The database is the one that the agent uses: sqlite:////" in str(answer.shown)
    office.look()
    assert office.desk.seen.brake.on
    told = status(office.config)
    assert "Writes are PAUSED" in str(told.shown)
    assert "The agent goes on with the settings that it read before" in str(told.shown)
    resume("", office.config, "mia")
    office.config.write_text(whole)
    office.clock.sleep(61)
    office.look()
    assert office.desk.seen.runs["apply"].words == f"{name} is applied"


def test_the_switch_reaches_the_agent_that_could_not_take_another_database(office: Office) -> None:
    office.config.write_text(office.config.read_text() + '[store]\nurl = "sqlite:///other.sqlite"\n' + BROKEN)
    answer = pause("stop", office.config, "mia")
    assert "names another database than the agent uses, which is sqlite:////" in str(answer.shown)
    assert not (office.config.parent / "other.sqlite").exists()
    office.look()
    assert office.desk.seen.brake.on
    assert "names another database than the agent uses" in str(status(office.config).shown)


def test_word_counts_while_the_agent_that_left_it_leads(office: Office) -> None:
    file = whereabouts.file_of(office.config)
    database = office.config.parent.resolve() / ".outlay" / "outlay.sqlite"
    assert whereabouts.told(office.config) == f"sqlite:///{database}"
    left = file.read_text()
    other = Desk(office.config, office.clock)
    other.look()
    assert whereabouts.told(office.config) is not None, "whoever stands by leaves nothing, and takes nothing back"
    office.desk.leave()
    assert not file.exists()
    file.write_text(left)
    assert whereabouts.told(office.config) is None, "as after a crash: nobody holds it"
    other.leave()
    office.config.write_text("[guardrails")
    with pytest.raises(SettingsError, match="Nothing was changed, since no agent has left word") as caught:
        pause("stop", office.config, "mia")
    assert "not valid TOML" in str(caught.value)


def test_a_database_that_was_removed_under_the_agent_is_not_begun_anew_by_the_switch(office: Office) -> None:
    database = office.config.parent / ".outlay" / "outlay.sqlite"
    for file in database.parent.glob("outlay.sqlite*"):
        file.rename(file.with_name(f"away-{file.name}"))
    with pytest.raises(StoreGone, match="is gone"):
        pause("stop", office.config, "mia")
    assert not database.exists()


def test_word_holds_no_password_and_that_of_the_environment_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[guardrails")
    word = whereabouts.Word(config)
    word.leave(
        "postgresql://outlay:s3cret-word@db.example:5432/ads?password=s3cret-word&sslmode=require&sslpassword=s3cret-key"
    )
    left = whereabouts.file_of(config).read_text()
    assert left == "postgresql://outlay@db.example:5432/ads?sslmode=require\n"
    monkeypatch.setenv("OUTLAY_STORE__PASSWORD", "from-outside")
    url, notice = whereabouts.used_database(config)
    assert url == "postgresql://outlay:from-outside@db.example:5432/ads?sslmode=require"
    assert "from-outside" not in notice
    known = StoreTable(url="postgresql://outlay:s3cret-word@db.example:5432/ads?sslmode=require")
    assert whereabouts.used_url(config, known) == known.url
    word.take_back()


def test_an_agent_that_can_leave_no_word_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_words: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(whereabouts.Word, "leave", refused)
    office = Office(tmp_path)
    office.look()
    assert (office.desk.seen.trouble, office.desk.seen.leading) == ("", True)
    office.desk.leave()
