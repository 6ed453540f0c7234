"""Telling people that something waits for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from optimizer.ports import NotTold

_LOG = logging.getLogger("outlay.notify")
_PLACE: Final = "{recommendation}"
_REMEMBERED: Final = 100  # messages of which some addresses have had their copy and others not


class LogNotifier:
    """Writes each message to the program's log, which goes to standard error."""

    def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
        """Log one message, without its page."""
        _LOG.info("%s: %s", title, body)


class AppriseNotifier:
    """Sends each message to mail, chat or webhook addresses through Apprise, and writes it to the log.

    An address that has had a message does not get it again when others are tried again; that is remembered while the
    process runs.
    """

    def __init__(self, urls: Sequence[str], link: str = "") -> None:
        """Send nothing yet.

        Args:
            urls: As Apprise writes them; they hold secrets and are never logged.
            link: Address of the web page of a recommendation, of which `{recommendation}` is its id; without that the
                same page for all of them. Added to each message; may be empty.
        """
        self._urls, self._link = tuple(urls), link
        self._had: dict[tuple[str, str], set[int]] = {}

    def __repr__(self) -> str:
        """Return how many addresses there are; each is a secret."""
        return f"AppriseNotifier({len(self._urls)} addresses)"

    def tell(self, title: str, body: str, about: str = "", page: str = "") -> None:
        """Send one message to all addresses that have not had it yet.

        Raises:
            NotTold: Some could not be reached; the others have it.
        """
        had = self._had.setdefault((title, body), set())
        if not had:
            LogNotifier().tell(title, body, about)
        linked = bool(self._link) and (bool(about) or _PLACE not in self._link)  # a report is about no recommendation
        text = f"{body}\n{self._link.replace(_PLACE, about)}" if linked else body
        for number, url in enumerate(self._urls, 1):
            if number not in had and _sent(number, url, title, text, page):
                had.add(number)
        missing = [number for number in range(1, len(self._urls) + 1) if number not in had]
        if missing:
            while len(self._had) > _REMEMBERED:
                self._had.pop(next(iter(self._had)))
            raise NotTold(missing)
        del self._had[title, body]


def _sent(number: int, url: str, title: str, text: str, page: str) -> bool:
    """Send one message to one address; one that cannot be reached is told in the log and holds up nobody."""
    # Deferred: it brings a hundred services along, and most commands tell nobody anything.
    import apprise  # noqa: PLC0415
    from apprise.attachment.memory import AttachMemory  # noqa: PLC0415

    try:
        sender = apprise.Apprise()
        named = {"name": "report.html", "mimetype": "text/html"}
        beside = AttachMemory(content=page, **named) if page else None  # type: ignore[no-untyped-call]  # it has no types
        told = bool(sender.add(url) and sender.notify(body=text, title=title, attach=beside))
    except Exception as error:  # noqa: BLE001 - whatever a service does, a cycle goes on
        _LOG.warning("address %d of [notify] failed: %s", number, type(error).__name__)
        return False
    if not told:
        _LOG.warning("address %d of [notify] took no message; check it with `outlay doctor`", number)
    return told
