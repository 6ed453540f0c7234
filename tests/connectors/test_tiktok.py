"""TikTok through its own library against its emulator: the suites of every connector, and the platform's traps."""

from datetime import timedelta

import pytest
import stamina
from business_api_client import ApiClient, Configuration

from connectors.conformance import change_of
from connectors.contract import BudgetChange, Level
from connectors.errors import AskMarketer, BadInput, OutcomeUnknown, RetryLater, Stop
from connectors.money import Money
from connectors.tiktok import build
from simulations.emulators.faults import Fault
from simulations.emulators.serving import HttpServer
from simulations.emulators.tiktok import start
from simulations.emulators.tiktok.server import application
from simulations.scenarios import Channel, FurtherConversion
from tests.connectors import emulated
from tests.connectors.emulated import START, EmulatedConformance, a_year, platforms

TOKEN = "canary-token-1234567890"
CONVERSION = "complete_payment"
LEAD = FurtherConversion("lead", per_purchase=2.0, value=0.0)
TWO_KINDS = (Channel("social", 2, 2_400.0, 6_000.0, 0.012, 0.03, further=(LEAD,)),)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("TIKTOK_TOKEN", TOKEN)


class Platform(emulated.Platform):
    kind, conversion = "tiktok", CONVERSION

    def served(self, setup, shape):
        return HttpServer(application(setup, reads_only=True)) if shape else start(setup)

    def told(self):
        return {
            "advertisers": [str(self.account.account_id)],
            "token": {"env": "TIKTOK_TOKEN"},
            "address": self.server.address,
        }

    def build(self, context):
        return build(context)


@pytest.fixture
def platform(tmp_path):
    yield from platforms(Platform, tmp_path)


class TestTikTok(EmulatedConformance):
    """Campaigns of several ad groups, which hold their budgets themselves."""

    secrets = (TOKEN,)
    faults = frozenset({"throttled", "broken", "lost_before", "lost_after", "expired"})


class TestOneAdGroupEach(TestTikTok):
    """Campaigns of one ad group, which holds the budget."""

    knobs = (("audiences", (1, 1)),)

    def test_the_ad_groups_hold_the_budgets(self):
        assert {budget.holder for budget in self.make("EUR").budgets()} == {Level.AD_GROUP}


@pytest.mark.parametrize("currency", ["JPY", "USD", "BHD", "HUF"])
def test_a_year_equals_the_books_to_the_cent_and_the_count(platform, currency):
    told, books = a_year(platform, currency)
    assert told == books


@pytest.mark.parametrize("knobs", [{}, {"audiences": (1, 1)}])
def test_the_budget_of_a_learning_ad_group_learns(platform, knobs):
    of = platform(days=40, **knobs)
    before = of.account.campaigns()[0]
    assert not any(budget.learning for budget in of.connector().budgets())
    of.account.set_budget(0, 2 * before.budget_micros)
    assert {b.amount.micros for b in of.connector().budgets() if b.learning} == {2 * before.budget_micros}


def test_half_of_all_reads_are_throttled_and_no_row_is_lost_or_doubled(platform):
    of = platform(days=60)
    of.faults.script("read", *[Fault.THROTTLED, None] * 10)
    rows = [(r.series.ad_id, r.day) for r in of.connector().pull(START, START + timedelta(59))]
    assert len(rows) == len(set(rows)) == len(of.books(START, START + timedelta(59)))
    assert of.faults.met[Fault.THROTTLED] >= 3


def test_the_librarys_own_connections_repeat_nothing(platform):
    """With the library as it comes, a read whose answer is lost is made four times for one call."""
    of = platform()
    of.faults.script("read", *[Fault.LOST_BEFORE] * 3)
    settings = Configuration()
    settings.host = of.server.address
    ApiClient(settings).call_api(
        "/open_api/v1.3/advertiser/info/",
        "GET",
        query_params=[("advertiser_ids", "[]")],
        header_params={"Access-Token": "x"},
        response_type="InlineResponse200",
        _return_http_data_only=True,
    )
    assert of.faults.requests["read"] == 4
    connector, before = of.connector(), of.faults.requests["read"]
    of.faults.script("read", Fault.LOST_BEFORE)
    with stamina.set_testing(True, attempts=1), pytest.raises(RetryLater):
        connector.accounts()
    assert of.faults.requests["read"] - before == 1


