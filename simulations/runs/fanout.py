"""One small port through which jobs reach one process, all cores of a machine, or a cluster.

Whatever the map, a job runs with one thread of linear algebra, so that its result is the same to the bit; results come
in the order in which jobs end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final, Protocol

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from simulations.runs.versions import code_version

if TYPE_CHECKING:
    from distributed import Client


_WATCH_SECONDS: Final = 0.5


class JobFailed(RuntimeError):  # noqa: N818 - it is the job that failed
    """A job raised an error; the message names the job, the cause is the job's own error."""


class ClusterMissing(RuntimeError):  # noqa: N818 - it is the cluster that is missing
    """There is no cluster to run on: the extra is not installed, or nobody answers at the address."""


class Map(Protocol):
    """How a function is applied to many jobs."""

    def __call__[J, R](self, do: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Yield (index of the job, its result) as jobs end.

        Args:
            do: A function of a module; with its jobs and results it must be picklable.
            jobs: `str(job)` is its name in errors.

        Raises:
            JobFailed: A job raised; jobs that have not begun are given up.
        """
        ...


def one_by_one[J, R](do: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
    """Run jobs in this process, in order (see `Map`)."""
    for index, job in enumerate(jobs):
        yield _limited(do, index, job)


@dataclass(frozen=True, slots=True)
class Processes:
    """Runs jobs in processes of this machine (see `Map`).

    Attributes:
        workers: How many; None: as many as there are cores for this process.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be 1 or more, not {self.workers}")

    def __call__[J, R](self, do: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Run the jobs.

        Raises:
            JobFailed: A job raised, or a worker was ended from outside.
        """
        parallel = Parallel(n_jobs=self.workers or -1, batch_size=1, return_as="generator_unordered")
        try:
            yield from parallel(delayed(_in_worker)(os.getpid(), do, index, job) for index, job in enumerate(jobs))
        except TerminatedWorkerError as error:
            raise JobFailed(
                "a worker process was ended from outside, for want of memory perhaps; try fewer workers"
            ) from error


@dataclass(frozen=True, slots=True)
class Cluster:
    """Runs jobs on a Dask cluster (see `Map`); jobs of a worker that dies are run again elsewhere.

    Attributes:
        address: Of its scheduler, such as `tcp://10.0.0.5:8786`. Its workers need this very version of outlay: a job
            that meets another fails. Without workers the jobs wait for some to come.
        timeout_seconds: How long the scheduler may take to answer.
    """

    address: str
    timeout_seconds: float = 10.0

    def __call__[J, R](self, do: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Run the jobs.

        Raises:
            ClusterMissing: The extra is not installed, or nobody answers.
            JobFailed: A job raised or met a worker with other code, several workers died over it, or the scheduler was
                lost.
        """
        with self._client() as client:
            from distributed import KilledWorker, as_completed  # noqa: PLC0415 - Dask is an extra, and heavy

            run = partial(_on_cluster, code_version(), do)
            futures = client.map(run, range(len(jobs)), list(jobs), pure=False)
            names = {future.key: str(job) for future, job in zip(futures, jobs, strict=True)}
            ended = as_completed(futures, loop=client.loop)  # type: ignore[no-untyped-call]  # Dask's is untyped
            del futures  # so that the cluster forgets a result once it is fetched
            for future in ended:
                try:
                    yield future.result()
                except KilledWorker as error:
                    raise JobFailed(f"{names[future.key]}: several workers died over it") from error
                except CancelledError as error:
                    raise JobFailed(f"{names[future.key]}: the scheduler at {self.address} was lost") from error

    def _client(self) -> Client:
        try:
            from distributed import Client  # noqa: PLC0415 - Dask is an extra, and heavy
        except ImportError:
            raise ClusterMissing("a cluster needs Dask, which is not here: pip install 'outlay[cluster]'") from None
        try:
            return Client(self.address, timeout=self.timeout_seconds, set_as_default=False)  # type: ignore[no-untyped-call]  # as above
        except (OSError, ValueError) as error:
            raise ClusterMissing(
                f"no Dask scheduler answers at {self.address!r} ({error}); start one with `dask scheduler`, and its "
                "workers with `dask worker ADDRESS`"
            ) from None


def _in_worker[J, R](boss: int, do: Callable[[J], R], index: int, job: J) -> tuple[int, R]:
    if os.getpid() != boss:  # one worker alone is no process of its own
        _end_with(boss)
    return _limited(do, index, job)


@cache
def _end_with(boss: int) -> None:
    """End this process soon after the one that began it: one that is killed cannot end its workers itself."""

    def watch() -> None:
        while os.getppid() == boss:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _limited[J, R](do: Callable[[J], R], index: int, job: J) -> tuple[int, R]:
    with threadpool_limits(limits=1):
        return _attempt(do, index, job)


def _on_cluster[J, R](code: str, do: Callable[[J], R], index: int, job: J) -> tuple[int, R]:
    here = _own_code()
    if here != code:
        raise JobFailed(f"{job}: the worker runs {here}, and it was sent by {code}; install the same everywhere")
    # A cluster's worker may run several jobs in threads, and what one of them restored would hold for the others.
    threadpool_limits(limits=1)
    return _attempt(do, index, job)


# Read once: a worker goes on with the sources that it began with.
_own_code = cache(code_version)


def _attempt[J, R](do: Callable[[J], R], index: int, job: J) -> tuple[int, R]:
    try:
        return index, do(job)
    except Exception as error:
        raise JobFailed(f"{job}: {type(error).__name__}: {error}") from error
