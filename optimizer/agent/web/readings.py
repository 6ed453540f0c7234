"""What programs may read of a portfolio; the JSON API and the MCP server tell the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

import numpy as np

from optimizer.agent import refitting
from optimizer.agent.standing import newest_runs
from optimizer.agent.web import api_answers as answers
from optimizer.agent.web import api_models as models
from optimizer.agent.web import attribution_models
from optimizer.agent.web.days import days
from optimizer.agent.web.next_steps import Situation
from optimizer.agent.web.pacing import pace
from optimizer.agent.web.plans import alone
from optimizer.agent.web.premises import Premises
from optimizer.measure.counting import compare
from optimizer.measure.lift import Ageing
from optimizer.plan.record import Record, State
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import NotFound

_WEEKS: Final = 4


def status(premises: Premises, now: datetime) -> models.Status:
    """Tell what waits, how fresh the data are, what is in doubt, and what the agent did last."""
    store, seen = premises.store, premises.seen()
    stale_before = seen.today - timedelta(days=1 + premises.settings.guardrails.freshness_days)
    return models.Status(
        now=now,
        currency=seen.currency,
        time_zone=premises.settings.portfolio.time_zone,
        switch=answers.switch(store.brake()),
        leader=answers.leader(store.leader(), now),
        waiting=[each.recommendation.rec_id for each in premises.records() if each.state is State.PROPOSED],
        open_writes=len(store.open_intents()),
        freshness=[answers.fresh(each, stale_before) for each in seen.freshness],
        doubts=[answers.doubtful(each) for each in store.doubts(now)],
        resting=[answers.resting(each) for each in store.circuits() if each.is_open],
        jobs=[answers.job(run) for run in newest_runs(store)],
        last_days=[answers.last_day(day, seen.currency) for day in days(seen, 7 * _WEEKS)],
    )


def recommendations(premises: Premises, states: frozenset[State], limit: int) -> models.Recommendations:
    """Tell the newest recommendations in these states, the newest first, each by its newest revision."""
    found = premises.store.records(states, limit)
    told = [answers.headline(alone(record)) for record in found]
    return models.Recommendations(recommendations=told)


def detail(premises: Premises, record: Record) -> models.Detail:
    """Tell a whole revision, with what was written of it."""
    made = record.recommendation
    return answers.detail(premises.plan(made.rec_id, made.revision), premises.intents(record))


def line(premises: Premises, rec_id: str, number: int, revision: int | None) -> models.LineDetail:
    """Tell what stands behind one budget's line.

    Raises:
        NotFound: There is no such recommendation, revision or budget.
    """
    plan = premises.plan(rec_id, revision)
    row = next((row for row in plan.rows if row.number == number), None)
    if row is None:
        raise NotFound(f"{rec_id} has no budget with the number {number}")
    return answers.line_detail(plan, row)


def boards(premises: Premises) -> models.Boards:
    """Tell what is believed of the ads, as the newest plan that has any believed it."""
    newest = next((each for each in premises.records() if each.recommendation.decision.arms), None)
    if newest is None:
        return models.Boards(rec_id=None, as_of=None, boards=[])
    told = newest.recommendation.decision
    names = {each.key: each.name for each in told.lines}
    ordered = sorted(told.arms, key=lambda arm: (str(arm.key), -arm.share))
    return models.Boards(
        rec_id=newest.recommendation.rec_id,
        as_of=told.as_of,
        boards=[
            models.Board(budget=key, name=names.get(key, str(key)), arms=[answers.arm(each) for each in members])
            for key, members in groupby(ordered, lambda arm: arm.key)
        ],
    )


def kpis(premises: Premises) -> models.Kpis:
    """Tell how the goals stand; the same all day long, as far as the rows are."""
    told = [answers.kpi(each) for each in premises.kpis()]
    return models.Kpis(currency=premises.settings.portfolio.currency, kpis=told)


def pacing(premises: Premises) -> models.Pacing:
    """Tell the month and the flights: planned, spent, and how they would end; the same all day long."""
    seen = premises.seen()
    return answers.pacing(pace(seen, np.random.default_rng(seen.today.toordinal())), premises.paces(), seen.currency)


def attribution(premises: Premises, now: datetime) -> attribution_models.AttributionTold:
    """Tell what conversions count as claimed, as credited and as incremental, and what new customers bring.

    Only the store is read: touches and orders were when they were appraised.

    Raises:
        SettingsError: The file of lift tests cannot be read.
    """
    store, house = premises.store, premises.house
    # What commands kept just now is shown at once; rows are read anew more seldom.
    seen = replace(
        premises.seen(),
        appraisals=store.latest_appraisals(now),
        priors=store.latest_priors(now),
        lift_tests=tuple(reversed(store.lift_tests())),
    )
    found, tested = compare(seen, house.goals), _tested(premises, seen)
    return attribution_models.attribution(Situation(premises.settings, house.goals, seen, found, tested, now))


def _tested(premises: Premises, seen: Snapshot) -> Mapping[str, date]:
    """The last day of the newest lift test by channel, of those that still count."""
    table = premises.settings.lift
    told, _ = refitting.lifts_of(premises.lift_tests, seen)
    ageing = Ageing(table.half_life_days, table.expire_days)
    tests, _ = refitting.ageing_of((*told, *refitting.own_lifts(seen)), seen.today, ageing)
    return {test.channel: test.last_day for test in sorted(tests, key=lambda test: test.last_day)}
