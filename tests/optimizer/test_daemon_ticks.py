"""The clock that ticks: a lease is renewed by another thread than the one that is in the midst of a look."""

from __future__ import annotations

from importlib import import_module
from threading import Event

import pytest

serve_module = import_module("optimizer.agent.daemon.serve")  # the package gives its name to the function


class Slow:
    """A desk whose first look lasts until its lease was renewed."""

    name = "slow"

    def __init__(self) -> None:
        self.kept, self.ended = Event(), Event()

    def look(self) -> None:
        if self.kept.wait(30):
            self.ended.set()

    def keep(self) -> None:
        self.kept.set()


def test_leases_are_renewed_while_every_thread_that_looks_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve_module, "_KEEP_SECONDS", 0.01)
    monkeypatch.setattr(serve_module, "_THREADS", 1)
    desks = [Slow(), Slow()]
    scheduler = serve_module._scheduler(desks, 0.01)
    scheduler.start()
    try:
        assert all(desk.ended.wait(60) for desk in desks)
    finally:
        scheduler.shutdown(wait=True)
