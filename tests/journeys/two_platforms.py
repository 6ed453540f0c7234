"""The whole agent over two platforms for some days: `outlay run` as a process, and a person at the command line.

Two worlds, one behind each platform. They are reached either through the emulators of Google Ads and Meta, each by the
platform's official client, or through the in-process simulator. All else is the same: settings, seeds, days. The
agent's process and the command line run on a clock that is told, and the seeds of decisions are drawn from a given one;
nothing else is put in their place.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as hour
from pathlib import Path
from typing import Any, Final, Self
from unittest import mock
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from connectors.contract import EntityStatus
from optimizer.agent import bootstrap
from optimizer.agent.cli.app import app
from optimizer.agent.clock import SetClock
from optimizer.plan.office import Outcome
from optimizer.plan.record import AdIntent, Intent, IntentState, State
from simulations.emulators.account import Account
from simulations.emulators.faults import Faults
from simulations.emulators.google import GoogleEmulator
from simulations.emulators.meta import start as start_meta
from simulations.emulators.registry import Setup
from simulations.platform.world import World
from simulations.scenarios import Channel, Scenario, named
from simulations.scenarios.files import write_scenario

START: Final = date(2025, 3, 3)
SECRET: Final = "FORTNIGHT_SECRET"
PATIENCE: Final = 240.0
"""Seconds of the wall within which the agent does what it is waited for; other work may hold the machine."""

_LEARNING_DAYS: Final = 7
"""As the emulators do, the simulated platforms tell which campaigns learn: both ways ask for the same care."""

_ZONE: Final = ZoneInfo("Europe/Berlin")
_SETTLED: Final = timedelta(minutes=31)

_RUN: Final = Path(__file__).with_name("told_agent.py")


@dataclass(frozen=True)
class Shop:
    """What both ways have in common.

    Attributes:
        search, social: Campaigns on Google Ads, and on Meta.
        history: Days that have passed before the first.
        days: How many days the agent works.
        seed: Of worlds and decisions.
    """

    search: int = 4
    social: int = 4
    history: int = 60
    days: int = 14
    seed: int = 1

    @property
    def scenarios(self) -> tuple[Scenario, Scenario]:
        """One channel each, as each platform shows its campaigns; euro cents on both."""
        search = Channel("search", self.search, 16.0, 62.0, 0.045, 0.045, delay_mean_days=2.0)
        social = Channel("meta", self.social, 22.0, 58.0, 0.013, 0.028, delay_mean_days=3.0)
        return (
            named(
                "demo", name="on-google", channels=(search,), history_days=self.history, learning_days=_LEARNING_DAYS
            ),
            named("demo", name="on-meta", channels=(social,), history_days=self.history, learning_days=_LEARNING_DAYS),
        )

    @property
    def first(self) -> date:
        """The first day on which the agent works."""
        return START + timedelta(days=self.history)


@dataclass(frozen=True)
class Side:
    """One way to the two worlds.

    Attributes:
        tables: The `[connectors.NAME]` tables.
        environment: Of the agent's process.
        worlds: Behind Google Ads and Meta.
        advances: Let a day pass in each.
        requests: How many the platforms were sent, so far.
    """

    tables: str
    environment: Mapping[str, str]
    worlds: tuple[World, World]
    advances: tuple[Callable[[], None], Callable[[], None]]
    requests: Callable[[], int]


@dataclass(frozen=True)
class Lived:
    """What came of the days.

    Attributes:
        worlds: As they stand at the end.
        verified: Recommendations that were approved, written and read back.
        written: Writes that were made, and read back as they were meant.
        drifted: Writes that met, or were read back as, something else than was expected.
        effects: Changes that the worlds hold, made by the agent.
        unmatched: Of writes and effects, those that the other does not tell of, by platform and by what was set.
        requests: How many the platforms were sent.
        exit_code: Of the agent's process, after SIGTERM.
    """

    worlds: tuple[World, World]
    verified: int
    written: int
    drifted: int
    effects: int
    unmatched: int
    requests: int
    exit_code: int


@contextmanager
def emulated(shop: Shop, _folder: Path) -> Iterator[Side]:
    """Both worlds behind the emulators of their platforms, as they are by default."""
    (one, other), secret, faults = shop.scenarios, f'{{ env = "{SECRET}" }}', Faults()
    google = Account(one, seed=shop.seed, start=START)
    meta = Account(other, seed=shop.seed + 1, start=START, first_id=2_000_000_000)
    with (
        GoogleEmulator(Setup(google, faults)) as searched,
        closing(start_meta(Setup(meta, faults))) as social,
    ):
        tables = f"""
