"""`[attribution]`: who is credited with an order, and how far back touches count."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from optimizer.agent.settings.types import NotNegative, Positive, Share, Table
from optimizer.measure.attribution.building import Windows
from optimizer.measure.attribution.credit import Knobs, Model

PLATFORM: Final = "platform"
"""Conversions as the platforms claim them: no model."""

Choice = Literal[
    "platform",
    "first-click",
    "last-click",
    "linear",
    "time-decay",
    "position-based",
    "markov",
    "shapley",
    "shapley-chain",
]


class AttributionTable(Table):
    """`[attribution]`: the model, its windows and what it is told; docs/attribution.md has the formulae."""

    model: Choice = Field(
        "platform",
        description='Model that credits orders, for counts = "credited": first-click, last-click, linear, time-decay, '
        "position-based, markov, shapley or shapley-chain; platform for none.",
    )
    days: int = Field(90, ge=7, le=3660, description="Days of orders that are credited, the latest ones, 7 to 3660.")
    click_window_days: NotNegative = Field(
        30.0, le=3660, description="Days before an order within which a click counts, at most 3660."
    )
    view_window_days: NotNegative = Field(
        1.0, le=3660, description="Days before an order within which a view counts, at most 3660."
    )
    view_weight: Share = Field(
        0.3, description="What a view counts where a click counts 1, 0 to 1; 0 leaves views out."
    )
    half_life_days: Positive = Field(
        7.0, le=3660, description="Days by which a touch is older that time-decay gives half as much, at most 3660."
    )
    markov_order: int = Field(1, ge=1, le=3, description="Touches that a state of the Markov chain remembers, 1 to 3.")
    clock_skew_seconds: NotNegative = Field(
        60.0,
        le=86_400,
        description="Seconds by which a touch may seem to be later than the order that it led to, at most 86400.",
    )

    @property
    def chosen(self) -> Model | None:
        """The model; None where conversions are taken as the platforms claim them."""
        return None if self.model == PLATFORM else Model(self.model)

    @property
    def windows(self) -> Windows:
        """How far back touches count."""
        return Windows(self.click_window_days, self.view_window_days, self.view_weight, self.clock_skew_seconds)

    @property
    def knobs(self) -> Knobs:
        """What models are told."""
        return Knobs(self.half_life_days, self.markov_order)
