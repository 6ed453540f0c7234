"""The family of response curves: Hill shapes on a grid, each relative to a target's reference spend.

    h_j(x) = u^n / (u^n + kappa^n),   u = x / x_ref,   g_j(x) = h_j(x) / h_j(x_ref)

so that g_j(x_ref) = 1 in every cell j and the scale lambda of a target is its conversions a day at x_ref. n below
one is more concave than a hyperbola, n above one is S-shaped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray

SMALLEST: Final = 1e-6
"""Spend relative to x_ref below which a day counts as one without spend."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The J cells of the shape grid.

    Attributes:
        log_kappa: Log of the half-saturation spend over x_ref, shape (J,).
        order: Hill order n, shape (J,).
        log_prior: Log prior probability, shape (J,); sums to one on the plain scale.
        log_reference: log h_j(x_ref), shape (J,).
    """

    log_kappa: FloatArray
    order: FloatArray
    log_prior: FloatArray
    log_reference: FloatArray


def hill_cells(kappa: FloatArray, order: FloatArray) -> Cells:
    """Cross half-saturations with orders under the prior log kappa ~ N(0, .9^2), log n ~ N(log 1.3, .5^2).

    Args:
        kappa: Half-saturation spends over x_ref, evenly spaced in log, shape (A,).
        order: Hill orders, shape (B,).

    Returns:
        The A * B cells, kappa-major.
    """
    log_kappa, orders = (a.ravel() for a in np.meshgrid(np.log(kappa), order, indexing="ij"))
    log_prior = -0.5 * (log_kappa / 0.9) ** 2 - 0.5 * ((np.log(orders) - np.log(1.3)) / 0.5) ** 2
    log_prior -= np.log(np.exp(log_prior).sum())
    return Cells(log_kappa, orders, log_prior, -np.log1p(np.exp(orders * log_kappa)))


CELLS: Final = hill_cells(np.geomspace(0.06, 10.0, 12), np.array([0.7, 1.0, 1.5, 2.1, 2.8]))


def log_shape(cells: Cells, log_u: FloatArray) -> FloatArray:
    """Return log g_j at relative spends.

    Args:
        cells: The J cells.
        log_u: log(x / x_ref), any shape (...); at least log(SMALLEST).

    Returns:
        Shape (..., J).
    """
    return -np.log1p(np.exp(cells.order * (cells.log_kappa - log_u[..., None]))) - cells.log_reference


def relative(spend: FloatArray, reference: FloatArray) -> FloatArray:
    """Return log(x / x_ref) with spends below SMALLEST * x_ref held there.

    Args:
        spend: Shape (K, ...).
        reference: x_ref > 0, shape (K,).
    """
    scale = reference.reshape(-1, *(1,) * (spend.ndim - 1))
    return np.log(np.maximum(spend / scale, SMALLEST))
