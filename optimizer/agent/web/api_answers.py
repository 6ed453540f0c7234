"""What the records say, put into the models of the JSON API."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime

from optimizer.agent.measuring import KpiState
from optimizer.agent.shown.flights import PaceDay, flight
from optimizer.agent.shown.told import as_money, units_text
from optimizer.agent.web.api_models import (
    AdSwitchLine,
    AdWrite,
    Amount,
    Arm,
    Backing,
    BudgetLine,
    BudgetWrite,
    Detail,
    Doubtful,
    Fresh,
    Headline,
    HistoryEntry,
    Job,
    Kpi,
    LastDay,
    Leader,
    LineDay,
    LineDetail,
    Pacing,
    Point,
    Resting,
    Switch,
)
from optimizer.agent.web.days import Day
from optimizer.agent.web.pacing import Pace
from optimizer.agent.web.plans import AdRow, Plan, Row
from optimizer.decide import Picture
from optimizer.pacing import Pace as FlightOf
from optimizer.plan.audit import Entry
from optimizer.plan.circuit import Circuit
from optimizer.plan.doubts import Doubt
from optimizer.plan.office import Brake, JobRun, Lease
from optimizer.plan.recommendation import ArmShare, Explanation
from optimizer.plan.record import AdIntent, BudgetIntent, Intent
from optimizer.plan.snapshot import Freshness


def headline(plan: Plan) -> Headline:
    """Tell a revision at a glance."""
    return Headline(**_headline(plan))


def detail(plan: Plan, intents: Sequence[Intent]) -> Detail:
    """Tell a whole revision."""
    told = plan.decision
    return Detail(
        **_headline(plan),
        objective=told.objective,
        currency=told.currency,
        time_zone=told.time_zone,
        expected_now=told.expected_now,
        expected_then=told.expected_then,
        newest=plan.is_newest,
        lines=[line(row) for row in plan.rows],
        ads=[_ad(row) for row in plan.ads],
        findings=list(told.findings),
        bindings=list(told.bindings),
        why=_why(told.explanation),
        writes=[_write(intent) for intent in intents],
    )


def line(row: Row) -> BudgetLine:
    """Tell one budget's line."""
    told = row.line
    return BudgetLine(
        number=row.number,
        key=told.key,
        name=told.name,
        channel=told.channel,
        changes=told.changes,
        current=Amount.of(told.current),
        proposed=Amount.of(told.proposed),
        effect=told.effect,
        bindings=list(told.bindings),
        evidence=_backing(row, told.current.currency),
        reason=told.reason,
        turn=told.turn,
        fixed=row.fixed,
        approved=row.approved,
    )


def line_detail(plan: Plan, row: Row) -> LineDetail:
    """Tell what stands behind one line."""
    picture, currency = row.picture, plan.decision.currency
    return LineDetail(
        line=line(row),
        unit=plan.decision.unit,
        currency=currency,
        curve=[] if picture is None else _curve(picture, currency),
        days=[] if picture is None else _days(picture, currency),
    )


def arm(told: ArmShare) -> Arm:
    """Tell what is believed of an ad."""
    return Arm(
        arm_id=told.arm_id, name=told.name, share_now=told.share_now, share=told.share, p_best=told.p_best,
        rate=told.rate, low90=told.low90, high90=told.high90, metric=told.metric, enough=told.enough, worn=told.worn,
    )  # fmt: skip


def pacing(pace: Pace | None, flights: Sequence[FlightOf], currency: str) -> Pacing:
    """Tell how the month goes, and the flights."""
    told = [flight(each) for each in flights]
    if pace is None:
        return Pacing(currency=currency, days=[], over=None, flights=told)
    days = [
        PaceDay(
            day=day,
            planned=units_text(pace.planned[n], currency),
            spent=units_text(pace.spent[n], currency) if n < pace.known else None,
            low=units_text(pace.low[n], currency),
            middle=units_text(pace.middle[n], currency),
            high=units_text(pace.high[n], currency),
        )
        for n, day in enumerate(pace.month)
    ]
    return Pacing(currency=currency, days=days, over=pace.over, flights=told)


def fresh(told: Freshness, stale_before: date) -> Fresh:
    """Tell how old an account's data are."""
    stale = told.last_day is None or told.last_day < stale_before
    return Fresh(connector=told.connector, account_id=told.account_id, last_day=told.last_day, stale=stale)


def job(run: JobRun) -> Job:
    """Tell a run."""
    return Job(
        job=run.job, due_at=run.due_at, outcome=run.outcome, attempt=run.attempt, started_at=run.started_at,
        ended_at=run.ended_at, words=run.words,
    )  # fmt: skip


def doubtful(told: Doubt) -> Doubtful:
    """Tell a doubt."""
    return Doubtful(
        code=told.code, connector=told.connector, account_id=told.account_id, words=told.words, mend=told.mend,
        since=told.since,
    )  # fmt: skip


def resting(told: Circuit) -> Resting:
    """Tell of an account that is not called."""
    return Resting(subject=told.subject, failures=told.failures, until=told.until, why=told.why)


