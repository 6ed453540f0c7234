"""What is believed of a target before its own days: reference spend, scale and shape, pooled over the portfolio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from optimizer.plan.priors import ChannelPrior, ResponsePriors
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.curves import Cells
from optimizer.response.history import History, quantile
from optimizer.response.scales import weights

SCALE_WEIGHT: Final = 1.0
"""Weight, in events, of what the others show in a target's own scale: a day of rows outweighs it."""

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
        own[seen] = quantile(spend[seen], 0.9)
    known = np.isfinite(own)
    if not known.any():
        return np.ones(len(own))
    pool = float(np.nanmean(spend) if seen.any() else own[known].mean())
    own = np.where(known, own, pool)
    return own * np.clip(np.sqrt(pool / own), *PULL)


def scale_prior(
    volume: FloatArray, exposure: FloatArray, reference: FloatArray, channel: IntArray, measure: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Pool volume per unit of spend over the targets of a channel, as a weak Gamma prior of the scale of each.

    A channel's own ratio counts with the spend of its targets, that of all channels with one target's typical spend.
    Only volumes of one measure are pooled: a thousand impressions are not a thousand conversions.

    Args:
        volume: Total so far, shape (K,).
        exposure: Sum of completeness x spend, shape (K,); zero without evidence.
        reference: x_ref, shape (K,).
        channel: Index of each target's channel, shape (K,).
        measure: Index of what its volume counts, shape (K,).

    Returns:
        alpha and mean at x_ref, each of shape (K,).
    """
    # Half an event per day of typical spend keeps a portfolio that has seen none from a prior of zero.
    typical = float(np.median(reference)) if len(reference) else 1.0
    ratio = (np.bincount(measure, volume) + 0.5) / (np.bincount(measure, exposure) + 0.5 * typical)
    group = channel * len(ratio) + measure
    own = (np.bincount(group, volume)[group] + ratio[measure] * typical) / (
        np.bincount(group, exposure)[group] + typical
    )
    return np.full(len(reference), SCALE_WEIGHT), own * reference


def pooled_shapes(evidence: FloatArray, seen: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Pool the prior of the cells over the other targets of the same prior, damped by it.

    One expectation-maximisation step from the prior, leaving each target's own weights out of its prior. Targets whose
    channels the slow tier tells apart are not pooled with each other.

    Args:
        evidence: Log marginal likelihoods from the fold, shape (K, J).
        seen: 1 for targets with evidence, 0 for others, shape (K,).
        log_prior: Of each target, shape (K, J).

    Returns:
        Log prior, shape (K, J).
    """
    pooled = np.empty_like(log_prior)
    group = np.zeros(len(log_prior), dtype=np.int64)
    if (log_prior != log_prior[:1]).any():  # seldom, and telling the rows apart takes long
        group = np.unique(log_prior, axis=0, return_inverse=True)[1].ravel()
    for number in np.unique(group):
        rows = group == number
        own = weights(evidence[rows], log_prior[rows]) * seen[rows, None]
        damping = max(LEAST_SHAPE_WEIGHT, float(rows.sum()) / 3.0)
        others = own.sum(axis=0) - own
        count = (seen[rows].sum() - seen[rows])[:, None]
        pooled[rows] = np.log((damping * np.exp(log_prior[rows]) + others) / (damping + count))
    return pooled


def shape_prior(channels: Sequence[str], priors: Sequence[ResponsePriors | None], cells: Cells) -> FloatArray:
    """Return each target's log prior of the cells, shape (K, J): the slow tier's for its channel, else the plain one.

    A channel's prior says how log half-saturation and log Hill slope lie; logistic cells take the first alone, and
    both families keep their shares.

    Args:
        channels: Of each target, length K.
        priors: The slow tier's where they speak of the target's curve, else None; length K.
        cells: The J cells.
    """
    found = [given.of(name) if given else None for name, given in zip(channels, priors, strict=True)]
    told = {prior: _of_channel(prior, cells) for prior in dict.fromkeys(found)}
    return np.array([told[prior] for prior in found]).reshape(len(channels), len(cells.slope))


def _of_channel(prior: ChannelPrior | None, cells: Cells) -> FloatArray:
    if prior is None:
        return cells.log_prior
    return cells.weighed((prior.log_half.mean, prior.log_half.sd), (prior.log_slope.mean, prior.log_slope.sd))
