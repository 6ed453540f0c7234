"""Columns of text to exact integers, a whole array at a time.

Arrow's decimals do the arithmetic; no float touches an amount. Where an array holds something that Arrow cannot read,
each cell is read by itself, which is slower, accepts longer numbers, and finds the cell at fault.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.files.bridge import from_numpy, to_numpy

IntArray = npt.NDArray[np.int64]

MISSING: Final = -(2**63)
"""Stands for an empty cell in an array of micros."""

_WIDE: Final = pa.decimal128(38, 24)
_EXACT: Final = Context(prec=400)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_LONGEST: Final = 200
_LARGEST: Final = 2**58  # 288 billion units; a day of hours, or thirty columns, still sum within 64 bits
_LARGEST_POWER: Final = 20

# Arrow's cast from text to a decimal overflows without a word beyond 38 digits. Texts no longer than that, of numbers
# below 10**13, leave it a digit to spare; everything else is read cell by cell.
_WIDE_LENGTH: Final = 38
_WIDE_LIMIT: Final = 1e13


class Fault(ValueError):  # noqa: N818 - a fault of the input, not of the program
    """Something in a row cannot be used; whoever knows the file makes a `BadInput` of it.

    Attributes:
        mend: What would make it usable.
        index: The row at fault, in the array at hand.
        field: The field at fault where it is not the one that was asked for.
    """

    def __init__(self, message: str, mend: str, *, index: int = 0, field: str | None = None) -> None:
        super().__init__(message)
        self.mend = mend
        self.index = index
        self.field = field


def micros(texts: Any, digits: int, decimal: str = ".") -> IntArray:
    """Return the numbers times 10**digits as integers, rounded half to even; empty cells as `MISSING`.

    Args:
        texts: An Arrow array of strings without nulls, shape (n,).
        digits: 6 for a number in whole units, 0 for one that is in micros already.
        decimal: The decimal sign, "." or ",".

    Raises:
        Fault: A cell is not a finite number, or 288 billion units or more.
    """
    try:
        return _by_array(texts, digits, decimal)
    except pa.ArrowInvalid:
        return _by_cell(texts.to_pylist(), digits, decimal)


def _by_array(texts: Any, digits: int, decimal: str) -> IntArray:
    lengths = to_numpy(pc.binary_length(texts), np.int32)
    empty = lengths == 0
    if empty.any():
        texts = pc.replace_substring_regex(texts, pattern="^$", replacement="0")
    if decimal == ",":
        if pc.any(pc.match_substring(texts, ".")).as_py():
            raise pa.ArrowInvalid("a point in a number with a decimal comma")
        texts = pc.replace_substring(texts, ",", ".")
    if lengths.max(initial=0) > _WIDE_LENGTH:
        raise pa.ArrowInvalid("a long number")
    if not (np.abs(to_numpy(pc.cast(texts, pa.float64()), np.float64)) < _WIDE_LIMIT).all():
        raise pa.ArrowInvalid("a large number")
    rounded = pc.round(pc.cast(texts, _WIDE), digits, "half_to_even")
    numbers = _unscaled(pc.cast(rounded, pa.decimal128(38, digits)))
    numbers[empty] = MISSING
    return numbers


def _unscaled(decimals: Any) -> IntArray:
    """The integers under an array of decimals: the low halves of Arrow's little-endian 128-bit words."""
    if len(decimals) == 0:
        return np.empty(0, dtype=np.int64)
    words = np.frombuffer(decimals.buffers()[1], dtype="<i8").reshape(-1, 2)
    words = words[decimals.offset : decimals.offset + len(decimals)]
    low = words[:, 0].astype(np.int64)
    if not np.array_equal(words[:, 1], low >> 63) or (low >= _LARGEST).any() or (low <= -_LARGEST).any():
        raise pa.ArrowInvalid("a number that is too large")
    return low


def _by_cell(cells: list[str], digits: int, decimal: str) -> IntArray:
    numbers = np.empty(len(cells), dtype=np.int64)
    for index, cell in enumerate(cells):
        numbers[index] = _number(index, cell.strip(), digits, decimal)
    return numbers


def _number(index: int, cell: str, digits: int, decimal: str) -> int:
    if not cell:
        return MISSING
    plain = cell if decimal == "." else cell.replace(".", "?").replace(",", ".")
    if len(plain) > _LONGEST or not _NUMBER.fullmatch(plain):
        raise Fault(f"{cell[:60]!r} is not a number", _number_mend(cell, decimal), index=index)
    number = Decimal(plain)
    if not number or number.adjusted() < _LARGEST_POWER:
        exact = int(number.scaleb(digits, _EXACT).quantize(Decimal(1), ROUND_HALF_EVEN, _EXACT))
        if abs(exact) < _LARGEST:
            return exact
    raise Fault(f"{cell[:60]} is too large", "correct it, or set the column's unit in units.", index=index)


def _number_mend(cell: str, decimal: str) -> str:
    other = "," if decimal == "." else "."
    if other in cell and any(sign.isdigit() for sign in cell):
        return f"write it without a thousands separator, or set decimal = {other!r} if that is the decimal sign."
    return f"write a plain number such as 12{decimal}5; leave the cell empty where the platform reports none."


def joint(columns: list[Any], length: int) -> tuple[IntArray, IntArray]:
    """Number the distinct rows of several columns.

    Args:
        columns: Arrow arrays without nulls, each of shape (n,).
        length: n, for when there is no column.

    Returns:
        codes: The number of each row's combination, shape (n,).
        first: The first row of each combination, shape (combinations,).
    """
    codes = np.zeros(length, dtype=np.int64)
    count = 1
    for column in columns:
        encoded = column.dictionary_encode()
        if len(encoded.dictionary) <= 1:
            continue
        codes = codes * len(encoded.dictionary) + to_numpy(encoded.indices, np.int32)
        encoded = from_numpy(codes).dictionary_encode()
        codes, count = to_numpy(encoded.indices, np.int32).astype(np.int64), len(encoded.dictionary)
    first = np.empty(count if length else 0, dtype=np.int64)
    first[codes[::-1]] = np.arange(length - 1, -1, -1)
    return codes, first
