"""GA4 through Google's library against its emulator: the suites of every connector, and reports that are not whole."""

from collections import defaultdict
from datetime import date, timedelta

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth

from connectors.contract import BuildContext
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, BadInput, RetryLater, Stop
from connectors.ga4 import build, client
from connectors.wire_conformance import Measures, Place, WireConformance
from simulations.emulators.account import Account
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.ga4 import start
from simulations.emulators.registry import Setup
from simulations.scenarios import Channel, FurtherConversion, named

START = date(2025, 3, 20)  # the clocks change within the period
LEAD = FurtherConversion("lead", per_purchase=2.0, value=0.0)
TWO_KINDS = (Channel("social", 2, 2_400.0, 6_000.0, 0.012, 0.03, further=(LEAD,)),)


class Property:
    """One emulator with the connectors that speak to it."""

    def __init__(self, folder, *, currency="EUR", days=20, **knobs):
        scenario = named("tiny-yen", currency=currency, history_days=days, time_zone="Europe/Berlin", **knobs)
        self.account = Account(scenario, seed=11, start=START)
        self.faults = Faults()
        self.server = start(Setup(self.account, self.faults))
        self.folder, self.open = folder, []

    def connector(self, **options):
        told = {"property": str(self.account.account_id), "address": self.server.address, **options}
        self.open.append(build(BuildContext("ga4", told, self.folder, clock=lambda: self.account.now)))
        return self.open[-1]

    def books(self, since, until):
        sums = defaultdict(lambda: [0] * 5)
        for line in self.account.lines(since, until):
            place = Place(str(self.account.account_id), str(line.ad.campaign_id), None, line.day, "keyEvents")
            added = (line.spend, line.conversions, line.value, line.impressions, line.clicks)
            sums[place] = [one + more for one, more in zip(sums[place], added, strict=True)]
        return {place: Measures(*measured) for place, measured in sums.items()}

    def close(self):
        for connector in self.open:
            connector.close()
        self.server.close()


@pytest.fixture
def ga4(tmp_path):
    made = []

    def make(**knobs):
        made.append(Property(tmp_path, **knobs))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestGa4(WireConformance):
    faults = frozenset({"throttled", "broken", "lost_before", "expired"})

    @pytest.fixture(autouse=True)
    def _properties(self, ga4):
        self.ga4, self.of = ga4, {}

    def make(self, currency):
        made = self.ga4(currency=currency)
        connector = made.connector()
        self.of[id(connector)] = made
        return connector

    def days(self):
        return START + timedelta(8), START + timedelta(17)

    def restate(self, connector):
        self.of[id(connector)].account.advance(4)

    def live(self, connector, key):
        raise AssertionError("GA4 holds no budgets")

    def edit_behind(self, connector, key, amount):
        raise AssertionError("GA4 holds no budgets")

    def spoil(self, connector, kind, *faults):
        self.of[id(connector)].faults.script(kind, *(None if f is None else Fault(f) for f in faults))

    def met(self, connector):
        return sum(self.of[id(connector)].faults.met.values())

    def books(self, connector):
        return self.of[id(connector)].books(*self.days())

    def effects(self, connector, key):
        raise AssertionError("nothing is written")


@pytest.mark.parametrize("currency", ["JPY", "BHD"])
def test_a_year_equals_the_books_to_the_cent_and_the_count(ga4, currency):
    of = ga4(currency=currency, days=365, horizon_days=420)
    of.account.advance(of.account.restatement_days)
    since, until = START, START + timedelta(364)
    told = {
        Place(r.series.account.account_id, r.series.campaign_id, None, r.day, "keyEvents"): Measures(
            r.spend_micros, r.conversions_micros, r.value_micros, r.impressions_micros, r.clicks_micros
        )
        for r in of.connector().pull(since, until)
    }
    assert told == of.books(since, until)


def test_a_report_of_many_pages_is_read_to_its_end(ga4, monkeypatch):
    monkeypatch.setattr(client, "PAGE", 7)
    of = ga4()
    until = START + timedelta(19)
    rows = [(r.series.campaign_id, r.day) for r in of.connector().pull(START, until)]
    assert len(rows) == len(set(rows)) == len(of.books(START, until)) > 14


@pytest.mark.parametrize(
    ("doubt", "words"), [("thresholded", "withheld"), ("sampled", "estimates"), ("other", r"rolled into \(other\)")]
)
def test_a_report_that_is_not_whole_is_refused(ga4, doubt, words):
    of = ga4()
    of.server.doubts.add(doubt)
    with pytest.raises(AskMarketer, match=words):
        list(of.connector().pull(START, START))


def test_each_conversion_is_a_definition_and_delivery_stands_once(ga4):
    of = ga4(channels=TWO_KINDS)
    until = START + timedelta(19)
    rows = list(of.connector(conversions=["keyEvents:purchase", "keyEvents:lead"]).pull(START, until))
    lines = list(of.account.lines(START, until))
    assert sum(r.spend_micros for r in rows) == sum(line.spend for line in lines)
    for kind, name in enumerate(("purchase", "lead")):
        told = sum(r.conversions_micros for r in rows if r.series.conversion_definition == f"keyEvents:{name}")
        assert told == sum(line.conversions for line in lines if line.kind == kind) > 0


