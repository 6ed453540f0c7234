"""A run leaves the same bytes whatever ran it and however often it was broken off; nothing else gets in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from connectors.errors import AskMarketer, BadInput
from simulations.policies.contract import MakePolicy, Setting
from simulations.runs.fanout import Cluster, JobFailed, Map, Processes, one_by_one
from simulations.runs.folder import alone
from simulations.runs.record import RunSpec, execute, files_of, read_run, read_spec
from simulations.runs.traces import BadTrace, read_trace, trace_text
from simulations.scenarios import ScenarioError, named
from tests.simulations.local_cluster import PATIENCE_SECONDS, ROOT, LocalCluster, local_cluster
from tests.simulations.tiny_policies import START, Keep, bytes_of, makes, small_run


class Told:
    """Keeps what `execute` tells."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, int, str]] = []

    def __call__(self, done: int, of: int, what: str) -> None:
        self.lines.append((done, of, what))


def complete(folder: Path, over: Map = one_by_one) -> Path:
    (folder / "go").touch()
    execute(folder / "run", small_run(), makes(folder), over)
    return folder / "run"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return complete(tmp_path_factory.mktemp("sequential"))


@pytest.fixture(scope="module")
def expected_bytes(finished: Path) -> dict[str, bytes]:
    return bytes_of(finished)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    (tmp_path / "go").touch()
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_has_a_file_for_each_policy_and_world(expected_bytes: dict[str, bytes]) -> None:
    assert set(expected_bytes) == {"run.json", *files_of(small_run())}
    assert len(expected_bytes) == 1 + 3 * (1 + 3)


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_leave_the_same_bytes(workers: int, tmp_path: Path, expected_bytes: dict[str, bytes]) -> None:
    assert bytes_of(complete(tmp_path, Processes(workers))) == expected_bytes


