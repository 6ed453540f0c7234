"""What the official client of Google Ads does without saying so; each test fails without the connector's remedy."""

from __future__ import annotations

import gc
import logging
import socket
import time
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from google.ads.googleads import oauth2
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.api_core import exceptions, protobuf_helpers

from connectors.conformance import change_of
from connectors.contract import Account, AdKey, EntityStatus
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, OutcomeUnknown, RetryLater, Stop
from connectors.google import changes
from connectors.google.accounts import Held
from connectors.google.errors import Call, family
from connectors.google.session import Session
from connectors.money import Money
from connectors.vault import HIDDEN, VAULT
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.google import Traits, messages
from tests.connectors.google_at_hand import REFRESH, SECRETS, START, Hand, account


@pytest.fixture
def hands():
    made = []

    def make(currency="EUR", settings=None, **given):
        hand = Hand(account(currency), **given)
        made.append(hand)
        return hand, hand.connect(**(settings or {}))

    yield make
    for hand in made:
        hand.close()


def _whole(error: BaseException) -> str:
    told, shown = [], error
    while shown is not None:
        told.append(f"{shown} {shown!r}")
        shown = shown.__cause__ or shown.__context__
    return " ".join(told)


def test_an_amount_of_zero_is_sent_as_such(hands):
    hand, connector = hands()
    budget = connector.budgets()[0]
    sent = connector._session._client.get_type("CampaignBudget")
    sent.amount_micros = 0
    assert list(protobuf_helpers.field_mask(None, sent).paths) == []  # the trap: the mask of the official helper
    with pytest.raises(Stop, match="MONEY_AMOUNT_LESS_THAN_CURRENCY_MINIMUM_CPC"):  # without: FIELD_MASK_MISSING
        connector.set_budget(replace(change_of(budget), target=Money(0, "EUR")))
    assert hand.account.budget_changes() == ()


def test_every_call_has_a_timeout(hands):
    slow = Faults(slow_seconds=30.0)
    _, connector = hands(settings={"timeout_seconds": 0.5}, faults=slow)
    budget = connector.budgets()[0]
    began = time.monotonic()
    slow.script("write", Fault.SLOW)
    with pytest.raises(OutcomeUnknown, match="DEADLINE_EXCEEDED"):
        connector.set_budget(change_of(budget))
    slow.script("read", *[Fault.SLOW] * 2)
    connector.budgets()  # two attempts run out of time, the third is answered
    assert time.monotonic() - began < 25.0
    assert slow.met[Fault.SLOW] == 3


def test_a_consent_that_was_taken_back_asks_the_marketer(hands):
    """Inside a call gRPC tells it as UNAVAILABLE, and whoever retries that waits for ever."""
    hand, connector = hands()
    hand.emulator.authority.revoke()
    began = hand.emulator.authority.renewals
    with pytest.raises(AskMarketer, match="invalid_grant") as caught:
        connector.accounts()
    assert hand.emulator.authority.renewals == began + 1  # asked once: google-auth takes it as final
    assert not [secret for secret in SECRETS if secret in _whole(caught.value)]


def test_the_same_inside_a_call_asks_the_marketer_too(hands):
    hand, connector = hands()
    service = connector._session._service("GoogleAdsService")
    hand.emulator.authority.revoke()
    with pytest.raises(exceptions.ServiceUnavailable) as caught:  # the trap: a token that was never renewed before
        list(service.search_stream(customer_id=str(hand.account.account_id), query="SELECT customer.id FROM customer"))
    told = family(caught.value, Call("reading"), connector._session._secrets.redactor)
    assert isinstance(told, AskMarketer)
    assert "invalid_grant" in str(told)


def test_an_authority_that_is_away_is_asked_again_later(hands):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    _, connector = hands(settings={"token_uri": f"http://127.0.0.1:{port}/token"})
    with pytest.raises(RetryLater, match="could not be renewed now"):
        connector._session.renew()


def test_the_wait_that_the_platform_asks_for_is_found(hands):
    """RESOURCE_EXHAUSTED is no GoogleAdsException: its delay stands in the trailing metadata alone."""
    hand, connector = hands(faults=Faults(retry_after_seconds=17.5))
    budget = connector.budgets()[0]
    hand.faults.script("write", Fault.THROTTLED)
    with pytest.raises(RetryLater) as caught:
        connector.set_budget(change_of(budget))
    assert caught.value.retry_after_seconds == 17.5


def test_a_stream_outlives_nobody_s_reference(hands):
    """A service that nobody holds is collected, and its channel closes under the stream: all are kept."""
    hand, connector = hands(traits=Traits(batch_rows=3))
    session = connector._session
    query = (
        "SELECT campaign.id, ad_group_ad.ad.id, segments.date, metrics.clicks FROM ad_group_ad "
        f"WHERE segments.date BETWEEN '{START}' AND '{START + timedelta(30)}'"
    )

    taken = []

    def take(row):
        if len(taken) in {2, 20}:
            gc.collect()
        taken.append(row.ad_group_ad.ad.id)
        return row.ad_group_ad.ad.id

    rows = list(session.taken(str(hand.account.account_id), query, "clicks", take))
    assert len(rows) > 30  # more than ten batches
    assert session._service("GoogleAdsService") is session._service("GoogleAdsService")


def test_to_build_it_asks_nobody(hands, monkeypatch):
    """`load_from_dict` would ask Google's own address for a token; the connector is built without a word."""
    hand, _ = hands()

    def ask(*_):
        raise AssertionError("somebody was asked while the connector was built")

    monkeypatch.setattr(oauth2.InstalledAppCredentials, "refresh", ask)
    with pytest.raises(AssertionError, match="somebody was asked"):  # the trap
        oauth2.get_installed_app_credentials("client", "secret", "token")
    hand.connect()


def test_the_official_file_is_read_without_the_official_loader(hands, tmp_path):
    hand, _ = hands()
    file = tmp_path / "google-ads.yaml"
    file.write_text(
        f"developer_token: {SECRETS[0]}\nrefresh_token: {SECRETS[1]}\nclient_id: a-client\n"
        f"client_secret: {SECRETS[2]}\nuse_proto_plus: true\nlogin_customer_id: 123-456-7890\n"
    )
    file.chmod(0o600)
    others = dict.fromkeys(("developer_token", "client_id", "client_secret", "refresh_token"))
    connector = hand.connect(**others, config_file=file)
    assert [one.currency for one in connector.accounts()] == ["EUR"]
    assert connector._session._client.login_customer_id == "1234567890"


def test_a_write_is_one_request_whatever_becomes_of_it(hands):
    hand, connector = hands()
    budget = connector.budgets()[0]
    for fault in (Fault.LOST_AFTER, Fault.LOST_BEFORE, Fault.BROKEN, Fault.THROTTLED, Fault.EXPIRED):
        before = hand.faults.requests["write"]
        hand.faults.script("write", fault)
        with pytest.raises((OutcomeUnknown, RetryLater, AskMarketer)):
            connector.set_budget(
                replace(change_of(budget), expected=connector.budgets()[0].amount, target=_up(connector))
            )
        assert hand.faults.requests["write"] == before + 1


def _up(connector):
    budget = connector.budgets()[0]
    return Money(budget.amount.micros + budget.quantum_micros, budget.amount.currency)


def test_shared_budgets_are_told_and_never_written(hands):
    hand, connector = hands(traits=Traits(shared=frozenset({0})))
    shared = [budget for budget in connector.budgets() if budget.shared]
    assert [budget.name for budget in shared] == [f"{hand.account.campaigns()[0].name} #{shared[0].budget_id}"]
    for call in (connector.check_budget, connector.set_budget):
        with pytest.raises(Stop, match="shared"):
            call(change_of(shared[0]))
    assert hand.faults.requests["write"] == 0


def test_what_the_platform_refuses_of_a_budget_stops_the_change(hands):
    """Its own minimum is not in its interface: a check asks the platform, which validates and writes nothing."""
    hand, connector = hands()
    budget = connector.budgets()[0]
    low = replace(change_of(budget), target=Money(10_000, "EUR"))
    for call in (connector.check_budget, connector.set_budget):
        with pytest.raises(Stop, match="BUDGET_BELOW_PER_DAY_MINIMUM"):
            call(low)
    assert hand.account.budget_changes() == ()


