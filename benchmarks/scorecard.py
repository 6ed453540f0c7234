"""Is what the scorecard says came of advice what truly came of it?

    python benchmarks/scorecard.py [--quick] [--worlds N] [--rate R] [--scenario NAME]

Worlds of the simulator with 60 days of a marketer's edits, at about 5 conversions a day and campaign. Outlay plans once
a week for six weeks, with a quarter of the lines that may move held back by lot; everything is written. Twelve days
later the scorecard is asked (`optimizer.measure.scorecard.score`), of what a platform has reported by then and nothing
else. The truth is the oracle's: expected conversions of the days that count at the budgets that were written, less
those at the budgets that stood before.

Judged are: what came of each recommendation, a day; their sum over all days of a world; single lines; what the lines
that were held back say; and, beside them, the promise, what today's belief says of the same days, and the naive
difference of the days after and as many before. Unbiased: the mean error lies within two of its standard errors, of
worlds. Intervals of 90% are to cover 88 to 92%; the Monte Carlo error of each coverage is over worlds, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks import _bars
from benchmarks.calibration import at_rate
from connectors.contract import BudgetKey
from connectors.money import MICROS, Money
from optimizer import approval
from optimizer.agent.simulating import UNBOUND, OutlayPolicy
from optimizer.decide import decide
from optimizer.goals import Goals
from optimizer.measure.scorecard import Advice, Scorecard, score
from optimizer.measure.scorecard.spans import span
from optimizer.plan.recommendation import Decision
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from simulations.market.truth import Truth
from simulations.oracle import expected
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.runs.arena import WorldSpec, ground, steps
from simulations.runs.fanout import Processes
from simulations.scenarios import Scenario, named

START: Final = date(2025, 9, 1)
FIRST_SEED: Final = 5_000  # seeds 100 to 199 are for tuning
WEEK, PLANS, AFTER = 7, 6, 12
HISTORY: Final = 60
HOLD_BACK: Final = 0.25
LEVEL, LOW, HIGH = 0.90, 0.88, 0.92
Z90: Final = 1.6448536269514722
KINDS: Final = ("recommendations", "whole worlds", "lines", "promises", "today's belief", "before and after", "by lot")


class Weekly:
    """A `Policy` that decides as Outlay does once a week, and keeps what it decided.

    Args:
        setting: The world as a policy is told of it.
    """

    def __init__(self, setting: Setting) -> None:
        self._outlay = OutlayPolicy(setting, Goals(setting.currency).explore, UNBOUND)
        self.made: list[tuple[Decision, Goals, int]] = []
        self.last: Snapshot | None = None

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return the budgets: the decision's on the first day of a week, on others what stands."""
        self.last = snapshot = self._outlay.snapshot(seen)
        day = seen.today - HISTORY
        if day % WEEK or day // WEEK >= PLANS:
            return Proposal(seen.live)
        wanted, seed = self._outlay.goals(seen), int(rng.integers(2**32))
        own = np.random.default_rng(seed)
        decision = decide(snapshot, wanted, UNBOUND, snapshot.known_at, own, hold_back=HOLD_BACK)
        self.made.append((decision, wanted, seed))
        proposed = {line.key: line.proposed.micros / 1e6 for line in decision.lines}
        return Proposal(np.array([proposed[target.key] for target in snapshot.targets]))


@dataclass(frozen=True)
class Found:
    """Of one world, by kind: estimates, the truth and standard errors, each of shape (n,)."""

    said: dict[str, tuple[FloatArray, FloatArray, FloatArray]]
    inside: bool | None  # whether the interval by lot held the truth; None where there was none


def watch(spec: WorldSpec) -> Found:
    """Play one world, ask for the scorecard and look up the truth."""
    here, made = ground(spec), []

    def begin(setting: Setting) -> Weekly:
        made.append(Weekly(setting))
        return made[0]

    for _ in steps(here, "outlay", begin):
        pass
    policy = made[0]
    known = policy.last
    if known is None:
        raise RuntimeError("no day was played")
    advised = [_advice(decision, wanted, seed, known) for decision, wanted, seed in policy.made if decision.moves]
    return judged(here.truth, known, advised, score(known, advised))


