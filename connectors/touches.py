"""What a person met of an advertiser before an order: one touch, and columns of them for many millions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

DIRECT: Final = "(direct)"
"""The channel of visits that came from no channel, as web analytics call it."""

SCHEMA: Final = pa.schema(
    [
        pa.field("person", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("campaign", pa.string()),
        pa.field("view", pa.bool_(), nullable=False),
    ]
)
"""The columns of a batch of touches; each row is a `Touch`."""


@dataclass(frozen=True, slots=True)
class Touch:
    """One click on an ad or a link, or one view of an ad.

    Attributes:
        person: The same text as `Order.customer`, where that person ordered.
        at: When, aware.
        channel: As in `PerformanceRow.series.channel`; `DIRECT` for a visit that came from none.
        campaign: Id of the campaign; None where the source does not say.
        view: Whether the ad was only seen.

    Raises:
        ValueError: The person or the channel is empty, or the time has no zone.
    """

    person: str
    at: datetime
    channel: str
    campaign: str | None = None
    view: bool = False

    def __post_init__(self) -> None:
        if not self.person or not self.channel:
            raise ValueError(f"a touch needs person and channel: {self.person!r}, {self.channel!r}")
        if self.at.tzinfo is None:
            raise ValueError(f"the touch of {self.person!r} needs a time with a zone: {self.at!r}")


def batch(touches: Iterable[Touch]) -> Any:
    """Return touches as one Arrow record batch of `SCHEMA`."""
    rows = [(each.person, each.at, each.channel, each.campaign, each.view) for each in touches]
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA)


def check(rows: Any) -> None:
    """Refuse a batch that is not what `SCHEMA` says.

    Raises:
        ValueError: A column is missing, of another type, or lacks a value that each touch needs.
    """
    if not rows.schema.equals(SCHEMA):
        raise ValueError(f"touches need the columns {', '.join(SCHEMA.names)}, not {', '.join(rows.schema.names)}")
    for field in SCHEMA:
        if not field.nullable and rows.column(field.name).null_count:
            raise ValueError(f"a touch without {field.name}")
    for name in ("person", "channel"):
        if pc.any(pc.equal(rows.column(name), "")).as_py():
            raise ValueError(f"a touch with an empty {name}")


@runtime_checkable
class TellsTouches(Protocol):
    """What a connector adds that can read touches of single persons."""

    def touches(self, since: date, until: date) -> Iterator[Any]:
        """Yield the touches of the days `since` to `until`, both included, in the source's zone, in any order.

        Each item is an Arrow record batch of `SCHEMA`, of at most some ten thousands of rows, so that a source of any
        size takes the same memory.
        """
        ...
