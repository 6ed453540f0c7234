"""Budgets for a month or any other flight, spread over its days: how much each of them should get, and why."""

from optimizer.pacing.curve import Curve
from optimizer.pacing.delivery import Delivery, delivery
from optimizer.pacing.fan import Fan, fan
from optimizer.pacing.ledger import Ledger, ledger
from optimizer.pacing.pace import Morning, Pace, Reach, pace
from optimizer.pacing.spread import TOLERANCE, Course, Spread, followed, spread

__all__ = [
    "TOLERANCE",
    "Course",
    "Curve",
    "Delivery",
    "Fan",
    "Ledger",
    "Morning",
    "Pace",
    "Reach",
    "Spread",
    "delivery",
    "fan",
    "followed",
    "ledger",
    "pace",
    "spread",
]
