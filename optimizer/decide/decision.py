"""The one straight line of a decision: learn, forecast, allocate, guard, explain. Pure: same input, same decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from connectors.money import Money, total
from optimizer import goals, guardrails
from optimizer.decide.case import Case, units
from optimizer.decide.report import report
from optimizer.decide.search import Plan, probability, search, uncertain_rows
from optimizer.forecast import Forecast
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Decision, Finding, Severity
from optimizer.plan.snapshot import Snapshot
from optimizer.response import learn

NOTHING_FIXED: Final[Mapping[BudgetKey, Money]] = MappingProxyType({})


def decide(
    snapshot: Snapshot,
    wanted: Goals,
    guards: Guardrails,
    now: datetime,
    rng: np.random.Generator,
    fixed: Mapping[BudgetKey, Money] = NOTHING_FIXED,
) -> Decision:
    """Decide on the budgets of `snapshot.today`.

    Args:
        snapshot: What is known.
        wanted: The marketer's goals, in the snapshot's currency.
        guards: The written limits of the agent.
        now: Aware UTC; cool-downs count from it.
        rng: Used for posterior draws; the same state gives the same decision.
        fixed: Lines that a person set; the rest is solved around them.

    Raises:
        GoalsError: A fixed amount breaks a limit of its line, or names no budget.
    """
    planned, left_out = guardrails.daily(snapshot)
    case = _case(planned, wanted, guards, now, fixed)
    noticed = (
        *goals.unmatched(wanted, snapshot.targets),
        *guardrails.portfolio_findings(planned, case.held),
        *left_out,
    )
    if any(finding.severity is Severity.BLOCK for finding in noticed):
        return report(case, None, case.stay, noticed, rng)
    plan = search(case, rng)
    noticed = (*noticed, *plan.findings)
    if any(finding.severity is Severity.BLOCK for finding in plan.findings):
        return report(case, plan, case.stay, noticed, rng)
    proposed = goals.to_quantum(plan.budget, planned.targets, plan.box, case.rows)
    doubt = _too_little(case, plan, proposed, rng)
    return report(case, plan, case.stay if doubt else proposed, (*noticed, *doubt), rng)


def _case(
    snapshot: Snapshot, wanted: Goals, guards: Guardrails, now: datetime, fixed: Mapping[BudgetKey, Money]
) -> Case:
    belief = learn(snapshot)
    proof = guardrails.evidence(belief.evidence_days, belief.conversions_28, belief.spend_28, guards)
    ceiling = wanted.total or total([t.budget.amount for t in snapshot.targets], wanted.currency)
    return Case(
        snapshot=snapshot,
        goals=wanted,
        guards=guards,
        now=now,
        fixed=fixed,
        ceiling=ceiling,
        rows=goals.rows(wanted, snapshot.targets, ceiling),
        forecast=Forecast(belief, wanted),
        proof=proof,
        held=guardrails.holds(snapshot, proof, guards, now),
    )


def _broken(case: Case, plan: Plan, rng: np.random.Generator) -> bool:
    """Whether the present budgets break a limit, so that the way back to it counts more than the gain."""
    current = case.snapshot.current
    if ((current < plan.box.lower - 1e-6) | (current > plan.box.upper + 1e-6)).any():
        return True
    if any(float(row.spend @ current) > row.bound + 1e-6 for row in case.rows if row.outcome is None):
        return True
    uncertain = uncertain_rows(case)
    return bool(uncertain) and probability(case, current, uncertain, rng) < case.goals.confidence


def _too_little(case: Case, plan: Plan, proposed: tuple[Money, ...], rng: np.random.Generator) -> tuple[Finding, ...]:
    """Whether the gain is too small or too unlikely to disturb what runs.

    A person's edit stands without it, and so does the way back to limits that the present budgets break.
    """
    current = case.snapshot.current
    if case.fixed or proposed == case.stay or _broken(case, plan, rng):
        return ()
    pair = np.stack([current, units(proposed)], axis=1)
    draws = case.forecast.draws(pair, case.draw_count, rng)
    gain = (draws[..., 1] - draws[..., 0]).sum(axis=1)
    needed = case.guards.min_gain_share * abs(float(case.forecast.moments(pair)[0][:, 0].sum()))
    sure = float((gain >= needed).mean())
    if sure >= case.guards.min_gain_probability:
        return ()
    words = (
        f"The best shift would gain {needed:,.2f} a day or more with a probability of only {sure:.0%}, and "
        f"{case.guards.min_gain_probability:.0%} is asked for: leave all as it is."
    )
    return (Finding("gain-too-small", Severity.INFO, "portfolio", words),)
