"""What a simulated market may be like: a distribution over worlds, from which `truth.draw` draws one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from math import sqrt
from typing import Any

from connectors.contract import zone
from connectors.money import exponent
from simulations.scenarios.channels import Channel
from simulations.scenarios.checks import ScenarioError, differing, instead_of, typed, within
from simulations.scenarios.knobs import (
    Ads,
    Delivery,
    Demand,
    Funnel,
    History,
    Limits,
    Saturation,
    Shocks,
    Tracking,
)

_MOST_IMPRESSIONS = 1e10
_MOST_VALUE = 1e10
_WIDEST = 2.5


@dataclass(frozen=True, slots=True)
class Scenario:
    """A distribution over worlds.

    Attributes:
        name: Its name in settings, reports and state files.
        summary: What it tries, in one sentence.
        channels: At least one, each with a name of its own.
        currency, time_zone: Of its account.
        average_budget: Mean daily budget of a campaign at the start, currency units.
        minimum_budget: The least daily budget that the platform accepts.
        horizon_days: How many days can be simulated, those of the history included.
        demand, delivery, saturation, funnel, ads, tracking, shocks, history, limits: See the groups.

    Raises:
        ScenarioError: A knob is out of range, or two contradict one another; `field` names it.
    """

    name: str
    summary: str
    channels: tuple[Channel, ...]
    currency: str = "EUR"
    time_zone: str = "Europe/Berlin"
    average_budget: float = 200.0
    minimum_budget: float = 1.0
    horizon_days: int = 400
    demand: Demand = field(default_factory=Demand)
    delivery: Delivery = field(default_factory=Delivery)
    saturation: Saturation = field(default_factory=Saturation)
    funnel: Funnel = field(default_factory=Funnel)
    ads: Ads = field(default_factory=Ads)
    tracking: Tracking = field(default_factory=Tracking)
    shocks: Shocks = field(default_factory=Shocks)
    history: History = field(default_factory=History)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        typed(self, "")
        _check_names(self)
        within(self, "", 1e-4, 1e9, "average_budget")
        within(self, "", 1, 10_000, "horizon_days")
        _check_budgets(self)
        _check_starved(self)
        _check_sizes(self)
        _check_drift(self)
        _check_marketer(self)
        _check_days(self)
        claimed = sum(channel.harvest for channel in self.channels)
        if claimed > 0.95:
            raise ScenarioError("channels.harvest", f"all channels together claim {claimed:g} of others' conversions")

    @property
    def campaigns(self) -> int:
        """K, the number of campaigns."""
        return sum(channel.campaigns for channel in self.channels)

    @property
    def definitions(self) -> tuple[str, ...]:
        """Y conversion definitions: purchases first, then every further kind in the order of the channels."""
        return tuple(dict.fromkeys(["purchase", *(kind.name for c in self.channels for kind in c.further)]))

    def digest(self) -> str:
        """SHA-256 of every knob but the summary: two scenarios with one digest draw the same worlds."""
        return hashlib.sha256(repr(replace(self, summary="")).encode()).hexdigest()


GROUPS: dict[str, type] = {
    "demand": Demand,
    "delivery": Delivery,
    "saturation": Saturation,
    "funnel": Funnel,
    "ads": Ads,
    "tracking": Tracking,
    "shocks": Shocks,
    "history": History,
    "limits": Limits,
}
"""The groups of a scenario's knobs, by the names of their fields."""

PLACES: dict[str, str] = {knob.name: group for group, kind in GROUPS.items() for knob in fields(kind)}
"""The group of each knob; names of knobs are unique over all groups."""


def with_knobs(scenario: Scenario, /, **knobs: object) -> Scenario:
    """Return a scenario with some knobs changed; names of knobs are unique over all groups.

    Args:
        scenario: What is changed.
        knobs: By name: `season_sd=0.3`, `creatives=(2, 3)`, `horizon_days=90`.

    Raises:
        ScenarioError: A knob is unknown or out of range.
    """
    top = {knob.name for knob in fields(Scenario)} - set(GROUPS)
    by_group: dict[str, dict[str, object]] = {}
    own: dict[str, Any] = {}
    for name, value in knobs.items():
        if name in PLACES:
            by_group.setdefault(PLACES[name], {})[name] = value
        elif name in top:
            own[name] = value
        else:
            raise ScenarioError(name, f"a scenario has no such knob; {instead_of(name, top | set(PLACES))}")
    for group, changes in by_group.items():
        held: Any = getattr(scenario, group)
        own[group] = replace(held, **changes)
    return replace(scenario, **own)


