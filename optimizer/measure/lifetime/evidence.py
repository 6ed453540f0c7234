"""What the models are fitted to: customers counted by what matters of their histories, so that many are few rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from optimizer.measure.lifetime.contract import By, Lifetime
from optimizer.measure.lifetime.customers import Customers
from optimizer.measure.lifetime.renewing import Renewals, renewals
from optimizer.plan.snapshot import FloatArray, IntArray

LEAST_CUSTOMERS: Final = 100
LEAST_REPEATS: Final = 50
"""Fewer customers, or customers who came back, tell nothing that is worth a fit."""

LEAST_SPREAD: Final = 0.05
"""Prices that hardly vary are taken to vary by so much: no sampler can walk a ridge of no width."""

FAR: Final = 4.0
"""How far below the mean of all a group's own mean counts as such, where it says how exactly amounts are known."""

_EPOCH: Final = date(1970, 1, 1).toordinal()


def grouped(customers: Customers, by: By) -> tuple[tuple[str, ...], IntArray]:
    """Return the names of the groups, sorted, and each customer's."""
    if by is By.CHANNEL:
        return customers.channels, customers.channel
    months = (customers.first_day - _EPOCH).astype("datetime64[D]").astype("datetime64[M]")
    names, place = np.unique(months, return_inverse=True)
    return tuple(map(str, names)), place.astype(np.int64)


def sampled(group: IntArray, groups: int, most: int, rng: np.random.Generator) -> IntArray:
    """Return the places of at most so many customers, those of small groups before all others.

    The likelihood is that of each group given its size, so that it does not matter how many of each are drawn.

    Args:
        group: Of each customer, shape (N,).
        groups: How many there are.
        most: How many are drawn at most, over all groups; at least one of each.
        rng: All chance comes from it.
    """
    if len(group) <= most:
        return np.arange(len(group))
    counts = np.bincount(group, minlength=groups)
    share, left = 0, most
    for done, count in enumerate(np.sort(counts).tolist()):
        share = max(left // (groups - done), 1)
        if count > share:
            break
        left -= count
    shuffled = rng.permutation(len(group))
    ordered = shuffled[np.argsort(group[shuffled], kind="stable")]
    rank = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(ordered[rank < share])


@dataclass(frozen=True, slots=True, eq=False)
class Amounts:
    """Means of amounts by group, and how well they are known.

    Attributes:
        groups: Places of the groups that have any, shape (M,).
        mean: Their means in currency units, shape (M,).
        error: Standard errors of those, shape (M,); amounts are taken to spread alike, relative to their means.
        whole: The mean of all; 0 where nothing was ever paid, and then the rest is of no use.
    """

    groups: IntArray
    mean: FloatArray
    error: FloatArray
    whole: float


def amounts(values: FloatArray, weight: FloatArray, group: IntArray, groups: int) -> Amounts:
    """Return the means of values by group; each value is the mean of `weight` amounts, at least one value."""
    count = np.bincount(group, weights=weight, minlength=groups)
    total = np.bincount(group, weights=values * weight, minlength=groups)
    whole = float(total.sum() / count.sum())
    # Of few amounts the mean is a poor guide to their spread, and of free ones it is none.
    level = np.maximum((total + whole) / (count + 1.0), whole / FAR)
    own = total / np.maximum(count, 1.0)
    apart = (values - own[group]) / np.maximum(level[group], np.finfo(np.float64).tiny)
    spread = max(float(np.sqrt((weight * apart**2).sum() / len(values))), LEAST_SPREAD)
    some = np.flatnonzero(count > 0)
    return Amounts(some, own[some], spread * level[some] / np.sqrt(count[some]), whole)


@dataclass(frozen=True, slots=True, eq=False)
class Purchases:
    """What BG/NBD and Gamma-Gamma are fitted to; G groups.

    Attributes:
        groups: Names.
        size: Customers of each, shape (G,).
        more: How many of each came back more than j times, shape (G, J).
        quiet: Columns group, age, count of those who never came back.
        active: Columns group, repeats, recency, age, count of those who did.
        spent: Columns group, repeats, mean of a repeat, of each who left more than 0.
        opening: What first purchases left.
        age: Of each customer that is fitted, shape (M,).
        repeats: The same.
        group: The same.
    """

    groups: tuple[str, ...]
    size: FloatArray
    more: FloatArray
    quiet: FloatArray
    active: FloatArray
    spent: FloatArray
    opening: Amounts
    age: IntArray
    repeats: IntArray
    group: IntArray


def purchases(customers: Customers, groups: tuple[str, ...], group: IntArray, rows: IntArray) -> Purchases:
    """Count the customers in these rows; at least one of them came back."""
    g, x, age, recency = (c[rows] for c in (group, customers.repeats, customers.age, customers.recency))
    back = x > 0
    last = np.zeros((len(groups), int(x.max()) + 1))
    np.add.at(last, (g, x), 1.0)
    spend = customers.spend[rows]
    paid = back & (spend > 0)
    return Purchases(
        groups=groups,
        size=np.bincount(g, minlength=len(groups)).astype(np.float64),
        more=last[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:],
        quiet=_counted(g[~back], age[~back]),
        active=_counted(g[back], x[back], recency[back], age[back]),
        spent=np.column_stack([g[paid], x[paid], spend[paid]]),
        opening=amounts(customers.opening[rows], np.ones(len(rows)), g, len(groups)),
        age=age,
        repeats=x,
        group=g,
    )


def _counted(*columns: IntArray) -> FloatArray:
    """Return the different rows as columns of float64, and after them how many there are of each."""
    rows, count = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    return np.column_stack([rows, count]).T.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Subscriptions:
    """What the shifted-beta-geometric is fitted to; G groups.

    Attributes:
        groups: Names.
        renewed: How many renewed after j renewals, shape (G, J).
        left: How many left instead, shape (G, J).
        opening: First payments.
        later: Those of each further period.
        history: How each went, all customers.
    """

    groups: tuple[str, ...]
    renewed: FloatArray
    left: FloatArray
    opening: Amounts
    later: Amounts
    history: Renewals


def subscriptions(customers: Customers, groups: tuple[str, ...], group: IntArray, asked: Lifetime) -> Subscriptions:
    """Count the subscriptions of all customers; at least one was renewed."""
    history = renewals(customers, asked.period_days, asked.grace_days)
    renewed, left = history.counts(group, len(groups))
    some = np.flatnonzero(history.renewed > 0)
    times = history.renewed[some].astype(np.float64)
    later = customers.spend[some] * customers.repeats[some] / times
    return Subscriptions(
        groups=groups,
        renewed=renewed,
        left=left,
        opening=amounts(customers.opening, np.ones(len(customers)), group, len(groups)),
        later=amounts(later, times, group[some], len(groups)),
        history=history,
    )
