"""From budgets to a decision that a person can read: effects with intervals, bindings, reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from connectors.money import Money
from optimizer import checks, explain, goals
from optimizer.checks import Days
from optimizer.decide.case import Case, units
from optimizer.decide.promises import probability, uncertain_rows
from optimizer.decide.reasons import explanation, is_spent, turns
from optimizer.decide.search import Plan
from optimizer.explain import LineFacts, Mover, Reach, Side
from optimizer.forecast import Draws
from optimizer.guardrails import GUARDRAIL_VERSION
from optimizer.plan import under_test
from optimizer.plan.problem import TOTAL, Outcome
from optimizer.plan.recommendation import (
    AdLine,
    ArmShare,
    Binding,
    Certificate,
    Decision,
    Finding,
    Line,
    Promise,
    Severity,
)
from optimizer.plan.snapshot import FloatArray
from optimizer.plan.tested import ads_in_experiments
from optimizer.response import MODEL_VERSION
from optimizer.rotation import rotate
from optimizer.shares import arm_shares, standing_aside

_ABOVE: Final = 1e-3  # of a budget: what is more is no error of rounding
_WORST_FIRST: Final = (Severity.BLOCK, Severity.WARNING, Severity.INFO)


def report(
    case: Case,
    plan: Plan | None,
    proposed: tuple[Money, ...],
    findings: tuple[Finding, ...],
    worlds: Draws | None,
    rng: np.random.Generator,
) -> Decision:
    """Put the proposed budgets, one per target, into a decision.

    Args:
        case: What was decided on.
        plan: What was searched; None if nothing was, and then nothing moves.
        proposed: One amount per target.
        findings: What was noticed so far.
        worlds: What budgets bring in each of the posterior's draws; None with no plan.
        rng: For further draws.
    """
    wanted, snapshot = case.goals, case.snapshot
    counted = case.counted
    pair = np.stack([snapshot.current, units(proposed)], axis=1)
    mean = case.forecast.moments(pair)[0]
    change = np.zeros((1, len(pair))) if worlds is None else worlds.change(pair)
    days = checks.read(snapshot, case.mature)
    delivered = case.forecast.belief.delivered(pair)[:, 1]
    noticed = (*findings, *checks.examine(days, snapshot, units(proposed), delivered), *standing_aside(snapshot))
    gain = mean[:, 1] - mean[:, 0]
    made = Decision(
        as_of=snapshot.today,
        currency=snapshot.currency,
        time_zone=snapshot.time_zone,
        objective=wanted.objective,
        unit=f"{counted} a day",
        lines=_lines(case, plan, proposed, (gain, change), days, _blocking(findings)),
        total=explain.effect(change.sum(axis=1), float(gain.sum())),
        expected_now=float(mean[:, 0].sum()),
        expected_then=float(mean[:, 1].sum()),
        findings=tuple(sorted(noticed, key=lambda finding: _WORST_FIRST.index(finding.severity))),
        arms=arm_shares(snapshot, case.forecast.belief, wanted.sharing, rng),
        envelopes=goals.envelopes(wanted, snapshot.targets, case.ceiling),
        bindings=_portfolio_bindings(case, plan, units(proposed), counted),
        promises=_promises(case, units(proposed), rng),
        certificate=None if plan is None else _certificate(plan),
        model_version=MODEL_VERSION,
        guardrail_version=GUARDRAIL_VERSION,
        goals_digest=case.digest,
        input_digest=snapshot.digest(),
        explored=None if plan is None or proposed == case.stay else plan.explored,
        flights=tuple(pace.day for pace in case.paces),
    )
    switched = () if made.blocked else _ads(case, made.arms, units(proposed))
    return replace(made, explanation=explanation(case, plan, proposed, gain, change, worlds), ads=switched)


def _certificate(plan: Plan) -> Certificate:
    """The solver's proof for the aim; it knows nothing of aims that leave the trials out."""
    return Certificate(plan.aim.value, plan.aim.upper_bound, plan.aim.gap, plan.given or None)


def _ads(case: Case, shares: tuple[ArmShare, ...], budget: FloatArray) -> tuple[AdLine, ...]:
    """The ads to switch, but for those of experiments, and of budgets whose last days are in doubt.

    Whatever a person should look into is a doubt.
    """
    keys = [target.key for target in case.snapshot.targets]
    held = zip(keys, case.held, strict=True)
    doubtful = {key for key, hold in held if hold is not None and hold.severity is not Severity.INFO}
    brought = case.forecast.brought(budget[:, None])[:, 0]
    tested = ads_in_experiments(case.snapshot)
    return rotate(case.snapshot, shares, brought, doubtful, tested, case.goals, case.rotation, case.now)


def _blocking(findings: tuple[Finding, ...]) -> Finding | None:
    """The first finding, if any, that keeps the whole portfolio from being planned."""
    return next((each for each in findings if each.severity is Severity.BLOCK and each.subject == "portfolio"), None)


