"""The plan as a whole in words: where money goes, what is left, what more would do, and why nothing moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from connectors.money import Money, minor_unit_micros
from optimizer.explain.figures import chance, figure, legible
from optimizer.explain.lines import effect
from optimizer.plan.recommendation import Declined, Effect, More, Shift, Unspent
from optimizer.plan.snapshot import FloatArray, IntArray, Target

MOST_SHIFTS: Final = 5
_MOST_TAKERS: Final = 3
_LEAST_TAKEN: Final = 0.05

_WHY_UNSPENT: Final = {
    "not-worth-it": "one more unit is expected to bring nothing, or less than it costs",
    "moving": "one more unit is not expected to bring as much as moving it costs (goal.switching_cost)",
    "risk": "one more unit is not worth its bad cases (goal.risk_aversion)",
    "declined": "a plan that spends more was found, but its gain is too small or too unlikely to disturb what runs",
    "trial": "what is on trial gets less, to learn whether that does, and elsewhere one more unit brings too little",
    "promise": "more spend would break the promised ROAS or cost per conversion",
    "limits": "every budget that may move stands at a limit of its own or of its group",
    "steps": "today's steps allow no more; the next plans go on",
}


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """What each line gains in money, and what that changes; K targets.

    Attributes:
        targets: The K targets.
        moved: Currency units a day, shape (K,).
        mean: Expected change of the objective a day, shape (K,).
        draws: Posterior draws of it, shape (n, K).
        currency: Of the money.
        thing: What the objective counts.
    """

    targets: tuple[Target, ...]
    moved: FloatArray
    mean: FloatArray
    draws: FloatArray
    currency: str
    thing: str


def shifts(moves: Moves) -> tuple[Shift, ...]:
    """Say from whom to whom money goes: what pays best is taken from where it brought least.

    Money has no memory, so that any matching of cuts with raises adds up to the same plan; this one goes through both
    in order of what a unit brings. Money without a counterpart (a total that grows or shrinks) is in no shift.

    Returns:
        The `MOST_SHIFTS` most valuable ones, largest gain first.
    """
    found = []
    for source, to, amount in _matched(moves):
        rates = moves.mean[[to, source]] / moves.moved[[to, source]]
        found.append((amount * float(rates[0] - rates[1]), source, to, amount))
    found.sort(key=lambda item: -item[0])
    return tuple(_shift(moves, *item) for item in found[:MOST_SHIFTS])


def _matched(moves: Moves) -> list[tuple[int, int, float]]:
    """Pairs of a cut and a raise with the money between them: the north-west corner of both sorted by their rates."""
    changed = np.flatnonzero(moves.moved)
    rate = np.zeros_like(moves.moved)
    rate[changed] = moves.mean[changed] / moves.moved[changed]
    up: IntArray = changed[moves.moved[changed] > 0]
    down: IntArray = changed[moves.moved[changed] < 0]
    up, down = up[np.argsort(-rate[up], kind="stable")], down[np.argsort(rate[down], kind="stable")]
    left = np.abs(moves.moved)
    pairs, i, j = [], 0, 0
    while i < up.size and j < down.size:
        to, source = int(up[i]), int(down[j])
        amount = min(float(left[to]), float(left[source]))
        pairs.append((source, to, amount))
        left[to] -= amount
        left[source] -= amount
        i, j = i + (left[to] <= 1e-9), j + (left[source] <= 1e-9)
    return pairs


def _shift(moves: Moves, mean: float, source: int, to: int, amount: float) -> Shift:
    draws = moves.draws[:, to] * (amount / moves.moved[to]) - moves.draws[:, source] * (amount / moves.moved[source])
    gain = effect(draws, mean)
    power = max(legible(mean / amount), 2)
    money = Money(round(amount * 1e6), moves.currency)
    per = f"{figure(mean / amount * 10**power)} per {10**power:,} {moves.currency} moved"
    words = (
        f"{money} a day from {moves.targets[source].budget.name} to {moves.targets[to].budget.name}: "
        f"{mean:+,.2f} {moves.thing} a day, {per}; it loses with a probability of {chance(gain.p_worse)}."
    )
    return Shift(moves.targets[source].key, moves.targets[to].key, money, gain, words)


def unspent(amount: float, currency: str, code: str) -> Unspent:
    """Say that money is left, and why; the codes are those of `Unspent`."""
    money = Money(round(amount * 1e6), currency)
    return Unspent(money, code, f"{money} a day of the total stay unspent: {_WHY_UNSPENT[code]}.")


def more(extra: Money, targets: Sequence[Target], taken: FloatArray, gain: Effect, counted: str) -> More:
    """Say what a larger total would do.

    Args:
        extra: Added to the total.
        targets: The K targets.
        taken: What each would get of it, currency units, shape (K,).
        gain: Of all of them.
        counted: What the objective counts.
    """
    order = [int(k) for k in np.argsort(-taken, kind="stable")[:_MOST_TAKERS] if taken[k] > _LEAST_TAKEN * taken.sum()]
    coin = minor_unit_micros(extra.currency)
    whole = [(k, Money(round(float(taken[k]) * 1e6), extra.currency).quantize(coin, "nearest")) for k in order]
    takers = tuple((targets[k].key, amount) for k, amount in whole if amount.micros > 0)
    named = " and ".join(f"{targets[k].budget.name} (+{amount})" for k, amount in whole if amount.micros > 0)
    whom = f"mostly through {named}" if named else f"spread over {np.count_nonzero(taken > 0)} budgets"
    share = float(taken.sum()) / (extra.micros / 1e6)
    part = "" if share > 0.99 else f"; only {share:.0%} of it could be placed today"
    words = (
        f"With a total of {extra} more a day: {gain.mean:+,.2f} {counted} a day (80% sure of "
        f"[{gain.low80:+,.2f}, {gain.high80:+,.2f}]), {whom}{part}."
    )
    return More(extra, takers, gain, words)


def declined(moved: Money, gain: Effect, needed: float, asked: float, counted: str) -> Declined:
    """Say what the best shift would bring, and why it is not proposed.

    Args:
        moved: What it would move.
        gain: What it would bring.
        needed: Least gain a day that counts as one.
        asked: Least probability of that gain.
        counted: What the objective counts.
    """
    words = (
        f"The best shift found moves {moved} a day and is expected to bring {gain.mean:+,.2f} {counted} a day, 80% "
        f"sure of [{gain.low80:+,.2f}, {gain.high80:+,.2f}]; it loses with a probability of {chance(gain.p_worse)}. "
        f"Asked for are {needed:,.2f} or more with a probability of {asked:.0%}: each change restarts a platform's "
        "learning."
    )
    return Declined(moved, gain, words)


def nothing_found(free: Sequence[Target], rates: FloatArray, currency: str, counted: str) -> Declined:
    """Say that no shift was found that is worth the smallest step.

    Args:
        free: The targets that may move, two or more.
        rates: What the next currency unit of each brings, same order.
        currency: Of the budgets.
        counted: What the objective counts.
    """
    low, high = int(np.argmin(rates)), int(np.argmax(rates))
    power = max(legible(float(np.abs(rates).max())), 2)
    words = (
        f"No shift was found that is worth making: of the {len(free)} budgets that may move, the next {10**power:,} "
        f"{currency} a day bring from {figure(float(rates[low]) * 10**power)} ({free[low].budget.name}) to "
        f"{figure(float(rates[high]) * 10**power)} {counted} a day ({free[high].budget.name}), and the limits and the "
        "smallest step leave nothing between them to gain."
    )
    return Declined(None, None, words)
