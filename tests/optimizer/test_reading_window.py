"""What a reading asks for: all of the history at first, then what may have been restated since the last one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import PerformanceRow
from connectors.errors import AskMarketer
from optimizer.agent.cycle import read_from
from optimizer.plan.office import Outcome
from simulations.platform.connector import SimulatedConnector
from tests.optimizer.test_daemon_desk import Office

MONDAY = date(2025, 10, 6)
HISTORY = MONDAY - timedelta(days=400)
DAYS = st.integers(0, 1_000).map(lambda days: MONDAY + timedelta(days=days))


def test_the_first_reading_and_each_first_of_a_week_is_of_all_days() -> None:
    assert read_from(HISTORY, MONDAY, None, 30) == HISTORY
    assert read_from(HISTORY, MONDAY, MONDAY - timedelta(days=1), 30) == HISTORY
    assert read_from(HISTORY, MONDAY + timedelta(days=364), MONDAY, 30) == HISTORY, "of a year ago, not of this week"
    assert read_from(HISTORY, MONDAY, MONDAY + timedelta(days=1), 30) == HISTORY, "a clock went back"


def test_later_ones_go_as_far_back_as_the_platform_restates() -> None:
    tuesday, friday = MONDAY + timedelta(days=1), MONDAY + timedelta(days=4)
    assert read_from(HISTORY, tuesday, MONDAY, 30) == MONDAY - timedelta(days=31)
    assert read_from(HISTORY, friday, MONDAY, 30) == MONDAY - timedelta(days=31), "from the last one, not from today"
    assert read_from(HISTORY, tuesday, MONDAY, 0) == MONDAY - timedelta(days=1)
    assert read_from(MONDAY - timedelta(days=28), tuesday, MONDAY, 90) == MONDAY - timedelta(days=28)


@given(today=DAYS, last=DAYS, window=st.integers(0, 90))
def test_no_day_that_may_have_been_restated_is_left_out(today: date, last: date, window: int) -> None:
    """At the last reading a day stood as of then; it may have changed since if it was no older than the window."""
    since = read_from(HISTORY, today, last, window)
    assert since == HISTORY or since < last - timedelta(days=window)
    assert since >= HISTORY


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Office, list[int]]]:
    """An agent on its first morning, a Wednesday, and how many days each of its readings asks for."""
    office, found, pull = Office(tmp_path), [], SimulatedConnector.pull

    def noted(market: SimulatedConnector, since: date, until: date) -> Iterator[PerformanceRow]:
        found.append((until - since).days + 1)
        return pull(market, since, until)

    monkeypatch.setattr(SimulatedConnector, "pull", noted)
    yield office, found
    office.desk.leave()


def test_an_agent_asks_for_few_days_but_once_a_week(asked: tuple[Office, list[int]]) -> None:
    office, days = asked
    for _ in range(9):
        office.look()
        assert office.outcomes()["pull"] is Outcome.DONE
        office.clock.sleep(86_400)
    few = office.window + 2
    assert few < 60
    weekday = office.first.weekday()
    assert days == [60 if n == 0 or (weekday + n) % 7 == 0 else few for n in range(9)]
    assert f"from {office.first + timedelta(days=8 - few)} on" in office.desk.seen.runs["pull"].words


def test_edited_settings_ask_for_all_days(asked: tuple[Office, list[int]]) -> None:
    """Another conversion, or a report of another kind, has a history of its own."""
    office, days = asked
    office.look()
    office.clock.sleep(86_400)
    office.config.write_text(office.config.read_text().replace("history_days = 60", "history_days = 90"))
    office.look()
    assert office.outcomes()["pull"] is Outcome.DONE
    assert days == [60, 90]


def test_after_days_of_failure_it_asks_for_those_too(
    asked: tuple[Office, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, days = asked
    office.look()
    office.clock.sleep(86_400)
    with monkeypatch.context() as broken:

        def fails(*_: object) -> Iterator[PerformanceRow]:
            raise AskMarketer("the token has expired", mend="renew it")

        broken.setattr(SimulatedConnector, "pull", fails)
        office.look()
        assert office.outcomes()["pull"] is Outcome.FAILED
        office.clock.sleep(86_400)
    office.look()
    assert days == [60, office.window + 3], "a day more for the day that failed"
