"""What the total-outcome model found: returns on spend with intervals, and response curves to plan with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from optimizer.plan.snapshot import FloatArray
from optimizer.refit.checks import agreement, convergence, predictive
from optimizer.refit.contract import Check, LiftTest, Progress, Sampling
from optimizer.refit.market import Market
from optimizer.refit.mmm import Design, build, curves, expected, implied_lift, lay_out, shapes, tops
from optimizer.refit.sampling import flat, sample

REPLICATES: Final = 400
"""Posterior draws that outcomes are replicated from, and that curves are drawn for."""


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """The posterior of a market's response; G regions, C channels, S draws.

    Attributes:
        market: What it was fitted to.
        idata: ArviZ data (`xarray.DataTree`).
        checks: Whether it may be believed.
        notes: What it rests on, in sentences: whether demand was measured, which channels have a test.
        contribution: Mean outcome per period that each channel brought, shape (S, G, C).
        top: The most that a channel can bring per period, shape (S, G, C).
        half: Spend per period at which half of it is brought, currency units, shape (S, G, C).
        slope: Shape (S, G, C).
    """

    market: Market
    idata: Any
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    contribution: FloatArray
    top: FloatArray
    half: FloatArray
    slope: FloatArray

    def roas(self) -> FloatArray:
        """Return draws of what a unit of spend brought over the fitted periods, shape (S, C)."""
        spent = self.market.spend.mean(axis=2).sum(axis=0)
        brought: FloatArray = self.contribution.sum(axis=1) / spent
        return brought

    def interval(self, level: float = 0.9) -> FloatArray:
        """Return lower end, median and upper end of each channel's ROAS, shape (C, 3)."""
        tail = (1.0 - level) / 2.0
        return np.quantile(self.roas(), [tail, 0.5, 1.0 - tail], axis=0).T

    def response(self, spend: FloatArray) -> FloatArray:
        """Return draws of the outcome per period that a spend brings that stays the same.

        Args:
            spend: Per period, for G x C cells, the channels of the first region first, shape (G x C, P).

        Returns:
            Shape (S, G x C, P); the mean over draws is the objective of `optimizer.plan.problem.Problem`.
        """
        top, half, slope = (a.reshape(len(a), -1, 1) for a in (self.top, self.half, self.slope))
        positive = np.maximum(spend, 1e-12 * half.mean())
        drawn: FloatArray = top / (1.0 + (half / positive) ** slope)
        return drawn


def fit_mix(
    market: Market, lifts: tuple[LiftTest, ...], settings: Sampling, rng: np.random.Generator, progress: Progress
) -> Mix:
    """Fit the total-outcome model.

    Args:
        market: Spend, outcome, controls and measures of demand.
        lifts: Experiments on whole channels, `incremental` in units of the market's outcome.
        settings: How much is sampled; `days` and `campaigns` are of the other model.
        rng: All chance comes from it.
        progress: Told how far sampling is.

    Raises:
        ValueError: A test is of a channel that the market does not have, or of a single campaign.
    """
    design = lay_out(market, lifts)
    tree = sample(build(design), settings, rng, progress)
    draws = flat(tree, REPLICATES)
    observed = design.outcome[:, design.memory - 1 :]
    group = np.repeat(np.arange(len(market.regions)), observed.shape[1])
    checks = (
        *convergence(tree),
        *predictive(observed.ravel(), _replicate(draws, design, rng), group, market.regions, rng),
        *_lift_check(draws, design),
    )
    return _read(market, design, tree, checks)


def _at(draws: Mapping[str, FloatArray], s: int) -> dict[str, Any]:
    return {name: values[s] for name, values in draws.items()}


def _replicate(draws: Mapping[str, FloatArray], design: Design, rng: np.random.Generator) -> FloatArray:
    rows = []
    for s in range(len(draws["sigma"])):
        mean = expected(_at(draws, s), design, np)[:, design.memory - 1 :]
        rows.append((mean + draws["sigma"][s] * rng.standard_t(2.0 + draws["tails"][s], mean.shape)).ravel())
    return np.stack(rows)


def _lift_check(draws: Mapping[str, FloatArray], design: Design) -> tuple[Check, ...]:
    if not design.lifts:
        return ()
    count = len(draws["sigma"])
    implied = [[implied_lift(_at(draws, s), i, design, np) for i in range(len(design.lifts))] for s in range(count)]
    names = tuple(f"{lift.channel} from {lift.first_day}" for lift in design.lifts)
    found = np.array([[lift.incremental, lift.se] for lift in design.lifts]).T
    return (agreement(names, np.array(implied) * design.scale, *found),)


def _read(market: Market, design: Design, tree: Any, checks: tuple[Check, ...]) -> Mix:
    draws = flat(tree)
    share, top, half, slope = [], [], [], []
    for s in range(len(draws["sigma"])):
        p = _at(draws, s)
        part, kappa, steep = curves(p, np)
        share.append(part * design.runs)
        top.append(tops(p, shapes(p, design, np), design, np))
        half.append(kappa * design.reference)
        slope.append(steep + 0.0 * kappa)
    scale = design.scale
    return Mix(
        market,
        tree,
        checks,
        _notes(market, design),
        np.stack(share) * scale,
        np.stack(top) * scale,
        np.stack(half),
        np.stack(slope),
    )


def _notes(market: Market, design: Design) -> tuple[str, ...]:
    tested = {lift.channel for lift in design.lifts}
    bare = [channel for channel in market.channels if channel not in tested]
    notes = []
    if design.hidden:
        notes.append(
            "No measure of demand was given. Spend that follows demand looks like spend that works, so the intervals "
            "allow for demand that nobody saw: they are wider than they would be with demand measured."
        )
        if bare:
            notes.append(
                f"Nothing but that allowance keeps demand apart from the effect of {', '.join(bare)}: test it."
            )
    if tested:
        notes.append(f"Lift tests calibrate {', '.join(sorted(tested))}.")
    return tuple(notes)
