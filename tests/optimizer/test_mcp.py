"""The MCP server, asked by the SDK's own client: it reads what stands, proposes, and cannot decide or write."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters

from optimizer.agent.cli import commands
from optimizer.agent.mcp_server import server
from optimizer.plan.people import Role
from optimizer.plan.record import State
from tests.optimizer.web_world import World, world

TOOLS = {
    "status", "recommendations", "recommendation", "explain_line", "leaderboards", "pacing", "backtest", "simulate",
    "propose",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


def asked(here: World, ask: Callable[[Client], Awaitable[Any]], over: Any = None) -> Any:
    """What comes of a talk with the server, in this process by default."""

    async def talk() -> Any:
        async with Client(server(here.premises, here.clock) if over is None else over) as client:
            return await ask(client)

    return anyio.run(talk)


def call(here: World, tool: str, **arguments: Any) -> Any:
    answer = asked(here, lambda client: client.call_tool(tool, arguments))
    assert not answer.is_error, answer.content
    return answer.structured_content


def refused(here: World, tool: str, **arguments: Any) -> str:
    answer = asked(here, lambda client: client.call_tool(tool, arguments))
    assert answer.is_error
    return str(answer.content[0].text)


def test_it_reads_and_proposes_and_offers_nothing_that_decides_or_writes(here: World) -> None:
    tools = asked(here, lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == TOOLS
    assert {tool.name for tool in tools if not tool.annotations.read_only_hint} == {"propose"}
    assert all(tool.description for tool in tools)


def test_what_it_tells_is_what_stands_in_the_records(here: World) -> None:
    record = here.plan()
    made = record.recommendation
    assert call(here, "status")["waiting"] == [made.rec_id]
    (head,) = call(here, "recommendations")["recommendations"]
    assert (head["rec_id"], head["plan_hash"]) == (made.rec_id, made.plan_hash)
    told = call(here, "recommendation")
    assert [line["proposed"]["micros"] for line in told["lines"]] == [
        line.proposed.micros for line in made.decision.lines
    ]
    behind = call(here, "explain_line", number=0, rec_id=made.rec_id)
    assert behind["line"] == told["lines"][0]
    assert len(behind["curve"]) > 30
    assert call(here, "pacing")["currency"] == "JPY"
    assert call(here, "leaderboards")["rec_id"] in (made.rec_id, None)


def test_a_proposal_waits_for_a_person_and_takes_no_approved_plan_s_place(here: World) -> None:
    told = call(here, "propose")
    assert told["state"] == "proposed"
    assert here.premises.store.record(told["rec_id"]).approvals == ()
    answer = here.client().http.post(
        f"{here.root}/api/v1/recommendations/{told['rec_id']}/approve", json={"plan_hash": told["plan_hash"]},
        headers=here.token("ben", Role.APPROVER),
    )  # fmt: skip
    assert answer.status_code == 200
    assert "is approved and waits" in refused(here, "propose")
    assert here.premises.store.record(told["rec_id"]).state is State.APPROVED


def test_past_mornings_and_a_simulated_world_are_short(here: World) -> None:
    told = call(here, "simulate", scenario="tiny-yen", days=2)
    assert {each["policy"] for each in told["policies"]} == {"outlay", "equal"}
    assert all(each["share_of_oracle"] > 0 for each in told["policies"])
    assert "Scenarios:" in refused(here, "simulate", scenario="nowhere")
    assert refused(here, "simulate", scenario="tiny-yen", days=1_000)
    assert "cannot be known" in refused(here, "backtest", mornings=1)  # what it knows was read a moment ago


def test_what_is_not_there_is_told_in_words(here: World) -> None:
    assert "propose" in refused(here, "recommendation")
    assert "none" in refused(here, "recommendation", rec_id="none")


def test_a_defect_is_not_told_in_detail(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("the canary of a detail")

    monkeypatch.setattr("optimizer.agent.web.readings.pacing", breaks)
    words = refused(here, "pacing")
    assert "canary" not in words
    assert "RuntimeError" in words


def test_the_command_serves_over_standard_input_and_output(here: World) -> None:
    record = here.plan()
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "optimizer.agent.cli", "mcp", "-c", str(here.config)],
        cwd=str(Path(__file__).parents[2]),
    )  # fmt: skip
    answer = asked(here, lambda client: client.call_tool("recommendations", {}), command)
    (head,) = answer.structured_content["recommendations"]
    assert head["rec_id"] == record.recommendation.rec_id


def test_the_extra_is_asked_for_by_name(
    here: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "optimizer.agent.mcp_server")
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert commands.run("mcp", config=here.config, json=False) == 1
    assert "outlay[mcp]" in capsys.readouterr().err
