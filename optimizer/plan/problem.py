"""What the allocator solves and what it answers with.

    maximise  sum_k objective_k(x_k)   subject to   sum_k a_ik x_k - c_ik outcome_k(x_k) <= b_i,   lower <= x <= upper

with every curve given as a table on its own grid of spends. Rows with c = 0 are linear (totals, shares, groups); a
ROAS floor rho has a = rho, c = 1 on value; a CPA ceiling has a = 1, c = the ceiling on conversions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.outcome import Outcome as Outcome  # noqa: PLC0414 - rows count it, and so name it
from optimizer.plan.snapshot import FloatArray

BoolArray = npt.NDArray[np.bool_]

TOTAL: Final = "total"
"""Name of the row of the portfolio's total."""


def finite(table: FloatArray) -> bool:
    """Whether every number of a table is finite; makes no copy, which a table of a gigabyte does not bear."""
    return not table.size or bool(np.isfinite(table.min()) and np.isfinite(table.max()))


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One coupling constraint: sum(spend * x) - sum(credit * outcome(x)) <= bound.

    Attributes:
        name: A stable code, such as `total`, `ceiling:channel=search`, `roas`.
        words: The constraint as a marketer would say it.
        spend: Coefficients a, shape (K,).
        bound: b, in the row's unit (currency per day).
        outcome: Which outcome the credit is for; None for a linear row.
        credit: Coefficients c >= 0, shape (K,); None for a linear row.
        share: By how much b moves for each unit that the bound of the row `total` does; negative for a floor.
        grain: What b is rounded to where it is a share, in the row's unit.
    """

    name: str
    words: str
    spend: FloatArray
    bound: float
    outcome: Outcome | None = None
    credit: FloatArray | None = None
    share: float = 0.0
    grain: float = 0.0

    def __post_init__(self) -> None:
        if (self.outcome is None) != (self.credit is None):
            raise ValueError(f"row {self.name!r}: outcome and credit come together")


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """An allocation problem over tabulated curves.

    Attributes:
        grid: Spends at which the curves are known, strictly increasing along the second axis, shape (K, P); a
            pinned target has P equal spends. First and last are the box.
        objective: What is maximised, at those spends, shape (K, P).
        outcomes: Expected outcomes at those spends, each of shape (K, P), for the rows that count them.
        rows: The coupling constraints.
        apart: Targets, shape (K,), that spend either their first grid point or at least their second, and nothing
            between: a budget that may be paused has the points 0 and its least amount when on. None: no such target.
    """

    grid: FloatArray
    objective: FloatArray
    outcomes: Mapping[Outcome, FloatArray]
    rows: tuple[Row, ...]
    apart: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.grid.ndim != 2 or self.objective.shape != self.grid.shape:
            raise ValueError(f"grid {self.grid.shape} and objective {self.objective.shape} must both be (K, P)")
        if not (finite(self.grid) and finite(self.objective)):
            raise ValueError("grid and objective must be finite")
        if (self.grid[:, 1:] < self.grid[:, :-1]).any():
            raise ValueError("each target's grid must increase")
        if self.apart is not None and (self.apart.shape != self.grid.shape[:1] or self.apart.dtype != np.bool_):
            raise ValueError("apart needs one truth value per target")
        if self.apart is not None and self.apart.any() and self.grid.shape[1] < 2:
            raise ValueError("a target with a gap needs two grid points at least")
        for row in self.rows:
            if row.spend.shape != (self.grid.shape[0],):
                raise ValueError(f"row {row.name!r} needs one coefficient per target")
            if row.outcome is not None and row.outcome not in self.outcomes:
                raise ValueError(f"row {row.name!r} counts {row.outcome}, which the problem does not hold")


@dataclass(frozen=True, slots=True)
class Collision:
    """Constraints that cannot hold together, and the least change that would let them.

    Attributes:
        rows: Names of the rows that take part, the most exceeded first.
        words: The collision in a sentence.
        nearest: By row name, the bound nearest to the one asked for with which a plan exists: each one by itself,
            all other rows held; where no single row is enough, all of these together.
        budget: The nearest `total` with which a plan exists, all other rows held; None if no total would do, or
            none is part of the collision.
    """

    rows: tuple[str, ...]
    words: str
    nearest: Mapping[str, float]
    budget: float | None = None


class Idle(StrEnum):
    """Why money stays unspent."""

    FULL = "full"
    """Every budget is as large as it may be: supply, ceilings or steps."""
    HELD = "held"
    """Other rows, such as a ROAS floor, would be broken by more."""
    WORTHLESS = "worthless"
    """One more unit would bring nothing or less."""


@dataclass(frozen=True, slots=True)
class Unspent:
    """What a plan leaves of its total, in the row's unit a day, and why."""

    amount: float
    why: Idle
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """A plan with its certificate.

    Attributes:
        spend: The plan, shape (K,).
        value: Its objective.
        upper_bound: No feasible plan has a larger objective (weak duality); in a collision, none that keeps the
            rows as well as this one.
        prices: Multiplier of each row, shape (rows,): the objective's gain per unit of a looser bound.
        slack: What each row leaves unused at the plan, shape (rows,).
        collision: None if the plan keeps every row; else which rows cannot.
        rounds: How many rounds of column generation were used.
        binding: Names of the rows without room, of which more would bring something.
        unspent: What is left of the row `total`, and why; None if nothing is, or there is no such row.
    """

    spend: FloatArray
    value: float
    upper_bound: float
    prices: FloatArray
    slack: FloatArray
    collision: Collision | None
    rounds: int
    binding: tuple[str, ...] = ()
    unspent: Unspent | None = None

    @property
    def gap(self) -> float:
        """Relative distance between the bound and the plan's value, >= 0."""
        return max(self.upper_bound - self.value, 0.0) / max(abs(self.upper_bound), 1e-12)
