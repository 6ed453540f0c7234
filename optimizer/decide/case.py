"""What all steps of one decision share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer.explain import thing
from optimizer.forecast import Forecast
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails, Hold
from optimizer.pacing import Pace
from optimizer.plan import under_test
from optimizer.plan.problem import Row
from optimizer.plan.recommendation import Evidence, Lot
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.rotation import Rotation

_DRAWN_NUMBERS: Final = 1_500_000  # draws x targets x points kept at once: 12 MB
_MOST_DRAWS: Final = 4_000


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """The evidence, the wishes, the limits, and what was learnt.

    Attributes:
        now: Aware UTC.
        fixed: Lines that a person set.
        ceiling: What all budgets together may be.
        rows: The goals' coupling constraints.
        proof, held: By target: what stands behind a move, and why it must not move.
        rotation: The written limits of switching ads.
        lots: On which targets, by index, a lot was cast.
        paces: The flights that run today; `goals` are those of the day, with what they give as total and limits.
        written: The goals as written.
        digest: Of the goals as written.
    """

    snapshot: Snapshot
    goals: Goals
    written: Goals
    guards: Guardrails
    now: datetime
    fixed: Mapping[BudgetKey, Money]
    ceiling: Money
    rows: tuple[Row, ...]
    forecast: Forecast
    proof: tuple[Evidence, ...]
    held: tuple[Hold | None, ...]
    rotation: Rotation = field(default_factory=Rotation)
    lots: Mapping[int, Lot] = field(default_factory=dict)
    paces: tuple[Pace, ...] = ()
    digest: str = ""

    @property
    def stay(self) -> tuple[Money, ...]:
        """The budgets as they are."""
        return tuple(target.budget.amount for target in self.snapshot.targets)

    def still(self, proposed: tuple[Money, ...]) -> tuple[Money, ...]:
        """The budgets as they are, but for those that a lift test asks for, which are as proposed."""
        tests = under_test.asked(self.snapshot)
        return tuple(new if k in tests else old for k, (old, new) in enumerate(zip(self.stay, proposed, strict=True)))

    @property
    def counted(self) -> str:
        """What the objective counts, in words: `conversions`, `incremental conversions`, `EUR revenue`."""
        words = thing(self.goals.objective, self.snapshot.currency)
        return words if self.forecast.claims is None else f"{self.goals.counts} {words}"

    @property
    def mature(self) -> FloatArray:
        """Share of the eventual conversions of each day that is reported by now, shape (K, T)."""
        return self.forecast.belief.maturity(np.arange(self.snapshot.panel.days, 0, -1))

    @property
    def draw_count(self) -> int:
        """How many posterior draws of a pair of budgets per target are affordable; 200 to 4,000."""
        return int(np.clip(_DRAWN_NUMBERS // max(2 * len(self.snapshot.targets), 1), 200, _MOST_DRAWS))


def units(amounts: tuple[Money, ...]) -> FloatArray:
    """Amounts as currency units, shape (K,)."""
    return np.array([amount.micros for amount in amounts], dtype=np.float64) / 1e6
