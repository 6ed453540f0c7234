"""Answers that are not as documented, from LinkedIn and TikTok: what is told of a change, and of a reading."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from urllib3.exceptions import SSLError

from connectors import linkedin, tiktok
from connectors.contract import BuildContext
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, OutcomeUnknown, RetryLater, Stop
from connectors.linkedin.client import Client as LinkedIn
from connectors.manners import Quota
from connectors.tiktok.client import Client as TikTok
from simulations.emulators.serving import HttpServer

DAY = date(2025, 3, 3)


def _now():
    return datetime(2025, 3, 4, tzinfo=UTC)


@pytest.fixture
def answers(no_waiting):
    """Serve what a test says to every request, in order, the last one again and again."""
    open_servers = []

    def serve(*told):
        left = list(told)

        async def endpoint(request):
            status, body, headers = left.pop(0) if len(left) > 1 else left[0]
            return Response(body if isinstance(body, str) else json.dumps(body), status, headers)

        routes = [Route("/{rest:path}", endpoint, methods=["GET", "POST"])]
        open_servers.append(HttpServer(Starlette(routes=routes)))
        return open_servers[-1].address

    yield serve
    for server in open_servers:
        server.close()


def _quota():
    return Quota(None, _now, "p")


def _tiktok(address):
    return TikTok(address, "canary-token", 5.0, _quota(), Redactor())


def _linkedin(address):
    return LinkedIn(address, "canary-token", "202601", 5.0, _quota(), Redactor())


def _coded(code, **more):
    return 200, {"code": code, "message": "words", "request_id": "r", "data": {}, **more}, {}


def _family(call):
    with pytest.raises((RetryLater, AskMarketer, Stop, OutcomeUnknown)) as met:
        call()
    return type(met.value)


@pytest.mark.parametrize(
    ("told", "written", "read"),
    [
        ((200, "<html>away</html>", {}), OutcomeUnknown, RetryLater),
        ((200, "", {}), OutcomeUnknown, RetryLater),
        ((200, "[1]", {}), OutcomeUnknown, RetryLater),
        ((200, {"message": "no code"}, {}), OutcomeUnknown, RetryLater),
        (_coded(20001), OutcomeUnknown, RetryLater),
        (_coded(51004), OutcomeUnknown, RetryLater),
        (_coded(51999), OutcomeUnknown, RetryLater),
        (_coded(40002), Stop, Stop),
        (_coded(40132), RetryLater, RetryLater),
        (_coded(40105), AskMarketer, AskMarketer),
        ((400, "", {}), Stop, Stop),
        ((401, "", {}), AskMarketer, AskMarketer),
        ((403, "", {}), AskMarketer, AskMarketer),
        ((408, "", {}), OutcomeUnknown, RetryLater),
        ((429, "", {}), RetryLater, RetryLater),
        ((502, "", {}), OutcomeUnknown, RetryLater),
    ],
)
def test_what_tiktok_answers_says_what_to_do_next(answers, told, written, read):
    client = _tiktok(answers(told))
    assert _family(lambda: client.post("/campaign/update/", {"a": 1})) is written
    assert _family(lambda: client.get("/campaign/get/", {})) is read
    client.close()


def test_a_failure_of_tls_leaves_the_outcome_of_a_change_open(answers, monkeypatch):
    """TikTok's library tells it as an answer of status 0."""
    client = _tiktok(answers(_coded(0)))

    def fails(*_args, **_more):
        raise SSLError("bad record")

    monkeypatch.setattr(client._api.rest_client.pool_manager, "request", fails)
    assert _family(lambda: client.post("/campaign/update/", {"a": 1})) is OutcomeUnknown
    assert _family(lambda: client.get("/campaign/get/", {})) is RetryLater
    client.close()


def test_an_answer_without_a_requests_id_is_still_an_acknowledgement(answers):
    client = _tiktok(answers((200, {"code": 0, "message": "OK", "data": {}}, {})))
    assert client.post("/campaign/update/", {"a": 1}) == ""
    client.close()


