"""From chunks of text to performance rows: numbers, days and series, every row checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from connectors.contract import WHOLE, PerformanceRow, Series
from connectors.errors import BadInput
from connectors.files.book import SERIES_FIELDS, Book
from connectors.files.bridge import from_numpy
from connectors.files.cells import MISSING, Fault, IntArray, joint, micros
from connectors.files.days import Place, instant, locate
from connectors.files.keys import KeySet, Totals, pack
from connectors.files.layout import MEASURES, SHARES
from connectors.files.options import Options, Unit
from connectors.files.reading import Chunk, Source, chunks, layout, place

BoolArray = npt.NDArray[np.bool_]

_NOT_NEGATIVE: Final = frozenset({"spend", "impressions", "clicks", "budget"})
_MONEY: Final = frozenset({"spend", "value", "budget"})
STATED: Final = (*MEASURES, *SHARES)
"""What a row states."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The rows of one chunk, read.

    Attributes:
        start: How many rows of the file came before.
        codes: Numbers of the series, shape (n,).
        days: Account-local days as ordinals, shape (n,).
        slots: What a row fills alone within its series: its day, or its hour; shape (n,).
        measures: In the order of `STATED`, micros or `MISSING`, shape (7, n).
        times: When each row was learnt; None where the whole file was learnt at once.
    """

    start: int
    codes: IntArray
    days: IntArray
    slots: IntArray
    measures: IntArray
    times: list[datetime] | None


class FileReader:
    """Reads one file by its layout; raises `BadInput` that names file, row, column and mend."""

    def __init__(self, source: Source, options: Options, book: Book, now: datetime) -> None:
        self.source = source
        self.layout = layout(source, options)
        self._options = options
        self._book = book
        self._now = now
        self._places: dict[tuple[str, str, str], Place] = {}

    def chunks(self, fields: Sequence[str]) -> Iterator[Chunk]:
        """Yield the file's rows with the columns of these fields, and those that name series and days."""
        return chunks(self.source, self._options, self.layout, self.layout.among(("date", *SERIES_FIELDS, *fields)))

    def blocks(self) -> Iterator[Block]:
        """Yield the file's rows, read and checked; duplicates are still among them."""
        for chunk in self.chunks((*STATED, "fetched_at")):
            codes = self.codes(chunk)
            days, slots = self.places(chunk, codes)
            measures = np.stack([self._measure(chunk, field, codes) for field in STATED])
            yield Block(chunk.start, codes, days, slots, measures, self._times(chunk))

    def codes(self, chunk: Chunk) -> IntArray:
        """The number of each row's series, shape (n,)."""
        columns = [self._column(chunk, field) for field in SERIES_FIELDS]
        inverse, first = joint([column for column in columns if column is not None], chunk.rows)
        rows = from_numpy(first)
        texts = [[""] * len(first) if column is None else column.take(rows).to_pylist() for column in columns]
        found = self._each(chunk, "campaign_id", first, zip(*texts, strict=True), self._book.code)
        return np.array(found, dtype=np.int64)[inverse]

    def places(self, chunk: Chunk, codes: IntArray) -> tuple[IntArray, IntArray]:
        """The day and the slot of each row, each of shape (n,)."""
        zones, zone_codes = self._book.zones(), self._book.zone_codes()[codes]
        dates = self._column(chunk, "date")
        inverse, first = joint([dates, from_numpy(zone_codes)], chunk.rows)
        places = [zones[code] for code in zone_codes[first].tolist()]
        keys = zip(dates.take(from_numpy(first)).to_pylist(), places, repeat(chunk.date_format), strict=False)
        found = self._each(chunk, "date", first, keys, self._place)
        days, slots = np.array([(p.day, p.slot) for p in found], dtype=np.int64).T
        return days[inverse], slots[inverse]

    def number(self, chunk: Chunk, field: str, codes: IntArray) -> IntArray:
        """The micros of a field of one column, `MISSING` where the cell is empty or there is no column."""
        column = self.layout.column(field)
        if column is None:
            return np.full(chunk.rows, MISSING, dtype=np.int64)
        return self._numbers(chunk, field, column, codes)

    def rows(self, block: Block, keep: BoolArray) -> Iterator[PerformanceRow]:
        """Build the rows that are kept."""
        if not keep.any():
            return iter(())
        times = repeat(self.source.known_at) if block.times is None else [block.times[i] for i in np.flatnonzero(keep)]
        return self.build(block.codes[keep], block.days[keep], block.measures[:, keep], times)

    def build(self, codes: IntArray, days: IntArray, measures: IntArray, times: Any) -> Iterator[PerformanceRow]:
        """Build rows from codes and days of shape (n,) and measures of shape (7, n)."""
        series = self._book.series
        spend, conversions, value, impressions, clicks, share, lost = (_optional(numbers) for numbers in measures)
        return map(
            PerformanceRow,
            [series[code] for code in codes.tolist()],
            map(date.fromordinal, days.tolist()),
            spend,
            conversions,
            value,
            impressions,
            clicks,
            times,
            share,
            lost,
        )

    def bad(self, chunk_start: int, fault: Fault, column: str | None) -> BadInput:
        """Make an error of a fault: where it is, in which column, and the mend."""
        where = place(self.source, self._options, chunk_start + fault.index)
        return BadInput(str(fault), where=where, field=column, mend=fault.mend)

    def where(self, record: int) -> str:
        """Name a row as `file:row`."""
        return place(self.source, self._options, record)

    def series(self, code: int) -> Series:
        """The series of a number."""
        return self._book.series[code]

    def _place(self, key: tuple[str, str, str]) -> Place:
        text, time_zone, date_format = key
        known = self._places.get(key)
        if known is None:
            hourly = self._options.rows == "hourly"
            known = self._places[key] = locate(text, time_zone, date_format, hourly=hourly)
        return known

    def _column(self, chunk: Chunk, field: str) -> Any:
        name = self.layout.column(field)
        return None if name is None else chunk.columns[name]

    def _each[K, V](
        self, chunk: Chunk, field: str, first: IntArray, keys: Iterable[K], read: Callable[[K], V]
    ) -> list[V]:
        """Read each distinct key; `first` says in which row it stands first."""
        found: list[V] = []
        for row, key in zip(first.tolist(), keys, strict=True):
            try:
                found.append(read(key))
            except Fault as fault:
                fault.index = row
                name = fault.field or field
                raise self.bad(chunk.start, fault, self.layout.column(name) or name) from None
        return found

    def _measure(self, chunk: Chunk, field: str, codes: IntArray) -> IntArray:
        if field != "conversions":
            return self.number(chunk, field, codes)
        parts = [self._numbers(chunk, field, column, codes) for column in self.layout.columns[field]]
        return np.sum([np.where(part == MISSING, 0, part) for part in parts], axis=0, dtype=np.int64)

    def _numbers(self, chunk: Chunk, field: str, column: str, codes: IntArray) -> IntArray:
        try:
            numbers = self._scaled(chunk.columns[column], field, codes)
            _check_sign(numbers, field)
        except Fault as fault:
            raise self.bad(chunk.start, fault, column) from None
        return numbers

    def _scaled(self, texts: Any, field: str, codes: IntArray) -> IntArray:
        unit: Unit = getattr(self._options.units, field) if field in _MONEY else "major"
        if field in SHARES and self._options.units.share == "percent":
            return micros(texts, 4, self._options.decimal)
        if unit != "minor":
            return micros(texts, 6 if unit == "major" else 0, self._options.decimal)
        digits = 6 - self._book.exponents()[codes]
        numbers = np.empty(len(codes), dtype=np.int64)
        for count in np.unique(digits):
            rows = np.flatnonzero(digits == count)
            try:
                numbers[rows] = micros(texts.take(from_numpy(rows)), int(count), self._options.decimal)
            except Fault as fault:
                fault.index = int(rows[fault.index])
                raise
        return numbers

    def _times(self, chunk: Chunk) -> list[datetime] | None:
        column = self._column(chunk, "fetched_at")
        if column is None:
            return None
        inverse, first = joint([column], chunk.rows)
        found = self._each(chunk, "fetched_at", first, column.take(from_numpy(first)).to_pylist(), instant)
        times = [min(time, self._now) for time in found]
        return [times[index] for index in inverse.tolist()]


