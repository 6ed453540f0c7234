"""What the pictures of a report show, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.money import MICROS
from simulations.noise import FloatArray
from simulations.policies.contract import bounds_of
from simulations.runs.record import Run
from simulations.runs.scores import Scores, regret, share_of
from simulations.runs.traces import OracleTrace, Trace

_WORST_OF_FIRST: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A measure by day over the worlds, each of shape (T,).

    Attributes:
        mean: Over worlds.
        low, high: 10th and 90th percentile over worlds, linearly interpolated.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Case:
    """A policy in a world that went badly for it.

    Attributes:
        policy: Its name.
        world: Index of the world in the run.
        seed: Of the world.
        share: Of the oracle over all days.
        day: Index of the compared day that lost most against the oracle; the first of equals.
    """

    policy: str
    world: int
    seed: int
    share: float
    day: int


def band(by_world: FloatArray) -> Band:
    """Sum a measure of shape (W, T) up over worlds."""
    low, high = np.quantile(by_world, (0.1, 0.9), axis=0)
    return Band(by_world.mean(axis=0), low, high)


def day_shares(run: Run, policy: str) -> FloatArray:
    """Return by world and day the expected outcome as a share of the oracle's, shape (W, T)."""
    return share_of(np.array([trace.expected for trace in run.traces[policy]]), _best(run))


def spend_shares(run: Run, policy: str) -> FloatArray:
    """Return by world and day what was charged as a share of the total, shape (W, T)."""
    spend = np.array([trace.spend for trace in run.traces[policy]])
    return spend / MICROS / bounds_of(run.spec.scenario).total


def lost_so_far(run: Run, policy: str) -> FloatArray:
    """Return cumulative regret as a share of all that the oracle brings over the whole run, shape (W, T)."""
    lost, all_days = np.cumsum(regret(run, policy), axis=1), _best(run).sum(axis=1, keepdims=True)
    shares: FloatArray = np.divide(lost, all_days, out=np.zeros(lost.shape), where=all_days > 0.0)
    return shares


def budget_shares(run: Run, trace: Trace | OracleTrace) -> FloatArray:
    """Return by day and campaign which share of the total was budgeted, shape (T, K)."""
    return trace.budgets / MICROS / bounds_of(run.spec.scenario).total


def cases(run: Run, scores: Scores) -> tuple[Case, ...]:
    """Return the worst worlds: up to three of the first policy, the least first, then one of each other policy."""
    found = []
    for p, policy in enumerate(run.spec.policies):
        lost = regret(run, policy)
        for world in np.argsort(scores.whole[p], kind="stable")[: 1 if p else _WORST_OF_FIRST]:
            share, day = float(scores.whole[p, world]), int(lost[world].argmax())
            found.append(Case(policy, int(world), run.spec.seeds[world], share, day))
    return tuple(found)


def median_and_worst(scores: Scores) -> dict[str, int]:
    """Return the worlds in which the first policy did middling (the lower of two) and worst, by what they are."""
    order = np.argsort(scores.whole[0], kind="stable")
    if order.size == 1:
        return {"only": int(order[0])}
    return {"median": int(order[(order.size - 1) // 2]), "worst": int(order[0])}


def _best(run: Run) -> FloatArray:
    return np.array([oracle.best for oracle in run.oracles])
