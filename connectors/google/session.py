"""The official client, held as it must be: a timeout on each call, services kept, reads retried and writes never."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import Any, Final

import grpc
import requests
from google.ads.googleads.client import GoogleAdsClient
from google.auth.transport.requests import Request

from connectors.errors import ConnectorError
from connectors.google.errors import Call, family
from connectors.google.options import Options
from connectors.google.secrets import Secrets
from connectors.manners import Quota, TokenRefused, Version, once_anew, patiently

VERSION: Final = Version("v26", date(2027, 11, 1))
"""Google's schedule gives November 2027 for its end, without a day."""

_TOKEN_TIMEOUT: Final = 30.0
_ATTEMPTS: Final = 20
"""So that a year, some hundred calls, is read although every second call is turned away."""


def _as_it_is(row: Any) -> Any:
    return row


class _RequestIds(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    """Keeps the id of the last answered request of a thread: the generated clients return nothing but the message."""

    def __init__(self) -> None:
        self._here = threading.local()

    @property
    def last(self) -> str:
        return getattr(self._here, "last", "")

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self._here.last = ""
        call = continuation(client_call_details, request)
        self._here.last = dict(call.trailing_metadata() or ()).get("request-id", "")
        return call


class Session:
    """All calls of one connector.

    Args:
        name: The connector's name, for errors.
        options: Its settings.
        secrets: Its credentials.
        quota: Counts the operations of the day.
    """

    def __init__(self, name: str, options: Options, secrets: Secrets, quota: Quota) -> None:
        self._name = name
        self._timeout = options.timeout_seconds
        self._secrets = secrets
        self._credentials = secrets.credentials
        self._renewing = threading.Lock()
        self._ids = _RequestIds()
        self._services: dict[str, Any] = {}
        self.quota = quota
        self._client = GoogleAdsClient(
            credentials=secrets.credentials,
            developer_token=secrets.developer_token,
            login_customer_id=secrets.login_customer_id,
            endpoint=options.endpoint,
            version=VERSION.name,
            use_proto_plus=False,
        )

    def search(self, customer_id: str, query: str, what: str) -> Iterator[Any]:
        """Return the rows of a query as plain protobuf; for those that are few: each takes some kilobytes.

        Raises:
            RetryLater, AskMarketer, Stop: What the platform says.
        """
        return self.taken(customer_id, query, what, _as_it_is)

    def taken[T](self, customer_id: str, query: str, what: str, take: Callable[[Any], T]) -> Iterator[T]:
        """Return what `take` makes of each row of a query, plain protobuf; all are there before the first is given.

        A stream that breaks is asked for anew, so what was taken is held until it has ended; the rows themselves are
        let go batch by batch.

        Raises:
            RetryLater, AskMarketer, Stop: What the platform says.
        """
        call = Call(f"{self._name}: reading {what} of {customer_id}")

        def read() -> list[T]:
            self.quota.spend()
            stream = self._service("GoogleAdsService").search_stream(
                customer_id=customer_id, query=query, timeout=self._timeout, retry=None
            )
            return [take(row) for batch in stream for row in batch.results]

        return iter(once_anew(lambda: patiently(partial(self._called, read, call), attempts=_ATTEMPTS)))

    def set_budget(self, customer_id: str, budget_id: str, micros: int, *, only_check: bool) -> str:
        """Set the amount of a budget by one request, or have it validated only; return the request's id.

        Raises:
            OutcomeUnknown: The answer was lost.
            RetryLater, AskMarketer, Stop: What the platform says; nothing was written.
        """
        request = self._client.get_type("MutateCampaignBudgetsRequest")
        operation = request.operations.add()
        operation.update.resource_name = f"customers/{customer_id}/campaignBudgets/{budget_id}"
        operation.update.amount_micros = micros
        # By hand: the official helper makes a mask of what differs from nothing, and so drops an amount of 0.
        operation.update_mask.paths.append("amount_micros")
        what = f"{'checking' if only_check else 'setting'} budget {budget_id} of {customer_id}"
        return self._mutate("CampaignBudgetService", "mutate_campaign_budgets", request, customer_id, what, only_check)

    def set_status(self, customer_id: str, ad: str, status: str, *, only_check: bool) -> str:
        """Set the status of an ad, `ad group~ad`, to ENABLED or PAUSED; return the request's id.

        Raises:
            OutcomeUnknown: The answer was lost.
            RetryLater, AskMarketer, Stop: What the platform says; nothing was written.
        """
        request = self._client.get_type("MutateAdGroupAdsRequest")
        operation = request.operations.add()
        operation.update.resource_name = f"customers/{customer_id}/adGroupAds/{ad}"
        statuses = operation.update.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_name
        operation.update.status = statuses[status].number
        operation.update_mask.paths.append("status")
        what = f"{'checking' if only_check else 'switching'} ad {ad} of {customer_id}"
        return self._mutate("AdGroupAdService", "mutate_ad_group_ads", request, customer_id, what, only_check)

    def renew(self) -> None:
        """Renew the access token where it has run out, so that a refusal is heard as what it is.

        Inside a call gRPC would tell it as a service that is away, and a retry would never end.

        Raises:
            RetryLater, AskMarketer: The authority is away, or refuses.
        """
        self._called(lambda: None, Call(f"{self._name}: renewing the access token"))

    def close(self) -> None:
        """Close the channels; may be called twice."""
        while self._services:
            self._services.popitem()[1].transport.close()

    def _mutate(self, service: str, method: str, request: Any, customer_id: str, what: str, only_check: bool) -> str:
        request.customer_id = customer_id
        request.validate_only = only_check

        def write() -> str:
            self.quota.spend()
            getattr(self._service(service), method)(request=request, timeout=self._timeout, retry=None)
            return self._ids.last

        call = Call(f"{self._name}: {what}", writes=not only_check)
        if only_check:
            return patiently(partial(self._called, write, call), attempts=_ATTEMPTS)
        return self._called(write, call)

    def _service(self, name: str) -> Any:
        """The service, made once: one that nobody holds closes the channel under its own streams."""
        if name not in self._services:
            self._services[name] = self._client.get_service(name, interceptors=[self._ids])
        return self._services[name]

    def _called[T](self, work: Callable[[], T], call: Call) -> T:
        """Return what a call returns; what it raises becomes one of the families."""
        failed: ConnectorError
        try:
            self._renew()
        except Exception as error:  # noqa: BLE001 - whatever the library raises has a family
            failed = family(error, call._replace(writes=False), self._secrets.redactor)
        else:
            try:
                return work()
            except Exception as error:  # noqa: BLE001 - as above
                failed = family(error, call, self._secrets.redactor)
                if isinstance(failed, TokenRefused):
                    self._credentials.token = None
        raise failed  # outside, so that the library's error, which may show a token, is not its context

    def _renew(self) -> None:
        with self._renewing:
            if not self._credentials.valid:
                with requests.Session() as http:
                    self._credentials.refresh(partial(Request(http), timeout=_TOKEN_TIMEOUT))
                self._secrets.redactor.add_passing(str(self._credentials.token))
