"""Every screen, light and dark, on a desk and on a phone: for everybody (axe-core), without a cut, and as a picture.

The pictures lie in `build/screens/` afterwards, for a person to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

from optimizer import approval
from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.app import app
from optimizer.plan.record import Record, State
from tests.journeys.browsing import DESK, PHONE, Person, chromium, place, served
from tests.optimizer.kept_worth import keep_worth
from tests.optimizer.web_world import World, simulated, world

PICTURES = Path(__file__).parents[2] / "build" / "screens"
SETTINGS = """
[portfolio]
name = "Test shop"
currency = "EUR"
time_zone = "Europe/Berlin"

[connectors.market]
kind = "simulated"
scenario = "demo"
state_file = "market.json"

[goal]
total_per_month = 110_000

[[kpis]]
name = "Sales of the month"
metric = "conversions"
target = 5_000

[[kpis]]
name = "Search pays its way"
metric = "roas"
scope = "channel:search"
target = 3.0

[[limits]]
scope = "channel:search"
share_floor = 0.2

[[pins]]
scope = "budget:b1001"
author = "ana"
reason = "the contract with the agency runs until then"
until = 2030-01-31
"""
AXE = Axe()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def settle(here: World, verdict: approval.Verdict, record: Record) -> None:
    cycle.settle(here.house, record.recommendation.rec_id, verdict)


def approve(record: Record) -> approval.Approve:
    return approval.Approve("ben", record.recommendation.plan_hash, None, "agreed with the agency")


def next_morning(here: World) -> None:
    with open_house(here.config, here.clock) as house:
        market = simulated(house)
        market.advance()
        here.clock.at = market.now
        cycle.pull(house, market.today)


def play(folder: Path) -> None:
    words = ("tiny-yen", "--policy", "equal", "--policy", "roas", "--worlds", "3", "--days", "3", "--workers", "1")
    assert CliRunner().invoke(app, ["simulate", *words, "--out", str(folder)]).exit_code == 0


@dataclass
class Eye:
    """Looks at screens in each way, and notes what some people could not use.

    Attributes:
        person: Whose browser it is.
        faults: What axe-core and the width of the page say against a screen.
    """

    person: Person
    faults: list[str] = field(default_factory=list)

    def open(self, name: str, path: str) -> None:
        """Open a screen and look at it; `name` is that of its pictures."""
        self.person.open(path)
        self.see(name)

    def see(self, name: str) -> None:
        """Look at the screen that is open."""
        page = self.person.page
        for size, window in (("desk", DESK), ("phone", PHONE)):
            page.set_viewport_size(window)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png", full_page=True)
                found = AXE.run(page, options={"resultTypes": ["violations"]})
                if found.violations_count:
                    self.faults.append(f"{name}, {size}, {scheme}: {found.generate_report()}")
            if self.person.scrolls_sideways():
                self.faults.append(f"{name} is wider than the {size}")
        page.set_viewport_size(DESK)


def test_all_screens_with_a_plan_that_waits_and_one_that_was_written(browser: Browser, tmp_path: Path) -> None:
    with ExitStack() as held:
        here = held.enter_context(world(tmp_path, settings=SETTINGS))
        site = held.enter_context(served(browser, here))
        written = here.plan()
        settle(here, approve(written), written)
        assert here.carry_out(written).state is State.VERIFIED
        next_morning(here)
        rejected = here.plan()
        settle(here, approval.Reject("ben", "not in the week of the launch"), rejected)
        waiting = here.plan(seed=2)
        play(here.premises.runs_folder / "small")
        channels = sorted({target.channel for target in here.premises.seen().targets})
        keep_worth(here.premises.store, here.clock.now(), "EUR", channels)
        ana = site.person(reduced_motion="reduce")
        eye = Eye(ana)
        eye.open("login", "/login")
        ana.refusals = (401, 404)
        ana.page.get_by_label("Name").fill("ana")
        ana.page.get_by_label("Password").fill("wrong")
        ana.press("Log in")
        eye.see("login-refused")
        ana.login("ana")
        for name, path in (
            ("overview", "/"),
            ("recommendations", "/recommendations"),
            ("edit", f"{place(waiting)}?edit=true"),
            ("written", place(written)),
            ("rejected", place(rejected)),
            ("line", f"{place(waiting)}/lines/0"),
            ("leaderboards", "/leaderboards"),
            ("pacing", "/pacing"),
            ("scorecard", "/scorecard"),
            ("attribution", "/attribution"),
            ("history", "/history?prove_it=true"),
            ("rules", "/rules"),
            ("switch", "/switch"),
            ("simulator", "/simulator"),
            ("nothing", "/recommendations/R-20250101-0123456789"),
        ):
            eye.open(name, path)
        ana.open("/")
        expect(ana.page.locator("#kpis tbody tr")).to_have_count(2)
        ana.open("/pacing")
        expect(ana.page.locator("section .chart")).to_have_count(1)
        ana.open("/attribution")
        expect(ana.page.locator("svg.counts")).to_have_count(len(channels))
        ana.open(place(waiting))
        ana.page.get_by_text("Curve and evidence").first.click()
        expect(ana.page.locator("svg.curve")).to_be_visible()
        eye.see("recommendation")
        ana.page.locator("summary.stop").click()
        eye.see("stop")
        ana.page.get_by_label("Why? It stops").fill("conversions of last night look doubled")
        ana.press("Stop all writes")
        eye.see("stopped")
        assert eye.faults == []


def test_the_screens_of_a_portfolio_that_has_nothing_yet(browser: Browser, tmp_path: Path) -> None:
    with ExitStack() as held:
        here = held.enter_context(world(tmp_path))
        site = held.enter_context(served(browser, here))
        vic = site.person(reduced_motion="reduce")
        eye = Eye(vic)
        vic.login("vic")
        for screen in ("", "recommendations", "leaderboards", "scorecard", "attribution", "switch"):
            eye.open(f"new-{screen or 'overview'}", f"/{screen}")
        assert eye.faults == []


def test_a_screen_that_somebody_could_not_use_would_be_found(browser: Browser, tmp_path: Path) -> None:
    with ExitStack() as held:
        site = held.enter_context(served(browser, held.enter_context(world(tmp_path))))
        person = site.person()
        person.open("/login")
        person.page.evaluate("document.querySelector('label').replaceWith(document.querySelector('[name=name]'))")
        assert AXE.run(person.page).violations_count == 1
        person.page.evaluate("document.querySelector('h1').style.width = '3000px'")
        assert person.scrolls_sideways()
