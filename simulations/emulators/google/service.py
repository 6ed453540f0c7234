"""The services of Google Ads over gRPC: credentials are checked, faults met, operations counted, then it answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from itertools import chain, islice
from typing import Any, Final, NoReturn

import grpc

from simulations.emulators.account import Account
from simulations.emulators.faults import Fault, Faults, Kind
from simulations.emulators.google import messages, refusals
from simulations.emulators.google.answers import ChangeProblem, answer
from simulations.emulators.google.gaql import Query, QueryProblem
from simulations.emulators.google.mutates import set_budgets, set_statuses
from simulations.emulators.google.oauth import Authority
from simulations.emulators.google.refusals import Refusal
from simulations.emulators.google.schema import NotEmulated
from simulations.emulators.google.tables import Traits
from simulations.emulators.serving import HOST, unbound

PACKAGE: Final = f"google.ads.googleads.{messages.VERSION}.services"
_SECONDS_A_DAY: Final = 86_400.0


class Service:
    """What every request goes through.

    Attributes:
        operations: How many requests were counted today.
        served: How many requests were answered, by method.
    """

    def __init__(self, account: Account, faults: Faults, traits: Traits, authority: Authority) -> None:
        self._account = account
        self._faults = faults
        self._traits = traits
        self._authority = authority
        self._lock = threading.Lock()
        self._requests = 0
        self._day: date | None = None
        self._stale: dict[str, list[bytes]] = {}
        self.operations = 0
        self.served: dict[str, int] = {}

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return the handlers of all services that are emulated."""

        def unary(call: Callable[[Any, Any], Any], request: Any, response: Any = None) -> grpc.RpcMethodHandler:
            serializer = None if response is None else response.SerializeToString  # None: bytes as they are
            return grpc.unary_unary_rpc_method_handler(
                call, request_deserializer=request.FromString, response_serializer=serializer
            )

        stream = grpc.unary_stream_rpc_method_handler(
            self.search_stream, request_deserializer=messages.StreamRequest.FromString
        )
        services = {
            "GoogleAdsService": {
                "SearchStream": stream,
                "Search": unary(self.search, messages.SearchRequest),
            },
            "CampaignBudgetService": {
                "MutateCampaignBudgets": unary(self.set_budgets, messages.BudgetsRequest, messages.BudgetsResponse)
            },
            "AdGroupAdService": {"MutateAdGroupAds": unary(self.set_ads, messages.AdsRequest, messages.AdsResponse)},
            "CustomerService": {
                "ListAccessibleCustomers": unary(self.customers, messages.CustomersRequest, messages.CustomersResponse)
            },
        }
        return [grpc.method_handlers_generic_handler(f"{PACKAGE}.{name}", calls) for name, calls in services.items()]

    def search_stream(self, request: Any, context: Any) -> Iterator[bytes]:
        """Answer a query in batches."""
        with self._answering(context, "SearchStream") as request_id:
            fault = self._enter(request, context, "read")
            batches = self._batches(request.query, request_id, fault)
            for batch in batches:
                if not context.is_active():
                    return
                yield batch

    def search(self, request: Any, context: Any) -> bytes:
        """Answer one page of a query."""
        with self._answering(context, "Search"):
            fault = self._enter(request, context, "read")
            if request.page_size:
                words = "Setting the page size is not supported. Search Responses will have fixed page size."
                raise _invalid("request_error", "PAGE_SIZE_NOT_SUPPORTED", words)
            query, rows = self._answered(request.query, fault)
            response = messages.SearchResponse()
            response.field_mask.paths.extend(query.select)
            empty, at = _page(request.page_token)
            if fault is Fault.BROKEN:
                raise refusals.broken()
            if fault is Fault.EMPTY_PAGE and not empty:
                response.next_page_token = f"empty-{at}"
                return bytes(response.SerializeToString())
            size = self._traits.batch_rows
            found = list(islice(rows, at, at + size + 1))
            if len(found) > size:
                response.next_page_token = f"rows-{at + size}"
            return bytes(response.SerializeToString()) + _rows(messages.PAGE_RESULTS, found[:size])

    def set_budgets(self, request: Any, context: Any) -> Any:
        """Answer MutateCampaignBudgets."""
        return self._mutate(request, context, "MutateCampaignBudgets", set_budgets, messages.BudgetsResponse())

    def set_ads(self, request: Any, context: Any) -> Any:
        """Answer MutateAdGroupAds."""
        return self._mutate(request, context, "MutateAdGroupAds", set_statuses, messages.AdsResponse())

    def customers(self, request: Any, context: Any) -> Any:
        """Answer ListAccessibleCustomers."""
        with self._answering(context, "ListAccessibleCustomers"):
            fault = self._enter(request, context, "read")
            if fault is Fault.BROKEN:
                raise refusals.broken()
            response = messages.CustomersResponse()
            response.resource_names.append(f"customers/{self._account.account_id}")
            return response

    def _mutate(
        self, request: Any, context: Any, name: str, carry: Callable[[Account, Any, Any], None], response: Any
    ) -> Any:
        with self._answering(context, name):
            fault = self._enter(request, context, "read" if request.validate_only else "write")
            if fault is Fault.BROKEN:
                raise refusals.broken()
            if self._traits.read_only:
                raise refusals.forbidden("ACTION_NOT_PERMITTED", "The user may not change this customer.")
            with self._account.held:
                carry(self._account, request, response)
            if fault is Fault.LOST_AFTER:
                raise refusals.cut()
            return response

    def _batches(self, text: str, request_id: str, fault: Fault | None) -> Iterator[bytes]:
        """Yield the batches of a stream; one that breaks does so after half of its first batch."""
        query, rows = self._answered(text, fault)
        size = self._traits.batch_rows
        first = list(islice(rows, size))
        half = len(first) // 2 if fault in {Fault.EMPTY_PAGE, Fault.BROKEN} else len(first)
        yield _batch(query, request_id, first[:half])
        if fault is Fault.BROKEN:
            raise refusals.broken()
        if fault is Fault.EMPTY_PAGE:
            yield _batch(query, request_id, [])
            yield _batch(query, request_id, first[half:])
        while found := list(islice(rows, size)):
            yield _batch(query, request_id, found)

    def _answered(self, text: str, fault: Fault | None) -> tuple[Query, Iterator[bytes]]:
        """Return a query with its rows; a stale one has those of the last time, if they were few."""
        with self._account.held:
            query, rows = answer(self._account, self._traits, text)
            few = list(islice(rows, self._traits.batch_rows))
        if fault is Fault.STALE and text in self._stale:
            return query, iter(self._stale[text])
        rest = next(rows, None)
        if rest is not None:
            return query, chain(few, (rest,), rows)
        self._stale[text] = few
        return query, iter(few)

    def _enter(self, request: Any, context: Any, kind: Kind) -> Fault | None:
        """Let a request in and return what goes wrong with it later.

        Raises:
            Refusal: It is not let in.
        """
        fault = self._faults.next(kind)
        if fault is Fault.LOST_BEFORE:
            raise refusals.cut()
        if fault is Fault.THROTTLED:
            raise refusals.throttled(self._faults.retry_after_seconds)
        self._check_credentials(dict(context.invocation_metadata()), fault)
        if hasattr(request, "customer_id"):
            self._check_customer(request.customer_id)
        self._count()
        if fault is Fault.SLOW:
            _wait(self._faults.slow_seconds, context)
        return fault

    def _check_credentials(self, sent: dict[str, Any], fault: Fault | None) -> None:
        token = str(sent.get("authorization", ""))
        if not token.startswith("Bearer ") or not token.removeprefix("Bearer ").strip():
            raise refusals.unauthenticated("OAUTH_TOKEN_HEADER_INVALID", "The OAuth token in the header is invalid.")
        if fault is Fault.EXPIRED:
            raise refusals.unauthenticated("OAUTH_TOKEN_EXPIRED", "The OAuth access token has expired.")
        if self._authority.revoked:
            raise refusals.unauthenticated("OAUTH_TOKEN_REVOKED", "The OAuth access token has been revoked.")
        if not sent.get("developer-token"):
            raise _invalid("request_error", "DEVELOPER_TOKEN_PARAMETER_MISSING", "The developer token is missing.")
        login = str(sent.get("login-customer-id", ""))
        if login and not login.isdigit():
            raise _invalid("header_error", "INVALID_LOGIN_CUSTOMER_ID", "The login customer id is not a number.")

    def _check_customer(self, customer: str) -> None:
        if not customer.isdigit():
            raise _invalid("request_error", "INVALID_CUSTOMER_ID", f"Invalid customer ID '{customer}'.")
        if int(customer) != self._account.account_id:
            words = "User doesn't have permission to access customer."
            raise refusals.forbidden("USER_PERMISSION_DENIED", words)

    def _count(self) -> None:
        limit = self._traits.operations_per_day
        with self._lock:
            today = self._account.today
            if self._day != today:
                self._day, self.operations = today, 0
            if limit is not None and self.operations >= limit:
                raise refusals.throttled(_SECONDS_A_DAY, spent=True)
            self.operations += 1

    @contextmanager
    def _answering(self, context: Any, method: str) -> Iterator[str]:
        """Give the request an id, and answer what is raised inside as the platform does."""
        with self._lock:
            self._requests += 1
            request_id = f"emulated-{self._requests}"
            self.served[method] = self.served.get(method, 0) + 1
        mine = ((refusals.REQUEST_ID_KEY, request_id),)
        context.send_initial_metadata(mine)
        context.set_trailing_metadata(mine)
        try:
            yield request_id
        except Refusal as told:
            _abort(context, request_id, told)
        except QueryProblem as told:
            _abort(context, request_id, _invalid("query_error", told.code, str(told)))
        except ChangeProblem as told:
            _abort(context, request_id, _invalid("change_event_error", told.code, str(told)))
        except NotEmulated as told:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"This is an emulator: {told}.")


def _abort(context: Any, request_id: str, told: Refusal) -> NoReturn:
    if told.failure is not None:
        if hasattr(told.failure, "request_id"):
            told.failure.request_id = request_id
        context.set_trailing_metadata(
            (
                (refusals.REQUEST_ID_KEY, request_id),
                (refusals.FAILURE_KEY, told.failure.SerializeToString()),
            )
        )
    context.abort(told.status, told.words)
    raise AssertionError("unreachable: abort raises")


def _invalid(kind: str, code: str, words: str) -> Refusal:
    return refusals.refusal(grpc.StatusCode.INVALID_ARGUMENT, kind, code, words)


def _batch(query: Query, request_id: str, rows: list[bytes]) -> bytes:
    batch = messages.StreamResponse(request_id=request_id)
    batch.field_mask.paths.extend(query.select)
    return bytes(batch.SerializeToString()) + _rows(messages.RESULTS, rows)


def _rows(number: int, rows: list[bytes]) -> bytes:
    return b"".join(messages.embedded(number, row) for row in rows)


def _page(token: str) -> tuple[bool, int]:
    """Whether an empty page came before, and the first row of this one."""
    if not token:
        return False, 0
    kind, _, at = token.partition("-")
    if kind not in {"empty", "rows"} or not at.isdigit():
        raise _invalid("request_error", "INVALID_PAGE_TOKEN", "The page token is invalid.")
    return kind == "empty", int(at)


def _wait(seconds: float, context: Any) -> None:
    """Wait, but not for a client that is gone."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and context.is_active():
        time.sleep(0.01)


def serve(service: Service, port: int, chain_: bytes, key: bytes) -> tuple[grpc.Server, int]:
    """Start a server on loopback and return it with its port.

    Raises:
        OSError: The port is taken.
    """
    workers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="emulator")
    # With the option, a second server would share a taken port, and its clients would meet either.
    server = grpc.server(workers, options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(service.handlers())
    credentials = grpc.ssl_server_credentials([(key, chain_)])
    try:
        found = server.add_secure_port(f"{HOST}:{port}", credentials)
    except RuntimeError:
        raise unbound(port) from None
    server.start()
    return server, found
