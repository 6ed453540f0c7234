"""What the marketer wants, and its translation into room for each budget and constraints over all of them."""

from optimizer.goals.constraints import envelopes, rows, unmatched
from optimizer.goals.flown import of_day
from optimizer.goals.room import Because, Box, box, wide_box
from optimizer.goals.rounding import to_quantum
from optimizer.goals.wishes import (
    Counting,
    Explore,
    Flight,
    Goals,
    GoalsError,
    Limit,
    Pin,
    Scope,
    ScopeKind,
    Sharing,
    Valuing,
    indices,
)
from optimizer.plan.problem import TOTAL

__all__ = [
    "TOTAL",
    "Because",
    "Box",
    "Counting",
    "Explore",
    "Flight",
    "Goals",
    "GoalsError",
    "Limit",
    "Pin",
    "Scope",
    "ScopeKind",
    "Sharing",
    "Valuing",
    "box",
    "envelopes",
    "indices",
    "of_day",
    "rows",
    "to_quantum",
    "unmatched",
    "wide_box",
]
