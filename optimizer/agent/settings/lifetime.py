"""`[lifetime]`: how the value of customers is learnt from the books."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from optimizer.agent.settings.types import Table


class LifetimeTable(Table):
    """`[lifetime]`: the model, the horizon, and how much is sampled."""

    model: Literal["purchases", "subscription"] = Field(
        "purchases", description="How customers come back: purchases, when they like; or subscription, once a period."
    )
    horizon_days: int = Field(
        365, ge=1, le=3660, description="Days from the first order over which value counts, 1 to 3660."
    )
    discount_rate: float = Field(
        0.1, ge=0, le=10, description="A year's discount: with 0.1, 110 in a year are worth 100 today."
    )
    period_days: float = Field(
        30.4375, ge=1, le=3660, description="Of a subscription: days from one payment to the next, 30.4375 for a month."
    )
    grace_days: float = Field(
        7.0, ge=0, le=366, description="Of a subscription: days that a payment may be late before it counts as ended."
    )
    history_days: int = Field(
        1825, ge=30, le=18300, description="Days of orders that are read; they should reach back to the first order."
    )
    customers: int = Field(
        20_000,
        ge=100,
        le=1_000_000,
        description="Most customers to whom a model of purchases is fitted; more: a sample.",
    )
    draws: int = Field(
        500, ge=10, le=100_000, description="Draws of each chain that are kept, 10 to 100000; with too few none counts."
    )
    tune: int = Field(
        500, ge=10, le=100_000, description="Draws of each chain that tune the sampler and are not kept, 10 to 100000."
    )
    chains: int = Field(4, ge=2, le=64, description="Independent chains, 2 to 64; whether they agree is checked.")
    cores: int = Field(1, ge=1, le=256, description="Chains that are sampled at once, 1 to 256.")
    target_accept: float = Field(
        0.95, ge=0.5, lt=1, description="Acceptance that the sampler's steps are tuned to, 0.5 to below 1."
    )
