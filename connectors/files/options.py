"""The settings of a files connector, validated as a whole before anything is read."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.contract import BuildContext, zone
from connectors.errors import BadInput
from connectors.money import Money, exponent, minor_unit_micros

Unit = Literal["major", "minor", "micros"]
TouchField = Literal["person", "at", "channel", "campaign", "kind"]
OrderField = Literal["order_id", "customer", "at", "value", "refunded", "currency", "channel", "campaign", "claims"]

ISO: Final = "iso"

# Names under which the usual exports and Fivetran's ad_reporting model carry a column, looked for in this order.
WELL_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "date": ("date_day", "date", "day"),
    "account_id": ("account_id", "customer_id"),
    "currency": ("currency", "currency_code"),
    "time_zone": ("time_zone", "timezone"),
    "channel": ("platform", "channel"),
    "campaign_id": ("campaign_id",),
    "campaign_name": ("campaign_name", "campaign"),
    "ad_group_id": ("ad_group_id", "adset_id", "ad_set_id"),
    "ad_group_name": ("ad_group_name", "adset_name", "ad_set_name"),
    "ad_id": ("ad_id",),
    "ad_name": ("ad_name",),
    "creative_id": ("creative_id",),
    "creative_name": ("creative_name",),
    "audience_id": ("audience_id",),
    "audience_name": ("audience_name",),
    "spend": ("spend", "cost"),
    "impressions": ("impressions",),
    "clicks": ("clicks", "click"),
    "conversions": ("conversions",),
    "value": ("conversions_value", "conversion_value"),
    "impression_share": ("impression_share", "search_impression_share"),
    "lost_to_budget": ("lost_to_budget", "search_budget_lost_impression_share"),
    "budget": ("daily_budget",),
    "tags": ("tags", "labels"),
    "fetched_at": (),
}


class Columns(BaseModel):
    """Which column holds what: a header, empty for none, or left out to look for the well-known names.

    Only `conversions` may name several columns; they are summed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: str | None = None
    account_id: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    channel: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None
    ad_group_id: str | None = None
    ad_group_name: str | None = None
    ad_id: str | None = None
    ad_name: str | None = None
    creative_id: str | None = None
    creative_name: str | None = None
    audience_id: str | None = None
    audience_name: str | None = None
    spend: str | None = None
    impressions: str | None = None
    clicks: str | None = None
    conversions: str | tuple[str, ...] | None = None
    value: str | None = None
    impression_share: str | None = None
    lost_to_budget: str | None = None
    budget: str | None = None
    tags: str | None = None
    fetched_at: str | None = None

    def named(self, field: str) -> tuple[str, ...] | None:
        """The headers set for a field: () where it is switched off, None where it is left to the well-known names."""
        value = getattr(self, field)
        if value is None or isinstance(value, tuple):
            return value
        return (value,) if value else ()


