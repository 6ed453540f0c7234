"""The figures behind the words: what would turn a line, where money goes, what more would do, why nothing moves."""

from __future__ import annotations

from typing import Final

import numpy as np

from connectors.money import Money, minor_unit_micros
from optimizer import explain, goals, guardrails
from optimizer.allocate import solve
from optimizer.checks import Days
from optimizer.decide.case import Case, units
from optimizer.decide.promises import uncertain_rows
from optimizer.decide.search import Plan
from optimizer.explain import Counts, Move, Moves, Rates
from optimizer.forecast import Draws
from optimizer.guardrails import BoolArray
from optimizer.plan.problem import Idle, Outcome, Problem
from optimizer.plan.recommendation import Declined, Effect, Explanation, More, Turn, Unspent
from optimizer.plan.snapshot import FloatArray, IntArray

_EXTRA: Final = 0.1  # of the total, rounded to one digit or two
_POINTS: Final = 17
_SPENT: Final = 1 - 1e-3
_NOTHING: Final = 1e-9  # of what the best budget brings
_SEEN_DAYS: Final = 28
_MOSTLY: Final = 0.5  # of the money left


def is_spent(case: Case, budget: FloatArray) -> bool:
    """Whether budgets, shape (K,), use the total up, so that a raise here means a cut there."""
    return float(budget.sum()) >= case.ceiling.micros / 1e6 * _SPENT


def turns(
    case: Case, days: Days, proposed: FloatArray, effects: tuple[Effect, ...], rates: Rates, chosen: BoolArray
) -> tuple[Turn | None, ...]:
    """Say for each line what it would take for its move not to pay; None where it stays, or does not move for that.

    Args:
        case: What was decided on; K targets.
        days: The case's newest days.
        proposed: Currency units a day, shape (K,).
        effects: Of the lines, length K.
        rates: What the plan's moves bring.
        chosen: Which lines move for what their money brings, and not for a limit, a hand or a trial, shape (K,).
    """
    pair = np.stack([case.snapshot.current, proposed], axis=1)
    conversions = case.forecast.belief.moments(pair, Outcome.CONVERSIONS)[0]
    cost = np.diff(case.forecast.cost(pair), axis=1)[:, 0]
    moved = pair[:, 1] - pair[:, 0]
    elsewhere = {up: rates.against(1.0 if up else -1.0) for up in (True, False)}
    price = {up: 0.0 if draws is None else float(draws.mean()) for up, draws in elsewhere.items()}
    found: list[Turn | None] = [None] * len(pair)
    for k in np.flatnonzero((moved != 0.0) & chosen):
        up = bool(moved[k] > 0)
        needs = float(cost[k] + moved[k] * price[up])
        move = Move(up, effects[k].mean + float(cost[k]), needs, effects[k].p_worse)
        seen = max(min(case.proof[k].days, _SEEN_DAYS), 1)
        counts = Counts(float(conversions[k, 0]), float(conversions[k, 1]), seen, float(days.spread[k]))
        found[k] = explain.turn(move, counts)
    return tuple(found)


def explanation(
    case: Case,
    plan: Plan | None,
    proposed: tuple[Money, ...],
    mean: FloatArray,
    change: FloatArray,
    worlds: Draws | None,
) -> Explanation:
    """Explain the plan as a whole.

    Args:
        case: What was decided on; K targets.
        plan: What was searched, None if something forbade it.
        proposed: One amount per target.
        mean: Expected change of the objective of each line, shape (K,).
        change: Posterior draws of it, shape (n, K).
        worlds: What budgets bring in each of those draws; None with no plan.
    """
    if plan is None or worlds is None:
        return Explanation()
    budget, counted = units(proposed), case.counted
    moved = budget - case.snapshot.current
    moves = Moves(case.snapshot.targets, moved, mean, change, case.snapshot.currency, counted)
    return Explanation(
        shifts=explain.shifts(moves),
        unspent=_unspent(case, plan, budget),
        more=_more(case, plan, budget, counted, worlds) if is_spent(case, budget) else None,
        declined=None if moved.any() else _declined(case, plan, counted, worlds),
    )


def _unspent(case: Case, plan: Plan, budget: FloatArray) -> Unspent | None:
    left = case.ceiling.micros / 1e6 - float(budget.sum())
    if is_spent(case, budget):
        return None
    return explain.unspent(left, case.snapshot.currency, _why_left(case, plan, budget))


def _why_left(case: Case, plan: Plan, budget: FloatArray) -> str:
    """A declined plan that would spend more; the steps if the aim spends it all; else what keeps the aim from it.

    Trials do where most of it would be spent without them; else it is what keeps the aim without them from it.
    """
    if float(plan.budget.sum() - budget.sum()) > (1 - _SPENT) * case.ceiling.micros / 1e6:
        return "declined"
    if plan.aim.unspent is None or is_spent(case, plan.aim.spend):
        return "steps"
    if not plan.trials:
        return _why_idle(case, plan, plan.aim.unspent.why)
    by_trials = float(plan.sober.spend.sum() - plan.aim.spend.sum())
    if plan.sober.unspent is None or by_trials >= _MOSTLY * plan.aim.unspent.amount:
        return "trial"
    return _why_idle(case, plan, plan.sober.unspent.why)


