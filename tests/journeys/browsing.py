"""Debian's Chromium at the page of a small portfolio, and whatever goes wrong in it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, sync_playwright

from optimizer.agent.web import served_page
from optimizer.plan.record import Record
from tests.optimizer.web_world import PASSWORD, World

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_PATIENCE = 60_000.0  # milliseconds: machines that test are busy
_TABS = 120


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield the browser; skip, with the reason, where there is none."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium: .ci/get-chromium installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS, timeout=4 * _PATIENCE)
        yield browser
        browser.close()


@dataclass
class Person:
    """Somebody at a browser of their own.

    Attributes:
        page: The open tab.
        root: The address of the portfolio, without a slash at its end.
        faults: What must not be: errors in the console, breaches of the page's policy, requests that failed or were
            refused.
        refusals: Statuses that a refusal may have, where a journey asks for one.
    """

    page: Page
    root: str
    faults: list[str] = field(default_factory=list)
    refusals: tuple[int, ...] = ()

    def watch(self) -> None:
        """Note from now on what goes wrong."""
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def open(self, path: str) -> Response:
        """Go to a path of the portfolio."""
        answer = self.page.goto(f"{self.root}{path}")
        assert answer is not None
        return answer

    def login(self, name: str, path: str = "/") -> None:
        """Ask for a path, and log in on the way."""
        self.open(path)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Log in")
        assert self.page.url == f"{self.root}{path}"

    def press(self, words: str) -> None:
        """Press the button of these words."""
        self.page.get_by_role("button", name=words, exact=True).click()

    def tab_to(self, wanted: Locator) -> None:
        """Press Tab until something has the focus, and see that it shows."""
        for _ in range(_TABS):
            self.page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                shown = wanted.evaluate("e => [getComputedStyle(e).boxShadow, getComputedStyle(e).outlineStyle]")
                assert shown != ["none", "none"], "the focus cannot be seen"
                return
        raise AssertionError(f"no Tab leads to {wanted}")

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.faults.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # to leave a page ends its stream, and whatever is under way
            self.faults.append(f"failed: {request.url} {request.failure}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400 and answer.status not in self.refusals:
            self.faults.append(f"refused: {answer.url} {answer.status}")


@dataclass
class Site:
    """The page of a portfolio, served on loopback.

    Attributes:
        browser: In which it is looked at.
        root: Its address, without a slash at its end.
        people: Everybody who came.
    """

    browser: Browser
    root: str
    people: list[Person] = field(default_factory=list)

    def person(self, **options: Any) -> Person:
        """Let somebody come with a fresh browser; options are those of a Playwright context."""
        context = self.browser.new_context(**{"viewport": DESK, "locale": "en-GB", **options})
        context.set_default_timeout(_PATIENCE)
        found = Person(context.new_page(), self.root)
        found.watch()
        self.people.append(found)
        return found

    def leave(self) -> None:
        """Let everybody go home; nothing may have gone wrong for anybody."""
        faults = [fault for each in self.people for fault in each.faults]
        for each in self.people:
            each.page.context.close()
        assert faults == []


@contextmanager
def served(browser: Browser, world: World) -> Iterator[Site]:
    """Serve a portfolio's page for as long as the context is open."""
    with served_page([world.premises], world.clock, "127.0.0.1:0") as port:
        found = Site(browser, f"http://127.0.0.1:{port}{world.root}")
        try:
            yield found
        finally:
            found.leave()


@contextmanager
def agent(browser: Browser, config: Path, port: int) -> Iterator[Site]:
    """Run `outlay run`, which serves the page of a portfolio on this port, for as long as the context is open."""
    command = [sys.executable, "-m", "optimizer.agent.cli", "run", "-c", str(config)]
    with (config.parent / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until_it_answers(process, port)
            found = Site(browser, f"http://127.0.0.1:{port}/test-shop")
            yield found
            found.leave()
        finally:
            process.terminate()


def _until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 4 * _PATIENCE / 1000
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError("the agent does not serve the page")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def place(record: Record) -> str:
    """The path of a recommendation."""
    return f"/recommendations/{record.recommendation.rec_id}"
