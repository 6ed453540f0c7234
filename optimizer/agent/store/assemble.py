"""From what a store knows to the `Snapshot` that a decision is made from. Pure but for the totals that it asks for.

Both stores use it, so that the same history gives the same digest whichever keeps it: sums of integer micros are
exact in a float up to 2**53, hence the same in any order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta

import numpy as np
import numpy.typing as npt

from connectors.money import MICROS
from optimizer.agent.store.instants import local_day, to_instant
from optimizer.agent.store.known import Cells, Facts, Groups, Known, Span
from optimizer.agent.store.layout import Layout, accounts, lay_out
from optimizer.agent.store.maturation import delay_triangles
from optimizer.plan.snapshot import (
    TRIANGLE_DAYS,
    ArmPanel,
    FloatArray,
    Freshness,
    IntArray,
    Panel,
    Restatements,
    Snapshot,
)
from optimizer.ports import SnapshotQuery

BoolArray = npt.NDArray[np.bool_]

MOVES_WINDOW = timedelta(days=30)
"""How far back a snapshot tells of our own changes."""

_MEASURES = ("spend", "conversions", "value", "impressions", "clicks")
_RECENT_DAYS = 28


def assemble(query: SnapshotQuery, known: Known, facts: Facts) -> Snapshot:
    """Build the snapshot of what was known.

    Args:
        query: What was asked for.
        known: What the store knew at `query.known_at`.
        facts: The facts as known then.

    Raises:
        StoreError: An account is in another currency than the query's.
    """
    layout = lay_out(known, query.currency)
    span = span_of(query)
    paid, unbudgeted = _totals(query, layout, facts, span)
    first_day, told = date.fromordinal(span.since), _auctions(layout, facts, span)
    return Snapshot(
        known_at=query.known_at.astimezone(UTC),
        today=query.today,
        currency=query.currency,
        time_zone=query.time_zone,
        targets=layout.targets,
        panel=Panel(first_day=first_day, **paid, budget=_budgets(layout, known, span), **told),
        delays=delay_triangles(query, known, layout, facts, _triangle_span(span)),
        arms=_arm_panel(query, layout, facts, span),
        moves=tuple(sorted(known.moves, key=lambda move: (move.at, move.key))),
        freshness=_freshness(known),
        unbudgeted=unbudgeted,
        priors=known.priors,
        ads=tuple(sorted(known.ads, key=lambda ad: ad.key)),
        switches=tuple(sorted(known.switches, key=lambda switch: (switch.at, switch.key))),
        experiments=tuple(
            sorted((e.plan for e in known.experiments if e.open_at(query.known_at)), key=lambda plan: plan.name)
        ),
        ad_priors=known.ad_priors,
        restated=_restated(query, layout, facts, span),
        doubts=tuple(known.doubts),
        appraisals=tuple(known.appraisals),
        lift_tests=tuple(
            replace(record, end=record.ended_by(query.known_at))
            for record in reversed(known.lift_tests)
            if record.registered_at <= query.known_at
        ),
    )


def span_of(query: SnapshotQuery) -> Span:
    """Return the days of a query's history."""
    today = query.today.toordinal()
    return Span(today - query.days, today)


def _triangle_span(span: Span) -> Span:
    return Span(max(span.since, span.until - TRIANGLE_DAYS), span.until)


def _restated(query: SnapshotQuery, layout: Layout, facts: Facts, span: Span) -> Restatements | None:
    """Return what became known of late of the days of the triangles, less what came to nothing; None without any."""
    if not query.restated_within:
        return None
    then = to_instant(query.known_at - query.restated_within)
    cells = facts.restated(layout.by_target, _triangle_span(span), then)
    if not cells.group.size:
        return None
    place, row = np.unique(cells.group * 2**23 + cells.day, return_inverse=True)
    spend, conversions = (
        np.bincount(row.reshape(-1), weights=column, minlength=place.size) / MICROS for column in cells.measures.T
    )
    moved = (spend != 0) | (conversions != 0)
    if not moved.any():
        return None
    target, day = np.divmod(place[moved], 2**23)
    return Restatements(target, day - span.since, spend[moved], conversions[moved])


