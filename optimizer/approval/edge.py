"""The last word before the wire: one write against the written limits, whatever led to it.

`recheck` and `sendable` judge a plan as a whole, from its own amounts. Here one call is judged by itself, from the
amounts that were just read: by simple rules that share no code with those, so that a defect there does not reach a
platform. It allows a little more than they do where they weigh limits against each other, never another kind of change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from connectors.contract import BudgetKey, BudgetKind, BudgetTarget, zone
from connectors.money import Money
from optimizer import goals
from optimizer.approval.proposals import budget_lines, chosen
from optimizer.goals import Goals, Limit, Scope
from optimizer.plan.record import AdIntent, BudgetIntent, Intent, Record
from optimizer.plan.snapshot import Snapshot, Target


def barred(
    record: Record,
    intent: Intent,
    live: Mapping[BudgetKey, BudgetTarget],
    seen: Snapshot,
    wanted: Goals,
    now: datetime,
) -> str | None:
    """Say why a write must not be sent; None if it may.

    Pins hold for every write. A budget must be one that is planned, its raise within the largest step, its ceiling and
    every sum that it counts in; its cut within the largest step and its floor. For a rollback, which restores what
    stood before, ceilings and pins hold.

    Args:
        record: The revision that the write is of.
        intent: The write.
        live: All budgets of the portfolio, as they were read right before.
        seen: Who draws on which budget, under which channel and tags; its history is not read.
        wanted: The goals as they are written now.
        now: Aware UTC.
    """
    decision = record.recommendation.decision
    day = min(decision.as_of, now.astimezone(zone(decision.time_zone)).date())
    targets = {target.key: replace(target, budget=live[target.key]) for target in seen.targets if target.key in live}
    match intent:
        case AdIntent():
            return _ad(record, intent, targets, wanted, day)
        case BudgetIntent():
            target = targets.get(intent.key)
            if target is None:
                return f"{intent.key} is not among the budgets that are read and planned"
            found = _fixed(target, intent.target) or _pin(target, wanted, day)
            of_day = goals.of_day(wanted, decision.flights, replace(seen, today=decision.as_of))
            return found or next(_beyond(record, intent.target, target, tuple(targets.values()), of_day), None)


def _ad(record: Record, intent: AdIntent, targets: Mapping[BudgetKey, Target], wanted: Goals, day: date) -> str | None:
    line = next((line for line in record.recommendation.decision.ads if line.key == intent.key), None)
    if line is None or line.target not in targets:
        return f"{intent.key} is no ad of a budget that is read and planned"
    pins = (pin for pin in wanted.pins if pin.holds(day) and pin.scope.names(line.key, line.name))
    own = next(pins, None)
    return _pin(targets[line.target], wanted, day) if own is None else f"it is {own.words}"


def _pin(target: Target, wanted: Goals, day: date) -> str | None:
    found = next((pin for pin in wanted.pins if pin.holds(day) and pin.scope.covers(target)), None)
    return None if found is None else f"it is {found.words}"


def _fixed(target: Target, amount: Money) -> str | None:
    budget = target.budget
    if budget.shared or budget.kind is not BudgetKind.DAILY:
        return "it is shared with others, or no daily budget"
    if amount.currency != budget.amount.currency:
        return f"it is in {budget.amount.currency}, not in {amount.currency}"
    return None


def _beyond(record: Record, amount: Money, target: Target, targets: Sequence[Target], wanted: Goals) -> Iterator[str]:
    budget, restores = target.budget, record.recommendation.parent_id is not None
    if amount > budget.amount:
        if not restores and amount.micros > budget.amount.micros * (1 + wanted.largest_step) + 1:
            yield f"from {budget.amount} it may be raised by {wanted.largest_step:.0%} at most"
        yield from _ceilings(record, amount, target, targets, wanted)
    elif not restores:
        own = [limit for limit in wanted.limits if _alone(limit, target, targets)]
        slack = budget.quantum_micros  # where no multiple of it lies in the room, a plan goes below
        least = budget.amount.micros * wanted.least(wanted.largest_step)
        when_on = [limit.minimum_when_on for limit in wanted.limits if limit.scope.covers(target)]
        on = [each for each in when_on if each is not None]
        floors = [limit.floor for limit in own if limit.floor is not None]
        if amount.micros == 0 and on and max(on).micros >= least and not _kept_on(budget, floors):
            return  # a pause that is written down, with its minimum when on within a step's reach
        if amount.micros < least - slack:
            yield f"from {budget.amount} it may be cut to {Money(round(least), amount.currency)} at most"
        if (bounds := (*floors, *on)) and amount.micros < max(bounds).micros - slack:
            yield f"it may not be less than {max(bounds)}"


def _ceilings(record: Record, amount: Money, target: Target, targets: Sequence[Target], wanted: Goals) -> Iterator[str]:
    """Each sum with a ceiling that a raise would pass; one that was above it when the plan was made may not grow."""
    approved = {line.key: line.current.micros for line in budget_lines(chosen(record))}
    found = [(str(limit.scope), limit.ceiling, limit.scope) for limit in wanted.limits]
    if not record.recommendation.decision.flights:
        found.append(("total_per_day", wanted.total, Scope.parse("all")))
    for name, ceiling, scope in found:
        if ceiling is None or not scope.covers(target):
            continue
        members = [each for each in targets if scope.covers(each) and each.budget.kind is BudgetKind.DAILY]
        then = sum(approved.get(each.key, each.budget.amount.micros) for each in members)
        after = sum(each.budget.amount.micros for each in members) - target.budget.amount.micros + amount.micros
        if after > max(ceiling.micros, then):
            yield f"with it {name} would be at {Money(after, amount.currency)}, and its ceiling is {ceiling}"


def _alone(limit: Limit, target: Target, targets: Sequence[Target]) -> bool:
    """Whether a limit is on this budget and on no other."""
    return [each.key for each in targets if limit.scope.covers(each)] == [target.key]


def _kept_on(budget: BudgetTarget, floors: Sequence[Money]) -> bool:
    """Whether its platform, or a floor of its own, keeps it above zero."""
    least = floors if budget.minimum is None else (*floors, budget.minimum)
    return any(each.micros > 0 for each in least)
