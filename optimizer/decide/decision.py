"""The one straight line of a decision: learn, forecast, allocate, guard, explain. Pure: same input, same decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer import checks, goals, guardrails
from optimizer.decide.calendar import known_days
from optimizer.decide.case import Case, units
from optimizer.decide.holding import holding_back
from optimizer.decide.holds import holds
from optimizer.decide.lifting import overclaimed, under_way
from optimizer.decide.paced import asks_for_more, findings, paced
from optimizer.decide.promises import probability, uncertain_rows
from optimizer.decide.report import report
from optimizer.decide.search import Plan, search
from optimizer.decide.tested import calibration
from optimizer.decide.trying import daily_worth, told
from optimizer.forecast import Draws, Forecast
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails, Hold
from optimizer.plan import under_test
from optimizer.plan.recommendation import Decision, Finding, Severity
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from optimizer.rotation import Rotation

_MATERIAL: Final = 0.02  # a probability that two samples of draws can tell apart

NOTHING_FIXED: Final[Mapping[BudgetKey, Money]] = MappingProxyType({})

_DEFAULT_ROTATION: Final = Rotation()


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The budgets that are proposed, before anything is told about them; K targets.

    Attributes:
        case: What was decided on.
        plan: What was searched; None if something forbade it.
        proposed: One amount per target, length K.
        findings: What was noticed on the way.
        worlds: What budgets bring in each of the posterior's draws, the same for all that is told; None with no plan.
    """

    case: Case
    plan: Plan | None
    proposed: tuple[Money, ...]
    findings: tuple[Finding, ...]
    worlds: Draws | None


def decide(
    snapshot: Snapshot,
    wanted: Goals,
    guards: Guardrails,
    now: datetime,
    rng: np.random.Generator,
    fixed: Mapping[BudgetKey, Money] = NOTHING_FIXED,
    rotation: Rotation = _DEFAULT_ROTATION,
    hold_back: float = 0.0,
) -> Decision:
    """Decide on the budgets of `snapshot.today`.

    Args:
        snapshot: What is known.
        wanted: The marketer's goals, in the snapshot's currency.
        guards: The written limits of the agent.
        now: Aware UTC; cool-downs count from it.
        rng: Used for posterior draws; the same state gives the same decision.
        fixed: Lines that a person set; the rest is solved around them.
        rotation: The written limits of switching ads.
        hold_back: Share of the lines that may move which are left as they are by lot, to measure what moves bring.

    Raises:
        GoalsError: A fixed amount breaks a limit of its line, or names no budget.
    """
    return tell(choose(snapshot, wanted, guards, now, rng, fixed, rotation, hold_back), rng)


def tell(choice: Choice, rng: np.random.Generator) -> Decision:
    """Tell what a choice should bring and how sure that is, the second half of `decide` (which see)."""
    return report(choice.case, choice.plan, choice.proposed, choice.findings, choice.worlds, rng)


def choose(
    snapshot: Snapshot,
    wanted: Goals,
    guards: Guardrails,
    now: datetime,
    rng: np.random.Generator,
    fixed: Mapping[BudgetKey, Money] = NOTHING_FIXED,
    rotation: Rotation = _DEFAULT_ROTATION,
    hold_back: float = 0.0,
) -> Choice:
    """Choose the budgets, the first half of `decide` (which see); the report takes about a fifth of the time."""
    planned, left_out = guardrails.daily(snapshot)
    failed = checks.blocking(planned)
    case = replace(_case(planned, wanted, guards, now, fixed, failed), rotation=rotation)
    noticed = (
        *goals.unmatched(wanted, snapshot.targets, snapshot.ads),
        *guardrails.portfolio_findings(planned, _free_of_hands(case)),
        *(finding for finding in failed if finding.subject == "portfolio"),
        *_without_value(case),
        *_overridden(case),
        *known_days(case),
        *findings(case.paces),
        *calibration(case),
        *overclaimed(case),
        *under_way(case),
        *left_out,
    )
    if any(finding.severity is Severity.BLOCK and finding.subject == "portfolio" for finding in noticed):
        return Choice(case, None, case.stay, noticed, None)
    plan = search(case, rng)
    if isinstance(plan, Finding):
        return Choice(case, None, case.stay, (*noticed, plan), None)
    proposed = goals.to_quantum(plan.budget, planned.targets, plan.box, case.rows)
    still = case.still(proposed)
    worlds = case.forecast.sample(case.draw_count, rng)
    doubt = _too_little(case, plan, (still, proposed), worlds, rng)
    if doubt:
        staying = told(case, plan.trials, units(still))
        return Choice(case, plan, still, (*noticed, *plan.findings, *doubt, *staying), worlds)
    if hold_back > 0.0 and not _broken(case, plan, units(still), units(proposed), rng):
        case, plan, proposed = holding_back(case, plan, proposed, hold_back, rng)
    return Choice(case, plan, proposed, (*noticed, *plan.findings, *told(case, plan.trials, units(proposed))), worlds)


