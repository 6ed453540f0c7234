"""Notices reach mail and webhooks with a link, hold up nobody, are tried again where they fail, and tell no secret."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from optimizer.agent.notify import AppriseNotifier
from optimizer.plan.office import Outcome
from optimizer.ports import NotTold
from tests.optimizer.test_daemon_desk import Office

pytestmark = pytest.mark.filterwarnings("ignore:.imghdr. is deprecated:DeprecationWarning")  # a service of Apprise's

PASSWORD = "c4nary-mail-pw"
LINK = "https://outlay.example/r/{recommendation}"


class Inbox:
    """An SMTP server's handler that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content.decode())
        return "250 OK"

    def login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, int]]:
    made = Inbox()
    server = Controller(made, "127.0.0.1", _free_port(), authenticator=made.login, auth_require_tls=False)
    server.start()
    yield made, server.port
    server.stop()


class Hook(ThreadingHTTPServer):
    """A webhook that keeps what it is sent, and answers as it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.code = 200
        super().__init__(("127.0.0.1", 0), _Receives)
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://bot:{PASSWORD}@127.0.0.1:{self.server_address[1]}/hook"


class _Receives(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.code == 200:
            self.server.bodies.append(body)
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.shutdown()
    made.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_mail_arrives_with_a_link_to_the_recommendation(
    inbox: tuple[Inbox, int], caplog: pytest.LogCaptureFixture
) -> None:
    kept, port = inbox
    url = f"mailto://bot:{PASSWORD}@127.0.0.1:{port}?from=bot@example.org&to=ann@example.org&mode=insecure&format=text"
    with caplog.at_level(logging.DEBUG, logger="outlay"):
        AppriseNotifier([url], LINK).tell("main: R-1 waits for approval", "3 budgets", "R-1")
    (mail,) = kept.mails
    assert "Subject: main: R-1 waits for approval" in mail
    assert "https://outlay.example/r/R-1" in mail
    assert kept.logins == [(b"bot", PASSWORD.encode())]
    assert PASSWORD not in mail
    assert PASSWORD not in caplog.text


def test_a_webhook_is_told_and_only_the_address_that_failed_is_tried_again(
    inbox: tuple[Inbox, int], hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    kept, port = inbox
    mail = f"mailto://127.0.0.1:{port}?from=bot@example.org&to=ann@example.org&mode=insecure&format=text"
    notifier = AppriseNotifier([mail, hook.url], LINK)
    hook.code = 500
    for _ in range(2):
        with pytest.raises(NotTold, match=r"no message reached address 2 of \[notify\]") as missed:
            notifier.tell("title", "words", "R-1")
        assert missed.value.addresses == (2,)
        assert PASSWORD not in str(missed.value)
    hook.code = 200
    notifier.tell("title", "words", "R-1")
    assert len(kept.mails) == 1, "who has it is not told again"
    (body,) = hook.bodies
    assert body["title"] == "title"
    assert body["message"] == "words\nhttps://outlay.example/r/R-1"
    assert PASSWORD not in caplog.text + repr(notifier)


@pytest.mark.parametrize("url", ["nonsense", f"nosuch://bot:{PASSWORD}@host/x", f"json://bot:{PASSWORD}@127.0.0.1:9/x"])
def test_an_address_that_is_none_is_told_without_repeating_it(url: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    with pytest.raises(NotTold):
        AppriseNotifier([url]).tell("title", "words")
    assert "address 1 of [notify] took no message" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_notice_that_fails_stops_nothing_is_told_in_status_and_tried_again(tmp_path: Path, hook: Hook) -> None:
    office = Office(tmp_path, f'[notify]\nurls = ["{hook.url}"]\nlink = "{LINK}"\n')
    hook.code = 503
    office.look()
    assert office.outcomes() == {
        "alarms": Outcome.DONE,
        "pull": Outcome.DONE,
        "decide": Outcome.DONE,
        "announce": Outcome.FAILED,
    }
    words = office.desk.seen.runs["announce"].words
    assert words == "no message reached address 1 of [notify]; check it with `outlay doctor`"
    name = office.approve()
    office.look()
    assert office.desk.seen.runs["apply"].words == f"{name} is applied", "nobody was told, and the writes go on"
    office.desk.leave()


def test_a_notice_that_failed_reaches_people_later(tmp_path: Path, hook: Hook) -> None:
    office = Office(tmp_path, f'[notify]\nurls = ["{hook.url}"]\nlink = "{LINK}"\n')
    hook.code = 503
    office.look()
    hook.code = 200
    office.clock.sleep(14 * 60)
    office.look()
    assert hook.bodies == [], "it is tried again every retry_minutes"
    office.clock.sleep(2 * 60)
    office.look()
    assert office.outcomes()["announce"] is Outcome.DONE
    name = office.newest().recommendation.rec_id
    assert [f"https://outlay.example/r/{name}" in body["message"] for body in hook.bodies] == [True]
    office.desk.leave()
