"""Streams the files of a folder as chunks of text columns; a file of any size takes the same memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from connectors.errors import BadInput
from connectors.files.layout import IDS, Layout, resolve
from connectors.files.options import ISO, Options

CHANGES_FILE: Final = "budget_changes.csv"
SWITCHES_FILE: Final = "ad_changes.csv"

_PARQUET: Final = frozenset({".parquet", ".pq"})
_BLOCK_BYTES: Final = 1 << 20
_BATCH_ROWS: Final = 32_768
_TICK: Final = timedelta(microseconds=1)
_LOST: Final = (OSError, UnicodeError, pa.ArrowException, csv.Error)


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the folder.

    Attributes:
        name: Its path within the folder, as errors show it.
        known_at: When its content was learnt: its modification time, made to increase in the order of the names.
        fingerprint: Changes whenever the file is written.
    """

    path: Path
    name: str
    known_at: datetime
    fingerprint: tuple[int, int]

    @property
    def parquet(self) -> bool:
        """Whether it is a Parquet file; anything else is read as CSV."""
        return self.path.suffix.lower() in _PARQUET


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file, every column as text without nulls.

    Attributes:
        start: How many data rows of the file came before.
        columns: By name, Arrow arrays of shape (rows,).
        date_format: The form of the texts in the date column.
    """

    start: int
    rows: int
    columns: dict[str, Any]
    date_format: str


def sources(folder: Path, options: Options, now: datetime) -> tuple[Source, ...]:
    """Return the files that match the pattern, in the order of their names, which is the order of their statements.

    Raises:
        BadInput: The folder cannot be listed, or no file matches.
    """
    ours = ((folder / options.budgets_file, CHANGES_FILE), (folder / options.ads_file, SWITCHES_FILE))
    aside = {path for file, log in ours for path in (file, file.parent / log)}
    aside.update(path for other in (options.touches, options.orders) if other for path in folder.glob(other))
    try:
        paths = [p for p in folder.glob(options.pattern) if p.is_file() and p not in aside and p.name[0] != "."]
        found = [(p.relative_to(folder).as_posix(), p, p.stat()) for p in paths]
    except OSError as error:
        raise BadInput(f"cannot be listed: {error.strerror}", where=str(folder), mend="grant reading it.") from None
    if not found:
        raise BadInput(
            f"no file matches {options.pattern!r}", where=str(folder), mend="put the exports there, or set pattern."
        )
    found.sort()
    return _ordered(
        [
            Source(p, name, datetime.fromtimestamp(stat.st_mtime, UTC), (stat.st_size, stat.st_mtime_ns))
            for name, p, stat in found
        ],
        now,
    )


def sources_of(folder: Path, pattern: str) -> tuple[Source, ...]:
    """Return the files of touches or orders that match a pattern, in the order of their names.

    Raises:
        BadInput: The folder cannot be listed, or no file matches.
    """
    try:
        paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    except OSError as error:
        raise BadInput(f"cannot be listed: {error.strerror}", where=str(folder), mend="grant reading it.") from None
    if not paths:
        raise BadInput(f"no file matches {pattern!r}", where=str(folder), mend="put it there, or remove the setting.")
    return tuple(Source(p, p.relative_to(folder).as_posix(), datetime.now(UTC), (0, 0)) for p in paths)


def _ordered(files: list[Source], now: datetime) -> tuple[Source, ...]:
    """Move the times as little as makes them increase in the order given and end no later than now."""
    times: list[datetime] = []
    for file in files:
        times.append(max(file.known_at, times[-1] + _TICK) if times else file.known_at)
    limit = now
    for index in range(len(times) - 1, -1, -1):
        times[index] = min(times[index], limit)
        limit = times[index] - _TICK
    return tuple(replace(file, known_at=time) for file, time in zip(files, times, strict=True))


def layout(source: Source, options: Options) -> Layout:
    """Read a file's header and find its columns.

    Raises:
        BadInput: The file is empty or unreadable, or a column is missing.
    """
    return resolve(header(source, options), options, source.name)


def header(source: Source, options: Options) -> Sequence[str]:
    """Read the names of a file's columns.

    Raises:
        BadInput: The file is empty or unreadable.
    """
    with _readable(source, options):
        names = _parquet_names(source) if source.parquet else _csv_names(source, options)
    if not names:
        raise BadInput("the file is empty", where=source.name, mend="export it again, or remove it.")
    return names


def chunks(source: Source, options: Options, found: Layout, columns: Sequence[str]) -> Iterator[Chunk]:
    """Yield the rows of a file, these columns only.

    Raises:
        BadInput: The file is damaged or not in the encoding that is set, or it has no data rows.
    """
    start = 0
    batches = _parquet_batches(source, found, columns) if source.parquet else _csv_batches(source, options, columns)
    with _readable(source, options):
        for batch, texts, date_format in batches:
            if batch.num_rows:
                yield Chunk(start, batch.num_rows, texts, date_format or options.date_format)
                start += batch.num_rows
    if not start:
        raise BadInput("there are no data rows", where=source.name, mend="export it again, or remove it.")


def place(source: Source, options: Options, record: int) -> str:
    """Return `file:row` of a data row (from 0): the line that an editor shows, or the row of a Parquet file."""
    if source.parquet:
        return f"{source.name}:{record + 1}"
    return f"{source.name}:{_line(source, options, record + 1)}"


def _line(source: Source, options: Options, record: int) -> int:
    """The line on which a record begins; quoted line breaks and blank lines make it differ from the record's number."""
    try:
        with _text(source, options) as lines:
            reader = csv.reader(lines, delimiter=options.delimiter)
            before = 0
            for row in reader:
                if row:
                    record -= 1
                if record < 0:
                    return before + 1
                before = reader.line_num
    except _LOST:
        pass
    return record + 1


