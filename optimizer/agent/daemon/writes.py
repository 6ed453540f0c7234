"""What the agent writes: what was approved, at once, and its reading back once the platforms had time to settle."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from optimizer import approval
from optimizer.agent import switch, writing
from optimizer.agent.cycle import House, Refused
from optimizer.agent.daemon.agenda import settled
from optimizer.agent.daemon.board import WRITTEN, Board
from optimizer.agent.daemon.jobs import Jobs
from optimizer.agent.daemon.seen import told
from optimizer.agent.secrecy import redacted
from optimizer.plan.office import Outcome
from optimizer.plan.record import Record, State
from optimizer.ports import Clock, ClockWentBack, Fenced, NotFound, StateConflict

RESTED: Final = timedelta(seconds=60)
"""After so long an approval that could not be begun or went on waiting is tried again. So are settings that could not
be taken, since what they name may have been out of reach for a moment."""


class Writes:
    """Applies and verifies recommendations, each by itself, so that one that fails holds up no other."""

    def __init__(self, clock: Clock, jobs: Jobs) -> None:
        """Have tried nothing yet."""
        self._clock, self._jobs = clock, jobs
        self._rest: dict[str, datetime] = {}

    def lift(self, house: House) -> None:
        """Let writes go on where a pause is over; a clock that went back says nothing of that, and holds up nothing."""
        try:
            lifted = switch.lift(house.store, house.guards, self._clock.now())
        except ClockWentBack as error:
            self._jobs.say(house, "resume", "pause", (Outcome.FAILED, told(house.name, "resume", error)))
            return
        if lifted is not None:
            self._jobs.say(house, "resume", "pause", (Outcome.DONE, f"writes go on: {lifted.reason}"))

    def apply(self, house: House, board: Board) -> None:
        """Write what was approved, first what was begun; what cannot be begun now rests a minute."""
        names = {record.recommendation.rec_id for record in (*board.approved(), *board.applied())}
        self._rest = {name: until for name, until in self._rest.items() if name in names}
        self._jobs.keep(names)
        for record in sorted(board.approved(), key=lambda record: record.state is not State.APPLYING):
            rec_id, now = record.recommendation.rec_id, self._clock.now()
            if house.tenure.leaving or now < self._rest.get(rec_id, now):
                continue
            ended = _tried(house, "apply", partial(writing.apply, house, rec_id), rec_id, "waits")
            self._rest[rec_id] = self._clock.now() + (timedelta(0) if _on_its_way(house, rec_id) else RESTED)
            self._jobs.say(house, "apply", rec_id, ended)
            board.read()

    def verify(self, house: House, board: Board, settle: timedelta) -> None:
        """Read back what was written, once the platforms had time to settle."""
        for record in board.applied():
            rec_id, now = record.recommendation.rec_id, self._clock.now()
            if now < self._rest.get(rec_id, now):
                continue
            intents = house.store.intents(rec_id, record.recommendation.revision)
            ends = [intent.updated_at for intent in intents if intent.updated_at is not None]
            if not settled(ends, now, settle):
                continue
            self._rest[rec_id] = now + RESTED
            ended = _tried(house, "verify", partial(writing.verify, house, rec_id), rec_id, "cannot be verified")
            self._jobs.say(house, "verify", rec_id, ended)
            board.read()

    def end(self, house: House, board: Board) -> None:
        """End the failure of a job whose recommendation waits for it no more: it expired, or somebody closed it."""
        for job, waiting in (("apply", board.approved()), ("verify", board.applied())):
            run = self._jobs.newest(house).get(job)
            if run is None or run.outcome is not Outcome.FAILED:
                continue
            rec_id = run.words.partition(" ")[0]
            if rec_id not in {record.recommendation.rec_id for record in waiting}:
                with suppress(NotFound):  # the words are of a run that was cut off
                    words = f"{rec_id} is {house.store.record(rec_id).state.value}"
                    self._jobs.say(house, job, rec_id, (Outcome.DONE, words))


def _tried(house: House, job: str, act: Callable[[], Record], rec_id: str, otherwise: str) -> tuple[Outcome, str]:
    """What came of one recommendation; what fails is told, and must not hold up the others.

    What waits for a person, a window or the kill switch, or somebody else was first with, has not failed.
    """
    try:
        return Outcome.DONE, f"{rec_id} is {act().state.value}"
    except Fenced:
        raise
    except (Refused, StateConflict) as error:
        failing = isinstance(error, Refused) and error.refusal.code is approval.Code.RESTING
        return Outcome.FAILED if failing else Outcome.DONE, redacted(f"{rec_id} {otherwise}: {error}")
    except Exception as error:  # noqa: BLE001
        return Outcome.FAILED, f"{rec_id} {otherwise}: {told(house.name, job, error)}"


def _on_its_way(house: House, rec_id: str) -> bool:
    return house.store.record(rec_id).state not in WRITTEN
