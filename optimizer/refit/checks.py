"""Whether draws may be believed: did the chains agree, was enough drawn, and does the model look like the data?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.refit.contract import Check

R_HAT: Final = 1.01
"""Rank-normalised, split (Vehtari, Gelman, Simpson, Carpenter and Buerkner, Bayesian Analysis 16, 2021)."""

ESS: Final = 400.0
"""Effective draws, in the bulk and in the tails, of every parameter (the same)."""

DIVERGENT: Final = 0.001
"""Share of divergent transitions: each is a place that the sampler may not have seen whole (Betancourt, A Conceptual
Introduction to Hamiltonian Monte Carlo, 2017)."""

INSIDE: Final = 0.9
COVERAGE: Final = 0.05
"""How far the share of days within the 90% predictive interval may be from 90%, in the worst channel, beyond twice the
standard error of that share."""

CALIBRATION: Final = 0.08
"""How far the distribution of the days' predictive ranks may be from uniform, beyond the 1% point of chance."""

APART: Final = 3.0
"""Standard deviations between a lift test and the fit."""


def convergence(tree: Any) -> tuple[Check, ...]:
    """Check R-hat, bulk and tail ESS of all parameters, and divergences.

    Args:
        tree: ArviZ data with posterior and sample_stats.
    """
    # Of ArviZ the part that computes: the part that draws is slow to load, and PyMC loads this one anyway.
    from arviz_stats import ess, rhat  # noqa: PLC0415 - slow to load all the same

    r_hat, where = _worst(rhat(tree), np.nanmax)
    agree = bool(r_hat <= R_HAT)
    found = [
        Check(
            "r-hat",
            r_hat,
            R_HAT,
            agree,
            f"The chains agree: R-hat is at most {r_hat:.3f}."
            if agree
            else f"The chains disagree: R-hat is {r_hat:.3f} for {where}, more than {R_HAT}; sample longer.",
        )
    ]
    for part in ("bulk", "tail"):
        size, where = _worst(ess(tree, method=part), np.nanmin)
        enough = bool(size >= ESS)
        words = (
            f"There are at least {size:.0f} effective draws in the {part}."
            if enough
            else f"Only {size:.0f} draws are effective in the {part} of {where}, fewer than {ESS:.0f}; sample longer."
        )
        found.append(Check(f"ess-{part}", size, ESS, enough, words))
    return (*found, _divergences(np.asarray(tree["sample_stats"].dataset["diverging"])))


def _divergences(diverging: npt.NDArray[Any]) -> Check:
    share, count = float(diverging.mean()), int(diverging.sum())
    few = share <= DIVERGENT
    words = f"{count} of {diverging.size} transitions diverged"
    mend = "." if few else f", more than {DIVERGENT:.1%}; raise the sampler's target acceptance."
    return Check("divergences", share, DIVERGENT, few, words + mend)


def _worst(statistics: Any, pick: Any) -> tuple[float, str]:
    """Return the worst value over all parameters and the name of its parameter; one without a value is the worst."""
    dataset = getattr(statistics, "dataset", statistics)
    values = {str(name): np.atleast_1d(np.asarray(v, dtype=np.float64)) for name, v in dataset.data_vars.items()}
    for name, value in values.items():
        if np.isnan(value).any():
            return math.nan, name
    extremes = {name: float(pick(value)) for name, value in values.items()}
    name = max(extremes, key=lambda n: extremes[n] if pick is np.nanmax else -extremes[n])
    return extremes[name], name


def predictive(
    observed: FloatArray | IntArray,
    replicated: FloatArray | IntArray,
    group: IntArray,
    names: tuple[str, ...],
    rng: np.random.Generator,
    what: str = "days",
) -> tuple[Check, ...]:
    """Check that days, or what else was counted, replicated from the posterior are spread like those that were.

    By randomised ranks (probability integral transform), which counts do not flatter: within .05 to .95 as often as
    they should in every group, and uniform over all (Gneiting, Balabdaoui and Raftery, JRSS B 69, 2007).

    Args:
        observed: Shape (M,).
        replicated: Shape (S, M).
        group: Of each day, an index into `names`, shape (M,).
        names: Of the groups.
        rng: Breaks the ties.
        what: What the counts are of, in the plural.
    """
    below = (replicated < observed).mean(axis=0)
    ties = (replicated == observed).mean(axis=0)
    count = len(replicated)
    rank = (count * (below + rng.random(observed.shape) * ties) + rng.random(observed.shape)) / (count + 1.0)
    return _coverage(rank, group, names, what), _calibration(rank)


def _coverage(rank: FloatArray, group: IntArray, names: tuple[str, ...], what: str) -> Check:
    inside = np.abs(rank - 0.5) < INSIDE / 2
    shares: Mapping[str, tuple[float, float]] = {
        name: _share(inside[group == g]) for g, name in enumerate(names) if (group == g).any()
    }
    worst = max(shares, key=lambda name: abs(shares[name][0] - INSIDE) - shares[name][1])
    share, allowed = shares[worst]
    fine = abs(share - INSIDE) <= allowed
    words = f"{share:.0%} of the {what} of {worst} lie within their 90% predictive intervals"
    mend = "." if fine else ": the model does not look like the data; look for outliers, breaks and tracking errors."
    return Check("coverage", share, INSIDE, fine, words + mend)


def _share(inside: npt.NDArray[np.bool_]) -> tuple[float, float]:
    return float(inside.mean()), COVERAGE + 2.0 * math.sqrt(INSIDE * (1.0 - INSIDE) / inside.size)


def _calibration(rank: FloatArray) -> Check:
    ordered, count = np.sort(rank), rank.size
    steps = np.arange(count + 1) / count
    distance = float(max(np.abs(ordered - steps[:-1]).max(), np.abs(ordered - steps[1:]).max()))
    limit = CALIBRATION + 1.63 / math.sqrt(count)
    fine = distance <= limit
    words = f"The predictive ranks are within {distance:.3f} of uniform"
    mend = "." if fine else f", more than {limit:.3f}: what the model predicts is shifted or misshapen."
    return Check("calibration", distance, limit, fine, words + mend)


def agreement(names: tuple[str, ...], implied: FloatArray, incremental: FloatArray, se: FloatArray) -> Check:
    """Check that no lift test lies far from what the fit makes of it.

    The distance is in standard deviations of the test's error and the fit's own together; a test is a part of the
    fit, so that this is lenient.

    Args:
        names: Of the tests.
        implied: Posterior draws of what each should have found, shape (S, tests).
        incremental: What each found, shape (tests,).
        se: Its standard error, shape (tests,).
    """
    distance = np.abs(incremental - implied.mean(axis=0)) / np.sqrt(se**2 + implied.var(axis=0))
    worst = int(np.argmax(distance))
    value = float(distance[worst])
    fine = value <= APART
    words = f"The lift test of {names[worst]} is {value:.1f} standard deviations from what the fit makes of it"
    mend = "." if fine else ": the history and the test contradict each other, and one of them is not what it seems."
    return Check("lift-tests", value, APART, fine, words + mend)
