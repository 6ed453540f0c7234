"""A day of an ad, or of a campaign without ads: a report is submitted, polled for, and fetched as a packed file.

https://learn.microsoft.com/en-us/advertising/guides/request-download-report
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from time import monotonic, sleep
from typing import IO, Final

import urllib3

from connectors.errors import RetryLater
from connectors.manners import LONGEST_WAIT, patiently, stretches
from connectors.microsoft.client import Client, Json
from connectors.microsoft.options import Options
from connectors.money import to_micros

LONGEST_STRETCH: Final = 31
"""Days of one report, so that neither a file nor the time until it is made grows with the period."""

_MEASURES: Final = ("Impressions", "Clicks", "Spend", "ConversionsQualified", "Revenue")
_BY_AD: Final = ("AdPerformanceReportRequest", ("TimePeriod", "CampaignId", "AdGroupId", "AdId", *_MEASURES))
_BY_CAMPAIGN: Final = ("CampaignPerformanceReportRequest", ("TimePeriod", "CampaignId", *_MEASURES))
_IN_MEMORY: Final = 16 * 2**20
_CHUNK: Final = 2**16


@dataclass(frozen=True, slots=True)
class Line:
    """What one ad, or one campaign without ads, brought on one day of its account; micros, counts alike."""

    campaign_id: str
    ad_group_id: str | None
    ad_id: str | None
    day: date
    spend: int
    impressions: int
    clicks: int
    conversions: int
    value: int


def report(
    client: Client, options: Options, account_id: str, since: date, until: date, whole: Collection[str]
) -> Iterator[Line]:
    """Yield the lines of the days, both ends included, a report for each stretch.

    Args:
        client: Speaks to the platform.
        options: How long to wait.
        account_id: Whose.
        since: The first day.
        until: The last day.
        whole: Ids of campaigns that have no ads of their own, and are told as a whole.

    Raises:
        RetryLater: A report was not made in time, or cannot be fetched.
        AskMarketer, Stop: See `connectors.errors`.
    """
    for first, last in stretches(since, until, LONGEST_STRETCH):
        by_ad = _request(account_id, first, last, *_BY_AD)
        yield from (line for line in _read(client, options, account_id, by_ad) if line.campaign_id not in whole)
        if whole:
            by_campaign = _request(account_id, first, last, *_BY_CAMPAIGN)
            yield from (line for line in _read(client, options, account_id, by_campaign) if line.campaign_id in whole)


def _read(client: Client, options: Options, account_id: str, request: Json) -> Iterator[Line]:
    address = _made(client, options, account_id, request)
    if not address:
        return
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as held:
        patiently(lambda: _fetch(address, held, options.timeout_seconds))
        yield from _lines(held)


def _request(account_id: str, first: date, last: date, kind: str, columns: tuple[str, ...]) -> Json:
    return {
        "ReportRequest": {
            "Type": kind,
            "ReportName": "outlay",
            "Format": "Csv",
            # The second version has neither thousands separators nor percent signs.
            "FormatVersion": "2.0",
            "ReturnOnlyCompleteData": False,
            "ExcludeReportHeader": True,
            "ExcludeReportFooter": True,
            "ExcludeColumnHeaders": False,
            "Aggregation": "Daily",
            "Columns": list(columns),
            "Scope": {"AccountIds": [account_id]},
            "Time": {"CustomDateRangeStart": _date(first), "CustomDateRangeEnd": _date(last)},
        }
    }


def _made(client: Client, options: Options, account_id: str, request: Json) -> str:
    """Have a report made and return where its file is; nothing where there are no figures."""
    submitted = client.read("reporting", "/Reporting/v13/GenerateReport/Submit", account_id, request)
    asked = {"ReportRequestId": submitted["ReportRequestId"]}
    until = monotonic() + options.report_seconds
    while True:
        answer = client.read("reporting", "/Reporting/v13/GenerateReport/Poll", account_id, asked)
        status = answer["ReportRequestStatus"]
        if status["Status"] == "Success":
            return str(status.get("ReportDownloadUrl") or "")
        if status["Status"] == "Error":
            raise RetryLater("Microsoft could not make the report")
        if monotonic() > until:
            raise RetryLater(f"Microsoft has not made the report in {options.report_seconds:g} seconds")
        sleep(options.poll_seconds)


def _fetch(address: str, held: IO[bytes], timeout_seconds: float) -> None:
    """Put the file into `held`, whole; its address is signed, and gets no token."""
    held.seek(0)
    held.truncate()
    try:
        with (
            urllib3.PoolManager(retries=False, timeout=timeout_seconds) as http,
            http.request("GET", address, preload_content=False) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                raise _unfetched(answer.status)
            for chunk in answer.stream(_CHUNK):
                held.write(chunk)
        with zipfile.ZipFile(held) as packed:
            broken = packed.testzip()
    except (urllib3.exceptions.HTTPError, OSError, zipfile.BadZipFile) as error:
        raise RetryLater(f"the report's file broke off ({type(error).__name__})") from None
    if broken is not None:
        raise RetryLater("the report's file is damaged")


def _unfetched(status: int) -> RetryLater:
    """An address that has ended stays so: another pull has another report made."""
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    ended = refused and status != HTTPStatus.TOO_MANY_REQUESTS
    wait = 2 * LONGEST_WAIT if ended else None
    return RetryLater(f"the report's file cannot be fetched (HTTP {status})", retry_after_seconds=wait)


def _lines(held: IO[bytes]) -> Iterator[Line]:
    with zipfile.ZipFile(held) as packed:
        for name in packed.namelist():
            # The file begins with a mark of its encoding.
            with packed.open(name) as member, io.TextIOWrapper(member, "utf-8-sig", newline="") as text:
                yield from map(_line, csv.DictReader(text))


def _line(row: dict[str, str]) -> Line:
    return Line(
        campaign_id=row["CampaignId"],
        ad_group_id=row.get("AdGroupId"),
        ad_id=row.get("AdId"),
        day=date.fromisoformat(row["TimePeriod"]),
        spend=_micros(row["Spend"]),
        impressions=_micros(row["Impressions"]),
        clicks=_micros(row["Clicks"]),
        conversions=_micros(row["ConversionsQualified"]),
        value=_micros(row["Revenue"]),
    )


def _micros(text: str) -> int:
    # What does not apply is left empty, or a dash.
    return 0 if text in ("", "--") else to_micros(text)


def _date(day: date) -> Json:
    return {"Year": day.year, "Month": day.month, "Day": day.day}
