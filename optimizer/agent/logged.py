"""A log of choices with their propensities, read from a CSV file, and what other policies would have brought."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from bandits import offpolicy
from bandits.offpolicy import Estimate, Log, Shares, Weighting
from connectors.errors import AskMarketer, BadInput
from optimizer.plan.snapshot import FloatArray

_HEADER_ROWS: Final = 2  # rows count from 1, the header included


class Policy(StrEnum):
    """A target policy that needs no column of its own."""

    UNIFORM = "uniform"
    GREEDY = "greedy"
    THOMPSON = "thompson"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what; `target` is the target's probability of the logged action, None without one."""

    action: str = "action"
    reward: str = "reward"
    propensity: str = "propensity"
    target: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """A log as read.

    Attributes:
        names: Of the arms, in the order of their numbers.
        chosen: The target's probability of each logged action, shape (N,); None without such a column.
    """

    log: Log
    names: tuple[str, ...]
    chosen: FloatArray | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log says of one target policy.

    Attributes:
        policy: A `Policy`, or the name of the target's column.
        robust, gain: The doubly robust estimate, and that of the gain over the log; None for a column, which does not
            say what the target would have chosen instead.
        leading: The arm to which the target gives the most in the end; None for a column.
    """

    policy: str
    weighting: Weighting
    robust: Estimate | None
    gain: Estimate | None
    leading: str | None


def read_log(path: Path, columns: Columns) -> Logged:
    """Read a CSV file with a header, one logged choice a row, in the order in which they were made.

    Raises:
        BadInput: A column is missing, or a cell is no number or out of its range; names the row and the column.
        AskMarketer: The file cannot be read.
    """
    table = _table(path, columns)
    names, action = np.unique(np.array(table[columns.action].to_pylist(), dtype=np.str_), return_inverse=True)
    if (names == "").any():
        row = int(np.flatnonzero(names[action] == "")[0])
        raise _bad(path, columns.action, row, "is empty", "name the arm that was chosen.")
    numbers = _Numbers(path, table)
    reward = numbers.read(columns.reward, np.isfinite, "a finite number")
    propensity = numbers.read(columns.propensity, lambda p: (p > 0) & (p <= 1), "above 0 and at most 1")
    chosen = None
    if columns.target is not None:
        chosen = numbers.read(columns.target, lambda p: (p >= 0) & (p <= 1), "between 0 and 1")
    if len(reward) < 2:
        raise BadInput(f"holds {len(reward)} rows; an estimate needs two or more", where=path.name, mend="log more.")
    return Logged(Log(action.astype(np.int64), reward, propensity, len(names)), tuple(names.tolist()), chosen)


def verdicts(
    logged: Logged, policies: Sequence[Policy], column: str | None, *, batches: int, clip: float, seed: int
) -> tuple[Verdict, ...]:
    """Estimate the value of each policy, and of the column's where one was read.

    Args:
        logged: The log.
        policies: Which.
        column: The name of the target's column.
        batches: How often greedy and Thompson learn anew over the log.
        clip: Weights are cut to this; infinite for none.
        seed: Of Thompson's draws.

    Raises:
        BadInput: Thompson's rule is asked for rewards below zero, or there are fewer rows than batches.
    """
    found = [_verdict(logged, policy, _target(logged.log, policy, batches, seed), clip) for policy in policies]
    if column is not None and logged.chosen is not None:
        weighting = offpolicy.weigh(logged.log, logged.chosen, clip)
        found.append(Verdict(column, weighting, None, None, None))
    return tuple(found)


def _target(log: Log, policy: Policy, batches: int, seed: int) -> Shares:
    try:
        match policy:
            case Policy.UNIFORM:
                return offpolicy.even(log)
            case Policy.GREEDY:
                return offpolicy.greedy_so_far(log, batches)
            case Policy.THOMPSON:
                return offpolicy.thompson_so_far(log, batches, np.random.default_rng(seed))
    except ValueError as error:
        mend = "choose another policy with --policy, or another number of --batches."
        raise BadInput(f"{policy.value} cannot be learnt: {error}", where="the log", mend=mend) from None


def _verdict(logged: Logged, policy: Policy, target: Shares, clip: float) -> Verdict:
    log = logged.log
    robust, gain = offpolicy.doubly_robust(log, target, clip)
    return Verdict(
        policy=policy.value,
        weighting=offpolicy.weigh(log, target.chosen(log.action), clip),
        robust=robust,
        gain=gain,
        leading=logged.names[int(target.table[-1].argmax())],
    )


def _table(path: Path, columns: Columns) -> Any:
    named = (columns.action, columns.reward, columns.propensity, columns.target)
    wanted = list(dict.fromkeys(name for name in named if name is not None))
    options = pcsv.ConvertOptions(
        column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False, include_columns=wanted
    )
    try:
        _check_header(path, wanted)
        return pcsv.read_csv(path, convert_options=options)
    except OSError as error:
        words = f"{path} cannot be read: {error.strerror or error}"
        raise AskMarketer(words, mend="name a CSV file that may be read.") from None
    except (UnicodeError, csv.Error, pa.ArrowInvalid) as error:
        raise BadInput(f"is not CSV in UTF-8: {error}", where=path.name, mend="export it anew.") from None


def _check_header(path: Path, wanted: Sequence[str]) -> None:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        header = next(csv.reader(lines), [])
    for name in wanted:
        if header.count(name) != 1:
            there = "there is no such column" if name not in header else "several columns have this name"
            mend = "name the columns with --action, --reward, --propensity and --target."
            raise BadInput(f"{there} in {', '.join(map(repr, header)) or 'an empty file'}", where=path.name,
                           field=name, mend=mend)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Columns of text, read as numbers."""

    path: Path
    table: Any

    def read(self, column: str, holds: Callable[[FloatArray], npt.NDArray[np.bool_]], words: str) -> FloatArray:
        """Return a column as numbers, shape (N,).

        Raises:
            BadInput: A cell is no number, or `holds` is not true of it.
        """
        texts = pc.utf8_trim_whitespace(self.table[column])
        numbers = np.array([_number(text) for text in texts.to_pylist()], dtype=np.float64)
        wrong = np.flatnonzero(~holds(numbers))
        if wrong.size:
            row = int(wrong[0])
            raise _bad(self.path, column, row, f"{texts[row].as_py()!r} is not {words}", "correct or remove the row.")
        return numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _bad(path: Path, column: str, row: int, words: str, mend: str) -> BadInput:
    return BadInput(words, where=f"{path.name}:{row + _HEADER_ROWS}", field=column, mend=mend)
