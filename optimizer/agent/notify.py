"""Telling people that something waits for them."""

from __future__ import annotations

import logging
from dataclasses import dataclass

_LOG = logging.getLogger("outlay.notify")


@dataclass(frozen=True, slots=True)
class LogNotifier:
    """Writes each message to the program's log, which goes to standard error."""

    def tell(self, title: str, body: str) -> None:
        """Log one message."""
        _LOG.info("%s: %s", title, body)
