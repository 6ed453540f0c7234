"""The emulator on the wire: requests, what goes wrong with them, and the headers of every answer."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from simulations.emulators.faults import Fault, Kind
from simulations.emulators.meta.errors import GraphError, broken, expired, throttled
from simulations.emulators.meta.graph import Graph
from simulations.emulators.meta.layout import Layout
from simulations.emulators.meta.limits import Meter
from simulations.emulators.meta.options import Options
from simulations.emulators.meta.requests import Asked, read
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HttpServer

_GATEWAY: Final = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
_KEPT: Final = 32
"""Answers that are kept, to be given again where one is stale."""

_TOLD: Final = 1000


class Application:
    """The Graph API of one account, as an ASGI application.

    Args:
        setup: The account, and what goes wrong.
        options: What the account is like.

    Attributes:
        layout: The account as Meta shows it.
        graph: What answers.
        asked: The requests that were taken up, the newest last, as `GET act_1/ads`.
    """

    def __init__(self, setup: Setup, options: Options) -> None:
        self._account = setup.account
        self._faults = setup.faults
        self.layout = Layout(setup.account, options)
        self.graph = Graph(self.layout)
        self.asked: deque[str] = deque(maxlen=_TOLD)
        self._meter = Meter(str(setup.account.account_id), options.calls_an_hour)
        self._answers: dict[str, Response] = {}
        self._empty = 0
        self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        self._number += 1
        trace = f"A{self._number:010d}"
        try:
            asked = await read(Request(scope, receive))
        except GraphError as error:
            await _answer(error.body(trace), error.status, {"x-fb-trace-id": trace})(scope, receive, send)
            return
        response = await self._with_faults(asked, trace)
        if response is None:
            await _cut(receive, send)
        else:
            await response(scope, receive, send)

    async def _with_faults(self, asked: Asked, trace: str) -> Response | None:
        """Return the answer; None where the connection breaks instead."""
        kind: Kind = "write" if asked.method != "GET" and asked.path[-1] != "insights" else "read"
        fault = self._faults.next(kind)
        if fault is Fault.LOST_BEFORE:
            return None
        if fault is Fault.SLOW:
            await asyncio.sleep(self._faults.slow_seconds)
        if fault is Fault.STALE and asked.key in self._answers:
            return self._answers[asked.key]
        if fault is Fault.EMPTY_PAGE:
            self._empty += 1
        if fault is Fault.BROKEN and self._faults.met[Fault.BROKEN] % 2 == 0:
            return HTMLResponse(_GATEWAY, status_code=502)
        response = self._response(asked, fault, trace, writing=kind == "write")
        return None if fault is Fault.LOST_AFTER else response

    def _response(self, asked: Asked, fault: Fault | None, trace: str, *, writing: bool) -> Response:
        use, headers = self.graph.use(asked), {"x-fb-trace-id": trace, "x-fb-request-id": trace}
        try:
            self.graph.admit(asked)
            self._stop(fault, use, writing=writing)
            body = self._served(asked)
        except GraphError as error:
            hint = self._hints(error, fault, use)
            return _answer(error.body(trace), error.status, {**headers, **hint})
        headers |= {"facebook-api-version": self.graph.version(asked), **self._meter.headers(use)}
        response = _answer(body, 200, headers)
        if asked.method == "GET":
            self._answers[asked.key] = response
            while len(self._answers) > _KEPT:
                del self._answers[next(iter(self._answers))]
        return response

    def _stop(self, fault: Fault | None, use: str, *, writing: bool) -> None:
        """Raise what a fault or the allowance of the hour has to say."""
        if fault is Fault.EXPIRED:
            raise expired()
        if fault is Fault.BROKEN:
            raise broken()
        if fault is Fault.THROTTLED or not self._meter.takes(use):
            raise throttled(use, writing=writing)

    def _served(self, asked: Asked) -> dict[str, Any]:
        empty = self._empty > 0 and self.graph.is_list(asked)
        with self._account.held:
            body = self.graph.answer(asked, empty=empty)
        self._empty -= empty
        self.asked.append(f"{asked.method} {'/'.join(asked.path)}")
        return body

    def _hints(self, error: GraphError, fault: Fault | None, use: str) -> dict[str, str]:
        """Whole minutes until calls are taken again; less than half a one is none."""
        if fault is Fault.THROTTLED:
            asked = self._faults.retry_after_seconds
            return self._meter.headers(use, minutes=ceil(asked / 60.0) if asked >= 30.0 else 0, full=True)
        if error.code in (4, 17, 80_004):
            return self._meter.headers(use, minutes=self._meter.minutes(use), full=True)
        return self._meter.headers(use)


class MetaEmulator(HttpServer):
    """A running emulator of Meta.

    Args:
        setup: What it is started with.
        options: What its account is like.

    Attributes:
        application: What serves.
    """

    def __init__(self, setup: Setup, options: Options) -> None:
        self.application = Application(setup, options)
        super().__init__(self.application, setup.port)


def _answer(body: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    content = json.dumps(body, separators=(",", ":"))
    # The Graph API's own media type; its errors have it too.
    return Response(content, status, dict(headers), media_type="application/json; charset=UTF-8")


async def _cut(receive: Receive, send: Send) -> None:
    """Break the connection without an answer: there is no message for that, so that the server's socket is asked."""
    send.__self__.transport.abort()  # type: ignore[attr-defined]
    while (await receive())["type"] != "http.disconnect":
        pass
