"""What the marketer wants, and its translation into room for each budget and constraints over all of them."""

from optimizer.goals.constraints import envelopes, of_total, rows, unmatched
from optimizer.goals.errors import GoalsError
from optimizer.goals.flights import Flight
from optimizer.goals.flown import of_day
from optimizer.goals.limits import Limit, Pin
from optimizer.goals.owing import by_value, check_flights, owed
from optimizer.goals.payments import PER_ACTION, Model, Payment
from optimizer.goals.quanta import quanta
from optimizer.goals.room import Because, Box, box, wide_box
from optimizer.goals.rounding import ends, in_quanta, takes, to_quantum
from optimizer.goals.scope import Scope, ScopeKind, indices
from optimizer.goals.wishes import Counting, Explore, Goals, Sharing, Valuing
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
    "by_value",
    "check_flights",
    "ends",
    "envelopes",
    "in_quanta",
    "indices",
    "of_day",
    "of_total",
    "owed",
    "quanta",
    "rows",
    "takes",
    "to_quantum",
    "unmatched",
    "wide_box",
]
