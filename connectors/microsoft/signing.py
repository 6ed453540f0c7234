"""Access tokens for a refresh token, from Microsoft's sign-in service.

https://learn.microsoft.com/en-us/advertising/guides/authentication-oauth-get-tokens
"""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import urllib3

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, RetryLater

SCOPE: Final = "https://ads.microsoft.com/msads.manage offline_access"

_EARLY: Final = 60.0
"""A token is renewed so many seconds before it ends."""


class SignIn:
    """Renews the access token when it ends; a refresh token that is renewed with it is kept in memory only.

    Args:
        address: Of the token service.
        form: What identifies the app and the user: client id, secret if it has one, refresh token.
        timeout_seconds: How long an answer may take.
        redactor: Is told every token that comes.
    """

    def __init__(self, address: str, form: dict[str, str], timeout_seconds: float, redactor: Redactor) -> None:
        self._address = address
        self._form = {**form, "grant_type": "refresh_token", "scope": SCOPE}
        self._redactor = redactor
        self._http = urllib3.PoolManager(retries=False, timeout=timeout_seconds)
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def token(self) -> str:
        """Return a token that is good for a while.

        Raises:
            AskMarketer: The app or the refresh token is refused.
            RetryLater: The sign-in service failed or cannot be reached.
        """
        with self._lock:
            if monotonic() > self._ends - _EARLY:
                self._renew()
            return self._token

    def forget(self) -> None:
        """Ask for another token next time: this one was refused."""
        with self._lock:
            self._ends = 0.0

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.clear()

    def _renew(self) -> None:
        try:
            answer = self._http.request("POST", self._address, fields=self._form, encode_multipart=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise RetryLater(f"Microsoft's sign-in cannot be reached ({type(error).__name__})") from None
        told = _json(answer.data)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RetryLater(f"Microsoft's sign-in failed (HTTP {answer.status})")
        if answer.status != HTTPStatus.OK or "access_token" not in told:
            words = self._redactor.clean(f"{told.get('error', '')}: {told.get('error_description', '')}")
            raise AskMarketer(
                f"Microsoft refuses to sign in (HTTP {answer.status}, {words})",
                mend="sign in again for a new refresh token, and compare client_id, client_secret and tenant",
            )
        self._token = str(told["access_token"])
        self._form["refresh_token"] = str(told.get("refresh_token") or self._form["refresh_token"])
        self._redactor.add_passing(self._token)
        self._redactor.add_passing(self._form["refresh_token"])
        self._ends = monotonic() + float(told.get("expires_in", 0))


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
