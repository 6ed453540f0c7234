"""The application: routes, headers, and what is said where something is refused or breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote, urlsplit

import structlog
from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from connectors.errors import ConnectorError
from optimizer.agent.cycle import Refused
from optimizer.agent.secrecy import redacted
from optimizer.agent.settings import SettingsError
from optimizer.agent.web.acts import Unclear, Unconfirmed
from optimizer.agent.web.gate import Elsewhere, Forbidden, Stranger
from optimizer.agent.web.pages import STATIC, templates
from optimizer.agent.web.premises import Premises
from optimizer.agent.web.routes import ROUTERS
from optimizer.goals import GoalsError
from optimizer.ports import Clock, NotFound, StateConflict, StoreError

_LOG: Final = structlog.get_logger("outlay.web")

_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_YEAR: Final = 31_536_000
_THREADS: Final = 6
_LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")

# What is refused for a reason that a person can mend, with the status that it is told by.
_KNOWN: Final[tuple[tuple[type[Exception], int], ...]] = (
    (NotFound, 404),
    (Unclear, 422),
    (Refused, 409),
    (StateConflict, 409),
    (GoalsError, 422),
    (SettingsError, 503),
    (StoreError, 503),
    (ConnectorError, 502),
)
_CODES: Final = {404: "not-found", 409: "changed", 422: "bad-input", 502: "platform", 503: "not-now"}


def build(premises: Sequence[Premises], clock: Clock) -> FastAPI:
    """Make the application over portfolios that are open.

    Args:
        premises: Each with a slug of its own.
        clock: Tells the time.
    """
    app = FastAPI(title="Outlay", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_few_threads)
    app.state.premises = {each.slug: each for each in premises}
    app.state.clock = clock
    app.state.limits = MovingWindowRateLimiter(MemoryStorage())
    app.state.underway = {}
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_hosts(premises), www_redirect=False)
    app.middleware("http")(_with_headers)
    app.mount("/static", StaticFiles(directory=str(STATIC)), name="static")
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Stranger, _to_login)
    app.add_exception_handler(Forbidden, _forbidden)
    app.add_exception_handler(Elsewhere, _elsewhere)
    app.add_exception_handler(HTTPException, _plainly)
    app.add_exception_handler(RequestValidationError, _misread)
    for kind, _ in _KNOWN:
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(Exception, _defect)
    return app


@asynccontextmanager
async def _few_threads(_: FastAPI) -> AsyncIterator[None]:
    """Answer in few threads: a page is work for one processor, and more of them only take turns."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield


def _hosts(premises: Sequence[Premises]) -> list[str]:
    """The names by which the page may be asked for: others would be another site's name for our address."""
    found = set(_LOCAL)
    for each in premises:
        web = each.settings.web
        found.add(web.listen.rpartition(":")[0])
        if web.address:
            found.add(urlsplit(web.address).hostname or "")
    return sorted(found - {"", "0.0.0.0", "[::]"})  # noqa: S104 - names that are not allowed


async def _with_headers(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    response.headers.update(_HEADERS)
    static = request.url.path.startswith("/static/") and request.url.query
    response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable" if static else "no-store"
    if request.url.scheme == "https":
        response.headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
    return response


async def _to_login(request: Request, _: Exception) -> Response:
    if _is_api(request):
        return _as_json(401, "unauthorized", "Log in, or show a token: Authorization: Bearer outlay_...")
    portfolio = request.path_params.get("portfolio", "")
    back = f"?next={quote(request.url.path)}" if request.method == "GET" else ""
    return RedirectResponse(f"/{portfolio}/login{back}", 303)


async def _forbidden(request: Request, error: Exception) -> Response:
    return _told(request, 403, "unconfirmed" if isinstance(error, Unconfirmed) else "forbidden", str(error))


async def _elsewhere(request: Request, _: Exception) -> Response:
    return _told(request, 404, "not-found", "There is no such portfolio. Open the address of yours.")


async def _plainly(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = "There is no such page." if status == 404 else str(getattr(error, "detail", ""))
    answer = _told(request, status, "not-found" if status == 404 else "refused", words)
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer


async def _misread(request: Request, error: Exception) -> Response:
    told = error.errors() if isinstance(error, RequestValidationError) else []
    words = "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in told)
    return _told(request, 422, "bad-input", words or "The request cannot be read.")


async def _refused(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _KNOWN if isinstance(error, kind))
    code = error.refusal.code.value if isinstance(error, Refused) else _CODES[status]
    return _told(request, status, code, str(error))


async def _defect(request: Request, error: Exception) -> Response:
    _LOG.error("defect", path=request.url.path, why=redacted(f"{type(error).__name__}: {error}"), exc_info=error)
    return _told(request, 500, "defect", "Something went wrong that should not. It stands in the log; report it.")


def _told(request: Request, status: int, code: str, words: str) -> Response:
    words = redacted(words)
    if _is_api(request):
        return _as_json(status, code, words)
    found = (
        templates()
        .get_template("refused.html")
        .render(
            status=status, words=words, back=_back(request), title="Not done" if status < 500 else "Not possible now"
        )
    )
    return HTMLResponse(found, status)


def _back(request: Request) -> str:
    portfolio = request.path_params.get("portfolio", "")
    return f"/{portfolio}/" if portfolio in request.app.state.premises else "/"


def _is_api(request: Request) -> bool:
    parts = request.url.path.split("/")
    return len(parts) > 2 and parts[2] == "api"


def _as_json(status: int, code: str, words: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": words}}, status)
