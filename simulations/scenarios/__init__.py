"""Scenarios: distributions over worlds, each knob a checked field; a library of named ones, and TOML files."""

from simulations.scenarios.channels import Channel, FurtherConversion
from simulations.scenarios.checks import ScenarioError
from simulations.scenarios.files import find, parse_scenario, read_scenario, write_scenario
from simulations.scenarios.knobs import (
    MIXED,
    Ads,
    Delivery,
    Demand,
    FamilyShare,
    Funnel,
    History,
    Holiday,
    Limits,
    Saturation,
    Shocks,
    Tracking,
)
from simulations.scenarios.library import SCENARIOS, named
from simulations.scenarios.scenario import GROUPS, Scenario, with_knobs

__all__ = [
    "GROUPS",
    "MIXED",
    "SCENARIOS",
    "Ads",
    "Channel",
    "Delivery",
    "Demand",
    "FamilyShare",
    "Funnel",
    "FurtherConversion",
    "History",
    "Holiday",
    "Limits",
    "Saturation",
    "Scenario",
    "ScenarioError",
    "Shocks",
    "Tracking",
    "find",
    "named",
    "parse_scenario",
    "read_scenario",
    "with_knobs",
    "write_scenario",
]
