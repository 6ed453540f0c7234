"""The emulator of Google Ads as any client meets it: gRPC over TLS, without our connector or the official client."""

from __future__ import annotations

import json
from datetime import date, timedelta
from urllib.parse import urlencode
from urllib.request import urlopen

import grpc
import pytest

from simulations.emulators.account import Account
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.google import GoogleEmulator, Traits, messages
from simulations.emulators.google.gaql import Condition, QueryProblem, parse
from simulations.emulators.google.refusals import FAILURE_KEY
from simulations.emulators.google.tls import certificate
from simulations.emulators.registry import Setup, find
from simulations.scenarios import named

START = date(2025, 3, 3)
SERVICES = f"/google.ads.googleads.{messages.VERSION}.services."
METADATA = (("authorization", "Bearer any"), ("developer-token", "D"))
DAYS = "WHERE segments.date BETWEEN '2025-03-03' AND '2025-03-22'"


class Client:
    """A channel to an emulator, with nothing but grpc and the messages."""

    def __init__(self, emulator, account):
        self.customer = str(account.account_id)
        self.channel = grpc.secure_channel(emulator.address, grpc.ssl_channel_credentials(certificate().chain))

    def call(self, method, request, response, metadata=METADATA):
        call = self.channel.unary_unary(
            SERVICES + method,
            request_serializer=lambda one: one.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return call(request, metadata=metadata, timeout=20)

    def batches(self, query, metadata=METADATA):
        call = self.channel.unary_stream(
            SERVICES + "GoogleAdsService/SearchStream",
            request_serializer=lambda one: one.SerializeToString(),
            response_deserializer=messages.StreamResponse.FromString,
        )
        return list(call(messages.StreamRequest(customer_id=self.customer, query=query), metadata=metadata, timeout=20))

    def rows(self, query):
        return [row for batch in self.batches(query) for row in batch.results]

    def page(self, query, token=""):
        request = messages.SearchRequest(customer_id=self.customer, query=query, page_token=token)
        return self.call("GoogleAdsService/Search", request, messages.SearchResponse)

    def budget(self, budget, micros, paths=("amount_micros",), **options):
        request = messages.BudgetsRequest(customer_id=self.customer, **options)
        operation = request.operations.add()
        operation.update.resource_name = f"customers/{self.customer}/campaignBudgets/{budget}"
        operation.update.amount_micros = micros
        operation.update_mask.paths.extend(paths)
        return request

    def set(self, request):
        return self.call("CampaignBudgetService/MutateCampaignBudgets", request, messages.BudgetsResponse)


@pytest.fixture
def world():
    made = []

    def make(traits=None, faults=None, **knobs):
        account = Account(named("tiny-yen", history_days=20, **knobs), seed=11, start=START)
        emulator = GoogleEmulator(Setup(account, faults or Faults()), traits or Traits())
        client = Client(emulator, account)
        made.append((client, emulator))
        return account, client, emulator

    yield make
    for client, emulator in made:
        client.channel.close()
        emulator.close()
        emulator.close()


def _refused(call, status=grpc.StatusCode.INVALID_ARGUMENT):
    """The kind and code of the first error of a call that is refused with this status."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is status
    trailing = dict(caught.value.trailing_metadata())
    assert trailing["request-id"].startswith("emulated-")
    if FAILURE_KEY not in trailing:
        return caught.value.details()
    error = messages.Failure.FromString(trailing[FAILURE_KEY]).errors[0]
    kind = error.error_code.WhichOneof("error_code")
    constants = error.error_code.DESCRIPTOR.fields_by_name[kind].enum_type.values_by_number
    return kind, constants[getattr(error.error_code, kind)].name


def test_it_is_found_by_its_name(world):
    account, _, _ = world()
    emulator = find("google")(Setup(account))
    assert emulator.address.startswith("localhost:")
    emulator.close()


def test_a_query_is_read():
    query = parse(
        "select campaign.id, metrics.clicks FROM campaign WHERE campaign.status IN ('ENABLED', PAUSED) AND "
        "campaign.name != \"a, 'b' AND c\" and segments.date BETWEEN \"2025-01-01\" AND '2025-01-02' "
        "ORDER BY campaign.id DESC, metrics.clicks LIMIT 7 PARAMETERS include_drafts=true"
    )
    assert query.where == (
        Condition("campaign.status", "in", ("ENABLED", "PAUSED")),
        Condition("campaign.name", "!=", ("a, 'b' AND c",)),
        Condition("segments.date", "between", ("2025-01-01", "2025-01-02")),
    )
    assert query.order == (("campaign.id", True), ("metrics.clicks", False))
    assert (query.limit, query.parameters) == (7, {"include_drafts": "true"})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("campaign.id FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id campaign", "EXPECTED_FROM"),
        ("SELECT FROM campaign", "BAD_FIELD_NAME"),
        ("SELECT campaign.id FROM campaign WHERE", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id LIKE 'a'", "BAD_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN 1", "EXPECTED_LIST"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 1 OR 2", "EXPECTED_AND"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'a", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = #", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign ORDER campaign.id", "EXPECTED_BY"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign OR 1", "UNEXPECTED_INPUT"),
    ],
)
def test_what_is_no_query_is_named_as_the_platform_names_it(text, code):
    with pytest.raises(QueryProblem) as caught:
        parse(text)
    assert caught.value.code == code


def test_queries_that_the_platform_refuses(world):
    _, client, _ = world()
    wrong = {
        "SELECT campaign.idd FROM campaign": "UNRECOGNIZED_FIELD",
        "SELECT campaign.id FROM campaigns": "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE",
        "SELECT ad_group.id FROM campaign": "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE",
        f"SELECT metrics.search_impression_share FROM ad_group {DAYS}": "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        "SELECT metrics.clicks FROM campaign_budget": "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        f"SELECT segments.conversion_action, metrics.clicks FROM campaign {DAYS}": (
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE"
        ),
        "SELECT segments.date, metrics.clicks FROM campaign": "EXPECTED_FILTERS_ON_DATE_RANGE",
        "SELECT campaign.id FROM campaign WHERE campaign.status = 'ON'": "BAD_ENUM_CONSTANT",
        "SELECT campaign.id FROM campaign WHERE campaign.id = 'one'": "BAD_NUMBER",
        "SELECT metrics.clicks FROM campaign WHERE segments.date = '3 March'": "INVALID_DATE_FORMAT",
        "SELECT campaign.id FROM campaign WHERE campaign.id DURING TODAY": "OPERATOR_FIELD_MISMATCH",
    }
    assert {text: _refused(lambda text=text: client.rows(text)) for text in wrong} == {
        text: ("query_error", code) for text, code in wrong.items()
    }


def test_what_the_platform_has_and_the_emulator_has_not_is_said(world):
    """An empty field would be taken for an answer."""
    _, client, _ = world()
    for text in (
        "SELECT campaign.optimization_score FROM campaign",
        "SELECT keyword_view.resource_name FROM keyword_view",
        f"SELECT metrics.average_cpc FROM campaign {DAYS}",
    ):
        words = _refused(lambda text=text: client.rows(text), grpc.StatusCode.UNIMPLEMENTED)
        assert "This is an emulator" in words


def test_conditions_orders_and_limits_hold(world):
    account, client, _ = world()
    ids = [campaign.campaign_id for campaign in account.campaigns()]
    select = "SELECT campaign.id FROM campaign"
    cases = {
        f"{select} WHERE campaign.id = {ids[1]}": ids[1:2],
        f"{select} WHERE campaign.id != {ids[1]}": [ids[0], ids[2]],
        f"{select} WHERE campaign.id IN ({ids[0]}, {ids[2]}) ORDER BY campaign.id DESC": [ids[2], ids[0]],
        f"{select} WHERE campaign.id NOT IN ({ids[0]})": ids[1:],
        f"{select} WHERE campaign.id > {ids[0]} AND campaign.id <= {ids[1]}": ids[1:2],
        f"{select} WHERE campaign.advertising_channel_type = 'SEARCH' LIMIT 1": ids[:1],
        f"{select} WHERE campaign.status = 'REMOVED'": [],
    }
    assert {text: [row.campaign.id for row in client.rows(text)] for text in cases} == cases


def test_metrics_sum_by_what_is_selected(world):
    account, client, _ = world()
    lines = list(account.lines(START, date.max))
    (whole,) = client.rows("SELECT metrics.cost_micros, metrics.impressions FROM customer")
    assert whole.metrics.cost_micros == sum(line.spend for line in lines)
    assert whole.metrics.impressions == sum(line.impressions for line in lines) // 1_000_000
    days = client.rows(f"SELECT segments.date, metrics.cost_micros FROM customer {DAYS}")
    assert len(days) == 20
    assert sum(row.metrics.cost_micros for row in days) == whole.metrics.cost_micros
    last = client.rows("SELECT segments.date, metrics.clicks FROM customer WHERE segments.date DURING LAST_7_DAYS")
    assert [row.segments.date for row in last] == [str(account.today - timedelta(n)) for n in range(7, 0, -1)]
    many = client.rows(f"SELECT segments.date, metrics.clicks FROM ad_group_ad {DAYS} AND metrics.clicks > 100000000")
    assert many == []


def test_batches_and_pages_hold_the_same_rows(world):
    _, client, emulator = world(Traits(batch_rows=7))
    query = f"SELECT ad_group_ad.ad.id, segments.date, metrics.clicks FROM ad_group_ad {DAYS}"
    batches = client.batches(query)
    assert [len(batch.results) for batch in batches[:-1]] == [7] * (len(batches) - 1)
    assert batches[0].field_mask.paths == ["ad_group_ad.ad.id", "segments.date", "metrics.clicks"]
    pages, token = [], ""
    while True:
        page = client.page(query, token)
        pages.extend(page.results)
        if not (token := page.next_page_token):
            break
    assert pages == [row for batch in batches for row in batch.results]
    assert _refused(lambda: client.page(query, "nonsense")) == ("request_error", "INVALID_PAGE_TOKEN")
    assert emulator.service.served["SearchStream"] == 1


def test_a_page_in_the_middle_may_be_empty(world):
    faults = Faults()
    _, client, _ = world(faults=faults)
    query = "SELECT campaign.id FROM campaign"
    faults.script("read", Fault.EMPTY_PAGE)
    assert [len(batch.results) for batch in client.batches(query)] == [1, 0, 2]
    faults.script("read", Fault.EMPTY_PAGE)
    page = client.page(query)
    assert (len(page.results), bool(page.next_page_token)) == (0, True)
    assert len(client.page(query, page.next_page_token).results) == 3


def test_a_stale_read_answers_what_it_answered_before(world):
    faults = Faults()
    account, client, _ = world(faults=faults)
    query = "SELECT campaign_budget.amount_micros FROM campaign_budget"
    before = client.rows(query)
    account.set_budget(0, 9_000_000_000)
    faults.script("read", Fault.STALE)
    assert client.rows(query) == before
    assert client.rows(query) != before


def test_a_budget_is_set_and_seen_in_the_history_after_its_lag(world):
    account, client, _ = world()
    campaign = account.campaigns()[0]
    target = campaign.budget_micros + 1_000_000
    answer = client.set(client.budget(campaign.budget_id, target))
    assert answer.results[0].resource_name.endswith(f"campaignBudgets/{campaign.budget_id}")
    assert account.campaigns()[0].budget_micros == target
    account.set_budget(0, target + 1_000_000, by="hand")
    account.switch(0, runs=False)
    history = (
        "SELECT change_event.change_date_time, change_event.change_resource_type, change_event.client_type, "
        "change_event.old_resource, change_event.new_resource, change_event.changed_fields FROM change_event "
        "WHERE change_event.change_date_time >= '2025-03-20' AND change_event.change_date_time <= '2025-04-30' "
        "ORDER BY change_event.change_date_time LIMIT 100"
    )
    assert client.rows(history) == []  # three minutes have not passed
    account.advance(1)
    events = [row.change_event for row in client.rows(history)]
    clients = messages.numbers("change_event.client_type")
    assert [event.client_type for event in events if event.new_resource.HasField("campaign_budget")] == [
        clients["GOOGLE_ADS_API"],
        clients["GOOGLE_ADS_WEB_CLIENT"],
    ]
    first = events[0]
    old, new = (each.campaign_budget.amount_micros for each in (first.old_resource, first.new_resource))
    assert (old, new, first.changed_fields.paths) == (campaign.budget_micros, target, ["amount_micros"])
    assert sum(event.new_resource.HasField("ad_group_ad") for event in events) == 1


def test_the_history_is_asked_for_as_the_platform_wants(world):
    _, client, _ = world()
    select = "SELECT change_event.change_date_time FROM change_event"
    since, until = "change_event.change_date_time >= '{}'", "change_event.change_date_time <= '2025-03-30'"
    wrong = {
        f"{select} WHERE {since.format('2025-03-20')} AND {until}": "LIMIT_NOT_SPECIFIED",
        f"{select} WHERE {since.format('2025-03-20')} AND {until} LIMIT 10001": "INVALID_LIMIT_CLAUSE",
        f"{select} WHERE {since.format('2025-03-20')} LIMIT 5": "CHANGE_DATE_RANGE_INFINITE",
        f"{select} WHERE {since.format('2025-04-20')} AND {until} LIMIT 5": "CHANGE_DATE_RANGE_NEGATIVE",
        f"{select} WHERE {since.format('2025-02-01')} AND {until} LIMIT 5": "START_DATE_TOO_OLD",
    }
    assert {text: _refused(lambda text=text: client.rows(text)) for text in wrong} == {
        text: ("change_event_error", code) for text, code in wrong.items()
    }


def test_amounts_that_the_platform_refuses(world):
    account, client, _ = world(currency="EUR")
    budget = account.campaigns()[0].budget_id
    wrong = {
        -10_000: ("campaign_budget_error", "NEGATIVE_MONEY_AMOUNT"),
        0: ("campaign_budget_error", "MONEY_AMOUNT_LESS_THAN_CURRENCY_MINIMUM_CPC"),
        10_000: ("campaign_budget_error", "BUDGET_BELOW_PER_DAY_MINIMUM"),
        500_000_001: ("campaign_budget_error", "NON_MULTIPLE_OF_MINIMUM_CURRENCY_UNIT"),
        10**16: ("campaign_budget_error", "MONEY_AMOUNT_TOO_LARGE"),
    }
    for micros, code in wrong.items():
        for only in (True, False):
            request = client.budget(budget, micros, validate_only=only)
            assert _refused(lambda request=request: client.set(request)) == code
    unmasked = client.budget(budget, 600_000_000, paths=())
    assert _refused(lambda: client.set(unmasked)) == ("field_mask_error", "FIELD_MASK_MISSING")
    foreign = client.budget(1, 600_000_000)
    assert _refused(lambda: client.set(foreign)) == ("mutate_error", "RESOURCE_NOT_FOUND")
    assert account.budget_changes() == ()


def test_validating_writes_nothing_and_partial_failure_writes_what_is_good(world):
    account, client, _ = world()
    first, second = account.campaigns()[:2]
    client.set(client.budget(first.budget_id, 9_000_000_000, validate_only=True))
    assert account.budget_changes() == ()
    request = client.budget(first.budget_id, 9_000_000_000, partial_failure=True)
    bad = request.operations.add()
    bad.CopyFrom(client.budget(second.budget_id, -1).operations[0])
    answer = client.set(request)
    assert [bool(result.resource_name) for result in answer.results] == [True, False]
    failure = messages.Failure()
    answer.partial_failure_error.details[0].Unpack(failure)
    assert failure.errors[0].location.field_path_elements[0].index == 1
    request.partial_failure = False
    assert _refused(lambda: client.set(request)) == ("campaign_budget_error", "NEGATIVE_MONEY_AMOUNT")
    assert [change.index for change in account.budget_changes()] == [0]


def test_who_asks_is_checked(world):
    account, client, emulator = world(Traits(read_only=True))
    query = "SELECT customer.id FROM customer"
    token, developer = METADATA
    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    nobody = _refused(lambda: client.batches(query, (developer,)), unauthenticated)
    assert nobody == ("authentication_error", "OAUTH_TOKEN_HEADER_INVALID")
    plain = _refused(lambda: client.batches(query, (token,)))
    assert plain == ("request_error", "DEVELOPER_TOKEN_PARAMETER_MISSING")
    request = client.budget(account.campaigns()[0].budget_id, 9_000_000_000)
    denied = _refused(lambda: client.set(request), grpc.StatusCode.PERMISSION_DENIED)
    assert denied == ("authorization_error", "ACTION_NOT_PERMITTED")
    client.customer = "1234567890"
    other = _refused(lambda: client.rows(query), grpc.StatusCode.PERMISSION_DENIED)
    assert other == ("authorization_error", "USER_PERMISSION_DENIED")
    emulator.authority.revoke()
    revoked = _refused(lambda: client.rows(query), unauthenticated)
    assert revoked == ("authentication_error", "OAUTH_TOKEN_REVOKED")


def test_access_tokens_are_renewed_over_http(world):
    _, _, emulator = world()
    form = urlencode({"grant_type": "refresh_token", "refresh_token": "any"}).encode()
    told = json.load(urlopen(emulator.token_uri, form))
    assert (told["token_type"], told["expires_in"], told["access_token"]) == ("Bearer", 3600, "ya29.emulated-1")


def test_the_operations_of_a_day_are_counted(world):
    account, client, _ = world(Traits(operations_per_day=2))
    query = "SELECT customer.id FROM customer"
    client.rows(query)
    client.rows(query)
    told = _refused(lambda: client.rows(query), grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert told == ("quota_error", "RESOURCE_EXHAUSTED")
    account.advance(1)
    assert len(client.rows(query)) == 1


def test_the_accounts_that_are_reached_are_listed(world):
    account, client, _ = world()
    answer = client.call(
        "CustomerService/ListAccessibleCustomers", messages.CustomersRequest(), messages.CustomersResponse
    )
    assert list(answer.resource_names) == [f"customers/{account.account_id}"]
