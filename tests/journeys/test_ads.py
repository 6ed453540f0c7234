"""A marketer's way with ads through the command line: plan, look, approve a part, write, read back, undo."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

from connectors.contract import EntityStatus
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import find
from tests.journeys.shops import Answered, Outlay, Shop

FINE, ERROR, PENDING, DRIFT, BLOCKED = 0, 1, 2, 3, 4
START = date(2025, 9, 1)
SCENARIO = """
based_on = "tiny-yen"
[ads]
creatives = [4, 4]
audiences = [1, 1]
[history]
history_days = 60
"""
SETTINGS = """
[portfolio]
currency = "JPY"
time_zone = "Asia/Tokyo"
[guardrails]
min_gain_probability = 1.0
min_gain_share = 1.0
[connectors.market]
kind = "simulated"
scenario = "scenario.toml"
seed = 4
state_file = "market.json"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
    path = tmp_path / "config.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def market(config: Path) -> SimulatedConnector:
    scenario = find("scenario.toml", config.parent)
    return SimulatedConnector(scenario, seed=4, start=START, state_file=config.parent / "market.json", name="market")


def statuses(config: Path) -> dict[str, EntityStatus]:
    return {ad.ad_id: ad.status for ad in market(config).ads()}


def plan(outlay: Outlay, config: Path, *more: object) -> Answered:
    return outlay("plan", "-c", config, "--as-of", market(config).today, "--seed", 1, *more)


def rec(answer: Answered) -> tuple[str, str]:
    recommendation = answer.data["recommendation"]
    return recommendation["rec_id"], recommendation["plan_hash"]


def ads(answer: Answered) -> dict[str, str]:
    return {line["key"]["ad_id"]: line["proposed"] for line in answer.data["recommendation"]["decision"].get("ads", ())}


def test_ads_are_proposed_approved_in_part_written_verified_and_restored(outlay: Outlay, config: Path) -> None:
    answer = plan(outlay, config, "--json")
    assert answer.code == PENDING, answer.err
    name, whole = rec(answer)
    before, proposed = statuses(config), ads(answer)
    assert len(proposed) >= 2
    assert set(proposed.values()) == {"paused"}

    shown = outlay("show", name, "-c", config)
    assert f"Ads: {len(proposed)} to be paused, 0 to be resumed: +" in shown.out
    for words in (*proposed, "pause", "P(worse)", "of the exposure and deserves", f"outlay approve {name}"):
        assert words in shown.out
    assert "nan" not in shown.out

    first, second = list(proposed)[:2]
    picked = outlay("approve", name, "-c", config, "--hash", whole, "--lines", f"{first},{second}", "--as", "ada")
    assert picked.code == FINE, picked.err
    assert picked.out.count("active -> paused") == 2
    rehearsal = outlay("apply", name, "-c", config, "--dry-run", "--json").data["dry_run"]
    assert {(row["ad"].split("/")[-1], row["target"], row["problem"]) for row in rehearsal} == {
        (first, "paused", ""), (second, "paused", ""),
    }  # fmt: skip
    assert statuses(config) == before, "a dry run writes nothing"

    written = outlay("apply", name, "-c", config)
    assert written.code == FINE, written.err
    assert "budget or ad" in written.out
    assert statuses(config) == before | {first: EntityStatus.PAUSED, second: EntityStatus.PAUSED}
    checked = outlay("verify", name, "-c", config, "--json")
    assert (checked.code, checked.data["state"]) == (FINE, "verified")
    assert [(i["key"]["ad_id"], i["base"], i["target"], i["state"]) for i in checked.data["intents"]] == [
        (each, "active", "paused", "verified") for each in (first, second)
    ]
    assert [key["ad_id"] for key in checked.data["approved_lines"]] == [first, second]

    undo = outlay("rollback", name, "-c", config, "--as", "ada", "--json")
    assert undo.code == PENDING
    child, child_hash = rec(undo)
    assert ads(undo) == {first: "active", second: "active"}
    assert "restores the status active" in outlay("show", child, "-c", config).out
    assert outlay("approve", child, "-c", config, "--hash", child_hash, "--as", "ada").code == FINE
    assert outlay("apply", child, "-c", config).code == FINE
    assert outlay("verify", child, "-c", config).code == FINE
    assert statuses(config) == before
    history = outlay("show", name, "-c", config, "--history")
    assert "rolled-back" in history.out
    assert "2 ads restored by" in history.out


