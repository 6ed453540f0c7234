"""Microsoft through its own library against its emulator: the suites of every connector, and the platform's traps."""

import json
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from connectors.contract import BudgetChange, EntityKind
from connectors.errors import AskMarketer, BadInput, OutcomeUnknown, RetryLater, Stop
from connectors.microsoft import build, reports
from connectors.microsoft.options import Options
from connectors.microsoft.zones import ZONES
from connectors.money import Money
from connectors.vault import HIDDEN, VAULT
from simulations.emulators.faults import Fault
from simulations.emulators.microsoft.server import ACCESS_TOKEN, application, start
from simulations.emulators.serving import HttpServer
from tests.connectors import emulated
from tests.connectors.emulated import START, EmulatedConformance, a_year, platforms

SECRETS = {
    "MS_DEVELOPER": "canary-developer-1234567890",
    "MS_CLIENT": "canary-client-1234567890",
    "MS_REFRESH": "canary-refresh-1234567890",
}
CONVERSION = "conversions"
MANAGEMENT = "/CampaignManagement/v13"


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)


class Platform(emulated.Platform):
    kind, conversion = "microsoft", CONVERSION

    def served(self, setup, shape):
        return HttpServer(application(setup, **shape)) if shape else start(setup)

    def told(self):
        return {
            "customer": "7",
            "accounts": [str(self.account.account_id)],
            "developer_token": {"env": "MS_DEVELOPER"},
            "client_id": "app",
            "client_secret": {"env": "MS_CLIENT"},
            "refresh_token": {"env": "MS_REFRESH"},
            "address": self.server.address,
            "poll_seconds": 0.001,
            "pause_seconds": 0.01,
        }

    def build(self, context):
        return build(context)

    def http(self):
        headers = {
            "Authorization": f"Bearer {ACCESS_TOKEN}",
            "DeveloperToken": "x",
            "CustomerId": "7",
            "CustomerAccountId": str(self.account.account_id),
        }
        return httpx.Client(base_url=self.server.address, headers=headers)


@pytest.fixture
def platform(tmp_path):
    yield from platforms(Platform, tmp_path)


class TestMicrosoft(EmulatedConformance):
    secrets = (*SECRETS.values(), ACCESS_TOKEN)
    faults = EmulatedConformance.faults - {"empty_page"}  # nothing that is read has pages


@pytest.mark.parametrize("currency", ["JPY", "USD", "BHD", "HUF"])
def test_a_year_equals_the_books_to_the_cent_and_the_count(platform, currency):
    told, books = a_year(platform, currency)
    assert told == books
    assert len({place.day for place in told}) == 365


def test_half_of_all_reads_are_throttled_and_no_row_is_lost_or_doubled(platform):
    of = platform(days=60)
    of.faults.script("read", *[Fault.THROTTLED, None] * 12)
    rows = [(r.series.ad_id, r.day) for r in of.connector().pull(START, START + timedelta(59))]
    assert len(rows) == len(set(rows)) == len(of.books(START, START + timedelta(59)))
    assert of.faults.met[Fault.THROTTLED] >= 6


def test_days_on_which_no_ad_has_figures_have_no_file(platform):
    rows = list(platform().connector().pull(START - timedelta(60), START - timedelta(30)))
    assert rows == []


def test_a_report_that_is_not_made_in_time_is_told(platform):
    with pytest.raises(RetryLater, match="has not made the report"):
        list(platform().connector(report_seconds=1e-9).pull(START, START))


def test_a_file_that_broke_off_is_fetched_again(platform, monkeypatch):
    of = platform()
    broken = iter([True])
    whole = reports.zipfile.ZipFile.testzip

    def broken_once(packed):
        if next(broken, False):
            raise reports.zipfile.BadZipFile("File is not a zip file")
        return whole(packed)

    monkeypatch.setattr(reports.zipfile.ZipFile, "testzip", broken_once)
    rows = list(of.connector().pull(START, START + timedelta(3)))
    assert len(rows) == len(of.books(START, START + timedelta(3)))


