"""What may be asked of which resource; what the platform has and the emulator has not is refused as such."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from simulations.emulators.google import messages
from simulations.emulators.google.gaql import Condition, Query, QueryProblem

DELIVERY: Final = ("metrics.cost_micros", "metrics.impressions", "metrics.clicks")
CONVERSIONS: Final = (
    "metrics.conversions",
    "metrics.conversions_value",
    "metrics.all_conversions",
    "metrics.all_conversions_value",
)
SHARES: Final = ("metrics.search_impression_share", "metrics.search_budget_lost_impression_share")
DATE: Final = "segments.date"
ACTIONS: Final = ("segments.conversion_action", "segments.conversion_action_name")

_CUSTOMER: Final = (
    "customer.resource_name",
    "customer.id",
    "customer.descriptive_name",
    "customer.currency_code",
    "customer.time_zone",
    "customer.manager",
    "customer.test_account",
    "customer.status",
)
_BUDGET: Final = (
    "campaign_budget.resource_name",
    "campaign_budget.id",
    "campaign_budget.name",
    "campaign_budget.amount_micros",
    "campaign_budget.total_amount_micros",
    "campaign_budget.status",
    "campaign_budget.period",
    "campaign_budget.explicitly_shared",
    "campaign_budget.reference_count",
)
_CAMPAIGN: Final = (
    "campaign.resource_name",
    "campaign.id",
    "campaign.name",
    "campaign.status",
    "campaign.advertising_channel_type",
    "campaign.bidding_strategy_system_status",
    "campaign.campaign_budget",
)
_GROUP: Final = ("ad_group.resource_name", "ad_group.id", "ad_group.name", "ad_group.status", "ad_group.campaign")
_AD: Final = (
    "ad_group_ad.resource_name",
    "ad_group_ad.ad.id",
    "ad_group_ad.ad.name",
    "ad_group_ad.ad.type",
    "ad_group_ad.status",
    "ad_group_ad.ad_group",
)
_CRITERION: Final = (
    "ad_group_criterion.resource_name",
    "ad_group_criterion.criterion_id",
    "ad_group_criterion.display_name",
    "ad_group_criterion.type",
    "ad_group_criterion.status",
    "ad_group_criterion.negative",
)
_ACTION: Final = (
    "conversion_action.resource_name",
    "conversion_action.id",
    "conversion_action.name",
    "conversion_action.status",
    "conversion_action.category",
    "conversion_action.primary_for_goal",
)
_CHANGE: Final = (
    "change_event.resource_name",
    "change_event.change_date_time",
    "change_event.change_resource_type",
    "change_event.change_resource_name",
    "change_event.client_type",
    "change_event.user_email",
    "change_event.old_resource",
    "change_event.new_resource",
    "change_event.resource_change_operation",
    "change_event.changed_fields",
    "change_event.campaign",
    "change_event.ad_group",
)

FILLED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "customer": frozenset(_CUSTOMER),
        "campaign": frozenset((*_CAMPAIGN, *_BUDGET, *_CUSTOMER)),
        "campaign_budget": frozenset((*_BUDGET, *_CUSTOMER)),
        "ad_group": frozenset((*_GROUP, *_CAMPAIGN, *_CUSTOMER)),
        "ad_group_ad": frozenset((*_AD, *_GROUP, *_CAMPAIGN, *_CUSTOMER)),
        "ad_group_audience_view": frozenset(
            ("ad_group_audience_view.resource_name", *_CRITERION, *_GROUP, *_CAMPAIGN, *_CUSTOMER)
        ),
        "campaign_audience_view": frozenset(
            (
                "campaign_audience_view.resource_name",
                "campaign_criterion.criterion_id",
                "campaign_criterion.display_name",
                "campaign_criterion.type",
                *_CAMPAIGN,
                *_CUSTOMER,
            )
        ),
        "conversion_action": frozenset((*_ACTION, *_CUSTOMER)),
        "change_event": frozenset(_CHANGE),
        "currency_constant": frozenset(
            (
                "currency_constant.resource_name",
                "currency_constant.code",
                "currency_constant.billable_unit_micros",
            )
        ),
    }
)
"""The attributes of each resource that a query may name."""

WITH_METRICS: Final = frozenset(
    {"customer", "campaign", "ad_group", "ad_group_ad", "ad_group_audience_view", "campaign_audience_view"}
)


class NotEmulated(Exception):  # noqa: N818 - it is answered as UNIMPLEMENTED
    """The platform has it, and the emulator has not."""


def check(query: Query) -> None:
    """Judge a query as a whole.

    Raises:
        QueryProblem: The platform would refuse it.
        NotEmulated: The platform would answer it, and the emulator cannot.
    """
    if query.resource not in FILLED:
        if query.resource in messages.Row.DESCRIPTOR.fields_by_name:
            raise NotEmulated(f"the resource {query.resource} is not emulated")
        raise QueryProblem("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"Invalid resource type: {query.resource}")
    named = (*query.select, *(c.field for c in query.where), *(name for name, _ in query.order))
    for name in named:
        _check_field(name, query.resource)
    _check_segments(query, frozenset(named))
    for condition in query.where:
        if condition.operator == "during" and condition.field != DATE:
            raise QueryProblem("OPERATOR_FIELD_MISMATCH", f"DURING does not go with {condition.field}.")


def _check_field(name: str, resource: str) -> None:
    try:
        messages.numbers(name)
    except KeyError:
        raise QueryProblem("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.") from None
    head = name.partition(".")[0]
    if head == "metrics":
        if resource not in WITH_METRICS or (name in SHARES and resource != "campaign"):
            raise QueryProblem(
                "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE", f"Cannot select or filter '{name}' with {resource}."
            )
        if name not in (*DELIVERY, *CONVERSIONS, *SHARES):
            raise NotEmulated(f"the metric {name} is not emulated")
    elif head == "segments":
        if resource not in WITH_METRICS:
            raise QueryProblem(
                "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE", f"Cannot select or filter '{name}' with {resource}."
            )
        if name not in (DATE, *ACTIONS):
            raise NotEmulated(f"the segment {name} is not emulated")
    elif name not in FILLED[resource]:
        if any(name in filled for filled in FILLED.values()):
            raise QueryProblem("PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE", f"'{name}' does not go with {resource}.")
        raise NotEmulated(f"the field {name} is not emulated with {resource}")


def _check_segments(query: Query, named: frozenset[str]) -> None:
    if DATE in query.select:
        low, high = span(query)
        if low is None or high is None:
            raise QueryProblem("EXPECTED_FILTERS_ON_DATE_RANGE", "segments.date needs a finite range of dates.")
    for action in ACTIONS:
        if action in named and (bad := named & {*DELIVERY, *SHARES}):
            raise QueryProblem(
                "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
                f"Cannot select or filter on {', '.join(sorted(bad))} with {action}.",
            )
        if action in named and action not in query.select:
            raise QueryProblem(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", f"'{action}' must be in the SELECT clause."
            )


def span(query: Query, today: date = date.max) -> tuple[date | None, date | None]:
    """Return the first and the last day that the conditions on segments.date leave; None where they leave it open.

    Raises:
        QueryProblem: A date or a range is not one.
    """
    low: date | None = None
    high: date | None = None
    for condition in query.where:
        if condition.field == DATE:
            first, last = _days(condition, today)
            low = first if low is None else max(low, first or low)
            high = last if high is None else min(high, last or high)
    return low, high


def _days(condition: Condition, today: date) -> tuple[date | None, date | None]:
    if condition.operator == "during":
        return _during(condition.values[0], today)
    values = [_date(value) for value in condition.values]
    first, one = values[0], timedelta(days=1)
    if values[-1] < first:
        raise QueryProblem("INVALID_VALUE_WITH_BETWEEN_OPERATOR", "The range of dates ends before it begins.")
    spans: dict[str, tuple[date | None, date | None]] = {
        "between": (first, values[-1]),
        "=": (first, first),
        ">=": (first, None),
        ">": (first + one, None),
        "<=": (None, first),
        "<": (None, first - one),
    }
    if condition.operator not in spans:
        raise QueryProblem("OPERATOR_FIELD_MISMATCH", f"{condition.operator} does not go with segments.date.")
    return spans[condition.operator]


def _during(name: str, today: date) -> tuple[date, date]:
    back = {
        "TODAY": (0, 0),
        "YESTERDAY": (1, 1),
        "LAST_7_DAYS": (7, 1),
        "LAST_14_DAYS": (14, 1),
        "LAST_30_DAYS": (30, 1),
    }
    if name not in back:
        raise QueryProblem("INVALID_VALUE_WITH_DURING_OPERATOR", f"Invalid range of dates: {name}")
    first, last = back[name]
    return (today - timedelta(days=first), today - timedelta(days=last)) if today != date.max else (today, today)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QueryProblem("INVALID_DATE_FORMAT", f"Invalid date: {text}") from None
