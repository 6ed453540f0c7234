"""Kill the agent again and again, and afterwards compare what the platform's ledger says with what was approved."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from connectors.contract import BudgetChange, BudgetKey
from connectors.errors import ConnectorError
from optimizer import approval
from optimizer.agent import trail
from optimizer.agent.store import open_sql
from optimizer.approval.intents import DONE
from optimizer.plan.audit import prove
from optimizer.plan.office import Brake
from optimizer.plan.recommendation import Decision
from optimizer.plan.record import BudgetIntent, Intent, IntentState, Record, State
from optimizer.ports import Clock, Store
from tests.crash import worker
from tests.crash.loopback import FAULTS, NAMES, START, Server
from tests.crash.worker import POINTS, FastClock, Trap
from tests.optimizer.approval_world import decision, envelope

ENDED = frozenset({State.VERIFIED, State.FAILED, State.EXPIRED, State.REJECTED, State.SUPERSEDED, State.ROLLED_BACK})
_SHARED = Path("/dev/shm")
_ROOM = 2**30  # bytes; a container may have next to none there
_BEGIN = ("lead:after", "begun:before", "begun:after")
_WRITE = ("planned-sending:before", "planned-sending:after", "call:before", "call:sent", "call:answered",
          "sending-acknowledged:before", "sending-acknowledged:after", "applied:before", "applied:after")  # fmt: skip
_VERIFY = ("acknowledged-verified:before", "acknowledged-verified:after", "verified:before", "verified:after")
_SOON = {State.APPROVED: _BEGIN, State.APPLYING: _WRITE, State.APPLIED: _VERIFY}
_LATE = {State.APPROVED: _BEGIN + _WRITE + _VERIFY, State.APPLYING: _WRITE + _VERIFY, State.APPLIED: _VERIFY}


@dataclass
class Tally:
    """What came of it.

    Attributes:
        kills: How many processes were killed, by where.
        plans: Approved plans, by how they ended.
        effects: Changes of budgets by the agent.
        edits: Changes by people.
        wrong: Breaches, by kind, with examples.
    """

    kills: Counter[str] = field(default_factory=Counter)
    plans: Counter[str] = field(default_factory=Counter)
    effects: int = 0
    edits: int = 0
    wrong: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, other: Tally) -> None:
        """Count another run's in."""
        self.kills += other.kills
        self.plans += other.plans
        self.effects += other.effects
        self.edits += other.edits
        for kind, found in other.wrong.items():
            self.wrong[kind] += found


KINDS = (
    "double effects", "lost approvals", "cap breaches", "drift overwritten", "effects without approval",
    "breaks of the history",
)  # fmt: skip


def quick_folder() -> Path | None:
    """A folder in memory, if there is one: what a killed process wrote the kernel holds, so no disk is waited for."""
    there = os.access(_SHARED, os.W_OK) and shutil.disk_usage(_SHARED).free >= _ROOM
    return _SHARED if there else None