def test_an_address_of_a_file_that_has_ended_is_not_asked_for_again_and_again(platform):
    of = platform()
    connector = of.connector()
    connector.accounts()
    of.faults.script("read", *[None] * 4, Fault.EXPIRED)
    before = of.faults.requests["read"]
    with pytest.raises(RetryLater, match="cannot be fetched"):
        list(connector.pull(START, START))
    assert of.faults.requests["read"] == before + 5


def test_campaigns_of_every_type_are_asked_for(platform):
    # Asked without types, the platform lists search campaigns alone.
    of = platform()
    told = {e.entity_id for e in of.connector().entities() if e.kind is EntityKind.CAMPAIGN}
    assert told == {str(one.campaign_id) for one in of.account.campaigns()}
    with of.http() as http:
        asked = {"AccountId": str(of.account.account_id)}
        listed = http.post(f"{MANAGEMENT}/Campaigns/QueryByAccountId", json=asked).json()["Campaigns"]
    assert len(listed) < len(told)


def test_a_campaign_without_ads_is_told_as_a_whole(platform):
    of = platform(shape={"performance_max": (2,)})
    connector, whole = of.connector(), str(of.account.campaign_id(2))
    since, until = START, START + timedelta(19)
    rows = list(connector.pull(since, until))
    assert {r.series.ad_id is None for r in rows if r.series.campaign_id == whole} == {True}
    assert {r.series.ad_id is None for r in rows if r.series.campaign_id != whole} == {False}
    lines = list(of.account.lines(since, until))
    for campaign in of.account.campaigns():
        told = sum(r.spend_micros for r in rows if r.series.campaign_id == str(campaign.campaign_id))
        assert told == sum(line.spend for line in lines if line.ad.campaign == campaign.index) > 0
    below = {e.parent_id for e in connector.entities()} | {ad.campaign_id for ad in connector.ads()}
    assert whole not in below
    assert whole in {budget.budget_id for budget in connector.budgets()}


def test_a_change_goes_out_once_though_the_library_would_repeat_it(platform):
    of = platform()
    connector = of.connector(timeout_seconds=0.1)
    budget = connector.budgets()[0]
    of.faults.slow_seconds = 0.4
    of.faults.script("write", Fault.SLOW)
    change = BudgetChange("key", budget.key, budget.amount, Money(2 * budget.amount.micros, "EUR"))
    with pytest.raises(OutcomeUnknown):
        connector.set_budget(change)
    of.faults.slow_seconds = 0.0
    assert of.faults.requests["write"] == 1


def test_a_shared_budget_is_one_target_and_is_not_written(platform):
    of = platform(shape={"shared": (0, 1)})
    connector = of.connector()
    (shared,) = (budget for budget in connector.budgets() if budget.shared)
    assert set(shared.covers) == {str(of.account.campaign_id(0)), str(of.account.campaign_id(1))}
    assert len(connector.budgets()) == 2
    change = BudgetChange("key", shared.key, shared.amount, Money(2 * shared.amount.micros, "EUR"))
    with pytest.raises(Stop, match="shared budgets are not written"):
        connector.set_budget(change)
    assert not of.account.budget_changes()


def test_a_refusal_inside_of_http_200_is_seen(platform):
    of = platform()
    connector = of.connector()
    budget = connector.budgets()[0]
    least = Money(of.account.least_budget - budget.quantum_micros, "EUR")
    with pytest.raises(Stop, match="1106 CampaignServiceInvalidDailyBudget"):
        connector.set_budget(BudgetChange("key", budget.key, budget.amount, least))
    assert not of.account.budget_changes()


@pytest.mark.parametrize("micros", [533_510_000, 1_005_000_000, 508_290_000])
def test_an_amount_survives_its_way_through_a_float(platform, micros):
    of = platform(currency="USD")
    connector = of.connector()
    budget = connector.budgets()[0]
    connector.set_budget(BudgetChange("key", budget.key, budget.amount, Money(micros, "USD")))
    assert of.account.budget_changes()[-1].new == micros
    assert connector.budgets()[0].amount.micros == micros