def _without_value(case: Case) -> tuple[Finding, ...]:
    """Where value is asked for but not known: a plan on nothing would be no plan."""
    known = case.goals.value_per_conversion is not None or case.forecast.customers is not None
    if known or not case.goals.counts_value or not case.snapshot.targets:
        return ()
    mend = "Map the column of the conversions' value, or set goal.value_per_conversion."
    reported = case.forecast.belief.value_reported
    if not reported.any():
        words = "The goal counts value, but no row reports any."
        return (Finding("no-value", Severity.BLOCK, "portfolio", words, mend),)
    return tuple(
        Finding("pooled-value", Severity.WARNING, str(target.key),
                f"{target.budget.name} reports no value; that of the others stands in.", mend)
        for target, known in zip(case.snapshot.targets, reported, strict=True)
        if not known
    )  # fmt: skip


def _free_of_hands(case: Case) -> tuple[Hold | None, ...]:
    """The holds, less those that a person passes over."""
    keys = [target.key for target in case.snapshot.targets]
    return tuple(None if key in case.fixed else hold for key, hold in zip(keys, case.held, strict=True))


def _overridden(case: Case) -> tuple[Finding, ...]:
    """The holds that a person's own amounts pass over; they are told, not kept."""
    found = []
    for target, hold in zip(case.snapshot.targets, case.held, strict=True):
        amount = case.fixed.get(target.key)
        if hold is not None and amount is not None and amount != target.budget.amount:
            words = f"{target.budget.name} is set to {amount} by hand, though {hold.words}."
            found.append(Finding("hold-overridden", Severity.WARNING, str(target.key), words))
    return tuple(found)


def _case(
    snapshot: Snapshot,
    wanted: Goals,
    guards: Guardrails,
    now: datetime,
    fixed: Mapping[BudgetKey, Money],
    failed: tuple[Finding, ...],
) -> Case:
    belief = learn(snapshot)
    proof = guardrails.evidence(belief.evidence_days, belief.conversions_28, belief.spend_28, guards)
    held = holds(snapshot, proof, guards, now, failed)
    flights = paced(snapshot, wanted, belief, held, fixed, (guards, now))
    daily = goals.of_day(wanted, [pace.day for pace in flights], snapshot)
    # What flights give is reckoned with what tests ask for today; a total that is asked for is not.
    flown = daily.total if wanted.total is None else None
    ceiling = under_test.ceiling(snapshot, wanted.total) if flown is None else flown
    return Case(
        snapshot=snapshot,
        goals=daily,
        written=wanted,
        guards=guards,
        now=now,
        fixed=fixed,
        ceiling=ceiling,
        rows=goals.rows(daily, snapshot.targets, ceiling),
        forecast=Forecast(belief, daily, snapshot.current, owed=goals.owed(daily, snapshot.targets, belief.worth.mean)),
        proof=proof,
        held=held,
        paces=flights,
        digest=wanted.digest(),
    )


def _broken(case: Case, plan: Plan, current: FloatArray, proposed: FloatArray, rng: np.random.Generator) -> bool:
    """Whether budgets that stay break a limit that the plan mends, or leave a flight short: that goes before gain."""
    if plan.outside or asks_for_more(case.paces, current, case.guards.smallest_step):
        return True
    if any(float(row.spend @ current) > row.bound + 1e-6 for row in case.rows if row.outcome is None):
        return True
    uncertain = uncertain_rows(case)
    if not uncertain:
        return False
    now, then = (probability(case, budget, uncertain, rng) for budget in (current, proposed))
    return now < case.goals.confidence and then > now + _MATERIAL


def _too_little(
    case: Case,
    plan: Plan,
    choices: tuple[tuple[Money, ...], tuple[Money, ...]],
    worlds: Draws,
    rng: np.random.Generator,
) -> tuple[Finding, ...]:
    """Whether the gain is too small or too unlikely to disturb what runs.

    A person's edit stands without it, and so does the way back to limits that the present budgets break. What trials
    are worth a day counts with the gain: they are not made for what they bring today.

    Args:
        case: What is decided on.
        plan: What was searched.
        choices: The budgets if nothing is shifted, and as they are proposed.
        worlds: What budgets bring in each of the posterior's draws.
        rng: For further draws.
    """
    still, proposed = choices
    if proposed == still:
        return _nothing_to_shift(case, plan) if still == case.stay else ()
    nothing_asked = case.guards.min_gain_share == case.guards.min_gain_probability == 0
    if nothing_asked or case.fixed or _broken(case, plan, units(still), units(proposed), rng):
        return ()
    pair = np.stack([units(still), units(proposed)], axis=1)
    gain = worlds.change(pair).sum(axis=1) + daily_worth(plan.trials)
    needed = case.guards.min_gain_share * abs(float(case.forecast.moments(pair)[0][:, 0].sum()))
    sure = float(((gain >= needed) & (gain > 0)).mean())
    if sure >= case.guards.min_gain_probability:
        return ()
    words = (
        f"The best shift would gain {needed:,.2f} a day or more with a probability of only {sure:.0%}, and "
        f"{case.guards.min_gain_probability:.0%} is asked for: leave all as it is."
    )
    return (Finding("gain-too-small", Severity.INFO, "portfolio", words),)


def _nothing_to_shift(case: Case, plan: Plan) -> tuple[Finding, ...]:
    if plan.findings:
        return ()
    words = "The budgets stand where the curves and the limits want them."
    if sum(hold is None for hold in case.held) == 1:
        words = "With one budget that may move and a total that is given, there is nothing to shift."
    return (Finding("nothing-to-shift", Severity.INFO, "portfolio", words),)
