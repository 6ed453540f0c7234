"""Shifted-beta-geometric: a subscriber renews once a period, or leaves with a probability of their own.

That probability is Beta(a, b) over subscribers, so that those who are left leave more and more rarely (Fader and
Hardie, How to Project Customer Retention, Journal of Interactive Marketing 21, 2007). What matters of histories are two
rows of counts, and the likelihood is made of logarithms alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from optimizer.measure.lifetime.customers import Customers
from optimizer.plan.snapshot import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Renewals:
    """How subscriptions went.

    Attributes:
        renewed: How often each was renewed, shape (N,).
        ended: Whether each has ended, 1 or 0, shape (N,); of the others the end is not known.
        due: How often each could have been renewed by now, shape (N,).
    """

    renewed: IntArray
    ended: IntArray
    due: IntArray

    def counts(self, group: IntArray, groups: int) -> tuple[FloatArray, FloatArray]:
        """Return by group how many renewed after j renewals, and how many left instead, both of shape (groups, J)."""
        most = int(self.renewed.max(initial=0)) + 1
        last = np.zeros((groups, most + 1))
        np.add.at(last, (group, self.renewed), 1.0)
        more = last[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        left = np.zeros((groups, most))
        np.add.at(left, (group, self.renewed), self.ended.astype(np.float64))
        return more, left


def renewals(customers: Customers, period: float, grace: float) -> Renewals:
    """Read renewals from purchases: those up to the last one took place, also where a payment is not in the books.

    Args:
        customers: Of whom each first purchase begins a subscription.
        period: Days from one payment to the next.
        grace: Days that a payment may be late; later, and the subscription has ended.
    """
    renewed = np.rint(customers.recency / period).astype(np.int64)
    ended = customers.age - customers.recency > period + grace
    # The last one that is due is decided only when it is late by more than the grace.
    due = np.maximum(np.ceil((customers.age - grace) / period) - 1.0, 0.0)
    return Renewals(renewed, ended.astype(np.int64), due.astype(np.int64))


def log_likelihood(a: FloatArray, b: FloatArray, renewed: FloatArray, left: FloatArray) -> float:
    """Return the log-likelihood of counts; equation 6 of the paper, the Beta functions written out.

    Args:
        a: By group, shape (G,).
        b: The same.
        renewed: As from `Renewals.counts`, shape (G, J).
        left: The same.
    """
    j = np.arange(renewed.shape[1])
    all_of = np.log(a[:, None] + b[:, None] + j)
    return float((renewed * (np.log(b[:, None] + j) - all_of) + left * (np.log(a)[:, None] - all_of)).sum())


def survival(a: FloatArray, b: FloatArray, periods: int, renewed: IntArray | int = 0) -> FloatArray:
    """Return the probability of 1 ... `periods` more renewals, given so many before, shape (M, periods)."""
    j = np.asarray(renewed)[..., None] + np.arange(periods)
    return np.asarray(np.exp(np.cumsum(np.log(b[:, None] + j) - np.log(a[:, None] + b[:, None] + j), axis=1)))


def most_likely(renewed: FloatArray, left: FloatArray) -> tuple[float, float]:
    """Return a and b of greatest likelihood for the counts of one group, each of shape (J,)."""
    total = float(renewed.sum() + left.sum())

    def loss(logs: FloatArray) -> float:
        a, b = np.exp(logs)
        return -log_likelihood(np.array([a]), np.array([b]), renewed[None], left[None]) / total

    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-12.0, 12.0)] * 2, tol=1e-13)
    a, b = np.exp(found.x)
    return float(a), float(b)
