"""Which column of one file holds what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from connectors.errors import BadInput
from connectors.files.options import WELL_KNOWN, Options

IDS: Final = ("account_id", "campaign_id", "ad_group_id", "ad_id", "creative_id", "audience_id")
MEASURES: Final = ("spend", "conversions", "value", "impressions", "clicks")
SHARES: Final = ("impression_share", "lost_to_budget")
"""Read of daily rows only: the shares of hours do not add up to that of the day."""

_REQUIRED: Final = ("date", "campaign_id", "spend", "conversions")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file by field; a field that the file does not carry is absent.

    Only `conversions` may have several.
    """

    columns: Mapping[str, tuple[str, ...]]

    def column(self, field: str) -> str | None:
        """The first column of a field, None if it has none."""
        return self.columns[field][0] if field in self.columns else None

    def among(self, fields: Sequence[str]) -> tuple[str, ...]:
        """The columns of several fields, each once."""
        return tuple(dict.fromkeys(name for field in fields for name in self.columns.get(field, ())))


def resolve(header: Sequence[str], options: Options, where: str) -> Layout:
    """Find the columns of a file with this header.

    Raises:
        BadInput: A column that is set, or one that is needed, is missing, or it stands there twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for field in WELL_KNOWN:
        names = options.columns.named(field)
        if names is None:
            names = _well_known(field, header)
        for name in names:
            if name not in header:
                raise _missing(field, (name,), header, where)
        if names:
            found[field] = names
        elif field in _REQUIRED:
            raise _missing(field, WELL_KNOWN[field], header, where)
    _reject_twins(header, found, where)
    return Layout(found)


def _well_known(field: str, header: Sequence[str]) -> tuple[str, ...]:
    plain = {name.strip().casefold().replace(" ", "_"): name for name in reversed(header)}
    return next(((plain[name],) for name in WELL_KNOWN[field] if name in plain), ())


def _missing(field: str, names: Sequence[str], header: Sequence[str], where: str) -> BadInput:
    near = get_close_matches(names[0], header, n=1, cutoff=0.5)
    hint = f"{near[0]!r} is the closest. " if near else ""
    other = " Or set delimiter to the one that the file uses." if len(header) == 1 else ""
    return BadInput(
        f"there is no column {' or '.join(map(repr, names))} for columns.{field}; "
        f"the file has {', '.join(map(repr, header))}",
        where=where,
        field=names[0],
        mend=f"{hint}Set columns.{field} to the column that holds it, or add the column.{other}",
    )


def _reject_twins(header: Sequence[str], found: Mapping[str, tuple[str, ...]], where: str) -> None:
    counts = Counter(header)
    for names in found.values():
        for name in names:
            if counts[name] > 1:
                raise BadInput(
                    f"{counts[name]} columns have this name",
                    where=where,
                    field=name,
                    mend="rename all but one of them.",
                )
