"""Switches as lines of a plan: what each should bring, how sure that is, and why.

With w the parts of the exposure of a budget's ads, r their rates and G what they bring a day, a switch that leads from
w to w' is expected to bring G sum((w' - w) r) / sum(w0 r), with w0 the parts before any switch. Ads of which nothing is
known, such as those of an experiment, keep what they have, and G is without their part of what the budget brings. A
paused ad's part goes to the others in their proportions, a resumed one is taken to get an equal part. Rates are taken
as independent and normal, with the deviations that their 90% intervals have; ads of one budget share what is unsure
about all of them, so that the intervals are rather too wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

import numpy as np

from connectors.contract import AdKey, BudgetKey, EntityStatus
from connectors.money import Money
from optimizer.plan.recommendation import AdLine, ArmShare, Effect, Evidence
from optimizer.plan.snapshot import FloatArray, Snapshot, Target
from optimizer.rotation.choice import Member
from optimizer.rotation.limits import Rotation

_RECENT_DAYS: Final = 7
_EVIDENCE_DAYS: Final = 28
_NORMAL: Final = NormalDist()
_Z80, _Z90, _Z95 = (_NORMAL.inv_cdf(0.5 + level / 2) for level in (0.8, 0.9, 0.95))

Parts = Mapping[AdKey, float]
"""Parts of a budget's exposure by ad; they sum to one."""

Rows = Mapping[tuple[BudgetKey, str], Sequence[int]]
"""Places of an ad's rows in the snapshot's arms, by its budget and id."""


def rows_by_ad(snapshot: Snapshot) -> Rows:
    """Return where the rows of each ad stand."""
    found: dict[tuple[BudgetKey, str], list[int]] = {}
    budgets = [target.key for target in snapshot.targets]
    for place, arm in enumerate(() if snapshot.arms is None else snapshot.arms.arms):
        if arm.ad_id is not None:
            found.setdefault((budgets[arm.target], arm.ad_id), []).append(place)
    return found


def tell(
    snapshot: Snapshot,
    rows: Rows,
    target: Target,
    crew: Sequence[Member],
    chosen: Sequence[Member],
    gross: float,
    rotation: Rotation,
) -> tuple[AdLine, ...]:
    """Put the switches of one budget into lines, in the order of writing.

    Args:
        snapshot: Whose arms hold the ads' own days.
        rows: Where they stand, of `rows_by_ad`.
        target: The budget.
        crew: Its ads.
        chosen: Those to be switched.
        gross: What the budget is expected to bring a day, before the cost of its spend.
        rotation: The limits.
    """
    rates = {ad.key: ad.arm for ad in crew if ad.arm is not None}
    before = first = _parts(crew)
    gross *= sum(arm.share_now for arm in rates.values())
    running = sum(ad.runs for ad in crew)
    lines = []
    for ad in chosen:
        after = _paused(before, ad.key) if ad.runs else _resumed(before, ad.key)
        effect = None if after is None else _effect(rates, first, before, after, gross)
        lines.append(_line(snapshot, rows, target, ad, running, rotation, effect, _beside(rates, before, ad.key)))
        before = before if after is None else after
    return tuple(lines)


def _line(
    snapshot: Snapshot,
    rows: Rows,
    target: Target,
    ad: Member,
    running: int,
    rotation: Rotation,
    effect: Effect | None,
    beside: float | None,
) -> AdLine:
    spend, evidence = _own_days(snapshot, rows.get((target.key, ad.state.ad_id), ()), ad)
    if not ad.runs:
        # What it will get is the platform's affair; an equal part is taken.
        spend = target.budget.amount.micros / 1e6 / (running + 1)
    arm = _known(ad)
    quantum = target.budget.quantum_micros
    return AdLine(
        key=ad.key,
        target=target.key,
        name=ad.state.name,
        current=ad.state.status,
        proposed=EntityStatus.PAUSED if ad.runs else EntityStatus.ACTIVE,
        etag=ad.state.etag,
        moved=Money(round(spend * 1e6), target.budget.amount.currency).quantize(quantum, "up"),
        share_now=arm.share_now,
        share=arm.share,
        p_best=arm.p_best,
        running=running,
        least=min(rotation.keep_running, running),
        effect=effect,
        evidence=evidence,
        reason=_reason(ad, arm, beside),
    )


