"""The named scenarios, all in one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulations.scenarios.checks import ScenarioError, instead_of
from simulations.scenarios.forces import FORCES
from simulations.scenarios.mixes import MIXES
from simulations.scenarios.scenario import Scenario, with_knobs
from simulations.scenarios.shops import SHOPS

SCENARIOS: Mapping[str, Scenario] = MappingProxyType({s.name: s for s in (*SHOPS, *FORCES, *MIXES)})
"""By name."""


def named(name: str, /, **knobs: object) -> Scenario:
    """Return a named scenario, with some knobs changed (see `with_knobs`).

    Raises:
        ScenarioError: There is no scenario of this name, or a changed knob is unknown or out of range.
    """
    if name not in SCENARIOS:
        raise ScenarioError("scenario", f"there is none called {name!r}; {instead_of(name, SCENARIOS)}")
    return with_knobs(SCENARIOS[name], **knobs)
