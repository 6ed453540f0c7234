"""Compact memories of a stream: which keys were seen, and running totals by key.

A key is a pair of small integers, a code (of a series, of a campaign) and a slot (a day or an hour).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from connectors.files.cells import IntArray

_SLOT_BITS: Final = 28  # holds hours up to the year 9999
_WORD: Final = 64


def pack(codes: IntArray, slots: IntArray) -> IntArray:
    """Return each key as one integer, in the order of (code, slot)."""
    return (codes << _SLOT_BITS) | slots


def unpack(keys: IntArray) -> tuple[IntArray, IntArray]:
    """Return the codes and slots of packed keys."""
    return keys >> _SLOT_BITS, keys & ((1 << _SLOT_BITS) - 1)


class KeySet:
    """The set of keys seen so far, at one bit each: a row of 64-slot words per code, allocated as slots appear.

    Memory is 8 bytes per code and stretch of 64 slots, whatever the number of rows.
    """

    def __init__(self) -> None:
        self._words: dict[int, np.ndarray[tuple[int], np.dtype[np.uint64]]] = {}

    def add(self, codes: IntArray, slots: IntArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Take in keys; return for each whether it was new, shape (n,). The first of equal keys is the new one."""
        new = np.zeros(len(codes), dtype=np.bool_)
        _, first = np.unique(pack(codes, slots), return_index=True)
        stretch, bit = np.divmod(slots[first], _WORD)
        masks = np.left_shift(np.uint64(1), bit.astype(np.uint64))
        for number in np.unique(stretch):
            inside = stretch == number
            here, mask = first[inside], masks[inside]
            words = self._stretch(int(number), int(codes[here].max()) + 1)
            new[here] = (words[codes[here]] & mask) == 0
            np.bitwise_or.at(words, codes[here], mask)
        return new

    def _stretch(self, number: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        words = self._words.get(number)
        if words is None or len(words) < size:
            grown = np.zeros(max(size, 2 * (0 if words is None else len(words))), dtype=np.uint64)
            if words is not None:
                grown[: len(words)] = words
            self._words[number] = words = grown
        return words


class Totals:
    """Sums of integer measures by key; partial sums are folded together whenever they outgrow the totals."""

    def __init__(self, measures: int) -> None:
        self._keys = np.empty(0, dtype=np.int64)
        self._sums = np.empty((0, measures), dtype=np.int64)
        self._waiting: list[tuple[IntArray, IntArray]] = []
        self._rows = 0

    def add(self, codes: IntArray, slots: IntArray, measures: IntArray) -> None:
        """Add rows: keys of shape (n,), measures of shape (n, measures)."""
        self._waiting.append(_fold(pack(codes, slots), measures))
        self._rows += len(self._waiting[-1][0])
        if self._rows > len(self._keys) + 100_000:
            self._settle()

    def result(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return codes and slots, each of shape (keys,), and the sums, shape (keys, measures), in order of the key."""
        self._settle()
        codes, slots = unpack(self._keys)
        return codes, slots, self._sums

    def _settle(self) -> None:
        parts = [(self._keys, self._sums), *self._waiting]
        keys, sums = (np.concatenate(part) for part in zip(*parts, strict=True))
        self._keys, self._sums = _fold(keys, sums)
        self._waiting, self._rows = [], 0


def _fold(keys: IntArray, measures: IntArray) -> tuple[IntArray, IntArray]:
    order = np.argsort(keys, kind="stable")
    distinct, starts = np.unique(keys[order], return_index=True)
    if not len(distinct):
        return distinct, measures[:0]
    return distinct, np.add.reduceat(measures[order], starts, axis=0)
