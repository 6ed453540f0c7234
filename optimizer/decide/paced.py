"""What flights give today: from what is believed of the days to come, and from what the guards let budgets do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer import checks, guardrails, pacing
from optimizer.decide.holds import holds, immovable
from optimizer.decide.reaching import leave, reached
from optimizer.forecast import Forecast
from optimizer.goals import Goals, check_flights, indices
from optimizer.guardrails import Guardrails, Hold
from optimizer.pacing import Curve, Pace
from optimizer.plan.calendar import Occasion
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import Belief, learn

_SCALES: Final = np.geomspace(0.02, 6.0, 40)


def paces(
    snapshot: Snapshot, wanted: Goals, guards: Guardrails, now: datetime, occasions: tuple[Occasion, ...]
) -> tuple[Pace, ...]:
    """Tell how every flight stands, as `decide` does; the same input gives the same.

    Args:
        snapshot: The evidence, as `decide` is given it.
        wanted: The goals.
        guards: The written limits of the agent.
        now: Aware UTC.
        occasions: Known events.

    Raises:
        GoalsError: A flight covers a budget that is paid by outcomes, or limits of a budget contradict each other.
    """
    known, _ = guardrails.daily(replace(snapshot, occasions=occasions))
    if not (wanted.flights and known.targets):
        return ()
    belief = learn(known)
    proof = guardrails.evidence(belief.evidence_days, belief.conversions_28, belief.spend_28, guards)
    return paced(known, wanted, belief, holds(known, proof, guards, now, checks.blocking(known)), {}, (guards, now))


def paced(
    snapshot: Snapshot,
    wanted: Goals,
    belief: Belief,
    held: Sequence[Hold | None],
    fixed: Mapping[BudgetKey, Money],
    limits: tuple[Guardrails, datetime],
) -> tuple[Pace, ...]:
    """Return the flights that run today and cover a budget.

    Args:
        snapshot: The evidence; daily budgets only.
        wanted: The goals.
        belief: What was learnt from it.
        held: By target, why it must not move.
        fixed: Lines that a person set.
        limits: The written limits of the agent, and the moment that they are judged at.

    Raises:
        GoalsError: A flight covers a budget that is paid by outcomes.
    """
    check_flights(wanted, snapshot.targets, snapshot.today)
    running = {}
    for n, flight in enumerate(wanted.flights):
        members, span = indices(flight.scope, snapshot.targets), flight.span(snapshot.today)
        if members and span is not None:
            running[n] = members, _days(span)
    shut = immovable(snapshot, held, fixed)
    free = leave(snapshot, replace(wanted, largest_cut=None), shut, limits)
    found: dict[int, Pace] = {}
    # The widest first: a flight within another one goes within what that gives the day.
    for n, (members, days) in sorted(running.items(), key=lambda each: -len(each[1][0])):
        curve, weight = _curve(snapshot, wanted, belief, members)
        factor = belief.factor(days)[:, list(members)] @ weight
        reach = reached(snapshot, wanted, [pace.day for pace in found.values()], shut, limits, members)
        rng = np.random.default_rng(snapshot.today.toordinal())  # the same all day long
        told = pacing.pace(wanted.flights[n], snapshot, members, curve, np.maximum(factor, 1e-3), reach, free, rng)
        if told is not None:
            found[n] = told
    return tuple(found[n] for n in sorted(found))


def findings(found: Sequence[Pace]) -> tuple[Finding, ...]:
    """Return what each flight gives the day and why, and what cannot be kept to."""
    told = [Finding("flight", Severity.INFO, "portfolio", pace.day.words) for pace in found]
    return (*told, *(finding for pace in found for finding in pace.findings))


def asks_for_more(found: Sequence[Pace], current: FloatArray, band: float) -> bool:
    """Whether a flight wants more than the budgets are now, shape (K,), by more than is worth no change."""
    return any(pace.day.due.micros / 1e6 > (1.0 + band) * float(current[list(pace.members)].sum()) for pace in found)


def _days(span: tuple[date, date]) -> list[date]:
    return [span[0] + timedelta(days=n) for n in range((span[1] - span[0]).days + 1)]


def _curve(snapshot: Snapshot, wanted: Goals, belief: Belief, members: tuple[int, ...]) -> tuple[Curve, FloatArray]:
    """What an ordinary day brings by the sum of the budgets, all in proportion, and the part of each in it, (K,)."""
    keep, current = list(members), snapshot.current
    ordinary = Forecast(replace(belief, events=None, crowds=None), wanted, current)
    value = ordinary.brought(current[:, None] * _SCALES)[keep]
    usual = max(float(current[keep].sum()), 1e-6)
    now = value[:, np.argmin(np.abs(_SCALES - 1.0))]
    if not (np.isfinite(value).all() and now.sum() > 0):
        return Curve.isoelastic(usual), np.full(len(keep), 1.0 / len(keep))
    return Curve(usual * _SCALES, value.sum(axis=0)), now / now.sum()
