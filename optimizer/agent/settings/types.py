"""What every table of `config.toml` is made of: how texts, amounts and shares are read, and the table itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, field_validator

from connectors.contract import zone
from connectors.money import exponent
from optimizer.goals import Scope


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Keep the text as it is if the check does not raise ValueError."""

    def keep(text: str) -> str:
        check(text)
        return text

    return AfterValidator(keep)


def _scope(value: object) -> Scope:
    return value if isinstance(value, Scope) else Scope.parse(str(value))


Text = Annotated[str, Field(min_length=1)]
Currency = Annotated[str, _checked(exponent)]
Zone = Annotated[str, _checked(zone)]
ScopeText = Annotated[Scope, PlainValidator(_scope), PlainSerializer(str)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6)]
PositiveAmount = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]
Confidence = Annotated[float, Field(gt=0.5, lt=1)]


class Table(BaseModel):
    """One table of `config.toml`: frozen, without unknown keys, all numbers finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a number or text is needed, not true or false")
        return value
