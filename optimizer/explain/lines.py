"""One line in words and figures: what it would bring, how sure that is, and why it moves or stays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.money import Money
from optimizer.explain.figures import figure, legible
from optimizer.guardrails import Hold
from optimizer.plan.problem import Row
from optimizer.plan.recommendation import Binding, Effect, Evidence, Finding, Line, Lot, Objective, Turn
from optimizer.plan.snapshot import FloatArray, Target

_NOTHING: Final = 1e-9
_QUANTILES: Final = (0.025, 0.1, 0.9, 0.975)


class Side(StrEnum):
    """Which way a limit keeps a budget from going."""

    UPPER = "upper"
    LOWER = "lower"


class Mover(StrEnum):
    """What moves a line that no limit of its own forces."""

    CHOICE = "choice"
    """What its money is expected to bring, within the limits."""
    HOPE = "hope"
    """That it may bring more; of a cut, that others may."""
    TRIAL = "trial"
    """A trial of several days."""
    HAND = "hand"
    """A person, or a lift test."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A limit that a line stands at: its code, the limit in words, and the side; None if it is shut on both."""

    code: str
    words: str
    side: Side | None


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """What the money that a plan moves by choice brings where it goes, and brought where it was.

    Attributes:
        added: Posterior draws of the objective per currency unit that is added, over all lines that were raised by
            choice, shape (n,); the price of money in all of them where only cuts were chosen; None where raises are not
            paid for by cuts.
        cut: The same per unit that is cut.
        power: Rates are told per 10 ** power currency units, one power for the whole plan.
        means: Of `cut` and `added`, in this order; of what is None, nothing.
        priced: Whether `cut` and `added`, in this order, are the price of money.
    """

    added: FloatArray | None
    cut: FloatArray | None
    power: int
    means: tuple[float, float]
    priced: tuple[bool, bool] = (False, False)

    @classmethod
    def of(
        cls,
        moved: FloatArray,
        change: FloatArray,
        *,
        spent: bool,
        chosen: npt.NDArray[np.bool_] | None = None,
        price: float = 0.0,
    ) -> Rates:
        """Sum up a plan.

        Args:
            moved: Currency units a day that each line gains, shape (K,).
            change: Draws of each line's change of the objective, shape (n, K).
            spent: Whether the total is spent, so that a raise here means a cut there.
            chosen: Which lines, shape (K,), move for what their money brings, and not for a limit, a hand or a trial:
                where these take money from or put it says nothing of what it would bring. None: all.
            price: What one more unit of the total is expected to bring; 0 where that has no price.
        """
        own = np.ones(len(moved), dtype=np.bool_) if chosen is None else chosen
        up, down = own & (moved > 0), own & (moved < 0)
        added = change[:, up].sum(axis=1) / moved[up].sum() if up.any() else None
        cut = change[:, down].sum(axis=1) / moved[down].sum() if down.any() else None
        means = [abs(float(rate.mean())) for rate in (added, cut) if rate is not None]
        power = legible(min(filter(None, means), default=0.0))
        both = bool((moved > 0).any() and (moved < 0).any())
        if not (spent and both) or (added is None and cut is None):
            return cls(None, None, power, (0.0, 0.0))
        priced = cut is None, added is None
        if cut is None or added is None:
            if price <= 0.0:
                return cls(None, None, power, (0.0, 0.0))
            flat = np.full(len(change), price)
            cut, added = (flat if cut is None else cut), (flat if added is None else added)
        return cls(added, cut, power, (float(cut.mean()), float(added.mean())), priced)

    def against(self, moved: float) -> FloatArray | None:
        """What a line's money is weighed against, draw by draw: a raise with what was cut, a cut with what is added."""
        return self.cut if moved > 0 else self.added


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What is known of one line when it is put into words.

    Attributes:
        pull: By how much the line's next currency unit brings more (or, below zero, less) than the price of money.
        rates: What the plan's moves bring on average.
        reached: The limits of its own that it stands at.
        forced: The limit that its present budget breaks, so that it has to move; else None.
        mover: What moves it, if nothing forces it.
        hold: Why it must not move, or None.
        thing: What the objective counts, such as `conversions`.
        turn: What it would take for its move not to pay, or None.
        lot: The lot that was cast on it, or None.
        blocked: What forbade a plan of the whole portfolio, or None.
    """

    target: Target
    current: Money
    proposed: Money
    effect: Effect
    evidence: Evidence
    pull: float
    rates: Rates
    reached: tuple[Reach, ...]
    forced: str | None
    mover: Mover
    hold: Hold | None
    thing: str
    turn: Turn | None = None
    lot: Lot | None = None
    blocked: Finding | None = None


def thing(objective: Objective, currency: str) -> str:
    """What an objective counts, in words: `conversions`, `EUR revenue`, `EUR profit`."""
    return "conversions" if objective is Objective.CONVERSIONS else f"{currency} {objective.value}"


def effect(draws: FloatArray, mean: float) -> Effect:
    """Sum up posterior draws of a change.

    Args:
        draws: Shape (n,), draws of the change of the objective per day.
        mean: Its exact posterior mean, which replaces the draws' own.

    Returns:
        Central 80% and 95% intervals (quantiles of the draws) and P(change < 0); ties at zero count as not worse.
    """
    low95, low80, high80, high95 = (float(q) for q in np.quantile(draws, _QUANTILES))
    return Effect(float(mean), low80, high80, low95, high95, float((draws < 0).mean()))


def line_effects(draws: FloatArray, mean: FloatArray, moved: FloatArray, rates: Rates) -> tuple[Effect, ...]:
    """Sum up each line's change; P(worse) of one weighs it against where its money comes from or goes to.

    Args:
        draws: Draws of the change of the objective per day, shape (n, K).
        mean: Its exact posterior means, shape (K,).
        moved: Currency units a day that each line gains (or, negative, gives), shape (K,).
        rates: What the plan's moves bring, draw by draw.
    """
    effects = [Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)] * len(moved)
    for up in (True, False):
        lines = np.flatnonzero(moved > 0 if up else moved < 0)
        own, against = draws[:, lines], rates.against(1.0 if up else -1.0)
        needed = np.zeros_like(own) if against is None else against[:, None] * moved[lines]
        low95, low80, high80, high95 = np.quantile(own, _QUANTILES, axis=0).tolist() if lines.size else [()] * 4
        worse = (own < needed).mean(axis=0).tolist() if lines.size else ()
        told = zip(mean[lines].tolist(), low80, high80, low95, high95, worse, strict=True)
        for k, figures in zip(lines.tolist(), told, strict=True):
            effects[k] = Effect(*figures)
    return tuple(effects)


def line(facts: LineFacts) -> Line:
    """Put one line into words."""
    target = facts.target
    return Line(
        key=target.key,
        name=target.budget.name,
        channel=target.channel,
        current=facts.current,
        proposed=facts.proposed,
        etag=target.budget.etag,
        effect=facts.effect,
        bindings=tuple(_line_binding(reach, facts) for reach in facts.reached),
        evidence=facts.evidence,
        reason=_reason(facts),
        turn=facts.turn,
        lot=facts.lot,
    )


def row_bindings(
    rows: tuple[Row, ...], budget: FloatArray, prices: FloatArray, currency: str, counted: str
) -> tuple[Binding, ...]:
    """Say which coupling constraints hold the proposed budgets back, and what room would be worth, dearest first.

    Args:
        rows: The constraints.
        budget: The proposed budgets, currency units, shape (K,).
        prices: By the expected curves, shape (rows,).
        currency: Of the budgets.
        counted: What the objective counts.
    """
    found = []
    for row, price in zip(rows, prices, strict=True):
        used = float(row.spend @ budget)
        at_bound = row.outcome is not None or used >= row.bound - 1e-4 * max(abs(row.bound), 1.0)
        if at_bound and price * max(abs(row.bound), 1.0) > _NOTHING:
            found.append(Binding(row.name, _row_words(row, float(price), currency, counted), float(price)))
    return tuple(sorted(found, key=lambda binding: -(binding.shadow_price or 0.0)))


def _row_words(row: Row, price: float, currency: str, counted: str) -> str:
    if row.outcome is not None:  # its room is not budget, so that a price per unit would say nothing
        return f"{row.words}: it keeps the plan below what the money could bring"
    less = float(row.spend.min(initial=0.0)) < 0
    return f"{row.words}: {worth(price, currency, counted, 'less of it' if less else 'more')}"


def worth(price: float, currency: str, counted: str, which: str = "more") -> str:
    """A price per currency unit in words, scaled so that the figure can be read: `each 100 EUR a day more ...`."""
    if not math.isfinite(price) or abs(price) < _NOTHING:
        return "room would bring nothing"
    power = legible(price)
    return f"each {10**power:,} {currency} a day {which} would bring {figure(price * 10**power)} {counted} a day"


def _line_binding(reach: Reach, facts: LineFacts) -> Binding:
    if reach.side is None:
        return Binding(reach.code, reach.words, None)
    gain = facts.pull if reach.side is Side.UPPER else -facts.pull
    if gain <= _NOTHING:
        return Binding(reach.code, f"{reach.words}; room beyond it would bring nothing now", 0.0)
    which = "more" if reach.side is Side.UPPER else "less"
    power = legible(gain)
    words = (
        f"{reach.words}; each {10**power:,} {facts.current.currency} a day {which} here would bring "
        f"{figure(gain * 10**power)} {facts.thing} a day more than it does elsewhere"
    )
    return Binding(reach.code, words, gain)


def _reason(facts: LineFacts) -> str:
    moved = (facts.proposed.micros - facts.current.micros) / 1e6
    if moved == 0:
        if facts.hold is not None:
            return f"Stays: {facts.hold.words}."
        if facts.blocked is not None:
            return f"Stays, as every budget does ({facts.blocked.code}): {facts.blocked.message}"
        return f"Stays: {facts.reached[0].words}." if facts.reached else "Stays: a move would bring too little."
    if facts.forced is not None:
        return f"{'Raised' if moved > 0 else 'Cut'} because {facts.forced}."
    return _moved(moved, facts)


def _moved(moved: float, facts: LineFacts) -> str:
    """Why a line moves: what its money brings, against what the money brings where it comes from or goes to."""
    rate, draws = facts.effect.mean / moved, facts.rates.against(moved)
    own = f"{_rate(facts, rate)} {facts.thing} per {10**facts.rates.power:,} {facts.current.currency}"
    if facts.mover is Mover.HAND:
        return f"Set by hand: brings {own}." if moved > 0 else f"Set by hand: costs {own} saved."
    if facts.mover is Mover.TRIAL and moved > 0:
        return f"Raised on trial, to learn what more brings: expected are {own}."
    if facts.mover is Mover.TRIAL:
        return f"Cut on trial, to learn whether less does: the money cut brought {own}."
    if draws is None:
        return f"Raised: brings {own}." if moved > 0 else f"Cut: costs {own} saved."
    return _weighed(moved, rate, own, facts)


def _weighed(moved: float, rate: float, own: str, facts: LineFacts) -> str:
    """What a line's money brings, in words and as a rate, against what it brings where it comes from or goes to."""
    side = 0 if moved > 0 else 1
    against, priced = facts.rates.means[side], facts.rates.priced[side]
    other, there = _rate(facts, against), "at the aim" if priced else ("where it was cut", "where it is added")[side]
    verb = "the next unit brings" if priced else ("it brought", "it brings")[side]
    pays = rate >= against if moved > 0 else rate <= against
    if pays:
        what = "Raised: the money added brings" if moved > 0 else "Cut: the money cut brought"
        return f"{what} {own}; {there} {verb} {other}."
    if facts.mover is not Mover.HOPE:
        what = "Raised: expected to bring" if moved > 0 else "Cut: it brought"
        return f"{what} {own}, though {there} {verb} {other}; limits, or the way to the aim, ask for it."
    if moved > 0:
        return f"Raised to learn: expected to bring {own}, less than the {other} {there}, but may be more."
    return f"Cut to make room, though it brought {own} and {other} is expected {there}: more may be."


def _rate(facts: LineFacts, rate: float) -> str:
    return figure(rate * 10**facts.rates.power)