def leader(lease: Lease | None, now: datetime) -> Leader | None:
    """Tell who may write; None where nobody leads."""
    return None if lease is None or lease.until <= now else Leader(holder=lease.holder, until=lease.until)


def last_day(day: Day, currency: str) -> LastDay:
    """Tell the sums of a day."""
    return LastDay(
        day=day.day,
        spend=_units(day.spend, currency),
        conversions=_number(day.conversions),
        value=_units(day.value, currency),
        planned=_units(day.planned, currency),
    )


def kpi(told: KpiState) -> Kpi:
    """Tell how a goal stands."""
    state, forecast = told.state, told.state.forecast
    return Kpi(
        name=state.kpi.name,
        metric=state.kpi.measure,
        scope=str(told.scope),
        conversion=state.kpi.definition,
        target=state.kpi.target,
        since=state.window.since,
        by=state.window.until,
        standing=state.standing,
        so_far=state.so_far,
        forecast=None if forecast is None else forecast.value,
        low=None if forecast is None else forecast.low,
        high=None if forecast is None else forecast.high,
        probability=state.probability,
    )


def switch(brake: Brake | None) -> Switch:
    """Tell the newest throw of the kill switch."""
    if brake is None:
        return Switch(on=False, at=None, actor=None, reason=None, until=None)
    return Switch(on=brake.on, at=brake.at, actor=brake.actor, reason=brake.reason, until=brake.until)


def entry(told: Entry) -> HistoryEntry:
    """Tell an entry of the history."""
    event = told.event
    return HistoryEntry(
        number=told.number, at=event.at, rec_id=event.rec_id, revision=event.revision, actor=event.actor,
        action=event.action, detail=event.detail, previous=told.previous, hash=told.hash,
    )  # fmt: skip


def _headline(plan: Plan) -> dict[str, object]:
    made, told, record = plan.record.recommendation, plan.decision, plan.record
    return {
        "rec_id": made.rec_id,
        "revision": made.revision,
        "parent_id": made.parent_id,
        "state": record.state,
        "as_of": told.as_of,
        "created_at": made.created_at,
        "valid_until": made.valid_until,
        "author": made.author,
        "plan_hash": made.plan_hash,
        "unit": told.unit,
        "total": told.total,
        "budgets_changed": sum(each.changes for each in told.lines),
        "ads_switched": sum(each.changes for each in told.ads),
        "moved": Amount.of(plan.moved),
        "approvals": list(record.approvals),
        "approved_by": record.approved_by,
    }


def _ad(row: AdRow) -> AdSwitchLine:
    told = row.line
    return AdSwitchLine(
        number=row.number,
        key=told.key,
        budget=told.target,
        name=told.name,
        changes=told.changes,
        current=told.current,
        proposed=told.proposed,
        moved=Amount.of(told.moved),
        share_now=told.share_now,
        share=told.share,
        p_best=told.p_best,
        effect=told.effect,
        evidence=_backing(row, told.moved.currency),
        reason=told.reason,
        approved=row.approved,
    )


def _backing(row: Row | AdRow, currency: str) -> Backing:
    told = row.line.evidence
    return Backing(
        days=told.days,
        conversions=told.conversions,
        spend=Amount.of(as_money(told.spend, currency)),
        thin=told.thin,
        words=told.words,
    )


def _why(told: Explanation | None) -> list[str]:
    if told is None:
        return []
    parts = (*told.shifts, told.unspent, told.more, told.declined)
    return [part.words for part in parts if part is not None]


def _write(told: Intent) -> BudgetWrite | AdWrite:
    match told:
        case BudgetIntent():
            return BudgetWrite(
                budget=told.key, before=Amount.of(told.base), after=Amount.of(told.target), state=told.state,
                attempts=told.attempts, request_id=told.request_id, note=told.note, updated_at=told.updated_at,
            )  # fmt: skip
        case AdIntent():
            return AdWrite(
                ad=told.key, before=told.base, after=told.target, state=told.state, attempts=told.attempts,
                request_id=told.request_id, note=told.note, updated_at=told.updated_at,
            )  # fmt: skip


def _curve(picture: Picture, currency: str) -> list[Point]:
    drawn = picture.curve
    columns = (drawn.budget, drawn.mean, drawn.low95, drawn.low80, drawn.high80, drawn.high95)
    return [
        Point(budget=units_text(budget, currency), mean=mean, low95=low95, low80=low80, high80=high80, high95=high95)
        for budget, mean, low95, low80, high80, high95 in zip(*(each.tolist() for each in columns), strict=True)
    ]


def _days(picture: Picture, currency: str) -> list[LineDay]:
    seen = picture.seen
    columns = (seen.spend, seen.conversions, seen.matured, seen.value)
    return [
        LineDay(
            day=day,
            spend=_units(spend, currency),
            conversions=_number(conversions),
            matured=_number(matured),
            value=_units(value, currency),
        )
        for day, spend, conversions, matured, value in zip(seen.days, *(each.tolist() for each in columns), strict=True)
    ]


def _units(units: float, currency: str) -> str | None:
    return units_text(units, currency) if math.isfinite(units) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
