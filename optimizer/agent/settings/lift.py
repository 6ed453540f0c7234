"""`[lift]`: where total outcomes are read, how sure lift tests are to be, and how they grow old."""

from __future__ import annotations

from pydantic import Field

from optimizer.agent.settings.types import Confidence, Positive, Table, Text


class LiftTable(Table):
    """`[lift]`: the lift tests that are designed, run and read here."""

    outcomes_file: Text | None = Field(
        None, description="CSV file of what was sold in all: date, conversions or value, and region and spend if known."
    )
    level: Confidence = Field(0.9, description="Coverage of the interval of a test, above 0.5 and below 1.")
    power: Confidence = Field(0.8, description="Probability with which the smallest effect told by a design is found.")
    half_life_days: Positive = Field(
        365, le=36_600, description="Days after which a lift test weighs half, above 0, at most 36600."
    )
    expire_days: int = Field(
        1095,
        ge=1,
        le=36600,
        description="Days after its end from which on a lift test does not count, 1 to 36600.",
    )
