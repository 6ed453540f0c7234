"""What is known to go wrong with Meta's API and SDK; each test fails without its remedy."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

from connectors.conformance import change_of, latest, switch_of
from connectors.contract import EntityKind, EntityStatus, Level
from connectors.errors import AskMarketer, OutcomeUnknown, RetryLater, Stop
from connectors.meta.door import Answer
from connectors.meta.failures import Failure
from connectors.meta.usage import Allowance
from connectors.money import Money
from simulations.emulators.faults import Chances, Fault, Faults
from simulations.scenarios import Channel, FurtherConversion, named
from tests.connectors.meta_bench import HISTORY, SECRET, START, TOKEN, Bench

LAST = START + timedelta(days=HISTORY - 1)
NOWHERE = "http://127.0.0.1:9"
SHOP = named(
    "tiny-yen",
    currency="EUR",
    time_zone="Europe/Berlin",
    history_days=HISTORY,
    channels=(
        Channel(
            "social", 4, 8.0, 60.0, 0.012, 0.03, further=(FurtherConversion("signup", per_purchase=2.0, value=3.0),)
        ),
    ),
)

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def make():
    made = []

    def build(**knobs):
        made.append(Bench(**knobs))
        return made[-1]

    yield build
    for one in made:
        one.close()


def _spent(bench, since=START, until=LAST):
    return Counter({line.day: 0 for line in bench.account.lines(since, until)}) + _sum(
        bench.account.lines(since, until)
    )


def _sum(lines):
    spent = Counter()
    for line in lines:
        spent[line.day] += line.spend
    return spent


def _pulled(connector, since=START, until=LAST):
    spent, keys = Counter(), set()
    for row in connector.pull(since, until):
        assert (row.series, row.day) not in keys, f"twice: {row}"
        keys.add((row.series, row.day))
        spent[row.day] += row.spend_micros
    return spent


def _sdk(bench):
    """The SDK as it is meant to be used, but for init()."""
    session = FacebookSession(access_token=TOKEN, app_secret=SECRET)
    session.GRAPH = bench.emulator.address
    return FacebookAdsApi(session)


# Paging


def test_empty_pages_end_the_sdks_cursor_but_not_ours(bench):
    connector = bench.connector()
    connector.accounts()
    everything = len(connector.ads())
    bench.faults.script("read", Fault.EMPTY_PAGE, Fault.EMPTY_PAGE)
    theirs = list(AdAccount(f"act_{bench.account.account_id}", api=_sdk(bench)).get_ads(params={"limit": 2}))
    bench.faults.script("read", Fault.EMPTY_PAGE, Fault.EMPTY_PAGE, None, Fault.EMPTY_PAGE)
    assert len(theirs) < everything == len(connector.ads()) == len(bench.account.ads())
    bench.faults.script("read", *[Fault.EMPTY_PAGE] * 3)
    assert _pulled(connector) == _spent(bench)


def test_a_list_that_never_goes_on_is_given_up(bench):
    connector = bench.connector()
    connector.accounts()
    bench.faults.script("read", *[Fault.EMPTY_PAGE] * 110)
    with pytest.raises(RetryLater, match="more follows, but not where"):
        connector.ads()


# The SDK's habits


def test_nothing_of_the_process_is_changed(bench):
    hook = sys.excepthook
    connector = bench.connector()
    connector.set_budget(change_of(connector.budgets()[0]))
    assert sys.excepthook is hook  # FacebookAdsApi.init() would report tracebacks to the platform
    assert FacebookAdsApi.get_default_api() is None


def test_no_credential_shows_in_an_error_or_a_log(bench, caplog):
    caplog.set_level(logging.DEBUG)
    connector = bench.connector(attempts=1)
    connector.accounts()
    theirs = _sdk(bench)
    theirs.call("GET", ("me",))
    assert TOKEN in caplog.text  # every line of urllib3 shows it
    theirs._session.GRAPH = NOWHERE
    with pytest.raises(Exception, match=TOKEN):
        theirs.call("GET", ("me",))  # and so does a connection that is not made
    caplog.clear()
    bench.faults.script("read", Fault.LOST_BEFORE)
    for one in (connector, bench.connector(attempts=1, base_url=NOWHERE)):
        with pytest.raises(RetryLater) as found:
            one.budgets()
        told = [found.value, found.value.__cause__, found.value.__context__]
        assert not any(secret in f"{error!r} {error}" for secret in (TOKEN, SECRET) for error in told)
    connector.set_budget(change_of(connector.budgets()[0]))
    assert list(connector.pull(LAST, LAST))
    assert "/insights" in caplog.text
    assert not any(secret in caplog.text for secret in (TOKEN, SECRET))


def test_an_echoed_token_is_taken_out(make):
    bench = make(token="another")
    with pytest.raises(AskMarketer, match="code 190") as found:
        bench.connector().accounts()
    assert TOKEN not in str(found.value)


def test_a_page_of_a_proxy_is_no_success(bench):
    connector = bench.connector()
    target = connector.budgets()[0]
    bench.faults.script("read", Fault.BROKEN, Fault.BROKEN)
    with pytest.raises(Exception, match="unknown error"):
        _sdk(bench).call("GET", ("me",))
    assert _sdk(bench).call("GET", ("me",)).is_success()  # the page of a proxy that gave up
    bench.faults.script("write", Fault.BROKEN, Fault.BROKEN)
    for status in ("code 1", "HTTP 502"):
        with pytest.raises(OutcomeUnknown, match=status):
            connector.set_budget(change_of(target))
    assert bench.account.budget_changes() == ()


# Insights


def test_too_many_rows_are_asked_for_in_parts(make):
    bench = make(rows_at_once=30)
    assert _pulled(bench.connector(direct_days=30)) == _spent(bench)
    asked = Counter(bench.emulator.application.asked)
    assert asked[f"POST act_{bench.account.account_id}/insights"] >= 1


def test_too_many_rows_on_a_later_page_begin_again_in_parts(make, monkeypatch):
    bench = make()
    connector = bench.connector(direct_days=30, page_rows=7)
    sent, pages = connector._door._sent, []

    def too_much_once(method, path, params):
        if path[-1] == "insights" and "after" in params:
            pages.append(params["after"])
            if len(pages) == 1:
                return Failure("answered", "Please reduce the amount of data", status=500, code=1, subcode=99)
        return sent(method, path, params)

    monkeypatch.setattr(connector._door, "_sent", too_much_once)
    rows = latest(connector.pull(START, LAST))
    assert sum(row.spend_micros for row in rows.values()) == sum(
        line.spend for line in bench.account.lines(START, LAST)
    )
    assert len(pages) > 1


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": ["1"]}, {"data": [], "paging": []}])
def test_an_answer_without_its_list_is_no_end(bench, monkeypatch, body):
    connector = bench.connector()
    everything = len(connector.ads())
    sent, left = connector._door._sent, [body]

    def listless_once(method, path, params):
        return Answer(left.pop(), "", "") if left and path[-1] == "ads" else sent(method, path, params)

    monkeypatch.setattr(connector._door, "_sent", listless_once)
    assert len(connector.ads()) == everything
    assert not left
    left.extend([body] * 30)
    with pytest.raises(RetryLater, match="without the list"):
        connector.ads()


@pytest.mark.parametrize(
    ("edge", "body", "read"),
    [
        ("campaigns", {"name": "no id", "daily_budget": "100"}, lambda c: c.budgets()),
        ("campaigns", {"name": "no id"}, lambda c: list(c.entities())),
        ("adsets", {"id": "1", "targeting": ["everybody"]}, lambda c: list(c.entities())),
        ("adsets", {"id": "1", "targeting": {"custom_audiences": [{}]}}, lambda c: list(c.entities())),
        ("ads", {"id": "1", "creative": "2"}, lambda c: list(c.entities())),
        ("insights", {"ad_id": "1", "actions": "none"}, lambda c: list(c.pull(LAST, LAST))),
        ("minimum_budgets", {"currency": "EUR", "min_daily_budget_imp": -1}, lambda c: c.budgets()),
    ],
)
def test_what_nobody_can_read_stops(bench, monkeypatch, edge, body, read):
    connector = bench.connector()
    sent = connector._door._sent

    def unreadable(method, path, params):
        return Answer({"data": [body]}, "", "") if path[-1] == edge else sent(method, path, params)

    monkeypatch.setattr(connector._door, "_sent", unreadable)
    with pytest.raises(Stop):
        read(connector)


def test_a_time_of_the_history_that_nobody_can_read_stops(bench, monkeypatch):
    connector = bench.connector()
    change = change_of(connector.budgets()[0])
    event = {"event_type": "update_campaign_budget", "object_id": change.key.budget_id, "event_time": "yesterday"}
    sent = connector._door._sent

    def unreadable(method, path, params):
        return Answer({"data": [event]}, "", "") if path[-1] == "activities" else sent(method, path, params)

    monkeypatch.setattr(connector._door, "_sent", unreadable)
    with pytest.raises(Stop, match="cannot be understood"):
        connector.check_budget(change)


def test_accounts_are_asked_for_each_time(bench, monkeypatch):
    """Whoever asks is told of another currency; what is read after that is in it."""
    connector = bench.connector()
    sent, currency = connector._door._sent, ["EUR"]

    def another(method, path, params):
        answer = sent(method, path, params)
        if path == (f"act_{bench.account.account_id}",):
            return Answer({**answer.body, "currency": currency[0]}, "", "")
        return answer

    monkeypatch.setattr(connector._door, "_sent", another)
    for known in ("EUR", "USD"):
        currency[0] = known
        assert [one.currency for one in connector.accounts()] == [known]
        assert {row.series.account.currency for row in connector.pull(LAST, LAST)} == {known}


def test_reports_that_fail_are_asked_for_in_parts(make):
    bench = make(rows_a_report=30)
    assert _pulled(bench.connector(direct_days=0)) == _spent(bench)
    assert len(bench.emulator.application.graph.reports.runs) > 4


def test_a_report_that_fails_once_is_ordered_again(bench):
    bench.emulator.application.graph.reports.failing = 1
    assert _pulled(bench.connector(direct_days=0)) == _spent(bench)
    assert len(bench.emulator.application.graph.reports.runs) == 2


def test_a_day_that_cannot_be_reported_is_said(make):
    bench = make(rows_a_report=1)
    with pytest.raises(RetryLater, match=f"no report of {START}"):
        list(bench.connector(direct_days=0).pull(START, LAST))


def test_all_of_a_report_may_be_there_before_it_is_completed(make):
    bench = make(report_polls=3)
    connector = bench.connector(direct_days=0)
    assert _pulled(connector) == _spent(bench)
    (run,) = bench.emulator.application.graph.reports.runs.values()
    assert run.looks == 4  # at the third, 100% was there, and the job still running
    assert bench.slept == pytest.approx([0.2, 0.32, 0.512])  # backing off


def test_a_report_that_never_ends_is_left(make):
    bench = make(report_polls=10_000)
    with pytest.raises(RetryLater, match="is still"):
        list(bench.connector(direct_days=0, report_timeout_seconds=60.0).pull(START, LAST))
    assert sum(bench.slept) == pytest.approx(60.0)


def test_archived_ads_keep_their_spend(bench):
    connector, api = bench.connector(), _sdk(bench)
    gone = connector.ads()[0]
    api.call("POST", (gone.ad_id,), {"status": "ARCHIVED"})
    account = AdAccount(f"act_{bench.account.account_id}", api=api)
    asked = {"level": "ad", "time_range": {"since": str(START), "until": str(LAST)}, "limit": 500}
    assert gone.ad_id not in {row["ad_id"] for row in account.get_insights(["ad_id"], asked)}
    assert _pulled(connector) == _spent(bench)
    (entity,) = [entity for entity in connector.entities() if entity.entity_id == gone.ad_id]
    assert entity.status is EntityStatus.REMOVED
    assert gone.key not in {ad.key for ad in connector.ads()}
    with pytest.raises(Stop, match="could run"):
        connector.set_status(switch_of(gone))


def test_each_conversion_is_counted_once(make):
    bench = make(scenario=SHOP)
    wanted = Counter()
    for line in bench.account.lines(START, LAST):
        wanted[line.kind] += line.conversions
    connector = bench.connector(conversions=["omni_purchase", "complete_registration"])
    found, spent = Counter(), 0
    for row in connector.pull(START, LAST):
        found[row.series.conversion_definition] += row.conversions_micros
        spent += row.spend_micros
    assert found == {"omni_purchase": wanted[0], "complete_registration": wanted[1]}
    assert wanted[1] > 0
    assert spent == sum(_spent(bench).values())


def test_windows_are_summed_and_named(bench):
    whole = Counter()
    windows = ["7d_click", "1d_view"]
    for row in bench.connector(attribution_windows=windows).pull(START, LAST):
        whole[row.series.attribution_setting] += row.conversions_micros
    clicks = sum(row.conversions_micros for row in bench.connector(attribution_windows=["7d_click"]).pull(START, LAST))
    all_of_them = sum(line.conversions for line in bench.account.lines(START, LAST) if line.kind == 0)
    assert whole == {"7d_click+1d_view": all_of_them}
    assert clicks < all_of_them


def test_clicks_on_the_link_are_not_all_clicks(bench):
    link, everything = (
        sum(row.clicks_micros for row in bench.connector(clicks=clicks).pull(START, LAST))
        for clicks in ("inline_link_clicks", "clicks")
    )
    assert link == sum(line.clicks for line in bench.account.lines(START, LAST)) < everything


@pytest.mark.parametrize("breakdowns", [["age", "gender"], ["publisher_platform"]])
def test_breakdowns_are_read_instead_of_the_whole(bench, breakdowns):
    connector = bench.connector(breakdowns=breakdowns)
    assert _pulled(connector) == _spent(bench)
    rows = list(connector.pull(LAST, LAST))
    lines = list(bench.account.lines(LAST, LAST))
    assert sum(row.impressions_micros for row in rows) == sum(line.impressions for line in lines)
    assert sum(row.conversions_micros for row in rows) == sum(line.conversions for line in lines if line.kind == 0)
    assert all(row.series.audience_id.startswith(f"{breakdowns[0]}=") for row in rows)
    assert len(rows) > len({row.series.ad_id for row in rows})


def test_an_exchanged_creative_does_not_count_a_day_twice(bench):
    assert {(row.series.creative_id, row.series.audience_id) for row in bench.connector().pull(START, LAST)} == {
        (None, None)
    }


# Limits


def test_a_pull_goes_through_although_half_of_all_calls_are_turned_away(make):
    bench = make()
    bench.emulator.application._faults = Faults(Chances(throttled=0.5))
    assert _pulled(bench.connector(page_rows=10, report_days=5, attempts=60)) == _spent(bench)
    assert bench.emulator.application._faults.met[Fault.THROTTLED] > 10


def test_reads_slow_down_before_a_limit_and_stop_beyond_it(make):
    bench = make(calls_an_hour=12)
    connector = bench.connector(direct_days=30)
    target = connector.budgets()[0]
    while bench.faults.requests["read"] < 12:
        connector.ads()
    with pytest.raises(RetryLater) as found:
        connector.ads()
    assert 3000 < found.value.retry_after_seconds <= 3600
    assert bench.slept == sorted(bench.slept)
    assert len(bench.slept) >= 2
    before = bench.faults.requests["read"]
    change = change_of(target)
    for call in (connector.ads, lambda: connector.set_budget(change)):
        with pytest.raises(RetryLater, match="no more calls of ads_management"):
            call()
    assert bench.faults.requests["read"] == before  # nothing was sent, and so the wait is not prolonged
    assert list(connector.pull(LAST, LAST))  # insights have an allowance of their own


def test_a_write_is_held_back_where_a_read_waits():
    slept, now = [], [100.0]
    pace = Allowance("meta", slept.append, lambda: now[0])
    pace.note({"x-business-use-case-usage": '{"1":[{"type":"ads_management","estimated_time_to_regain_access":1}]}'})
    with pytest.raises(RetryLater, match="60 s"):
        pace.before("ads_management", writing=True)
    pace.before("ads_management", writing=False)
    pace.before("ads_insights", writing=True)
    assert slept == [60.0]
    now[0] = 161.0
    pace.before("ads_management", writing=True)
    pace.note({"x-fb-ads-insights-throttle": '{"acc_id_util_pct": 90}'})
    pace.before("ads_insights", writing=False)
    assert slept[1:] == [3.0]


@pytest.mark.parametrize(
    "headers",
    [
        {"x-business-use-case-usage": "no json"},
        {"x-business-use-case-usage": "[]"},
        {"x-business-use-case-usage": '{"1":{"call_count":100}}'},
        {"x-business-use-case-usage": '{"1":[{"type":"ads_management","call_count":"many"}]}'},
        {"x-app-usage": "null"},
    ],
)
def test_hints_that_cannot_be_read_say_nothing(headers):
    pace = Allowance("meta", lambda _: pytest.fail("waited"))
    pace.note(headers)
    pace.before("ads_management", writing=True)


def test_a_quota_of_calls_a_day_is_kept(bench):
    connector = bench.connector(calls_a_day=3)
    with pytest.raises(RetryLater, match="the 3 calls of today are spent"):
        connector.budgets()
    assert bench.faults.requests["read"] == 3


# Budgets


def test_whoever_holds_the_budget_is_the_target(make):
    bench = make(scenario=SHOP)
    budgets = {budget.budget_id: budget for budget in bench.connector().budgets()}
    held = Counter(budget.holder for budget in budgets.values())
    assert held == {Level.CAMPAIGN: 2, Level.AD_GROUP: 2}
    entities = list(bench.connector().entities())
    parent = {entity.entity_id: entity.parent_id for entity in entities if entity.kind is EntityKind.AD_GROUP}
    for budget in budgets.values():
        assert budget.covers == (budget.budget_id,)
        if budget.holder is Level.CAMPAIGN:
            ad_sets = [ad_set for ad_set, campaign in parent.items() if campaign == budget.budget_id]
            assert budget.minimum == Money(len(ad_sets) * 1_000_000, "EUR")
            assert not budgets.keys() & set(ad_sets)
        else:
            assert budget.minimum == Money(1_000_000, "EUR")
            assert parent[budget.budget_id] not in budgets


def test_a_budget_on_either_level_is_set(make):
    bench = make(scenario=SHOP)
    connector = bench.connector()
    for budget in connector.budgets():
        connector.set_budget(change_of(budget, quanta=7, key=budget.budget_id))
        assert bench.held(budget.budget_id) == change_of(budget, quanta=7).target
    asked = [one for one in bench.emulator.application.asked if one.startswith("POST")]
    assert len(asked) == 4


def test_budgets_that_ad_sets_share_are_refused(make):
    bench = make(scenario=SHOP, sharing=1.0)
    connector = bench.connector()
    shared = [budget for budget in connector.budgets() if budget.shared]
    assert [budget.holder for budget in shared] == [Level.AD_GROUP] * 2
    for call in (connector.check_budget, connector.set_budget):
        with pytest.raises(Stop, match="share budgets"):
            call(change_of(shared[0]))
    assert bench.account.budget_changes() == ()


def test_a_fifth_change_within_an_hour_waits(make):
    bench = make(budget_changes_an_hour=4)
    connector = bench.connector(clock=lambda: bench.account.now)
    for number in range(4):
        connector.set_budget(change_of(connector.budgets()[0], key=f"k{number}"))
    change = change_of(connector.budgets()[0], key="k4")
    with pytest.raises(RetryLater, match="changed 4 times within an hour") as found:
        connector.check_budget(change)
    assert 3500 < found.value.retry_after_seconds <= 3600
    assert bench.faults.requests["write"] == 4  # the check was not even sent
    with pytest.raises(RetryLater, match="613/1487632") as found:
        connector.set_budget(change)
    assert found.value.retry_after_seconds == 3600
    bench.account.advance(1)
    connector.check_budget(change)
    connector.set_budget(change)
    assert len(bench.account.budget_changes()) == 5


def test_a_check_lets_the_platform_look(bench):
    connector = bench.connector()
    budget = connector.budgets()[0]
    connector._budgets._known[budget.key] = None  # as if nothing were known of minimums
    connector.check_budget(change_of(budget))
    assert bench.faults.requests["write"] == 1
    assert bench.account.budget_changes() == ()


def test_one_intent_serves_one_change(bench):
    connector = bench.connector()
    one, two = connector.budgets()[:2]
    connector.set_budget(change_of(one, key="k"))
    with pytest.raises(Stop, match="already served another change"):
        connector.set_budget(change_of(two, key="k"))
    bench.account.set_budget(bench.campaign_of(one.budget_id), one.amount.micros, by="hand")
    with pytest.raises(Stop, match="was changed since"):
        connector.set_budget(change_of(one, key="k"))


# Credentials


def test_a_missing_or_wrong_proof_is_said(bench):
    with pytest.raises(AskMarketer, match="app_secret"):
        bench.connector(app_secret=None).accounts()


@pytest.mark.parametrize(
    ("permissions", "words"),
    [(("ads_read",), "ads_management"), (("business_management",), "ads_read")],
)
def test_under_privileged_tokens_are_asked_for_by_name(make, permissions, words):
    bench = make(permissions=permissions)
    connector = bench.connector()
    with pytest.raises(AskMarketer, match=words):
        connector.set_budget(change_of(connector.budgets()[0]))
    assert bench.account.budget_changes() == ()


def test_a_version_that_has_ended_asks_for_an_update(make):
    with pytest.raises(AskMarketer, match="update Outlay"):
        make(version=40).connector().accounts()


def test_an_expired_token_is_not_tried_again(bench):
    connector = bench.connector()
    bench.faults.script("read", Fault.EXPIRED)
    with pytest.raises(AskMarketer, match="it has expired"):
        connector.accounts()
    assert bench.faults.requests["read"] == 1


# Days, currencies


@pytest.mark.parametrize(
    ("currency", "time_zone"),
    [("JPY", "Asia/Tokyo"), ("USD", "America/New_York"), ("BHD", "Asia/Bahrain"), ("HUF", "Europe/Budapest")],
)
def test_a_year_is_pulled_to_the_cent_and_the_count(make, currency, time_zone):
    """At once; and ten days later only what may have been restated since, over what a store has kept."""
    first, knobs = date(2025, 1, 1), {"currency": currency, "time_zone": time_zone}
    world = named("tiny-yen", history_days=365, horizon_days=400, restatement_days=28, **knobs)
    bench = make(scenario=world, start=first)
    connector = bench.connector(page_rows=5000, report_days=60)
    assert connector.accounts()[0].time_zone == time_zone
    kept = {}
    for since in (first, bench.account.today - timedelta(days=28)):
        until = bench.account.today - timedelta(days=1)
        for row in connector.pull(since, until):
            kept[row.series.ad_id, row.day] = _measures_of_row(row)
        books = {(str(line.ad.ad_id), line.day): _measures_of_line(line) for line in bench.account.lines(first, until)}
        assert {key: found for key, found in kept.items() if any(found)} == {k: b for k, b in books.items() if any(b)}
        bench.account.advance(10)
    assert len({day for _, day in kept}) == 375


def _measures_of_row(row):
    return row.spend_micros, row.conversions_micros, row.value_micros, row.impressions_micros, row.clicks_micros


def _measures_of_line(line):
    return line.spend, line.conversions, line.value, line.impressions, line.clicks


def test_the_sdk_is_an_extra():
    program = """
