"""The goals as coupling constraints: rows for the allocator, envelopes for the approval, and what matches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from connectors.contract import AdState, BudgetKey
from connectors.money import Money, minor_unit_micros
from optimizer.goals.limits import Limit
from optimizer.goals.scope import Scope, ScopeKind, indices
from optimizer.goals.wishes import Goals
from optimizer.plan.problem import TOTAL, Outcome, Row
from optimizer.plan.recommendation import Envelope, Finding, Severity
from optimizer.plan.snapshot import FloatArray, Target


def rows(goals: Goals, targets: tuple[Target, ...], total: Money) -> tuple[Row, ...]:
    """Return the total, the bounds of groups, shares, ROAS floors and CPA ceilings as rows over the targets.

    A ROAS floor rho is sum(rho x_k - value_k(x_k)) <= 0, a CPA ceiling c is sum(x_k - c conversions_k(x_k)) <= 0.
    Both count expected outcomes; that they hold with the asked probability is seen to by whoever scales the credit.
    """
    everybody = np.ones(len(targets))
    amount = total.micros / 1e6
    grain = minor_unit_micros(total.currency) / 1e6
    of_it = {f"share-{side}:{limit.scope}": share for limit in goals.limits for side, share in _of_total(limit)}
    found = [Row(TOTAL, f"the total is at most {total} a day", everybody, amount)]
    for envelope in _groups(goals, targets, total):
        member = np.array([target.key in envelope.keys for target in targets], dtype=np.float64)
        share = of_it.get(envelope.name, 0.0)
        for bound, sign in ((envelope.ceiling, 1.0), (envelope.floor, -1.0)):
            if bound is not None:
                row = Row(envelope.name, envelope.words, sign * member, sign * bound.micros / 1e6)
                found.append(replace(row, share=sign * share, grain=grain) if share else row)
    found += _promises("", "", goals.roas_floor, goals.cpa_ceiling, everybody, goals.confidence)
    for limit in goals.limits:
        member = np.array([limit.scope.covers(target) for target in targets], dtype=np.float64)
        if member.any():
            of = f" of {_words(limit.scope)}"
            found += _promises(f":{limit.scope}", of, limit.roas_floor, limit.cpa_ceiling, member, goals.confidence)
    return tuple(found)


def _of_total(limit: Limit) -> Iterator[tuple[str, float]]:
    """The shares of the total that a limit sets."""
    for side, share in (("ceiling", limit.share_ceiling), ("floor", limit.share_floor)):
        if share is not None:
            yield side, share


def of_total(row: Row) -> bool:
    """Whether a row of `rows` bounds the total, or a share of it."""
    return row.name == TOTAL or row.name.startswith("share-")


def _promises(
    suffix: str, of: str, roas: float | None, cpa: Money | None, member: FloatArray, confidence: float
) -> Iterator[Row]:
    """A ROAS floor and a CPA ceiling over the targets that are members, (K,) of ones and zeros."""
    if roas is not None:
        words = f"ROAS{of} is at least {roas:g} with a probability of {confidence:.0%}"
        yield Row(f"roas{suffix}", words, roas * member, 0.0, Outcome.VALUE, member)
    if cpa is not None:
        words = f"a conversion{of} costs at most {cpa} with a probability of {confidence:.0%}"
        yield Row(f"cpa{suffix}", words, member, 0.0, Outcome.CONVERSIONS, cpa.micros / 1e6 * member)


def envelopes(goals: Goals, targets: tuple[Target, ...], total: Money) -> tuple[Envelope, ...]:
    """Return the sums that any part of a plan must keep at every instant: the total and the bounds of groups."""
    whole = Envelope(TOTAL, f"the total is at most {total} a day", tuple(t.key for t in targets), ceiling=total)
    return (whole, *_groups(goals, targets, total))


def unmatched(goals: Goals, targets: tuple[Target, ...], ads: tuple[AdState, ...] = ()) -> tuple[Finding, ...]:
    """Tell which limits, pins and flights cover no budget or ad: a slip of the pen must not pass for protection.

    And which budgets were to be paused at need but cannot be, since their platform takes no zero.
    """
    scopes: list[tuple[str, Scope]] = [("limit", limit.scope) for limit in goals.limits]
    scopes += [("pin", pin.scope) for pin in goals.pins]
    scopes += [("flight", flight.scope) for flight in goals.flights]
    return tuple(
        Finding(
            "no-such-scope",
            Severity.WARNING,
            "portfolio",
            f"The {kind} on {scope} covers no {_what(scope)} and so {_vain(kind)}.",
            "Correct its name in config.toml, or remove it.",
        )
        for kind, scope in scopes
        if not any(scope.covers(target) for target in targets) and not any(scope.names(ad.key, ad.name) for ad in ads)
    ) + tuple(
        Finding(
            "no-pause",
            Severity.INFO,
            str(target.key),
            f"{target.budget.name} may be paused, but its platform takes no less than {target.budget.minimum}.",
            "Pause it by hand where that is wanted.",
        )
        for limit in goals.limits
        if limit.minimum_when_on is not None
        for target in targets
        if limit.scope.covers(target) and target.budget.minimum is not None and target.budget.minimum.micros > 0
    )


def _groups(goals: Goals, targets: tuple[Target, ...], total: Money) -> Iterator[Envelope]:
    """Bounds on sums: amounts of scopes with several members, and shares of any scope."""
    for limit in goals.limits:
        members = indices(limit.scope, targets)
        keys = tuple(targets[k].key for k in members)
        if len(members) > 1:
            yield from _amounts(limit, keys)
        if members:
            yield from _shares(limit, keys, total)


def _amounts(limit: Limit, keys: tuple[BudgetKey, ...]) -> Iterator[Envelope]:
    scope = _words(limit.scope)
    if limit.ceiling is not None:
        yield Envelope(f"ceiling:{limit.scope}", f"{scope} at most {limit.ceiling} a day", keys, ceiling=limit.ceiling)
    if limit.floor is not None:
        yield Envelope(f"floor:{limit.scope}", f"{scope} at least {limit.floor} a day", keys, floor=limit.floor)


def _shares(limit: Limit, keys: tuple[BudgetKey, ...], total: Money) -> Iterator[Envelope]:
    scope = _words(limit.scope)
    if limit.share_ceiling is not None:
        bound = _share(total, limit.share_ceiling)
        words = f"{scope} at most {limit.share_ceiling:.0%} of the total: {bound} a day"
        yield Envelope(f"share-ceiling:{limit.scope}", words, keys, ceiling=bound)
    if limit.share_floor is not None:
        bound = _share(total, limit.share_floor)
        words = f"{scope} at least {limit.share_floor:.0%} of the total: {bound} a day"
        yield Envelope(f"share-floor:{limit.scope}", words, keys, floor=bound)


def _share(total: Money, share: float) -> Money:
    """A share of the total, in whole minor units, so that amounts that platforms take can meet it."""
    return Money(int(total.micros * share), total.currency).quantize(minor_unit_micros(total.currency), "down")


def _words(scope: Scope) -> str:
    return "all budgets" if scope.kind is ScopeKind.ALL else f"{scope.kind.value} {scope.name}"


def _vain(kind: str) -> str:
    return "spends nothing" if kind == "flight" else "protects nothing"


def _what(scope: Scope) -> str:
    return "ad" if scope.kind is ScopeKind.AD else "budget"
