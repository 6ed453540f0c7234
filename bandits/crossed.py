"""Arms that share a creative, an audience or a family learn from one another: crossed effects on the log rate.

    x_a = eta_group(a) + b_creative(a) + c_audience(a) + d_family(a)
    eta ~ N(location, spread^2),    b ~ N(0, s_b^2),    c ~ N(0, s_c^2),    d ~ N(0, s_d^2)
    theta_a | x_a ~ Gamma(nu, nu / exp(x_a))        what is the arm's own: the interaction
    Y_a | theta_a ~ Poisson(N_a theta_a)            so that Y_a | x_a is negative binomial

The log posterior of the effects is concave; it is taken as normal at its mode (Laplace), found by Newton's method
(Breslow and Clayton 1993, JASA 88, 9-25, for normal effects in a log-linear model; the gamma in place of a normal
interaction keeps the arms conjugate given x, as in `pooling`).

How much arms of a group differ in all is learnt by `pooling.learn_pool`. How that variance divides between the
factors and what is the arm's own is averaged over a grid of divisions, each weighed by the Laplace approximation of its
marginal likelihood and by what it leaves to the arm itself: with little evidence most is the arm's own, and no part is
put at zero by chance.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from bandits.design import Design, Matrix, Solved
from bandits.evidence import Evidence
from bandits.groups import FloatArray, Groups, IntArray
from bandits.pooling import NODES, WEIGHTS, Pool, mixed
from bandits.posterior import GammaPoisson

_FIT_GROUPS: Final = 200  # the parts are a few numbers: more groups than this sharpen them no further
_STEPS: Final = 5  # the grid of divisions goes in fifths, and the arm's own part is at least one of them
_NEWTON_STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class Division:
    """How the variance of log rates within a group divides.

    Attributes:
        parts: Of each factor, >= 0; their sum is below 1, and the rest is the arm's own.

    Raises:
        ValueError: A part is negative or nothing is left for the arm itself.
    """

    parts: tuple[float, ...]

    def __post_init__(self) -> None:
        if not (all(part >= 0 for part in self.parts) and sum(self.parts) < 1):
            raise ValueError(f"parts must not be negative and leave something for the arm itself: {self.parts}")


@dataclass(frozen=True, slots=True, eq=False)
class CrossedRates:
    """The joint posterior of the arms' rates; draws of arms with common unknowns share the draw of these.

    Attributes:
        evidence: Of the A arms.
        groups: Of the A arms.
        strength: nu of what is the arm's own.
        log_group: Mode of the group's level with the factors' mean effect, shape (G,).
        log_mean: Mode of x_a, shape (A,).
        own, far: L and M with cov(x) = L L' + M M'; of unknowns of one group (sparse) and of several (dense).
    """

    evidence: Evidence
    groups: Groups
    strength: float
    log_group: FloatArray
    log_mean: FloatArray
    own: Matrix
    far: FloatArray

    @property
    def group_rate(self) -> FloatArray:
        """The typical rate of each arm's group, shape (A,)."""
        return self.groups.spread(np.exp(self.log_group))

    @property
    def log_sd(self) -> FloatArray:
        """Standard deviation of x_a, shape (A,)."""
        return np.sqrt(np.asarray((self.own * self.own).sum(axis=1)) + (self.far**2).sum(axis=1))

    def arms(self) -> GammaPoisson:
        """Return each arm's marginal posterior, as the gamma distribution with its mean and variance."""
        sd = self.log_sd
        rates = (self._pseudo_exposure(self.log_mean + node * sd) for node in NODES)
        return mixed(self.strength + self.evidence.successes, rates, WEIGHTS)

    def learnable(self, ahead: FloatArray) -> FloatArray:
        """Return the part of each arm's posterior variance that more exposure would resolve; as in `PooledRates`."""
        return ahead / (self._pseudo_exposure(self.log_mean) + ahead)

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n joint draws of the rates, shape (n, A)."""
        x = self.log_mean + (self.own @ rng.standard_normal((self.own.shape[1], n))).T
        if self.far.shape[1]:
            x += rng.standard_normal((n, self.far.shape[1])) @ self.far.T
        draws = rng.standard_gamma(self.strength + self.evidence.successes, size=(n, self.groups.arms))
        draws /= self._pseudo_exposure(x)
        return draws

    def _pseudo_exposure(self, log_rate: FloatArray) -> FloatArray:
        return self.strength * np.exp(-log_rate) + self.evidence.exposure


def telling(groups: Groups, factors: Sequence[IntArray]) -> tuple[IntArray, ...]:
    """Keep the factors that tell arms of a group apart and join some of them, or arms of other groups.

    A label that no two arms share says nothing beyond the arm, and one that all arms of each group share nothing
    beyond the group. Of two factors that part the arms alike the first is kept.

    Args:
        groups: Of the A arms.
        factors: Labels of the arms, shape (A,) each; negative: not known.
    """
    kept: dict[bytes, IntArray] = {}
    for labels in factors:
        alone = np.where(labels < 0, -1 - np.arange(labels.size), labels)
        _, first, codes, counts = np.unique(alone, return_index=True, return_inverse=True, return_counts=True)
        differs = (np.diff(codes) != 0) & (np.diff(groups.index) == 0)
        if (counts > 1).any() and differs.any():
            kept.setdefault(first[codes].tobytes(), labels)
    return tuple(kept.values())


def learn_division(evidence: Evidence, groups: Groups, factors: Sequence[IntArray], pool: Pool) -> Division:
    """Average the division of the variance within groups over a grid, from all groups or an even sample of 200.

    Args:
        evidence: Of the A arms.
        groups: Of the A arms.
        factors: One or more, as `telling` keeps them.
        pool: As `pooling.learn_pool` found it.
    """
    groups, kept = groups.thinned(_FIT_GROUPS)
    evidence = Evidence(evidence.successes[kept], evidence.exposure[kept])
    design = Design.of(groups, [labels[kept] for labels in factors])
    grid = [each for each in itertools.product(range(_STEPS), repeat=len(factors)) if sum(each) < _STEPS]
    parts = np.array(grid, dtype=np.float64) / _STEPS
    scores, start = np.empty(len(parts)), _start(evidence, design, pool)
    for i, each in enumerate(parts):
        start, scores[i] = _log_evidence(evidence, design, pool, Division(tuple(each)), start)
    weight = np.exp(scores - scores.max()) * (1 - parts.sum(axis=1))
    return Division(tuple(float(part) for part in weight @ parts / weight.sum()))


def condition(
    evidence: Evidence, groups: Groups, factors: Sequence[IntArray], pool: Pool, division: Division
) -> CrossedRates:
    """Return the posterior of the arms' rates, given the pool and how its variance divides.

    Raises:
        ValueError: The division is of another number of factors.
    """
    if len(division.parts) != len(factors):
        raise ValueError(f"a division in {len(division.parts)} parts does not suit {len(factors)} factors")
    design = Design.of(groups, factors)
    prior = _Prior.of(design, pool, division)
    unknowns, solved = _mode(evidence, design, prior, _start(evidence, design, pool))
    own, far = solved.roots()
    level = unknowns[design.level] + prior.shift
    return CrossedRates(evidence, groups, prior.strength, level, design.log_rate(unknowns), own, far)


@dataclass(frozen=True, slots=True, eq=False)
class _Prior:
    """Normal prior of the unknowns, (D,) each, and nu of what is the arm's own.

    `shift` is what the effects add to the logarithm of a group's mean rate: half their variance.
    """

    mean: FloatArray
    precision: FloatArray
    strength: float
    shift: float

    @classmethod
    def of(cls, design: Design, pool: Pool, division: Division) -> _Prior:
        """A gamma's relative variance 1 / nu is that of a log-normal with variance log(1 + 1 / nu)."""
        variance = float(np.log1p(1 / pool.strength))
        effects = variance * np.array(division.parts)
        shift = float(effects.sum()) / 2
        spreads = np.concatenate([[pool.spread**2], np.maximum(effects, 1e-8)])
        mean = np.where(design.kind == 0, pool.location - shift, 0.0)
        return cls(mean, 1 / spreads[design.kind], 1 / float(np.expm1(variance - effects.sum())), shift)


