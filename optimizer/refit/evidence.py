"""What the hierarchy is fitted to: the days of the campaigns that have enough of them, and lift tests about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import FloatArray, IntArray, Snapshot
from optimizer.refit.contract import LiftTest, Sampling
from optimizer.refit.transforms import lagged
from optimizer.response.history import BoolArray, History, read
from optimizer.response.maturity import learn_maturity
from optimizer.response.prior import reference_spend

LAGS: Final = 8
"""Days over which spend is felt, its own included."""

LEAST_DAYS: Final = 28
LEAST_CONVERSIONS: Final = 20.0
"""A target with less says nothing of its shape that its channel's prior does not say."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A lift test as the hierarchy sees it.

    Attributes:
        channel: Index of its channel.
        targets: Indices of the fitted targets that took part, shape (M,).
        spend: Per day without the change, over each one's reference spend, shape (M,), as if all of its market had been
            tested.
        change: Per day, likewise, shape (M,).
        days: With the changed spend.
        middle: The fitted day nearest to its middle.
        whole: Spend that was tested over all that the fitted ones spend: above one where others took part too, below
            one where only a part of the market was tested, as in a test by regions.
        incremental: Conversions.
        se: Of `incremental`.
    """

    channel: int
    targets: IntArray
    spend: FloatArray
    change: FloatArray
    days: int
    middle: int
    whole: float
    incremental: float
    se: float


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """N targets of C channels over T days.

    Attributes:
        channels: Sorted names.
        names: Of the targets.
        channel: Index of each target's channel, shape (N,).
        reference: x_ref in currency units per day, shape (N,).
        lags: Spend over x_ref, this day and those before, shape (N, T, LAGS).
        active: 1 on days that feel any spend, shape (N, T).
        counted: Days with reported conversions that feel spend, shape (N, T).
        counts: Whole conversions, zero on other days, shape (N, T); sums over time are kept when fractions are rounded.
        exposure: Completeness, shape (N, T).
        weekday: 0 is Monday, shape (T,).
        trials: Lift tests.
        notes: What was left out and why.
    """

    channels: tuple[str, ...]
    names: tuple[str, ...]
    channel: IntArray
    reference: FloatArray
    lags: FloatArray
    active: FloatArray
    counted: BoolArray
    counts: IntArray
    exposure: FloatArray
    weekday: IntArray
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]


def gather(snapshot: Snapshot, lifts: tuple[LiftTest, ...], settings: Sampling) -> Evidence:
    """Choose the targets that are fitted, and lay their days and tests out.

    Args:
        snapshot: What is known.
        lifts: Experiments.
        settings: How many days, and how many targets of a channel.

    Raises:
        ValueError: The panel and the targets differ in number.
    """
    whole = read(snapshot)
    history = whole.last(settings.days)
    reference = reference_spend(whole, snapshot.current)
    chosen, notes = _chosen(snapshot, history, settings)
    channels = tuple(sorted({snapshot.targets[k].channel for k in chosen}))
    # What was spent before the fitted days is felt in the first of them.
    spend = np.nan_to_num(whole.spend[chosen])
    felt = lagged(spend / reference[chosen][:, None], LAGS)[:, whole.days - history.days :]
    active = felt.sum(axis=-1) > 0
    reported = np.isfinite(history.conversions[chosen])
    trials, untold = _trials(snapshot, history, lifts, chosen, channels, reference)
    completeness = learn_maturity(snapshot.delays, len(snapshot.targets)).history(history.days)
    return Evidence(
        channels=channels,
        names=tuple(snapshot.targets[k].budget.name for k in chosen),
        channel=np.array([channels.index(snapshot.targets[k].channel) for k in chosen], dtype=np.int64),
        reference=reference[chosen],
        lags=felt,
        active=active.astype(np.float64),
        counted=reported & active,
        counts=_whole(np.where(reported & active, history.conversions[chosen], 0.0)),
        exposure=completeness[chosen],
        weekday=history.weekday,
        trials=trials,
        notes=(*notes, *untold),
    )


def _chosen(snapshot: Snapshot, history: History, settings: Sampling) -> tuple[list[int], tuple[str, ...]]:
    """Return the indices of the targets that are fitted, in the snapshot's order, and what was left out."""
    total = np.where(history.counted, history.conversions, 0.0).sum(axis=1)
    enough = (history.counted.sum(axis=1) >= LEAST_DAYS) & (total >= LEAST_CONVERSIONS)
    chosen: list[int] = []
    notes = []
    for channel in sorted({target.channel for target in snapshot.targets}):
        members = [k for k, target in enumerate(snapshot.targets) if target.channel == channel]
        able = sorted((k for k in members if enough[k]), key=lambda k: (-total[k], k))
        chosen += able[: settings.campaigns]
        if len(able) < len(members):
            thin = len(members) - len(able)
            notes.append(f"{channel}: {thin} of {len(members)} targets have too few days or conversions to be fitted.")
        if len(able) > settings.campaigns:
            notes.append(
                f"{channel}: the {settings.campaigns} targets with the most conversions stand for {len(able)}."
            )
    return sorted(chosen), tuple(notes)


