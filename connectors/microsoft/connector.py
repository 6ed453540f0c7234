"""Microsoft Advertising behind the contract of every connector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from connectors.comparing import Comparison, account_of
from connectors.contract import (
    Account,
    AdKey,
    AdState,
    BudgetChange,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    EntityKind,
    PerformanceRow,
    Receipt,
    Series,
    StatusChange,
    StatusReceipt,
)
from connectors.credentials import Redactor
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import ConnectorError, Stop
from connectors.manners import Quota
from connectors.microsoft import entities
from connectors.microsoft.client import Client, Json, Secrets
from connectors.microsoft.options import API, Options
from connectors.microsoft.reports import Line, report
from connectors.microsoft.zones import ZONES
from connectors.money import UnknownCurrency
from connectors.payload import understood

CHANNEL: Final = "microsoft"
DEFINITION: Final = "conversions"
"""Conversions of the goals that the account includes in them."""


class MicrosoftConnector:
    """Ad accounts on Microsoft Advertising.

    A budget and a status are read right before they are written, and compared with what was approved
    (`connectors.comparing`): the platform itself compares nothing.

    Args:
        context: Its name, and the clock by which rows are fetched.
        options: The settings.

    Raises:
        AskMarketer: A secret cannot be read.
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
        hidden = options.client_secret
        secrets = Secrets(
            developer_token=options.developer_token.read(context, "developer_token"),
            client_secret=hidden.read(context, "client_secret") if hidden else "",
            refresh_token=options.refresh_token.read(context, "refresh_token"),
        )
        redactor = Redactor([secrets.developer_token, secrets.client_secret, secrets.refresh_token])
        self._quota = Quota(options.calls_a_day, context.clock, self.name)
        self._client = Client(options, secrets, self._quota, redactor)
        self._known: tuple[Account, ...] | None = None
        self._groups: dict[AdKey, str] = {}
        self._comparison = Comparison()

    @understood("Microsoft's accounts")
    def accounts(self) -> Sequence[Account]:
        """Return the accounts that the settings name, each with its currency and the zone of its days."""
        self._known = tuple(self._account_of(number) for number in self._options.accounts)
        return self._known

    def entities(self) -> Iterator[Entity]:
        """Yield campaigns, each followed by its ad groups, and these by their ads."""
        with understood("Microsoft's campaigns, ad groups and ads"):
            for account in self._accounts():
                for campaign in entities.campaigns(self._client, account.account_id):
                    yield _entity(account, EntityKind.CAMPAIGN, campaign, None)
                    if not entities.without_ads(campaign):
                        yield from self._below(account, campaign)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of the days, both included, in the account's zone.

        They are by ad; of campaigns without ads of their own, by campaign.
        """
        with understood("Microsoft's figures"):
            for account in self._accounts():
                number, met = account.account_id, dict[tuple[str, str | None], Series]()
                listed = entities.campaigns(self._client, number)
                whole = frozenset(str(campaign["Id"]) for campaign in listed if entities.without_ads(campaign))
                for line in report(self._client, self._options, number, since, until, whole):
                    key = (line.campaign_id, line.ad_id)
                    series = met.get(key) or met.setdefault(key, _series(account, line))
                    yield PerformanceRow(
                        series,
                        line.day,
                        line.spend,
                        line.conversions,
                        line.value,
                        line.impressions,
                        line.clicks,
                        self._clock(),
                    )

    @understood("Microsoft's budgets")
    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the budgets of campaigns, and those that several campaigns share."""
        return tuple(
            target
            for account in self._accounts()
            for target in entities.budgets(account, entities.campaigns(self._client, account.account_id))
        )

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise, as far as that is known here: Microsoft cannot validate only."""
        self._judge(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set the daily budget of one campaign, once.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`.
            Stop: The budget is unknown, shared or not daily, or the amount is not one that the platform takes.
            OutcomeUnknown: The call may have taken effect.
        """
        request = ""
        if self._judge(change).amount != change.target:
            key = change.key
            request = entities.change_budget(self._client, key.account_id, key.budget_id, change.target)
        self._comparison.note(change)
        return Receipt(change.key, change.target, request, self._clock())

    @understood("Microsoft's ads")
    def ads(self) -> Sequence[AdState]:
        """Return the ads with their own switches."""
        return tuple(
            AdState(
                account=account,
                ad_id=str(ad["Id"]),
                name=_name(ad),
                campaign_id=str(campaign["Id"]),
                ad_group_id=group,
                status=entities.status_of(ad),
            )
            for account in self._accounts()
            for campaign in entities.campaigns(self._client, account.account_id)
            if not entities.without_ads(campaign)
            for group, ad in self._ads_of(account, campaign)
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
        group, ad = self._judge_status(change)
        if entities.status_of(ad) is not change.target:
            request = entities.change_status(self._client, change.key.account_id, group, ad, change.target)
        self._comparison.note(change)
        return StatusReceipt(change.key, change.target, request, self._clock())

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say how the credentials, the accounts, the version and the day's requests stand."""
        told = [self._diagnose_account(number) for number in self._options.accounts]
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

    def _read_account(self, number: str) -> Json:
        asked = {"AccountId": number}
        answer = self._client.read("clientcenter", "/CustomerManagement/v13/Account/Query", number, asked)
        found: Json = answer["Account"]
        return found

    def _account_of(self, number: str) -> Account:
        found = self._read_account(number)
        zone = ZONES.get(str(found["TimeZone"]))
        if zone is None:
            raise Stop(f"{self.name}: account {number} is in the zone {found['TimeZone']}, which is not known here")
        try:
            return Account(self.name, number, str(found["CurrencyCode"]), zone)
        except UnknownCurrency as error:
            raise Stop(f"{self.name}: account {number}: {error}") from None

    def _below(self, account: Account, campaign: Json) -> Iterator[Entity]:
        for group in entities.ad_groups(self._client, account.account_id, str(campaign["Id"])):
            yield _entity(account, EntityKind.AD_GROUP, group, str(campaign["Id"]))
            for ad in entities.ads(self._client, account.account_id, str(group["Id"])):
                yield _entity(account, EntityKind.AD, ad, str(group["Id"]))

    def _ads_of(self, account: Account, campaign: Json) -> Iterator[tuple[str, Json]]:
        """The ads of a campaign, each with its ad group, which is remembered: a write must name it."""
        for group in entities.ad_groups(self._client, account.account_id, str(campaign["Id"])):
            for ad in entities.ads(self._client, account.account_id, str(group["Id"])):
                self._groups[AdKey(self.name, account.account_id, str(ad["Id"]))] = str(group["Id"])
                yield str(group["Id"]), ad

    @understood("Microsoft's budgets")
    def _judge(self, change: BudgetChange) -> BudgetTarget:
        """Return the live budget that the change would set."""
        account = account_of(self._accounts(), self.name, change.key)
        listed = entities.campaigns(self._client, account.account_id)
        found = [target for target in entities.budgets(account, listed) if target.key == change.key]
        if not found:
            raise Stop(f"{change.key}: there is no such budget; nothing was written")
        self._comparison.judge_budget(found[0], change)
        return found[0]

    @understood("Microsoft's ads")
    def _judge_status(self, change: StatusChange) -> tuple[str, Json]:
        """Return the ad that the change would switch, read now, and its ad group."""
        account, key = account_of(self._accounts(), self.name, change.key), change.key
        if key not in self._groups:
            self.ads()
        if key not in self._groups:
            raise Stop(f"{key}: there is no such ad; nothing was written")
        group = self._groups[key]
        found = [ad for ad in entities.ads(self._client, account.account_id, group) if str(ad["Id"]) == key.ad_id]
        if not found:
            raise Stop(f"{key}: the ad is gone; nothing was written")
        self._comparison.judge_status(entities.status_of(found[0]), change)
        return group, found[0]

    def _diagnose_account(self, number: str) -> Diagnosis:
        try:
            found = self._read_account(number)
        except ConnectorError as error:
            return Diagnosis("account", Verdict.WRONG, f"account {number}: {error}", getattr(error, "mend", ""))
        status = str(found.get("AccountLifeCycleStatus"))
        if status != "Active":
            told = f"account {number} is {status.lower()}"
            return Diagnosis("account", Verdict.WARNING, told, "it spends nothing until that changes")
        words = f"account {number} in {found['CurrencyCode']}, {found['TimeZone']} can be read"
        return Diagnosis("account", Verdict.WELL, words)


def _entity(account: Account, kind: EntityKind, one: Json, parent: str | None) -> Entity:
    return Entity(account, kind, str(one["Id"]), _name(one), parent, entities.status_of(one))


def _name(one: Json) -> str:
    """The name; an ad has none, and is called by its kind and id."""
    return str(one.get("Name") or f"{one.get('Type', 'ad')} {one['Id']}")


def _series(account: Account, line: Line) -> Series:
    return Series(
        account=account,
        campaign_id=line.campaign_id,
        channel=CHANNEL,
        ad_group_id=line.ad_group_id,
        ad_id=line.ad_id,
        conversion_definition=DEFINITION,
        attribution_setting="platform",
    )