def _advice(decision: Decision, wanted: Goals, seed: int, known: Snapshot) -> Advice:
    at = known.known_at.replace(year=decision.as_of.year, month=decision.as_of.month, day=decision.as_of.day)
    step = approval.issue(decision, now=at, valid_for=timedelta(days=1), seed=seed, code_version="0")
    keys = frozenset(line.key for line in decision.lines if line.changes)
    return Advice(step.record.recommendation, wanted, decision.as_of, keys)


def judged(truth: Truth, known: Snapshot, advised: Sequence[Advice], card: Scorecard) -> Found:
    """Put every figure of the scorecard beside what is true."""
    complete = learn(known).maturity(np.arange(known.panel.days, 0, -1))
    by_id = {advice.made.rec_id: advice.made.decision for advice in advised}
    rows: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in KINDS}
    whole, cast = 0.0, 0.0
    for scored in card.scored:
        true = {line.key: line for line in truths(truth, known, by_id[scored.rec_id], complete)}
        told = [line for line in scored.lines if line.came is not None]
        cast += sum(line.if_moved for line in true.values())
        if scored.came is None or scored.promised is None or scored.believed is None:
            continue
        mine = sum(true[line.key].gained for line in told)
        whole += sum(true[line.key].gained * line.days for line in told)
        rows["recommendations"].append((scored.came.mean, mine, scored.came.sd))
        rows["promises"].append((scored.promised.mean, mine, scored.promised.sd))
        rows["today's belief"].append((scored.believed.mean, mine, scored.believed.sd))
        naive, spread = sum(true[line.key].naive for line in told), sum(true[line.key].spread for line in told)
        rows["before and after"].append((naive, mine, float(np.sqrt(spread))))
        rows["lines"] += [(line.came.mean, true[line.key].gained, line.came.sd) for line in told if line.came]
    if card.gained is not None:
        rows["whole worlds"].append((card.gained.mean, whole, card.gained.sd))
    lot = card.by_lot
    if lot is not None:
        rows["by lot"].append((lot.mean, cast, lot.sd))
    said = {kind: np.array(found).reshape(-1, 3).T for kind, found in rows.items()}
    inside = None if lot is None else lot.low90 <= cast <= lot.high90
    return Found({kind: (s[0], s[1], s[2]) for kind, s in said.items()}, inside)


@dataclass(frozen=True)
class TrueLine:
    """What is true of one line, a day over the days that count.

    Attributes:
        gained: Expected conversions at what was written, less those had nothing of the plan been written.
        if_moved: Of a line that the lot was cast on, the same had it moved; zero for others.
        naive, spread: Conversions after less as many days before, and the variance of that for Poisson counts.
    """

    key: BudgetKey
    gained: float
    if_moved: float
    naive: float
    spread: float


def truths(truth: Truth, known: Snapshot, decision: Decision, complete: FloatArray) -> Iterator[TrueLine]:
    """Yield what is true of the lines of which there are days."""
    lines = {line.key: line for line in decision.lines}
    own = [lines[target.key] for target in known.targets]
    days = span(known, decision.as_of, own, complete)
    first = (decision.as_of - known.panel.first_day).days
    stood = _budgets([line.current for line in own])
    written = _budgets([line.proposed for line in own])
    # Lines that were held, as if they had moved: what the others do changes little of them.
    moved = _budgets([line.lot.proposed if line.lot is not None and line.lot.held else line.proposed for line in own])
    before, after, had = (
        np.stack([expected(truth, side, days.start + n).conversions for n in range(len(days.days))], axis=1)
        for side in (stood, written, moved)
    )
    for k, line in enumerate(own):
        at = np.flatnonzero(days.counted[k])
        if not at.size:
            continue
        counts = np.nan_to_num(known.panel.conversions[k])
        then, now = counts[first - at.size : first].mean(), counts[days.start + at].mean()
        yield TrueLine(
            key=line.key,
            gained=float((after - before)[k, at].mean()),
            if_moved=float((had - before)[k, at].mean()) if line.lot is not None else 0.0,
            naive=float(now - then),
            spread=float(now + then) / at.size,
        )


def _budgets(amounts: Sequence[Money]) -> FloatArray:
    return np.array([amount.micros for amount in amounts], dtype=np.float64) / MICROS


@dataclass(frozen=True)
class Summed:
    """Of one kind: mean error, coverage of 90% intervals, each with its standard error, and the root mean square."""

    error: float
    error_se: float
    true: float
    covered: float
    covered_se: float
    rms: float
    count: int


