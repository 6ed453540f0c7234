"""Policies that follow a rule of thumb: no curve, no delay, what was reported is what counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.noise import FloatArray
from simulations.policies.contract import Bounds, Proposal, Seen, Setting
from simulations.policies.steps import kept, towards, unit_of

WARM_UP: Final = 3
"""With fewer days than these behind them, policies keep the budgets that they found.

A week of waiting costs learners one to two points of the oracle in the first month; to begin on the first day costs
some as much in the second half, for what was unlucky once is starved.
"""

_RULE_DAYS: Final = 7


def yields(setting: Setting, seen: Seen, days: int) -> FloatArray:
    """Return reported outcome per average budget spent over the last days, shape (K,).

    A tenth of a day of average spend at the mean yield of all campaigns is added to each, so that a campaign without
    spend has the mean.

    Args:
        setting: Its goal says which outcome counts.
        seen: What is known.
        days: How many of the last days.
    """
    outcome = seen.value if setting.goal == "value" else seen.conversions
    brought = np.nansum(outcome[:, -days:], axis=1).clip(0.0)
    spent = np.nansum(seen.spend[:, -days:], axis=1).clip(0.0) / unit_of(setting.bounds)
    mean = brought.sum() / max(float(spent.sum()), 1e-12)
    if mean <= 0.0:
        return np.ones_like(brought)
    found: FloatArray = (brought + 0.1 * mean) / (spent + 0.1)
    return found


@dataclass(frozen=True, slots=True)
class Equal:
    """The same budget for every campaign."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        budgets = towards(seen.live, np.ones_like(seen.live), self.setting.bounds)
        return Proposal(budgets, why="the same for all")


@dataclass(frozen=True, slots=True)
class LastPlan:
    """The budgets stay as they were found."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        return Proposal(kept(seen.live, self.setting.bounds), why="as they were")


@dataclass(frozen=True, slots=True)
class Roas:
    """Budgets in proportion to what a unit of money brought in the last 28 days."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        if seen.today < WARM_UP:
            return Proposal(kept(seen.live, self.setting.bounds), why="too little is known yet")
        aim = yields(self.setting, seen, 28)
        return Proposal(towards(seen.live, aim, self.setting.bounds), why="in proportion to the yield of 28 days")


@dataclass(frozen=True, slots=True)
class Winners:
    """Once a week a fifth more for campaigns whose 14-day yield beats the mean by 15%; those 15% below it pay.

    All who pay give the same share of their budgets, a fifth at most.
    """

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self.setting.bounds
        live = kept(seen.live, bounds)
        if seen.today < WARM_UP or seen.today % _RULE_DAYS:
            return Proposal(live, why="the rule runs once a week")
        rate = yields(self.setting, seen, 14)
        weight = np.nansum(seen.spend[:, -14:], axis=1).clip(0.0)
        mean = float((rate * weight).sum() / weight.sum()) if weight.sum() > 0 else float(rate.mean())
        won, lost = rate > 1.15 * mean, rate < 0.85 * mean
        paid = live[lost] * min(0.2, bounds.step)
        raised = np.minimum(live[won] * (1.0 + min(0.2, bounds.step)), bounds.upper[won]) - live[won]
        spare = bounds.total - float(live.sum())
        paid = np.minimum(paid, live[lost] - bounds.lower[lost])
        given = min(float(raised.sum()), float(paid.sum()) + spare)
        budgets = live.copy()
        budgets[won] += raised * given / max(float(raised.sum()), 1e-300)
        budgets[lost] -= paid * max(given - spare, 0.0) / max(float(paid.sum()), 1e-300)
        return Proposal(budgets, why=f"{won.sum()} campaigns won and {lost.sum()} lost against the mean yield")


@dataclass(frozen=True, slots=True)
class Automation:
    """What a platform's own optimiser does: its channel only, last week's reported yield, delay ignored.

    A budget moves at most 15% a day, by the root of its yield over the channel's mean; no money leaves a channel.
    """

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self.setting.bounds
        live = kept(seen.live, bounds)
        if seen.today < WARM_UP:
            return Proposal(live, why="too little is known yet")
        rate = yields(self.setting, seen, 7)
        budgets = live.copy()
        for channel in np.unique(self.setting.channel):
            own = np.flatnonzero(self.setting.channel == channel)
            mean = float((rate[own] * live[own]).sum() / max(float(live[own].sum()), 1e-300))
            pull = np.sqrt(rate[own] / max(mean, 1e-300)) if mean > 0 else np.ones(own.size)
            budgets[own] = self._within(live[own], live[own] * np.clip(pull, 0.85, 1.15), own)
        return Proposal(budgets, why="each channel towards its own campaigns of last week's best yield")

    def _within(self, live: FloatArray, aim: FloatArray, own: npt.NDArray[np.intp]) -> FloatArray:
        bounds = self.setting.bounds
        part = Bounds(float(live.sum()), bounds.lower[own], bounds.upper[own], min(bounds.step, 0.15))
        return towards(live, aim, part)
