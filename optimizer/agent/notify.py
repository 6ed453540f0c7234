"""Telling people that something waits for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

_LOG = logging.getLogger("outlay.notify")


@dataclass(frozen=True, slots=True)
class LogNotifier:
    """Writes each message to the program's log, which goes to standard error."""

    def tell(self, title: str, body: str) -> None:
        """Log one message."""
        _LOG.info("%s: %s", title, body)


@dataclass(frozen=True, slots=True, repr=False)
class AppriseNotifier:
    """Sends each message to mail, chat or webhook addresses through Apprise, and writes it to the log.

    Attributes:
        urls: As Apprise writes them; they hold secrets and are never logged.
        link: Address of the web page, added to each message; may be empty.
    """

    urls: Sequence[str]
    link: str = ""

    def tell(self, title: str, body: str) -> None:
        """Send one message to all addresses; one that cannot be reached is told in the log and holds up nobody."""
        # Deferred: it brings a hundred services along, and most commands tell nobody anything.
        import apprise  # noqa: PLC0415

        LogNotifier().tell(title, body)
        text = f"{body}\n{self.link}" if self.link else body
        for number, url in enumerate(self.urls, 1):
            sender = apprise.Apprise()
            try:
                told = sender.add(url) and sender.notify(body=text, title=title)
            except Exception as error:  # noqa: BLE001 - whatever a service does, a cycle goes on
                _LOG.warning("address %d of [notify] failed: %s", number, type(error).__name__)
                continue
            if not told:
                _LOG.warning("address %d of [notify] took no message; check it with `outlay doctor`", number)
