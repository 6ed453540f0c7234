"""Why a budget stays where it is."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.plan.recommendation import Finding, Severity
from optimizer.plan.snapshot import Target


@dataclass(frozen=True, slots=True)
class Hold:
    """Why one budget stays where it is; `severity` tells whether a person should look."""

    code: str
    words: str
    severity: Severity
    mend: str = ""

    def finding(self, target: Target) -> Finding:
        """The hold as a finding on its budget."""
        return Finding(self.code, self.severity, str(target.key), f"{target.budget.name}: {self.words}.", self.mend)
