"""Runs: policies by worlds, recorded in a folder that can be resumed, read and replayed.

    run.json                    what is run: scenario, policies, seeds, days, goal, code version
    oracle/SEED.json            the clairvoyant in each world
    traces/POLICY/SEED.json     each policy in each world
    seconds.jsonl               how long the policies took: apart, since it differs from run to run

Every file but the last is whole or absent, and the same run gives the same bytes whatever ran it and however often it
was broken off. What is there and belongs to the run is left alone; what is not (a damaged file, a trace of another
world) is computed anew and replaced. A folder of another run, or with other things in it, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from connectors.errors import BadInput
from simulations.noise import FloatArray
from simulations.oracle import Goal
from simulations.policies.contract import MakePolicy
from simulations.runs.arena import WorldSpec
from simulations.runs.fanout import Map, one_by_one
from simulations.runs.folder import alone, append_line, read_text, write_whole
from simulations.runs.jobs import Job, OracleJob, PolicyJob, oracle_file, require_world, run_job, trace_file
from simulations.runs.traces import BadTrace, OracleTrace, Trace, canonical, read_oracle, read_trace
from simulations.scenarios import Scenario, ScenarioError
from simulations.scenarios.files import parse_scenario, write_scenario

RUN_FILE: Final = "run.json"
SECONDS_FILE: Final = "seconds.jsonl"
_VERSION: Final = 1
_NAME_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")

Tell = Callable[[int, int, str], None]
"""Told how many jobs are done, how many there are, and what was just done (empty at the beginning)."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run is; two runs with equal specs have equal files.

    Attributes:
        scenario: What worlds are drawn from.
        policies: Names, the first is the one that others are compared with.
        seeds: One world each.
        days: How many days are compared, after the history.
        start: The date of day 0, the first of the history.
        goal: What is counted.
        code: Version of the code that plays (`versions.code_version`).

    Raises:
        ScenarioError: A field is out of range.
    """

    scenario: Scenario
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    days: int
    start: date
    goal: Goal
    code: str

    def __post_init__(self) -> None:
        for field, values in (("policies", self.policies), ("seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise ScenarioError(field, f"must be at least one, and all different, not {values}")
        for name in self.policies:
            if not set(name) <= _NAME_LETTERS or not name[:1].isalnum():
                raise ScenarioError("policies", f"{name!r} cannot name a folder: small letters, digits and . - _ only")
        if self.goal not in get_args(Goal):
            raise ScenarioError("goal", f"must be one of {', '.join(get_args(Goal))}, not {self.goal!r}")
        for seed in self.seeds:
            self.world(seed)

    def world(self, seed: int) -> WorldSpec:
        """Return the world of a seed."""
        return WorldSpec(self.scenario, seed, self.days, self.start, self.goal)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run that is complete: P policies, W worlds.

    Attributes:
        spec: What it is.
        oracles: Of each world, in the order of the seeds, length W.
        traces: By policy, in the order of the spec; of each world, length W.
        seconds: Of the policy per campaign and day, shape (P, W); NaN where it was not measured.
    """

    spec: RunSpec
    oracles: tuple[OracleTrace, ...]
    traces: Mapping[str, tuple[Trace, ...]]
    seconds: FloatArray


def execute(
    folder: Path,
    spec: RunSpec,
    makes: Mapping[str, MakePolicy],
    over: Map = one_by_one,
    tell: Tell = lambda _done, _of, _what: None,
) -> None:
    """Compute what is not there yet of a run.

    Args:
        folder: Of the run; made where it does not exist.
        spec: What the run is.
        makes: Begins each policy, by name.
        over: Where the jobs run.
        tell: Told of progress.

    Raises:
        BadInput: The folder holds another run, or other things.
        AskMarketer: The folder cannot be used, or another process is at work in it.
        ScenarioError: A policy is unknown.
        JobFailed: A job failed; what was done before is kept.
    """
    jobs = jobs_of(spec, makes)
    with alone(folder):
        _claim(folder, spec)
        due = [job for job in jobs if not _is_there(folder, job)]
        done = len(jobs) - len(due)
        tell(done, len(jobs), "")
        for index, result in over(run_job, due):
            job, done = due[index], done + 1
            write_whole(folder / job.file, result.text)
            append_line(folder / SECONDS_FILE, canonical({"file": job.file, "seconds": result.seconds}))
            tell(done, len(jobs), str(job))


def jobs_of(spec: RunSpec, makes: Mapping[str, MakePolicy]) -> list[Job]:
    """Return the jobs of a run, world by world.

    Raises:
        ScenarioError: A policy is unknown.
    """
    for name in spec.policies:
        if name not in makes:
            raise ScenarioError("policies", f"there is none called {name!r}; there are {', '.join(makes)}")
    jobs: list[Job] = []
    for seed in spec.seeds:
        world = spec.world(seed)
        jobs.append(OracleJob(world))
        jobs.extend(PolicyJob(world, name, makes[name]) for name in spec.policies)
    return jobs


