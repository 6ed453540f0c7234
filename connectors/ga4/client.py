"""Reports of one property through Google's library, whole or not at all.

GA4 withholds small numbers (thresholds), estimates large reports (sampling) and rolls many rows into one called
`(other)`, each said in the answer's metadata only. Such a report is refused: its sums are not those of the property.

https://developers.google.com/analytics/devguides/reporting/data/v1
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import grpc
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import BetaAnalyticsDataGrpcTransport
from google.analytics.data_v1beta.types import DateRange, Dimension, Metric, OrderBy, RunReportRequest
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from connectors.credentials import Redactor
from connectors.errors import AskMarketer, ConnectorError, RetryLater, Stop
from connectors.manners import Quota, patiently

PAGE: Final = 10_000
_GRANT: Final = "grant the account the role Viewer on the property, and enable the Google Analytics Data API"
_NOT_SENT: Final = "Getting metadata from plugin failed"
"""How gRPC words a credential that could not be renewed: as UNAVAILABLE, though no retry helps a revoked one."""

_UNREACHED: Final = ("TransportError", "Max retries")
"""How google-auth words a renewal that nobody answered, within gRPC's words."""

_REFUSED: Final = (exceptions.Unauthenticated, exceptions.PermissionDenied)
_LATER: Final = (
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.InternalServerError,
    exceptions.DeadlineExceeded,
    exceptions.Unknown,
)


class Client:
    """Speaks to the Data API about one property.

    Args:
        property_id: Its id.
        credentials: The text of a service account's file, or None for Google's usual places.
        address: Of an emulator, or None for Google's own.
        timeout_seconds: How long an answer may take.
        quota: What the day's requests are counted against.

    Raises:
        AskMarketer: There are no credentials, or they are not those of a service account.
    """

    def __init__(
        self, property_id: str, credentials: str | None, address: str | None, timeout_seconds: float, quota: Quota
    ) -> None:
        self._property = f"properties/{property_id}"
        self._timeout = timeout_seconds
        self._quota = quota
        self._redactor = Redactor()
        self._api = _api(credentials, address, self._redactor)

    def about(self) -> tuple[str, str]:
        """Return the property's currency and time zone.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        request = RunReportRequest(
            property=self._property,
            metrics=[Metric(name="sessions")],
            date_ranges=[DateRange(start_date="yesterday", end_date="yesterday")],
            limit=1,
        )
        told = self._asked(request).metadata
        return told.currency_code, told.time_zone

    def rows(
        self, dimensions: Sequence[str], metrics: Sequence[str], since: date, until: date
    ) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Yield the dimensions and metrics of every row, page by page.

        Args:
            dimensions: Names; rows are ordered by them.
            metrics: Names.
            since: The first day, in the property's zone.
            until: The last day.

        Raises:
            AskMarketer: The report is thresholded, sampled or rolled up, or the credential is refused.
            RetryLater, Stop: See `connectors.errors`.
        """
        offset, count = 0, 1
        while offset < count:
            answer = self._asked(
                RunReportRequest(
                    property=self._property,
                    dimensions=[Dimension(name=name) for name in dimensions],
                    metrics=[Metric(name=name) for name in metrics],
                    date_ranges=[DateRange(start_date=since.isoformat(), end_date=until.isoformat())],
                    order_bys=[OrderBy(dimension=OrderBy.DimensionOrderBy(dimension_name=name)) for name in dimensions],
                    offset=offset,
                    limit=PAGE,
                )
            )
            _require_whole(answer, since, until)
            count = answer.row_count
            for row in answer.rows:
                yield tuple(v.value for v in row.dimension_values), tuple(v.value for v in row.metric_values)
            offset += PAGE

    def close(self) -> None:
        """Close the connection; may be called twice."""
        transport: Any = self._api.transport
        transport.close()

    def _asked(self, request: RunReportRequest) -> Any:
        return patiently(lambda: self._once(request))

    def _once(self, request: RunReportRequest) -> Any:
        self._quota.spend()
        try:
            # Without the library's own retries: how long to wait is said in one place.
            answer = self._api.run_report(request, retry=None, timeout=self._timeout)
        except (exceptions.GoogleAPICallError, auth_exceptions.GoogleAuthError) as error:
            self._hide_token()
            failure = _translated(error, self._redactor)
        else:
            self._hide_token()
            return answer
        raise failure  # out here: the library's own error, which may show a token, would be the context

    def _hide_token(self) -> None:
        """Put the access token, which the library renews by itself, into the vault."""
        token = getattr(getattr(self._api.transport, "_credentials", None), "token", None)
        if token:
            self._redactor.add_passing(str(token))


