"""The doors that the agent opens: what the core asks of a store, of those who tell people, of a clock.

Implementations live in `optimizer.agent`; each port has one conformance suite in `tests/` that all of them pass.
"""

from optimizer.ports.failures import (
    ApprovalStands,
    Braked,
    ClockWentBack,
    ConflictingRows,
    Fenced,
    NotFound,
    NotOwned,
    StateConflict,
    StoreError,
    StoreGone,
)
from optimizer.ports.office import Office
from optimizer.ports.outside import Call, CallLost, CallRaised, Clock, Notifier, NotTold
from optimizer.ports.people import People
from optimizer.ports.store import LONG_AGO, IngestReport, SnapshotQuery, Store

__all__ = [
    "LONG_AGO",
    "ApprovalStands",
    "Braked",
    "Call",
    "CallLost",
    "CallRaised",
    "Clock",
    "ClockWentBack",
    "ConflictingRows",
    "Fenced",
    "IngestReport",
    "NotFound",
    "NotOwned",
    "NotTold",
    "Notifier",
    "Office",
    "People",
    "SnapshotQuery",
    "StateConflict",
    "Store",
    "StoreError",
    "StoreGone",
]
