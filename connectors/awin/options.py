"""The settings of `[connectors.NAME]` with `kind = "awin"`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.money import exponent
from connectors.settings import Address

TimeZone = Literal[
    "UTC", "Europe/Berlin", "Europe/Paris", "Europe/London", "Europe/Dublin", "Canada/Eastern", "Canada/Central",
    "Canada/Mountain", "Canada/Pacific", "US/Eastern", "US/Central", "US/Mountain", "US/Pacific",
]  # fmt: skip
"""The zones that the network reports in."""


def _currency(code: str) -> str:
    exponent(code)
    return code


_EXAMPLES: Final = {"advertiser": '"12345"', "token": '{ env = "AWIN_TOKEN" }', "currency": '"EUR"'}


class Options(BaseModel):
    """What an Awin connector is told.

    Attributes:
        advertiser: The advertiser's id.
        token: Where the access token is.
        currency: Of the programme; a transaction in another one is refused.
        time_zone: In which days are counted.
        network_fee: Awin's own share on top of each commission.
        address: Where the interface is; another one for an emulator.
        timeout_seconds: How long an answer may take.
        calls_a_minute: The network's limit, kept by waiting.
        restatement_days: How many days back transactions are validated, amended and declined.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    advertiser: Annotated[str, Field(pattern=r"^[0-9]+$")]
    token: SecretSource
    currency: Annotated[str, AfterValidator(_currency)]
    time_zone: TimeZone = "UTC"
    network_fee: Annotated[float, Field(ge=0.0, le=1.0)] = 0.3
    address: Address = "https://api.awin.com"
    timeout_seconds: PositiveFloat = 60.0
    calls_a_minute: PositiveInt = 20
    restatement_days: PositiveInt = 90


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    return settings.read(Options, context, "awin", _EXAMPLES)