def test_settings_stay_frozen_beside_the_library(platform):
    # Its ServiceClient replaces how every pydantic model of the process sets its fields.
    of = platform()
    of.connector().accounts()
    options = Options.model_validate(of.told())
    with pytest.raises(ValueError, match="frozen"):
        options.customer = "8"


def test_an_account_of_somebody_else_is_told(platform):
    connector = platform().connector(accounts=["42"])
    with pytest.raises(AskMarketer, match="role on the account"):
        list(connector.pull(START, START))
    assert connector.diagnose()[0].verdict == "wrong"


def test_a_refused_sign_in_is_told_and_shows_no_secret(platform):
    of = platform()
    refusing = HttpServer(_refusing)
    connector = of.connector(address=refusing.address)
    with pytest.raises(AskMarketer, match="invalid_grant") as met:
        connector.accounts()
    refusing.close()
    assert not any(secret in f"{met.value!r}" for secret in SECRETS.values())


async def _refusing(scope, receive, send):
    told = {"error": "invalid_grant", "error_description": f"{SECRETS['MS_REFRESH']} has expired"}
    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def test_a_token_that_ended_early_is_renewed_and_the_read_made_again(platform):
    """A machine that slept, or a consent that was given anew: a marketer could mend nothing."""
    of = platform()
    connector = of.connector()
    connector.accounts()
    connector._client._sign_in._token = "an-old-token"
    before = of.faults.requests["read"]
    assert connector.accounts()
    assert of.faults.requests["read"] == before + 2
    of.faults.script("read", Fault.EXPIRED, Fault.EXPIRED, None)
    with pytest.raises(AskMarketer, match="109"):  # the next one is refused, too: once is enough
        connector.accounts()
    assert connector.accounts()


def test_the_tokens_of_the_sign_in_are_hidden_by_the_process(platform):
    platform().connector().accounts()
    assert VAULT.hide(f"{ACCESS_TOKEN} emulated-refresh-token") == f"{HIDDEN} {HIDDEN}"


def test_a_list_that_is_not_there_is_no_empty_list(platform, monkeypatch):
    connector = platform().connector()
    connector.accounts()
    for answer, told in (({"Campaigns": None}, ()), ({"Campaigns": []}, ()), ({}, None)):
        monkeypatch.setattr(connector._client, "read", lambda *_, answer=answer: answer)
        if told is None:
            with pytest.raises(RetryLater, match="no list 'Campaigns'"):
                connector.budgets()
        else:
            assert connector.budgets() == told


def test_a_check_says_how_all_stands(platform):
    of = platform()
    found = {finding.subject: finding for finding in of.connector().diagnose()}
    assert found["account"].verdict == "well"
    assert "v13" in found["version"].message
    assert "1 of 20000" in found["quota"].message


def test_the_day_has_so_many_requests(platform):
    connector = platform().connector(calls_a_day=2)
    connector.accounts()
    with pytest.raises(RetryLater, match="the 2 calls of today are spent"):
        list(connector.entities())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"accounts": []}, "accounts"),
        ({"accounts": ["X1234567"]}, r"accounts\.0"),
        ({"refresh_token": SECRETS["MS_REFRESH"]}, "refresh_token"),
        ({"customer": None}, "customer"),
        ({"speed": 3}, "speed"),
    ],
)
def test_bad_settings_are_told_and_show_no_secret(platform, options, words):
    with pytest.raises(BadInput, match=words) as met:
        platform().connector(**options)
    assert not any(secret in str(met.value) for secret in SECRETS.values())


@pytest.mark.parametrize("time_zone", ["Asia/Tokyo", "America/New_York"])
def test_days_are_those_of_the_accounts_zone(platform, time_zone):
    assert platform(time_zone=time_zone).connector().accounts()[0].time_zone == time_zone


def test_a_zone_without_a_name_is_told_before_the_emulator_starts(platform):
    with pytest.raises(AskMarketer, match="Pacific/Auckland"):
        platform(time_zone="UTC")


