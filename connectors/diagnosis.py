"""What `outlay connectors check` asks of a connector that can say more than whether a read went through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """How one thing stands: in order, usable with a remark, or in the way of the first cycle."""

    WELL = "well"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """How one thing stands: a credential, a permission, a version, a quota.

    Attributes:
        subject: Such as `credentials`, `permissions`, `version`, `quota`.
        verdict: How it stands.
        message: What was found, in words without a secret.
        mend: What to do; empty where nothing is.
    """

    subject: str
    verdict: Verdict
    message: str
    mend: str = ""


class Diagnoses(Protocol):
    """A connector that can look at its own credentials, permissions, versions and quotas."""

    def diagnose(self) -> Sequence[Diagnosis]:
        """Return how each stands; raises nothing: what cannot be looked at is wrong, and says why."""
        ...
