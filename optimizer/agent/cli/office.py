"""`outlay run`, `pause` and `resume`, and what `status` says of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from optimizer.agent.bootstrap import open_store
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.person import person
from optimizer.agent.clock import SystemClock
from optimizer.agent.daemon import serve
from optimizer.agent.settings import SettingsError
from optimizer.plan.office import Brake, JobRun, Lease
from optimizer.plan.recommendation import adapter
from optimizer.ports import Store


def run(configs: Sequence[Path]) -> Answer:
    """Serve until the process is asked to end."""
    try:
        serve([file for config in configs for file in _files(config)])
    except OSError as error:
        mend = "Mend: set another [daemon] listen, or end what listens there"
        raise SettingsError([f"[daemon] listen: {error.strerror or error}. {mend}."]) from None
    return Answer("", {"ended": "in order"})


def _files(config: Path) -> list[Path]:
    """The settings files of a folder: its own `*.toml`, and `config.toml` of each folder in it; a file is itself.

    Raises:
        SettingsError: There is none.
    """
    if not config.is_dir():
        return [config]
    found = sorted([*config.glob("*.toml"), *config.glob("*/config.toml")])
    if not found:
        words = f"{config}: there is no settings file in this folder"
        raise SettingsError([f"{words}. Mend: put one for each portfolio there, as NAME.toml or NAME/config.toml."])
    return found


def pause(reason: str, config: Path, actor: str | None) -> Answer:
    """Throw the kill switch."""
    return _thrown(config, stops=True, reason=reason, actor=actor)


def resume(reason: str, config: Path, actor: str | None) -> Answer:
    """Release the kill switch."""
    return _thrown(config, stops=False, reason=reason, actor=actor)


def office_words(store: Store, now: datetime) -> list[str]:
    """Who leads, whether writes are paused, and what each job did last, a line each."""
    leader, brake = store.leader(), store.brake()
    lines = [_leader_words(leader, now)]
    if brake is not None and brake.on:
        lines.append(f"Writes are PAUSED since {brake.at:%Y-%m-%d %H:%M} UTC by {brake.actor}: {brake.reason}")
    lines += [_run_words(run) for run in newest(store)]
    return lines


def office_data(store: Store) -> dict[str, Any]:
    """The same as plain values."""
    leader, brake = store.leader(), store.brake()
    return {
        "leader": None if leader is None else adapter(Lease).dump_python(leader, mode="json"),
        "brake": None if brake is None else adapter(Brake).dump_python(brake, mode="json"),
        "jobs": [adapter(JobRun).dump_python(run, mode="json") for run in newest(store)],
    }


def newest(store: Store) -> list[JobRun]:
    """The newest run of each job, by name."""
    found: dict[str, JobRun] = {}
    for run in store.runs(limit=200):
        found.setdefault(run.job, run)
    return [found[job] for job in sorted(found)]


def _thrown(config: Path, *, stops: bool, reason: str, actor: str | None) -> Answer:
    who = person(actor)
    with open_store(config) as store:  # in an emergency a connector may be what is broken
        try:
            brake = Brake(stops, SystemClock().now(), who, reason)
        except ValueError as error:
            raise SettingsError([f"--reason: {error}."]) from None
        store.throw_brake(brake)
        under_way = [intent for intent in store.open_intents() if intent.attempts]
    words = "Writes are paused: none is sent from now on." if stops else "Writes may go on."
    if stops and under_way:
        words += f" {len(under_way)} call(s) may have been under way; they are read back, not repeated."
    data = {"paused": stops, "actor": who, "reason": reason, "under_way": len(under_way)}
    return Answer(Text(words), data, Exit.FINE)


def _leader_words(leader: Lease | None, now: datetime) -> str:
    if leader is None or leader.until <= now:
        return "The agent does not run; `outlay run` starts it."
    return f"The agent runs: {leader.holder}, epoch {leader.epoch}."


def _run_words(run: JobRun) -> str:
    when = run.ended_at or run.started_at
    again = f", attempt {run.attempt}" if run.attempt > 1 else ""
    return f"{run.job}: {run.outcome.value} {when:%Y-%m-%d %H:%M} UTC{again}{': ' if run.words else ''}{run.words}"
