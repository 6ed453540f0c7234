"""The messages of the platform's interface, as the official package brings them; plain protobuf, which is quick."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from google.ads.googleads.v26.errors.types import errors
from google.ads.googleads.v26.services.types import (
    ad_group_ad_service,
    campaign_budget_service,
    customer_service,
    google_ads_service,
)

VERSION: Final = "v26"

Row: Final[Any] = google_ads_service.GoogleAdsRow.pb()
Metrics: Final[Any] = type(Row().metrics)
Segments: Final[Any] = type(Row().segments)
SearchRequest: Final[Any] = google_ads_service.SearchGoogleAdsRequest.pb()
SearchResponse: Final[Any] = google_ads_service.SearchGoogleAdsResponse.pb()
StreamRequest: Final[Any] = google_ads_service.SearchGoogleAdsStreamRequest.pb()
StreamResponse: Final[Any] = google_ads_service.SearchGoogleAdsStreamResponse.pb()
BudgetsRequest: Final[Any] = campaign_budget_service.MutateCampaignBudgetsRequest.pb()
BudgetsResponse: Final[Any] = campaign_budget_service.MutateCampaignBudgetsResponse.pb()
AdsRequest: Final[Any] = ad_group_ad_service.MutateAdGroupAdsRequest.pb()
AdsResponse: Final[Any] = ad_group_ad_service.MutateAdGroupAdsResponse.pb()
CustomersRequest: Final[Any] = customer_service.ListAccessibleCustomersRequest.pb()
CustomersResponse: Final[Any] = customer_service.ListAccessibleCustomersResponse.pb()
Failure: Final[Any] = errors.GoogleAdsFailure.pb()
ErrorCode: Final[Any] = errors.ErrorCode.pb()


def leaf(message: Any, name: str) -> str:
    """Return how a message calls a field of the query language: a word that Python reserves has a line below it."""
    return name if name in message.DESCRIPTOR.fields_by_name else f"{name}_"


@lru_cache(maxsize=256)
def numbers(path: str) -> dict[str, int] | None:
    """Return the constants of a field of a row, by name; None if it holds no enumeration.

    Raises:
        KeyError: There is no such field on the platform.
    """
    at = Row.DESCRIPTOR
    *heads, last = path.split(".")
    for head in heads:
        at = at.fields_by_name[head].message_type
        if at is None:
            raise KeyError(path)
    field = at.fields_by_name[last] if last in at.fields_by_name else at.fields_by_name[f"{last}_"]
    return None if field.enum_type is None else {value.name: value.number for value in field.enum_type.values}


def embedded(number: int, message: bytes) -> bytes:
    """Return a message as it stands inside another one, under a field's number.

    A row of this interface has some hundred fields, most of them empty: to build each as an object takes longer than
    all the rest. What is built here is joined as it goes over the wire: parts of a message may follow one another.
    """
    return _varint(number << 3 | 2) + _varint(len(message)) + message


def _varint(number: int) -> bytes:
    """Protobuf's own form of a whole number: seven bits a byte, the lowest first."""
    if number < 0x80:
        return _BYTES[number]
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


_BYTES: Final = tuple(bytes((number,)) for number in range(0x80))

METRICS: Final[int] = Row.DESCRIPTOR.fields_by_name["metrics"].number
SEGMENTS: Final[int] = Row.DESCRIPTOR.fields_by_name["segments"].number
RESULTS: Final[int] = StreamResponse.DESCRIPTOR.fields_by_name["results"].number
PAGE_RESULTS: Final[int] = SearchResponse.DESCRIPTOR.fields_by_name["results"].number