def test_a_metric_that_there_is_not_is_told(ga4):
    with pytest.raises(Stop, match="keyEvents:nothing is not a valid metric"):
        list(ga4().connector(conversions=["keyEvents:nothing"]).pull(START, START))


def test_a_check_says_how_all_stands(ga4):
    of = ga4()
    assert "Europe/Berlin can be read" in of.connector().diagnose()[0].message
    (refused,) = of.connector(property="42").diagnose()
    assert (refused.verdict, "role Viewer" in refused.mend) == ("wrong", True)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"property": "x"}, "property"), ({"conversions": []}, "conversions"), ({"speed": 1}, "speed")],
)
def test_bad_settings_are_told(ga4, options, words):
    with pytest.raises(BadInput, match=words):
        ga4().connector(**options)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ('{"private_key": "canary-1234567890"}', 0o600, "cannot be used"),
        ("canary-1234567890", 0o600, "cannot be used"),
        ("[1]", 0o600, "cannot be used"),
        ('{"private_key": "canary-1234567890"}', 0o640, "open to other users"),
        (None, 0, "cannot be read"),
    ],
)
def test_credentials_that_cannot_be_used_are_told(tmp_path, text, mode, words):
    if text is not None:
        (tmp_path / "account.json").write_text(text)
        (tmp_path / "account.json").chmod(mode)
    with pytest.raises(AskMarketer, match=words) as met:
        build(BuildContext("ga4", {"property": "1", "credentials": "account.json"}, tmp_path))
    assert "canary" not in f"{met.value!r} {met.value.__context__!r}"


def test_the_channel_groups_of_a_campaign_are_one_series(ga4):
    of = ga4()
    until = START + timedelta(19)
    connector = of.connector()
    day, campaign, group = ("date", "sessionCampaignId", "sessionDefaultChannelGroup")
    parts = list(connector._client.rows((day, campaign, group), ("sessions",), START, until))
    assert len({told[:2] for told, _ in parts}) < len(parts)  # the property has a campaign with two groups
    rows = list(connector.pull(START, until))
    assert len({(row.series, row.day) for row in rows}) == len(rows)
    assert {row.series.channel for row in rows} <= {told[2] for told, _ in parts}


def test_a_definition_that_fell_to_zero_is_stated_again(ga4, monkeypatch):
    connector = ga4().connector(conversions=["keyEvents:purchase", "keyEvents:lead"])
    kept = {}
    for leads in ("3", "0"):
        told = [(("20250320", "7", "Paid Social"), ("1", "2", "3", "4", "5", leads))]
        monkeypatch.setattr(connector._client, "rows", lambda *_, told=told: iter(told))
        kept |= {(row.series, row.day): row.conversions_micros for row in connector.pull(START, START)}
    assert sorted(kept.values()) == [0, 5_000_000]


@pytest.mark.parametrize(
    ("told", "measured"),
    [
        (("2025032", "7", "Paid"), ("1", "2", "3", "4", "5")),
        (("20250320", "7", "Paid"), ("1", "2", "3", "4", "many")),
        (("20250320", "7", "Paid"), ("1", "2", "3", "4")),
        (("20250320", "7", "Paid"), ("-1", "2", "3", "4", "5")),
        (("20250320", "7"), ("1", "2", "3", "4", "5")),
    ],
)
def test_an_answer_of_another_form_is_told(ga4, monkeypatch, told, measured):
    connector = ga4().connector()
    monkeypatch.setattr(connector._client, "rows", lambda *_: iter([(told, measured)]))
    with pytest.raises(Stop, match="cannot be understood"):
        list(connector.pull(START, START))


def test_a_property_in_no_known_currency_is_told(ga4, monkeypatch):
    connector = ga4().connector()
    monkeypatch.setattr(connector._client, "about", lambda: ("XXY", "Europe/Berlin"))
    with pytest.raises(Stop, match=r"property .* cannot be understood"):
        connector.accounts()


_PLUGIN = "Getting metadata from plugin failed with error: "


@pytest.mark.parametrize(
    ("failure", "family"),
    [
        (exceptions.ServiceUnavailable(_PLUGIN + "('invalid_grant: canary-1234567890', {})"), AskMarketer),
        (exceptions.ServiceUnavailable(_PLUGIN + "TransportError: Max retries exceeded"), RetryLater),
        (exceptions.ServiceUnavailable("the backend is away"), RetryLater),
        (auth.RefreshError("invalid_grant: canary-1234567890"), AskMarketer),
        (auth.RefreshError("internal_failure", retryable=True), RetryLater),
        (auth.TransportError("no route to canary-1234567890"), RetryLater),
        (exceptions.PermissionDenied("of canary-1234567890"), AskMarketer),
    ],
)
def test_a_credential_that_cannot_be_renewed_asks_the_marketer(ga4, monkeypatch, failure, family):
    def fails(*_, **__):
        raise failure

    connector = ga4().connector()
    speaker = connector._client
    monkeypatch.setattr(speaker, "_redactor", Redactor(["canary-1234567890"]))
    monkeypatch.setattr(speaker._api, "run_report", fails)
    with pytest.raises(family) as met:
        speaker._once(None)
    assert "canary" not in f"{met.value!r} {met.value.__context__!r}"
