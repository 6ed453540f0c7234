"""A process that works for the agent: it reads a job from its standard input, does it, and answers, until that ends.

It holds what a job needs and nothing else: no settings, no connector, no store, and an environment without secrets.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
from typing import IO, Any, Final

LENGTH: Final = struct.Struct("!Q")
"""Before each message: how many bytes it has."""


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write one message.

    Raises:
        OSError: Nobody reads any more.
    """
    pipe.write(LENGTH.pack(len(message)) + message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read one message; None at the end, also in the midst of one."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size,) = LENGTH.unpack(head)
    message = pipe.read(size)
    return message if len(message) == size else None


def done(message: bytes) -> tuple[bool, Any]:
    """Do one job, a pickled pair of a function and its argument; return whether it was done, and what came of it."""
    try:
        do, job = pickle.loads(message)  # noqa: S301 - it comes from the agent that began this process
        return True, do(job)
    except Exception as error:  # noqa: BLE001 - it is the agent that tells of it
        return False, f"{type(error).__name__}: {error}"


def main() -> None:
    """Answer until the agent has gone; what anything else prints goes to standard error."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # meant for the agent, which ends this process once it needs it no more
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with jobs, answers:
        while (message := receive(jobs)) is not None:
            try:
                send(answers, pickle.dumps(done(message)))
            except OSError:
                sys.exit(0)


if __name__ == "__main__":
    main()