def _known(ad: Member) -> ArmShare:
    if ad.arm is None:
        raise ValueError(f"nothing is known of {ad.key}, so that there is nothing to switch it for")
    return ad.arm


def _reason(ad: Member, arm: ArmShare, beside: float | None) -> str:
    against = "" if beside is None else f", against {beside:.3g} of those that run"
    best = "under 1%" if arm.p_best < 0.01 else f"{arm.p_best:.0%}"  # draws cannot tell it from zero
    believed = f"{arm.rate:.3g} {arm.metric}{against}; it is the best with a probability of {best}"
    if ad.runs:
        worn = f"; {arm.worn}" if arm.worn else ""
        return f"has {arm.share_now:.0%} of the exposure and deserves {arm.share:.0%}: {believed}{worn}"
    return f"paused by us, deserves {arm.share:.0%} of the exposure: {believed}"


def _own_days(snapshot: Snapshot, rows: Sequence[int], ad: Member) -> tuple[float, Evidence]:
    """What the ad spent a day of late, currency units, and what stands behind it."""
    if snapshot.arms is None or not rows:
        return 0.0, Evidence(0, 0.0, 0.0, thin=True, words="no day of its own")
    spend, conversions = snapshot.arms.spend[rows].sum(axis=0), snapshot.arms.conversions[rows].sum(axis=0)
    days = int(np.isfinite(spend).sum())
    got, spent = _sum(conversions, _EVIDENCE_DAYS), _sum(spend, _EVIDENCE_DAYS)
    thin = not _known(ad).enough
    words = f"{got:,.1f} conversions in the last {_EVIDENCE_DAYS} days, {days} days of its own"
    return _sum(spend, _RECENT_DAYS) / _RECENT_DAYS, Evidence(days, got, spent, thin, words)


def _sum(daily: FloatArray, days: int) -> float:
    return float(np.nansum(daily[-days:]))


def _parts(crew: Sequence[Member]) -> Parts:
    """The parts of the running ads of which something is known, by what they had of late."""
    known = {ad.key: ad.arm.share_now for ad in crew if ad.runs and ad.arm is not None}
    total = sum(known.values())
    return {key: part / total for key, part in known.items()} if total > 0 else {}


def _paused(parts: Parts, key: AdKey) -> Parts | None:
    """The parts without one ad; None if no other has any."""
    left = {other: part for other, part in parts.items() if other != key}
    total = sum(left.values())
    return {other: part / total for other, part in left.items()} if total > 0 else None


def _resumed(parts: Parts, key: AdKey) -> Parts:
    """The parts with one more ad, which gets an equal one."""
    equal = 1.0 / (len(parts) + 1)
    return {**{other: part * (1.0 - equal) for other, part in parts.items()}, key: equal}


def _effect(rates: Mapping[AdKey, ArmShare], first: Parts, before: Parts, after: Parts, gross: float) -> Effect | None:
    now = sum(part * rates[key].rate for key, part in first.items())
    if now <= 0:
        return None
    change = {key: after.get(key, 0.0) - before.get(key, 0.0) for key in {*before, *after}}
    scale = gross / now
    mean = scale * sum(part * rates[key].rate for key, part in sorted(change.items()))
    square = sum(
        (part * (rates[key].high90 - rates[key].low90) / (2 * _Z90)) ** 2 for key, part in sorted(change.items())
    )
    sd = abs(scale) * square**0.5
    worse = _NORMAL.cdf(-mean / sd) if sd > 0 else float(mean < 0)
    return Effect(mean, mean - _Z80 * sd, mean + _Z80 * sd, mean - _Z95 * sd, mean + _Z95 * sd, worse)


def _beside(rates: Mapping[AdKey, ArmShare], parts: Parts, key: AdKey) -> float | None:
    """The rate of the other ads together; None where none has any exposure."""
    others = _paused(parts, key)
    return None if others is None else sum(part * rates[other].rate for other, part in others.items())
