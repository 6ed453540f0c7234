"""Ctrl-C in the midst of sampling: a sampler takes it for a wish to make do with the draws that a chain has."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


@contextmanager
def stoppable(words: str) -> Iterator[Callable[[], None]]:
    """Let Ctrl-C end a fit.

    Args:
        words: What is then told on standard error.

    Yields:
        What ends a chain, once it was pressed; to be called at each step.

    Raises:
        KeyboardInterrupt: It was pressed.
    """
    pressed: list[bool] = []

    def stop(_signal: int, _frame: object) -> None:
        pressed.append(True)
        raise KeyboardInterrupt

    def go_on() -> None:
        if pressed:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield go_on
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            Console(stderr=True, highlight=False, soft_wrap=True).print(words, markup=False)
            raise KeyboardInterrupt
