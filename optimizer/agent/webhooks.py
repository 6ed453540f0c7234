"""Signed messages to programs: that a recommendation waits, and what became of it.

The signature is an HMAC-SHA256 over the moment of sending and the body, as in Stripe's webhooks: a receiver that
compares it, and refuses old moments, takes no message that somebody else made or sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import stamina

from optimizer.ports import Clock, NotTold

SIGNATURE: Final = "Outlay-Signature"

_LOG: Final = logging.getLogger("outlay.webhooks")
_SECONDS: Final = 3.0  # for one attempt
_ATTEMPTS: Final = 3
_ALL_SECONDS: Final = 8.0  # for all attempts at one message to one address: a look of the agent waits for no longer
_REMEMBERED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Hook:
    """One receiver.

    Attributes:
        url: Where messages are posted.
        secret: Shared with the receiver.
    """

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that happened to a recommendation.

    Attributes:
        number: Of its entry in the history; with the portfolio it names the message for ever.
        event: Such as `recommendation.proposed`.
        at: When it happened; aware UTC.
        facts: What else is told; plain values.
    """

    number: int
    event: str
    at: datetime
    facts: dict[str, Any]

    def body(self, portfolio: str) -> bytes:
        """Return the message as JSON, the same bytes each time."""
        told = {"id": f"{portfolio}:{self.number}", "event": self.event, "portfolio": portfolio}
        told |= {"at": self.at.isoformat()} | self.facts
        return json.dumps(told, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii")


def signature(secret: str, at: datetime, body: bytes) -> str:
    """Return the header's value, `t=SECONDS,v1=HEX`.

    Args:
        secret: The receiver's.
        at: The moment of sending; aware.
        body: The bytes that are sent.
    """
    seconds = int(at.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class Webhooks:
    """Posts messages to receivers. Who has had a message does not get it again when others are tried again."""

    def __init__(self, portfolio: str, hooks: Sequence[Hook], clock: Clock, first: int = 1) -> None:
        """Send nothing yet.

        Args:
            portfolio: Its name.
            hooks: The receivers.
            clock: Tells the time.
            first: The number by which the first of them is told of; the others count on.
        """
        self._portfolio, self._hooks, self._clock, self._first = portfolio, tuple(hooks), clock, first
        self._had: dict[tuple[int, int], None] = {}

    def send(self, messages: Sequence[Message]) -> None:
        """Post messages, oldest first, to all receivers that have not had them yet.

        Where a receiver does not answer, its later messages wait, too, so that they come in order.

        Raises:
            NotTold: Some receivers were not reached; to send the same again reaches those only.
        """
        missing = []
        for number, hook in enumerate(self._hooks, self._first):
            waiting = [message for message in messages if (number, message.number) not in self._had]
            if not all(self._posted(number, hook, message) for message in waiting):  # stops at the first that fails
                missing.append(number)
        while len(self._had) > _REMEMBERED:
            self._had.pop(next(iter(self._had)))
        if missing:
            raise NotTold(missing, "[[webhooks]]")

    def _posted(self, number: int, hook: Hook, message: Message) -> bool:
        import httpx  # noqa: PLC0415 - slow to load, and an agent that was started anew writes first

        body = message.body(self._portfolio)
        try:
            for attempt in stamina.retry_context(
                on=httpx.HTTPError, attempts=_ATTEMPTS, timeout=_ALL_SECONDS, wait_initial=0.2, wait_max=2.0
            ):
                with attempt:
                    headers = {
                        "Content-Type": "application/json",
                        "User-Agent": "outlay",
                        SIGNATURE: signature(hook.secret, self._clock.now(), body),
                    }
                    with httpx.stream("POST", hook.url, content=body, headers=headers, timeout=_SECONDS) as answer:
                        answer.raise_for_status()  # what else it answers is not waited for
        except httpx.HTTPError as error:
            _LOG.warning("webhook %d took no message: %s", number, type(error).__name__)
            return False
        self._had[number, message.number] = None
        return True
