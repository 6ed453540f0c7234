"""The page in a real browser: what people do there from their first day on, and that nothing goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from optimizer import approval
from optimizer.agent import cycle, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cycle import Refused
from optimizer.plan.record import Record, State
from tests.journeys.browsing import PHONE, Site, agent, chromium, free_port, place, served
from tests.journeys.shops import Outlay
from tests.optimizer.web_world import PASSWORD, SETTINGS, World, world

expect.set_options(timeout=60_000)
Open = Callable[..., tuple[World, Site]]
TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all that a worker walks; not for the session, since its event loop stays in this thread."""
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a portfolio and serves its page."""
    with ExitStack() as held:

        def come() -> tuple[World, Site]:
            here = held.enter_context(world(tmp_path))
            return here, held.enter_context(served(browser, here))

        yield come


def state(here: World, record: Record) -> State:
    return here.premises.store.record(record.recommendation.rec_id).state


def shows(page: Page, words: str) -> None:
    """The state of the recommendation that is shown."""
    expect(page.locator("#live .badge").first).to_have_text(words)


@pytest.mark.usefixtures("cheap_passwords")
def test_from_the_first_login_to_the_restored_budget(browser: Browser, outlay: Outlay, tmp_path: Path) -> None:
    """With `outlay run` itself, whose market stands where yesterday began."""
    now, port = datetime.now(TOKYO), free_port()
    market = f'seed = 4\nstart = "{now.date() - timedelta(days=31)}"\nhistory_days = 30'
    hours = f'[daemon]\ndecide_at = ["{now - timedelta(minutes=2):%H:%M}"]\nsettle_minutes = 0.01\n'
    daemon = f'{hours}listen = ""\nrefit = "never"\n'
    config = tmp_path / "config.toml"
    config.write_text(f'{SETTINGS.replace("seed = 4", market)}listen = "127.0.0.1:{port}"\n{daemon}')
    with agent(browser, config, port) as site:
        ana = site.person()
        page = ana.page
        ana.open("/login")
        expect(page.get_by_role("status")).to_contain_text("outlay users add NAME --role admin")
        (tmp_path / "word").write_text(PASSWORD)
        outlay("users", "add", "ana", "--role", "admin", "--password-file", tmp_path / "word", "-c", config)
        ana.login("ana")

        page.locator(".card.proposed a").click()  # the agent's own plan, as soon as it is made
        line = page.locator("tr.line").first
        line.get_by_text("Curve and evidence").click()
        expect(line.locator("svg.curve")).to_be_visible()
        page.get_by_role("button", name="Change amounts").click()
        field = page.locator("[name=amount-0]")
        amount = int(field.get_attribute("placeholder") or "") - 100
        field.fill(str(amount))
        ana.press("Solve the rest anew")
        expect(page.locator("tr.line", has_text="set by hand").locator(".amounts strong")).to_have_text(
            f"JP¥{amount:,}"
        )
        ana.press("Approve the chosen lines")
        shows(page, "Written and verified")  # by itself
        first = page.url.partition("?")[0]

        ana.open("/scorecard")
        expect(page.locator("section", has_text="Carried out").locator("tbody tr")).to_have_count(1)
        page.get_by_role("row", name="Written and verified").get_by_role("link").click()
        ana.press("Propose to restore what stood before")
        expect(page.get_by_role("link", name=first.rpartition("/")[2])).to_be_visible()
        ana.press("Approve the chosen lines")
        shows(page, "Written and verified")
        page.goto(first)
        shows(page, "Rolled back")


def test_a_rejection_asks_for_a_reason_and_keeps_it(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    ben = site.person()
    ben.login("ben", place(record))
    ben.page.locator("summary", has_text="Reject").click()
    ben.press("Reject all of it")
    assert ben.page.get_by_label("Why? Rejections").evaluate("field => field.validity.valueMissing")
    ben.page.get_by_label("Why? Rejections").fill("launch <b>week</b>")
    ben.press("Reject all of it")
    shows(ben.page, "Rejected")
    ben.page.get_by_text("History", exact=True).last.click()
    expect(ben.page.locator(".events")).to_contain_text("launch <b>week</b>")
    ben.open("/scorecard")
    expect(ben.page.locator("section", has_text="Left:")).to_contain_text("Rejected")


def test_an_approval_that_comes_too_late_is_refused_with_the_reason(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    here.clock.at = record.recommendation.valid_until - timedelta(minutes=1)
    ben = site.person()
    ben.login("ben", place(record))
    here.clock.at += timedelta(minutes=2)
    ben.refusals = (409,)
    ben.press("Approve the chosen lines")
    expect(ben.page.get_by_role("alert")).to_contain_text("was valid until")
    shows(ben.page, "Expired")
    expect(ben.page.get_by_role("button", name="Approve the chosen lines")).to_have_count(0)


def test_a_budget_that_somebody_changed_closes_the_plan_and_says_so(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    ben = site.person()
    ben.login("ben", place(record))
    ben.press("Approve the chosen lines")
    here.edit_behind(record)
    with open_house(here.config, here.clock) as house, pytest.raises(Refused):
        writing.apply(house, record.recommendation.rec_id)
    shows(ben.page, "Expired")
    ben.page.reload()
    ben.page.get_by_text("History", exact=True).last.click()
    expect(ben.page.locator(".events")).to_contain_text("drift")


def test_of_two_who_approve_at_once_one_is_told_that_the_other_was_first(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    ana, ben = site.person(java_script_enabled=False), site.person(java_script_enabled=False)
    ana.login("ana", place(record))
    ben.login("ben", place(record))
    ana.press("Approve the chosen lines")
    shows(ana.page, "Approved, to be written")
    ben.refusals = (409,)
    ben.press("Approve the chosen lines")
    expect(ben.page.get_by_role("alert")).to_contain_text("approved")
    assert here.premises.store.record(record.recommendation.rec_id).approved_by == "ana"


def test_without_scripts_everything_can_be_decided(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    ben = site.person(java_script_enabled=False)
    page = ben.page
    ben.login("ben", place(record))
    line = page.locator("tr.line").first
    line.get_by_text("Curve and evidence").click()
    line.get_by_text("Open as a page").click()
    expect(page.locator("svg.curve")).to_be_visible()
    page.get_by_text("The days as a table").click()
    expect(page.locator("#table-days tbody tr").first).to_be_visible()
    page.get_by_role("link", name="Recommendation for").click()
    page.locator("summary.stop").click()
    page.get_by_label("Why? It stops").fill("odd numbers")
    ben.press("Stop all writes")
    ben.press("Let writes go on")
    expect(page.get_by_text("Writes are stopped")).to_have_count(0)
    ben.open(place(record))
    ben.press("Approve the chosen lines")
    shows(page, "Approved, to be written")


def test_on_a_phone_nothing_is_cut_and_a_tap_decides(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    ben = site.person(viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=2)
    ben.login("ben")
    for path in ("/", "/recommendations", "/leaderboards", "/pacing", "/scorecard", "/history", "/rules", "/switch",
                 "/simulator", f"{place(record)}?edit=true", f"{place(record)}/lines/0", place(record)):  # fmt: skip
        ben.open(path)
        assert not ben.scrolls_sideways(), path
    button = ben.page.get_by_role("button", name="Approve the chosen lines")
    expect(button).to_be_in_viewport()  # it stays at hand, however long the plan
    button.tap()
    shows(ben.page, "Approved, to be written")


def test_with_the_keyboard_alone_from_login_to_approval(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    ana = site.person()
    page = ana.page
    ana.open("/login")
    page.keyboard.type("ana")  # the name has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    ana.tab_to(page.get_by_role("button", name="Log in"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{ana.root}/")
    ana.tab_to(page.locator(".card.proposed a"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{place(record)}")
    box = page.get_by_role("checkbox").first
    ana.tab_to(box)
    page.keyboard.press("Space")
    expect(box).not_to_be_checked()
    page.keyboard.press("Space")
    expect(box).to_be_checked()
    ana.tab_to(page.locator("tr.line summary").first)
    page.keyboard.press("Space")
    expect(page.locator("svg.curve").first).to_be_visible()
    ana.tab_to(page.get_by_role("button", name="Approve the chosen lines"))
    page.keyboard.press("Enter")
    shows(page, "Approved, to be written")


def test_what_others_do_is_shown_without_a_reload_and_nothing_typed_is_lost(opened: Open) -> None:
    here, site = opened()
    record = here.plan()
    vic, ben = site.person(), site.person()
    vic.login("vic", place(record))
    ben.login("ben", place(record))
    ben.page.locator("summary", has_text="Reject").click()
    ben.page.get_by_label("Why? Rejections").fill("half a sen")
    for each in (vic, ben):
        each.page.evaluate("window.loadedOnce = true")
        each.page.wait_for_timeout(1500)  # until the stream has told where the history stands
    recommendation = record.recommendation
    verdict = approval.Approve("ana", recommendation.plan_hash)
    cycle.settle(here.house, recommendation.rec_id, verdict)
    for each in (vic, ben):
        shows(each.page, "Approved, to be written")
        assert each.page.evaluate("window.loadedOnce")
    assert ben.page.get_by_label("Why? Rejections").input_value() == "half a sen"


def test_a_fault_in_the_browser_would_be_found(opened: Open) -> None:
    _, site = opened()
    ana = site.person()
    ana.open("/login")
    for planted in (
        "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
        "document.body.setAttribute('style', 'color: red')",
        "console.error('planted')",
        "setTimeout(() => { throw new Error('planted') })",
        "fetch('/nothing')",
        "document.querySelector('.brand img').src = '/nothing.svg'",
        "fetch('/lost').catch(() => 0)",
    ):
        ana.page.context.set_offline("lost" in planted)
        ana.page.evaluate(f"() => {{ {planted} }}")
        for _ in range(100):
            if ana.faults:
                break
            ana.page.wait_for_timeout(50)
        assert ana.faults, planted
        ana.faults.clear()
