"""Which database the agent of a settings file uses: it leaves word of that beside the file for as long as it leads.

So whoever throws the kill switch finds it also while the settings cannot be read, or name another database than the
agent could take. The word holds no password. It is locked by the agent's process, and counts while it is.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from optimizer.agent import settings as configuration
from optimizer.agent.settings import SettingsError
from optimizer.agent.settings.store import StoreTable
from optimizer.agent.store.places import without_password

_READABLE: Final = 0o644


def file_of(config: Path) -> Path:
    """Return where the agent of a settings file leaves word."""
    home = config.resolve()
    return home.with_name(f"{home.name}.agent")


class Word:
    """What one agent leaves beside one settings file."""

    def __init__(self, config: Path) -> None:
        """Leave nothing yet."""
        self._path = file_of(config)
        self._held: tuple[str, int] | None = None

    def leave(self, url: str) -> None:
        """Leave word of a database; nothing is done where that stands there already.

        Args:
            url: Its address; a password in it is left out.

        Raises:
            OSError: The folder cannot be written.
        """
        if self._held is not None and self._held[0] == url:
            return
        self.take_back()
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        made = Path(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # before it has its name, so that nobody finds it without
            os.write(descriptor, f"{without_password(url)}\n".encode())
            os.fchmod(descriptor, _READABLE)
            made.replace(self._path)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                made.unlink()
            raise
        self._held = url, descriptor

    def take_back(self) -> None:
        """Leave word of nothing; may be called twice."""
        if self._held is None:
            return
        descriptor, self._held = self._held[1], None
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), self._path.stat()):  # or another agent has left its own
                self._path.unlink()
        os.close(descriptor)


def told(config: Path) -> str | None:
    """Return the address, without a password, of the database that the agent of a settings file uses.

    None where no agent of this machine leads, or it could leave no word.
    """
    try:
        descriptor = os.open(file_of(config), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 65_536).decode().strip()
    except OSError:
        return None
    else:
        return None  # whoever left it is gone
    finally:
        os.close(descriptor)


def named_url(config: Path, store: StoreTable) -> str:
    """Return the address of the database that `[store]` names."""
    return configuration.store_url(store, config.resolve().parent)


def used_url(config: Path, store: StoreTable) -> str:
    """Return the address of the database that the agent of a settings file uses; without one, that which is named.

    Args:
        config: The settings file.
        store: What is known of `[store]`; where the agent uses another database, its password is tried.
    """
    named, used = named_url(config, store), told(config)
    if used is None or without_password(named) == used:
        return named
    return named_url(config, StoreTable(url=used, password=store.password))


def used_database(config: Path) -> tuple[str, str]:
    """Return the address of the database that the agent uses, and why that is not read from the settings file.

    The latter is empty where the file names it. Where the file cannot be read, a password is that of the environment
    or of a secret file.

    Raises:
        SettingsError: The settings cannot be read, and no agent has left word.
    """
    try:
        store, trouble = configuration.load_store(config), ""
    except SettingsError as error:
        if told(config) is None:
            raise
        store, trouble = configuration.load_store_outside(config), str(error)
    used = used_url(config, store)
    where = without_password(used)
    if trouble:
        return used, f"{trouble}\nThe database is the one that the agent uses: {where}"
    if used != named_url(config, store):
        return used, f"{config} names another database than the agent uses, which is {where}"
    return used, ""
