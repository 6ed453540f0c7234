"""One flight on one morning: what was spent of it, what today gets, why, and how it would end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.money import Money, minor_unit_micros
from optimizer.goals import Flight
from optimizer.pacing.curve import Curve
from optimizer.pacing.fan import Fan, fan
from optimizer.pacing.ledger import Ledger, ledger
from optimizer.pacing.spread import TOLERANCE, Course, Spread, followed, spread
from optimizer.plan import under_test
from optimizer.plan.flights import DayOfFlight
from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.plan.under_test import Leave, Withheld

_CENT: Final = 0.005
_LEAST_STEP: Final = 0.03
_LAST_DAYS: Final = 3
_PLAIN: Final = 0.03
_LIKELY: Final = 0.05
_SHORT: Final = 0.03
"""What may stay over of an amount before a warning: more than is left for `Flight.exactness` where slacks are 2."""


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """What the budgets of a flight may sum to today, by their steps, limits and holds.

    Attributes:
        low, high: Least and largest sum, currency units.
        band: Relative changes of the sum that are not worth making.
        least: Least sum without `Goals.largest_cut`, `low` or more.
    """

    low: float
    high: float
    band: float
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """A flight on a morning; T its days, from the first to the last.

    Attributes:
        flight: What was asked for.
        members: Indices of its targets.
        days: Its T days.
        book: Those before today.
        course, plan: What is left, and how it is spread over today and the days after it.
        path: Cumulative spend of the whole amount spread over all days as if none had passed, shape (T,).
        fan: How it may end.
        day: What today gets.
        findings: That it cannot be reached, or kept to, with the mend.
    """

    flight: Flight
    members: tuple[int, ...]
    days: tuple[date, ...]
    book: Ledger
    course: Course
    plan: Spread
    path: FloatArray
    fan: Fan
    day: DayOfFlight
    findings: tuple[Finding, ...]


def pace(
    flight: Flight,
    snapshot: Snapshot,
    members: Sequence[int],
    curve: Curve,
    factor: FloatArray,
    reach: Reach,
    leave: Leave,
    rng: np.random.Generator,
) -> Pace | None:
    """Tell how a flight stands and what `snapshot.today` should get of it; None where it does not run on that day.

    Args:
        flight: What was asked for.
        snapshot: What is known.
        members: Indices of its targets, one or more.
        curve: What an ordinary day of all of them brings by the sum of their budgets.
        factor: What each of its days brings relative to an ordinary one, shape (T,).
        reach: What the budgets may sum to today.
        leave: What each budget of the portfolio may be where a lift test asks for it.
        rng: Of the draws of the fan; nothing else depends on it.
    """
    morning = Morning.of(flight, snapshot, members, curve, factor, reach, leave)
    if morning is None:
        return None
    course, book = morning.course, morning.book
    plan = morning.plan()
    due, why = morning.due(plan)
    seen = fan(course, plan, book, due, rng)
    day = _told(morning, plan, due, why)
    path = np.cumsum(spread(morning.whole).spend)
    days = tuple(morning.span[0] + timedelta(days=n) for n in range(len(factor)))
    return Pace(
        flight, tuple(members), days, book, course, plan, path, seen, day, tuple(_findings(morning, plan, seen))
    )


@dataclass(frozen=True, slots=True, eq=False)
class Morning:
    """What is known of a flight before its day is planned.

    Attributes:
        flight, reach: As in `pace`.
        today: The day.
        span: The flight's first and last day.
        book: The days before.
        whole, course: All of its days as if none had passed, and those from today on.
        withheld: What running lift tests take from its budgets.
    """

    flight: Flight
    reach: Reach
    today: date
    span: tuple[date, date]
    book: Ledger
    whole: Course
    course: Course
    withheld: Withheld

    @classmethod
    def of(
        cls,
        flight: Flight,
        snapshot: Snapshot,
        members: Sequence[int],
        curve: Curve,
        factor: FloatArray,
        reach: Reach,
        leave: Leave,
    ) -> Morning | None:
        """Put it together from the arguments of `pace`; None where the flight does not run on `snapshot.today`."""
        span = flight.span(snapshot.today)
        if span is None:
            return None
        book = ledger(snapshot, flight, members, span[0])
        amount = flight.amount.micros / 1e6
        whole = Course(
            amount=amount,
            left=amount,
            sure=amount,
            factor=factor,
            curve=replace(curve, spend=book.delivery.mean * curve.spend),
            delivery=book.delivery,
            slack=np.array([flight.slack(span[0] + timedelta(days=n)) for n in range(len(factor))]),
            most=np.inf if flight.most_per_day is None else flight.most_per_day.micros / 1e6,
            exactness=flight.exactness,
        )
        ahead = (snapshot.today - span[0]).days
        course = replace(
            whole,
            left=amount - book.spent,
            sure=amount - book.worst,
            factor=whole.factor[ahead:],
            slack=whole.slack[ahead:],
            before=book.current,
            step=_step(reach.high, book.current),
            cut=_cut(reach.low, book.current),
            untold=book.doubt[len(book.doubt) - book.behind :],
            restated=book.restated,
        )
        withheld = under_test.withheld(snapshot, frozenset(members), len(course.factor), leave)
        return cls(flight, reach, snapshot.today, span, book, whole, course, withheld)

    def plan(self) -> Spread:
        """Return how what is left is spread.

        What a lift test takes on a day is spent on all days, not by the other budgets of that day: these would follow
        its lot. So days are planned with the test's budgets at their most on each, and with so much more to spend.
        What the test's budgets have on the days to come goes before what others would have sooner.
        """
        course, reach, less, given = self.course, self.reach, self.withheld.days, self.withheld.given
        if not given.any():
            return spread(course)
        share = course.delivery.mean
        more, before = share * float(less.sum()), course.before + self.withheld.now
        even = replace(
            course,
            left=course.left + more,
            sure=course.sure + more,
            before=before,
            step=_step(reach.high + less[0], before),
            cut=_cut(reach.low + less[0], before),
        )
        plan = spread(even)
        return followed(replace(course, least=given), plan, plan.budget - less)

    def due(self, plan: Spread) -> tuple[float, str]:
        """Return what the budgets are to sum to today, and what sets it beside the plan, if anything.

        They stay as they are, but for those that a lift test asks for, where the change is not worth making and what is
        left is safe; but for the last days, on which every day's amount is what the next ones rest on.
        """
        course, reach, asked = self.course, self.reach, float(plan.budget[0])
        still = course.before + self.withheld.now - float(self.withheld.days[0])
        safe = course.slack[0] * still <= course.sure and still <= course.most
        safe &= reach.low - _CENT <= still <= reach.high + _CENT
        if abs(asked - still) <= reach.band * still and len(plan.budget) > _LAST_DAYS and safe:
            return still, f"as now, since the plan's {asked:,.2f} differ too little for a change"
        if reach.low - _CENT <= asked <= reach.high + _CENT:
            return asked, ""
        nearest = min(max(asked, reach.low), reach.high)
        return nearest, f"as near as the steps, limits and holds of today allow to the plan's {asked:,.2f}"


def _step(high: float, before: float) -> float:
    return max(high / before - 1.0, _LEAST_STEP) if before > 0 else np.inf


def _cut(low: float, before: float) -> float:
    return 1.0 - low / before if before > 0 else 1.0


def _told(morning: Morning, plan: Spread, due: float, why: str) -> DayOfFlight:
    flight, course = morning.flight, morning.course
    currency, unit = flight.amount.currency, minor_unit_micros(flight.amount.currency)
    left, given, low, least = (
        Money(round(value * 1e6), currency) for value in (course.left, due, morning.reach.low, morning.reach.least)
    )
    low, least = low.quantize(unit, "up"), least.quantize(unit, "up")
    # A part of a cent below what budgets must have would collide with it, or ask for cuts beyond the steps.
    nearest = low if due < morning.reach.low + _CENT else least
    given = nearest if abs(given.micros - nearest.micros) < unit else given.quantize(unit, "down")
    days = len(course.factor)
    reasons = [reason for reason in (why, *_reasons(morning, plan, due)) if reason]
    because = f": {'; '.join(reasons)}" if reasons else ""
    words = (
        f"Of {flight.amount} for {_span_words(flight, morning.span)} ({flight.scope}) {left} are left for {days} "
        f"{'day' if days == 1 else 'days'}. Budgets of {given} on {morning.today}{because}."
    )
    return DayOfFlight(flight.name, str(flight.scope), *morning.span, flight.amount, left, given, words, least)


def _span_words(flight: Flight, span: tuple[date, date]) -> str:
    return f"{span[0]:%B %Y}" if flight.first_day is None else f"{flight.name}, {span[0]} to {span[1]}"


def _reasons(morning: Morning, plan: Spread, due: float) -> list[str]:
    """What makes today's amount another one than an equal part of what is left."""
    course, found = morning.course, []
    relative = float(course.factor[0] / course.factor.mean())
    if len(course.factor) > 1 and abs(relative - 1.0) > _PLAIN:
        found.append(f"the day should bring {relative:.2f} times the mean of the days left")
    share = course.delivery.mean
    if abs(share - 1.0) > _PLAIN:
        found.append(f"platforms have spent {share:.0%} of budgets of late")
    less = float(morning.withheld.days[0])
    if less > _CENT:
        found.append(f"a lift test takes {less:,.2f}, which all days left make up for")
    if due * course.slack[0] >= 0.99 * course.sure > 0 and course.slack[0] > 1:
        found.append(f"a platform may spend {course.slack[0]:g} times a day's budget, and no more than is left")
    if plan.over > TOLERANCE * course.amount:
        why = "which spent too early would cost more than they bring" if plan.reaches else "as steps and slack stand"
        found.append(f"about {plan.over:,.2f} stay over, {why}")
    return found


