"""People at the page: who they are, what they may do, and the sessions and tokens by which they are known."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

LONGEST: Final = 64
"""Signs of a name or a label, at most."""

_NAME: Final = re.compile(rf"[^\s:/\\]([^:/\\]{{0,{LONGEST - 2}}}[^\s:/\\])?")
_SUBJECT: Final = re.compile(r"\S+ \S.*")
_PHC: Final = "$argon2id$"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def known_as(name: str) -> str:
    """Return what a name is compared by: two that differ in case, or in how their signs are put together, are one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


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
        ValueError: The name is empty, too long, or has signs that no name needs; no way to log in is given; the
            password is not hashed, or the subject is not two words.
    """

    name: str
    role: Role
    password: str | None = field(repr=False)
    created_at: datetime
    subject: str | None = None
    active: bool = True

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or not self.name.isprintable():
            raise ValueError(f"{self.name!r} is no name: write 1 to {LONGEST} signs without : / \\ and blanks around")
        if self.password is None and self.subject is None:
            raise ValueError(f"{self.name} could not log in: give a password or a subject of an identity provider")
        if self.password is not None and not self.password.startswith(_PHC):
            raise ValueError(f"the password of {self.name} is not hashed")
        if self.subject is not None and not (_SUBJECT.fullmatch(self.subject) and self.subject.isprintable()):
            raise ValueError(f"the subject of {self.name} is not ISSUER SUBJECT, with one blank between")

    @property
    def known_as(self) -> str:
        """What the name is compared by."""
        return known_as(self.name)


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

    Raises:
        ValueError: The secret is not hashed, it ends before it begins, a token says that somebody gave a password,
            or its label is too long or cannot be printed.
    """

    secret_hash: str = field(repr=False)
    user: str
    role: Role
    label: str
    created_at: datetime
    until: datetime
    confirmed_at: datetime | None

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.secret_hash):
            raise ValueError("a session is known by the SHA-256 of its secret, in hex")
        if self.until <= self.created_at:
            raise ValueError(f"a session must end after it begins: {self.until} is not after {self.created_at}")
        if self.is_token and self.confirmed_at is not None:
            raise ValueError("nobody gives a password for a token")
        if len(self.label) > LONGEST or not self.label.isprintable() or self.label != self.label.strip():
            raise ValueError(f"{self.label!r} is no label: write 1 to {LONGEST} signs without blanks around")

    @property
    def is_token(self) -> bool:
        """Whether it is a token of the API."""
        return bool(self.label)
