"""Maximum likelihood Hill curves with the best split of what they say: greedy, and greedy with random moves.

    y_d ~ NegBin(lambda e_d g(x_d), R),   g(x) = x^n / (x^n + kappa^n)

Shapes (kappa, n) lie on a grid and carry a weak penalty; lambda is profiled out: given the shape its maximum
likelihood estimate is counts over exposure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from simulations.noise import FloatArray
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.policies.evidence import Table, ageing, deliverable, gather, tabulate, worth
from simulations.policies.rules import WARM_UP
from simulations.policies.steps import choices, kept, optimal, towards

_FORGET: Final = 0.985
_WANDER: Final = 0.1
_HALVES, _SLOPES = np.meshgrid(np.geomspace(0.1, 10.0, 13), [0.6, 0.8, 1.0, 1.4, 2.0, 2.8])
HALVES: Final[FloatArray] = _HALVES.ravel()
"""Half saturations of the shapes, units of the average budget, shape (J,)."""
SLOPES: Final[FloatArray] = _SLOPES.ravel()
"""Their slopes, shape (J,)."""
# Normal priors on log kappa and log n, which decide between shapes that the data hardly tell apart.
_PRIOR: Final[FloatArray] = -0.5 * ((np.log(HALVES) / 0.9) ** 2 + (np.log(SLOPES / 1.3) / 0.5) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """One Hill curve per campaign, spends in units of the average budget, each of shape (K,)."""

    scale: FloatArray
    half: FloatArray
    slope: FloatArray

    def __call__(self, spend: FloatArray) -> FloatArray:
        """Return expected conversions of an average day at spends of shape (K, P)."""
        return self.scale[:, None] * hill(spend, self.half[:, None], self.slope[:, None])


def hill(spend: FloatArray, half: FloatArray, slope: FloatArray) -> FloatArray:
    """Return x^n / (x^n + kappa^n), elementwise; 0 at 0."""
    with np.errstate(divide="ignore", over="ignore"):
        shape: FloatArray = 1.0 / (1.0 + (half / spend) ** slope)
    return shape


def fit(table: Table) -> Fit:
    """Return the curve of greatest (penalised) likelihood among the shapes of the grid.

    With Y_p counts and E_p exposure at level p, up to a constant: sum_p Y_p log g(x_p) - Y log sum_p E_p g(x_p), from
    lambda = Y / sum_p E_p g(x_p). One conversion at the pooled level and the average budget is added to each campaign.

    Args:
        table: The past.
    """
    shape = hill(table.levels[:, None], HALVES, SLOPES)
    at_average = hill(np.ones(1), HALVES, SLOPES)
    pooled = float(table.scale.mean()) / 2.0
    total = table.counts.sum(axis=1) + 1.0
    basis = table.exposure @ shape + at_average / pooled
    log = table.counts @ np.log(shape) + np.log(at_average) - total[:, None] * np.log(basis) + _PRIOR
    best = np.argmax(log, axis=1)
    return Fit(total / basis[np.arange(total.size), best], HALVES[best], SLOPES[best])


@dataclass(frozen=True, slots=True)
class Greedy:
    """Believes the fitted curves, and splits the total as they say."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self.setting.bounds
        if seen.today < WARM_UP:
            return Proposal(kept(seen.live, bounds), why="too little is known yet")
        days = gather(self.setting, seen)
        curves = fit(tabulate(days, ageing(days.counts.shape[1], _FORGET)))
        grid = choices(bounds)
        reached = np.minimum(grid, deliverable(self.setting, seen)[:, None])
        utility = worth(self.setting, seen)[:, None] * curves(reached)
        aim = optimal(utility, grid, seen.runs, bounds)
        return Proposal(towards(seen.live, aim, bounds), why="the best split of the likeliest Hill curves")


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """As greedy, but on one day in ten every budget moves at random by about half a step."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self.setting.bounds
        wander, move = rng.random() < _WANDER, rng.normal(0.0, bounds.step / 2.0, seen.live.size)
        if seen.today < WARM_UP or not wander:
            return Greedy(self.setting).propose(seen, rng)
        aim = np.maximum(seen.live, bounds.lower) * np.exp(move)
        return Proposal(towards(seen.live, aim, bounds), why="a move at random, to learn from")
