"""Which share of its budget a target spends, and where its supply ends, by its days.

    spend = min(delta budget, S),    log S = log C + log season + noise of sd `NOISE`

The supply S moves with demand, as the volume does: by the weekday, by a random walk, and by breaks. So the usual
capacity C is followed day by day on a grid (a hidden Markov model: Rabiner, Proceedings of the IEEE 77, 1989). A day
that delivered all of its budget says that the supply was at least that; the density of the smaller of two independent
log-normals says both (a switching regression with unknown sample separation: Maddala and Nelson, Econometrica 42,
1974). Only targets of which something was short are followed; of all others a share is all that there is to learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.delivery import LEAST_FACTOR, NODES, NOISE, Supply, days_of_week
from optimizer.response.history import BoolArray, History, blocks, quantile
from optimizer.response.scales import Dynamics

Table = npt.NDArray[np.float32]

WINDOW: Final = 56
HALF_LIFE: Final = 14.0
"""Days read, and the age in days at which one counts half for the delivered share."""

LEAST_DAYS: Final = 2.0
"""Weights of days below which nothing is learnt."""

SHARES: Final = np.round(np.arange(0.6, 1.21, 0.05), 2)
"""Delivered shares that are tried."""

SHARE_SPREAD: Final = 0.1
"""Prior standard deviation of log delta, around a budget that is spent whole."""

LEVELS: Final = np.geomspace(0.1, 1.0, 20)[:-1]
"""Capacities that are tried beside them, over the largest budget of the window."""

FINITE_PENALTY: Final = 2.0
"""Log prior odds against a capacity there: without it noise alone would find one."""

LEAST_NOISE: Final = 0.02
"""Standard deviation of a day's spend over the largest budget, below which no fit is believed."""

STEP: Final = 0.08
CAPACITIES: Final = np.arange(np.log(0.08), np.log(2.0), STEP)
"""Log capacities that are followed, over the largest spend of the window, shape (G,)."""

ENDLESS: Final = 0.6
"""Prior probability that the supply reaches beyond them."""

PRIOR: Final = np.append(np.full(CAPACITIES.size, (1.0 - ENDLESS) / CAPACITIES.size), ENDLESS)
"""Of the cells of a capacity, the last one beyond all `CAPACITIES`, shape (G + 1,)."""

SHORT: Final = 0.9
"""A day whose delivered share was less than this of the usual one makes a capacity worth looking for."""

STILL: Final = 0.9
"""A budget of which the least days in ten had this much of the most in ten never moved."""

_LOOSE, _LOOSE_DAYS = 0.05, 5.0
"""Standard deviation of a day's log delivery that is expected, and its weight in days."""

_NOTHING: Final = 1e-3
"""Spend over the largest budget of the window that stands for none at all."""

_ODD: Final = 0.02
"""Density of log spend on a day of which neither budget nor supply was the reason: paused for hours, or half a day."""

_FINE: Final = 8
"""Spends per step of `CAPACITIES` at which densities are tabulated."""

_TOGETHER: Final = 32
"""Targets that are followed at once: enough for NumPy's calls, few enough for the memory."""


