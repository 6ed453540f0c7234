"""The JSON API: the same acts as the page, exact amounts, tokens that open their own portfolio, a true description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

from connectors.money import MICROS, Money
from optimizer.agent import writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.shown.told import decimal_text
from optimizer.agent.web import build
from optimizer.agent.web.api_answers import pacing
from optimizer.agent.web.pacing import Pace
from optimizer.plan.people import Role
from optimizer.plan.record import Record, State
from tests.optimizer.web_world import PASSWORD, World, world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as found:
        yield found


class Program:
    """A client of the API that shows a token."""

    def __init__(self, here: World, name: str, role: Role, app: Any = None) -> None:
        self._http = here.client().http if app is None else app
        self._base = f"{here.root}/api/v1"
        self.headers = here.token(name, role, f"of {name} as {role}")

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return self._told(self._http.get(f"{self._base}{path}", headers=self.headers, params=query), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self._told(self._http.post(f"{self._base}{path}", headers=self.headers, json=body), status)

    def _told(self, answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.text
        return answer.json()


def rec(record: Record) -> str:
    return f"/recommendations/{record.recommendation.rec_id}"


def state(here: World, record: Record) -> State:
    return here.premises.store.record(record.recommendation.rec_id).state


def test_what_is_read_is_what_stands_in_the_records_with_exact_amounts(here: World) -> None:
    record = here.plan()
    program = Program(here, "vic", Role.VIEWER)
    assert program.get("/me") | {"until": None} == {
        "name": "vic", "role": "viewer", "portfolio": "test-shop", "token": "of vic as viewer", "until": None,
    }  # fmt: skip
    (head,) = program.get("/recommendations")["recommendations"]
    told = program.get(rec(record))
    assert {name: told[name] for name in head} == head
    assert (told["state"], told["plan_hash"]) == ("proposed", record.recommendation.plan_hash)
    for shown, line in zip(told["lines"], record.recommendation.decision.lines, strict=True):
        assert shown["key"]["budget_id"] == line.key.budget_id
        assert (shown["proposed"]["micros"], shown["proposed"]["currency"]) == (line.proposed.micros, "JPY")
        assert Decimal(shown["proposed"]["amount"]) * MICROS == line.proposed.micros
        assert shown["effect"]["mean"] == line.effect.mean
    assert program.get("/recommendations", state="rejected")["recommendations"] == []
    behind = program.get(f"{rec(record)}/lines/0")
    assert len(behind["curve"]) > 30
    assert [point["budget"] for point in behind["curve"]] == sorted(
        (point["budget"] for point in behind["curve"]), key=Decimal
    )
    seen = here.premises.pictures(record)[str(record.recommendation.decision.lines[0].key)].seen
    told = [None if np.isnan(spend) else Decimal(spend).quantize(Decimal(1)) for spend in seen.spend]
    shown = [None if day["spend"] is None else Decimal(day["spend"]).quantize(Decimal(1)) for day in behind["days"]]
    assert shown == told
    assert any(told)
    assert program.get(f"{rec(record)}/lines/99", 404)["error"]["code"] == "not-found"
    assert program.get("/recommendations/none", 404)["error"]["code"] == "not-found"


def test_no_amount_of_money_is_a_float(here: World) -> None:
    record = here.plan()
    program = Program(here, "vic", Role.VIEWER)
    money = {"amount", "spend", "value", "planned", "spent", "low", "middle", "high", "budget"}

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for name, part in value.items():
                assert not (name in money and isinstance(part, float)), name
                assert name != "micros" or type(part) is int
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    for path in (rec(record), f"{rec(record)}/lines/0", "/pacing", "/status", "/recommendations"):
        look(program.get(path))


@given(micros=st.integers(-(10**20), 10**20), currency=st.sampled_from(["JPY", "EUR", "BHD"]))
def test_an_amount_s_text_is_exact_and_has_the_currency_s_digits(micros: int, currency: str) -> None:
    text = decimal_text(Money(micros, currency))
    assert Money.of(text, currency) == Money(micros, currency)
    assert "E" not in text
    assert len(text.partition(".")[2]) >= {"JPY": 0, "EUR": 2, "BHD": 3}[currency]


def test_approved_written_verified_and_restored_by_a_program(here: World) -> None:
    record = here.plan()
    program = Program(here, "ben", Role.APPROVER)
    shown = program.get(rec(record))
    told = program.post(f"{rec(record)}/approve", {"plan_hash": shown["plan_hash"], "reason": "looks right"})
    assert (told["state"], told["approved_by"]) == ("approved", "ben")
    assert all(line["approved"] for line in told["lines"] if line["changes"])
    with open_house(here.config, here.clock) as house:
        writing.apply(house, record.recommendation.rec_id)
        here.clock.at += timedelta(minutes=31)
        writing.verify(house, record.recommendation.rec_id)
    told = program.get(rec(record))
    assert told["state"] == "verified"
    assert {write["state"] for write in told["writes"]} == {"verified"}
    child = program.post(f"{rec(record)}/rollback")
    assert (child["state"], child["parent_id"]) == ("proposed", record.recommendation.rec_id)
    assert program.post(f"{rec(record)}/rollback", status=409)["error"]["code"]
    entries = program.get("/history", limit=1_000)["entries"]
    assert [entry["number"] for entry in entries] == [entry.number for entry in here.premises.store.audit()]
    page = program.get("/history", after=entries[1]["number"], limit=2)
    assert [entry["number"] for entry in page["entries"]] == [entry["number"] for entry in entries[2:4]]
    assert page["next"] == entries[3]["number"]


def test_some_lines_are_approved_by_number_and_what_makes_no_sense_is_told(here: World) -> None:
    record = here.plan()
    program = Program(here, "ben", Role.APPROVER)
    lines, shown = record.recommendation.decision.lines, record.recommendation.plan_hash
    cut = next(n for n, line in enumerate(lines) if line.proposed.micros < line.current.micros)
    path = f"{rec(record)}/approve"
    assert program.post(path, {"plan_hash": shown, "lines": [99]}, 422)["error"]["code"] == "bad-input"
    assert program.post(path, {"plan_hash": shown, "lines": []}, 422)["error"]["message"] == "No line is chosen."
    assert program.post(path, {"plan_hash": "0" * 64}, 409)["error"]["code"] == "other-hash"
    assert program.post(path, {"plan_hash": shown, "more": 1}, 422)["error"]["code"] == "bad-input"
    assert state(here, record) is State.PROPOSED
    assert program.post(path, {"plan_hash": shown, "lines": [cut]})["state"] == "approved"
    assert here.premises.store.record(record.recommendation.rec_id).approved_lines == (lines[cut].key,)
    assert program.post(f"{rec(record)}/revoke", {"reason": " "}, 422)["error"]["code"] == "bad-input"
    assert program.post(f"{rec(record)}/revoke", {"reason": "wait"})["state"] == "rejected"


def test_an_edit_names_the_plan_that_was_looked_at(here: World) -> None:
    record = here.plan()
    program = Program(here, "ana", Role.APPROVER)
    line, path = record.recommendation.decision.lines[0], f"{rec(record)}/edit"
    half = (line.current.micros + line.proposed.micros) // 2 // MICROS
    body = {"plan_hash": record.recommendation.plan_hash, "lines": [{"number": 0, "amount": str(half)}]}
    assert program.post(path, body | {"plan_hash": "0" * 64}, 409)["error"]["code"] == "other-hash"
    for amount in ("a lot", "-5", "1e3", ""):
        program.post(path, body | {"lines": [{"number": 0, "amount": amount}]}, 422)
    same = decimal_text(line.proposed)
    assert program.post(path, body | {"lines": [{"number": 0, "amount": same}]}, 422)["error"]["code"] == "bad-input"
    told = program.post(path, body)
    assert (told["revision"], told["author"]) == (2, "ana")
    assert {each["key"]["budget_id"]: each["fixed"] for each in told["lines"]}[line.key.budget_id] is True
    assert program.get(rec(record), revision=1)["newest"] is False
    assert program.post(path, body, 409)["error"]["code"] == "other-hash"


def test_a_rejection_and_the_kill_switch(here: World) -> None:
    record = here.plan()
    program = Program(here, "ben", Role.APPROVER)
    assert program.get("/switch") == {"on": False, "at": None, "actor": None, "reason": None, "until": None}
    assert program.post("/switch/pause", {"reason": " "}, 422)["error"]["code"] == "bad-input"
    told = program.post("/switch/pause", {"reason": "odd numbers"})
    assert (told["on"], told["actor"], told["reason"]) == (True, "ben", "odd numbers")
    assert program.get("/status")["switch"] == told
    assert told["until"] is None
    assert program.post("/switch/pause", {"reason": "short", "hours": 1}, 409)["error"]["code"] == "changed"
    assert program.post("/switch/resume", {})["on"] is False
    assert program.post("/switch/pause", {"reason": "sale", "hours": 0}, 422)["error"]["code"] == "bad-input"
    told = program.post("/switch/pause", {"reason": "sale", "hours": 2})
    assert datetime.fromisoformat(told["until"]) - datetime.fromisoformat(told["at"]) == timedelta(hours=2)
    assert program.post("/switch/resume", {})["on"] is False
    assert program.get("/status")["waiting"] == [record.recommendation.rec_id]
    assert program.post(f"{rec(record)}/reject", {"reason": "launch week"})["state"] == "rejected"
    assert program.get("/status")["waiting"] == []


def test_screens_of_the_page_have_their_figures_here(here: World) -> None:
    here.plan()
    program = Program(here, "vic", Role.VIEWER)
    status = program.get("/status")
    assert {each["connector"] for each in status["freshness"]} == {"market"}
    assert not any(each["stale"] for each in status["freshness"])
    assert len(status["last_days"]) == 28
    pacing = program.get("/pacing")
    assert (pacing["currency"], len(pacing["days"])) == ("JPY", 30)
    known = [day["spent"] is not None for day in pacing["days"]]
    assert known == sorted(known, reverse=True)
    assert known.count(True) == 10  # in Tokyo it is the morning of the eleventh
    assert 0 <= pacing["over"] <= 1
    boards = program.get("/leaderboards")
    arms = here.premises.records()[0].recommendation.decision.arms
    assert sum(len(board["arms"]) for board in boards["boards"]) == len(arms)


def test_a_month_is_told_in_exact_amounts_and_days_to_come_have_no_spend() -> None:
    days = (date(2026, 11, 1), date(2026, 11, 2))
    known = Pace(days, 1, *(np.array(figures) for figures in ([10.1, 20.2], [9.5], [9, 17], [9, 19.25], [9, 22])), 0.25)
    told = pacing(known, (), "EUR").model_dump(mode="json")
    assert told["days"][0] == {
        "day": "2026-11-01", "planned": "10.10", "spent": "9.50", "low": "9.00", "middle": "9.00", "high": "9.00",
    }  # fmt: skip
    assert told["days"][1]["spent"] is None
    assert (told["days"][1]["planned"], told["over"]) == ("20.20", 0.25)


def test_a_token_does_what_its_role_allows_and_a_cookie_only_reads(here: World) -> None:
    record = here.plan()
    body = {"plan_hash": record.recommendation.plan_hash}
    for name, role in (("ana", Role.VIEWER), ("vic", Role.ADMIN)):
        assert Program(here, name, role).post(f"{rec(record)}/approve", body, 403)["error"]["code"] == "forbidden"
    browser = here.client("ana")
    assert browser.get("/api/v1/me").json()["token"] is None
    for origin in ("http://127.0.0.1", "http://evil.example"):
        path = f"{here.root}/api/v1{rec(record)}/approve"
        assert browser.http.post(path, json=body, headers={"Origin": origin}).status_code == 403
    assert state(here, record) is State.PROPOSED


def test_a_token_ends_when_it_is_revoked_and_by_time(here: World) -> None:
    program = Program(here, "vic", Role.VIEWER)
    (token,) = here.premises.store.tokens()
    here.premises.store.end_session(token.secret_hash, here.clock.now(), "ana")
    assert program.get("/me", 401)["error"]["code"] == "unauthorized"
    later = Program(here, "ana", Role.VIEWER)
    here.clock.at += timedelta(days=2)
    later.get("/me", 401)


def test_a_token_of_one_portfolio_opens_nothing_of_another(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with world(tmp_path / "a") as one, world(tmp_path / "b", name="Other shop") as other:
        app = build([one.premises, other.premises], one.clock)
        record = other.plan()
        http = World(one.config, one.clock, one.premises, app).client().http
        own = Program(one, "ana", Role.ADMIN, http)
        assert own.get("/me")["portfolio"] == "test-shop"
        body = {"plan_hash": record.recommendation.plan_hash}
        theirs = "/other-shop/api/v1"
        for path in ("/me", "/status", "/recommendations", rec(record), "/history", "/switch", "/openapi.json"):
            assert http.get(f"{theirs}{path}", headers=own.headers).status_code == 401
        for path in (f"{rec(record)}/approve", f"{rec(record)}/rollback", "/switch/pause"):
            assert http.post(f"{theirs}{path}", headers=own.headers, json=body).status_code == 401
        own.get(rec(record), 404)  # and by its id it is not found at home
        own.post(f"{rec(record)}/approve", body, 404)
        assert state(other, record) is State.PROPOSED
        assert other.premises.store.brake() is None


def test_so_much_money_needs_a_person_at_the_page(tmp_path: Path) -> None:
    with world(tmp_path, "confirm_above = 1\n") as here:  # of [web], the last table
        record = here.plan()
        body = {"plan_hash": record.recommendation.plan_hash}
        told = Program(here, "ben", Role.APPROVER).post(f"{rec(record)}/approve", body, 403)
        assert told["error"]["code"] == "unconfirmed"
        assert "page" in told["error"]["message"]
        assert state(here, record) is State.PROPOSED


def test_the_description_is_for_those_who_are_logged_in_and_names_no_portfolio_but_theirs(here: World) -> None:
    assert here.client().get("/api/v1/openapi.json").status_code == 401
    told = here.client("vic").get("/api/v1/openapi.json").json()
    assert told["servers"] == [{"url": "/test-shop/api/v1"}]
    assert "{portfolio}" not in json.dumps(told)
    for item in told["paths"].values():
        for operation in item.values():
            assert {"200", "401", "403", "404", "422", "503"} <= operation["responses"].keys()


def test_the_api_does_what_its_description_says(tmp_path: Path) -> None:
    """Whatever is sent, the answer has a status and a form that the description names, and nothing breaks."""
    with world(tmp_path, 'address = "http://testserver"\n') as here:  # of [web], the last table
        fuzz(here, here.plan().recommendation.rec_id, here.token("ana", Role.APPROVER))


def fuzz(here: World, rec_id: str, headers: dict[str, str]) -> None:
    found = schemathesis.openapi.from_asgi(f"{here.root}/api/v1/openapi.json", here.app, headers=headers)
    for result in found.get_all_operations():
        operation = result.ok()

        @seed(20)
        @settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(), real=st.booleans())
        def conforms(case: Any, real: bool) -> None:
            if real and "rec_id" in case.path_parameters:
                case.path_parameters["rec_id"] = rec_id
            # What may be asked of a plan depends on its lines, which no description knows.
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        conforms()


def test_a_password_opens_no_api(here: World) -> None:
    answer = here.client().http.get(f"{here.root}/api/v1/me", auth=("ana", PASSWORD))
    assert answer.status_code == 401
