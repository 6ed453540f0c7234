"""Calls through TikTok's own library, and what its failures mean to the caller.

The platform answers HTTP 200 to almost everything and puts a code into the body. The library turns it into an error
whose code stands inside its message only, and throws the body of a partial success (20001) away: so every write names
one object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import urllib3
from business_api_client import ApiClient, Configuration
from business_api_client.rest import ApiException
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, ConnectorError, OutcomeUnknown, RetryLater, Stop
from connectors.manners import Quota, patiently

Json = dict[str, Any]

PREFIX: Final = "/open_api/v1.3"
PAGE: Final = 1000

_CODE: Final = re.compile(r"Error Code: (\d+), message: (.*), request_id:", re.DOTALL)
_THROTTLED: Final = frozenset({40100, 40016, 40133})
_CREDENTIAL: Final = frozenset({40102, 40104, 40105, 40106, 40110})
_PERMISSION: Final = frozenset({40001, 40003})
_FAILED: Final = frozenset({50000, 50002, 51000, 51010, 60001})
_SERVER: Final = 500


class Client:
    """Speaks to the interface with one token; reads are made again, a write is sent once.

    Args:
        address: Without a slash at the end.
        token: The access token.
        timeout_seconds: How long an answer may take.
        quota: What the day's requests are counted against.
        redactor: Knows the token.
    """

    def __init__(self, address: str, token: str, timeout_seconds: float, quota: Quota, redactor: Redactor) -> None:
        settings = Configuration()
        settings.host = address
        self._api = ApiClient(settings)
        # The library's connections would repeat a request by themselves; how often is said in one place.
        self._api.rest_client.pool_manager.connection_pool_kw["retries"] = False
        self._token = token
        self._timeout = (timeout_seconds, timeout_seconds)
        self._quota = quota
        self._redactor = redactor

    def get(self, path: str, query: Mapping[str, object]) -> Json:
        """Return the data of a read; lists go over the wire as JSON.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        asked = [(name, json.dumps(v) if isinstance(v, list | dict) else str(v)) for name, v in query.items()]
        return patiently(lambda: self._read(path, asked))

    def listed(self, path: str, query: Mapping[str, object]) -> Iterator[Json]:
        """Yield the elements of every page; a page without elements is not the last one.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        page, pages = 1, 1
        while page <= pages:
            data = self.get(path, {**query, "page": page, "page_size": PAGE})
            yield from data.get("list") or ()
            pages = int(data.get("page_info", {}).get("total_page", 0))
            page += 1

    def post(self, path: str, body: Mapping[str, object]) -> str:
        """Send a change, once, and return the request's id.

        Raises:
            OutcomeUnknown: The answer was lost, or the platform failed: the change may stand.
            RetryLater, AskMarketer, Stop: Nothing was done.
        """
        try:
            return str(self._called("POST", path, (), dict(body))["request_id"])
        except urllib3.exceptions.NewConnectionError:
            raise RetryLater("TikTok cannot be reached; nothing was sent") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise OutcomeUnknown(f"TikTok's answer to a change was lost ({type(error).__name__})") from None
        except ApiException as error:
            raise self._http(error, written=True) from None
        except TiktokSDKError as error:
            raise self._coded(error, written=True) from None

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._api.rest_client.pool_manager.clear()

    def _read(self, path: str, query: list[tuple[str, str]]) -> Json:
        try:
            return dict(self._called("GET", path, query, None)["data"] or {})
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise RetryLater(f"TikTok's answer was lost ({type(error).__name__})") from None
        except ApiException as error:
            raise self._http(error, written=False) from None
        except TiktokSDKError as error:
            raise self._coded(error, written=False) from None

    def _called(self, method: str, path: str, query: Any, body: Json | None) -> Json:
        self._quota.spend()
        answer: Json = self._api.call_api(
            f"{PREFIX}{path}",
            method,
            query_params=list(query),
            header_params={"Access-Token": self._token, "Content-Type": "application/json"},
            body=body,
            response_type="InlineResponse200",
            _return_http_data_only=True,
            _request_timeout=self._timeout,
        )
        return answer

    def _http(self, error: ApiException, *, written: bool) -> ConnectorError:
        words = f"TikTok failed (HTTP {error.status})"
        if int(error.status) < _SERVER:
            return Stop(f"TikTok refused the request (HTTP {error.status}); nothing was done")
        return OutcomeUnknown(words) if written else RetryLater(words)

    def _coded(self, error: TiktokSDKError, *, written: bool) -> ConnectorError:
        found = _CODE.search(str(error))
        code = int(found[1]) if found else 0
        words = self._redactor.clean(f"code {code}: {found[2] if found else error}")
        if code in _THROTTLED:
            return RetryLater(f"TikTok turns requests away ({words})")
        if code in _CREDENTIAL:
            return AskMarketer(f"TikTok refuses the access token ({words})", mend="authorise the app again")
        if code in _PERMISSION:
            return AskMarketer(
                f"TikTok does not allow this ({words})",
                mend="grant the app the scopes Ad Account, Reporting and Ads Management on this advertiser",
            )
        if code in _FAILED:
            return OutcomeUnknown(f"TikTok failed at a change ({words})") if written else RetryLater(words)
        return Stop(f"TikTok refused ({words}); nothing was written")
