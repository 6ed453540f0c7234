"""The slow tier's weekly fit and the appraisals after it, in processes of their own.

They take minutes and gigabytes, and must hold up no write.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from optimizer.agent.settings import Settings
from optimizer.agent.standing import standing
from optimizer.ports import Store

_LOG: Final = structlog.get_logger("outlay.daemon")
_ASKED_AGAIN: Final = timedelta(minutes=10)
"""Whether a fit is due changes by days, and costs reading the priors."""


class Refits:
    """Begins `outlay refit` when it is due, and tells how it ended; what it found stands in the store."""

    def __init__(self, config: Path, settings: Settings, store: Store) -> None:
        """Begin nothing yet."""
        self._config, self._settings, self._store = config, settings, store
        self._child: subprocess.Popen[bytes] | None = None
        self._command, self._next = "", ""
        self._tried: datetime | None = None
        self._asked: datetime | None = None

    def look(self, now: datetime) -> None:
        """Begin a fit that is due, at most once a day; or note that the last one ended."""
        if self._child is not None:
            code = self._child.poll()
            if code is not None:
                _LOG.info(f"{self._command} ended", portfolio=self._settings.portfolio.name, exit_code=code)
                self._child = self._begin(self._next) if self._next else None
                self._next = ""
            return
        if self._settings.daemon.refit == "never" or (self._tried is not None and (now - self._tried).days < 1):
            return
        if self._asked is not None and now - self._asked < _ASKED_AGAIN:
            return
        self._asked = now
        if standing(self._store, now, self._settings.refit.every_days).overdue:
            self._tried = now
            self._next = "appraise" if self._settings.appraised else ""
            self._child = self._begin("refit")

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
