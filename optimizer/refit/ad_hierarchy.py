"""The hierarchy of ads: how alike the ads of a budget are, how far budgets are apart, and how fast rates move.

y ~ NegBin(mean = n F exp(eta), size 1 / excess) over an ad's weeks (or fortnights), with
eta = base + platform + account + campaign + creative + audience + ad + sway of the campaign + drift of the ad
each effect N(0, sd^2) of its level, non-centred; sway and drift random walks over them, less their mean
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType
from typing import Any, Final

import numpy as np

from optimizer.plan.priors import AdLevel, AdMean, AdPriors, Spread
from optimizer.plan.refits import ADS
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.refit.ad_evidence import WEEK, AdEvidence, Level
from optimizer.refit.hierarchy import TOLD

AD_MODEL: Final = f"{ADS}/1"

WITHIN, BETWEEN = 0.37, 1.0
"""Scales of the half-normal sds of what differs within a budget and of what does not: with one level of each, their
medians, .25 and .67, are those of the fast tier's hyperprior; with several, each is smaller, so that the sum is not."""

MOVES: Final = 0.15
"""Scale of the half-normal sd of a week's step, of an ad and of a campaign."""

EXCESS: Final = 0.3

WHOLE: Final = ("campaign", "ad")
"""Levels that each ad has one label of and whose labels lie within those of the coarser ones."""

TELLING: Final = 4.0
"""Conversions of a label times the variance of its prior, from which its own days are said to tell its rate."""

STRENGTHS: Final = (0.5, 1000.0)
"""Ads that differ less than 1 / sqrt(1000) are alike for every purpose."""


def build_ads(evidence: AdEvidence) -> Any:
    """Return the PyMC model (`pymc.Model`) of the evidence."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load
    import pytensor.tensor as pt  # noqa: PLC0415 - the same

    crude = math.log((float(evidence.counts.sum()) + 0.5) / float(evidence.exposure.sum()))
    coords = {f"{level.name}_label": level.labels for level in evidence.levels}
    with pm.Model(coords=coords) as model:
        # Each level adds to the sum of the coarser ones, as seen by the ads.
        middle = pm.Normal("base", crude, 1.5) * np.ones(len(evidence.ads))
        for level, scale in zip(evidence.levels, scales(evidence.levels), strict=True):
            sd = pm.HalfNormal(f"{level.name}_sd", scale)
            if level.name in WHOLE:
                middle = _whole(level, middle, sd, told(evidence, level, scale))[level.index]
            else:
                middle = middle + sd * pm.Normal(f"{level.name}_z", 0.0, 1.0, dims=f"{level.name}_label")[level.index]
        p = {"ad": middle, "excess": pm.HalfNormal("excess", EXCESS)}
        for name, places in walks(evidence).items():
            p[f"{name}_sd"] = pm.HalfNormal(f"{name}_sd", moves(evidence))
            p[f"{name}_steps"] = pm.Normal(f"{name}_steps", 0.0, 1.0, shape=int(places.max()))
        mean = evidence.exposure * pt.exp(log_rates(p, evidence, pt))
        pm.NegativeBinomial("conversions", mu=mean, alpha=1.0 / (p["excess"] + 1e-4), observed=evidence.counts)
    return model


def _whole(level: Level, middle: Any, sd: Any, centred: bool) -> Any:
    """Return log rates by label: the sum of all levels down to this one, under the level's name."""
    import pymc as pm  # noqa: PLC0415 - PyMC is slow to load

    first = np.unique(level.index, return_index=True)[1]
    if centred:
        return pm.Normal(level.name, middle[first], sd, dims=f"{level.name}_label")
    shift = pm.Normal(f"{level.name}_z", 0.0, 1.0, dims=f"{level.name}_label")
    return pm.Deterministic(level.name, middle[first] + sd * shift, dims=f"{level.name}_label")


def told(evidence: AdEvidence, level: Level, scale: float) -> bool:
    """Whether the labels' own conversions tell their rates better than the level's prior does, by some way.

    Then centred draws mix well and non-centred ones do not; else it is the other way round (Papaspiliopoulos, Roberts
    and Skoeld, Statistical Science 22, 2007).
    """
    total = np.bincount(level.index[evidence.ad], weights=evidence.counts, minlength=len(level.labels))
    return bool(np.median(total) * scale**2 > TELLING)


def scales(levels: tuple[Level, ...]) -> tuple[float, ...]:
    """Return the scale of each level's half-normal sd."""
    inner = [level.apart > 0 for level in levels]
    of = {True: WITHIN / math.sqrt(max(sum(inner), 1)), False: BETWEEN / math.sqrt(max(len(inner) - sum(inner), 1))}
    return tuple(of[within] for within in inner)


def moves(evidence: AdEvidence) -> float:
    """Return the scale of the half-normal sd of a period's step."""
    return MOVES * math.sqrt(evidence.days / WEEK)


def walks(evidence: AdEvidence) -> dict[str, IntArray]:
    """Return the number of each walk's step by walker and period, shape (walkers, W); 0 where nothing is stepped.

    An ad walks from its first period to its last, a campaign through all.
    """
    if not evidence.moves:
        return {}
    at = np.arange(evidence.periods)
    ads, groups = len(evidence.ads), len(evidence.groups)
    first, last = np.full(ads, evidence.periods), np.full(ads, -1)
    np.minimum.at(first, evidence.ad, evidence.period)
    np.maximum.at(last, evidence.ad, evidence.period)
    steps = {
        "sway": np.broadcast_to(at > 0, (groups, evidence.periods)),
        "drift": (at > first[:, None]) & (at <= last[:, None]),
    }
    return {
        name: np.where(taken, taken.cumsum().reshape(taken.shape), 0).astype(np.int64)
        for name, taken in steps.items()
        if taken.any()
    }


