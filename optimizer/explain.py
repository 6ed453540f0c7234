"""Words and figures for a person: what a line would bring, how sure that is, and why it moves or stays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from connectors.money import Money
from optimizer.guardrails import Hold
from optimizer.plan.problem import Allocation, Row
from optimizer.plan.recommendation import Binding, Effect, Evidence, Line, Objective
from optimizer.plan.snapshot import FloatArray, Target


@dataclass(frozen=True, slots=True)
class Reach:
    """A limit that a line stands at: its code, and the limit in words."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Rates:
    """What the money that a plan moves brings where it goes, and brought where it was.

    Attributes:
        added: Expected objective per currency unit that is added, over all raised lines; None if none is raised.
        cut: The same per unit that is cut; None if nothing is cut.
    """

    added: float | None
    cut: float | None

    @classmethod
    def of(cls, moved: FloatArray, change: FloatArray) -> Rates:
        """Sum up a plan: `moved` currency units and expected `change` per line, each of shape (K,)."""
        up, down = moved > 0, moved < 0
        return cls(
            added=float(change[up].sum() / moved[up].sum()) if up.any() else None,
            cut=float(change[down].sum() / moved[down].sum()) if down.any() else None,
        )

    def against(self, moved: float) -> float | None:
        """What a line's money is weighed against: a raise with what was cut, a cut with what is added."""
        return self.cut if moved > 0 else self.added


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What is known of one line when it is put into words.

    Attributes:
        pull: By how much the line's next currency unit differs from the price of money: what its limits cost.
        rates: What the plan's moves bring on average.
        reached: The limits of its own that it stands at.
        hold: Why it must not move, or None.
        thing: What the objective counts, such as `conversions`.
    """

    target: Target
    current: Money
    proposed: Money
    effect: Effect
    evidence: Evidence
    pull: float
    rates: Rates
    reached: tuple[Reach, ...]
    hold: Hold | None
    thing: str


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
    low95, low80, high80, high95 = (float(q) for q in np.quantile(draws, [0.025, 0.1, 0.9, 0.975]))
    return Effect(float(mean), low80, high80, low95, high95, float((draws < 0).mean()))


def line_effect(draws: FloatArray, mean: float, moved: float, rates: Rates) -> Effect:
    """Sum up one line's change; its P(worse) weighs it against where its money comes from or goes to.

    Args:
        draws: Shape (n,), draws of the change of the objective per day.
        mean: Its exact posterior mean.
        moved: Currency units a day that the line gains (or, negative, gives).
        rates: What the plan's moves bring on average.
    """
    if moved == 0:
        return Effect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    alone = effect(draws, mean)
    against = rates.against(moved)
    if against is None:
        return alone
    return replace(alone, p_worse=float((draws < against * moved).mean()))


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
    )


def row_bindings(
    rows: tuple[Row, ...], aim: Allocation, prices: FloatArray, currency: str, counted: str
) -> tuple[Binding, ...]:
    """Say which coupling constraints bind, and what one more currency unit of room would bring, dearest first."""
    scale = max(abs(aim.value), 1e-12)
    found = [
        Binding(row.name, f"{row.words}: {worth(float(price), currency, counted)}", float(price))
        for row, price, slack in zip(rows, prices, aim.slack, strict=True)
        if price * max(abs(row.bound), 1.0) > 1e-6 * scale and slack <= 1e-6 * max(abs(row.bound), 1.0)
    ]
    return tuple(sorted(found, key=lambda binding: -(binding.shadow_price or 0.0)))


def worth(price: float, currency: str, counted: str) -> str:
    """A price per currency unit in words, scaled so that the figure can be read: `each further 100 EUR ...`."""
    if not math.isfinite(price) or abs(price) < 1e-12:
        return "more room would bring nothing"
    power = _power(price)
    return f"each further {10**power:,} {currency} a day would bring {figure(price * 10**power)} {counted} a day"


def figure(value: float) -> str:
    """A number with three significant digits and no exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def _line_binding(reach: Reach, facts: LineFacts) -> Binding:
    words = f"{reach.words}; without it, {worth(facts.pull, facts.current.currency, facts.thing)}"
    return Binding(reach.code, words, facts.pull)


def _reason(facts: LineFacts) -> str:
    if facts.hold is not None:
        return f"Stays: {facts.hold.words}."
    moved = (facts.proposed.micros - facts.current.micros) / 1e6
    if moved == 0:
        return f"Stays: {facts.reached[0].words}." if facts.reached else "Stays: a move would bring too little."
    limit = f" As far as allowed: {facts.reached[0].words}." if facts.reached else ""
    return _moved(moved, facts) + limit


def _moved(moved: float, facts: LineFacts) -> str:
    """Why a line moves: what its money brings, against what the money brings where it comes from or goes to."""
    rate, against = facts.effect.mean / moved, facts.rates.against(moved)
    if against is None:
        own, _ = _per_unit(facts, rate)
        return f"Raised: brings {own}." if moved > 0 else f"Cut: costs {own}."
    own, other = _per_unit(facts, rate, against)
    if moved > 0 and rate >= against:
        return f"Raised: the money added brings {own}; where it was cut it brought {other}."
    if moved > 0:
        return f"Raised to learn: expected to bring {own}, less than the {other} where it was cut, but may be more."
    if rate <= against:
        return f"Cut: the money cut brought {own}; where it is added it brings {other}."
    return f"Cut to make room, though it brought {own} and {other} is expected where it is added: more may be."


def _per_unit(facts: LineFacts, rate: float, other: float = 0.0) -> tuple[str, str]:
    """Two rates in words, both per the same round sum of money; the first names it."""
    power = _power(min(filter(None, (abs(rate), abs(other))), default=0.0))
    own = f"{figure(rate * 10**power)} {facts.thing} per {10**power:,} {facts.current.currency}"
    return own, figure(other * 10**power)


def _power(rate: float) -> int:
    """The power of ten of currency units per which a rate can be read: at least 0.1 or so."""
    return 0 if rate == 0 or abs(rate) >= 1 else min(6, max(0, math.ceil(-math.log10(abs(rate)) - 0.5)))
