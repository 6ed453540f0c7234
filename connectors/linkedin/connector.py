"""LinkedIn behind the contract of every connector.

Budgets are held by campaigns; a creative is an ad, and there are no ad groups. Days are UTC for every account.
"""

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
    BudgetKey,
    BudgetKind,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    EntityKind,
    EntityStatus,
    Level,
    PerformanceRow,
    Receipt,
    Series,
    StatusChange,
    StatusReceipt,
)
from connectors.credentials import Redactor
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import ConnectorError, Stop
from connectors.linkedin.client import Client, Json, id_of, urn
from connectors.linkedin.options import API, Options
from connectors.linkedin.reports import Line, report
from connectors.manners import Quota
from connectors.money import Money, minor_unit_micros, to_micros
from connectors.payload import understood

CHANNEL: Final = "linkedin"
ATTRIBUTION: Final = "platform"
"""Windows are set per conversion rule in the account; LinkedIn reports by them and does not say which."""

_STATUSES: Final = {
    "ACTIVE": EntityStatus.ACTIVE,
    "PAUSED": EntityStatus.PAUSED,
    "DRAFT": EntityStatus.PAUSED,
    "COMPLETED": EntityStatus.PAUSED,
}
_WRITES: Final = frozenset({"ACCOUNT_BILLING_ADMIN", "ACCOUNT_MANAGER", "CAMPAIGN_MANAGER"})
_CAMPAIGNS: Final = "q=search&search=(status:(values:List(ACTIVE,PAUSED,DRAFT,COMPLETED)))"
_CREATIVES: Final = "q=criteria&intendedStatuses=List(ACTIVE,PAUSED)"


