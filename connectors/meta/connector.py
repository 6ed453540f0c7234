"""Meta behind the contract: performance by ad and day, budgets of ad sets and campaigns, statuses of ads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from heapq import merge
from operator import attrgetter

from connectors.changes import Change
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
from connectors.diagnosis import Diagnosis
from connectors.errors import Stop
from connectors.manners import Clock
from connectors.meta import catalogue, changes, diagnosis
from connectors.meta.budgets import Budgets
from connectors.meta.door import Door
from connectors.meta.options import Options, read_options
from connectors.meta.reports import Reports
from connectors.meta.rows import Reader
from connectors.meta.statuses import Statuses
from connectors.payload import understood


class MetaConnector:
    """Ad accounts of Meta, all reached with one token.

    Args:
        name: Its name in `config.toml`.
        options: Its settings.
        token, app_secret: Its credentials.
        clock: Tells the time.
        sleep: Waits, seconds.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        token: str,
        app_secret: str | None,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.capabilities = Capabilities(
            writes_budgets=True,
            compares_and_sets=True,
            restatement_days=options.restatement_days,
            writes_status=True,
            reports_changes=True,
            validates=True,
        )
        self._options = options
        self._clock = clock
        self._door = Door(name, options, token, app_secret, clock, sleep)
        self._reports = Reports(self._door, options, clock, sleep)
        self._reader = Reader(options)
        self._budgets = Budgets(self._door, clock)
        self._statuses = Statuses(self._door, clock)
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}

    def accounts(self) -> Sequence[Account]:
        """Return the ad accounts of the settings, read now: what else is read goes by what this has told last."""
        found = {account_id: self._asked(account_id) for account_id in self._options.accounts}
        with self._lock:
            self._accounts.update(found)
        return list(found.values())

    def entities(self) -> Iterable[Entity]:
        """Yield campaigns, ad sets, audiences, creatives and ads, those that are gone included."""
        for account in self._all():
            with understood(f"{self.name}: entities of {account.account_id}"):
                yield from catalogue.entities(self._door, account, self._options)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield a row per ad, day and kind of conversion, page by page as they come."""
        for account in self._all():
            with understood(f"{self.name}: insights of {account.account_id}"):
                for page in self._reports.pages(account, since, until):
                    for insight in page.rows:
                        yield from self._reader.rows(account, insight, page.fetched_at)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets of campaigns and ad sets, whichever hold them."""
        with understood(f"{self.name}: budgets"):
            return [budget for account in self._all() for budget in self._budgets.listed(account)]

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise, as far as Meta can tell; write nothing."""
        self._budgets.check(self._owner(change.key), change)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget once: read, compared, written by a single request."""
        return self._budgets.set(self._owner(change.key), change)

    def ads(self) -> Sequence[AdState]:
        """Return the ads that are neither archived nor deleted, read now."""
        with understood(f"{self.name}: ads"):
            return [ad for account in self._all() for ad in catalogue.ads(self._door, account)]

    def check_status(self, change: StatusChange) -> None:
        """Raise what `set_status` would raise, as far as Meta can tell; write nothing."""
        self._statuses.check(self._owner(change.key), change)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Pause or resume one ad once."""
        return self._statuses.set(self._owner(change.key), change)

    def changes(self, since: datetime) -> Iterator[Change]:
        """Yield who changed what, oldest first, to the second."""
        with understood(f"{self.name}: the history of changes"):
            found = [changes.read_changes(self._door, account, since) for account in self._all()]
        yield from merge(*found, key=attrgetter("at"))

    def diagnose(self) -> Sequence[Diagnosis]:
        """Return how credentials, permissions, accounts, version and quota stand."""
        return diagnosis.diagnose(self._door, self._options, self._clock)

    def close(self) -> None:
        """Let go of the connections; may be called twice."""
        self._door.close()

    def _owner(self, key: BudgetKey | AdKey) -> Account:
        if key.connector != self.name or key.account_id not in self._options.accounts:
            raise Stop(f"{key} is of no account of {self.name}; nothing was written")
        return self._account(key.account_id)

    def _all(self) -> list[Account]:
        return [self._account(account_id) for account_id in self._options.accounts]

    def _account(self, account_id: str) -> Account:
        with self._lock:
            if account_id not in self._accounts:
                self._accounts[account_id] = self._asked(account_id)
            return self._accounts[account_id]

    def _asked(self, account_id: str) -> Account:
        return catalogue.account_of(self._door, self.name, account_id)


def build_connector(context: BuildContext, sleep: Callable[[float], None] = time.sleep) -> MetaConnector:
    """Build the connector from its settings; nothing is asked of the platform yet.

    Raises:
        BadInput: A setting is unknown, missing or wrong.
        AskMarketer: A credential cannot be read.
    """
    options = read_options(context)
    token = options.access_token.read(context, "access_token")
    secret = None if options.app_secret is None else options.app_secret.read(context, "app_secret")
    return MetaConnector(context.name, options, token, secret, context.clock, sleep)
