"""The table of `config.toml` about the page on which marketers decide."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, Field

from optimizer.agent.settings.daemon import address_of
from optimizer.agent.settings.types import Amount, Positive, Table

_PAGE = "127.0.0.1:8470"


def _locale(text: str) -> str:
    try:
        if text:
            Locale.parse(text, sep="-")
    except (ValueError, UnknownLocaleError):
        raise ValueError(f"{text!r} is no locale. Mend: write one such as en-GB, or an empty text") from None
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise ValueError(f"{text!r} is no address of a site. Mend: write one such as https://outlay.example.com")
    return text.rstrip("/")


class WebTable(Table):
    """`[web]`: where marketers look and decide."""

    listen: Annotated[str, AfterValidator(address_of)] = Field(
        _PAGE, description="host:port on which `outlay run` and `outlay web` serve the page; an empty text for none."
    )
    address: Annotated[str, AfterValidator(_url)] = Field(
        "",
        description="Address by which browsers reach the page, where it is not that of `listen`: that of the proxy "
        "that ends TLS. It goes into the links of messages, and requests for any other host are refused.",
    )
    locale: Annotated[str, AfterValidator(_locale)] = Field(
        "", description="How amounts and dates are written, such as en-GB or de-DE; empty for what the browser asks."
    )
    session_hours: Positive = Field(
        12.0, le=8760, description="Hours after which whoever logged in has to do so again, at most 8760."
    )
    confirm_above: Amount | None = Field(
        None,
        description="Money moved a day above which an approval at the page asks for the password again; unset for "
        "never.",
    )
    runs: str = Field(
        "runs",
        description="Folder of runs of `outlay simulate` that the simulator's screen shows, beside the settings file.",
    )


def slug(name: str) -> str:
    """Return a portfolio's name as it stands in addresses: lower case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "portfolio"


def page_of(web: WebTable, portfolio: str) -> str:
    """Return the address of a recommendation's page, with `{recommendation}` in place of its id; empty without one."""
    return f"{web.address}/{slug(portfolio)}/recommendations/{{recommendation}}" if web.address else ""
