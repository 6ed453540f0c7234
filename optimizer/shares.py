"""Which ad, creative and audience deserves which share of its budget, wherever the rows carry them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandits import BanditSettings, believe
from bandits.hierarchy import informed
from optimizer.plan.priors import AdPriors
from optimizer.plan.recommendation import ArmShare
from optimizer.plan.snapshot import Arm, ArmPanel, FloatArray, IntArray, Snapshot
from optimizer.response import Belief

_RECENT_DAYS: Final = 7


@dataclass(frozen=True, slots=True, eq=False)
class _Exposure:
    """What an arm's conversions are counted against, and how its rate is written."""

    daily: FloatArray
    metric: str
    scale: float


def arm_shares(snapshot: Snapshot, belief: Belief, rng: np.random.Generator) -> tuple[ArmShare, ...]:
    """Learn every arm's rate and share out each target that has two arms or more, by target, best first.

    A rate is conversions per impression where all arms report impressions, else per click, else per unit spent:
    the first measure that lies nearest to the ad's own doing.
    """
    panel = snapshot.arms
    if panel is None:
        return ()
    chosen = _compared(panel)
    if chosen.size == 0:
        return ()
    exposure = _exposure(panel, chosen, snapshot.currency)
    group = np.array([panel.arms[a].target for a in chosen], dtype=np.int64)
    age = np.arange(panel.spend.shape[1], 0, -1)
    recent = np.nansum(exposure.daily[:, -_RECENT_DAYS:], axis=1)
    believed = believe(
        exposure.daily,
        panel.conversions[chosen],
        group=group,
        age=age.astype(np.float64),
        maturity=belief.maturity(age)[group],
        share_now=recent,
        rng=rng,
        settings=_settings(snapshot.ad_priors, panel.conversions[chosen]),
    )
    now = recent / np.maximum(_by_group(recent, group), 1e-12)
    shares = [
        ArmShare(
            key=snapshot.targets[panel.arms[a].target].key,
            arm_id=_identity(panel.arms[a]),
            name=panel.arms[a].name,
            share_now=float(now[i]),
            share=float(believed.share[i]),
            p_best=float(believed.p_best[i]),
            rate=float(believed.mean[i]) * exposure.scale,
            low90=float(believed.low90[i]) * exposure.scale,
            high90=float(believed.high90[i]) * exposure.scale,
            metric=exposure.metric,
            enough=bool(believed.enough[i]),
        )
        for i, a in enumerate(chosen)
    ]
    return tuple(sorted(shares, key=lambda arm: (arm.key, -arm.share, arm.arm_id)))


def _settings(learnt: AdPriors | None, conversions: FloatArray) -> BanditSettings:
    """Those of the package, informed by what the slow tier learnt of ads where it did."""
    plain = BanditSettings()
    if learnt is None:
        return plain
    days = np.isfinite(conversions)
    daily = np.nansum(conversions, axis=1)[days.any(axis=1)] / days.sum(axis=1)[days.any(axis=1)]
    strength, spread, drift = learnt.log_strength, learnt.log_spread, learnt.log_drift
    return informed(
        plain,
        log_strength=(strength.mean, strength.sd),
        log_spread=None if spread is None else (spread.mean, spread.sd),
        drift=None if drift is None else float(np.exp(drift.mean)),
        excess=learnt.excess,
        daily=float(np.median(daily)) if daily.size else 0.0,
    )


def _compared(panel: ArmPanel) -> IntArray:
    """Indices of the arms that delivered in the last 28 days and have a rival, in the order of their targets."""
    alive = np.nansum(panel.spend[:, -28:], axis=1) > 0
    target = np.array([arm.target for arm in panel.arms], dtype=np.int64)
    rivals = np.bincount(target[alive], minlength=int(target.max(initial=0)) + 1)
    chosen = np.flatnonzero(alive & (rivals[target] > 1))
    ordered: IntArray = chosen[np.argsort(target[chosen], kind="stable")]
    return ordered


def _exposure(panel: ArmPanel, chosen: IntArray, currency: str) -> _Exposure:
    ways = (
        (panel.impressions, "conversions per 1,000 impressions", 1000.0),
        (panel.clicks, "conversions per 100 clicks", 100.0),
        (panel.spend, f"conversions per 100 {currency}", 100.0),
    )
    for measure, metric, scale in ways[:-1]:
        if (np.nansum(measure[chosen], axis=1) > 0).all():
            return _Exposure(measure[chosen], metric, scale)
    measure, metric, scale = ways[-1]
    return _Exposure(measure[chosen], metric, scale)


def _by_group(values: FloatArray, group: IntArray) -> FloatArray:
    sums: FloatArray = np.bincount(group, weights=values)[group]
    return sums


def _identity(arm: Arm) -> str:
    return arm.ad_id or "/".join(part for part in (arm.ad_group_id, arm.creative_id, arm.audience_id) if part)
