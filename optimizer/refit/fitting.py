"""From a snapshot and lift tests to checked priors: one straight line for budgets, and one for ads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from optimizer.plan.priors import AdPriors, ResponsePriors
from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot
from optimizer.refit import ad_evidence
from optimizer.refit.ad_evidence import AdEvidence, gather_ads
from optimizer.refit.ad_hierarchy import build_ads, export_ads, replicate_ads
from optimizer.refit.checks import convergence, predictive
from optimizer.refit.contract import Check, LiftTest, Progress, Refit, Sampling
from optimizer.refit.evidence import LEAST_CONVERSIONS, LEAST_DAYS, Evidence, gather
from optimizer.refit.hierarchy import MODEL, build, export, replicate
from optimizer.refit.sampling import flat, sample

REPLICATES: Final = 200
"""Posterior draws from which days are replicated."""


def fit(
    snapshot: Snapshot, lifts: tuple[LiftTest, ...], settings: Sampling, rng: np.random.Generator, progress: Progress
) -> Refit[ResponsePriors]:
    """Fit the attributed hierarchy to the daily history of budget targets, and export priors if its checks pass.

    Args:
        snapshot: What is known.
        lifts: Experiments; those of channels or campaigns that are not fitted are named in the notes.
        settings: How much is sampled.
        rng: All chance comes from it: the same snapshot, tests, settings and state give the same draws.
        progress: Told how far sampling is.

    Raises:
        ValueError: The panel and the targets differ in number.
    """
    evidence = gather(snapshot, lifts, settings)
    fitted = len(evidence.names)
    enough = Check(
        "evidence",
        float(fitted),
        1.0,
        fitted > 0,
        f"{fitted} targets of {len(evidence.channels)} channels are fitted."
        if fitted
        else f"No target has {LEAST_DAYS} days and {LEAST_CONVERSIONS:.0f} conversions to learn from.",
    )
    if not enough.passed:
        return Refit(None, (enough,), None, evidence.notes)
    tree = sample(build(evidence), settings, rng, progress)
    replicated = replicate(flat(tree, REPLICATES), evidence, rng)
    days = evidence.counts[evidence.counted]
    group = np.repeat(evidence.channel, evidence.counts.shape[1])[np.flatnonzero(evidence.counted)]
    checks = (
        enough,
        *convergence(tree),
        *predictive(days, replicated, group, evidence.channels, rng),
    )
    attach(tree, evidence, replicated)
    priors = None
    if all(check.passed for check in checks):
        priors = ResponsePriors(snapshot.known_at, MODEL, export(flat(tree), evidence))
    return Refit(tree, checks, priors, evidence.notes)


def fit_ads(
    snapshot: Snapshot, settings: Sampling, rng: np.random.Generator, progress: Progress
) -> Refit[AdPriors] | None:
    """Fit the hierarchy of ads to their weeks, and export priors if its checks pass; None where no row names an ad.

    Args:
        snapshot: What is known.
        settings: How much is sampled.
        rng: All chance comes from it: the same snapshot, settings and state give the same draws.
        progress: Told how far sampling is.
    """
    if snapshot.arms is None:
        return None
    evidence = gather_ads(snapshot, snapshot.arms, settings)
    ads, counted = len(evidence.ads), int(evidence.counts.sum())
    found = f"{ads} ads of {len(evidence.groups)} budgets, with {counted} conversions"
    enough = Check(
        "evidence",
        float(counted),
        ad_evidence.LEAST_CONVERSIONS,
        evidence.enough,
        f"{found}, are fitted."
        if evidence.enough
        else f"{found}, could be fitted: fewer than {ad_evidence.LEAST_ADS} ads"
        f" or {ad_evidence.LEAST_CONVERSIONS:.0f} conversions.",
    )
    if not enough.passed:
        return Refit(None, (enough,), None, evidence.notes)
    tree = sample(build_ads(evidence), settings, rng, progress)
    replicated = replicate_ads(flat(tree, REPLICATES), evidence, rng)
    group = evidence.channel[evidence.ad]
    checks = (enough, *convergence(tree), *predictive(evidence.counts, replicated, group, evidence.channels, rng))
    _attach_ads(tree, evidence, replicated)
    priors = export_ads(flat(tree), evidence, snapshot.known_at) if all(c.passed for c in checks) else None
    return Refit(tree, checks, priors, evidence.notes)


def _attach_ads(tree: Any, evidence: AdEvidence, replicated: IntArray) -> None:
    observation = ("observation",)
    _keep(
        tree,
        replicated,
        {
            "ad": (observation, np.array(evidence.ads)[evidence.ad]),
            "budget": (observation, np.array(evidence.groups)[evidence.group[evidence.ad]]),
            "period": (observation, evidence.period),
            "exposure": (observation, evidence.exposure),
        },
    )


def attach(tree: Any, evidence: Evidence, replicated: IntArray | FloatArray) -> None:
    """Add posterior_predictive and constant_data, so that the file alone tells what was fitted."""
    target, day = np.nonzero(evidence.counted)
    observation = ("observation",)
    _keep(
        tree,
        replicated,
        {
            "target": (observation, np.array(evidence.names)[target]),
            "channel": (observation, np.array(evidence.channels)[evidence.channel[target]]),
            "day": (observation, day),
            "spend": (observation, (evidence.lags[..., 0] * evidence.reference[:, None])[target, day]),
        },
    )


def _keep(tree: Any, replicated: IntArray | FloatArray, constants: dict[str, Any]) -> None:
    import xarray as xr  # noqa: PLC0415 - xarray is slow to load

    tree["posterior_predictive"] = xr.DataTree(
        xr.Dataset({"conversions": (("chain", "draw", "observation"), replicated[None])})
    )
    tree["constant_data"] = xr.DataTree(xr.Dataset(constants))