def _check_sign(numbers: IntArray, field: str) -> None:
    if field == "spend" and (numbers == MISSING).any():
        index = int(np.argmax(numbers == MISSING))
        raise Fault("is empty", "write 0 for a day without spend.", index=index)
    if field in SHARES:
        outside = (numbers != MISSING) & ((numbers < 0) | (numbers > WHOLE))
        if outside.any():
            index = int(np.argmax(outside))
            raise Fault("is no share", 'write 0 to 1, or set units.share = "percent" for 0 to 100.', index=index)
    if field in _NOT_NEGATIVE:
        negative = (numbers < 0) & (numbers != MISSING)
        if negative.any():
            index = int(np.argmax(negative))
            words = f"{Decimal(int(numbers[index])).scaleb(-6).normalize():f} is negative"
            raise Fault(words, "correct it; credits are not spend.", index=index)


def _optional(numbers: IntArray) -> list[int | None]:
    cells: list[int | None] = numbers.tolist()
    return [None if cell == MISSING else cell for cell in cells] if (numbers == MISSING).any() else cells


def pull(reader: FileReader, hourly: bool, since: date, until: date) -> Iterator[PerformanceRow]:
    """Yield one file's rows of the days `since` to `until`, both included.

    Raises:
        BadInput: A row cannot be read, or two rows state one series and day differently.
    """
    yield from (_hourly if hourly else _daily)(reader, since.toordinal(), until.toordinal())


