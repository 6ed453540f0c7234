"""Words and figures for a person: why a line or a plan is what it is, how sure that is, and what would change it."""

from optimizer.explain.figures import EIGHTY, figure
from optimizer.explain.lines import (
    LineFacts,
    Mover,
    Rates,
    Reach,
    Side,
    effect,
    line,
    line_effects,
    row_bindings,
    thing,
    worth,
)
from optimizer.explain.turns import Counts, Move, days_to_tell, turn
from optimizer.explain.whole import MOST_SHIFTS, Moves, declined, more, nothing_found, shifts, unspent

__all__ = [
    "EIGHTY",
    "MOST_SHIFTS",
    "Counts",
    "LineFacts",
    "Move",
    "Mover",
    "Moves",
    "Rates",
    "Reach",
    "Side",
    "days_to_tell",
    "declined",
    "effect",
    "figure",
    "line",
    "line_effects",
    "more",
    "nothing_found",
    "row_bindings",
    "shifts",
    "thing",
    "turn",
    "unspent",
    "worth",
]
