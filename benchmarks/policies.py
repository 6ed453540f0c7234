"""Every policy against the clairvoyant, in worlds of the simulator: who comes nearest, how surely, what it costs.

    python benchmarks/policies.py [--quick] [--suite default|misspecified|traps|all] [--policy NAME] [--out DIR]
    python benchmarks/policies.py --scenario NAME_OR_FILE [--worlds N] [--days D]

120 days, budgets between 0.1 and 5 times the average, at most 30% up or down a day; the oracle knows the expected
curves of each day and has no step limit. Every policy of a world meets the same noise. Standard errors are over worlds,
differences are paired by world. Three suites:

- `default`: cold starts of 6, 30 and 300 campaigns from an equal split, with a bar each for the mean over all days
  and over the last half, the 10th percentile and the worst world.
- `misspecified`: markets that Outlay's model is wrong about, or nearly blind in. It is asked to be ahead of every
  baseline, and of itself without the funnel, by more than two standard errors of the paired difference.
- `traps`: a large steep S-curve starved at its floor; told by itself, without a bar.

Worlds are those of seeds 5000 and up, tuning has 100 to 199. Outlay plays through `choose`,
the first half of the very `decide` that plans for people; its other ways of exploring are played where `--policy`
names them. With `--out` the runs are kept, a run that was stopped goes on, and `outlay replay` reads them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
TUNING_SEEDS = range(100, 200)
DAYS, QUICK_DAYS = 120, 60
OUTLAY, BLIND = "outlay", "outlay-conversions"
LEAST = {"mean": 96.0, "last half": 97.0, "10th percentile": 93.0, "worst world": 80.0}
"""Bars of the default suite, % of the oracle."""

AHEAD = 2.0
"""By how many standard errors of the paired difference a lead is one."""


@dataclass(frozen=True)
class Size:
    """How much of one scenario is played, and what it is judged by.

    Attributes:
        rivals: Policies that Outlay must be ahead of; None: every one that is played beside it.
        levels: Whether the bars of `LEAST` hold for it.
    """

    scenario: str
    worlds: int
    days: int = DAYS
    rivals: tuple[str, ...] | None = ()
    levels: bool = False


DEFAULT = tuple(Size(f"closed-loop-{k}", worlds, levels=True) for k, worlds in ((6, 40), (30, 40), (300, 10)))
MISSPECIFIED = (
    *(Size(name, 24, rivals=None) for name in (
        "log-and-power", "adstock", "audience-overlap", "falling-quality", "random-walk", "one-a-day",
    )),
    *(Size(name, 16) for name in ("s-curves", "wear-out", "loose-delivery")),
)  # fmt: skip
TRAPS = (Size("traps", 24),)
SUITES = {"default": DEFAULT, "misspecified": MISSPECIFIED, "traps": TRAPS}
QUICK = (
    Size("closed-loop-6", 2, QUICK_DAYS, rivals=("equal", "roas")),
    Size("falling-quality", 2, QUICK_DAYS, rivals=("equal",)),
    Size("traps", 1, QUICK_DAYS),
)
QUICK_POLICIES = (OUTLAY, BLIND, "equal", "roas", "greedy")


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
    print(f"{'policy':<19}{'% of oracle':>15}{'2nd half':>10}{'10th pct':>10}{'worst':>8}{'in world':>10}", end="")
    print(f"{'over ' + spec.policies[0]:>16}{'broken':>8}{'90% cover':>16}{'ms/camp-day':>13}")
    for row in sorted(scores.standings(), key=lambda row: row.whole.mean):
        mean, second, tenth, worst = (
            100 * v for v in (row.whole.mean, row.second.mean, row.whole.tenth, row.whole.worst)
        )
        cover = f"{row.coverage:.3f} +- {row.coverage_error:.3f}" if row.stated else "-"
        print(f"{row.policy:<19}{mean:>8.1f} +-{100 * row.whole.error:>4.1f}{second:>10.1f}{tenth:>10.1f}", end="")
        print(f"{worst:>8.1f}{row.whole.worst_seed:>10}{100 * row.lead:>+9.1f} +-{100 * row.lead_error:>4.1f}", end="")
        print(f"{row.violations:>8}{cover:>16}{1e3 * row.seconds:>13.3f}", flush=True)


def judge(size: Size, run: Run, scores: Scores, errors: float) -> Iterator[dict[str, object]]:
    """Yield the bars of one scenario; figures may miss theirs by so many standard errors."""
    name = run.spec.scenario.name
    if OUTLAY in run.spec.policies:
        if size.levels:
            yield from _levels(name, scores, errors)
        everyone = tuple(policy for policy in run.spec.policies if policy in {*BASELINES, BLIND})
        yield from _leads(name, scores, everyone if size.rivals is None else size.rivals, errors)
    broken = int(scores.violations.sum())
    yield _bar(f"{name}: limits broken by all policies", broken, 0, broken == 0)
    gap = 100 * certified_gap(run)
    yield _bar(f"{name}: largest certified gap of the oracle, %", gap, 1.0, gap < 1.0)


def _levels(name: str, scores: Scores, errors: float) -> Iterator[dict[str, object]]:
    """How near Outlay comes to the oracle. A 10th percentile or a worst world has no standard error, so the mean's."""
    row = scores.standing(OUTLAY)
    slack = float(np.nan_to_num(100 * errors * row.whole.error))
    figures = (row.whole.mean, row.second.mean, row.whole.tenth, row.whole.worst)
    for (what, least), figure in zip(LEAST.items(), figures, strict=True):
        value = 100 * figure
        words = f"{name}: {what} of {OUTLAY}, % of the oracle (SE of the mean {100 * row.whole.error:.2f})"
        yield _bar(words, value, round(least - slack, 2), value >= least - slack)


