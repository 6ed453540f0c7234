"""The emulator of Meta over the plain wire: shapes, pages, reports, limits, history, budgets on both levels."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from http.client import RemoteDisconnected
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from simulations.emulators.account import Account
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.meta import MetaEmulator, Options
from simulations.emulators.meta.units import decimal
from simulations.emulators.registry import Setup, find
from simulations.scenarios import named

START = date(2025, 3, 3)
SCENARIO = named("tiny-yen", currency="USD", time_zone="America/New_York", history_days=20)
LAST = START + timedelta(19)


class Wire:
    def __init__(self, **knobs):
        self.account = Account(SCENARIO, seed=11, start=START)
        self.faults = Faults()
        self.emulator = MetaEmulator(Setup(self.account, self.faults), Options(**knobs))
        self.act = f"act_{self.account.account_id}"

    def call(self, path, method="GET", token="t", version="v26.0", **params):
        """Return status, headers and body."""
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        address, data = f"{self.emulator.address}/{version}/{path}", None
        if method == "GET":
            address += "?" + urlencode({"access_token": token, **texts})
        else:
            data = urlencode({"access_token": token, **texts}).encode()
        try:
            with urlopen(Request(address, data, method=method)) as answer:
                return answer.status, answer.headers, json.load(answer)
        except HTTPError as error:
            return error.code, error.headers, json.load(error)

    def get(self, path, **params):
        return self.call(path, **params)[2]

    def error(self, path, **params):
        return self.call(path, **params)[2]["error"]

    def insights(self, **params):
        asked = {"time_range": {"since": str(START), "until": str(LAST)}, "limit": "5000", **params}
        return self.get(f"{self.act}/insights", **asked)["data"]


@pytest.fixture
def make():
    made = []

    def build(**knobs):
        made.append(Wire(**knobs))
        return made[-1]

    yield build
    for wire in made:
        wire.emulator.close()


@pytest.fixture
def wire(make):
    return make()


def test_it_is_found_by_its_name():
    with find("meta")(Setup(Account(SCENARIO, seed=11, start=START))) as emulator:
        assert emulator.address.startswith("http://127.0.0.1:")
        assert emulator.environment == {}


def test_a_token_is_taken_from_address_form_or_header(make):
    wire = make(token="right")
    assert wire.call("me", token="right")[0] == 200
    request = Request(f"{wire.emulator.address}/v26.0/me", headers={"Authorization": "Bearer right"})
    with urlopen(request) as answer:
        assert json.load(answer)["id"] == "100001"
    assert wire.error("me", token="wrong")["code"] == 190
    assert wire.error("me", token="")["code"] == 104


def test_an_error_has_the_graph_apis_shape(wire):
    status, headers, body = wire.call("12345")
    error = body["error"]
    assert status == 400
    assert (error["code"], error["error_subcode"], error["type"]) == (100, 33, "GraphMethodException")
    assert error["fbtrace_id"] == headers["x-fb-trace-id"]
    assert wire.error("me/none")["code"] == 2500
    assert wire.error(f"{wire.act}/campaigns", fields="id,wrong")["message"].startswith("(#100) Tried accessing")


def test_versions_that_ended_are_refused_or_answered_as_the_newest(make):
    wire = make(ended=(22,))
    assert wire.error("me", version="v20.0")["code"] == 2635
    assert wire.call("me", version="v25.0")[1]["facebook-api-version"] == "v25.0"
    assert wire.call("me", version="v22.0")[1]["facebook-api-version"] == "v26.0"


def test_fields_are_chosen_also_within_others(wire):
    (first, *_) = wire.get(f"{wire.act}/ads", fields="name,creative{name}")["data"]
    assert first.keys() == {"id", "name", "creative"}
    assert first["creative"].keys() == {"id", "name"}


def test_pages_are_turned_by_cursor_or_address(wire):
    whole = [ad["id"] for ad in wire.get(f"{wire.act}/ads", limit="100", summary="true")["data"]]
    found, body = [], wire.get(f"{wire.act}/ads", limit="2")
    while True:
        found += [ad["id"] for ad in body["data"]]
        assert len(body["data"]) <= 2
        if "next" not in body["paging"]:
            break
        assert "access_token=t" in body["paging"]["next"]
        with urlopen(body["paging"]["next"]) as answer:
            body = json.load(answer)
    assert found == whole == [str(ad.ad_id) for ad in wire.account.ads()]
    wire.faults.script("read", Fault.EMPTY_PAGE)
    body = wire.get(f"{wire.act}/ads", limit="2")
    assert (body["data"], "next" in body["paging"]) == ([], True)
    after = body["paging"]["cursors"]["after"]
    assert [ad["id"] for ad in wire.get(f"{wire.act}/ads", limit="2", after=after)["data"]] == whole[:2]
    assert wire.error(f"{wire.act}/ads", after="nonsense")["code"] == 100
    assert wire.error(f"{wire.act}/ads", limit="0")["code"] == 100


@pytest.mark.parametrize("level", ["account", "campaign", "adset", "ad"])
@pytest.mark.parametrize("increment", ["all_days", "1", "7"])
def test_every_level_and_period_sums_to_the_same(wire, level, increment):
    rows = wire.insights(level=level, time_increment=increment, fields="spend,impressions,ad_id,campaign_id")
    lines = list(wire.account.lines(START, LAST))
    assert sum(int(row["impressions"]) for row in rows) == sum(line.impressions for line in lines) // 1_000_000
    cents = sum(round(float(row["spend"]) * 100) for row in rows)
    assert cents * 10_000 == sum(line.spend for line in lines)
    assert ("ad_id" in rows[0]) == (level == "ad")
    assert ("campaign_id" in rows[0]) == (level != "account")
    assert all(row["date_start"] <= row["date_stop"] for row in rows)


def test_the_same_purchase_has_several_names(wire):
    sums = Counter()
    for row in wire.insights(level="ad", time_increment="1", fields="actions"):
        for action in row.get("actions", ()):
            sums[action["action_type"]] += float(action["value"])
    bought = sum(line.conversions for line in wire.account.lines(START, LAST) if line.kind == 0) / 1_000_000
    assert sums["omni_purchase"] == sums["purchase"] == sums["offsite_conversion.fb_pixel_purchase"] == bought > 0


def test_a_report_is_there_after_a_while(make):
    wire = make(report_polls=2)
    ordered = wire.call(
        f"{wire.act}/insights", "POST", level="ad", time_range={"since": str(START), "until": str(LAST)}
    )[2]
    report = ordered["report_run_id"]
    assert wire.error(f"{report}/insights")["code"] == 2601
    looks = [wire.get(report) for _ in range(3)]
    assert [(look["async_status"], look["async_percent_completion"]) for look in looks] == [
        ("Job Not Started", 0),
        ("Job Running", 100),
        ("Job Completed", 100),
    ]
    assert wire.get(f"{report}/insights", limit="100")["data"] == wire.insights(level="ad")


def test_a_report_tells_of_the_morning_on_which_it_was_ordered(make):
    wire = make(report_polls=0)
    asked = {"level": "ad", "time_increment": "1", "fields": "actions,spend"}
    before = wire.insights(**asked)
    report = wire.call(f"{wire.act}/insights", "POST", time_range={"since": str(START), "until": str(LAST)}, **asked)[
        2
    ]["report_run_id"]
    wire.account.advance(3)
    wire.get(report)
    assert wire.get(f"{report}/insights", limit="5000")["data"] == before
    assert wire.insights(**asked) != before  # restated


def test_more_rows_than_are_told_at_once(make):
    error = make(rows_at_once=5).error("act_1000000000/insights", level="ad", time_increment="1")
    assert (error["code"], error["error_subcode"], error["error_user_title"]) == (100, 1487534, "Too many rows")


@pytest.mark.parametrize(
    ("edge", "codes", "header"),
    [("insights", (4, 1504022), "x-fb-ads-insights-throttle"), ("ads", (17, 2446079), "x-ad-account-usage")],
)
def test_an_hours_allowance_is_told_and_kept(make, edge, codes, header):
    wire = make(calls_an_hour=4)
    percents = [json.loads(wire.call(f"{wire.act}/{edge}")[1][header])["acc_id_util_pct"] for _ in range(4)]
    assert percents == [25, 50, 75, 100]
    status, headers, body = wire.call(f"{wire.act}/{edge}")
    assert (status, body["error"]["code"], body["error"]["error_subcode"]) == (400, *codes)
    (told,) = json.loads(headers["x-business-use-case-usage"])[str(wire.account.account_id)]
    assert told["call_count"] == 100
    assert told["estimated_time_to_regain_access"] == 60  # minutes


def test_faults_have_the_platforms_shape(wire):
    wire.faults.retry_after_seconds = 90.0
    wire.faults.script("read", Fault.THROTTLED, Fault.EXPIRED, Fault.BROKEN, Fault.LOST_BEFORE)
    _, headers, body = wire.call(f"{wire.act}/ads")
    assert body["error"]["code"] == 17
    assert json.loads(headers["x-ad-account-usage"])["reset_time_duration"] == 120
    assert wire.error("me")["error_subcode"] == 463
    status, _, body = wire.call("me")
    assert (status, body["error"]["code"], body["error"]["is_transient"]) == (500, 1, True)
    with pytest.raises(RemoteDisconnected):
        wire.call("me")
    before = wire.get(f"{wire.act}/insights")
    wire.account.advance(2)
    wire.faults.script("read", Fault.STALE)
    assert wire.get(f"{wire.act}/insights") == before != wire.get(f"{wire.act}/insights")


def test_budgets_are_held_at_one_level(make):
    wire = make(campaign_budgets=0.5)
    campaigns = wire.get(f"{wire.act}/campaigns", fields="daily_budget")["data"]
    ad_sets = wire.get(f"{wire.act}/adsets", fields="daily_budget,campaign_id")["data"]
    held = {body["id"] for body in campaigns if "daily_budget" in body}
    assert 0 < len(held) < len(campaigns)
    for campaign in campaigns:
        mine = [ad_set for ad_set in ad_sets if ad_set["campaign_id"] == campaign["id"]]
        holders = [ad_set for ad_set in mine if "daily_budget" in ad_set]
        assert len(holders) == (0 if campaign["id"] in held else 1)
        if campaign["id"] not in held:
            assert mine == holders  # a single ad set, so that its budget is all that the campaign spends
    other = next(campaign["id"] for campaign in campaigns if campaign["id"] not in held)
    assert wire.error(other, method="POST", daily_budget="5000")["code"] == 100


def test_a_budget_is_changed_validated_and_told_in_the_history(wire):
    (body, *_) = [b for b in wire.get(f"{wire.act}/campaigns", fields="daily_budget")["data"] if "daily_budget" in b]
    more = str(int(body["daily_budget"]) + 100)
    asked = {"method": "POST", "daily_budget": more}
    assert wire.call(body["id"], execution_options=["validate_only"], **asked)[2] == {"success": True}
    assert wire.account.budget_changes() == ()
    assert wire.call(body["id"], **asked)[2] == {"success": True}
    assert wire.get(body["id"], fields="daily_budget")["daily_budget"] == more
    (event,) = wire.get(f"{wire.act}/activities", category="BUDGET", fields="event_type,object_id,extra_data")["data"]
    assert (event["event_type"], event["object_id"]) == ("update_campaign_budget", body["id"])
    values = json.loads(event["extra_data"])
    amounts = [values[name][name] for name in ("old_value", "new_value")]
    assert amounts == [int(body["daily_budget"]), int(more)]
    wire.account.advance(8)
    assert wire.get(f"{wire.act}/activities", category="BUDGET")["data"] == []  # a week is told, unless more is asked
    since = int(wire.account.now.timestamp()) - 9 * 86_400
    assert len(wire.get(f"{wire.act}/activities", category="BUDGET", since=since)["data"]) == 1
    for wrong, subcode in (("99", 1885272), ("1.5", None), ("-5", None)):
        error = wire.error(body["id"], method="POST", daily_budget=wrong)
        assert (error["code"], error.get("error_subcode")) == (100, subcode)
    assert len(wire.account.budget_changes()) == 1


def test_a_fifth_change_of_a_budget_within_an_hour_is_refused(wire):
    (ad_set, *_) = [b for b in wire.get(f"{wire.act}/adsets", fields="daily_budget")["data"] if "daily_budget" in b]
    for number in range(4):
        assert wire.call(ad_set["id"], method="POST", daily_budget=str(5000 + number))[0] == 200
    error = wire.error(ad_set["id"], method="POST", daily_budget="6000")
    assert (error["code"], error["error_subcode"]) == (613, 1487632)
    events = wire.get(f"{wire.act}/activities", category="BUDGET")["data"]
    assert [event["event_type"] for event in events] == ["update_ad_set_budget"] * 4
    assert [event["event_time"] for event in events] == sorted((e["event_time"] for e in events), reverse=True)
    wire.account.advance(1)
    assert wire.call(ad_set["id"], method="POST", daily_budget="6000")[0] == 200


def test_ads_are_paused_archived_and_told_so(wire):
    (ad, *_) = wire.get(f"{wire.act}/ads")["data"]
    wire.call(ad["id"], method="POST", status="PAUSED")
    assert wire.get(ad["id"], fields="status,effective_status")["effective_status"] == "PAUSED"
    wire.call(ad["id"], method="POST", status="ARCHIVED")
    assert ad["id"] not in {one["id"] for one in wire.get(f"{wire.act}/ads")["data"]}
    gone = wire.get(f"{wire.act}/ads", effective_status=["ARCHIVED"])["data"]
    assert [one["id"] for one in gone] == [ad["id"]]
    assert wire.error(ad["id"], method="POST", status="ACTIVE")["code"] == 100
    events = wire.get(f"{wire.act}/activities", category="STATUS", fields="event_type,object_id")["data"]
    assert {(event["event_type"], event["object_id"]) for event in events} == {("update_ad_run_status", ad["id"])}


def test_the_learning_stage_follows_the_budget(wire):
    campaign = wire.account.campaigns()[0]
    wire.account.set_budget(0, 2 * campaign.budget_micros)
    stages = {
        body["campaign_id"]: body["learning_stage_info"]["status"]
        for body in wire.get(f"{wire.act}/adsets", fields="campaign_id,learning_stage_info")["data"]
    }
    assert stages[str(campaign.campaign_id)] == "LEARNING"
    assert set(stages.values()) > {"LEARNING"}


@pytest.mark.parametrize(
    ("micros", "places", "text"),
    [
        (0, 0, "0"),
        (33_510_000, 2, "33.51"),
        (5_000_000, 2, "5.00"),
        (1_234_000_000, 0, "1234"),
        (-1_500_000, 0, "-1.5"),
    ],
)
def test_decimals_lose_no_digit(micros, places, text):
    assert decimal(micros, places) == text


def test_shares_are_shares():
    with pytest.raises(ValueError, match="from 0 to 1"):
        Options(campaign_budgets=1.5)
