"""`outlay users`: who may log in, in which role, and the tokens of programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from connectors.errors import BadInput
from optimizer.agent import passwords
from optimizer.agent.bootstrap import open_store
from optimizer.agent.cli.answers import Answer
from optimizer.agent.cli.person import person
from optimizer.agent.clock import SystemClock
from optimizer.agent.secrecy import keep
from optimizer.plan.people import Role, Session, User
from optimizer.ports import Store

_WHERE: Final = "outlay users"
_STDIN: Final = Path("-")


def listed(config: Path) -> Answer:
    """List the users and their tokens."""
    now = SystemClock().now()
    with open_store(config) as store:
        users, tokens = store.users(), store.tokens()
    data = {"users": [_data(user, tokens) for user in users]}
    if not users:
        return Answer(Text("Nobody may log in yet. Next: outlay users add NAME --role admin"), data)
    table = Table(box=None, pad_edge=False)
    for title in ("name", "role", "logs in by", "since", "tokens"):
        table.add_column(title, overflow="fold")
    for user in users:
        role = user.role.value if user.active else f"{user.role.value}, shut out"
        made = "\n".join(_token_words(token, now) for token in _theirs(user, tokens))
        cells = (user.name, role, ", ".join(_ways(user)), f"{user.created_at:%Y-%m-%d}", made)
        table.add_row(*map(Text, cells))
    return Answer(table, data)


def add(
    name: str, config: Path, role: str, subject: tuple[str, str] | None, password_file: Path | None, actor: str | None
) -> Answer:
    """Add somebody; the password is asked for, or read from a file, or there is none beside the subject."""
    wanted, now = _role(role), SystemClock().now()
    with open_store(config) as store:
        if (known := store.user(name)) is not None:
            raise BadInput(f"{known.name} is a user already", where=_WHERE, field="NAME", mend="choose another name.")
        asks = subject is None or password_file is not None
        hashed = _hashed(_password(password_file), name) if asks else None
        with _told():
            user = User(name, wanted, hashed, now, None if subject is None else " ".join(subject))
        store.keep_user(None, user, person(actor), now)
    return _answer(f"{user.name} may log in as {wanted.value}.", user)


def role(name: str, to: str, config: Path, actor: str | None) -> Answer:
    """Give somebody another role."""
    wanted = _role(to)
    with open_store(config) as store:
        user = _changed(store, name, actor, role=wanted)
        return _answer(f"{user.name} is {wanted.value}.", user, store.tokens())


def password(name: str, config: Path, password_file: Path | None, actor: str | None) -> Answer:
    """Give somebody another password; whoever is logged in by the old one is logged out."""
    with open_store(config) as store:
        known = _user(store, name)
        user = _changed(store, name, actor, password=_hashed(_password(password_file), known.name))
        words = f"{user.name} has a new password, and is logged out everywhere."
        return _answer(words, user, store.tokens())


def shut_out(name: str, config: Path, actor: str | None) -> Answer:
    """Let somebody log in no more, and end all sessions and tokens; the name stays taken."""
    with open_store(config) as store:
        user = _changed(store, name, actor, active=False)
    return _answer(f"{user.name} is shut out: all sessions and tokens have ended.", user)


def let_in(name: str, config: Path, actor: str | None) -> Answer:
    """Let somebody log in again."""
    with open_store(config) as store:
        user = _changed(store, name, actor, active=True)
        return _answer(f"{user.name} may log in as {user.role.value}.", user, store.tokens())


def token(name: str, config: Path, label: str, role: str, days: int, actor: str | None) -> Answer:
    """Make a token of the API, and show it this once."""
    wanted, now = _role(role), SystemClock().now()
    if not label.strip():
        raise BadInput("a token needs a label", where=_WHERE, field="--label", mend="say what it is for.")
    secret = passwords.new_token()
    with open_store(config) as store:
        user = _user(store, name)
        if not user.active:
            raise BadInput(f"{user.name} is shut out", where=_WHERE, field="NAME", mend="let them in first.")
        if not user.role.may(wanted):
            raise BadInput(f"{user.name} is {user.role.value} only", where=_WHERE, field="--role",
                           mend=f"write {user.role.value}, or less.")  # fmt: skip
        with _told():
            made = Session(
                passwords.secret_hash(secret), user.name, wanted, label, now, now + timedelta(days=days), None
            )
        store.open_session(made, person(actor))
    shown = Group(
        Text(f"Token {label} of {user.name}, {wanted.value}, until {made.until:%Y-%m-%d %H:%M} UTC:"),
        Text(secret, no_wrap=True, overflow="ignore"),
        Text("It is shown this once: keep it where the program finds it."),
    )
    return Answer(shown, {"user": user.name} | _token_data(made), handed={"token": secret})


def revoke(name: str, config: Path, label: str, actor: str | None) -> Answer:
    """End a token."""
    with open_store(config) as store:
        user = _user(store, name)
        found = [token for token in _theirs(user, store.tokens()) if token.label == label]
        if not found:
            raise BadInput(f"{user.name} has no token {label!r}", where=_WHERE, field="--label",
                           mend="`outlay users list` lists them.")  # fmt: skip
        store.end_session(found[0].secret_hash, SystemClock().now(), person(actor))
    return Answer(Text(f"Token {label} of {user.name} opens nothing any more."), {"user": user.name, "label": label})


def _changed(store: Store, name: str, actor: str | None, **changes: Any) -> User:
    before = _user(store, name)
    after = replace(before, **changes)
    store.keep_user(before, after, person(actor), SystemClock().now())
    return after


def _user(store: Store, name: str) -> User:
    found = store.user(name)
    if found is None:
        raise BadInput(f"there is no user {name!r}", where=_WHERE, field="NAME", mend="`outlay users list` lists them.")
    return found


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise BadInput(f"{text!r} is no role", where=_WHERE, field="role", mend=f"write one of {known}.") from None


def _password(file: Path | None) -> str:
    """What is typed twice in a terminal, or stands in a file; a line's end after it is no part of it."""
    if file is None:
        if not sys.stdin.isatty():
            raise BadInput("nobody is there to be asked for a password", where=_WHERE, field="--password-file",
                           mend="name a file that holds it, or write - to read it from standard input.")  # fmt: skip
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    try:
        text = sys.stdin.read() if file == _STDIN else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadInput(f"{file} cannot be read: {said}", where=_WHERE, field="--password-file",
                       mend="name a readable text file.") from None  # fmt: skip
    return text.removesuffix("\n").removesuffix("\r")


