"""The settings of a Google Ads connector, validated as a whole before anything is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.settings import Address

ENDPOINT: Final = "googleads.googleapis.com"
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
EXPLORER_OPERATIONS: Final = 2_880
"""Operations a day of a developer token with explorer access, the least that there is."""

_CUSTOMER: Final = re.compile(r"\d{10}")


def _customer(text: str) -> str:
    digits = text.replace("-", "")
    if _CUSTOMER.fullmatch(digits) is None:
        raise ValueError("it is not a customer id: ten digits, such as 123-456-7890")
    return digits


CustomerId = Annotated[str, AfterValidator(_customer)]


_EXAMPLES: Final = {"customer_ids": '["123-456-7890"]'}


class Options(BaseModel):
    """The settings of `[connectors.NAME]` with `kind = "google"`; docs/platforms.md explains each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_ids: Annotated[tuple[CustomerId, ...], Field(min_length=1)]
    login_customer_id: CustomerId | None = None
    config_file: Path | None = None
    developer_token: SecretSource | None = None
    client_id: Annotated[str, Field(min_length=1)] | None = None
    client_secret: SecretSource | None = None
    refresh_token: SecretSource | None = None
    service_account: Path | None = None
    impersonate: Annotated[str, Field(min_length=1)] | None = None
    report: Literal["ads", "audiences"] = "ads"
    conversion_actions: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    days_per_query: Annotated[int, Field(ge=1, le=366)] = 7
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    operations_per_day: Annotated[int, Field(ge=1)] | None = EXPLORER_OPERATIONS
    endpoint: Annotated[str, Field(min_length=1)] = ENDPOINT
    token_uri: Address = TOKEN_URI

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = {name: getattr(self, name) for name in ("client_id", "client_secret", "refresh_token")}
        given = [name for name, value in own.items() if value is not None]
        ways = [self.config_file is not None, bool(given), self.service_account is not None]
        if sum(ways) != 1:
            raise ValueError(
                "give the credentials in one way: config_file, or client_id with client_secret and refresh_token, "
                "or service_account"
            )
        if given and len(given) < len(own):
            raise ValueError(f"{', '.join(own)} go together; {', '.join(sorted(own.keys() - set(given)))} is missing")
        if self.developer_token is None and self.config_file is None:
            raise ValueError("developer_token is missing")
        if len(set(self.customer_ids)) < len(self.customer_ids):
            raise ValueError("customer_ids name an account twice")
        if len(set(self.conversion_actions)) < len(self.conversion_actions):
            raise ValueError("conversion_actions name an action twice")
        return self


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    return settings.read(Options, context, "google", _EXAMPLES)
