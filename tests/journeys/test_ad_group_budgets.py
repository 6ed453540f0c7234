"""Audiences with ad sets and budgets of their own: targets of the allocator like campaigns, from files and back."""

from __future__ import annotations

import csv
from datetime import timedelta

import numpy as np
import pytest

from connectors.contract import BuildContext, Level
from connectors.errors import BadInput
from connectors.files import build
from tests.journeys.shops import TODAY, Outlay, Shop

PENDING, FINE = 2, 0
# Conversions a day at most, and spend at half of that, by ad group: two audiences of one campaign, and one of another.
AUDIENCES = {"old": (8.0, 20.0), "new": (60.0, 300.0), "near": (40.0, 150.0)}
CAMPAIGNS = {"old": "social", "new": "social", "near": "search"}
BUDGETS = "budget_id,name,campaign_ids,ad_group_ids,amount,currency\n"
BUDGETS += "b-old,Old customers,,old,150.00,EUR\nb-new,New people,,new,100.00,EUR\nb-near,Nearby,search,,120.00,EUR\n"


@pytest.fixture
def audiences(shop: Shop) -> Shop:
    """One campaign with two ad sets, each with a budget of its own, and one campaign whose budget is the campaign's."""
    rng = np.random.default_rng(11)
    budget = {"old": 150.0, "new": 100.0, "near": 120.0}
    with shop.rows.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "campaign_id", "ad_group_id", "audience_id", "spend", "impressions", "conversions"])
        for back in range(120, 0, -1):
            for group, (most, half) in AUDIENCES.items():
                base = budget[group] * (rng.uniform(0.6, 1.5) if back > 20 else 1.0)
                spend = round(base * rng.uniform(0.95, 1.0), 2)
                got = rng.poisson(most * spend / (spend + half))
                day = (TODAY - timedelta(days=back)).isoformat()
                writer.writerow([day, CAMPAIGNS[group], group, f"people-{group}", spend, round(spend * 90), got])
    (shop.folder / "data" / "budgets.csv").write_text(BUDGETS, encoding="utf-8")
    return shop


def test_money_goes_between_audiences_of_one_campaign(outlay: Outlay, audiences: Shop) -> None:
    answer = outlay("plan", "-c", audiences.config, "--as-of", TODAY, "--seed", 1, "--json")
    assert answer.code == PENDING, answer.err
    recommendation = answer.data["recommendation"]
    lines = {line["key"]["budget_id"]: line for line in recommendation["decision"]["lines"]}
    assert set(lines) == {"b-old", "b-new", "b-near"}
    change = {key: line["proposed"]["micros"] - line["current"]["micros"] for key, line in lines.items()}
    assert change["b-old"] < 0 < change["b-new"]
    # Each budget is learnt from its own audience's rows alone.
    assert {key: line["evidence"]["days"] for key, line in lines.items()} == dict.fromkeys(lines, 120)
    spent = {key: line["evidence"]["spend"] / 28 for key, line in lines.items()}
    assert all(0.9 < spent[key] / (lines[key]["current"]["micros"] / 1e6) < 1.2 for key in lines)

    name, whole = recommendation["rec_id"], recommendation["plan_hash"]
    assert outlay("approve", name, "-c", audiences.config, "--hash", whole, "--as", "ada").code == FINE
    assert outlay("apply", name, "-c", audiences.config).code == FINE
    assert outlay("verify", name, "-c", audiences.config).code == FINE
    with (audiences.folder / "data" / "budgets.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["budget_id"]: row for row in csv.DictReader(file)}
    for key, line in lines.items():
        assert round(float(rows[key]["amount"]) * 1e6) == line["proposed"]["micros"]
        assert (rows[key]["ad_group_ids"] == "") is (key == "b-near")


def test_budgets_name_who_holds_them(audiences: Shop) -> None:
    def connector():
        options = {"folder": "data", "account": "shop", "currency": "EUR", "time_zone": "Europe/Berlin"}
        return build(BuildContext("shop", options, audiences.folder))

    held = {budget.budget_id: (budget.holder, budget.covers) for budget in connector().budgets()}
    assert held == {
        "b-old": (Level.AD_GROUP, ("old",)),
        "b-new": (Level.AD_GROUP, ("new",)),
        "b-near": (Level.CAMPAIGN, ("search",)),
    }
    path = audiences.folder / "data" / "budgets.csv"
    for row, words in (
        ("b-x,X,social,new,10,EUR", "filled in beside campaign_ids"),
        ("b-x,X,,new,10,EUR", "ad group 'new' draws on budget 'b-new' already"),
        ("b-x,X,,;,10,EUR", "names no ad group"),
        ("b-x,X,,,10,EUR", "'campaign_ids': is empty"),
    ):
        path.write_text(f"{BUDGETS}{row}\n", encoding="utf-8")
        with pytest.raises(BadInput, match=words):
            connector().budgets()
