"""A month's amount from the settings through plan, write, page, API and command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer import approval
from optimizer.agent import cycle
from optimizer.agent.cli.pacing import pacing
from optimizer.agent.recompute import recompute
from optimizer.agent.shown.told import decimal_text
from optimizer.plan.people import Role
from optimizer.plan.record import State
from tests.optimizer.test_web_api import Program
from tests.optimizer.web_world import World, world

MONTH = "\n[goal]\ntotal_per_month = {amount}\n"


@pytest.fixture
def usual(tmp_path: Path) -> int:
    """What a month of the budgets as they are costs, in yen."""
    (tmp_path / "before").mkdir()
    with world(tmp_path / "before") as found:
        return round(30 * float(found.premises.seen().current.sum()))


@pytest.fixture
def here(tmp_path: Path, usual: int) -> Iterator[World]:
    with world(tmp_path, MONTH.format(amount=round(1.1 * usual))) as found:
        yield found


def test_a_plan_spends_the_day_s_part_is_written_and_comes_out_the_same_again(here: World) -> None:
    record = here.plan()
    decision = record.recommendation.decision
    (day,) = decision.flights
    proposed = sum(line.proposed.micros for line in decision.lines)
    assert 0.98 * day.due.micros <= proposed <= day.due.micros
    assert recompute(here.house, record.recommendation.rec_id).same
    verdict = approval.Approve("ana", record.recommendation.plan_hash)
    assert cycle.settle(here.house, record.recommendation.rec_id, verdict).state is State.APPROVED
    assert here.carry_out(record).state is State.VERIFIED


def test_page_api_and_command_line_tell_the_same_of_it(here: World) -> None:
    (day,) = here.plan().recommendation.decision.flights
    (told,) = Program(here, "vic", Role.VIEWER).get("/pacing")["flights"]
    assert (told["words"], told["due"]) == (day.words, decimal_text(day.due))
    assert [each["spent"] is not None for each in told["days"]].count(True) == 10
    assert len(told["budgets"]) == 20
    text = here.client("vic").get("/pacing").text
    assert day.words in text
    assert 'data-from="table-flight-1"' in text


def test_the_command_line_says_what_is_missing_where_no_flight_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(tmp_path) as found:
        answer = pacing(found.config)
    assert answer.data == {"flights": []}
    assert "total_per_month" in str(answer.shown)
    json.dumps(answer.data)


def test_where_a_flight_runs_it_is_shown(here: World) -> None:
    answer = pacing(here.config)
    assert [each["name"] for each in answer.data["flights"]] == ["month"]
