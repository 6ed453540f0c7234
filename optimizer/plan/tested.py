"""Which arms and ads of a snapshot are in an experiment. Apart from `optimizer.shares`: to write, nothing is learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bandits.experiment import Experiment, Kind
from bandits.groups import BoolArray
from connectors.contract import BudgetKey
from optimizer.plan.snapshot import Arm, Snapshot


def in_experiment(snapshot: Snapshot) -> BoolArray:
    """Return which arms of the snapshot are in an experiment that runs, shape (A,)."""
    return _taken(snapshot, running_experiments(snapshot))


def ads_in_experiments(snapshot: Snapshot) -> frozenset[tuple[BudgetKey, str]]:
    """Return the ads, by target and id, of which an arm is in an open experiment, whether it has begun or not.

    Also where another arm of the ad, such as the same ad for another audience, is in none: a platform switches the ad.
    """
    arms = () if snapshot.arms is None else snapshot.arms.arms
    held = _taken(snapshot, snapshot.experiments)
    return frozenset(
        (snapshot.targets[arm.target].key, arm.ad_id)
        for arm, is_held in zip(arms, held.tolist(), strict=True)
        if is_held and arm.ad_id is not None
    )


def _taken(snapshot: Snapshot, experiments: Iterable[Experiment]) -> BoolArray:
    arms = () if snapshot.arms is None else snapshot.arms.arms
    taken = {
        (target, experiment.kind, arm)
        for experiment in experiments
        for target in experiment.targets
        for arm in experiment.ids
    }
    if not taken:
        return np.zeros(len(arms), dtype=np.bool_)
    return np.array([not taken.isdisjoint(_identities(arm, snapshot)) for arm in arms], dtype=np.bool_)


def running_experiments(snapshot: Snapshot) -> Iterator[Experiment]:
    """Those that have begun; one that is over keeps its split until somebody closes it."""
    return (experiment for experiment in snapshot.experiments if experiment.first_day <= snapshot.today)


def _identities(arm: Arm, snapshot: Snapshot) -> set[tuple[str, Kind, str]]:
    key = str(snapshot.targets[arm.target].key)
    named = ((Kind.AD, arm.ad_id), (Kind.CREATIVE, arm.creative_id), (Kind.AUDIENCE, arm.audience_id))
    return {(key, kind, name) for kind, name in named if name is not None}
