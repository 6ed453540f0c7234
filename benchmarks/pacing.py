"""A month's amount spread over its days: is it spent, never overspent, and worth as much as in hindsight?

    python benchmarks/pacing.py [--quick] [--months N] [--first SEED] [--exactness SHARE]

A month is drawn from its seed: four campaigns with concave curves, weekdays (log sd .12), a sale of three days in three
months of ten; delivery of .9 to 1 of a budget with day-to-day noise (log sd .04 to .12) by campaign, less on weekends;
one day of campaign in twenty on which the platform spends 1.2 to 2 times the budget; a first statement of yesterday's
spend up to 3% short, or on one morning in twenty none at all; budgets that begin at .7 to 1.3 of what is needed. In
three months of twenty a campaign dies, and in one of five a marketer sets all budgets otherwise for a day. The platform
never spends more than its slack of a day's budget. On the last three days no campaign dies, and all are told of on the
next morning. The money of a campaign that died goes to the others from the third day on.

The planner knows weekdays, the sale and the curve only with errors (log sd .05, .2 and .2), moves budgets by 30% a day
at most but for cuts that the amount needs (`largest_cut = 1`), and sees what a snapshot tells. Money is split between
campaigns in fixed shares: only days are judged. The clairvoyant spends the amount to the cent, by equal marginal value
over days, and knows what the platform makes of each day, without steps or slack.

- `monthly`: a platform like Google Ads: twice a day's budget, and after a change no more than the budget times the days
  that are left of the month.
- `daily`: the same without that rule, so that the last day, too, may cost twice its budget.
- `steps`: `monthly`, with no cut beyond 30% a day.
- `installed`: what holds where nothing is set: `daily`, with no cut beyond 30% a day.
- `late`: `monthly`, with deaths and missing statements on the last days, too.

Two figures tell what is possible: all known but the platform's noise of the day; and all known, but twice each budget
kept within what is left. Baselines, on the same worlds: an equal part of what is left every morning, and one budget for
all days. Judging seeds are 7000 and up, tuning had 100 to 199.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder

from benchmarks._bars import above, ended, none
from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer.agent.settings.flights import PacingTable
from optimizer.goals import Flight, Scope, ScopeKind
from optimizer.pacing import Curve, Morning, Reach, spread
from optimizer.plan.snapshot import FloatArray, Freshness, IntArray, Panel, Restatements, Snapshot, Target
from optimizer.plan.under_test import Leave

FIRST_SEED: Final = 7_000
AMOUNT: Final = 30_000.0
BEFORE: Final = 28

STEP, BAND, SLACK = 0.3, 0.02, 2.0
SHARES: Final = np.array([0.4, 0.3, 0.2, 0.1])
MEMBERS: Final = tuple(range(len(SHARES)))
LEAVE: Final = Leave(*np.zeros((3, len(SHARES))))  # no lift test runs
ACCOUNT: Final = Account("ads", "shop", "EUR", "UTC")
NEAR: Final = 0.005
_GRID: Final = np.geomspace(1.0, 20_000.0, 400)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """One month and the days before it; K campaigns, T days of which `BEFORE` come first.

    Attributes:
        first: The month's first day.
        demand: Factor of each day, shape (T,).
        guess: What the planner takes it for, shape (T,).
        half, scale: Of the curves scale x / (x + half), shape (K,).
        guessed: Times `half`, as the planner believes it.
        share: What would be spent of a budget, the dead included, shape (K, T).
        alive: Shape (K, T).
        split: Each campaign's part of the money, shape (K, T); a dead one gets none from the third day on.
        untold: Share of a day's spend that the first statement lacks, 1 for no statement, shape (T,).
        opening: What the budgets sum to before the month.
        override: Day of the month on which a marketer sets the budgets, and their multiple; -1 for none.
    """

    first: date
    demand: FloatArray
    guess: FloatArray
    half: FloatArray
    scale: FloatArray
    guessed: float
    share: FloatArray
    alive: FloatArray
    split: FloatArray
    untold: FloatArray
    opening: float
    override: tuple[int, float]

    @property
    def days(self) -> int:
        """Days of the month."""
        return len(self.demand) - BEFORE


def draw(seed: int, spared: int = 3) -> World:
    """Draw a month; on so many last days no campaign dies, and each is told on the next morning."""
    rng = np.random.default_rng(seed)
    first = date(2025, 1 + int(rng.integers(12)), 1)
    days = ((first + timedelta(days=31)).replace(day=1) - first).days
    total = BEFORE + days
    weekday = np.array([(first + timedelta(days=n - BEFORE)).weekday() for n in range(total)])
    week = np.exp(0.12 * rng.standard_normal(7))
    demand, guess = (
        week[weekday],
        ((week * np.exp(0.05 * rng.standard_normal(7))) ** (0.12**2 / (0.12**2 + 0.05**2)))[weekday],
    )
    if rng.random() < 0.3:
        start, factor = BEFORE + int(rng.integers(days - 3)), float(rng.uniform(1.2, 1.8))
        demand[start : start + 3] *= factor
        guess[start : start + 3] *= max(factor * float(np.exp(0.2 * rng.standard_normal())), 1.0)
    shape = (len(SHARES), total)
    usual = AMOUNT / days * SHARES
    share = rng.uniform(0.9, 1.0, len(SHARES))[:, None] * np.exp(rng.uniform(0.04, 0.12) * rng.standard_normal(shape))
    share *= np.where(weekday >= 5, rng.uniform(0.9, 1.0), 1.0)
    share = np.where(rng.random(shape) < 0.05, rng.uniform(1.2, SLACK, shape), share)
    alive, split = np.ones(shape), np.repeat(SHARES[:, None], total, axis=1)
    if rng.random() < 0.15:
        dead, since = int(rng.integers(1, len(SHARES))), BEFORE + int(rng.integers(days - spared))
        alive[dead, since:] = 0.0
        split[dead, since + 3 :] = 0.0
    untold = np.where(rng.random(total) < 0.05, 1.0, rng.uniform(0.0, 0.03, total))
    untold[total - spared :] = np.minimum(untold[total - spared :], 0.03)
    override = (int(rng.integers(days - 5)), float(rng.uniform(0.6, 1.5))) if rng.random() < 0.2 else (-1, 1.0)
    return World(
        first=first,
        demand=demand,
        guess=guess,
        half=usual * rng.uniform(0.5, 3.0, len(SHARES)),
        scale=usual * rng.uniform(0.5, 1.5, len(SHARES)),
        guessed=float(np.exp(0.2 * rng.standard_normal())),
        share=share,
        alive=alive,
        split=split / split.sum(axis=0),
        untold=untold,
        opening=AMOUNT / days * float(rng.uniform(0.7, 1.3)),
        override=override,
    )


def value(world: World, spend: FloatArray) -> float:
    """What spends of the month bring, shape (K, days)."""
    saturated = spend / (spend + world.half[:, None])
    return float((world.demand[BEFORE:] * world.scale[:, None] * saturated).sum())


def clairvoyant(world: World, slack: float = 1.0) -> float:
    """The most that the amount can bring, what platforms make of each day known, too.

    With `slack` above 1, that multiple of each day's budget is kept within what is left.
    """
    return best(world, (world.split * wish(world))[:, BEFORE:], slack)[0]


def foreseen(world: World) -> float:
    """What the best budgets bring that a morning can set: all is known but the platform's noise of each day.

    The amount is spent to the cent all the same.
    """
    alive = world.split * np.where(world.alive > 0, 1.0, 0.05)
    spend = best(world, alive[:, BEFORE:], 1.0)[1] * (world.split * wish(world) / alive.sum(axis=0))[:, BEFORE:]
    return value(world, spend * AMOUNT / spend.sum())


def best(world: World, delivered: FloatArray, slack: float) -> tuple[float, FloatArray]:
    """The best spread over days whose money goes to campaigns in proportion, shape (K, days): value and (days,)."""
    parts = delivered / delivered.sum(axis=0)
    at = parts[:, :, None] * _GRID
    table = (world.scale[:, None, None] * at / (at + world.half[:, None, None])).sum(axis=0)
    table *= world.demand[BEFORE:, None]
    slope = np.diff(table, axis=1) / np.diff(_GRID)
    middle = np.sqrt(_GRID[:-1] * _GRID[1:])
    prices = np.geomspace(slope.min(), slope.max(), 2_000)
    left, brought, path = np.full(prices.shape, AMOUNT), np.zeros(prices.shape), np.empty((world.days, prices.size))
    for day in range(world.days):
        asked = np.interp(np.log(prices), np.log(slope[day, ::-1]), middle[::-1])
        path[day] = np.minimum(asked, left / slack)
        brought += np.interp(path[day], np.concatenate([[0.0], _GRID]), np.concatenate([[0.0], table[day]]))
        left = left - path[day]
    place = int(np.where(left <= NEAR * AMOUNT if slack > 1 else left >= 0, brought, -np.inf).argmax())
    return float(brought[place]), path[:, place]


def wish(world: World) -> FloatArray:
    """The share of a budget that each day would spend by itself, shape (K, T); a dead campaign's is a twentieth."""
    return np.minimum(world.share * np.where(world.alive > 0, 1.0, 0.05), SLACK)