class Campaign:
    """One portfolio, one platform, one agent after the other."""

    compares = True
    edits = 0.02
    brakes = 0.02
    faults = FAULTS
    names: Sequence[str] = NAMES
    timeout = worker.TIMEOUT

    def __init__(self, folder: Path, seed: int, url: str | None = None, clock: Clock | None = None) -> None:
        """Make the portfolio's folder and its store: an SQLite file in it, or the database at an address."""
        self.chance = random.Random(seed)
        self.server = Server(seed, compares=self.compares, faults=self.faults, names=self.names)
        self.folder = folder
        self.clock: Clock = clock or FastClock(time.time())
        self.tally = Tally()
        self.url = url or f"sqlite:///{folder}/.outlay/outlay.sqlite"
        self.report = folder / "killed"
        (folder / ".outlay").mkdir(parents=True)
        self.cap = START * len(self.names)
        (folder / "config.toml").write_text(worker.CONFIG.format(port=self.server.port, total=self.cap / 1e6))
        self.store = open_sql(self.url)

    def run(self, kills: int, seconds: float = math.inf) -> Tally:
        """Kill until there were so many or the time is up, let the last plan end, and judge."""
        until = time.monotonic() + seconds
        self._prepared()
        self._first()
        gc.collect()
        gc.freeze()  # what is there now is written by no child: fewer pages to copy
        while self.tally.kills.total() < kills and time.monotonic() < until:
            state = self._prepared()
            self._agent(self._point(state))
        for _ in range(20):
            if self._ended(self.store.records(limit=1)[0]):
                break
            self.store.close()
            self._agent(None)
        gc.unfreeze()
        self._judge()
        self.server.close()
        return self.tally

    def _first(self) -> None:
        """Have the first plan written in this process: what is read and compiled on the way is there for each child."""
        with (self.folder / "agent.log").open("a") as log, contextlib.redirect_stdout(log):
            worker.work(self.folder, self.clock, Trap("", 1, self.report), self.store)

    def _prepared(self) -> State:
        """See to it that an approved plan is there; now and then a person edits, or throws the switch."""
        store = self.store
        newest = store.records(limit=1)
        if not newest or self._ended(newest[0]):
            self._approve(store)
            newest = store.records(limit=1)
        if self.chance.random() < self.edits:
            body = {"budget": self.chance.choice(self.names), "factor": 0.9, "after": self.chance.random() * 0.1}
            self.server.ask("/edit", body)
        if self.chance.random() < self.brakes:
            for on in (True, False):
                store.throw_brake(Brake(on, self.clock.now(), "mia", "checkout is down"))
        store.close()  # no connection may cross a fork
        return newest[0].state

    def _ended(self, record: Record) -> bool:
        return record.state in ENDED

    def _approve(self, store: Store) -> None:
        """A marketer's new plan: the budgets as they are, some money shifted, the sum within the cap."""
        live: dict[str, int] = self.server.ask("/budgets")["budgets"]
        moves = self._moves(live)
        amounts = {name: (live[name] / 1e6, (live[name] + moves.get(name, 0)) / 1e6) for name in self.names}
        now = self.clock.now()
        plan = _of_shop(decision(amounts, envelope("total", self.names, ceiling=self.cap / 1e6)), now.date())
        step = approval.issue(plan, now=now, valid_for=timedelta(hours=24), seed=1, code_version="crash",
                              author="mia")  # fmt: skip
        store.commit([step])
        verdict = approval.Approve("ann", step.record.recommendation.plan_hash)
        judged = approval.judge(step.record, verdict, now, approval.Policy())
        assert not isinstance(judged, approval.Refusal), judged
        store.commit([judged])

    def _moves(self, live: dict[str, int]) -> dict[str, int]:
        """What is to change, in micros: one budget is cut, and two are raised, within the room that is left."""
        source, target, third = self.chance.sample(self.names, 3)
        cut = round(live[source] * self.chance.uniform(0.1, 0.5) / 10_000) * 10_000
        room = self.cap - sum(live.values())
        moves = {source: -cut, target: cut // 2, third: cut // 2 + min(room, cut)}
        return {name: min(move, live[name] * 9 // 10) // 10_000 * 10_000 for name, move in moves.items()}

    def _point(self, state: State) -> str:
        """The point that was hit least of those ahead, best one that comes soon: who lives long costs more.

        One time in ten it is any moment whatsoever.
        """
        if self.chance.random() < 0.1:
            return "any"
        ahead = _LATE.get(state, POINTS)
        least = min(self.tally.kills[point] for point in ahead)
        ahead = tuple(p for p in _SOON.get(state, ()) if self.tally.kills[p] <= least) or ahead
        return min(ahead, key=lambda point: (self.tally.kills[point], self.chance.random()))

    def _agent(self, point: str | None) -> None:
        """Run one agent, to be killed at a point, at any moment, or not at all."""
        self.report.unlink(missing_ok=True)
        nth = self.chance.choice((1, 1, 2)) if point in _WRITE else 1
        child = self.begun(Trap(point or "", nth, self.report))
        if point == "any":
            time.sleep(self.chance.random() ** 2 * 0.3)
            os.kill(child, signal.SIGKILL)
        self._note(child)

    def begun(self, trap: Trap) -> int:
        """Begin an agent in a process of its own and return its number."""
        child = os.fork()
        if child == 0:
            guarded(self.folder, lambda: worker.work(self.folder, self.clock, trap, self.store, timeout=self.timeout))
        return child

    def _note(self, child: int) -> None:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            self.tally.kills[self.report.read_text() if self.report.exists() else "any moment"] += 1
        elif os.WEXITSTATUS(status) != 0:
            raise AssertionError(f"the agent ended with {os.WEXITSTATUS(status)}; see {self.folder}/agent.log")

    def _judge(self) -> None:
        store = open_sql(self.url)
        records = store.records(limit=1_000_000)
        intents = {
            intent.idempotency_key: (record, intent)
            for record in records
            for intent in store.intents(record.recommendation.rec_id, record.recommendation.revision)
        }
        ledger = self.server.ask("/ledger")["ledger"]
        self.tally.plans.update(record.state.value for record in records)
        judge(self.tally, ledger, intents, self.cap)
        for record in records:
            if record.approvals and record.state not in ENDED:
                self.tally.wrong["lost approvals"].append(f"{record.recommendation.rec_id} is {record.state.value}")
        broken = prove(trail.entries(store)).broken
        if broken is not None:
            self.tally.wrong["breaks of the history"].append(broken.words)
        store.close()


class PlainCampaign(Campaign):
    """A platform that compares nothing, so that all care is the agent's; nobody edits, which it could not see."""

    compares = False
    edits = 0.0


class NaiveCampaign(Campaign):
    """The control: an agent that keeps no outbox, reads nothing back, and compares nothing. It must fail.

    It cuts first, sets absolute amounts and notes when a plan is done, as a careful script would.
    """

    compares = False
    edits = 0.3  # so many that a few dozen kills show it

    def _first(self) -> None:
        self._agent(None)

    def _agent(self, point: str | None) -> None:
        self.report.unlink(missing_ok=True)
        record = self.store.records(limit=1)[0]
        self.store.close()
        child = os.fork()
        if child == 0:
            at = self.chance.choice(("call:sent", "call:answered", "", "")) if point else ""
            trap = Trap(at, 2, self.report)
            guarded(self.folder, lambda: self._set_all(record, trap))
        self._note(child)

    def _set_all(self, record: Record, trap: Trap) -> None:
        connector = worker.LoopbackConnector(self.server.port, trap)
        done = self.folder / record.recommendation.rec_id
        if done.exists():
            return
        lines = sorted(approval.chosen(record), key=lambda line: line.proposed.micros - line.current.micros)
        for line in lines:
            key = f"{record.recommendation.rec_id}:{line.key.budget_id}"
            for _ in range(5):
                try:
                    connector.set_budget(BudgetChange(key, line.key, line.current, line.proposed))
                    break
                except ConnectorError:
                    time.sleep(0.01)
        done.touch()

    def _ended(self, record: Record) -> bool:
        return (self.folder / record.recommendation.rec_id).exists()

    def _judge(self) -> None:
        store = open_sql(self.url)
        intents = {}
        for record in store.records(limit=1_000_000):
            self.tally.plans["done" if self._ended(record) else "open"] += 1
            for line in approval.chosen(record):
                key = f"{record.recommendation.rec_id}:{line.key.budget_id}"
                intents[key] = (
                    record,
                    BudgetIntent(key, "", 1, line.key, line.current, line.proposed, 0, IntentState.PLANNED),
                )
        store.close()
        judge(self.tally, self.server.ask("/ledger")["ledger"], intents, self.cap)


def judge(tally: Tally, ledger: list[dict[str, Any]], intents: dict[str, tuple[Record, Intent]], cap: int) -> None:
    """Hold the platform's own account against what was approved."""
    seen: Counter[str] = Counter()
    for entry in ledger:
        if entry["key"] == "human":
            tally.edits += 1
            continue
        tally.effects += 1
        seen[entry["key"]] += 1
        words = json.dumps(entry)
        if entry["total"] > cap:
            tally.wrong["cap breaches"].append(words)
        record, intent = intents.get(entry["key"], (None, None))
        if record is None or intent is None or not record.approvals or intent.target.micros != entry["after"]:
            tally.wrong["effects without approval"].append(words)
        if intent is not None and intent.base.micros != entry["before"]:
            tally.wrong["drift overwritten"].append(words)
    for key, (_, intent) in intents.items():
        if intent.state in DONE and key not in seen:
            tally.wrong["lost approvals"].append(f"{key} is {intent.state.value}, but never took effect")
    tally.wrong["double effects"] += [key for key, count in seen.items() if count > 1]


def _of_shop(plan: Decision, as_of: date) -> Decision:
    """The same plan for the budgets of the loopback platform."""

    def key(old: BudgetKey) -> BudgetKey:
        return BudgetKey("shop", "1", old.budget_id)

    lines = tuple(replace(line, key=key(line.key)) for line in plan.lines)
    envelopes = tuple(replace(e, keys=tuple(map(key, e.keys))) for e in plan.envelopes)
    return replace(plan, lines=lines, envelopes=envelopes, time_zone="UTC", as_of=as_of)


def guarded(folder: Path, act: Callable[[], None]) -> None:
    """In the child: never return."""
    code = 1
    gc.disable()  # it lives too short to leave much behind
    try:
        sys.stdout = sys.stderr = log = (folder / "agent.log").open("a")
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        act()
        code = 0
    except BaseException as error:  # noqa: BLE001
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
