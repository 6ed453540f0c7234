"""`outlay replay`: a recorded run again, compared byte by byte, or one day of it to be looked into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from connectors.errors import AskMarketer
from connectors.money import MICROS
from optimizer.agent.cli.answers import Answer, Exit, finite
from optimizer.agent.cli.screen import progress
from optimizer.agent.cli.simulate import OUR_CODE, told
from optimizer.agent.cli.tables import clean, figures_table
from optimizer.agent.simulating import POLICIES
from simulations.noise import FloatArray
from simulations.runs.arena import in_goal
from simulations.runs.fanout import Processes
from simulations.runs.record import read_spec
from simulations.runs.replay import DayStory, Replayed, day_story
from simulations.runs.replay import replay as play_again
from simulations.runs.versions import code_version

_SHOWN: Final = 30
_RECENT_DAYS: Final = 28


class _Column(NamedTuple):
    """A measure of the K campaigns: its name for --json, its title, and its figures, shape (K,)."""

    key: str
    title: str
    figures: FloatArray


def replay(folder: Path, policy: str | None, seed: int | None, day: int | None, workers: int | None) -> Answer:
    """Compute a run anew and compare the bytes, or with a day tell all about that day.

    Raises:
        AskMarketer: There is no such run, policy, seed or day, or a job failed.
    """
    with told():
        if day is not None:
            return _day(folder, policy, seed, day)
        if policy is not None or seed is not None:
            raise AskMarketer("--policy and --seed say whose day is shown", mend="add --day, or leave them out.")
        with progress() as tell:
            return _compared(folder, play_again(folder, POLICIES, code_version(*OUR_CODE), Processes(workers), tell))


def _compared(folder: Path, found: Replayed) -> Answer:
    count = len(found.differing)
    words = [f"{found.files - count:,} of {found.files:,} files of {folder} came out the same, byte by byte."]
    words += [f"differs: {file}" for file in found.differing]
    if not found.same_code:
        words.append(f"The code is not the one that recorded the run, {clean(found.code)}.")
    data = {"files": found.files, "differing": list(found.differing), "code": found.code, "same_code": found.same_code}
    return Answer(Text("\n".join(words)), data, Exit.ERROR if count else Exit.FINE)


def _day(folder: Path, policy: str | None, seed: int | None, day: int) -> Answer:
    spec = read_spec(folder)
    name = policy or spec.policies[0]
    if name not in POLICIES:
        raise AskMarketer(f"there is no policy {name!r} here", mend=f"name one of: {', '.join(spec.policies)}.")
    story = day_story(folder, name, spec.seeds[0] if seed is None else seed, day, POLICIES[name])
    return Answer(Group(_begin(story), _campaigns(story), _end(story)), finite(_data(story)))


def _begin(story: DayStory) -> Text:
    text = Text(
        f"{clean(story.spec.scenario.name)}, world {story.seed}, {story.policy}: day {story.day} of "
        f"{story.spec.days}, {story.date:%A %Y-%m-%d}\n"
    )
    text.append(f"Why: {clean(story.step.proposal.why) or 'the policy does not say.'}\n")
    for violation in story.step.kept.violations:
        text.append(f"Broken limit, mended before it counted: {violation.kind}, by {violation.size:,.2f}.\n")
    if not story.as_recorded:
        text.append("These budgets are not the recorded ones: the code has changed since.\n", style="yellow")
    return text


def _campaigns(story: DayStory) -> Table:
    """The campaigns farthest from the clairvoyant first, then the sum of all."""
    far = np.argsort(-np.abs(story.step.kept.budgets / MICROS - story.best), kind="stable")
    shown, more = far[:_SHOWN], len(far) - _SHOWN
    rest = [f"({more} more; --json shows all)"] if more > 0 else []
    table: dict[str, Sequence[str]] = {
        "campaign": [*(clean(story.names[k]) for k in shown), *rest, "together"],
    }
    for key, title, figures in _columns(story):
        whole = "" if key in {"low90", "high90"} else f"{figures.sum():,.2f}"  # intervals do not add up
        table[title] = [*(_figure(figures[k]) for k in shown), *("" for _ in rest), whole]
    return figures_table(table)


def _figure(figure: float) -> str:
    return f"{figure:,.2f}" if math.isfinite(figure) else "none"


def _columns(story: DayStory) -> list[_Column]:
    step, goal = story.step, story.spec.goal
    reported = step.seen.value if "value" in goal else step.seen.conversions
    counted = "value" if "value" in goal else "conversions"
    columns = [
        _Column("spend_known", f"spend\nknown, {_RECENT_DAYS} d", step.seen.spend[:, -_RECENT_DAYS:].sum(axis=1)),
        _Column(f"{counted}_known", f"{counted}\nknown, {_RECENT_DAYS} d", reported[:, -_RECENT_DAYS:].sum(axis=1)),
        _Column("live", "budget\nlive", step.seen.live),
        _Column("proposed", "budget\nproposed", step.proposal.budgets),
        _Column("in_force", "budget\nin force", step.kept.budgets / MICROS),
        _Column("oracle", "budget\noracle", story.best),
        _Column("expected_live", "expected\nat live", in_goal(story.untouched, goal)),
        _Column("expected_in_force", "expected\nin force", in_goal(step.expected, goal)),
        _Column("expected_oracle", "expected\noracle", in_goal(story.best_expected, goal)),
    ]
    if step.proposal.low is not None and step.proposal.high is not None:
        columns.append(_Column("low90", "in the end\n90% from", step.proposal.low))
        columns.append(_Column("high90", "in the end\nto", step.proposal.high))
    return columns


def _end(story: DayStory) -> Text:
    step, unit = story.step, story.spec.scenario.currency
    came, worth = (float(measure.sum()) for measure in step.outcome.occurred())
    return Text(
        f"\nSpent that day: {step.outcome.spend.sum() / MICROS:,.2f} {unit}. In the end it brings {came:,.0f} "
        f"conversions worth {worth / MICROS:,.2f} {unit}, as the market's noise would have it. Budgets and spend are "
        f"in {unit}, what is expected in {story.spec.goal}, what comes in the end in conversions."
    )


def _data(story: DayStory) -> dict[str, Any]:
    """Everything as plain values, campaign by campaign."""
    step = story.step
    measures = {column.key: column.figures.tolist() for column in _columns(story)}
    return {
        "scenario": story.spec.scenario.name,
        "policy": story.policy,
        "seed": story.seed,
        "day": story.day,
        "date": story.date.isoformat(),
        "why": step.proposal.why,
        "as_recorded": story.as_recorded,
        "violations": [{"kind": v.kind, "size": v.size} for v in step.kept.violations],
        "campaigns": [
            {"name": name, **{key: figures[k] for key, figures in measures.items()}}
            for k, name in enumerate(story.names)
        ],
    }