def _daily(reader: FileReader, since: int, until: int) -> Iterator[PerformanceRow]:
    keys, repeated = KeySet(), _Repeated()
    for block in reader.blocks():
        new = keys.add(block.codes, block.slots)
        repeated.note(block, new)
        yield from reader.rows(block, new & (block.days >= since) & (block.days <= until))
    repeated.check(reader)


def _hourly(reader: FileReader, since: int, until: int) -> Iterator[PerformanceRow]:
    keys, repeated = KeySet(), _Repeated()
    totals = Totals(2 * len(MEASURES))
    for block in reader.blocks():
        new = keys.add(block.codes, block.slots)
        repeated.note(block, new)
        keep = new & (block.days >= since) & (block.days <= until)
        added = block.measures[: len(MEASURES), keep]
        stated = added != MISSING
        amounts = np.where(stated, added, 0)
        totals.add(block.codes[keep], block.days[keep], np.concatenate([amounts, stated]).T)
    repeated.check(reader)
    codes, days, sums = totals.result()
    amounts, stated = sums.T[: len(MEASURES)], sums.T[len(MEASURES) :] > 0
    unsaid = np.full((len(SHARES), len(codes)), MISSING, dtype=np.int64)
    measures = np.concatenate([np.where(stated, amounts, MISSING), unsaid])
    yield from reader.build(codes, days, measures, repeat(reader.source.known_at))


class _Repeated:
    """The keys that stand more than once in one file. Copies are dropped; rows that differ are an error.

    Which rows came first is not kept: only a file that has repeated keys is read a second time, to compare them.
    """

    def __init__(self) -> None:
        self._keys: list[IntArray] = []

    def note(self, block: Block, new: BoolArray) -> None:
        if not new.all():
            self._keys.append(pack(block.codes[~new], block.slots[~new]))

    def check(self, reader: FileReader) -> None:
        if not self._keys:
            return
        keys = np.unique(np.concatenate(self._keys))
        records = np.full(len(keys), -1, dtype=np.int64)
        firsts = np.empty((len(STATED), len(keys)), dtype=np.int64)
        for block in reader.blocks():
            here = pack(block.codes, block.slots)
            at = np.minimum(np.searchsorted(keys, here), len(keys) - 1)
            rows = np.flatnonzero(keys[at] == here)
            at = at[rows]
            met, order = np.unique(at, return_index=True)
            fresh = records[met] < 0
            records[met[fresh]] = block.start + rows[order[fresh]]
            firsts[:, met[fresh]] = block.measures[:, rows[order[fresh]]]
            differs = (firsts[:, at] != block.measures[:, rows]).any(axis=0)
            if differs.any():
                index = int(np.argmax(differs))
                raise _contradiction(reader, block, int(rows[index]), int(records[at[index]]))


def _contradiction(reader: FileReader, block: Block, row: int, first: int) -> BadInput:
    series = reader.series(int(block.codes[row]))
    day = date.fromordinal(int(block.days[row]))
    ids = {
        name: getattr(series, name) for name in ("campaign_id", "ad_group_id", "ad_id", "creative_id", "audience_id")
    }
    named = ", ".join(f"{name} {value!r}" for name, value in ids.items() if value is not None)
    missing = [f"columns.{name}" for name, value in ids.items() if value is None]
    split = f"if the rows split it further, map what splits them ({', '.join(missing)}); else " if missing else ""
    return BadInput(
        f"{named} on {day} of account {series.account.account_id!r} was stated in row "
        f"{reader.where(first).rpartition(':')[2]} already, with other numbers",
        where=reader.where(block.start + row),
        mend=f"{split}remove one of the two; a restatement belongs into a later file.",
    )
