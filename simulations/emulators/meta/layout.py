"""How an account of the market looks at Meta: campaigns, ad sets, ads, and who holds which budget."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import floor
from typing import Any, Literal

from connectors.contract import zone
from connectors.money import MICROS
from simulations.emulators.account import Account, Ad, Campaign, Change
from simulations.emulators.meta.options import Options
from simulations.emulators.meta.units import least, units

Kind = Literal["Campaign", "AdSet", "Ad"]
Body = dict[str, Any]
"""A node; what takes long to find is a function, called where its field is asked for."""

ENOUGH = 50
"""Conversions within a week after which an ad set has learnt."""


@dataclass(frozen=True, slots=True)
class AdSet:
    """An ad set; `holds` says whether it holds its campaign's budget."""

    ad_set_id: int
    name: str
    campaign: Campaign
    audiences: tuple[tuple[int, str], ...]
    holds: bool


class Layout:
    """The account as Meta shows it, read anew for every request.

    Args:
        account: What stands behind it.
        options: What it is like at Meta.

    Attributes:
        gone: Ads that were archived or deleted, with which of the two; the market only knows them as paused.
    """

    def __init__(self, account: Account, options: Options) -> None:
        self.account = account
        self.options = options
        self.gone: dict[int, str] = {}
        self._first_ad_set: dict[int, int] = {}
        self._changes: tuple[Change, ...] = ()
        self._week: tuple[date, Counter[int]] | None = None
        for ad in account.ads():
            self._first_ad_set.setdefault(ad.campaign, ad.ad_group_id)

    def holds(self, campaign: int) -> bool:
        """Whether a campaign holds its budget itself; spread evenly over the campaigns."""
        share = self.options.campaign_budgets
        return floor((campaign + 1) * share) > floor(campaign * share)

    def shares(self, campaign: int) -> bool:
        """Whether the ad sets of a campaign share budgets, spread evenly over those that do not hold it."""
        share = self.options.sharing
        return not self.holds(campaign) and floor((campaign + 1) * share) > floor(campaign * share)

    def ad_set_of(self, ad: Ad) -> int:
        """Return the id of the ad set in which an ad stands."""
        if self.holds(ad.campaign):
            return ad.ad_group_id
        return self._first_ad_set.setdefault(ad.campaign, ad.ad_group_id)

    def ad_sets(self) -> list[AdSet]:
        """Return all ad sets, with the audiences at which they aim."""
        campaigns = {campaign.index: campaign for campaign in self.account.campaigns()}
        audiences: dict[int, dict[int, str]] = {}
        first: dict[int, Ad] = {}
        for ad in self.account.ads():
            ad_set = self.ad_set_of(ad)
            first.setdefault(ad_set, ad)
            audiences.setdefault(ad_set, {})[ad.audience_id] = ad.audience_name
        return [
            AdSet(
                ad_set_id=ad_set,
                name=ad.ad_group_name if self.holds(ad.campaign) else f"{campaigns[ad.campaign].name} | all",
                campaign=campaigns[ad.campaign],
                audiences=tuple(audiences[ad_set].items()),
                holds=not self.holds(ad.campaign),
            )
            for ad_set, ad in first.items()
        ]

    def least_units(self, kind: Kind, campaign: int) -> int:
        """Return the least daily budget of a campaign or ad set: a campaign's is that of all its ad sets together."""
        each = int(str(least(self.account.currency)["min_daily_budget_imp"]))
        if kind == "AdSet":
            return each
        return each * sum(1 for ad_set in self.ad_sets() if ad_set.campaign.index == campaign)

    def budget_changes(self) -> tuple[Change, ...]:
        """Return every change of a budget, oldest first; told anew only when there is another one."""
        self.account.world.refresh()
        made = len(self.account.world.state.edits)
        if len(self._changes) != made:
            self._changes = self.account.budget_changes()
        return self._changes

    # Bodies

    def account_body(self) -> Body:
        """Return the node of the ad account."""
        account = self.account
        return {
            "id": f"act_{account.account_id}",
            "account_id": str(account.account_id),
            "name": account.name,
            "currency": account.currency,
            "timezone_name": account.time_zone,
            "timezone_offset_hours_utc": _offset_hours(account.now, account.time_zone),
            "account_status": 1,
            "user_tasks": ["DRAFT", "ANALYZE", "ADVERTISE", "MANAGE"],
            "min_daily_budget": least(account.currency)["min_daily_budget_imp"],
        }

    def campaigns(self) -> list[Body]:
        """Return the nodes of the campaigns."""
        changed = _latest(self.budget_changes())
        return [self._campaign(campaign, changed) for campaign in self.account.campaigns()]

    def ad_set_bodies(self) -> list[Body]:
        """Return the nodes of the ad sets."""
        changed = _latest(self.budget_changes())
        return [self._ad_set(ad_set, changed) for ad_set in self.ad_sets()]

    def ads(self) -> list[Body]:
        """Return the nodes of the ads."""
        changed = _latest(self.account.status_changes())
        launched = {campaign.index: campaign for campaign in self.account.campaigns()}
        return [self._ad(ad, launched[ad.campaign], changed) for ad in self.account.ads()]

    def _campaign(self, campaign: Campaign, changed: dict[int, Change]) -> Body:
        status = "ACTIVE" if campaign.active else "PAUSED"
        holds = self.holds(campaign.index)
        return {
            "id": str(campaign.campaign_id),
            "account_id": str(self.account.account_id),
            "name": campaign.name,
            "objective": "OUTCOME_SALES",
            "status": status,
            "configured_status": status,
            "effective_status": status,
            "buying_type": "AUCTION",
            "is_adset_budget_sharing_enabled": self.shares(campaign.index),
            **self._times(campaign, changed),
            **(self._budget(campaign) if holds else {}),
        }

    def _ad_set(self, ad_set: AdSet, changed: dict[int, Change]) -> Body:
        campaign = ad_set.campaign
        return {
            "id": str(ad_set.ad_set_id),
            "account_id": str(self.account.account_id),
            "campaign_id": str(campaign.campaign_id),
            "campaign": self._campaign(campaign, changed),
            "name": ad_set.name,
            "status": "ACTIVE",
            "configured_status": "ACTIVE",
            "effective_status": "ACTIVE" if campaign.active else "CAMPAIGN_PAUSED",
            "billing_event": "IMPRESSIONS",
            "optimization_goal": "OFFSITE_CONVERSIONS",
            "attribution_spec": [
                {"event_type": "CLICK_THROUGH", "window_days": 7},
                {"event_type": "VIEW_THROUGH", "window_days": 1},
            ],
            "targeting": {"custom_audiences": [{"id": str(id_), "name": name} for id_, name in ad_set.audiences]},
            "learning_stage_info": lambda: self._learning(campaign, changed.get(campaign.index)),
            **self._times(campaign, changed),
            **(self._budget(campaign) if ad_set.holds else {}),
        }

    def _ad(self, ad: Ad, campaign: Campaign, changed: dict[int, Change]) -> Body:
        status = self.gone.get(ad.ad_id, "ACTIVE" if ad.active else "PAUSED")
        effective = "CAMPAIGN_PAUSED" if status == "ACTIVE" and not ad.active_campaign else status
        created = self._born(campaign)
        return {
            "id": str(ad.ad_id),
            "account_id": str(self.account.account_id),
            "campaign_id": str(ad.campaign_id),
            "adset_id": str(self.ad_set_of(ad)),
            "name": ad.name,
            "status": status,
            "configured_status": status,
            "effective_status": effective,
            "creative": {"id": str(ad.creative_id), "name": ad.creative_name},
            "created_time": instant(created),
            "updated_time": instant(changed[ad.index].at if ad.index in changed else created),
        }

    def _budget(self, campaign: Campaign) -> Body:
        held = str(units(campaign.budget_micros, self.account.currency))
        return {"daily_budget": held, "lifetime_budget": "0", "budget_remaining": held}

    def _times(self, campaign: Campaign, changed: dict[int, Change]) -> Body:
        created, last = self._born(campaign), changed.get(campaign.index)
        return {"created_time": instant(created), "updated_time": instant(last.at if last else created)}

    def _born(self, campaign: Campaign) -> datetime:
        return datetime.combine(campaign.launched, time(), zone(self.account.time_zone))

    def _brought(self) -> Counter[int]:
        """Purchases of the last seven days by campaign, counted once a day."""
        today = self.account.today
        if self._week is None or self._week[0] != today:
            brought = Counter[int]()
            for line in self.account.lines(today - timedelta(days=7), today):
                if line.kind == 0:
                    brought[line.ad.campaign] += line.conversions // MICROS
            self._week = today, brought
        return self._week[1]

    def _learning(self, campaign: Campaign, last: Change | None) -> Body:
        learns, brought = self.account.learning(campaign.index), self._brought()[campaign.index]
        status = "LEARNING" if learns else "SUCCESS" if brought >= ENOUGH else "FAIL"
        edited = last.at if last else self._born(campaign)
        return {
            "status": status,
            "conversions": min(brought, ENOUGH),
            "last_sig_edit_ts": int(edited.timestamp()),
            "attribution_windows": ["7d_click", "1d_view"],
        }


def instant(at: datetime) -> str:
    """Return an instant as the Graph API writes it: `2025-03-03T05:00:00+0000`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def _latest(changes: tuple[Change, ...]) -> dict[int, Change]:
    return {change.index: change for change in changes}


def _offset_hours(at: datetime, name: str) -> float:
    offset = at.astimezone(zone(name)).utcoffset() or timedelta()
    return offset / timedelta(hours=1)
