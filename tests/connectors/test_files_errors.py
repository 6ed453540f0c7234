"""Bad input: each a clear error that names file, row, field and mend."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.contract import BuildContext
from connectors.errors import BadInput
from connectors.files import build
from connectors.files.connector import FilesConnector

Make = Callable[..., FilesConnector]

HEAD = "date,campaign_id,spend,conversions\n"
GOOD = "2025-01-01,c,1,1\n"


def pull_error(connector: FilesConnector) -> BadInput:
    with pytest.raises(BadInput) as caught:
        list(connector.pull(date(2000, 1, 1), date(2100, 1, 1)))
    return caught.value


@pytest.mark.parametrize(
    ("text", "where", "field", "words", "mend"),
    [
        ("", "a.csv", None, "empty", "export it again"),
        ("\n\n", "a.csv", None, "empty", "export it again"),
        (HEAD, "a.csv", None, "no data rows", "export it again"),
        (
            "date,campaign_id,spent,conversions\n" + GOOD,
            "a.csv",
            "spend",
            "'spent', 'conversions'",
            "'spent' is the closest",
        ),
        ("date;spend\n2025-01-01;1\n", "a.csv", "date_day", "'date_day' or 'date' or 'day'", "set delimiter"),
        ("date,spend,spend,campaign_id,conversions\n" + GOOD, "a.csv", "spend", "2 columns", "rename"),
        (HEAD + GOOD + "2025-01-02,c,-1,1\n", "a.csv:3", "spend", "negative", "credits are not spend"),
        (HEAD + GOOD + "2025-01-02,c,NaN,1\n", "a.csv:3", "spend", "'NaN' is not a number", "plain number"),
        (HEAD + "\n" + GOOD + '2025-01-02,"c\nd",1,1\n2025-01-03,c,x,1\n', "a.csv:6", "spend", "'x'", "plain number"),
        (HEAD + "2025-01-02,c,,1\n", "a.csv:2", "spend", "empty", "write 0"),
        (HEAD + '2025-01-02,c,"1,234.50",1\n', "a.csv:2", "spend", "'1,234.50'", "without a thousands separator"),
        (HEAD + GOOD + "2025-01-02,c,1,many\n", "a.csv:3", "conversions", "'many'", "plain number"),
        (HEAD + "2025-01-02,,1,1\n", "a.csv:2", "campaign_id", "empty", "campaign"),
        (
            HEAD + GOOD + "02.01.2025,c,1,1\n",
            "a.csv:3",
            "date",
            "'02.01.2025' is not a date of the form YYYY-MM-DD",
            "date_format",
        ),
        (HEAD + "2025-01-01 13:00:00,c,1,1\n", "a.csv:2", "date", "not the start of a day", "hourly"),
        (HEAD + GOOD + "2025-01-02,c,1\n", "a.csv:3", None, "has 3 fields where the header has 4", "delimiter"),
        (HEAD + GOOD + "2025-01-02,c,1,1\n2025-01-01,c,1,2\n", "a.csv:4", None, "row 2 already", "columns.ad_id"),
        (
            "date,campaign_id,spend,conversions,clicks\n2025-01-01,c,1,1,-2\n",
            "a.csv:2",
            "clicks",
            "negative",
            "correct",
        ),
        (b"date,campaign_id,spend,conversions\n2025-01-01,\xe4,1,1\n", "a.csv", None, "is not utf-8 text", "encoding"),
        (b"date,campaign_id,sp\xe4nd,conversions\n", "a.csv", None, "is not utf-8 text", "encoding"),
        (HEAD + '2025-01-01,"c,1,1\n' + GOOD * 9, "a.csv:2", None, "fields", "quote"),
    ],
)
def test_rows(make: Make, text: str | bytes, where: str, field: str | None, words: str, mend: str) -> None:
    error = pull_error(make({"a.csv": text}))
    assert (error.where, error.field) == (where, field)
    assert words in str(error)
    assert mend in error.mend


def test_zones_that_lack_a_day(make: Make) -> None:
    error = pull_error(make({"a.csv": HEAD + "2011-12-29,c,1,1\n2011-12-30,c,1,1\n"}, time_zone="Pacific/Apia"))
    assert (error.where, error.field) == ("a.csv:3", "date")
    assert "Pacific/Apia: the zone lacks that day" in str(error)


@pytest.mark.parametrize(
    ("hour", "words"), [("2025-03-30 02:00", "does not exist"), ("2025-10-26 02:00", "happens twice")]
)
def test_hours_at_a_change_of_clocks(make: Make, hour: str, words: str) -> None:
    error = pull_error(make({"a.csv": f"{HEAD}2025-03-30 01:00,c,1,1\n{hour},c,1,1\n"}, rows="hourly"))
    assert error.where == "a.csv:3"
    assert f"{words} in Europe/Berlin" in str(error)
    assert "UTC offset" in error.mend


def test_hours_stated_twice(make: Make) -> None:
    error = pull_error(make({"a.csv": HEAD + "2025-03-29 01:00,c,1,1\n2025-03-29 01:00,c,2,1\n"}, rows="hourly"))
    assert error.where == "a.csv:3"


@pytest.mark.parametrize(
    ("cells", "field", "words"),
    [
        ("A,EURO,UTC", "currency", "'EURO' is not an ISO 4217"),
        ("A,eur,UTC", "currency", "capitals"),
        ("A,,UTC", "currency", "nothing says the currency of account 'A'"),
        ("A,EUR,", "time_zone", "nothing says the time zone"),
        ("A,EUR,Berlin", "time_zone", "'Berlin' is not an IANA"),
        ("B,USD,UTC", "currency", "is 'USD', but account 'B' is in 'EUR'"),
        ("B,EUR,Asia/Tokyo", "time_zone", "is 'Asia/Tokyo', but account 'B' is in 'UTC'"),
    ],
)
def test_accounts(make: Make, cells: str, field: str, words: str) -> None:
    head = "date,campaign_id,spend,conversions,account_id,currency,time_zone\n"
    text = f"{head}2025-01-01,c,1,1,B,EUR,UTC\n2025-01-02,c,1,1,{cells}\n"
    error = pull_error(make({"a.csv": text}, currency=None, time_zone=None))
    assert (error.where, error.field) == ("a.csv:3", field)
    assert words in str(error)


def test_a_currency_other_than_the_one_that_is_set(make: Make) -> None:
    head = "date,campaign_id,spend,conversions,currency\n"
    error = pull_error(make({"a.csv": head + "2025-01-01,c,1,1,EUR\n2025-01-02,c,1,1,USD\n"}))
    assert (error.where, error.field) == ("a.csv:3", "currency")


@pytest.mark.parametrize("files", [{"1.csv": "c,a\n", "2.csv": "c,\n"}, {"1.csv": "c,a\nc,\n"}])
def test_rows_of_two_levels_would_count_twice(make: Make, files: dict[str, str]) -> None:
    head = "campaign_id,ad_id,date,spend,conversions\n"
    texts = {name: head + text.replace("\n", ",2025-01-01,1,1\n") for name, text in files.items()}
    error = pull_error(make(texts))
    assert "by campaign, others are by ad: their sum would count twice" in str(error)


def test_duplicates_are_found_across_the_chunks_of_a_large_file(make: Make) -> None:
    lines = [f"2025-01-{day:02},campaign-{n:05},1,1\n" for day in range(1, 11) for n in range(5000)]
    assert sum(map(len, lines)) > 1 << 20, "the file must be longer than one chunk"
    connector = make({"a.csv": HEAD + "".join(lines) + lines[5]})
    assert sum(1 for _ in connector.pull(date(2025, 1, 1), date(2025, 1, 31))) == 50_000
    error = pull_error(make({"a.csv": HEAD + "".join(lines) + lines[5].replace(",1,1", ",1,2")}))
    assert error.where == "a.csv:50002"
    assert "campaign_id 'campaign-00005' on 2025-01-01 of account 'shop' was stated in row 7 already" in str(error)


def test_no_file_matches(make: Make) -> None:
    error = pull_error(make({"budgets.csv": "x\n", "budget_changes.csv": "x\n", "notes.txt": "x\n"}))
    assert "no file matches '*.csv'" in str(error)


def test_damaged_parquet(make: Make) -> None:
    error = pull_error(make({"a.parquet": b"PAR1 this is no parquet file PAR1"}, pattern="*.parquet"))
    assert error.where == "a.parquet"
    assert "cannot be read" in str(error)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("campaign_id", [1.5, 2.5], "ids are stored as double"),
        ("spend", [[1], [2]], "list<"),
        ("spend", [1.0, float("nan")], "'nan' is not a number"),
        ("spend", [1.0, None], "is empty"),
    ],
)
def test_columns_of_parquet(make: Make, column: str, values: list[Any], words: str) -> None:
    table: dict[str, Any] = {
        "date": ["2025-01-01", "2025-01-02"],
        "campaign_id": ["c", "c"],
        "spend": [1, 1],
        "conversions": [1, 1],
    }
    sink = io.BytesIO()
    pq.write_table(pa.table({**table, column: pa.array(values)}), sink)
    error = pull_error(make({"a.parquet": sink.getvalue()}, pattern="*.parquet"))
    assert error.field == column
    assert words in str(error)


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"foldr": "x"}, "foldr", "did you mean 'folder'"),
        ({"columns": {"datee": "x"}}, "columns.datee", "did you mean 'date'"),
        ({"columns": {"conversions": 7}}, "columns.conversions", "string"),
        ({"units": {"spend": "cents"}}, "units.spend", "'major', 'minor' or 'micros'"),
        ({"currency": "EURO"}, "currency", "ISO 4217"),
        ({"time_zone": "Mars"}, "time_zone", "IANA"),
        ({"date_format": "%d.%m"}, "date_format", "year, month and day"),
        ({"encoding": "klingon"}, "encoding", "not a text encoding"),
        ({"delimiter": ";;"}, "delimiter", "one character"),
        ({"decimal": ","}, None, "same character"),
        ({"pattern": "../*.csv"}, "pattern", "inside the folder"),
        ({"restatement_days": -1}, "restatement_days", "greater than or equal to 0"),
        ({"budget_quantum": 0}, "budget_quantum", "greater than or equal to 0.000001"),
        ({"rows": "hourly", "columns": {"fetched_at": "t"}}, None, "columns.fetched_at"),
        ({"folder": "nowhere"}, "folder", "there is no folder 'nowhere'"),
        ({"folder": None}, "folder", "is missing"),
    ],
)
def test_settings(make: Make, options: dict[str, Any], field: str | None, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        make({"a.csv": HEAD + GOOD}, **options)
    assert caught.value.where == "config.toml [connectors.shop]"
    assert caught.value.field == field
    assert words in str(caught.value)
    assert caught.value.mend


def test_a_folder_is_found_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    context = BuildContext("shop", {"folder": str(tmp_path / "data")}, Path("/nowhere"))
    assert build(context).name == "shop"
