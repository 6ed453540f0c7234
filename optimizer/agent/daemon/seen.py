"""What a desk saw at its last look, and how a failure is told: in words, in the log, never with a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from connectors.errors import ConnectorError
from optimizer.agent.cycle import House, Refused
from optimizer.agent.daemon.board import Board
from optimizer.agent.secrecy import redacted
from optimizer.agent.settings import SettingsError
from optimizer.goals import GoalsError
from optimizer.plan.circuit import Circuit
from optimizer.plan.doubts import Doubt
from optimizer.plan.office import Brake, JobRun, Lease
from optimizer.plan.record import IntentState, Record
from optimizer.ports import CallLost, NotTold, StoreError

_LOG: Final = structlog.get_logger("outlay.daemon")

KNOWN: Final = (ConnectorError, StoreError, SettingsError, GoalsError, Refused, CallLost, NotTold)
"""Errors that say what is wrong and how it is mended; any other is a defect of ours."""


@dataclass(slots=True)
class Seen:
    """What a desk saw at its last look, for status and metrics; replaced whole, so that readers need no lock.

    Attributes:
        at: When it looked; None before the first look.
        leading: Whether this process leads.
        leader: Who does.
        brake: The newest throw of the kill switch.
        runs: The newest run of each job.
        waiting: Proposals that wait for a person.
        unwritten: How many recommendations are approved and not written to their end.
        failed: Whether the newest one that was approved ended in failure.
        open_writes, unknown_writes: Planned or being sent; of these, being sent.
        circuits: Breakers of accounts that are open.
        doubts: What stands in doubt of the data.
        trouble: Why the last look came to nothing, or why new settings were not taken; empty if all is well.
    """

    at: datetime | None = None
    leading: bool = False
    leader: Lease | None = None
    brake: Brake | None = None
    runs: dict[str, JobRun] = field(default_factory=dict)
    waiting: tuple[Record, ...] = ()
    unwritten: int = 0
    failed: bool = False
    open_writes: int = 0
    unknown_writes: int = 0
    circuits: tuple[Circuit, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    trouble: str = ""


def sight(house: House, board: Board, runs: dict[str, JobRun], now: datetime, trouble: str) -> Seen:
    """Return what there is to see of a house, whose board and newest runs are given.

    Raises:
        StoreError: Its store does not answer.
    """
    board.read()
    leader, brake, waiting, opened = board.seen()
    return Seen(
        at=now,
        leading=house.tenure.epoch is not None,
        leader=leader,
        brake=brake,
        runs=runs,
        waiting=waiting,
        unwritten=len(board.approved()),
        failed=board.failed() is not None,
        open_writes=len(opened),
        unknown_writes=sum(intent.state is IntentState.SENDING for intent in opened),
        circuits=board.open_circuits(),
        doubts=house.store.doubts(now),
        trouble=trouble,
    )


def told(portfolio: str, job: str, error: Exception) -> str:
    """Log a failure, with its traceback where it is a defect of ours, and return it in words."""
    known = isinstance(error, KNOWN)
    words = redacted(str(error) if known else f"unexpected {type(error).__name__}: {error}")
    _LOG.warning("failed", portfolio=portfolio, job=job, words=words, exc_info=None if known else error)
    return words
