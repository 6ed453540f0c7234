"""A process that works for the agent: it reads a job from its standard input, does it, and answers, until that ends.

It holds what a job needs and nothing else: no settings, no connector, no store, and an environment without secrets.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any


def done(message: bytes) -> tuple[bool, Any, str]:
    """Do one job, a pickled pair of a function and its argument.

    Returns:
        Whether it was done; what came of it, or why nothing did; where it failed, as a traceback.
    """
    try:
        do, job = pickle.loads(message)  # noqa: S301 - it comes from the agent that began this process
        return True, do(job), ""
    except Exception as error:  # noqa: BLE001 - it is the agent that tells of it
        return False, f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))


def main() -> None:
    """Answer until the agent has gone; what anything else prints goes to standard error."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # meant for the agent, which ends this process once it needs it no more
    jobs, answers = Connection(os.dup(0), writable=False), Connection(os.dup(1), readable=False)
    os.dup2(2, 1)
    with jobs, answers:
        try:
            while True:
                answers.send_bytes(pickle.dumps(done(jobs.recv_bytes())))
        except (EOFError, OSError):
            sys.exit(0)


if __name__ == "__main__":
    main()
