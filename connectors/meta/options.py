"""The settings of a Meta connector, validated as a whole before anything is asked of the platform."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from connectors import settings
from connectors.contract import BuildContext
from connectors.credentials import SecretSource
from connectors.settings import Address

Window = Literal["1d_click", "7d_click", "28d_click", "1d_view", "1d_ev"]
Breakdown = Literal["age", "gender", "country", "publisher_platform"]

GRAPH: Final = "https://graph.facebook.com"
AD_SET: Final = "ad set"
"""What the attribution setting is called where each ad set has its own."""


def _account(text: str) -> str:
    bare = text.removeprefix("act_")
    if not (bare.isascii() and bare.isdigit()):
        raise ValueError("it is not the number of an ad account (such as 1234567890 or act_1234567890)")
    return bare


def _once[T](values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) != len(values):
        raise ValueError(f"names the same one twice: {', '.join(map(str, values))}")
    return values


def _apart(windows: tuple[Window, ...]) -> tuple[Window, ...]:
    clicks = [window for window in windows if window.endswith("_click")]
    if len(clicks) > 1:
        raise ValueError(f"{' and '.join(clicks)} hold the same conversions: name one of them")
    return windows


_EXAMPLES: Final = {"accounts": '["1234567890"]', "access_token": '{ env = "META_TOKEN" }'}


class Options(BaseModel):
    """The settings of `[connectors.NAME]` with `kind = "meta"`; docs/platforms.md explains each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: Annotated[
        tuple[Annotated[str, AfterValidator(_account)], ...], Field(min_length=1), AfterValidator(_once)
    ]
    access_token: SecretSource
    app_secret: SecretSource | None = None
    channel: Annotated[str, Field(min_length=1)] = "meta"
    conversions: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), AfterValidator(_once)
    ] = ("omni_purchase",)
    attribution_windows: Annotated[tuple[Window, ...], AfterValidator(_once), AfterValidator(_apart)] = ()
    breakdowns: Annotated[tuple[Breakdown, ...], AfterValidator(_once)] = ()
    clicks: Literal["inline_link_clicks", "clicks"] = "inline_link_clicks"
    restatement_days: Annotated[int, Field(ge=1, le=90)] = 28
    report_days: Annotated[int, Field(ge=1, le=90)] = 30
    direct_days: Annotated[int, Field(ge=0, le=30)] = 3
    page_rows: Annotated[int, Field(ge=1, le=5000)] = 500
    calls_a_day: Annotated[int, Field(ge=1)] | None = None
    attempts: Annotated[int, Field(ge=1, le=100)] = 20
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    report_timeout_seconds: Annotated[float, Field(gt=0, le=7200)] = 1800.0
    base_url: Address = GRAPH

    @property
    def attribution(self) -> str:
        """The attribution setting in words: the windows that are summed, or the ad sets' own."""
        return "+".join(self.attribution_windows) or AD_SET


def read_options(context: BuildContext) -> Options:
    """Return the settings, checked.

    Raises:
        BadInput: A setting is unknown, missing or wrong; it names the setting and the mend.
    """
    return settings.read(Options, context, "meta", _EXAMPLES)
