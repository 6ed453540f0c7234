"""Jobs give the same results to the bit wherever they run, and an error names its job."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from simulations.runs.fanout import Cluster, ClusterMissing, JobFailed, Map, Processes, one_by_one
from tests.simulations.local_cluster import PATIENCE_SECONDS, ROOT, local_cluster

MAPS = [pytest.param(one_by_one, id="one-by-one"), *(pytest.param(Processes(n), id=f"{n}-processes") for n in (1, 2))]


def decomposed(seed: int) -> bytes:
    """A result whose last bits depend on the number of threads of linear algebra."""
    matrix = np.random.default_rng(seed).standard_normal((160, 160))
    return bytes(np.linalg.svd(matrix @ matrix.T)[1].tobytes())


def threads_of(_job: int) -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info()}


def root_of(number: float) -> float:
    if number < 0:
        raise ValueError(f"{number} has no root")
    return float(np.sqrt(number))


def end_of_worker(_job: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Waiting:
    """A job that ends once a file is there, or makes it."""

    file: Path
    waits: bool


def wait_or_make(job: Waiting) -> None:
    if not job.waits:
        job.file.touch()
    until = time.monotonic() + PATIENCE_SECONDS
    while not job.file.exists() and time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("over", MAPS)
def test_every_map_gives_each_job_its_own_result_to_the_bit(over: Map) -> None:
    seeds = [5, 3, 11, 2, 7]
    assert dict(over(decomposed, seeds)) == {index: decomposed_alone(seed) for index, seed in enumerate(seeds)}


def decomposed_alone(seed: int) -> bytes:
    return next(one_by_one(decomposed, [seed]))[1]


@pytest.mark.parametrize("over", MAPS)
def test_jobs_have_one_thread_of_linear_algebra(over: Map) -> None:
    assert dict(over(threads_of, [0, 1])) == {0: {1}, 1: {1}}


@pytest.mark.parametrize("over", MAPS)
def test_no_jobs_give_no_results(over: Map) -> None:
    assert list(over(root_of, [])) == []


def test_results_come_as_jobs_end(tmp_path: Path) -> None:
    file = tmp_path / "go"
    jobs = [Waiting(file, waits=True), Waiting(file, waits=False)]
    results = Processes(2)(wait_or_make, jobs)
    assert {next(results)[0], next(results)[0]} == {0, 1}
    assert file.exists()


@pytest.mark.parametrize("over", MAPS)
def test_an_error_names_its_job_and_keeps_its_cause(over: Map) -> None:
    with pytest.raises(JobFailed, match=r"^-4\.0: ValueError: -4\.0 has no root$") as caught:
        list(over(root_of, [1.0, -4.0, 9.0]))
    assert caught.value.__cause__ is not None


def test_a_worker_that_is_killed_is_reported() -> None:
    with pytest.raises(JobFailed, match="ended from outside"):
        list(Processes(2)(end_of_worker, [0, 1, 2]))
    assert dict(Processes(2)(root_of, [4.0, 9.0])) == {0: 2.0, 1: 3.0}


def test_workers_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from simulations.runs.fanout import Processes; "
        "from tests.simulations.test_fanout import sleep_beside; "
        "list(Processes(2)(sleep_beside, [Path(sys.argv[1])] * 2))"
    )
    boss = subprocess.Popen([sys.executable, "-c", script, tmp_path], cwd=ROOT)
    _wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    boss.kill()
    boss.wait()
    workers = [int(file.name) for file in tmp_path.iterdir()]
    _wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def sleep_beside(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(600)


def _wait_until(true: Callable[[], bool]) -> None:
    patience = time.monotonic() + 60
    while not true():
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_workers_are_one_or_more() -> None:
    with pytest.raises(ValueError, match="workers must be 1 or more"):
        Processes(0)


def test_a_cluster_without_dask_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterMissing, match=r"outlay\[cluster\]"):
        list(Cluster("tcp://127.0.0.1:1")(root_of, [4.0]))


def test_a_cluster_that_is_not_there_is_named() -> None:
    with pytest.raises(ClusterMissing, match=r"no Dask scheduler answers at .tcp://127\.0\.0\.1:1."):
        list(Cluster("tcp://127.0.0.1:1", timeout_seconds=0.3)(root_of, [4.0]))


def test_a_worker_with_other_code_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other release"
    for package in ("connectors", "simulations", "tests"):
        shutil.copytree(ROOT / package, other / package)
    with (other / "simulations/noise.py").open("a") as source:
        source.write("# Changed.\n")
    with (
        local_cluster(tmp_path, workers=1, code=other) as cluster,
        pytest.raises(JobFailed, match=r"^4\.0: the worker runs outlay .*, and it was sent by outlay .*; install"),
    ):
        list(Cluster(cluster.address, timeout_seconds=PATIENCE_SECONDS)(root_of, [4.0]))
