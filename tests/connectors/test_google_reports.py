"""What is read of Google Ads: a year, other days than UTC's, definitions, audiences, Performance Max, shares, names."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from connectors import google
from connectors.conformance import change_of, latest
from connectors.contract import Account, BuildContext, EntityKind, Level
from connectors.diagnosis import Verdict
from connectors.errors import AskMarketer, BadInput, Stop
from connectors.google.reports import OTHERS, Reports
from connectors.google.units import share_micros, to_micros
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.google import Traits, messages
from simulations.scenarios import Channel, FurtherConversion
from tests.connectors.google_at_hand import START, Hand, account

SIGNUP = FurtherConversion("signup", per_purchase=2.0, value=0.0)
TWO_KINDS = MappingProxyType(
    {
        "channels": (
            Channel("search", 2, 1_800.0, 7_000.0, 0.04, 0.04, attribution_days=7, further=(SIGNUP,)),
            Channel("social", 1, 2_400.0, 6_000.0, 0.012, 0.03),
        ),
        "returned_share": 0.2,
    }
)
END = START + timedelta(34)
YEAR = START + timedelta(369)


@pytest.fixture
def hands():
    made = []

    def make(of=None, settings=None, **given):
        hand = Hand(of or account(), **given)
        made.append(hand)
        return hand, hand.connect(**(settings or {}))

    yield make
    for hand in made:
        hand.close()


def _sums(rows):
    found = Counter()
    for row in rows:
        for name in ("spend_micros", "conversions_micros", "value_micros", "impressions_micros", "clicks_micros"):
            found[name] += getattr(row, name)
    return found


def _book_sums(lines):
    found = Counter()
    for line in lines:
        for name in ("spend", "conversions", "value", "impressions", "clicks"):
            found[f"{name}_micros"] += getattr(line, name)
    return found


@pytest.mark.parametrize(
    ("currency", "zone"),
    [("USD", "America/New_York"), ("HUF", "Europe/Budapest"), ("JPY", "Asia/Tokyo"), ("BHD", "Asia/Bahrain")],
)
def test_a_year_equals_the_books(hands, currency, zone):
    """Through both changes of the clocks, and read again after its restatements; spans of any length are alike."""
    year = account(currency, time_zone=zone, history_days=350, horizon_days=380)
    _, connector = hands(year, {"days_per_query": 120})
    early = latest(connector.pull(START, YEAR))
    year.advance(15)
    rows = latest(connector.pull(START, YEAR))
    books = [line for line in year.lines(START, YEAR) if line.kind == 0]
    assert len({row.day for row in rows.values()}) == 365
    assert _sums(rows.values()) == _book_sums(books)
    by_day = Counter()
    for line in books:
        by_day[line.day] += line.spend
    told = Counter()
    for row in rows.values():
        told[row.day] += row.spend_micros
    assert told == by_day
    assert all(rows[key].fetched_at > row.fetched_at for key, row in early.items())
    window = year.today - timedelta(connector.capabilities.restatement_days + 15)
    older = {key: row.conversions_micros for key, row in early.items() if key[1] < window}
    assert len(older) > 100
    assert older == {key: rows[key].conversions_micros for key in older}  # nothing older than the window is restated


def test_one_definition_holds_what_the_account_counts(hands):
    hand, connector = hands(account(**TWO_KINDS))
    rows = list(connector.pull(START, END))
    assert {row.series.conversion_definition for row in rows} == {"all"}
    assert _sums(rows) == _book_sums(line for line in hand.account.lines(START, END) if line.kind == 0)


def test_named_actions_are_told_each_and_delivery_once(hands):
    hand, connector = hands(account(**TWO_KINDS), {"conversion_actions": ["purchase", "signup"]})
    rows = list(connector.pull(START, END))
    assert _sums(rows) == _book_sums(hand.account.lines(START, END))
    by_kind = defaultdict(int)
    for row in rows:
        by_kind[row.series.conversion_definition] += row.conversions_micros
        assert row.series.conversion_definition == "purchase" or row.spend_micros == row.impressions_micros == 0
    kinds = Counter()
    for line in hand.account.lines(START, END):
        kinds[hand.account.kinds[line.kind]] += line.conversions
    assert by_kind == kinds
    assert kinds["signup"] > 0
    assert len({(row.series, row.day) for row in rows}) == len(rows)


class Answers:
    """A session whose answers are written by hand: by a part of the query, its rows."""

    def __init__(self):
        self.rows = {}

    def taken(self, _customer, query, _what, take):
        return [take(row) for part, rows in self.rows.items() if part in query for row in rows]


def _row(action="", **metrics):
    row = messages.Row()
    row.campaign.id, row.ad_group.id, row.ad_group_ad.ad.id, row.segments.date = 1, 2, 3, "2025-03-03"
    row.segments.conversion_action_name = action
    for name, value in metrics.items():
        setattr(row.metrics, name, value)
    return row


def test_an_action_s_conversions_that_are_taken_back_become_zero():
    """Google Ads leaves out what is zero: a row that was told once is told again, or its old figure would stay."""
    answers = Answers()
    reports = Reports(answers, Account("google", "1", "EUR", "UTC"), ["purchase", "signup"])
    delivery = "metrics.clicks FROM ad_group_ad"
    signup = "conversion_action_name, metrics.all_conversions, metrics.all_conversions_value FROM ad_group_ad"
    answers.rows = {delivery: [_row(cost_micros=5, impressions=9)], signup: [_row("signup", all_conversions=1.5)]}
    told = [list(reports.by_ad(START, START, datetime(2025, 3, 4, hour, tzinfo=UTC))) for hour in (6, 7)]
    answers.rows[signup] = []
    told.append(list(reports.by_ad(START, START, datetime(2025, 3, 4, 8, tzinfo=UTC))))
    found = [[(r.series.conversion_definition, r.spend_micros, r.conversions_micros) for r in rows] for rows in told]
    assert found[0] == found[1] == [("purchase", 5, 0), ("signup", 0, 1_500_000)]
    assert found[2] == [("purchase", 5, 0), ("signup", 0, 0)]


def test_an_action_without_conversions_has_a_zero_of_its_own():
    """Another process may have told of some, and nobody remembers here."""
    answers = Answers()
    reports = Reports(answers, Account("google", "1", "EUR", "UTC"), ["purchase", "signup"])
    answers.rows = {"metrics.clicks FROM ad_group_ad": [_row(cost_micros=5, impressions=9)]}
    rows = list(reports.by_ad(START, START, datetime(2025, 3, 4, tzinfo=UTC)))
    assert [(r.series.conversion_definition, r.conversions_micros) for r in rows] == [("purchase", 0), ("signup", 0)]


@pytest.mark.parametrize("actions", [(), ("purchase",)])
def test_what_a_campaign_spent_without_an_ad_is_told(actions):
    answers = Answers()
    reports = Reports(answers, Account("google", "1", "EUR", "UTC"), actions)

    def read(whole, ad):
        answers.rows = {
            "metrics.search_budget_lost_impression_share FROM campaign": [_row(**whole)],
            " FROM ad_group_ad": [_row(**ad)],
        }
        rows = reports.by_ad(START, START, datetime(2025, 3, 4, tzinfo=UTC))
        return {row.series.ad_id: (row.spend_micros, row.clicks_micros, row.conversions_micros) for row in rows}

    spent = {"cost_micros": 9, "clicks": 3, "conversions": 2.0}
    assert set(read(spent, spent)) == {"3"}
    kept = 0 if actions else 1_500_000
    some = {"cost_micros": 5, "clicks": 1, "conversions": 0.5}
    assert read(spent, some)["others-1"] == (4, 2_000_000, kept)
    assert read(spent, spent)["others-1"] == (0, 0, 0)  # or the figure of before would stay
    more = {"cost_micros": 11, "clicks": 4, "conversions": 2.0}  # spent between the two queries
    assert read(spent, more)["others-1"] == (0, 0, 0)


def test_what_nobody_can_read_stops(hands, monkeypatch):
    _, connector = hands()
    connector.accounts()
    row = _row(cost_micros=-5)
    monkeypatch.setattr(connector._session, "taken", lambda _customer, _query, _what, take: iter([take(row)]))
    monkeypatch.setattr(connector._session, "search", lambda *_: iter([messages.Row(), None]))
    for read in (lambda: list(connector.pull(START, START)), lambda: list(connector.entities()), connector.ads):
        with pytest.raises(Stop):
            read()


def test_accounts_are_asked_for_each_time(hands):
    """Whoever asks is told of another currency; what is read after that is in it."""
    hand, connector = hands()
    before = hand.faults.requests["read"]
    first = connector.accounts()
    once = hand.faults.requests["read"] - before
    assert connector.accounts() == first
    assert hand.faults.requests["read"] - before == 2 * once > 0
    (customer,) = connector._held
    connector._held[customer] = replace(connector._held[customer], account=replace(first[0], currency="USD"))
    assert {row.series.account.currency for row in connector.pull(START, START)} == {"USD"}
    assert connector.accounts() == first
    assert {row.series.account.currency for row in connector.pull(START, START)} == {"EUR"}


def test_conversions_of_an_ad_without_delivery_are_told():
    answers = Answers()
    reports = Reports(answers, Account("google", "1", "EUR", "UTC"), ["call"])
    answers.rows = {"all_conversions_value FROM ad_group_ad": [_row("call", all_conversions=2.0)]}
    (row,) = reports.by_ad(START, START, datetime(2025, 3, 4, tzinfo=UTC))
    assert (row.series.ad_id, row.conversions_micros, row.spend_micros) == ("3", 2_000_000, 0)


def test_bounds_of_impression_shares_are_no_figures():
    names = ("search_impression_share", "search_budget_lost_impression_share")
    metrics = _row(search_impression_share=0.0999, search_budget_lost_impression_share=0.9001).metrics
    assert [share_micros(metrics, name) for name in names] == [None, None]
    metrics = _row(search_impression_share=0.1, search_budget_lost_impression_share=0.9).metrics
    assert [share_micros(metrics, name) for name in names] == [100_000, 900_000]
    assert [share_micros(_row().metrics, name) for name in names] == [None, None]  # not told at all


def test_audiences_of_a_campaign_sum_to_it(hands):
    hand, connector = hands(account(audiences=(2, 2)), {"report": "audiences"})
    rows = list(connector.pull(START, END))
    assert {row.series.level for row in rows} == {Level.CAMPAIGN}
    told = Counter()
    for row in rows:
        told[row.series.campaign_id, row.series.audience_id] += row.spend_micros
    books = Counter()
    for line in hand.account.lines(START, END):
        books[str(line.ad.campaign_id), str(line.ad.audience_id)] += line.spend
    assert told == books
    assert len({audience for _, audience in told}) > 2
    names = {e.entity_id for e in connector.entities() if e.kind is EntityKind.AUDIENCE}
    assert {audience for _, audience in told} <= names | {OTHERS}
    left = [row for row in rows if row.series.audience_id == OTHERS]
    assert len(left) > 10  # zeros: what was left before may be counted with an audience by now
    assert not any(_sums(left).values())


def test_what_no_audience_had_stands_with_the_others(hands):
    """Performance Max tells nothing of audiences: all of it is left."""
    hand, connector = hands(settings={"report": "audiences"}, traits=Traits(performance_max=frozenset({0})))
    whole = str(hand.account.campaigns()[0].campaign_id)
    rows = [row for row in connector.pull(START, END) if row.series.campaign_id == whole]
    assert {row.series.audience_id for row in rows} == {"others"}
    books = (line for line in hand.account.lines(START, END) if line.ad.campaign == 0 and line.kind == 0)
    assert _sums(rows) == _book_sums(books)


@pytest.mark.parametrize("actions", [(), ("purchase", "signup")])
def test_performance_max_is_told_by_campaign(hands, actions):
    given = account(**TWO_KINDS)
    _, connector = hands(given, {"conversion_actions": actions}, traits=Traits(performance_max=frozenset({0})))
    whole = str(given.campaigns()[0].campaign_id)
    rows = list(connector.pull(START, END))
    assert {row.series.level for row in rows if row.series.campaign_id == whole} == {Level.CAMPAIGN}
    assert {row.series.level for row in rows if row.series.campaign_id != whole} == {Level.AD}
    assert {row.series.channel for row in rows if row.series.campaign_id == whole} == {"performance_max"}
    lines = given.lines(START, END)
    assert _sums(rows) == _book_sums(line for line in lines if actions or line.kind == 0)
    assert whole not in {ad.campaign_id for ad in connector.ads()}


def test_impression_shares_are_read_and_their_bounds_are_not_taken_for_figures(hands):
    told = account(impression_share=True)
    _, connector = hands(told)
    rows = list(connector.pull(START, END))
    books = {
        (line.day, str(line.ad.ad_id)): (line.impression_share, line.lost_to_budget)
        for line in told.lines(START, END)
        if line.kind == 0
    }
    shares = [(row.impression_share_micros, row.lost_to_budget_micros) for row in rows]
    assert any(share is not None for share, _ in shares)
    for row, found in zip(rows, shares, strict=True):
        share, lost = books[row.day, row.series.ad_id]
        hidden = share is None or share < 100_000 or lost > 900_000
        assert found == ((None, None) if hidden else (share, lost))


def test_learning_is_a_tag_and_is_told_of_the_budget(hands):
    hand, connector = hands()
    campaign = hand.account.campaigns()[1]
    budget = next(b for b in connector.budgets() if b.budget_id == str(campaign.budget_id))
    connector.set_budget(change_of(budget, quanta=budget.amount.micros // budget.quantum_micros))
    tags = {e.entity_id: e.tags for e in connector.entities() if e.kind is EntityKind.CAMPAIGN}
    assert tags[str(campaign.campaign_id)] == ("search", "learning")
    assert sum("learning" in each for each in tags.values()) == 1
    assert [b.budget_id for b in connector.budgets() if b.learning] == [budget.budget_id]


def test_amounts_that_floats_cannot_hold_are_rounded_to_the_micro():
    assert to_micros(33.51) == 33_510_000
    assert to_micros(0.1 + 0.2) == 300_000
    assert to_micros(123_456_789.12) == 123_456_789_120_000


def test_a_pull_with_half_of_its_calls_turned_away_is_whole(hands):
    faults = Faults()
    hand, connector = hands(faults=faults, settings={"days_per_query": 2})
    faults.script("read", *[Fault.THROTTLED, None] * 40)
    rows = list(connector.pull(START, START + timedelta(19)))
    assert faults.met[Fault.THROTTLED] >= 15
    assert _sums(rows) == _book_sums(line for line in hand.account.lines(START, END) if line.kind == 0)
    assert len({(row.series, row.day) for row in rows}) == len(rows)


# What the marketer is told


def test_a_check_says_that_all_is_well_and_writes_nothing(hands):
    hand, connector = hands()
    found = {one.subject: one for one in connector.diagnose()}
    assert {one.verdict for one in found.values()} == {Verdict.WELL}
    assert found.keys() == {"version", "credentials", f"account {hand.account.account_id}", "quota"}
    assert hand.account.budget_changes() == ()


def test_a_check_finds_a_credential_that_may_only_read(hands):
    _, connector = hands(traits=Traits(read_only=True))
    (wrong,) = (one for one in connector.diagnose() if one.verdict is Verdict.WRONG)
    assert "ACTION_NOT_PERMITTED" in wrong.message
    assert wrong.mend == "give the user standard access to the account"


def test_a_check_finds_an_account_that_is_not_reached(hands):
    hand, _ = hands()
    connector = hand.connect(customer_ids=["987-654-3210"])
    (wrong,) = (one for one in connector.diagnose() if one.verdict is Verdict.WRONG)
    assert (wrong.subject, "USER_PERMISSION_DENIED" in wrong.message) == ("account 9876543210", True)


def test_a_check_finds_a_consent_that_was_taken_back(hands):
    hand, connector = hands()
    hand.emulator.authority.revoke()
    (wrong,) = (one for one in connector.diagnose() if one.verdict is Verdict.WRONG)
    assert wrong.subject == "credentials"
    assert "docs/platforms.md" in wrong.mend


SECRET = MappingProxyType({"env": "CANARY_CLIENT"})
GIVEN = MappingProxyType(
    {
        "customer_ids": ["123-456-7890"],
        "developer_token": dict(SECRET),
        "client_id": "a",
        "client_secret": dict(SECRET),
        "refresh_token": dict(SECRET),
    }
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"customer_ids": []}, "customer_ids"),
        ({"customer_ids": ["12"]}, "not a customer id"),
        ({"customer_id": "1"}, "did you mean 'customer_ids'"),
        ({"refresh_token": None}, "refresh_token is missing"),
        ({"developer_token": None}, "developer_token is missing"),
        ({"refresh_token": "1//plain"}, "a secret does not stand in the settings"),
        ({"config_file": "google-ads.yaml"}, "in one way"),
        ({"days_per_query": 0}, "days_per_query"),
        ({"report": "keywords"}, "report"),
    ],
)
def test_a_wrong_setting_is_named_with_its_mend(changed, words):
    with pytest.raises(BadInput, match=words) as caught:
        google.build(BuildContext("google", {**GIVEN, **changed}, Path()))
    assert "1//plain" not in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize("text", ["just words", "developer_token: x", "{", "refresh_token: canary\nclient_id: a"])
def test_a_file_of_credentials_that_is_not_one_is_named(tmp_path, text):
    (tmp_path / "google-ads.yaml").write_text(text)
    (tmp_path / "google-ads.yaml").chmod(0o600)
    settings = {"customer_ids": ["1234567890"], "config_file": "google-ads.yaml"}
    with pytest.raises(AskMarketer, match=r"google-ads\.yaml") as caught:
        google.build(BuildContext("google", settings, tmp_path))
    assert "canary" not in str(caught.value)


def test_the_key_of_a_service_account_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY_CLIENT", "secret-text")
    (tmp_path / "key.json").write_text('{"private_key": "canary"}')
    (tmp_path / "key.json").chmod(0o600)
    settings = {"customer_ids": ["1234567890"], "developer_token": dict(SECRET), "service_account": "key.json"}
    with pytest.raises(AskMarketer, match="not the key of a service account") as caught:
        google.build(BuildContext("google", settings, tmp_path))
    assert "canary" not in f"{caught.value!r} {caught.value.__context__!r}"
    (tmp_path / "key.json").chmod(0o640)
    with pytest.raises(AskMarketer, match="open to other users"):
        google.build(BuildContext("google", settings, tmp_path))
