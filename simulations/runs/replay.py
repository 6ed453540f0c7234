"""A recorded run again: all of it compared byte by byte, or one day of it to be stepped through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from connectors.errors import BadInput
from connectors.money import MICROS
from simulations.noise import FloatArray, IntArray
from simulations.oracle import Expected, expected
from simulations.policies.contract import MakePolicy
from simulations.runs.arena import Step, ground, steps
from simulations.runs.fanout import Map, one_by_one
from simulations.runs.folder import read_text
from simulations.runs.jobs import Job, oracle_file, run_job, trace_file
from simulations.runs.record import RunSpec, Tell, jobs_of, read_spec
from simulations.runs.traces import BadTrace, OracleTrace, Trace, read_oracle, read_trace


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of replaying a run.

    Attributes:
        files: How many traces were compared.
        differing: Those whose bytes are not the recorded ones, and those that are missing; sorted.
        code: Version of the code that recorded the run.
        same_code: Whether the present code is that very version: if not, differences are no surprise.
    """

    files: int
    differing: tuple[str, ...]
    code: str
    same_code: bool


@dataclass(frozen=True, slots=True, eq=False)
class DayStory:
    """One day of one policy, with everything that was known, done, and true; K campaigns.

    Attributes:
        spec: Of the run.
        policy, seed: Who, and where.
        day: Index of the comparison's day, from 0.
        date: Its date.
        names: Of the campaigns, length K.
        step: What was seen, proposed, kept and what came of it; see `arena.Step`.
        recorded: The budgets of the recorded trace, micros, shape (K,).
        untouched: What the budgets of the day before would have brought in expectation.
        best: The clairvoyant's budgets of the day, currency units, shape (K,).
        best_expected: What those bring in expectation.
    """

    spec: RunSpec
    policy: str
    seed: int
    day: int
    date: date
    names: tuple[str, ...]
    step: Step
    recorded: IntArray
    untouched: Expected
    best: FloatArray
    best_expected: Expected

    @property
    def as_recorded(self) -> bool:
        """Whether the replay came to the recorded budgets; if not, the code differs from the one that recorded."""
        return bool(np.array_equal(self.recorded, self.step.kept.budgets))


def replay(
    folder: Path,
    makes: Mapping[str, MakePolicy],
    code: str,
    over: Map = one_by_one,
    tell: Tell = lambda _done, _of, _what: None,
) -> Replayed:
    """Compute every trace of a run anew and compare the bytes; nothing is written.

    Args:
        folder: Of the run.
        makes: Begins each policy, by name.
        code: Version of the present code (`versions.code_version`).
        over: Where the jobs run.
        tell: Told of progress.

    Raises:
        BadInput: There is no run.
        ScenarioError: A policy of the run is unknown.
        JobFailed: A job failed.
    """
    spec = read_spec(folder)
    jobs = jobs_of(spec, makes)
    differing = []
    tell(0, len(jobs), "")
    for done, (index, result) in enumerate(over(run_job, jobs), start=1):
        if _recorded(folder, jobs[index]) != result.text:
            differing.append(jobs[index].file)
        tell(done, len(jobs), str(jobs[index]))
    return Replayed(len(jobs), tuple(sorted(differing)), spec.code, spec.code == code)


def day_story(folder: Path, policy: str, seed: int, day: int, make: MakePolicy) -> DayStory:
    """Play one policy of a run up to a day, and tell all about that day.

    Args:
        folder: Of the run.
        policy: One of the run's.
        seed: One of the run's.
        day: Index of the comparison's day, from 0.
        make: Begins the policy.

    Raises:
        BadInput: There is no run, or none of such a policy, seed or day; or its trace is missing or damaged.
    """
    spec = read_spec(folder)
    _require(folder, "policy", policy, spec.policies)
    _require(folder, "seed", seed, spec.seeds)
    _require(folder, "day", day, range(spec.days))
    trace, oracle = _traces(folder, policy, seed)
    world = spec.world(seed)
    here = ground(world)
    step = next(islice(steps(here, policy, make), day, None))
    best = oracle.budgets[day] / MICROS
    return DayStory(
        spec=spec,
        policy=policy,
        seed=seed,
        day=day,
        date=spec.start + timedelta(days=step.day),
        names=here.truth.names,
        step=step,
        recorded=trace.budgets[day],
        untouched=expected(here.truth, step.seen.live, step.day),
        best=best,
        best_expected=expected(here.truth, best, step.day),
    )


def _recorded(folder: Path, job: Job) -> str | None:
    try:
        return read_text(folder / job.file)
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _traces(folder: Path, policy: str, seed: int) -> tuple[Trace, OracleTrace]:
    file = trace_file(policy, seed)
    try:
        trace = read_trace(read_text(folder / file))
        file = oracle_file(seed)
        return trace, read_oracle(read_text(folder / file))
    except FileNotFoundError:
        raise BadInput("it is not there", where=str(folder / file), mend="begin the run again: it resumes.") from None
    except (UnicodeDecodeError, BadTrace) as error:
        raise BadInput(str(error), where=str(folder / file), mend="begin the run again: it resumes.") from None


def _require[T](folder: Path, field: str, value: T, among: tuple[T, ...] | range) -> None:
    if value not in among:
        there = f"0 to {len(among) - 1}" if isinstance(among, range) else ", ".join(map(str, among))
        raise BadInput(f"the run has no {field} {value}", where=str(folder), field=field, mend=f"name one of: {there}.")
