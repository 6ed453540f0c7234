"""A recommendation as one file: whole, without anything from elsewhere, and harmless."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.agent.cli.app import app
from optimizer.agent.web.printed import printed
from tests.optimizer.web_world import world


def test_the_file_needs_nothing_but_itself_and_tells_each_line(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        record = here.plan()
        text = printed(here.premises, record)
    assert not re.search(r"<script|<link|<form|<img", text)
    assert set(re.findall(r"(?:src|href)=", text)) == set()
    moved = [line for line in record.recommendation.decision.lines if line.changes]
    assert text.count('class="curve"') == len(moved) > 0
    for line in record.recommendation.decision.lines:
        assert line.name in text
    assert record.recommendation.plan_hash in text


def test_a_name_from_a_platform_stays_a_text(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.rename(["<script>alert(1)</script>"])
        text = printed(here.premises, here.plan())
    assert "<script" not in text


@pytest.mark.parametrize("rec", ["latest", "R-none"])
def test_the_command_writes_it_or_says_why_not(tmp_path: Path, rec: str) -> None:
    with world(tmp_path) as here:
        here.plan()
    out = tmp_path / "plan.html"
    answer = CliRunner().invoke(app, ["report", rec, "-c", str(tmp_path / "config.toml"), "--out", str(out)])
    assert (answer.exit_code == 0) is out.exists() is (rec == "latest")
    nowhere = CliRunner().invoke(
        app, ["report", "-c", str(tmp_path / "config.toml"), "--out", str(tmp_path / "no" / "plan.html")]
    )
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr
