"""GA4 through Google's library against its emulator: the suites of every connector, and reports that are not whole."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from google.api_core import exceptions
from google.auth import exceptions as auth

from connectors.contract import BuildContext
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, BadInput, RetryLater, Stop
from connectors.ga4 import build, client
from connectors.vault import HIDDEN, VAULT
from simulations.emulators.ga4 import start
from simulations.scenarios import Channel, FurtherConversion
from tests.connectors import emulated
from tests.connectors.emulated import START, EmulatedConformance, a_year, platforms

LEAD = FurtherConversion("lead", per_purchase=2.0, value=0.0)
TWO_KINDS = (Channel("social", 2, 2_400.0, 6_000.0, 0.012, 0.03, further=(LEAD,)),)


KEY = "canary-private-key-1234567890"


class Property(emulated.Platform):
    """A property over the market; its account's file is read, and not asked for by the emulator."""

    kind, conversion, by_ad = "ga4", "keyEvents", False

    def served(self, setup, shape):
        return start(setup)

    def told(self):
        file = self.folder / "account.json"
        file.write_text(json.dumps({"private_key": KEY, "private_key_id": f"id-{KEY}"}))
        file.chmod(0o600)
        return {"property": str(self.account.account_id), "address": self.server.address, "credentials": file.name}

    def build(self, context):
        return build(context)


@pytest.fixture
def ga4(tmp_path):
    yield from platforms(Property, tmp_path)


class TestGa4(EmulatedConformance):
    secrets = (KEY,)
    faults = frozenset({"throttled", "broken", "lost_before", "expired"})

    @pytest.fixture
    def platform(self, ga4):
        return ga4

    def test_what_the_platform_says_with_a_secret_in_it_is_told_without(self, monkeypatch):
        connector = self.make("EUR")

        def fails(*_, **__):
            raise exceptions.PermissionDenied(f"the key {KEY} may not")

        monkeypatch.setattr(connector._client._api, "run_report", fails)
        assert isinstance(self._failed(lambda: list(connector.pull(*self.days()))), AskMarketer)
        assert KEY not in " ".join(map(repr, connector.diagnose()))


def test_a_token_that_the_library_was_given_is_hidden(ga4, monkeypatch):
    connector = ga4().connector()
    monkeypatch.setattr(connector._client._api.transport, "_credentials", SimpleNamespace(token="canary-given-token"))
    connector.accounts()
    assert VAULT.hide("canary-given-token") == HIDDEN


@pytest.mark.parametrize("currency", ["JPY", "USD", "BHD", "HUF"])
def test_a_year_equals_the_books_to_the_cent_and_the_count(ga4, currency):
    told, books = a_year(ga4, currency)
    assert told == books


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