def test_a_code_inside_an_answer_of_200_is_a_failure(platform):
    """Each code becomes the family that says what to do next; none is taken for an answer."""
    of = platform()
    connector = of.connector()
    budget = connector.budgets()[0]
    change = BudgetChange("k", budget.key, budget.amount, budget.amount + Money(1_000_000, "EUR"))
    for fault, family in (
        (Fault.THROTTLED, RetryLater),
        (Fault.BROKEN, OutcomeUnknown),
        (Fault.EXPIRED, AskMarketer),
        (Fault.LOST_AFTER, OutcomeUnknown),
    ):
        of.faults.script("write", fault)
        with pytest.raises(family):
            connector.set_budget(change)


def test_the_zone_of_days_is_a_setting(platform):
    of = platform()
    assert of.connector().accounts()[0].time_zone == "Europe/Berlin"
    assert of.connector(days="utc").accounts()[0].time_zone == "UTC"


def test_a_definition_without_a_conversion_is_told_as_none(platform):
    """Left out, one that fell to nothing would keep the figure that was told before."""
    of = platform()
    names = (CONVERSION, "form")
    told = {
        (r.series.ad_id, r.day, r.series.conversion_definition): r.conversions_micros
        for r in of.connector(conversions=list(names)).pull(START, START + timedelta(19))
    }
    assert told.keys() == {(ad, day, name) for ad, day, _ in told for name in names}
    assert {made for (_, _, name), made in told.items() if name == names[1]} == {0}


def test_each_conversion_is_a_definition_and_delivery_stands_once(platform):
    of = platform(channels=TWO_KINDS)
    until = START + timedelta(19)
    rows = list(of.connector(conversions=[CONVERSION, "form"]).pull(START, until))
    lines = list(of.account.lines(START, until))
    assert sum(r.spend_micros for r in rows) == sum(line.spend for line in lines)
    for kind, name in enumerate((CONVERSION, "form")):
        told = sum(r.conversions_micros for r in rows if r.series.conversion_definition == name)
        assert told == sum(line.conversions for line in lines if line.kind == kind) > 0


def test_what_the_platform_does_not_show_is_told(platform):
    of = platform()
    with pytest.raises(Stop, match="shows no advertiser 42"):
        of.connector(advertisers=["42"]).accounts()
    with pytest.raises(Stop, match="metrics: nothing is not supported"):
        list(of.connector(value="nothing").pull(START, START))


def test_a_check_says_how_all_stands(platform):
    of = platform()
    found = {finding.subject: finding.verdict for finding in of.connector().diagnose()}
    assert found == {"account": "well", "permissions": "well", "version": "well", "quota": "well"}
    of.faults.script("read", Fault.EXPIRED)
    refused = of.connector().diagnose()[0]
    assert (refused.verdict, "authorise the app again" in refused.mend) == ("wrong", True)


def test_an_app_that_may_not_write_is_told_at_the_first_change(platform):
    """The interface tells nothing of its scopes before, and the check says so."""
    connector = platform(shape="reads only").connector()
    assert "at the first change only" in " ".join(one.message for one in connector.diagnose())
    with pytest.raises(AskMarketer, match="Ads Management"):
        connector.set_budget(change_of(connector.budgets()[0]))


@pytest.mark.parametrize(
    ("options", "words"), [({"advertisers": []}, "advertisers"), ({"token": TOKEN}, "token"), ({"speed": 1}, "speed")]
)
def test_bad_settings_are_told_and_show_no_secret(platform, options, words):
    with pytest.raises(BadInput, match=words) as met:
        platform().connector(**options)
    assert TOKEN not in str(met.value)
