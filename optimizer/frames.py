"""The front door for analysts: a data frame of daily rows as the evidence of a decision, and its lines as columns.

Any frame will do that has columns by name (pandas, Polars, a PyArrow table, a mapping of lists); no such package is
needed here. docs/library.md shows it at work.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from connectors.contract import Account, BudgetTarget, Level, zone
from connectors.money import MICROS, Money, minor_unit_micros
from optimizer.plan.recommendation import Decision
from optimizer.plan.snapshot import DelayTriangle, FloatArray, Freshness, IntArray, Panel, Snapshot, Target

__all__ = ["COLUMNS", "REQUIRED", "Frame", "FrameError", "budgets_of", "lines_of", "snapshot_from_frame"]

REQUIRED: Final = ("date", "campaign", "spend", "conversions")
COLUMNS: Final = (*REQUIRED, "channel", "value", "impressions", "clicks", "budget")
"""The columns that are read; others are left alone."""

Amount = Money | Decimal | float | str

_MEASURES: Final = ("spend", "conversions", "value", "clicks", "impressions", "budget")
_NOT_NEGATIVE: Final = frozenset({"spend", "clicks", "impressions", "budget"})
_CONNECTOR: Final = "frame"
_MORNING: Final = time(6)
_WEEK: Final = 7
_RECENT: Final = 28


class FrameError(ValueError):
    """A frame, or what is given with it, cannot be read; the message names the place and the mend.

    The place is a column and its row (counted from 0), a campaign of `budgets`, or the argument.
    """


class Frame(Protocol):
    """Anything with columns by name."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows before the planned day.

    Attributes:
        names: Of the campaigns, sorted, length K.
        channels: Of each, as its last row says.
        place: Which campaign each row is of, shape (n,).
        day: Ordinal of each row's day, shape (n,).
        measures: By name, shape (n,), nan where not reported.
    """

    names: tuple[str, ...]
    channels: tuple[str, ...]
    place: IntArray
    day: IntArray
    measures: Mapping[str, FloatArray]


def snapshot_from_frame(
    frame: Frame,
    today: date | str,
    currency: str,
    time_zone: str = "UTC",
    budgets: Mapping[str, Amount] | None = None,
    delays: Sequence[DelayTriangle] = (),
) -> Snapshot:
    """Read daily rows as everything that is known on a morning; each campaign has a budget of its own.

    Args:
        frame: One row for each campaign and day: `date` (dates, datetimes or texts like 2026-03-02), `campaign`,
            `spend` in currency units, `conversions`; and, where there are, `channel`, `value` of the conversions,
            `impressions`, `clicks`, and the daily `budget` in force. What is missing is not reported, not zero.
        today: The first day to be planned, as a date, a datetime or a text like 2026-03-02; rows of this day or later
            are left out.
        currency: ISO 4217 code of every amount.
        time_zone: IANA zone of the days.
        budgets: Today's daily budgets by campaign. Campaigns without any are not planned, and named if they spent of
            late; campaigns without rows are new. By default the last `budget` of each campaign's rows, else its mean
            spend over its last seven rows.
        delays: How conversions mature, where rows of the last days are not complete; by default as docs/models.md
            assumes: 90% on the day after.

    Returns:
        The evidence, for `decide`; campaigns stand in the order of their names.

    Raises:
        FrameError: A column is missing, or a cell, a budget, the day, the currency or the zone makes no sense.
    """
    today = _planned_day(today)
    _known("currency", currency, minor_unit_micros)
    _known("time_zone", time_zone, zone)
    rows = _read(frame, today)
    account = Account(_CONNECTOR, _CONNECTOR, currency, time_zone)
    amounts = _last_budgets(rows, currency) if budgets is None else _given(budgets, currency)
    planned = tuple(sorted(amounts))
    channel = dict(zip(rows.names, rows.channels, strict=True))
    first = date.fromordinal(int(rows.day.min(initial=today.toordinal() - 1)))
    last = int(rows.day.max(initial=0))
    return Snapshot(
        known_at=datetime.combine(today, _MORNING, zone(time_zone)).astimezone(UTC),
        today=today,
        currency=currency,
        time_zone=time_zone,
        targets=tuple(_target(account, name, channel.get(name, "all"), amounts[name]) for name in planned),
        panel=_panel(rows, planned, first, today),
        delays=tuple(delays),
        arms=None,
        freshness=(Freshness(_CONNECTOR, _CONNECTOR, date.fromordinal(last) if last else None),),
        unbudgeted=_unbudgeted(rows, amounts, today),
    )


def lines_of(decision: Decision) -> dict[str, list[Any]]:
    """Return a decision's lines as columns, largest move first, for the constructor of any data frame.

    Amounts are in currency units a day, the effect and its intervals in `decision.unit`.
    """
    lines = decision.lines
    return {
        "campaign": [line.key.budget_id for line in lines],
        "channel": [line.channel for line in lines],
        "current": [line.current.micros / MICROS for line in lines],
        "proposed": [line.proposed.micros / MICROS for line in lines],
        "effect": [line.effect.mean for line in lines],
        "low80": [line.effect.low80 for line in lines],
        "high80": [line.effect.high80 for line in lines],
        "low95": [line.effect.low95 for line in lines],
        "high95": [line.effect.high95 for line in lines],
        "p_worse": [line.effect.p_worse for line in lines],
        "reason": [line.reason for line in lines],
        "turn": ["" if line.turn is None else line.turn.words for line in lines],
    }


def budgets_of(decision: Decision) -> dict[str, Money]:
    """Return the proposed budgets by campaign, as `snapshot_from_frame` takes those of the next day."""
    return {line.key.budget_id: line.proposed for line in decision.lines}


def _planned_day(today: object) -> date:
    day = _as_day(today)
    if day is None or day == date.min:
        raise FrameError(f"today: {today!r} is not a day. Mend: write it like 2026-03-02, or give a date.")
    return day


def _known(name: str, value: object, check: Callable[[str], object]) -> None:
    """Let a check refuse an argument.

    Raises:
        FrameError: It does.
    """
    if not isinstance(value, str):
        raise FrameError(f"{name}: {value!r} is no text. Mend: correct it.")
    try:
        check(value)
    except (TypeError, ValueError) as error:
        raise FrameError(f"{name}: {error}. Mend: correct it.") from None


def _read(frame: Frame, today: date) -> _Rows:
    there = set(_names(frame))
    missing = [name for name in REQUIRED if name not in there]
    if missing:
        raise FrameError(
            f"the frame has no column {missing[0]!r}, only {', '.join(sorted(map(str, there))) or 'none'}. "
            "Mend: rename the column that holds it."
        )
    day = _days(_column(frame, "date"))
    campaigns = _texts(_column(frame, "campaign", np.object_), "campaign")
    channels = ["all"] * len(day)
    if "channel" in there:
        channels = _texts(_column(frame, "channel", np.object_), "channel")
    measures = {
        name: _numbers(_column(frame, name), name) if name in there else np.full(len(day), np.nan) for name in _MEASURES
    }
    for name, column in (("campaign", campaigns), ("channel", channels), *measures.items()):
        if len(column) != len(day):
            raise FrameError(f"column {name!r} has {len(column)} rows, 'date' {len(day)}. Mend: make them as long.")
    _unique(day, campaigns)
    kept = np.flatnonzero(day < today.toordinal())
    names = tuple(sorted({campaigns[row] for row in kept}))
    index = {name: k for k, name in enumerate(names)}
    newest = {campaigns[row]: channels[row] for row in kept[np.argsort(day[kept], kind="stable")]}
    return _Rows(
        names=names,
        channels=tuple(newest[name] for name in names),
        place=np.array([index[campaigns[row]] for row in kept], dtype=np.int64),
        day=day[kept],
        measures={name: column[kept] for name, column in measures.items()},
    )


def _names(frame: Frame) -> Iterable[str]:
    """The names of a frame's columns, however its package calls them."""
    for attribute in ("column_names", "columns"):
        if hasattr(frame, attribute):
            names: Iterable[str] = getattr(frame, attribute)
            return names
    if isinstance(frame, Mapping):
        return frame.keys()
    raise FrameError(f"a {type(frame).__name__} has no columns by name. Mend: pass a data frame or a mapping of lists.")


