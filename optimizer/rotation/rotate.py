"""From a snapshot and the shares that ads deserve to the switches of all budgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from connectors.contract import AdState, BudgetKey, EntityStatus
from optimizer.goals import Goals
from optimizer.plan.recommendation import AdLine, ArmShare
from optimizer.plan.running import crews
from optimizer.plan.snapshot import FloatArray, Snapshot, Target
from optimizer.rotation.choice import Member, switches
from optimizer.rotation.limits import Rotation, protection
from optimizer.rotation.telling import tell


def rotate(
    snapshot: Snapshot,
    shares: Sequence[ArmShare],
    brought: FloatArray,
    doubtful: Collection[BudgetKey],
    goals: Goals,
    rotation: Rotation,
    now: datetime,
) -> tuple[AdLine, ...]:
    """Return the ads to switch, by budget, resumes before pauses; nothing of budgets on whose data there is doubt.

    Args:
        snapshot: Who draws on which budget, the live statuses and our own switches.
        shares: What each ad deserves.
        brought: What each target is expected to bring a day, before the cost of its spend, shape (K,).
        doubtful: Budgets whose last days cannot be believed.
        goals: Whose pins hold.
        rotation: The limits.
        now: Aware UTC; cool-downs count from it.
    """
    if rotation.off or not snapshot.ads:
        return ()
    found = crews([target.budget for target in snapshot.targets], snapshot.ads)
    known = _by_ad(shares)
    lines: list[AdLine] = []
    for target, gross in zip(snapshot.targets, brought.tolist(), strict=True):
        if target.key in doubtful or target.key not in found:
            continue
        crew = tuple(_ad(snapshot, target, ad, known, goals, rotation, now) for ad in found[target.key])
        chosen = switches(crew, _left(snapshot, crew, rotation, now), rotation)
        lines += tell(snapshot, target, crew, chosen, gross, rotation)
    return tuple(lines)


def _by_ad(shares: Sequence[ArmShare]) -> dict[tuple[BudgetKey, str], ArmShare]:
    """The shares by budget and ad; an ad that stands there twice, as with two audiences, is none that is switched."""
    found: dict[tuple[BudgetKey, str], list[ArmShare]] = {}
    for arm in shares:
        found.setdefault((arm.key, arm.arm_id), []).append(arm)
    return {key: arms[0] for key, arms in found.items() if len(arms) == 1}


def _ad(
    snapshot: Snapshot,
    target: Target,
    state: AdState,
    known: Mapping[tuple[BudgetKey, str], ArmShare],
    goals: Goals,
    rotation: Rotation,
    now: datetime,
) -> Member:
    own = [switch for switch in snapshot.switches if switch.key == state.key]
    rests = any(switch.at > now - timedelta(hours=rotation.cool_down_hours) for switch in own)
    pinned = protection(goals, target, state.key, state.name, snapshot.today) is not None
    ours = bool(own) and own[-1].after is EntityStatus.PAUSED
    return Member(state, known.get((target.key, state.ad_id)), free=not rests and not pinned, ours=ours)


def _left(snapshot: Snapshot, crew: Sequence[Member], rotation: Rotation, now: datetime) -> int:
    """How many switches of a budget's ads the last 24 hours leave for today."""
    members = {ad.key for ad in crew}
    day = now - timedelta(hours=24)
    return rotation.max_changes - sum(s.at > day and s.key in members for s in snapshot.switches)
