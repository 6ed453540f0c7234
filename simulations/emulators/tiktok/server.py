"""The interface's addresses, its envelope and its failures.

https://business-api.tiktok.com/portal/docs
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import date, timedelta
from math import ceil
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.money import minor_unit_micros, to_micros
from simulations.emulators.account import Campaign
from simulations.emulators.faults import Fault, Kind
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HttpServer, Lost
from simulations.emulators.tiktok import books
from simulations.emulators.tiktok.books import BadParameter, Json

PREFIX: Final = "/open_api/v1.3"
LARGEST_PAGE: Final = 1000
LONGEST_REPORT: Final = timedelta(days=30)
LEAST: Final = {"campaign": 50, "adgroup": 20}
"""The least daily budget, major units."""

_BAD, _FORBIDDEN, _THROTTLED, _TOKEN, _FAILED = 40002, 40001, 40100, 40105, 50000


class _Coded(Exception):  # noqa: N818 - an answer with a code
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def start(setup: Setup) -> HttpServer:
    """Serve TikTok's interface over an account; any access token is taken.

    Raises:
        OSError: The port is taken.
    """
    return HttpServer(application(setup), setup.port)


def application(setup: Setup, *, reads_only: bool = False) -> Starlette:
    """Return the application.

    Args:
        setup: What stands behind it.
        reads_only: Whether the app lacks the scope to change anything; the interface tells it at a change only.
    """
    desk = _Desk(setup, reads_only)
    reads = {
        "/advertiser/info/": desk.advertisers,
        "/campaign/get/": desk.campaigns,
        "/adgroup/get/": desk.groups,
        "/ad/get/": desk.ads,
        "/report/integrated/get/": desk.report,
    }
    writes = {
        "/campaign/update/": desk.set_campaign,
        "/adgroup/budget/update/": desk.set_groups,
        "/ad/status/update/": desk.set_ads,
    }
    return Starlette(
        routes=[
            *(Route(f"{PREFIX}{path}", desk.answers("read", act)) for path, act in reads.items()),
            *(Route(f"{PREFIX}{path}", desk.answers("write", act), methods=["POST"]) for path, act in writes.items()),
        ]
    )


class _Desk:
    def __init__(self, setup: Setup, reads_only: bool) -> None:
        self._of, self._faults, self._reads_only = setup.account, setup.faults, reads_only
        self._requests = 0

    def answers(self, kind: Kind, act: Callable[[Json], Json]) -> Callable[[Request], Any]:
        """Return an endpoint that meets faults and puts what it answers into the envelope."""

        async def endpoint(request: Request) -> Response:
            fault = self._faults.next(kind)
            if fault is Fault.LOST_BEFORE:
                return Lost()
            if fault is Fault.SLOW:
                await asyncio.sleep(self._faults.slow_seconds)
            try:
                self._before(fault, request, kind)
                asked = await _read(request, kind)
                answer = self._enveloped(0, "OK", act(asked))
            except _Coded as coded:
                answer = self._enveloped(coded.code, str(coded), {})
            except BadParameter as error:
                answer = self._enveloped(_BAD, str(error), {})
            return Lost() if fault is Fault.LOST_AFTER else answer

        return endpoint

    def advertisers(self, asked: Json) -> Json:
        wanted = _json_of(asked, "advertiser_ids")
        return {"list": [books.advertiser(self._of)] if str(self._of.account_id) in wanted else []}

    def campaigns(self, asked: Json) -> Json:
        self._require_ours(asked)
        groups = books.groups(self._of)
        return _page(
            [
                books.campaign_json(self._of, one, optimised=len(groups.get(one.index, ())) > 1)
                for one in self._of.campaigns()
            ],
            asked,
        )

    def groups(self, asked: Json) -> Json:
        self._require_ours(asked)
        campaigns = {one.index: one for one in self._of.campaigns()}
        return _page(
            [
                books.group_json(self._of, ad, campaigns[index], optimised=len(ads) > 1)
                for index, ads in books.groups(self._of).items()
                for ad in ads
            ],
            asked,
        )

    def ads(self, asked: Json) -> Json:
        self._require_ours(asked)
        return _page([books.ad_json(self._of, ad) for ad in self._of.ads()], asked)

    def report(self, asked: Json) -> Json:
        self._require_ours(asked)
        if (asked.get("report_type"), asked.get("data_level")) != ("BASIC", "AUCTION_AD"):
            raise BadParameter("the emulator knows report_type BASIC and data_level AUCTION_AD")
        if set(_json_of(asked, "dimensions")) != {"ad_id", "stat_time_day"}:
            raise BadParameter("the emulator knows the dimensions ad_id and stat_time_day")
        since, until = _day(asked, "start_date"), _day(asked, "end_date")
        if until - since >= LONGEST_REPORT:
            raise BadParameter("start_date to end_date: the time range cannot exceed 30 days")
        return _page(books.report(self._of, self._of.lines(since, until), _json_of(asked, "metrics")), asked)

    def set_campaign(self, asked: Json) -> Json:
        self._require_ours(asked)
        one = self._campaign(asked.get("campaign_id"))
        if len(books.groups(self._of).get(one.index, ())) < 2:
            raise BadParameter("budget: the campaign is not optimised, its ad group holds the budget")
        self._set(one, asked.get("budget"), "campaign")
        return {"campaign_id": str(one.campaign_id)}

    def set_groups(self, asked: Json) -> Json:
        self._require_ours(asked)
        done = []
        for wanted in asked.get("budget") or ():
            found = [
                index
                for index, ads in books.groups(self._of).items()
                if len(ads) == 1 and str(ads[0].ad_group_id) == str(wanted.get("adgroup_id"))
            ]
            if not found:
                raise BadParameter(f"adgroup_id: {wanted.get('adgroup_id')} holds no budget")
            one = next(one for one in self._of.campaigns() if one.index == found[0])
            self._set(one, wanted.get("budget"), "adgroup")
            done.append(wanted["adgroup_id"])
        return {"adgroup_id": done}

    def set_ads(self, asked: Json) -> Json:
        self._require_ours(asked)
        wanted = asked.get("operation_status")
        if wanted not in ("ENABLE", "DISABLE"):
            raise BadParameter("operation_status: the emulator knows ENABLE and DISABLE")
        ids = {str(one) for one in asked.get("ad_ids") or ()}
        found = [ad for ad in self._of.ads() if str(ad.ad_id) in ids]
        if len(found) < len(ids):
            raise BadParameter("ad_ids: some do not exist")
        for ad in found:
            self._of.switch(ad.index, wanted == "ENABLE")
        return {"ad_ids": sorted(ids)}

    def _set(self, one: Campaign, budget: object, holder: str) -> None:
        if not isinstance(budget, int | float) or isinstance(budget, bool):
            raise BadParameter("budget: a number is needed")
        micros = to_micros(str(budget))
        if micros % minor_unit_micros(self._of.currency):
            raise BadParameter("budget: too many decimals")
        if micros < to_micros(LEAST[holder]):
            raise BadParameter(f"budget: the daily budget must be at least {LEAST[holder]}")
        self._of.set_budget(one.index, micros)

    def _campaign(self, number: object) -> Campaign:
        found = [one for one in self._of.campaigns() if str(one.campaign_id) == str(number)]
        if not found:
            raise BadParameter(f"campaign_id: {number} does not exist")
        return found[0]

    def _require_ours(self, asked: Json) -> None:
        if str(asked.get("advertiser_id")) != str(self._of.account_id):
            raise _Coded(_FORBIDDEN, "No permission to operate advertiser")

    def _before(self, fault: Fault | None, request: Request, kind: Kind) -> None:
        if fault is Fault.BROKEN:
            raise _Coded(_FAILED, "System error")
        if fault is Fault.THROTTLED:
            raise _Coded(_THROTTLED, "App reaches the QPS limit: 10, please try again later")
        if fault is Fault.EXPIRED or not request.headers.get("access-token"):
            raise _Coded(_TOKEN, "Access token is incorrect or has been revoked")
        if kind == "write" and self._reads_only:
            raise _Coded(_FORBIDDEN, "No permission: the app lacks the scope Ads Management")

    def _enveloped(self, code: int, message: str, data: Json) -> Response:
        self._requests += 1
        return JSONResponse(
            {"code": code, "message": message, "request_id": f"emulated-{self._requests}", "data": data}
        )


async def _read(request: Request, kind: Kind) -> Json:
    if kind == "read":
        return dict(request.query_params)
    try:
        body = await request.json()
    except ValueError:
        raise BadParameter("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadParameter("the body must be an object")
    return body


def _page(elements: list[Json], asked: Json) -> Json:
    size = min(int(asked.get("page_size", 10)), LARGEST_PAGE)
    page = int(asked.get("page", 1))
    info = {
        "page": page,
        "page_size": size,
        "total_number": len(elements),
        "total_page": max(ceil(len(elements) / size), 1),
    }
    return {"list": elements[(page - 1) * size : page * size], "page_info": info}


def _json_of(asked: Json, name: str) -> list[Any]:
    try:
        found = json.loads(asked[name])
    except (KeyError, ValueError):
        raise BadParameter(f"{name}: a JSON list is needed") from None
    if not isinstance(found, list):
        raise BadParameter(f"{name}: a JSON list is needed")
    return found


def _day(asked: Json, name: str) -> date:
    try:
        return date.fromisoformat(asked[name])
    except (KeyError, ValueError):
        raise BadParameter(f"{name}: a date such as 2025-03-31 is needed") from None
