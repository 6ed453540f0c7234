"""From a snapshot and the shares that ads deserve to the switches of all budgets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from connectors.contract import AdKey, BudgetKey, EntityStatus
from optimizer.goals import Goals
from optimizer.plan.recommendation import AdLine, ArmShare
from optimizer.plan.running import crews
from optimizer.plan.snapshot import AdSwitch, FloatArray, Snapshot
from optimizer.rotation.choice import Member, switches
from optimizer.rotation.limits import Rotation, protection
from optimizer.rotation.telling import rows_by_ad, tell


def rotate(
    snapshot: Snapshot,
    shares: Sequence[ArmShare],
    brought: FloatArray,
    doubtful: Collection[BudgetKey],
    tested: Collection[tuple[BudgetKey, str]],
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
        tested: Ads, by budget and id, with an arm in an open experiment: to switch one would break its split.
        goals: Whose pins hold.
        rotation: The limits.
        now: Aware UTC; cool-downs count from it.
    """
    if rotation.off or not snapshot.ads:
        return ()
    found = crews([target.budget for target in snapshot.targets], snapshot.ads)
    known, own, rows = _by_ad(shares), _own(snapshot), rows_by_ad(snapshot)
    lines: list[AdLine] = []
    for target, gross in zip(snapshot.targets, brought.tolist(), strict=True):
        if target.key in doubtful or target.key not in found:
            continue
        crew = tuple(
            Member(
                ad,
                known.get((target.key, ad.ad_id)),
                free=(target.key, ad.ad_id) not in tested
                and not _rests(own.get(ad.key, ()), rotation, now)
                and protection(goals, target, ad.key, ad.name, snapshot.today) is None,
                ours=bool(own.get(ad.key)) and own[ad.key][-1].after is EntityStatus.PAUSED,
            )
            for ad in found[target.key]
        )
        chosen = switches(crew, _left(own, crew, rotation, now), rotation)
        lines += tell(snapshot, rows, target, crew, chosen, gross, rotation)
    return tuple(lines)


def _by_ad(shares: Sequence[ArmShare]) -> dict[tuple[BudgetKey, str], ArmShare]:
    """The shares by budget and ad; an ad that stands there twice, as with two audiences, is none that is switched."""
    found: dict[tuple[BudgetKey, str], list[ArmShare]] = {}
    for arm in shares:
        found.setdefault((arm.key, arm.arm_id), []).append(arm)
    return {key: arms[0] for key, arms in found.items() if len(arms) == 1}


def _own(snapshot: Snapshot) -> dict[AdKey, list[AdSwitch]]:
    """Our switches of each ad that we ever switched, in their order."""
    found: dict[AdKey, list[AdSwitch]] = {}
    for switch in snapshot.switches:
        found.setdefault(switch.key, []).append(switch)
    return found


def _rests(own: Sequence[AdSwitch], rotation: Rotation, now: datetime) -> bool:
    """Whether a switch of an ad was so lately that it is left alone."""
    return any(switch.at > now - timedelta(hours=rotation.cool_down_hours) for switch in own)


def _left(own: Mapping[AdKey, Sequence[AdSwitch]], crew: Sequence[Member], rotation: Rotation, now: datetime) -> int:
    """How many switches of a budget's ads the last 24 hours leave for today."""
    day = now - timedelta(hours=24)
    return rotation.max_changes - sum(switch.at > day for ad in crew for switch in own.get(ad.key, ()))
