"""Which ad, creative and audience deserves which share of its budget, wherever the rows carry them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bandits import BanditSettings, Labels, believe
from bandits.forgetting import choose_gamma
from bandits.groups import BoolArray, Groups
from bandits.hierarchy import informed
from bandits.wear import Wear, wear_out
from optimizer.goals import Sharing
from optimizer.plan.priors import AdPriors
from optimizer.plan.recommendation import ArmShare, Finding, Severity
from optimizer.plan.snapshot import Arm, ArmPanel, FloatArray, IntArray, Snapshot
from optimizer.plan.tested import in_experiment, running_experiments
from optimizer.response import Belief

_RECENT_DAYS: Final = 7
_RUNNING_DAYS: Final = 28  # an ad that did not deliver in these has stopped


@dataclass(frozen=True, slots=True, eq=False)
class _Exposure:
    """What an arm's conversions are counted against, and how its rate is written."""

    daily: FloatArray
    metric: str
    scale: float


def arm_shares(snapshot: Snapshot, belief: Belief, sharing: Sharing, rng: np.random.Generator) -> tuple[ArmShare, ...]:
    """Learn every arm's rate and share out each target that has two arms or more, by target, best first.

    A rate is conversions per impression where all arms report impressions, else per click, else per unit spent:
    the first measure that lies nearest to the ad's own doing. Ads of these targets that have stopped are learnt from,
    and get no share and no row. Ads with the same creative or audience in one account learn from one another. Arms
    of an experiment that runs are left out, with the part of their target that they have.
    """
    panel = snapshot.arms
    if panel is None:
        return ()
    taken = in_experiment(snapshot)
    chosen, stopped = _compared(panel, taken)
    if chosen.size == 0:
        return ()
    exposure = _exposure(panel, chosen, stopped, snapshot.currency)
    group = np.array([panel.arms[a].target for a in chosen], dtype=np.int64)
    age = np.arange(panel.spend.shape[1], 0, -1)
    recent = np.where(stopped, 0.0, np.nansum(exposure.daily[:, -_RECENT_DAYS:], axis=1))
    conversions, maturity = panel.conversions[chosen], belief.maturity(age)[group]
    believed = believe(
        exposure.daily,
        conversions,
        group=group,
        age=age.astype(np.float64),
        maturity=maturity,
        share_now=recent,
        rng=rng,
        settings=_settings(snapshot.ad_priors, sharing, exposure.daily, conversions, Groups.of(group), maturity),
        labels=_labels(snapshot, panel, chosen),
        retired=stopped,
    )
    worn = _worn(panel, chosen, exposure, maturity)
    free = _free(panel, taken, len(snapshot.targets))[group]
    now = free * recent / np.maximum(_by_group(recent, group), 1e-12)
    shares = [
        ArmShare(
            key=snapshot.targets[panel.arms[a].target].key,
            arm_id=_identity(panel.arms[a]),
            name=panel.arms[a].name,
            share_now=float(now[i]),
            share=float(free[i] * believed.share[i]),
            p_best=float(believed.p_best[i]),
            rate=float(believed.mean[i]) * exposure.scale,
            low90=float(believed.low90[i]) * exposure.scale,
            high90=float(believed.high90[i]) * exposure.scale,
            metric=exposure.metric,
            enough=bool(believed.enough[i]),
            worn=worn[i],
        )
        for i, a in enumerate(chosen)
        if not stopped[i]
    ]
    return tuple(sorted(shares, key=lambda arm: (arm.key, -arm.share, arm.arm_id)))


def _settings(
    learnt: AdPriors | None,
    sharing: Sharing,
    exposure: FloatArray,
    conversions: FloatArray,
    groups: Groups,
    maturity: FloatArray,
) -> BanditSettings:
    """How ads are learnt from: what the slow tier learnt of them has the say, and gamma is from the days without it."""
    plain = BanditSettings(
        policy=sharing.policy.policy(sharing.horizon_days), floor=sharing.floor, largest_step=sharing.largest_step
    )
    if learnt is None or learnt.log_drift is None:
        plain = replace(plain, gamma=choose_gamma(exposure, conversions, groups, maturity).gamma)
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
        # Platforms take conversions back, even more than came.
        daily=max(float(np.median(daily)), 0.0) if daily.size else 0.0,
    )


def standing_aside(snapshot: Snapshot) -> Iterator[Finding]:
    """Say of each target whose arms are in an experiment that no shares are advised for them."""
    for experiment in running_experiments(snapshot):
        for target in snapshot.targets:
            if str(target.key) in experiment.targets:
                yield Finding(
                    "experiment",
                    Severity.INFO,
                    str(target.key),
                    f"{target.budget.name}: {len(experiment.arms)} arms are in experiment {experiment.name!r} and "
                    "keep the split that was registered; no share is advised for them.",
                    "Close the experiment when it has ended (outlay experiment status).",
                )