[connectors.google]
kind = "google"
customer_ids = ["{google.account_id}"]
developer_token = {secret}
client_id = "client"
client_secret = {secret}
refresh_token = {secret}
endpoint = "{searched.address}"
token_uri = "{searched.token_uri}"
[connectors.meta]
kind = "meta"
accounts = ["act_{meta.account_id}"]
access_token = {secret}
base_url = "{social.address}"
"""
        environment = {**searched.environment, **social.environment, SECRET: "nothing-secret"}
        worlds, advances = (google.world, meta.world), (google.advance, meta.advance)
        yield Side(tables, environment, worlds, advances, lambda: sum(faults.requests.values()))


@contextmanager
def simulated(shop: Shop, folder: Path) -> Iterator[Side]:
    """Both worlds behind connectors of kind `simulated`; they live in files, so that days can pass from outside."""
    tables, worlds = "", []
    for number, (name, scenario) in enumerate(zip(("google", "meta"), shop.scenarios, strict=True)):
        state, seed = folder / f"{name}.json", shop.seed + number
        worlds.append(World(scenario, seed, START, state))
        (folder / f"{name}.toml").write_text(write_scenario(scenario), encoding="utf-8")
        tables += f"""
[connectors.{name}]
kind = "simulated"
scenario = "{name}.toml"
seed = {seed}
start = {START}
state_file = "{state.name}"
"""
    yield Side(tables, {}, (worlds[0], worlds[1]), (worlds[0].advance, worlds[1].advance), lambda: 0)


SIDES: Final = {"emulators": emulated, "in-process": simulated}
"""The two ways, by name."""


def live(shop: Shop, way: str, folder: Path) -> Lived:
    """Let the agent work for the shop's days, and a person approve whatever it proposes."""
    with SIDES[way](shop, folder) as side, _Agent(shop, side, folder) as agent:
        for number in range(shop.days):
            agent.day(shop.first + timedelta(days=number))
            for advance in side.advances:
                advance()
        verified, written, drifted = agent.told()
        code = agent.leave()
        effects = Counter(_effects(side))
        unmatched = ((effects - written) + (written - effects)).total()
        return Lived(side.worlds, verified, written.total(), drifted, effects.total(), unmatched, side.requests(), code)


def _effects(side: Side) -> Iterator[tuple[str, Any]]:
    """What the worlds say that the agent set: platform, and micros of a budget or whether an ad runs."""
    for name, world in zip(("google", "meta"), side.worlds, strict=True):
        yield from ((name, edit.micros) for edit in world.state.edits if edit.by == "api")
        yield from ((name, switch.runs) for switch in world.state.switches if switch.by == "api")


