"""The total-outcome model: what spend by channel brings of an outcome that no platform attributes.

    outcome = level + drift + seasons + controls + sum_c beta_c h(u_c) + sum_c bias_c sigma z_c + noise

u is adstocked spend over its reference, h a Hill curve, z the standardised spend of the period; the last sum but one
stands for demand that spend follows and nobody saw, and is there only where no measure of demand is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.refit.contract import LiftTest
from optimizer.refit.market import Market, hats, seasons, standardised
from optimizer.refit.transforms import adstock, adstock_weights, hill, lagged, steady_lift

LAGS: Final = {1: 15, 7: 8}
"""Periods over which spend is felt, its own included, by the length of a period in days."""

KNOTS: Final = {1: 91, 7: 13}
"""Periods between the knots of the baseline's drift: a quarter."""

HIDDEN: Final = (0.25, 0.5)
"""Normal prior of the hidden demand's part, in residual standard deviations of the outcome per standard deviation of
spend: with the partial R^2 of hidden demand with the outcome and with spend both at 27%, the formula of Cinelli and
Hazlett (Making Sense of Sensitivity, JRSS B 82, 2020), sqrt(R_y^2 R_x^2 / (1 - R_x^2)), is at about 0.32. It leans to
the positive side, since budgets are raised where demand is."""


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A market laid out for the model; G regions, C channels, T periods.

    Attributes:
        scale: Mean absolute outcome of a period: all else is in units of it.
        outcome: Over the scale, shape (G, T).
        reference: Currency units per period, shape (G, C).
        lags: Spend over its reference, this period and those before, shape (G, C, T, L).
        active: 1 in periods that feel any spend, shape (G, C, T).
        tilt: Standardised spend, shape (G, C, T).
        trend: Hats, shape (T, knots).
        waves: Shape (T, waves).
        covariates: Standardised controls and measures of demand, shape (Q, G, T).
        hidden: Whether demand is not measured.
        lifts: Tests.
        channels: Index of the channel of each test.
        split: Share of each region in each test, shape (tests, G).
        period_days: Days in a period.
    """

    scale: float
    outcome: FloatArray
    reference: FloatArray
    lags: FloatArray
    active: FloatArray
    tilt: FloatArray
    trend: FloatArray
    waves: FloatArray
    covariates: FloatArray
    hidden: bool
    lifts: tuple[LiftTest, ...]
    channels: tuple[int, ...]
    split: FloatArray
    period_days: int

    @property
    def memory(self) -> int:
        """L: the first L - 1 periods are history only, since the spend before them is not known."""
        return int(self.lags.shape[-1])

    @property
    def runs(self) -> FloatArray:
        """1 where a channel ever runs in a region, shape (G, C)."""
        ever: FloatArray = self.active.max(axis=2)
        return ever


def lay_out(market: Market, lifts: tuple[LiftTest, ...]) -> Design:
    """Prepare a market and its lift tests.

    Raises:
        ValueError: A test is of a channel that the market does not have, or of a single campaign.
    """
    for lift in lifts:
        if lift.channel not in market.channels or lift.campaign is not None:
            raise ValueError(f"the lift test of {lift.campaign or lift.channel!r} is not of one of {market.channels}")
    reference = market.reference
    lags = lagged(market.spend / reference[..., None], LAGS[market.period_days])
    channels = tuple(market.channels.index(lift.channel) for lift in lifts)
    totals = market.spend.sum(axis=2)
    spread = market.spend.std(axis=2, keepdims=True)
    return Design(
        scale=float(np.abs(market.outcome).mean()) or 1.0,
        outcome=market.outcome / (float(np.abs(market.outcome).mean()) or 1.0),
        reference=reference,
        lags=lags,
        active=(lags.sum(axis=-1) > 0).astype(np.float64),
        tilt=(market.spend - market.spend.mean(axis=2, keepdims=True)) / np.where(spread > 0, spread, 1.0),
        trend=hats(market.periods, KNOTS[market.period_days]),
        waves=seasons(market),
        covariates=standardised({**market.controls, **market.demand}),
        hidden=not market.demand,
        lifts=lifts,
        channels=channels,
        split=np.array([totals[:, c] / totals[:, c].sum() for c in channels]).reshape(len(lifts), len(totals)),
        period_days=market.period_days,
    )


def build(design: Design) -> Any:
    """Return the PyMC model (`pymc.Model`) of a market; its priors are in units of the mean outcome."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    regions, channels = design.reference.shape
    with pm.Model() as model:
        p = {
            "level": pm.Normal("level", 0.8, 0.4, shape=regions),
            "wander": pm.HalfNormal("wander", 0.1),
            "steps": pm.Normal("steps", 0.0, 1.0, shape=(regions, design.trend.shape[1] - 1)),
            "log_half": pm.Normal("log_half", 0.0, 0.9, shape=channels),
            "log_slope": pm.Normal("log_slope", math.log(1.3), 0.5, shape=channels),
            "carry": pm.Beta("carry", 1.5, 3.0, shape=channels),
            # What a channel brings on average is told by the data, whatever the shape of its curve.
            "share": pm.HalfNormal("share", 0.5 / math.sqrt(channels), shape=channels),
            "sigma": pm.HalfNormal("sigma", 0.2),
        }
        if design.waves.shape[1]:
            p["swing"] = pm.HalfNormal("swing", 0.15)
            p["waves"] = pm.Normal("waves", 0.0, 1.0, shape=(regions, design.waves.shape[1]))
        if len(design.covariates):
            p["covariates"] = pm.Normal("covariates", 0.0, 0.2, shape=len(design.covariates))
        if design.hidden:
            p["bias"] = pm.Normal("bias", *HIDDEN, shape=channels)
        if regions > 1:
            p["share_sd"], p["half_sd"] = pm.HalfNormal("share_sd", 0.3), pm.HalfNormal("half_sd", 0.3)
            p["share_z"] = pm.Normal("share_z", 0.0, 1.0, shape=(regions, channels))
            p["half_z"] = pm.Normal("half_z", 0.0, 1.0, shape=(regions, channels))
        tails = pm.Gamma("tails", 2.0, 0.1)
        known = slice(design.memory - 1, None)
        mean = expected(p, design, pt)[:, known]
        pm.StudentT("outcome", nu=2.0 + tails, mu=mean, sigma=p["sigma"], observed=design.outcome[:, known])
        for number, lift in enumerate(design.lifts):
            implied = implied_lift(p, number, design, pt)
            pm.Normal(f"lift_{number}", implied, lift.se / design.scale, observed=lift.incremental / design.scale)
    return model


