"""Does spend follow demand? Then more spend and more conversions come together though one does not bring the other.

Everything is told from what is left of log spend once each weekday's and each four weeks' mean is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from optimizer.checks.days import WEEK, BoolArray, Days, before, blocks, own, shifted
from optimizer.checks.regress import regress
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, IntArray

_SURE: Final = 4.5  # standard errors of one budget; many are looked at every day
_SURE_OF_ALL: Final = 3.5  # standard errors of the portfolio, which is looked at once
_MATERIAL: Final = 0.15  # of an elasticity: a 10% raise would look 1.5% better than it is
_LEAST_DAYS: Final = 35
_LEAST_MOVE: Final = 0.02  # of log spend; below, the noise of delivery is all there is
_TOGETHER: Final = 0.8  # explained by the others: a variance inflation of five
_SET_BY_RESULTS: Final = 0.1
_RUNS: Final = 2.5  # standard errors by which a day resembles the two before it
_RUNS_OF_ALL: Final = 3.0
_BY_BUDGET: Final = 0.5
_LARGEST: Final = 50
_MAIN: Final = 500  # budgets with the most spend, which are looked at one by one
_MEND: Final = (
    "Change some budgets on days that demand has no part in (by a calendar or by lot), or calibrate by a lift test."
)


def demand(days: Days) -> Iterator[Finding]:
    """Findings on spend that moves with demand, with the other spends, or after results."""
    if days.count < _LEAST_DAYS:
        return
    yield from _with_demand(days)
    main = days.largest(_MAIN)
    if len(days.targets) > 1:
        yield from _with_others_results(main)
        yield from _together(main)
    yield from _after_results(main)


def _with_demand(days: Days) -> Iterator[Finding]:
    """The whole: does a day of more spend bring more for each unit? Curves that bend can only bring less."""
    spend, known = days.spend.sum(axis=0, keepdims=True), days.known.any(axis=0, keepdims=True)
    logs = own(np.log(np.where(known, spend, 1.0)), known, days.first)
    rates = _efficiency(
        days, days.conversions.sum(axis=0, keepdims=True), _linear(days).sum(axis=0, keepdims=True), known
    )
    fit = regress(rates, logs[..., None], known.astype(np.float64), _absorbed(days))
    moved = float(np.sqrt(_mean_square(logs, known)[0]))
    if moved < _LEAST_MOVE or fit.sure[0] < _SURE_OF_ALL or fit.slope[0] < _MATERIAL:
        return
    words = (
        f"On days with 10% more spend than usual, each unit of it brought {_percent(fit.slope[0])} more conversions. "
        "Curves that flatten bring less: spend was higher when demand was, or the curves are still steep here. "
        "If it was demand, gains of raises look larger than they are, and losses of cuts too. "
        f"{_whose(days.largest(_LARGEST), slice(None))}"
    )
    yield Finding("spend-follows-demand", Severity.WARNING, "portfolio", words.strip(), _MEND)


def _with_others_results(days: Days) -> Iterator[Finding]:
    """Each budget: does its spend rise when the others get more for their money, at what they spend themselves?

    What the others get is demand that this budget has not brought. Their own spend is held fixed, since money that is
    moved from them lets their curves bend back.
    """
    linear = _linear(days)
    others = days.conversions.sum(axis=0) - days.conversions, linear.sum(axis=0) - linear
    known = days.known & (others[1] > 0)
    rates = _efficiency(days, *others, known)
    rest = days.spend.sum(axis=0) - days.spend
    their = own(np.log(np.where(known, np.maximum(rest, 1e-12), 1.0)), known, days.first)
    fit = regress(rates, np.stack([days.log_spend, their], axis=2), known.astype(np.float64), _absorbed(days))
    moved = np.sqrt(_mean_square(days.log_spend, known))
    for k in np.flatnonzero((fit.sure > _SURE) & (fit.slope > _MATERIAL) & (moved > _LEAST_MOVE)):
        target = days.targets[k]
        words = (
            f"{target.budget.name} spent more on days on which the other budgets got more for their money: with 10% "
            f"more spend here came {_percent(fit.slope[k])} more conversions per unit there. It follows demand, and "
            f"its gains may look larger than they are. {_whose(days, np.array([k]))}"
        )
        yield Finding("spend-follows-demand", Severity.WARNING, str(target.key), words.strip(), _MEND)


def _together(days: Days) -> Iterator[Finding]:
    """Spends that rise and fall together: what demand does and what spend does cannot be told apart."""
    counted = days.known.astype(np.float64)
    mean = (days.log_spend.sum(axis=0) - days.log_spend) / np.maximum(counted.sum(axis=0) - counted, 1.0)
    fit = regress(days.log_spend, own(mean, days.known, days.first)[..., None], counted, _absorbed(days))
    moves = np.sqrt(_mean_square(days.log_spend, days.known)) > _LEAST_MOVE
    bound = moves & (fit.explained > _TOGETHER) & (fit.slope > 0)
    if bound.sum() < 2 or bound.sum() < 0.5 * moves.sum():
        return
    inflation = float(1.0 / (1.0 - np.median(fit.explained[bound]).clip(max=0.9999)))
    words = (
        f"The spends of {bound.sum()} of {len(days.targets)} budgets rise and fall together (variance inflation "
        f"{inflation:,.1f}). If demand moves with them, every curve looks steeper than it is, and nothing in these "
        "days would show it."
    )
    yield Finding("spends-move-together", Severity.WARNING, "portfolio", words, "Change budgets at different times.")


def _after_results(days: Days) -> Iterator[Finding]:
    """Budgets that are raised after good days: a bias only if good days come in runs, and told as such."""
    surprise = days.surprise
    came = before(surprise, days.known)
    spent = before(days.log_spend, days.known)
    yesterday = shifted(days.log_spend, 1)
    counted = days.known & (np.cumsum(days.known, axis=1) > WEEK)
    fit = regress(
        days.log_spend, np.stack([came, spent, yesterday], axis=2), counted.astype(np.float64), _absorbed(days)
    )
    share = _partial(days.log_spend, came, counted)
    waves = regress(surprise, before(surprise, days.known, 2)[..., None], counted.astype(np.float64), 1)
    everywhere = waves.sure.sum() / np.sqrt(len(waves.sure)) > _RUNS_OF_ALL  # Stouffer's sum
    moved = np.sqrt(_mean_square(days.log_spend, days.known))
    for k in np.flatnonzero((fit.sure > _SURE) & (share > _SET_BY_RESULTS) & (moved > _LEAST_MOVE)):
        target, runs = days.targets[k], waves.sure[k] > _RUNS or everywhere
        words = f"The spend of {target.budget.name} rose after good weeks and fell after bad ones. " + (
            "Good days come in runs here, so that its gains may look larger than they are."
            if runs
            else "Good days do not come in runs here, so that this has biased nothing yet."
        )
        severity = Severity.WARNING if runs else Severity.INFO
        yield Finding("spend-follows-results", severity, str(target.key), words, _MEND if runs else "")


def _linear(days: Days) -> FloatArray:
    """What would have come if conversions were in proportion to spend, by four weeks; shape (K, T)."""
    block = blocks(days.count)
    onto = (block[:, None] == np.unique(block)).astype(np.float64)
    exposure = days.spend * days.mature
    sums = exposure @ onto
    rate = np.divide(days.conversions @ onto, sums, out=np.zeros_like(sums), where=sums > 0)
    linear: FloatArray = exposure * (rate @ onto.T)
    return linear


def _efficiency(days: Days, came: FloatArray, usual: FloatArray, known: BoolArray) -> FloatArray:
    """Log of conversions over what spend in proportion would have brought, less weekdays and levels."""
    return own(np.where(known, np.log((came + 0.5) / (usual + 0.5)), 0.0), known, days.first)


def _partial(answer: FloatArray, regressor: FloatArray, known: BoolArray) -> FloatArray:
    """Squared correlation over known days, shape (K,)."""
    a, b = (np.where(known, v, 0.0) for v in (answer, regressor))
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    a, b = (np.where(known, v - v.sum(axis=1, keepdims=True) / count, 0.0) for v in (a, b))
    bottom = (a**2).sum(axis=1) * (b**2).sum(axis=1)
    share: FloatArray = np.divide((a * b).sum(axis=1) ** 2, bottom, out=np.zeros_like(bottom), where=bottom > 1e-12)
    return share


def _absorbed(days: Days) -> int:
    """Means that `own` has taken out: of each four weeks and of each weekday, the level counted once."""
    return np.unique(blocks(days.count)).size + WEEK - 1


def _mean_square(values: FloatArray, known: BoolArray) -> FloatArray:
    mean: FloatArray = (values**2 * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return mean


def _percent(slope: float) -> str:
    return f"{1.1**slope - 1:.1%}"


def _whose(days: Days, some: IntArray | slice) -> str:
    """Whether budgets moved so, or the platform delivered so under budgets that stood; empty where unknown."""
    share = budget_share(days, some)
    if not np.isfinite(share).any():
        return ""
    if float(np.nanmedian(share)) >= _BY_BUDGET:
        return "The budgets themselves were moved so."
    return "The budgets were not moved so: the platform delivered more on strong days."


def budget_share(days: Days, some: IntArray | slice) -> FloatArray:
    """How much of the variance of log spend is due to changes of the budget.

    Args:
        days: K targets.
        some: The targets that are asked about, n of them.

    Returns:
        Shares, nan where budgets are not known, shape (n,).
    """
    budget = days.budget[some]
    spent = days.known[some]
    known = spent & (np.nan_to_num(budget) > 0)
    logs = own(np.log(np.where(known, budget, 1.0)), known, days.first)
    enough = known.sum(axis=1) >= np.maximum(0.5 * spent.sum(axis=1), 1)
    return np.where(enough, _partial(days.log_spend[some], logs, known), np.nan)
