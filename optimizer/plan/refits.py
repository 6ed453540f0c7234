"""What is kept of a refit of the slow tier, whether its priors were handed on or withheld."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from optimizer.plan.priors import AdPriors, ResponsePriors

_DIGEST_LENGTH: Final = 64
ADS: Final = "ads-hierarchy"
"""Models of this family, each version of it, are of ads; all others are of the response of budgets."""

_SEEDS: Final = 2**63  # what a database holds


@dataclass(frozen=True, slots=True)
class Check:
    """One condition under which the draws of a fit may be believed.

    Attributes:
        name: A stable code: `evidence`, `r-hat`, `ess-bulk`, `ess-tail`, `divergences`, `coverage`, `calibration`,
            `lift-tests`.
        value: What was found, the worst over all parameters; nan where nothing could be computed.
        limit: The value at which it turns.
        passed: Whether the draws may be believed as far as this goes.
        words: The finding in a sentence, with what to do about it where it failed.
    """

    name: str
    value: float
    limit: float
    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class RefitRecord:
    """One refit as it is kept; never changed afterwards.

    Attributes:
        refit_id: Unique; begins with the day of the fit.
        fitted_at: In `datetime.UTC`, when the fit had ended: from then on its priors are known.
        model: Name and version of the model that was fitted.
        code_version: Of the program.
        seed: Of the generator that the fit was given.
        evidence: Digest of the snapshot that it learnt from, 64 hexadecimal digits.
        seconds: How long it took, zero or more.
        checks: All that were made, in their order.
        priors: What was handed to the fast tier; None where a check failed, and the priors of before stand.
        file: Of the draws, seen from the database's folder; empty where nothing was drawn.

    Raises:
        ValueError: A value is out of its range, or the priors are of another time or stand beside a failed check.
    """

    refit_id: str
    fitted_at: datetime
    model: str
    code_version: str
    seed: int
    evidence: str
    seconds: float
    checks: tuple[Check, ...]
    priors: ResponsePriors | AdPriors | None
    file: str = ""

    def __post_init__(self) -> None:
        where = f"refit {self.refit_id!r}"
        if self.fitted_at.tzinfo is not UTC:
            raise ValueError(f"{where}: its time must be in UTC, not {self.fitted_at}")
        if not 0 <= self.seed < _SEEDS or not self.seconds >= 0:
            raise ValueError(f"{where}: seed and seconds must not be below 0, and the seed below 2**63")
        if len(self.evidence) != _DIGEST_LENGTH:
            raise ValueError(f"{where}: {self.evidence!r} is no digest")
        if self.priors is not None:
            self._agree(where, self.priors)

    def _agree(self, where: str, priors: ResponsePriors | AdPriors) -> None:
        if (priors.fitted_at, priors.fitted_at.tzinfo, priors.model) != (self.fitted_at, UTC, self.model):
            raise ValueError(f"{where}: its priors are of another time or model")
        if isinstance(priors, AdPriors) is not self.about_ads:
            raise ValueError(f"{where}: its priors are not what its model {self.model!r} is of")
        if not all(check.passed for check in self.checks):
            raise ValueError(f"{where}: priors must not be handed on when a check failed")

    @property
    def about_ads(self) -> bool:
        """Whether it is of ads, not of the response of budgets."""
        return self.model.partition("/")[0] == ADS

    @property
    def passed(self) -> bool:
        """Whether its priors were handed on."""
        return self.priors is not None

    @property
    def objections(self) -> tuple[str, ...]:
        """What the checks that failed say, in their order."""
        return tuple(check.words for check in self.checks if not check.passed)
