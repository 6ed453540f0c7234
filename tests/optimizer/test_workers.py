"""Where plans are worked out: the same figures in any process, and no secret, connector or store in a worker."""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from optimizer.agent import cycle
from optimizer.agent.bootstrap import open_house
from optimizer.agent.clock import SetClock
from optimizer.agent.deciding import Request, Surroundings, answer, asked
from optimizer.agent.workers import Workers, environment, here
from optimizer.ports import CallLost, CallRaised
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


def in_threads(call, do, jobs: list) -> list:
    """Each job by a thread of its own, as portfolios have it done."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(partial(call, do), jobs))


@pytest.fixture(scope="module")
def workers():
    made = Workers(2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OUTLAY_STORE__PASSWORD", CANARY)
        patched.setenv("SHOP_API_TOKEN", CANARY)
        patched.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        assert in_threads(made, os.path.basename, ["a/b", "a/c"]) == ["b", "c"]  # both begin under the secrets
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
    plan = answer(request_of_a_portfolio)
    assert in_threads(workers, answer, [request_of_a_portfolio] * 2) == [plan, plan]
    assert asked(workers, request_of_a_portfolio) == asked(here, request_of_a_portfolio)
    assert any(line.changes for line in asked(workers, request_of_a_portfolio).lines)


def test_no_secret_goes_to_a_worker_in_its_environment_or_with_its_job(workers, request_of_a_portfolio) -> None:
    found = "".join(text for texts in in_threads(workers, _environment, ["a", "b"]) for text in texts)
    assert "PYTHONPATH" in found
    assert CANARY not in found
    assert CANARY.encode() not in pickle.dumps((answer, request_of_a_portfolio))


def test_a_worker_has_no_connector_no_store_and_no_open_file(request_of_a_portfolio) -> None:
    """It is asked in words, since this module would bring them along."""
    workers = Workers(1)
    try:
        workers(answer, request_of_a_portfolio)
        loaded = workers(eval, "sorted(__import__('sys').modules)")
        files = workers(eval, _FILES)
    finally:
        workers.close()
    assert "optimizer.decide.decision" in loaded
    unwanted = ("sqlalchemy", "sqlite3", "psycopg", "connectors.registry", "connectors.files", "optimizer.agent.store")
    unwanted = (*unwanted, "optimizer.agent.bootstrap", "optimizer.agent.settings", "apprise", "simulations.platform")
    assert not [name for name in loaded if name.startswith(unwanted)]
    assert not [name for name in files if "sqlite" in name or name.startswith("socket:")]


def test_jobs_go_to_several_processes(workers) -> None:
    pids = set(in_threads(workers, _slow, [0.2] * 4))
    assert len(pids) == 2
    assert pids == set(workers.processes())
    assert os.getpid() not in pids


def test_a_job_that_raises_is_told_and_its_process_serves_on(workers) -> None:
    before = workers.processes()
    told = []
    for call in (workers, here):
        with pytest.raises(CallRaised, match="ValueError: this cannot be") as raised:
            call(_fails, "this")
        told.append(str(raised.value))
        assert "in _fails" in "".join(traceback.format_exception(raised.value))
    assert told[0] == told[1]
    assert workers.processes() == before
    assert workers(_pid, None) in before


def test_a_process_that_is_lost_or_takes_too_long_is_replaced() -> None:
    workers = Workers(1, deadline_seconds=30.0)
    try:
        with pytest.raises(CallLost, match="a worker was ended"):
            workers(_ends, None)
        assert workers.processes() == ()
        assert workers(_pid, None) in workers.processes()
        workers._deadline = 0.2
        with pytest.raises(CallLost, match=r"more than 0\.2 s"):
            workers(_slow, 60.0)
        workers._deadline = 30.0
        assert workers(_pid, None) in workers.processes()
    finally:
        workers.close()
    assert workers.processes() == ()


def test_a_process_that_ended_while_it_had_nothing_to_do_is_replaced_before_it_is_asked() -> None:
    workers = Workers(1)
    try:
        before = workers(_pid, None)
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
        after = workers(_pid, None)
        assert after != before
        assert workers.processes() == (after,)
    finally:
        workers.close()


def test_half_an_answer_is_not_taken_for_that_to_the_next_job(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(1)
    try:
        before = workers(_pid, None)
        with monkeypatch.context() as broken:
            broken.setattr(Connection, "recv_bytes", _interrupted)
            with pytest.raises(MemoryError):
                workers(_pid, None)
        assert workers.processes() == ()
        after = workers(_pid, None)
        assert after != before
    finally:
        workers.close()


def test_a_job_that_cannot_be_sent_costs_no_process(workers) -> None:
    before = workers.processes()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        workers(lambda _job: None, None)
    assert workers.processes() == before


def _interrupted(_pipe: object) -> None:
    raise MemoryError


def test_nothing_that_a_worker_answers_can_run_in_the_agent(workers) -> None:
    with pytest.raises(CallRaised, match=r"posix\.system"):
        workers(_trap, None)


def test_the_environment_is_a_list_of_what_is_kept() -> None:
    kept = environment({"PATH": "/bin", "TZ": "UTC", "OUTLAY_SECRETS_DIR": "/run/secrets", "TOKEN": CANARY})
    assert kept["PATH"] == "/bin"
    assert kept["TZ"] == "UTC"
    assert kept["OMP_NUM_THREADS"] == "1"
    assert set(kept) == {"PATH", "TZ", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH"}


def test_there_is_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="1 worker or more"):
        Workers(0)
