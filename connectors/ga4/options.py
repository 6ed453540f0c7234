"""The settings of `[connectors.NAME]` with `kind = "ga4"`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from connectors.contract import BuildContext
from connectors.errors import BadInput


class Options(BaseModel):
    """What a GA4 connector is told.

    Attributes:
        property: The property's id.
        credentials: A service account's own file; without it Google's usual places are looked at
            (`GOOGLE_APPLICATION_CREDENTIALS`, the machine's account).
        conversions: Metrics that count as conversions, such as `keyEvents` or `keyEvents:purchase`; each is a
            definition of its own. Delivery and value stand with the first.
        value: The metric of their value.
        address: `HOST:PORT` of an emulator, spoken to without TLS; Google's own by default.
        timeout_seconds: How long an answer may take.
        calls_a_day: So many requests a UTC day, and no more.
        restatement_days: How many days back GA4 attributes anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    property: Annotated[str, Field(pattern=r"^[0-9]+$")]
    credentials: Path | None = None
    conversions: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z]+(:\w+)?$")], ...], Field(min_length=1)] = (
        "keyEvents",
    )
    value: Annotated[str, Field(pattern=r"^[A-Za-z]+$")] = "totalRevenue"
    address: Annotated[str, Field(pattern=r"^[^\s/]+:[0-9]+$")] | None = None
    timeout_seconds: PositiveFloat = 60.0
    calls_a_day: PositiveInt = 2_000
    restatement_days: PositiveInt = 12


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong.
    """
    try:
        return Options.model_validate(dict(context.options))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise BadInput(
            first["msg"],
            where=context.source,
            field=".".join(str(part) for part in first["loc"]),
            mend=f"the settings are {', '.join(Options.model_fields)}.",
        ) from None
