"""`outlay emulate`: an ad platform on loopback over a simulated market, for whoever tests an integration."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.contract import zone
from connectors.errors import AskMarketer
from optimizer.agent.cli.answers import Answer
from optimizer.agent.cli.days import day
from optimizer.agent.cli.tables import clean
from simulations.emulators.account import Account
from simulations.emulators.control import control
from simulations.emulators.faults import Chances, Faults
from simulations.emulators.registry import EMULATORS, Setup, Start
from simulations.emulators.registry import find as find_emulator
from simulations.emulators.serving import Emulator, HttpServer
from simulations.scenarios import Scenario, ScenarioError, with_knobs
from simulations.scenarios.files import find as find_scenario

_NOISE: Final = 2
"""Which of a seed's streams the faults draw from; the world has the others."""


def emulate(
    platform: str | None,
    scenario: str,
    seed: int,
    today: str | None,
    currency: str | None,
    state: Path | None,
    faults: str,
    port: int,
    control_port: int,
    day_seconds: float | None,
    listed: bool,
    machine: bool,
) -> Answer:
    """Serve until interrupted, or list the platforms.

    Raises:
        AskMarketer: A word is wrong, a package is missing, or a port or the state file cannot be used.
    """
    if listed:
        return _platforms()
    if platform is None:
        raise AskMarketer("no platform is named", mend=f"write one of {', '.join(sorted(EMULATORS))}.")
    start = _start(platform)
    account = _account(scenario, seed, today, currency, state)
    broken = _faults(faults, seed)
    with ExitStack() as held:
        emulator = held.enter_context(closing(_listening(lambda: start(Setup(account, broken, port)), port)))
        desk = held.enter_context(_listening(lambda: HttpServer(control(account, broken), control_port), control_port))
        _tell(platform, account, emulator, desk.address, machine=machine)
        with _until_interrupted() as stopped:
            while not stopped.wait(day_seconds):
                account.advance()
    return Answer(Text(f"The emulator of {platform} has stopped."), {"stopped": platform})


def _platforms() -> Answer:
    table = Table(box=None, pad_edge=False)
    table.add_column("platform")
    for name in sorted(EMULATORS):
        table.add_row(name)
    return Answer(table, {"platforms": sorted(EMULATORS)})


def _start(platform: str) -> Start:
    try:
        return find_emulator(platform)
    except ValueError as error:
        raise AskMarketer(str(error), mend="name one of these.") from None
    except ImportError as error:
        raise AskMarketer(
            f"the emulator of {platform} needs the package {error.name!r}",
            mend=f"install it with: pip install 'outlay[{platform}]'.",
        ) from None


def _account(scenario: str, seed: int, today: str | None, currency: str | None, state: Path | None) -> Account:
    try:
        found = find_scenario(scenario, Path.cwd())
        if currency is not None:
            found = with_knobs(found, currency=currency)
        morning = _morning(found, today)
        return Account(found, seed=seed, start=morning - timedelta(days=found.history.history_days), state_file=state)
    except ScenarioError as error:
        raise AskMarketer(str(error), mend="`outlay simulate --list` shows the scenarios.") from None


def _morning(scenario: Scenario, today: str | None) -> date:
    if today is None:
        return datetime.now(UTC).astimezone(zone(scenario.time_zone)).date()
    return day(today, "outlay emulate", "--today")


def _faults(text: str, seed: int) -> Faults:
    try:
        return Faults(Chances.parse(text), np.random.default_rng([seed, _NOISE]))
    except ValueError as error:
        raise AskMarketer(f"--faults: {error}", mend="write them as throttled=0.1,lost_after=0.05.") from None


def _listening[T](begin: Callable[[], T], port: int) -> T:
    try:
        return begin()
    except OSError as error:
        raise AskMarketer(f"port {port} cannot be used ({error.strerror})", mend="name another one, or 0.") from None


def _tell(platform: str, account: Account, emulator: Emulator, desk: str, *, machine: bool) -> None:
    """Say where it listens, at once: the answer of the command comes only when it ends."""
    told = {
        "platform": platform,
        "address": emulator.address,
        "control": desk,
        "account_id": str(account.account_id),
        "currency": account.currency,
        "time_zone": account.time_zone,
        "today": account.today.isoformat(),
        "environment": emulator.environment,
        "settings": emulator.further,
    }
    if machine:
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        return
    console = Console(highlight=False)
    for name in ("address", "control", "account_id", "currency", "time_zone", "today"):
        console.print(f"{name:<12}{clean(str(told[name]))}", soft_wrap=True)
    for name, value in emulator.further.items():
        console.print(f"{name:<12}{clean(value)}", soft_wrap=True)
    for name, value in emulator.environment.items():
        console.print(clean(f"export {name}={value}"), soft_wrap=True)
    console.print("Stop with Ctrl-C.")


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
