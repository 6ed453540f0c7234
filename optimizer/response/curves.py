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

from dataclasses import dataclass
from typing import Final

import numpy as np

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


def grid_cells(hill: tuple[FloatArray, FloatArray], logistic: tuple[FloatArray, FloatArray]) -> Cells:
    """Cross half-saturations with slopes, for either family, under the plain prior.

    log kappa ~ N(0, .9^2) for both, log n ~ N(log 1.3, .65^2) of Hill, s uniform over the logistic's.

    Args:
        hill: Half-saturation spends over x_ref, evenly spaced in log, shape (A,), and slopes, shape (B,).
        logistic: The same of the other family; an empty one takes no part.
    """
    parts = [
        tuple(a.ravel() for a in np.meshgrid(np.log(half), slope, indexing="ij")) for half, slope in (hill, logistic)
    ]
    log_half, slope = (np.concatenate([part[i] for part in parts]) for i in range(2))
    family = np.repeat([False, True], [part[0].size for part in parts])
    score = -0.5 * (log_half / 0.9) ** 2 - np.where(family, 0.0, 0.5 * ((np.log(slope) - np.log(1.3)) / 0.65) ** 2)
    prior = np.exp(score)
    for kind, share in ((False, 1.0 - LOGISTIC_SHARE), (True, LOGISTIC_SHARE)):
        if (family == kind).any():
            prior[family == kind] *= share / prior[family == kind].sum()
    blank = Cells(log_half, slope, family, np.log(prior / prior.sum()), np.empty((0, slope.size)))
    return Cells(log_half, slope, family, blank.log_prior, blank.log_shape(GRID))


CELLS: Final = grid_cells(
    (np.geomspace(0.06, 10.0, 12), np.array([0.7, 1.0, 1.5, 2.1, 2.8])),
    (np.geomspace(0.25, 6.0, 10), np.array([2.0, 3.5, 5.0])),
)


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
