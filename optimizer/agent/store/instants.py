"""Instants as integer microseconds since 1970-01-01 UTC: exact, ordered, and the same in every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from connectors.contract import zone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def to_instant(moment: datetime) -> int:
    """Return an aware time as microseconds since the epoch.

    Raises:
        TypeError: The time carries no zone.
    """
    return (moment - _EPOCH) // _MICRO


def from_instant(instant: int) -> datetime:
    """Return the aware UTC time of an instant."""
    return _EPOCH + instant * _MICRO


@lru_cache(maxsize=8_192)  # the readings of some years; a process that runs for years sees ever new ones
def local_day(instant: int, time_zone: str) -> int:
    """Return the ordinal of the calendar day that an instant falls on in a zone."""
    return from_instant(instant).astimezone(zone(time_zone)).toordinal()
