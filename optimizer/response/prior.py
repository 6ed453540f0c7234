"""What is believed of a target before its own days: reference spend, scale and shape, pooled over the portfolio."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.response.curves import Cells
from optimizer.response.filter import weights
from optimizer.response.history import History

LEAST_WEIGHT, MOST_WEIGHT = 0.5, 4.0
"""Bounds on the prior's weight in conversions: stronger empirical priors hurt where targets are many."""

PULL: Final = (0.5, 5.0)
"""Bounds on how far the portfolio's scale moves a target's reference spend, as a factor."""

LEAST_SHAPE_WEIGHT: Final = 10.0
"""Weight of the plain shape prior in the pooled one, in targets; at least a third of the number of targets."""


def reference_spend(history: History, current: FloatArray) -> FloatArray:
    """Return x_ref per target, the spend around which its half-saturation is looked for.

    The geometric mean of its own scale and the portfolio's: the 90th percentile of its daily spend, and the mean
    daily spend of all targets. A target that was starved is thus still believed to have room above, while the
    portfolio moves no reference by more than `PULL`. A target that never spent takes its live budget as its own.

    Args:
        history: K targets.
        current: Live budgets, shape (K,).

    Returns:
        Shape (K,), positive.
    """
    spend = np.where(np.nan_to_num(history.spend) > 0, history.spend, np.nan)
    seen = np.isfinite(spend).any(axis=1)
    own = np.where(current > 0, current, np.nan)
    if seen.any():
        own[seen] = np.nanquantile(spend[seen], 0.9, axis=1)
    known = np.isfinite(own)
    if not known.any():
        return np.ones(len(own))
    pool = float(np.nanmean(spend) if seen.any() else own[known].mean())
    own = np.where(known, own, pool)
    return own * np.clip(np.sqrt(pool / own), *PULL)


def scale_prior(conversions: FloatArray, exposure: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pool conversions per unit of spend over targets by moments, as a Gamma prior of the scale of each.

    Rates y_k / e_k have variance mean / e_k (Poisson) plus that between targets; the weight is
    mean^2 / between, held within [LEAST_WEIGHT, MOST_WEIGHT].

    Args:
        conversions: Total so far, shape (K,).
        exposure: Sum of completeness x spend, shape (K,); zero without evidence.
        reference: x_ref, shape (K,).

    Returns:
        alpha and mean at x_ref, each of shape (K,).
    """
    seen = exposure > 0
    y, e = conversions[seen], exposure[seen]
    # Half a conversion per day of typical spend keeps a portfolio that has seen none from a prior of zero.
    typical = float(np.median(reference)) if len(reference) else 1.0
    ratio = float((y.sum() + 0.5) / (e.sum() + 0.5 * typical))
    trust = ratio * e / (1.0 + ratio * e)
    if seen.sum() < 3:
        mean, weight = ratio, LEAST_WEIGHT
    else:
        mean = float((trust @ (y / e) + 0.1 * ratio) / (trust.sum() + 0.1))
        between = float(trust @ ((y / e - mean) ** 2 - mean / e) / trust.sum())
        weight = float(np.clip(mean**2 / max(between, 1e-12 * mean**2), LEAST_WEIGHT, MOST_WEIGHT))
    return np.full(len(reference), weight), mean * reference


def pooled_shapes(evidence: FloatArray, seen: FloatArray, cells: Cells) -> FloatArray:
    """Pool the prior of the cells over the other targets, damped by the plain prior.

    One expectation-maximisation step from the plain prior, leaving each target's own weights out of its prior.

    Args:
        evidence: Log marginal likelihoods from the fold, shape (K, J).
        seen: 1 for targets with evidence, 0 for others, shape (K,).
        cells: The J cells.

    Returns:
        Log prior, shape (K, J).
    """
    plain = np.exp(cells.log_prior)
    own = weights(evidence, cells.log_prior) * seen[:, None]
    damping = max(LEAST_SHAPE_WEIGHT, len(evidence) / 3.0)
    others = own.sum(axis=0) - own
    count = (seen.sum() - seen)[:, None]
    pooled: FloatArray = np.log((damping * plain + others) / (damping + count))
    return pooled
