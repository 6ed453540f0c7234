"""Who may log in, and their sessions and tokens, in memory; a part of `MemoryStore`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from optimizer.agent.store import admission, terms
from optimizer.agent.store.memory_office import MemoryOffice
from optimizer.plan.people import Session, User, known_as


class MemoryPeople(MemoryOffice):
    """`optimizer.ports.People` in plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._users: dict[str, User] = {}
        self._sessions: dict[str, Session] = {}

    def keep_user(self, before: User | None, after: User, by: str, now: datetime) -> None:
        """See `People.keep_user`."""
        events = admission.changed(self.users(), before, after, by, now)
        self._users[after.known_as] = admission.plain(after)
        ends = admission.ends(before, after)
        self._sessions = {
            name: session for name, session in self._sessions.items()
            if session.user != after.name or ends is admission.Ends.NONE
            or (session.is_token and ends is admission.Ends.BROWSERS)
        }  # fmt: skip
        for event in events:
            self._tell(event, self._users[after.known_as])

    def keep_hash(self, before: User, password: str, now: datetime) -> None:
        """See `People.keep_hash`."""
        event = admission.rehashed(self.user(before.name), before, now)
        after = admission.plain(replace(before, password=password))
        self._users[after.known_as] = after
        self._tell(event, after)

    def user(self, name: str) -> User | None:
        """See `People.user`."""
        return self._users.get(known_as(name))

    def user_of(self, subject: str) -> User | None:
        """See `People.user_of`."""
        return next((user for user in self._users.values() if user.subject == subject), None)

    def users(self) -> tuple[User, ...]:
        """See `People.users`."""
        return tuple(self._users[key] for key in sorted(self._users))

    def open_session(self, session: Session, by: str | None = None) -> None:
        """See `People.open_session`."""
        whose = self.user(session.user)
        theirs = (old for old in self.tokens() if whose is not None and old.user == whose.name)
        rival = next((old for old in theirs if old.label == session.label), None)
        plain = admission.entered(session, whose, rival)
        if session.secret_hash in self._sessions.keys() - {None if rival is None else rival.secret_hash}:
            raise admission.same_hash()
        if rival is not None:
            del self._sessions[rival.secret_hash]
        self._sessions[plain.secret_hash] = plain
        self._tell(admission.opened(plain, by), replace(plain, confirmed_at=None))

    def session(self, secret_hash: str, now: datetime) -> tuple[Session, User] | None:
        """See `People.session`."""
        found = self._sessions.get(secret_hash)
        if found is None or found.until <= now:
            return None
        return found, self._users[known_as(found.user)]

    def confirm_session(self, secret_hash: str, at: datetime) -> None:
        """See `People.confirm_session`."""
        found = self._sessions.get(secret_hash)
        if found is not None and not found.is_token:
            self._sessions[secret_hash] = replace(found, confirmed_at=at.astimezone(UTC))

    def end_session(self, secret_hash: str, now: datetime, by: str | None = None) -> None:
        """See `People.end_session`."""
        found = self._sessions.pop(secret_hash, None)
        if found is not None:
            self._tell(admission.ended(found, by, now), replace(found, confirmed_at=None))

    def tokens(self) -> tuple[Session, ...]:
        """See `People.tokens`."""
        found = [session for session in self._sessions.values() if session.is_token]
        return tuple(sorted(found, key=lambda token: (known_as(token.user), token.label)))

    def note_login_failure(self, name: str, now: datetime) -> None:
        """See `People.note_login_failure`."""
        told = [entry.event for entry in self._entries if entry.event.rec_id == terms.PEOPLE]
        event = admission.failure(told[-admission.NEWEST :], self.user(name), now)
        if event is not None:
            self._tell(event, event)

    def forget_sessions(self, before: datetime) -> int:
        """See `People.forget_sessions`."""
        over = [name for name, session in self._sessions.items() if session.until <= before]
        for name in over:
            del self._sessions[name]
        return len(over)
