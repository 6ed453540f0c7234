"""What is kept of an experiment: its registration, which never changes, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bandits.experiment import Experiment
from bandits.readout import Verdict

_DIGEST_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Closing:
    """How an experiment ended.

    Attributes:
        experiment_id: Which one.
        closed_at: In `datetime.UTC`.
        closed_by: Who.
        verdict: What the readout said then; `running` where it was broken off.
        kept: The arm that stays; None where nobody has said so.
        reason: In words, not empty.
        evidence: Digest of the rows that the readout was made from, 64 hexadecimal digits.

    Raises:
        ValueError: A value is not as above.
    """

    experiment_id: str
    closed_at: datetime
    closed_by: str
    verdict: Verdict
    kept: str | None
    reason: str
    evidence: str

    def __post_init__(self) -> None:
        where = f"the end of experiment {self.experiment_id!r}"
        if self.closed_at.tzinfo is not UTC:
            raise ValueError(f"{where}: its time must be in UTC, not {self.closed_at}")
        if not self.closed_by.strip() or not self.reason.strip():
            raise ValueError(f"{where}: it must say who closed it, and why")
        if len(self.evidence) != _DIGEST_LENGTH:
            raise ValueError(f"{where}: {self.evidence!r} is no digest")


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment as it was registered, and its end where it has one.

    Attributes:
        experiment_id: Unique; begins with the day of its registration.
        plan: What was promised.
        plan_hash: Of the plan, as it was when it was registered.
        registered_at: In `datetime.UTC`.
        registered_by: Who.
        code_version: Of the program.
        closing: None while it is open.

    Raises:
        ValueError: A value is not as above, or the plan does not have this hash.
    """

    experiment_id: str
    plan: Experiment
    plan_hash: str
    registered_at: datetime
    registered_by: str
    code_version: str
    closing: Closing | None = None

    def __post_init__(self) -> None:
        where = f"experiment {self.experiment_id!r}"
        if self.registered_at.tzinfo is not UTC:
            raise ValueError(f"{where}: its time must be in UTC, not {self.registered_at}")
        if not self.registered_by.strip():
            raise ValueError(f"{where}: it must say who registered it")
        if self.plan.digest() != self.plan_hash:
            raise ValueError(f"{where}: its plan is not the one that was registered; its hash is another")
        if self.closing is not None and self.closing.experiment_id != self.experiment_id:
            raise ValueError(f"{where}: its end is that of {self.closing.experiment_id!r}")

    def open_at(self, moment: datetime) -> bool:
        """Whether it was registered by then, and not closed."""
        return self.registered_at <= moment and (self.closing is None or self.closing.closed_at > moment)
