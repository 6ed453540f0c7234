"""Policies at play: one policy in one world, judged day by day against what only the simulator knows.

Every policy of a world meets the same market under the same noise, begins from the same budgets, is told the same and
is held to the same limits. The market stands on truth and noise key exactly as the simulated platform's worlds do.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from time import perf_counter

import numpy as np

from connectors.money import MICROS
from simulations.market.play import Day, begin, play
from simulations.market.truth import Truth, draw, unharvested
from simulations.noise import FloatArray, IntArray, KeyArray, noise_key
from simulations.oracle import Expected, Goal, expected, horizon, optimum
from simulations.policies.contract import Bounds, Counted, MakePolicy, Proposal, Seen, Setting, bounds_of, setting_of
from simulations.runs.limits import Kept, brought_within, keep
from simulations.runs.seen import Diary
from simulations.runs.traces import OracleTrace, Place, Trace, Violation
from simulations.scenarios import Scenario, ScenarioError


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """One world and the days that policies are compared on.

    Attributes:
        scenario: What the world is drawn from; its history is played first, under the marketer's budgets.
        seed: Of truth and noise.
        days: T, how many days are compared, after the history.
        start: The date of day 0, the first of the history.
        goal: What is counted.

    Raises:
        ScenarioError: History and days together go beyond the scenario's horizon.
    """

    scenario: Scenario
    seed: int
    days: int
    start: date
    goal: Goal = "conversions"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ScenarioError("seed", f"must be 0 or more, not {self.seed}")
        longest = self.scenario.horizon_days - self.first
        if not 1 <= self.days <= longest:
            raise ScenarioError(
                "days", f"must be from 1 to {longest} (horizon_days less history_days), not {self.days}"
            )

    @property
    def first(self) -> int:
        """Index of the first compared day."""
        return self.scenario.history.history_days

    @property
    def counted(self) -> Counted:
        """What of the goal a platform reports, and policies are told to raise."""
        return "value" if self.goal in {"value", "incremental-value"} else "conversions"

    @property
    def place(self) -> Place:
        """Where its traces are from."""
        s = self.scenario
        return Place(s.name, s.digest(), self.seed, self.start, self.first, self.days, self.goal)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A world before the first compared day.

    Attributes:
        spec: Which world.
        truth, key: The market and its noise.
        bounds: The limits of everyone.
        opening: The budgets from which everyone begins, micros, shape (K,): the marketer's, brought within the bounds.
    """

    spec: WorldSpec
    truth: Truth
    key: KeyArray
    bounds: Bounds
    opening: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One day of a policy.

    Attributes:
        day: Its index in the world.
        seen: What the policy was shown; good until the next step is taken.
        proposal: What it answered.
        kept: What became of that.
        outcome: What the day brought.
        expected: What the budgets bring in expectation.
        seconds: How long the policy thought.
    """

    day: int
    seen: Seen
    proposal: Proposal
    kept: Kept
    outcome: Day
    expected: Expected
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """A trace, and apart from it what differs from run to run.

    Attributes:
        trace: The same for the same world and policy, to the byte.
        seconds: How long the policy took over all days.
    """

    trace: Trace
    seconds: float


class BadProposal(ValueError):  # noqa: N818 - it is the proposal that is bad
    """A policy's answer has the wrong shape: its code is at fault, not its judgement."""


def ground(spec: WorldSpec) -> Ground:
    """Draw a world."""
    truth = draw(spec.scenario, np.random.default_rng([spec.seed, 0]), spec.start)
    bounds = bounds_of(spec.scenario)
    opening = brought_within(truth.first, bounds, truth.quantum_micros)
    return Ground(spec, truth, noise_key(spec.seed), bounds, opening)


