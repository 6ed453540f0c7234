"""Marginal ROAS: what the next unit of budget is expected to bring, from the belief's posterior draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from optimizer.forecast import Forecast
from optimizer.measure.metrics.figures import Figure, quantiles
from optimizer.measure.metrics.table import Cut
from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, Target

DRAWS: Final = 400
_STEP: Final = 0.02
"""Of each budget, up and down, as in `Forecast.marginal`."""


def marginal_roas(
    forecast: Forecast, targets: Sequence[Target], cuts: Sequence[Cut], rng: np.random.Generator
) -> dict[tuple[str, ...], Figure]:
    """Return the value per further unit of budget, by the key of a table's row; under () that of all budgets.

    Of several budgets it is what they bring together if each grows by the same share. It is told by channel and by
    campaign (where several campaigns draw on one budget, that of the budget), for today's budgets, whatever the period.

    Args:
        forecast: Of today.
        targets: Its K targets.
        cuts: By what the table is split; by anything else there is none but the whole's.
        rng: For posterior draws.
    """
    if not targets or float(forecast.current.sum()) <= 0.0:
        return {}
    budget = forecast.current
    ends = np.stack([(1.0 - _STEP) * budget, (1.0 + _STEP) * budget], axis=1)
    drawn = forecast.outcome_draws(ends, Outcome.VALUE, DRAWS, rng)
    gain, step = drawn[:, :, 1] - drawn[:, :, 0], ends[:, 1] - ends[:, 0]
    expected = forecast.outcomes(ends, (Outcome.VALUE,))[Outcome.VALUE]
    mean = expected[:, 1] - expected[:, 0]
    if not (np.isfinite(gain).all() and np.isfinite(mean).all()):
        return {}
    groups: dict[tuple[str, ...], list[int]] = {(): list(range(len(targets)))}
    for place, target in enumerate(targets):
        for key in _keys(target, tuple(cuts)):
            groups.setdefault(key, []).append(place)
    spent = {key: places for key, places in groups.items() if float(step[places].sum()) > 0.0}
    return {key: _of(gain[:, places], mean[places], step[places]) for key, places in spent.items()}


def _of(gain: FloatArray, mean: FloatArray, step: FloatArray) -> Figure:
    width = float(step.sum())
    return quantiles(float(mean.sum()) / width, gain.sum(axis=1) / width)


def _keys(target: Target, cuts: tuple[Cut, ...]) -> list[tuple[str, ...]]:
    """The keys of the rows of which a budget is."""
    account = target.budget.account
    ids = [f"{account.connector}/{account.account_id}/{campaign}" for campaign in target.campaigns]
    match cuts:
        case (Cut.CHANNEL,):
            return [(target.channel,)]
        case (Cut.CAMPAIGN,):
            return [(each,) for each in ids]
        case (Cut.CHANNEL, Cut.CAMPAIGN):
            return [(target.channel, each) for each in ids]
        case (Cut.CAMPAIGN, Cut.CHANNEL):
            return [(each, target.channel) for each in ids]
        case _:
            return []
