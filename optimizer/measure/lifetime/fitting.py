"""From customers to what a new one of each group is worth: one straight line, and nothing is handed on unchecked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from optimizer.measure.lifetime import buying, renewing, shocks, spending
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.contract import Kind, Lifetime, Valuation
from optimizer.measure.lifetime.customers import Customers
from optimizer.measure.lifetime.evidence import (
    LEAST_CUSTOMERS,
    LEAST_REPEATS,
    Purchases,
    Subscriptions,
    grouped,
    purchases,
    sampled,
    subscriptions,
)
from optimizer.measure.lifetime.models import (
    BUYING,
    RENEWING,
    build_purchases,
    build_subscriptions,
    buying_of,
    chances_of,
    spending_of,
)
from optimizer.measure.lifetime.renewing import renewals
from optimizer.measure.lifetime.shocks import Shocks
from optimizer.plan.snapshot import FloatArray, IntArray
from optimizer.refit.checks import convergence, predictive
from optimizer.refit.contract import Check, Progress, Sampling
from optimizer.refit.sampling import flat, sample

DRAWS: Final = 1_000
"""Posterior draws of which the values are told."""

ROUNDS: Final = 3
"""How often is sampled at most: as long as is asked, twice, and four times as long."""

_REPLICATES: Final = 200
_NEXT_TO_NONE: Final = 1e-6  # purchases of a week in which nobody could come back yet
_OWN: Final = 100  # customers of a group whose spread is checked by itself


def value(customers: Customers, asked: Lifetime, rng: np.random.Generator, progress: Progress) -> Valuation:
    """Fit the model that is asked for, check it, and say what customers are worth.

    What a new customer brings is the mean over customers, first purchase included; its draws tell how well that mean is
    known. Of single customers the figures are those at the posterior mean of the parameters.

    Args:
        customers: From `summarise`.
        asked: The model, the horizon, and how much is sampled.
        rng: All chance comes from it: the same customers, questions and state give the same draws.
        progress: Told how far sampling is.
    """
    names, group = grouped(customers, asked.by)
    model = BUYING if asked.kind is Kind.PURCHASES else RENEWING
    if asked.kind is Kind.PURCHASES:
        rows = sampled(group, len(names), asked.most, rng)
        enough = _enough(customers, rows, customers.repeats[rows] > 0)
    else:
        rows = np.arange(len(customers))
        enough = _enough(customers, rows, renewals(customers, asked.period_days, asked.grace_days).renewed > 0)
    empty = Valuation(asked, model, customers, names, group, (enough,))
    if not enough.passed:
        return empty
    if asked.kind is Kind.PURCHASES:
        return _purchases(empty, rows, rng, progress)
    return _subscriptions(empty, rng, progress)


def _enough(customers: Customers, rows: IntArray, came_back: npt.NDArray[np.bool_]) -> Check:
    """Check that the customers in these rows are enough, and that some of those who came back paid."""
    back, paid = int(came_back.sum()), bool(np.any(customers.spend[rows][came_back] > 0))
    fine = len(rows) >= LEAST_CUSTOMERS and back >= LEAST_REPEATS and paid
    words = f"{len(rows):,} customers, of whom {back:,} came back" + ("" if paid or not back else " and paid nothing")
    mend = "." if fine else f"; a fit needs at least {LEAST_CUSTOMERS} and {LEAST_REPEATS}, and some who paid."
    return Check("evidence", float(back), float(LEAST_REPEATS), fine, words + mend)


def _purchases(empty: Valuation, rows: IntArray, rng: np.random.Generator, progress: Progress) -> Valuation:
    asked, customers, group = empty.asked, empty.customers, empty.group
    evidence = purchases(customers, empty.groups, group, rows)
    tree, settled = _drawn(build_purchases(evidence), asked.sampling, rng, progress)
    checks = (*empty.checks, *settled, *_looks_alike(flat(tree, _REPLICATES), evidence, rng))
    if not all(check.passed for check in checks):
        return replace(empty, checks=checks, idata=tree)
    draws = flat(tree, DRAWS)
    bought, spent = buying_of(draws), spending_of(draws)
    wide = Buying(*(np.ascontiguousarray(column).ravel() for column in _columns(bought)))
    typical = _typical(flat(tree))
    own = Buying(*(column[0] for column in _columns(buying_of(typical))))
    moved = _moved(own, empty, len(bought.r), rng)
    factors = np.repeat(moved.factors, len(empty.groups), axis=0)
    repeats = buying.expected(wide, asked.horizon_days, asked.force, factors).reshape(bought.r.shape)
    values = _opening(draws, len(empty.groups)) + spent.mean * repeats
    own_of = own.of(group)
    history = (customers.repeats, customers.recency, customers.age)
    alive = buying.alive(own_of, *history)
    ahead = alive * _ahead(own_of, customers, group, asked, moved.factors.mean(axis=0, keepdims=True))
    pays = spending_of(typical)
    pays_of = spending.Spending(*(column[0][group] for column in (pays.p, pays.q, pays.gamma)))
    ahead = ahead * spending.expected(pays_of, customers.repeats, customers.spend)
    return replace(empty, checks=checks, values=values, alive=alive, ahead=ahead, shocks=moved, idata=tree)


def _drawn(
    model: Any, sampling: Sampling, rng: np.random.Generator, progress: Progress
) -> tuple[Any, tuple[Check, ...]]:
    """Sample, and where the checks of convergence ask for more, twice as long, and with shorter steps if need be."""
    for _ in range(ROUNDS):
        tree = sample(model, sampling, rng, progress)
        checks = convergence(tree)
        failed = {check.name for check in checks if not check.passed}
        if not failed:
            break
        short = 1.0 - sampling.target_accept
        accept = 1.0 - short / 2.0 if "divergences" in failed else sampling.target_accept
        sampling = replace(sampling, draws=2 * sampling.draws, tune=2 * sampling.tune, target_accept=accept)
    return tree, checks


def _columns(p: Buying) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return p.r, p.alpha, p.a, p.b


def _moved(own: Buying, empty: Valuation, draws: int, rng: np.random.Generator) -> Shocks:
    """Learn what moves all customers at once from what they did each week and what is expected of them."""
    customers, weeks = empty.customers, min(len(empty.customers.weekly), shocks.LONGEST)
    expected = shocks.expectation(own, empty.group, customers.first_day, customers.end.toordinal(), weeks)
    return shocks.learn(customers.weekly[-weeks:], np.maximum(expected, _NEXT_TO_NONE), empty.asked.weeks, draws, rng)


def _looks_alike(draws: Mapping[str, FloatArray], evidence: Purchases, rng: np.random.Generator) -> tuple[Check, ...]:
    """Check that new customers of the same ages would come back as often as these did."""
    p = buying_of(draws)
    rows = range(len(p.r))
    replicated = np.stack([buying.replicate(_row(p, s, evidence.group), evidence.age, rng) for s in rows])
    names, group = _merged(evidence.groups, evidence.group)
    return predictive(evidence.repeats, replicated, group, names, rng, "customers")


def _row(p: Buying, draw: int, group: IntArray) -> Buying:
    return Buying(*(column[draw][group] for column in _columns(p)))


def _merged(names: tuple[str, ...], group: IntArray) -> tuple[tuple[str, ...], IntArray]:
    """Groups large enough to be checked by themselves, and all others as one."""
    large = np.bincount(group, minlength=len(names)) >= _OWN
    place = np.where(large, np.cumsum(large), 0)
    return ("small groups", *(name or "no channel" for name, own in zip(names, large, strict=True) if own)), place[
        group
    ]


def _ahead(own: Buying, customers: Customers, group: IntArray, asked: Lifetime, factors: FloatArray) -> FloatArray:
    """Return the expected purchases over the horizon of customers who are not lost; equal histories, once."""
    rows, first, place = np.unique(
        np.column_stack([group, customers.repeats, customers.age]), axis=0, return_index=True, return_inverse=True
    )
    later = own.of(first).after(rows[:, 1], rows[:, 2])
    return buying.expected(later, asked.horizon_days, asked.force, factors)[place.ravel()]


def _subscriptions(empty: Valuation, rng: np.random.Generator, progress: Progress) -> Valuation:
    asked, customers, group = empty.asked, empty.customers, empty.group
    evidence = subscriptions(customers, empty.groups, group, asked)
    tree, settled = _drawn(build_subscriptions(evidence), asked.sampling, rng, progress)
    checks = (*empty.checks, *settled, *_leaves_alike(flat(tree, _REPLICATES), evidence, group, rng))
    if not all(check.passed for check in checks):
        return replace(empty, checks=checks, idata=tree)
    draws = flat(tree, DRAWS)
    a, b = chances_of(draws)
    count = int(asked.horizon_days / asked.period_days)
    counts = np.exp(-asked.force * asked.period_days * np.arange(1, count + 1))
    times = renewing.survival(a.ravel(), b.ravel(), count) @ counts
    later = np.exp(draws["log_later"]) * times.reshape(a.shape)
    values = _opening(draws, len(empty.groups)) + later
    typical = _typical(flat(tree))
    a, b = (column[0][group] for column in chances_of(typical))
    renewed, going = evidence.history.renewed, np.asarray(1.0 - evidence.history.ended, dtype=np.float64)
    paid = np.exp(typical["log_later"][0][group])
    ahead = np.asarray(going * (renewing.survival(a, b, count, renewed) @ counts) * paid, dtype=np.float64)
    return replace(empty, checks=checks, values=values, alive=going, ahead=ahead, idata=tree)


def _leaves_alike(
    draws: Mapping[str, FloatArray], evidence: Subscriptions, group: IntArray, rng: np.random.Generator
) -> tuple[Check, ...]:
    """Check that new subscribers who had as many chances to renew would take as many as these did."""
    a, b = chances_of(draws)
    due = evidence.history.due
    stays = np.stack([rng.geometric(np.maximum(rng.beta(a[s][group], b[s][group]), 1e-12)) - 1 for s in range(len(a))])
    names, merged = _merged(evidence.groups, group)
    seen = np.minimum(evidence.history.renewed, due)
    return predictive(seen, np.minimum(stays, due), merged, names, rng, "customers")


def _opening(draws: Mapping[str, FloatArray], groups: int) -> FloatArray:
    """Return what a first purchase leaves, shape (S, G); 0 where none ever left anything."""
    if "log_opening" in draws:
        return np.exp(draws["log_opening"])
    return np.zeros((len(draws["log_agreement"]), groups))


def _typical(draws: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Return the mean of each parameter, with a first axis of one draw."""
    return {name: values.mean(axis=0, keepdims=True) for name, values in draws.items()}