def spent(
    world: World, day: int, budgets: FloatArray, since: FloatArray, left_of_month: int, monthly: bool
) -> FloatArray:
    """What the platform spends on a day of the whole history, shape (K,).

    Args:
        world: The truth.
        day: Column.
        budgets: Shape (K,).
        since: What each spent since its budget was changed last in the month, shape (K,), for the rule of the month.
        left_of_month: Days from that change to the end of the month.
        monthly: Whether there is such a rule.
    """
    wanted = wish(world)[:, day] * budgets
    return np.minimum(wanted, np.maximum(budgets * left_of_month - since, 0.0)) if monthly else wanted


Plan = Callable[[World, int, FloatArray, FloatArray, float], float]


def play(world: World, monthly: bool, plan: Plan) -> tuple[FloatArray, FloatArray]:
    """Let a policy plan every morning; return spends, shape (K, days), and the sums of the budgets, shape (days,)."""
    total = BEFORE + world.days
    spend, budget = np.zeros((len(SHARES), total)), np.zeros((len(SHARES), total))
    now = world.opening
    since, changed = np.zeros(len(SHARES)), BEFORE
    for day in range(total):
        if day >= BEFORE:
            asked = plan(world, day, spend[:, :day], budget[:, :day], now)
            now = now * world.override[1] if day - BEFORE == world.override[0] else asked
        budget[:, day] = now * world.split[:, day]
        if day <= BEFORE or (budget[:, day] != budget[:, day - 1]).any():
            since, changed = np.zeros(len(SHARES)), day
        rule = monthly and day >= BEFORE
        spend[:, day] = spent(world, day, budget[:, day], since, total - changed, rule)
        since = since + spend[:, day]
    return spend[:, BEFORE:], budget[:, BEFORE:].sum(axis=0)


