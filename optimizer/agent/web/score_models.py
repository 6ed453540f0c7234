"""What the JSON API tells of the scorecard: estimates in the unit that stands beside them, with 90% intervals."""

from __future__ import annotations

from datetime import date
from typing import Final

from pydantic import Field

from optimizer.agent.scoring import Reading
from optimizer.agent.shown.told import Told
from optimizer.measure.scorecard import Figure, Kept, LineScore, Missed, Scored

_LEVEL: Final = 0.9


class Estimate(Told):
    """An estimate and its central 90% interval."""

    mean: float
    low90: float
    high90: float


class ScoredLine(Told):
    """One line that was written, a day."""

    budget: str
    name: str
    promised: Estimate
    came: Estimate | None = Field(description="Null before the first day that counts.")
    days: int
    changed_again: bool


class ScoredAdvice(Told):
    """One recommendation that was carried out, a day."""

    recommendation: str
    revision: int
    as_of: date
    written: date
    unit: str
    days: int
    promised: Estimate | None = Field(description="Of the lines of which there are days.")
    came: Estimate | None = Field(description="Observed, less what the old budgets would have brought.")
    believed: Estimate | None = Field(description="What today's curves say of the same.")
    whole: Estimate | None = Field(description="What came, over all days that count.")
    first_on: date | None = Field(description="When the first figure is to come; null where it is there.")
    complete_on: date | None = Field(description="When no more days are added; null where that is past.")
    lines: list[ScoredLine]


class MissedAdvice(Told):
    """One recommendation that was rejected or expired, a day."""

    recommendation: str
    revision: int
    as_of: date
    unit: str
    promised: Estimate
    would: Estimate | None = Field(description="What today's curves say that it would have brought.")
    days: int = Field(description="Until the next advice.")


class Held(Told):
    """How many of some intervals of one probability held what came."""

    level: float
    held: float
    se: float | None = Field(description="Null where there is one group of them only.")


class ByLot(Estimate):
    """What lines that were held back by lot say of all on which the lot was cast, a day."""

    promised: float
    moved: int
    held: int


class ScorecardTold(Told):
    """What advice promised and what came of it."""

    since: date
    known_on: date
    unit: str = Field(description="Of the sums.")
    promised: Estimate | None
    gained: Estimate | None
    missed_gain: Estimate | None
    by_lot: ByLot | None = Field(description="Null while too few lines were held back.")
    promises_held: list[Held]
    forecasts_held: list[Held]
    alarm: bool = Field(description="Whether intervals hold less than they say.")
    carried_out: list[ScoredAdvice]
    left: list[MissedAdvice]


def scorecard(found: Reading) -> ScorecardTold:
    """Tell a scorecard."""
    card, lot = found.card, found.card.by_lot
    told = None
    if lot is not None:
        told = ByLot(mean=lot.mean, low90=lot.low90, high90=lot.high90, promised=lot.promised, moved=lot.moved,
                     held=lot.held)  # fmt: skip
    return ScorecardTold(
        since=found.since,
        known_on=card.known_on,
        unit=card.unit,
        promised=_maybe(card.promised),
        gained=_maybe(card.gained),
        missed_gain=_maybe(card.lost),
        by_lot=told,
        promises_held=_held(card.kept),
        forecasts_held=_held(found.forecast),
        alarm=found.watch.alarm,
        carried_out=[_scored(each) for each in card.scored],
        left=[_missed(each) for each in card.missed],
    )


def _scored(each: Scored) -> ScoredAdvice:
    return ScoredAdvice(
        recommendation=each.rec_id,
        revision=each.revision,
        as_of=each.as_of,
        written=each.written,
        unit=each.unit,
        days=each.days,
        promised=_maybe(each.promised),
        came=_maybe(each.came),
        believed=_maybe(each.believed),
        whole=_maybe(each.whole),
        first_on=each.first_on,
        complete_on=each.whole_on,
        lines=[_line(line) for line in each.lines],
    )


def _line(line: LineScore) -> ScoredLine:
    return ScoredLine(
        budget=str(line.key),
        name=line.name,
        promised=_estimate(line.promised),
        came=_maybe(line.came),
        days=line.days,
        changed_again=line.changed_again,
    )


def _missed(each: Missed) -> MissedAdvice:
    return MissedAdvice(
        recommendation=each.rec_id,
        revision=each.revision,
        as_of=each.as_of,
        unit=each.unit,
        promised=_estimate(each.promised),
        would=_maybe(each.would),
        days=each.days,
    )


def _held(kept: Kept) -> list[Held]:
    return [Held(level=share.level, held=share.held, se=share.se) for share in kept.shares]


def _estimate(figure: Figure) -> Estimate:
    low, high = figure.interval(_LEVEL)
    return Estimate(mean=figure.mean, low90=low, high90=high)


def _maybe(figure: Figure | None) -> Estimate | None:
    return None if figure is None else _estimate(figure)
