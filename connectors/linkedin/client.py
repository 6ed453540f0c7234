"""Requests to LinkedIn's versioned interface, and what their failures mean to the caller."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, ConnectorError, OutcomeUnknown, RetryLater, Stop
from connectors.listing import elements
from connectors.manners import Quota, patiently

Json = dict[str, Any]

PAGE: Final = 1000
_SECONDS: Final = re.compile(r"^\d+(\.\d+)?$")


class Client:
    """Speaks to the interface with one token.

    Reads are made again after a throttle or a failure; a write is sent once.

    Args:
        address: Without a slash at the end.
        token: The access token.
        version: Of the interface, such as `202601`.
        timeout_seconds: How long an answer may take.
        quota: What the day's requests are counted against.
        redactor: Knows the token.
    """

    def __init__(
        self, address: str, token: str, version: str, timeout_seconds: float, quota: Quota, redactor: Redactor
    ) -> None:
        self._quota = quota
        self._redactor = redactor
        self._http = httpx.Client(
            base_url=f"{address}/rest",
            timeout=timeout_seconds,
            headers={
                "Authorization": f"Bearer {token}",
                "LinkedIn-Version": version,
                "X-Restli-Protocol-Version": "2.0.0",
            },
        )

    def get(self, path: str, query: str = "") -> Json:
        """Return what stands at a path; retried as the platform asks.

        Args:
            path: From `/rest` on.
            query: As it goes over the wire; Rest.li's lists and records are not form-encoded.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        return patiently(lambda: self._get(path, query))

    def elements(self, path: str, query: str) -> tuple[list[Any], Json]:
        """Return the elements that an answer holds, and the whole answer; one without them is asked for again.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """

        def read() -> tuple[list[Any], Json]:
            page = self._get(path, query)
            return elements(page, "elements", f"LinkedIn's {path}"), page

        return patiently(read)

    def listed(self, path: str, query: str) -> Iterator[Json]:
        """Yield the elements of every page of a listing; a page without elements is not its end.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        token = ""
        while True:
            following = f"&pageToken={quote(token, safe='')}" if token else ""
            found, page = self.elements(path, f"{query}&pageSize={PAGE}{following}")
            yield from found
            token = str((page.get("metadata") or {}).get("nextPageToken") or "")
            if not token:
                return

    def update(self, path: str, values: Mapping[str, object]) -> str:
        """Set fields of what stands at a path, once, and return the request's id.

        Raises:
            OutcomeUnknown: The answer was lost, or the platform failed: the change may stand.
            RetryLater, AskMarketer, Stop: Nothing was done.
        """
        self._quota.spend()
        try:
            answer = self._http.post(
                path, json={"patch": {"$set": values}}, headers={"X-RestLi-Method": "PARTIAL_UPDATE"}
            )
        except httpx.ConnectError as error:
            raise RetryLater(f"LinkedIn cannot be reached ({self._words(error)}); nothing was sent") from None
        except httpx.RequestError as error:
            raise OutcomeUnknown(f"LinkedIn's answer to a change was lost ({self._words(error)})") from None
        if answer.is_server_error:
            raise OutcomeUnknown(f"LinkedIn failed at a change ({self._told(answer)})")
        self._require_well(answer)
        return str(answer.headers.get("x-li-uuid", ""))

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()

    def _get(self, path: str, query: str) -> Json:
        self._quota.spend()
        try:
            answer = self._http.get(f"{path}?{query}" if query else path)
        except httpx.RequestError as error:
            raise RetryLater(f"LinkedIn's answer was lost ({self._words(error)})") from None
        if answer.is_server_error:
            raise RetryLater(f"LinkedIn failed ({self._told(answer)})")
        self._require_well(answer)
        try:
            found = answer.json()
        except ValueError:
            raise RetryLater("LinkedIn's answer broke off") from None
        if not isinstance(found, dict):
            raise Stop(f"LinkedIn answered something else than an object at {path}")
        return found

    def _require_well(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise self._refusal(answer)

    def _refusal(self, answer: httpx.Response) -> ConnectorError:
        told = self._told(answer)
        match answer.status_code:
            case HTTPStatus.UNAUTHORIZED:
                return AskMarketer(f"LinkedIn refuses the access token ({told})", mend="sign in again for a new token")
            case HTTPStatus.FORBIDDEN:
                return AskMarketer(
                    f"LinkedIn does not allow this ({told})",
                    mend="grant the scopes r_ads, r_ads_reporting and rw_ads, and a role on the ad account",
                )
            case HTTPStatus.TOO_MANY_REQUESTS:
                return RetryLater(f"LinkedIn turns requests away ({told})", retry_after_seconds=_wait(answer))
            case HTTPStatus.UPGRADE_REQUIRED:
                return AskMarketer(f"LinkedIn no longer serves this version ({told})", mend="update Outlay")
            case _:
                return Stop(f"LinkedIn refused ({told}); nothing was written")

    def _told(self, answer: httpx.Response) -> str:
        """The platform's own words: status, code and message."""
        try:
            body = answer.json()
        except ValueError:
            body = {}
        words = [str(body[name]) for name in ("code", "message") if isinstance(body, dict) and body.get(name)]
        return self._redactor.clean(" ".join([f"HTTP {answer.status_code}", *words]))

    def _words(self, error: Exception) -> str:
        return self._redactor.clean(f"{type(error).__name__}: {error}")


def _wait(answer: httpx.Response) -> float | None:
    asked = answer.headers.get("retry-after", "")
    return float(asked) if _SECONDS.match(asked) else None


def urn(kind: Literal["sponsoredAccount", "sponsoredCampaign", "sponsoredCreative"], number: str) -> str:
    """Return a URN as it stands in a path or a Rest.li list: its colons are encoded."""
    return quote(f"urn:li:{kind}:{number}", safe="")


def id_of(name: str) -> str:
    """Return the id at the end of a URN."""
    return name.rsplit(":", 1)[-1]
