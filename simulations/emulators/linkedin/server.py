"""The interface's addresses, headers and failures.

https://learn.microsoft.com/en-us/linkedin/marketing/ (versions, campaigns, creatives, reporting, error handling)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulations.emulators.account import Account, Change
from simulations.emulators.faults import Fault, Kind
from simulations.emulators.linkedin import books
from simulations.emulators.linkedin.books import Json, Refused
from simulations.emulators.linkedin.restli import BadQuery, dates, listed, number_of
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HttpServer, Lost

OLDEST_VERSION: Final = "202511"
"""Older versions are no longer served."""

LARGEST_PAGE: Final = 1000


def start(setup: Setup) -> HttpServer:
    """Serve LinkedIn's interface over an account; its market's days are taken for UTC days.

    Any bearer token is taken.

    Raises:
        OSError: The port is taken.
    """
    return HttpServer(application(setup), setup.port)


def application(setup: Setup, *, role: str = "ACCOUNT_MANAGER") -> Starlette:
    """Return the application.

    Args:
        setup: What stands behind it.
        role: Of the token's member on the account, such as `VIEWER`.
    """
    desk = _Desk(setup, role)
    account = "/rest/adAccounts/{account:int}"
    return Starlette(
        routes=[
            Route(account, desk.answers("read", desk.account)),
            Route(f"{account}/adCampaigns", desk.answers("read", desk.campaigns)),
            Route(f"{account}/adCampaigns/{{campaign:int}}", desk.answers("read", desk.campaign)),
            Route(
                f"{account}/adCampaigns/{{campaign:int}}", desk.answers("write", desk.set_campaign), methods=["POST"]
            ),
            Route(f"{account}/creatives", desk.answers("read", desk.creatives)),
            Route(f"{account}/creatives/{{creative}}", desk.answers("read", desk.creative)),
            Route(f"{account}/creatives/{{creative}}", desk.answers("write", desk.set_creative), methods=["POST"]),
            Route("/rest/adAccountUsers", desk.answers("read", desk.roles)),
            Route("/rest/adAnalytics", desk.answers("read", desk.analytics)),
        ]
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, read."""

    query: dict[str, str]
    path: dict[str, Any]
    patch: dict[str, Any] = field(default_factory=dict)


class _Desk:
    def __init__(self, setup: Setup, role: str) -> None:
        self._of, self._faults, self._role = setup.account, setup.faults, role
        self._requests = 0

    def answers(self, kind: Kind, act: Callable[[_Asked], Json | None]) -> Callable[[Request], Any]:
        """Return an endpoint that meets faults, reads the request, acts and answers."""

        async def endpoint(request: Request) -> Response:
            fault = self._faults.next(kind)
            self._requests += 1
            headers = {"x-li-uuid": f"emulated-{self._requests}"}
            if fault is Fault.LOST_BEFORE:
                return Lost()
            if fault is Fault.SLOW:
                await asyncio.sleep(self._faults.slow_seconds)
            try:
                _before(fault, request)
                asked = await _read(request, kind)
                if fault is Fault.EMPTY_PAGE and "pageSize" in asked.query:
                    return JSONResponse(_empty_page(asked), headers=headers)
                answer = act(asked)
            except Refused as refused:
                return _refusal(refused, headers)
            except BadQuery as error:
                return _refusal(Refused(400, "PARAM_INVALID", str(error)), headers)
            if fault is Fault.LOST_AFTER:
                return Lost()
            return (
                Response(status_code=204, headers=headers) if answer is None else JSONResponse(answer, headers=headers)
            )

        return endpoint

    def account(self, asked: _Asked) -> Json:
        return books.account_json(self._account(asked))

    def roles(self, asked: _Asked) -> Json:
        if asked.query.get("q") != "authenticatedUser":
            raise BadQuery("the emulator knows q=authenticatedUser alone")
        return {"elements": [books.role_json(self._of, self._role)], "paging": {"start": 0, "count": 10, "links": []}}

    def campaigns(self, asked: _Asked) -> Json:
        self._account(asked)
        changes = self._of.budget_changes()
        return _page(
            [books.campaign_json(self._of, one, _changes(changes, one.index)) for one in self._of.campaigns()], asked
        )

    def campaign(self, asked: _Asked) -> Json:
        self._account(asked)
        one = self._campaign(asked.path["campaign"])
        return books.campaign_json(self._of, one, _changes(self._of.budget_changes(), one.index))

    def set_campaign(self, asked: _Asked) -> None:
        account = self._account(asked)
        self._require_role(books.MANAGING)
        one = self._campaign(asked.path["campaign"])
        if asked.patch.keys() != {"dailyBudget"}:
            raise Refused(400, "FIELD_INVALID", "the emulator sets dailyBudget alone")
        micros = books.budget_micros(account, asked.patch, account.least_budget)
        account.set_budget(one.index, micros)

    def creatives(self, asked: _Asked) -> Json:
        self._account(asked)
        return _page([self._creative_json(ad) for ad in self._of.ads()], asked)

    def creative(self, asked: _Asked) -> Json:
        self._account(asked)
        return self._creative_json(self._creative(asked.path["creative"]))

    def set_creative(self, asked: _Asked) -> None:
        account = self._account(asked)
        self._require_role(books.MANAGING | {"CREATIVE_MANAGER"})
        ad = self._creative(asked.path["creative"])
        wanted = asked.patch.get("intendedStatus")
        if asked.patch.keys() != {"intendedStatus"} or wanted not in ("ACTIVE", "PAUSED"):
            raise Refused(400, "FIELD_INVALID", "the emulator sets intendedStatus alone, to ACTIVE or PAUSED")
        account.switch(ad.index, wanted == "ACTIVE")

    def analytics(self, asked: _Asked) -> Json:
        query = asked.query
        since, until = dates(_needed(query, "dateRange"), self._of.today)
        pivots = listed(query["pivots"]) if query.get("q") == "statistics" else (_needed(query, "pivot"),)
        asked_of = {number_of(urn, "sponsoredAccount") for urn in listed(_needed(query, "accounts"))}
        daily = _needed(query, "timeGranularity") == "DAILY"
        # Whose figures the token may not read are left out, without a word.
        lines = self._of.lines(since, until) if self._of.account_id in asked_of else ()
        fields = [name for name in query.get("fields", "").split(",") if name]
        elements = books.analytics(lines, pivots, fields, len(self._of.kinds), daily)
        return {"paging": {"start": 0, "count": 10, "links": []}, "elements": elements}

    def _account(self, asked: _Asked) -> Account:
        if asked.path["account"] != self._of.account_id:
            raise Refused(403, "ACCESS_DENIED", "Not enough permissions to access this ad account")
        return self._of

    def _require_role(self, roles: Collection[str]) -> None:
        if self._role not in roles:
            raise Refused(403, "ACCESS_DENIED", "Not enough permissions to edit this entity")

    def _campaign(self, number: int) -> Any:
        found = [one for one in self._of.campaigns() if one.campaign_id == number]
        if not found:
            raise Refused(404, "NOT_FOUND", f"Could not find entity {number}")
        return found[0]

    def _creative(self, urn: str) -> Any:
        number = number_of(urn, "sponsoredCreative")
        found = [ad for ad in self._of.ads() if ad.ad_id == number]
        if not found:
            raise Refused(404, "NOT_FOUND", f"Could not find entity {urn}")
        return found[0]

    def _creative_json(self, ad: Any) -> Json:
        made = [change for change in self._of.status_changes() if change.index == ad.index]
        return books.creative_json(self._of, ad, int(made[-1].at.timestamp() * 1000) if made else 0)


