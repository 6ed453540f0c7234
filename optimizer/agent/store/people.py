"""Who may log in, and the sessions and tokens by which they are known, in SQL; the write lock makes a change one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from optimizer.agent.store import admission, chain, terms
from optimizer.agent.store import tables as t
from optimizer.agent.store.instants import from_instant, to_instant
from optimizer.plan.canonical import content_hash
from optimizer.plan.people import Role, Session, User
from optimizer.plan.record import Event

_PEOPLE: Final = t.core(t.Person)
_SESSIONS: Final = t.core(t.Session)
# Written out once: a session is asked for at each request, and to put a statement together takes longer than to run it.
_USERS: Final = select(_PEOPLE)
_USER: Final = _USERS.where(_PEOPLE.c.known_as == bindparam("of"))
_USER_OF: Final = _USERS.where(_PEOPLE.c.subject == bindparam("of"))
_NEXT_USER: Final = update(_PEOPLE).where(_PEOPLE.c.known_as == bindparam("of"))
_OPEN: Final[Select[Any]] = select(
    _SESSIONS, *(column.label(f"user_{column.name}") for column in _PEOPLE.c)
).join_from(_SESSIONS, _PEOPLE, _SESSIONS.c.person == _PEOPLE.c.known_as)  # fmt: skip
_ONE: Final = _OPEN.where(_SESSIONS.c.secret_hash == bindparam("of"))
_STANDING: Final = _ONE.where(_SESSIONS.c.until > bindparam("now"), _PEOPLE.c.active)
_TOKENS: Final = _OPEN.where(_SESSIONS.c.label != "")
_RIVAL: Final = _OPEN.where(_SESSIONS.c.person == bindparam("person"), _SESSIONS.c.label == bindparam("label"))
_LEAVE: Final = delete(_SESSIONS).where(_SESSIONS.c.secret_hash == bindparam("of"))
_CONFIRM: Final = update(_SESSIONS).where(_SESSIONS.c.secret_hash == bindparam("of"), _SESSIONS.c.label == "")


def keep_user(connection: Connection, before: User | None, after: User, by: str, now: datetime) -> None:
    """See `People.keep_user`."""
    events = admission.changed(users(connection), before, after, by, now)
    if before is None:
        connection.execute(insert(_PEOPLE), _columns(after))
    elif events:
        connection.execute(_NEXT_USER, {**_columns(after), "of": after.known_as})
    ends = admission.ends(before, after)
    if ends is not admission.Ends.NONE:
        theirs = delete(_SESSIONS).where(_SESSIONS.c.person == after.known_as)
        whole = ends is admission.Ends.ALL
        connection.execute(theirs if whole else theirs.where(_SESSIONS.c.label == ""))
    _tell(connection, events, content_hash(admission.plain(after)))


def keep_hash(connection: Connection, before: User, after: User, now: datetime) -> None:
    """See `People.keep_hash`."""
    event = admission.rehashed(user(connection, before.name), before, now)
    connection.execute(_NEXT_USER, {**_columns(after), "of": after.known_as})
    _tell(connection, (event,), content_hash(admission.plain(after)))


def user(connection: Connection, name: str) -> User | None:
    """See `People.user`."""
    return _only(connection, _USER, admission.key(name))


def user_of(connection: Connection, subject: str) -> User | None:
    """See `People.user_of`."""
    return _only(connection, _USER_OF, subject if subject.isprintable() else None)


def users(connection: Connection) -> tuple[User, ...]:
    """See `People.users`."""
    # Sorted here: a server may sort texts by the rules of a language.
    return tuple(sorted(map(_user, connection.execute(_USERS)), key=attrgetter("known_as")))


def open_session(connection: Connection, session: Session, by: str | None) -> None:
    """See `People.open_session`."""
    whose = user(connection, session.user)
    rival = None
    if whose is not None and session.is_token:
        rival = connection.execute(_RIVAL, {"person": whose.known_as, "label": session.label}).one_or_none()
    plain = admission.entered(session, whose, None if rival is None else _session(rival))
    if rival is not None:
        connection.execute(_LEAVE, {"of": rival.secret_hash})
    if connection.execute(_ONE, {"of": session.secret_hash}).one_or_none() is not None:
        raise admission.same_hash()
    columns = {
        "secret_hash": plain.secret_hash,
        "person": None if whose is None else whose.known_as,
        "role": plain.role.value,
        "label": plain.label,
        "created_at": to_instant(plain.created_at),
        "until": to_instant(plain.until),
        "confirmed_at": None if plain.confirmed_at is None else to_instant(plain.confirmed_at),
    }
    connection.execute(insert(_SESSIONS), columns)
    _tell(connection, (admission.opened(plain, by),), admission.content(plain))


def session(connection: Connection, secret_hash: str, now: datetime) -> tuple[Session, User] | None:
    """See `People.session`."""
    row = connection.execute(_STANDING, {"of": secret_hash, "now": to_instant(now)}).one_or_none()
    return None if row is None else (_session(row), _user(row, "user_"))


def confirm_session(connection: Connection, secret_hash: str, at: datetime) -> None:
    """See `People.confirm_session`."""
    connection.execute(_CONFIRM, {"of": secret_hash, "confirmed_at": to_instant(at)})


def end_session(connection: Connection, secret_hash: str, now: datetime, by: str | None) -> None:
    """See `People.end_session`."""
    row = connection.execute(_ONE, {"of": secret_hash}).one_or_none()
    if row is not None:
        known = _session(row)
        connection.execute(_LEAVE, {"of": secret_hash})
        _tell(connection, (admission.ended(known, by, now),), admission.content(known))


def tokens(connection: Connection) -> tuple[Session, ...]:
    """See `People.tokens`."""
    found = [(row.user_known_as, row.label, _session(row)) for row in connection.execute(_TOKENS)]
    return tuple(token for _, _, token in sorted(found, key=lambda one: one[:2]))


def failure(connection: Connection, name: str, now: datetime) -> Event | None:
    """Return what is to be told of a failure to log in; None where enough was told."""
    newest = chain.newest(connection, terms.PEOPLE, admission.NEWEST)
    return admission.failure(newest, user(connection, name), now)


def note_login_failure(connection: Connection, name: str, now: datetime) -> None:
    """See `People.note_login_failure`; looked at again under the lock."""
    event = failure(connection, name, now)
    if event is not None:
        _tell(connection, (event,), content_hash(event))


def forget_sessions(connection: Connection, before: datetime) -> int:
    """See `People.forget_sessions`."""
    return connection.execute(delete(_SESSIONS).where(_SESSIONS.c.until <= to_instant(before))).rowcount


def _tell(connection: Connection, events: Iterable[Event], subject: str) -> None:
    end = chain.End(connection)
    for event in events:
        end.add(event, subject)


def _only(connection: Connection, statement: Select[Any], of: str | None) -> User | None:
    row = None if of is None else connection.execute(statement, {"of": of}).one_or_none()
    return None if row is None else _user(row)


def _columns(user: User) -> dict[str, Any]:
    return {
        "known_as": user.known_as,
        "name": user.name,
        "role": user.role.value,
        "password": user.password,
        "subject": user.subject,
        "active": user.active,
        "created_at": to_instant(user.created_at),
    }


def _user(row: Row[Any], prefix: str = "") -> User:
    name, role, password, created_at, subject, active = (
        getattr(row, prefix + column) for column in ("name", "role", "password", "created_at", "subject", "active")
    )
    return User(name, Role(role), password, from_instant(created_at), subject, bool(active))


def _session(row: Row[Any]) -> Session:
    confirmed_at = None if row.confirmed_at is None else from_instant(row.confirmed_at)
    return Session(
        row.secret_hash, row.user_name, Role(row.role), row.label, from_instant(row.created_at),
        from_instant(row.until), confirmed_at,
    )  # fmt: skip
