"""Which budgets must not move today, and why: by the guards, by the checks that they failed, and by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from connectors.contract import BudgetKey
from connectors.money import Money
from optimizer import guardrails
from optimizer.goals import Because
from optimizer.guardrails import Guardrails, Hold
from optimizer.plan.recommendation import Evidence, Finding
from optimizer.plan.snapshot import Snapshot


def holds(
    snapshot: Snapshot, proof: tuple[Evidence, ...], guards: Guardrails, now: datetime, failed: tuple[Finding, ...]
) -> tuple[Hold | None, ...]:
    """Return by target why it is held; None where it may move.

    Args:
        snapshot: The evidence; daily budgets only.
        proof: What stands behind a move of each target.
        guards: The written limits of the agent.
        now: Aware UTC.
        failed: What `checks.blocking` found in the snapshot.
    """
    checked = {finding.subject: finding for finding in failed}
    found = []
    for target, hold in zip(snapshot.targets, guardrails.holds(snapshot, proof, guards, now), strict=True):
        finding = checked.get(str(target.key))
        if hold is None and finding is not None:
            words = finding.message.removeprefix(f"{target.budget.name}: ").removesuffix(".")
            hold = Hold(finding.code, words, finding.severity, finding.mend)  # noqa: PLW2901
        found.append(hold)
    return tuple(found)


def immovable(
    snapshot: Snapshot, held: Sequence[Hold | None], fixed: Mapping[BudgetKey, Money]
) -> dict[int, tuple[float, Because]]:
    """Return the budgets, by index, that a guard holds or a person fixed: where, in currency units, and why."""
    found = {}
    for k, target in enumerate(snapshot.targets):
        hold, amount = held[k], fixed.get(target.key)
        if amount is not None:
            found[k] = amount.micros / 1e6, Because("fixed", f"set to {amount} by hand")
        elif hold is not None:
            found[k] = target.budget.amount.micros / 1e6, Because(hold.code, hold.words)
    return found
