"""What a scorecard is made from: advice and what became of it, out of the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from connectors.contract import BudgetKey, zone
from optimizer.agent.cycle import House
from optimizer.agent.foretelling import forecasts
from optimizer.goals import Goals
from optimizer.measure.scorecard import Advice, Kept, Scorecard, Watch, score, shares, watch
from optimizer.plan.canonical import from_json
from optimizer.plan.record import BudgetIntent, IntentState, Record, State
from optimizer.plan.snapshot import Snapshot

LOOKED_BACK: Final = 90
"""Days of advice that are scored by default."""

_CARRIED_OUT: Final = frozenset({State.APPLIED, State.VERIFIED, State.FAILED, State.ROLLED_BACK})
_LEFT: Final = frozenset({State.REJECTED, State.EXPIRED})
_WRITTEN: Final = frozenset({IntentState.ACKNOWLEDGED, IntentState.VERIFIED, IntentState.DRIFT})
_SENT: Final = "write-sent"
_ALL: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """The scorecard, and the forecasts of the last weeks.

    Attributes:
        since: The first day of advice that is scored.
        card: What was promised and what came.
        forecast: How often the weeks' intervals held what came, by probability.
        watch: Whether they hold as often as they say.
    """

    since: date
    card: Scorecard
    forecast: Kept
    watch: Watch


def read(house: House, seen: Snapshot, since: date | None = None) -> Reading:
    """Keep score of the advice since a day; reads the store alone.

    Args:
        house: Its connectors are not asked.
        seen: What is known now.
        since: The first day; by default `LOOKED_BACK` days before today.
    """
    first = since or seen.today - timedelta(days=LOOKED_BACK)
    known = house.calendar.fill(seen)
    weeks = tuple(forecasts(house.store, house.calendar, known, house.history_days))
    card = score(known, advised(house, first))
    return Reading(first, card, shares([week.inside for week in weeks]), watch(weeks))


def advised(house: House, since: date) -> Iterator[Advice]:
    """Yield what was carried out or left since a day, newest first.

    Rollbacks, which nobody decided, are left out, and so are revisions of which it was not kept what they were decided
    from; what a rollback undid counts until then.
    """
    # Edits keep the day of the plan that they edit, so that none was made before its day.
    records = house.store.records(limit=_ALL, since=datetime.combine(since, time.min, zone(house.time_zone)))
    for record in records:
        made = record.recommendation
        if made.decision.as_of < since or record.state not in _CARRIED_OUT | _LEFT:
            continue
        basis = house.store.basis(made.rec_id, made.revision)
        if basis is None:
            continue
        wanted = from_json(Goals, basis.goals)
        if record.state in _LEFT:
            yield Advice(made, wanted, None, frozenset(), _next(records, record))
        elif (keys := _written(house, record)) and (day := _day(house, record)) is not None:
            yield Advice(made, wanted, day, keys)


def _next(records: tuple[Record, ...], left: Record) -> date | None:
    """The day of the next advice, which may be the same."""
    made = [record.recommendation for record in records]
    later = [each.decision.as_of for each in made if each.created_at > left.recommendation.created_at]
    return min(later, default=None)


def _written(house: House, record: Record) -> frozenset[BudgetKey]:
    made = record.recommendation
    intents = house.store.intents(made.rec_id, made.revision)
    return frozenset(i.key for i in intents if isinstance(i, BudgetIntent) and i.state in _WRITTEN)


def _day(house: House, record: Record) -> date | None:
    """The portfolio's day of the last write."""
    made = record.recommendation
    sent = [e.at for e in house.store.events(made.rec_id) if e.action == _SENT and e.revision == made.revision]
    return max(sent).astimezone(zone(house.time_zone)).date() if sent else None
