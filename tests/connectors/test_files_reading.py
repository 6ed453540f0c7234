"""Journeys of a row from a file: CSV and Parquet, forms and units, restatements, and real exports as they are."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.contract import BuildContext, EntityKind, Level, PerformanceRow
from connectors.errors import BadInput
from connectors.files import build
from connectors.files.connector import FilesConnector
from connectors.money import to_micros

Make = Callable[..., FilesConnector]

DATA = Path(__file__).parents[3] / "shared" / "data"
ALWAYS = (date(2000, 1, 1), date(2100, 1, 1))
HEAD = "date,campaign_id,spend,conversions\n"


def rows(connector: FilesConnector, since: date = ALWAYS[0], until: date = ALWAYS[1]) -> list[PerformanceRow]:
    return list(connector.pull(since, until))


def parquet(table: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(table), sink)
    return sink.getvalue()


def test_a_row_in_full(make: Make) -> None:
    head = "day,customer_id,currency,time_zone,platform,campaign_id,ad_group_id,ad_id,creative_id,audience_id"
    connector = make(
        {
            "a.csv": f"{head},cost,impressions,clicks,conversions,conversions_value\n"
            "2025-01-02,A7,JPY,Asia/Tokyo,search,c,g,a,k,u,1250,1000,10.5,2.25,\n"
        },
        currency=None,
        time_zone=None,
        conversion_definition="purchase",
        attribution_setting="7d click",
    )
    (row,) = rows(connector)
    series = row.series
    assert (series.account.connector, series.account.account_id) == ("shop", "A7")
    assert (series.account.currency, series.account.time_zone) == ("JPY", "Asia/Tokyo")
    assert (series.channel, series.campaign_id, series.ad_group_id, series.ad_id) == ("search", "c", "g", "a")
    assert (series.creative_id, series.audience_id) == ("k", "u")
    assert (series.conversion_definition, series.attribution_setting) == ("purchase", "7d click")
    assert row.day == date(2025, 1, 2)
    assert (row.spend_micros, row.conversions_micros, row.value_micros) == (1_250_000_000, 2_250_000, None)
    assert (row.impressions_micros, row.clicks_micros) == (1_000_000_000, 10_500_000)


def test_constants_stand_in_for_columns(make: Make) -> None:
    (row,) = rows(make({"a.csv": HEAD + "2025-01-02,c,1,2\n"}, account="A1", channel="search"))
    assert (row.series.account.account_id, row.series.channel) == ("A1", "search")
    (row,) = rows(make({}))
    assert (row.series.account.account_id, row.series.channel) == ("shop", "shop")
    assert (row.value_micros, row.impressions_micros, row.clicks_micros) == (None, None, None)


@pytest.mark.parametrize(
    ("unit", "currency", "text"),
    [
        ("major", "EUR", "12.34"),
        ("minor", "EUR", "1234"),
        ("micros", "EUR", "12340000"),
        ("minor", "HUF", "1234"),
        ("minor", "BHD", "12340"),
        ("minor", "JPY", "12.34"),
    ],
)
def test_money_comes_in_three_units(make: Make, unit: str, currency: str, text: str) -> None:
    (row,) = rows(make({"a.csv": f"{HEAD}2025-01-02,c,{text},1\n"}, units={"spend": unit}, currency=currency))
    assert row.spend_micros == 12_340_000
    assert row.conversions_micros == 1_000_000


def test_minor_units_of_several_currencies(make: Make) -> None:
    head = "date,account_id,currency,campaign_id,spend,conversions\n"
    text = "2025-01-02,A,EUR,c,1234,1\n2025-01-02,B,JPY,c,1234,1\n2025-01-03,A,EUR,c,5,1\n"
    connector = make({"a.csv": head + text}, currency=None, units={"spend": "minor"})
    assert [row.spend_micros for row in rows(connector)] == [12_340_000, 1_234_000_000, 50_000]
    assert [account.currency for account in connector.accounts()] == ["EUR", "JPY"]


def test_a_spreadsheet_of_the_continent(make: Make) -> None:
    text = 'Tag;Kampagne;Kosten;Käufe;Anrufe\n02.01.2025;"c;1";12,5;1;\n\n03.01.2025;"c\n2";0;0,5;2\n'
    connector = make(
        {"a.csv": text.encode("cp1252")},
        columns={"date": "Tag", "campaign_id": "Kampagne", "spend": "Kosten", "conversions": ["Käufe", "Anrufe"]},
        date_format="%d.%m.%Y",
        delimiter=";",
        decimal=",",
        encoding="cp1252",
    )
    first, second = rows(connector)
    assert (first.series.campaign_id, first.spend_micros, first.conversions_micros) == ("c;1", 12_500_000, 1_000_000)
    assert (second.series.campaign_id, second.day, second.conversions_micros) == ("c\n2", date(2025, 1, 3), 2_500_000)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(make: Make, encoding: str) -> None:
    connector = make({"a.csv": (HEAD + "2025-01-02,ä,1,1\r\n").encode(encoding)}, encoding=encoding.replace("-sig", ""))
    assert [row.series.campaign_id for row in rows(connector)] == ["ä"]


def test_parquet_reads_as_csv_does(make: Make) -> None:
    table = {
        "date": [date(2025, 1, 2), date(2025, 1, 3)],
        "campaign_id": pa.array([10873609615, 11242929540]),
        "spend": [33.51, 13.916138151613369],
        "conversions": pa.array(["1.5", None]),
        "clicks": pa.array([7, None]),
    }
    connector = make({"a.parquet": parquet(table)}, pattern="*.parquet")
    first, second = rows(connector)
    assert (first.series.campaign_id, first.day, first.spend_micros) == ("10873609615", date(2025, 1, 2), 33_510_000)
    assert (first.clicks_micros, second.clicks_micros) == (7_000_000, None)
    assert (second.spend_micros, second.conversions_micros) == (13_916_138, 0)


def test_parquet_timestamps_are_days_of_the_account(make: Make) -> None:
    moment = datetime(2025, 1, 1, 23, tzinfo=UTC)  # midnight in Berlin
    table = {
        "date": pa.array([moment], pa.timestamp("ns", "UTC")),
        "campaign_id": ["c"],
        "spend": [1],
        "conversions": [1],
    }
    connector = make({"a.parquet": parquet(table)}, pattern="*.parquet", date_format="%d.%m.%Y")
    assert [row.day for row in rows(connector)] == [date(2025, 1, 2)]


def test_hours_add_up_to_local_days(make: Make) -> None:
    lines = [f"2025-03-{day}T{hour:02}:00:00Z,c,1.10,0.5,{hour}" for day in (29, 30) for hour in range(24)]
    text = "date,campaign_id,spend,conversions,clicks\n" + "\n".join(lines) + "\n"
    found = {row.day.day: row for row in rows(make({"a.csv": text}, rows="hourly"))}
    # Berlin is an hour ahead on the 29th, two from 01:00 UTC of the 30th: days of 23, 23 and 2 of these hours.
    assert {day: row.spend_micros for day, row in found.items()} == {29: 25_300_000, 30: 25_300_000, 31: 2_200_000}
    assert found[29].clicks_micros == sum(range(23)) * 1_000_000
    assert found[29].impressions_micros is None
    only = rows(make({"a.csv": text}, rows="hourly"), date(2025, 3, 30), date(2025, 3, 30))
    assert [row.day.day for row in only] == [30]


def test_both_ends_are_included(make: Make) -> None:
    connector = make({"a.csv": HEAD + "".join(f"2025-01-0{n},c,{n},1\n" for n in range(1, 7))})
    assert [row.day.day for row in rows(connector, date(2025, 1, 2), date(2025, 1, 4))] == [2, 3, 4]
    assert rows(connector, date(2025, 2, 1), date(2025, 2, 2)) == []


def test_later_names_restate_earlier_ones(make: Make, tmp_path: Path) -> None:
    connector = make(
        {
            "1.csv": HEAD + "2025-01-01,c,1,1\n",
            "2.csv": HEAD + "2025-01-01,c,1,2\n",
            "3.csv": HEAD + "2025-01-02,c,5,2\n",
        }
    )
    for name, seconds in (("1.csv", 2000), ("2.csv", 1000), ("3.csv", 4e9)):  # the last one claims the year 2096
        os.utime(tmp_path / "exports" / name, (seconds, seconds))
    before = datetime.now(UTC)
    first, second, third = rows(connector)
    assert [r.conversions_micros for r in (first, second)] == [1_000_000, 2_000_000]
    assert first.fetched_at == datetime.fromtimestamp(2000, UTC)
    assert first.fetched_at < second.fetched_at < third.fetched_at
    assert before <= third.fetched_at <= datetime.now(UTC)


def test_an_export_time_of_the_row_counts(make: Make) -> None:
    head = "date,campaign_id,spend,conversions,_synced\n"
    text = head + "2025-01-01,c,1,1,2025-01-02T06:00:00+02:00\n2025-01-02,c,1,1,2999-01-01\n"
    first, second = rows(make({"a.csv": text}, columns={"fetched_at": "_synced"}))
    assert first.fetched_at == datetime(2025, 1, 2, 4, tzinfo=UTC)
    assert second.fetched_at <= datetime.now(UTC)


def test_copies_of_a_row_count_once(make: Make) -> None:
    text = HEAD + "2025-01-01,c,1.0,1\n2025-01-02,c,2,1\n2025-01-01,c,1.00,1\n" * 2
    assert [row.spend_micros for row in rows(make({"a.csv": text}))] == [1_000_000, 2_000_000]


def test_names_tags_and_levels(make: Make) -> None:
    head = "date,campaign_id,campaign_name,tags,ad_group_id,ad_group_name,ad_id,ad_name,audience_id,spend,conversions\n"
    connector = make(
        {
            "1.csv": head + "2025-01-01,c,Old,,g,Group,a,Ad,u,1,1\n",
            "2.csv": head + "2025-01-02,c,=New,brand; de,g,,a,,u,1,1\n",
        }
    )
    found = {entity.kind: entity for entity in connector.entities()}
    assert [e.kind.value for e in connector.entities()] == ["campaign", "ad_group", "ad", "audience"]
    assert (found[EntityKind.CAMPAIGN].name, found[EntityKind.CAMPAIGN].tags) == ("=New", ("brand", "de"))
    assert (found[EntityKind.AD_GROUP].name, found[EntityKind.AD_GROUP].parent_id) == ("g", "c")
    assert found[EntityKind.AD].parent_id == "g"
    assert {row.series.level for row in rows(connector)} == {Level.AD}


def test_capabilities_are_those_of_the_newest_file(make: Make) -> None:
    told = make(
        {"1.csv": "date,campaign_id,spend,conversions,impressions\n", "2.csv": HEAD + "2025-01-01,c,1,1\n"}
    ).capabilities
    assert (told.reports_value, told.reports_impressions, told.reports_clicks) == (False, False, False)
    assert told.writes_budgets
    assert told.compares_and_sets


def test_a_new_file_is_seen_at_once(make: Make) -> None:
    connector = make({"1.csv": HEAD + "2025-01-01,c,1,1\n"})
    assert len(connector.accounts()) == len(connector.entities()) == 1
    make({"2.csv": HEAD + "2025-01-01,d,1,1\n"})
    assert [entity.entity_id for entity in connector.entities()] == ["c", "d"]


@pytest.mark.parametrize(("share", "unit"), [("0.85,0.1", "one"), ("85,10", "percent")])
def test_impression_shares_are_read_of_daily_rows(make: Make, share: str, unit: str) -> None:
    head = "date,campaign_id,spend,conversions,impressions,search_impression_share,lost_to_budget\n"
    connector = make({"1.csv": f"{head}2025-01-01,c,1,1,850,{share}\n2025-01-02,c,1,1,850,,\n"}, units={"share": unit})
    first, second = rows(connector)
    assert (first.impression_share_micros, first.lost_to_budget_micros) == (850_000, 100_000)
    assert (second.impression_share_micros, second.lost_to_budget_micros) == (None, None)
    assert connector.capabilities.reports_impression_share


def test_a_share_above_one_is_refused(make: Make) -> None:
    head = "date,campaign_id,spend,conversions,impression_share\n"
    with pytest.raises(BadInput, match="is no share") as caught:
        rows(make({"1.csv": f"{head}2025-01-01,c,1,1,85\n"}))
    assert "percent" in str(caught.value)


def test_shares_of_hours_are_left_out(make: Make) -> None:
    head = "date,campaign_id,spend,conversions,impressions,impression_share,lost_to_budget\n"
    connector = make({"1.csv": f"{head}2025-01-01T05:00,c,1,1,850,0.5,0.5\n"}, rows="hourly")
    assert [row.auctions for row in rows(connector)] == [None]
    assert not connector.capabilities.reports_impression_share


# Real exports


def real(tmp_path: Path, name: str, **options: Any) -> FilesConnector:
    if not DATA.is_dir():
        pytest.skip("the published data sets (../shared/data) are not on this machine")
    shutil.copy(DATA / name, tmp_path)
    return build(BuildContext("real", {"folder": ".", **options}, tmp_path, "config.toml [connectors.real]"))


def spent(name: str, column: str) -> int:
    with (DATA / name).open(newline="") as file:
        return sum(to_micros(row[column]) for row in csv.DictReader(file))


def test_a_provider_of_internet_service(tmp_path: Path) -> None:
    columns = {"campaign_id": "campaign_name", "conversions": ["ctv", "vtv"], "budget": "campaign_budget_total_amount"}
    connector = real(
        tmp_path, "campaigns/internet_service_provider.csv", columns=columns, currency="JPY", time_zone="Asia/Tokyo"
    )
    found = rows(connector)
    assert len(found) == 368
    first = next(r for r in found if r.day == date(2022, 4, 5) and r.series.campaign_id == "10873609615")
    assert first.conversions_micros == 818_596  # 0.8185963618596099 click-through, no view-through
    assert first.clicks_micros == 11_460_349
    assert first.spend_micros == 4_459_712_979
    assert connector.capabilities.reports_clicks
    assert not connector.capabilities.reports_impressions
    budgets = {b.budget_id: str(b.amount) for b in connector.budgets()}
    assert set(budgets) == {"10873609615", "11242929540", "15993919899"}
    assert budgets["11242929540"] == "2,456 JPY"


def test_criteo(tmp_path: Path) -> None:
    columns = {"campaign_id": "campaign_name", "conversions": "ctv"}
    connector = real(tmp_path, "campaigns/criterio_data_filtered.csv", columns=columns, currency="EUR", time_zone="UTC")
    found = rows(connector)
    assert len(found) == 124
    assert found[0].day == date(2024, 1, 1)
    assert sum(r.spend_micros for r in found) == spent("campaigns/criterio_data_filtered.csv", "cost")
    assert len(connector.budgets()) == 4


def test_fivetrans_schema_needs_only_currency_and_zone(tmp_path: Path) -> None:
    connector = real(tmp_path, "pymc_marketing/fivetran_ad_report_schema.csv", currency="USD", time_zone="UTC")
    found = rows(connector)
    assert len(found) == 16
    assert {r.series.level for r in found} == {Level.AD}
    assert {r.series.channel for r in found} == {"Google Ads", "Facebook Ads", "TikTok Ads"}
    assert [a.account_id for a in connector.accounts()] == ["ACC001", "ACC002", "ACC003"]
    assert sum(r.spend_micros for r in found) == 2_247_150_000
    assert "Back to School" in {e.name for e in connector.entities()}
