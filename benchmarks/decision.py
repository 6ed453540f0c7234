"""Is what a plan as a whole promises honest, and which way of exploring brings most through the whole decision?

    python benchmarks/decision.py [--quick] [--workers N]

Worlds of the simulator with 60 days of history, in which a marketer changed each budget now and then, are read morning
by morning into a store, as the demo does; what the budgets of those days were is not read, only what was spent.
`decide` then plans on the store's snapshot, with the default goals and guardrails. The plan's true change, conversions
a day expected under the proposed budgets less those under the current ones, averaged over the coming week, is compared
with the printed interval. The same is done for the aim: a plan that may take any step at once, and so lies furthest
from what was seen. Intervals of single lines are `calibration.py`'s.

Then every way of exploring plans and writes each morning for two weeks in the same worlds; its expected conversions
are a share of the clairvoyant's. Writes go straight to the platform, so no cool-down is in force. One campaign has one
ad here: what ads are given does not enter, and reading is faster. Standard errors are over worlds.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from connectors.contract import BudgetChange
from optimizer.agent.store import MemoryStore
from optimizer.decide import decide
from optimizer.goals import Explore, Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.recommendation import Decision
from optimizer.plan.snapshot import FloatArray
from optimizer.ports import SnapshotQuery
from simulations.oracle import expected, optimum
from simulations.platform.connector import SimulatedConnector
from simulations.runs.fanout import Processes
from simulations.scenarios import Scenario, named

START = date(2025, 9, 1)
WINDOW, HISTORY, WEEK, LOOP = 14, 60, 7, 14
FIRST_SEED = 7_000
ONE_AD = {"creatives": (1, 1), "audiences": (1, 1), "history_days": HISTORY}
SCENARIOS = tuple(named(name, **ONE_AD) for name in ("demo", "closed-loop-6"))
FREE = 1_000.0  # a step that nothing reaches
FREE_GUARDS = Guardrails(largest_step_24h=FREE)
LEVELS = {80: 0.05, 95: 0.03}  # the printed intervals, and how far coverage may lie off


class Desk:
    """One world and the store that watches it."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.market = SimulatedConnector(scenario, seed=seed, start=START)
        self.store = MemoryStore()
        self.store.note_entities(self.market.entities())
        for reading in self.market.readings(WINDOW):
            self.store.ingest(reading.rows)
        self.store.note_budgets(self.market.name, self.market.budgets(), self.market.now)

    def decide(self, goals: Goals, guards: Guardrails, rng: np.random.Generator) -> Decision:
        """Plan this morning's budgets."""
        now, today, place = self.market.now, self.market.today, self.scenario
        snapshot = self.store.snapshot(SnapshotQuery(now, today, 400, place.currency, place.time_zone))
        return decide(snapshot, goals, guards, now, rng)

    def write(self, decision: Decision) -> None:
        """Set what the plan proposes."""
        for line in decision.lines:
            if line.changes:
                name = f"{decision.as_of}-{line.key}"
                self.market.set_budget(BudgetChange(name, line.key, line.current, line.proposed))
        self.store.note_budgets(self.market.name, self.market.budgets(), self.market.now + timedelta(minutes=10))

    def sleep(self) -> None:
        """Let a day pass and read what it brought."""
        self.market.advance()
        self.store.ingest(self.market.pull(self.market.today - timedelta(days=WINDOW), self.market.today))

    def true_effects(self, decision: Decision) -> tuple[FloatArray, FloatArray]:
        """Conversions a day by line under the current and proposed budgets, mean of the week; each (K,)."""
        place = {budget.key: k for k, budget in enumerate(self.market.budgets())}
        order = np.array([place[line.key] for line in decision.lines])
        sides = []
        for side in ("current", "proposed"):
            budgets = np.empty(len(order))
            budgets[order] = [getattr(line, side).micros / 1e6 for line in decision.lines]
            first = self.market.world.index_of(decision.as_of)
            days = [expected(self.market.world.truth, budgets, first + d).conversions for d in range(WEEK)]
            sides.append(np.mean(days, axis=0)[order])
        return sides[0], sides[1]


