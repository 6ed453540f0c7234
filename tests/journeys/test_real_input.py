"""Real exports, as they are, through the whole way: gaps, fractions, no impressions, headers of their own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from tests.journeys.shops import Outlay

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FINE, PENDING, BLOCKED = 0, 2, 4


@dataclass(frozen=True)
class Real:
    """A published export and how it is mapped; the files name neither currency nor zone, so that we must."""

    file: str
    today: date
    currency: str
    zone: str
    columns: str
    wish: str = ""


PROVIDER = Real(
    "campaigns/internet_service_provider.csv",
    date(2022, 10, 20),
    "JPY",
    "Asia/Tokyo",
    'campaign_id = "campaign_name"\nconversions = ["ctv", "vtv"]\nbudget = "campaign_budget_total_amount"\n',
)
CLICKS = replace(PROVIDER, columns=PROVIDER.columns.replace('["ctv", "vtv"]', '"click"'))
CRITEO = Real(
    "campaigns/criterio_data_filtered.csv",
    date(2024, 2, 1),
    "EUR",
    "Europe/Paris",
    'date = "date"\ncampaign_id = "campaign_name"\nconversions = "ctv"\n',
    "[goal]\ntotal_per_day = 70000\n",
)
WAREHOUSE = Real("pymc_marketing/fivetran_ad_report_schema.csv", date(2025, 7, 14), "USD", "UTC", "")


def settle_in(real: Real, folder: Path, more: str = "") -> Path:
    source = DATA / real.file
    if not source.exists():
        pytest.skip(f"the published data set {real.file} is not on this machine (shared/data)")
    (folder / "data").mkdir()
    shutil.copy(source, folder / "data")
    config = folder / "config.toml"
    config.write_text(
        f'[portfolio]\ncurrency = "{real.currency}"\ntime_zone = "{real.zone}"\n{more}\n'
        f'[connectors.shop]\nkind = "files"\nfolder = "data"\naccount = "shop"\ncurrency = "{real.currency}"\n'
        f'time_zone = "{real.zone}"\n{"" if real is WAREHOUSE else 'channel = "search"'}\n'
        f"[connectors.shop.columns]\n{real.columns}",
        encoding="utf-8",
    )
    return config


@pytest.mark.parametrize("real", [CLICKS, CRITEO], ids=["provider", "criteo"])
def test_a_real_log_is_planned_approved_written_and_read_back(real: Real, outlay: Outlay, tmp_path: Path) -> None:
    config = settle_in(real, tmp_path, real.wish)
    answer = outlay("plan", "-c", config, "--as-of", real.today, "--seed", 3, "--json")
    assert answer.code == PENDING, answer.err
    decision = answer.data["recommendation"]["decision"]
    assert (decision["currency"], decision["time_zone"]) == (real.currency, real.zone)
    lines = decision["lines"]
    for line in lines:
        now, then = line["current"]["micros"], line["proposed"]["micros"]
        assert abs(then - now) <= 0.3 * now + 1_000_000
        assert line["evidence"]["thin"] <= (then == now), "thin evidence moves no money"
    assert sum(line["proposed"]["micros"] for line in lines) <= sum(line["current"]["micros"] for line in lines)
    carry_out(outlay, config, answer.data["recommendation"])


def carry_out(outlay: Outlay, config: Path, recommendation: dict[str, str]) -> None:
    name, whole = recommendation["rec_id"], recommendation["plan_hash"]
    shown = outlay("show", name, "-c", config)
    assert whole[:12] in shown.out
    assert outlay("approve", name, "-c", config, "--hash", whole[:12], "--as", "ada").code == FINE
    assert outlay("apply", name, "-c", config).code == FINE
    assert outlay("verify", name, "-c", config, "--json").data["state"] == "verified"


def test_conversions_too_rare_to_move_money_on_are_said_to_be_so(outlay: Outlay, tmp_path: Path) -> None:
    config = settle_in(PROVIDER, tmp_path)
    answer = outlay("plan", "-c", config, "--as-of", PROVIDER.today, "--seed", 3)
    assert answer.code == BLOCKED
    assert "JPY" in answer.out
    assert "Asia/Tokyo" in answer.out
    told = " ".join(answer.out.split())
    assert "10873609615: too thin to move money: 9.0 conversions in the last 28 days" in told
    assert "at least 10 conversions are needed" in told


def test_old_data_without_as_of_make_no_proposal(outlay: Outlay, tmp_path: Path) -> None:
    config = settle_in(CRITEO, tmp_path)
    answer = outlay("plan", "-c", config, "--json")
    assert answer.code == 4
    codes = {finding["code"] for finding in answer.data["recommendation"]["decision"]["findings"]}
    assert "stale-data" in codes or "no-budgets" in codes


def test_an_ad_level_export_is_read_down_to_its_ads(outlay: Outlay, tmp_path: Path) -> None:
    config = settle_in(WAREHOUSE, tmp_path)
    answer = outlay("plan", "-c", config, "--as-of", WAREHOUSE.today, "--seed", 3, "--json")
    assert answer.code in (FINE, 4), answer.err
    decision = answer.data["recommendation"]["decision"]
    assert len(decision["lines"]) > 1
    assert all(line["evidence"]["thin"] for line in decision["lines"]), "a few days are too thin to move money on"
    assert {arm["arm_id"] for arm in decision["arms"]} >= {"AD301", "AD302"}
    by_budget: dict[str, float] = {}
    for arm in decision["arms"]:
        by_budget[arm["key"]["budget_id"]] = by_budget.get(arm["key"]["budget_id"], 0.0) + arm["share"]
    assert all(abs(total - 1) < 1e-9 for total in by_budget.values())
