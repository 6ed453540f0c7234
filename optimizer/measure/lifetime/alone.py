"""What the customers of each group tell by themselves, roughly: from it come the coordinates in which is sampled.

Where a group's customers tell a mean as exactly as the errors here say, what is sampled is independent of the mean and
the spread of all groups, whether the group is large or small (`models.Leaning`). Where they do not, the posterior is
the same, and the walk to it longer: rough is good enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize

from optimizer.measure.lifetime import buying, renewing
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.evidence import FAR, Amounts, Purchases, Subscriptions, amounts
from optimizer.plan.snapshot import FloatArray

_PULL: Final = 0.5
"""Sd of a normal around what all customers tell, without which few customers would tell of anything."""

_BEYOND: Final = 3.0
"""How far from what all customers tell a group is looked for, in logs and logits."""

_STEP: Final = 1e-3

GroupLikelihood = Callable[[int, FloatArray], float]
"""Log-likelihood of the customers of the group at this place, at some of its means, shape (K,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """A mean of each group, in its log or logit, as a normal likelihood; G groups.

    Attributes:
        at: Where its customers put it, shape (G,).
        precision: How exactly: one over the squared error, shape (G,); 0 where they tell nothing.
    """

    at: FloatArray
    precision: FloatArray


def of_amounts(paid: Amounts, groups: int) -> Alone:
    """Return the logs of means of amounts, of which some was above 0."""
    at, precision = np.full(groups, np.log(paid.whole)), np.zeros(groups)
    level = np.maximum(paid.mean, paid.whole / FAR)
    at[paid.groups] = np.log(level)
    precision[paid.groups] = (level / paid.error) ** 2
    return Alone(at, precision)


def of_spend(spent: FloatArray, groups: int) -> Alone:
    """Return the logs of mean repeats, from the rows `spent` of `Purchases`; each customer counts once."""
    group, mean = spent[:, 0].astype(np.int64), spent[:, 2]
    return of_amounts(amounts(mean, np.ones(len(mean)), group, groups), groups)


def of_purchases(evidence: Purchases, start: FloatArray) -> tuple[Alone, Alone]:
    """Return the logs of rates and the logits of losses, given what all customers together tell of the rest.

    Args:
        evidence: The histories, counted.
        start: Prior means of log rate, logit loss, log shape and log agreement, shape (4,).
    """
    histories = _histories(evidence)

    def likelihood(of: FloatArray, means: FloatArray, rest: FloatArray) -> float:
        _, repeats, recency, age, count = of
        r, agreement = np.exp(rest)
        chance = 1.0 / (1.0 + np.exp(-means[1]))
        kinds = (r, r / np.exp(means[0]), agreement * chance, agreement * (1.0 - chance))
        p = Buying(*(np.full(len(count), value) for value in kinds))
        return float(count @ buying.log_likelihood(p, repeats.astype(np.int64), recency, age))

    whole = _top(lambda u: likelihood(histories, u[:2], u[2:]), start)
    of_group = [histories[:, histories[0] == g] for g in range(len(evidence.groups))]
    rate, loss = _each(lambda g, means: likelihood(of_group[g], means, whole[2:]), len(of_group), whole[:2])
    return rate, loss


def of_subscriptions(evidence: Subscriptions, start: FloatArray) -> Alone:
    """Return the logits of losses, given what all subscribers together tell of the rest.

    Args:
        evidence: The histories, counted.
        start: Prior means of logit loss and log agreement, shape (2,).
    """

    def likelihood(renewed: FloatArray, left: FloatArray, loss: float, agreement: float) -> float:
        chance, whole = 1.0 / (1.0 + np.exp(-loss)), np.exp(agreement)
        a, b = np.array([whole * chance]), np.array([whole * (1.0 - chance)])
        return renewing.log_likelihood(a, b, renewed[None], left[None])

    together = evidence.renewed.sum(axis=0), evidence.left.sum(axis=0)
    whole = _top(lambda u: likelihood(*together, *u), start)
    (loss,) = _each(
        lambda g, means: likelihood(evidence.renewed[g], evidence.left[g], means[0], whole[1]),
        len(evidence.groups),
        whole[:1],
    )
    return loss


def _histories(evidence: Purchases) -> FloatArray:
    """Return rows group, repeats, recency, age, count of all histories, shape (5, M)."""
    group, age, count = evidence.quiet
    none = np.zeros_like(age)
    return np.concatenate([evidence.active, np.stack([group, none, none, age, count])], axis=1)


def _top(likelihood: Callable[[FloatArray], float], start: FloatArray) -> FloatArray:
    """Return the likeliest means under normals of sd 1 around the start."""
    return np.asarray(minimize(lambda u: -likelihood(u) + 0.5 * float(((u - start) ** 2).sum()), start).x)


def _each(likelihood: GroupLikelihood, groups: int, whole: FloatArray) -> tuple[Alone, ...]:
    """Return what each group tells of each of its means, the others left where they are."""
    bounds = [(middle - _BEYOND, middle + _BEYOND) for middle in whole]
    at, precision = np.empty((2, len(whole), groups))
    for g in range(groups):

        def pulled(u: FloatArray, g: int = g) -> float:
            return -likelihood(g, u) + 0.5 * float((((u - whole) / _PULL) ** 2).sum())

        top = minimize(pulled, whole, method="L-BFGS-B", bounds=bounds).x
        here = pulled(top)
        for k, step in enumerate(np.eye(len(whole)) * _STEP):
            curve = (pulled(top + step) - 2.0 * here + pulled(top - step)) / _STEP**2 - _PULL**-2
            # At the top the likelihood leans away from the whole as hard as the pull leans back.
            precision[k, g] = max(curve, 0.0)
            away = (top[k] - whole[k]) / _PULL**2 / max(curve, _PULL**-2)
            at[k, g] = np.clip(top[k] + away, *bounds[k])
    return tuple(Alone(a, p) for a, p in zip(at, precision, strict=True))
