"""Webhooks: signed, in order, each once to whoever took it, tried again where not; told as things happen."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import stamina

from optimizer import approval
from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.clock import SetClock
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.hooks import Hooks, job_of
from optimizer.agent.daemon.jobs import Jobs
from optimizer.agent.settings import SettingsError, load
from optimizer.agent.webhooks import SIGNATURE, Hook, Message, Webhooks, signature
from optimizer.plan.office import Outcome
from optimizer.plan.record import State
from optimizer.ports import NotTold
from tests.optimizer.web_world import World, world

SECRET = "a canary of a secret"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Receiver:
    """A program that keeps what it is sent, and answers with the next status of `answers` (204 when none is left)."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, Any], str, bytes]] = []
        self.answers: list[int] = []
        self.url = ""

    def events(self) -> list[str]:
        return [told["event"] for told, _, _ in self.taken]


@contextmanager
def listening() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.answers.pop(0) if receiver.answers else 204
            if status < 300:
                receiver.taken.append((json.loads(body), self.headers[SIGNATURE], body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as found:
        yield found


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def message(number: int, event: str = "recommendation.proposed") -> Message:
    return Message(number, event, NOON, {"recommendation": "r-1"})


def test_a_signature_is_what_the_page_says_it_is() -> None:
    body = message(1).body("shop")
    moment, digest = (part.partition("=")[2] for part in signature(SECRET, NOON, body).split(","))
    assert moment == str(int(NOON.timestamp()))
    assert digest == hmac.new(SECRET.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def test_a_message_is_tried_again_and_taken_once(receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    hooks = Webhooks("shop", [Hook(receiver.url, SECRET)], SetClock(NOON))
    hooks.send([message(1)])
    hooks.send([message(1), message(2, "recommendation.verified")])
    assert receiver.events() == ["recommendation.proposed", "recommendation.verified"]
    told, header, body = receiver.taken[0]
    assert told["id"] == "shop:1"
    assert header == signature(SECRET, NOON, body)


def test_one_that_does_not_answer_holds_up_no_other_and_gets_its_messages_in_order(receiver: Receiver) -> None:
    with listening() as away:
        away.answers = [500] * 3
        hooks = Webhooks("shop", [Hook(away.url, SECRET), Hook(receiver.url, SECRET)], SetClock(NOON))
        messages = [message(1), message(2)]
        with pytest.raises(NotTold, match=r"address 1 of \[\[webhooks\]\]"):
            hooks.send(messages)
        assert (len(away.taken), len(receiver.taken)) == (0, 2)
        hooks.send(messages)
        assert [told["id"] for told, _, _ in away.taken] == ["shop:1", "shop:2"]
        assert len(receiver.taken) == 2


def test_no_log_holds_an_address_or_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    hooks = Webhooks("shop", [Hook("http://127.0.0.1:9/canary-0123456789", SECRET)], SetClock(NOON))
    with pytest.raises(NotTold):
        hooks.send([message(1)])
    assert "webhook 1 took no message" in caplog.text
    assert "canary" not in caplog.text
    assert SECRET not in repr(Hook("http://x", SECRET))


@pytest.mark.parametrize(
    "table", ['url = "http://example.com/x"\nsecret = "0123456789abcdef"', 'url = "https://example.com"\nsecret = "a"']
)
def test_a_receiver_without_tls_or_a_short_secret_is_refused(tmp_path: Path, table: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[[webhooks]]\n{table}\n")
    with pytest.raises(SettingsError, match="webhooks"):
        load(config)


@pytest.fixture
def here(tmp_path: Path, receiver: Receiver) -> Iterator[World]:
    with world(tmp_path, f'\n[[webhooks]]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n') as found:
        yield found


@contextmanager
def agent(here: World) -> Iterator[Any]:
    """What looks as the agent does; a new one is another process."""
    with open_house(here.config, here.clock) as house:
        assert house.tenure.take()
        hooks, board, jobs = Hooks(load(here.config), here.clock), Board(house.store), Jobs(here.clock)
        timetable = Timetable((), UTC, timedelta(minutes=15), timedelta(hours=6))

        def look() -> None:
            here.clock.at += timedelta(seconds=1)
            board.read()
            hooks.look(house, board, jobs, timetable)

        look.house = house  # type: ignore[attr-defined]
        try:
            yield look
        finally:
            house.tenure.leave()


def approved(here: World, look: Any) -> None:
    made = here.premises.records()[0].recommendation
    cycle.settle(look.house, made.rec_id, approval.Approve("ben", made.plan_hash))


def test_the_agent_tells_what_happens_once_and_in_order_over_restarts(here: World, receiver: Receiver) -> None:
    here.plan()  # before the first look ever: what is old is not told
    with agent(here) as look:
        look()
        assert receiver.events() == []
        record = here.plan(seed=2)
        look()
        look()
        assert receiver.events() == ["recommendation.proposed"]
        told = receiver.taken[0][0]
        assert told["recommendation"] == record.recommendation.rec_id
        assert told["plan_hash"] == record.recommendation.plan_hash
    with agent(here) as look:  # it happens while nobody looks
        here.clock.at += timedelta(minutes=1)
        approved(here, look)
        look()
        assert receiver.events() == ["recommendation.proposed", "recommendation.approved"]


def test_what_nobody_took_is_told_when_the_job_is_tried_again(here: World, receiver: Receiver) -> None:
    with agent(here) as look:
        look()
        here.plan()
        receiver.answers = [500] * 3
        look()
        look()
        assert receiver.events() == []
        assert look.house.store.runs(job_of(receiver.url))[0].outcome is Outcome.FAILED
    with agent(here) as look:  # another process goes on
        here.clock.at += timedelta(minutes=16)
        look()
        assert receiver.events() == ["recommendation.proposed"]
        assert look.house.store.runs(job_of(receiver.url))[0].outcome is Outcome.DONE


def test_what_waits_is_told_whole_over_a_restart_though_several_things_happened_at_once(
    here: World, receiver: Receiver
) -> None:
    with agent(here) as look:
        look()
        here.plan()
        approved(here, look)  # at the same moment, by the clock
        receiver.answers = [500] * 3
        look()
    with agent(here) as look:
        here.clock.at += timedelta(minutes=16)
        look()
        look()
    assert receiver.events() == ["recommendation.proposed", "recommendation.approved"]


def test_what_happens_before_the_first_message_was_ever_taken_is_told_after_a_restart(
    here: World, receiver: Receiver
) -> None:
    with agent(here) as look:
        look()
    here.clock.at += timedelta(seconds=1)
    here.plan()  # nobody looks
    with agent(here) as look:
        look()
    assert receiver.events() == ["recommendation.proposed"]


def test_what_comes_later_in_the_history_is_told_though_its_time_is_earlier(here: World, receiver: Receiver) -> None:
    with agent(here) as look:
        look()
        here.plan()
        here.clock.at += timedelta(minutes=10)
        look()
        here.clock.at -= timedelta(minutes=9)
        approved(here, look)
        here.clock.at += timedelta(minutes=9)
        look()
    assert receiver.events() == ["recommendation.proposed", "recommendation.approved"]


def test_whoever_leads_again_tells_nothing_that_another_process_told_meanwhile(here: World, receiver: Receiver) -> None:
    desk, other = Desk(here.config, here.clock), Desk(here.config, here.clock)
    try:
        desk.look()
        desk._step_down()
        for _ in range(2):
            here.clock.at += timedelta(seconds=1)
            other.look()
        assert receiver.events() == ["recommendation.proposed"]
        other.leave()
        here.clock.at += timedelta(seconds=1)
        desk.look()
        assert desk.seen.leading
        assert receiver.events() == ["recommendation.proposed"]
    finally:
        desk.leave()
        other.leave()


def test_one_that_is_down_keeps_no_other_from_its_messages_over_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    with listening() as away:
        hooks = "".join(f'\n[[webhooks]]\nurl = "{one.url}"\nsecret = "{SECRET}"\n' for one in (away, receiver))
        with world(tmp_path, hooks) as here:
            with agent(here) as look:
                look()
                here.plan()
                away.answers = [500] * 3
                look()
                assert (away.events(), receiver.events()) == ([], ["recommendation.proposed"])
            with agent(here) as look:
                here.clock.at += timedelta(minutes=16)
                look()
            assert (away.events(), receiver.events()) == (["recommendation.proposed"],) * 2


def test_an_address_that_stands_in_two_tables_is_refused_and_not_told(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[webhooks]]\nurl = "https://a.example/canary"\nsecret = "0123456789abcdef"\n' * 2)
    with pytest.raises(SettingsError, match=r"webhooks\[2\] has the url of another one") as refused:
        load(config)
    assert "canary" not in str(refused.value)


def test_what_the_agent_proposes_is_told_at_its_next_look(here: World, receiver: Receiver) -> None:
    desk = Desk(here.config, here.clock)
    try:
        desk.look()
        assert here.premises.records()[0].state is State.PROPOSED
        here.clock.at += timedelta(seconds=1)
        desk.look()
        assert receiver.events() == ["recommendation.proposed"]
    finally:
        desk.leave()
