"""What is told to programs by webhooks: each step of a recommendation that matters to them, once, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from optimizer.agent.cycle import House
from optimizer.agent.daemon.agenda import Timetable
from optimizer.agent.daemon.board import Board
from optimizer.agent.daemon.jobs import Jobs
from optimizer.agent.settings import Settings
from optimizer.agent.webhooks import Hook, Message, Webhooks
from optimizer.plan.audit import Entry
from optimizer.plan.office import Outcome
from optimizer.ports import Clock, NotFound

JOB: Final = "webhooks"
TOLD: Final = frozenset(
    {"proposed", "edited", "approved", "rejected", "revoked", "expired", "drifted", "applied", "failed", "verified",
     "rolled-back"}
)  # fmt: skip
"""The steps that are told, by the history's names of them."""

_BACK: Final = 2_000  # entries of the history that are looked through for what an earlier process did not tell
_PAGE: Final = 1_000


class Hooks:
    """What of the history was told to the receivers; what an earlier process told, its runs in the store say."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Have told nothing yet."""
        found = [Hook(hook.url, hook.secret.get_secret_value()) for hook in settings.webhooks]
        self._send = Webhooks(settings.portfolio.name, found, clock)
        self._is_on = bool(found)
        self._after: int | None = None
        self._waiting: tuple[Entry, ...] = ()

    def look(self, house: House, board: Board, jobs: Jobs, timetable: Timetable) -> None:
        """Tell what happened since the last look, or could not be told before and is due again.

        Raises:
            Fenced: Another process leads.
            StoreError: The store does not answer.
        """
        if not self._is_on:
            return
        board.read()
        if self._after is None:
            self._begin(house, board.entries)
        while self._after is not None and self._after < board.entries:
            found = house.store.audit(self._after, _PAGE)
            if not found:
                break
            self._waiting += tuple(filter(_is_told, found))
            self._after = found[-1].number
        if not self._waiting:
            return
        due = max(entry.event.at for entry in self._waiting)
        jobs.run(house, timetable, JOB, due, partial(self._tell, house, self._waiting))
        if jobs.is_done(JOB, due) or jobs.is_given_up(JOB, due, timetable):
            self._waiting = ()

    def _begin(self, house: House, entries: int) -> None:
        """Go on after what was told last; where nothing ever was, begin with what happens from now on."""
        runs = house.store.runs(JOB)
        self._after = entries
        if runs:
            done = next((run.due_at for run in runs if run.outcome is Outcome.DONE), None)
            since = runs[-1].due_at - timedelta(microseconds=1) if done is None else done
            self._after = max(entries - _BACK, 0)
            while found := house.store.audit(self._after, _PAGE):
                self._waiting += tuple(each for each in found if _is_told(each) and each.event.at > since)
                self._after = found[-1].number

    def _tell(self, house: House, entries: Sequence[Entry]) -> str:
        messages = list(_messages(house, entries))
        self._send.send(messages)
        return f"told {', '.join(message.event for message in messages)}"


def _is_told(entry: Entry) -> bool:
    return entry.event.action in TOLD


def _messages(house: House, entries: Sequence[Entry]) -> Iterator[Message]:
    for entry in entries:
        event = entry.event
        try:
            made = house.store.record(event.rec_id, event.revision).recommendation
        except NotFound:  # the entry is of a write or a person, which have names of actions of their own
            continue
        facts = {
            "recommendation": event.rec_id,
            "revision": event.revision,
            "plan_hash": made.plan_hash,
            "valid_until": made.valid_until.isoformat(),
            "actor": event.actor,
        }
        yield Message(entry.number, f"recommendation.{event.action}", event.at, facts)
