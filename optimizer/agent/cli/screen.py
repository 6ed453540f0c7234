"""Where answers are shown: standard output, without trailing spaces and without two empty lines in a row."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.segment import Segment

Tell = Callable[[int, int, str], None]
"""Told how many steps are done, how many there are, and what was just done."""

_WIDTH_ELSEWHERE: Final = 100  # columns of a file or a pipe, whose width nobody knows


def show(content: RenderableType) -> None:
    """Print to standard output; a line that holds more figures than fit is longer rather than cut."""
    screen().print(Tidy(content), crop=False)


def screen() -> Console:
    """Return the console for answers: plain where it is no terminal or NO_COLOR is set; COLUMNS says how wide it is."""
    known = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return Console(highlight=False, emoji=False, width=None if known else _WIDTH_ELSEWHERE)


@contextmanager
def progress() -> Iterator[Tell]:
    """Show on standard error, so that --json stays clean, how much of a run is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of, what: bar.update(task, completed=done, total=of, description=what)


@dataclass(frozen=True, slots=True)
class Tidy:
    """What is shown, without the padding at the end of lines and without first, last and double empty lines."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render the content line by line."""
        begun, gap = False, False
        for line in Segment.split_lines(console.render(self.content, options)):
            kept = _stripped(line)
            if kept:
                yield from [Segment.line(), *kept] if gap else kept
                yield Segment.line()
            begun, gap = begun or bool(kept), begun and not kept


def _stripped(line: list[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].text.rstrip():
        kept.pop()
    return [*kept[:-1], kept[-1]._replace(text=kept[-1].text.rstrip())] if kept else []