def _totals(
    query: SnapshotQuery, layout: Layout, facts: Facts, span: Span
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Return the panel's measures, and the campaigns without a budget that spent of late, in one reading."""
    count = len(layout.targets)
    groups: Groups = {**layout.by_target, **{number: count + place for number, place in layout.by_stray.items()}}
    grids = _grids(facts.totals(groups, span), count + len(layout.strays), span)
    recent = np.nansum(grids["spend"][count:, -_RECENT_DAYS:], axis=1)
    strays = tuple(name for name, spend in zip(layout.strays, recent, strict=True) if spend > 0)
    running = _running(query, layout, span)
    return {name: _over(grid[:count], running) for name, grid in grids.items()}, strays


def _running(query: SnapshotQuery, layout: Layout, span: Span) -> BoolArray:
    """Whether a day was not over yet in the zone of each target's account: what it reports so far is no day's total."""
    known_at, days = to_instant(query.known_at), np.arange(span.since, span.until)
    today = [local_day(known_at, target.budget.account.time_zone) for target in layout.targets]
    running: BoolArray = days[None, :] >= np.array(today, dtype=np.int64).reshape(-1, 1)
    return running


def _over(grid: FloatArray, running: BoolArray) -> FloatArray:
    """A grid without the days that were not over."""
    return np.where(running, np.nan, grid) if running.any() else grid


def _auctions(layout: Layout, facts: Facts, span: Span) -> dict[str, FloatArray]:
    """Return the impressions that there were to be had and those lost to budgets; nothing where no row tells them."""
    cells = facts.auctions(layout.by_target, span)
    if not cells.group.size:
        return {}
    return _grids(cells, len(layout.targets), span, ("eligible", "lost"))


def _grids(cells: Cells, count: int, span: Span, names: tuple[str, ...] = _MEASURES) -> dict[str, FloatArray]:
    """Return each measure in units, shape (count, days); nan where no row of the cell reports it."""
    shape = (count, span.until - span.since)
    place = cells.group * shape[1] + cells.day - span.since
    if np.bincount(place).max(initial=0) <= 1:  # nothing to add up, and several times as fast
        return {name: _laid(place, cells.measures[:, column], shape) for column, name in enumerate(names)}
    grids = {}
    for column, name in enumerate(names):
        reported = np.isfinite(cells.measures[:, column])
        at, micros = place[reported], cells.measures[reported, column]
        size = shape[0] * shape[1]
        total = np.bincount(at, weights=micros, minlength=size) / MICROS
        total[np.bincount(at, minlength=size) == 0] = np.nan
        grids[name] = total.reshape(shape)
    return grids


def _laid(place: IntArray, micros: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Return cells that stand once each as a grid in units; nan where there is none."""
    grid = np.full(shape[0] * shape[1], np.nan)
    grid[place] = micros / MICROS
    return grid.reshape(shape)


def _budgets(layout: Layout, known: Known, span: Span) -> FloatArray:
    """Return the daily budget in force at the end of each account-local day, shape (K, T)."""
    days = span.until - span.since
    readings = [
        (row, local_day(instant, target.budget.account.time_zone), np.nan if micros is None else micros)
        for row, target in enumerate(layout.targets)
        for instant, micros in known.amounts[target.key]
    ]
    row, day, micros = np.array(readings, dtype=np.float64).reshape(-1, 3).T
    start = np.maximum(day - span.since, 0.0).astype(np.int64)
    read = np.flatnonzero(start < days)
    # The number of the reading in force, one at least: of those of one target and day the last, which is the largest.
    number = np.zeros((len(layout.targets), days), dtype=np.int64)
    np.maximum.at(number, (row[read].astype(np.int64), start[read]), read + 1)
    amounts = np.concatenate([[np.nan], micros / MICROS])
    return amounts[np.maximum.accumulate(number, axis=1)]


def _arm_panel(query: SnapshotQuery, layout: Layout, facts: Facts, span: Span) -> ArmPanel | None:
    if not layout.arms:
        return None
    grids = _grids(facts.totals(layout.by_arm, span), len(layout.arms), span)
    running = _running(query, layout, span)[[arm.target for arm in layout.arms]]
    return ArmPanel(layout.arms, **{name: _over(grid, running) for name, grid in grids.items()})


def _freshness(known: Known) -> tuple[Freshness, ...]:
    last: dict[tuple[str, str], int] = {}
    for item in known.series:
        key = (item.series.account.connector, item.series.account.account_id)
        last[key] = max(last.get(key, 0), item.last_day)
    return tuple(
        Freshness(account.connector, account.account_id, _day(last.get((account.connector, account.account_id))))
        for account in accounts(known)
    )


def _day(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)
