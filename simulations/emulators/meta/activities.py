"""The history of an account, as the edge `activities` tells it: newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.contract import zone
from simulations.emulators.account import Change
from simulations.emulators.meta.errors import invalid
from simulations.emulators.meta.layout import Layout, instant
from simulations.emulators.meta.units import units

Body = dict[str, Any]

WEEK = timedelta(days=7)
"""What is told where nobody says since when."""

_DAILY = "Per day"


def activities(layout: Layout, params: Mapping[str, Any]) -> list[Body]:
    """Return the changes between `since` and `until`, of one category if one is named; of a week without `since`.

    Raises:
        GraphError: A time is none.
    """
    since, until = _instant(params, "since"), _instant(params, "until")
    category = params.get("category")
    account = layout.account
    since = account.now - WEEK if since is None else since
    found = [
        *(change for change in layout.budget_changes() if category in (None, "BUDGET")),
        *(change for change in account.status_changes() if category in (None, "STATUS", "AD")),
    ]
    kept = [change for change in found if change.at >= since and (until is None or change.at < until)]
    return [_told(layout, change) for change in sorted(kept, key=lambda change: change.at, reverse=True)]


def _told(layout: Layout, change: Change) -> Body:
    by_api = change.by == "api"
    return {
        "actor_id": "100001",
        "actor_name": "The owner",  # the app acts for whoever gave it the token
        "application_id": "200001" if by_api else "200002",
        "application_name": "The app" if by_api else "Ads Manager",
        "date_time_in_timezone": change.at.astimezone(zone(layout.account.time_zone)).strftime("%m/%d/%Y at %I:%M %p"),
        "event_time": instant(change.at),
        **(_budget(layout, change) if change.what == "budget" else _status(layout, change)),
    }


def _budget(layout: Layout, change: Change) -> Body:
    currency = layout.account.currency
    values = {
        name: {
            "type": "payment_amount",
            "currency": currency,
            name: units(micros, currency),
            "additional_value": _DAILY,
        }
        for name, micros in (("old_value", change.old), ("new_value", change.new))
    }
    told = {
        "event_type": "update_campaign_budget",
        "translated_event_type": "Campaign budget updated",
        "object_type": "CAMPAIGN",
        "object_id": str(layout.account.campaign_id(change.index)),
        "object_name": layout.account.truth.names[change.index],
        "extra_data": json.dumps(values),
    }
    if not layout.holds(change.index):
        (holder,) = [ad_set for ad_set in layout.ad_sets() if ad_set.campaign.index == change.index]
        told |= {
            "event_type": "update_ad_set_budget",
            "translated_event_type": "Ad set budget updated",
            "object_type": "CAMPAIGN_ADSET",
            "object_id": str(holder.ad_set_id),
            "object_name": holder.name,
        }
    return told


def _status(layout: Layout, change: Change) -> Body:
    (ad,) = [ad for ad in layout.account.ads() if ad.index == change.index]
    words = ("Inactive", "Active")
    values = {"old_value": words[change.old], "new_value": words[change.new], "type": "run_status"}
    return {
        "event_type": "update_ad_run_status",
        "translated_event_type": "Ad status updated",
        "object_type": "ADGROUP",
        "object_id": str(ad.ad_id),
        "object_name": ad.name,
        "extra_data": json.dumps(values),
    }


def _instant(params: Mapping[str, Any], name: str) -> datetime | None:
    text = str(params.get(name, ""))
    if not text:
        return None
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"Param {name} must be a UNIX timestamp or a date") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
