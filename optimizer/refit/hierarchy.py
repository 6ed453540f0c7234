"""The attributed hierarchy: what conversions each campaign's spend brings, its shape pooled by channel.

y ~ NegBin(mean = F exp(level + drift + weekday) h(u) / h(1), size R),   u = adstock of spend over x_ref
log kappa ~ N(mu, tau) and log n ~ N(mu, tau) over the campaigns of a channel, non-centred
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import numpy as np

from optimizer.plan.priors import ChannelPrior, Spread
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.refit.evidence import LAGS, Evidence, Trial
from optimizer.refit.market import hats
from optimizer.refit.transforms import adstock, adstock_weights, hill, steady_lift

MODEL: Final = "attributed-hierarchy/1"

KNOTS: Final = 28
"""Days between the knots of a campaign's drift."""

HALF, SLOPE = (0.0, 0.7, 0.56), (math.log(1.3), 0.52, 0.39)
"""Mean and sd of the channel's mean, and scale of its half-normal spread: together as wide as the fast tier's plain
prior of one campaign, N(0, .9^2) of log kappa and N(log 1.3, .65^2) of log n."""

CARRY: Final = (1.2, 3.6)
"""Beta prior of the carry-over: mean a quarter, sd .18."""

LIFT: Final = (0.0, 0.75)
"""Normal prior of log incremental conversions per attributed one."""

TOLD: Final = 0.8
"""A posterior sd above this share of the prior's is the prior's: the data do not tell."""


