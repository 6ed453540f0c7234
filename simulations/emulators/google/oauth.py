"""Where a client renews its access token: the authority's token endpoint, over HTTP on loopback."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

LIFETIME_SECONDS = 3600


class Authority:
    """Gives access tokens for any refresh token until it is revoked.

    Attributes:
        renewals: How often a token was asked for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revoked = False
        self.renewals = 0
        self.app = Starlette(routes=[Route("/token", self._token, methods=["POST"])])

    @property
    def revoked(self) -> bool:
        """Whether the marketer has taken the consent back."""
        return self._revoked

    def revoke(self) -> None:
        """Take the consent back: no refresh token is taken any more, and no access token is good."""
        self._revoked = True

    async def _token(self, request: Request) -> JSONResponse:
        form = parse_qs((await request.body()).decode())
        with self._lock:
            self.renewals += 1
            number = self.renewals
        if self._revoked:
            words = "Token has been expired or revoked."
            return JSONResponse({"error": "invalid_grant", "error_description": words}, status_code=400)
        if form.get("grant_type", [""])[0] not in {"refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"}:
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        token = f"ya29.emulated-{number}"
        return JSONResponse({"access_token": token, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"})
