"""The page uses the store that the agent uses, also once that is another one; nothing is done in one that was left."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from optimizer.agent.daemon.desk import Desk
from optimizer.agent.store.backup import back_up
from optimizer.agent.web import acts, open_premises
from optimizer.agent.web.gate import Visitor
from optimizer.agent.web.premises import Premises
from optimizer.agent.web.routes import live
from optimizer.plan.record import State
from optimizer.ports import StateConflict, StoreError, StoreGone
from tests.optimizer.test_daemon_desk import CONFIG, Office
from tests.optimizer.web_world import World, world

serve_module = import_module("optimizer.agent.daemon.serve")  # the package gives its name to the function

ELSEWHERE = '\n[store]\nurl = "sqlite:///other.sqlite"\n'
BROKEN = '\n[connectors.broken]\nkind = "no-such-platform"\n'


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.desk.leave()


@pytest.fixture
def page(office: Office) -> Iterator[Premises]:
    """The page beside the agent."""
    office.look()
    with open_premises([office.config], office.clock, lambda *_: office.desk.url) as (premises,):
        yield premises


def write(config: Path, text: str) -> None:
    config.write_text(text)
    later = config.stat().st_mtime + 10
    os.utime(config, (later, later))


def mia(office: Office, page: Premises) -> Visitor:
    """Somebody who is known in the store that the page uses at this moment."""
    found = SimpleNamespace(
        premises=page, store=page.store, user=SimpleNamespace(name="mia"), now=office.clock.now(), in_force=None
    )
    found.in_force = lambda: Visitor.in_force(cast(Visitor, found))
    return cast(Visitor, found)


def test_the_switch_reaches_the_agent_that_took_another_database(office: Office, page: Premises) -> None:
    write(office.config, CONFIG + ELSEWHERE)
    office.clock.sleep(2)
    office.look()
    name = office.approve()
    assert page.record(name).state is State.APPROVED, "the page reads what the agent reads"
    acts.throw_switch(mia(office, page), "checkout is down", stops=True)
    office.clock.sleep(61)
    office.look()
    assert office.desk.seen.brake.on
    assert office.newest().state is State.APPROVED


def test_the_page_stays_with_the_agent_that_cannot_take_the_edited_settings(office: Office, page: Premises) -> None:
    name = office.approve()
    before = page.store
    write(office.config, CONFIG + ELSEWHERE + BROKEN)
    office.look()
    assert "the settings that were read before stand" in office.desk.seen.trouble
    assert page.store is before
    acts.throw_switch(mia(office, page), "checkout is down", stops=True)
    assert office.desk._house.store.brake().on
    with pytest.raises(StoreError, match="names another database than the agent uses"), page.connected():
        pass
    assert page.record(name).recommendation.rec_id == name


def test_what_was_done_in_a_store_that_the_agent_has_left_is_not_said_to_be_done(
    office: Office, page: Premises
) -> None:
    visitor = mia(office, page)
    write(office.config, CONFIG + ELSEWHERE)
    office.clock.sleep(2)
    office.look()
    with pytest.raises(StateConflict, match="The agent took another database"):
        acts.throw_switch(visitor, "checkout is down", stops=True)
    assert page.store.brake() is None


def test_a_backup_that_was_put_in_place_is_opened_by_the_page_too(office: Office, page: Premises) -> None:
    file = office.config.parent / ".outlay" / "outlay.sqlite"
    before = page.entries
    back_up(office.desk.url, office.config.parent / "copy")
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()
    with pytest.raises(StoreGone, match="is gone"):
        page.refresh()
    assert not file.exists(), "the page begins none anew"
    shutil.copy(office.config.parent / "copy", file)
    assert page.entries == before
    assert page.store.pulse().entries == before


def test_who_was_logged_in_before_is_a_stranger_to_another_store(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        ana = here.client("ana")
        assert ana.get("/").status_code == 200
        proof = ana.proof()
        write(here.config, here.config.read_text() + ELSEWHERE)
        assert ana.get("/").headers["location"].startswith("/test-shop/login")
        assert ana.post("/pause", proof=proof, reason="checkout is down").headers["location"] == "/test-shop/login"
        assert here.premises.store.brake() is None
        assert (tmp_path / "other.sqlite").exists()


def test_a_stream_ends_with_the_store_that_it_was_opened_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Open:
        async def is_disconnected(self) -> bool:
            return False

    async def sleep(_: float) -> None:
        write(here.config, here.config.read_text() + ELSEWHERE)

    async def events(here: World) -> list[Any]:
        return [event async for event in live._changes(cast(Any, Open()), here.premises, here.premises.entries)]

    monkeypatch.setattr(live.asyncio, "sleep", sleep)
    with world(tmp_path) as here:
        assert asyncio.run(events(here)) == []


def test_a_portfolio_that_could_not_be_opened_at_the_start_gets_its_page_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[list[str]] = []

    class Served:
        def __init__(self, opened: list[Premises], *_words: object) -> None:
            served.append([premises.slug for premises in opened])

        def __enter__(self) -> int:
            return 1

        def __exit__(self, *_words: object) -> None:
            served.append([])

    monkeypatch.setattr("optimizer.agent.web.served_page", Served)
    offices = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        office = Office(tmp_path / name)
        office.config.write_text(_named(name))
        offices.append(office)
    one, two = offices
    two.config.write_text("[guardrails")
    desks: list[Desk] = [one.desk, two.desk]
    found = serve_module._Page(desks, one.clock)
    found.look()
    found.look()
    assert served == [["one"]]
    write(two.config, _named("two"))
    one.clock.at += timedelta(seconds=61)
    found.look()
    assert served == [["one"], [], ["one", "two"]]
    one.clock.at += timedelta(seconds=61)
    found.look()
    found.close()
    assert served == [["one"], [], ["one", "two"], []]


def _named(name: str) -> str:
    listening = CONFIG.replace('[web]\nlisten = ""', '[web]\nlisten = "127.0.0.1:0"')
    return listening.replace('currency = "JPY"', f'name = "{name}"\ncurrency = "JPY"')
