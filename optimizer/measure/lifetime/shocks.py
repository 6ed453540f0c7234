"""What moves all customers of a shop at once: a factor on everybody's rate of buying, one for each week.

Purchases of week w are Poisson(m_w F_w): m_w is what the model of single customers expects, and log F_w a spell that
fades (AR(1)) plus noise of the week alone: a Poisson count in a dynamic model with a log-normal common shock (West,
Harrison and Migon, JASA 80, 1985; Zeger, Biometrika 75, 1988). The rate of single customers was fitted to the same
weeks, so that only what differs from their mean is seen: log F_w is measured against it in the past, and in the future,
too. Weeks are integrated out by Laplace's approximation, scales and fading by a sum over a grid (Rue, Martino and
Chopin, JRSS B 71, 2009; Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, algorithm 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.signal import fftconvolve

from optimizer.measure.lifetime import buying
from optimizer.measure.lifetime.buying import Buying
from optimizer.plan.snapshot import FloatArray, IntArray

LONGEST: Final = 104
"""Weeks, the latest ones, that are learnt from at most."""

_RATE: Final = -math.log(0.01) / 0.5
"""Of the exponential priors of both scales, which say that one above a half is 1% likely (Simpson and others,
Penalising Model Component Complexity, Statistical Science 32, 2017): without evidence, no shocks."""

_SCALES: Final = 0.01 * 1.7 ** np.arange(10)
_HALF_LIVES: Final = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Of a spell, in weeks; all are taken to be as likely."""

_STEPS, _CLOSE = 100, 1e-7


@dataclass(frozen=True, slots=True)
class Scale:
    """How strongly shocks come and how fast they go.

    Attributes:
        spell: Standard deviation of the part that fades.
        noise: Of the part of one week alone.
        half_life: Weeks after which half of a spell is left.
    """

    spell: float
    noise: float
    half_life: float

    @property
    def kept(self) -> float:
        """What is left of a spell after a week."""
        return float(0.5 ** (1.0 / self.half_life))

    @property
    def log_prior(self) -> float:
        """On a grid of even steps in the logarithms of both scales, up to a constant."""
        return math.log(self.spell * self.noise) - _RATE * (self.spell + self.noise)


@dataclass(frozen=True, slots=True, eq=False)
class Shocks:
    """What was learnt of them.

    Attributes:
        spell: Posterior mean of the standard deviation of the part that fades, in logs.
        noise: The same of the part of one week alone.
        half_life: Posterior mean of the weeks after which half of a spell is left.
        weeks: How many were learnt from.
        factors: Draws of the factor of each week to come, shape (S, H).
    """

    spell: float
    noise: float
    half_life: float
    weeks: int
    factors: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """One scale: its log evidence, and the spell of the last week and the mean of the past, Gaussian given the past."""

    evidence: float
    mean: FloatArray
    cov: FloatArray
    prior: FloatArray


def expectation(p: Buying, group: IntArray, first_day: IntArray, end: int, weeks: int) -> FloatArray:
    """Return the repeat purchases expected in each week up to a day, of customers won when these were, shape (weeks,).

    Args:
        p: Of each group.
        group: Of each customer, shape (N,).
        first_day: Ordinal of each one's first purchase, shape (N,), `end` at the latest.
        end: Ordinal of the last day of the last week.
        weeks: How many.
    """
    start = int(first_day.min())
    ages = np.arange(end - start + 1)
    whole = np.zeros(len(ages))
    for g in range(len(p.r)):
        won = np.bincount(first_day[group == g] - start, minlength=len(ages))
        risen = buying.expected(p.of(np.full(len(ages), g)), ages.astype(np.float64))
        whole += fftconvolve(won, risen)[: len(ages)]
    ends = end - start - 7 * np.arange(weeks, -1, -1)
    return np.diff(np.where(ends >= 0, whole[np.maximum(ends, 0)], 0.0))


