"""The settings of `[connectors.NAME]` with `kind = "tiktok"`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.manners import Version
from connectors.settings import Address

API: Final = Version("v1.3")
"""TikTok has not said when it ends."""

_ID: Final = r"^[0-9]+$"
_METRIC: Final = r"^[a-z0-9_]+$"


_EXAMPLES: Final = {"advertisers": '["7000000000000000001"]', "token": '{ env = "TIKTOK_TOKEN" }'}


class Options(BaseModel):
    """What a TikTok connector is told.

    Attributes:
        advertisers: Ids of the advertiser accounts.
        token: Where the access token is.
        conversions: Metrics that count as conversions, each a definition of its own. Delivery and value stand with the
            first.
        value: The metric of their value; `total_complete_payment_rate` is a sum of money, whatever it is called.
        days: In which zone the platform cuts days: the account's, or UTC; its documents do not agree.
        address: Where the interface is; another one for an emulator.
        timeout_seconds: How long an answer may take.
        calls_a_day: So many requests a UTC day, and no more.
        restatement_days: How many days back conversions are restated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    advertisers: Annotated[tuple[Annotated[str, Field(pattern=_ID)], ...], Field(min_length=1)]
    token: SecretSource
    conversions: Annotated[tuple[Annotated[str, Field(pattern=_METRIC)], ...], Field(min_length=1)] = (
        "complete_payment",
    )
    value: Annotated[str, Field(pattern=_METRIC)] = "total_complete_payment_rate"
    days: Literal["account", "utc"] = "account"
    address: Address = "https://business-api.tiktok.com"
    timeout_seconds: PositiveFloat = 60.0
    calls_a_day: PositiveInt = 10_000
    restatement_days: PositiveInt = 28


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    return settings.read(Options, context, "tiktok", _EXAMPLES)
