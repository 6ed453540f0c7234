"""The SDK's session, with the token in a header: in a URL it would stand in the text of errors and in debug logs.

`FacebookAdsApi.init()` is never called: it installs a hook that reports tracebacks to the platform, and one API for the
whole process.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession
from requests import PreparedRequest
from requests.auth import AuthBase

from connectors.manners import Version

VERSION: Final = Version("v26.0", sunset=None)
"""Meta has not said when v26.0 ends; from then on it serves a later version and says so, see `diagnosis`."""

CONNECT_SECONDS: Final = 10.0


class _Bearer(AuthBase):
    """Puts the token into the header of a request, also where a .netrc file has something else to say."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Session(FacebookSession):  # type: ignore[misc]  # the SDK has no types
    """The SDK's session towards one address."""

    def __init__(self, base_url: str, token: str, app_secret: str | None, timeout_seconds: float) -> None:
        super().__init__(
            app_secret=app_secret, access_token=token, timeout=(min(CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        )
        self.GRAPH = base_url
        del self.requests.params["access_token"]
        self.requests.auth = _Bearer(token)
        self.requests.max_redirects = 0  # the Graph API sends none; a token and a write go nowhere else


def api(session: Session) -> FacebookAdsApi:
    """Return the SDK's API over a session, with the pinned version."""
    return FacebookAdsApi(session, api_version=VERSION.name)


def sunset_warning(today: date) -> str | None:
    """Return what to say of the version's end, if it is near."""
    return VERSION.warning(today)
