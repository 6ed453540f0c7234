"""LinkedIn through plain HTTP against its emulator: the suites of every connector, and the platform's own traps."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.conformance import change_of
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, BadInput, OutcomeUnknown, RetryLater, Stop
from connectors.linkedin import build, reports
from connectors.linkedin.client import Client
from connectors.manners import Quota
from simulations.emulators.faults import Fault
from simulations.emulators.linkedin import books, start
from simulations.emulators.linkedin.server import application
from simulations.emulators.serving import HttpServer
from simulations.scenarios import Channel, FurtherConversion
from tests.connectors import emulated
from tests.connectors.emulated import START, EmulatedConformance, a_year, platforms

TOKEN = "canary-token-1234567890"
CONVERSION = "externalWebsiteConversions"
TWO_KINDS = (
    Channel(
        "social", 2, 2_400.0, 6_000.0, 0.012, 0.03, further=(FurtherConversion("lead", per_purchase=2.0, value=0.0),)
    ),
)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("LINKEDIN_TOKEN", TOKEN)


class Platform(emulated.Platform):
    kind, conversion, zone = "linkedin", CONVERSION, "UTC"

    def served(self, setup, shape):
        return HttpServer(application(setup, role=shape)) if shape else start(setup)

    def told(self):
        return {
            "accounts": [str(self.account.account_id)],
            "token": {"env": "LINKEDIN_TOKEN"},
            "address": self.server.address,
        }

    def build(self, context):
        return build(context)


@pytest.fixture
def platform(tmp_path):
    yield from platforms(Platform, tmp_path)


class TestLinkedIn(EmulatedConformance):
    secrets = (TOKEN,)


@pytest.mark.parametrize("currency", ["JPY", "USD", "BHD", "HUF"])
def test_a_year_equals_the_books_to_the_cent_and_the_count(platform, currency):
    told, books = a_year(platform, currency)
    assert told == books


def test_an_answer_that_may_be_cut_is_asked_for_in_parts(platform, monkeypatch):
    of = platform()
    most = 3 * len(of.account.ads())
    monkeypatch.setattr(books, "MOST_ELEMENTS", most)
    monkeypatch.setattr(reports, "MOST_ELEMENTS", most)
    since, until = START, START + timedelta(19)
    told = {(r.series.ad_id, r.day): r.spend_micros for r in of.connector().pull(since, until)}
    assert told == {(place.ad_id, place.day): m.spend for place, m in of.books(since, until).items()}


def test_a_single_day_that_may_be_cut_is_refused(platform, monkeypatch):
    of = platform()
    monkeypatch.setattr(reports, "MOST_ELEMENTS", 2)
    with pytest.raises(Stop, match="cuts the answer"):
        list(of.connector().pull(START, START))


def test_half_of_all_reads_are_throttled_and_no_row_is_lost_or_doubled(platform):
    of = platform(days=60)
    of.faults.script("read", *[Fault.THROTTLED, None] * 10)
    rows = [(r.series.ad_id, r.day) for r in of.connector().pull(START, START + timedelta(59))]
    assert len(rows) == len(set(rows)) == len(of.books(START, START + timedelta(59)))
    assert of.faults.met[Fault.THROTTLED] >= 3


def test_a_failure_at_a_change_leaves_the_outcome_open(platform):
    """What fails may have been done: only a reading can tell, so that it is not made again blindly."""
    of = platform()
    connector = of.connector()
    change = change_of(connector.budgets()[0], 1_000)
    of.faults.script("write", Fault.BROKEN)
    with pytest.raises(OutcomeUnknown, match="failed at a change"):
        connector.set_budget(change)


def test_a_definition_without_a_conversion_is_told_as_none(platform):
    """Left out, one that fell to nothing would keep the figure that was told before."""
    of = platform()
    names = (CONVERSION, "oneClickLeads")
    told = {
        (r.series.ad_id, r.day, r.series.conversion_definition): r.conversions_micros
        for r in of.connector(conversions=list(names)).pull(START, START + timedelta(19))
    }
    assert told.keys() == {(ad, day, name) for ad, day, _ in told for name in names}
    assert {made for (_, _, name), made in told.items() if name == names[1]} == {0}


def test_each_conversion_is_a_definition_and_delivery_stands_once(platform):
    of = platform(channels=TWO_KINDS)
    connector = of.connector(conversions=[CONVERSION, "oneClickLeads"])
    rows = list(connector.pull(*(START, START + timedelta(19))))
    lines = list(of.account.lines(START, START + timedelta(19)))
    assert sum(r.spend_micros for r in rows) == sum(line.spend for line in lines)
    for kind, name in enumerate((CONVERSION, "oneClickLeads")):
        told = sum(r.conversions_micros for r in rows if r.series.conversion_definition == name)
        assert told == sum(line.conversions for line in lines if line.kind == kind) > 0


def test_an_account_that_may_not_be_read_is_told_and_not_taken_for_an_empty_one(platform):
    of = platform()
    connector = of.connector(accounts=["42"])
    with pytest.raises(AskMarketer, match="role on the ad account"):
        list(connector.pull(START, START))
    assert "wrong" in [finding.verdict for finding in connector.diagnose()]


def test_the_day_has_so_many_requests(platform):
    connector = platform().connector(calls_a_day=2)
    connector.accounts()
    with pytest.raises(RetryLater, match="the 2 calls of today are spent"):
        list(connector.entities())


def test_a_check_says_how_all_stands(platform):
    of = platform()
    found = {finding.subject: finding for finding in of.connector().diagnose()}
    assert found["account"].verdict == "well"
    assert "202601" in found["version"].message
    of.faults.script("read", *[Fault.EXPIRED] * 3)
    refused = of.connector().diagnose()[0]
    assert (refused.verdict, "new token" in refused.mend) == ("wrong", True)


@pytest.mark.parametrize("role", ["VIEWER", "CREATIVE_MANAGER"])
def test_a_member_who_may_not_write_is_told_before_the_first_change(platform, role):
    connector = platform(shape=role).connector()
    (found,) = [one for one in connector.diagnose() if one.subject == "permissions"]
    assert (found.verdict, "campaign manager" in found.mend) == ("warning", True)
    with pytest.raises(AskMarketer, match="does not allow"):
        connector.set_budget(change_of(connector.budgets()[0]))


def test_a_member_who_may_write_is_told_as_such(platform):
    of = platform()
    (found,) = [one for one in of.connector().diagnose() if one.subject == "permissions"]
    assert (found.verdict, "account manager" in found.message) == ("well", True)
    elsewhere = of.connector(accounts=[str(of.account.account_id), "42"])
    assert [one.verdict for one in elsewhere.diagnose() if one.subject == "permissions"] == ["well", "warning"]
    of.faults.script("read", *[None] * 2, *[Fault.EXPIRED] * 2)
    assert [one.verdict for one in of.connector().diagnose() if one.subject == "permissions"] == ["wrong"]


def test_a_version_that_is_no_longer_served_is_told(platform):
    of = platform()
    quota = Quota(None, lambda: datetime(2025, 3, 3, tzinfo=UTC), "linkedin")
    client = Client(of.server.address, TOKEN, "202401", 5.0, quota, Redactor([TOKEN]))
    with pytest.raises(AskMarketer, match="update Outlay"):
        client.get(f"/adAccounts/{of.account.account_id}")
    client.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"accounts": []}, "accounts"),
        ({"accounts": ["urn:li:1"]}, r"accounts\.0"),
        ({"token": TOKEN}, "token"),
        ({"speed": 3}, "speed"),
    ],
)
def test_bad_settings_are_told_and_show_no_secret(platform, options, words):
    with pytest.raises(BadInput, match=words) as met:
        platform().connector(**options)
    assert TOKEN not in str(met.value)


def test_the_emulator_refuses_as_the_platform_does(platform):
    of = platform()
    account = f"{of.server.address}/rest/adAccounts/{of.account.account_id}"
    headers = {"Authorization": "Bearer x", "LinkedIn-Version": "202601"}
    campaign = f"{account}/adCampaigns/{of.account.campaigns()[0].campaign_id}"
    with httpx.Client(headers=headers) as http:
        assert http.get(account, headers={"LinkedIn-Version": ""}).json()["code"] == "VERSION_MISSING"
        assert http.get(f"{account}/adCampaigns/7").status_code == 404
        assert http.post(campaign, json={"patch": {}}).json()["code"] == "ILLEGAL_ARGUMENT"
        patched = {"X-RestLi-Method": "PARTIAL_UPDATE"}
        low = {"patch": {"$set": {"dailyBudget": {"amount": "0", "currencyCode": "EUR"}}}}
        assert http.post(campaign, json=low, headers=patched).json()["code"] == "FIELD_VALUE_TOO_LOW"
        fine = {"patch": {"$set": {"dailyBudget": {"amount": "1.001", "currencyCode": "EUR"}}}}
        assert http.post(campaign, json=fine, headers=patched).json()["code"] == "FIELD_INVALID"
        query = "q=analytics&pivot=CREATIVE&timeGranularity=DAILY&dateRange=(start:(year:2025,month:2,day:30))"
        bad = http.get(f"{of.server.address}/rest/adAnalytics?{query}&accounts=List(urn%3Ali%3AsponsoredAccount%3A1)")
        assert bad.json()["code"] == "PARAM_INVALID"
