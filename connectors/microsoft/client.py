"""Calls to Microsoft's services through its own library, and what their failures mean to the caller.

Failures have a number besides the HTTP status, and a change that was refused comes as HTTP 200 with `PartialErrors`.
https://learn.microsoft.com/en-us/advertising/guides/operation-error-codes
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final, Literal

import urllib3

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, ConnectorError, OutcomeUnknown, RetryLater, Stop
from connectors.manners import Quota, TokenRefused, once_anew, patiently
from connectors.microsoft.library import ApiException, opened
from connectors.microsoft.options import Options
from connectors.microsoft.signing import SignIn

Json = dict[str, Any]
Service = Literal["campaign", "reporting", "clientcenter"]

SERVICES: Final[tuple[Service, ...]] = ("campaign", "reporting", "clientcenter")

_SIGN_IN: Final = "https://login.microsoftonline.com"
_FAULTS: Final = ("Errors", "OperationErrors", "BatchErrors")

_INTERNAL: Final = 0
_CREDENTIAL: Final = frozenset({105, 109, 120, 122})
_PERMISSION: Final = frozenset({106, 108})
_THROTTLED: Final = frozenset({117, 207})


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the connector signs in with; the client's secret is empty for a public client."""

    developer_token: str
    client_secret: str
    refresh_token: str


class Client:
    """Speaks to three services for one user; reads are made again, a write is sent once.

    Args:
        options: Addresses, ids and times.
        secrets: What to sign in with.
        quota: What the day's requests are counted against.
        redactor: Knows the secrets.
    """

    def __init__(self, options: Options, secrets: Secrets, quota: Quota, redactor: Redactor) -> None:
        headers = {"DeveloperToken": secrets.developer_token, "CustomerId": options.customer}
        self._services = {one: opened(options.address or _host(one), headers) for one in SERVICES}
        form = {"client_id": options.client_id, "refresh_token": secrets.refresh_token}
        if secrets.client_secret:
            form["client_secret"] = secrets.client_secret
        where = f"{options.address or _SIGN_IN}/{options.tenant}/oauth2/v2.0/token"
        self._sign_in = SignIn(where, form, options.timeout_seconds, redactor)
        self._timeout = (options.timeout_seconds, options.timeout_seconds)
        self._pause = options.pause_seconds
        self._quota = quota
        self._redactor = redactor

    def read(self, service: Service, path: str, account_id: str, asked: Json) -> Json:
        """Return what a query of a service answers; its amounts are Decimals.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        return once_anew(lambda: patiently(lambda: self._read(service, path, account_id, asked)))

    def update(self, path: str, account_id: str, change: Json) -> str:
        """Send a change of campaign management, once, and return the request's id.

        Raises:
            OutcomeUnknown: The answer was lost, or the platform failed: the change may stand.
            RetryLater, AskMarketer, Stop: Nothing was done.
        """
        token = self._token()
        try:
            answer, headers = self._called("campaign", "PUT", path, account_id, change, token)
        except urllib3.exceptions.NewConnectionError:
            raise RetryLater("Microsoft cannot be reached; nothing was sent") from None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise OutcomeUnknown(f"Microsoft's answer to a change was lost ({type(error).__name__})") from None
        except ApiException as error:
            raise self._fault(error, written=True) from None
        if refused := [one for one in answer.get("PartialErrors") or () if one]:
            raise self._judged(HTTPStatus.OK, refused, written=True)
        return str(headers.get("TrackingId", ""))

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._sign_in.close()
        for api in self._services.values():
            api.rest_client.pool_manager.clear()

    def _read(self, service: Service, path: str, account_id: str, asked: Json) -> Json:
        token = self._token()
        try:
            answer, _ = self._called(service, "POST", path, account_id, asked, token)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise RetryLater(f"Microsoft's answer was lost ({type(error).__name__})") from None
        except ApiException as error:
            raise self._fault(error, written=False) from None
        if refused := [one for one in answer.get("PartialErrors") or () if one]:
            raise self._judged(HTTPStatus.OK, refused, written=False)
        return answer

    def _token(self) -> str:
        token = self._sign_in.token()
        self._quota.spend()
        return token

    def _called(
        self, service: Service, method: str, path: str, account_id: str, body: Json, token: str
    ) -> tuple[Json, Any]:
        api = self._services[service]
        headers = {
            "Authorization": f"Bearer {token}",
            "CustomerAccountId": account_id,
            "Content-Type": "application/json",
        }
        sent = api.param_serialize(method, path, header_params=headers, body=body)
        answer = api.call_api(*sent, _request_timeout=self._timeout)
        data = answer.read()
        if answer.status != HTTPStatus.OK:
            raise ApiException(status=answer.status, body=data.decode(errors="replace"))
        found = json.loads(data, parse_float=Decimal)
        if not isinstance(found, dict):
            raise ValueError("not an object")
        return found, answer.getheaders()

    def _fault(self, error: ApiException, *, written: bool) -> ConnectorError:
        try:
            body = json.loads(error.body or "{}")
        except ValueError:
            body = {}
        found = [one for name in _FAULTS for one in (body.get(name) if isinstance(body, dict) else None) or () if one]
        return self._judged(int(error.status or HTTPStatus.INTERNAL_SERVER_ERROR), found, written=written)

    def _judged(self, status: int, faults: Iterable[Json], *, written: bool) -> ConnectorError:
        """Return what a refusal means, by its numbers first and its status else."""
        told = list(faults)
        codes = {int(one.get("Code", -1)) for one in told}
        words = "; ".join(f"{one.get('Code')} {one.get('ErrorCode') or ''}: {one.get('Message')}" for one in told)
        shown = self._redactor.clean(f"HTTP {status}, {words}" if words else f"HTTP {status}")
        if codes & _THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
            return RetryLater(f"Microsoft turns requests away ({shown})", retry_after_seconds=self._pause)
        if codes & _PERMISSION or status == HTTPStatus.FORBIDDEN:
            return AskMarketer(
                f"Microsoft does not allow this ({shown})",
                mend="give the user a role on the account: viewer to read, campaign manager to write",
            )
        if codes & _CREDENTIAL or status == HTTPStatus.UNAUTHORIZED:
            self._sign_in.forget()
            return TokenRefused(
                f"Microsoft refuses the credentials ({shown})",
                mend="compare the developer token, and sign in again for a new refresh token",
            )
        if _INTERNAL in codes or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return OutcomeUnknown(f"Microsoft failed at a change ({shown})") if written else RetryLater(shown)
        return Stop(f"Microsoft refused ({shown}); nothing was written")


def _host(service: Service) -> str:
    return f"https://{service}.api.bingads.microsoft.com"
