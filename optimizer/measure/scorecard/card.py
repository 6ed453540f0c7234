"""The scorecard: what each recommendation promised and what came of it, what was missed, and their sums. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.contract import BudgetKey
from optimizer import guardrails
from optimizer.forecast import Forecast
from optimizer.goals import Goals, owed
from optimizer.measure.scorecard.figures import Figure, promised, together
from optimizer.measure.scorecard.lift import believed, came
from optimizer.measure.scorecard.lots import ByLot, Cast, by_lot
from optimizer.measure.scorecard.marks import Kept, kept
from optimizer.measure.scorecard.spans import MATURE, WINDOW, Span, on_the_morning, span
from optimizer.plan.recommendation import Decision, Line, Recommendation
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.plan.under_test import LIFT_TEST
from optimizer.response import Belief, learn

_LAGS: Final = np.arange(1, 121)


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """A recommendation and what was done with it.

    Attributes:
        made: Its newest revision.
        wanted: The goals that it was decided by.
        written: The portfolio's day on which its lines were written; None where it was rejected or expired.
        keys: The budgets that were written.
        until: Where it was left: the day of the next advice, from which on it would have been another's.
    """

    made: Recommendation
    wanted: Goals
    written: date | None
    keys: frozenset[BudgetKey]
    until: date | None = None


@dataclass(frozen=True, slots=True)
class LineScore:
    """One line that was written; a day, in the objective's unit.

    Attributes:
        promised: What the recommendation said.
        came: What came of it; None without a day that counts.
        days: Days that count.
        changed_again: Whether the budget was changed again within the window.
    """

    key: BudgetKey
    name: str
    promised: Figure
    came: Figure | None
    days: int
    changed_again: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """One recommendation that was carried out.

    Attributes:
        unit: Of a day's figures, such as `conversions a day`.
        lines: Those that were written, without what a lift test moved.
        promised, came: A day, the sums of the lines of which there are days; None without one.
        believed: What today's belief, which knows these days, says of the same; None likewise.
        promised_whole, whole: The same over all days that count.
        first_on, whole_on: The day on which the first figure is to come, and the one on which no more days will be
            added; None where that is past.
    """

    rec_id: str
    revision: int
    as_of: date
    written: date
    unit: str
    lines: tuple[LineScore, ...]
    promised: Figure | None
    came: Figure | None
    believed: Figure | None
    promised_whole: Figure | None
    whole: Figure | None
    first_on: date | None
    whole_on: date | None

    @property
    def days(self) -> int:
        """The most days that count for any line."""
        return max((line.days for line in self.lines), default=0)


@dataclass(frozen=True, slots=True)
class Missed:
    """One recommendation that was rejected or expired.

    Attributes:
        promised: What it said, a day, without what a lift test was to move.
        would: What today's belief says that it would have brought, a day; None where its budgets are known no more.
        days: Days until the next advice, at most `WINDOW`.
        whole: `would` over those days.
    """

    rec_id: str
    revision: int
    as_of: date
    unit: str
    promised: Figure
    would: Figure | None
    days: int
    whole: Figure | None


@dataclass(frozen=True, slots=True)
class Scorecard:
    """All that is scored, the newest first.

    Attributes:
        known_on: The day on which all this is known.
        unit: Of the sums, such as `conversions`; only what counts in it is summed up.
        scored, missed: By recommendation.
        promised, gained: Sums over the days that count; None without one.
        lost: What missed recommendations would have brought, over their days; None likewise.
        by_lot: What lines that were held back by lot say; None while too few were.
        held: How many were, of which it is known what came.
        kept: How often the promises' intervals held what came.
    """

    known_on: date
    unit: str
    scored: tuple[Scored, ...]
    missed: tuple[Missed, ...]
    promised: Figure | None
    gained: Figure | None
    lost: Figure | None
    by_lot: ByLot | None
    held: int
    kept: Kept


def score(known: Snapshot, advised: Iterable[Advice]) -> Scorecard:
    """Keep score of advice.

    Lines that a lift test moves are no advice: what they bring or cost is the test's. So is a plan that moves nothing
    else.

    Each recommendation's draws have its own seed, so that its figures depend on nothing but the evidence.

    Args:
        known: What is known now, events included.
        advised: What was carried out or left, in any order.
    """
    planned, _ = guardrails.daily(known)
    ours = (advice for advice in advised if not _only_tested(advice))
    newest = sorted(ours, key=lambda advice: advice.made.created_at, reverse=True)
    desk = _Desk(planned)
    results = [desk.scored(advice) for advice in newest if advice.written is not None]
    missed = tuple(desk.missed(advice) for advice in newest if advice.written is None)
    scored = tuple(found.score for found in results)
    units = [each.unit for each in scored] + [each.unit for each in missed]
    unit = _whole_unit(units[0] if units else "")
    mine = [each for each in scored if _whole_unit(each.unit) == unit]
    casts = [cast for found in results if _whole_unit(found.score.unit) == unit for cast in found.casts]
    return Scorecard(
        known_on=known.today,
        unit=unit,
        scored=scored,
        missed=missed,
        promised=_sum(each.promised_whole for each in mine),
        gained=_sum(each.whole for each in mine),
        lost=_sum(each.whole for each in missed if _whole_unit(each.unit) == unit),
        by_lot=by_lot(casts),
        held=sum(cast.held for cast in casts),
        kept=kept([[(line.promised, line.came) for line in each.lines if line.came is not None] for each in scored]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    score: Scored
    casts: tuple[Cast, ...]


class _Desk:
    """What is learnt for the scorecard: today's belief, and that of each morning on which something was written."""

    def __init__(self, known: Snapshot) -> None:
        self._known = known
        self._now: Belief | None = None
        self._then: dict[date, Belief] = {}

    def scored(self, advice: Advice) -> _Found:
        made, written = advice.made, advice.written
        if written is None:
            raise ValueError(f"{made.rec_id} was not written")
        lines = self._of(line for line in made.decision.lines if line.key in advice.keys and not _tested(line))
        cast = self._of(line for line in made.decision.lines if line.lot is not None)
        both = tuple({line.key: line for line in (*lines, *cast)}.values())
        place = {line.key: n for n, line in enumerate(both)}
        days = span(self._known, written, both, self._complete())
        mean, sd, drawn = self._came(advice, both, days, np.random.default_rng(made.seed))
        own = [place[line.key] for line in lines]
        told = tuple(
            LineScore(line.key, line.name, promised(line.effect), _figure(mean[n], sd[n]),
                      int(days.measured[n]), bool(days.changed[n]))
            for line, n in zip(lines, own, strict=True)
        )  # fmt: skip
        casts = tuple(
            Cast(line.lot.held, line.lot.chance, line.lot.promised, float(mean[place[line.key]]))
            for line in cast
            if line.lot is not None and np.isfinite(mean[place[line.key]])
        )
        return _Found(self._score(advice, written, told, drawn[:, own], self._days_on(days, own, written)), casts)

    def missed(self, advice: Advice) -> Missed:
        made, decision = advice.made, advice.made.decision
        last = min(advice.until or self._known.today, self._known.today)
        days = min(max((last - decision.as_of).days, 0), WINDOW)
        moved = [line for line in decision.lines if line.changes and not _tested(line)]
        lines = self._of(moved)
        would = None
        if lines and len(lines) == len(moved):
            now = self._forecast(self._today(), advice.wanted)
            ahead = _ahead(self._known, lines, decision.as_of, max(days, 1))
            drawn = believed(now, lines, ahead, np.random.default_rng(made.seed)).sum(axis=1)
            would = Figure(float(drawn.mean()), float(drawn.std()))
        whole = None if would is None else would.times(days)
        return Missed(made.rec_id, made.revision, decision.as_of, decision.unit, _promise(decision), would, days, whole)

    def _score(
        self,
        advice: Advice,
        written: date,
        lines: tuple[LineScore, ...],
        drawn: FloatArray,
        on: tuple[date | None, date | None],
    ) -> Scored:
        made = advice.made
        counted = [(n, line, line.came) for n, line in enumerate(lines) if line.came is not None]
        after = drawn[:, [n for n, *_ in counted]].sum(axis=1)
        return Scored(
            rec_id=made.rec_id,
            revision=made.revision,
            as_of=made.decision.as_of,
            written=written,
            unit=made.decision.unit,
            lines=lines,
            promised=_sum(line.promised for _, line, _ in counted),
            came=_sum(figure for *_, figure in counted),
            believed=Figure(float(after.mean()), float(after.std())) if counted else None,
            promised_whole=_sum(line.promised.times(line.days) for _, line, _ in counted),
            whole=_sum(figure.times(line.days) for _, line, figure in counted),
            first_on=None if counted else on[0],
            whole_on=on[1],
        )

    def _came(
        self, advice: Advice, lines: Sequence[Line], days: Span, rng: np.random.Generator
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Estimate and standard error of each line, shape (L,), and draws of what is believed today, (n, L)."""
        if not days.counted.any() or advice.written is None:
            nothing = np.full(len(lines), np.nan)
            return nothing, nothing, nothing[None, :]
        then, now = (self._forecast(each, advice.wanted) for each in (self._morning(advice.written), self._today()))
        found = came(self._known, then, lines, days, rng)
        return found.mean, found.sd, believed(now, lines, days, rng)

    def _days_on(self, days: Span, own: Sequence[int], written: date) -> tuple[date | None, date | None]:
        """The days on which the first figure comes, and the last day is in; the second None where it is."""
        lag = self._lag(days, own)
        first = written + timedelta(days=1 + lag)
        if not own or not days.awaited[own].any():
            return None, None
        return first, written + timedelta(days=WINDOW + lag)

    def _lag(self, days: Span, own: Sequence[int]) -> int:
        """Days after which a day of these lines counts."""
        late = self._today().maturity(_LAGS)[days.rows[own]] < MATURE
        return int(late.any(axis=0).sum()) + 1

    def _of(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """The lines whose budgets are known still."""
        keys = {target.key for target in self._known.targets}
        return tuple(line for line in lines if line.key in keys)

    def _complete(self) -> FloatArray:
        return self._today().maturity(np.arange(self._known.panel.days, 0, -1))

    def _today(self) -> Belief:
        if self._now is None:
            self._now = learn(self._known)
        return self._now

    def _forecast(self, belief: Belief, wanted: Goals) -> Forecast:
        """The belief seen through goals, as their plan saw it."""
        rates = owed(wanted, self._known.targets, belief.worth.mean)
        return Forecast(belief, wanted, self._known.current, owed=rates)

    def _morning(self, day: date) -> Belief:
        if day not in self._then:
            self._then[day] = learn(on_the_morning(self._known, day))
        return self._then[day]


def _tested(line: Line) -> bool:
    """Whether a lift test set the line's budget."""
    return any(binding.name == LIFT_TEST for binding in line.bindings)


def _only_tested(advice: Advice) -> bool:
    """Whether all that was moved, or was to be, is a lift test's."""
    written = advice.written is not None
    moved = [line for line in advice.made.decision.lines if (line.key in advice.keys if written else line.changes)]
    return bool(moved) and all(_tested(line) for line in moved)


def _promise(decision: Decision) -> Figure:
    """What a plan promised, without what a lift test moves."""
    if not any(line.changes and _tested(line) for line in decision.lines):
        return promised(decision.total)
    return together(promised(line.effect) for line in decision.lines if not _tested(line))


def _ahead(known: Snapshot, lines: Sequence[Line], first: date, count: int) -> Span:
    """The days that advice would have been for, each counted, whatever was observed on them."""
    place = {target.key: k for k, target in enumerate(known.targets)}
    shape = (len(lines), count)
    none = np.zeros(len(lines))
    return Span(
        rows=np.array([place[line.key] for line in lines], dtype=np.int64),
        start=0,
        days=tuple(first + timedelta(days=n) for n in range(count)),
        complete=np.ones(shape),
        counted=np.ones(shape),
        changed=none,
        awaited=none,
    )


def _figure(mean: float, sd: float) -> Figure | None:
    return Figure(float(mean), float(sd)) if np.isfinite(mean) else None


def _sum(figures: Iterable[Figure | None]) -> Figure | None:
    known = [figure for figure in figures if figure is not None]
    return together(known) if known else None


def _whole_unit(unit: str) -> str:
    """What a unit counts, without the day."""
    return unit.removesuffix(" a day")
