"""Every policy against the clairvoyant, in worlds of the simulator: who comes nearest, how surely, what it costs.

    python benchmarks/policies.py [--quick] [--scenario NAME --worlds N --days D] [--policy NAME] [--out DIR]

Cold starts from an equal split, 120 days, budgets between 0.1 and 5 times the average, at most 30% up or down a day;
the oracle knows the expected curves of each day and has no step limit. Every policy of a world meets the same noise.
40 worlds of 6 and of 30 campaigns and 10 of 300; standard errors are over worlds, differences paired by world. Outlay
plays through `choose`, the first half of the very `decide` that plans for people; its other ways of exploring are
played where `--policy` names them. Any other named scenario, or one of a TOML file, can be played instead. With `--out`
the runs are kept, can be resumed, and `outlay replay` reads them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from optimizer.agent.simulating import POLICIES
from simulations.policies import BASELINES
from simulations.runs.fanout import Processes
from simulations.runs.record import Run, RunSpec, execute, read_run
from simulations.runs.scores import Scores, certified_gap, scores_of
from simulations.runs.versions import code_version
from simulations.scenarios.files import find

START = date(2025, 9, 1)
FIRST_SEED = 5_000
DAYS, QUICK_DAYS = 120, 60
MINUTES = 20.0
OUTLAY = "outlay"
LADDER = ("equal", "roas", "greedy", OUTLAY)
"""The order of the table that policies were first compared in: each brings more than the one before."""


@dataclass(frozen=True)
class Size:
    """How much of one scenario is played."""

    scenario: str
    worlds: int
    days: int


FULL = (Size("closed-loop-6", 40, DAYS), Size("closed-loop-30", 40, DAYS), Size("closed-loop-300", 10, DAYS))
QUICK = (Size("closed-loop-6", 4, QUICK_DAYS), Size("closed-loop-30", 2, QUICK_DAYS))


def play(size: Size, policies: tuple[str, ...], workers: int | None, folder: Path) -> Run:
    """Play every policy through every world of one size, resuming what the folder holds."""
    spec = RunSpec(
        scenario=find(size.scenario, Path()),
        policies=policies,
        seeds=tuple(range(FIRST_SEED, FIRST_SEED + size.worlds)),
        days=size.days,
        start=START,
        goal="conversions",
        code=code_version("bandits", "optimizer"),
    )

    def tell(done: int, of: int, what: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{of} {what[:70]:<70}", end="", file=sys.stderr, flush=True)

    execute(folder, spec, POLICIES, Processes(workers), tell)
    return read_run(folder)


def show(run: Run, scores: Scores) -> None:
    """Print a row per policy, the least first."""
    spec = run.spec
    seeds = f"seeds {spec.seeds[0]}..{spec.seeds[-1]}"
    print(f"\n{spec.scenario.name}: {spec.scenario.campaigns} campaigns, {len(spec.seeds)} worlds ({seeds}), ", end="")
    print(f"{spec.days} days; certified gap of the oracle at most {certified_gap(run):.2%}")
    print(f"{'policy':<16}{'% of oracle':>15}{'2nd half':>10}{'10th pct':>10}{'worst':>8}{'in world':>10}", end="")
    print(f"{'over ' + spec.policies[0]:>16}{'broken':>8}{'90% cover':>16}{'ms/camp-day':>13}")
    for row in sorted(scores.standings(), key=lambda row: row.whole.mean):
        mean, second, tenth, worst = (
            100 * v for v in (row.whole.mean, row.second.mean, row.whole.tenth, row.whole.worst)
        )
        cover = f"{row.coverage:.3f} +- {row.coverage_error:.3f}" if row.stated else "-"
        print(f"{row.policy:<16}{mean:>8.1f} +-{100 * row.whole.error:>4.1f}{second:>10.1f}{tenth:>10.1f}", end="")
        print(f"{worst:>8.1f}{row.whole.worst_seed:>10}{100 * row.lead:>+9.1f} +-{100 * row.lead_error:>4.1f}", end="")
        print(f"{row.violations:>8}{cover:>16}{1e3 * row.seconds:>13.3f}", flush=True)


def judge(run: Run, scores: Scores, errors: float) -> Iterable[dict[str, object]]:
    """Yield the bars of one scenario; differences may miss theirs by so many standard errors."""
    name = run.spec.scenario.name
    known = [policy for policy in LADDER if policy in run.spec.policies]
    for lower, upper in itertools.pairwise(known):
        gain, error = (100 * figure for figure in scores.lead(upper, lower))
        words = f"{name}: points of {upper} over {lower} (paired SE {error:.2f})"
        bar = 0.0 - np.nan_to_num(errors * error)  # a single world has no error
        yield _bar(words, gain, round(bar, 2), gain > bar)
    broken = int(scores.violations.sum())
    yield _bar(f"{name}: limits broken by all policies", broken, 0, broken == 0)
    yield _bar(
        f"{name}: largest certified gap of the oracle, %", 100 * certified_gap(run), 1.0, certified_gap(run) < 0.01
    )


def _bar(name: str, value: float, bar: float, holds: object) -> dict[str, object]:
    return {"name": name, "value": round(float(value), 3), "bar": bar, "holds": bool(holds)}


def main() -> None:
    """Play, print the tables, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few worlds of 60 days, under 50 s; bars are loosened")
    parser.add_argument("--scenario", help="another scenario: its name, or a TOML file")
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--policy", action="append", help="only these (repeatable)")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    parser.add_argument("--out", type=Path, help="where the runs are kept; by default they are not")
    asked = parser.parse_args()
    sizes: tuple[Size, ...] = QUICK if asked.quick else FULL
    if asked.scenario:
        sizes = (Size(asked.scenario, asked.worlds, asked.days),)
    policies = tuple(asked.policy or (LADDER if asked.quick else (OUTLAY, *BASELINES)))
    started = time.perf_counter()
    bars: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes:
            run = play(size, policies, asked.workers, (asked.out or Path(scratch)) / Path(size.scenario).stem)
            scores = scores_of(run)
            show(run, scores)
            bars += judge(run, scores, 2.0 if asked.quick else 0.0)
    minutes = (time.perf_counter() - started) / 60
    if not asked.scenario:
        bars.append(_bar("minutes for all of it", minutes, MINUTES, minutes < MINUTES))
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
