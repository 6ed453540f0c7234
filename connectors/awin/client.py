"""Requests to Awin's interface at the pace that it allows, and what their failures mean to the caller."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import httpx

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, RetryLater, Stop
from connectors.manners import Pace, patiently

_SHOWN: Final = 200
"""So much of an answer is shown; cut after the secrets are out, or a part of one would stand at the cut."""

_WAIT: Final = 60.0
"""The network counts calls by the minute, and says nothing of when the next one is welcome."""


class Client:
    """Reads from the interface with one token.

    Args:
        address: Without a slash at the end.
        token: The access token.
        timeout_seconds: How long an answer may take.
        pace: What the calls wait for.
        redactor: Knows the token.
    """

    def __init__(self, address: str, token: str, timeout_seconds: float, pace: Pace, redactor: Redactor) -> None:
        self._pace = pace
        self._redactor = redactor
        self._http = httpx.Client(
            base_url=address, timeout=timeout_seconds, headers={"Authorization": f"Bearer {token}"}
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return what stands at a path, tried again after a throttle or a failure.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        return patiently(lambda: self._get(path, query or {}))

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        self._pace.wait()
        try:
            answer = self._http.get(path, params=query)
        except httpx.RequestError as error:
            raise RetryLater(f"Awin's answer was lost ({self._words(error)})") from None
        told = f"HTTP {answer.status_code} {self._redactor.clean(answer.text)[:_SHOWN]}".strip()
        match answer.status_code:
            case HTTPStatus.OK:
                return self._read(answer)
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise AskMarketer(
                    f"Awin refuses the access token ({told})",
                    mend="make a new one in Awin's user settings, of a user with a role at the advertiser",
                )
            case HTTPStatus.TOO_MANY_REQUESTS:
                raise RetryLater(f"Awin turns calls away ({told})", retry_after_seconds=_wait(answer))
            case _ if answer.is_server_error:
                raise RetryLater(f"Awin failed ({told})")
            case _:
                raise Stop(f"Awin refused ({told})")

    def _read(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise RetryLater("Awin's answer broke off") from None

    def _words(self, error: Exception) -> str:
        return self._redactor.clean(f"{type(error).__name__}: {error}")


def _wait(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("retry-after", ""))
    except ValueError:
        return _WAIT