@dataclass(frozen=True)
class Told:
    """What one decision printed, and what was true.

    Attributes:
        hits: Whether the interval of each level held; none where the decision leaves all as it is, which prints none.
        promised, brought: Gains in percent of what the budgets bring as they are.
    """

    hits: dict[int, bool]
    promised: float
    brought: float


def told(desk: Desk, decision: Decision) -> Told:
    """Set one decision beside the truth."""
    now, then = desk.true_effects(decision)
    change, total, hits = float((then - now).sum()), decision.total, {}
    if decision.moves:
        hits = {
            level: bool(getattr(total, f"low{level}") <= change <= getattr(total, f"high{level}")) for level in LEVELS
        }
    return Told(hits, 100 * total.mean / decision.expected_now, 100 * change / float(now.sum()))


@dataclass(frozen=True)
class Job:
    """One world; in some of them every way of exploring plans for two weeks."""

    scenario: Scenario
    seed: int
    races: bool

    def __str__(self) -> str:
        return f"world {self.seed} of {self.scenario.name}"


@dataclass(frozen=True)
class Found:
    """Of one world: the plan with the default steps, the aim, and shares of the clairvoyant's by way of exploring."""

    plan: Told
    aim: Told
    shares: dict[str, float]


def play(job: Job) -> Found:
    """Decide in one world."""
    desk, goals = Desk(job.scenario, job.seed), Goals(job.scenario.currency)
    plan = told(desk, desk.decide(goals, Guardrails(), np.random.default_rng([job.seed, 1])))
    anywhere = desk.decide(replace(goals, largest_step=FREE), FREE_GUARDS, np.random.default_rng([job.seed, 2]))
    return Found(plan, told(desk, anywhere), race(desk, goals, job.seed) if job.races else {})


def coverage(hits: list[bool]) -> tuple[float, float, int]:
    """Coverage, its standard error, and how many intervals there were."""
    share = float(np.mean(hits))
    return share, float(np.sqrt(share * (1 - share) / len(hits))), len(hits)


def intervals(title: str, kept: Sequence[Told]) -> dict[int, tuple[float, float, int]]:
    """Print coverage and gains; return the coverages by level."""
    print(f"\n{title}; {len(kept)} worlds")
    print(f"{'interval':<12}{'covered':>9}{'SE':>7}{'n':>7}")
    found = {level: coverage([one.hits[level] for one in kept if one.hits]) for level in LEVELS}
    for level, (share, error, count) in found.items():
        print(f"{f'plan {level}%':<12}{share:>9.3f}{error:>7.3f}{count:>7,}")
    promised, brought = (_mean_error([getattr(one, side) for one in kept]) for side in ("promised", "brought"))
    print(f"mean gain, % of now: promised {promised}, true {brought}", flush=True)
    return found


def loop(desk: Desk, goals: Goals, seed: int) -> float:
    """Plan and write every morning; return the expected conversions of all days. The desk is used up."""
    rng, total = np.random.default_rng([seed, 3]), 0.0
    for _ in range(LOOP):
        desk.write(desk.decide(goals, Guardrails(), rng))
        total += _expected_today(desk)
        desk.sleep()
    return total


def unchanged(desk: Desk) -> float:
    """What the budgets as they are would bring over the same days."""
    world = desk.market.world
    first, budgets = world.index_of(desk.market.today), world.live / 1e6
    return sum(float(expected(world.truth, budgets, first + d).conversions.sum()) for d in range(LOOP))


def clairvoyant(desk: Desk) -> float:
    """What the best budgets of each day would bring, the sum of all budgets as it is."""
    world = desk.market.world
    first, total = world.index_of(desk.market.today), float(world.live.sum()) / 1e6
    lower = np.full(world.live.size, desk.scenario.minimum_budget)
    upper = np.full(world.live.size, total)
    days = range(first, first + LOOP)
    return sum(optimum(world.truth, day, total=total, lower=lower, upper=upper).value for day in days)


