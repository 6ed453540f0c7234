"""The family of response curves: Hill and logistic shapes on a grid, each relative to a target's reference spend.

    Hill       h(z) = z^n / (1 + z^n)                          (n below 1: strongly concave; above 1: S-shaped)
    logistic   h(z) = 1 / (1 + e^{s (1 - z)}) - 1 / (1 + e^s)   (S-shaped, its foot straight and then exponential)

    g_j(x) = h_j(u / kappa_j) / h_j(1 / kappa_j),   u = x / x_ref

so that g_j(x_ref) = 1 in every cell j and the scale of a target is what it brings a day at x_ref. Hill is the standard
of response modelling (Jin et al., Bayesian methods for media mix modeling, Google 2017), the logistic its rival of old
(Little, Operations Research 18, 1970, "Models and managers"). With Hill alone a budget at the foot of a steep logistic
is believed to rise for ever as it does there, which is how large campaigns stay starved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import logsumexp

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import BoolArray

SMALLEST: Final = 1e-6
"""Spend relative to x_ref below which a day counts as one without spend."""

LARGEST: Final = 200.0
"""Spend relative to x_ref above which a curve is believed flat; nobody plans there."""

_STEP: Final = 0.01
GRID: Final = np.arange(np.log(SMALLEST), np.log(LARGEST) + _STEP, _STEP)
"""Log spends over x_ref at which curves are tabulated, shape (G,); a table is within .5% x slope of its curve."""

LOGISTIC_SHARE: Final = 0.2
"""Prior probability that a curve is logistic."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The J cells of a grid of shapes.

    Attributes:
        log_half: Log of the half-saturation spend over x_ref (of the logistic: its bend), shape (J,).
        slope: n or s, shape (J,).
        logistic: Which cells are logistic, shape (J,).
        log_prior: Log prior probability, shape (J,); sums to one on the plain scale.
        table: log g_j at `GRID`, shape (G, J).
    """

    log_half: FloatArray
    slope: FloatArray
    logistic: BoolArray
    log_prior: FloatArray
    table: FloatArray

    def log_shape(self, log_u: FloatArray, cell: IntArray | None = None) -> FloatArray:
        """Return log g_j at relative spends.

        Args:
            log_u: log(x / x_ref), shape (...).
            cell: The cell of each, broadcast with `log_u`; every cell where None.

        Returns:
            Shape (...) with cells given, else (..., J).
        """
        if cell is None:
            log_u, cell = log_u[..., None], np.arange(len(self.slope))
        at_one = _log_height(-self.log_half, self.slope, self.logistic)
        log_z = log_u - self.log_half[cell]
        slope, logistic = self.slope[cell], self.logistic[cell]
        if cell.ndim > 1:
            slope, logistic = np.broadcast_to(slope, log_z.shape), np.broadcast_to(logistic, log_z.shape)
        return _log_height(log_z, slope, logistic) - at_one[cell]

    def weighed(self, half: tuple[float, float], slope: tuple[float, float]) -> FloatArray:
        """Return the log prior of the cells under Gaussians of log kappa and of Hill's log n, shape (J,).

        Slopes have different numbers of cells, so each shares out its own part. Logistic slopes count alike, and both
        families have their shares.

        Args:
            half: Mean and standard deviation of log kappa.
            slope: Of log n.
        """
        score = -0.5 * ((self.log_half - half[0]) / half[1]) ** 2
        steep = np.where(self.logistic, 0.0, -0.5 * ((np.log(self.slope) - slope[0]) / slope[1]) ** 2)
        for kind in (False, True):
            family = self.logistic == kind
            for n in np.unique(self.slope[family]):
                own = family & (self.slope == n)
                score[own] += steep[own] - logsumexp(score[own])
            if family.any():
                score[family] += np.log(LOGISTIC_SHARE if kind else 1.0 - LOGISTIC_SHARE) - logsumexp(score[family])
        prior: FloatArray = score - logsumexp(score)
        return prior

    def drawn(self, log_u: FloatArray, cell: IntArray) -> FloatArray:
        """Return log g of drawn cells at each target's own spends, as `log_shape` does.

        Args:
            log_u: log(x / x_ref), shape (K, P).
            cell: Shape (n, K); if there are more draws than cells, each cell is worked out but once.

        Returns:
            Shape (n, K, P).
        """
        if len(cell) < len(self.slope):
            return self.log_shape(log_u, cell[..., None])
        every = np.ascontiguousarray(np.moveaxis(self.log_shape(log_u), 2, 1))
        chosen: FloatArray = every[np.arange(len(log_u)), cell]
        return chosen


def _log_height(log_z: FloatArray, slope: FloatArray, logistic: BoolArray) -> FloatArray:
    """Return log h(z); the difference of two logistics is taken as a product, exact at the foot.

    Args:
        log_z: Shape (..., J), or any.
        slope: Of each cell, shape (J,), or of each number, in the shape of `log_z`.
        logistic: Which are logistic, likewise.
    """
    height = np.empty(log_z.shape)
    hill = ~logistic
    height[..., hill] = -np.log1p(np.exp(-slope[hill] * log_z[..., hill]))
    z, slope = np.exp(np.minimum(log_z[..., logistic], 20.0)), slope[logistic]
    height[..., logistic] = -np.logaddexp(0.0, slope * (1.0 - z)) + np.log(-np.expm1(-slope * z))
    return height


def even_cells(hill: FloatArray, logistic: FloatArray, step: float) -> Cells:
    """Give each slope half-saturations at distances that move a curve equally far, under the plain prior.

    What a curve of slope n brings hangs on n log kappa: by so many steps the half-saturations of steep curves lie
    closer than those of flat ones.

    Args:
        hill: Slopes of Hill, evenly spaced in log.
        logistic: Slopes of the logistic.
        step: About the distance of n log kappa between cells.
    """
    return cells_of(
        [
            (np.linspace(low, high, max(int(np.ceil((high - low) * n / step)), 3)), float(n), bent)
            for slopes, (low, high), bent in zip((hill, logistic), _HALVES, (False, True), strict=True)
            for n in slopes
        ]
    )


def cells_of(parts: Sequence[tuple[FloatArray, float, bool]]) -> Cells:
    """Make cells under the plain prior: log kappa ~ N(0, .9^2), log n ~ N(log 1.3, .65^2) of Hill.

    Args:
        parts: Of each slope its log half-saturations over x_ref, the slope, and whether it is a logistic's.
    """
    log_half = np.concatenate([half for half, _, _ in parts])
    size = [half.size for half, _, _ in parts]
    slope, logistic = (np.repeat([part[place] for part in parts], size) for place in (1, 2))
    blank = Cells(log_half, slope, logistic, np.zeros(slope.size), np.empty((0, slope.size)))
    plain = blank.weighed((0.0, 0.9), (np.log(1.3), 0.65))
    return Cells(log_half, slope, logistic, plain, blank.log_shape(GRID))


_HALVES: Final = (-2.3, 2.3), (-1.4, 1.8)
"""Log half-saturations between which cells lie, of Hill and of the logistic."""

CELLS: Final = even_cells(np.geomspace(0.6, 3.2, 12), np.geomspace(2.0, 5.0, 5), 0.7)


def relative(spend: FloatArray, reference: FloatArray) -> FloatArray:
    """Return log(x / x_ref) with spends held between SMALLEST and LARGEST times x_ref.

    Args:
        spend: Shape (K, ...).
        reference: x_ref > 0, shape (K,).
    """
    scale = reference.reshape(-1, *(1,) * (spend.ndim - 1))
    return np.log(np.clip(spend / scale, SMALLEST, LARGEST))


def place(log_u: FloatArray) -> IntArray:
    """Return the nearest points of `GRID`, as indices of the shape given."""
    nearest: IntArray = np.clip(np.rint((log_u - GRID[0]) / _STEP), 0, GRID.size - 1).astype(np.int64)
    return nearest
