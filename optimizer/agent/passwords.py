"""Passwords and secrets: how they are made, hashed and compared. Nothing here keeps one, and no message holds one.

Passwords are hashed by argon2id at the cost that RFC 9106 recommends where memory is scarce (64 MiB, 3 passes), which
is the library's own. Secrets of sessions and tokens have 256 bits of chance, so that a plain SHA-256 of them is enough.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from optimizer.plan.people import known_as

SHORTEST: Final = 10
"""Signs of a password, at least."""

LONGEST: Final = 1_024
"""Signs of a password, at most: nobody makes the server hash a book."""

_BYTES: Final = 32
_BEGINNING: Final = "outlay_"  # so that one that lies about is known for what it is
_HASHER = PasswordHasher()


def hashed(password: str, name: str = "") -> str:
    """Return the argon2id hash of a new password, in PHC form.

    Args:
        password: As it was typed. It is hashed in one of the forms in which the same signs can be put together (NFKC).
        name: Whose it is to be.

    Raises:
        ValueError: It is too short or too long, or it is the name itself.
    """
    plain = _plain(password)
    if len(plain) < SHORTEST:
        raise ValueError(f"the password is too short. Mend: write at least {SHORTEST} signs")
    if len(password) > LONGEST:
        raise ValueError(f"the password is too long. Mend: write at most {LONGEST} signs")
    if known_as(plain.strip()) == known_as(name):
        raise ValueError("the password is the name itself. Mend: choose another one")
    return _HASHER.hash(plain)


def matches(kept: str | None, password: str) -> bool:
    """Whether a password is the one of which a hash is kept.

    Args:
        kept: The hash; None where nobody has the typed name, or who has it may not log in by password. It takes the
            same time then, so that time tells nothing about names.
        password: As it was typed.
    """
    plain = _plain(password[:LONGEST])
    try:
        _HASHER.verify(_nobodys(_HASHER) if kept is None else kept, plain)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None and len(password) <= LONGEST


def stale(kept: str) -> bool:
    """Whether a hash was made at another cost than hashes are made now: after a log-in it is to be made anew."""
    return _HASHER.check_needs_rehash(kept)


def new_secret() -> str:
    """Return a new secret of a browser's session."""
    return secrets.token_urlsafe(_BYTES)


def new_token() -> str:
    """Return a new secret of a token of the API."""
    return _BEGINNING + secrets.token_urlsafe(_BYTES)


def secret_hash(secret: str) -> str:
    """Return what of a secret is kept: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _nobodys(hasher: PasswordHasher) -> str:
    """The hash of a password that nobody has, at a hasher's cost."""
    return hasher.hash(secrets.token_urlsafe(_BYTES))


def _plain(password: str) -> str:
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode("utf-8")