def _lines(
    case: Case,
    plan: Plan | None,
    proposed: tuple[Money, ...],
    gain: tuple[FloatArray, FloatArray],
    days: Days,
    blocking: Finding | None,
) -> tuple[Line, ...]:
    mean, change = gain
    budget, counted = units(proposed), case.counted
    moved = budget - case.snapshot.current
    pull = case.forecast.marginal(budget) - _price_of_money(case, plan)
    movers = _movers(case, plan, budget)
    chosen = np.array([mover in (Mover.CHOICE, Mover.HOPE) for mover in movers], dtype=np.bool_)
    if plan is not None:
        chosen[list(plan.outside)] = False
    rates = explain.Rates.of(
        moved, change, spent=is_spent(case, budget), chosen=chosen, price=_price_of_total(case, plan)
    )
    effects = explain.line_effects(change, mean, moved, rates)
    turned = turns(case, days, budget, effects, rates, chosen)
    lines = [
        explain.line(
            LineFacts(
                target=target,
                current=target.budget.amount,
                proposed=proposed[k],
                effect=effects[k],
                evidence=case.proof[k],
                pull=float(pull[k]),
                rates=rates,
                reached=_reached(plan, k, float(budget[k])),
                forced=plan.outside[k].words if plan is not None and k in plan.outside else None,
                mover=movers[k],
                hold=case.held[k],
                thing=counted,
                turn=turned[k],
                lot=case.lots.get(k),
                blocked=blocking,
            )
        )
        for k, target in enumerate(case.snapshot.targets)
    ]
    return tuple(sorted(lines, key=lambda line: (-abs(line.proposed.micros - line.current.micros), line.key)))


def _movers(case: Case, plan: Plan | None, budget: FloatArray) -> list[Mover]:
    """What moves each line, its own limits aside; hope moves what it holds above the sober aim, and cuts for it."""
    if plan is None:
        return [Mover.CHOICE] * len(budget)
    current, slack = case.snapshot.current, _ABOVE * np.maximum(budget, 1.0)
    above = (np.minimum(budget, plan.aim.spend) > plan.sober.spend + slack) & (budget > current)
    below = (np.maximum(budget, plan.aim.spend) < plan.sober.spend - slack) & (budget < current)
    hoped = above | ((budget < current) & above.any())
    found = [Mover.HOPE if each else Mover.CHOICE for each in hoped]
    for trial in plan.trials:
        if above[trial.target] or below[trial.target]:
            found[trial.target] = Mover.TRIAL  # else it would go there anyway
    tests = under_test.asked(case.snapshot)
    for k, target in enumerate(case.snapshot.targets):
        if k in tests or target.key in case.fixed:
            found[k] = Mover.HAND
    return found


def _reached(plan: Plan | None, k: int, budget: float) -> tuple[Reach, ...]:
    """The own limits that keep a budget from its aim, or that shut it."""
    if plan is None:
        return ()
    box, aim = plan.box, float(plan.aim.spend[k])
    slack = 1e-3 * max(budget, 1.0)
    if box.lower[k] == box.upper[k]:
        return tuple(Reach(because.code, because.words, None) for because in box.upper_because[k])
    if budget >= box.upper[k] - slack and aim > box.upper[k] + slack:
        return tuple(Reach(because.code, because.words, Side.UPPER) for because in box.upper_because[k])
    if box.lower[k] - slack <= budget <= box.lower[k] + slack and aim < box.lower[k] - slack:
        return tuple(Reach(because.code, because.words, Side.LOWER) for because in box.lower_because[k])
    return ()


def _price_of_money(case: Case, plan: Plan | None) -> FloatArray:
    """What one more currency unit of each budget costs elsewhere: the multipliers of the linear rows, shape (K,)."""
    price = np.zeros(len(case.snapshot.targets))
    if plan is not None:
        for row, multiplier in zip(case.rows, plan.prices, strict=True):
            price += multiplier * row.spend if row.outcome is None else 0.0
    return price


def _price_of_total(case: Case, plan: Plan | None) -> float:
    prices = () if plan is None else plan.prices
    return sum(float(price) for row, price in zip(case.rows, prices, strict=plan is not None) if row.name == TOTAL)


def _portfolio_bindings(case: Case, plan: Plan | None, budget: FloatArray, counted: str) -> tuple[Binding, ...]:
    if plan is None:
        return ()
    return explain.row_bindings(case.rows, budget, plan.prices, case.snapshot.currency, counted)


def _promises(case: Case, budget: FloatArray, rng: np.random.Generator) -> tuple[Promise, ...]:
    """What becomes of each ROAS floor and CPA ceiling under the proposed budgets."""
    pair = np.stack([case.snapshot.current, budget], axis=1)
    spends, outcomes = case.forecast.spend(pair), case.forecast.outcomes(pair)
    found = []
    for row in uncertain_rows(case):
        member = (row.spend > 0).astype(np.float64)
        spend, brought = member @ spends, member @ outcomes[row.outcome or Outcome.VALUE]
        top, bottom = (brought, spend) if row.outcome is Outcome.VALUE else (spend, brought)
        now, then = (float(t / b) if b > 0 else 0.0 for t, b in zip(top, bottom, strict=True))
        kept = probability(case, budget, [row], rng)
        name = "ROAS" if row.outcome is Outcome.VALUE else f"{case.snapshot.currency} per conversion"
        words = f"{explain.figure(now)} -> {explain.figure(then)} {name}; {row.words}: it is {kept:.0%}."
        found.append(Promise(row.name, words, now, then, kept))
    return tuple(found)
