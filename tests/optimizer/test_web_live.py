"""What the page is told as it happens: steps of the history, and rows that came in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from fastapi import Request

from optimizer.agent.web.routes import live
from optimizer.plan.office import Outcome
from tests.optimizer.web_world import World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


class Open:
    """A request whose asker stays for so many looks."""

    def __init__(self, looks: int) -> None:
        self._left = looks

    async def is_disconnected(self) -> bool:
        self._left -= 1
        return self._left < 0


async def told(here: World, known: int, between: list[object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the events of some looks; before each further look something happens."""
    happens = iter(between)

    async def sleep(_: float) -> None:
        event = next(happens, None)
        if callable(event):
            event()

    monkeypatch.setattr(live.asyncio, "sleep", sleep)
    request = cast(Request, Open(len(between) + 1))
    return [str(event.id) async for event in live._changes(request, here.premises, known)]


def test_steps_and_readings_are_told_and_quiet_is_not(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = here.premises.store, here.clock.now()
    lease = store.take_lead("agent", now, now + timedelta(hours=1))
    assert lease is not None
    known = here.premises.entries

    def pull() -> None:
        run = store.begin_run("pull", now, lease.epoch, now)
        assert run is not None
        store.end_run(run, Outcome.DONE, "", now)

    events = asyncio.run(told(here, known, [None, pull, None, here.plan, None], monkeypatch))
    assert events == [str(known), str(here.premises.entries)]
    assert here.premises.entries > known


def test_what_is_read_again_is_what_the_reading_brought(here: World) -> None:
    store, now = here.premises.store, here.clock.now()
    lease = store.take_lead("agent", now, now + timedelta(hours=1))
    assert lease is not None
    before = here.premises.seen()
    assert here.premises.seen() is before
    run = store.begin_run("pull", now, lease.epoch, now)
    assert run is not None
    store.end_run(run, Outcome.DONE, "", now)
    assert here.premises.seen() is not before
