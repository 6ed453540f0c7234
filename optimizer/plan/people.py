"""People at the page: who they are, what they may do, and the sessions and tokens by which they are known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

_NAME: Final = re.compile(r"[^\s:/\\]([^:/\\\x00-\x1f\x7f]{0,62}[^\s:/\\])?")


class Role(StrEnum):
    """What a person may do; each may do all that those before it may."""

    VIEWER = "viewer"
    APPROVER = "approver"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where another one is needed."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in.

    Attributes:
        name: As it stands in the history; unique without regard to case.
        role: What they may do.
        password: An argon2id hash in PHC form; None for who logs in through an identity provider only.
        subject: The identity provider's name of them, `ISSUER SUBJECT`; None without one.
        active: False once they were shut out; the name stays taken, since the history tells of it.
        created_at: Aware UTC.

    Raises:
        ValueError: The name is empty, too long, or has signs that no name needs; no way to log in is given.
    """

    name: str
    role: Role
    password: str | None
    created_at: datetime
    subject: str | None = None
    active: bool = True

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name: write 1 to 64 signs without : / \\ and blanks around")
        if self.password is None and self.subject is None:
            raise ValueError(f"{self.name} could not log in: give a password or a subject of an identity provider")

    @property
    def known_as(self) -> str:
        """What the name is compared by."""
        return self.name.casefold()


@dataclass(frozen=True, slots=True)
class Session:
    """One way in that is open: a browser's session, or a token of the API.

    Attributes:
        secret_hash: SHA-256, in hex, of the secret that the browser or program shows; the secret is nowhere kept.
        user: The name of whose it is.
        role: The most that may be done with it; what may be done is the lesser of this and the user's role.
        label: What a token is for; empty for a browser's session.
        created_at, until: When it was opened and when it ends; aware UTC.
        confirmed_at: When the password was given last; None for a token.
    """

    secret_hash: str
    user: str
    role: Role
    label: str
    created_at: datetime
    until: datetime
    confirmed_at: datetime | None

    @property
    def is_token(self) -> bool:
        """Whether it is a token of the API."""
        return bool(self.label)
