"""On what terms people are let in, as every store keeps them, and what the history says of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Final

from optimizer.agent.store.terms import PEOPLE
from optimizer.approval.table import PROGRAM
from optimizer.plan.audit import Entry
from optimizer.plan.canonical import content_hash
from optimizer.plan.people import Role, Session, User, known_as
from optimizer.plan.record import Event
from optimizer.ports import NotFound, StateConflict

NEWEST: Final = 200
"""Entries among which failures to log in are looked for: more than a minute has, but for a flood of log-ins."""

FAILED: Final = "login-failed"

_ADDED, _SHUT_OUT = "user-added", "user-shut-out"
_REHASHED: Final = "password-rehashed"
_LOGGED_IN, _LOGGED_OUT = "logged-in", "logged-out"
_MADE, _REVOKED = "token-made", "token-revoked"
_OF_SESSIONS: Final = frozenset({_LOGGED_IN, _LOGGED_OUT, _MADE, _REVOKED, FAILED})
_MINUTE: Final = timedelta(minutes=1)
_UNKNOWN: Final = "(unknown)"
_NOBODY: Final = "no user has this name"


class Ends(Enum):
    """Which of a user's sessions end with a change."""

    NONE = auto()
    BROWSERS = auto()
    ALL = auto()


def key(text: str) -> str | None:
    """Return what a typed name is looked up by; None if it can be nobody's, nor be kept in a database."""
    return known_as(text) if text.isprintable() else None


def changed(known: Collection[User], before: User | None, after: User, by: str, now: datetime) -> tuple[Event, ...]:
    """Check a change of a user, and return what the history says of it.

    Args:
        known: All users as they are stored.
        before: The user as whoever asks knows it; None to add one.
        after: As it shall be.
        by: Who does it.
        now: Aware UTC.

    Raises:
        StateConflict, ValueError: See `optimizer.ports.People.keep_user`.
    """
    if not by.strip():
        raise ValueError("nobody is named: say who changes the users")
    _check_stored(known, before, after)
    _check_subject(known, after)
    _check_admins(known, before, after)
    return tuple(Event(PEOPLE, 0, now, by, action, f"{after.name}: {words}") for action, words in _told(before, after))


def rehashed(stored: User | None, before: User, now: datetime) -> Event:
    """Return what the history says of a password that is hashed anew.

    Raises:
        StateConflict: The stored one is not `before`.
    """
    if stored != before:
        raise _meanwhile(before)
    return Event(PEOPLE, 0, now, before.name, _REHASHED, f"{before.name}: the same password, hashed anew")


def ends(before: User | None, after: User) -> Ends:
    """Return which sessions end with a change."""
    if before is None:
        return Ends.NONE
    if before.active and not after.active:
        return Ends.ALL
    lower = not after.role.may(before.role)
    other = (before.password, before.subject) != (after.password, after.subject)
    return Ends.BROWSERS if lower or other else Ends.NONE


def plain(user: User) -> User:
    """Return a user as every store gives it back: times are in UTC."""
    return replace(user, created_at=user.created_at.astimezone(UTC))


def entered(session: Session, user: User | None, rival: Session | None) -> Session:
    """Return a session as it is stored.

    Args:
        session: The new one.
        user: Whose it is, as stored.
        rival: The user's token of the same label, if it is one.

    Raises:
        NotFound: There is no such active user.
        StateConflict: The other token has not ended.
    """
    if user is None or not user.active:
        raise NotFound(f"there is no active user {session.user!r}")
    if rival is not None and rival.until > session.created_at:
        raise StateConflict(
            f"{user.name} has a token {rival.label!r} already. Mend: revoke it, or choose another label"
        )
    confirmed_at = None if session.confirmed_at is None else session.confirmed_at.astimezone(UTC)
    return replace(
        session, user=user.name, created_at=session.created_at.astimezone(UTC), until=session.until.astimezone(UTC),
        confirmed_at=confirmed_at,
    )  # fmt: skip


def same_hash() -> StateConflict:
    """Return the error for a session whose hash is taken."""
    return StateConflict("there is a session of this secret already. Mend: make a new secret")


def opened(session: Session, by: str | None) -> Event:
    """Return what the history says of a session that was opened."""
    return _of_session(session, by, session.created_at, _MADE if session.is_token else _LOGGED_IN)


def ended(session: Session, by: str | None, now: datetime) -> Event:
    """Return what the history says of a session that was ended."""
    return _of_session(session, by, now, _REVOKED if session.is_token else _LOGGED_OUT)