@pytest.mark.parametrize(("currency", "unit"), [("EUR", 10_000), ("JPY", 1_000_000), ("BHD", 1_000), ("HUF", 10_000)])
def test_the_unit_of_a_budget_is_the_one_that_the_platform_bills_in(hands, currency, unit):
    _, connector = hands(currency)
    assert {budget.quantum_micros for budget in connector.budgets()} == {unit}
    fair = change_of(connector.budgets()[0])
    with pytest.raises(Stop, match="not a multiple"):
        connector.set_budget(replace(fair, target=Money(fair.target.micros + unit // 2, currency)))


def test_no_secret_is_logged_or_shown(hands, caplog):
    caplog.set_level(logging.DEBUG)
    hand, connector = hands()
    budget = connector.budgets()[0]
    hand.faults.script("read", Fault.EXPIRED, Fault.EXPIRED, Fault.BROKEN, Fault.LOST_BEFORE, Fault.THROTTLED)
    with pytest.raises(AskMarketer) as caught:
        connector.budgets()
    connector.budgets()
    hand.faults.script("write", Fault.LOST_AFTER)
    with pytest.raises(OutcomeUnknown) as lost:
        connector.set_budget(change_of(budget))
    hand.emulator.authority.revoke()
    with pytest.raises(AskMarketer) as revoked:
        connector.budgets()
    diagnoses = " ".join(map(repr, connector.diagnose()))
    shown = " ".join([caplog.text, diagnoses, *(_whole(one.value) for one in (caught, lost, revoked))])
    shown += repr(connector._session._secrets)
    assert len(shown) > 1000
    assert not [secret for secret in SECRETS if secret in shown]


def test_a_token_that_ended_early_is_renewed_and_the_read_made_again(hands):
    hand, connector = hands()
    connector.accounts()
    before = hand.emulator.authority.renewals
    hand.faults.script("read", Fault.EXPIRED)
    assert connector.accounts()
    assert hand.emulator.authority.renewals == before + 1
    hand.faults.script("read", Fault.EXPIRED, Fault.EXPIRED)
    with pytest.raises(AskMarketer, match="OAUTH_TOKEN_EXPIRED"):
        connector.accounts()


def test_the_tokens_of_the_authority_are_hidden_by_the_process(hands):
    hands()[1].accounts()
    assert VAULT.hide("sent ya29.emulated-1") == f"sent {HIDDEN}"


def test_what_a_library_says_is_shown_without_the_secrets(hands):
    """Neither in the message, nor in the error that it came from."""
    _, connector = hands()
    connector.accounts()
    token = connector._session._credentials.token

    def fail():
        raise ValueError(f"cannot connect with {token} and {REFRESH}")

    with pytest.raises(Stop, match="ValueError: cannot connect with") as caught:
        connector._session._called(fail, Call("reading"))
    assert token not in _whole(caught.value)
    assert REFRESH not in _whole(caught.value)


@pytest.mark.parametrize(("writes", "lost"), [(False, RetryLater), (True, OutcomeUnknown)])
def test_an_answer_that_nobody_can_read_is_no_reason_to_wait(writes, lost):
    call = Call("asking", writes=writes)
    assert isinstance(family(ConnectionError("reset"), call, Redactor(())), lost)
    misread = family(KeyError("rows"), call, Redactor(()))
    assert isinstance(misread, OutcomeUnknown if writes else Stop)
    silent = GoogleAdsException(None, None, GoogleAdsFailure(), "request-1")
    assert isinstance(family(silent, call, Redactor(())), lost)


def test_receipts_name_the_platform_s_request(hands):
    _, connector = hands()
    assert connector.set_budget(change_of(connector.budgets()[0])).request_id.startswith("emulated-")


def test_the_operations_of_a_day_are_kept(hands):
    _, connector = hands(settings={"operations_per_day": 3})
    connector.budgets()  # account, currency, budgets
    with pytest.raises(RetryLater, match="the 3 calls of today are spent") as caught:
        connector.budgets()
    assert caught.value.retry_after_seconds > 3600
    assert isinstance(connector._session, Session)


def test_the_platform_s_own_quota_is_no_reason_to_wait_here(hands):
    _, connector = hands(traits=Traits(operations_per_day=3))
    connector.budgets()
    with pytest.raises(RetryLater) as caught:
        connector.budgets()
    assert caught.value.retry_after_seconds == 86_400  # longer than a cycle waits: the next one asks again


def test_a_status_is_switched_under_its_ad_group(hands):
    hand, connector = hands()
    ad = connector.ads()[0]
    assert ad.status is EntityStatus.ACTIVE
    assert (ad.campaign_id, ad.ad_group_id) == (
        str(hand.account.ads()[0].campaign_id),
        str(hand.account.ads()[0].ad_group_id),
    )


def test_a_change_is_told_three_minutes_late(hands):
    """What the history does not tell may have happened all the same."""
    hand, connector = hands()
    connector.set_budget(change_of(connector.budgets()[0]))
    assert list(connector.changes(hand.account.now - timedelta(days=3))) == []
    hand.account.advance(1)
    (told,) = connector.changes(hand.account.now - timedelta(days=3))
    assert told.who == "owner@example.com by google ads api"


def test_more_changes_than_are_answered_at_once_are_all_told(hands, monkeypatch):
    monkeypatch.setattr(changes, "MOST", 3)
    hand, connector = hands(traits=Traits(change_lag=timedelta()))
    for number in range(8):
        hand.account.set_budget(number % 2, 9_000_000_000 + number * 1_000_000, by="hand")
    told = list(connector.changes(hand.account.now - timedelta(days=3)))
    assert [change.after.micros for change in told] == [9_000_000_000 + number * 1_000_000 for number in range(8)]


def test_a_history_that_cannot_be_turned_over_stops(hands, monkeypatch):
    monkeypatch.setattr(changes, "MOST", 1)
    hand, connector = hands(traits=Traits(change_lag=timedelta()))
    hand.account.set_budget(0, 9_000_000_000, by="hand")
    with pytest.raises(Stop, match="more than 1 changes"):
        list(connector.changes(hand.account.now - timedelta(days=3)))


def test_changes_of_more_than_thirty_days_ago_are_not_asked_for(hands):
    hand, connector = hands()
    hand.account.set_budget(0, 9_000_000_000, by="hand")
    hand.account.advance(32)
    hand.account.set_budget(0, 8_000_000_000, by="hand")
    hand.account.advance(1)
    told = list(connector.changes(hand.account.now - timedelta(days=300)))  # without: START_DATE_TOO_OLD
    assert [change.after.micros for change in told] == [8_000_000_000]


HELD = Held(Account("google", "1", "EUR", "Europe/Berlin"), 10_000)


def _event(*fields, at="2025-03-20 06:00:00.000000", kind="CAMPAIGN_BUDGET", name="campaignBudgets/7"):
    event = messages.Row().change_event
    event.change_resource_name, event.change_date_time = f"customers/1/{name}", at
    event.change_resource_type = messages.numbers("change_event.change_resource_type")[kind]
    event.changed_fields.paths.extend(fields)
    return event


def test_a_budget_that_was_only_renamed_is_no_change_of_its_amount():
    """An event holds those fields alone that it changed: the amount of another one reads as 0."""
    renamed = _event("name")
    assert changes._change(HELD, renamed) is None
    created = _event("name", "amount_micros")
    created.new_resource.campaign_budget.amount_micros = 5_000_000
    told = changes._change(HELD, created)
    assert (told.before, told.after, told.who) == (None, Money(5_000_000, "EUR"), "unspecified")


def test_an_ad_that_was_removed_was_not_switched():
    removed = _event("status", kind="AD_GROUP_AD", name="adGroupAds/4~5")
    statuses = messages.numbers("ad_group_ad.status")
    removed.new_resource.ad_group_ad.status = statuses["REMOVED"]
    assert changes._change(HELD, removed) is None
    removed.new_resource.ad_group_ad.status = statuses["PAUSED"]
    assert changes._change(HELD, removed).key == AdKey("google", "1", "5")


def test_changes_are_timed_on_the_account_s_clock():
    """Told without a zone; of the hour that comes twice it is the later, so that nothing asked for is left out."""
    for at, hour in (("2025-07-20 06:00:00.25", 4), ("2025-01-20 06:00:00.25", 5), ("2025-10-26 02:30:00.25", 1)):
        told = changes._change(HELD, _event("amount_micros", at=at))
        assert told.at.astimezone(UTC).hour == hour