def _column(frame: Frame, name: str, kind: type[np.object_] | None = None) -> npt.NDArray[Any]:
    """One cell per row, shape (n,); of texts they stay the objects that they are, so that no nan becomes a text."""
    try:
        cells = np.asarray(frame[name], dtype=kind)
    except ValueError:  # rows of lists that differ in length
        cells = np.empty((0, 0))
    if cells.ndim != 1:
        raise FrameError(
            f"column {name!r} does not hold one value for each row. Mend: pass a list or a column, and each name once."
        )
    return cells


def _days(values: npt.NDArray[Any]) -> IntArray:
    """Ordinals of days, shape (n,)."""
    found = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(
        values.tolist() if values.dtype.kind != "M" else values.astype("datetime64[D]").tolist()
    ):
        day = _as_day(value)
        if day is None:
            raise FrameError(
                f"column 'date', row {row}: {value!r} is not a day. Mend: write it like 2026-03-02, or as a date."
            )
        found[row] = day.toordinal()
    return found


def _as_day(value: object) -> date | None:
    """The day of a date, a datetime or a text; None where it is none, as a missing time is."""
    if _missing(value):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError:
        return None


def _texts(column: npt.NDArray[Any], name: str) -> list[str]:
    texts = []
    for row, value in enumerate(column.tolist()):
        if _missing(value) or str(value) == "":
            raise FrameError(f"column {name!r}, row {row} is empty. Mend: name the {name} of every row.")
        texts.append(str(value))
    return texts


