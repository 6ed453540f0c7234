"""The interface's addresses, its pace and its failures.

https://success.awin.com/articles/en_US/Knowledge/Publisher-API-GET-transactions-list
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.money import Money
from simulations.emulators.account import Account
from simulations.emulators.awin.sales import Sale, sales
from simulations.emulators.faults import Fault
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HttpServer, Lost

CALLS_A_MINUTE = 20

LONGEST: Final = timedelta(days=31)
_ZONES: Final = frozenset(
    {
        "UTC",
        *(f"Europe/{city}" for city in ("Berlin", "Paris", "London", "Dublin")),
        *(f"Canada/{part}" for part in ("Eastern", "Central", "Mountain", "Pacific")),
        *(f"US/{part}" for part in ("Eastern", "Central", "Mountain", "Pacific")),
    }
)


def start(setup: Setup) -> HttpServer:
    """Serve Awin's interface over an account; any bearer token is taken.

    Raises:
        OSError: The port is taken.
    """
    return HttpServer(application(setup), setup.port)


def application(setup: Setup) -> Starlette:
    """Return the application."""
    desk = _Desk(setup)
    return Starlette(
        routes=[
            Route("/accounts", desk.answers(desk.accounts)),
            Route("/advertisers/{advertiser:int}/publishers", desk.answers(desk.publishers)),
            Route("/advertisers/{advertiser:int}/transactions/", desk.answers(desk.transactions)),
        ]
    )


class _Refused(Exception):  # noqa: N818 - it is the request that is refused
    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.body = status, {"error": error, "description": description}


class _Desk:
    def __init__(self, setup: Setup) -> None:
        self._of, self._faults = setup.account, setup.faults
        self._calls: deque[float] = deque()

    def answers(self, act: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Return an endpoint that meets faults and keeps the pace."""

        async def endpoint(request: Request) -> Response:
            fault = self._faults.next("read")
            if fault is Fault.LOST_BEFORE:
                return Lost()
            if fault is Fault.SLOW:
                await asyncio.sleep(self._faults.slow_seconds)
            try:
                self._before(fault, request)
                return JSONResponse(act(request))
            except _Refused as refused:
                return JSONResponse(refused.body, refused.status, self._hint(fault))

        return endpoint

    def accounts(self, request: Request) -> Any:
        mine = {
            "accountId": self._of.account_id,
            "accountName": self._of.name,
            "accountType": "advertiser",
            "userRole": "ROLE_OWNER",
        }
        return {"userId": 1, "accounts": [mine]}

    def publishers(self, request: Request) -> Any:
        self._require_ours(request)
        return [{"id": one.campaign_id, "name": one.name} for one in self._of.campaigns()]

    def transactions(self, request: Request) -> Any:
        self._require_ours(request)
        query = request.query_params
        since, until = _instant(query.get("startDate")), _instant(query.get("endDate"))
        if until - since > LONGEST:
            raise _Refused(400, "Bad Request", "The date range must not be longer than 31 days")
        if query.get("timezone") not in _ZONES:
            raise _Refused(400, "Bad Request", "timezone is mandatory, and one of those documented")
        wanted = query.get("status")
        found = sales(self._of, since.date(), until.date())
        return [_json(self._of, sale) for sale in found if wanted is None or sale.status == wanted]

    def _before(self, fault: Fault | None, request: Request) -> None:
        if fault is Fault.BROKEN:
            raise _Refused(500, "Internal Server Error", "Internal Server Error")
        if fault is Fault.EXPIRED or not request.headers.get("authorization", "").startswith("Bearer "):
            raise _Refused(401, "invalid_token", "The access token is invalid")
        if fault is Fault.THROTTLED or self._too_many():
            raise _Refused(429, "Too Many Requests", "The limit of 20 API calls per minute per user was exceeded")

    def _too_many(self) -> bool:
        now = time.monotonic()
        while self._calls and self._calls[0] <= now - 60:
            self._calls.popleft()
        if len(self._calls) >= CALLS_A_MINUTE:
            return True
        self._calls.append(now)
        return False

    def _hint(self, fault: Fault | None) -> dict[str, str]:
        """How long a scripted throttle lasts; the network itself gives no hint."""
        return {"Retry-After": str(self._faults.retry_after_seconds)} if fault is Fault.THROTTLED else {}

    def _require_ours(self, request: Request) -> None:
        if request.path_params["advertiser"] != self._of.account_id:
            raise _Refused(403, "Forbidden", "The user has no role at this advertiser")


def _json(account: Account, sale: Sale) -> dict[str, Any]:
    return {
        "id": sale.number,
        "advertiserId": account.account_id,
        "publisherId": sale.publisher_id,
        "commissionStatus": sale.status,
        "commissionAmount": _money(sale.commission, account.currency),
        "saleAmount": _money(sale.sale, account.currency),
        "transactionDate": f"{sale.day}T12:00:00",
        "type": "Commission group transaction",
    }


def _money(micros: int, currency: str) -> dict[str, Any]:
    return {"amount": float(Money(micros, currency).amount), "currency": currency}


def _instant(text: str | None) -> datetime:
    try:
        return datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - its zone is another parameter
    except ValueError:
        raise _Refused(400, "Bad Request", f"{text!r} is not yyyy-MM-ddThh:mm:ss") from None
