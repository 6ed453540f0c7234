"""From a snapshot to a belief: one straight line, every row folded from the prior each time."""

from __future__ import annotations

from typing import Final

import numpy as np

from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response.belief import Belief, CurvePosterior
from optimizer.response.curves import CELLS, relative
from optimizer.response.delivery import learn_supply
from optimizer.response.filter import Days, drift, fold, start, weights
from optimizer.response.history import History, read
from optimizer.response.maturity import learn_maturity
from optimizer.response.prior import pooled_shapes, reference_spend, scale_prior
from optimizer.response.season import excess_variance, local, weekday_factors
from optimizer.response.worth import learn_worth

MODEL_VERSION: Final = "grid-filter/1"
RECENT: Final = 28


def learn(snapshot: Snapshot) -> Belief:
    """Fold the whole history into a posterior over response curves.

    A restated conversion needs no repair: the belief depends on the rows alone, not on the order in which they
    became known.

    Raises:
        ValueError: Panel, delays and targets do not fit together.
    """
    history = read(snapshot)
    delay = learn_maturity(snapshot.delays, len(snapshot.targets))
    completeness = delay.history(history.days)
    around = local(history, completeness)
    season = weekday_factors(around)
    excess = excess_variance(around, season)
    reference = reference_spend(history, snapshot.current)
    recent = history.last(RECENT)
    return Belief(
        today=snapshot.today,
        curves=_curves(history, completeness, season, excess, reference),
        supply=learn_supply(history),
        worth=learn_worth(history),
        season=season,
        excess=excess,
        delay=delay,
        evidence_days=np.isfinite(history.spend).sum(axis=1).astype(np.float64),
        conversions_28=np.nansum(recent.conversions, axis=1),
        spend_28=np.nansum(recent.spend, axis=1),
    )


def _curves(
    history: History, completeness: FloatArray, season: FloatArray, excess: FloatArray, reference: FloatArray
) -> CurvePosterior:
    counted = history.counted
    log_u = relative(np.where(counted, history.spend, 0.0), reference)
    mature = np.where(counted, completeness, 0.0)
    conversions = np.where(counted, history.conversions, 0.0)
    days = Days(log_u, conversions, mature * season[:, history.weekday])
    exposure = (mature * np.where(counted, history.spend, 0.0)).sum(axis=1)
    alpha, mean = scale_prior(conversions.sum(axis=1), exposure, reference)
    state = drift(fold(start(alpha, mean, CELLS), days, excess, CELLS))
    log_prior = pooled_shapes(state.evidence, counted.any(axis=1).astype(np.float64), CELLS)
    return CurvePosterior(CELLS, reference, weights(state.evidence, log_prior), state.alpha, state.log_beta)
