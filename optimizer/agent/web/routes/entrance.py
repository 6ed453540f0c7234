"""Logging in and out. The way in is slow on purpose, and says nothing of which names there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from limits import RateLimitItemPerMinute

from optimizer.agent.passwords import matches, new_secret, secret_hash
from optimizer.agent.web.gate import COOKIE, Here, Viewer, Visitor, now_of, own_page, visitor_of
from optimizer.agent.web.pages import page, templates
from optimizer.agent.web.premises import Premises
from optimizer.plan.people import Session, User

router = APIRouter(include_in_schema=False)

_WRONG: Final = "This name and password do not go together."
_TOO_MANY: Final = "Too many attempts. Wait a minute, then try again."
_BY_NAME: Final = RateLimitItemPerMinute(5)
_BY_ADDRESS: Final = RateLimitItemPerMinute(20)
_LONGEST: Final = 1_024  # signs of a password that are looked at; to hash more would be a way to keep us busy


@router.get("/")
def front(request: Request) -> Response:
    """Lead to the one portfolio, or to those where the browser is logged in."""
    all_of_them = request.app.state.premises
    if len(all_of_them) == 1:
        return RedirectResponse(f"/{next(iter(all_of_them))}/", 303)
    return HTMLResponse(templates().get_template("front.html").render())


@router.get("/{portfolio}/login")
def loginform_again(
    request: Request,
    premises: Here,
    visitor: Annotated[Visitor | None, Depends(visitor_of)],
    place: Annotated[str, Query(alias="next")] = "",
) -> Response:
    """Show the form, or go on where one is logged in already."""
    if visitor is not None:
        return RedirectResponse(_within(premises.slug, place), 303)
    return form_again(request, premises, "", place)


@router.post("/{portfolio}/login")
def login(
    request: Request,
    premises: Here,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    place: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Take a name and password, and open a session."""
    own_page(request)
    now = now_of(request)
    who = request.client.host if request.client else ""
    tries = ((_BY_NAME, f"{premises.slug} {name.casefold()[:64]}"), (_BY_ADDRESS, f"{premises.slug} {who}"))
    limits = request.app.state.limits
    if sum(limits.hit(limit, key) for limit, key in tries) < len(tries):  # each is counted, whatever the other says
        return form_again(request, premises, _TOO_MANY, place, name=name, status=429)
    user = premises.store.user(name) if name else None
    known = user.password if user is not None and user.active else None
    if not matches(known, password[:_LONGEST]) or user is None:
        premises.store.note_login_failure(name, now)
        return form_again(request, premises, _WRONG, place, name=name, status=401)
    return let_in(request, premises, user, place, now)


def let_in(request: Request, premises: Premises, user: User, place: str, confirmed_at: datetime | None) -> Response:
    """Open a browser's session, and lead on.

    Args:
        request: What was asked.
        premises: The portfolio.
        user: Who it is.
        place: Where they want to go; elsewhere than within the portfolio leads nobody.
        confirmed_at: When they last showed who they are; aware UTC.
    """
    secret, now = new_secret(), now_of(request)
    until = now + timedelta(hours=premises.settings.web.session_hours)
    premises.store.open_session(Session(secret_hash(secret), user.name, user.role, "", now, until, confirmed_at))
    answer = RedirectResponse(_within(premises.slug, place), 303)
    answer.set_cookie(
        COOKIE, secret, path=f"/{premises.slug}/", httponly=True, samesite="lax", secure=is_secure(request),
        max_age=int((until - now).total_seconds()),
    )  # fmt: skip
    return answer


@router.post("/{portfolio}/logout")
def logout(request: Request, visitor: Viewer) -> Response:
    """End the session."""
    visitor.store.end_session(visitor.session.secret_hash, visitor.now)
    answer = RedirectResponse(f"/{visitor.premises.slug}/login?said=session-ended", 303)
    answer.delete_cookie(COOKIE, path=f"/{visitor.premises.slug}/", secure=is_secure(request))
    return answer


def form_again(
    request: Request,
    premises: Premises,
    trouble: str,
    place: str,
    *,
    name: str = "",
    status: int = 200,
) -> HTMLResponse:
    """Show the form, and what went wrong.

    Args:
        request: What was asked.
        premises: The portfolio.
        trouble: In words; empty for none.
        place: Where they want to go.
        name: As it was typed.
        status: Of the answer.
    """
    facts = {
        "trouble": trouble,
        "next": place,
        "name": name,
        "anybody": bool(premises.store.users()),
        "provider": urlsplit(premises.settings.oidc.issuer).hostname,
    }
    return page(request, premises, "login.html", facts, status=status)


def _within(portfolio: str, place: str) -> str:
    """Where to go on: a page of the same portfolio, never another site."""
    own = f"/{portfolio}/"
    return place if place.startswith(own) and "\\" not in place and "//" not in place else own


def is_secure(request: Request) -> bool:
    """Whether the browser came by TLS, so that cookies may be bound to it."""
    return request.url.scheme == "https"
