"""Walk the mornings of a period, each with what the store knew then, and judge what Outlay would have said.

What cannot be known is assumed only where it is asked for: a history that was read once, long afterwards, does not say
what was known on each of its mornings (`as_if_mature`), and a budget that nobody read is taken to be what was spent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import numpy as np

from connectors.contract import zone
from connectors.errors import BadInput
from connectors.money import MICROS, Money
from optimizer.agent.cycle import House
from optimizer.decide.hindsight import WEEK, Judged, judge
from optimizer.decide.tally import Tally, tally
from optimizer.plan.snapshot import DelayTriangle, Snapshot
from optimizer.ports import SnapshotQuery, StoreError

USUAL_DAYS: Final = 28
MORNING_ENDS: Final = time(12)
"""What was learnt until then, in the portfolio's zone, counts as known on the morning."""

_COMMAND: Final = "outlay backtest"
_MATURE: Final = 1e6  # conversions of the assumed triangle: so many that no prior outweighs it
_LAGS: Final = 36

Tell = Callable[[int, int, str], None]
"""Is told how many mornings are done, of how many, and which comes next."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """The mornings of a period, judged and summed up.

    Attributes:
        since, until: The first and the last day.
        as_if_mature: Whether rows were taken to have been known, the morning after their day, as they are known now.
        judged: The mornings of which something was known.
        unknown: The other mornings of the period.
        assumed: Budget-mornings whose budget nobody had read, so that the mean spend of the week before stood in.
        tally: The sums.
    """

    since: date
    until: date
    as_if_mature: bool
    judged: tuple[Judged, ...]
    unknown: tuple[date, ...]
    assumed: int
    tally: Tally


def run(house: House, since: date | None, until: date | None, *, as_if_mature: bool, seed: int, tell: Tell) -> Backtest:
    """Judge each day from `since` to `until`.

    Args:
        house: Its store is read; nothing is written, and no connector is asked.
        since: The first day; by default `until` is the last of `USUAL_DAYS` days.
        until: The last day; by default the last one with rows.
        as_if_mature: See `Backtest`.
        seed: Of the posterior draws; each morning has a generator of its own.
        tell: Told of the progress.

    Raises:
        StoreError: The store has no rows or budgets, or knew nothing on any of these mornings.
        BadInput: The period is empty, or ends after the last row.
        GoalsError: The goals cannot hold with the budgets of a morning.
    """
    now = house.clock.now()
    since, until = _window(house, now, since, until)
    days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    # The week after the last morning is read too: what was done is told by the spend that followed.
    later = house.store.snapshot(_query(house, now, until + timedelta(days=WEEK), len(days) + WEEK - 1))
    judged: list[Judged] = []
    unknown: list[date] = []
    assumed = 0
    for done, day in enumerate(days):
        tell(done, len(days), f"morning of {day}")
        known, stand_ins = _assumed_known(house, day, now) if as_if_mature else _known(house, day, now)
        if not _fresh(known, house.guards.freshness_days):
            unknown.append(day)
            continue
        rng = np.random.default_rng([seed, day.toordinal()])
        judged.append(judge(known, later, house.goals, house.guards, _morning(house, day), rng))
        assumed += stand_ins
    if not judged:
        raise _unknowable(since, until, as_if_mature=as_if_mature)
    sums = tally(judged, house.guards.smallest_step)
    return Backtest(since, until, as_if_mature, tuple(judged), tuple(unknown), assumed, sums)


def _window(house: House, now: datetime, since: date | None, until: date | None) -> tuple[date, date]:
    present = house.store.snapshot(_query(house, now, date.max, 1))  # rows of whatever day they are
    last = max((f.last_day for f in present.freshness if f.last_day is not None), default=None)
    if last is None or not present.targets:
        raise StoreError("the store holds no rows with budgets yet. Mend: `outlay plan` reads them; run it once.")
    until = until or last
    since = since or until - timedelta(days=USUAL_DAYS - 1)
    if until > last:
        raise BadInput(f"{until} is after the last day with rows, {last}", where=_COMMAND, field="--until",
                       mend=f"write {last} or earlier, or bring the rows up to date with `outlay plan`.")  # fmt: skip
    if since > until:
        raise BadInput(f"{since} is after the end of the period, {until}", where=_COMMAND, field="--since",
                       mend="write an earlier day.")  # fmt: skip
    return since, until


def _query(house: House, known_at: datetime, today: date, days: int) -> SnapshotQuery:
    return SnapshotQuery(known_at, today, days, house.goals.currency, house.time_zone)


def _read(house: House, query: SnapshotQuery) -> Snapshot:
    return house.calendar.fill(house.store.snapshot(query))


def _morning(house: House, day: date) -> datetime:
    return datetime.combine(day, MORNING_ENDS, zone(house.time_zone)).astimezone(UTC)


def _known(house: House, day: date, now: datetime) -> tuple[Snapshot, int]:
    """Return what was known on a morning, and for how many budgets the spend stands in.

    Rows may carry the time at which they were learnt where budgets do not: then the budgets that were read later say
    which rows belong together, and not what their amounts were.
    """
    query = _query(house, _morning(house, day), day, house.history_days)
    known = _read(house, query)
    return (known, 0) if known.targets else _with_amounts(_read(house, replace(query, budgets_at=now)))


def _assumed_known(house: House, day: date, now: datetime) -> tuple[Snapshot, int]:
    """Return the rows before a morning as they are known now, said to be complete; our own moves are left out."""
    known, stand_ins = _with_amounts(_read(house, _query(house, now, day, house.history_days)))
    complete = DelayTriangle(
        "as-if-mature", np.arange(len(known.targets), dtype=np.int64), np.full((1, _LAGS), _MATURE)
    )
    return replace(known, delays=(complete,), moves=()), stand_ins


def _with_amounts(known: Snapshot) -> tuple[Snapshot, int]:
    """Put the budgets of the day before in the place of those of today, or the mean spend of the week before."""
    targets, stand_ins = [], 0
    for target, spent, budgets in zip(known.targets, known.panel.spend, known.panel.budget, strict=True):
        amount = float(budgets[-1])
        if not np.isfinite(amount):
            stand_ins += 1
            week = spent[-WEEK:][np.isfinite(spent[-WEEK:])]
            amount = float(week.mean()) if week.size else 0.0
        money = Money(round(amount * MICROS), known.currency).quantize(target.budget.quantum_micros, "nearest")
        targets.append(replace(target, budget=replace(target.budget, amount=money)))
    return replace(known, targets=tuple(targets)), stand_ins


def _fresh(known: Snapshot, days: int) -> bool:
    """Whether a row of the last complete days was known."""
    return bool(np.isfinite(known.panel.spend[:, -days - 1 :]).any())


def _unknowable(since: date, until: date, *, as_if_mature: bool) -> StoreError:
    if as_if_mature:
        return StoreError(f"no budget has rows in {since} to {until}. Mend: choose a period with rows.")
    return StoreError(
        f"what was known on the mornings of {since} to {until} cannot be known: their rows were all read later. "
        "Mend: --as-if-mature takes each row to have been known the morning after its day as it is known now, without "
        "late conversions. Or pull every day from now on; or keep each day's export, with the time of each row "
        "(columns.fetched_at of the files connector)."
    )
