"""The channels of a simulated market and what they report; frozen, types and ranges checked at birth."""

from __future__ import annotations

from dataclasses import dataclass

from simulations.scenarios.checks import ScenarioError, differing, typed, within


@dataclass(frozen=True, slots=True)
class FurtherConversion:
    """A kind of conversion that a channel reports beside its purchases, such as a signup.

    Attributes:
        name: Its conversion definition.
        per_purchase: How many there are for each purchase, on average.
        value: Of one, currency units; may be 0.
        delay_mean_days, delay_shape: The time from click to conversion is gamma with this mean and shape.

    Raises:
        ScenarioError: A knob is out of range.
    """

    name: str
    per_purchase: float
    value: float
    delay_mean_days: float = 0.5
    delay_shape: float = 0.8

    def __post_init__(self) -> None:
        path = "channels.further."
        typed(self, path)
        if not self.name.strip() or self.name == "purchase":
            raise ScenarioError(path + "name", f"needs a name of its own, not {self.name!r}")
        within(self, path, 1e-6, 1000.0, "per_purchase")
        within(self, path, 0.0, 1e9, "value")
        _check_delay(self, path)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of the market.

    Attributes:
        name: Such as `search`.
        campaigns: How many campaigns it has.
        cost_per_conversion: Median over its campaigns, currency units, at their reference budgets (or their half
            saturations, where those are larger).
        value_per_conversion: Median over its campaigns, currency units.
        click_rate: Median clicks per impression.
        conversion_rate: Median conversions per click.
        delay_mean_days, delay_shape: The time from click to conversion is gamma with this mean and shape.
        attribution_days: Conversions later than so many days after their click are never reported; 0: only
            `tracking.restatement_days` cuts them off.
        incrementality: Median share of its reported conversions that its ads caused; the rest would have happened
            anyway.
        harvest: Share of the conversions that the campaigns of other channels bring which this channel claims for
            itself while it spends its reference budgets (brand search, retargeting).
        further: Kinds of conversions beside purchases.

    Raises:
        ScenarioError: A knob is out of range.
    """

    name: str
    campaigns: int
    cost_per_conversion: float
    value_per_conversion: float
    click_rate: float
    conversion_rate: float
    delay_mean_days: float = 3.0
    delay_shape: float = 0.8
    attribution_days: int = 0
    incrementality: float = 1.0
    harvest: float = 0.0
    further: tuple[FurtherConversion, ...] = ()

    def __post_init__(self) -> None:
        path = "channels."
        typed(self, path)
        if not self.name.strip():
            raise ScenarioError(path + "name", "a channel needs a name")
        within(self, path, 1, 10_000, "campaigns")
        within(self, path, 1e-4, 1e9, "cost_per_conversion", "value_per_conversion")
        _check_delay(self, path)
        within(self, path, 1e-6, 0.5, "click_rate", "conversion_rate")
        within(self, path, 0, 365, "attribution_days")
        within(self, path, 0.01, 1.0, "incrementality")
        within(self, path, 0.0, 0.9, "harvest")
        differing(path + "further", [kind.name for kind in self.further])


def _check_delay(kind: Channel | FurtherConversion, path: str) -> None:
    within(kind, path, 0.01, 365.0, "delay_mean_days")
    within(kind, path, 0.05, 100.0, "delay_shape")
