"""The parts of the Meta connector by themselves: settings, units, errors, rows, and what it says of itself."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.contract import Account, BuildContext, EntityKind, Level
from connectors.diagnosis import Verdict
from connectors.errors import AskMarketer, BadInput, OutcomeUnknown, RetryLater, Stop
from connectors.meta.failures import Failure, TooMuch, family
from connectors.meta.options import Options, read_options
from connectors.meta.rows import Reader
from connectors.meta.units import OFFSETS, from_units, to_units
from connectors.money import Money, exponent
from simulations.emulators.faults import Fault
from tests.connectors.meta_bench import Bench

TOKEN = {"env": "META_TEST_TOKEN"}
NOW = datetime(2025, 6, 1, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def make():
    made = []

    def build(**knobs):
        made.append(Bench(**knobs))
        return made[-1]

    yield build
    for one in made:
        one.close()


# Settings


def _read(**options):
    return read_options(BuildContext("m", {"accounts": ["1"], "access_token": TOKEN, **options}, Path(), "config.toml"))


def test_plain_settings_are_enough():
    options = _read(accounts=["act_12", "34"])
    assert options.accounts == ("12", "34")
    assert options.attribution == "ad set"
    assert _read(attribution_windows=["7d_click", "1d_view"]).attribution == "7d_click+1d_view"


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"accounts": []}, "accounts", "at least 1"),
        ({"accounts": ["shop"]}, "accounts.0", "not the number of an ad account"),
        ({"accounts": ["1", "act_1"]}, "accounts", "the same one twice"),
        ({"acounts": ["1"]}, "acounts", "did you mean 'accounts'"),
        ({"attribution_windows": ["1d_click", "7d_click"]}, "attribution_windows", "hold the same conversions"),
        ({"attribution_windows": ["7d_view"]}, "attribution_windows.0", "1d_view"),
        ({"breakdowns": ["dma"]}, "breakdowns.0", "publisher_platform"),
        ({"base_url": "http://graph.facebook.com"}, "base_url", "https://"),
        ({"base_url": "http://127.0.0.1.evil.example"}, "base_url", "https://"),
        ({"conversions": []}, "conversions", "at least 1"),
        ({"restatement_days": 0}, "restatement_days", "greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_with_its_mend(options, field, words):
    with pytest.raises(BadInput, match=words) as found:
        _read(**options)
    assert found.value.field == field
    assert found.value.where == "config.toml"


def test_a_token_in_the_settings_is_refused_and_not_shown():
    with pytest.raises(BadInput, match="does not stand in the settings") as found:
        _read(access_token="EAAplaintext")
    chain = [found.value, found.value.__cause__, found.value.__context__]
    assert not any("EAAplaintext" in f"{error} {error!r}" for error in chain)


def test_what_is_missing_is_shown_by_example():
    with pytest.raises(BadInput, match=r'accounts = \["1234567890"\]'):
        read_options(BuildContext("m", {"access_token": TOKEN}, Path()))


def test_the_page_lists_every_setting():
    page = (Path(__file__).parents[2] / "docs" / "platforms.md").read_text(encoding="utf-8")
    section = page.partition("## Meta\n")[2].partition("\n## ")[0]
    table = section.partition("### Settings")[2].partition("###")[0]
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", table)) == set(Options.model_fields)


# Units


@pytest.mark.parametrize(
    ("text", "currency", "units"),
    [
        ("1234", "JPY", 1234),
        ("12.34", "USD", 1234),
        ("33.51", "EUR", 3351),
        ("1.25", "BHD", 125),
        ("1234", "HUF", 1234),
    ],
)
def test_budgets_have_the_units_of_metas_table(text, currency, units):
    assert to_units(Money.of(text, currency)) == units
    assert from_units(units, currency) == Money.of(text, currency)


@pytest.mark.parametrize(("text", "currency"), [("0.5", "JPY"), ("0.5", "HUF"), ("1.255", "BHD"), ("1.001", "USD")])
def test_an_amount_between_two_units_is_not_rounded(text, currency):
    with pytest.raises(Stop, match="not a multiple"):
        to_units(Money.of(text, currency))


def test_a_currency_that_meta_does_not_list_is_asked_about():
    with pytest.raises(AskMarketer, match="'KWD'"):
        from_units(1, "KWD")
    assert all(exponent(currency) >= 0 for currency in OFFSETS)


# Errors


@pytest.mark.parametrize(
    ("code", "subcode", "read", "write"),
    [
        (1, 0, RetryLater, OutcomeUnknown),
        (2, 0, RetryLater, OutcomeUnknown),
        (4, 1_504_022, RetryLater, RetryLater),
        (17, 2_446_079, RetryLater, RetryLater),
        (613, 1_487_742, RetryLater, RetryLater),
        (80_000, 2_446_079, RetryLater, RetryLater),
        (80_004, 2_446_079, RetryLater, RetryLater),
        (190, 463, AskMarketer, AskMarketer),
        (190, 460, AskMarketer, AskMarketer),
        (10, 0, AskMarketer, AskMarketer),
        (200, 0, AskMarketer, AskMarketer),
        (294, 0, AskMarketer, AskMarketer),
        (2635, 0, AskMarketer, AskMarketer),
        (100, 0, Stop, Stop),
        (100, 33, Stop, Stop),
        (100, 1_487_534, Stop, Stop),
        (1, 99, RetryLater, OutcomeUnknown),
        (2, 1_504_018, RetryLater, OutcomeUnknown),
        (2, 1_504_033, RetryLater, OutcomeUnknown),
        (2601, 0, RetryLater, OutcomeUnknown),
        (-1, 0, Stop, Stop),
    ],
)
def test_codes_become_families(code, subcode, read, write):
    failure = Failure("answered", "words", status=400, code=code, subcode=subcode, trace="A1")
    for writing, wanted in ((False, read), (True, write)):
        error = family(failure, "meta: campaigns", writing=writing)
        assert type(error) is wanted
        assert f"code {code}" in str(error)
        assert "trace A1" in str(error)


@pytest.mark.parametrize(("code", "subcode"), [(100, 1_487_534), (1, 99), (2, 1_504_018), (2, 1_504_033)])
def test_only_of_insights_there_is_too_much(code, subcode):
    failure = Failure("answered", "words", status=500, code=code, subcode=subcode, transient=True)
    assert type(family(failure, "x", writing=False, gathering=True)) is TooMuch
    assert type(family(failure, "x", writing=True)) is OutcomeUnknown


def test_what_meta_calls_passing_is_believed():
    failure = Failure("answered", "words", status=400, code=100, transient=True)
    assert type(family(failure, "x", writing=False)) is RetryLater


@pytest.mark.parametrize(
    ("how", "read", "write"), [("unsent", RetryLater, RetryLater), ("lost", RetryLater, OutcomeUnknown)]
)
def test_a_lost_write_is_unknown_and_one_that_was_never_sent_is_not(how, read, write):
    assert type(family(Failure(how, "words"), "x", writing=False)) is read
    assert type(family(Failure(how, "words"), "x", writing=True)) is write


def test_a_write_to_nobody_did_nothing(make):
    bench = make()
    connector = bench.connector(attempts=1)
    budget = connector.budgets()[0]
    gone = bench.connector(attempts=1, base_url="http://127.0.0.1:9")
    gone._accounts, gone._budgets._known = connector._accounts, connector._budgets._known
    with pytest.raises(RetryLater, match="was not made"):
        gone._door.write(budget.budget_id, daily_budget=1)


# Rows

ACCOUNT = Account("meta", "1", "EUR", "Europe/Berlin")
INSIGHT = {
    "campaign_id": "11", "adset_id": "12", "ad_id": "13", "date_start": "2025-05-01", "date_stop": "2025-05-01",
    "spend": "33.51", "impressions": "1200", "inline_link_clicks": "7",
    "actions": [
        {"action_type": "omni_purchase", "value": "2.5"},
        {"action_type": "purchase", "value": "2.5"},
        {"action_type": "link_click", "value": "7"},
    ],
    "action_values": [{"action_type": "omni_purchase", "value": "199.99"}],
}  # fmt: skip


def _rows(insight, **options):
    return list(Reader(Options(accounts=("1",), access_token=TOKEN, **options)).rows(ACCOUNT, insight, NOW))


def test_decimals_are_read_to_the_micro():
    (row,) = _rows(INSIGHT)
    assert (row.spend_micros, row.conversions_micros, row.value_micros) == (33_510_000, 2_500_000, 199_990_000)
    assert (row.impressions_micros, row.clicks_micros, row.day) == (1_200_000_000, 7_000_000, date(2025, 5, 1))
    assert (row.series.campaign_id, row.series.ad_group_id, row.series.ad_id) == ("11", "12", "13")


def test_what_is_left_out_is_nothing():
    bare = {name: value for name, value in INSIGHT.items() if name not in ("actions", "action_values", "spend")}
    (row,) = _rows(bare)
    assert (row.spend_micros, row.conversions_micros, row.value_micros) == (0, 0, 0)


def test_delivery_stands_with_the_first_kind_only():
    first, second, none = _rows(INSIGHT, conversions=("omni_purchase", "link_click", "lead"))
    assert (first.spend_micros, second.spend_micros, second.conversions_micros) == (33_510_000, 0, 7_000_000)
    assert (none.spend_micros, none.conversions_micros) == (0, 0)  # so that a conversion taken back is replaced


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"spend": "1,5"}, "'1,5' is not a decimal number"),
        ({"date_stop": "2025-05-02"}, "reaches to 2025-05-02"),
        ({"date_start": "1.5.2025", "date_stop": "1.5.2025"}, "not a date"),
        ({"ad_id": None}, "ad_id is None"),
    ],
)
def test_what_cannot_be_read_stops_and_is_named(changed, words):
    with pytest.raises(Stop, match=words):
        _rows({**INSIGHT, **changed})


# What it says of itself


def test_all_is_well(make):
    connector = make().connector()
    found = connector.diagnose()
    assert {one.verdict for one in found} == {Verdict.WELL}
    assert [one.subject for one in found][:3] == ["credentials", "version", "permissions"]


@pytest.mark.parametrize(
    ("knobs", "subject", "verdict", "words"),
    [
        ({"token": "another"}, "credentials", Verdict.WRONG, "code 190"),
        ({"permissions": ("ads_read",)}, "permissions", Verdict.WARNING, "but not write"),
        ({"permissions": ()}, "permissions", Verdict.WRONG, "may not read ads"),
        ({"version": 28, "ended": (26,)}, "version", Verdict.WRONG, "Meta answered as v28.0"),
        ({"app_secret": "another"}, "credentials", Verdict.WRONG, "appsecret_proof"),
    ],
)
def test_what_is_wrong_is_said_in_words(make, knobs, subject, verdict, words):
    found = {one.subject: one for one in make(**knobs).connector().diagnose()}
    assert found[subject].verdict is verdict
    assert words in found[subject].message
    assert found[subject].mend


def test_an_expired_token_is_diagnosed(make):
    bench = make()
    bench.faults.script("read", Fault.EXPIRED)
    (found,) = bench.connector().diagnose()
    assert (found.verdict, "it has expired" in found.message) == (Verdict.WRONG, True)


def test_an_account_of_somebody_else_is_diagnosed(make):
    bench = make()
    found = bench.connector(accounts=[str(bench.account.account_id), "42"]).diagnose()
    assert [one.verdict for one in found if one.subject == "account 42"] == [Verdict.WRONG]


def test_ad_sets_tell_their_learning_stage(make):
    bench = make(currency="JPY")
    bench.account.set_budget(0, 2 * bench.account.campaigns()[0].budget_micros)
    tags = [entity.tags for entity in bench.connector().entities() if entity.kind is EntityKind.AD_GROUP]
    assert ("learning",) in tags
    assert set(tags) <= {("learning",), ("learning-limited",), ()}
    assert len(set(tags)) > 1


def test_a_budget_learns_where_its_ad_sets_do_whoever_holds_it(make):
    bench = make()
    assert not any(budget.learning for budget in bench.connector().budgets())
    seen = set()
    for index, before in enumerate(bench.account.campaigns()):
        bench.account.set_budget(index, 2 * before.budget_micros)
        learning = {budget for budget in bench.connector().budgets() if budget.learning} - seen
        assert {budget.amount.micros for budget in learning} == {2 * before.budget_micros}
        seen |= learning
    assert {budget.holder for budget in seen} == {Level.CAMPAIGN, Level.AD_GROUP}