def _leads(name: str, scores: Scores, rivals: tuple[str, ...], errors: float) -> Iterator[dict[str, object]]:
    """Whether Outlay is ahead of each rival by more than `AHEAD` standard errors, less those that are forgiven."""
    for rival in rivals:
        lead, error = (100 * figure for figure in scores.lead(OUTLAY, rival))
        bar = float(np.nan_to_num((AHEAD - errors) * error))
        words = f"{name}: points of {OUTLAY} over {rival} (paired SE {error:.2f})"
        yield _bar(words, lead, round(bar, 2), lead > bar)


def _bar(name: str, value: float, bar: float, holds: object) -> dict[str, object]:
    return {"name": name, "value": round(float(value), 3), "bar": bar, "holds": bool(holds)}


def asked_for() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few worlds of 60 days, under 50 s; bars are loosened")
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="all")
    parser.add_argument("--scenario", help="one scenario: its name, or a TOML file")
    parser.add_argument("--worlds", type=int, help="instead of each scenario's own number")
    parser.add_argument("--days", type=int, default=DAYS, help="of --scenario")
    parser.add_argument("--policy", action="append", help="only these (repeatable)")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    parser.add_argument("--out", type=Path, help="where the runs are kept; by default they are not")
    return parser.parse_args()


def sizes_of(asked: argparse.Namespace) -> tuple[Size, ...]:
    """Return what is to be played."""
    if asked.scenario:
        known = {size.scenario: size for suite in SUITES.values() for size in suite}
        size = known.get(asked.scenario, Size(asked.scenario, 10))
        return (replace(size, worlds=asked.worlds or size.worlds, days=asked.days),)
    if asked.quick:
        return QUICK
    sizes = [size for name, suite in SUITES.items() if asked.suite in {name, "all"} for size in suite]
    return tuple(Size(s.scenario, asked.worlds or s.worlds, s.days, s.rivals, s.levels) for s in sizes)


def main() -> None:
    """Play, print the tables, then the bars as one JSON object."""
    asked = asked_for()
    policies = tuple(asked.policy or (QUICK_POLICIES if asked.quick else (OUTLAY, BLIND, *BASELINES)))
    tuning = f"{TUNING_SEEDS.start}..{TUNING_SEEDS.stop - 1}"
    print(f"judged on seeds {FIRST_SEED} and up (docs/benchmarks.md tells of one exception); tuning: {tuning}")
    started = time.perf_counter()
    bars: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes_of(asked):
            run = play(size, policies, asked.workers, (asked.out or Path(scratch)) / Path(size.scenario).stem)
            scores = scores_of(run)
            show(run, scores)
            bars += judge(size, run, scores, 2 * AHEAD if asked.quick else 0.0)  # quick: not behind by so much
    print(f"\n{(time.perf_counter() - started) / 60:.1f} minutes for all of it")
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
