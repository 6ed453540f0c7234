"""Awin over HTTP against its emulator: the suites of every connector, and what an affiliate network does to figures."""

from collections import defaultdict
from contextlib import closing
from datetime import date, timedelta

import httpx
import pytest

from connectors.awin import build
from connectors.awin.client import Client
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, BadInput, RetryLater, Stop
from connectors.manners import Pace
from connectors.wire_conformance import Measures, Place
from simulations.emulators.awin import sales as market
from simulations.emulators.awin import server, start
from simulations.emulators.faults import Fault
from tests.connectors import emulated
from tests.connectors.emulated import EmulatedConformance, platforms

START = date(2025, 3, 3)
TOKEN = "canary-token-1234567890"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("AWIN_TOKEN", TOKEN)
    monkeypatch.setattr(server, "CALLS_A_MINUTE", 10_000)


class Network(emulated.Platform):
    """A network over the market: a campaign is a publisher, a purchase a transaction."""

    kind, conversion, by_ad, since = "awin", "sale", False, START

    def served(self, setup, shape):
        return start(setup)

    def told(self):
        return {
            "advertiser": str(self.account.account_id),
            "token": {"env": "AWIN_TOKEN"},
            "currency": self.account.currency,
            "time_zone": "Europe/Berlin",
            "network_fee": 0.0,
            "address": self.server.address,
            "calls_a_minute": 10_000,
        }

    def build(self, context):
        return build(context)

    def books(self, since, until):
        """By transactions, which the market itself does not know."""
        sums = defaultdict(lambda: [0, 0, 0])
        for sale in market.sales(self.account, since, until):
            place = Place(str(self.account.account_id), str(sale.publisher_id), None, sale.day, "sale")
            counted = (sale.commission, 1_000_000, sale.sale) if sale.status != "declined" else (0, 0, 0)
            sums[place] = [one + more for one, more in zip(sums[place], counted, strict=True)]
        return {place: Measures(spent, bought, worth, None, None) for place, (spent, bought, worth) in sums.items()}


@pytest.fixture
def network(tmp_path):
    yield from platforms(Network, tmp_path)


class TestAwin(EmulatedConformance):
    secrets = (TOKEN,)
    faults = frozenset({"throttled", "broken", "lost_before", "expired"})
    knobs = (("average_budget", 2_000.0),)

    @pytest.fixture
    def platform(self, network):
        return network

    def days(self):
        return START + timedelta(1), START + timedelta(9)

    def restate(self, connector):
        self.of[id(connector)].account.advance(25)


@pytest.mark.parametrize("currency", ["JPY", "USD", "BHD", "HUF"])
def test_a_year_equals_the_books_to_the_cent_and_the_count(network, currency):
    of = network(currency=currency, days=365, horizon_days=420)
    of.account.advance(30)
    days = START, START + timedelta(364)
    told = of.pulled(*days)
    assert told == of.books(*days)
    assert sum(measures.conversions for measures in told.values()) > 100_000_000


def test_declined_sales_are_taken_back_and_their_day_is_stated_again(network):
    of = network(average_budget=2_000.0)
    until = START + timedelta(19)
    before = {(r.series.campaign_id, r.day): r for r in of.connector().pull(START, until)}
    of.account.advance(30)
    after = {(r.series.campaign_id, r.day): r for r in of.connector().pull(START, until)}
    assert before.keys() <= after.keys()
    fewer = [key for key, row in before.items() if after[key].conversions_micros < row.conversions_micros]
    assert fewer
    assert all(after[key].spend_micros < before[key].spend_micros for key in fewer)


def test_the_networks_fee_comes_on_top_of_each_commission(network):
    of = network()
    until = START + timedelta(19)
    plain = sum(r.spend_micros for r in of.connector().pull(START, until))
    costed = sum(r.spend_micros for r in of.connector(network_fee=0.3).pull(START, until))
    assert costed == pytest.approx(1.3 * plain, abs=1_000)


def test_a_transaction_in_another_currency_is_refused(network):
    with pytest.raises(AskMarketer, match="is in EUR, the settings say USD"):
        list(network().connector(currency="USD").pull(START, START + timedelta(19)))


def test_a_refused_token_and_a_missing_role_are_told(network):
    of = network()
    assert of.connector().diagnose()[0].verdict == "well"
    assert "no role at advertiser 42" in of.connector(advertiser="42").diagnose()[0].message
    of.faults.script("read", Fault.EXPIRED)
    (found,) = of.connector().diagnose()
    assert (found.verdict, TOKEN in found.message) == ("wrong", False)


