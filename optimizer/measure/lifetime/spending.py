"""Gamma-Gamma: what a purchase brings varies around a mean of the customer's own, whatever the rate of buying.

Purchases of one customer are Gamma(p, nu), and nu is Gamma(q, gamma) over customers (Fader, Hardie and Lee, RFM and
CLV, Journal of Marketing Research 42, 2005; Fader and Hardie, The Gamma-Gamma Model of Monetary Value, note 025, 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from optimizer.plan.snapshot import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Spending:
    """Parameters of M kinds of customers; each of shape (M,), above zero, q above one.

    Attributes:
        p: Shape of one customer's purchases.
        q: Shape of the spread over customers.
        gamma: Its scale, in currency units.
    """

    p: FloatArray
    q: FloatArray
    gamma: FloatArray

    @property
    def mean(self) -> FloatArray:
        """What a purchase of a customer not yet known brings, in currency units, shape (M,)."""
        return self.p * self.gamma / (self.q - 1.0)

    def of(self, kind: IntArray) -> Spending:
        """Return the parameters of the kinds with these indices."""
        return Spending(self.p[kind], self.q[kind], self.gamma[kind])


def log_likelihood(p: Spending, repeats: IntArray, spend: FloatArray) -> FloatArray:
    """Return the log-density of each mean of repeat purchases, shape (M,): equation 1a of the note.

    Args:
        p: Of each customer.
        repeats: How many purchases, at least one.
        spend: Their mean, above zero.
    """
    x = np.asarray(repeats, dtype=np.float64)
    shapes = gammaln(p.p * x + p.q) - gammaln(p.p * x) - gammaln(p.q)
    powers = p.q * np.log(p.gamma) + (p.p * x - 1.0) * np.log(spend) + p.p * x * np.log(x)
    return np.asarray(shapes + powers - (p.p * x + p.q) * np.log(p.gamma + x * spend))


def expected(p: Spending, repeats: IntArray, spend: FloatArray) -> FloatArray:
    """Return what the next purchase of each customer brings, in currency units, shape (M,): equation 5 of the note.

    Between the mean of all customers and the customer's own, nearer to the latter the more purchases there were.
    """
    return np.asarray((p.gamma + repeats * spend) * p.p / (p.p * repeats + p.q - 1.0))


def most_likely(repeats: IntArray, spend: FloatArray) -> Spending:
    """Return the parameters of greatest likelihood, of one kind of customers; those without a repeat tell nothing.

    Raises:
        ValueError: The likelihood has no maximum that is found.
    """
    seen = np.asarray(repeats) > 0
    if not seen.any():
        raise ValueError("nobody came back, so that the parameters of Gamma-Gamma cannot be told")
    x, z = np.asarray(repeats)[seen], np.asarray(spend)[seen]
    scale = float(z.mean())

    def loss(logs: FloatArray) -> float:
        p, q, gamma = np.exp(logs)
        kinds = Spending(*(np.full(len(x), value) for value in (p, 1.0 + q, gamma)))
        return -float(log_likelihood(kinds, x, z / scale).mean())

    found = minimize(loss, np.log([2.0, 2.0, 1.0]), method="L-BFGS-B", bounds=[(-12.0, 12.0)] * 3, tol=1e-13)
    if np.any(np.abs(found.x) > 11.9):
        raise ValueError("the likelihood of Gamma-Gamma has no maximum: these purchases do not tell its parameters")
    p, q, gamma = np.exp(found.x)
    return Spending(np.array([p]), np.array([1.0 + q]), np.array([gamma * scale]))
