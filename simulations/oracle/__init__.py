"""What only the simulator knows: the expected outcome of any budgets, and the best budgets with a proof."""

from simulations.oracle.daily import Optimum, optimum
from simulations.oracle.outcome import Expected, Goal, expected, portfolio_of
from simulations.oracle.path import HorizonOptimum, horizon
from simulations.oracle.portfolio import Impossible

__all__ = [
    "Expected",
    "Goal",
    "HorizonOptimum",
    "Impossible",
    "Optimum",
    "expected",
    "horizon",
    "optimum",
    "portfolio_of",
]
