"""Touches and orders of files and of a warehouse: the same rows give the same records; what is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from sqlalchemy import create_engine, text

from connectors import files, warehouse
from connectors.contract import BuildContext
from connectors.errors import BadInput
from connectors.money import Money
from connectors.orders import Order, TellsOrders
from connectors.touches import TellsTouches, check

SINCE, UNTIL = date(2026, 3, 1), date(2026, 3, 31)

TOUCHES = """\
user_pseudo_id,timestamp,channel,campaign_id,kind
p,2026-03-02T10:00:00+01:00,search,c1,click
p,2026-03-02T10:00:00Z,social,,impression
q,2026-02-28T23:30:00Z,search,c2,Click
q,2026-03-31T23:30:00Z,search,c2,click
"""
ORDERS = """\
transaction_id,customer,ordered_at,total,refund,claimed_by
2,q,2026-03-05T00:00:00Z,20.50,0.50,search; social
1,p,2026-03-03T09:00:00Z,7,,
1,p,2026-03-03T09:00:00Z,8,,search
3,q,2026-04-01T00:00:00Z,9,,
"""


def _rows(csv: str) -> pa.Table:
    names = csv.splitlines()[0].split(",")
    as_text = arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return arrow_csv.read_csv(pa.BufferReader(csv.encode()), convert_options=as_text)


def _csv(folder: Path, touches: str, orders: str, /, **options: Any) -> files.connector.FilesConnector:
    (folder / "touches.csv").write_text(touches, encoding="utf-8")
    (folder / "orders.csv").write_text(orders, encoding="utf-8")
    settings = {"folder": ".", "touches": "touches.csv", "orders": "orders.csv", "currency": "EUR", **options}
    return files.build(BuildContext("shop", settings, folder, "config.toml [connectors.shop]"))


def _parquet(folder: Path, touches: str, orders: str, /, **options: Any) -> files.connector.FilesConnector:
    pq.write_table(_rows(touches), folder / "touches.parquet")
    pq.write_table(_rows(orders), folder / "orders.parquet")
    settings = {"folder": ".", "touches": "touches.parquet", "orders": "o*.parquet", "currency": "EUR", **options}
    return files.build(BuildContext("shop", settings, folder, "config.toml [connectors.shop]"))


def _warehouse(folder: Path, touches: str, orders: str, scheme: str = "duckdb", /, **options: Any) -> Any:
    url = f"{scheme}:///{folder}/told.db"
    engine = create_engine(url)
    with engine.begin() as db:
        for name, csv in (("touches", touches), ("orders", orders)):
            rows = _rows(csv)
            db.execute(text(f"CREATE TABLE {name} ({', '.join(f'{column} VARCHAR' for column in rows.column_names)})"))
            for row in rows.to_pylist():
                values = ", ".join(f":{column}" for column in row)
                db.execute(text(f"INSERT INTO {name} VALUES ({values})"), row)
    engine.dispose()
    within = "WHERE substr({at}, 1, 10) BETWEEN CAST(:since AS VARCHAR) AND CAST(:until AS VARCHAR)"
    settings = {
        "url": url,
        "touches_query": f"SELECT * FROM touches {within.format(at='timestamp')}",
        "orders_query": f"SELECT * FROM orders {within.format(at='ordered_at')}",
        "currency": "EUR",
        **options,
    }
    return warehouse.build(BuildContext("shop", settings, folder, "config.toml [connectors.shop]"))


def _sqlite(folder: Path, touches: str, orders: str, /, **options: Any) -> Any:
    return _warehouse(folder, touches, orders, "sqlite", **options)


@pytest.mark.parametrize("make", [_csv, _parquet, _warehouse, _sqlite])
def test_every_source_tells_the_same(make: Any, tmp_path: Path) -> None:
    connector = make(tmp_path, TOUCHES, ORDERS)
    assert isinstance(connector, TellsTouches)
    assert isinstance(connector, TellsOrders)
    batches = list(connector.touches(SINCE, UNTIL))
    for each in batches:
        check(each)
    found = sorted(pa.Table.from_batches(batches).to_pylist(), key=lambda row: (row["person"], row["at"]))
    assert [tuple(row.values()) for row in found] == [
        ("p", datetime(2026, 3, 2, 9, tzinfo=UTC), "search", "c1", False),
        ("p", datetime(2026, 3, 2, 10, tzinfo=UTC), "social", None, True),
        ("q", datetime(2026, 3, 31, 23, 30, tzinfo=UTC), "search", "c2", False),
    ]
    assert list(connector.orders(SINCE, UNTIL)) == [
        Order("1", "p", datetime(2026, 3, 3, 9, tzinfo=UTC), _eur("8"), _eur("0"), claims=("search",)),
        Order("2", "q", datetime(2026, 3, 5, tzinfo=UTC), _eur("20.50"), _eur("0.50"), claims=("search", "social")),
    ]
    connector.close()


def _eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def test_days_and_bare_times_are_of_the_zone(tmp_path: Path) -> None:
    touches = "person,at,channel\np,2026-03-01 00:30:00,a\nq,2026-02-28T23:30:00Z,a\nr,2026-02-28 22:30:00 UTC,a\n"
    orders = "order_id,customer,at,value\n1,p,2026-03-01,5\n"
    connector = _csv(tmp_path, touches, orders, time_zone="Europe/Berlin")
    found = pa.Table.from_batches(connector.touches(SINCE, SINCE)).to_pylist()
    assert [(row["person"], row["at"]) for row in found] == [
        ("p", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        ("q", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
    ]
    assert [order.at for order in connector.orders(SINCE, SINCE)] == [datetime(2026, 2, 28, 23, tzinfo=UTC)]


def test_times_of_one_form_are_read_in_bulk_and_mean_the_same(tmp_path: Path) -> None:
    header = "person,at,channel\n"
    bare = header + "p,2026-03-05 10:00:00,a\nq,2026-03-06 10:00:00,a\n"
    connector = _csv(tmp_path, bare, ORDERS, time_zone="Asia/Tokyo")
    found = pa.Table.from_batches(connector.touches(SINCE, UNTIL)).to_pylist()
    assert found[0]["at"] == datetime(2026, 3, 5, 1, tzinfo=UTC)


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    touches = "wer,wann,wo\np,2026-03-05T10:00:00Z,a\n"
    columns = {"person": "wer", "at": "wann", "channel": "wo"}
    connector = _csv(tmp_path, touches, ORDERS, touch_columns=columns)
    assert sum(each.num_rows for each in connector.touches(SINCE, UNTIL)) == 1


def test_where_neither_is_set_there_are_none(tmp_path: Path) -> None:
    connector = _csv(tmp_path, TOUCHES, ORDERS, touches=None, orders=None)
    assert list(connector.touches(SINCE, UNTIL)) == []
    assert list(connector.orders(SINCE, UNTIL)) == []


def test_the_files_are_not_taken_for_performance(tmp_path: Path) -> None:
    connector = _csv(tmp_path, TOUCHES, ORDERS, time_zone="UTC")
    (tmp_path / "ads.csv").write_text("date,campaign_id,spend,conversions\n2026-03-01,c1,5,1\n", encoding="utf-8")
    assert [row.series.campaign_id for row in connector.pull(SINCE, UNTIL)] == ["c1"]


@pytest.mark.parametrize(
    ("touches", "where", "field", "words"),
    [
        ("person,channel\np,a\n", "touches.csv", "at", "there is no column 'at'"),
        ("person,at,source\np,2026-03-01,a\n", "touches.csv", "channel", "touch_columns.channel"),
        ("person,at,channel\np,2026-03-01T00:00Z,a\n,2026-03-01T00:00Z,a\n", "touches.csv:3", "person", "is empty"),
        ("person,at,channel\np,2026-03-01T00:00Z,\n", "touches.csv:2", "channel", "is empty"),
        ("person,at,channel\np,2026-03-01T00:00Z,a\nq,soon,a\n", "touches.csv:3", "at", "'soon' is not a time"),
        ("person,at,channel\np,2026-03-01 10:00,a\n", "touches.csv:2", "at", "has no zone"),
        ("person,at,channel,kind\np,2026-03-01T00:00Z,a,tap\n", "touches.csv:2", "kind", "'tap' is no kind of touch"),
        ("person,at,channel\n", "touches.csv", None, "no data rows"),
        ("person,at,channel\np,2026-03-01T00:00Z\n", "touches.csv:2", None, "has 2 fields"),
    ],
)
def test_wrong_touches_are_named(tmp_path: Path, touches: str, where: str, field: str | None, words: str) -> None:
    _refused(_csv(tmp_path, touches, ORDERS), "touches", where, field, words)


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        (",p,2026-03-01T00:00Z,5,,EUR", "order_id", "is empty"),
        ("1,,2026-03-01T00:00Z,5,,EUR", "customer", "is empty"),
        ("1,p,2026-03-01T00:00Z,,,EUR", "value", "is empty"),
        ("1,p,2026-03-01T00:00Z,-5,,EUR", "value", "is negative"),
        ("1,p,2026-03-01T00:00Z,five,,EUR", "value", "'five' is not a number"),
        ("1,p,2026-03-01T00:00Z,5,5.01,EUR", "refunded", "more was paid back than was paid"),
        ("1,p,then,5,,EUR", "at", "'then' is not a time"),
        ("1,p,2026-03-01T00:00Z,5,,XXQ", "currency", "'XXQ' is not an ISO 4217"),
        ("1,p,2026-03-01T00:00Z,5,,", "currency", "nothing says the currency"),
        ("0,q,2026-03-01T00:00Z,5,,EUR", "customer", "order '0' was told of customer 'p' before"),
    ],
)
def test_wrong_orders_are_named(tmp_path: Path, row: str, field: str, words: str) -> None:
    orders = f"order_id,customer,at,value,refunded,currency\n0,p,2026-03-01T00:00Z,5,,EUR\n{row}\n"
    _refused(_csv(tmp_path, TOUCHES, orders, currency=None), "orders", "orders.csv:3", field, words)


def _refused(connector: Any, told: str, where: str, field: str | None, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        list(getattr(connector, told)(SINCE, UNTIL))
    assert (caught.value.where, caught.value.field) == (where, field)
    assert words in str(caught.value)
    assert caught.value.mend


def test_a_time_that_the_zone_has_twice_is_named(tmp_path: Path) -> None:
    touches = "person,at,channel\np,2026-10-25 02:30:00,a\n"
    connector = _csv(tmp_path, touches, ORDERS, time_zone="Europe/Berlin")
    _refused(connector, "touches", "touches.csv:2", "at", "happens twice in Europe/Berlin")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    connector = _csv(tmp_path, TOUCHES, ORDERS, touches="other.csv")
    _refused(connector, "touches", str(tmp_path), None, "no file matches 'other.csv'")


def test_an_id_stored_as_a_float_is_refused(tmp_path: Path) -> None:
    connector = _parquet(tmp_path, TOUCHES, ORDERS)
    rows = _rows(TOUCHES).set_column(0, "user_pseudo_id", pa.array([1.0, 2.0, 3.0, 4.0]))
    pq.write_table(rows, tmp_path / "touches.parquet")
    _refused(connector, "touches", "touches.parquet", "user_pseudo_id", "stored as double")


def test_a_row_of_a_query_is_named(tmp_path: Path) -> None:
    orders = "order_id,customer,ordered_at,value\n1,p,2026-03-03,5\n2,p,2026-03-04,-5\n"
    connector = _warehouse(tmp_path, TOUCHES, orders, time_zone="UTC")
    _refused(connector, "orders", "shop: orders_query:2", "value", "is negative")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"touches_query": "SELECT 1"}, "touches_query must hold :since and :until"),
        ({"touches": "touches.csv"}, "is a setting of files"),
        ({"order_columns": {"price": "value"}}, "order_columns"),
    ],
)
def test_wrong_settings_of_a_warehouse_are_named(tmp_path: Path, options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        _warehouse(tmp_path, TOUCHES, ORDERS, **options)
