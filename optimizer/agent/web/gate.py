"""Who asks, and whether they may: sessions, roles, and proof that a form is ours.

Each route but those of the list `OPEN` depends on a gate; a test walks all routes and fails where one has none. A form
carries a token that only its session's page can know, and the browser's own word on where a request comes from must not
speak against it (OWASP, Cross-Site Request Forgery Prevention Cheat Sheet).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request

from optimizer.agent.passwords import secret_hash
from optimizer.agent.web.premises import Premises
from optimizer.plan.people import Role, Session, User
from optimizer.ports import Clock, StateConflict, Store

COOKIE: Final = "outlay_session"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FRESH: Final = timedelta(minutes=5)
"""So long a password that was given counts as given just now."""

_BEARER: Final = "bearer "


class Stranger(Exception):  # noqa: N818 - it is whom we do not know
    """Whoever asks is not logged in."""


class Forbidden(Exception):  # noqa: N818 - it is what was asked
    """What was asked may not be done.

    Attributes:
        words: Why, and what would mend it.
    """

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Elsewhere(Exception):  # noqa: N818 - it is where the portfolio is
    """No portfolio has this name, or none that whoever asks may know of."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in at one portfolio.

    Attributes:
        premises: The portfolio.
        store: The store that knows them: what they do is done there, or not at all.
        user: Who it is.
        session: By which they are known.
        role: What they may do: the lesser of the user's role and the session's.
        proof: What a form of theirs carries; empty for a token of the API.
        now: When they ask; aware UTC.
        seen: The newest entry of the history at that time: what they are shown is no older.
    """

    premises: Premises
    store: Store
    user: User
    session: Session
    role: Role
    proof: str
    now: datetime
    seen: int

    @property
    def is_fresh(self) -> bool:
        """Whether the password was given just now."""
        confirmed = self.session.confirmed_at
        return confirmed is not None and self.now - confirmed <= FRESH

    def in_force(self) -> None:
        """See that the agent uses the store in which something was done, now that it was done.

        Raises:
            StateConflict: It uses another one by now, of which the visitor may not even be a user.
        """
        if self.premises.store is not self.store:
            words = "The agent took another database meanwhile, and what was asked does not count there"
            raise StateConflict(f"{words}. Mend: load the page anew, and look whether it is still to be done.")


def premises_of(request: Request, portfolio: str) -> Premises:
    """Return the portfolio that an address names.

    Raises:
        Elsewhere: There is none.
        StoreError: Its store does not answer.
    """
    found: Premises | None = request.app.state.premises.get(portfolio)
    if found is None:
        raise Elsewhere
    found.refresh()
    return found


Here = Annotated[Premises, Depends(premises_of)]


def now_of(request: Request) -> datetime:
    """Return the present moment by the page's clock; aware UTC."""
    clock: Clock = request.app.state.clock
    return clock.now()


def visitor_of(request: Request, premises: Here) -> Visitor | None:
    """Return who asks; None for somebody we do not know."""
    now = now_of(request)
    token = _token(request)
    secret = token or request.cookies.get(COOKIE, "")
    store = premises.store
    found = store.session(secret_hash(secret), now) if secret else None
    if found is None or found[0].is_token != bool(token):
        return None
    session, user = found
    role = session.role if user.role.may(session.role) else user.role
    return Visitor(premises, store, user, session, role, "" if token else proof(secret), now, premises.entries)


def gate(role: Role) -> Callable[..., Visitor]:
    """Return the dependency of a route that needs a role: it gives the visitor, or refuses.

    A request that changes something must come from our own page, or show a token.
    """

    async def through(request: Request, visitor: Annotated[Visitor | None, Depends(visitor_of)]) -> Visitor:
        if visitor is None:
            raise Stranger
        if request.method not in SAFE and not visitor.session.is_token:
            own_page(request)
            given = (await request.form()).get("proof", "")
            if not isinstance(given, str) or not hmac.compare_digest(given, visitor.proof):
                raise Forbidden("The form is not of this session, or has grown old. Load the page anew and try again.")
        if not visitor.role.may(role):
            words = f"Your role is {visitor.role}, and this needs {role}."
            raise Forbidden(f"{words} An admin can change that: outlay users role {visitor.user.name} {role}")
        return visitor

    through.__dict__["needs"] = role
    return through  # type: ignore[return-value]  # FastAPI awaits it


def own_page(request: Request) -> None:
    """Refuse a request that another site's page sent, by what the browser says of it.

    Raises:
        Forbidden: It came from elsewhere, or the browser does not say.
    """
    origin = request.headers.get("origin")
    if origin is not None:
        if urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower():
            return
    elif request.headers.get("sec-fetch-site") in ("same-origin", "none"):
        return
    raise Forbidden("The request came from another site's page, or does not say from which. Use the form of this page.")


def proof(secret: str) -> str:
    """Return what the forms of a session carry: nobody can tell it who does not know the session's secret."""
    return hmac.new(secret.encode(), b"outlay form", hashlib.sha256).hexdigest()


def _token(request: Request) -> str:
    told = request.headers.get("authorization", "")
    return told[len(_BEARER) :].strip() if told[: len(_BEARER)].lower() == _BEARER else ""


Viewer = Annotated[Visitor, Depends(gate(Role.VIEWER))]
Approver = Annotated[Visitor, Depends(gate(Role.APPROVER))]
Admin = Annotated[Visitor, Depends(gate(Role.ADMIN))]
