"""The interface's addresses, headers and failures, and the sign-in service.

https://learn.microsoft.com/en-us/advertising/guides/ (REST, operation error codes, OAuth tokens)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulations.emulators.account import Ad, Campaign
from simulations.emulators.faults import Fault, Kind
from simulations.emulators.microsoft import books, reports
from simulations.emulators.microsoft.books import Json, Refused
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HttpServer, Lost

ACCESS_TOKEN: Final = "emulated-access-token"  # noqa: S105 - nobody else's
TOKEN_SECONDS: Final = 3600

_CAMPAIGNS: Final = "/CampaignManagement/v13"
_REPORTS: Final = "/Reporting/v13/GenerateReport"


def start(setup: Setup) -> HttpServer:
    """Serve Microsoft's services and its sign-in over an account.

    Any developer token and any refresh token are taken; the access token is the one that the sign-in gives.

    Raises:
        OSError: The port is taken.
        AskMarketer: The emulator has no name for the account's zone.
    """
    books.account_json(setup.account)
    return HttpServer(application(setup), setup.port)


def application(setup: Setup, shared: Collection[int] = (), performance_max: Collection[int] = ()) -> Starlette:
    """Return the application.

    Args:
        setup: What stands behind it.
        shared: Indices of campaigns that draw on one budget together.
        performance_max: Indices of campaigns that are of this type: nothing is told below them.
    """
    desk = _Desk(setup, frozenset(shared), frozenset(performance_max))
    return Starlette(
        routes=[
            Route("/{tenant}/oauth2/v2.0/token", desk.signed_in, methods=["POST"]),
            _post("/CustomerManagement/v13/Account/Query", desk.answers("read", desk.account)),
            _post(f"{_CAMPAIGNS}/Campaigns/QueryByAccountId", desk.answers("read", desk.campaigns)),
            _post(f"{_CAMPAIGNS}/AdGroups/QueryByCampaignId", desk.answers("read", desk.ad_groups)),
            _post(f"{_CAMPAIGNS}/Ads/QueryByAdGroupId", desk.answers("read", desk.ads)),
            Route(f"{_CAMPAIGNS}/Campaigns", desk.answers("write", desk.set_campaigns), methods=["PUT"]),
            Route(f"{_CAMPAIGNS}/Ads", desk.answers("write", desk.set_ads), methods=["PUT"]),
            _post(f"{_REPORTS}/Submit", desk.answers("read", desk.submit)),
            _post(f"{_REPORTS}/Poll", desk.answers("read", desk.poll)),
            Route("/files/{report}", desk.file),
        ]
    )


class _Desk:
    def __init__(self, setup: Setup, shared: frozenset[int], whole: frozenset[int]) -> None:
        self._of, self._faults = setup.account, setup.faults
        self._shared, self._whole = shared, whole
        self._requests = 0
        self._reports: dict[str, tuple[reports.Asked, list[str]]] = {}

    def answers(self, kind: Kind, act: Callable[[Json, Request], Json]) -> Callable[[Request], Any]:
        """Return an endpoint that meets faults, reads the request, acts and answers."""

        async def endpoint(request: Request) -> Response:
            fault = self._faults.next(kind)
            if fault is Fault.LOST_BEFORE:
                return Lost()
            self._requests += 1
            headers = {"TrackingId": f"emulated-{self._requests}"}
            if fault is Fault.SLOW:
                await asyncio.sleep(self._faults.slow_seconds)
            try:
                _before(fault, request)
                answer = act(await _read(request), request)
            except Refused as refused:
                return _refusal(refused, headers)
            return Lost() if fault is Fault.LOST_AFTER else JSONResponse(answer, headers=headers)

        return endpoint

    async def signed_in(self, request: Request) -> Response:
        """Give an access token for any refresh token, and a new one of these."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "refresh_token" or not form.get("client_id"):
            told = {"error": "invalid_request", "error_description": "AADSTS900144: a parameter is missing"}
            return JSONResponse(told, 400)
        if not form.get("refresh_token"):
            told = {"error": "invalid_grant", "error_description": "AADSTS70000: the refresh token is not valid"}
            return JSONResponse(told, 400)
        return JSONResponse(
            {
                "token_type": "Bearer",
                "scope": "https://ads.microsoft.com/msads.manage",
                "expires_in": TOKEN_SECONDS,
                "access_token": ACCESS_TOKEN,
                "refresh_token": "emulated-refresh-token",
            }
        )

    async def file(self, request: Request) -> Response:
        """Give the file of a report, as the store does whose address was signed: no token is asked for."""
        fault = self._faults.next("read")
        if fault is Fault.LOST_BEFORE:
            return Lost()
        if fault is Fault.SLOW:
            await asyncio.sleep(self._faults.slow_seconds)
        if fault in (Fault.THROTTLED, Fault.BROKEN):
            return Response("<Error><Code>ServerBusy</Code></Error>", 503, media_type="application/xml")
        known = self._reports.get(request.path_params["report"])
        if fault is Fault.EXPIRED or known is None:
            return Response("<Error><Code>AuthenticationFailed</Code></Error>", 403, media_type="application/xml")
        return Response(reports.packed(self._of, known[0], self._whole) or b"", media_type="application/zip")

    def account(self, asked: Json, request: Request) -> Json:
        self._require_ours(asked.get("AccountId"))
        return {"Account": books.account_json(self._of)}

    def campaigns(self, asked: Json, request: Request) -> Json:
        self._require_ours(asked.get("AccountId"))
        # Search campaigns alone, unless other types are asked for by name.
        wanted = {one.strip() for one in str(asked.get("CampaignType") or "Search").split(",")}
        listed = self._of.campaigns()
        together = self._together(listed)
        return {
            "Campaigns": [
                books.campaign_json(self._of, one, self._type_of(one), together if one.index in self._shared else None)
                for one in listed
                if self._type_of(one) in wanted
            ]
        }

    def ad_groups(self, asked: Json, request: Request) -> Json:
        campaign = self._campaign(asked.get("CampaignId"))
        if campaign.index in self._whole:
            raise Refused(400, 1100, "CampaignServiceInvalidCampaignId", "The emulator tells nothing below it.")
        return {"AdGroups": books.ad_groups_json([ad for ad in self._of.ads() if ad.campaign == campaign.index])}

    def ads(self, asked: Json, request: Request) -> Json:
        if not asked.get("AdTypes"):
            raise Refused(400, 100, "NullRequest", "AdTypes are needed.")
        found = self._ads_of(asked.get("AdGroupId"))
        return {"Ads": [books.ad_json(ad) for ad in found if "ResponsiveSearch" in asked["AdTypes"]]}

    def set_campaigns(self, asked: Json, request: Request) -> Json:
        self._require_ours(asked.get("AccountId"))
        return _each(asked.get("Campaigns"), self._set_campaign)

    def set_ads(self, asked: Json, request: Request) -> Json:
        found = self._ads_of(asked.get("AdGroupId"))
        return _each(asked.get("Ads"), lambda wanted: self._set_ad(found, wanted))

    def submit(self, asked: Json, request: Request) -> Json:
        number = f"report{len(self._reports) + 1}"
        self._reports[number] = (reports.read(asked.get("ReportRequest") or {}, self._of), ["Pending"])
        return {"ReportRequestId": number}

    def poll(self, asked: Json, request: Request) -> Json:
        """A report is pending when it is first asked for, and made then."""
        number = str(asked.get("ReportRequestId"))
        if number not in self._reports:
            raise Refused(400, 2100, "ReportingServiceInvalidReportId", "The report identifier is not valid.")
        report, before = self._reports[number]
        if before:
            return {"ReportRequestStatus": {"Status": before.pop(), "ReportDownloadUrl": None}}
        some = reports.packed(self._of, report, self._whole) is not None
        address = f"{request.url.scheme}://{request.url.netloc}/files/{number}" if some else None
        return {"ReportRequestStatus": {"Status": "Success", "ReportDownloadUrl": address}}

    def _set_campaign(self, wanted: Json) -> None:
        one = self._campaign(wanted.get("Id"))
        if one.index in self._shared:
            raise Refused(200, 1159, "CampaignServiceCannotUpdateSharedBudget", "Use the Budget entity.")
        self._of.set_budget(one.index, books.budget_micros(self._of, wanted.get("DailyBudget")))

    def _set_ad(self, group: list[Ad], wanted: Json) -> None:
        found = [ad for ad in group if str(ad.ad_id) == wanted.get("Id")]
        if not found or wanted.get("Status") not in ("Active", "Paused"):
            raise Refused(200, 1300, "CampaignServiceInvalidAdId", "The ad or its status is not valid.")
        self._of.switch(found[0].index, wanted["Status"] == "Active")

    def _type_of(self, campaign: Campaign) -> str:
        if campaign.index in self._whole:
            return "PerformanceMax"
        return "Search" if campaign.channel == "search" else "Audience"

    def _together(self, listed: tuple[Campaign, ...]) -> Json | None:
        drawing = [one for one in listed if one.index in self._shared]
        return books.budget_json(drawing) if drawing else None

    def _campaign(self, number: object) -> Campaign:
        found = [one for one in self._of.campaigns() if str(one.campaign_id) == number]
        if not found:
            raise Refused(400, 1100, "CampaignServiceInvalidCampaignId", "The Campaign.Id is not valid.")
        return found[0]

    def _ads_of(self, group: object) -> list[Ad]:
        found = [ad for ad in self._of.ads() if str(ad.ad_group_id) == group]
        if not found:
            raise Refused(400, 1201, "CampaignServiceInvalidAdGroupId", "The ad group ID is not valid.")
        return found

    def _require_ours(self, account_id: object) -> None:
        if account_id != str(self._of.account_id):
            raise Refused(403, 106, "UserIsNotAuthorized", "The user is not authorized to perform this action.")


