"""`outlay simulate`: policies in simulated worlds, side by side, in a folder that can be resumed and replayed."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Final, cast

import numpy as np
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from connectors.errors import AskMarketer
from optimizer.agent.cli.answers import Answer, finite
from optimizer.agent.cli.screen import progress
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.simulating import ABOUT, POLICIES
from simulations import report
from simulations.oracle import Goal
from simulations.runs.fanout import Cluster, ClusterMissing, JobFailed, Map, Processes
from simulations.runs.record import Run, RunSpec, execute, read_run
from simulations.runs.scores import Spread, Standing, certified_gap, regret, scores_of
from simulations.runs.versions import code_version
from simulations.scenarios import SCENARIOS, Scenario, ScenarioError
from simulations.scenarios.files import find

START: Final = date(2025, 9, 1)
"""The date of the first day of every simulated world, as in a simulated connector's settings."""

OUR_CODE: Final = ("bandits", "optimizer")
"""The packages, besides the simulator's own, that what a policy does depends on."""

_DEFAULT_POLICIES: Final = ("outlay", "equal")
_DEFAULT_DAYS: Final = 120
_RUNS: Final = Path("runs")


def simulate(
    scenario: str | None,
    policies: Sequence[str],
    worlds: int,
    seed: int,
    days: int | None,
    workers: int | None,
    cluster: str | None,
    goal: str,
    out: Path | None,
    listed: bool,
) -> Answer:
    """Play policies in the worlds of a scenario and compare them with the clairvoyant, or list what there is.

    Raises:
        AskMarketer: A word is wrong, a folder or cluster cannot be used, or a job failed.
    """
    if listed:
        return _catalogue()
    if scenario is None:
        raise AskMarketer("no scenario is named", mend="name one, or a TOML file; --list shows what there is.")
    with told():
        spec = _spec(find(scenario, Path.cwd()), policies, range(seed, seed + worlds), days, goal)
        folder = out or _RUNS / f"{spec.scenario.name}-{hashlib.sha256(repr(spec).encode()).hexdigest()[:8]}"
        with resumable(folder), progress() as tell:
            execute(folder, spec, POLICIES, over=spread_over(workers, cluster), tell=tell)
        page = report.write(folder)
    return _answer(folder, page, read_run(folder))


@contextmanager
def told() -> Iterator[None]:
    """Tell the simulator's own errors as ones that a person can mend.

    Raises:
        AskMarketer: Instead of them.
    """
    try:
        yield
    except ScenarioError as error:
        raise AskMarketer(str(error), mend=_mend(error)) from None
    except ClusterMissing as error:
        raise AskMarketer(str(error), mend="start the cluster, or leave --cluster out.") from None
    except JobFailed as error:
        raise AskMarketer(str(error), mend="then give the same command again; what is recorded is kept.") from error