def _why_idle(case: Case, plan: Plan, why: Idle) -> str:
    match why:
        case Idle.FULL:
            return "limits"
        case Idle.HELD:
            promised = {row.name for row in case.rows if row.outcome is not None}
            return "limits" if promised.isdisjoint(plan.aim.binding) else "promise"
        case Idle.WORTHLESS:
            wished = case.goals.switching_cost > 0.0 or case.goals.risk_aversion > 0.0
            if not (wished and _expects_more(case, plan.aim.spend)):
                return "not-worth-it"
            return "moving" if case.goals.switching_cost > 0.0 else "risk"


def _expects_more(case: Case, aim: FloatArray) -> bool:
    """Whether, by the expected curves alone, some free budget that its aim does not cut would bring more beyond it."""
    current, today = case.snapshot.current, case.snapshot.today
    upper = goals.wide_box(case.goals, case.snapshot.targets, current, today).upper
    step = np.minimum(0.02 * np.maximum(aim, float(current.mean())), upper - aim)
    here, beyond = case.forecast.moments(np.stack([aim, aim + np.maximum(step, 0.0)], axis=1))[0].T
    own = np.array([hold is None for hold in case.held], dtype=np.bool_)
    own &= np.array([target.key not in case.fixed for target in case.snapshot.targets], dtype=np.bool_)
    free = own & (aim >= current - 1e-6) & (step > 1e-9)
    return bool((free & (beyond - here > _NOTHING * np.abs(here).max(initial=0.0))).any())


def _more(case: Case, plan: Plan, budget: FloatArray, counted: str, worlds: Draws) -> More | None:
    """Place a tenth more of the total within today's room by the expected curves; None where nothing more fits.

    Promises of ROAS or cost per conversion would ask for the careful search once more; nothing is said of those plans.
    """
    extra = _round(case.ceiling)
    upper = np.maximum(plan.box.upper, budget)
    if uncertain_rows(case) or float((upper - budget).sum()) < 0.01 * extra.micros / 1e6:
        return None
    grid, apart = _beyond(plan, budget, np.minimum(upper, budget + extra.micros / 1e6))
    rows = goals.rows(case.goals, case.snapshot.targets, case.ceiling + extra)
    answer = solve(Problem(grid, case.forecast.moments(grid)[0], case.forecast.outcomes(grid), rows, apart))
    taken = answer.spend - budget
    if answer.collision is not None or float(taken.sum()) < 0.01 * extra.micros / 1e6:
        return None
    return explain.more(extra, case.snapshot.targets, taken, _gain(worlds, budget, answer.spend), counted)


def _beyond(plan: Plan, budget: FloatArray, most: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Spends from budgets up to the most, (K, P), and which of them must leap a gap below their least amount, (K,)."""
    least = np.maximum(plan.box.lower, budget)
    apart = (budget < least - 1e-9) & (most >= least)
    most = np.where((budget < least - 1e-9) & ~apart, budget, most)  # what cannot reach its least stays
    start = np.where(apart, least, budget)
    part = np.where(apart[:, None], np.linspace(0.0, 1.0, _POINTS - 1), np.linspace(0.0, 1.0, _POINTS)[1:])
    rising = start[:, None] + (most - start)[:, None] * part
    return np.concatenate([budget[:, None], rising], axis=1), apart


def _round(total: Money) -> Money:
    """A tenth of an amount, to two digits, at least the least coin of its currency."""
    tenth = max(total.micros * _EXTRA, 1.0)
    unit = max(10 ** max(int(np.floor(np.log10(tenth))) - 1, 0), minor_unit_micros(total.currency))
    return Money(max(round(tenth / unit) * unit, unit), total.currency)


def _declined(case: Case, plan: Plan, counted: str, worlds: Draws) -> Declined | None:
    """The best shift that was found, or how little the budgets differ; None where less than two may move."""
    wanted = goals.to_quantum(plan.budget, case.snapshot.targets, plan.box, case.rows)
    current, best = case.snapshot.current, units(wanted)
    if (best != current).any():
        moved = max(float((best - current).clip(min=0).sum()), float((current - best).clip(min=0).sum()))
        needed = case.guards.min_gain_share * abs(float(case.forecast.moments(current[:, None])[0].sum()))
        gain = _gain(worlds, current, best)
        money = Money(round(moved * 1e6), case.snapshot.currency)
        return explain.declined(money, gain, needed, case.guards.min_gain_probability, counted)
    free = _free(case)
    if free.size < 2:
        return None
    rates = case.forecast.marginal(current)[free]
    return explain.nothing_found([case.snapshot.targets[k] for k in free], rates, case.snapshot.currency, counted)


def _free(case: Case) -> IntArray:
    """Indices of the budgets that neither a guard, a hand, a pin nor a limit keeps where they are."""
    room = guardrails.room(case.snapshot, case.goals, case.guards, case.now)
    own = [
        hold is None and target.key not in case.fixed
        for hold, target in zip(case.held, case.snapshot.targets, strict=True)
    ]
    free: IntArray = np.flatnonzero(np.array(own, dtype=np.bool_) & (room.upper > room.lower))
    return free


def _gain(worlds: Draws, before: FloatArray, after: FloatArray) -> Effect:
    """What it brings to go from budgets to others, each of shape (K,)."""
    pair = np.stack([before, after], axis=1)
    mean = worlds.forecast.moments(pair)[0]
    return explain.effect(worlds.change(pair).sum(axis=1), float((mean[:, 1] - mean[:, 0]).sum()))
