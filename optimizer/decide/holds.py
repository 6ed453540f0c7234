"""Why budgets must not move today: by the guards, and by the checks that they failed."""

from __future__ import annotations

from datetime import datetime

from optimizer import guardrails
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
