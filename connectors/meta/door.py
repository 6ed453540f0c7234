"""The one door to the Graph API: reads that are tried again, lists page by page, writes that are sent once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from facebook_business.exceptions import FacebookRequestError
from requests.exceptions import RequestException

from connectors.credentials import Redactor
from connectors.errors import ConnectorError, RetryLater, Stop
from connectors.manners import Clock, Quota, patiently
from connectors.meta import failures
from connectors.meta.failures import Failure
from connectors.meta.options import Options
from connectors.meta.session import Session, api
from connectors.meta.usage import INSIGHTS, MANAGEMENT, Allowance

Body = Mapping[str, Any]

_PATIENCE: Final = 900.0
"""How long all attempts of one read may take together, seconds."""

_EMPTY_PAGES: Final = 100
"""So many pages without a row in a row are not a listing any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform answered: the body, its name of the call, and the version that it served."""

    body: Body
    trace: str
    version: str


class Door:
    """The way to the platform; safe to use from several threads.

    Args:
        name: The connector's name, for errors.
        options: Its settings.
        token, app_secret: Its credentials, which no error shows.
        clock: Tells the time.
        sleep: Waits, seconds.

    Raises:
        ConnectorError: Whatever goes wrong comes out of every method as one of the families.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        token: str,
        app_secret: str | None,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._options = options
        self._session = Session(options.base_url, token, app_secret, options.timeout_seconds)
        self._api = api(self._session)
        self._redactor = Redactor(filter(None, (token, app_secret, getattr(self._session, "appsecret_proof", None))))
        self._quota = Quota(options.calls_a_day, clock, name)
        self._allowance = Allowance(name, sleep)

    @property
    def calls_today(self) -> int:
        """Calls made since midnight UTC."""
        return self._quota.spent

    def read(self, *path: str, **params: Any) -> Answer:
        """Return what a node or an edge answers."""
        return self._patiently("GET", path, params)

    def order(self, *path: str, **params: Any) -> Answer:
        """Order a report: a POST that changes nothing, and so may be tried again."""
        return self._patiently("POST", path, params)

    def write(self, *path: str, **params: Any) -> Answer:
        """Change something: exactly one request, whatever becomes of it."""
        return self._once("POST", path, params, writing=True)

    def pages(self, *path: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
        """Yield the pages of a list until one says that no other follows, empty ones included.

        The SDK's cursor ends at an empty page although others follow; so its pages are turned by hand.
        """
        turned: dict[str, Any] = {"limit": self._options.page_rows, **params}
        empty = 0
        while True:
            body = self._listed(path, turned)
            page = body["data"]
            yield page
            paging = body.get("paging") or {}
            if "next" not in paging:
                return
            empty = 0 if page else empty + 1
            after = (paging.get("cursors") or {}).get("after")
            if not after or empty > _EMPTY_PAGES:
                raise RetryLater(f"{self.name}: a list of {path[-1]} says that more follows, but not where")
            turned["after"] = after

    def rows(self, *path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list."""
        for page in self.pages(*path, **params):
            yield from page

    def close(self) -> None:
        """Let go of the connections."""
        self._session.requests.close()

    def _listed(self, path: tuple[str, ...], params: Mapping[str, Any]) -> Body:
        """Return a page of a list. An answer without its rows is asked for anew: it would end the list too early."""

        def once() -> Body:
            body = self._once("GET", path, params, writing=False).body
            rows, paging = body.get("data"), body.get("paging")
            if (
                isinstance(rows, list)
                and all(isinstance(row, Mapping) for row in rows)
                and (paging is None or (isinstance(paging, Mapping) and isinstance(paging.get("cursors", {}), Mapping)))
            ):
                return body
            raise RetryLater(f"{self.name}: {'/'.join(path)}: an answer without the list that was asked for")

        return patiently(once, attempts=self._options.attempts, patience_seconds=_PATIENCE)

    def _patiently(self, method: str, path: tuple[str, ...], params: Mapping[str, Any]) -> Answer:
        return patiently(
            lambda: self._once(method, path, params, writing=False),
            attempts=self._options.attempts,
            patience_seconds=_PATIENCE,
        )

    def _once(self, method: str, path: tuple[str, ...], params: Mapping[str, Any], *, writing: bool) -> Answer:
        use = INSIGHTS if path[-1] == "insights" else MANAGEMENT
        self._allowance.before(use, writing=writing)
        self._quota.spend()
        outcome = self._sent(method, path, params)
        if isinstance(outcome, Answer):
            return outcome
        # Outside of any except clause, so that the SDK's own error, whose text may hold the token, is not in the chain.
        raise self._family(outcome, path, writing=writing)

    def _sent(self, method: str, path: tuple[str, ...], params: Mapping[str, Any]) -> Answer | Failure:
        try:
            response = self._api.call(method, path, params=dict(params))
        except FacebookRequestError as error:
            failure = failures.of_answer(error)
            self._allowance.note(failure.headers)
            return failure
        except RequestException as error:
            return failures.of_wire(error)
        self._allowance.note(response.headers())
        body, status = response.json(), response.status()
        if not isinstance(body, Mapping) or status >= HTTPStatus.BAD_REQUEST:
            # The SDK takes any text that is not JSON for a success, such as the page of a proxy that gave up.
            return failures.of_status(status, response.headers())
        headers = response.headers()
        return Answer(body, headers.get("x-fb-trace-id", ""), headers.get("facebook-api-version", ""))

    def _family(self, failure: Failure, path: tuple[str, ...], *, writing: bool) -> ConnectorError:
        cleaned = replace(failure, message=self._redactor.clean(failure.message))
        what, gathering = f"{self.name}: {'/'.join(path)}", path[-1] == "insights"
        return failures.family(cleaned, what, writing=writing, gathering=gathering)


def integer(body: Body, field: str, where: str) -> int:
    """Return a whole number that the platform sends as a text or a number.

    Raises:
        Stop: It is neither.
    """
    value = body.get(field)
    if isinstance(value, str) and value.removeprefix("-").isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Stop(f"{where}: {field} is {value!r}, not a whole number")


def text(body: Body, field: str, where: str) -> str:
    """Return a text that the platform must send.

    Raises:
        Stop: It is missing or empty.
    """
    value = body.get(field)
    if isinstance(value, str) and value:
        return value
    raise Stop(f"{where}: {field} is {value!r}, not a text")