def _api(credentials: str | None, address: str | None, redactor: Redactor) -> BetaAnalyticsDataClient:
    """Return the library's client; what is secret in the credentials is hidden from then on."""
    wrong, mend = "the credentials cannot be used", "name a service account's JSON file"
    try:
        info = None if credentials is None else json.loads(credentials)
        for name in ("private_key", "private_key_id"):
            redactor.add("" if info is None else str(info.get(name, "")))
        if address is not None:
            channel = grpc.insecure_channel(address)
            return BetaAnalyticsDataClient(transport=BetaAnalyticsDataGrpcTransport(channel=channel))
        if info is None:
            return BetaAnalyticsDataClient()
        return BetaAnalyticsDataClient.from_service_account_info(info)
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        wrong = f"{wrong} ({type(error).__name__})"
    except auth_exceptions.DefaultCredentialsError:
        wrong = "there are no credentials for Google Analytics"
        mend = "set credentials to a service account's JSON file, or GOOGLE_APPLICATION_CREDENTIALS"
    except auth_exceptions.GoogleAuthError as error:
        wrong = f"{wrong} ({type(error).__name__})"
    # Raised out here: a parser's error holds the text of the file, and would be the context.
    raise AskMarketer(wrong, mend=mend)


def _translated(error: Exception, redactor: Redactor) -> ConnectorError:
    said = getattr(error, "message", None) or (error.args[0] if error.args else "")
    words = redactor.clean(f"{type(error).__name__}: {said}".strip(": "))
    if isinstance(error, auth_exceptions.GoogleAuthError):
        return _not_renewed(words, isinstance(error, auth_exceptions.TransportError) or error.retryable)
    if isinstance(error, exceptions.ServiceUnavailable) and _NOT_SENT in words:
        return _not_renewed(words, any(sign in words for sign in _UNREACHED))
    if isinstance(error, _REFUSED):
        return AskMarketer(f"Google Analytics refuses the credential ({words})", mend=_GRANT)
    if isinstance(error, _LATER):
        return RetryLater(f"Google Analytics turns the request away ({words})")
    return Stop(f"Google Analytics refuses the report ({words})")


def _not_renewed(words: str, unreached: bool) -> ConnectorError:
    if unreached:
        return RetryLater(f"the access token could not be renewed now; nothing was sent ({words})")
    return AskMarketer(
        f"the access token cannot be renewed ({words})",
        mend="make a new key of the service account, and name its JSON file in credentials",
    )


def _require_whole(answer: Any, since: date, until: date) -> None:
    told = answer.metadata
    place = f"the report of {since} to {until}"
    if told.subject_to_thresholding:
        raise AskMarketer(
            f"{place} is thresholded: small numbers are withheld",
            mend="switch Google signals off for reporting (reporting identity: device-based)",
        )
    if told.sampling_metadatas:
        raise AskMarketer(f"{place} is sampled: its numbers are estimates", mend="pull fewer days at once")
    if told.data_loss_from_other_row:
        raise AskMarketer(
            f"{place} has rows rolled into (other)", mend="export the property to BigQuery, and read it as a warehouse"
        )