def _findings(morning: Morning, plan: Spread, seen: Fan) -> Iterator[Finding]:
    flight, book, reach = morning.flight, morning.book, morning.reach
    name, sure = f"Flight {flight.name}", max(morning.course.sure, 0.0)
    if book.missing:
        yield (
            Finding("flight-history", Severity.WARNING, "portfolio",
                    f"{name}: its first {book.missing} days lie before the history that is read, and count as unspent.",
                    "Raise portfolio.history_days to reach back to its first day.")
        )  # fmt: skip
    if reach.low * morning.course.slack[0] > sure + _CENT and reach.low > plan.budget[0] + _CENT:
        yield (
            Finding("flight-over", Severity.WARNING, "portfolio",
                    f"{name} may end above its {flight.amount}: {sure:,.2f} are sure to be left, and "
                    f"today's steps and holds leave budgets of {reach.low:,.2f} or more.",
                    "Lower or pause budgets by hand, set pacing.largest_cut, or raise the amount.")
        )  # fmt: skip
    elif plan.over < -_CENT and (given := float(morning.withheld.given.sum())) > 0:
        yield (
            Finding("flight-over", Severity.WARNING, "portfolio",
                    f"{name} will end above its {flight.amount}: {morning.course.left:,.2f} are left, and lift tests "
                    f"ask for budgets of {given:,.2f} on all its days left.",
                    "Stop the test with `outlay lift stop`, or raise the amount.")
        )  # fmt: skip
    elif plan.over > _SHORT * morning.course.amount and (not plan.reaches or seen.short > 1.0 - _LIKELY):
        yield (
            Finding("flight-short", Severity.WARNING, "portfolio",
                    f"{name} will hardly be spent: about {max(plan.over, 0.0):,.2f} of its {flight.amount} stay over, "
                    "even with the largest steps that are allowed.",
                    "Raise budgets by hand, allow a larger guardrails.largest_step or most_per_day, or lower the "
                    "amount.")
        )  # fmt: skip