def _before(fault: Fault | None, request: Request) -> None:
    """Fail as the platform does before it takes a request up."""
    if fault is Fault.BROKEN:
        raise Refused(500, "INTERNAL_SERVER_ERROR", "Internal Server Error")
    if fault is Fault.THROTTLED:
        raise Refused(429, "TOO_MANY_REQUESTS", "Resource level throttle APPLICATION DAY limit for calls is reached.")
    if fault is Fault.EXPIRED or not request.headers.get("authorization", "").startswith("Bearer "):
        raise Refused(401, "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired")
    version = request.headers.get("linkedin-version", "")
    if not version:
        raise Refused(400, "VERSION_MISSING", "A version must be present. Please specify a version.")
    if not OLDEST_VERSION <= version <= "999912":
        raise Refused(426, "NONEXISTENT_VERSION", f"Requested version {version} is not active")


async def _read(request: Request, kind: Kind) -> _Asked:
    query, path = dict(request.query_params), dict(request.path_params)
    if kind == "read":
        return _Asked(query, path)
    if request.headers.get("x-restli-method", "").upper() != "PARTIAL_UPDATE":
        raise Refused(400, "ILLEGAL_ARGUMENT", "X-RestLi-Method must be PARTIAL_UPDATE")
    try:
        patch = (await request.json())["patch"]["$set"]
    except (ValueError, KeyError, TypeError):
        raise Refused(400, "BAD_REQUEST", 'the body must be {"patch": {"$set": {...}}}') from None
    if not isinstance(patch, dict):
        raise Refused(400, "BAD_REQUEST", "$set must be an object")
    return _Asked(query, path, patch)


def _page(elements: list[Json], asked: _Asked) -> Json:
    size = min(int(asked.query.get("pageSize", "100")), LARGEST_PAGE)
    first = _first(asked)
    metadata = {"nextPageToken": f"p{first + size}"} if first + size < len(elements) else {}
    return {"elements": elements[first : first + size], "metadata": metadata}


def _empty_page(asked: _Asked) -> Json:
    """A page without elements, after which the same ones follow."""
    return {"elements": [], "metadata": {"nextPageToken": f"p{_first(asked)}"}}


def _first(asked: _Asked) -> int:
    token = asked.query.get("pageToken", "p0").removeprefix("p")
    if not token.isdigit():
        raise Refused(400, "PARAM_INVALID", "pageToken is not one of ours")
    return int(token)


def _changes(changes: tuple[Change, ...], index: int) -> int:
    return sum(change.index == index for change in changes)


def _needed(query: dict[str, str], name: str) -> str:
    if name not in query:
        raise BadQuery(f"parameter {name} is missing")
    return query[name]


def _refusal(refused: Refused, headers: dict[str, str]) -> Response:
    body = {"status": refused.status, "code": refused.code, "message": refused.message}
    return JSONResponse(body, refused.status, headers)