def _transaction(**other):
    worth = {"amount": 100, "currency": "EUR"}
    paid = {"amount": 10, "currency": "EUR"}
    told = {"id": 1, "publisherId": 7, "transactionDate": f"{START}T10:00:00", "commissionStatus": "approved"}
    return {**told, "saleAmount": worth, "commissionAmount": paid, **other}


def _answering(connector, monkeypatch, *answers):
    told = iter(answers)
    monkeypatch.setattr(connector._client, "get", lambda *_: next(told))
    return connector


def test_a_correction_takes_money_back_and_is_no_sale(network, monkeypatch):
    back = {"saleAmount": {"amount": -30, "currency": "EUR"}, "commissionAmount": {"amount": -3, "currency": "EUR"}}
    other = _transaction(publisherId=8, **back)
    answer = [_transaction(), _transaction(**back), other]
    first, second = _answering(network().connector(), monkeypatch, answer).pull(START, START)
    assert (first.spend_micros, first.value_micros, first.conversions_micros) == (7_000_000, 70_000_000, 1_000_000)
    assert (second.spend_micros, second.value_micros, second.conversions_micros) == (0, -30_000_000, 0)


@pytest.mark.parametrize(
    "answer",
    [
        [{"id": 1}],
        {"transactions": []},
        [_transaction(transactionDate="soon")],
        [_transaction(transactionDate=None)],
        [_transaction(saleAmount=None)],
        [_transaction(commissionAmount={"amount": "much", "currency": "EUR"})],
        7,
    ],
)
def test_an_answer_of_another_form_is_told(network, monkeypatch, answer):
    with pytest.raises(Stop, match=r"transactions of .* cannot be understood"):
        list(_answering(network().connector(), monkeypatch, answer).pull(START, START))


@pytest.mark.parametrize("answer", [[], {"accounts": [{}]}, {"accounts": None}, None])
def test_a_check_raises_nothing_whatever_is_answered(network, monkeypatch, answer):
    (found,) = _answering(network().connector(), monkeypatch, answer).diagnose()
    assert (found.verdict, "cannot be understood" in found.message) == ("wrong", True)


def test_publishers_of_another_form_are_told(network, monkeypatch):
    with pytest.raises(Stop, match="publishers cannot be understood"):
        list(_answering(network().connector(), monkeypatch, [{"id": 1}]).entities())


def _of_wire(connector, monkeypatch, answer):
    monkeypatch.setattr(
        connector._client, "_http", httpx.Client(transport=httpx.MockTransport(answer), base_url="http://x")
    )
    return connector._client


def test_a_token_across_the_cut_of_an_answer_is_not_shown(network, monkeypatch):
    def answer(_):
        return httpx.Response(400, text="." * (200 - len(TOKEN) // 2) + TOKEN)

    with pytest.raises(Stop) as met:
        _of_wire(network().connector(), monkeypatch, answer).get("/accounts")
    assert TOKEN[:6] not in str(met.value)


def test_an_answer_that_cannot_be_unpacked_is_lost(network, monkeypatch):
    def answer(_):
        return httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"no gzip")

    with pytest.raises(RetryLater, match="lost"):
        _of_wire(network().connector(), monkeypatch, answer)._get("/accounts", {})


def test_calls_wait_for_the_networks_minute(network):
    now, of = [0.0], network()

    def sleep(seconds):
        now[0] += seconds

    pace = Pace(2, 60.0, clock=lambda: now[0], sleep=sleep)
    with closing(Client(of.server.address, TOKEN, 10.0, pace, Redactor([TOKEN]))) as client:
        for _ in range(5):
            client.get("/accounts")
    assert now[0] == 120.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"advertiser": "x"}, "advertiser"),
        ({"time_zone": "Asia/Tokyo"}, "time_zone"),
        ({"currency": "XXY"}, "currency"),
    ],
)
def test_bad_settings_are_told(network, options, words):
    with pytest.raises(BadInput, match=words):
        network().connector(**options)


def test_the_emulator_keeps_the_networks_limits(network, monkeypatch):
    of = network()
    monkeypatch.setattr(server, "CALLS_A_MINUTE", 3)
    address = f"{of.server.address}/advertisers/{of.account.account_id}/transactions/"
    query = {"startDate": "2025-03-01T00:00:00", "endDate": "2025-04-15T00:00:00", "timezone": "UTC"}
    with httpx.Client(headers={"Authorization": "Bearer x"}) as http:
        assert "31 days" in http.get(address, params=query).json()["description"]
        assert http.get(address, params={**query, "endDate": "soon"}).status_code == 400
        assert http.get(address, params={**query, "endDate": "2025-03-02T00:00:00"}).status_code == 200
        assert http.get(f"{of.server.address}/accounts").status_code == 429
