"""The rates of the funnel: clicks per impression, conversions per click, and how they fall with reach.

For a step with exposures e, counts y and a volume g (of the curve, one at the reference spend):

    y ~ NegBin(mean = r g^-epsilon e F, size R)

with r a Gamma scale in each cell of a grid of elasticities epsilon, folded by the same filter as the curve. Often reach
has diminishing quality: the first people that a campaign finds are the likeliest to click and to buy. Whether and how
much so hangs on what is sold, and is alike in all campaigns of an account more than their own days could tell:

    epsilon_k ~ N(m, tau^2),    m ~ N(0, .1^2),    tau = .02, .05 or .1

with m and tau summed out on a grid, each target by what all others say of them (a hierarchical model: Gelman et al.,
Bayesian Data Analysis, 2013, chapter 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.curves import GRID, place
from optimizer.response.filter import fold
from optimizer.response.funnel import Step
from optimizer.response.history import BoolArray, blocks
from optimizer.response.scales import Basis, Days, Dynamics, drift, start, weights

ELASTICITIES: Final = np.array([-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.45, 0.6])
"""epsilon."""

_WIDTHS: Final = np.gradient(ELASTICITIES)
_MEANS: Final = np.linspace(-0.3, 0.6, 37)
_SPREADS: Final = (0.02, 0.05, 0.1)


def _hyperpriors() -> tuple[FloatArray, FloatArray]:
    """The prior of each pair of m and tau, (H,), and that of epsilon under each, (H, E)."""
    tau, mean = (grid.ravel()[:, None] for grid in np.meshgrid(_SPREADS, _MEANS, indexing="ij"))
    within = _WIDTHS * np.exp(-0.5 * ((ELASTICITIES - mean) / tau) ** 2)
    among = np.exp(-0.5 * (mean[:, 0] / 0.1) ** 2)
    return among / among.sum(), within / within.sum(axis=1, keepdims=True)


_AMONG, _WITHIN = _hyperpriors()
BASIS: Final = Basis.of(-ELASTICITIES * GRID[:, None], np.log(_AMONG @ _WITHIN))
"""g^-epsilon, and epsilon's prior where nothing was seen of any target."""

CLICKS: Final = Dynamics(drift=1e-3, fade=0.9995, break_chance=2e-3)
"""Creatives tire over weeks and are replaced overnight."""

CONVERSIONS: Final = Dynamics(drift=2e-4, fade=0.9995, break_chance=5e-4)
"""A shop and its prices change seldom."""

_BETWEEN, _BETWEEN_WEIGHT = 0.15, 3.0
"""Prior variance of log rates between the targets of a channel, and its weight in targets."""

_CHANNELS: Final = 1.0
"""Variance of log rates between channels."""

EXCESS: Final = 0.02
"""phi of what a rate yields on a day, before any was seen."""

_LEAST_BETWEEN: Final = 0.02
_EXCESS_WEIGHT, _MOST_EXCESS = 1000.0, 1.0
_EXACT: Final = 1e12


@dataclass(frozen=True, slots=True, eq=False)
class RatePosterior:
    """One rate of K targets on a grid of E elasticities.

    Attributes:
        elasticity: Shape (E,).
        weights: Posterior probabilities, shape (K, E).
        alpha: Gamma shape of the rate at the reference spend, shape (K,).
        beta: Its Gamma rate, shape (K, E).
        excess: phi of var = mu + phi mu^2, shape (K,); zero where the target does not have the step.
    """

    elasticity: FloatArray
    weights: FloatArray
    alpha: FloatArray
    beta: FloatArray
    excess: FloatArray

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Return weight x E and weight x E of the square of the rate by elasticity, each of shape (K, E)."""
        mean = self.alpha[:, None] / self.beta
        return self.weights * mean, self.weights * mean**2 * (1.0 + 1.0 / self.alpha[:, None])

    def take(self, rows: IntArray) -> RatePosterior:
        """Return the rates of some targets."""
        return RatePosterior(self.elasticity, self.weights[rows], self.alpha[rows], self.beta[rows], self.excess[rows])

    def draws(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw rates and their elasticities, each of shape (n, K)."""
        cell = choose(self.weights, n, rng)
        rows = np.arange(len(self.alpha))
        return rng.standard_gamma(self.alpha, (n, len(rows))) / self.beta[rows, cell], self.elasticity[cell]