class _Agent:
    """`outlay run` in a process, the clock that it goes by, and a person at a command line that goes by it too."""

    def __init__(self, shop: Shop, side: Side, folder: Path) -> None:
        self._config, self._clock = folder / "config.toml", folder / "clock"
        self._config.write_text(_settings(shop, side), encoding="utf-8")
        self._tell(_morning(shop.first))
        self._environment, self._seed = dict(side.environment), shop.seed
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as held:
            self._store = held.enter_context(bootstrap.open_store(self._config))
            self._log = held.enter_context(self._config.with_name("log").open("w+", encoding="utf-8"))
            words = [sys.executable, str(_RUN), str(self._config), str(self._clock), str(self._seed)]
            environment = os.environ | self._environment
            self._process = held.enter_context(
                subprocess.Popen(words, stdout=self._log, stderr=subprocess.STDOUT, env=environment)
            )
            held.callback(self._process.kill)
            self._held = held.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._held.close()

    def day(self, today: date) -> None:
        """The agent reads, decides and announces; a person approves; it writes and reads back."""
        self._tell(_morning(today))
        due = datetime.combine(today, hour(6), _ZONE).astimezone(UTC)
        self._until(lambda: self._done("decide", due))
        for record in self._store.records(frozenset({State.PROPOSED})):
            made = record.recommendation
            self._until(lambda made=made: self._done("announce", made.created_at))
            seen = self._outlay("show", "latest", "--json")
            assert seen["recommendation"]["rec_id"] == made.rec_id
            self._outlay("approve", "latest", "--hash", seen["recommendation"]["plan_hash"], "--as", "ada", "--json")
            self._until(lambda made=made: self._stands(made.rec_id, State.APPLIED))
            self._tell(_morning(today) + _SETTLED)
            self._until(lambda made=made: self._stands(made.rec_id, State.VERIFIED))

    def told(self) -> tuple[int, Counter[tuple[str, Any]], int]:
        """Recommendations that were read back, its writes that were as well, and writes that drifted."""
        records = self._store.records(limit=1_000)
        intents = [
            intent
            for record in records
            for intent in self._store.intents(record.recommendation.rec_id, record.recommendation.revision)
        ]
        return (
            sum(record.state is State.VERIFIED for record in records),
            Counter(_set_by(intent) for intent in intents if intent.state is IntentState.VERIFIED),
            sum(intent.state in (IntentState.DRIFT, IntentState.REFUSED) for intent in intents),
        )

    def leave(self) -> int:
        """End the agent in order."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)

    def _outlay(self, *words: str) -> dict[str, Any]:
        """What a command of a person answers, here at the time that was told."""
        clock = SetClock(datetime.fromisoformat(self._clock.read_text(encoding="utf-8")))
        with (
            mock.patch.object(bootstrap, "SystemClock", return_value=clock),
            mock.patch.dict(os.environ, self._environment),
        ):
            answer = CliRunner().invoke(app, [*words, "-c", str(self._config)])
        if not answer.stdout.startswith("{"):
            raise AssertionError(f"outlay {words[0]}: {answer.stderr or answer.exception}")
        found: dict[str, Any] = json.loads(answer.stdout)
        return found

    def _tell(self, at: datetime) -> None:
        new = self._clock.with_suffix(".new")
        new.write_text(at.isoformat(), encoding="utf-8")
        new.replace(self._clock)

    def _done(self, job: str, due: datetime) -> bool:
        for run in self._store.runs(limit=20):
            if run.outcome is Outcome.FAILED:
                raise AssertionError(f"{run.job} of {run.due_at}: {run.words}")
            if (run.job, run.due_at, run.outcome) == (job, due, Outcome.DONE):
                return True
        return False

    def _stands(self, rec_id: str, state: State) -> bool:
        found = self._store.record(rec_id).state
        if found is State.FAILED:
            raise AssertionError(f"{rec_id} has failed: {self._store.events(rec_id)[-1]}")
        return found is state

    def _until(self, there: Callable[[], bool]) -> None:
        late = time.monotonic() + PATIENCE
        while not there():
            if self._process.poll() is not None or time.monotonic() > late:
                self._log.seek(0)
                raise AssertionError(f"the agent does not do what is waited for:\n{self._log.read()[-3_000:]}")
            time.sleep(0.2)


def _set_by(intent: Intent) -> tuple[str, Any]:
    """The same of a write: platform, and micros of a budget or whether an ad runs."""
    if isinstance(intent, AdIntent):
        return intent.key.connector, intent.target is EntityStatus.ACTIVE
    return intent.key.connector, intent.target.micros


def _morning(day: date) -> datetime:
    """A minute after the platforms' figures stand, UTC."""
    return datetime.combine(day, hour(6, 1), _ZONE).astimezone(UTC)


def _settings(shop: Shop, side: Side) -> str:
    return f"""
[portfolio]
currency = "EUR"
time_zone = "Europe/Berlin"
history_days = {max(shop.history + shop.days, 28)}
[store]
url = "sqlite:///outlay.sqlite"
[web]
listen = ""

[daemon]
refit = "never"
listen = ""
look_seconds = 0.25
{side.tables}"""
