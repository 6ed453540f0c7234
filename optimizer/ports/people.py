"""The door to the people who may log in; a part of `optimizer.ports.Store`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from optimizer.plan.people import Session, User


class People(Protocol):
    """Who may log in, and by which sessions and tokens they are known; each method is one transaction.

    What changes is told in the history, under the name `people` in place of a recommendation.
    """

    def keep_user(self, before: User | None, after: User, by: str, now: datetime) -> None:
        """Add a user, or replace one.

        A user who is shut out loses all sessions and tokens in the same transaction; one who gets a lower role,
        another password or another subject loses the sessions of browsers. The history tells of each by an action of
        its own: `user-added`, `role-changed`, `password-changed`, `subject-changed`, `user-shut-out`, `user-let-in`.

        Args:
            before: As it is stored; None to add one.
            after: As it shall be; name and `created_at` stay.
            by: Who does it.
            now: Aware UTC.

        Raises:
            StateConflict: The stored one is not `before`; the name is taken, by whatever case, or the program's own;
                the subject is another user's; or nobody would be left who is an active admin.
            ValueError: Nobody is named, or name or `created_at` would change.
        """
        ...

    def keep_hash(self, before: User, password: str, now: datetime) -> None:
        """Replace the hash of a password that stays the same, as when hashes are made at more cost than before.

        No session ends by it; the history says `password-rehashed`.

        Args:
            before: As it is stored.
            password: The new hash.
            now: Aware UTC.

        Raises:
            StateConflict: The stored one is not `before`.
        """
        ...

    def user(self, name: str) -> User | None:
        """Return a user by the name, in whatever case; None if there is none."""
        ...

    def user_of(self, subject: str) -> User | None:
        """Return the user whom an identity provider calls so; None if there is none."""
        ...

    def users(self) -> tuple[User, ...]:
        """Return all users, those who were shut out among them, by name without regard to case."""
        ...

    def open_session(self, session: Session, by: str | None = None) -> None:
        """Open a session or make a token; the history says `logged-in` or `token-made`.

        Args:
            session: The new one; its `created_at` is now.
            by: Who does it; by default whose it is.

        Raises:
            NotFound: There is no such active user.
            StateConflict: The hash is taken, or a token of the user that has not ended has the label.
        """
        ...

    def session(self, secret_hash: str, now: datetime) -> tuple[Session, User] | None:
        """Return a session and whose it is, by one read.

        Returns:
            None if it was never opened or has ended, `until` has come, or the user was shut out.
        """
        ...

    def confirm_session(self, secret_hash: str, at: datetime) -> None:
        """Remember that the password was given again; does nothing to tokens and to what has ended."""
        ...

    def end_session(self, secret_hash: str, now: datetime, by: str | None = None) -> None:
        """End a session or a token; the history says `logged-out` or `token-revoked`. One that has ended stays so.

        Args:
            secret_hash: Of its secret.
            now: Aware UTC.
            by: Who does it; by default whose it is.
        """
        ...

    def tokens(self) -> tuple[Session, ...]:
        """Return the tokens that were not ended, by user and label; one whose `until` has come opens nothing."""
        ...

    def note_login_failure(self, name: str, now: datetime) -> None:
        """Tell in the history that somebody failed to log in (`login-failed`).

        A flood does not fill it: there is one entry for each user and minute, and one a minute for all names that no
        user has, which are not told: one may be a password. What was told is looked for among the newest entries about
        people, without the write lock.

        Args:
            name: As it was typed.
            now: Aware UTC.
        """
        ...

    def forget_sessions(self, before: datetime) -> int:
        """Forget the sessions and tokens that ended by themselves until a moment.

        Returns:
            How many were forgotten.
        """
        ...