def test_every_zone_of_the_library_is_known():
    from openapi_client.models.customer.time_zone_type import TimeZoneType

    assert {one.value for one in TimeZoneType} == ZONES.keys()


def test_every_path_is_one_of_the_librarys():
    import openapi_client.api

    known = "".join(path.read_text() for path in Path(openapi_client.api.__path__[0]).glob("*_api.py"))
    ours = "".join(path.read_text() for path in Path(reports.__file__).parent.glob("*.py"))
    ours = ours.replace("{_MANAGEMENT}", MANAGEMENT)
    paths = set(re.findall(r'"(/\w+/v13/[\w/]+)"', ours))
    assert len(paths) == 8
    assert all(f"resource_path='{path}'" in known for path in paths)


def test_the_librarys_own_models_read_what_the_emulator_answers(platform):
    from openapi_client.models.campaign.get_ad_groups_by_campaign_id_response import GetAdGroupsByCampaignIdResponse
    from openapi_client.models.campaign.get_campaigns_by_account_id_response import GetCampaignsByAccountIdResponse
    from openapi_client.models.customer.get_account_response import GetAccountResponse

    of = platform()
    number = str(of.account.account_id)
    with of.http() as http:
        account = http.post("/CustomerManagement/v13/Account/Query", json={"AccountId": number}).json()
        listed = http.post(f"{MANAGEMENT}/Campaigns/QueryByAccountId", json={"AccountId": number}).json()
        groups = http.post(
            f"{MANAGEMENT}/AdGroups/QueryByCampaignId", json={"CampaignId": listed["Campaigns"][0]["Id"]}
        )
    assert GetAccountResponse.from_dict(account).account.id == number
    campaigns = GetCampaignsByAccountIdResponse.from_dict(listed).campaigns
    assert campaigns[0].daily_budget * 1e6 == of.account.campaigns()[0].budget_micros
    assert GetAdGroupsByCampaignIdResponse.from_dict(groups.json()).ad_groups


def test_the_emulator_refuses_as_the_platform_does(platform):
    of = platform(shape={"shared": (0, 1)})
    number, campaign = str(of.account.account_id), str(of.account.campaign_id(0))
    with of.http() as http:
        query = f"{MANAGEMENT}/Campaigns/QueryByAccountId"
        assert http.post(query, json={}, headers={"Authorization": "Bearer x"}).json()["Errors"][0]["Code"] == 109
        assert http.post(query, json={}, headers={"DeveloperToken": ""}).json()["Errors"][0]["Code"] == 105
        assert http.post(query, json={}, headers={"CustomerId": ""}).json()["Errors"][0]["Code"] == 116
        assert http.post(query, json={}).json()["Errors"][0]["Code"] == 106
        change = {"AccountId": number, "Campaigns": [{"Id": campaign, "DailyBudget": 50.0}, {"Id": "7"}]}
        told = http.put(f"{MANAGEMENT}/Campaigns", json=change)
        assert told.status_code == 200
        assert [(one["Index"], one["Code"]) for one in told.json()["PartialErrors"]] == [(0, 1159), (1, 1100)]
        for nothing in ({"AccountId": number}, {"AccountId": number, "Campaigns": []}):
            refused = http.put(f"{MANAGEMENT}/Campaigns", json=nothing)
            assert (refused.status_code, refused.json()["Errors"][0]["Code"]) == (400, 100)
        assert of.account.budget_changes() == ()
        poll = http.post("/Reporting/v13/GenerateReport/Poll", json={"ReportRequestId": "no"}).json()
        assert poll["Errors"][0]["Code"] == 2100
        ads = http.post(f"{MANAGEMENT}/Ads/QueryByAdGroupId", json={"AdGroupId": "1"})
        assert ads.json()["Errors"][0]["Code"] == 100
        token = http.post("/common/oauth2/v2.0/token", data={"grant_type": "refresh_token", "client_id": "app"})
        assert token.json()["error"] == "invalid_grant"