def content(session: Session) -> str:
    """SHA-256 of what stays the same of a session as long as it lasts."""
    return content_hash(replace(session, confirmed_at=None))


def failure(newest: Collection[Event], user: User | None, now: datetime) -> Event | None:
    """Return what the history says of a failure to log in; None where it has said so within a minute.

    A name that no user has is not told: it may be a password in the wrong field, and what was told once stays.

    Args:
        newest: The newest entries about people, in any order.
        user: Who has the name; None if nobody does.
        now: Aware UTC.
    """
    actor, words = (_UNKNOWN, _NOBODY) if user is None else (user.name, "" if user.active else "shut out")
    lately = [event for event in newest if event.action == FAILED and abs(now - event.at) < _MINUTE]
    if any((event.actor, event.detail) == (actor, words) for event in lately):
        return None
    return Event(PEOPLE, 0, now, actor, FAILED, words)


class Testimony:
    """What the history says of users and tokens, entry by entry."""

    def __init__(self) -> None:
        self._users: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def hear(self, entry: Entry) -> None:
        """Hear an entry about people."""
        action, name = entry.event.action, entry.event.detail.partition(":")[0]
        if action == _MADE:
            self._tokens[entry.subject] = name
        elif action == _REVOKED:
            self._tokens.pop(entry.subject, None)
        elif action not in _OF_SESSIONS:
            self._users[name] = entry.subject
        if action == _SHUT_OUT:
            self._tokens = {subject: whose for subject, whose in self._tokens.items() if whose != name}

    def contradictions(self, users: Sequence[User], tokens: Sequence[Session]) -> Iterator[str]:
        """Say which users and tokens are stored otherwise than they were told of."""
        stored = {user.name: content_hash(user) for user in users}
        for name in sorted(stored.keys() | self._users.keys()):
            if stored.get(name) != self._users.get(name):
                yield f"user {name} is not stored as the history tells"
        for token in tokens:
            if self._tokens.get(content(token)) != token.user:
                yield f"the history tells of no such token {token.label} of {token.user}"


def _check_stored(known: Collection[User], before: User | None, after: User) -> None:
    stored = next((user for user in known if user.known_as == after.known_as), None)
    if before is None and (stored is not None or after.known_as == known_as(PROGRAM)):
        raise StateConflict(f"the name {after.name!r} is taken. Mend: choose another one")
    if before is not None and (before.name, before.created_at) != (after.name, after.created_at):
        raise ValueError(f"{before.name} keeps the name and when it was added: the history tells of them")
    if before is not None and stored != before:
        raise _meanwhile(before)


def _check_subject(known: Collection[User], after: User) -> None:
    for user in known:
        if after.subject is not None and user.subject == after.subject and user.name != after.name:
            raise StateConflict(f"the subject of {after.name} is that of {user.name} already. Mend: correct it")


def _check_admins(known: Collection[User], before: User | None, after: User) -> None:
    others = any(_is_admin(user) for user in known if user.name != after.name)
    if before is not None and _is_admin(before) and not _is_admin(after) and not others:
        raise StateConflict(f"{before.name} is the last active admin. Mend: make somebody else an admin first")


def _is_admin(user: User) -> bool:
    return user.active and user.role is Role.ADMIN


def _told(before: User | None, after: User) -> Iterator[tuple[str, str]]:
    """The action and the words of each part of a change; never a hash."""
    if before is None:
        yield _ADDED, after.role.value
        return
    if before.role is not after.role:
        yield "role-changed", f"from {before.role.value} to {after.role.value}"
    if before.password != after.password:
        yield "password-changed", "no password any more" if after.password is None else "a new password"
    if before.subject != after.subject:
        yield "subject-changed", "known to no identity provider" if after.subject is None else after.subject
    if before.active and not after.active:
        yield _SHUT_OUT, "all sessions and tokens ended"
    if after.active and not before.active:
        yield "user-let-in", after.role.value


def _of_session(session: Session, by: str | None, at: datetime, action: str) -> Event:
    what = f"token {session.label}, {session.role.value}, " if session.is_token else ""
    words = f"{session.user}: {what}until {session.until:%Y-%m-%d %H:%M} UTC"
    return Event(PEOPLE, 0, at, by or session.user, action, words)


def _meanwhile(before: User) -> StateConflict:
    return StateConflict(f"{before.name} was changed meanwhile. Mend: look again, then decide")
