"""What `outlay simulate` left in a folder of runs, as the page shows it: the newest first, each read once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from connectors.errors import ConnectorError
from optimizer.agent.web.kept import one_at_a_time
from simulations.report import REPORT_FILE
from simulations.runs.record import RUN_FILE, SECONDS_FILE, RunSpec, read_run
from simulations.runs.scores import Standing, certified_gap, scores_of
from simulations.scenarios import ScenarioError

SHOWN: Final = 20
"""Runs that are looked at, the newest; one of sixty worlds takes a second to read."""


@dataclass(frozen=True, slots=True)
class Played:
    """One run.

    Attributes:
        name: Of its folder.
        spec: What was played; None where that cannot be read.
        standings: Of its policies; none while it is not complete.
        gap: What the clairvoyant's budgets may fall short of the best by at most, as a share.
        trouble: Why it cannot be shown, with the mend; empty where it can.
        report: Where its page of pictures is; None where there is none.
    """

    name: str
    spec: RunSpec | None
    standings: tuple[Standing, ...]
    gap: float
    trouble: str
    report: Path | None


class Shelf:
    """The runs of one folder."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._read: Callable[[Path, tuple[float, ...]], Played] = one_at_a_time(lru_cache(SHOWN)(_read))

    def runs(self, folder: Path) -> tuple[Played, ...]:
        """Return the newest runs of a folder; none where there is no such folder."""
        try:
            found = [entry for entry in folder.iterdir() if (entry / RUN_FILE).is_file()]
        except OSError:
            return ()
        stamped = sorted(((_stamp(entry), entry) for entry in found), key=lambda pair: (-max(pair[0]), pair[1].name))
        return tuple(self._read(entry, stamp) for stamp, entry in stamped[:SHOWN])

    def run(self, folder: Path, name: str) -> Played | None:
        """Return one of them by its name, None where it is not there: a name is compared, and never made a path."""
        return next((played for played in self.runs(folder) if played.name == name), None)


def _stamp(folder: Path) -> tuple[float, ...]:
    """When the files of a run that change last were written."""
    files = (folder / RUN_FILE, folder / SECONDS_FILE, folder / REPORT_FILE)
    return tuple(file.stat().st_mtime if file.exists() else 0.0 for file in files)


def _read(folder: Path, _stamped: tuple[float, ...]) -> Played:
    report = folder / REPORT_FILE
    try:
        run = read_run(folder)
    except (ConnectorError, ScenarioError) as error:
        return Played(folder.name, None, (), 0.0, str(error), None)
    there = report if report.is_file() else None
    return Played(folder.name, run.spec, scores_of(run).standings(), certified_gap(run), "", there)
