"""What single parts of learning and planning are worth: Outlay beside itself without one, paired by world.

    python benchmarks/ablations.py [--quick] [--part NAME] [--scenario NAME] [--worlds N] [--first SEED]

The worlds, days, limits and the oracle are those of `benchmarks/policies.py`. Parts:

- `trials`: climbs of several days, planned for what they may show (`optimizer/trials.py`);
- `others`: what the other targets of a channel say of a target's shape (`optimizer/response/efficiency.py`).

A part has to gain by more than two standard errors in the worlds with a trap, and must not cost as much in the default
ones. Seeds 5000 and up judge; `--first 100` gives tuning worlds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from optimizer.agent.simulating import outlay_policy
from optimizer.decide import trying
from optimizer.plan.snapshot import FloatArray
from optimizer.response import learning
from optimizer.response.scales import State
from simulations.policies.contract import Proposal, Seen, Setting
from simulations.runs.fanout import Processes
from simulations.runs.record import RunSpec, execute, read_run
from simulations.runs.scores import Scores, scores_of
from simulations.runs.versions import code_version
from simulations.scenarios.files import find

START = date(2025, 9, 1)
DAYS, QUICK_DAYS = 120, 30
WHOLE = "outlay"
LEAST: Final = -10.0
"""Points that a part may cost in a single world."""


def _never(case: object) -> bool:
    return False


def _silent(cells: object, state: State, *rest: object) -> FloatArray:
    return np.zeros_like(state.evidence)


PARTS: Final = {"trials": (trying, "may_try", _never), "others": (learning, "told_by_others", _silent)}
"""By name, what is taken out: the module, its function, and what stands in."""


class Without:
    """A `Policy` that decides as Outlay does without one of its parts."""

    def __init__(self, setting: Setting, part: str) -> None:
        self._policy, self._part = outlay_policy()(setting), PARTS[part]

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return the budgets."""
        with mock.patch.object(*self._part):
            return self._policy.propose(seen, rng)


@dataclass(frozen=True)
class Size:
    """How much of one scenario is played, and whether the part has to gain there."""

    scenario: str
    worlds: int
    gains: bool = False


FULL = (Size("traps", 24, gains=True), Size("closed-loop-6", 24), Size("closed-loop-30", 8))
QUICK = (Size("traps", 1, gains=True),)


def compared(size: Size, part: str, days: int, first: int, workers: int | None) -> Scores:
    """Play one scenario with the part and without it."""
    spec = RunSpec(
        scenario=find(size.scenario, Path()),
        policies=(WHOLE, f"without-{part}"),
        seeds=tuple(range(first, first + size.worlds)),
        days=days,
        start=START,
        goal="conversions",
        code=code_version("bandits", "optimizer"),
    )
    policies = {WHOLE: outlay_policy(), f"without-{part}": partial(Without, part=part)}
    with tempfile.TemporaryDirectory() as folder:
        execute(Path(folder), spec, policies, Processes(workers), lambda done, of, what: None)
        return scores_of(read_run(Path(folder)))


def judged(size: Size, part: str, scores: Scores) -> Iterator[dict[str, object]]:
    """Print a row and yield its bar; of one world, which has no standard error, that it costs no more than `LEAST`."""
    lead, error = (100 * figure for figure in scores.lead(WHOLE, f"without-{part}"))
    late = 100 * (scores.second[0] - scores.second[1])
    shares = " / ".join(f"{100 * scores.standing(name).whole.mean:.1f}" for name in scores.policies)
    print(
        f"{size.scenario:<16}{part:<8}{len(scores.seeds):>4} worlds  with / without {shares} % of the oracle; "
        f"gain {lead:+.2f} +- {error:.2f}, last half {late.mean():+.2f}",
        flush=True,
    )
    bar = 2.0 * error * (1.0 if size.gains else -1.0) if np.isfinite(error) else LEAST
    words = f"{size.scenario}: points gained by {part} (paired SE {error:.2f})"
    yield {"name": words, "value": round(lead, 3), "bar": round(bar, 2), "holds": bool(lead > bar)}


def main() -> None:
    """Play, print the table, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one world of 30 days: whether it runs, not what it shows")
    parser.add_argument("--part", choices=list(PARTS), action="append")
    parser.add_argument("--scenario", help="only this one")
    parser.add_argument("--worlds", type=int, help="instead of each scenario's own number")
    parser.add_argument("--first", type=int, default=5_000, help="first seed")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    asked = parser.parse_args()
    sizes = [Size(s.scenario, asked.worlds or s.worlds, s.gains) for s in (QUICK if asked.quick else FULL)]
    days = QUICK_DAYS if asked.quick else DAYS
    print(f"{days} days, seeds {asked.first} and up")
    bars: list[dict[str, object]] = []
    for size in sizes:
        if asked.scenario in {None, size.scenario}:
            for part in asked.part or PARTS:
                scores = compared(size, part, days, asked.first, asked.workers)
                bars += judged(size, part, scores)
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