class LinkedInConnector:
    """Ad accounts on LinkedIn.

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
        self._client = Client(options.address, token, API.name, options.timeout_seconds, self._quota, Redactor([token]))
        self._known: tuple[Account, ...] | None = None
        self._comparison = Comparison()

    @understood("LinkedIn's accounts")
    def accounts(self) -> Sequence[Account]:
        """Return the accounts that the settings name, each with its currency; all are on UTC days."""
        self._known = tuple(
            Account(self.name, number, str(self._client.get(f"/adAccounts/{number}")["currency"]), "UTC")
            for number in self._options.accounts
        )
        return self._known

    def entities(self) -> Iterator[Entity]:
        """Yield campaigns, then creatives."""
        with understood("LinkedIn's campaigns and creatives"):
            for account in self._accounts():
                for campaign in self._campaigns(account):
                    status = _STATUSES.get(campaign["status"], EntityStatus.REMOVED)
                    yield Entity(
                        account, EntityKind.CAMPAIGN, str(campaign["id"]), str(campaign["name"]), status=status
                    )
                for creative in self._creatives(account):
                    status = _STATUSES[creative["intendedStatus"]]
                    parent = id_of(creative["campaign"])
                    yield Entity(account, EntityKind.AD, id_of(creative["id"]), _name(creative), parent, status)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of the UTC days; those with conversions only have no delivery of their own."""
        with understood("LinkedIn's figures"):
            for account in self._accounts():
                met: dict[tuple[str, str], Series] = {}
                for line in report(self._client, account.account_id, since, until, self._options.conversions):
                    yield from self._rows(account, line, met)

    @understood("LinkedIn's budgets")
    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the campaigns' budgets; a campaign whose group holds the budget has none."""
        return tuple(
            _target(account, campaign)
            for account in self._accounts()
            for campaign in self._campaigns(account)
            if "dailyBudget" in campaign or "totalBudget" in campaign
        )

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise, as far as that is known here: LinkedIn cannot validate only."""
        self._judge(change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one daily budget, once.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`.
            Stop: The budget is unknown, not daily, or the amount is not one that the platform takes.
            OutcomeUnknown: The call may have taken effect.
        """
        target = self._judge(change)
        request = target.etag
        if target.amount != change.target:
            currency = change.target.currency
            amount = {"amount": f"{change.target.amount:f}", "currencyCode": currency}
            request = self._client.update(_campaign_path(change.key), {"dailyBudget": amount})
        self._comparison.note(change)
        return Receipt(change.key, change.target, request, self._clock())

    @understood("LinkedIn's ads")
    def ads(self) -> Sequence[AdState]:
        """Return the creatives with their own switches (`intendedStatus`)."""
        return tuple(
            AdState(
                account=account,
                ad_id=id_of(creative["id"]),
                name=_name(creative),
                campaign_id=id_of(creative["campaign"]),
                ad_group_id=None,
                status=_STATUSES[creative["intendedStatus"]],
                etag=str(creative.get("lastModifiedAt", "")),
            )
            for account in self._accounts()
            for creative in self._creatives(account)
        )

    def check_status(self, change: StatusChange) -> None:
        """Raise what `set_status` would raise, as far as that is known here."""
        self._judge_status(change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Pause or resume one creative, once.

        Raises:
            StatusDrifted: Its status is neither `expected` nor `target`.
            Stop: The creative is unknown.
            OutcomeUnknown: The call may have taken effect.
        """
        request = ""
        if self._judge_status(change) is not change.target:
            request = self._client.update(_creative_path(change.key), {"intendedStatus": change.target.name})
        self._comparison.note(change)
        return StatusReceipt(change.key, change.target, request, self._clock())

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say how the token, the roles on the accounts, the version and the day's requests stand."""
        told = [self._diagnose_account(number) for number in self._options.accounts]
        told += self._diagnose_roles()
        warning = API.warning(self._clock().date())
        told.append(
            Diagnosis("version", Verdict.WARNING, warning, "update Outlay before that day")
            if warning
            else Diagnosis("version", Verdict.WELL, f"version {API.name} of the interface")
        )
        spent = f"{self._quota.spent} of {self._options.calls_a_day} requests of today are spent"
        return [*told, Diagnosis("quota", Verdict.WELL, spent)]

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()

    def _accounts(self) -> Sequence[Account]:
        return self.accounts() if self._known is None else self._known

    def _campaigns(self, account: Account) -> Iterator[Json]:
        return self._client.listed(f"/adAccounts/{account.account_id}/adCampaigns", _CAMPAIGNS)

    def _creatives(self, account: Account) -> Iterator[Json]:
        return self._client.listed(f"/adAccounts/{account.account_id}/creatives", _CREATIVES)

    def _rows(self, account: Account, line: Line, met: dict[tuple[str, str], Series]) -> Iterator[PerformanceRow]:
        """The rows of a line, one for each definition; one object for each series, kept in `met`."""
        fetched = self._clock()
        for number, (definition, converted) in enumerate(zip(self._options.conversions, line.conversions, strict=True)):
            key = (line.creative_id, definition)
            series = met.get(key) or met.setdefault(key, _series(account, line, definition))
            spend, value, seen, clicked = (
                (0, 0, 0, 0) if number else (line.spend, line.value, line.impressions, line.clicks)
            )
            yield PerformanceRow(series, line.day, spend, converted, value, seen, clicked, fetched)

    @understood("LinkedIn's budgets")
    def _judge(self, change: BudgetChange) -> BudgetTarget:
        """Return the live budget that the change would set."""
        account = account_of(self._accounts(), self.name, change.key)
        if not change.key.budget_id.isdigit():
            raise Stop(f"{change.key}: LinkedIn's campaigns have numbers; nothing was written")
        live = _target(account, self._client.get(_campaign_path(change.key)))
        self._comparison.judge_budget(live, change)
        return live

    @understood("LinkedIn's ads")
    def _judge_status(self, change: StatusChange) -> EntityStatus:
        """Return the live status of the creative that the change would switch."""
        account_of(self._accounts(), self.name, change.key)
        if not change.key.ad_id.isdigit():
            raise Stop(f"{change.key}: LinkedIn's creatives have numbers; nothing was written")
        live = _STATUSES.get(self._client.get(_creative_path(change.key))["intendedStatus"], EntityStatus.REMOVED)
        self._comparison.judge_status(live, change)
        return live

    def _diagnose_roles(self) -> list[Diagnosis]:
        """Whether the token's member may write, by its role on each account; of the token's scopes nothing is told."""
        try:
            with understood("LinkedIn's roles"):
                held, _ = self._client.elements("/adAccountUsers", "q=authenticatedUser")
                roles = {id_of(str(one["account"])): str(one["role"]) for one in held}
        except ConnectorError as error:
            return [Diagnosis("permissions", Verdict.WRONG, str(error), getattr(error, "mend", ""))]
        return [_permission(number, roles.get(number, "none")) for number in self._options.accounts]

    def _diagnose_account(self, number: str) -> Diagnosis:
        try:
            found = self._client.get(f"/adAccounts/{number}")
            if found.get("status") != "ACTIVE":
                told = f"account {number} is {str(found.get('status')).lower()}"
                return Diagnosis("account", Verdict.WARNING, told, "it spends nothing until that changes")
            if next(self._client.listed(f"/adAccounts/{number}/adCampaigns", _CAMPAIGNS), None) is None:
                told = f"account {number} shows no campaign: either there is none, or the token may not see them"
                return Diagnosis("account", Verdict.WARNING, told, "grant the token's member a role on the account")
        except ConnectorError as error:
            return Diagnosis("account", Verdict.WRONG, f"account {number}: {error}", getattr(error, "mend", ""))
        return Diagnosis("account", Verdict.WELL, f"account {number} in {found.get('currency')} can be read")


def _permission(number: str, role: str) -> Diagnosis:
    words = f"account {number}: the token's member has the role {role.lower().replace('_', ' ')}"
    if role in _WRITES:
        return Diagnosis("permissions", Verdict.WELL, f"{words}, which may set budgets where the token has rw_ads")
    return Diagnosis(
        "permissions",
        Verdict.WARNING,
        f"{words}: it may read, but changes of budgets will be refused",
        "give it the role of a campaign manager, if Outlay is to write",
    )


def _series(account: Account, line: Line, definition: str) -> Series:
    return Series(
        account=account,
        campaign_id=line.campaign_id,
        channel=CHANNEL,
        ad_id=line.creative_id,
        creative_id=line.creative_id,
        conversion_definition=definition,
        attribution_setting=ATTRIBUTION,
    )


def _target(account: Account, campaign: Json) -> BudgetTarget:
    daily = campaign.get("dailyBudget")
    held = daily or campaign.get("totalBudget")
    if held is None:
        raise Stop(f"campaign {campaign['id']}: its campaign group holds the budget; nothing was written")
    return BudgetTarget(
        account=account,
        budget_id=str(campaign["id"]),
        name=str(campaign["name"]),
        holder=Level.CAMPAIGN,
        covers=(str(campaign["id"]),),
        amount=Money(to_micros(str(held["amount"])), str(held["currencyCode"])),
        kind=BudgetKind.DAILY if daily else BudgetKind.LIFETIME,
        quantum_micros=minor_unit_micros(account.currency),
        etag=str(campaign.get("version", {}).get("versionTag", "")),
    )


def _campaign_path(key: BudgetKey) -> str:
    return f"/adAccounts/{key.account_id}/adCampaigns/{key.budget_id}"


def _creative_path(key: AdKey) -> str:
    return f"/adAccounts/{key.account_id}/creatives/{urn('sponsoredCreative', key.ad_id)}"


def _name(creative: Json) -> str:
    return str(creative.get("name") or id_of(creative["id"]))