def _expected_today(desk: Desk) -> float:
    world = desk.market.world
    day = world.index_of(desk.market.today)
    return float(expected(world.truth, world.live / 1e6, day).conversions.sum())


def _mean_error(values: Sequence[float] | FloatArray) -> str:
    return f"{np.mean(values):.2f} +- {_error(values):.2f}"


def _error(values: Sequence[float] | FloatArray) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def main() -> None:
    """Measure, print the tables, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="fewer worlds, under 50 s; bars of coverage are loosened by two standard errors",
    )
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    asked = parser.parse_args()
    worlds, loops = (30, 4) if asked.quick else (300, 60)
    print(f"seeds {FIRST_SEED}..{FIRST_SEED + worlds - 1} of each scenario; explore: ..{FIRST_SEED + loops - 1}")
    bars: list[dict[str, object]] = []
    shares: dict[str, list[float]] = {name: [] for name in ("unchanged", *(way.value for way in Explore))}
    for scenario in SCENARIOS:
        jobs = [Job(scenario, FIRST_SEED + world, world < loops) for world in range(worlds)]
        ended = dict(Processes(asked.workers)(play, jobs))
        found = [ended[world] for world in range(worlds)]
        for name, share in ((name, share) for one in found for name, share in one.shares.items()):
            shares[name].append(share)
        covered = intervals(f"{scenario.name}: plans with the default steps", [one.plan for one in found])
        bars += judge(scenario.name, covered, 2.0 if asked.quick else 0.0)
        intervals(f"{scenario.name}: aims, any step allowed (no bar: a plan is what is printed)",
                  [one.aim for one in found])  # fmt: skip
    bars += rank(shares, Goals(SCENARIOS[0].currency).explore.value)
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def race(desk: Desk, goals: Goals, seed: int) -> dict[str, float]:
    """Percentage of the clairvoyant's conversions, for each way of exploring and for leaving all as it is."""
    best = clairvoyant(desk)
    shares = {"unchanged": 100 * unchanged(desk) / best}
    for way in Explore:
        shares[way.value] = 100 * loop(copy.deepcopy(desk), replace(goals, explore=way), seed) / best
    return shares


def judge(scenario: str, found: dict[int, tuple[float, float, int]], errors: float) -> list[dict[str, object]]:
    """Return a bar for each kind of interval, loosened by so many standard errors."""
    bars: list[dict[str, object]] = []
    for level, (share, error, count) in found.items():
        asked = level / 100
        band = LEVELS[level] + errors * float(np.sqrt(asked * (1 - asked) / count))  # all of a few may hold
        words = f"{scenario}: coverage of the plan {level}% interval (SE {error:.3f}), +-{band:.3f}"
        holds = abs(share - asked) <= band
        bars.append({"name": words, "value": round(share, 3), "bar": asked, "holds": holds})
    return bars


def rank(shares: dict[str, list[float]], default: str) -> list[dict[str, object]]:
    """Print the share of the oracle by policy, and return a bar for each that the default is compared with."""
    print(f"\n{LOOP} days of plans after {HISTORY} of history, {len(shares[default])} worlds; the default is {default}")
    print(f"{'explore':<14}{'% of oracle':>16}{'over the default, paired':>28}")
    bars: list[dict[str, object]] = []
    for name, share in shares.items():
        over = np.array(share) - np.array(shares[default])
        print(f"{name:<14}{_mean_error(share):>16}{_mean_error(over):>28}")
        if name not in {default, "unchanged"}:
            words = f"points of explore = {name} over the default: not ahead by more than 2 paired SE"
            most = 2 * _error(over)
            bars.append(
                {"name": words, "value": round(float(over.mean()), 2), "bar": round(most, 2),
                 "holds": bool(over.mean() <= most)}
            )  # fmt: skip
    return bars


if __name__ == "__main__":
    main()
