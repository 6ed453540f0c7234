"""How decisions are spread out: in this process, or in others that are given a job and nothing else (`ports.Map`)."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import LifoQueue
from threading import Lock, Timer
from typing import Any, Final

from optimizer.agent.worker import receive, send
from optimizer.ports import MapFailed

_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the environment: what Python and its libraries need. A list of what is left out would miss the next secret."""

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_COMMAND: Final = (sys.executable, "-P", "-m", "optimizer.agent.worker")
DEADLINE_SECONDS: Final = 600.0
"""After so long a job is given up, and its process ended: the largest portfolio takes a tenth of it."""


def one_by_one[J, R](do: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
    """Do jobs in this process, in order (see `Map`)."""
    for index, job in enumerate(jobs):
        yield index, do(job)


class Workers:
    """Does jobs in processes of this machine, which are begun when they are first needed (see `Map`).

    A process that is lost, or that takes too long, is replaced; its job is told as failed. May be shared by threads.
    """

    def __init__(self, count: int, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Begin nothing yet.

        Args:
            count: How many processes, at least one.
            deadline_seconds: How long a job may take.

        Raises:
            ValueError: There are none.
        """
        if count < 1:
            raise ValueError(f"there must be 1 worker or more, not {count}")
        self._count, self._deadline = count, deadline_seconds
        self._free: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(count):
            self._free.put(None)
        self._begun: set[_Worker] = set()
        self._guard = Lock()

    def __call__[J, R](self, do: Callable[[J], R], jobs: Sequence[J]) -> Iterator[tuple[int, R]]:
        """Do the jobs.

        Raises:
            MapFailed: A job raised or took too long, or its process was lost.
        """
        if len(jobs) == 1:
            yield 0, self._one(do, jobs[0])
            return
        with ThreadPoolExecutor(self._count) as pool:
            futures = {pool.submit(self._one, do, job): index for index, job in enumerate(jobs)}
            for future in as_completed(futures):
                yield futures[future], future.result()

    def processes(self) -> tuple[int, ...]:
        """Return the ids of the processes that have begun and not ended."""
        with self._guard:
            return tuple(sorted(worker.pid for worker in self._begun))

    def close(self) -> None:
        """End all processes."""
        with self._guard:
            begun, self._begun = self._begun, set()
        for worker in begun:
            worker.end()

    def _one[J, R](self, do: Callable[[J], R], job: J) -> R:
        asked = pickle.dumps((do, job))
        worker = self._free.get()
        try:
            if worker is not None and not worker.lives:
                self._drop(worker)
                worker = None
            if worker is None:
                worker = self._begin()
            answer: R = worker.ask(asked, self._deadline)
        except MapFailed:  # the job's own: the answer was read to its end
            raise
        except BaseException as error:
            # There may be half an answer in its pipe, which must not be taken for that to the next job.
            self._drop(worker)
            worker = None
            if isinstance(error, _Lost):
                raise MapFailed(str(error)) from None
            raise
        finally:
            self._free.put(worker)
        return answer

    def _begin(self) -> _Worker:
        worker = _Worker()
        with self._guard:
            self._begun.add(worker)
        return worker

    def _drop(self, worker: _Worker | None) -> None:
        if worker is not None:
            with self._guard:
                self._begun.discard(worker)
            worker.end()


class _Lost(Exception):  # noqa: N818 - it is the process that is lost
    """A process ended, or was ended, before it answered."""


class _Worker:
    """One process, and the two pipes to it; for one thread at a time."""

    def __init__(self) -> None:
        """Begin it, in a session of its own, so that a Ctrl-C at the terminal reaches the agent only.

        Raises:
            _Lost: It cannot be begun.
        """
        self._guard, self._question = Lock(), 0  # how many were answered; a deadline is of one of them
        self._ending = False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise _Lost(f"a worker cannot be begun: {error.strerror or error}") from None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended; the system may end one that has nothing to do."""
        return not self._ending and self._process.poll() is None

    def ask(self, job: bytes, deadline_seconds: float) -> Any:
        """Send a job and return what came of it.

        Raises:
            MapFailed: The job raised.
            _Lost: It did not answer in time, or ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018 - both are pipes
        timer = Timer(deadline_seconds, self._late, [self._question])
        timer.daemon = True
        timer.start()
        try:
            send(self._process.stdin, job)
            answer = receive(self._process.stdout)
        except OSError:
            answer = None
        finally:
            with self._guard:
                self._question += 1
            timer.cancel()
        if answer is None:
            why = f"a worker was ended, for want of memory perhaps, or because it took more than {deadline_seconds:g} s"
            raise _Lost(f"{why}. Mend: try again; see [daemon] workers")
        done, found = _Plain(io.BytesIO(answer)).load()
        if not done:
            raise MapFailed(str(found))
        return found

    def _late(self, question: int) -> None:
        """End it, unless it has answered: a timer that is past its wait cannot be cancelled any more."""
        with self._guard:
            if question == self._question:
                self._ending = True
                self._process.kill()

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class _Plain(pickle.Unpickler):
    """Reads plain values only: nothing that comes from a worker can make the agent run anything."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Refuse whatever is not plain.

        Raises:
            MapFailed: Always.
        """
        raise MapFailed(f"a worker answered with {module_name}.{global_name}, where plain values are asked for")


def environment(whole: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: nothing of this process's but what Python needs, so that no secret is in it.

    One thread of linear algebra each: there are as many workers as cores.
    """
    kept = {name: whole[name] for name in _KEPT if name in whole}
    return {**kept, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
