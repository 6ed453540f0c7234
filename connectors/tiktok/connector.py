"""TikTok behind the contract of every connector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from connectors.comparing import Comparison, account_of
from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    EntityKind,
    EntityStatus,
    PerformanceRow,
    Receipt,
    Series,
    StatusChange,
    StatusReceipt,
)
from connectors.credentials import Redactor
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import ConnectorError, Stop
from connectors.listing import elements
from connectors.manners import Quota
from connectors.payload import understood
from connectors.tiktok import entities
from connectors.tiktok.client import Client, Json
from connectors.tiktok.entities import Held
from connectors.tiktok.options import API, Options
from connectors.tiktok.reports import Line, report

CHANNEL: Final = "tiktok"


class TikTokConnector:
    """Advertiser accounts on TikTok.

    A budget and a status are read right before they are written, and compared with what was approved
    (`connectors.comparing`): the platform itself compares nothing.

    Args:
        context: Its name, and the clock by which rows are fetched.
        options: The settings.

    Raises:
        AskMarketer: The token cannot be read.
    """

    def __init__(self, context: BuildContext, options: Options) -> None:
        self.name = context.name
        self.capabilities = Capabilities(
            writes_budgets=True,
            compares_and_sets=True,
            restatement_days=options.restatement_days,
            writes_status=True,
        )
        self._options = options
        self._clock = context.clock
        token = options.token.read(context, "token")
        self._quota = Quota(options.calls_a_day, context.clock, self.name)
        self._client = Client(options.address, token, options.timeout_seconds, self._quota, Redactor([token]))
        self._known: tuple[Account, ...] | None = None
        self._comparison = Comparison()

    @understood("TikTok's advertisers")
    def accounts(self) -> Sequence[Account]:
        """Return the advertisers that the settings name, each with its currency and the zone of its days."""
        told = self._client.get(
            "/advertiser/info/",
            {
                "advertiser_ids": list(self._options.advertisers),
                "fields": ["advertiser_id", "currency", "display_timezone", "status"],
            },
        )
        by_id = {str(one["advertiser_id"]): one for one in elements(told, "list", "TikTok's advertisers")}
        self._known = tuple(self._account_of(number, by_id) for number in self._options.advertisers)
        return self._known

    def entities(self) -> Iterator[Entity]:
        """Yield campaigns, ad groups and ads."""
        with understood("TikTok's campaigns, ad groups and ads"):
            for account in self._accounts():
                for one in entities.campaigns(self._client, account):
                    name, status = str(one["campaign_name"]), entities.status_of(one)
                    yield Entity(account, EntityKind.CAMPAIGN, str(one["campaign_id"]), name, status=status)
                for one in entities.ad_groups(self._client, account):
                    name, status, parent = str(one["adgroup_name"]), entities.status_of(one), str(one["campaign_id"])
                    yield Entity(account, EntityKind.AD_GROUP, str(one["adgroup_id"]), name, parent, status)
                for one in entities.ads(self._client, account):
                    name, status, parent = str(one["ad_name"]), entities.status_of(one), str(one["adgroup_id"])
                    yield Entity(account, EntityKind.AD, str(one["ad_id"]), name, parent, status)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of the days, both included, in the zone that the settings say."""
        with understood("TikTok's figures"):
            options = self._options
            for account in self._accounts():
                met: dict[tuple[str, str], Series] = {}
                for line in report(self._client, account.account_id, since, until, options.conversions, options.value):
                    yield from self._rows(account, line, met)

    @understood("TikTok's budgets")
    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the budgets of campaigns and of ad groups, whichever holds them."""
        return tuple(held.target for account in self._accounts() for held in entities.budgets(self._client, account))

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise, as far as that is known here: TikTok cannot validate only."""
        self._judge(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one daily budget, once; a call names one object, since of several the failed ones are not told.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`.
            Stop: The budget is unknown, not daily, or the amount is not one that the platform takes.
            OutcomeUnknown: The call may have taken effect.
        """
        held = self._judge(change)
        request = held.target.etag
        if held.target.amount != change.target:
            amount = float(change.target.amount)
            advertiser, holder = change.key.account_id, change.key.budget_id
            if held.holder == "campaign":
                body = {"advertiser_id": advertiser, "campaign_id": holder, "budget": amount}
                request = self._client.post("/campaign/update/", body)
            else:
                body = {"advertiser_id": advertiser, "budget": [{"adgroup_id": holder, "budget": amount}]}
                request = self._client.post("/adgroup/budget/update/", body)
        self._comparison.note(change)
        return Receipt(change.key, change.target, request, self._clock())

    @understood("TikTok's ads")
    def ads(self) -> Sequence[AdState]:
        """Return the ads with their own switches."""
        return tuple(
            AdState(
                account=account,
                ad_id=str(one["ad_id"]),
                name=str(one["ad_name"]),
                campaign_id=str(one["campaign_id"]),
                ad_group_id=str(one["adgroup_id"]),
                status=entities.status_of(one),
                etag=str(one.get("modify_time", "")),
            )
            for account in self._accounts()
            for one in entities.ads(self._client, account)
        )

    def check_status(self, change: StatusChange) -> None:
        """Raise what `set_status` would raise, as far as that is known here."""
        self._judge_status(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Pause or resume one ad, once.

        Raises:
            StatusDrifted: Its status is neither `expected` nor `target`.
            Stop: The ad is unknown.
            OutcomeUnknown: The call may have taken effect.
        """
        request = ""
        if self._judge_status(change) is not change.target:
            wanted = "ENABLE" if change.target is EntityStatus.ACTIVE else "DISABLE"
            body = {
                "advertiser_id": change.key.account_id,
                "ad_ids": [change.key.ad_id],
                "operation_status": wanted,
            }
            request = self._client.post("/ad/status/update/", body)
        self._comparison.note(change)
        return StatusReceipt(change.key, change.target, request, self._clock())

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say how the token, the advertisers, the version and the day's requests stand."""
        told = []
        try:
            for account in self.accounts():
                words = f"advertiser {account.account_id} in {account.currency}, {account.time_zone} can be read"
                told.append(Diagnosis("account", Verdict.WELL, words))
            unknown = "TikTok tells at the first change only whether the app may make one: it needs Ads Management"
            told.append(Diagnosis("permissions", Verdict.WELL, unknown))
        except ConnectorError as error:
            told.append(Diagnosis("account", Verdict.WRONG, str(error), getattr(error, "mend", "")))
        spent = f"{self._quota.spent} of {self._options.calls_a_day} requests of today are spent"
        return [
            *told,
            Diagnosis("version", Verdict.WELL, f"version {API.name} of the interface"),
            Diagnosis("quota", Verdict.WELL, spent),
        ]

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()

    def _accounts(self) -> Sequence[Account]:
        return self.accounts() if self._known is None else self._known

    def _account_of(self, number: str, told: dict[str, Json]) -> Account:
        if number not in told:
            raise Stop(f"{self.name}: TikTok shows no advertiser {number} to this token")
        one = told[number]
        zone = "UTC" if self._options.days == "utc" else str(one["display_timezone"])
        return Account(self.name, number, str(one["currency"]), zone)

    def _rows(self, account: Account, line: Line, met: dict[tuple[str, str], Series]) -> Iterator[PerformanceRow]:
        """The rows of a line, one for each definition; one object for each series, kept in `met`."""
        fetched = self._clock()
        for number, (definition, converted) in enumerate(zip(self._options.conversions, line.conversions, strict=True)):
            key = (line.ad_id, definition)
            series = met.get(key) or met.setdefault(key, _series(account, line, definition))
            delivery = (line.spend, line.value, line.impressions, line.clicks)
            spend, value, seen, clicked = (0, 0, 0, 0) if number else delivery
            yield PerformanceRow(series, line.day, spend, converted, value, seen, clicked, fetched)

    @understood("TikTok's budgets")
    def _judge(self, change: BudgetChange) -> Held:
        """Return the live budget that the change would set."""
        account = account_of(self._accounts(), self.name, change.key)
        found = [held for held in entities.budgets(self._client, account) if held.target.key == change.key]
        if not found:
            raise Stop(f"{change.key}: there is no such budget; nothing was written")
        self._comparison.judge_budget(found[0].target, change)
        return found[0]

    @understood("TikTok's ads")
    def _judge_status(self, change: StatusChange) -> EntityStatus:
        """Return the live status of the ad that the change would switch."""
        account = account_of(self._accounts(), self.name, change.key)
        found = [one for one in entities.ads(self._client, account) if str(one["ad_id"]) == change.key.ad_id]
        if not found:
            raise Stop(f"{change.key}: there is no such ad; nothing was written")
        live = entities.status_of(found[0])
        self._comparison.judge_status(live, change)
        return live


def _series(account: Account, line: Line, definition: str) -> Series:
    return Series(
        account=account,
        campaign_id=line.campaign_id,
        channel=CHANNEL,
        ad_group_id=line.ad_group_id,
        ad_id=line.ad_id,
        conversion_definition=definition,
        attribution_setting="platform",
    )
