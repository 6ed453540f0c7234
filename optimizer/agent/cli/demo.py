"""`outlay demo`: the loop, shown."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from optimizer.agent import demo as played
from optimizer.agent.cli import render
from optimizer.agent.cli.answers import Answer, Exit, record_data
from optimizer.plan.record import State


def demo(folder: Path | None, seed: int) -> Answer:
    """Play the demo in a folder that is kept, or in one that is thrown away."""
    with _place(folder) as home, _progress() as tell:
        outcome = played.play(played.prepare(home, seed), tell)
    text = Text()
    text.append(f"\nApproved, applied, read back: {outcome.written.state.value}. ")
    text.append(f"Then planned daily for {played.WEEKS_AFTER} weeks; {outcome.applied} plans were written in all.\n")
    parts = [render.record(outcome.first), text, _scores(outcome), _verdict(outcome)]
    if folder is not None:
        parts.append(Text(f"\nEverything is kept in {folder}; look at it with: outlay status -c {folder}/config.toml"))
        parts.append(Text(f"Or in a browser: outlay users add NAME --role admin -c {folder}/config.toml, then"))
        parts.append(Text(f"outlay web -c {folder}/config.toml and http://127.0.0.1:8470/demo/"))
    code = Exit.FINE if outcome.written.state is State.VERIFIED else Exit.ERROR
    return Answer(Group(*parts), _data(outcome), code)


def _scores(outcome: played.Outcome) -> Table:
    found = outcome.comparison
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left",
                  title=f"What {played.WEEKS_AFTER} weeks brought, by the market's own truth")  # fmt: skip
    for title in ("", "expected conversions", "of the oracle", "in this world"):
        table.add_column(title, justify="left" if not title else "right")
    best = float(found.best.sum())
    rows = (
        ("doing nothing", float(found.unchanged.sum()), float(found.realised_unchanged.sum())),
        ("Outlay", float(found.actual.sum()), float(found.realised.sum())),
    )
    for name, expected, realised in rows:
        table.add_row(name, f"{expected:,.1f}", f"{expected / best:.1%}", f"{realised:,.0f}")
    table.add_row("the oracle (knows the truth)", f"{best:,.1f}", "100.0%", "")
    return table


def _verdict(outcome: played.Outcome) -> Text:
    done, left = played.spend(outcome.comparison, outcome.first.recommendation.decision.currency)
    gained = f"{played.gain(outcome.comparison):+.1%} conversions, for {done} spent against {left}"
    return Text(f"\nAgainst doing nothing: {gained}.", style="bold")


def _data(outcome: played.Outcome) -> dict[str, object]:
    found = outcome.comparison
    return {
        "first": record_data(outcome.written),
        "plans_written": outcome.applied,
        "expected": {
            "outlay": float(found.actual.sum()),
            "doing_nothing": float(found.unchanged.sum()),
            "oracle": float(found.best.sum()),
            "oracle_bound": float(found.bound.sum()),
        },
        "realised": {"outlay": float(found.realised.sum()), "doing_nothing": float(found.realised_unchanged.sum())},
        "gain": played.gain(found),
        "of_oracle": found.of_best,
        "doing_nothing_of_oracle": found.unchanged_of_best,
    }


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="outlay-demo-") as made:
        yield Path(made)


@contextmanager
def _progress() -> Iterator[played.Tell]:
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True
    )  # to standard error, so that --json stays clean
    with bar:
        task = bar.add_task("", total=1.0)
        yield lambda doing, behind: bar.update(task, description=doing, completed=behind)