class Units(BaseModel):
    """The unit of each money column: major (12.50), minor (1250 cents) or micros (12500000).

    Of the impression shares it is one (0.85) or percent (85).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spend: Unit = "major"
    value: Unit = "major"
    budget: Unit = "major"
    share: Literal["one", "percent"] = "one"


def _currency(code: str) -> str:
    exponent(code)
    return code


def _zone(name: str) -> str:
    zone(name)
    return name


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"{name!r} is not a text encoding (such as utf-8, utf-16 or cp1252)") from None


def _relative(pattern: str) -> str:
    if PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
        raise ValueError(f"{pattern!r} must stay inside the folder (such as *.csv or reports/*.parquet)")
    return pattern


def _date_format(text: str) -> str:
    if text == ISO:
        return text
    probe = datetime(2022, 11, 25)  # noqa: DTZ001 - only its digits are used
    try:
        kept = datetime.strptime(probe.strftime(text), text).date() == probe.date()  # noqa: DTZ007 - the same
    except ValueError:
        kept = False
    if not kept:
        raise ValueError(f"{text!r} does not name year, month and day (such as %d.%m.%Y); or write {ISO!r}")
    return text


def _single_character(text: str) -> str:
    if len(text) != 1 or text in '\r\n"':
        raise ValueError("must be one character, neither a quote nor a line break")
    return text


class Options(BaseModel):
    """The settings of `[connectors.NAME]` with `kind = "files"`; docs/connectors.md explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Annotated[str, Field(min_length=1)]
    pattern: Annotated[str, Field(min_length=1), AfterValidator(_relative)] = "*.csv"
    account: Annotated[str, Field(min_length=1)] | None = None
    currency: Annotated[str, AfterValidator(_currency)] | None = None
    time_zone: Annotated[str, AfterValidator(_zone)] | None = None
    channel: Annotated[str, Field(min_length=1)] | None = None
    columns: Columns = Columns()
    units: Units = Units()
    rows: Literal["daily", "hourly"] = "daily"
    date_format: Annotated[str, AfterValidator(_date_format)] = ISO
    delimiter: Annotated[str, AfterValidator(_single_character)] = ","
    decimal: Literal[".", ","] = "."
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    conversion_definition: Annotated[str, Field(min_length=1)] = "all"
    attribution_setting: Annotated[str, Field(min_length=1)] = "platform"
    restatement_days: Annotated[int, Field(ge=0, le=365)] = 30
    budgets_file: Annotated[str, Field(min_length=1)] = "budgets.csv"
    ads_file: Annotated[str, Field(min_length=1)] = "ad_status.csv"
    touches: Annotated[str, Field(min_length=1), AfterValidator(_relative)] | None = None
    orders: Annotated[str, Field(min_length=1), AfterValidator(_relative)] | None = None
    touch_columns: Mapping[TouchField, str] = Field(default_factory=dict)
    order_columns: Mapping[OrderField, str] = Field(default_factory=dict)
    budget_minimum: Annotated[Decimal, Field(ge=0, le=10**12)] | None = None
    budget_quantum: Annotated[Decimal, Field(ge=Decimal("0.000001"), le=10**12)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        if self.decimal == self.delimiter:
            raise ValueError("decimal and delimiter are the same character")
        if self.rows == "hourly" and self.columns.fetched_at:
            raise ValueError('columns.fetched_at goes with rows = "daily" only')
        return self

    def quantum_micros(self, currency: str) -> int:
        """The step of a budget's amount: as set, else the currency's minor unit."""
        if self.budget_quantum is None:
            return minor_unit_micros(currency)
        return Money.of(self.budget_quantum, currency).micros

    def minimum(self, currency: str) -> Money | None:
        """The least amount of a budget, if one is set."""
        return None if self.budget_minimum is None else Money.of(self.budget_minimum, currency)


def read_options(context: BuildContext) -> Options:
    """Validate the settings of one connector.

    Raises:
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    try:
        return Options.model_validate(dict(context.options))
    except ValidationError as error:
        raise _bad_setting(error, context.source) from None


def _bad_setting(error: ValidationError, source: str) -> BadInput:
    first = error.errors(include_url=False, include_input=False)[0]
    # A union reports its member as the last part of the place; only the parts that are settings are shown.
    place = [str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier()]
    field = ".".join(place[:2]) or None
    if first["type"] == "extra_forbidden":
        known: Sequence[str] = sorted(_fields(place[:-1]))
        near = get_close_matches(place[-1], known, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"remove it, or write one of {', '.join(known)}."
        return BadInput("is not a setting of the files connector", where=source, field=field, mend=mend)
    if first["type"] == "missing":
        return BadInput("is missing", where=source, field=field, mend=f'add a line such as {field} = "reports".')
    message = first["msg"].removeprefix("Value error, ")
    return BadInput(message, where=source, field=field, mend="correct the setting; docs/connectors.md lists all.")


def _fields(place: Sequence[str]) -> dict[str, Any]:
    inner: dict[str, type[BaseModel]] = {"columns": Columns, "units": Units}
    return dict(inner[place[0]].model_fields if place and place[0] in inner else Options.model_fields)
