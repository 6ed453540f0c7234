"""What spend does over time and how it saturates: the pieces that both slow models are made of.

Each function is written in operators alone, so that it takes NumPy arrays and PyTensor variables alike: what the tests
compute by hand is what the sampler differentiates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.plan.snapshot import FloatArray


def lagged(spend: FloatArray, lags: int) -> FloatArray:
    """Return spend of this period and of those before it, zero before the first.

    Args:
        spend: Shape (..., T).
        lags: L, this period included.

    Returns:
        Shape (..., T, L); the last axis counts periods back.
    """
    periods = spend.shape[-1]
    before = [(0, 0)] * (spend.ndim - 1) + [(lags - 1, 0)]
    padded = np.pad(spend, before)
    return np.stack([padded[..., lags - 1 - lag : lags - 1 - lag + periods] for lag in range(lags)], axis=-1)


def adstock_weights(carry: Any, lags: int) -> Any:
    """Return the geometric weights carry^l / sum over the lags: a share of `carry` passes on to each next period.

    Normalised, a constant spend stays what it is (Jin, Wang, Sun, Chan and Koehler, Bayesian Methods for Media Mix
    Modeling with Carryover and Shape Effects, Google, 2017).

    Args:
        carry: In (0, 1), shape (...).
        lags: L.

    Returns:
        Shape (..., L), sums to one.
    """
    powers = carry[..., None] ** np.arange(lags, dtype=np.float64)
    return powers / powers.sum(axis=-1, keepdims=True)


def adstock(lags: FloatArray, weights: Any) -> Any:
    """Return spend as it is felt.

    Args:
        lags: From `lagged`, shape (..., T, L).
        weights: Shape (..., L), of as many leading axes.

    Returns:
        Shape (..., T).
    """
    return (lags * weights[..., None, :]).sum(axis=-1)


def hill(felt: Any, half: Any, slope: Any, active: Any) -> Any:
    """Return the share of the most that spend can bring, u^n / (u^n + kappa^n), and zero where nothing is felt.

    Args:
        felt: u >= 0, over the reference spend.
        half: kappa > 0, over the reference spend.
        slope: n > 0.
        active: 1 where u may be above zero, 0 where it is zero; u^n has no gradient there.
    """
    return active / (1.0 + (half / (felt + (1.0 - active))) ** slope)


def steady_lift(
    half: Any, slope: Any, weights: Any, lags: int, spend: FloatArray, change: FloatArray, periods: int
) -> Any:
    """Return what a change of spend for some periods brings, carry-over after it included, in units of the Hill curve.

    Spend is taken to be `spend` in every period before, within and after, and `change` more (or less) within: the sum
    over all periods of what is brought with the change less what is brought without it.

    Args:
        half: kappa, shape (N,), for N tested targets.
        slope: n, shape (N,).
        weights: Adstock weights, shape (N, L).
        lags: L.
        spend: Per period, over the reference spend, shape (N,).
        change: Per period, over the reference spend, shape (N,); spend + change >= 0.
        periods: With the changed spend.

    Returns:
        Shape (N,).
    """
    without = np.repeat(spend[:, None], periods + 2 * lags - 2, axis=1)
    with_it = without.copy()
    with_it[:, lags - 1 : lags - 1 + periods] += change[:, None]
    kept = np.maximum(np.stack([with_it, without]), 0.0)
    # The periods before the first lag-complete one only fill the memory of spend.
    memory = lagged(kept, lags)[:, :, lags - 1 :]
    felt = (memory * weights[:, None, :]).sum(axis=-1)
    brought = hill(felt, half[:, None], slope[:, None], (memory.sum(axis=-1) > 0).astype(np.float64))
    return (brought[0] - brought[1]).sum(axis=-1)
