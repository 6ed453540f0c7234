"""`outlay appraise`: what the settings ask for is appraised and kept, and plans count by it from then on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.answers import Exit
from optimizer.agent.cli.app import app
from optimizer.agent.cycle import pull
from optimizer.plan.appraisal import Subject
from tests.journeys.touched import TODAY, shop_of_paths

CREDITED = '[goal]\ncounts = "credited"'


def outlay(*words: str) -> tuple[int, dict[str, Any], str]:
    answer = CliRunner().invoke(app, [*words])
    return answer.exit_code, json.loads(answer.stdout) if answer.stdout.startswith("{") else {}, answer.output


def pulled(config: Path) -> Path:
    with open_house(config) as house:
        pull(house, TODAY)
    return config


def kept(config: Path) -> list[Subject]:
    with open_house(config) as house:
        return [made.subject for made in house.store.appraisals()]


def test_credit_is_kept_and_the_next_plan_counts_by_it(tmp_path: Path) -> None:
    config = pulled(shop_of_paths(tmp_path, goal=CREDITED))
    asked = ("-c", str(config), "--as-of", TODAY.isoformat(), "--json")
    _, before, _ = outlay("plan", *asked)
    assert "no-credit" in {f["code"] for f in before["recommendation"]["decision"]["findings"]}
    code, data, _ = outlay("appraise", *asked, "--seed", "3")
    assert (code, data["recorded"], kept(config)) == (Exit.FINE, True, [Subject.CREDIT])
    (one,) = data["appraisals"]
    by_scope = {(e["channel"], e["campaign"]): e["mean"] for e in one["appraisal"]["estimates"]}
    assert by_scope["social", None] == pytest.approx(10 / 30)  # half of twenty orders, of thirty that are claimed
    _, after, _ = outlay("plan", *asked)
    decision = after["recommendation"]["decision"]
    words = {f["code"]: f["message"] for f in decision["findings"]}
    assert "Credited conversions are counted, by linear" in words["credit"]
    assert decision["unit"] == "credited conversions a day"


def test_a_dry_run_keeps_nothing_and_says_what_it_would(tmp_path: Path) -> None:
    config = pulled(shop_of_paths(tmp_path))
    code, _, shown = outlay("appraise", "-c", str(config), "--as-of", TODAY.isoformat(), "--dry-run")
    assert (code, kept(config)) == (Exit.FINE, [])
    assert "Nothing was written." in shown
    assert "social" in shown


def test_a_past_day_does_not_replace_what_stands(tmp_path: Path) -> None:
    config = pulled(shop_of_paths(tmp_path))
    asked = ("appraise", "-c", str(config), "--as-of", TODAY.isoformat())
    code, _, shown = outlay(*asked)
    assert (code, "past day" in shown) == (Exit.FINE, False)
    assert "From now on, plans count by it." in shown
    assert not outlay(*asked, "--json")[1]["recorded"]
    shown = " ".join(outlay(*asked)[2].split())
    assert f"One of a past day, {TODAY}, does not replace an appraisal that stands" in shown
    assert "Nothing was written." in shown
    assert kept(config) == [Subject.CREDIT]


def test_what_cannot_be_appraised_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    config = pulled(shop_of_paths(tmp_path, goal='[goal]\nobjective = "revenue"\nvalue = "lifetime"'))
    orders = tmp_path / "exports" / "orders.csv"
    orders.write_text(orders.read_text(encoding="utf-8").replace(",30,0,", ",30,40,"), encoding="utf-8")
    code, data, _ = outlay("appraise", "-c", str(config), "--as-of", TODAY.isoformat(), "--json")
    assert (code, data["recorded"], kept(config)) == (Exit.BLOCKED, False, [])
    assert [one["subject"] for one in data["appraisals"]] == ["credit", "customer"]
    assert all("orders.csv" in one["why"] for one in data["appraisals"])


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--as-of", "soon"), "'soon' is not a day"), ((), "asks for nothing to be appraised")],
)
def test_words_that_make_no_sense_are_refused(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    config = shop_of_paths(tmp_path, model="linear" if words else "platform")
    code, _, shown = outlay("appraise", "-c", str(config), *words)
    assert code == Exit.ERROR
    assert told in shown


def test_credited_conversions_ask_for_a_model(tmp_path: Path) -> None:
    config = shop_of_paths(tmp_path, model="platform", goal=CREDITED)
    code, _, shown = outlay("plan", "-c", str(config))
    assert code == Exit.ERROR
    assert 'counts = "credited" asks for a model' in shown
