"""What is told to programs by webhooks: each step of a recommendation that matters to them, once, in order."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

from optimizer.agent.cycle import House
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.following import Following
from optimizer.agent.daemon.jobs import Jobs
from optimizer.agent.settings import Settings
from optimizer.agent.webhooks import Hook, Message, Webhooks
from optimizer.plan.audit import Entry
from optimizer.ports import Clock, NotFound

TOLD: Final = frozenset(
    {"proposed", "edited", "approved", "rejected", "revoked", "expired", "drifted", "applied", "failed", "verified",
     "rolled-back"}
)  # fmt: skip
"""The steps that are told, by the history's names of them."""

_SIGNS: Final = 8  # of a digest: enough to tell a few addresses apart, and no address can be had from them


class Hooks:
    """The receivers; each has a job of its own, so that one that does not answer holds up no other."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Have told nothing yet."""
        self._followings = tuple(
            _following(settings.portfolio.name, number, Hook(hook.url, hook.secret.get_secret_value()), clock)
            for number, hook in enumerate(settings.webhooks, 1)
        )

    def look(self, house: House, board: Board, jobs: Jobs, timetable: Timetable) -> None:
        """Tell what happened since the last look, or could not be told before and is due again.

        Raises:
            Fenced: Another process leads.
            StoreError: The store does not answer.
        """
        for following in self._followings:
            following.look(house, board, jobs, timetable)

    def forget(self) -> None:
        """Ask the store anew, where another process may have led meanwhile."""
        for following in self._followings:
            following.forget()


def job_of(url: str) -> str:
    """Return the name of a receiver's job: by its address, so that it is the same wherever its table stands."""
    return f"webhooks:{hashlib.sha256(url.encode()).hexdigest()[:_SIGNS]}"


def _following(portfolio: str, number: int, hook: Hook, clock: Clock) -> Following:
    sender = Webhooks(portfolio, [hook], clock, first=number)
    return Following(job_of(hook.url), clock, _is_told, partial(_told, sender))


def _is_told(entry: Entry) -> bool:
    return entry.event.action in TOLD


def _told(sender: Webhooks, house: House, entry: Entry) -> str:
    event = entry.event
    try:
        made = house.store.record(event.rec_id, event.revision).recommendation
    except NotFound:  # the entry is of a write or a person, which have names of actions of their own
        return "nothing is told"
    facts = {
        "recommendation": event.rec_id,
        "revision": event.revision,
        "plan_hash": made.plan_hash,
        "valid_until": made.valid_until.isoformat(),
        "actor": event.actor,
    }
    message = Message(entry.number, f"recommendation.{event.action}", event.at, facts)
    sender.send([message])
    return f"told {message.event}"
