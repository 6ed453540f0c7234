"""Where decisions are worked out: here, or in a process that is given a job and nothing else (`ports.Call`)."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from queue import LifoQueue
from threading import Lock
from typing import Any, Final

from optimizer.ports import CallLost, CallRaised

_KEPT: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TZDIR", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the environment: what Python and its libraries need. A list of what is left out would miss the next secret."""

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_COMMAND: Final = (sys.executable, "-P", "-m", "optimizer.agent.worker")
DEADLINE_SECONDS: Final = 600.0
"""After so long a job is given up, and its process ended: the largest portfolio takes a tenth of it."""

_MEND: Final = "Mend: try again; see [daemon] workers"


def here[J, R](do: Callable[[J], R], job: J) -> R:
    """Do a job in this process (see `Call`)."""
    try:
        return do(job)
    except Exception as error:
        raise CallRaised(f"{type(error).__name__}: {error}") from error


class Workers:
    """Does each job in one of some processes of this machine, which are begun when they are first needed (see `Call`).

    A process that is lost, or that takes too long, is replaced; its job is told as lost. To be shared by threads, of
    which each waits for its own job: as many are worked on at a time as there are processes.
    """

    def __init__(self, count: int, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        """Begin nothing yet.

        Args:
            count: How many processes, at least one.
            deadline_seconds: How long a job may take, from when it was handed over.

        Raises:
            ValueError: There are none.
        """
        if count < 1:
            raise ValueError(f"there must be 1 worker or more, not {count}")
        self._deadline = deadline_seconds
        self._free: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(count):
            self._free.put(None)
        self._begun: set[_Worker] = set()
        self._guard = Lock()

    def __call__[J, R](self, do: Callable[[J], R], job: J) -> R:
        """Do a job.

        Raises:
            CallRaised: It raised.
            CallLost: It took too long, or its process was lost.
        """
        asked = pickle.dumps((do, job))
        worker = self._free.get()
        try:
            if worker is not None and not worker.lives:
                self._drop(worker)
                worker = None
            if worker is None:
                worker = self._begin()
            answer: R = worker.ask(asked, self._deadline)
        except CallRaised:  # the answer was read to its end
            raise
        except BaseException:
            # There may be half an answer in its pipe, which must not be taken for that to the next job.
            self._drop(worker)
            worker = None
            raise
        finally:
            self._free.put(worker)
        return answer

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


class _Worker:
    """One process, and the two pipes to it; for one thread at a time."""

    def __init__(self) -> None:
        """Begin it, in a session of its own, so that a Ctrl-C at the terminal reaches the agent only.

        Raises:
            CallLost: It cannot be begun.
        """
        (theirs, jobs), (answers, told) = os.pipe(), os.pipe()
        self._jobs, self._answers = Connection(jobs, readable=False), Connection(answers, writable=False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                _COMMAND, stdin=theirs, stdout=told, env=environment(os.environ), start_new_session=True
            )
        except OSError as error:
            self._close()
            raise CallLost(f"a worker cannot be begun: {error.strerror or error}. {_MEND}") from None
        finally:
            os.close(theirs)
            os.close(told)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it has not ended; the system may end one that has nothing to do."""
        return self._process.poll() is None

    def ask(self, job: bytes, deadline_seconds: float) -> Any:
        """Send a job and return what came of it.

        Raises:
            CallRaised: The job raised, or answered with what may not be read.
            CallLost: It did not answer in time, or ended.
        """
        try:
            self._jobs.send_bytes(job)
            if not self._answers.poll(deadline_seconds):
                raise CallLost(f"a worker was ended, because it took more than {deadline_seconds:g} s. {_MEND}")
            answer = self._answers.recv_bytes()
        except (OSError, EOFError):
            raise CallLost(f"a worker was ended, for want of memory perhaps. {_MEND}") from None
        done, found, trace = _Plain(io.BytesIO(answer)).load()
        if done:
            return found
        raised = CallRaised(found)
        raised.add_note(trace)
        raise raised

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._close()

    def _close(self) -> None:
        self._jobs.close()
        self._answers.close()


class _Plain(pickle.Unpickler):
    """Reads plain values only: nothing that comes from a worker can make the agent run anything."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """Refuse whatever is not plain.

        Raises:
            CallRaised: Always.
        """
        raise CallRaised(f"a worker answered with {module_name}.{global_name}, where plain values are asked for")


def environment(whole: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker: nothing of this process's but what Python needs, so that no secret is in it.

    One thread of linear algebra each: there are as many workers as cores.
    """
    kept = {name: whole[name] for name in _KEPT if name in whole}
    return {**kept, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
