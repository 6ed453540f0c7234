"""A Dask cluster on this machine: a scheduler and its workers, each a process of its own on a free loopback port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class LocalCluster:
    """Where its scheduler listens, and its processes."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: tuple[subprocess.Popen[bytes], ...]


@contextmanager
def local_cluster(folder: Path, workers: int, code: Path = ROOT) -> Iterator[LocalCluster]:
    """Start a cluster whose files lie in a folder, all workers at hand; all its processes end with the context.

    The workers run the code that lies in another folder, if one is named.
    """
    from distributed import Client  # heavy, and not for every process that imports this module

    started: list[subprocess.Popen[bytes]] = []
    contact = folder / "scheduler.json"
    try:
        started.append(_begin(folder, "scheduler", "--port", "0", "--scheduler-file", str(contact)))
        address = _address(contact)
        started.extend(
            _begin(
                folder,
                "worker",
                address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--local-directory",
                str(folder / str(i)),
                code=code,
            )
            for i in range(workers)
        )
        with Client(address, timeout=PATIENCE_SECONDS, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=PATIENCE_SECONDS)
        yield LocalCluster(address, started[0], tuple(started[1:]))
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _begin(folder: Path, part: str, *options: str, code: Path = ROOT) -> subprocess.Popen[bytes]:
    quiet = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    with (folder / "cluster.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", part, *options, *quiet],
            cwd=code,
            env={**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
        )


def _address(contact: Path) -> str:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            return str(json.loads(contact.read_text())["address"])
        except (FileNotFoundError, ValueError):
            time.sleep(0.05)
    raise TimeoutError("the scheduler did not begin")