def choose(probability: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw n cells for each of K rows of probabilities (K, J), shape (n, K)."""
    rows, cells = probability.shape
    edges = np.cumsum(probability, axis=1) + np.arange(rows)[:, None]
    edges[:, -1] = np.arange(1, rows + 1)
    position = rng.random((n, rows)) + np.arange(rows)
    # One row after another: a search then finds the edges of its row in the processor's cache.
    chosen = np.searchsorted(edges.ravel(), np.ascontiguousarray(position.T), side="right").T - np.arange(rows) * cells
    inside: IntArray = np.clip(chosen, 0, cells - 1)
    return inside


def learn_rate(
    step: Step, complete: FloatArray, log_volume: FloatArray, channel: IntArray, measure: IntArray, dynamics: Dynamics
) -> RatePosterior:
    """Fold one step of the funnel.

    Args:
        step: Counts and exposures.
        complete: Share of late counts that is reported by now, shape (K, T).
        log_volume: Log of the volume over that at the reference spend, as the curve has it, shape (K, T).
        channel: Index of each target's channel, shape (K,); rates are pooled by it.
        measure: Index of what goes in, shape (K,); rates of different ones are not pooled.
        dynamics: How the rate moves.
    """
    exposure = step.exposure * np.where(step.late[:, None], complete, 1.0)
    alpha, mean = _pooled(step.count.sum(axis=1), exposure.sum(axis=1), channel, measure, step.known)
    excess = _excess(step.count, exposure, step.known)
    days = Days(place(log_volume), step.count, exposure)
    state = drift(fold(start(alpha, mean, len(ELASTICITIES)), days, excess, BASIS, dynamics), dynamics)
    known = step.known
    exact = (ELASTICITIES == 0.0).astype(np.float64)
    return RatePosterior(
        elasticity=ELASTICITIES,
        weights=np.where(known[:, None], weights(state.evidence, _falls(state.evidence, measure, known)), exact),
        alpha=np.where(known, state.alpha, _EXACT),
        beta=np.where(known[:, None], state.beta, _EXACT),
        excess=np.where(known, excess, 0.0),
    )


def _falls(evidence: FloatArray, measure: IntArray, known: BoolArray) -> FloatArray:
    """Return each target's log prior of epsilon by what the others of its measure say, shape (K, E).

    p(epsilon | others) = sum_h p(h | others) p(epsilon | h), with p(h | others) in proportion to the prior of h times
    the others' marginal likelihoods under it.
    """
    prior = np.tile(BASIS.log_prior, (len(evidence), 1))
    likelihood = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    for kind in np.unique(measure[known]):
        rows = known & (measure == kind)
        under = np.log(likelihood[rows] @ _WITHIN.T)
        others = np.log(_AMONG) + under.sum(axis=0) - under
        others = np.exp(others - others.max(axis=1, keepdims=True))
        prior[rows] = np.log(others / others.sum(axis=1, keepdims=True) @ _WITHIN)
    return prior


def _pooled(
    count: FloatArray, exposure: FloatArray, channel: IntArray, measure: IntArray, known: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return a Gamma prior of each target's rate, shape and mean (K,), pooled over targets with the same exposure.

    Conversions per click and conversions per impression are two rates, and neither stands for the other.
    """
    alpha, mean = np.ones(len(count)), np.ones(len(count))
    for kind in np.unique(measure[known]):
        rows = known & (measure == kind)
        alpha[rows], mean[rows] = _alike(count[rows], exposure[rows], channel[rows])
    return alpha, mean


def _alike(y: FloatArray, e: FloatArray, channel: IntArray) -> tuple[float, FloatArray]:
    """Return the prior's shape and means, (K,): each channel's mean, and the spread within channels.

    Log rates with half a count of smoothing have variance 1 / (y + .5) from counting; what is left over between the
    targets of a channel is their spread, pooled over channels with three targets' worth of `_BETWEEN`.
    """
    overall = (y.sum() + 0.5) / max(e.sum(), 1.0)
    log_rate = np.log((y + 0.5) / (e + 0.5 / overall))
    noise = 1.0 / (y + 0.5)
    weight = 1.0 / (noise + _BETWEEN)
    top = np.bincount(channel, weight * log_rate) + np.log(overall) / _CHANNELS
    mean = (top / (np.bincount(channel, weight) + 1.0 / _CHANNELS))[channel]
    members = np.bincount(channel)[channel]
    trust = np.where(members > 1, 1.0 / (1.0 + noise / _BETWEEN) ** 2, 0.0)
    surplus = ((log_rate - mean) ** 2 - noise) * members / np.maximum(members - 1, 1)
    between = (_BETWEEN * _BETWEEN_WEIGHT + (trust * surplus).sum()) / (_BETWEEN_WEIGHT + trust.sum())
    return 1.0 / max(float(between), _LEAST_BETWEEN), np.exp(mean)


def _excess(count: FloatArray, exposure: FloatArray, known: BoolArray) -> FloatArray:
    """Return phi, shape (K,), by moments around each target's mean rate, pooled over all targets.

    E (y - mu)^2 - mu = phi mu^2; `_EXCESS_WEIGHT` squared events of prior keep a sparse portfolio near `EXCESS`.
    """
    total = exposure.sum(axis=1)
    rate = np.divide(count.sum(axis=1), total, out=np.zeros(len(total)), where=total > 0)
    surplus = square = 0.0
    for part in blocks(len(total)):
        mean = exposure[part] * rate[part, None]
        use = known[part, None] & (exposure[part] > 0)
        # Each day counts at most as a hundred expected events: one huge target must not speak for all.
        scale = np.minimum(1.0, 100.0 / np.maximum(mean, 1e-9)) ** 2 * use
        surplus += float((((count[part] - mean) ** 2 - mean) * scale).sum())
        square += float((mean**2 * scale).sum())
    phi = (EXCESS * _EXCESS_WEIGHT + surplus) / (_EXCESS_WEIGHT + square)
    return np.full(len(total), float(np.clip(phi, 1e-4, _MOST_EXCESS)))