def _missing(value: object) -> bool:
    """Whether a cell is empty; pandas' own missing value is asked by name, since comparing it answers nothing."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return bool(value != value)  # noqa: PLR0124 - nan is what differs from itself


def _numbers(values: npt.NDArray[Any], name: str) -> FloatArray:
    """A measure as floats, nan where it is missing."""
    if values.dtype.kind not in "fiub":
        values = np.array([_number(value, name, row) for row, value in enumerate(values.tolist())], dtype=np.float64)
    numbers = values.astype(np.float64)
    wrong = np.isinf(numbers) | ((numbers < 0) if name in _NOT_NEGATIVE else False)
    if name == "spend":
        wrong |= np.isnan(numbers)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise FrameError(
            f"column {name!r}, row {row}: {numbers[row]:g} is no {name} of a day. Mend: correct the cell, or leave the "
            "row out."
        )
    return numbers


def _number(value: object, name: str, row: int) -> float:
    if _missing(value):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]  # what is no number is told below
    except (TypeError, ValueError, OverflowError):
        raise FrameError(
            f"column {name!r}, row {row}: {reprlib.repr(value)} is not a number. Mend: write it like 1234.50, or leave "
            "it empty."
        ) from None


def _unique(day: IntArray, campaigns: Sequence[str]) -> None:
    seen: dict[tuple[int, str], int] = {}
    for row, key in enumerate(zip(day.tolist(), campaigns, strict=True)):
        if key in seen:
            raise FrameError(
                f"columns 'date' and 'campaign', row {row}: {date.fromordinal(key[0])} of {key[1]!r} stands in row "
                f"{seen[key]} already. Mend: sum the rows of one campaign and day."
            )
        seen[key] = row


def _last_budgets(rows: _Rows, currency: str) -> dict[str, Money]:
    """What each campaign's budget was last, or what it spent of late."""
    order = np.lexsort((rows.day, rows.place))  # stable: by campaign, the days of each in order
    ends = np.searchsorted(rows.place[order], np.arange(len(rows.names) + 1))
    found = {}
    for k, name in enumerate(rows.names):
        own = order[ends[k] : ends[k + 1]]
        known = rows.measures["budget"][own]
        known = known[np.isfinite(known)]
        amount = known[-1] if known.size else rows.measures["spend"][own[-_WEEK:]].mean()
        found[name] = Money(round(float(amount) * MICROS), currency)
    return {name: money.quantize(minor_unit_micros(currency), "nearest") for name, money in found.items()}


def _given(budgets: Mapping[str, Amount], currency: str) -> dict[str, Money]:
    """Amounts as money; floats by their shortest decimal, which is what was meant.

    Raises:
        FrameError: They are no mapping, or one of them is no amount of the currency, or negative.
    """
    if not isinstance(budgets, Mapping):
        raise FrameError(
            f"budgets: a {type(budgets).__name__} names no campaigns. Mend: pass a mapping from campaigns to amounts."
        )
    return {str(name): _amount(str(name), amount, currency) for name, amount in budgets.items()}


def _amount(name: str, given: Amount, currency: str) -> Money:
    try:
        money = given if isinstance(given, Money) else Money.of(Decimal(str(given)), currency)
    except (ArithmeticError, ValueError):
        raise FrameError(
            f"budgets, campaign {name!r}: {given!r} is not an amount. Mend: write it like 1234.50, or leave the "
            "campaign out."
        ) from None
    if money.currency != currency:
        raise FrameError(f"budgets, campaign {name!r}: {money} is not in {currency}. Mend: convert it.")
    if money.micros < 0:
        raise FrameError(f"budgets, campaign {name!r}: {money} is negative. Mend: give 0 or more.")
    return money


def _target(account: Account, name: str, channel: str, amount: Money) -> Target:
    budget = BudgetTarget(
        account=account,
        budget_id=name,
        name=name,
        holder=Level.CAMPAIGN,
        covers=(name,),
        amount=amount,
        quantum_micros=minor_unit_micros(account.currency),
    )
    return Target(budget, channel, (), (name,), (name,))


def _panel(rows: _Rows, planned: tuple[str, ...], first: date, today: date) -> Panel:
    at = {name: k for k, name in enumerate(planned)}
    place = np.array([at.get(name, -1) for name in rows.names], dtype=np.int64)
    row_of = place[rows.place] if rows.place.size else rows.place
    mine = row_of >= 0
    shape = (len(planned), today.toordinal() - first.toordinal())
    grids = {}
    for name, column in rows.measures.items():
        grid = np.full(shape, np.nan)
        grid[row_of[mine], rows.day[mine] - first.toordinal()] = column[mine]
        grids[name] = grid
    return Panel(first_day=first, **grids)


def _unbudgeted(rows: _Rows, amounts: Mapping[str, Money], today: date) -> tuple[str, ...]:
    recent = (rows.day >= (today - timedelta(days=_RECENT)).toordinal()) & (rows.measures["spend"] > 0)
    spent = set(rows.place[recent].tolist())
    return tuple(name for k, name in enumerate(rows.names) if k in spent and name not in amounts)
