"""From a snapshot to a belief: one straight line, every row folded from the prior each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot
from optimizer.response import rates
from optimizer.response.auctions import Volumes, told_supply
from optimizer.response.belief import Belief, CurvePosterior
from optimizer.response.capacities import learn_supply
from optimizer.response.counts import learn_credit, learn_customers, learn_lift
from optimizer.response.curves import CELLS, GRID, place, relative
from optimizer.response.efficiency import told_by_others
from optimizer.response.filter import fold
from optimizer.response.funnel import CONVERSIONS, Funnel, Step, funnel
from optimizer.response.history import BoolArray, History, read
from optimizer.response.maturity import learn_maturity
from optimizer.response.memory import remember, retention
from optimizer.response.occasions import RATES, Counted, Effects, Schedule, learn_effects
from optimizer.response.prior import pooled_shapes, reference_spend, scale_prior, shape_prior
from optimizer.response.scales import Basis, Days, Dynamics, drift, start, weights
from optimizer.response.season import ELASTICITY, Local, excess_variance, shared_weekdays, weekday_factors
from optimizer.response.worth import learn_worth

MODEL_VERSION: Final = "funnel-filter/8"
RECENT: Final = 28

VOLUME: Final = Dynamics(drift=4e-4, fade=0.985, break_chance=4e-3)
"""Demand wanders by 2% a day and breaks about once in a budget's year; of shapes a season's days count."""

COARSE: Final = GRID[::10]
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
    felt, memory = remember(history, retention(snapshot, steps.late))
    steps = replace(steps, spend=np.where(steps.spend > 0, felt, 0.0))
    calendar = _schedule(snapshot, history)
    plain = np.where(calendar.ordinary, steps.spend, 0.0)
    around = Local.of_spend(steps.volume, plain, _of_volume(steps.late, complete), steps.late, history.weekday)
    season = weekday_factors(around)
    noise = excess_variance(around, season)
    setting = _Setting(complete, season[:, history.weekday], noise)
    weekly = _rate_weekdays(steps.conversions, setting, calendar, season, history)
    steps = replace(steps, conversions=_times(steps.conversions, weekly[:, history.weekday]))
    effects = _effects(calendar, steps, setting)
    curves, reach = _curves(snapshot, steps, setting, reference_spend(history, snapshot.current), effects)
    volume = _by_curve(effects[0], steps, setting, reach)
    recent, seen = history.last(RECENT), history.without(~calendar.ordinary)
    return Belief(
        today=snapshot.today,
        curves=curves,
        supply=told_supply(seen, learn_supply(seen, season, VOLUME), _volumes(curves), season),
        worth=learn_worth(history),
        season=season * weekly,
        excess=_all_excess(noise, curves),
        delay=delay,
        evidence_days=np.isfinite(history.spend).sum(axis=1).astype(np.float64),
        conversions_28=np.nansum(recent.conversions, axis=1),
        spend_28=np.nansum(recent.spend, axis=1),
        memory=memory,
        lift=learn_lift(snapshot),
        credit=learn_credit(snapshot),
        customers=learn_customers(snapshot),
        events=volume.times(effects[1]).times(effects[2]),
        crowds=volume,
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


def _rate_weekdays(
    step: Step, setting: _Setting, calendar: Schedule, season: FloatArray, history: History
) -> FloatArray:
    """Weekday factors of conversions per click, (K, 7), such that those of the whole funnel have mean one."""
    shown = np.where(calendar.ordinary, _shown(step, setting), 0.0)
    shared = shared_weekdays(np.where(shown > 0, step.count, 0.0), shown, history.weekday)
    weekly = np.where(step.known[:, None], shared, 1.0)
    even: FloatArray = weekly / (season * weekly).mean(axis=1, keepdims=True)
    return even


def _times(step: Step, factor: FloatArray) -> Step:
    return replace(step, exposure=step.exposure * factor)


def _schedule(snapshot: Snapshot, history: History) -> Schedule:
    first_day = snapshot.today - timedelta(days=history.days)
    return Schedule.of(snapshot.occasions, [target.key for target in snapshot.targets], first_day, history.days)


def _effects(calendar: Schedule, steps: Funnel, setting: _Setting) -> tuple[Effects, Effects, Effects]:
    """What events do to the volume, to clicks per impression and to conversions per click."""
    if not calendar.occasions:
        none = Effects.none(calendar)
        return none, none, none
    exposed = _of_volume(steps.late, setting.complete) * setting.season * steps.spend**ELASTICITY
    clicks, conversions = (
        learn_effects(
            calendar,
            Counted(step.count, _shown(step, setting), np.full(step.known.shape, rates.EXCESS), step.known, RATES),
        )
        for step in (steps.clicks, steps.conversions)
    )
    return learn_effects(calendar, _volume(steps, exposed, setting)), clicks, conversions


def _shown(step: Step, setting: _Setting) -> FloatArray:
    """What a step's counts so far are of, shape (K, T)."""
    return step.exposure * np.where(step.late[:, None], setting.complete, 1.0)