def _whole(conversions: FloatArray) -> IntArray:
    """Round to whole conversions so that no total over time moves by more than one half."""
    sums = np.round(np.cumsum(conversions, axis=1))
    return np.maximum(np.diff(sums, axis=1, prepend=0.0), 0.0).astype(np.int64)


def _trials(
    snapshot: Snapshot,
    history: History,
    lifts: tuple[LiftTest, ...],
    chosen: list[int],
    channels: tuple[str, ...],
    reference: FloatArray,
) -> tuple[tuple[Trial, ...], tuple[str, ...]]:
    """Return the tests that are about fitted targets, and a sentence for each of the others."""
    trials, notes = [], []
    for lift in lifts:
        members = [k for k, t in enumerate(snapshot.targets) if _takes_part(lift, t.channel, t.campaigns)]
        fitted = [n for n, k in enumerate(chosen) if k in members]
        worth = _worth(history, members) if lift.outcome is Outcome.VALUE else 1.0
        if not fitted or not worth > 0:
            why = "none of what it tested is fitted" if not fitted else "no value per conversion is known"
            notes.append(
                f"The lift test of {lift.campaign or lift.channel!r} from {lift.first_day} is left out: {why}."
            )
            continue
        share = _shares(history, snapshot.today, lift, members)
        part = np.array([share[members.index(chosen[n])] for n in fitted])
        tested = _tested(history, snapshot.today, lift, members)
        scale = part / (tested * lift.days * reference[[chosen[n] for n in fitted]])
        centre = lift.first_day + timedelta(days=lift.days // 2)
        middle = history.days - (snapshot.today - centre).days
        trials.append(
            Trial(
                channel=channels.index(lift.channel),
                targets=np.array(fitted, dtype=np.int64),
                spend=lift.spend * scale,
                change=lift.spend_change * scale,
                days=lift.days,
                middle=int(np.clip(middle, 0, history.days - 1)),
                whole=tested / float(part.sum()),
                incremental=lift.incremental / worth,
                se=lift.se / worth,
            )
        )
    return tuple(trials), tuple(notes)


def _takes_part(lift: LiftTest, channel: str, campaigns: tuple[str, ...]) -> bool:
    return channel == lift.channel and (lift.campaign is None or lift.campaign in campaigns)


def _tested(history: History, today: date, lift: LiftTest, members: list[int]) -> float:
    """Return which share of the members' market was tested: spend that was tested over all that they would have spent.

    A test in a third of the regions changes a third of the spend. What it brought is a third of what the same relative
    change of all spend would have brought, and is to be compared at the point of the curve where all spend lies, not
    at a third of it: regions are taken to respond alike, each in proportion to its size. A history that does not reach
    over the whole test says nothing of it.
    """
    first = history.days - (today - lift.first_day).days
    if first < 0 or lift.spend <= 0:
        return 1.0
    during = float(np.nansum(history.spend[members, first : first + lift.days]))
    usual = during - lift.spend_change
    return float(np.clip(lift.spend / usual, 1e-3, 1.0)) if usual > 0 else 1.0


def _shares(history: History, today: date, lift: LiftTest, members: list[int]) -> FloatArray:
    """Return how the tested spend is split over the members: as in the days of the test, or else as over all days."""
    spend = np.nan_to_num(history.spend[members])
    first = history.days - (today - lift.first_day).days
    during = spend[:, max(first, 0) : max(first + lift.days, 0)].sum(axis=1)
    split = during if during.min(initial=np.inf) > 0 else spend.sum(axis=1) + 1e-9
    return np.asarray(split / split.sum())


def _worth(history: History, members: list[int]) -> float:
    """Return value per conversion over the days that report both, nan where none does."""
    value, conversions = history.value[members], history.conversions[members]
    both = np.isfinite(value) & np.isfinite(conversions)
    total = float(conversions[both].sum())
    return float(value[both].sum()) / total if total > 0 else float("nan")
