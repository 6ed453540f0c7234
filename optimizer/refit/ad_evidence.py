"""What the model of ads is fitted to: conversions by week of ads that have rivals, and the levels that they share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.plan.snapshot import Arm, ArmPanel, FloatArray, IntArray, Snapshot, Target
from optimizer.refit.contract import Sampling
from optimizer.response.history import BoolArray
from optimizer.response.maturity import learn_maturity

WEEK: Final = 7

FORTNIGHTS: Final = 13 * WEEK
"""Days of history beyond which a cell is two weeks: an ad that moves within them moves between them too."""

LEAST_ADS: Final = 6
LEAST_CONVERSIONS: Final = 100.0
"""Fewer say nothing of how alike ads are that the fast tier's own prior does not say."""

LEAST_OF_GROUP: Final = 10.0
"""Conversions of a budget's ads together."""

MOST_OF_GROUP: Final = 12
"""Ads of one budget, those with the most conversions."""

LEAST_PERIODS: Final = 4
"""Of all ads together; in fewer, a rate that moves cannot be told from one that scatters."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One way to sort the ads, such as by creative.

    Attributes:
        name: `platform`, `account`, `campaign`, `creative`, `audience` or `ad`.
        labels: Distinct, in the order of their indices.
        index: Of each ad's label, shape (A,).
        apart: Share of the pairs of ads of one budget that differ in it, mean over budgets.
        across: Share of the pairs of ads of two budgets that differ in it, mean over the pairs; 0 with one budget.
    """

    name: str
    labels: tuple[str, ...]
    index: IntArray
    apart: float
    across: float


@dataclass(frozen=True, slots=True, eq=False)
class AdEvidence:
    """A ads in G groups (budget targets), M cells (a period of an ad with exposure).

    Attributes:
        metric: What a rate is of: conversions per unit of it.
        ads: Names.
        groups: Keys of the budgets, as text.
        group: Index of each ad's budget, shape (A,).
        channels: Sorted names.
        channel: Index of each ad's channel, shape (A,).
        levels: Only those that the data can tell apart.
        days: Length of a period: a week, or two of a long history.
        periods: W, from the oldest to the latest cell.
        ad: Of each cell, shape (M,), ascending.
        period: Of each cell, 0 the oldest, shape (M,), ascending for each ad.
        counts: Whole conversions, shape (M,).
        exposure: Sum of each day's exposure times its completeness, above zero, shape (M,).
        notes: What was left out and why.
    """

    metric: str
    ads: tuple[str, ...]
    groups: tuple[str, ...]
    group: IntArray
    channels: tuple[str, ...]
    channel: IntArray
    levels: tuple[Level, ...]
    days: int
    periods: int
    ad: IntArray
    period: IntArray
    counts: IntArray
    exposure: FloatArray
    notes: tuple[str, ...]

    @property
    def enough(self) -> bool:
        """Whether there are ads and conversions enough to learn how alike ads are."""
        return len(self.ads) >= LEAST_ADS and float(self.counts.sum()) >= LEAST_CONVERSIONS

    @property
    def moves(self) -> bool:
        """Whether there are periods enough to tell a rate that moves."""
        return self.periods >= LEAST_PERIODS


def gather_ads(snapshot: Snapshot, panel: ArmPanel, settings: Sampling) -> AdEvidence:
    """Choose the ads that are fitted, and lay out their periods and levels.

    Retired ads count as much as running ones: how alike ads are does not depend on who still runs.

    Args:
        snapshot: What is known.
        panel: Its ads.
        settings: How many days, and how many budgets of a channel.
    """
    days = min(settings.days, panel.spend.shape[1])
    conversions = panel.conversions[:, panel.spend.shape[1] - days :]
    exposure, metric = _exposure(panel, days, snapshot.currency)
    known = np.isfinite(conversions) & (np.nan_to_num(exposure) > 0)
    counts = np.where(known, np.maximum(np.nan_to_num(conversions), 0.0), 0.0)
    chosen, notes = _chosen(snapshot, panel, counts.sum(axis=1), known.any(axis=1), settings.campaigns)
    arms = [panel.arms[a] for a in chosen]
    target = np.array([arm.target for arm in arms], dtype=np.int64)
    complete = learn_maturity(snapshot.delays, len(snapshot.targets)).history(days)
    felt = np.where(known, np.nan_to_num(exposure), 0.0)[chosen] * np.maximum(complete[target], 1e-3)
    length = WEEK if days <= FORTNIGHTS else 2 * WEEK
    ad, period, whole, summed = _cells(counts[chosen], felt, length)
    places, group = np.unique(target, return_inverse=True)
    channel = [snapshot.targets[k].channel for k in target.tolist()]
    channels, of_channel = np.unique(np.array(channel, dtype=np.str_), return_inverse=True)
    return AdEvidence(
        metric=metric,
        ads=tuple(arm.name for arm in arms),
        groups=tuple(str(snapshot.targets[k].key) for k in places.tolist()),
        group=group.astype(np.int64),
        channels=tuple(channels.tolist()),
        channel=of_channel.astype(np.int64),
        levels=_levels(arms, snapshot.targets, group.astype(np.int64)),
        days=length,
        periods=int(np.ptp(period)) + 1 if period.size else 0,
        ad=ad,
        period=period - (period.min() if period.size else 0),
        counts=whole,
        exposure=summed,
        notes=notes,
    )