def _post(path: str, endpoint: Callable[[Request], Any]) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _before(fault: Fault | None, request: Request) -> None:
    """Fail as the platform does before it takes a request up."""
    if fault is Fault.BROKEN:
        raise Refused(500, 0, "InternalError", "An internal error has occurred.")
    if fault is Fault.THROTTLED:
        raise Refused(
            429, 117, "CallRateExceeded", "You have exceeded the number of calls that you are allowed to make."
        )
    if fault is Fault.EXPIRED or request.headers.get("authorization") != f"Bearer {ACCESS_TOKEN}":
        raise Refused(401, 109, "AuthenticationTokenExpired", "Authentication token expired. Please renew it.")
    if not request.headers.get("developertoken"):
        raise Refused(401, 105, "InvalidCredentials", "Authentication failed.")
    if not request.headers.get("customerid") or not request.headers.get("customeraccountid"):
        raise Refused(400, 116, "RequestMissingHeaders", "A header is missing.")


async def _read(request: Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        raise Refused(400, 100, "NullRequest", "The request message is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, 100, "NullRequest", "The request message is null.")
    return body


def _each(wanted: object, act: Callable[[Json], None]) -> Json:
    """Set each; those that are refused are told by their index in an answer that is HTTP 200."""
    if not isinstance(wanted, list) or not wanted:
        raise Refused(400, 100, "NullRequest", "What is to be set is missing.")
    errors: list[Json] = []
    for index, one in enumerate(wanted):
        try:
            act(one)
        except Refused as refused:
            errors.append({**_error(refused), "Index": index, "Type": "BatchError"})
    return {"PartialErrors": errors}


def _error(refused: Refused) -> Json:
    return {"Code": refused.code, "ErrorCode": refused.symbol, "Message": refused.message, "Detail": None}


def _refusal(refused: Refused, headers: dict[str, str]) -> Response:
    body = {"TrackingId": headers["TrackingId"], "Type": "AdApiFaultDetail", "Errors": [_error(refused)]}
    return JSONResponse(body, refused.status, headers)