def learn(
    seen: FloatArray | IntArray, expected: FloatArray, ahead: int, draws: int, rng: np.random.Generator
) -> Shocks:
    """Learn from past weeks how strongly all customers move at once, and draw the weeks to come.

    Args:
        seen: Repeat purchases of each past week, oldest first, shape (T,); at least one week.
        expected: What the model of single customers expects of each, above zero, shape (T,).
        ahead: Weeks to come.
        draws: How many futures.
        rng: All chance comes from it.
    """
    y, m = np.asarray(seen, dtype=np.float64)[-LONGEST:], expected[-LONGEST:]
    scales = [Scale(s, e, h) for s, e, h in product(_SCALES.tolist(), _SCALES.tolist(), _HALF_LIVES)]
    fits = [_fit(scale, y, m) for scale in scales]
    logs = np.array([fit.evidence + scale.log_prior for fit, scale in zip(fits, scales, strict=True)])
    weight = np.exp(logs - logs.max())
    weight /= weight.sum()
    factors = np.empty((draws, ahead))
    chosen = rng.choice(len(scales), draws, p=weight)
    for place in np.unique(chosen).tolist():
        rows = np.flatnonzero(chosen == place)
        factors[rows] = _futures(scales[place], fits[place], (len(rows), ahead), rng)
    spell, noise, half_life = weight @ np.array([(scale.spell, scale.noise, scale.half_life) for scale in scales])
    return Shocks(float(spell), float(noise), float(half_life), len(y), factors)


def _fit(scale: Scale, y: FloatArray, m: FloatArray) -> _Fit:
    """Integrate the past weeks out, each taken from its mode on as Gaussian."""
    t = np.arange(len(y))
    fades = scale.spell**2 * scale.kept ** np.abs(t[:, None] - t)
    whole = fades + scale.noise**2 * np.eye(len(y))
    weight = m / m.sum()
    with_mean = whole @ weight
    of_mean = float(weight @ with_mean)
    cov = whole - with_mean[:, None] - with_mean + of_mean
    # Log-normal factors whose mean is one.
    f, slope, root, factor = _mode(y, m, -0.5 * np.diag(cov), cov)
    height = float(y @ f - m @ np.exp(f)) - 0.5 * float(slope @ (f + 0.5 * np.diag(cov)))
    now_with_mean = float(weight @ fades[-1])
    known = np.stack([fades[-1] - now_with_mean, with_mean - of_mean])
    prior = np.array([[scale.spell**2, now_with_mean], [now_with_mean, of_mean]])
    told = root[:, None] * known.T
    return _Fit(
        evidence=height - float(np.log(np.diag(factor)).sum()),
        mean=known @ slope,
        cov=prior - told.T @ cho_solve((factor, True), told),
        prior=prior,
    )


def _mode(
    y: FloatArray, m: FloatArray, mean: FloatArray, cov: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the likeliest log factors, and there the slope, the root of the curvature, and a Cholesky factor.

    Newton's steps from what each week tells by itself; the log posterior has one top.
    """
    f = np.clip(np.log((y + 0.5) / (m + 0.5)), -3.0, 3.0)
    for _ in range(_STEPS):
        rate = m * np.exp(f)
        root = np.sqrt(rate)
        factor = cho_factor(np.eye(len(y)) + root[:, None] * cov * root, lower=True)[0]
        b = rate * (f - mean) + y - rate
        slope = b - root * cho_solve((factor, True), root * (cov @ b))
        before, f = f, mean + cov @ slope
        if np.abs(f - before).max() < _CLOSE:
            break
    return f, slope, root, factor


def _futures(scale: Scale, fit: _Fit, shape: tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Draw factors of weeks to come, each measured against the mean of the past."""
    values, vectors = np.linalg.eigh(fit.cov)
    drawn = fit.mean + (rng.standard_normal((shape[0], 2)) * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    level, past = drawn[:, 0], drawn[:, 1]
    kept, step = scale.kept, scale.spell * math.sqrt(1.0 - scale.kept**2)
    logs = np.empty(shape)
    for week in range(shape[1]):
        level = kept * level + step * rng.standard_normal(shape[0])
        variance = scale.spell**2 + scale.noise**2 + fit.prior[1, 1] - 2.0 * kept ** (week + 1) * fit.prior[0, 1]
        logs[:, week] = level + scale.noise * rng.standard_normal(shape[0]) - past - 0.5 * variance
    return np.exp(logs)