def summed(found: Sequence[Found], kind: str) -> Summed:
    """Sum up the worlds, which are independent of one another, whereas the figures of one world are not."""
    worlds = [world.said[kind] for world in found if world.said[kind][0].size]
    errors = [said - true for said, true, _ in worlds]
    inside = [np.abs(said - true) <= Z90 * sd for said, true, sd in worlds]
    if kind == "by lot":
        inside = [np.array([world.inside]) for world in found if world.inside is not None]
    error, error_se = _ratio(errors)
    covered, covered_se = _ratio([part.astype(np.float64) for part in inside])
    every = np.concatenate(errors)
    truth = float(np.concatenate([true for _, true, _ in worlds]).mean())
    return Summed(error, error_se, truth, covered, covered_se, float(np.sqrt((every**2).mean())), every.size)


def _ratio(groups: Sequence[FloatArray]) -> tuple[float, float]:
    """The mean over all, and its standard error by group."""
    number = np.array([group.size for group in groups], dtype=np.float64)
    sums = np.array([group.sum() for group in groups])
    mean = float(sums.sum() / number.sum())
    spread = float(((sums - mean * number) ** 2).sum()) * len(groups) / max(len(groups) - 1, 1)
    return mean, float(np.sqrt(spread) / number.sum())


def bars(all_of: Mapping[str, Summed], worlds: int, *, quick: bool) -> list[_bars.Bar]:
    """The bars of the figures that a person reads as what came of it; the quick form allows for its few worlds."""
    made = []
    lots = all_of.get("by lot")
    if not quick:  # in each of a few worlds too few lines may be held back
        known = 0 if lots is None else lots.count
        made.append(_bars.least(f"by lot: worlds of {worlds} in which it says something", known, worlds // 2))
    for kind in ("recommendations", "whole worlds", "lines", *(() if lots is None else ("by lot",))):
        told = all_of[kind]
        name = f"{kind}: mean error {told.error:+.3f}, in its standard errors"
        made.append(_bars.below(name, abs(told.error) / told.error_se, 3.0 if quick else 2.0))
        slack = 2.0 * told.covered_se if quick else 0.0
        wide = f"{kind}: 90% intervals cover, at"
        made.append(_bars.above(f"{wide} least (SE {told.covered_se:.3f})", told.covered, LOW - slack))
        made.append(_bars.below(f"{wide} most (SE {told.covered_se:.3f})", told.covered, HIGH + slack))
    naive, came = all_of["before and after"], all_of["recommendations"]
    made.append(_bars.below("recommendations: root mean square error over that of before and after",
                            came.rms / naive.rms, 1.0))  # fmt: skip
    return made


def at(name: str, rate: float) -> Scenario:
    """Return the scenario whose worlds are played."""
    return at_rate(named(name), rate, history_days=HISTORY)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and end with the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few worlds, under 50 s")
    parser.add_argument("--worlds", type=int, help="how many; 120 by default, 6 with --quick")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first world's seed")
    parser.add_argument("--rate", type=float, default=5.0, help="conversions a day and campaign")
    parser.add_argument("--scenario", default="demo", help="of which worlds are drawn")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    asked = parser.parse_args(arguments)
    worlds = asked.worlds or (6 if asked.quick else 120)
    scenario = at(asked.scenario, asked.rate)
    specs = [
        WorldSpec(scenario, seed, WEEK * PLANS + AFTER, START) for seed in range(asked.first, asked.first + worlds)
    ]
    print(
        f"{worlds} worlds of {scenario.name}, seeds {asked.first} and up, {asked.rate:g} conversions a day and campaign"
    )
    found = [result for _, result in Processes(asked.workers)(watch, specs)]
    print(f"{'what':<18}{'true':>9}{'error':>9}{'SE':>8}{'RMS':>9}{'covered':>9}{'SE':>7}{'n':>7}")
    told = {kind: summed(found, kind) for kind in KINDS if any(world.said[kind][0].size for world in found)}
    for kind, s in told.items():
        print(f"{kind:<18}{s.true:>9.2f}{s.error:>+9.3f}{s.error_se:>8.3f}{s.rms:>9.2f}"
              f"{s.covered:>9.3f}{s.covered_se:>7.3f}{s.count:>7,}")  # fmt: skip
    sys.exit(_bars.ended(bars(told, worlds, quick=asked.quick)))


if __name__ == "__main__":
    main()
