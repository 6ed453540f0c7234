"""What the marketer wants, and its translation into room for each budget and constraints over all of them."""

from optimizer.goals.constraints import envelopes, of_total, rows, unmatched
from optimizer.goals.flown import of_day
from optimizer.goals.payments import check_flights, owed
from optimizer.goals.room import Because, Box, box, wide_box
from optimizer.goals.rounding import in_quanta, to_quantum
from optimizer.goals.wishes import (
    PER_ACTION,
    Counting,
    Explore,
    Flight,
    Goals,
    GoalsError,
    Limit,
    Model,
    Payment,
    Pin,
    Scope,
    ScopeKind,
    Sharing,
    Valuing,
    indices,
)
from optimizer.plan.problem import TOTAL

__all__ = [
    "PER_ACTION",
    "TOTAL",
    "Because",
    "Box",
    "Counting",
    "Explore",
    "Flight",
    "Goals",
    "GoalsError",
    "Limit",
    "Model",
    "Payment",
    "Pin",
    "Scope",
    "ScopeKind",
    "Sharing",
    "Valuing",
    "box",
    "check_flights",
    "envelopes",
    "in_quanta",
    "indices",
    "of_day",
    "of_total",
    "owed",
    "rows",
    "to_quantum",
    "unmatched",
    "wide_box",
]