def build(evidence: Evidence) -> Any:
    """Return the PyMC model (`pymc.Model`) of the evidence."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    channels, targets = len(evidence.channels), len(evidence.names)
    crude = np.log((evidence.counts.sum(axis=1) + 0.5) / evidence.counted.sum(axis=1))
    knots = drift_knots(evidence).shape[1]
    with pm.Model(coords={"channel": evidence.channels, "target": evidence.names}) as model:
        p = {
            "half_mean": pm.Normal("half_mean", HALF[0], HALF[1], dims="channel"),
            "half_sd": pm.HalfNormal("half_sd", HALF[2], dims="channel"),
            "half_z": pm.Normal("half_z", 0.0, 1.0, dims="target"),
            "slope_mean": pm.Normal("slope_mean", SLOPE[0], SLOPE[1], dims="channel"),
            "slope_sd": pm.HalfNormal("slope_sd", SLOPE[2], dims="channel"),
            "slope_z": pm.Normal("slope_z", 0.0, 1.0, dims="target"),
            "carry": pm.Beta("carry", *CARRY, dims="channel"),
            "week": pm.Normal("week", 0.0, 0.2, shape=(channels, 7)),
            "wander": pm.HalfNormal("wander", 0.15),
            "steps": pm.Normal("steps", 0.0, 1.0, shape=(targets, knots - 1)),
        }
        middle = pm.Normal("level_mean", float(crude.mean()), 1.5, dims="channel")
        spread = pm.HalfNormal("level_sd", 1.0, dims="channel")
        # Centred: a campaign's own days tell its level well.
        p["level"] = pm.Normal("level", middle[evidence.channel], spread[evidence.channel], dims="target")
        excess = pm.HalfNormal("excess", 0.5, dims="channel")
        seen = np.flatnonzero(evidence.counted)
        size = (1.0 / (excess + 1e-4))[np.repeat(evidence.channel, evidence.counts.shape[1])[seen]]
        mean = expected(p, evidence, pt).reshape((-1,))[seen]
        pm.NegativeBinomial("conversions", mu=mean, alpha=size, observed=evidence.counts.ravel()[seen])
        if evidence.trials:
            ratio = pm.Normal("log_lift", *LIFT, dims="channel")
            for number, trial in enumerate(evidence.trials):
                implied = implied_lift(p, ratio, trial, evidence, pt)
                pm.Normal(f"lift_{number}", implied, trial.se, observed=trial.incremental)
    return model


def shapes(p: Mapping[str, Any], channel: IntArray, xp: ModuleType) -> tuple[Any, Any]:
    """Return kappa and n of each target, each of shape (N,); `xp` is NumPy or `pytensor.tensor`."""
    half = xp.exp(p["half_mean"][channel] + p["half_sd"][channel] * p["half_z"])
    slope = xp.exp(p["slope_mean"][channel] + p["slope_sd"][channel] * p["slope_z"])
    return half, slope


def levels(p: Mapping[str, Any], evidence: Evidence, xp: ModuleType) -> Any:
    """Return log conversions a day at x_ref, on a day of average weekday, shape (N, T)."""
    basis = drift_knots(evidence)
    # A walk over the knots, less its own mean over time: the level stays the mean level.
    climb = np.tril(np.ones((basis.shape[1], basis.shape[1])))[:, 1:].T @ (basis - basis.mean(axis=0)).T
    return p["level"][:, None] + p["wander"] * xp.dot(p["steps"], climb)


def drift_knots(evidence: Evidence) -> FloatArray:
    """Return the interpolation between the knots of the drift, shape (T, knots)."""
    return hats(evidence.counts.shape[1], KNOTS)


def expected(p: Mapping[str, Any], evidence: Evidence, xp: ModuleType) -> Any:
    """Return the mean of each day's reported conversions, shape (N, T).

    Args:
        p: half_mean, half_sd, slope_mean, slope_sd, carry, each (C,); half_z, slope_z, level, each (N,); week (C, 7),
            wander, steps (N, knots - 1).
        evidence: The days.
        xp: NumPy or `pytensor.tensor`, whichever `p` is of.
    """
    half, slope = shapes(p, evidence.channel, xp)
    felt = adstock(evidence.lags, adstock_weights(p["carry"], LAGS)[evidence.channel])
    shape = hill(felt, half[:, None], slope[:, None], evidence.active) * (1.0 + half**slope)[:, None]
    week = p["week"] - p["week"].mean(axis=1)[:, None]
    log_rate = levels(p, evidence, xp) + week[evidence.channel][:, evidence.weekday]
    return np.maximum(evidence.exposure, 1e-3) * xp.exp(log_rate) * shape


def implied_lift(p: Mapping[str, Any], log_lift: Any, trial: Trial, evidence: Evidence, xp: ModuleType) -> Any:
    """Return the incremental conversions that a test should have found.

    What the curves say that the change brought in attributed conversions, carry-over after the test included, times
    the incremental conversions per attributed one. As in Runge et al., Packaging Up Media Mix Modeling (Robyn), 2024,
    and PyMC-Marketing's lift-test likelihood, it is the change between two points of the curve that is compared.
    """
    half, slope = shapes(p, evidence.channel, xp)
    half, slope = half[trial.targets], slope[trial.targets]
    weights = adstock_weights(p["carry"], LAGS)[evidence.channel[trial.targets]]
    gain = steady_lift(half, slope, weights, LAGS, trial.spend, trial.change, trial.days)
    rate = xp.exp(levels(p, evidence, xp)[trial.targets, trial.middle]) * (1.0 + half**slope)
    return xp.exp(log_lift[trial.channel]) * trial.whole * (rate * gain).sum()


def replicate(draws: Mapping[str, FloatArray], evidence: Evidence, rng: np.random.Generator) -> IntArray:
    """Draw conversions anew from each posterior draw.

    Args:
        draws: Each parameter with a first axis of S draws.
        evidence: The days.
        rng: All chance comes from it.

    Returns:
        On the counted days, in the order of `evidence.counts[evidence.counted]`, shape (S, days).
    """
    rows = []
    channel = np.repeat(evidence.channel, evidence.counts.shape[1])[np.flatnonzero(evidence.counted)]
    for s in range(len(draws["wander"])):
        mean = expected({name: values[s] for name, values in draws.items()}, evidence, np)[evidence.counted]
        size = 1.0 / (draws["excess"][s][channel] + 1e-4)
        rows.append(rng.poisson(mean * rng.gamma(size) / size))
    return np.stack(rows)


def export(draws: Mapping[str, FloatArray], evidence: Evidence) -> tuple[ChannelPrior, ...]:
    """Return what is believed of one more campaign of each channel: the channel's mean and spread over campaigns.

    Args:
        draws: Each parameter with a first axis of S draws.
        evidence: The days.
    """
    told = {trial.channel for trial in evidence.trials}
    a, b = CARRY
    prior_sd = math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1.0)))
    priors = []
    for c, name in enumerate(evidence.channels):
        carry = draws["carry"][:, c]
        lift = _spread(draws["log_lift"][:, c]) if c in told else None
        priors.append(
            ChannelPrior(
                channel=name,
                log_half=_predictive(draws["half_mean"][:, c], draws["half_sd"][:, c]),
                log_slope=_predictive(draws["slope_mean"][:, c], draws["slope_sd"][:, c]),
                carry_over=_spread(carry) if carry.std() < TOLD * prior_sd else None,
                log_lift=lift,
            )
        )
    return tuple(priors)


def _predictive(mean: FloatArray, sd: FloatArray) -> Spread:
    """Total mean and variance: that of the mean, and the mean of that between campaigns."""
    return Spread(float(mean.mean()), float(np.sqrt(mean.var() + (sd**2).mean())))


def _spread(draws: FloatArray) -> Spread:
    return Spread(float(draws.mean()), float(draws.std()))
