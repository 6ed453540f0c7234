"""A marketing mix model, made once: six weeks of planned variation, one fit, one plan.

    y_d ~ lambda e_d g(a_d),   a_d = (1 - theta) x_d + theta a_{d-1},   g(a) = a^n / (a^n + kappa^n)

fitted by penalised least squares for each campaign: adstock theta and shape (kappa, n) on a grid, lambda in closed
form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.noise import FloatArray
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.policies.evidence import Days, deliverable, gather, worth
from simulations.policies.hill import HALVES, SLOPES, Fit, hill
from simulations.policies.rules import WARM_UP
from simulations.policies.steps import choices, kept, optimal, towards

TRIAL_DAYS: Final = 42
"""How long budgets are varied before the plan is made."""
_JITTER_DAYS: Final = 3
_JITTER_SD: Final = 0.25
_ADSTOCK: Final = (0.0, 0.3, 0.6)
_PENALTY: Final = (np.log(HALVES) / 0.9) ** 2 + (np.log(SLOPES / 1.3) / 0.5) ** 2
# So many campaigns at a time, so that the table of shapes by day stays small.
_BLOCK: Final = 32


Plan = Callable[[Setting, Seen], FloatArray]
"""Makes the one plan from what was seen: an aim for each campaign, shape (K,)."""


class Once:
    """A policy that varies the budgets for six weeks, makes one plan, and keeps to it for ever.

    It remembers on which day and with which budgets it began, and its plan.
    """

    def __init__(self, setting: Setting, plan: Plan) -> None:
        """Begin in one world.

        Args:
            setting: Of the comparison.
            plan: Makes the plan.
        """
        self._setting = setting
        self._plan = plan
        self._began: int | None = None
        self._found = self._aim = np.ones(len(setting.names))
        self._planned = False

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """See `Policy`."""
        bounds = self._setting.bounds
        if seen.today < WARM_UP:
            return Proposal(kept(seen.live, bounds), why="too little is known yet")
        if self._began is None:
            self._began, self._found = seen.today, kept(seen.live, bounds)
        passed = seen.today - self._began
        if passed >= TRIAL_DAYS and not self._planned:
            self._aim, self._planned = self._plan(self._setting, seen), True
        elif passed < TRIAL_DAYS and passed % _JITTER_DAYS == 0:
            self._aim = self._found * np.exp(rng.normal(0.0, _JITTER_SD, seen.live.size))
        why = "the plan that was made once" if self._planned else "the budgets that were found, varied to learn from"
        return Proposal(towards(seen.live, self._aim, bounds), why=why)


def mix_model_once(setting: Setting) -> Once:
    """Begin the policy whose plan is the best split of curves fitted with adstock."""
    return Once(setting, best_split)


def best_split(setting: Setting, seen: Seen) -> FloatArray:
    """Return the best split of what the likeliest curves say of the trial, shape (K,)."""
    bounds = setting.bounds
    grid = choices(bounds)
    reached = np.minimum(grid, deliverable(setting, seen)[:, None])
    curves = fit_with_adstock(gather(setting, seen), TRIAL_DAYS)
    everyone = np.ones(len(grid), dtype=np.bool_)
    return optimal(worth(setting, seen)[:, None] * curves(reached), grid, everyone, bounds)


def fit_with_adstock(days: Days, last: int) -> Fit:
    """Return the Hill curve of least penalised squares of each campaign, for spends that stay as they are.

    The squares of (y - lambda e g)^2 are over the noise variance of a day, sigma^2 = the mean count times 1 + mean / R;
    the penalty is that of normal priors on log kappa and log n.

    Args:
        days: The past.
        last: How many of its last days are fitted; those before only start the adstock.
    """
    spend = np.where(days.exposure > 0, days.levels[days.level], 0.0)
    counts, exposure = days.counts[:, -last:], days.exposure[:, -last:]
    mean = (counts.sum(axis=1) + 1.0) / last
    noise = mean * (1.0 + mean / days.size)
    pooled = float((counts.sum() + 1.0) / (exposure.sum() + 1.0))
    least, scale, shape = np.full(len(spend), np.inf), np.zeros(len(spend)), np.zeros(len(spend), dtype=np.intp)
    for theta in _ADSTOCK:
        carried = _adstock(spend, theta)[:, -last:]
        for start in range(0, len(spend), _BLOCK):
            rows = slice(start, start + _BLOCK)
            loss, level, cell = _least_squares(carried[rows], counts[rows], exposure[rows], noise[rows], pooled)
            better = loss < least[rows]
            least[rows] = np.where(better, loss, least[rows])
            scale[rows] = np.where(better, level, scale[rows])
            shape[rows] = np.where(better, cell, shape[rows])
    return Fit(scale, HALVES[shape], SLOPES[shape])


def _adstock(spend: FloatArray, theta: float) -> FloatArray:
    """Geometric adstock that leaves constant spend as it is; it starts from the first day's spend."""
    carried = spend.copy()
    for day in range(1, spend.shape[1]):
        carried[:, day] = (1.0 - theta) * spend[:, day] + theta * carried[:, day - 1]
    return carried


def _least_squares(
    carried: FloatArray, counts: FloatArray, exposure: FloatArray, noise: FloatArray, pooled: float
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Loss, scale and index of the best shape, each of shape (K,).

    One day at the average budget with the pooled mean is added to each campaign.
    """
    shape = exposure[..., None] * hill(carried[..., None], HALVES, SLOPES)
    one = hill(np.ones(1), HALVES, SLOPES)
    across = np.einsum("kd,kdj->kj", counts, shape) + pooled * one
    square = np.einsum("kdj,kdj->kj", shape, shape) + one**2
    scale = across / square
    loss = -scale * across / noise[:, None] + _PENALTY
    best = np.argmin(loss, axis=1)
    rows = np.arange(best.size)
    return loss[rows, best], scale[rows, best], best
