"""`outlay audit`: the history as a chain, proved and listed."""

from __future__ import annotations

from datetime import UTC, datetime, time
from itertools import islice
from pathlib import Path
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from connectors.contract import zone
from connectors.errors import BadInput
from optimizer.agent import trail
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.days import day
from optimizer.agent.cli.render import plain
from optimizer.plan.audit import Entry, prove

_DIGITS: Final = 8
_MOST: Final = 20
_RESTORE: Final = "Mend: restore the store from a backup, and ask who can write to it."
_HEX: Final = frozenset("0123456789abcdef")


def audit_verify(config: Path, head: str | None) -> Answer:
    """Walk the chain, and compare what is stored with what it says; exit 1 where either does not hold."""
    kept = None if head is None else _head(head)
    with open_house(config) as house:
        proof = prove(trail.entries(house.store), kept)
        found = () if proof.broken is not None else tuple(islice(trail.contradictions(house.store), _MOST))
    data = {"entries": proof.entries, "head": proof.head, "holds": proof.broken is None}
    if proof.broken is not None:
        data |= {"broken": {"entry": proof.broken.number, "message": proof.broken.words}}
        words = f"The history does not hold: {proof.broken.words}. {proof.entries} entries before that hold."
        return Answer(Text(f"{words}\n{_RESTORE}"), data, Exit.ERROR)
    if found:
        data |= {"holds": False, "contradictions": list(found)}
        words = f"All {proof.entries} entries hold, but what is stored is not what they say: {'; '.join(found)}."
        return Answer(Text(f"{words}\n{_RESTORE}"), data, Exit.ERROR)
    kept_words = "" if kept is None else f" The kept head {kept} is in it."
    lines = (
        f"All {proof.entries} entries hold, and all that is stored is what they say.{kept_words}",
        f"Head: {proof.head}",
    )
    keep = "Keep the head elsewhere: `outlay audit verify --head` then shows whether anything was taken away since."
    return Answer(Text("\n".join((*lines, keep))), data)


def audit_show(
    config: Path, rec: str | None, actor: str | None, action: str | None, since: str | None, until: str | None,
    limit: int,
) -> Answer:  # fmt: skip
    """List the last entries that match, oldest first."""
    with open_house(config) as house:
        asked = trail.Asked(
            rec, actor, action, _moment(since, house.time_zone, time.min, "--since"),
            _moment(until, house.time_zone, time.max, "--until"),
        )  # fmt: skip
        found = trail.newest(house.store, asked, limit)
    table = Table(box=None, pad_edge=False)
    for title in ("entry", "when (UTC)", "who", "what", "recommendation", "said"):
        table.add_column(title, overflow="fold")
    for entry in found:
        event = entry.event
        when = event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(entry.number), when, plain(event.actor), event.action,
                      f"{event.rec_id} r{event.revision}", plain(event.detail))  # fmt: skip
    shown = table if found else Text("No entry matches.")
    return Answer(Group(shown), {"entries": [_data(entry) for entry in found]})


def _data(entry: Entry) -> dict[str, object]:
    event = entry.event
    return {
        "entry": entry.number,
        "at": event.at.astimezone(UTC).isoformat(),
        "actor": event.actor,
        "action": event.action,
        "recommendation": event.rec_id,
        "revision": event.revision,
        "detail": event.detail,
        "subject": entry.subject,
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _head(text: str) -> str:
    kept = text.strip().lower()
    if not _DIGITS <= len(kept) <= 64 or not set(kept) <= _HEX:
        raise BadInput(f"{text!r} is no head", where="outlay audit verify", field="--head",
                       mend=f"write the head that was printed, or its first {_DIGITS} digits or more.")  # fmt: skip
    return kept


def _moment(text: str | None, time_zone: str, of_day: time, option: str) -> datetime | None:
    """A day's first or last moment in the portfolio's zone."""
    if text is None:
        return None
    return datetime.combine(day(text, "outlay audit show", option), of_day, zone(time_zone))
