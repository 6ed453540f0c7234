"""What stands beside performance: rows of touches and of orders, their columns found by well-known names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from connectors.errors import BadInput
from connectors.files.cells import Fault
from connectors.files.layout import Layout
from connectors.files.options import Options
from connectors.files.reading import Source, chunks, header, place, sources_of

TOUCH_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "person": ("person", "customer", "customer_id", "user_id", "user_pseudo_id", "client_id"),
    "at": ("at", "time", "timestamp", "event_time"),
    "channel": ("channel", "platform"),
    "campaign": ("campaign_id", "campaign"),
    "kind": ("kind", "interaction", "touch_type"),
}
"""Names under which columns of touches are looked for, in this order."""

ORDER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "order_id": ("order_id", "transaction_id"),
    "customer": ("customer", "customer_id", "person", "user_id", "user_pseudo_id", "client_id"),
    "at": ("at", "time", "timestamp", "ordered_at", "created_at"),
    "value": ("value", "total", "revenue", "amount"),
    "refunded": ("refunded", "refund"),
    "currency": ("currency", "currency_code"),
    "channel": ("channel", "platform"),
    "campaign": ("campaign_id", "campaign"),
    "claims": ("claims", "claimed_by"),
}
"""And columns of orders."""

NEEDED: Final = frozenset({"person", "order_id", "customer", "at", "value"})
"""Columns without which neither can be read; touches need `channel`, too."""

_IDS: Final = frozenset({"person", "campaign", "order_id", "customer"})


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a file or an answer, every column as text without nulls.

    Attributes:
        count: How many.
        columns: By field, Arrow arrays of shape (count,); a field that is not carried is absent.
        headers: What the source calls each field.
        where: Names a row by its number in `columns`, as `file:row`.
    """

    count: int
    columns: Mapping[str, Any]
    headers: Mapping[str, str]
    where: Callable[[int], str]

    def bad(self, fault: Fault, field: str) -> BadInput:
        """Make an error of a fault: where it is, in which column, and the mend."""
        return BadInput(
            str(fault), where=self.where(fault.index), field=self.headers.get(field, field), mend=fault.mend
        )


def found_columns(
    names: Sequence[str], known: Mapping[str, tuple[str, ...]], chosen: Mapping[str, str], setting: str, where: str
) -> dict[str, str]:
    """Find which column of a source holds which field.

    Args:
        names: The source's columns.
        known: Well-known names by field.
        chosen: Columns by field, as set.
        setting: The setting that chooses, for the mend.
        where: The source, for errors.

    Raises:
        BadInput: A column that is chosen or needed is missing.
    """
    plain = {name.strip().casefold().replace(" ", "_"): name for name in reversed(names)}
    found: dict[str, str] = {}
    for field, looked_for in known.items():
        name = chosen.get(field) or next((plain[each] for each in looked_for if each in plain), None)
        needed = field in NEEDED or (field == "channel" and "person" in known)
        if (name is None and needed) or (name is not None and name not in names):
            raise _missing(name or looked_for[0], field, names, setting, where)
        if name is not None:
            found[field] = name
    return found


def ids(found: Mapping[str, str]) -> frozenset[str]:
    """The columns that hold ids, which must not be stored as floats."""
    return frozenset(name for field, name in found.items() if field in _IDS)


def file_rows(
    folder: Path, pattern: str, options: Options, known: Mapping[str, tuple[str, ...]], setting: str
) -> Iterator[Rows]:
    """Yield the rows of all files that match, in the order of their names.

    Args:
        folder: The connector's.
        pattern: Of files in it.
        options: How they are written.
        known: Well-known names by field.
        setting: `touch_columns` or `order_columns`, which may choose columns.

    Raises:
        BadInput: No file matches, one cannot be read, or a column is missing.
    """
    for source in sources_of(folder, pattern):
        found = found_columns(header(source, options), known, getattr(options, setting), setting, source.name)
        # What reads files looks there for ids and for a day that may be typed.
        layout = Layout({"date": (found["at"],), "campaign_id": tuple(sorted(ids(found)))})
        for chunk in chunks(source, options, layout, list(dict.fromkeys(found.values()))):
            columns = {field: chunk.columns[name] for field, name in found.items()}
            yield Rows(chunk.rows, columns, found, _places(source, options, chunk.start))


def _places(source: Source, options: Options, start: int) -> Callable[[int], str]:
    return lambda index: place(source, options, start + index)


def _missing(name: str, field: str, names: Sequence[str], setting: str, where: str) -> BadInput:
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"{near[0]!r} is the closest. " if near else ""
    return BadInput(
        f"there is no column {name!r}; there are {', '.join(map(repr, names))}",
        where=where,
        field=name,
        mend=f"{hint}Set {setting}.{field} to the column that holds it, or add the column.",
    )
