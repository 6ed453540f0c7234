"""From budgets to a decision that a person can read: effects with intervals, bindings, reasons."""

from __future__ import annotations

from typing import Final

import numpy as np

from connectors.money import Money
from optimizer import explain, goals
from optimizer.decide.case import Case, units
from optimizer.decide.search import Plan
from optimizer.explain import LineFacts, Reach
from optimizer.guardrails import GUARDRAIL_VERSION
from optimizer.plan.recommendation import Binding, Certificate, Decision, Finding, Line, Severity
from optimizer.plan.snapshot import FloatArray
from optimizer.response import MODEL_VERSION
from optimizer.shares import arm_shares

_WORST_FIRST: Final = (Severity.BLOCK, Severity.WARNING, Severity.INFO)


def report(
    case: Case, plan: Plan | None, proposed: tuple[Money, ...], findings: tuple[Finding, ...], rng: np.random.Generator
) -> Decision:
    """Put the proposed budgets, one per target, into a decision; `plan` is None if nothing was searched."""
    wanted, snapshot = case.goals, case.snapshot
    counted = explain.thing(wanted.objective, snapshot.currency)
    pair = np.stack([snapshot.current, units(proposed)], axis=1)
    mean = case.forecast.moments(pair)[0]
    change = _changes(case, pair, proposed, rng)
    return Decision(
        as_of=snapshot.today,
        currency=snapshot.currency,
        time_zone=snapshot.time_zone,
        objective=wanted.objective,
        unit=f"{counted} a day",
        lines=_lines(case, plan, proposed, mean[:, 1] - mean[:, 0], change, counted),
        total=explain.effect(change.sum(axis=1), float((mean[:, 1] - mean[:, 0]).sum())),
        expected_now=float(mean[:, 0].sum()),
        expected_then=float(mean[:, 1].sum()),
        findings=tuple(sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.severity))),
        arms=arm_shares(snapshot, case.forecast.belief, rng),
        envelopes=goals.envelopes(wanted, snapshot.targets, case.ceiling),
        bindings=_portfolio_bindings(case, plan, counted),
        certificate=None if plan is None else Certificate(plan.aim.value, plan.aim.upper_bound, plan.aim.gap),
        model_version=MODEL_VERSION,
        guardrail_version=GUARDRAIL_VERSION,
        goals_digest=wanted.digest(),
        input_digest=snapshot.digest(),
    )


def _changes(case: Case, pair: FloatArray, proposed: tuple[Money, ...], rng: np.random.Generator) -> FloatArray:
    """Posterior draws of each line's change, shape (n, K); exactly zero for a line that stays."""
    draws = case.forecast.draws(pair, case.draw_count, rng)
    moving = np.array([now != then for now, then in zip(case.stay, proposed, strict=True)], dtype=np.bool_)
    return np.where(moving, draws[..., 1] - draws[..., 0], 0.0)


def _lines(
    case: Case, plan: Plan | None, proposed: tuple[Money, ...], mean: FloatArray, change: FloatArray, counted: str
) -> tuple[Line, ...]:
    moved = units(proposed) - case.snapshot.current
    marginal = case.forecast.marginal(units(proposed))
    price, rates = _price_of_money(case, plan), explain.Rates.of(moved, mean)
    lines = [
        explain.line(
            LineFacts(
                target=target,
                current=target.budget.amount,
                proposed=proposed[k],
                effect=explain.line_effect(change[:, k], float(mean[k]), float(moved[k]), rates),
                evidence=case.proof[k],
                pull=abs(float(marginal[k]) - price),
                rates=rates,
                reached=_reached(plan, k, float(proposed[k].micros) / 1e6, float(marginal[k]) - price),
                hold=case.held[k],
                thing=counted,
            )
        )
        for k, target in enumerate(case.snapshot.targets)
    ]
    return tuple(sorted(lines, key=lambda line: (-abs(line.proposed.micros - line.current.micros), line.key)))


def _reached(plan: Plan | None, k: int, budget: float, pull: float) -> tuple[Reach, ...]:
    """The own limits that a budget stands at, on the side to which its marginal return pulls it."""
    if plan is None:
        return ()
    slack = 1e-3 * max(budget, 1.0)
    box, found = plan.box, []
    if budget >= box.upper[k] - slack and (pull >= 0 or box.lower[k] == box.upper[k]):
        found += [Reach(because.code, because.words) for because in box.upper_because[k]]
    if budget <= box.lower[k] + slack and (pull < 0 or box.lower[k] == box.upper[k]):
        found += [Reach(because.code, because.words) for because in box.lower_because[k]]
    return tuple(dict.fromkeys(found))


def _price_of_money(case: Case, plan: Plan | None) -> float:
    """What one more currency unit a day would bring where it is worth most: the multiplier of the total."""
    if plan is None:
        return 0.0
    names = [row.name for row in case.rows]
    return float(plan.prices[names.index(goals.TOTAL)]) if goals.TOTAL in names else 0.0


def _portfolio_bindings(case: Case, plan: Plan | None, counted: str) -> tuple[Binding, ...]:
    if plan is None:
        return ()
    return explain.row_bindings(case.rows, plan.aim, plan.prices, case.snapshot.currency, counted)
