"""The settings of `[connectors.NAME]` with `kind = "ga4"`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from connectors import settings
from connectors.contract import BuildContext

_EXAMPLES: Final = {"property": '"123456789"'}


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
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    return settings.read(Options, context, "ga4", _EXAMPLES)