def _page(ids, *, pages=1, total=None):
    info = {"total_page": pages, "total_number": len(ids) if total is None else total}
    return _coded(0, data={"list": [{"id": one} for one in ids], "page_info": info})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([_coded(0)], "how many pages"),
        ([_coded(0, data={"list": []})], "how many pages"),
        ([_page("ab", pages=2, total=4), _page("bc", pages=2, total=4)], "came twice"),
        ([_page("ab", pages=2, total=4), _page("c", pages=2, total=4)], "3 elements of 4"),
    ],
)
def test_a_listing_of_tiktok_that_is_not_whole_is_read_again(answers, told, words):
    client = _tiktok(answers(*told))
    with pytest.raises(RetryLater, match=words):
        list(client.listed("/ad/get/", {}, lambda one: one["id"]))
    client.close()


def test_a_listing_of_tiktok_that_is_whole_is_yielded_once(answers):
    client = _tiktok(answers(_page("ab", pages=3, total=3), _page("", pages=3, total=3), _page("c", pages=3, total=3)))
    assert [one["id"] for one in client.listed("/ad/get/", {}, lambda one: one["id"])] == ["a", "b", "c"]
    client.close()


@pytest.mark.parametrize("body", [{}, {"elements": None}, {"elements": "none"}])
def test_an_answer_of_linkedin_without_its_list_is_no_empty_page(answers, body):
    client = _linkedin(answers((200, body, {})))
    with pytest.raises(RetryLater, match="no list 'elements'"):
        list(client.listed("/adAccounts/1/creatives", "q=criteria"))
    client.close()


def test_an_answer_that_cannot_be_decoded_is_of_a_family(answers):
    client = _linkedin(answers((200, "not gzip", {"content-encoding": "gzip"})))
    assert _family(lambda: client.update("/adAccounts/1", {"a": 1})) is OutcomeUnknown
    assert _family(lambda: client.get("/adAccounts/1")) is RetryLater
    client.close()


ACCOUNT = (200, {"currency": "EUR"}, {})
ADVERTISER = _coded(0, data={"list": [{"advertiser_id": "1", "currency": "EUR", "display_timezone": "UTC"}]})
ODD_LINKEDIN = (200, {"elements": [{"id": 1, "campaign": 3, "dailyBudget": {"amount": "much"}, "dateRange": None}]}, {})
ODD_TIKTOK = _coded(0, data={"list": [{"ad_id": "1"}], "page_info": {"total_page": 1, "total_number": 1}})
CALLS = {
    "entities": lambda connector: list(connector.entities()),
    "pull": lambda connector: list(connector.pull(DAY, DAY)),
    "budgets": lambda connector: connector.budgets(),
    "ads": lambda connector: connector.ads(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("module", "told", "options"),
    [
        (linkedin, (ACCOUNT, ODD_LINKEDIN), {"accounts": ["1"]}),
        (tiktok, (ADVERTISER, ODD_TIKTOK), {"advertisers": ["1"]}),
    ],
    ids=["linkedin", "tiktok"],
)
def test_an_element_of_another_shape_is_told_and_escapes_as_no_raw_error(
    answers, monkeypatch, module, told, options, call
):
    monkeypatch.setenv("T", "canary-token")
    options = options | {"token": {"env": "T"}, "address": answers(*told)}
    connector = module.build(BuildContext("p", options, Path(), clock=_now))
    with pytest.raises((Stop, RetryLater), match=r"cannot be understood|cannot be read"):
        CALLS[call](connector)
    connector.close()


@pytest.mark.parametrize(
    ("module", "odd", "options"),
    [(linkedin, (200, {}, {}), {"accounts": ["1"]}), (tiktok, _coded(0, data={"list": [7]}), {"advertisers": ["1"]})],
    ids=["linkedin", "tiktok"],
)
def test_an_account_of_another_shape_is_told(answers, monkeypatch, module, odd, options):
    monkeypatch.setenv("T", "canary-token")
    connector = module.build(
        BuildContext("p", options | {"token": {"env": "T"}, "address": answers(odd)}, Path(), clock=_now)
    )
    with pytest.raises(Stop, match="cannot be understood"):
        connector.accounts()
    connector.close()