def _check_names(s: Scenario) -> None:
    if not s.name.strip():
        raise ScenarioError("name", "a scenario needs a name")
    if not s.channels:
        raise ScenarioError("channels", "a market needs at least one channel")
    differing("channels", [channel.name for channel in s.channels])
    for name, check in (("currency", exponent), ("time_zone", zone)):
        try:
            check(getattr(s, name))
        except ValueError as error:
            raise ScenarioError(name, str(error)) from None


def _check_budgets(s: Scenario) -> None:
    if not 0.0 <= s.minimum_budget <= s.average_budget:
        raise ScenarioError(
            "minimum_budget",
            f"must be from 0 to average_budget ({s.average_budget:g}), not {s.minimum_budget:g}: "
            "the least budgets of all campaigns together must not exceed the budget",
        )


def _check_starved(s: Scenario) -> None:
    if s.saturation.starved >= s.campaigns:
        raise ScenarioError(
            "saturation.starved",
            f"must be less than the {s.campaigns} campaigns, not {s.saturation.starved}: the others spend what the "
            "starved do not",
        )


def _check_sizes(s: Scenario) -> None:
    """Counts and micros of a day are 64-bit integers, with room for campaigns far above the average."""
    for c in s.channels:
        conversions = s.average_budget / c.cost_per_conversion
        impressions = conversions / (c.click_rate * c.conversion_rate)
        worth = max(c.value_per_conversion, *(k.per_purchase * k.value for k in c.further), 0.0)
        if impressions > _MOST_IMPRESSIONS or conversions * worth > _MOST_VALUE:
            raise ScenarioError(
                "channels.cost_per_conversion",
                f"a campaign of {c.name!r} would bring {impressions:.3g} impressions and a value of "
                f"{conversions * worth:.3g} a day, where {_MOST_IMPRESSIONS:g} and {_MOST_VALUE:g} can be counted",
            )


def _check_drift(s: Scenario) -> None:
    """The variance of the AR(1) of `Demand` on the last day is a geometric sum."""
    kept = (1.0 - s.demand.drift_reversion) ** 2
    days = s.horizon_days if kept == 1.0 else (1.0 - kept**s.horizon_days) / (1.0 - kept)
    spread = s.demand.drift_sd * sqrt(days)
    if spread > _WIDEST:
        raise ScenarioError(
            "demand.drift_sd",
            f"makes log demand wander by {spread:.1f} (one standard deviation) within horizon_days, at most "
            f"{_WIDEST:g}: lower it, or raise drift_reversion",
        )


def _check_marketer(s: Scenario) -> None:
    """Budgets of the history walk without a pull back; far enough, and no integer would hold them."""
    knobs = s.history
    spread = knobs.marketer_edit_sd * sqrt(knobs.history_days / knobs.marketer_edit_days)
    if spread > _WIDEST:
        raise ScenarioError(
            "history.marketer_edit_sd",
            f"makes log budgets wander by {spread:.1f} (one standard deviation) within history_days, at most "
            f"{_WIDEST:g}: lower it, or raise marketer_edit_days",
        )


def _check_days(s: Scenario) -> None:
    """No delay, history or event may lie beyond the horizon."""
    for path, days in (
        ("tracking.restatement_days", s.tracking.restatement_days),
        ("tracking.returned_after_days", s.tracking.returned_after_days if s.tracking.returned_share else 0),
        ("history.history_days", s.history.history_days),
        ("shocks.break_days", s.shocks.break_days[1] if s.shocks.break_probability else 0),
        ("shocks.launch_days", s.shocks.launch_days[1] if s.shocks.launch_share else 0),
        ("shocks.pause_length", s.shocks.pause_length[1] if s.shocks.pause_share else 0),
        ("shocks.competitor_days", s.shocks.competitor_days[1] if s.shocks.competitors else 0),
        ("funnel.adstock_mean_days", s.funnel.adstock_mean_days if s.funnel.adstock_share else 0),
        *((f"channels.{kind}", days) for c in s.channels for kind, days in _delays(c)),
    ):
        if days > s.horizon_days:
            raise ScenarioError(path, f"must lie within horizon_days ({s.horizon_days}), not {days:g}")


def _delays(channel: Channel) -> list[tuple[str, float]]:
    return [
        ("attribution_days", channel.attribution_days),
        ("delay_mean_days", channel.delay_mean_days),
        *(("further.delay_mean_days", kind.delay_mean_days) for kind in channel.further),
    ]
