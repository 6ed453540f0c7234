"""What the filter holds: scales with a Gamma belief in each cell of a grid, what is seen of them, and how they move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.response.history import BoolArray


@dataclass(frozen=True, slots=True)
class Dynamics:
    """How a scale moves.

    Attributes:
        drift: q, variance that log lambda gains a day.
        fade: What is left of the evidence about cells after a day.
        break_chance: Probability of a jump on any one day.
        break_variance: Variance of log lambda that a jump adds.
    """

    drift: float
    fade: float
    break_chance: float
    break_variance: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What multiplies the scale in each cell, tabulated at the G points of `curves.GRID`.

    Attributes:
        log_g: Shape (G, J).
        g: Its exponential, shape (G, J).
        log_prior: Of the cells, shape (J,).
    """

    log_g: FloatArray
    g: FloatArray
    log_prior: FloatArray

    @classmethod
    def of(cls, log_g: FloatArray, log_prior: FloatArray) -> Basis:
        """Make a basis from log g (G, J) and the log prior (J,)."""
        return cls(log_g, np.exp(log_g), log_prior)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Belief about K scales in J cells.

    Attributes:
        alpha: Gamma shape of the scale, shape (K,), common to the cells.
        beta: Its rate in each cell, shape (K, J).
        evidence: Faded log marginal likelihood of each cell up to a constant per target, shape (K, J).
        begun: Targets that have had a day of exposure, shape (K,): before it, no time passes. What the others show
            of a new target does not wear out while it does not exist.
    """

    alpha: FloatArray
    beta: FloatArray
    evidence: FloatArray
    begun: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """Observations of K targets on T consecutive days.

    Attributes:
        place: Point of the basis of each day, shape (K, T).
        count: Events, shape (K, T); zero on days that do not count.
        exposure: What they are counted against, shape (K, T); zero on days that do not count.
    """

    place: IntArray
    count: FloatArray
    exposure: FloatArray


def start(alpha: FloatArray, mean: FloatArray, cells: int) -> State:
    """Return the belief before any day: lambda ~ Gamma(alpha, alpha / mean) in every cell.

    Args:
        alpha: Prior weight in events, shape (K,).
        mean: Prior mean of the scale, shape (K,).
        cells: J.
    """
    shape = (len(alpha), cells)
    beta = np.broadcast_to((alpha / mean)[:, None], shape).copy()
    return State(alpha, beta, np.zeros(shape), np.zeros(len(alpha), dtype=np.bool_))


def drift(state: State, dynamics: Dynamics) -> State:
    """Let one day pass."""
    shrink = np.where(state.begun, 1.0 / (1.0 + dynamics.drift * state.alpha), 1.0)
    return State(state.alpha * shrink, state.beta * shrink[:, None], state.evidence * dynamics.fade, state.begun)


def weights(evidence: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Return posterior cell probabilities, shape (K, J), from evidence (K, J) and log prior (J,) or (K, J)."""
    score = evidence + log_prior
    score = np.exp(score - score.max(axis=1, keepdims=True))
    normalised: FloatArray = score / score.sum(axis=1, keepdims=True)
    return normalised
