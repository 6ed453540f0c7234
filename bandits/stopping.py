"""When an experiment may be stopped: evidence that keeps its error however often one looks.

Within a stratum (a day of a target) an arm and its control share the day and the delay of their conversions. Given that
the two together had c successes, and n_a and n_0 exposure, the arm's y are Binomial(c, p) with

    logit p = log(n_a / n_0) + theta,      theta = log of the arm's rate over the control's,

for Poisson counts. What the two have in common, such as a good day or conversions still to come, cancels. With l(theta)
the log-likelihood of all strata less that at 0, a dispersion phi >= 1 and a mixture pi of normals about 0,

    e = integral exp(l(theta) / phi) dpi(theta)

is at most a mixture likelihood ratio raised to 1 / phi (Jensen). At phi = 1 that ratio is a non-negative martingale of
mean 1 under theta = 0 (Robbins 1970, Annals of Mathematical Statistics 41, 1397-1409), so that P(e >= 1/alpha at any
look) <= alpha (Ville 1939); at any larger phi, estimated or not, e >= 1/alpha less often still. Binomial counts are
less spread than Poisson given c, which only lowers e (Hoeffding 1963, JASA 58, section 6). The confidence sequence
holds the theta_0 against which the same ratio is below 1/alpha (Howard, Ramdas, McAuliffe and Sekhon 2021, Annals of
Statistics 49, 1055-1080; Waudby-Smith and Ramdas 2020, NeurIPS). Mixtures for counts given their total: Lindon and
Malek 2022, NeurIPS.

Arrays may have leading axes (...): many experiments at once. A arms, the control among them; B = A - 1 others; S
strata.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
import scipy

from bandits.groups import FloatArray

WIDE_WEIGHT: Final = 0.2
WIDE_SCALE: Final = 1.0
"""Part of the mixture, and its sd of the log rate ratio, that is for lifts far beyond the expected size."""

_NODES, _WEIGHTS = np.polynomial.hermite.hermgauss(24)
_LOG_WEIGHTS: Final = np.log(_WEIGHTS) + _NODES**2
_NEWTON: Final = 60
_LONGEST_STEP: Final = 1.0
_FARTHEST: Final = 15.0  # log rate ratios beyond this are told as infinite
_HALVINGS: Final = 50
_VAGUE: Final = 2.0  # sd of the log ratio that keeps an estimate finite where an arm has no success


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """Each arm beside the control, stratum by stratum, each of shape (..., B, S).

    Attributes:
        arm: Successes of the arm; fractions are allowed.
        both: Successes of arm and control together; 0 where only one of the two had exposure.
        offset: log(n_a / n_0); 0 where `both` is 0.
    """

    arm: FloatArray
    both: FloatArray
    offset: FloatArray

    def gain(self, theta: FloatArray) -> FloatArray:
        """Return l(theta), the log-likelihood less that at 0: (..., B) -> (..., B)."""
        there, here = self.offset + theta[..., np.newaxis], self.offset
        lost = self.both * (np.logaddexp(0, there) - np.logaddexp(0, here))
        return np.asarray(self.arm.sum(axis=-1) * theta - lost.sum(axis=-1))

    def slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the first derivative of l and its negated second: (..., B) -> two of (..., B)."""
        p = scipy.special.expit(self.offset + theta[..., np.newaxis])
        expected = self.both * p
        return (self.arm - expected).sum(axis=-1), (expected * (1 - p)).sum(axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What one look at an experiment says of B arms against their control, each of shape (..., B).

    Attributes:
        estimate: Log rate ratio, shrunk so little that it is finite.
        low, high: The confidence sequence of the log rate ratio; -inf or inf where there is no end.
        log_e: Log of the e-value against theta = 0.
        adjusted: The same after `merged`: at least log(1 / alpha) means shown, with the error of all arms together.
        dispersion: phi, as `dispersion_of` finds it.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    log_e: FloatArray
    adjusted: FloatArray
    dispersion: FloatArray

    def shown(self, error_rate: float) -> FloatArray:
        """Return 1 where an arm is shown to be better than the control, -1 where worse, else 0."""
        return np.where(self.adjusted >= -np.log(error_rate), np.sign(self.estimate), 0.0)


def contrast(exposure: FloatArray, successes: FloatArray, control: int) -> Contrasts:
    """Set each arm beside the control.

    Args:
        exposure: n >= 0, shape (..., A, S); nan counts as none.
        successes: y >= 0, the same shape; nan, and what is below zero, counts as none.
        control: Index of the control among the A arms.

    Raises:
        ValueError: The shapes differ, there are not two arms, or there is no such control.
    """
    if exposure.shape != successes.shape or exposure.ndim < 2 or exposure.shape[-2] < 2:
        raise ValueError(f"exposure {exposure.shape} and successes {successes.shape} must both be (..., A, S), A >= 2")
    if not 0 <= control < exposure.shape[-2]:
        raise ValueError(f"control must be one of {exposure.shape[-2]} arms, counted from 0, not {control}")
    shown, got = np.nan_to_num(exposure), np.maximum(np.nan_to_num(successes), 0.0)
    base, base_got = shown[..., [control], :], got[..., [control], :]
    shown, got = np.delete(shown, control, axis=-2), np.delete(got, control, axis=-2)
    fair = (shown > 0) & (base > 0)
    offset = np.log(np.where(fair, shown, 1.0)) - np.log(np.where(fair, base, 1.0))
    return Contrasts(np.where(fair, got, 0.0), np.where(fair, got + base_got, 0.0), offset)


def look(contrasts: Contrasts, *, scale: float, error_rate: float) -> Look:
    """Weigh what is known now; may be called as often as one likes, and the error rate is that of all looks together.

    Args:
        contrasts: Of all strata so far.
        scale: tau, the log rate ratio that it is most sensitive to, > 0; fixed before the first look.
        error_rate: alpha, in (0, 1). The confidence sequences of the B arms hold together with 1 - alpha.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 < scale < np.inf or not 0 < error_rate < 1:
        raise ValueError(f"scale {scale:g} must be positive and finite, error_rate {error_rate:g} between 0 and 1")
    phi = dispersion_of(contrasts)
    used = careful(contrasts, phi, scale=scale, error_rate=error_rate)
    log_e = log_evidence(contrasts, scale, used)
    estimate = _mode(contrasts, np.ones(1), _VAGUE)
    depth = used * (log_e + np.log(error_rate / log_e.shape[-1]))
    return Look(
        estimate,
        _end(contrasts, estimate, depth, -1.0),
        _end(contrasts, estimate, depth, 1.0),
        log_e,
        merged(log_e),
        phi,
    )


def last_look(contrasts: Contrasts, dispersion: FloatArray) -> FloatArray:
    """Return the p-values of one look that was planned beforehand, after Holm, shape (..., B).

    The score test of theta = 0 with the dispersion in its variance, two-sided, against Student's t with the degrees of
    freedom of the dispersion (McCullagh and Nelder 1989, section 9.2); Holm 1979, Scandinavian Journal of Statistics 6,
    65-70, keeps the error of all arms together. Unlike an e-value it may be read once only.

    Args:
        contrasts: Of all strata.
        dispersion: phi >= 1, shape (..., B).
    """
    slope, bend = contrasts.slopes(np.zeros(contrasts.arm.shape[:-1]))
    spread = np.sqrt(bend * dispersion)
    z = np.divide(slope, spread, out=np.zeros_like(slope), where=spread > 0)
    return holm(2 * scipy.special.stdtr(freedom_of(contrasts), -np.abs(z)))


def holm(p: FloatArray) -> FloatArray:
    """Return p-values adjusted by Holm's steps, (..., B) -> (..., B)."""
    order = np.argsort(p, axis=-1)
    steps = np.arange(p.shape[-1], 0, -1) * np.take_along_axis(p, order, axis=-1)
    climbed = np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0)
    back = np.empty_like(climbed)
    np.put_along_axis(back, order, climbed, axis=-1)
    return back


