"""Facts of a week as a few bytes each: columns of the narrowest whole numbers, one behind the other. Pure.

A year of ten thousand campaigns is millions of rows, and handing each of them over by itself costs more than all that
is learnt from them. Amounts are micros, but cents and whole counts nearly always: less their smallest and divided by
what divides them all, most fit into one or two bytes.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from optimizer.agent.store.known import UNREPORTED
from optimizer.plan.snapshot import IntArray

SERIES, DAY, KNOWN_FROM, SPEND, CONVERSIONS, VALUE, IMPRESSIONS, CLICKS = range(8)
"""The rows of a table of facts, shape (8, N): whole numbers, `UNREPORTED` where nothing was reported."""

COLUMNS: Final = 8
MEASURES: Final = slice(SPEND, CLICKS + 1)

_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BI")  # version, rows
_COLUMN: Final = struct.Struct("<BBqq")  # bytes of a number, whether some are missing, smallest, divisor
_TYPES: Final[dict[int, np.dtype[Any]]] = {
    width: np.dtype(name) for width, name in ((1, "<u1"), (2, "<u2"), (4, "<u4"), (8, "<i8"))
}
_NOTHING: Final = 0  # bytes of a number where all are alike
_FAST: Final = 1  # of zlib


def pack(facts: IntArray) -> bytes:
    """Return facts, shape (8, N), as bytes."""
    parts = [_HEAD.pack(_VERSION, facts.shape[1]), *(part for column in facts for part in _packed(column))]
    return zlib.compress(b"".join(parts), _FAST)


def unpack(packed: bytes) -> IntArray:
    """Return the facts that `pack` was given, shape (8, N).

    Raises:
        ValueError: These bytes are of another version, or were not written by `pack`.
    """
    try:
        text = zlib.decompress(packed)
        version, rows = _HEAD.unpack_from(text)
    except (zlib.error, struct.error):
        raise ValueError("packed facts are damaged") from None
    if version != _VERSION:
        raise ValueError(f"packed facts are of version {version}, not {_VERSION}")
    facts = np.empty((COLUMNS, rows), dtype=np.int64)
    reader = _Reader(text, _HEAD.size)
    for column in facts:
        reader.into(column)
    return facts


def _packed(column: IntArray) -> tuple[bytes, ...]:
    missing = column == UNREPORTED
    some = bool(missing.any())
    told = column[~missing] if some else column
    if not told.size:
        return _COLUMN.pack(_NOTHING, some, 0, 1), np.packbits(missing).tobytes() if some else b""
    least, most = int(told.min()), int(told.max())
    if most - least > np.iinfo(np.int64).max:  # beyond what any sum of money is: as it stands
        return _COLUMN.pack(8, 0, 0, 1), column.astype(_TYPES[8]).tobytes()
    divisor = int(np.gcd.reduce(told - least)) or 1
    width = _width((most - least) // divisor)
    head = _COLUMN.pack(width, some, least, divisor)
    gaps = np.packbits(missing).tobytes() if some else b""
    return head, gaps, ((told - least) // divisor).astype(_TYPES[width]).tobytes() if width else b""


def _width(largest: int) -> int:
    if not largest:
        return _NOTHING
    return next(width for width in (1, 2, 4, 8) if largest < 2 ** (8 * width))


@dataclass(slots=True)
class _Reader:
    """Reads columns one after another."""

    text: bytes
    at: int

    def into(self, column: IntArray) -> None:
        """Fill a column."""
        width, some, least, divisor = _COLUMN.unpack_from(self.text, self.at)
        self.at += _COLUMN.size
        if not some:
            column[:] = self._numbers(width, column.size, least, divisor)
            return
        missing = np.unpackbits(self._take(_TYPES[1], -(-column.size // 8)), count=column.size).astype(np.bool_)
        column[missing] = UNREPORTED
        column[~missing] = self._numbers(width, column.size - int(missing.sum()), least, divisor)

    def _numbers(self, width: int, count: int, least: int, divisor: int) -> IntArray:
        if width == _NOTHING:
            return np.full(count, least, dtype=np.int64)
        numbers: IntArray = self._take(_TYPES[width], count).astype(np.int64)
        if divisor != 1:
            numbers *= divisor
        if least:
            numbers += least
        return numbers

    def _take(self, kind: np.dtype[Any], count: int) -> Any:
        found = np.frombuffer(self.text, dtype=kind, count=count, offset=self.at)
        self.at += count * kind.itemsize
        return found
