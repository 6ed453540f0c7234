"""Where plans are worked out: the same figures in any process, and no secret, connector or store in a worker."""

from __future__ import annotations

import os
import pickle
import signal
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.clock import SetClock
from optimizer.agent.deciding import Request, Surroundings, answer, asked
from optimizer.agent.workers import Workers, environment, one_by_one
from optimizer.ports import MapFailed
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

CANARY = "canary-7f3a9e"
_FILES = "[str(f.readlink()) for f in __import__('pathlib').Path('/proc/self/fd').iterdir() if f.is_symlink()]"
CONFIG = """
[portfolio]
currency = "JPY"
time_zone = "Asia/Tokyo"
history_days = 60
[guardrails]
min_gain_probability = 0.0
min_gain_share = 0.0
[notify]
urls = ["json://user:canary-7f3a9e@127.0.0.1:9/"]
[connectors.market]
kind = "simulated"
scenario = "tiny-yen"
seed = 4
start = 2025-09-01
history_days = 30
"""


@pytest.fixture(scope="module")
def workers():
    made = Workers(2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OUTLAY_STORE__PASSWORD", CANARY)
        patched.setenv("SHOP_API_TOKEN", CANARY)
        patched.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        list(made(os.path.basename, ["a/b", "a/c"]))  # both begin under the secrets
    yield made
    made.close()


@pytest.fixture(scope="module")
def request_of_a_portfolio(tmp_path_factory) -> Request:
    folder = tmp_path_factory.mktemp("portfolio")
    (folder / "config.toml").write_text(CONFIG)
    market = SimulatedConnector(named("tiny-yen", history_days=30), seed=4, start=date(2025, 9, 1))
    clock = SetClock(market.now + timedelta(minutes=5))
    with open_house(folder / "config.toml", clock) as house:
        cycle.pull(house, house.today())
        seen = cycle.snapshot(house, house.today())
        return Request(seen, house.goals, house.guards, Surroundings(), clock.now(), seed=11)


def _environment(_job: str) -> list[str]:
    return [Path(f"/proc/{os.getpid()}/environ").read_text(), repr(dict(os.environ))]


def _pid(_job: object) -> int:
    return os.getpid()


def _slow(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def _ends(_job: object) -> None:
    os._exit(9)


def _fails(job: str) -> None:
    raise ValueError(f"{job} cannot be")


class Trap:
    """A value that would run something where it is read back."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def _trap(_job: object) -> Trap:
    return Trap()


def test_a_plan_is_the_same_to_the_byte_wherever_it_is_worked_out(workers, request_of_a_portfolio) -> None:
    here = answer(request_of_a_portfolio)
    assert dict(workers(answer, [request_of_a_portfolio] * 2)) == {0: here, 1: here}
    assert asked(workers, request_of_a_portfolio) == asked(one_by_one, request_of_a_portfolio)
    assert any(line.changes for line in asked(workers, request_of_a_portfolio).lines)


def test_no_secret_goes_to_a_worker_in_its_environment_or_with_its_job(workers, request_of_a_portfolio) -> None:
    found = "".join(text for _, texts in workers(_environment, ["a", "b"]) for text in texts)
    assert "PYTHONPATH" in found
    assert CANARY not in found
    assert CANARY.encode() not in pickle.dumps((answer, request_of_a_portfolio))


def test_a_worker_has_no_connector_no_store_and_no_open_file(request_of_a_portfolio) -> None:
    """It is asked in words, since this module would bring them along."""
    workers = Workers(1)
    try:
        list(workers(answer, [request_of_a_portfolio]))
        ((_, loaded),) = workers(eval, ["sorted(__import__('sys').modules)"])
        ((_, files),) = workers(eval, [_FILES])
    finally:
        workers.close()
    assert "optimizer.decide.decision" in loaded
    unwanted = ("sqlalchemy", "sqlite3", "psycopg", "connectors.registry", "connectors.files", "optimizer.agent.store")
    unwanted = (*unwanted, "optimizer.agent.bootstrap", "optimizer.agent.settings", "apprise", "simulations.platform")
    assert not [name for name in loaded if name.startswith(unwanted)]
    assert not [name for name in files if "sqlite" in name or name.startswith("socket:")]


def test_jobs_go_to_several_processes(workers) -> None:
    pids = {pid for _, pid in workers(_slow, [0.2] * 4)}
    assert len(pids) == 2
    assert pids == set(workers.processes())
    assert os.getpid() not in pids


def test_a_job_that_raises_is_told_and_its_process_serves_on(workers) -> None:
    before = workers.processes()
    with pytest.raises(MapFailed, match="ValueError: this cannot be"):
        list(workers(_fails, ["this"]))
    assert workers.processes() == before
    assert dict(workers(_pid, [None]))[0] in before


def test_a_process_that_is_lost_or_takes_too_long_is_replaced() -> None:
    workers = Workers(1, deadline_seconds=30.0)
    try:
        with pytest.raises(MapFailed, match="a worker was ended"):
            list(workers(_ends, [None]))
        assert workers.processes() == ()
        assert len(dict(workers(_pid, [None]))) == 1
        workers._deadline = 0.2
        with pytest.raises(MapFailed, match=r"more than 0\.2 s"):
            list(workers(_slow, [60.0]))
        workers._deadline = 30.0
        assert len(dict(workers(_pid, [None]))) == 1
    finally:
        workers.close()
    assert workers.processes() == ()


def test_a_process_that_ended_while_it_had_nothing_to_do_is_replaced_before_it_is_asked() -> None:
    workers = Workers(1)
    try:
        ((_, before),) = workers(_pid, [None])
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
        ((_, after),) = workers(_pid, [None])
        assert after != before
        assert workers.processes() == (after,)
    finally:
        workers.close()


def test_half_an_answer_is_not_taken_for_that_to_the_next_job(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(1)
    try:
        ((_, before),) = workers(_pid, [None])
        with monkeypatch.context() as broken:
            broken.setattr("optimizer.agent.workers.receive", _interrupted)
            with pytest.raises(MemoryError):
                list(workers(_pid, [None]))
        assert workers.processes() == ()
        ((_, after),) = workers(_pid, [None])
        assert after != before
    finally:
        workers.close()


def test_a_job_that_cannot_be_sent_costs_no_process(workers) -> None:
    before = workers.processes()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        list(workers(lambda _job: None, [None]))
    assert workers.processes() == before


def test_a_deadline_that_passes_just_after_the_answer_ends_nobody() -> None:
    workers = Workers(1)
    try:
        ((_, before),) = workers(_pid, [None])
        (worker,) = workers._begun
        worker._late(worker._question - 1)  # the timer of the job that was just answered
        assert dict(workers(_pid, [None])) == {0: before}
    finally:
        workers.close()


def _interrupted(_pipe: object) -> None:
    raise MemoryError


def test_nothing_that_a_worker_answers_can_run_in_the_agent(workers) -> None:
    with pytest.raises(MapFailed, match=r"posix\.system"):
        list(workers(_trap, [None]))


def test_the_environment_is_a_list_of_what_is_kept() -> None:
    kept = environment({"PATH": "/bin", "TZ": "UTC", "OUTLAY_SECRETS_DIR": "/run/secrets", "TOKEN": CANARY})
    assert kept["PATH"] == "/bin"
    assert kept["TZ"] == "UTC"
    assert kept["OMP_NUM_THREADS"] == "1"
    assert set(kept) == {"PATH", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH"}


def test_there_is_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="1 worker or more"):
        Workers(0)


def test_one_by_one_does_them_here_and_in_order() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert list(one_by_one(str, [now, 2])) == [(0, str(now)), (1, "2")]
    assert list(one_by_one(_pid, [None])) == [(0, os.getpid())]
