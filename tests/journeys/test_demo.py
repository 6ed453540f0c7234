"""The demo, as a newcomer runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.shops import Outlay


def test_the_demo_gains_stays_below_the_oracle_and_can_be_looked_at(outlay: Outlay, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    answer = outlay("demo", "--folder", folder, "--json")
    assert answer.code == 0, answer.err
    told = answer.data
    assert told["first"]["state"] == "verified"
    assert told["plans_written"] >= 2
    assert told["expected"]["doing_nothing"] < told["expected"]["outlay"] <= told["expected"]["oracle_bound"]
    decision = told["first"]["recommendation"]["decision"]
    assert len(decision["lines"]) == 12
    assert len({line["channel"] for line in decision["lines"]}) == 3
    assert {arm["key"]["budget_id"] for arm in decision["arms"]} == {
        line["key"]["budget_id"] for line in decision["lines"]
    }
    assert decision["total"]["low80"] < decision["total"]["mean"] < decision["total"]["high80"]

    config = folder / "config.toml"
    shown = outlay("show", "-c", config)
    assert shown.code == 0, shown.err
    assert "EUR" in shown.out
    assert outlay("status", "-c", config).code == 0
    again = outlay("demo", "--folder", folder)
    assert again.code == 1
    assert "Mend:" in again.err


def test_the_demo_leaves_nothing_behind_when_no_folder_is_named(
    outlay: Outlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    answer = outlay("demo")
    assert answer.code == 0, answer.err
    for word in ("doing nothing", "Outlay", "the oracle", "P(worse)", "outlay approve"):
        assert word in answer.out
    assert list(tmp_path.iterdir()) == []