def test_a_person_who_switches_an_ad_is_told_and_not_overwritten(outlay: Outlay, config: Path) -> None:
    answer = plan(outlay, config, "--json")
    name, whole = rec(answer)
    assert outlay("approve", name, "-c", config, "--hash", whole, "--as", "ada").code == FINE
    theirs = next(iter(ads(answer)))
    market(config).switch(theirs, EntityStatus.PAUSED)
    before = statuses(config)
    late = outlay("apply", name, "-c", config)
    assert late.code == DRIFT
    assert f"{theirs}): expected active, live paused" in late.err
    assert statuses(config) == before


def test_pins_and_settings_keep_ads_from_being_proposed(outlay: Outlay, config: Path) -> None:
    proposed = list(ads(plan(outlay, config, "--json")))
    pin = f'[[pins]]\nscope = "ad:{proposed[0]}"\nauthor = "ada"\nreason = "launch"\n'
    config.write_text(SETTINGS + pin, encoding="utf-8")
    left = ads(plan(outlay, config, "--json"))
    assert left
    assert proposed[0] not in left
    config.write_text(SETTINGS + "[ads]\nmax_changes = 0\n", encoding="utf-8")
    none = plan(outlay, config)
    assert none.code == FINE
    assert "Nothing to change" in none.out
    config.write_text(SETTINGS + pin.replace(proposed[0], "no-such-ad"), encoding="utf-8")
    assert "The pin on ad:no-such-ad covers no ad and so protects nothing." in plan(outlay, config).out


def test_an_unknown_or_ambiguous_line_is_told_with_its_mend(outlay: Outlay, config: Path) -> None:
    name, whole = rec(plan(outlay, config, "--json"))
    for words, told in (("nobody", "names no budget"), ("Creative", "names no budget")):
        answer = outlay("approve", name, "-c", config, "--hash", whole, "--lines", words, "--as", "ada")
        assert answer.code == ERROR
        assert told in answer.err


def test_in_files_ads_are_switched_where_they_are_listed(outlay: Outlay, shop: Shop) -> None:
    """Two ads under each campaign, one of them far better; only those of the statuses file are proposed."""
    data = shop.folder / "data"
    with shop.rows.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with shop.rows.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "ad_id", "impressions"])
        writer.writeheader()
        for row in rows:
            for ad, part in (("good", 0.6), ("fair", 0.3), ("bad", 0.1)):
                count = round(float(row["conversions"]) * part)
                writer.writerow(
                    row
                    | {"ad_id": f"{row['campaign_id']}-{ad}", "impressions": 1000, "conversions": count}
                    | {"spend": float(row["spend"]) / 3, "clicks": 100, "conversions_value": count * 40}
                )

    def wanted(status: str) -> str:
        listed = [f"brand-{ad},brand,{status if ad == 'bad' else 'active'}" for ad in ("good", "fair", "bad")]
        return "\n".join(["ad_id,campaign_id,status", *listed]) + "\n"

    (data / "ad_status.csv").write_text(wanted("active"), encoding="utf-8")
    answer = outlay("plan", "-c", shop.config, "--as-of", shop.today, "--seed", 1, "--json")
    assert answer.code == PENDING, answer.err
    assert ads(answer) == {"brand-bad": "paused"}
    name, whole = rec(answer)
    approved = outlay("approve", name, "-c", shop.config, "--hash", whole, "--lines", "brand-bad", "--as", "ada")
    assert approved.code == FINE, approved.err
    assert outlay("apply", name, "-c", shop.config).code == FINE
    assert (data / "ad_status.csv").read_text(encoding="utf-8") == wanted("paused")
    assert not (data / "budgets.csv").exists()
    assert outlay("verify", name, "-c", shop.config).code == FINE
    log = (data / "ad_changes.csv").read_text(encoding="utf-8").splitlines()
    assert log[0] == "time,account_id,ad_id,from,to,idempotency_key,request_id"
    assert ",shop,brand-bad,active,paused," in log[1]