def read_spec(folder: Path) -> RunSpec:
    """Return what the run of a folder is.

    Raises:
        BadInput: There is no run, or `run.json` is damaged or was written by another version.
    """
    where = folder / RUN_FILE
    found = _run_fields(where)
    try:
        scenario = parse_scenario(found["scenario"])
        spec = RunSpec(
            scenario=scenario,
            policies=tuple(found["policies"]),
            seeds=tuple(int(seed) for seed in found["seeds"]),
            days=int(found["days"]),
            start=date.fromisoformat(found["start"]),
            goal=found["goal"],
            code=str(found["code"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(where, f"it is not what a run is made of ({type(error).__name__}: {error})") from None
    if scenario.digest() != found.get("digest"):
        raise _damaged(where, f"its scenario means something else in this version; it was made with {spec.code}")
    return spec


def read_run(folder: Path) -> Run:
    """Read a run that is complete.

    Raises:
        BadInput: There is no run, it is not complete, or a file is not its own.
    """
    spec = read_spec(folder)
    files = files_of(spec)
    missing = [file for file in files if not (folder / file).exists()]
    if missing:
        raise BadInput(
            f"the run is not complete: {len(missing)} of {len(files)} files are missing, the first {missing[0]}",
            where=str(folder),
            mend="begin the same run again: it resumes.",
        )
    oracles = tuple(_read(folder / oracle_file(seed), read_oracle, spec.world(seed)) for seed in spec.seeds)
    traces = {name: tuple(_read_trace(folder, name, spec.world(seed)) for seed in spec.seeds) for name in spec.policies}
    return Run(spec, oracles, traces, _seconds(folder / SECONDS_FILE, spec))


def files_of(spec: RunSpec) -> list[str]:
    """Return the names of all traces of a run, in the order of its jobs."""
    by_world = ([oracle_file(seed), *(trace_file(name, seed) for name in spec.policies)] for seed in spec.seeds)
    return [file for files in by_world for file in files]


def _claim(folder: Path, spec: RunSpec) -> None:
    where = folder / RUN_FILE
    ours = _fields(spec)
    if not where.exists():
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if others:
            raise BadInput(
                f"the folder is not empty and holds no run ({', '.join(others[:3])})",
                where=str(folder),
                mend="name a new or empty folder.",
            )
        write_whole(where, canonical(ours))
        return
    found = _run_fields(where)
    for field, value in ours.items():
        if found.get(field) != value:
            raise BadInput(
                f"the folder holds another run: {_short(found.get(field))}, and this one has {_short(value)}",
                where=str(where),
                field=field,
                mend="name another folder, or begin the run that is there.",
            )


def _fields(spec: RunSpec) -> dict[str, object]:
    return {
        "version": _VERSION,
        "name": spec.scenario.name,
        "digest": spec.scenario.digest(),
        "policies": list(spec.policies),
        "seeds": list(spec.seeds),
        "days": spec.days,
        "start": spec.start.isoformat(),
        "goal": spec.goal,
        "code": spec.code,
        "scenario": write_scenario(spec.scenario),
    }


def _run_fields(where: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(where))
    except FileNotFoundError:
        raise BadInput("there is no run here", where=str(where), mend="name the folder of a run.") from None
    except ValueError as error:
        raise _damaged(where, f"it is not JSON ({error})") from None
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise _damaged(where, f"it is not a run of version {_VERSION}")
    return found


def _is_there(folder: Path, job: Job) -> bool:
    try:
        job.require(read_text(folder / job.file))
    except (FileNotFoundError, UnicodeDecodeError, BadTrace):
        return False
    return True


def _read[T: (Trace, OracleTrace)](where: Path, read: Callable[[str], T], world: WorldSpec) -> T:
    try:
        trace = read(read_text(where))
        require_world(trace, world)
    except (UnicodeDecodeError, BadTrace) as error:
        raise _damaged(where, str(error)) from None
    return trace


def _read_trace(folder: Path, policy: str, world: WorldSpec) -> Trace:
    where = folder / trace_file(policy, world.seed)
    trace = _read(where, read_trace, world)
    if trace.policy != policy:
        raise _damaged(where, f"this is a trace of {trace.policy!r}, not of {policy!r}")
    return trace


def _seconds(where: Path, spec: RunSpec) -> FloatArray:
    """Per campaign and day, shape (P, W); the last measure counts, and lines that cannot be read do not."""
    found: dict[str, float] = {}
    for line in read_text(where).splitlines() if where.exists() else ():
        try:
            measure = json.loads(line)
            found[measure["file"]] = float(measure["seconds"])
        except (KeyError, TypeError, ValueError):
            continue
    per = 1.0 / (spec.days * spec.scenario.campaigns)
    return np.array(
        [[per * found.get(trace_file(name, seed), np.nan) for seed in spec.seeds] for name in spec.policies]
    )


def _damaged(where: Path, what: str) -> BadInput:
    return BadInput(what, where=str(where), mend="restore the file, or run again into a new folder.")


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