def policy_rng(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one policy in one world; policies of other names have others."""
    return np.random.default_rng([seed, 2, zlib.crc32(name.encode())])


def steps(here: Ground, name: str, make: MakePolicy) -> Iterator[Step]:
    """Play one policy through one world, day by day.

    Args:
        here: The world.
        name: Of the policy: it seeds the policy's generator.
        make: Begins the policy.

    Raises:
        BadProposal: The policy answered with arrays of a wrong shape.
    """
    spec, truth, rng = here.spec, here.truth, policy_rng(here.spec.seed, name)
    policy = make(_setting(here))
    diary = Diary(truth, spec.first + spec.days)
    carry, live = begin(truth), here.opening
    for day in range(spec.first):
        outcome, carry = play(truth, here.key, carry, truth.history[day])
        diary.add(truth.history[day], outcome)
    for day in range(spec.first, spec.first + spec.days):
        seen = diary.seen(live)
        started = perf_counter()
        proposal = policy.propose(seen, rng)
        seconds = perf_counter() - started
        _require_shape(name, proposal, live.size)
        kept = keep(day - spec.first, proposal.budgets, live, here.bounds, truth.quantum_micros)
        live = kept.budgets
        outcome, carry = play(truth, here.key, carry, live)
        yield Step(day, seen, proposal, kept, outcome, expected(truth, live / MICROS, day), seconds)
        diary.add(live, outcome)  # only now: it restates what `seen` shows


def play_world(spec: WorldSpec, name: str, make: MakePolicy) -> Played:
    """Play one policy through one world.

    Args:
        spec: The world and its days.
        name: Of the policy: it seeds the policy's generator.
        make: Begins the policy.

    Raises:
        BadProposal: The policy answered with arrays of a wrong shape.
    """
    here = ground(spec)
    tally, seconds = _Tally(here), 0.0
    for step in steps(here, name, make):
        tally.add(step)
        seconds += step.seconds
    return Played(tally.trace(name), seconds)


def clairvoyant(spec: WorldSpec) -> OracleTrace:
    """Return the best budgets of each day by itself: within box and total, free of the step limit.

    No policy can bring more than its bound on any day, whatever came before.
    """
    here, days = ground(spec), range(spec.first, spec.first + spec.days)
    bounds = here.bounds
    found = [
        optimum(here.truth, day, total=bounds.total, lower=bounds.lower, upper=bounds.upper, goal=spec.goal)
        for day in days
    ]
    return OracleTrace(
        place=spec.place,
        budgets=_micros(np.array([day.budgets for day in found])),
        best=np.array([day.value for day in found]),
        bound=np.array([day.upper_bound for day in found]),
    )


def clairvoyant_path(spec: WorldSpec) -> OracleTrace:
    """Return the best way through all days that also keeps the step limit, from where everyone begins."""
    here = ground(spec)
    path = horizon(here.truth, spec.first, spec.days, bounds=here.bounds, before=here.opening / MICROS, goal=spec.goal)
    return OracleTrace(place=spec.place, budgets=_micros(path.budgets), best=path.value, bound=path.upper_bound)


def in_goal(day: Expected, goal: Goal) -> FloatArray:
    """Return an expectation in the unit of a goal, shape (K,)."""
    by_campaign: FloatArray = getattr(day, goal.replace("-", "_"))
    return by_campaign


class _Tally:
    """What a trace is made of, day by day."""

    def __init__(self, here: Ground) -> None:
        spec, truth = here.spec, here.truth
        self._here, self._spec, self._truth = here, spec, truth
        self._violations: list[Violation] = []
        self._why: list[str] = []
        self._budgets = np.zeros((spec.days, truth.channel.size), dtype=np.int64)
        self._spend, self._covered, self._stated = np.zeros((3, spec.days), dtype=np.int64)
        self._expected, self._incremental, self._realised = np.zeros((3, spec.days))

    def add(self, step: Step) -> None:
        spec, row = self._spec, step.day - self._spec.first
        gained: Goal = "incremental-value" if spec.counted == "value" else "incremental"
        eventual, value = (_by_campaign(self._truth, measure) for measure in step.outcome.occurred())
        self._budgets[row] = step.kept.budgets
        self._violations.extend(step.kept.violations)
        self._why.append(step.proposal.why)
        self._spend[row] = step.outcome.spend.sum()
        self._expected[row] = in_goal(step.expected, spec.goal).sum()
        self._incremental[row] = in_goal(step.expected, gained).sum()
        realised = value / MICROS if spec.counted == "value" else eventual
        self._realised[row] = realised.sum()
        self._covered[row], self._stated[row] = _coverage(step.proposal, eventual)

    def trace(self, name: str) -> Trace:
        return Trace(
            policy=name,
            place=self._spec.place,
            budgets=self._budgets,
            spend=self._spend,
            expected=self._expected,
            incremental=self._incremental,
            realised=self._realised if self._spec.goal == self._spec.counted else _caused(self._here, self._budgets),
            violations=tuple(self._violations),
            covered=self._covered,
            stated=self._stated,
            why=tuple(self._why),
        )


def _caused(here: Ground, budgets: IntArray) -> FloatArray:
    """What came of each day and would not have come anyway, whoever claims it, shape (T,).

    Played again as if nobody harvested: of conversions that stand with the campaign that caused them, that campaign's
    share is known.
    """
    spec, truth = here.spec, unharvested(here.truth)
    carry, found = begin(truth), []
    for row in (*truth.history, *budgets):
        day, carry = play(truth, here.key, carry, row)
        eventual, value = (_by_campaign(truth, measure) for measure in day.occurred())
        found.append(float(((value / MICROS if spec.counted == "value" else eventual) * truth.incrementality).sum()))
    return np.array(found[spec.first :])


def _setting(here: Ground) -> Setting:
    spec = here.spec
    return setting_of(
        spec.scenario, spec.start, spec.first + spec.days, here.truth.names, here.truth.channel, spec.counted
    )


def _require_shape(name: str, proposal: Proposal, campaigns: int) -> None:
    for part in ("budgets", "low", "high"):
        array = getattr(proposal, part)
        if array is not None and np.shape(array) != (campaigns,):
            raise BadProposal(
                f"policy {name!r} proposed {part} of shape {np.shape(array)}; it must be ({campaigns},), one figure "
                "for each campaign"
            )


def _coverage(proposal: Proposal, eventual: FloatArray) -> tuple[int, int]:
    """How many of the intervals hold what came, and how many there are; an interval that is not finite is none."""
    if proposal.low is None or proposal.high is None:
        return 0, 0
    stated = np.isfinite(proposal.low) & np.isfinite(proposal.high)
    held = (proposal.low <= eventual) & (eventual <= proposal.high)
    return int((held & stated).sum()), int(stated.sum())


def _by_campaign(truth: Truth, by_ad: IntArray) -> FloatArray:
    """Sums by campaign of a measure by ad, and by conversion definition where it has a second axis."""
    flat = by_ad.reshape(by_ad.shape[0], -1).sum(axis=1)
    return np.bincount(truth.ads.campaign, flat, truth.channel.size)


def _micros(currency: FloatArray) -> IntArray:
    return np.rint(currency * MICROS).astype(np.int64)
