"""Logging in through an identity provider. Nobody is made a user by it: an admin says beforehand who may come in."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Any, Final

from fastapi import APIRouter, Cookie, Request
from fastapi.responses import RedirectResponse, Response
from limits import RateLimitItemPerMinute
from starlette.exceptions import HTTPException

from optimizer.agent.secrecy import redacted
from optimizer.agent.settings import SettingsError
from optimizer.agent.web.gate import FRESH, Here, now_of
from optimizer.agent.web.premises import Premises
from optimizer.agent.web.routes.entrance import form_again, is_secure, let_in

router = APIRouter(include_in_schema=False)

_STATE: Final = "outlay_login"
_BY_ADDRESS: Final = RateLimitItemPerMinute(20)
_TOO_MANY: Final = "Too many attempts. Wait a minute, then try again."


@router.get("/{portfolio}/login/oidc")
def to_provider(request: Request, premises: Here, next: str = "") -> Response:  # noqa: A002 - as the form calls it
    """Send the browser to the identity provider."""
    oidc, table, now = _oidc(premises), premises.settings.oidc, now_of(request)
    who = request.client.host if request.client else ""
    if not request.app.state.limits.hit(_BY_ADDRESS, f"oidc {premises.slug} {who}"):
        return form_again(request, premises, _TOO_MANY, next, status=429)
    max_age = None if premises.settings.web.confirm_above is None else int(FRESH.total_seconds())
    try:
        address, state = oidc.begin(table, _underway(request, premises), _back(request, premises), next, max_age, now)
    except oidc.NotKnown as error:
        return form_again(request, premises, str(error), next, status=502)
    answer = RedirectResponse(address, 303)
    answer.set_cookie(
        _STATE, state, path=f"/{premises.slug}/login/oidc", httponly=True, samesite="lax", secure=is_secure(request),
        max_age=int(oidc.LASTS.total_seconds()),
    )  # fmt: skip
    return answer


@router.get("/{portfolio}/login/oidc/callback")
def from_provider(
    request: Request, premises: Here, state: str = "", kept: Annotated[str, Cookie(alias=_STATE)] = ""
) -> Response:
    """Take what the identity provider says, and let in whom an admin knows by it."""
    oidc, now = _oidc(premises), now_of(request)
    try:
        begun = _underway(request, premises).end(state, kept, now)
        person = oidc.person(premises.settings.oidc, begun, dict(request.query_params), now)
    except oidc.NotKnown as error:
        return form_again(request, premises, str(error), "", status=401)
    user = premises.store.user_of(person.subject)
    if user is None or not user.active:
        premises.store.note_login_failure(person.subject, now)
        words = f"The identity provider knows you as {person.subject}, and nobody here is known so."
        mend = f"An admin can let you in: outlay users add NAME --role viewer --subject {person.subject}"
        return form_again(request, premises, redacted(f"{words} {mend}"), "", status=403)
    answer = let_in(request, premises, user, begun.place, person.shown_at)
    answer.delete_cookie(_STATE, path=f"/{premises.slug}/login/oidc", secure=is_secure(request))
    return answer


def _oidc(premises: Premises) -> ModuleType:
    """The module that speaks with the provider; its libraries are an extra.

    Raises:
        HTTPException: No provider is set: there is no such page.
        SettingsError: One is set, and the extra is not installed.
    """
    if not premises.settings.oidc.issuer:
        raise HTTPException(404)
    try:
        from optimizer.agent.web import oidc  # noqa: PLC0415 - an extra, which a page without a provider does not need
    except ModuleNotFoundError as error:
        words = f"[oidc] issuer is set, and the package {error.name!r} is not installed"
        raise SettingsError([f"{words}. Mend: pip install 'outlay[oidc]'"]) from None
    return oidc


def _underway(request: Request, premises: Premises) -> Any:
    """The portfolio's log-ins that are under way."""
    oidc = _oidc(premises)
    return request.app.state.underway.setdefault(premises.slug, oidc.Underway())


def _back(request: Request, premises: Premises) -> str:
    """Where the provider sends the browser back to; it must know this address beforehand."""
    root = premises.settings.web.address or str(request.base_url).rstrip("/")
    return f"{root}/{premises.slug}/login/oidc/callback"
