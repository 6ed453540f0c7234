"""`outlay db`: the version of the store's tables, backups of it, and what is put back."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from optimizer.agent import settings as configuration
from optimizer.agent.cli.answers import Answer
from optimizer.agent.cli.person import person
from optimizer.agent.store import back_up, current, open_sql, restore, upgrade
from optimizer.agent.store.contents import Contents
from optimizer.agent.store.migrate import HEAD
from optimizer.agent.store.places import is_there, make_place
from optimizer.plan.office import Brake


def db_upgrade(config: Path) -> Answer:
    """Bring the store's tables to this program's version."""
    url = _url(config)
    make_place(url)
    before = current(url)
    after = upgrade(url)
    words = (
        f"The store is of version {after}, as it was." if before == after else f"From {before or 'none'} to {after}."
    )
    return Answer(Text(words), {"before": before, "version": after})


def db_current(config: Path) -> Answer:
    """Say of which version the store's tables are."""
    url = _url(config)
    version = current(url) if is_there(url) else None
    words = f"The store is of version {version}, the newest is {HEAD}."
    if version is None:
        words = f"There is no store yet; the newest version is {HEAD}. Next: outlay db upgrade"
    elif version != HEAD:
        words += " The next command that opens it brings it up to date, as does outlay db upgrade."
    return Answer(Text(words), {"version": version, "newest": HEAD, "up_to_date": version == HEAD})


def db_rename(config: Path, actor: str | None) -> Answer:
    """Say that the portfolio whose the store is has the name that the settings give it, from now on."""
    name, url, who = configuration.load(config).portfolio.name, _url(config), person(actor)
    if not is_there(url):
        return Answer(Text("There is no store yet."), {"before": None, "name": None})
    with closing(open_sql(url)) as store:
        before = store.rename(name, who, datetime.now(UTC))
    words = f"The store is that of {name!r}" + (", as it was." if before == name else f"; it was {before!r}'s before.")
    if before is None:
        words = f"The store is that of {name!r}; it was nobody's before."
    return Answer(Text(words), {"before": before, "name": name})


def db_backup(file: Path, config: Path) -> Answer:
    """Copy the store into a new file while others may write, and say what is in the copy."""
    return _counted(f"Backed up into {file} and {file}.json.", file, back_up(_url(config), file))


def db_restore(file: Path, config: Path) -> Answer:
    """Put a backup into an empty place with its writes paused, and say what was put there.

    What was written since the backup is not in it: a plan that was approved then could be written a second time.
    """
    why = f"restored from {file.name}: look at what was written since the backup"
    held = restore(_url(config), file, Brake(True, datetime.now(UTC), person(None), why))
    words = f"Restored from {file}; all rows are as they were backed up. Writes are paused until `outlay resume`."
    return _counted(words, file, held)


def _url(config: Path) -> str:
    return configuration.store_url(configuration.load(config).store, config.resolve().parent)


def _counted(words: str, file: Path, held: Contents) -> Answer:
    table = Table(box=None, pad_edge=False)
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, count in held.rows.items():
        table.add_row(name, f"{count:,}")
    told = Text(f"Version {held.version}, digest {held.digest}")
    data = {"file": str(file), "version": held.version, "rows": dict(held.rows), "digest": held.digest}
    return Answer(Group(Text(words), table, told), data)
