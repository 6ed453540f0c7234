"""`[store]`: where everything is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote

from pydantic import Field, SecretStr

from optimizer.agent.settings.types import Table, Text

_SQLITE_FILE: Final = "sqlite:///"


class StoreTable(Table):
    """`[store]`: where everything is kept."""

    url: Text = Field(
        "sqlite:///.outlay/outlay.sqlite",
        repr=False,
        description="Database: sqlite:///PATH, of which a path that does not begin with / starts from the folder of "
        "config.toml, or postgresql://USER@HOST:PORT/DATABASE.",
    )
    password: SecretStr | None = Field(
        None, description="The PostgreSQL user's; better set as OUTLAY_STORE__PASSWORD or in a secret file than here."
    )


def store_url(store: StoreTable, home: Path) -> str:
    """Return the database's address with a relative SQLite file made absolute and a password put in.

    Args:
        store: What was loaded.
        home: The folder of `config.toml`.
    """
    url = store.url
    secret = store.password
    scheme, server, rest = url.partition("://")
    if secret is not None and not url.startswith(_SQLITE_FILE):
        user, at, place = rest.rpartition("@")
        return f"{scheme}{server}{user.partition(':')[0]}:{quote(secret.get_secret_value(), safe='')}{at or '@'}{place}"
    name = url.removeprefix(_SQLITE_FILE)
    if name == url or name in ("", ":memory:"):
        return url
    return f"{_SQLITE_FILE}{home.resolve() / name}"
