"""The interface behind an emulator's back, over real HTTP."""

import json
from datetime import date
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from simulations.emulators.account import Account
from simulations.emulators.control import control
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.serving import HttpServer
from simulations.scenarios import named

START = date(2025, 3, 3)


@pytest.fixture
def desk():
    account = Account(named("tiny-yen", history_days=20), seed=11, start=START)
    faults = Faults()
    with HttpServer(control(account, faults)) as server:
        yield account, faults, server.address


def _get(address):
    return json.loads(urlopen(address).read())


def _post(address, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return json.loads(urlopen(Request(address, data, method="POST")).read())


def _refused(address, body):
    with pytest.raises(HTTPError) as met:
        _post(address, body)
    with met.value as answer:
        assert answer.code == 400
        return json.loads(answer.read())["error"]


def test_days_pass_when_told(desk):
    account, _, address = desk
    assert _get(f"{address}/state")["today"] == "2025-03-23"
    assert _post(f"{address}/advance", {"days": 2}) == {"today": "2025-03-25"}
    assert account.today == date(2025, 3, 25)


def test_the_books_are_those_of_the_market(desk):
    account, _, address = desk
    told = _get(f"{address}/books?since=2025-03-03&until=2025-03-22")["lines"]
    held = list(account.lines(START, date(2025, 3, 22)))
    assert len(told) == len(held) > 40
    assert sum(line["spend_micros"] for line in told) == sum(line.spend for line in held)
    assert {line["conversion"] for line in told} == {account.kinds[line.kind] for line in held}


def test_a_person_edits_and_switches(desk):
    account, _, address = desk
    campaign, ad = account.campaigns()[0], account.ads()[0]
    _post(f"{address}/budget", {"campaign_id": campaign.campaign_id, "micros": 7_000_000})
    _post(f"{address}/ad", {"ad_id": ad.ad_id, "active": False})
    assert account.campaigns()[0].budget_micros == 7_000_000
    assert not account.ads()[0].active
    changes = _get(f"{address}/changes")
    assert [change["by"] for kind in ("budgets", "ads") for change in changes[kind]] == ["hand", "hand"]


def test_faults_are_scripted(desk):
    _, faults, address = desk
    _post(f"{address}/faults", {"kind": "write", "faults": ["lost_after", None]})
    assert [faults.next("write") for _ in range(3)] == [Fault.LOST_AFTER, None, None]
    assert _get(f"{address}/state")["faults"]["lost_after"] == 1


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("advance", {"days": "two"}, "days must be a whole number"),
        ("advance", {"days": -1}, "days must be 0 or more"),
        ("advance", {"days": 100_000}, "simulated world ends"),
        ("advance", b"{", "not JSON"),
        ("advance", [1], "one JSON object"),
        ("faults", {"kind": "write"}, "send"),
        ("faults", {"kind": "write", "faults": ["fire"]}, "fire"),
        ("faults", {"kind": "read", "faults": ["lost_after"]}, "cannot be"),
        ("budget", {"campaign_id": 1, "micros": 5}, "no campaign 1"),
        ("ad", {"ad_id": 1, "active": True}, "no ad 1"),
    ],
)
def test_what_cannot_be_done_is_told(desk, path, body, words):
    assert words in _refused(f"{desk[2]}/{path}", body)


def test_a_day_that_is_none_is_told(desk):
    with pytest.raises(HTTPError) as met:
        _get(f"{desk[2]}/books?since=yesterday&until=2025-03-22")
    with met.value as answer:
        assert "since must be a day" in json.loads(answer.read())["error"]