def _mend(error: ScenarioError) -> str:
    if error.where:
        return "correct the file."
    if error.field in {"scenario", "policies"}:
        return "`outlay simulate --list` shows scenarios and policies."
    return f"write another --{error.field}."


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say, when somebody stops the work, that it can go on."""
    try:
        yield
    except KeyboardInterrupt:
        words = f"Stopped. What is done is kept in {folder}; the same command goes on there."
        Console(stderr=True, highlight=False, soft_wrap=True).print(words, markup=False)
        raise


def spread_over(workers: int | None, cluster: str | None) -> Map:
    """Return where jobs run: on a cluster if one is named, else in processes, as many as there are cores by default.

    Raises:
        AskMarketer: Both are given.
    """
    if cluster is None:
        return Processes(workers)
    if workers is not None:
        raise AskMarketer("--workers and --cluster exclude each other", mend="a cluster brings its own workers.")
    return Cluster(cluster)


def _spec(scenario: Scenario, policies: Sequence[str], seeds: range, days: int | None, goal: str) -> RunSpec:
    return RunSpec(
        scenario=scenario,
        policies=tuple(dict.fromkeys(policies)) or _DEFAULT_POLICIES,
        seeds=tuple(seeds),
        days=days or min(_DEFAULT_DAYS, scenario.horizon_days - scenario.history.history_days),
        start=START,
        goal=cast("Goal", goal),  # which the run checks
        code=code_version(*OUR_CODE),
    )


def _catalogue() -> Answer:
    scenarios = {name: scenario.summary for name, scenario in SCENARIOS.items()}
    shown = Group(_sentences("scenario", scenarios), Text(), _sentences("policy", ABOUT))
    return Answer(shown, {"scenarios": scenarios, "policies": dict(ABOUT)})


def _sentences(title: str, about: Mapping[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title, no_wrap=True)
    table.add_column("what it tries" if title == "scenario" else "what it does")
    for name, sentence in about.items():
        table.add_row(name, sentence)
    return table


def _answer(folder: Path, page: Path, run: Run) -> Answer:
    standings = scores_of(run).standings()
    spec, first = run.spec, standings[0]
    gap = certified_gap(run)
    seed = first.whole.worst_seed
    day = int(np.argmax(regret(run, first.policy)[spec.seeds.index(seed)]))
    begin = Text(
        f"{clean(spec.scenario.name)}: {_worlds(spec.seeds)}, {spec.days} days, {spec.scenario.campaigns} campaigns; "
        f"counted: {spec.goal}.\n"
    )
    end = Text(
        "\n100% is what the clairvoyant expects, who knows the market and is free of the step limit; it is proven that "
        f"no budgets bring {_beyond(gap)} more.\n"
        f"Pictures: {page}\n"
        f"The worst world of {first.policy}, on the day that cost most:"
    )
    look = f"  outlay replay {shlex.quote(str(folder))} --policy {first.policy} --seed {seed} --day {day}"
    data = {
        "folder": str(folder),
        "report": str(page),
        "scenario": spec.scenario.name,
        "digest": spec.scenario.digest(),
        "seeds": list(spec.seeds),
        "days": spec.days,
        "goal": spec.goal,
        "code": spec.code,
        "oracle_gap": gap,
        "policies": [finite(asdict(standing)) for standing in standings],
    }
    return Answer(Group(begin, _league(standings), end, Text(look, no_wrap=True, overflow="ignore")), data)


def _beyond(gap: float) -> str:
    """A certified gap in words, rounded up, so that what they say is proven."""
    return f"{math.ceil(gap * 1e4 + 1e-9) / 1e4:.2%}"


def _worlds(seeds: Sequence[int]) -> str:
    return (
        f"{len(seeds)} worlds (seeds {seeds[0]} to {seeds[-1]})" if len(seeds) > 1 else f"the world of seed {seeds[0]}"
    )


def _league(standings: Sequence[Standing]) -> Table:
    """The policies, one a line, in the order in which they were named."""
    first = standings[0].policy
    columns = {
        "policy": [standing.policy for standing in standings],
        "% of the\noracle": [_with_error(s.whole.mean, s.whole.error) for s in standings],
        "second\nhalf": [_with_error(s.second.mean, s.second.error) for s in standings],
        "10th\npct.": [f"{100 * s.whole.tenth:.1f}" for s in standings],
        "worst\n(seed)": [_worst(s.whole) for s in standings],
        f"against\n{first}": ["", *(_with_error(s.lead, s.lead_error, "+") for s in standings[1:])],
        "limits\nbroken": [f"{s.violations:,}" for s in standings],
        "90% sure\nheld": [f"{s.coverage:.1%}" if s.stated else "none" for s in standings],
        "ms per\ncampaign-day": [f"{1e3 * s.seconds:.2f}" if math.isfinite(s.seconds) else "?" for s in standings],
    }
    return figures_table(columns)


def _with_error(share: float, error: float, sign: str = "") -> str:
    around = f" ± {100 * error:.1f}" if math.isfinite(error) else ""
    return f"{100 * share:{sign}.1f}{around}"


def _worst(spread: Spread) -> str:
    return f"{100 * spread.worst:.1f} ({spread.worst_seed})"
