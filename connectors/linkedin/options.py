"""The settings of `[connectors.NAME]` with `kind = "linkedin"`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.manners import Version
from connectors.settings import Address

API: Final = Version("202601", date(2027, 1, 15))
"""LinkedIn serves a version for at least a year from its month; the sunset of this one is announced."""

_ID: Final = r"^[0-9]+$"


_EXAMPLES: Final = {"accounts": '["500000001"]', "token": '{ env = "LINKEDIN_TOKEN" }'}


class Options(BaseModel):
    """What a LinkedIn connector is told.

    Attributes:
        accounts: Ids of the ad accounts, digits only.
        token: Where the access token is (OAuth 2.0, scopes `r_ads`, `r_ads_reporting`, and `rw_ads` to write).
        conversions: Which metrics count as conversions; each is a definition of its own. Delivery and value stand with
            the first.
        address: Where the interface is; another one for an emulator.
        timeout_seconds: How long an answer may take.
        calls_a_day: So many requests a UTC day, and no more.
        restatement_days: How many days back conversions are restated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accounts: Annotated[tuple[Annotated[str, Field(pattern=_ID)], ...], Field(min_length=1)]
    token: SecretSource
    conversions: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)] = ("externalWebsiteConversions",)
    address: Address = "https://api.linkedin.com"
    timeout_seconds: PositiveFloat = 60.0
    calls_a_day: PositiveInt = 10_000
    restatement_days: PositiveInt = 30


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    return settings.read(Options, context, "linkedin", _EXAMPLES)
