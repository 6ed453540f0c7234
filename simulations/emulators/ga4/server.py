"""`RunReport` over a simulated market: sessions that campaigns brought, with what they cost and what came of them.

https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/properties/runReport
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

import grpc
from google.analytics.data_v1beta.types import (
    DimensionHeader,
    DimensionValue,
    MetricHeader,
    MetricValue,
    ResponseMetaData,
    Row,
    RunReportRequest,
    RunReportResponse,
    SamplingMetadata,
)

from connectors.money import MICROS
from simulations.emulators.account import Account, Line
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.registry import Setup
from simulations.emulators.serving import HOST, unbound

SERVICE: Final = "google.analytics.data.v1beta.BetaAnalyticsData"
LARGEST_PAGE: Final = 250_000

_KEY_EVENTS: Final = re.compile(r"^keyEvents:(\w+)$")
_AGO: Final = re.compile(r"^(\d+)daysAgo$")


class Ga4Emulator:
    """A property over an account; a gRPC server in threads.

    Args:
        setup: What it is started with.

    Attributes:
        address: `HOST:PORT`.
        doubts: What an answer's metadata says beside the figures: `thresholded`, `sampled`, `other`.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, setup: Setup) -> None:
        self._of, self._faults = setup.account, setup.faults
        self.doubts: set[str] = set()
        self.environment: dict[str, str] = {}
        self.further: dict[str, str] = {}
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        handler = grpc.unary_unary_rpc_method_handler(
            self._run_report,
            request_deserializer=RunReportRequest.deserialize,
            response_serializer=RunReportResponse.serialize,
        )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"RunReport": handler})])
        try:
            self.port = self._server.add_insecure_port(f"{HOST}:{setup.port}")
        except RuntimeError:
            raise unbound(setup.port) from None
        self.address = f"{HOST}:{self.port}"
        self._server.start()

    def close(self) -> None:
        """Stop serving; may be called twice."""
        self._server.stop(grace=None).wait()

    def _run_report(self, request: Any, context: Any) -> Any:
        _before(self._faults, context)
        if request.property != f"properties/{self._of.account_id}":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "User does not have sufficient permissions")
        try:
            rows = _rows(self._of, request)
        except _BadRequest as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        limit = min(request.limit or 10_000, LARGEST_PAGE)
        return RunReportResponse(
            dimension_headers=[DimensionHeader(name=one.name) for one in request.dimensions],
            metric_headers=[MetricHeader(name=one.name) for one in request.metrics],
            rows=rows[request.offset : request.offset + limit],
            row_count=len(rows),
            metadata=self._metadata(),
        )

    def _metadata(self) -> Any:
        return ResponseMetaData(
            currency_code=self._of.currency,
            time_zone=self._of.time_zone,
            subject_to_thresholding="thresholded" in self.doubts,
            data_loss_from_other_row="other" in self.doubts,
            sampling_metadatas=[SamplingMetadata(samples_read_count=1)] if "sampled" in self.doubts else [],
        )


def start(setup: Setup) -> Ga4Emulator:
    """Serve a property over an account.

    Raises:
        OSError: The port is taken.
    """
    return Ga4Emulator(setup)


class _BadRequest(ValueError):  # noqa: N818 - it is the request that is bad
    pass


def _before(faults: Faults, context: Any) -> None:
    match faults.next("read"):
        case Fault.THROTTLED:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Exhausted property tokens per hour")
        case Fault.BROKEN:
            context.abort(grpc.StatusCode.INTERNAL, "Internal error encountered")
        case Fault.LOST_BEFORE:
            context.abort(grpc.StatusCode.UNAVAILABLE, "The connection was lost")
        case Fault.EXPIRED:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Request had invalid authentication credentials")
        case Fault.SLOW:
            time.sleep(faults.slow_seconds)
        case _:
            pass


def _rows(account: Account, request: Any) -> list[Any]:
    """All rows of a report, ordered by their dimensions."""
    dimensions = [_dimension(account, one.name) for one in request.dimensions]
    metrics = [_metric(account, one.name) for one in request.metrics]
    if not metrics:
        raise _BadRequest("at least one metric is needed")
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * len(metrics))
    for span in request.date_ranges:
        first, last = _day(span.start_date, account.today), _day(span.end_date, account.today)
        for line in account.lines(first, last):
            one = sums[tuple(read(line) for read in dimensions)]
            for place, measure in enumerate(metrics):
                one[place] += measure(line)
    return [
        Row(
            dimension_values=[DimensionValue(value=text) for text in key],
            metric_values=[MetricValue(value=_decimal(measured)) for measured in sums[key]],
        )
        for key in sorted(sums)
    ]


def _dimension(account: Account, name: str) -> Callable[[Line], str]:
    names = {one.campaign_id: one.name for one in account.campaigns()}
    known: Mapping[str, Callable[[Line], str]] = {
        "date": lambda line: f"{line.day:%Y%m%d}",
        "sessionCampaignId": lambda line: str(line.ad.campaign_id),
        "sessionCampaignName": lambda line: names[line.ad.campaign_id],
        # By session, not by campaign: a campaign's sessions may fall into several groups.
        "sessionDefaultChannelGroup": lambda line: (
            "Cross-network" if line.ad.ad_id % 2 else f"Paid {line.ad.channel.capitalize()}"
        ),
    }
    if name not in known:
        raise _BadRequest(f"Field {name} is not a valid dimension; the emulator knows {', '.join(known)}")
    return known[name]


def _metric(account: Account, name: str) -> Callable[[Line], int]:
    known: Mapping[str, Callable[[Line], int]] = {
        "advertiserAdCost": lambda line: line.spend,
        "advertiserAdImpressions": lambda line: line.impressions,
        "advertiserAdClicks": lambda line: line.clicks,
        "sessions": lambda line: line.clicks,
        "totalRevenue": lambda line: line.value,
        "keyEvents": lambda line: line.conversions,
    }
    if name in known:
        return known[name]
    found = _KEY_EVENTS.match(name)
    if found is not None and found[1] in account.kinds:
        kind = account.kinds.index(found[1])
        return lambda line: line.conversions if line.kind == kind else 0
    raise _BadRequest(f"Field {name} is not a valid metric; the emulator knows {', '.join(_names(known, account))}")


def _names(known: Iterable[str], account: Account) -> list[str]:
    return [*known, *(f"keyEvents:{kind}" for kind in account.kinds)]


def _day(text: str, today: date) -> date:
    if text == "today":
        return today
    ago = "1daysAgo" if text == "yesterday" else text
    if found := _AGO.match(ago):
        return today - timedelta(days=int(found[1]))
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _BadRequest(f"{text!r} is not a day") from None


def _decimal(micros: int) -> str:
    """A number as GA4 writes it: whole where it is whole."""
    return str(micros // MICROS) if micros % MICROS == 0 else f"{Decimal(micros).scaleb(-6).normalize():f}"
