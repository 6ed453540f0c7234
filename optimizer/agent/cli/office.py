"""`outlay run`, `pause` and `resume`, and what `status` says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from connectors.errors import AskMarketer, ConnectorError
from optimizer.agent import switch
from optimizer.agent.bootstrap import open_used_store
from optimizer.agent.cli.answers import Answer, Exit
from optimizer.agent.cli.person import person
from optimizer.agent.clock import SystemClock
from optimizer.agent.daemon import serve
from optimizer.agent.daemon.logs import configure
from optimizer.agent.secrecy import redacted
from optimizer.agent.settings import SettingsError
from optimizer.agent.standing import newest_runs
from optimizer.agent.whereabouts import file_of, used_database
from optimizer.plan.canonical import adapter
from optimizer.plan.circuit import Circuit
from optimizer.plan.office import Brake, JobRun, Lease
from optimizer.ports import Store


def run(configs: Sequence[Path]) -> Answer:
    """Serve until the process is asked to end."""
    try:
        serve([file for config in configs for file in _files(config)])
    except OSError as error:
        mend = "Mend: set another [daemon] listen, or end what listens there"
        raise SettingsError([f"[daemon] listen: {error.strerror or error}. {mend}."]) from None
    return Answer("", {"ended": "in order"})


def web(configs: Sequence[Path]) -> Answer:
    """Serve the page until the process is asked to end."""
    from optimizer.agent.web import open_premises, serve_page  # noqa: PLC0415 - slow to load, and run loads it itself

    clock = SystemClock()
    configure()
    with open_premises([file for config in configs for file in _files(config)], clock) as premises:
        address = premises[0].settings.web.listen
        if not address:
            raise SettingsError(["[web] listen is empty, so that no page is served. Mend: write host:port there."])
        try:
            serve_page(premises, clock, address)
        except OSError as error:
            mend = "Mend: set another [web] listen, or end what listens there"
            raise SettingsError([f"[web] listen: {error.strerror or error}. {mend}."]) from None
    return Answer("", {"ended": "in order"})


def mcp(config: Path) -> Answer:
    """Serve an assistant on standard input and output until it leaves.

    Raises:
        AskMarketer: The extra is not installed.
    """
    try:
        from optimizer.agent.mcp_server import server  # noqa: PLC0415 - an extra, which no other command needs
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise AskMarketer(
            "the MCP server needs the package 'mcp'", mend="install it with: pip install 'outlay[mcp]'."
        ) from None
    from optimizer.agent.web import open_premises  # noqa: PLC0415 - slow to load

    clock = SystemClock()
    with open_premises([config], clock) as (premises,):
        server(premises, clock).run("stdio")
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


def pause(reason: str, config: Path, actor: str | None, hours: float | None = None) -> Answer:
    """Throw the kill switch, for some hours or until somebody releases it."""
    return _thrown(config, stops=True, reason=reason, actor=actor, hours=hours)


def resume(reason: str, config: Path, actor: str | None) -> Answer:
    """Release the kill switch."""
    return _thrown(config, stops=False, reason=reason, actor=actor, hours=None)


def office_words(store: Store, now: datetime) -> list[str]:
    """Who leads, whether writes are paused, and what each job did last, a line each."""
    leader, brake = store.leader(), store.brake()
    lines = [_leader_words(leader, now)]
    if brake is not None and brake.on:
        lines.append(f"Writes are PAUSED {brake}")
    lines += [_circuit_words(circuit) for circuit in _open(store)]
    lines += [_run_words(run) for run in newest_runs(store)]
    return lines


def office_data(store: Store) -> dict[str, Any]:
    """The same as plain values."""
    leader, brake = store.leader(), store.brake()
    return {
        "leader": None if leader is None else adapter(Lease).dump_python(leader, mode="json"),
        "brake": None if brake is None else adapter(Brake).dump_python(brake, mode="json"),
        "circuits": [adapter(Circuit).dump_python(circuit, mode="json") for circuit in _open(store)],
        "jobs": [adapter(JobRun).dump_python(run, mode="json") for run in newest_runs(store)],
    }


def without_settings(config: Path, error: SettingsError | ConnectorError, now: datetime) -> Answer:
    """What the store says of an agent that runs on with the settings that it read before.

    Raises:
        SettingsError, ConnectorError: No agent runs; then the error is all that there is to say.
        StoreError: The store cannot be opened.
    """
    try:
        with open_used_store(config) as (store, _):
            leader, words, data = store.leader(), office_words(store, now), office_data(store)
    except SettingsError:
        raise error from None
    if leader is None or leader.until <= now:
        raise error
    told = redacted(f"{error}\nThe agent goes on with the settings that it read before:")
    return Answer(Text("\n".join([told, *words])), {"error": str(error), "agent": data}, Exit.ERROR)


def moved(config: Path) -> str:
    """Say that the agent uses another database than the settings file names; empty where it does not.

    Raises:
        SettingsError: The settings cannot be read, and no agent has left word.
    """
    return used_database(config)[1]


def _thrown(config: Path, *, stops: bool, reason: str, actor: str | None, hours: float | None) -> Answer:
    who = person(actor)
    with _emergency_store(config) as (store, notice):
        try:
            brake = switch.throw(store, Brake(stops, SystemClock().now(), who, reason), hours)
        except ValueError as error:
            raise SettingsError([f"{'--reason' if hours is None else '--reason, --hours'}: {error}."]) from None
        under_way = [intent for intent in store.open_intents() if intent.attempts]
    end = "" if brake.until is None else f" They go on by themselves at {brake.until:%Y-%m-%d %H:%M} UTC."
    words = f"Writes are paused: none is sent from now on.{end}" if stops else "Writes may go on."
    words = redacted(f"{notice}\n{words}") if notice else words
    if stops and under_way:
        words += f" {len(under_way)} call(s) may have been under way; they are read back, not repeated."
    data = {
        "paused": stops,
        "actor": who,
        "reason": reason,
        "until": brake.until and brake.until.isoformat(),
        "under_way": len(under_way),
    }
    return Answer(Text(words), data, Exit.FINE)


@contextmanager
def _emergency_store(config: Path) -> Iterator[tuple[Store, str]]:
    """Open nothing but the store, for a connector, or any other table, may be what is broken."""
    with ExitStack() as held:
        try:
            opened = held.enter_context(open_used_store(config))
        except SettingsError as error:
            words = f"Nothing was changed, since no agent has left word of its database ({file_of(config)})"
            mend = "Mend: correct the file, or end the agent: without it nothing is written by itself"
            raise SettingsError([*error.problems, f"{words}. {mend}."]) from None
        yield opened


def _leader_words(leader: Lease | None, now: datetime) -> str:
    if leader is None or leader.until <= now:
        return "The agent does not run; `outlay run` starts it."
    return f"The agent runs: {leader.holder}, epoch {leader.epoch}."


def _open(store: Store) -> list[Circuit]:
    return [circuit for circuit in store.circuits() if circuit.is_open]


def _circuit_words(circuit: Circuit) -> str:
    until = "" if circuit.until is None else f" before {circuit.until:%Y-%m-%d %H:%M} UTC"
    return f"{circuit.subject} is NOT CALLED{until}: it failed {circuit.failures} times in a row: {circuit.why}"


def _run_words(run: JobRun) -> str:
    when = run.ended_at or run.started_at
    again = f", attempt {run.attempt}" if run.attempt > 1 else ""
    return f"{run.job}: {run.outcome.value} {when:%Y-%m-%d %H:%M} UTC{again}{': ' if run.words else ''}{run.words}"
