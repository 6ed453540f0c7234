"""Calls past the breakers: what fails again and again is called no more for a while, and nothing else is held up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from connectors.contract import BudgetChange, PerformanceRow
from connectors.errors import AskMarketer, ConnectorError, Drifted, OutcomeUnknown, RetryLater, Stop
from optimizer.agent import cycle, trail, writing
from optimizer.agent.breaker import Breakers, Guarded, Resting
from optimizer.agent.cli.office import office_data, office_words
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import Refused
from optimizer.agent.daemon.health import Figures
from optimizer.agent.store import MemoryStore, open_sql
from optimizer.approval import Code
from optimizer.plan.circuit import Circuit, Fuse
from optimizer.plan.record import IntentState, State
from optimizer.ports import StateConflict, Store, StoreError
from simulations.platform.connector import SimulatedConnector
from simulations.platform.faults import Wrapper, always
from simulations.scenarios import named
from tests.optimizer.test_cycle import Rig, rig
from tests.optimizer.test_daemon_desk import Office

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FUSE = Fuse(3, 5 * MINUTE, 20 * MINUTE)


class Ailing(Wrapper):
    """A platform that raises what it is told to, and counts how often it was called."""

    def __init__(self, inner: object) -> None:
        super().__init__(inner, always)
        self.error: ConnectorError | None = None
        self.calls = 0
        self.reports: ConnectorError | None = None

    def _on_call(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        if self.reports is not None:
            self.calls += 1
            raise self.reports
        return super().pull(since, until)


@dataclass
class Ward:
    """One connector past the breakers of a store."""

    store: Store = field(default_factory=MemoryStore)
    clock: SetClock = field(default_factory=lambda: SetClock(NOON))

    def __post_init__(self) -> None:
        market = SimulatedConnector(named("tiny-yen", history_days=3), seed=4, start=date(2025, 9, 1), name="shop")
        self.platform = Ailing(market)
        self.guarded = Guarded(self.platform, Breakers(self.store, self.clock, FUSE))
        self.change = BudgetChange("k", market.budgets()[0].key, market.budgets()[0].amount, market.budgets()[0].amount)

    def fails(self, call: Callable[[], object], times: int, error: ConnectorError) -> None:
        self.platform.error = error
        for _ in range(times):
            with pytest.raises(type(error)):
                call()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = open_sql(f"sqlite:///{tmp_path / 'outlay.sqlite'}")
    else:
        opened = open_sql(request.getfixturevalue("postgres"))
    yield opened
    opened.close()


def test_a_store_keeps_where_each_breaker_stands_and_tells_that_it_opened_and_closed(store: Store) -> None:
    assert store.circuits() == ()
    closed, counting = Circuit("shop/1"), Circuit("shop/1", 2, None, timedelta(0), "503")
    opened = Circuit("shop/1", 3, NOON + MINUTE, MINUTE, "503")
    store.keep_circuit(closed, counting, NOON)
    store.keep_circuit(counting, opened, NOON)
    store.keep_circuit(Circuit("ads"), Circuit("ads", 1), NOON)
    assert store.circuits() == (Circuit("ads", 1), opened)
    with pytest.raises(StateConflict, match="told of shop/1 meanwhile"):
        store.keep_circuit(counting, closed, NOON)
    store.keep_circuit(opened, closed, NOON + MINUTE)
    told = [(entry.event.rec_id, entry.event.action) for entry in store.audit()]
    assert told == [("circuit-breaker", "opened"), ("circuit-breaker", "closed")]
    assert "shop/1 failed 3 times in a row" in store.audit()[0].event.detail
    assert tuple(trail.contradictions(store)) == ()


@pytest.mark.parametrize("error", [RetryLater("busy"), OutcomeUnknown("no answer"), Stop("suspended")])
def test_after_so_many_failures_in_a_row_no_call_is_made_until_the_probe(error: ConnectorError) -> None:
    it = Ward()
    it.fails(it.guarded.budgets, 3, error)
    calls = it.platform.calls
    it.platform.error = None
    with pytest.raises(Resting, match="shop failed 3 times in a row and is not called before 12:05:00 UTC") as resting:
        it.guarded.budgets()
    assert (it.platform.calls, resting.value.retry_after_seconds) == (calls, 300)
    it.clock.sleep(300)
    assert it.guarded.budgets()
    assert it.store.circuits() == (Circuit("shop"),)


def test_a_probe_that_fails_doubles_the_wait() -> None:
    it = Ward()
    it.fails(it.guarded.budgets, 3, RetryLater("busy"))
    waits = []
    for _ in range(4):
        (circuit,) = it.store.circuits()
        waits.append(circuit.wait)
        it.clock.at = circuit.until
        it.fails(it.guarded.budgets, 1, RetryLater("busy"))
        calls = it.platform.calls
        with pytest.raises(Resting):
            it.guarded.ads()
        assert it.platform.calls == calls
    assert waits == [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 20 * MINUTE]


@pytest.mark.parametrize("error", [AskMarketer("x", mend="y"), Drifted("x", expected_micros=1, live_micros=2)])
def test_what_a_person_must_mend_or_has_done_is_no_failure(error: ConnectorError) -> None:
    it = Ward()
    it.fails(lambda: it.guarded.set_budget(it.change), 9, error)
    assert it.guarded._breakers.resting(it.change.key) is None


def test_a_writing_account_rests_alone() -> None:
    it = Ward()
    it.fails(lambda: it.guarded.set_budget(it.change), 3, Stop("suspended"))
    it.platform.error = None
    with pytest.raises(Resting):
        it.guarded.check_budget(it.change)
    assert it.guarded.budgets()
    other = replace(it.change.key, account_id="another")
    assert it.guarded._breakers.resting(other) is None
    assert it.guarded._breakers.resting(it.change.key).subject == f"shop/{it.change.key.account_id}"


def test_a_reading_that_breaks_in_its_midst_is_a_failure_and_one_that_ends_is_none() -> None:
    it = Ward()
    days = (date(2025, 9, 1), date(2025, 9, 3))
    it.fails(lambda: list(it.guarded.pull(*days)), 2, RetryLater("busy"))
    it.platform.error = None
    assert list(it.guarded.pull(*days))
    assert it.store.circuits() == (Circuit("shop"),)
    assert list(it.guarded.changes(NOON)) == []


def test_a_platform_that_tells_of_its_accounts_and_fails_at_its_reports_is_called_no_more() -> None:
    it = Ward()
    it.platform.reports = RetryLater("busy")
    days = (date(2025, 9, 1), date(2025, 9, 3))

    def read() -> None:
        it.guarded.accounts()
        list(it.guarded.pull(*days))

    for _ in range(3):
        with pytest.raises(RetryLater, match="busy"):
            read()
    assert it.platform.calls == 6
    with pytest.raises(Resting, match="pull: busy"):
        it.guarded.accounts()
    it.clock.sleep(300)
    with pytest.raises(RetryLater, match=r"^busy"):
        read()
    (circuit,) = it.store.circuits()
    assert (circuit.failures, circuit.wait) == (4, 10 * MINUTE)
    it.clock.sleep(600)
    it.platform.reports = None
    read()
    assert it.store.circuits() == (Circuit("shop"),)


def test_an_open_breaker_outlives_the_process() -> None:
    it = Ward()
    it.fails(it.guarded.budgets, 3, RetryLater("busy"))
    again = Ward(it.store, it.clock)
    with pytest.raises(Resting):
        again.guarded.budgets()
    assert again.platform.calls == 0


def test_what_another_process_has_told_counts_from_the_next_word_on() -> None:
    one = Ward()
    two = Ward(one.store, one.clock)
    one.fails(one.guarded.budgets, 3, RetryLater("busy"))
    two.fails(two.guarded.budgets, 1, RetryLater("busy"))
    with pytest.raises(Resting):
        two.guarded.budgets()
    assert two.platform.calls == 1


class Full(MemoryStore):
    """A store that can keep nothing."""

    def keep_circuit(self, before: Circuit, after: Circuit, now: datetime) -> None:
        raise StoreError(f"the disk is full: {before}, {after}, {now}")


def test_where_the_store_keeps_nothing_the_process_remembers(caplog: pytest.LogCaptureFixture) -> None:
    it = Ward(Full())
    it.fails(it.guarded.budgets, 3, RetryLater("busy"))
    with pytest.raises(Resting):
        it.guarded.budgets()
    assert "the breaker of shop is not kept" in caplog.text


def guarded(it: Rig) -> tuple[Rig, Ailing]:
    """The rig with its connector past breakers."""
    platform = Ailing(it.platform)
    breakers = Breakers(it.house.store, it.house.clock, FUSE)
    house = replace(it.house, connectors={"simulated": Guarded(platform, breakers)}, breakers=breakers)
    return Rig(house, it.platform, it.told), platform


def test_no_time_is_spent_on_an_account_that_rests() -> None:
    it, platform = guarded(rig())
    platform.error = RetryLater("busy", retry_after_seconds=1)
    with pytest.raises(RetryLater):
        cycle.live_budgets(it.house)
    calls, began = platform.calls, it.house.clock.now()
    with pytest.raises(Resting):
        cycle.live_budgets(it.house)
    assert (platform.calls, it.house.clock.now()) == (calls, began)


def test_a_write_waits_without_an_attempt_while_its_account_rests() -> None:
    it, platform = guarded(rig())
    name = it.approved().recommendation.rec_id
    change = next(line for line in it.house.store.record(name).recommendation.decision.lines if line.changes)
    for _ in range(3):
        it.house.breakers.tell(f"simulated/{change.key.account_id}", "set_budget", Stop("suspended"))
    with pytest.raises(Refused) as refused:
        writing.apply(it.house, name)
    assert refused.value.refusal.code is Code.RESTING
    assert it.house.store.record(name).state is State.APPLYING
    assert {(i.state, i.attempts) for i in it.house.store.intents(name, 1)} == {(IntentState.PLANNED, 0)}
    assert it.platform.effects == []
    it.house.clock.sleep(300)
    assert writing.apply(it.house, name).state is State.APPLIED
    assert platform.calls > 0


def test_an_open_breaker_is_told_in_status_metrics_and_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    office = Office(tmp_path / "shop")
    office.config.write_text(office.config.read_text().replace("[daemon]", "[daemon]\nbreaker_failures = 4"))

    def throttled(*_words: object) -> None:
        raise RetryLater("too many requests", retry_after_seconds=1)

    with monkeypatch.context() as broken:
        broken.setattr(SimulatedConnector, "pull", throttled)
        office.look()
    (circuit,) = office.desk.seen.circuits
    assert (circuit.subject, circuit.failures) == ("market", 4)
    assert "not called before" in office.desk.seen.runs["pull"].words
    registry = CollectorRegistry()
    registry.register(Figures([office.desk], office.clock.now))
    assert b'outlay_circuit_open{account="market",portfolio="main"} 1.0' in generate_latest(registry)
    store = office.desk._house.store
    words = "\n".join(office_words(store, office.clock.now()))
    assert "market is NOT CALLED before" in words
    assert office_data(store)["circuits"][0]["failures"] == 4
    assert [event.action for event in store.events("circuit-breaker")] == ["opened"]
    office.clock.sleep(16 * 60)
    office.look()
    assert office.desk.seen.circuits == ()
    assert [event.action for event in store.events("circuit-breaker")] == ["opened", "closed"]
    office.desk.leave()
    shutil.rmtree(tmp_path / "shop")
