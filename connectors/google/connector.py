"""The Google Ads connector: accounts of one set of credentials behind the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from heapq import merge
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from connectors.changes import Change
from connectors.comparing import Comparison
from connectors.contract import (
    Account,
    AdKey,
    AdState,
    BudgetChange,
    BudgetKey,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.credentials import missing_extra
from connectors.diagnosis import Diagnosis
from connectors.errors import Stop
from connectors.google.accounts import Held, entities, read_account
from connectors.google.budgets import read_budget, read_budgets
from connectors.google.changes import read_changes
from connectors.google.options import Options, read_options
from connectors.google.reports import Reports
from connectors.google.statuses import NAMES, find, read_ads
from connectors.manners import Quota, stretches
from connectors.payload import understood

if TYPE_CHECKING:
    from connectors.google.session import Session

RESTATEMENT_DAYS = 30
"""Conversions are dated by the click, and most arrive within so many days; the platform lets a window be up to 90."""


class GoogleConnector:
    """Google Ads; see docs/platforms.md.

    A budget and a status are read right before they are written, and compared with what was approved
    (`connectors.comparing`): the platform itself compares nothing.

    Args:
        name: The connector's name in the settings.
        options: Its settings.
        session: Its calls.
        clock: Tells the time; rows are fetched by it.
    """

    def __init__(self, name: str, options: Options, session: Session, clock: Callable[[], datetime]) -> None:
        self.name = name
        self.capabilities = Capabilities(
            writes_budgets=True,
            compares_and_sets=True,
            restatement_days=RESTATEMENT_DAYS,
            writes_status=True,
            reports_impression_share=options.report == "ads",
            reports_changes=True,
            validates=True,
        )
        self._options = options
        self._session = session
        self._clock = clock
        self._held: dict[str, Held] = {}
        self._reports: dict[Account, Reports] = {}
        self._comparison = Comparison()

    def accounts(self) -> Sequence[Account]:
        """Return the accounts of the settings, in their order, read now: what else is read goes by what this told."""
        self._held.update({customer: self._asked(customer) for customer in self._options.customer_ids})
        return tuple(held.account for held in self._all())

    def entities(self) -> Iterator[Entity]:
        """Yield campaigns, ad groups, ads and audiences; a campaign whose bidding learns has the tag `learning`."""
        for held in self._all():
            with understood(f"{self.name}: what is in account {held.account.account_id}"):
                yield from entities(self._session, held.account)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of account-local days, `days_per_query` of them at a time."""
        for held in self._all():
            reports = self._reports_of(held.account)
            read = reports.by_ad if self._options.report == "ads" else reports.by_audience
            for first, last in stretches(since, until, self._options.days_per_query):
                with understood(f"{self.name}: performance of {held.account.account_id} from {first} to {last}"):
                    yield from read(first, last, self._clock())

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets; those that are shared, or of a campaign's whole life, cannot be set."""
        with understood(f"{self.name}: budgets"):
            return tuple(chain.from_iterable(read_budgets(self._session, held) for held in self._all()))

    def check_budget(self, change: BudgetChange) -> None:
        """Judge a change, and have the platform validate it.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`.
            Stop: The budget is unknown or cannot be set, or the platform does not take the amount.
        """
        held = self._holding(change.key)
        if self._judge(held, change).amount != change.target:
            customer, budget = change.key.account_id, change.key.budget_id
            self._session.set_budget(customer, budget, change.target.micros, only_check=True)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget by one request; one that stands at the target already is left as it is.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`, or this change was made and undone since.
            Stop: The budget is unknown or cannot be set, or the platform does not take the amount.
            OutcomeUnknown: The answer was lost.
        """
        held = self._holding(change.key)
        request = ""
        if self._judge(held, change).amount != change.target:
            customer, budget = change.key.account_id, change.key.budget_id
            request = self._session.set_budget(customer, budget, change.target.micros, only_check=False)
        self._comparison.note(change)
        return Receipt(change.key, change.target, request, self._clock())

    def ads(self) -> Sequence[AdState]:
        """Return the ads that could deliver, with their live statuses."""
        with understood(f"{self.name}: ads"):
            return tuple(chain.from_iterable(read_ads(self._session, held) for held in self._all()))

    def check_status(self, change: StatusChange) -> None:
        """Judge a change of an ad, and have the platform validate it.

        Raises:
            StatusDrifted: This very change was made by this object, and somebody has undone it since.
            Stop: The ad is unknown.
        """
        ad = self._judge_status(change)
        if ad.status is not change.target:
            self._switch(ad, change, only_check=True)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Pause or resume one ad by one request; one that stands so already is left as it is.

        Raises:
            StatusDrifted: This very change was made by this object, and somebody has undone it since.
            Stop: The ad is unknown.
            OutcomeUnknown: The answer was lost.
        """
        ad = self._judge_status(change)
        request = "" if ad.status is change.target else self._switch(ad, change, only_check=False)
        self._comparison.note(change)
        return StatusReceipt(change.key, change.target, request, self._clock())

    def changes(self, since: datetime) -> Iterator[Change]:
        """Yield who changed what, oldest first; the platform knows of the last 30 days, but for the last 3 minutes."""
        with understood(f"{self.name}: the history of changes"):
            found = [read_changes(self._session, held, since, self._clock()) for held in self._all()]
        yield from merge(*found, key=attrgetter("at"))

    def diagnose(self) -> Sequence[Diagnosis]:
        """Return how version, credentials, each account's permissions and the quota stand."""
        # The SDK is an extra, and here it is there: the session was built with it.
        from connectors.google.checkup import diagnose  # noqa: PLC0415

        options, today = self._options, self._clock().date()
        return tuple(diagnose(self._session, options.customer_ids, self._read, options.operations_per_day, today))

    def close(self) -> None:
        """Close the channels."""
        self._session.close()

    def _all(self) -> list[Held]:
        return [self._read(customer) for customer in self._options.customer_ids]

    def _read(self, customer: str) -> Held:
        if customer not in self._held:
            self._held[customer] = self._asked(customer)
        return self._held[customer]

    def _asked(self, customer: str) -> Held:
        with understood(f"{self.name}: account {customer}"):
            return read_account(self._session, self.name, customer)

    def _reports_of(self, account: Account) -> Reports:
        if account not in self._reports:
            self._reports[account] = Reports(self._session, account, self._options.conversion_actions)
        return self._reports[account]

    def _holding(self, key: BudgetKey | AdKey) -> Held:
        if key.connector != self.name or key.account_id not in self._options.customer_ids:
            raise Stop(f"there is nothing called {key} here; nothing was written")
        return self._read(key.account_id)

    def _judge(self, held: Held, change: BudgetChange) -> BudgetTarget:
        with understood(f"{change.key}: the live budget"):
            budget = read_budget(self._session, held, change.key.budget_id)
        self._comparison.judge_budget(budget, change)
        return budget

    def _judge_status(self, change: StatusChange) -> AdState:
        held = self._holding(change.key)
        with understood(f"{change.key}: the live status"):
            ad = find(self._session, held, change)
        self._comparison.judge_status(ad.status, change)
        return ad

    def _switch(self, ad: AdState, change: StatusChange, *, only_check: bool) -> str:
        place, status = f"{ad.ad_group_id}~{ad.ad_id}", NAMES[change.target]
        return self._session.set_status(change.key.account_id, place, status, only_check=only_check)


def build(context: BuildContext) -> GoogleConnector:
    """Build the connector from `[connectors.NAME]` with `kind = "google"`; nobody is asked anything yet.

    Raises:
        BadInput: A setting is unknown, missing or wrong, or the extra is not installed.
        AskMarketer: A credential is not where the settings say.
    """
    options = read_options(context)
    try:
        # The SDK is an extra, and slow to load: only who has such a connector loads it.
        from connectors.google.secrets import read_secrets  # noqa: PLC0415
        from connectors.google.session import Session  # noqa: PLC0415
    except ImportError:
        raise missing_extra(context, "google", "google-ads") from None
    quota = Quota(options.operations_per_day, context.clock, f"{context.name}: operations of Google Ads")
    session = Session(context.name, options, read_secrets(context, options), quota)
    return GoogleConnector(context.name, options, session, context.clock)
