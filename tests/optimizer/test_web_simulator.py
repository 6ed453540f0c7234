"""The simulator's screen: runs of `outlay simulate` as they lie in a folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.agent.cli.app import app
from tests.optimizer.web_world import World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def play(folder: Path, *words: str) -> None:
    given = ("tiny-yen", "--policy", "equal", "--policy", "roas", "--days", "3", "--workers", "1", *words)
    answer = CliRunner().invoke(app, ["simulate", *given, "--out", str(folder)])
    assert answer.exit_code == 0, answer.output


def test_before_the_first_run_it_says_what_to_do(here: World) -> None:
    text = here.client("vic").get("/simulator").text
    assert "Nothing was played yet" in text
    assert "outlay simulate demo --worlds 4 --out runs/demo" in text


def test_a_run_is_shown_with_its_league_and_its_report(here: World) -> None:
    play(here.config.parent / "runs" / "small", "--worlds", "2")
    client = here.client("vic")
    text = client.get("/simulator").text
    policies = re.findall(r'<th scope="row">([a-z-]+)</th>', text)
    assert policies == ["equal", "roas"]
    assert "outlay replay runs/small --policy equal --seed" in text
    report = client.get("/simulator/small/report")
    assert report.status_code == 200
    assert report.headers["content-disposition"] == 'attachment; filename="small.html"'
    assert "default-src 'self'" in report.headers["content-security-policy"]
    assert "tiny-yen" in report.text


def test_one_world_has_no_error_of_the_mean(here: World) -> None:
    play(here.config.parent / "runs" / "one", "--worlds", "1")
    text = here.client("vic").get("/simulator").text
    assert "±" not in re.sub(r'aria-label="[^"]*"', "", text)
    assert "nan" not in text.lower()


def test_a_damaged_run_says_so_and_the_others_stand(here: World) -> None:
    runs = here.config.parent / "runs"
    play(runs / "good", "--worlds", "1")
    (runs / "bad").mkdir()
    (runs / "bad" / "run.json").write_text("{", encoding="utf-8")
    (runs / "notes").mkdir()
    text = here.client("vic").get("/simulator").text
    assert "run.json" in text
    assert '<th scope="row">equal</th>' in text
    assert "notes" not in text


def test_only_runs_of_the_folder_are_given(here: World) -> None:
    home = here.config.parent
    play(home / "elsewhere", "--worlds", "1")
    shutil.copytree(home / "elsewhere", home, dirs_exist_ok=True)  # so that `..` of the folder of runs is a run, too
    (home / "runs").mkdir()
    settings = [line for line in here.config.read_text(encoding="utf-8").splitlines() if " = " in line]
    assert len(settings) > 3
    client = here.client("vic")
    for name in ("nothing", "..", "%2e%2e", "..%2felsewhere", "..%5celsewhere", "..%2fconfig.toml", str(home)[1:]):
        answer = client.get(f"/simulator/{name}/report")
        assert answer.status_code == 404, name
        assert "content-disposition" not in answer.headers
        assert "tiny-yen" not in answer.text
        assert not any(line in answer.text for line in settings)


def test_a_run_that_went_on_is_read_again(here: World) -> None:
    folder = here.config.parent / "runs" / "small"
    play(folder, "--worlds", "1")
    client = here.client("vic")
    assert "seeds 1 … 1)" in client.get("/simulator").text.replace("\n", " ")
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    play(folder, "--worlds", "2")
    assert "seeds 1 … 2)" in client.get("/simulator").text.replace("\n", " ")
