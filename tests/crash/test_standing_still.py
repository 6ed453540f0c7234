"""Real processes that are stopped for longer than their lease, or asked to end, in the midst of a write over HTTP."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from optimizer.agent.clock import SystemClock
from optimizer.agent.daemon import serve
from optimizer.plan.audit import prove
from optimizer.plan.record import IntentState, State
from optimizer.ports import Clock
from tests.crash import worker
from tests.crash.campaign import Campaign, guarded
from tests.crash.loopback import NO_FAULTS, Faults
from tests.crash.worker import Trap

NOWHERE = ""
PATIENCE = 120.0  # after so long something hangs; a machine may be busy with other tests


class Quiet(Campaign):
    """Nobody else touches anything, and the platform does as it is told."""

    edits = brakes = 0.0
    faults = NO_FAULTS
    timeout = PATIENCE  # a busy machine must not look like a platform that loses answers


class Slow(Quiet):
    """Each call takes longer than it takes to be asked to end."""

    faults = Faults(0.0, 0.0, 0.0, 0.0, slow=1.0, repeated=0.0, slow_seconds=0.5)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else request.getfixturevalue("postgres")


def prepared(kind: type[Campaign], folder: Path, url: str | None, clock: Clock | None = None) -> Campaign:
    """A portfolio with an approved plan of which nothing is written."""
    shop = kind(folder / "shop", 3, url, clock)
    shop._prepared()
    return shop


def ended(child: int) -> int:
    """Wait for a process, which is killed if it does not end at all; return its exit code."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError(f"it did not end within {PATIENCE:.0f} s")


def until(there: Callable[[], bool]) -> None:
    """Wait for something that comes at once, unless something hangs."""
    late = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < late, f"it did not come within {PATIENCE:.0f} s"
        time.sleep(0.02)


@pytest.mark.parametrize("point", ["planned-sending:after", "call:before"])
def test_a_leader_that_stood_still_for_longer_than_its_lease_changes_nothing_when_it_wakes(
    point: str, url: str | None, tmp_path: Path
) -> None:
    shop = prepared(Quiet, tmp_path, url)
    still = shop.begun(Trap(point, 1, shop.report, signal.SIGSTOP))
    assert os.WIFSTOPPED(os.waitpid(still, os.WUNTRACED)[1])
    assert shop.server.ask("/calls")["calls"] == []
    other = shop.begun(Trap(NOWHERE, 1, shop.report))
    assert ended(other) == 0
    written = shop.server.ask("/ledger")["ledger"]
    name = shop.store.records(limit=1)[0].recommendation.rec_id
    assert shop.store.record(name).state is State.VERIFIED
    shop.server.ask("/edit", {"budget": written[0]["budget"], "factor": 0.5})  # which a late write would undo
    until(lambda: len(shop.server.ask("/ledger")["ledger"]) > len(written))
    stands = shop.server.ask("/ledger")["ledger"]
    calls = shop.server.ask("/calls")["calls"]
    shop.store.close()

    os.kill(still, signal.SIGCONT)
    assert ended(still) == 0
    late = 1 if point == "call:before" else 0  # the last look before the wire would find another leader
    until(lambda: len(shop.server.ask("/calls")["calls"]) >= len(calls) + late)
    now = shop.server.ask("/calls")["calls"]
    assert now[len(calls) :] == [still] * late
    assert shop.server.ask("/ledger")["ledger"] == stands, "a call that was past that look is refused by the platform"
    assert shop.store.record(name).state is State.VERIFIED
    lead = [(e.revision, e.actor, e.action) for e in shop.store.events("lead")]
    first, second = f"process {still}", f"process {other}"
    assert lead == [
        (1, first, "lead-taken"), (1, first, "lead-lost"), (2, second, "lead-taken"), (2, second, "lead-released"),
    ]  # fmt: skip
    assert prove(shop.store.audit(limit=1_000)).broken is None
    assert "stepped down" in (shop.folder / "agent.log").read_text()
    shop.store.close()
    shop.server.close()


def test_a_service_that_is_asked_to_end_finishes_the_write_in_hand_and_gives_up_the_lead(
    url: str | None, tmp_path: Path
) -> None:
    shop = prepared(Slow, tmp_path, url, SystemClock())

    def run() -> None:
        with worker.wired(shop.store, Trap(NOWHERE, 1, shop.report), PATIENCE):
            serve([shop.folder / "config.toml"])

    service = os.fork()
    if service == 0:
        guarded(shop.folder, run)

    def called() -> bool:
        assert os.waitpid(service, os.WNOHANG) == (0, 0), (shop.folder / "agent.log").read_text()
        return bool(shop.server.ask("/calls")["calls"])

    until(called)
    os.kill(service, signal.SIGTERM)
    assert ended(service) == 0
    ledger, record = shop.server.ask("/ledger")["ledger"], shop.store.records(limit=1)[0]
    intents = shop.store.intents(record.recommendation.rec_id, record.recommendation.revision)
    assert record.state is State.APPLYING
    assert [intent.state for intent in intents] == [IntentState.ACKNOWLEDGED] + [IntentState.PLANNED] * (
        len(intents) - 1
    )
    assert [entry["key"] for entry in ledger] == [intents[0].idempotency_key], "no write was begun after it"
    now = shop.clock.now()
    lease = shop.store.leader()
    assert lease is not None
    assert lease.until <= now
    assert shop.store.take_lead("the next", now, now + timedelta(minutes=1)) is not None
    assert [event.action for event in shop.store.events("lead")][:2] == ["lead-taken", "lead-released"]
    shop.store.close()
    shop.server.close()