def _by_curve(effects: Effects, steps: Funnel, setting: _Setting, reach: FloatArray) -> Effects:
    """What events do to the volume once the curve is known, so that spend that was raised for one is accounted for."""
    if not effects.schedule.occasions:
        return effects
    exposed = np.where(steps.spend > 0, _of_volume(steps.late, setting.complete) * setting.season * np.exp(reach), 0.0)
    return learn_effects(effects.schedule, _volume(steps, exposed, setting))


def _volume(steps: Funnel, exposed: FloatArray, setting: _Setting) -> Counted:
    return Counted(steps.volume, exposed, setting.noise, np.ones(len(steps.late), dtype=np.bool_))


def _ordinary(count: FloatArray, exposure: FloatArray) -> FloatArray:
    """The count to be expected of each exposure at the target's mean rate, shape (K, T)."""
    return exposure * (count.sum(axis=1) / np.maximum(exposure.sum(axis=1), 1e-300))[:, None]


def _discounted(step: Step, effects: Effects, setting: _Setting) -> Step:
    """The step with its events accounted for."""
    count, exposure = effects.discounted(
        step.count, step.exposure, lambda: _ordinary(step.count, _shown(step, setting))
    )
    return replace(step, count=count, exposure=exposure)


def _curves(
    snapshot: Snapshot,
    steps: Funnel,
    setting: _Setting,
    reference: FloatArray,
    effects: tuple[Effects, Effects, Effects],
) -> tuple[CurvePosterior, FloatArray]:
    """Return the curves, and the log of the posterior mean of g on each day, (K, T)."""
    channel = _channels(snapshot)
    log_u = relative(steps.spend, reference)
    mature = np.where(steps.spend > 0, _of_volume(steps.late, setting.complete), 0.0)
    volume, exposure = steps.volume.sum(axis=1), (mature * steps.spend).sum(axis=1)
    alpha, mean = scale_prior(volume, exposure, reference, channel, steps.measure)
    exposed = mature * setting.season
    counted = effects[0].discounted(
        steps.volume, exposed, lambda: _ordinary(steps.volume, exposed * steps.spend**ELASTICITY)
    )
    days = Days(place(log_u), *counted)
    state = fold(start(alpha, mean, len(CELLS.slope)), days, setting.noise, SHAPES, VOLUME)
    state = drift(state, VOLUME)
    # The slow tier's curves are of conversions; a curve of impressions or clicks bends elsewhere.
    priors = [snapshot.priors if measure == CONVERSIONS else None for measure in steps.measure]
    plain = shape_prior([target.channel for target in snapshot.targets], priors, CELLS)
    log_prior = pooled_shapes(state.evidence, state.begun.astype(np.float64), plain)
    reach = _mean_log_shape(weights(state.evidence, log_prior), log_u)
    clicks, conversions = (
        _discounted(step, effect, setting)
        for step, effect in zip((steps.clicks, steps.conversions), effects[1:], strict=True)
    )
    learnt = (
        rates.learn_rate(clicks, setting.complete, reach, channel, steps.measure, rates.CLICKS),
        rates.learn_rate(conversions, setting.complete, reach, channel, steps.before, rates.CONVERSIONS),
    )
    told = told_by_others(CELLS, state, log_prior, learnt, reference, channel)
    return CurvePosterior.of(CELLS, reference, replace(state, evidence=state.evidence + told), log_prior, learnt), reach


def _volumes(curves: CurvePosterior) -> Volumes:
    return Volumes(curves.reference, COARSE, _mean_shapes(curves.weights))


def _mean_shapes(probability: FloatArray) -> FloatArray:
    """Return the log of the posterior mean of g at `COARSE`, shape (K, G)."""
    table: FloatArray = np.log(np.maximum(probability @ np.exp(CELLS.table[::10]).T, 1e-12))
    return table


def _mean_log_shape(probability: FloatArray, log_u: FloatArray) -> FloatArray:
    """Return the log of the posterior mean of g on each day, shape (K, T): how far a target reached."""
    coarse, table = COARSE, _mean_shapes(probability)
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
