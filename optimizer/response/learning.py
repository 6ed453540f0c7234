"""From a snapshot to a belief: one straight line, every row folded from the prior each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot
from optimizer.response import rates
from optimizer.response.belief import Belief, CurvePosterior
from optimizer.response.curves import CELLS, GRID, place, relative
from optimizer.response.delivery import learn_supply
from optimizer.response.filter import fold
from optimizer.response.funnel import CONVERSIONS, Funnel, funnel
from optimizer.response.history import BoolArray, read
from optimizer.response.maturity import learn_maturity
from optimizer.response.prior import pooled_shapes, reference_spend, scale_prior, shape_prior
from optimizer.response.scales import Basis, Days, Dynamics, drift, start, weights
from optimizer.response.season import Local, excess_variance, weekday_factors
from optimizer.response.worth import learn_worth

MODEL_VERSION: Final = "funnel-filter/2"
RECENT: Final = 28

VOLUME: Final = Dynamics(drift=4e-4, fade=0.999, break_chance=4e-3)
"""Demand wanders by 2% a day and breaks about once in a budget's year."""

SHAPES: Final = Basis.of(CELLS.table, CELLS.log_prior)


def learn(snapshot: Snapshot) -> Belief:
    """Fold the whole history into a posterior over response curves.

    A restated conversion needs no repair: the belief depends on the rows alone, not on the order in which they
    became known.

    Raises:
        ValueError: Panel, delays and targets do not fit together.
    """
    history = read(snapshot)
    delay = learn_maturity(snapshot.delays, len(snapshot.targets))
    complete = delay.history(history.days)
    steps = funnel(history)
    around = Local.of_spend(steps.volume, steps.spend, _of_volume(steps.late, complete), steps.late, history.weekday)
    season = weekday_factors(around)
    noise = excess_variance(around, season)
    curves = _curves(
        snapshot,
        steps,
        _Setting(complete, season[:, history.weekday], noise),
        reference_spend(history, snapshot.current),
    )
    recent = history.last(RECENT)
    return Belief(
        today=snapshot.today,
        curves=curves,
        supply=learn_supply(history),
        worth=learn_worth(history),
        season=season,
        excess=_all_excess(noise, curves),
        delay=delay,
        evidence_days=np.isfinite(history.spend).sum(axis=1).astype(np.float64),
        conversions_28=np.nansum(recent.conversions, axis=1),
        spend_28=np.nansum(recent.spend, axis=1),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Setting:
    """What surrounds the days: completeness (K, T), weekday factors (K, T), phi of the volume (K,)."""

    complete: FloatArray
    season: FloatArray
    noise: FloatArray


def _of_volume(late: BoolArray, complete: FloatArray) -> FloatArray:
    """Completeness of each target's volume, shape (K, T): only conversions arrive late."""
    return np.where(late[:, None], complete, 1.0)


def _curves(snapshot: Snapshot, steps: Funnel, setting: _Setting, reference: FloatArray) -> CurvePosterior:
    channel = _channels(snapshot)
    log_u = relative(steps.spend, reference)
    mature = np.where(steps.spend > 0, _of_volume(steps.late, setting.complete), 0.0)
    volume, exposure = steps.volume.sum(axis=1), (mature * steps.spend).sum(axis=1)
    alpha, mean = scale_prior(volume, exposure, reference, channel, steps.measure)
    days = Days(place(log_u), steps.volume, mature * setting.season)
    state = fold(start(alpha, mean, len(CELLS.slope)), days, setting.noise, SHAPES, VOLUME)
    state = drift(state, VOLUME)
    # The slow tier's curves are of conversions; a curve of impressions or clicks bends elsewhere.
    priors = [snapshot.priors if measure == CONVERSIONS else None for measure in steps.measure]
    plain = shape_prior([target.channel for target in snapshot.targets], priors, CELLS)
    log_prior = pooled_shapes(state.evidence, state.begun.astype(np.float64), plain)
    reach = _mean_log_shape(weights(state.evidence, log_prior), log_u)
    learnt = (
        rates.learn_rate(steps.clicks, setting.complete, reach, channel, steps.measure, rates.CLICKS),
        rates.learn_rate(steps.conversions, setting.complete, reach, channel, steps.before, rates.CONVERSIONS),
    )
    return CurvePosterior.of(CELLS, reference, state, log_prior, learnt)


def _mean_log_shape(probability: FloatArray, log_u: FloatArray) -> FloatArray:
    """Return the log of the posterior mean of g on each day, shape (K, T): how far a target reached."""
    coarse = GRID[::10]
    table = np.log(np.maximum(probability @ np.exp(CELLS.table[::10]).T, 1e-12))
    at = np.clip((log_u - coarse[0]) / (coarse[1] - coarse[0]), 0, coarse.size - 1)
    nearest = np.rint(at).astype(np.int64)
    return np.take_along_axis(table, nearest, axis=1)


def _channels(snapshot: Snapshot) -> IntArray:
    """Index of each target's channel, shape (K,)."""
    names = [target.channel for target in snapshot.targets]
    index = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([index[name] for name in names], dtype=np.int64)


def _all_excess(noise: FloatArray, curves: CurvePosterior) -> FloatArray:
    """Phi of conversions: shocks of all steps multiply, and what is Poisson given Poisson stays so, shape (K,)."""
    whole = 1.0 + noise
    for rate in curves.rates:
        whole = whole * (1.0 + rate.excess)
    excess: FloatArray = whole - 1.0
    return excess
