"""Calls through TikTok's own library, and what its failures mean to the caller.

The platform answers HTTP 200 to almost everything and puts a code into the body. The library turns it into an error
whose code stands inside its message only, and throws the body of a partial success (20001) away: so every write names
one object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import urllib3
from business_api_client import ApiClient, Configuration
from business_api_client.rest import ApiException
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, ConnectorError, OutcomeUnknown, RetryLater, Stop
from connectors.listing import elements
from connectors.manners import Quota, patiently

Json = dict[str, Any]

PREFIX: Final = "/open_api/v1.3"
PAGE: Final = 1000

_CODE: Final = re.compile(r"Error Code: (\d+), message: (.*), request_id:", re.DOTALL)
_THROTTLED: Final = frozenset({40100, 40016, 40132, 40133})
_CREDENTIAL: Final = frozenset({40102, 40104, 40105, 40106, 40110})
_PERMISSION: Final = frozenset({40001, 40003})
_REFUSALS: Final = range(40_000, 50_000)
"""Codes that say that nothing was done; those above are failures of the platform, and 20001 is a partial success."""

_HTTP_REFUSALS: Final = frozenset(range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)) - {
    HTTPStatus.REQUEST_TIMEOUT
}


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
        asked = _wire(query)
        return patiently(lambda: self._read(path, asked))

    def listed(self, path: str, query: Mapping[str, object], name: Callable[[Json], Hashable]) -> Iterator[Json]:
        """Yield the elements of every page; a page without elements is not the last one.

        Args:
            path: Of the listing.
            query: Without its pages.
            name: Tells elements apart: pages are cut from a listing that moves, and from an order with ties.

        Raises:
            RetryLater: An element came twice, or some did not come: the listing moved between two pages.
            AskMarketer, Stop: See `connectors.errors`.
        """
        page, pages, total = 1, 1, 0
        met: set[Hashable] = set()
        while page <= pages:
            found, pages, total = self._page(path, {**query, "page": page, "page_size": PAGE})
            for element in found:
                if (one := name(element)) in met:
                    raise RetryLater(f"TikTok's pages of {path} overlap: {one} came twice")
                met.add(one)
                yield element
            page += 1
        if len(met) != total:
            raise RetryLater(f"TikTok's pages of {path} held {len(met)} elements of {total}")

    def post(self, path: str, body: Mapping[str, object]) -> str:
        """Send a change, once, and return the request's id.

        Raises:
            OutcomeUnknown: The answer was lost, or the platform failed: the change may stand.
            RetryLater, AskMarketer, Stop: Nothing was done.
        """
        self._quota.spend()
        try:
            return str(self._called("POST", path, (), dict(body)).get("request_id") or "")
        except urllib3.exceptions.NewConnectionError:
            raise RetryLater("TikTok cannot be reached; nothing was sent") from None
        except ApiException as error:
            raise self._http(error, written=True) from None
        except TiktokSDKError as error:
            raise self._coded(error, written=True) from None
        except Exception as error:  # noqa: BLE001 - once it is sent, whatever the library meets leaves the outcome open
            raise OutcomeUnknown(f"TikTok's answer to a change was lost ({type(error).__name__})") from None

    def close(self) -> None:
        """Close the connections, and end the threads that the library holds unused; may be called twice."""
        self._api.rest_client.pool_manager.clear()
        self._api.pool.close()

    def _page(self, path: str, query: Mapping[str, object]) -> tuple[list[Any], int, int]:
        """Return the elements of a page, how many pages there are, and how many elements on all of them."""
        asked = _wire(query)

        def read() -> tuple[list[Any], int, int]:
            data = self._read(path, asked)
            place = f"TikTok's {path}"
            try:
                info = data["page_info"]
                return elements(data, "list", place), int(info["total_page"]), int(info["total_number"])
            except (KeyError, TypeError, ValueError):
                raise RetryLater(f"{place}: the answer does not say how many pages there are") from None

        return patiently(read)

    def _read(self, path: str, query: list[tuple[str, str]]) -> Json:
        self._quota.spend()
        try:
            return dict(self._called("GET", path, query, None)["data"] or {})
        except ApiException as error:
            raise self._http(error, written=False) from None
        except TiktokSDKError as error:
            raise self._coded(error, written=False) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise RetryLater(f"TikTok's answer was lost ({type(error).__name__})") from None
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise RetryLater(f"TikTok's answer cannot be read ({type(error).__name__})") from None

    def _called(self, method: str, path: str, query: Any, body: Json | None) -> Json:
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
        status = int(error.status or 0)  # none where TLS failed, be it before or after the request
        words = f"HTTP {status}"
        match status:
            case HTTPStatus.UNAUTHORIZED:
                return self._unauthorised(words)
            case HTTPStatus.FORBIDDEN:
                return self._forbidden(words)
            case HTTPStatus.TOO_MANY_REQUESTS:
                return RetryLater(f"TikTok turns requests away ({words})")
            case refused if refused in _HTTP_REFUSALS:
                return Stop(f"TikTok refused the request ({words}); nothing was done")
            case _:
                return _failed(words, written=written)

    def _coded(self, error: TiktokSDKError, *, written: bool) -> ConnectorError:
        found = _CODE.search(str(error))
        code = int(found[1]) if found else 0
        words = self._redactor.clean(f"code {code}: {found[2] if found else error}")
        if code in _THROTTLED:
            return RetryLater(f"TikTok turns requests away ({words})")
        if code in _CREDENTIAL:
            return self._unauthorised(words)
        if code in _PERMISSION:
            return self._forbidden(words)
        if code in _REFUSALS:
            return Stop(f"TikTok refused ({words}); nothing was written")
        return _failed(words, written=written)

    @staticmethod
    def _unauthorised(words: str) -> AskMarketer:
        return AskMarketer(f"TikTok refuses the access token ({words})", mend="authorise the app again")

    @staticmethod
    def _forbidden(words: str) -> AskMarketer:
        return AskMarketer(
            f"TikTok does not allow this ({words})",
            mend="grant the app the scopes Ad Account, Reporting and Ads Management on this advertiser",
        )


def _failed(words: str, *, written: bool) -> ConnectorError:
    if written:
        return OutcomeUnknown(f"TikTok failed at a change ({words})")
    return RetryLater(f"TikTok failed ({words})")


def _wire(query: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, json.dumps(v) if isinstance(v, list | dict) else str(v)) for name, v in query.items()]
