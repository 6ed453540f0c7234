"""The settings of `[connectors.NAME]` with `kind = "warehouse"`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.errors import BadInput
from connectors.files.options import Options as FileOptions
from connectors.files.options import read_options as read_file_options

FIVETRAN: Final = "ad_reporting__ad_report"
"""The table that Fivetran's `ad_reporting` package makes, one row for an ad and a day."""

_SECRET: Final = re.compile(
    r"pass(word|wd|code|phrase)|pwd|token|secret|credentials|private_?key|access_?key|api_?key|odbc_connect",
    re.IGNORECASE,
)
"""Names in the query part of a URL whose values are secrets."""

_PATH: Final = re.compile(r"(path|file|uri|url)$", re.IGNORECASE)
"""And those that say where a secret is, or who gives it."""

_OF_FILES: Final = frozenset(
    {"folder", "pattern", "delimiter", "decimal", "encoding", "budgets_file", "ads_file", "touches", "orders"}
)
"""Settings of the files connector that mean nothing here."""


class Options(BaseModel):
    """Where the rows are; how they are read is said as for files.

    Attributes:
        url: SQLAlchemy's, such as `duckdb:///ads.duckdb` or `bigquery://project`; one with a password stands in the
            environment or a file.
        table: The table or view, with its schema where it needs one.
        query: A SELECT instead of a table; `:since` and `:until` in it are the first and the last day.
        touches_query, orders_query: SELECTs of touches and of orders, with the same two days in them; None for none.
        survey_days: Names and budgets are those of the last so many days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | SecretSource
    table: Annotated[str, Field(min_length=1)] = FIVETRAN
    query: Annotated[str, Field(min_length=1)] | None = None
    touches_query: Annotated[str, Field(min_length=1)] | None = None
    orders_query: Annotated[str, Field(min_length=1)] | None = None
    survey_days: Annotated[int, Field(ge=1, le=1000)] = 60

    @model_validator(mode="after")
    def _days_in_query(self) -> Self:
        for name in ("query", "touches_query", "orders_query"):
            asked = getattr(self, name)
            if asked is not None and not (":since" in asked and ":until" in asked):
                raise ValueError(f"{name} must hold :since and :until, so that only the days needed are read")
        return self

    def address(self, context: BuildContext) -> URL:
        """Return where the warehouse is.

        Raises:
            BadInput: It is no URL of a database, or one with a secret stands in the settings.
            AskMarketer: The secret cannot be read.
        """
        text = self.url if isinstance(self.url, str) else self.url.read(context, "url")
        try:
            found = make_url(text)
        except (ArgumentError, ValueError):
            found = None
        if found is None:
            # Raised out here: SQLAlchemy's own error shows the text, and would be the context.
            mend = 'write it as "duckdb:///ads.duckdb"; in a password, @ : and / are written as %40, %3A and %2F.'
            raise _bad(context, "url", "it is no URL of a database", mend)
        if isinstance(self.url, str) and secrets_of(found):
            what = "a secret" if found.password is None else "a password"
            raise _bad(context, "url", f"{what} stands in it", 'write url = { env = "VARIABLE" } instead.')
        return found


def secrets_of(url: URL) -> frozenset[str]:
    """Return what must not be shown of a URL: its password and the secrets in its query part, in every spelling."""
    plain = [] if url.password is None else [str(url.password)]
    for name, value in url.query.items():
        if _SECRET.search(name) and not _PATH.search(name):
            plain += [value] if isinstance(value, str) else value
    return frozenset(spelt for one in plain for spelt in (one, quote(one, safe=""), quote(one), quote_plus(one)))


def read_options(context: BuildContext) -> tuple[Options, FileOptions]:
    """Return where the rows are, and how they are read.

    Raises:
        BadInput: A setting is unknown, missing or wrong.
    """
    own = {name: value for name, value in context.options.items() if name in Options.model_fields}
    rest = {name: value for name, value in context.options.items() if name not in own}
    misplaced = sorted(_OF_FILES & rest.keys())
    if misplaced:
        raise _bad(context, misplaced[0], "is a setting of files", "remove it.")
    own_context = BuildContext(context.name, own, context.home, context.source)
    options = settings.read(Options, own_context, "warehouse", {"url": '"duckdb:///ads.duckdb"'})
    as_file: Mapping[str, Any] = {**rest, "folder": "."}
    return options, read_file_options(BuildContext(context.name, as_file, context.home, context.source))


def _bad(context: BuildContext, field: str, words: str, mend: str) -> BadInput:
    return BadInput(words, where=context.source, field=field, mend=mend)
