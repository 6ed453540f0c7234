"""Days that options name: one reading for all commands, and none to come where nothing is known of them yet."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.errors import BadInput
from optimizer.agent.cli.answers import Exit
from optimizer.agent.cli.app import app
from optimizer.agent.cli.days import day, day_until
from tests.journeys.touched import shop_of_paths

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--as-of"),
        ("refit", "--as-of"),
        ("appraise", "--as-of"),
        ("attribution", "--as-of"),
        ("lifetime", "--as-of"),
        ("scorecard", "--since"),
        ("backtest", "--since"),
        ("backtest", "--until"),
        ("audit", "show", "--since"),
        ("lift", "design", "channel:search", "--first-day"),
    ],
    ids=" ".join,
)
def test_every_command_says_alike_that_a_word_is_no_day(tmp_path: Path, words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(app, [*words, "soon", "-c", str(shop_of_paths(tmp_path))])
    assert answer.exit_code == Exit.ERROR
    assert f"field '{words[-1]}': 'soon' is not a day. Mend: write it as YYYY-MM-DD." in answer.output


def test_a_market_begins_on_a_day() -> None:
    answer = CliRunner().invoke(app, ["emulate", "meta", "--today", "soon"])
    assert answer.exit_code == Exit.ERROR
    assert "outlay emulate, field '--today': 'soon' is not a day. Mend: write it as YYYY-MM-DD." in answer.output


@pytest.mark.parametrize("command", ["refit", "appraise", "attribution", "lifetime"])
def test_what_is_read_of_the_past_has_no_day_to_come(tmp_path: Path, command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--as-of", "9999-01-01", "-c", str(shop_of_paths(tmp_path))])
    assert answer.exit_code == Exit.ERROR
    assert f"outlay {command}, field '--as-of': 9999-01-01 is still to come. Mend: write a day up to" in answer.output


@pytest.mark.parametrize("command", ["refit", "appraise", "attribution", "lifetime"])
def test_the_help_says_which_days_count(command: str) -> None:
    told = " ".join(CliRunner().invoke(app, [command, "--help"]).output.split())
    assert "Only days before this one (YYYY-MM-DD) count; by default, today." in told


def test_a_day_is_the_one_that_is_named() -> None:
    assert day("2026-02-28", "outlay plan", "--as-of") == date(2026, 2, 28)
    assert day_until("2026-03-01", TODAY, "outlay lifetime", "--as-of") == TODAY
    assert day_until(None, TODAY, "outlay lifetime", "--as-of") == TODAY
    with pytest.raises(BadInput, match=r"2026-03-02 is still to come\. Mend: write a day up to 2026-03-01"):
        day_until("2026-03-02", TODAY, "outlay lifetime", "--as-of")