import sys
sys.modules["facebook_business"] = None
from pathlib import Path
from connectors.contract import BuildContext
from connectors.errors import BadInput
import connectors.meta
try:
    connectors.meta.build(BuildContext("m", {"accounts": ["1"]}, Path()))
except BadInput as error:
    assert "outlay[meta]" in str(error), error
else:
    raise SystemExit("it was built")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def _told(connector, monkeypatch, *events):
    """What a connector makes of a history of these events."""
    sent = connector._door._sent

    def another(method, path, params):
        if path[-1] != "activities":
            return sent(method, path, params)
        return Answer({"data": list(events) if params["category"] == "BUDGET" else []}, "", "")

    monkeypatch.setattr(connector._door, "_sent", another)
    return list(connector.changes(datetime(2025, 1, 1, tzinfo=UTC)))


def _event(kind, old, new, **more):
    time = {"event_time": "2025-03-20T06:00:00+0000", "object_id": "7", "actor_name": "Mia"}
    return {**time, "event_type": kind, "extra_data": json.dumps({"old_value": old, "new_value": new}), **more}


def test_more_than_a_week_of_changes_is_told(bench):
    """Without `since` the platform tells a week."""
    connector = bench.connector(page_rows=2)
    for number in range(5):
        bench.account.set_budget(0, 9_000_000_000 + number * 1_000_000, by="hand")
    bench.account.advance(20)
    told = list(connector.changes(bench.account.now - timedelta(days=30)))
    assert [change.after.micros for change in told] == [9_000_000_000 + number * 1_000_000 for number in range(5)]
    assert {change.who for change in told} == {"The owner by Ads Manager"}


def test_amounts_of_the_history_stand_plain_or_in_an_object(bench, monkeypatch):
    daily = _event(
        "update_campaign_budget",
        {"old_value": 5000, "additional_value": "Per day"},
        {"new_value": 7500, "additional_value": "Per day"},
    )
    plain = _event("update_ad_set_budget", "5000", "7500")
    life = _event("update_ad_set_budget", {}, {"new_value": 7500, "additional_value": "Lifetime budget"})
    other = _event("update_campaign_name", "spring", "summer")
    told = _told(bench.connector(), monkeypatch, daily, plain, life, other)
    assert [(change.before, change.after) for change in told] == [(Money.of(50, "EUR"), Money.of(75, "EUR"))] * 2
    assert {change.who for change in told} == {"Mia"}


@pytest.mark.parametrize("extra", ["[]", "nothing", None, '{"new_value": {"new_value": "much"}}'])
def test_a_change_that_nobody_can_read_stops(bench, monkeypatch, extra):
    """To leave it out would be to say that nobody changed the budget."""
    with pytest.raises(Stop, match="history of changes cannot be understood"):
        _told(bench.connector(), monkeypatch, _event("update_ad_set_budget", 1, 2, extra_data=extra))