def learn_supply(history: History, season: FloatArray, dynamics: Dynamics) -> Supply:
    """Estimate shares, and capacities from the days whose budget and spend are known.

    With a budget that never moved, a small shortfall is read as a share and a large one (about 20%) as exhausted
    supply: platforms spend what they are given when they can.

    Args:
        history: K targets.
        season: Weekday factors of the volume and so of the supply, Monday first, shape (K, 7).
        dynamics: How the volume moves, and so the supply.
    """
    recent = history.last(WINDOW)
    known = np.isfinite(recent.spend) & (np.nan_to_num(recent.budget) > 0)
    budget = np.where(known, recent.budget, 0.0)
    top = np.maximum(budget.max(axis=1, initial=0.0), 1e-300)
    days = _Days(
        weight=np.where(known, 0.5 ** (np.arange(recent.days, 0, -1) / HALF_LIFE), 0.0),
        budget=budget / top[:, None],
        spend=np.where(known, recent.spend, 0.0) / top[:, None],
    )
    share, level = days.mode()
    share = days.refine(share, level)
    enough = days.weight.sum(axis=1) >= LEAST_DAYS
    share = np.where(enough, share, 1.0)
    ended = np.isfinite(level)
    short = np.flatnonzero(enough & (days.uneven() | ended))
    supply = Supply(share, np.full((len(share), NODES), np.inf), days_of_week(season))
    if short.size:
        usual = float(np.median(share[enough & ~ended])) if (enough & ~ended).any() else 1.0
        log_season = np.log(np.maximum(season[short], LEAST_FACTOR))[:, recent.weekday]
        found = _followed(days.take(short), log_season, _tried(days, share, usual)[short], dynamics)
        supply.share[short], supply.capacity[short] = found[0], found[1] * top[short, None]
    return supply


