"""What a decision was made from, beside the evidence: kept with it, so that it can be made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Basis:
    """The rest of a decision's input; seed, day, currency, zone and fixed lines stand in the recommendation.

    Attributes:
        known_at: Aware; the evidence is what the store knew then.
        days: Length of the history.
        goals: The goals as canonical JSON.
        guards: The guardrails as canonical JSON.
        around: What else the settings say, as canonical JSON.
    """

    known_at: datetime
    days: int
    goals: str
    guards: str
    around: str
