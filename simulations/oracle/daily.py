"""The clairvoyant's plan for one day."""

from __future__ import annotations

from dataclasses import dataclass

from simulations.market.truth import Truth
from simulations.noise import FloatArray
from simulations.oracle.outcome import Goal, portfolio_of
from simulations.oracle.portfolio import check_box
from simulations.oracle.search import solve


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The clairvoyant's plan for one day.

    Attributes:
        day: Its index.
        budgets: Daily budgets, currency units, shape (K,).
        value: What they bring in expectation, in the goal's unit.
        upper_bound: No budgets within the constraints bring more.
        price: What one more currency unit would bring; 0 where it would bring nothing.
    """

    day: int
    budgets: FloatArray
    value: float
    upper_bound: float
    price: float

    @property
    def gap(self) -> float:
        """Relative distance from the value to its bound, >= 0."""
        return max(self.upper_bound - self.value, 0.0) / max(self.upper_bound, 1e-12)


def optimum(
    truth: Truth,
    day: int,
    *,
    total: float,
    lower: FloatArray,
    upper: FloatArray,
    goal: Goal = "conversions",
) -> Optimum:
    """Return the best budgets for a day, everything known: sum of budgets <= total and lower <= budgets <= upper.

    Args:
        truth: The world.
        day: Index of the day.
        total: Currency units for all campaigns together.
        lower: Least budget by campaign, shape (K,).
        upper: Greatest budget by campaign, shape (K,).
        goal: What is maximised.

    Raises:
        Impossible: The bounds cross, or the least budgets exceed the total.
        HorizonEnded: The day lies beyond the scenario's horizon.
    """
    check_box(lower, upper, total)
    found = solve(portfolio_of(truth, day, goal), lower, upper, total)
    return Optimum(day, found.budgets, found.value, found.upper_bound, found.price)
