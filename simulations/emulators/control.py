"""Behind an emulator's back: let days pass, script faults, edit as a person on the platform, read the true books.

A small JSON interface over HTTP beside every emulator, so that a test in any language can direct it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from functools import wraps
from json import JSONDecodeError
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from connectors.errors import AskMarketer
from simulations.emulators.account import Account, Change
from simulations.emulators.faults import Fault, Faults

_REFUSED: Final = 400


class _Wrong(ValueError):  # noqa: N818 - it is the request that is wrong
    """What was asked cannot be done; the message says what to send instead."""


def control(account: Account, faults: Faults) -> Starlette:
    """Return the application that directs an emulator.

    | request | what it does |
    |---|---|
    | `GET /state` | today, ids, campaigns, ads, how many requests came and which faults met them |
    | `GET /books?since=DAY&until=DAY` | what the market holds of those days as it is reported today |
    | `GET /changes` | every change of a budget or an ad, oldest first |
    | `POST /advance` `{"days": 1}` | days pass under the live budgets |
    | `POST /faults` `{"kind": "write", "faults": ["lost_after", null]}` | the next requests go so, in order |
    | `POST /budget` `{"campaign_id": 1, "micros": 5000000}` | a person changes a budget |
    | `POST /ad` `{"ad_id": 1, "active": false}` | a person pauses or resumes an ad |
    """
    desk = _Desk(account, faults)
    return Starlette(
        routes=[
            Route("/state", _answered(desk.state)),
            Route("/books", _answered(desk.books)),
            Route("/changes", _answered(desk.changes)),
            Route("/advance", _answered(desk.advance), methods=["POST"]),
            Route("/faults", _answered(desk.script), methods=["POST"]),
            Route("/budget", _answered(desk.budget), methods=["POST"]),
            Route("/ad", _answered(desk.ad), methods=["POST"]),
        ]
    )


class _Desk:
    def __init__(self, account: Account, faults: Faults) -> None:
        self._account, self._faults = account, faults

    def state(self, asked: dict[str, Any]) -> dict[str, Any]:
        account = self._account
        return {
            "account_id": account.account_id,
            "currency": account.currency,
            "time_zone": account.time_zone,
            "today": account.today.isoformat(),
            "now": account.now.isoformat(),
            "campaigns": [_plain(asdict(campaign)) for campaign in account.campaigns()],
            "ads": [asdict(ad) for ad in account.ads()],
            "requests": dict(self._faults.requests),
            "faults": {fault.value: met for fault, met in self._faults.met.items()},
        }

    def books(self, asked: dict[str, Any]) -> dict[str, Any]:
        since, until = _day(asked, "since"), _day(asked, "until")
        return {
            "lines": [
                {
                    "date": line.day.isoformat(),
                    "campaign_id": line.ad.campaign_id,
                    "ad_group_id": line.ad.ad_group_id,
                    "ad_id": line.ad.ad_id,
                    "conversion": self._account.kinds[line.kind],
                    "spend_micros": line.spend,
                    "conversions_micros": line.conversions,
                    "value_micros": line.value,
                    "impressions_micros": line.impressions,
                    "clicks_micros": line.clicks,
                }
                for line in self._account.lines(since, until)
            ]
        }

    def changes(self, asked: dict[str, Any]) -> dict[str, Any]:
        account = self._account
        return {"budgets": [*map(_change, account.budget_changes())], "ads": [*map(_change, account.status_changes())]}

    def advance(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._account.advance(_whole(asked, "days"))
        return {"today": self._account.today.isoformat()}

    def script(self, asked: dict[str, Any]) -> dict[str, Any]:
        kind, names = asked.get("kind"), asked.get("faults")
        if kind not in ("read", "write") or not isinstance(names, list):
            raise _Wrong('send {"kind": "read" or "write", "faults": [a name or null, ...]}')
        self._faults.script(kind, *[None if name is None else Fault(name) for name in names])
        return {"scripted": len(names)}

    def budget(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted, micros = _whole(asked, "campaign_id"), _whole(asked, "micros")
        found = [campaign for campaign in self._account.campaigns() if campaign.campaign_id == wanted]
        if not found or micros < 0:
            raise _Wrong(f"there is no campaign {wanted}, or the budget is negative; GET /state lists them")
        return _change(self._account.set_budget(found[0].index, micros, by="hand"))

    def ad(self, asked: dict[str, Any]) -> dict[str, Any]:
        wanted, active = _whole(asked, "ad_id"), asked.get("active")
        found = [ad for ad in self._account.ads() if ad.ad_id == wanted]
        if not found or not isinstance(active, bool):
            raise _Wrong(f"there is no ad {wanted}, or active is neither true nor false; GET /state lists them")
        return _change(self._account.switch(found[0].index, active, by="hand"))


def _answered(act: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Request], Any]:
    @wraps(act)
    async def endpoint(request: Request) -> JSONResponse:
        try:
            asked = await request.json() if request.method == "POST" else dict(request.query_params)
            if not isinstance(asked, dict):
                raise _Wrong("send one JSON object")
            return JSONResponse(act(asked))
        except JSONDecodeError:
            return JSONResponse({"error": "the body is not JSON"}, _REFUSED)
        except (ValueError, AskMarketer) as error:
            return JSONResponse({"error": str(error)}, _REFUSED)

    return endpoint


def _day(asked: dict[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(asked[name])
    except (KeyError, ValueError):
        raise _Wrong(f"{name} must be a day, as in {name}=2025-03-31") from None


def _whole(asked: dict[str, Any], name: str) -> int:
    value = asked.get(name)
    if type(value) is not int:
        raise _Wrong(f"{name} must be a whole number")
    return value


def _change(change: Change) -> dict[str, Any]:
    return _plain(asdict(change))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