def log_rates(p: Mapping[str, Any], evidence: AdEvidence, xp: ModuleType) -> Any:
    """Return eta of each cell, shape (M,).

    Args:
        p: ad, shape (A,), the sum of all levels; sway_sd, sway_steps, drift_sd, drift_steps where rates move.
        evidence: The cells.
        xp: NumPy or `pytensor.tensor`, whichever `p` is of.
    """
    eta = p["ad"][evidence.ad]
    walkers = {"sway": evidence.group[evidence.ad], "drift": evidence.ad}
    for name, places in walks(evidence).items():
        walked = xp.concatenate([np.zeros(1), p[f"{name}_steps"]])[places].cumsum(axis=1)
        cells = np.zeros(places.shape)
        np.add.at(cells, (walkers[name], evidence.period), 1.0)
        # Less its mean over the walker's cells: an ad's level is the mean over its life.
        walked = walked - (walked * cells).sum(axis=1)[:, None] / np.maximum(cells.sum(axis=1), 1.0)[:, None]
        eta = eta + p[f"{name}_sd"] * walked[walkers[name], evidence.period]
    return eta


def replicate_ads(draws: Mapping[str, FloatArray], evidence: AdEvidence, rng: np.random.Generator) -> IntArray:
    """Draw conversions anew from each posterior draw, shape (S, M).

    The walks are drawn anew too, from their sd: a step for nearly every cell would follow the data wherever they went
    (mixed predictive draws; Marshall and Spiegelhalter, Statistics in Medicine 22, 2003).

    Args:
        draws: Each parameter with a first axis of S draws.
        evidence: The cells.
        rng: All chance comes from it.
    """
    rows = []
    steps = {f"{name}_steps": int(places.max()) for name, places in walks(evidence).items()}
    for s in range(len(draws["ad"])):
        fresh = {name: rng.standard_normal(count) for name, count in steps.items()}
        mean = evidence.exposure * np.exp(log_rates({n: v[s] for n, v in draws.items()} | fresh, evidence, np))
        size = 1.0 / (draws["excess"][s] + 1e-4)
        rows.append(rng.poisson(mean * rng.gamma(size, size=mean.shape) / size))
    return np.stack(rows)


def export_ads(draws: Mapping[str, FloatArray], evidence: AdEvidence, fitted_at: datetime) -> AdPriors:
    """Return what the fast tier may start from.

    Two ads of one budget differ in a level with probability `apart`, of two budgets with probability `across`. So the
    variance of log rates within a budget is sum apart sd^2, and that between budgets sum (across - apart) sd^2; a
    gamma distribution with the relative variance of a log-normal one has nu = 1 / (exp(variance) - 1).

    Args:
        draws: Each parameter with a first axis of S draws.
        evidence: The cells.
        fitted_at: Of the priors.
    """
    zero = np.zeros_like(draws["base"])
    inner = sum((level.apart * draws[f"{level.name}_sd"] ** 2 for level in evidence.levels), zero)
    outer = sum(((level.across - level.apart) * draws[f"{level.name}_sd"] ** 2 for level in evidence.levels), zero)
    strength = np.clip(1.0 / np.expm1(np.maximum(inner, 1e-9)), *STRENGTHS)
    means = _group_means(draws, evidence) + inner[:, None] / 2
    return AdPriors(
        fitted_at=fitted_at,
        model=AD_MODEL,
        metric=evidence.metric,
        log_strength=_log_spread(strength),
        log_spread=_log_spread(np.sqrt(np.maximum(outer, 1e-4))) if len(evidence.groups) > 2 else None,
        log_drift=_drift(draws, evidence),
        excess=float(np.median(draws["excess"])) * evidence.days,
        levels=tuple(
            AdLevel(level.name, len(level.labels), _log_spread(draws[f"{level.name}_sd"])) for level in evidence.levels
        ),
        means=tuple(
            AdMean(key, Spread(float(means[:, g].mean()), float(means[:, g].std())))
            for g, key in enumerate(evidence.groups)
        ),
    )


def _drift(draws: Mapping[str, FloatArray], evidence: AdEvidence) -> Spread | None:
    """Of a day, from that of a period; None where the data hardly say more of it than the prior did."""
    if "drift_sd" not in draws or draws["drift_sd"].std() > TOLD * moves(evidence) * math.sqrt(1.0 - 2.0 / math.pi):
        return None
    return _log_spread(draws["drift_sd"] / math.sqrt(evidence.days))


def _group_means(draws: Mapping[str, FloatArray], evidence: AdEvidence) -> FloatArray:
    """Log of the typical rate of each budget, shape (S, G)."""
    if "campaign" in draws:
        return draws["campaign"]
    return np.asarray(draws["base"][:, None])


def _log_spread(values: FloatArray) -> Spread:
    """Median and half the central 68% of the logarithm: what has a long tail towards zero keeps its middle."""
    low, middle, high = np.quantile(np.log(np.maximum(values, 1e-9)), [0.16, 0.5, 0.84])
    return Spread(float(middle), max(float(high - low) / 2, 1e-3))
