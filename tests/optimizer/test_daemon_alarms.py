"""What comes to nothing is told: by the job's outcome, by figures, and by a message, each once, also over restarts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import AskMarketer, Stop
from optimizer.agent.bootstrap import open_house
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.health import Figures, ready
from optimizer.agent.notify import LogNotifier
from optimizer.plan.office import Outcome
from optimizer.plan.record import State
from optimizer.ports import NotTold
from simulations.platform.connector import SimulatedConnector
from tests.optimizer.test_daemon_desk import Office
from tests.optimizer.web_world import simulated


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.desk.leave()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Title and body of each message, but for those of proposals."""
    found: list[str] = []

    def tell(_self: object, title: str, body: str, *_more: object, **_named: object) -> None:
        if "waits for approval" not in title:
            found.append(f"{title}: {body}")

    monkeypatch.setattr(LogNotifier, "tell", tell)
    return found


def look(office: Office, **later: float) -> None:
    office.clock.at += timedelta(**(later or {"seconds": 1}))
    office.look()


def again(office: Office) -> None:
    """Another process takes over, and looks twice."""
    office.desk.leave()
    office.desk = Desk(office.config, office.clock)
    look(office)
    look(office)


def figure(office: Office, name: str, **labels: str) -> float:
    samples = [s for family in Figures([office.desk], office.clock.now).collect() for s in family.samples]
    return next(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def expired_token(*_words: object) -> None:
    raise AskMarketer("the access token has expired", mend="log in again.")


def in_trouble(*_words: object) -> None:
    raise Stop("the platform answers nonsense")


def test_a_platform_that_refuses_to_be_read_is_a_failed_job_until_the_write_goes_through(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    name = office.approve()
    with monkeypatch.context() as broken:
        broken.setattr(SimulatedConnector, "budgets", expired_token)
        look(office)
        assert office.desk.seen.runs["apply"].outcome is Outcome.FAILED
        assert "the access token has expired" in ready([office.desk], office.clock.now())["main"]
        assert figure(office, "outlay_job_failed", job="apply") == 1
        assert figure(office, "outlay_unwritten_plans") == 1
    look(office, seconds=61)
    assert office.desk.seen.runs["apply"].words == f"{name} is applied"
    assert ready([office.desk], office.clock.now()) == {}
    with monkeypatch.context() as broken:
        broken.setattr(SimulatedConnector, "budgets", expired_token)
        look(office, minutes=31)
        assert office.desk.seen.runs["verify"].outcome is Outcome.FAILED
    look(office, seconds=61)
    assert office.newest().state is State.VERIFIED
    assert ready([office.desk], office.clock.now()) == {}
    assert figure(office, "outlay_unwritten_plans") == 0


def test_what_waits_for_the_kill_switch_has_not_failed(office: Office) -> None:
    office.look()
    office.approve()
    office.throw(on=True)
    look(office)
    assert office.desk.seen.runs["apply"].outcome is Outcome.DONE
    assert ready([office.desk], office.clock.now()) == {}


def test_a_failure_ends_with_the_approval_that_it_kept_and_that_is_told(
    office: Office, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.look()
    name = office.approve()
    with monkeypatch.context() as broken:
        broken.setattr(SimulatedConnector, "budgets", expired_token)
        look(office)
        again(office)
        assert ready([office.desk], office.clock.now())
        look(office, hours=24)
    assert office.desk.seen.runs["apply"].words == f"{name} is expired"
    assert office.desk.seen.runs["expire"].words == f"{name} has expired"
    assert office.desk.seen.runs["apply"].outcome is Outcome.DONE
    assert len(told) == 1
    assert told[0].startswith(f"main: {name} expired before it was written: it was valid until")
    again(office)
    assert len(told) == 1


def test_a_plan_that_failed_is_told_once(office: Office, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    office.look()
    name = office.approve()
    monkeypatch.setattr(SimulatedConnector, "set_budget", expired_token)
    look(office)
    assert office.newest().state is State.FAILED
    assert figure(office, "outlay_plan_failed") == 1
    look(office)
    again(office)
    assert len(told) == 1
    assert told[0].startswith(f"main: {name} failed: not all of it is written as approved: ")
    assert "the access token has expired" in told[0]
    assert told[0].endswith(f"; outlay show {name}")


def test_a_plan_that_drifted_is_told_once(office: Office, told: list[str]) -> None:
    office.look()
    name = office.approve()
    with open_house(office.config, office.clock) as house:
        line = next(line for line in office.newest().recommendation.decision.lines if line.changes)
        simulated(house).edit(line.key.budget_id, type(line.current)(2 * line.current.micros, line.current.currency))
    look(office)
    assert office.newest().state is State.EXPIRED
    again(office)
    assert len(told) == 1
    assert told[0].startswith(f"main: {name} was closed, since what it was made from was changed: ")


def test_a_proposal_that_nobody_approved_is_told_once(office: Office, told: list[str]) -> None:
    office.look()
    name = office.newest().recommendation.rec_id
    look(office, hours=24)
    again(office)
    assert [words.partition(": it was")[0] for words in told] == [
        f"main: {name} expired, and nobody approved it in time"
    ]


def test_a_breaker_that_opens_is_told_once(office: Office, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    office.config.write_text(office.config.read_text().replace("[daemon]", "[daemon]\nbreaker_failures = 2"))
    office.look()
    office.approve()
    monkeypatch.setattr(SimulatedConnector, "budgets", in_trouble)
    for _ in range(4):
        look(office, seconds=61)
    again(office)
    assert figure(office, "outlay_circuit_open", account="market") == 1
    assert len(told) == 1
    assert told[0].startswith("main: an account is not called for a while: market failed 2 times in a row")


def test_what_reached_nobody_is_told_later_and_what_came_after_it_waits(
    office: Office, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unheard(*_words: object, **_more: object) -> None:
        raise NotTold([1])

    office.look()
    name = office.newest().recommendation.rec_id
    with monkeypatch.context() as broken:
        broken.setattr(LogNotifier, "tell", unheard)
        look(office, hours=24)
        look(office)
        assert office.outcomes()["alarms"] is Outcome.FAILED
        assert "main" in ready([office.desk], office.clock.now())
    again(office)
    assert len(told) == 1
    assert name in told[0]
    assert office.outcomes()["alarms"] is Outcome.DONE
