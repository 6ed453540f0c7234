"""The slow work beside the agent: the fit that is due, and after it what the settings ask to be appraised."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.agent.daemon.refits import Refits
from optimizer.agent.settings import load
from optimizer.agent.store.memory import MemoryStore
from optimizer.plan.appraisal import Appraisal, Estimate, Subject

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A program that stands for Python and notes which command it was begun with."""
    noted, program = tmp_path / "noted", tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$3" >> "{noted}"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return lambda: noted.read_text(encoding="utf-8").split() if noted.exists() else []


def looked(refits: Refits, until: Callable[[], bool]) -> None:
    late = time.monotonic() + 60
    while not until() and time.monotonic() < late:
        refits.look(NOW)
        time.sleep(0.01)
    for _ in range(30):  # whatever else would be begun
        refits.look(NOW + timedelta(minutes=1))
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("", ["refit"]),
        ('attribution.model = "linear"', ["refit", "appraise"]),
        ('goal = { objective = "profit", value = "lifetime" }', ["refit", "appraise"]),
        ('attribution.model = "linear"\ndaemon.refit = "never"', []),
    ],
)
def test_what_the_settings_ask_for_is_begun_one_after_the_other(
    tmp_path: Path, begun: Callable[[], list[str]], text: str, commands: list[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text, encoding="utf-8")
    refits = Refits(config, load(config), MemoryStore())
    looked(refits, lambda: begun() == commands)
    refits.stop()
    assert begun() == commands


def test_what_was_appraised_lately_is_not_due_and_a_restart_forgets_nothing(
    tmp_path: Path, begun: Callable[[], list[str]]
) -> None:
    config, store = tmp_path / "config.toml", MemoryStore()
    config.write_text('attribution.model = "linear"', encoding="utf-8")
    first = Refits(config, load(config), store)
    first.look(NOW)
    first.stop()  # in the midst of the fit
    again = Refits(config, load(config), store)
    looked(again, lambda: begun()[-2:] == ["refit", "appraise"])
    again.stop()
    made = Appraisal(Subject.CREDIT, "linear/1", NOW, "a" * 64, "", (Estimate("search", 0.5, 0.1),))
    store.record_appraisal(made)
    before = len(begun())
    third = Refits(config, load(config), store)
    looked(third, lambda: len(begun()) > before)
    third.stop()
    assert begun()[before:] == ["refit"]  # which left no record here; what was appraised today is not due
