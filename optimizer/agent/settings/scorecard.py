"""`[scorecard]`: how advice is measured."""

from __future__ import annotations

from pydantic import Field

from optimizer.agent.settings.types import Table


class ScorecardTable(Table):
    """`[scorecard]`: what chance decides, so that it can be measured."""

    hold_back: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the lines that are to move which are left as they are by lot, to measure what moves "
        "bring, 0 to 0.5.",
    )
