"""The report of a run is one file that needs nothing else, says what the scores say, and is the same every time."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from connectors.errors import BadInput
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.report import write
from simulations.report.tables import NONE
from simulations.runs.record import RunSpec, execute, read_run
from simulations.runs.scores import regret, scores_of
from simulations.scenarios import named, with_knobs
from simulations.scenarios.files import write_scenario
from tests.simulations.tiny_policies import START, Keep, Wander

MINUS = "\N{MINUS SIGN}"
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = '<script>alert(1)</script> & "$x^$" 広告 🎈'


@dataclass(frozen=True)
class Rash:
    """Spends far too much on every second day, and is sure of the impossible."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        del rng
        wanted = seen.live * (9.0 if seen.today % 2 else 1.0)
        return Proposal(wanted, np.full(wanted.size, 1e12), np.full(wanted.size, 1e13), "all in")


MAKES = {"keep": Keep, "wander": Wander, "rash": Rash}


class Page(HTMLParser):
    """The parts of a page that are asked about; an element that is not closed in order fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def said(self, *tags: str) -> str:
        return "".join(text for tag, text in self.texts if tag in tags)


def table(text: str, title: str) -> list[list[str]]:
    """The cells of a table, its head first."""
    found = re.search(rf"<caption>{re.escape(title)}</caption>(.*?)</table>", text, re.DOTALL)
    assert found
    rows = re.findall(r"<tr>(.*?)</tr>", found[1])
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def spec(policies: tuple[str, ...] = ("keep", "wander", "rash"), worlds: int = 3, days: int = 12) -> RunSpec:
    return RunSpec(named("tiny-yen"), policies, tuple(range(1, worlds + 1)), days, START, "value", "v1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("report") / "run"
    execute(run, spec(), MAKES)
    assert write(run) == run / "report.html"
    return run


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def links(page: Page) -> Iterator[str]:
    for _, attributes in page.tags:
        yield from (
            attributes[name] for name in ("href", "src", "xlink:href", "srcset", "action") if name in attributes
        )


def test_a_page_asks_for_nothing_from_outside(text: str, page: Page) -> None:
    assert all(link.startswith(("#", "data:")) for link in links(page))
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) == {"#"}
    assert not {"script", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")


def test_every_reference_within_the_page_has_one_place(text: str, page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    asked = [link[1:] for link in links(page) if link.startswith("#")] + re.findall(r"url\(#([^)]*)\)", text)
    asked += [a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a]
    assert set(asked) <= set(ids)


def test_a_page_can_be_read_without_seeing_it(page: Page) -> None:
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == tags.count("main") == 1
    headings = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings == [1] + [2] * 9
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) == 3 + 1 + 1 + 1 + 1 + 2 + 5
    assert all(a["role"] == "img" and len(a["aria-label"]) > 20 for a in pictures)
    assert len({a["aria-label"] for a in pictures}) == len(pictures)
    assert next(a for tag, a in page.tags if tag == "a") == {"class": "skip", "href": "#main"}
    assert next(a for tag, a in page.tags if tag == "html")["lang"] == "en"


def test_every_section_with_pictures_has_their_figures_in_a_table(text: str) -> None:
    sections = re.findall(r"<section.*?</section>", text, re.DOTALL)
    drawn = [section for section in sections if "<svg" in section]
    assert len(drawn) == 7
    assert all("<details>" in section and "<td>" in section for section in drawn)


def test_the_same_folder_gives_the_same_bytes_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    before = (folder / "report.html").read_bytes()
    elsewhere = shutil.copytree(folder, tmp_path / "other name")
    with matplotlib.rc_context({"font.size": 30.0, "text.usetex": True, "svg.hashsalt": None}):
        write(elsewhere)
        assert matplotlib.rcParams["font.size"] == 30.0
    assert (elsewhere / "report.html").read_bytes() == before


def test_the_league_table_says_what_the_scores_say(folder: Path, text: str) -> None:
    standings = {standing.policy: standing for standing in scores_of(read_run(folder)).standings()}
    head, *rows = table(text, "Means over worlds ± standard error")
    assert len(head) == 9
    assert [row[0] for row in rows] == sorted(standings, key=lambda name: -standings[name].whole.mean)
    for name, whole, second, tenth, worst, lead, broken, held, milliseconds in rows:
        s = standings[name]
        assert whole == f"{100 * s.whole.mean:.1f} ± {100 * s.whole.error:.1f}"
        assert second == f"{100 * s.second.mean:.1f} ± {100 * s.second.error:.1f}"
        assert tenth == f"{100 * s.whole.tenth:.1f}"
        assert worst == f"{100 * s.whole.worst:.1f} (seed {s.whole.worst_seed})"
        ahead = f"{100 * s.lead:+z.1f} ± {100 * s.lead_error:.1f}".replace("-", MINUS)
        assert lead == (NONE if name == "keep" else ahead)
        assert broken == f"{s.violations:,}"
        sure = f"{100 * s.coverage:.1f} ± {100 * s.coverage_error:.1f}"
        assert held == (NONE if name == "keep" else sure)
        assert milliseconds == f"{1e3 * s.seconds:.3f}"


def test_the_tables_behind_the_pictures_hold_the_run(folder: Path, text: str) -> None:
    run = read_run(folder)
    scores = scores_of(run)
    shares = table(text, "% of the oracle over all days, by the seed of the world")
    assert shares[0] == ["Seed", "keep", "wander", "rash"]
    assert shares[1:] == [
        [str(seed), *(f"{100 * x:.1f}" for x in scores.whole[:, w])] for w, seed in enumerate((1, 2, 3))
    ]
    lost = table(text, "Cumulative regret, % of all that the oracle brings")
    assert [float(x) for x in lost[-1][1:]] == pytest.approx(100 * (1 - scores.whole.mean(axis=1)), abs=0.005)
    days = table(text, "% of the oracle by day: mean over worlds (10th to 90th percentile)")
    first = np.array([run.traces["wander"][w].expected[0] / run.oracles[w].best[0] for w in range(3)])
    low, high = np.quantile(first, (0.1, 0.9))
    assert days[1][2] == f"{100 * first.mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"
    spent = table(text, "Spend by day, % of the total: mean over worlds (10th to 90th percentile)")
    total = run.spec.scenario.average_budget * run.spec.scenario.campaigns
    charged = np.mean([trace.spend[-1] for trace in run.traces["keep"]]) / 1e6 / total
    assert spent[-1][1].startswith(f"{100 * charged:.1f} (")


def test_broken_limits_are_counted_by_kind(folder: Path, text: str) -> None:
    found = [v for trace in read_run(folder).traces["rash"] for v in trace.violations]
    rows = {row[1]: row for row in table(text, "Limits broken")[1:]}
    assert set(rows) == {v.kind for v in found} >= {"total", "step"}
    assert sum(int(row[2]) for row in rows.values()) == len(found)
    assert rows["step"][3] == f"{max(v.size for v in found if v.kind == 'step'):,.2f}"
    assert f"{len(found)} limits were broken, most often by rash" in text


def test_every_command_steps_into_the_day_that_lost_most(folder: Path, text: str) -> None:
    run = read_run(folder)
    whole = scores_of(run).whole
    said = re.findall(r"<code>(.*?)</code>", text)
    commands = [shlex.split(re.sub("<[^>]*>", "", command)) for command in said]
    assert len(commands) == 5
    assert [command[4] for command in commands] == ["keep"] * 3 + ["wander", "rash"]
    assert [int(command[6]) - 1 for command in commands[:3]] == np.argsort(whole[0]).tolist()
    for command in commands:
        policy, seed, day = command[4], int(command[6]), int(command[8])
        assert command[:4] == ["outlay", "replay", ".", "--policy"]
        lost = regret(run, policy)[seed - 1]
        assert lost[day] == lost.max()
    assert [int(command[6]) - 1 for command in commands[3:]] == whole[1:].argmin(axis=1).tolist()


def test_how_it_was_made_is_told(page: Page, text: str) -> None:
    told = page.said("dd")
    for words in ("3, seeds 1 to 3", "expected JPY", "v1", "12, 2025-", "tiny-yen"):
        assert words in told
    assert write_scenario(named("tiny-yen")).strip() == page.said("pre").strip()
    assert "free of the limit on daily steps" in text


def test_names_are_only_ever_text(tmp_path: Path) -> None:
    calm = named("tiny-yen")
    channels = tuple(replace(channel, name=f"{HOSTILE}{i}") for i, channel in enumerate(calm.channels))
    bad = with_knobs(replace(calm, channels=channels), name=HOSTILE, summary=f"</style>{HOSTILE}")
    run = tmp_path / "run"
    execute(run, replace(spec(("keep",), 1, 3), scenario=bad, code=HOSTILE), MAKES)
    text = write(run).read_text(encoding="utf-8")
    page = Page(text)
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert page.said("h1") == f"{HOSTILE}: 1 policy in 1 world of 3 days"
    assert page.said("title") == page.said("h1")
    assert f"</style>{HOSTILE}" in page.said("p")
    assert HOSTILE in page.said("dd")
    assert HOSTILE.capitalize()[:15] in page.said("text")
    assert HOSTILE.capitalize() in page.said("th")


def test_one_world_one_policy_and_one_day_are_enough(tmp_path: Path) -> None:
    run = tmp_path / "run"
    execute(run, spec(("wander",), worlds=1, days=1), MAKES)
    (run / "seconds.jsonl").unlink()
    text = write(run).read_text(encoding="utf-8")
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL), re.IGNORECASE)
    _, row = table(text, "Means over worlds ± standard error")
    (wander,) = scores_of(read_run(run)).standings()
    assert row[1] == f"{100 * wander.whole.mean:.1f}"
    assert row[5] == row[8] == NONE
    assert "The only world: seed 1" in text
    assert "1 policy in 1 world of 1 day" in text
    assert "No policy broke a limit" in text


def test_policies_without_intervals_have_no_picture_of_them(tmp_path: Path) -> None:
    run = tmp_path / "run"
    execute(run, spec(("keep",), worlds=2, days=2), MAKES)
    text = write(run).read_text(encoding="utf-8")
    assert "No policy states how sure it is" in text
    assert "Share of 90% intervals" not in text
    assert table(text, "Means over worlds ± standard error")[1][7] == NONE


def test_a_run_that_is_not_complete_has_no_report(folder: Path, tmp_path: Path) -> None:
    run = shutil.copytree(folder, tmp_path / "run")
    (run / "report.html").unlink()
    (run / "traces/rash/2.json").unlink()
    with pytest.raises(BadInput, match=r"traces/rash/2\.json"):
        write(run)
    assert not (run / "report.html").exists()


def test_the_report_is_drawn_by_those_who_write_one() -> None:
    told = "import simulations.report, sys; print({'matplotlib', 'jinja2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
