"""Bad input through the command line: a sentence with file, row, field and mend; nothing is half stored."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.journeys.shops import Outlay, Shop

ERROR, BLOCKED = 1, 4


def stored_facts(shop: Shop) -> int:
    path = shop.folder / ".outlay" / "outlay.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as database:
        return int(database.execute("SELECT count(*) FROM fact").fetchone()[0])


def spoil(shop: Shop, row: int, **cells: str) -> None:
    """Overwrite cells of one row of the export; rows count from 1 with the header."""
    lines = shop.rows.read_text(encoding="utf-8").splitlines()
    header, values = lines[0].split(","), lines[row - 1].split(",")
    for name, text in cells.items():
        values[header.index(name)] = text
    lines[row - 1] = ",".join(values)
    shop.rows.write_text("\n".join(lines) + "\n", encoding="utf-8")


def refused(outlay: Outlay, shop: Shop, *words: str) -> str:
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today)
    assert answer.code == ERROR, answer.out
    for word in (*words, "Mend:"):
        assert word in answer.err
    assert "Traceback" not in answer.err
    assert stored_facts(shop) == 0, "nothing may be half stored"
    return answer.err


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"spend": "-3.50"}, ("rows.csv:300", "spend", "-3.5 is negative")),
        ({"spend": "NaN"}, ("rows.csv:300", "spend")),
        ({"spend": "1,2x"}, ("rows.csv:300",)),
        ({"spend": ""}, ("rows.csv:300", "spend")),
        ({"date": "31/12/2025"}, ("rows.csv:300", "date", "31/12/2025")),
        ({"conversions": "many"}, ("rows.csv:300", "conversions", "many")),
        ({"campaign_id": ""}, ("rows.csv:300", "campaign_id")),
    ],
)
def test_a_bad_cell_is_named(outlay: Outlay, shop: Shop, cells: dict[str, str], words: tuple[str, ...]) -> None:
    spoil(shop, 300, **cells)
    refused(outlay, shop, *words)


def test_a_missing_column_is_named_with_those_that_are_there(outlay: Outlay, shop: Shop) -> None:
    text = shop.rows.read_text(encoding="utf-8")
    shop.rows.write_text(text.replace("spend", "expense", 1), encoding="utf-8")
    refused(outlay, shop, "rows.csv", "spend", "expense")


def test_one_key_with_two_values_is_named_with_both_rows(outlay: Outlay, shop: Shop) -> None:
    lines = shop.rows.read_text(encoding="utf-8").splitlines()
    twice = lines[100].split(",")
    twice[3] = "1.00"
    shop.rows.write_text("\n".join([*lines, ",".join(twice)]) + "\n", encoding="utf-8")
    refused(outlay, shop, "101", f"rows.csv:{len(lines) + 1}")


@pytest.mark.parametrize(
    "content", ["", "date,channel,campaign_id,spend,clicks,conversions,conversions_value,daily_budget\n"]
)
def test_an_empty_file_is_named(outlay: Outlay, shop: Shop, content: str) -> None:
    shop.rows.write_text(content, encoding="utf-8")
    refused(outlay, shop, "rows.csv")


def test_a_folder_without_files_is_named(outlay: Outlay, shop: Shop) -> None:
    shop.rows.unlink()
    refused(outlay, shop, "data")


@pytest.mark.parametrize(("currency", "word"), [("EURO", "EURO"), ("eur", "eur"), ("XYZ", "XYZ")])
def test_a_currency_that_is_none_is_refused(outlay: Outlay, shop: Shop, currency: str, word: str) -> None:
    text = shop.config.read_text(encoding="utf-8")
    head, table = text.split("[connectors.shop]")
    shop.config.write_text(head + "[connectors.shop]" + table.replace("EUR", currency), encoding="utf-8")
    refused(outlay, shop, word, "currency")


def test_a_row_in_another_currency_than_its_account_is_refused(outlay: Outlay, shop: Shop) -> None:
    lines = shop.rows.read_text(encoding="utf-8").splitlines()
    coded = [lines[0] + ",currency", *(line + ",EUR" for line in lines[1:])]
    coded[250] = coded[250][:-3] + "USD"
    shop.rows.write_text("\n".join(coded) + "\n", encoding="utf-8")
    refused(outlay, shop, "rows.csv:251", "USD", "EUR")


def test_an_account_in_another_currency_than_the_portfolio_is_refused(outlay: Outlay, shop: Shop) -> None:
    text = shop.config.read_text(encoding="utf-8")
    shop.config.write_text(text.replace('currency = "EUR"', 'currency = "USD"', 1), encoding="utf-8")
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today)
    assert answer.code == ERROR
    assert "EUR" in answer.err
    assert "USD" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(("hour", "words"), [("2025-03-30 02:30", "2025-03-30"), ("2025-10-26 02:30", "2025-10-26")])
def test_an_hour_that_the_zone_lacks_or_repeats_is_refused(outlay: Outlay, shop: Shop, hour: str, words: str) -> None:
    shop.rows.write_text(f"date,channel,campaign_id,spend,conversions\n{hour},search,brand,10.00,1\n", encoding="utf-8")
    shop.append('date_format = "%Y-%m-%d %H:%M"\n')
    refused(outlay, shop, "rows.csv:2", "date", words)


def test_limits_that_contradict_one_another_are_named_with_the_nearest_total(outlay: Outlay, shop: Shop) -> None:
    shop.append('\n[goal]\ntotal_per_day = 400\n[[limits]]\nscope = "channel:search"\nfloor = 300\n'
                '[[limits]]\nscope = "channel:social"\nfloor = 250\n')  # fmt: skip
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today)
    assert answer.code == BLOCKED
    for word in ("channel search at least 300.00 EUR", "channel social at least 250.00 EUR", "total", "550"):
        assert word in answer.out


def test_an_unknown_key_is_named_with_the_closest(outlay: Outlay, shop: Shop) -> None:
    shop.append("\n[goal]\nobjektive = 'revenue'\n")
    answer = outlay("plan", "-c", shop.config)
    assert answer.code == ERROR
    assert "goal.objektive" in answer.err
    assert "objective" in answer.err


def test_an_unknown_setting_of_a_connector_is_named(outlay: Outlay, shop: Shop) -> None:
    shop.append("foldr = 'x'\n")
    refused(outlay, shop, "connectors.shop", "foldr")


def test_a_database_that_cannot_be_written_is_named(outlay: Outlay, shop: Shop) -> None:
    blocked = shop.folder / ".outlay"
    blocked.write_text("a file where a folder should be", encoding="utf-8")
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today)
    assert answer.code == ERROR
    assert ".outlay" in answer.err
    assert "Mend:" in answer.err
    assert "Traceback" not in answer.err


def test_init_overwrites_nothing_and_maps_what_it_can(outlay: Outlay, shop: Shop, tmp_path: Path) -> None:
    assert outlay("init", shop.folder).code == ERROR
    fresh = tmp_path / "fresh"
    answer = outlay("init", fresh, "--files", shop.folder / "data", "--currency", "EUR", "--time-zone", "Europe/Berlin")
    assert answer.code == 0, answer.err
    assert outlay("plan", "-c", fresh / "config.toml", "--as-of", shop.today).code == 2
    odd = outlay("init", tmp_path / "odd", "--files", shop.folder / "data", "--currency", "EURO")
    assert odd.code == ERROR
    assert not (tmp_path / "odd" / "config.toml").exists()


PAID = '[[payments]]\nscope = "all"\nmodel = "cpa"\nrate = 12.5\n'


def test_goals_that_cannot_hold_with_the_budgets_are_told_with_the_mend(outlay: Outlay, shop: Shop) -> None:
    shop.append(f'[[flights]]\nname = "launch"\namount = 9000\n{PAID}')
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today)
    assert answer.code == BLOCKED
    assert answer.err.startswith("Error: flight 'launch' (all) covers ")
    assert "Mend: write [[flights]] of scopes without it" in answer.err
