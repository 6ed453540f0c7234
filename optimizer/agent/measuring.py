"""What was spent and what came of it, as the settings ask for it: the shell of `optimizer.measure`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np

from connectors.contract import EntityKind, Series, zone
from connectors.errors import AskMarketer
from optimizer import guardrails
from optimizer.agent.cycle import House
from optimizer.agent.settings.kpis import KpiTable
from optimizer.forecast import Forecast
from optimizer.goals import Payment, Scope, ScopeKind
from optimizer.measure import kpis as indicators
from optimizer.measure.kpis import HISTORY_DAYS, State
from optimizer.measure.metrics import (
    LEAD_DAYS,
    Cut,
    Figure,
    Period,
    Question,
    Table,
    completeness,
    costed,
    marginal_roas,
    measure,
    still_to_come,
)
from optimizer.plan.appraisal import Subject
from optimizer.plan.performance import Performance
from optimizer.plan.record import IntentState, Record
from optimizer.plan.snapshot import IntArray, Snapshot, Target
from optimizer.response import learn

_DAY: Final = timedelta(days=1)
_ALL: Final = 1_000_000
_WRITTEN: Final = frozenset({IntentState.ACKNOWLEDGED, IntentState.VERIFIED})


@dataclass(frozen=True, slots=True)
class KpiState:
    """A KPI of the settings, with its scope, on one morning."""

    scope: Scope
    state: State


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation that was made in the period.

    Attributes:
        day: The first day that it plans.
        record: As it stands now.
        written: How many of its writes the platforms acknowledged.
    """

    day: date
    record: Record
    written: int


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A report on a period.

    Attributes:
        portfolio: Its name.
        made_at: What was learnt later is not in it.
        table: The measures.
        kpis: How the KPIs stand: those of a month as of the month of the period's last day.
        advice: What was recommended, oldest first.
    """

    portfolio: str
    made_at: datetime
    table: Table
    kpis: tuple[KpiState, ...]
    advice: tuple[Advice, ...]


def statement(
    house: House,
    tables: Sequence[KpiTable],
    seen: Snapshot,
    period: Period,
    cuts: Sequence[Cut] = (),
    definition: str | None = None,
) -> Statement:
    """Report on a period, as things are known now.

    Args:
        house: Of the portfolio; its connectors are not needed.
        tables: The KPIs of the settings.
        seen: What is known today.
        period: Which days.
        cuts: By what the measures are split.
        definition: Only conversions of this definition count; None for all.

    Raises:
        AskMarketer: No row is of this definition.
    """
    now = house.clock.now()
    told, come = _read(house, seen, now, period.since - LEAD_DAYS * _DAY, period.until)
    known = sorted({series.conversion_definition for series in told.series})
    if definition is not None and definition not in known:
        mend = f"write one of {', '.join(known) or 'none, since there are no rows'}"
        raise AskMarketer(f"no conversion of these days is of the definition {definition!r}", mend=mend)
    asked = _question(house, seen, period, tuple(cuts), definition)
    table = measure(told, come, asked, seen.currency, _marginal(house, seen, cuts))
    states = kpi_states(house, tables, seen, period.until)
    return Statement(house.name, now, table, states, _advice(house, period))


def kpi_states(house: House, tables: Sequence[KpiTable], seen: Snapshot, at: date) -> tuple[KpiState, ...]:
    """Say how the KPIs stand, as things are known now.

    Args:
        house: Of the portfolio.
        tables: The KPIs of the settings.
        seen: What is known today.
        at: A monthly KPI is told for the month of this day.
    """
    if not tables:
        return ()
    today = _told_before(seen)
    windows = [table.kpi.window(at) for table in tables]
    since = min(today - HISTORY_DAYS * _DAY, *(window.since for window in windows)) - LEAD_DAYS * _DAY
    told, come = _read(house, seen, house.clock.now(), since, seen.today - _DAY)
    rng = np.random.default_rng(today.toordinal())  # the same all day long
    found = []
    for table, window in zip(tables, windows, strict=True):
        asked = _question(house, seen, window, (), None)
        only = _only(table.scope, told, seen.targets)
        found.append(KpiState(table.scope, indicators.state(table.kpi, window, told, come, asked, today, rng, only)))
    return tuple(found)


def _told_before(seen: Snapshot) -> date:
    """The first day of which no account has told yet: it must not count as one that brought nothing.

    Conversions are as complete as they were on that morning, since nothing was read after it.
    """
    last = max((each.last_day for each in seen.freshness if each.last_day is not None), default=seen.today)
    return min(seen.today, last + _DAY)


def _read(house: House, seen: Snapshot, now: datetime, since: date, until: date) -> tuple[Performance, IntArray]:
    told = house.store.performance(now, since, until)
    complete = completeness(seen.delays, len(seen.targets))
    come = still_to_come(told, complete, _told_before(seen))
    paid = [(payment, _only(payment.scope, told, seen.targets)) for payment in house.goals.payments]

    def payment_of(series: Series) -> Payment | None:
        return next((payment for payment, covers in paid if covers(series)), None)

    return costed(told, come, payment_of, house.goals.value_per_conversion), come


def _question(house: House, seen: Snapshot, period: Period, cuts: tuple[Cut, ...], definition: str | None) -> Question:
    customers = next((each for each in seen.appraisals if each.subject is Subject.CUSTOMER), None)
    goals = house.goals
    return Question(period, cuts, goals.margin, goals.value_per_conversion, definition, customers)


def _marginal(house: House, seen: Snapshot, cuts: Sequence[Cut]) -> dict[tuple[str, ...], Figure]:
    planned, _ = guardrails.daily(house.calendar.fill(seen))
    if not planned.targets:
        return {}
    forecast = Forecast(learn(planned), house.goals, planned.current)
    return marginal_roas(forecast, planned.targets, cuts, np.random.default_rng(seen.today.toordinal()))


def _only(scope: Scope, told: Performance, targets: Sequence[Target]) -> Callable[[Series], bool]:
    """Which series a scope means; tags are those of the campaigns that budgets pay for."""
    match scope.kind:
        case ScopeKind.CHANNEL:
            return lambda series: series.channel == scope.name
        case ScopeKind.CAMPAIGN:
            return lambda series: scope.name in (series.campaign_id, _campaign_name(series, told))
        case ScopeKind.TAG:
            tagged = {(t.budget.account, campaign) for t in targets if scope.covers(t) for campaign in t.campaigns}
            return lambda series: (series.account, series.campaign_id) in tagged
        case _:
            return lambda _series: True


def _campaign_name(series: Series, told: Performance) -> str | None:
    account = series.account
    return told.names.get((account.connector, account.account_id, EntityKind.CAMPAIGN, series.campaign_id))


def _advice(house: House, period: Period) -> tuple[Advice, ...]:
    """What was recommended for days of the period, by the newest revision of each."""
    found = []
    where = zone(house.time_zone)
    for record in house.store.records(limit=_ALL, since=datetime.combine(period.since, time.min, where)):
        made = record.recommendation
        if period.holds(made.created_at.astimezone(where).date()):
            intents = house.store.intents(made.rec_id, made.revision)
            written = sum(intent.state in _WRITTEN for intent in intents)
            found.append(Advice(made.decision.as_of, record, written))
    return tuple(reversed(found))