def _tried(days: _Days, share: FloatArray, usual: float) -> FloatArray:
    """Return the shares that are tried where a supply is followed, shape (K, 3).

    The least-squares one, that of the other targets, and that of a target's best days: where many days were short,
    their mean is no share. Of a budget that never moved the best days are like all others, and tell nothing.
    """
    budget = np.where(days.budget > 0, days.budget, np.nan)
    moved = quantile(budget, 0.1) < STILL * quantile(budget, 0.9)
    best = np.where(moved, quantile(days.ratio(), 0.9), share)
    return np.stack([share, np.full(len(share), usual), np.maximum(best, np.exp(CAPACITIES[0]))], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Days:
    """Weights, budgets and spends over the window's largest budget, each of shape (K, T)."""

    weight: FloatArray
    budget: FloatArray
    spend: FloatArray

    def take(self, rows: IntArray) -> _Days:
        """Return some targets' days."""
        return _Days(self.weight[rows], self.budget[rows], self.spend[rows])

    def mode(self) -> tuple[FloatArray, FloatArray]:
        """Return the best share and capacity of the grid, each of shape (K,)."""
        total = self.weight.sum(axis=1)
        best = np.full(len(total), np.inf)
        share, level = np.ones(len(total)), np.full(len(total), np.inf)
        for part in blocks(len(total)):
            for trial in (np.inf, *LEVELS):
                cost = self._costs(part, total[part], trial)
                first = cost.argmin(axis=0)
                least = np.take_along_axis(cost, first[None], axis=0)[0]
                better = np.flatnonzero(least < best[part])
                rows = part.start + better
                best[rows], share[rows], level[rows] = least[better], SHARES[first[better]], trial
        return share, level

    def _costs(self, part: slice, total: FloatArray, level: float) -> FloatArray:
        """Return the negative log posterior of `SHARES` for some targets, the variance profiled out, (S, part)."""
        reached = np.minimum(SHARES[:, None, None] * self.budget[part], level)
        residual = np.subtract(self.spend[part], reached, out=reached)
        squares = np.einsum("kt,skt,skt->sk", self.weight[part], residual, residual)
        variance = squares / np.maximum(total, 1e-9) + LEAST_NOISE**2
        penalty = 0.5 * (np.log(SHARES) / SHARE_SPREAD) ** 2 + (FINITE_PENALTY if np.isfinite(level) else 0.0)
        cost: FloatArray = 0.5 * total * np.log(variance) + penalty[:, None]
        return cost

    def refine(self, share: FloatArray, level: FloatArray) -> FloatArray:
        """Move from the grid's share to the least-squares one of the days below the capacity, shape (K,)."""
        free = self.weight * (share[:, None] * self.budget <= level[:, None])
        # Three days' worth of the grid's own value keep what has little evidence where it was.
        refined: FloatArray = ((free * self.spend * self.budget).sum(axis=1) + 3.0 * share) / (
            (free * self.budget**2).sum(axis=1) + 3.0
        )
        return refined

    def uneven(self) -> BoolArray:
        """Targets of which some day spent much less of its budget than most, shape (K,)."""
        ratio = self.ratio()
        odd: BoolArray = (ratio < SHORT * quantile(ratio, 0.5)[:, None]).any(axis=1)
        return odd

    def ratio(self) -> FloatArray:
        """Return spend over budget, shape (K, T); nan where no budget is known."""
        ratio: FloatArray = np.full(self.spend.shape, np.nan)
        return np.divide(self.spend, self.budget, out=ratio, where=self.budget > 0)


def _followed(
    days: _Days, log_season: FloatArray, tried: FloatArray, dynamics: Dynamics
) -> tuple[FloatArray, FloatArray]:
    """Return shares, (R,), and equally likely capacities of tomorrow over the unit of `days`, (R, Q).

    The share is the likeliest of those tried (R, N), with the capacity summed out, then the mean of the days by how
    probably each was limited by its budget.
    """
    share, capacity = np.empty(len(days.weight)), np.empty((len(days.weight), NODES))
    passing = _passing(dynamics).astype(np.float32)
    for low in range(0, share.size, _TOGETHER):
        part = slice(low, low + _TOGETHER)
        met = _Met.of(days.take(np.arange(share.size)[part]), log_season[part])
        log_tried = np.log(tried[part])
        first = met.follow(log_tried, passing)
        best = (first.evidence - 0.5 * (log_tried / SHARE_SPREAD) ** 2).argmax(axis=1)
        rows = np.arange(best.size)
        free = days.weight[part] * first.free[rows, best]
        mean = ((free * met.ratio).sum(axis=1) + 3.0 * log_tried[rows, best]) / (free.sum(axis=1) + 3.0)
        share[part] = np.exp(mean)
        capacity[part] = _nodes(met.follow(mean[:, None], passing).belief[:, 0]) * met.unit[:, None]
    return share, capacity


@dataclass(frozen=True, slots=True, eq=False)
class _Story:
    """What the days of R targets say under N shares each.

    Attributes:
        belief: Of tomorrow's usual capacity, shape (R, N, G + 1); the last cell is one beyond all `CAPACITIES`.
        evidence: Log likelihood, shape (R, N).
        free: Probability that the budget limited a day and not the supply, shape (R, N, T).
    """

    belief: FloatArray
    evidence: FloatArray
    free: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """Days on which a supply may have been met, in logs: R targets, T days.

    Attributes:
        known: Shape (R, T).
        ratio: Spend over budget, shape (R, T).
        supply: Spend over the weekday's factor, what the usual supply was if it was met, over `unit`, shape (R, T).
        unit: The largest spend, shape (R,), not in logs: a mistyped budget does not move it.
    """

    known: BoolArray
    ratio: FloatArray
    supply: FloatArray
    unit: FloatArray

    @classmethod
    def of(cls, days: _Days, log_season: FloatArray) -> _Met:
        """Read days in logs; one that spent nothing counts as one of the least capacity."""
        known = days.weight > 0
        unit = np.maximum(days.spend.max(axis=1), _NOTHING)
        spend = np.maximum(days.spend / unit[:, None], np.exp(CAPACITIES[0]))
        ratio = np.log(spend * unit[:, None]) - np.log(np.where(known, days.budget, 1.0))
        return cls(known, np.where(known, ratio, 0.0), np.maximum(np.log(spend) - log_season, CAPACITIES[0]), unit)

    def loose(self, log_share: FloatArray) -> FloatArray:
        """Return the standard deviation of a day's log delivery around shares (R, N), of the same shape.

        By the days above the share: no supply that ended made them what they are.
        """
        above = self.known[:, None] * np.maximum(self.ratio[:, None] - log_share[:, :, None], 0.0)
        squares = (above**2).sum(axis=2) + _LOOSE_DAYS * _LOOSE**2
        deviation: FloatArray = np.sqrt(squares / ((above > 0).sum(axis=2) + _LOOSE_DAYS))
        return deviation

    def follow(self, log_share: FloatArray, passing: Table) -> _Story:
        """Follow the capacities day by day under given shares, (R, N)."""
        by_budget, by_supply = self._densities(log_share)
        likelihood = np.add(by_budget, by_supply, out=by_supply)
        likelihood[~self.known.T] = 1.0
        belief: Table = np.broadcast_to(PRIOR.astype(np.float32), likelihood.shape[1:])
        total, free = np.empty((2, *likelihood.shape[:3]))
        for day, seen in enumerate(likelihood):
            belief = belief @ passing
            after = belief * seen
            after.sum(axis=2, out=total[day])
            np.einsum("rng,rng->rn", belief, by_budget[day], out=free[day])
            after /= total[day][:, :, None]
            belief = after
        return _Story((belief @ passing).astype(np.float64), np.log(total).sum(axis=0), np.moveaxis(free / total, 0, 2))

    def _densities(self, log_share: FloatArray) -> tuple[Table, Table]:
        """Densities of each day's log spend: limited by the budget, and by each capacity; both (T, R, N, G + 1)."""
        loose = self.loose(log_share)
        z = (self.ratio.T[:, :, None] - log_share) / loose
        delivery = (np.exp(-0.5 * z**2) / (np.sqrt(2.0 * np.pi) * loose))[..., None].astype(np.float32)
        more = ndtr(-z)[..., None].astype(np.float32)
        at = np.rint((self.supply.T - CAPACITIES[0]) * (_FINE / STEP)).astype(np.int64)
        at = np.clip(at, -_EDGE, _EDGE + _FINE * CAPACITIES.size) + _EDGE
        return delivery * _SURVIVES[at][:, :, None], more * _DENSITY[at][:, :, None] + np.float32(_ODD)


_EDGE: Final = round(8.0 * NOISE / STEP * _FINE)


def _windows() -> tuple[Table, Table]:
    """P(S > x) and the density of log S at log x, for spends `_FINE` times as dense as the cells, (U, G + 1)."""
    spend = CAPACITIES[0] + np.arange(-_EDGE, _EDGE + _FINE * CAPACITIES.size + 1) * (STEP / _FINE)
    z = (spend[:, None] - CAPACITIES) / NOISE
    survives, density = ndtr(-z), np.exp(-0.5 * z**2) / (np.sqrt(2.0 * np.pi) * NOISE)
    beyond = (0, 0), (0, 1)
    tables = np.pad(survives, beyond, constant_values=1.0), np.pad(density, beyond)
    return tables[0].astype(np.float32), tables[1].astype(np.float32)


_SURVIVES, _DENSITY = _windows()


def _passing(dynamics: Dynamics) -> FloatArray:
    """Return how belief moves overnight, shape (G + 1, G + 1): steps to neighbours, and breaks to anywhere."""
    aside = min(dynamics.drift / (2.0 * STEP**2), 0.25)
    steps = np.eye(PRIOR.size) * (1.0 - 2.0 * aside)
    cells = np.arange(CAPACITIES.size)
    np.add.at(steps, (cells, np.maximum(cells - 1, 0)), aside)
    np.add.at(steps, (cells, np.minimum(cells + 1, CAPACITIES.size - 1)), aside)
    steps[-1, -1] = 1.0
    return (1.0 - dynamics.break_chance) * steps + dynamics.break_chance * PRIOR


def _nodes(belief: FloatArray) -> FloatArray:
    """Return equally likely capacities, shape (R, NODES), ascending; each cell is taken as even over its width."""
    below = np.cumsum(belief, axis=1)
    asked = (np.arange(NODES) + 0.5) / NODES
    cell = (below[:, None, :] < asked[:, None]).sum(axis=2)
    inside = np.minimum(cell, CAPACITIES.size - 1)
    mass = np.take_along_axis(belief, inside, axis=1)
    part = np.clip(1.0 - (np.take_along_axis(below, inside, axis=1) - asked) / np.maximum(mass, 1e-300), 0.0, 1.0)
    return np.where(cell < CAPACITIES.size, np.exp(CAPACITIES[inside] + STEP * (part - 0.5)), np.inf)