def _exposure(panel: ArmPanel, days: int, currency: str) -> tuple[FloatArray, str]:
    """The first measure, by how near it lies to the ad's own doing, that every ad with conversions reports."""
    brings = np.nansum(panel.conversions[:, -days:], axis=1) > 0
    for measure, metric in ((panel.impressions, "impression"), (panel.clicks, "click")):
        latest = measure[:, -days:]
        if brings.any() and (np.nansum(latest, axis=1) > 0)[brings].all():
            return latest, metric
    return panel.spend[:, -days:], currency


def _chosen(
    snapshot: Snapshot, panel: ArmPanel, total: FloatArray, seen: BoolArray, most: int
) -> tuple[list[int], tuple[str, ...]]:
    """Return the ads that are fitted, sorted by budget, and what was left out."""
    of_target: dict[int, list[int]] = {}
    for a in np.flatnonzero(seen).tolist():
        of_target.setdefault(panel.arms[a].target, []).append(a)
    able = {
        k: sorted(ads, key=lambda a: (-total[a], a))[:MOST_OF_GROUP]
        for k, ads in of_target.items()
        if len(ads) > 1 and total[ads].sum() >= LEAST_OF_GROUP
    }
    chosen: list[int] = []
    notes = []
    for channel in sorted({snapshot.targets[k].channel for k in of_target}):
        members = [k for k in sorted(of_target) if snapshot.targets[k].channel == channel]
        wanted = sorted((k for k in members if k in able), key=lambda k: (-total[able[k]].sum(), k))
        chosen += [a for k in wanted[:most] for a in able[k]]
        thin = len(members) - len(wanted)
        if thin:
            notes.append(f"{channel}: the ads of {thin} of {len(members)} budgets are too few, or bring too little.")
        if len(wanted) > most:
            notes.append(f"{channel}: the ads of the {most} budgets with the most conversions stand for {len(wanted)}.")
    return sorted(chosen, key=lambda a: (panel.arms[a].target, a)), tuple(notes)


def _cells(counts: FloatArray, exposure: FloatArray, length: int) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Sum days into periods that end today; fractions are rounded so that no ad's total moves by more than one half."""
    days = counts.shape[1]
    starts = np.flatnonzero(np.diff((np.arange(days) - days) // length, prepend=-days))
    summed = np.add.reduceat(exposure, starts, axis=1)
    sums = np.round(np.cumsum(np.add.reduceat(counts, starts, axis=1), axis=1))
    whole = np.diff(sums, axis=1, prepend=0.0).astype(np.int64)
    ad, at = np.nonzero(summed > 0)
    return ad, at, whole[ad, at], summed[ad, at]


def _levels(arms: Sequence[Arm], targets: Sequence[Target], group: IntArray) -> tuple[Level, ...]:
    """The levels from coarse to fine, less those with one label and those that sort the ads as a finer one does.

    Ids are an account's own: two accounts that both have an audience 7 have two audiences.
    """
    accounts = [(key.connector, key.account_id) for key in (targets[arm.target].key for arm in arms)]
    ways: dict[str, list[Hashable]] = {
        "platform": [connector for connector, _ in accounts],
        "account": list(accounts),
        "campaign": [str(targets[arm.target].key) for arm in arms],
        "creative": [
            (*account, arm.creative_id or f"ad {place}")
            for place, (account, arm) in enumerate(zip(accounts, arms, strict=True))
        ],
        "audience": [(*account, arm.audience_id or "") for account, arm in zip(accounts, arms, strict=True)],
        "ad": list(range(len(arms))),
    }
    kept: list[Level] = []
    seen: set[tuple[int, ...]] = set()
    for name, labels in reversed(ways.items()):
        order = list(dict.fromkeys(labels))
        index = np.array([order.index(label) for label in labels], dtype=np.int64)
        if len(order) > 1 and tuple(index.tolist()) not in seen:
            seen.add(tuple(index.tolist()))
            kept.append(Level(name, tuple(map(str, order)), index, *_pairs(index, group)))
    return tuple(reversed(kept))


def _pairs(index: IntArray, group: IntArray) -> tuple[float, float]:
    """Share of the pairs of one group, and of two groups, that differ in their label."""
    counts = np.zeros((group.max(initial=0) + 1, index.max(initial=0) + 1))
    np.add.at(counts, (group, index), 1.0)
    sizes = counts.sum(axis=1)
    alike = ((counts**2).sum(axis=1) - sizes) / (sizes * (sizes - 1))
    shares = counts / sizes[:, None]
    meet = shares @ shares.T
    pairs = meet[~np.eye(len(sizes), dtype=bool)]
    return float(1.0 - alike.mean()), float(1.0 - pairs.mean()) if pairs.size else 0.0
