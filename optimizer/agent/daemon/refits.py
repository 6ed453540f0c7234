"""The slow tier's weekly fit and the appraisals after it, in processes of their own.

They take minutes and gigabytes, and must hold up no write.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from optimizer.agent.settings import Settings
from optimizer.agent.standing import standing
from optimizer.plan.office import Outcome
from optimizer.ports import LONG_AGO, Store

_LOG: Final = structlog.get_logger("outlay.daemon")
_ASKED_AGAIN: Final = timedelta(minutes=10)
"""Whether a fit is due changes by days, and costs reading the priors."""
_DAY: Final = timedelta(days=1)


class Ended(NamedTuple):
    """A command that ran by itself, and what came of it."""

    command: str
    outcome: Outcome
    words: str


class Refits:
    """Begins `outlay refit` and `outlay appraise` when they are due, one at a time, and tells how each ended.

    What they found, and so what is due, stands in the store: a restart or new settings lose nothing.
    """

    def __init__(self, config: Path, settings: Settings, store: Store) -> None:
        """Begin nothing yet."""
        self._config, self._settings, self._store = config, settings, store
        self._child: subprocess.Popen[bytes] | None = None
        self._command = ""
        self._tried: dict[str, datetime] = {}
        self._asked: datetime | None = None

    def look(self, now: datetime) -> Ended | None:
        """Begin what is due, each at most once a day; or return how what ran has ended."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return None
            self._child, self._asked = None, None
            return Ended(self._command, *_came_of(self._command, code))
        if self._settings.daemon.refit == "never" or (self._asked is not None and now - self._asked < _ASKED_AGAIN):
            return None
        self._asked = now
        due = next((command for command in self._due(now) if now - self._tried.get(command, LONG_AGO) >= _DAY), None)
        if due is not None:
            self._tried[due] = now
            self._child = self._begin(due)
        return None

    def _due(self, now: datetime) -> Iterator[str]:
        every = self._settings.refit.every_days
        if standing(self._store, now, every).overdue:
            yield "refit"
        made = {each.subject: each.made_at for each in self._store.latest_appraisals(now)}
        oldest = now - timedelta(days=every)
        if any(made.get(subject, LONG_AGO) <= oldest for subject in self._settings.appraised):
            yield "appraise"

    def stop(self) -> None:
        """End a fit that runs; it writes nothing before its end."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait()
            self._child = None

    def _begin(self, command: str) -> subprocess.Popen[bytes]:
        self._command = command
        _LOG.info(f"{command} begins", portfolio=self._settings.portfolio.name)
        words = [sys.executable, "-m", "optimizer.agent.cli", command, "--config", str(self._config), "--json"]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def _came_of(command: str, code: int) -> tuple[Outcome, str]:
    """What the exit code of a command says; what its checks turned down is in its own record, no failure of the job."""
    match code:  # as `cli.answers.Exit` has them
        case 0:
            return Outcome.DONE, "it came to its end"
        case 4:
            return Outcome.DONE, "not all of it passed its checks: what was known before stands"
        case _:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            return Outcome.FAILED, f"it {how}; what was known before stands. Mend: run `outlay {command}` to see why"