@contextmanager
def _text(source: Source, options: Options) -> Iterator[io.TextIOWrapper]:
    encoding = "utf-8-sig" if options.encoding == "utf-8" else options.encoding
    with pa.input_stream(str(source.path)) as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
        yield text


@contextmanager
def _readable(source: Source, options: Options) -> Iterator[None]:
    """Turn what a damaged file raises into words; errors of ours pass."""
    try:
        yield
    except _LOST as error:
        raise _unreadable(source, options, error) from None


def _unreadable(source: Source, options: Options, error: Exception) -> BadInput:
    words = " ".join(str(error).split())[:200]
    if isinstance(error, UnicodeError) or "UTF8" in words:
        return BadInput(
            f"is not {options.encoding} text ({words})",
            where=source.name,
            mend="set encoding to the one of the file (such as cp1252 or utf-16).",
        )
    if isinstance(error, PermissionError):
        return BadInput("may not be read", where=source.name, mend="grant reading it.")
    return BadInput(f"cannot be read: {words}", where=source.name, mend="export the file again; it is damaged.")


def _csv_names(source: Source, options: Options) -> Sequence[str]:
    with _text(source, options) as lines:
        reader = csv.reader(lines, delimiter=options.delimiter)
        return next((row for row in reader if row), ())


def _csv_batches(source: Source, options: Options, columns: Sequence[str]) -> Iterator[tuple[Any, dict[str, Any], str]]:
    ragged: list[BadInput] = []

    def refuse(row: Any) -> str:
        where = source.name if row.number is None else place(source, options, row.number - 2)
        words = f"has {row.actual_columns} fields where the header has {row.expected_columns}"
        mend = "quote fields that hold the delimiter, or set delimiter to the one that the file uses."
        ragged.append(BadInput(words, where=where, mend=mend))
        return "error"

    try:
        with arrow_csv.open_csv(
            str(source.path),
            # One thread: only then does Arrow know the number of a bad row.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, encoding=options.encoding),
            parse_options=arrow_csv.ParseOptions(
                delimiter=options.delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=list(columns),
                strings_can_be_null=False,
            ),
        ) as reader:
            for batch in reader:
                yield batch, dict(zip(columns, batch.columns, strict=True)), ""
    except pa.ArrowInvalid:
        if ragged:
            raise ragged[0] from None
        raise


def _parquet_names(source: Source) -> Sequence[str]:
    with pq.ParquetFile(source.path) as file:
        return list(file.schema_arrow.names)


def _parquet_batches(
    source: Source, found: Layout, columns: Sequence[str]
) -> Iterator[tuple[Any, dict[str, Any], str]]:
    ids = set(found.among(IDS))
    with pq.ParquetFile(source.path) as file:
        schema = file.schema_arrow
        for name in columns:
            _check_type(source, name, schema.field(name).type, name in ids)
        date = found.column("date")
        typed = date in columns and pa.types.is_temporal(schema.field(date).type)
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
            yield batch, {name: _as_text(batch.column(name)) for name in columns}, ISO if typed else ""


def _check_type(source: Source, name: str, kind: Any, is_id: bool) -> None:
    if is_id and pa.types.is_floating(kind):
        raise BadInput(
            f"ids are stored as {kind}, which rounds long ones",
            where=source.name,
            field=name,
            mend="store them as text or as integers.",
        )
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise BadInput(
            f"a column of type {kind} cannot be read",
            where=source.name,
            field=name,
            mend="store it as text, a number or a date.",
        )


def _as_text(column: Any) -> Any:
    return pc.fill_null(column if column.type == pa.string() else pc.cast(column, pa.string()), "")
