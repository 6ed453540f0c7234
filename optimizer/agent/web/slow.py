"""Work that takes seconds, done where it keeps nobody else waiting: the kill switch least of all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

_AT_ONCE: Final = 2
_LIMITER: Final = CapacityLimiter(_AT_ONCE)
"""Apart from the threads that answer all else; who waits for it holds none."""


async def slowly[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `work` returns, done in one of a few threads of its own."""
    return await run_sync(partial(work, *args, **kwargs), limiter=_LIMITER)
