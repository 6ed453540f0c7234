"""`[refit]` and `[[lift_tests]]`: how the slow tier is fitted, and the experiments that it learns from."""

from __future__ import annotations

import csv
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from optimizer.agent.settings.errors import SettingsError, from_validation
from optimizer.agent.settings.types import Amount, Positive, ScopeText, Table, Text
from optimizer.goals import ScopeKind
from optimizer.plan.problem import Outcome

Change = Annotated[Decimal, Field(max_digits=18, decimal_places=6)]


class RefitTable(Table):
    """`[refit]`: how much is sampled, of how much data, and how often.

    The bounds of draws, chains and acceptance are those within which the checks of a fit can be met at all.
    """

    every_days: int = Field(
        7, ge=1, le=365, description="Days after which `outlay status` calls the next refit due, 1 to 365."
    )
    draws: int = Field(
        1000, ge=10, le=100_000, description="Draws of each chain that are kept, 10 to 100000; too few fail the checks."
    )
    tune: int = Field(
        1000, ge=10, le=100_000, description="Draws of each chain that tune the sampler and are dropped, 10 to 100000."
    )
    chains: int = Field(
        4, ge=2, le=64, description="Independent chains, 2 to 64: whether they agree is the first check."
    )
    cores: int = Field(1, ge=1, le=256, description="Chains that are sampled at the same time, 1 to 256.")
    target_accept: float = Field(
        0.9,
        ge=0.5,
        lt=1,
        description="Acceptance that steps are tuned to, 0.5 to below 1; nearer to 1 is more careful.",
    )
    days: int = Field(182, ge=14, le=3660, description="Days of history that are fitted, the latest ones, 14 to 3660.")
    campaigns: int = Field(
        12, ge=1, le=1000, description="Most campaigns of a channel that are fitted, those with the most conversions."
    )
    keep: int = Field(8, ge=1, le=1000, description="Files of draws that are kept, the newest ones, 1 to 1000.")
    lift_tests_file: Text | None = Field(
        None, description="CSV file with further lift tests; its columns are the keys of [[lift_tests]]."
    )


class LiftTestTable(Table):
    """One `[[lift_tests]]` table: an experiment in which spend was changed on purpose."""

    scope: ScopeText = Field(description="What was tested: channel:NAME or campaign:ID.")
    first_day: date = Field(description="The first day with the changed spend.")
    last_day: date = Field(description="The last day with the changed spend.")
    spend: Amount = Field(description="What would have been spent over these days without the change.")
    spend_change: Change = Field(description="How much more (below 0: less) was spent over these days because of it.")
    incremental: float = Field(description="What the change brought in all; below 0, as a rule, where spend was cut.")
    se: Positive = Field(description="Standard error of `incremental`, above 0.")
    outcome: Outcome = Field(Outcome.CONVERSIONS, description="What `incremental` counts: conversions or value.")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.scope.kind not in (ScopeKind.CHANNEL, ScopeKind.CAMPAIGN):
            raise ValueError(f"{self.scope} cannot be tested. Mend: write channel:NAME or campaign:ID as its scope")
        if self.last_day < self.first_day:
            raise ValueError(f"last_day {self.last_day} is before first_day {self.first_day}. Mend: change one of them")
        if self.spend_change == 0:
            raise ValueError("spend_change is 0, so that nothing was tested. Mend: write by how much spend was changed")
        if self.spend + self.spend_change < 0:
            words = f"spend {self.spend} and spend_change {self.spend_change} together are below 0"
            raise ValueError(f"{words}. Mend: a holdout changes spend by at most all of it")
        return self


def repeated(tests: tuple[LiftTestTable, ...]) -> int | None:
    """Return the place of the first test that stands there twice, which would count its evidence double; or None."""
    return next((place for place, test in enumerate(tests) if test in tests[:place]), None)


class _File(Table):
    """The rows of a file of lift tests."""

    lift_tests: tuple[LiftTestTable, ...]


def read_lift_tests(path: Path) -> tuple[LiftTestTable, ...]:
    """Read a CSV file of lift tests: a header with the keys of `[[lift_tests]]`, one test a row; no value, the default.

    Raises:
        SettingsError: The file cannot be read, or a row is no test; the message names each such line and its mend.
    """
    numbers, rows = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, restkey="cells beyond the header", restval="")
            for row in reader:
                numbers.append(reader.line_num)
                rows.append({key.strip(): cell for key, cell in row.items() if cell})
    except OSError as error:
        mend = "Mend: correct lift_tests_file of [refit], or let this user read the file."
        raise SettingsError([f"{path}: cannot be read: {error.strerror}. {mend}"]) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError([f"{path}: not a CSV file in UTF-8: {error}. Mend: save it as one."]) from None
    try:
        return _File.model_validate({"lift_tests": rows}).lift_tests
    except ValidationError as error:
        told = from_validation(error, _File, str(path), {})
        raise SettingsError([_by_line(problem, numbers) for problem in told]) from None


def _by_line(problem: str, numbers: list[int]) -> str:
    return re.sub(r"lift_tests\[(\d+)\]", lambda found: f"line {numbers[int(found[1]) - 1]}", problem, count=1)