def _hashed(password: str, name: str) -> str:
    keep([password])
    with _told():
        return passwords.hashed(password, name)


@contextmanager
def _told() -> Iterator[None]:
    """Tell of a value that cannot be as what was typed wrong."""
    try:
        yield
    except ValueError as error:
        words, _, mend = str(error).partition(". Mend: ")
        raise BadInput(words, where=_WHERE, mend=f"{mend or 'correct it'}.") from None


def _answer(words: str, user: User, tokens: Sequence[Session] = ()) -> Answer:
    return Answer(Text(words), {"user": _data(user, tokens)})


def _data(user: User, tokens: Sequence[Session]) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": user.role.value,
        "active": user.active,
        "logs_in_by": _ways(user),
        "subject": user.subject,
        "created_at": user.created_at.isoformat(),
        "api": [_token_data(token) for token in _theirs(user, tokens)],
    }


def _token_data(token: Session) -> dict[str, str]:
    return {"label": token.label, "role": token.role.value, "until": token.until.isoformat()}


def _token_words(token: Session, now: datetime) -> str:
    until = f"until {token.until:%Y-%m-%d %H:%M} UTC" if token.until > now else "has ended"
    return f"{token.label}: {token.role.value}, {until}"


def _theirs(user: User, tokens: Sequence[Session]) -> list[Session]:
    return [token for token in tokens if token.user == user.name]


def _ways(user: User) -> list[str]:
    ways = (("password", user.password), (user.subject or "", user.subject))
    return [way for way, given in ways if given is not None]
