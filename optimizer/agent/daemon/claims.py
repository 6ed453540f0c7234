"""What portfolios of one agent must not share: a name, by which people and metrics tell them apart, and a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from optimizer.agent.settings import SettingsError
from optimizer.agent.store.places import place_of
from optimizer.agent.workers import here
from optimizer.ports import Call

_NAME: Final = "name"
_STORE: Final = "store"


class Claims:
    """Who has which name and database; may be shared by threads."""

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self._guard = Lock()
        self._taken: dict[tuple[str, str], Path] = {}

    @contextmanager
    def taking(self, config: Path, name: str, store: str) -> Iterator[None]:
        """Take both for a settings file in place of what it had; what it had stays its own if the body raises.

        Args:
            config: The settings file.
            name: The portfolio's.
            store: The database's address, however it is written; it may hold a password, and is never told.

        Raises:
            SettingsError: Another settings file has one of them.
            StoreError: The address names no database.
        """
        store = place_of(store)
        wanted = {(_NAME, name), (_STORE, store)}
        with self._guard:
            self._check(config, name, store)
            before = {claim for claim, owner in self._taken.items() if owner == config}
            self._taken |= dict.fromkeys(wanted, config)
        try:
            yield
        except BaseException:
            self._drop(wanted - before)
            raise
        self._drop(before - wanted)

    def _check(self, config: Path, name: str, store: str) -> None:
        owner = self._taken.get((_NAME, name), config)
        if owner != config:
            words = f"{config}, portfolio.name: {owner} is named {name!r}, too, and metrics would mix up the two"
            raise SettingsError([f"{words}. Mend: give each portfolio a name of its own."])
        owner = self._taken.get((_STORE, store), config)
        if owner != config:
            words = f"{config}, store.url: {owner} has the same database, and one would wait for the other for ever"
            raise SettingsError([f"{words}. Mend: give each portfolio a database of its own."])

    def _drop(self, claims: set[tuple[str, str]]) -> None:
        with self._guard:
            for claim in claims:
                self._taken.pop(claim, None)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the portfolios of one agent have in common.

    Attributes:
        call: Where plans are worked out.
        claims: What no two of them may have.
    """

    call: Call = here
    claims: Claims = field(default_factory=Claims)
