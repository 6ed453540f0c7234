"""Let two processes do the same at once, again and again: each race has exactly one winner; print who won.

    python benchmarks/races.py            1,000 races of each kind in each store
    python benchmarks/races.py --quick    30 of each

Approvers: two people settle one proposal from the same reading of it, each in a process with connections of its own:
two approve, or one rejects, or both give a first approval where two people must. Leaders: two processes take the lead
at once, after the last leader left, let its lease end (and is fenced off when it wakes), or died. The stores are an
SQLite file and a PostgreSQL server (that of OUTLAY_TEST_POSTGRES, or one that is started; if there is none, that is
said). The control takes the guard away, in both processes alike, and must see races that both win.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._bars import Bar, above, ended, none
from connectors.money import Money
from optimizer import approval
from optimizer.agent import trail
from optimizer.agent.store import ledger, open_sql, terms
from optimizer.agent.store.sql import SqlStore
from optimizer.plan.audit import prove
from optimizer.plan.office import Lease
from optimizer.plan.record import State
from optimizer.ports import Fenced, StateConflict
from tests.crash.campaign import quick_folder
from tests.optimizer.approval_world import decision
from tests.postgres_server import new_database, server_if_any

RACERS = ("ann", "ben")
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
MINUTE, SECONDS = timedelta(minutes=1), timedelta(seconds=1)
PATIENCE = 120.0
FOUR_EYES = approval.Policy(second_approver_above=Money.of(1, "USD"))
_FORK = get_context("fork")

Racer = Callable[[SqlStore, str, int, Barrier], list[int]]
"""Given a store of its own, a name, how many races and the gate: returns the races that it won."""


@dataclass(frozen=True, slots=True)
class Raced:
    """What came of the races of one kind.

    Attributes:
        races: How many there were.
        winners: How many each racer won.
        none, both: Races that nobody won, or both.
        untold: Races of which the store tells another winner, or more than one; and breaks of the history.
    """

    races: int
    winners: dict[str, int]
    none: int
    both: int
    untold: int

    @property
    def wrong(self) -> int:
        """Races without exactly one winner that the store tells of."""
        return self.none + self.both + self.untold


def approve(store: SqlStore, name: str, races: int, gate: Barrier) -> list[int]:
    """Settle each proposal as it stood before the race began."""
    won = []
    for race, record in enumerate(sorted(store.records(limit=races), key=lambda r: r.recommendation.seed)):
        verdict: approval.Verdict = approval.Approve(name, record.recommendation.plan_hash)
        if race % 3 == 1 and name == RACERS[1]:
            verdict = approval.Reject(name, "another plan is better")
        policy = FOUR_EYES if race % 3 == 2 else approval.Policy()
        step = approval.judge(record, verdict, NOON, policy)
        assert not isinstance(step, approval.Refusal), step
        gate.wait(PATIENCE)
        try:
            store.commit([step])
        except StateConflict:
            continue
        won.append(race)
    return won


def lead(store: SqlStore, name: str, races: int, gate: Barrier) -> list[int]:
    """Take the lead as often as it is free; end it in one of three ways."""
    won: list[int] = []
    held: Lease | None = None
    for race in range(races):
        now = NOON + race * MINUTE
        dies = race % 3 == 2
        gate.wait(PATIENCE)
        lease = store.take_lead(name, now, now + (90 if dies else 30) * SECONDS)
        gate.wait(PATIENCE)
        if lease is None:
            _wakes_up_fenced(store, held, now)
            held = None
        gate.wait(PATIENCE)
        if lease is None:
            continue
        won.append(race)
        held = lease
        if race % 3 == 0:
            store.leave_lead(lease, now)
            held = None
        elif dies:
            with suppress(Fenced):  # as the control is
                store.renew_lead(lease, lease.until)  # takes the lock, where another had it yet
            store.close()  # which is free then, as if its process had gone; its lease has not ended
            held = None
    return won


def _wakes_up_fenced(store: SqlStore, held: Lease | None, now: datetime) -> None:
    """Whoever led before, and let its lease end, can neither send nor renew."""
    if held is None:
        return
    for late in (lambda: store.may_send(held.epoch), lambda: store.renew_lead(held, now + MINUTE)):
        try:
            late()
        except Fenced:
            continue
        raise AssertionError(f"epoch {held.epoch} was overtaken and is not fenced off")


def race(url: str, racer: Racer, races: int) -> list[list[int]]:
    """Run the racers in processes of their own; return which races each won."""
    gate, pipes = _FORK.Barrier(len(RACERS)), []
    for name in RACERS:
        here, there = _FORK.Pipe(duplex=False)
        child = _FORK.Process(target=_run, args=(url, racer, name, races, gate, there))
        child.start()
        there.close()
        pipes.append((child, here))
    won = [here.recv() for _, here in pipes]
    for child, _ in pipes:
        child.join()
    return won


def _run(url: str, racer: Racer, name: str, races: int, gate: Barrier, there: Connection) -> None:
    store = open_sql(url)
    there.send(racer(store, name, races, gate))
    store.close()


def of_approvers(url: str, races: int) -> Raced:
    """Race for approvals; the store must tell of each race what its winner did, and of nobody else."""
    store = open_sql(url)
    moves = decision({"a": (100.0, 90.0), "b": (50.0, 60.0)})
    moves = replace(moves, as_of=NOON.date(), time_zone="UTC")
    store.commit([
        approval.issue(moves, now=NOON, valid_for=timedelta(days=1), seed=n, code_version="race") for n in range(races)
    ])  # fmt: skip
    store.close()
    won = race(url, approve, races)
    untold = 0
    for record in store.records(limit=races):
        number = record.recommendation.seed
        told = [event.actor for event in store.events(record.recommendation.rec_id)][1:]
        winners = [name for name, mine in zip(RACERS, won, strict=True) if number in mine]
        approvals = () if record.state is State.REJECTED else tuple(winners)
        untold += told != winners or record.approvals != approvals
    return _counted(races, won, untold + _broken(store))


def of_leaders(url: str, races: int) -> Raced:
    """Race for the lead; the history must tell of each race who took it, each in an epoch of its own."""
    store = open_sql(url)
    store.close()
    won = race(url, lead, races)
    told = [event for event in store.events(terms.LEAD) if event.action == "lead-taken"]
    taken = [(event.actor, event.revision) for event in told]
    winner = {number: name for name, mine in zip(RACERS, won, strict=True) for number in mine}
    expected = [(name, number + 1) for number, name in sorted(winner.items())]
    return _counted(
        races,
        won,
        abs(len(taken) - races) + sum(a != b for a, b in zip(taken, expected, strict=False)) + _broken(store),
    )


def _broken(store: SqlStore) -> int:
    broken = prove(trail.entries(store)).broken is not None
    store.close()
    return int(broken)


def _counted(races: int, won: list[list[int]], untold: int) -> Raced:
    counts = Counter(number for mine in won for number in mine)
    both = sum(count > 1 for count in counts.values())
    return Raced(races, dict(zip(RACERS, map(len, won), strict=True)), races - len(counts), both, untold)


def _anybody_leads(newest: Lease | None, holder: str, _now: datetime, until: datetime, *, gone: bool) -> Lease:
    return Lease(1 if newest is None else newest.epoch + 1, holder, until)


@contextmanager
def unguarded() -> Iterator[None]:
    """The control: whoever asks leads, and a step is written whatever stands."""
    with ExitStack() as held:
        held.enter_context(mock.patch.object(terms, "next_lease", _anybody_leads))
        held.enter_context(mock.patch.object(ledger, "check_step"))
        yield


@contextmanager
def places(address: str | None) -> Iterator[dict[str, Callable[[str], str]]]:
    """Yield what makes the address of a new store, by kind."""
    with ExitStack() as held:
        folder = held.enter_context(tempfile.TemporaryDirectory(dir=quick_folder()))
        made: dict[str, Callable[[str], str]] = {"SQLite": lambda name: f"sqlite:///{folder}/{name}.sqlite"}
        if address is not None:
            made["PostgreSQL"] = lambda name: held.enter_context(new_database(address, name))
        yield made


def main() -> int:
    """Race, print, and return 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    races = 30 if parser.parse_args().quick else 1_000
    bars: list[Bar] = []
    print(f"{'':28s}{'races':>8s}{'won by':>8s}{'and by':>8s}{'none':>8s}{'both':>8s}{'untold':>8s}{'seconds':>9s}")
    with server_if_any() as address, places(address) as made:
        if address is None:
            print("no PostgreSQL server here: SQLite alone")
        for kind, new in made.items():
            for who, run in (("approvers", of_approvers), ("leaders", of_leaders)):
                found = _row(f"{who}, {kind}", lambda: run(new(who), races))  # noqa: B023 - called at once
                bars.append(none(f"races of {who} without one winner, {kind}", found.wrong))
            with unguarded():
                for who, run in (("approvers", of_approvers), ("leaders", of_leaders)):
                    found = _row(f"{who}, {kind}, no guard", lambda: run(new(f"bare_{who}"), 30))  # noqa: B023
                    bars.append(above(f"races of {who} that both won without a guard, {kind}", found.both, 0))
    return ended(bars)


def _row(name: str, run: Callable[[], Raced]) -> Raced:
    began = time.perf_counter()
    found = run()
    numbers = (found.races, *found.winners.values(), found.none, found.both, found.untold)
    print(f"{name:28s}" + "".join(f"{number:8,d}" for number in numbers) + f"{time.perf_counter() - began:9.1f}")
    return found


if __name__ == "__main__":
    sys.exit(main())
