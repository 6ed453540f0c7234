"""The secrets of this process by their values, wherever they come from: one room that all who tell something ask.

Whoever reads a secret puts it here, and so does a connector that is given a token while it runs. What is told goes
through `hide` first. Secrets of the settings are kept for good, since a text of before may still be on its way; tokens
that are renewed every hour make room for later ones, long after they have ended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "***"

SHORTEST: Final = 6
"""Shorter secrets are not looked for by their values: they would be found in ordinary words, too."""

PASSING: Final = 256
"""So many tokens that were given while the process runs are known at once: of a hundred connectors, two hours'."""

_LONG_LINE: Final = 32
_ENCODED: Final = re.compile(r"%[0-9A-F]{2}")


class Vault:
    """Secrets, and texts without them; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: set[str] = set()
        self._passing: dict[str, None] = {}
        self._forms: tuple[str, ...] = ()

    def keep(self, secrets: Iterable[str]) -> None:
        """Hide these from now on; those that are too short are left alone."""
        new = {secret for secret in secrets if len(secret) >= SHORTEST}
        with self._lock:
            if not new <= self._kept:
                self._kept |= new
                self._laid_out()

    def keep_passing(self, token: str) -> None:
        """Hide a token that was given for a while; of so many the oldest is forgotten."""
        with self._lock:
            if len(token) < SHORTEST or token in self._passing:
                return
            self._passing[token] = None
            if len(self._passing) > PASSING:
                del self._passing[next(iter(self._passing))]
            self._laid_out()

    def hide(self, text: str) -> str:
        """Return a text without them, in whatever form they stand in it."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    def _laid_out(self) -> None:
        """Find each form anew, the longest first, since one may hold another."""
        found = {form for secret in (*self._kept, *self._passing) for form in forms(secret)}
        self._forms = tuple(sorted(found, key=lambda form: (-len(form), form)))

    def __repr__(self) -> str:
        return f"Vault({len(self._kept) + len(self._passing)} secrets)"


def forms(secret: str) -> Iterator[str]:
    """Yield a secret as it may be told: plain, in an address, in JSON (also in JSON), in Python's words, by lines."""
    in_json = json.dumps(secret)[1:-1]
    yield from (secret, in_json, json.dumps(in_json)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield from (repr(secret)[1:-1], repr(secret.encode())[2:-1])
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield _ENCODED.sub(lambda found: found[0].lower(), encoded)
    if "\n" in secret:  # a private key; its first and last lines are those of any other
        yield from (line for line in secret.split("\n") if len(line) >= _LONG_LINE and "-----" not in line)


VAULT: Final = Vault()
"""The one of this process."""