def test_what_is_there_is_left_alone(run: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    told = Told()
    execute(run, small_run(), makes(tmp_path), one_by_one, told)
    assert told.lines == [(12, 12, "")]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_progress_is_told_job_by_job(tmp_path: Path) -> None:
    told = Told()
    (tmp_path / "go").touch()
    execute(tmp_path / "run", small_run(seeds=1), makes(tmp_path), one_by_one, told)
    assert told.lines == [
        (0, 4, ""),
        (1, 4, "the oracle in world 1 of tiny-yen"),
        (2, 4, "keep in world 1 of tiny-yen"),
        (3, 4, "wander in world 1 of tiny-yen"),
        (4, 4, "hold in world 1 of tiny-yen"),
    ]


def begin(folder: str) -> None:
    """Run in a process of its own, to be killed."""
    execute(Path(folder) / "run", small_run(), makes(Path(folder)))


def wait_for(what: Path) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not what.exists():
        assert time.monotonic() < until, f"{what.name} did not come"
        time.sleep(0.01)


def test_a_run_that_was_killed_goes_on_where_it_stood(tmp_path: Path, expected_bytes: dict[str, bytes]) -> None:
    command = f"from tests.simulations.test_runs import begin; begin({str(tmp_path)!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, env=environment) as process:
        wait_for(tmp_path / f"{process.pid}.at-work")
        process.kill()
    (tmp_path / "run/traces/wander/.1.json.part").write_text('{"half a')
    assert set(bytes_of(tmp_path / "run")) == {
        "run.json",
        "oracle/1.json",
        "traces/keep/1.json",
        "traces/wander/1.json",
    }
    told = Told()
    (tmp_path / "go").touch()
    execute(tmp_path / "run", small_run(), makes(tmp_path), one_by_one, told)
    assert told.lines[0] == (3, 12, "")
    assert bytes_of(tmp_path / "run") == expected_bytes


class Killer:
    """Kills a worker of a cluster while it plays, once the first result is there; then lets all others go on."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder

    def __call__(self, done: int, _of: int, _what: str) -> None:
        if done == 0 or (self._folder / "go").exists():
            return
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            for worker in self._cluster.workers:
                if (self._folder / f"{worker.pid}.at-work").exists():
                    worker.kill()
                    worker.wait()
                    (self._folder / "go").touch()
                    return
            time.sleep(0.01)
        raise TimeoutError("no worker was at work")


def fail(_setting: Setting) -> Keep:
    raise ValueError("no such luck")


def test_a_cluster_that_loses_a_worker_in_mid_run_leaves_the_same_bytes(
    tmp_path: Path, expected_bytes: dict[str, bytes]
) -> None:
    with local_cluster(tmp_path, workers=2) as cluster:
        over = Cluster(cluster.address, timeout_seconds=PATIENCE_SECONDS)
        execute(tmp_path / "run", small_run(), makes(tmp_path), over, Killer(cluster, tmp_path))
        assert sum(worker.poll() is None for worker in cluster.workers) == 1
        failing = replace(small_run(), policies=("fail",), seeds=(7,))
        with pytest.raises(JobFailed, match=r"^fail in world 7 of tiny-yen: ValueError: no such luck$"):
            execute(tmp_path / "failing", failing, {"fail": fail}, over)
        results = over(time.sleep, [0.0, 600.0])
        assert next(results) == (0, None)
        cluster.scheduler.kill()
        with pytest.raises(JobFailed, match=r"^600\.0: the scheduler at .* was lost$"):
            next(results)
    assert bytes_of(tmp_path / "run") == expected_bytes


def test_a_failing_policy_is_named_and_what_was_done_is_kept(tmp_path: Path) -> None:
    spec = replace(small_run(), policies=("fail",), seeds=(7,))
    makers: dict[str, MakePolicy] = {"fail": fail}
    with pytest.raises(JobFailed, match=r"^fail in world 7 of tiny-yen: ValueError: no such luck$"):
        execute(tmp_path / "run", spec, makers)
    assert set(bytes_of(tmp_path / "run")) == {"run.json", "oracle/7.json"}
    execute(tmp_path / "run", spec, {"fail": Keep})
    assert set(bytes_of(tmp_path / "run")) == {"run.json", *files_of(spec)}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda text: text.replace('"seed":1', '"seed":2'),
        lambda text: text.replace('"policy":"wander"', '"policy":"keep"'),
        lambda text: text.replace('"version":1', '"version":9'),
        lambda text: text.replace('"spend":[', '"spend":[1,'),
        lambda text: text.replace('"spend":[', '"spend":[1.5,'),
        lambda text: text.replace('"goal":"value"', '"goal":"conversions"'),
    ],
    ids=["half", "empty", "other-json", "seed", "policy", "version", "longer", "real", "goal"],
)
def test_a_damaged_or_foreign_trace_is_computed_anew(
    damage, run: Path, tmp_path: Path, expected_bytes: dict[str, bytes]
) -> None:
    trace = run / "traces/wander/1.json"
    trace.write_text(damage(trace.read_text()))
    with pytest.raises(BadInput, match=r"wander/1\.json"):
        read_run(run)
    told = Told()
    execute(run, small_run(), makes(tmp_path), one_by_one, told)
    assert told.lines[0] == (11, 12, "")
    assert bytes_of(run) == expected_bytes


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("name", replace(small_run(), scenario=named("calm", horizon_days=120))),
        ("digest", replace(small_run(), scenario=named("tiny-yen", drift_sd=0.123))),
        ("policies", replace(small_run(), policies=("keep",))),
        ("seeds", replace(small_run(), seeds=(1, 2))),
        ("days", replace(small_run(), days=16)),
        ("start", replace(small_run(), start=START.replace(day=2))),
        ("goal", replace(small_run(), goal="conversions")),
        ("code", replace(small_run(), code="v2")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_folder_of_another_run_is_refused_by_its_field(field: str, other: RunSpec, run: Path, tmp_path: Path) -> None:
    before = bytes_of(run)
    with pytest.raises(BadInput, match="the folder holds another run") as caught:
        execute(run, other, makes(tmp_path))
    assert caught.value.field == field
    assert bytes_of(run) == before


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(BadInput, match=r"not empty and holds no run \(holiday\.jpg\)"):
        execute(tmp_path, small_run(), makes(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["holiday.jpg"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AskMarketer, match="file/run cannot be used: Not a directory"):
        execute(tmp_path / "file/run", small_run(), makes(tmp_path))


def test_only_one_process_works_in_a_folder(tmp_path: Path) -> None:
    with alone(tmp_path / "run"), pytest.raises(AskMarketer, match="Another process is at work"):
        execute(tmp_path / "run", small_run(), makes(tmp_path))


def test_a_run_is_read_back_as_it_was_written(run: Path) -> None:
    assert read_spec(run) == small_run()
    found = read_run(run)
    assert list(found.traces) == ["keep", "wander", "hold"]
    assert [trace.place.seed for trace in found.traces["wander"]] == [1, 2, 3]
    assert [oracle.place.seed for oracle in found.oracles] == [1, 2, 3]
    assert trace_text(found.traces["keep"][0]) == (run / "traces/keep/1.json").read_text()
    assert found.seconds.shape == (3, 3)
    assert (found.seconds > 0).all()


def test_measures_of_time_that_are_lost_leave_the_run_whole(run: Path) -> None:
    lines = (run / "seconds.jsonl").read_text().splitlines()
    kept = [line for line in lines if "wander/2" not in line]
    (run / "seconds.jsonl").write_text("\n".join([*kept, '{"file":"traces/wa']))
    seconds = read_run(run).seconds
    assert np.argwhere(np.isnan(seconds)).tolist() == [[1, 1]]
    (run / "seconds.jsonl").unlink()
    assert np.isnan(read_run(run).seconds).all()


def test_a_run_that_is_not_complete_says_so(run: Path) -> None:
    (run / "traces/keep/2.json").unlink()
    with pytest.raises(BadInput, match=r"1 of 12 files are missing, the first traces/keep/2\.json"):
        read_run(run)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda fields: fields | {"version": 9}, "not a run of version 1"),
        (lambda fields: fields | {"days": "many"}, "not what a run is made of"),
        (lambda fields: fields | {"days": 10**6}, "not what a run is made of"),
        (lambda fields: fields | {"scenario": "name = 3"}, "not what a run is made of"),
        (lambda fields: fields | {"digest": "0"}, "means something else in this version; it was made with v1"),
        (lambda fields: {key: value for key, value in fields.items() if key != "goal"}, "not what a run is made of"),
        (list, "not a run of version 1"),
    ],
)
def test_a_damaged_run_file_is_refused(damage, told: str, run: Path) -> None:
    where = run / "run.json"
    where.write_text(json.dumps(damage(json.loads(where.read_text()))))
    with pytest.raises(BadInput, match=told):
        read_run(run)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no run here"):
        read_run(tmp_path / "nowhere")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(BadInput, match="it is not JSON"):
        read_run(tmp_path)


def test_an_unknown_policy_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="there is none called 'hold'; there are keep"):
        execute(tmp_path / "run", small_run(), {"keep": Keep, "wander": Keep})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("policies", {"policies": ()}),
        ("policies", {"policies": ("keep", "keep")}),
        ("policies", {"policies": ("../keep",)}),
        ("seeds", {"seeds": ()}),
        ("seed", {"seeds": (-1,)}),
        ("days", {"days": 0}),
        ("goal", {"goal": "clicks"}),
    ],
    ids=str,
)
def test_a_run_that_cannot_be_is_refused(field: str, change: dict[str, object]) -> None:
    with pytest.raises(ScenarioError) as caught:
        replace(small_run(), **change)
    assert caught.value.field == field


def test_a_trace_that_contradicts_itself_is_none(finished: Path) -> None:
    text = (finished / "traces/keep/1.json").read_text()
    for old, new in (('"why":[', '"why":["",'), ('"days":15', '"days":14'), ('"start":"2025', '"start":"year')):
        assert old in text
        with pytest.raises(BadTrace):
            read_trace(text.replace(old, new))