def log_evidence(contrasts: Contrasts, scale: float, dispersion: FloatArray) -> FloatArray:
    """Return log e of each arm, shape (..., B): .8 of the mixture of sd tau and .2 of one of sd 1.

    A mixture of martingales is one. The wide part costs log(1 / .8) where the lift is of the expected size, and keeps
    the confidence sequence near the data where it is many times that.

    Args:
        contrasts: Of all strata so far.
        scale: tau > 0.
        dispersion: phi >= 1, shape (..., B).
    """
    parts = [
        log(weight) + _log_mixture(contrasts, sd, dispersion)
        for weight, sd in ((1 - WIDE_WEIGHT, scale), (WIDE_WEIGHT, WIDE_SCALE))
    ]
    return np.asarray(np.logaddexp(*parts))


def _log_mixture(contrasts: Contrasts, scale: float, dispersion: FloatArray) -> FloatArray:
    """Log of the integral over theta ~ N(0, scale^2), by Gauss-Hermite quadrature about the integrand's mode."""
    mode = _mode(contrasts, dispersion, scale)
    width = np.sqrt(2 / (contrasts.slopes(mode)[1] / dispersion + scale**-2))
    height = np.full(mode.shape, -np.inf)
    for node, log_weight in zip(_NODES, _LOG_WEIGHTS, strict=True):
        theta = mode + width * node
        height = np.logaddexp(height, log_weight + contrasts.gain(theta) / dispersion - (theta / scale) ** 2 / 2)
    return np.asarray(height + np.log(width / scale) - np.log(2 * np.pi) / 2)


