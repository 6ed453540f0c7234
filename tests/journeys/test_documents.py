"""Every sentence that can be run is run: the commands, settings and Python of the README and of docs/.

A block after `<!-- not run here: REASON -->` is left out. `<!-- add: FILE -->` appends the block to a file of the
page's folder; `<!-- sample of: FILE -->` writes a file with the block's header and four months of made-up rows.

A line that is nothing but `outlay` and its words is run in this process: to start the program anew for each of them
takes longer than all that they do. `test_the_program_starts` starts it.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from optimizer.agent.settings import load
from tests.journeys.shops import Answered, Outlay

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = {"sh", "python", "toml", "csv", "json", "text", ""}
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
FINE, PROPOSAL_WAITS = 0, 2
PROPOSING = ("outlay plan", "outlay rollback")
LOOP = {"init", "connectors", "plan", "show", "approve", "apply", "verify", "status", "rollback"}
JUDGING = {"simulate", "replay", "backtest"}

_BLOCK = re.compile(
    r"(?m)(?:^<!-- (?P<mark>[a-z ]+?): ?(?P<about>.*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page with what its marker says."""

    language: str
    text: str
    mark: str
    about: str

    @property
    def runs(self) -> bool:
        return self.mark != "not run here"


def _blocks(page: Path) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(m["language"], m["text"], m["mark"] or "", m["about"] or "") for m in found]


def _pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.language == language and block.runs for block in _blocks(page))]


def _name(page: Path) -> str:
    return page.stem


def _environment(folder: Path) -> dict[str, str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OUTLAY_")}
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return bare | {"PATH": path, "HOME": str(folder), "USER": "reader", "NO_COLOR": "1", "COLUMNS": "120"}


def _commands(text: str) -> list[str]:
    """The lines of a block, continuations joined, comments left out."""
    joined = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in joined if line.strip() and not line.startswith("#")]


def _shell(command: str, folder: Path) -> Answered:
    ran = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=_environment(folder), capture_output=True, text=True, check=False
    )
    return Answered(ran.returncode, ran.stdout, ran.stderr)


def _do(command: str, folder: Path, outlay: Outlay) -> Answered:
    """Run one line; `$HASH` in it is the hash that was shown last."""
    program, *words = shlex.split(command)
    if program != "outlay" or {"|", ">", "&&"} & set(words):
        return _shell(command, folder)
    shown = outlay("show", "latest", "--json").data["recommendation"]["plan_hash"] if "$HASH" in words else ""
    return outlay(*(shown if word == "$HASH" else word for word in words))


def _export(path: Path, header: list[str]) -> None:
    """Four campaigns of two channels, up to yesterday: search is saturated, and prospecting far from it."""
    rng = np.random.default_rng(20_261_101)
    campaigns = [
        ("101", "Brand", "search", 210.0, 40.0, 15.0),
        ("102", "Generic", "search", 300.0, 24.0, 60.0),
        ("201", "Retargeting", "social", 160.0, 26.0, 60.0),
        ("202", "Prospecting", "social", 480.0, 300.0, 1500.0),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        for day in range(120, 0, -1):
            for number, name, channel, budget, most, half in campaigns:
                spend = budget * rng.uniform(0.4, 1.5)
                clicks = rng.poisson(spend * 1.8)
                row = {
                    "date": (date.today() - timedelta(days=day)).isoformat(),  # noqa: DTZ011 - any zone's day will do
                    "campaign_id": number,
                    "campaign_name": name,
                    "channel": channel,
                    "spend": f"{spend:.2f}",
                    "impressions": clicks * 40,
                    "clicks": clicks,
                    "conversions": rng.poisson(most * spend / (half + spend)),
                }
                writer.writerow({column: row[column] for column in header})


def _lay_out(block: Block, folder: Path) -> None:
    path = folder / block.about
    if block.mark == "add":
        path.write_text(path.read_text(encoding="utf-8") + "\n" + block.text, encoding="utf-8")
    else:
        _export(path, block.text.splitlines()[0].split(","))


@pytest.fixture
def reader(outlay: Outlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outlay:
    """The command line in an empty folder, without settings of this machine; worlds are played in this process."""
    for name in [name for name in os.environ if name.startswith("OUTLAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("USER", "reader")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    monkeypatch.chdir(tmp_path)
    return outlay


@pytest.mark.parametrize("page", _pages_with("sh"), ids=_name)
def test_commands_do_what_the_page_says(page: Path, reader: Outlay, tmp_path: Path) -> None:
    for block in _blocks(page):
        if block.mark in {"add", "sample of"}:
            _lay_out(block, tmp_path)
        for command in _commands(block.text) if block.language == "sh" and block.runs else ():
            ran = _do(command, tmp_path, reader)
            wanted = PROPOSAL_WAITS if command.startswith(PROPOSING) else FINE
            assert ran.code == wanted, f"{command}\n{ran.out}\n{ran.err}"


def test_the_program_starts(tmp_path: Path) -> None:
    ran = _shell("outlay init shop --json", tmp_path)
    assert (ran.code, ran.err) == (FINE, "")
    assert ran.data["config"] == "shop/config.toml"
    assert (tmp_path / "shop" / "config.toml").is_file()


def test_the_readme_walks_the_whole_loop_and_back_and_judges_it() -> None:
    commands = [c for b in _blocks(ROOT / "README.md") if b.language == "sh" and b.runs for c in _commands(b.text)]
    used = {command.split()[1] for command in commands if command.startswith("outlay ")}
    assert used >= LOOP | JUDGING


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_other_commands_name_what_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= TARGETS
    for script in re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (ROOT / script).is_file(), script


@pytest.mark.parametrize("page", _pages_with("toml"), ids=_name)
def test_settings_are_valid(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(block for block in _blocks(page) if block.language == "toml" and block.runs):
        path = tmp_path / f"{number}.toml"
        path.write_text(block.text, encoding="utf-8")
        load(path)


@pytest.mark.parametrize("page", _pages_with("python"), ids=_name)
def test_python_runs(page: Path, tmp_path: Path) -> None:
    """The blocks of a page are one program, run in an empty folder."""
    program = "\n".join(block.text for block in _blocks(page) if block.language == "python" and block.runs)
    path = tmp_path / "page.py"
    path.write_text(program, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", path],
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere_and_blocks_name_their_language(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target
    assert {block.language for block in _blocks(page)} <= LANGUAGES
    assert text.count("\n```") == 2 * len(_blocks(page)), "a block that is not closed, or indented"
    marks = re.findall(r"<!-- ([a-z ]+?):", text)
    assert set(marks) <= {"not run here", "add", "sample of"}
    assert len(marks) == sum(block.mark != "" for block in _blocks(page)), "a marker stands right before its block"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages <= set(re.findall(r"\]\(([\w-]+\.md)\)", index))