def _free(panel: ArmPanel, taken: BoolArray, targets: int) -> FloatArray:
    """Part of each target's recent delivery that is in no experiment, shape (K,); 1 where nothing was delivered."""
    seen = np.nansum(panel.impressions, axis=1)
    measure = panel.impressions if (seen[taken] > 0).all() else panel.spend
    recent = np.nansum(measure[:, -_RECENT_DAYS:], axis=1)
    target = np.array([arm.target for arm in panel.arms], dtype=np.int64)
    whole = np.bincount(target, weights=recent, minlength=targets)
    held = np.bincount(target, weights=recent * taken, minlength=targets)
    part: FloatArray = 1.0 - np.divide(held, whole, out=np.zeros(targets), where=whole > 0)
    return part


def _compared(panel: ArmPanel, taken: BoolArray) -> tuple[IntArray, BoolArray]:
    """Indices of the free arms of targets that have rivals running, by target, and which of them have stopped.

    An arm runs if it delivered in the last 28 days; one that never delivered is left out.
    """
    runs = (np.nansum(panel.spend[:, -_RUNNING_DAYS:], axis=1) > 0) & ~taken
    ran = (np.nansum(panel.spend, axis=1) > 0) & ~taken
    target = np.array([arm.target for arm in panel.arms], dtype=np.int64)
    rivals = np.bincount(target[runs], minlength=int(target.max(initial=0)) + 1)
    chosen = np.flatnonzero(ran & (rivals[target] > 1))
    ordered: IntArray = chosen[np.argsort(target[chosen], kind="stable")]
    return ordered, ~runs[ordered]


def _labels(snapshot: Snapshot, panel: ArmPanel, chosen: IntArray) -> Labels:
    """Creatives and audiences as numbers: one number for one id of one account, -1 where there is none."""
    arms = [panel.arms[a] for a in chosen]
    accounts = [snapshot.targets[arm.target].key for arm in arms]

    def numbered(ids: list[str | None]) -> IntArray:
        seen: dict[tuple[str, str, str], int] = {}
        return np.array(
            [
                -1 if name is None else seen.setdefault((key.connector, key.account_id, name), len(seen))
                for key, name in zip(accounts, ids, strict=True)
            ],
            dtype=np.int64,
        )

    return Labels(
        creative=numbered([arm.creative_id for arm in arms]), audience=numbered([arm.audience_id for arm in arms])
    )


def _worn(panel: ArmPanel, chosen: IntArray, exposure: _Exposure, maturity: FloatArray) -> list[str | None]:
    """What is to be said of each arm that is past its peak; None of the others.

    Told by clicks per impression where all arms report both, which are many and known at once, else by conversions.
    """
    shown, clicks = panel.impressions[chosen], panel.clicks[chosen]
    group = np.array([panel.arms[a].target for a in chosen], dtype=np.int64)
    impressions, clicked = np.nansum(shown, axis=1), np.nansum(clicks, axis=1)
    if ((impressions > 0) & (clicked <= impressions)).all() and clicked.any():
        found, what = wear_out(shown, clicks, group=group, maturity=np.ones(shown.shape[1])), "click rate"
    else:
        found = wear_out(exposure.daily, panel.conversions[chosen], group=group, maturity=maturity)
        what = "conversion rate"
    return [_worn_words(found, i, what) if found.worn[i] else None for i in range(chosen.size)]


def _worn_words(found: Wear, i: int, what: str) -> str:
    return (
        f"past its peak: about {found.lost[i]:.0%} of its first {what} is gone "
        f"(90% sure of {found.low90[i]:.0%} to {found.high90[i]:.0%})"
    )


def _exposure(panel: ArmPanel, chosen: IntArray, stopped: BoolArray, currency: str) -> _Exposure:
    ways = (
        (panel.impressions, "conversions per 1,000 impressions", 1000.0),
        (panel.clicks, "conversions per 100 clicks", 100.0),
        (panel.spend, f"conversions per 100 {currency}", 100.0),
    )
    for measure, metric, scale in ways[:-1]:
        if (np.nansum(measure[chosen[~stopped]], axis=1) > 0).all():
            return _Exposure(measure[chosen], metric, scale)
    measure, metric, scale = ways[-1]
    return _Exposure(measure[chosen], metric, scale)


def _by_group(values: FloatArray, group: IntArray) -> FloatArray:
    sums: FloatArray = np.bincount(group, weights=values)[group]
    return sums


def _identity(arm: Arm) -> str:
    return arm.ad_id or "/".join(part for part in (arm.ad_group_id, arm.creative_id, arm.audience_id) if part)