def curves(p: Mapping[str, Any], xp: ModuleType) -> tuple[Any, Any, Any]:
    """Return the mean contribution (G, C), kappa (G, C) and n (1, C); `xp` is NumPy or `pytensor.tensor`."""
    share, half = p["share"][None, :], xp.exp(p["log_half"])[None, :]
    if "share_z" in p:
        share = share * xp.exp(p["share_sd"] * p["share_z"])
        half = half * xp.exp(p["half_sd"] * p["half_z"])
    return share, half, xp.exp(p["log_slope"])[None, :]


def shapes(p: Mapping[str, Any], design: Design, xp: ModuleType) -> Any:
    """Return the Hill curve of the spend that is felt, shape (G, C, T)."""
    _, half, slope = curves(p, xp)
    felt = adstock(design.lags, adstock_weights(p["carry"], design.memory)[None])
    return hill(felt, half[:, :, None], slope[:, :, None], design.active)


def tops(p: Mapping[str, Any], shape: Any, design: Design, xp: ModuleType) -> Any:
    """Return the most that each channel can bring per period, over the scale; 0 where it does not run.

    Args:
        p: The parameters by name, as in `build`.
        shape: From `shapes`, (G, C, T).
        design: The market.
        xp: NumPy or `pytensor.tensor`, whichever `p` is of.

    Returns:
        Shape (G, C): what is brought on average over the mean height of the curve.
    """
    share, _, _ = curves(p, xp)
    runs = design.runs
    # What is divided by is 1 where nothing runs: a quotient of zeros would spoil the gradient of all.
    return share * runs / (shape.mean(axis=2) + (1.0 - runs))


def expected(p: Mapping[str, Any], design: Design, xp: ModuleType) -> Any:
    """Return the mean outcome of each period over the scale, shape (G, T).

    Args:
        p: The parameters by name, as in `build`.
        design: The market.
        xp: NumPy or `pytensor.tensor`, whichever `p` is of.
    """
    # A walk over the knots from the first on, as one matrix from steps to periods.
    climb = np.tril(np.ones((design.trend.shape[1],) * 2))[:, 1:].T @ design.trend.T
    mean = p["level"][:, None] + p["wander"] * xp.dot(p["steps"], climb)
    if "waves" in p:
        mean = mean + p["swing"] * xp.dot(p["waves"], design.waves.T)
    if "covariates" in p:
        mean = mean + (p["covariates"][:, None, None] * design.covariates).sum(axis=0)
    if "bias" in p:
        mean = mean + p["sigma"] * (p["bias"][None, :, None] * design.tilt).sum(axis=1)
    shape = shapes(p, design, xp)
    return mean + (tops(p, shape, design, xp)[:, :, None] * shape).sum(axis=1)


def implied_lift(p: Mapping[str, Any], number: int, design: Design, xp: ModuleType) -> Any:
    """Return what a test should have found, over the scale: the change between two points of the curve.

    The lift-test likelihood of PyMC-Marketing and the calibration of Robyn (Runge et al., 2024) compare the same; here
    carry-over after the test is in it, and the change is split over regions as their spend is.
    """
    lift, c = design.lifts[number], design.channels[number]
    periods = max(round(lift.days / design.period_days), 1)
    _, half, slope = curves(p, xp)
    top = tops(p, shapes(p, design, xp), design, xp)[:, c]
    each = design.split[number] / (periods * design.reference[:, c])
    weights = adstock_weights(p["carry"], design.memory)[[c] * len(each)]
    steep = slope[[0] * len(each), [c] * len(each)]
    gain = steady_lift(half[:, c], steep, weights, design.memory, lift.spend * each, lift.spend_change * each, periods)
    return (top * gain).sum()
