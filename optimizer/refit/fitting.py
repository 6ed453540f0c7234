"""From a snapshot and lift tests to checked priors: one straight line."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from optimizer.plan.priors import ResponsePriors
from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot
from optimizer.refit.checks import convergence, predictive
from optimizer.refit.contract import Check, LiftTest, Progress, Refit, Sampling
from optimizer.refit.evidence import LEAST_CONVERSIONS, LEAST_DAYS, Evidence, gather
from optimizer.refit.hierarchy import MODEL, build, export, replicate
from optimizer.refit.sampling import flat, sample

REPLICATES: Final = 200
"""Posterior draws from which days are replicated."""


def fit(
    snapshot: Snapshot, lifts: tuple[LiftTest, ...], settings: Sampling, rng: np.random.Generator, progress: Progress
) -> Refit:
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


def attach(tree: Any, evidence: Evidence, replicated: IntArray | FloatArray) -> None:
    """Add posterior_predictive and constant_data, so that the file alone tells what was fitted."""
    import xarray as xr  # noqa: PLC0415 - xarray is slow to load

    target, day = np.nonzero(evidence.counted)
    tree["posterior_predictive"] = xr.DataTree(
        xr.Dataset({"conversions": (("chain", "draw", "observation"), replicated[None])})
    )
    tree["constant_data"] = xr.DataTree(
        xr.Dataset(
            {
                "target": (("observation",), np.array(evidence.names)[target]),
                "channel": (("observation",), np.array(evidence.channels)[evidence.channel[target]]),
                "day": (("observation",), day),
                "spend": (("observation",), (evidence.lags[..., 0] * evidence.reference[:, None])[target, day]),
            }
        )
    )
