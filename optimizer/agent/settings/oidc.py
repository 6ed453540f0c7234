"""The table of `config.toml` about the identity provider through which people may log in."""

from __future__ import annotations

from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from optimizer.agent.settings.types import Table, Text

_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    if text and (not safe or not parts.hostname or parts.query or parts.fragment):
        raise ValueError(f"{text!r} is no issuer. Mend: write its https address, such as https://id.example.com")
    return text


class OidcTable(Table):
    """`[oidc]`: an identity provider that speaks OpenID Connect."""

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        "", description="Address of the identity provider, exactly as it names itself; an empty text for none."
    )
    client_id: str = Field("", description="What the provider calls this page.")
    client_secret: SecretStr | None = Field(
        None, description="The secret that it gave out; better set as OUTLAY_OIDC__CLIENT_SECRET or in a secret file."
    )
    scopes: tuple[Text, ...] = Field(("openid",), description="What is asked for; openid is needed.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.issuer and not (self.client_id and self.client_secret and "openid" in self.scopes):
            raise ValueError(
                "issuer is set, and client_id or client_secret is not, or scopes lack openid. Mend: write all of them"
            )
        return self
