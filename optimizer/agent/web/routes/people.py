"""Who may log in: one's own password and tokens, and for admins everybody's roles."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from optimizer.agent.passwords import hashed, matches, new_token, secret_hash
from optimizer.agent.web.gate import Admin, Viewer, Visitor
from optimizer.agent.web.pages import page
from optimizer.plan.people import Role, Session, User
from optimizer.ports import NotFound, StateConflict

router = APIRouter(include_in_schema=False)

_LONGEST_DAYS: Final = 366


@router.get("/{portfolio}/account")
def account(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show who is logged in, their tokens, and the form for another password."""
    return _account(request, visitor)


@router.post("/{portfolio}/account/password")
def password(
    request: Request, visitor: Viewer, now: Annotated[str, Form()] = "", then: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Take another password; all sessions end, this one too."""
    user = visitor.user
    if not matches(user.password, now):
        visitor.store.note_login_failure(user.name, visitor.now)
        return _account(request, visitor, "The present password is not right.", 403)
    if then != again:
        return _account(request, visitor, "The new password was typed in two ways.", 422)
    try:
        visitor.store.keep_user(user, replace(user, password=hashed(then, user.name)), user.name, visitor.now)
    except (ValueError, StateConflict) as error:
        return _account(request, visitor, f"{error}.", 422)
    return RedirectResponse(f"/{visitor.premises.slug}/login?said=password", 303)


@router.post("/{portfolio}/account/tokens")
def make_token(
    request: Request, visitor: Viewer, label: Annotated[str, Form()] = "",
    role: Annotated[Role, Form()] = Role.VIEWER, days: Annotated[int, Form(ge=1, le=_LONGEST_DAYS)] = 90,
) -> Response:  # fmt: skip
    """Make a token of one's own, and show it once."""
    if not visitor.role.may(role):
        return _account(request, visitor, "A token may do no more than you may.", 403)
    secret = new_token()
    until = visitor.now + timedelta(days=days)
    try:
        token = Session(secret_hash(secret), visitor.user.name, role, label.strip(), visitor.now, until, None)
        if not token.is_token:
            return _account(request, visitor, "Say what the token is for.", 422)
        visitor.store.open_session(token)
    except (ValueError, StateConflict) as error:
        return _account(request, visitor, f"{error}.", 422)
    return _account(request, visitor, secret=secret)


@router.post("/{portfolio}/account/tokens/end")
def end_token(visitor: Viewer, label: Annotated[str, Form()]) -> Response:
    """Revoke a token of one's own."""
    store = visitor.store
    for token in store.tokens():
        if (token.user, token.label) == (visitor.user.name, label):
            store.end_session(token.secret_hash, visitor.now)
    return RedirectResponse(f"/{visitor.premises.slug}/account?said=token-ended", 303)


@router.get("/{portfolio}/people")
def people(request: Request, visitor: Admin) -> HTMLResponse:
    """Show everybody."""
    return _people(request, visitor)


@router.post("/{portfolio}/people/add")
def add(
    request: Request, visitor: Admin, name: Annotated[str, Form()] = "", role: Annotated[Role, Form()] = Role.VIEWER,
    password: Annotated[str, Form()] = "", subject: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Let somebody log in."""
    try:
        kept = hashed(password, name.strip()) if password else None
        added = User(name.strip(), role, kept, visitor.now, subject.strip() or None)
        visitor.store.keep_user(None, added, visitor.user.name, visitor.now)
    except (ValueError, StateConflict) as error:
        return _people(request, visitor, f"{error}.", 422)
    return _done(visitor)


@router.post("/{portfolio}/people/change")
def change(
    request: Request, visitor: Admin, name: Annotated[str, Form()], role: Annotated[Role, Form()],
    active: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Give somebody another role, shut them out, or let them in again."""
    user = visitor.store.user(name)
    if user is None:
        raise NotFound(f"there is nobody called {name!r}")
    try:
        visitor.store.keep_user(user, replace(user, role=role, active=active), visitor.user.name, visitor.now)
    except StateConflict as error:
        return _people(request, visitor, f"{error}.", 409)
    return _done(visitor)


def _account(
    request: Request, visitor: Visitor, trouble: str = "", status: int = 200, secret: str = ""
) -> HTMLResponse:
    own = [token for token in visitor.store.tokens() if token.user == visitor.user.name]
    roles = [role for role in Role if visitor.role.may(role)]
    facts = {"tokens": own, "roles": roles, "trouble": trouble, "secret": secret}
    return page(request, visitor.premises, "account.html", facts, visitor=visitor, status=status)


def _people(request: Request, visitor: Visitor, trouble: str = "", status: int = 200) -> HTMLResponse:
    store = visitor.store
    facts = {"people": store.users(), "tokens": store.tokens(), "roles": list(Role), "trouble": trouble}
    return page(request, visitor.premises, "people.html", facts, visitor=visitor, status=status)


def _done(visitor: Visitor) -> Response:
    return RedirectResponse(f"/{visitor.premises.slug}/people?said=user", 303)
