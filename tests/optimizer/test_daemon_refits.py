"""The slow work beside the agent: the fit that is due, and after it what the settings ask to be appraised."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.agent.cli.answers import Exit
from optimizer.agent.daemon.refits import Ended, Refits
from optimizer.agent.settings import load
from optimizer.agent.store.memory import MemoryStore
from optimizer.plan.appraisal import Appraisal, Estimate, Subject
from optimizer.plan.office import Outcome

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """A program that stands for Python and notes which command it was begun with."""
    noted, program = tmp_path / "noted", tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$3" >> "{noted}"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return lambda: noted.read_text(encoding="utf-8").split() if noted.exists() else []


def looked(refits: Refits, until: Callable[[], bool], tell: Callable[[Ended], None] = lambda _ended: None) -> None:
    def look(now: datetime) -> None:
        if (ended := refits.look(now)) is not None:
            tell(ended)
        time.sleep(0.01)

    late = time.monotonic() + 60
    while not until() and time.monotonic() < late:
        look(NOW)
    for _ in range(30):  # whatever else would be begun
        look(NOW + timedelta(minutes=1))


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


@pytest.mark.parametrize(
    ("does", "outcome", "words"),
    [
        (f"exit {Exit.FINE}", Outcome.DONE, "it came to its end"),
        (f"exit {Exit.BLOCKED}", Outcome.DONE, "not all of it passed its checks"),
        (f"exit {Exit.ERROR}", Outcome.FAILED, r"exit code 1; .* run `outlay refit`"),
        ("kill -9 $$", Outcome.FAILED, "killed by signal 9"),
    ],
)
def test_how_a_fit_ended_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, outcome: Outcome, words: str
) -> None:
    config, program, told = tmp_path / "config.toml", tmp_path / "python", []
    config.write_text("", encoding="utf-8")
    program.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    refits = Refits(config, load(config), MemoryStore())
    looked(refits, lambda: bool(told), told.append)
    assert [(ended.command, ended.outcome) for ended in told] == [("refit", outcome)]
    assert re.search(words, told[0].words)


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
