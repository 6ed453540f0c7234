"""`[[kpis]]`: goals with a target and a deadline."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from optimizer.agent.settings.types import ScopeText, Table, Text
from optimizer.goals import Scope, ScopeKind
from optimizer.plan.kpis import Indicator, Kpi

_EVERYTHING = Scope(ScopeKind.ALL)
_TOLD_BY_ROWS = (ScopeKind.ALL, ScopeKind.CHANNEL, ScopeKind.TAG, ScopeKind.CAMPAIGN)


class KpiTable(Table):
    """One `[[kpis]]` table: a measure, what it is to be, and until when."""

    name: Text = Field(description="Its name.")
    metric: Indicator = Field(
        description="spend, impressions, clicks, conversions, value, profit, ctr, cpc, cpm, conversion_rate, cpa, roas."
    )
    target: Annotated[float, Field(gt=0)] = Field(
        description="What it is to be: at most, for spend, cpc, cpm and cpa; at least, for all others."
    )
    scope: ScopeText = Field(_EVERYTHING, description="Of what: all, channel:NAME, tag:NAME or campaign:ID.")
    by: date | None = Field(None, description="The last day that counts; unset for each calendar month.")
    since: date | None = Field(None, description="The first day that counts; unset for the first of the month of `by`.")
    conversion: Text | None = Field(
        None, description="Only conversions of this definition count, such as lead; unset for all."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.scope.kind not in _TOLD_BY_ROWS:
            raise ValueError(f"scope {self.scope} has no rows of its own. Mend: write all, a channel, tag or campaign")
        if self.since is not None and self.by is None:
            raise ValueError("since without by says no days. Mend: write by, too, or neither for each month")
        if self.since is not None and self.by is not None and self.by < self.since:
            raise ValueError(f"by {self.by} is before since {self.since}. Mend: change one of them")
        return self

    @property
    def kpi(self) -> Kpi:
        """The goal as it is measured."""
        return Kpi(self.name, self.metric, self.target, self.by, self.since, self.conversion)
