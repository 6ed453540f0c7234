"""The settings of `[connectors.NAME]` with `kind = "microsoft"`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.manners import Version
from connectors.settings import Address

API: Final = Version("v13")
"""The end that Microsoft has announced is that of v13 over SOAP; over REST, which is used here, it has named none."""

_ID: Final = r"^[0-9]+$"
_EXAMPLES: Final = {
    "customer": '"12345678"',
    "accounts": '["150123456"]',
    "developer_token": '{ env = "MICROSOFT_DEVELOPER_TOKEN" }',
    "client_id": '"00000000-0000-0000-0000-000000000000"',
    "refresh_token": '{ env = "MICROSOFT_REFRESH_TOKEN" }',
}


class Options(BaseModel):
    """What a Microsoft Advertising connector is told.

    Attributes:
        customer: The customer (manager account) through which the accounts are reached, digits only.
        accounts: Ids of the ad accounts, digits only; not their numbers such as `X1234567`.
        developer_token: Where the developer token is.
        client_id: Of the app that was registered in Entra ID.
        client_secret: Where its secret is; none for an app that is registered as a public client.
        refresh_token: Where the refresh token is (scope `https://ads.microsoft.com/msads.manage offline_access`).
        tenant: Where the user signs in.
        address: Where all services and the sign-in are, for an emulator; by default the platform's own hosts.
        timeout_seconds: How long an answer may take.
        report_seconds: How long a report may take to be made.
        poll_seconds: How long to wait before a report is asked for again.
        pause_seconds: How long to wait after too many calls, of which the platform says no time.
        calls_a_day: So many requests a UTC day, and no more.
        restatement_days: How many days back conversions are restated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer: Annotated[str, Field(pattern=_ID)]
    accounts: Annotated[tuple[Annotated[str, Field(pattern=_ID)], ...], Field(min_length=1)]
    developer_token: SecretSource
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretSource | None = None
    refresh_token: SecretSource
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")] = "common"
    address: Address | None = None
    timeout_seconds: PositiveFloat = 60.0
    report_seconds: PositiveFloat = 900.0
    poll_seconds: PositiveFloat = 5.0
    pause_seconds: PositiveFloat = 60.0
    calls_a_day: PositiveInt = 20_000
    restatement_days: PositiveInt = 30


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong.
    """
    return settings.read(Options, context, "microsoft", _EXAMPLES)