def equal(world: World, day: int, spend: FloatArray, budget: FloatArray, now: float) -> float:
    """An equal part of what is left, yesterday as it was first told, or as the budget says."""
    told = seen(world, day, spend)[0]
    known = np.where(np.isfinite(told), told, budget)[:, BEFORE:]
    return max(AMOUNT - float(known.sum()), 0.0) / (BEFORE + world.days - day)


def constant(world: World, day: int, spend: FloatArray, budget: FloatArray, now: float) -> float:
    """The amount over the days."""
    return AMOUNT / world.days


def seen(world: World, day: int, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What is told on a morning, shape (K, day), and by how much the day before yesterday was restated, shape (K,)."""
    told = spend.copy()
    told[:, -1] = np.nan if world.untold[day - 1] == 1.0 else told[:, -1] * (1.0 - world.untold[day - 1])
    late = world.untold[day - 2]
    return told, np.zeros(len(SHARES)) if late == 1.0 else spend[:, -2] * late


def paced(flight: Flight, cut: float = 1.0) -> Plan:
    """Return the policy that is judged, for a flight and the largest cut of a day."""

    def plan(world: World, day: int, spend: FloatArray, budget: FloatArray, now: float) -> float:
        usual = AMOUNT / world.days
        scales = np.geomspace(0.02, 6.0, 40) * usual
        at = world.split[:, [day]] * scales
        half = world.guessed * world.half[:, None]
        curve = Curve(scales, (world.scale[:, None] * at / (at + half)).sum(axis=0))
        reach = Reach((1.0 - cut) * now, (1 + STEP) * now, BAND, (1.0 - STEP) * now)
        morning = Morning.of(
            flight, snapshot(world, day, spend, budget, now), MEMBERS, curve, world.guess[BEFORE:], reach, LEAVE
        )
        if morning is None:
            raise ValueError("the flight does not run on a day of its month")
        return morning.due(spread(morning.course))[0]

    return plan


def snapshot(world: World, day: int, spend: FloatArray, budget: FloatArray, now: float) -> Snapshot:
    """What is known on a morning."""
    told, restated = seen(world, day, spend)
    empty = np.full(told.shape, np.nan)
    today = world.first + timedelta(days=day - BEFORE)
    untold = bool(np.isnan(told[:, -1]).any())
    targets = tuple(
        Target(
            BudgetTarget(ACCOUNT, str(k), str(k), Level.CAMPAIGN, (str(k),), Money(round(now * part * 1e6), "EUR")),
            "search", (), (str(k),), (str(k),),
        )
        for k, part in enumerate(world.split[:, day])
    )  # fmt: skip
    which: IntArray = np.arange(len(SHARES), dtype=np.int64)
    return Snapshot(
        known_at=datetime(today.year, today.month, today.day, 6, tzinfo=UTC),
        today=today,
        currency="EUR",
        time_zone="UTC",
        targets=targets,
        panel=Panel(world.first - timedelta(days=BEFORE), told, empty, empty, empty, empty, budget),
        delays=(),
        arms=None,
        freshness=(Freshness("ads", "shop", today - timedelta(days=2 if untold else 1)),),
        restated=Restatements(which, np.full(len(SHARES), day - 2, dtype=np.int64), restated, np.zeros(len(SHARES))),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """Of one policy in N months, each of shape (N,): spend over amount, value over the clairvoyant's, moves a month."""

    total: FloatArray
    worth: FloatArray
    moves: FloatArray

    @property
    def near(self) -> float:
        """Share of the months within .5% of the amount."""
        return float((np.abs(self.total - 1.0) <= NEAR).mean())

    @property
    def over(self) -> int:
        """Months above the amount, by more than a cent."""
        return int((self.total * AMOUNT > AMOUNT + 0.01).sum())

    def words(self, name: str) -> str:
        """A row of the table."""
        low, high = np.quantile(self.total, [0.005, 0.995])
        error = float(self.worth.std(ddof=1) / np.sqrt(len(self.worth)))
        return (
            f"{name:<28}{self.near:>9.1%}{self.over:>7d}{low:>9.4f}{high:>9.4f}{self.worth.mean():>10.4f}"
            f" +- {error:.4f}{self.worth.min():>9.4f}{self.moves.mean():>8.1f}"
        )


def judged(worlds: list[World], monthly: bool, plan: Plan) -> Score:
    """Play a policy in all months."""
    total, worth, moves = (np.empty(len(worlds)) for _ in range(3))
    for place, world in enumerate(worlds):
        spend, budgets = play(world, monthly, plan)
        total[place] = spend.sum() / AMOUNT
        worth[place] = value(world, spend) / clairvoyant(world)
        moves[place] = np.count_nonzero(np.diff(budgets))
    return Score(total, worth, moves)


def month(month_end_slack: float, exactness: float) -> Flight:
    """The amount as a flight."""
    whole, scope = Money.of(str(AMOUNT), "EUR"), Scope(ScopeKind.ALL)
    return Flight("month", scope, whole, daily_slack=SLACK, month_end_slack=month_end_slack, exactness=exactness)


def main() -> int:
    """Play and judge; 0 if every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="60 months instead of 1,000")
    parser.add_argument("--months", type=int, help="how many months; of the cases beside `monthly` a fifth")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--exactness", type=float, default=PacingTable().exactness, help="instead of that installed")
    asked = parser.parse_args()
    by_rule, twice = month(1.0, asked.exactness), month(SLACK, asked.exactness)
    months = asked.months or (60 if asked.quick else 1_000)
    seeds = range(asked.first, asked.first + months)
    few = seeds[: max(months // 5, 2)]
    print(f"seeds {seeds[0]} to {seeds[-1]}, a fifth of them for all cases but `monthly`")
    print(f"{'':<28}{'near':>9}{'over':>7}{'.5%':>9}{'99.5%':>9}{'value':>10}{'':10}{'least':>9}{'moves':>8}")
    worlds, fewer = [draw(seed) for seed in seeds], [draw(seed) for seed in few]
    runs = (
        ("monthly: paced", worlds, True, paced(by_rule)),
        ("monthly: equal part", worlds, True, equal),
        ("monthly: constant", worlds, True, constant),
        ("daily: paced", fewer, False, paced(twice)),
        ("daily: equal part", fewer, False, equal),
        ("steps: paced", fewer, True, paced(by_rule, STEP)),
        ("installed: paced", fewer, False, paced(twice, STEP)),
        ("late: paced", [draw(seed, spared=0) for seed in few], True, paced(by_rule)),
    )
    found = {}
    for name, drawn, monthly, plan in runs:
        found[name] = judged(drawn, monthly, plan)
        print(found[name].words(name), flush=True)
    known = float(np.mean([foreseen(world) / clairvoyant(world) for world in worlds]))
    promise = float(np.mean([clairvoyant(world, SLACK) / clairvoyant(world) for world in fewer]))
    print(f"all known but the platform's noise of the day: {known:.4f} of the clairvoyant's value")
    print(f"all known, and twice each budget kept within what is left: {promise:.4f}")
    best_, daily = found["monthly: paced"], found["daily: paced"]
    return ended(
        [
            above("months within .5% of the amount", best_.near, 0.99 - 1e-9),
            none("months above the amount, where cuts are free", best_.over + daily.over + found["late: paced"].over),
            above("value over the clairvoyant's", float(best_.worth.mean()), 0.99),
            above("value over what a morning can know", float(best_.worth.mean()) / known, 0.99),
            above("daily: months within .5% of the amount", daily.near, 0.99 - 1e-9),
            above("daily: value over the best that keeps the promise", float(daily.worth.mean()) / promise, 0.99),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
