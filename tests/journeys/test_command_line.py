"""How the command line answers, whatever it is asked: exit codes, mends, notices, and the last resort."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from optimizer.agent.cli import commands, main
from tests.journeys.shops import Outlay, Shop

FINE, ERROR, PENDING = 0, 1, 2


def planned(outlay: Outlay, shop: Shop) -> tuple[str, str]:
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today, "--seed", 1, "--json")
    recommendation = answer.data["recommendation"]
    return recommendation["rec_id"], recommendation["plan_hash"]


@pytest.mark.parametrize(
    "words", [[], ["plan", "--bogus"], ["bogus"], ["--bogus"], ["connectors", "bogus"], ["approve"]]
)
def test_words_that_cannot_be_understood_end_with_one(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["outlay", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == ERROR, "2 would say that a proposal waits"
    told = capsys.readouterr()
    assert "Usage: outlay" in told.out + told.err


@pytest.mark.parametrize("words", [["-h"], ["connectors", "--help"], ["plan", "-h"]])
def test_help_is_no_error(words: list[str], outlay: Outlay) -> None:
    assert outlay(*words).code == FINE


def test_every_command_is_told_in_a_whole_sentence(outlay: Outlay) -> None:
    _, _, listed = outlay("--help").out.partition("Commands:\n")
    lines = listed.splitlines()
    assert len(lines) > 15
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_connectors_without_a_command_are_listed(outlay: Outlay, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.folder)
    answer = outlay("connectors")
    assert answer.code == FINE
    assert answer.out == outlay("connectors", "list").out
    assert "shop" in answer.out


def test_a_defect_is_told_in_a_sentence(
    outlay: Outlay, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("nothing\nto divide by")

    monkeypatch.setattr(commands, "found", lambda _command: broken)
    answer = outlay("status", "-c", shop.config)
    assert answer.code == ERROR
    assert "Unexpected error: ZeroDivisionError: nothing to divide by. This is a defect;" in answer.err
    assert "OUTLAY_LOG=DEBUG" in answer.err
    assert "Traceback" not in answer.err + answer.out
    assert not caplog.records
    told = outlay("status", "-c", shop.config, "--json")
    assert told.code == ERROR
    assert told.data["error"]["kind"] == "ZeroDivisionError"
    with caplog.at_level(logging.DEBUG):
        outlay("status", "-c", shop.config)
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text


def test_what_is_no_exception_goes_through(outlay: Outlay, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "found", lambda _command: stopped)
    answer = outlay("status", "-c", shop.config)
    assert answer.code not in (FINE, ERROR, PENDING)
    assert "defect" not in answer.err


def test_a_proposal_is_announced_once_by_plan(
    outlay: Outlay, shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OUTLAY_LOG", raising=False)
    name, whole = planned(outlay, shop)
    notices = [entry.getMessage() for entry in caplog.records if entry.name == "outlay.notify"]
    assert len(notices) == 1
    assert f"{name} waits for approval" in notices[0]
    outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada")
    caplog.clear()
    monkeypatch.setenv("OUTLAY_LOG", "ERROR")
    caplog.set_level(logging.ERROR)
    planned(outlay, shop)
    assert not caplog.records


def test_an_approval_repeats_what_was_approved_and_status_counts_it(outlay: Outlay, shop: Shop) -> None:
    name, whole = planned(outlay, shop)
    assert outlay("status", "-c", shop.config, "--json").data["recommendations"][0]["approved"] == 0
    answer = outlay("approve", name, "-c", shop.config, "--hash", whole, "--lines", "brand", "--as", "ada")
    assert answer.code == FINE, answer.err
    lines = outlay("show", name, "-c", shop.config, "--json").data["recommendation"]["decision"]["lines"]
    amounts = {line["name"]: (line["current"]["micros"] / 1e6, line["proposed"]["micros"] / 1e6) for line in lines}
    now, then = amounts["brand"]
    assert f"- brand: {now:,.2f} EUR -> {then:,.2f} EUR\n" in answer.out
    assert "generic" not in answer.out
    assert f"Next: outlay apply {name}" in answer.out
    told = outlay("status", "-c", shop.config)
    assert f"1 of {sum(now != then for now, then in amounts.values())} approved" in told.out
    assert outlay("status", "-c", shop.config, "--json").data["recommendations"][0]["approved"] == 1


def test_writes_that_fail_say_why_and_what_comes_next(outlay: Outlay, shop: Shop) -> None:
    name, whole = planned(outlay, shop)
    outlay("approve", name, "-c", shop.config, "--hash", whole, "--as", "ada")
    lock = shop.folder / "data" / ".budgets.csv.lock"
    lock.mkdir()
    answer = outlay("apply", name, "-c", shop.config)
    assert answer.code == ERROR
    assert "failed" in answer.out
    assert f"outlay apply {name} retries what is open" in answer.out
    assert "budgets.csv" in answer.out
    lock.rmdir()
    again = outlay("apply", name, "-c", shop.config)
    assert again.code == FINE, again.err
    assert f"Next: outlay verify {name}" in again.out


def test_an_unknown_recommendation_and_an_amount_that_is_none_say_the_mend(outlay: Outlay, shop: Shop) -> None:
    name, _ = planned(outlay, shop)
    for words in (("show", "R-20000101-00"), ("apply", "R-20000101-00"), ("show", name, "--revision", 9)):
        answer = outlay(*words, "-c", shop.config)
        assert answer.code == ERROR
        assert "Mend: `outlay show latest`" in answer.err
    answer = outlay("edit", name, "-c", shop.config, "--set", "brand=170,5", "--as", "ada")
    assert answer.code == ERROR
    assert "Mend: write digits with a decimal point, such as brand=170.50." in answer.err


def test_a_check_names_the_currency_of_the_budgets(outlay: Outlay, shop: Shop) -> None:
    answer = outlay("connectors", "check", "-c", shop.config)
    assert "4 budgets, 570.00 EUR a day together" in answer.out


@pytest.mark.parametrize(
    ("header", "mapped"), [("channel", 'channel = "channel"'), ("Network", 'channel = "Network"'), ("note", None)]
)
def test_init_maps_a_column_of_channels_or_names_one_for_all(
    header: str, mapped: str | None, outlay: Outlay, shop: Shop, tmp_path: Path
) -> None:
    text = shop.rows.read_text(encoding="utf-8")
    shop.rows.write_text(text.replace("channel", header, 1), encoding="utf-8")
    fresh = tmp_path / "fresh"
    words = ("init", fresh, "--files", shop.folder / "data", "--currency", "EUR", "--time-zone", "Europe/Berlin")
    assert outlay(*words).code == FINE
    written = (fresh / "config.toml").read_text(encoding="utf-8")
    assert ('channel = "all"' in written) == (mapped is None)
    assert mapped is None or mapped in written.splitlines()
    answer = outlay("plan", "-c", fresh / "config.toml", "--as-of", shop.today, "--json")
    assert answer.code == PENDING, answer.err
    channels = {line["channel"] for line in answer.data["recommendation"]["decision"]["lines"]}
    assert channels == ({"all"} if mapped is None else {"search", "social"})