def _start(evidence: Evidence, design: Design, pool: Pool) -> FloatArray:
    """Unknowns from which Newton's method sets out: the groups' own rates, no effects; shape (D,)."""
    prior, groups = pool.spread**-2, design.groups
    unknowns = np.zeros(design.kind.size)
    unknowns[design.level] = np.log(
        (groups.sum(evidence.successes) + prior) / (groups.sum(evidence.exposure) + prior * np.exp(-pool.location))
    )
    return unknowns


def _mode(evidence: Evidence, design: Design, prior: _Prior, unknowns: FloatArray) -> tuple[FloatArray, Solved]:
    """Mode of the unknowns (D,), by Newton's method on a concave function, and the inverted curvature there."""
    nu, y = prior.strength, evidence.successes
    for _ in range(_NEWTON_STEPS):
        expected = evidence.exposure * np.exp(design.log_rate(unknowns))
        pull = expected / (nu + expected)
        solved = design.solved((nu + y) * pull * (1 - pull), prior.precision)
        step = solved.apply(design.gather(y - (nu + y) * pull) - prior.precision * (unknowns - prior.mean))
        longest = float(np.abs(step).max(initial=0.0))
        unknowns = unknowns + step * min(1.0, 1 / max(longest, 1e-300))
        if longest < 1e-4:  # the next step would be its square
            break
    return unknowns, solved


def _log_evidence(
    evidence: Evidence, design: Design, pool: Pool, division: Division, start: FloatArray
) -> tuple[FloatArray, float]:
    """Mode and Laplace approximation of the log marginal likelihood of a division, up to a common constant."""
    prior = _Prior.of(design, pool, division)
    unknowns, solved = _mode(evidence, design, prior, start)
    nu, y, x = prior.strength, evidence.successes, design.log_rate(unknowns)
    arms = scipy.special.gammaln(nu + y) - scipy.special.gammaln(nu) + nu * np.log(nu) + y * x
    arms -= (nu + y) * np.log(nu + evidence.exposure * np.exp(x))
    surprise = (prior.precision * (unknowns - prior.mean) ** 2 - np.log(prior.precision)).sum() + solved.log_det
    return unknowns, float(arms.sum() - surprise / 2)