def dispersion_of(contrasts: Contrasts) -> FloatArray:
    """Return how many times the score varies as chance alone would have it, at least 1, shape (..., B).

    The sum of squared residuals over the sum of binomial variances: the variance that the days really show, whatever it
    follows (White 1982, Econometrica 50, 1-25). Each residual is divided by 1 less its stratum's leverage, its part of
    the information (MacKinnon and White 1985, Journal of Econometrics 29, 305-325).
    """
    p, chance = _fitted(contrasts)
    whole = chance.sum(axis=-1, keepdims=True)
    spare = 1 - np.divide(chance, whole, out=np.zeros_like(chance), where=whole > 0)
    error = contrasts.arm - contrasts.both * p
    square = (np.divide(error, spare, out=np.zeros_like(error), where=spare > 1e-9) ** 2).sum(axis=-1)
    whole = whole[..., 0]
    return np.asarray(np.maximum(np.divide(square, whole, out=np.zeros_like(square), where=whole > 0), 1.0))


def freedom_of(contrasts: Contrasts) -> FloatArray:
    """Return from how many strata the dispersion is learnt, less the theta that is fitted; at least 1, shape (..., B).

    Strata count by their information: (sum v)^2 / sum v^2, as in Satterthwaite's approximation (1946, Biometrics
    Bulletin 2, 110-114).
    """
    chance = _fitted(contrasts)[1]
    squares = (chance**2).sum(axis=-1)
    count = np.divide(chance.sum(axis=-1) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)
    return np.asarray(np.maximum(count - 1, 1.0))


def careful(contrasts: Contrasts, dispersion: FloatArray, *, scale: float, error_rate: float) -> FloatArray:
    """Return the dispersion to be used at a look, shape (..., B): 1 + k (phi - 1), with the k of `caution`.

    Where days vary as chance has it phi is near 1, and little is lost.
    """
    information = contrasts.slopes(np.zeros(contrasts.arm.shape[:-1]))[1] / dispersion
    share = error_rate / contrasts.arm.shape[-2]
    return np.asarray(1 + caution(information, freedom_of(contrasts), scale, share) * (dispersion - 1))


def caution(information: FloatArray, freedom: FloatArray, scale: float, error_rate: float) -> FloatArray:
    """Return k = (t / z)^2, by which a variance that is learnt from few days is to be raised.

    Such a variance makes t of z: t is the quantile of Student's distribution with f degrees of freedom that is as rare
    as z is of the normal one, and z^2 = 2 log(1 / alpha) + log(1 + tau^2 I) is where a normal mixture reaches 1 / alpha
    (Robbins 1970).

    Args:
        information: I over phi.
        freedom: f >= 1.
        scale: tau.
        error_rate: alpha, of one arm.
    """
    z = np.sqrt(-2 * np.log(error_rate) + np.log1p(scale**2 * information))
    return np.asarray((scipy.special.stdtrit(freedom, scipy.special.ndtr(-z)) / z) ** 2)


def merged(log_e: FloatArray) -> FloatArray:
    """Return e-values with which any arm may be called different from the control, in logs: (..., B) -> (..., B).

    The least arithmetic mean over all sets of arms that hold it: closed testing with e-values, never below the e / B of
    Bonferroni (Vovk and Wang 2021, Annals of Statistics 49, 1736-1754, section 5).
    """
    order = np.argsort(log_e, axis=-1)
    ranked = np.take_along_axis(log_e, order, axis=-1)
    lower = np.logaddexp.accumulate(ranked, axis=-1)  # of the 1, 2, ... least
    least = ranked.copy()
    count = log_e.shape[-1]
    for place in range(count):
        for others in range(1, place + 1):  # those below it are its least companions
            mean = np.logaddexp(ranked[..., place], lower[..., others - 1]) - np.log(others + 1)
            least[..., place] = np.minimum(least[..., place], mean)
    back = np.empty_like(least)
    np.put_along_axis(back, order, least, axis=-1)
    return back


def _fitted(contrasts: Contrasts) -> tuple[FloatArray, FloatArray]:
    """The p and the binomial variance of each stratum at the estimate, each of shape (..., B, S)."""
    theta = _mode(contrasts, np.ones(1), _VAGUE)
    p = scipy.special.expit(contrasts.offset + theta[..., np.newaxis])
    return p, contrasts.both * p * (1 - p)


def _mode(contrasts: Contrasts, dispersion: FloatArray, scale: float) -> FloatArray:
    """Maximum of l / phi - theta^2 / (2 tau^2) by Newton's method with short steps; it is strictly concave."""
    theta = np.zeros(contrasts.arm.shape[:-1])
    for _ in range(_NEWTON):
        slope, bend = contrasts.slopes(theta)
        step = (slope / dispersion - theta / scale**2) / (bend / dispersion + scale**-2)
        theta = theta + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return theta


def _end(contrasts: Contrasts, inside: FloatArray, depth: FloatArray, side: float) -> FloatArray:
    """The end of {theta: l(theta) > depth} on one side, by bisection from a point inside; l is concave."""
    near, far = np.minimum(side * inside, _FARTHEST), np.full(inside.shape, _FARTHEST)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        held = depth - contrasts.gain(side * middle) < 0
        near, far = np.where(held, middle, near), np.where(held, far, middle)
    return np.where(near > _FARTHEST - 1e-6, side * np.inf, side * near)
