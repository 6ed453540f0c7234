"""Awin behind the contract of every connector: a publisher is a campaign, its commissions are the spend.

A publisher is paid for what was sold, so there is no budget to set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from connectors.awin.client import Client
from connectors.awin.options import Options
from connectors.awin.transactions import summed
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
from connectors.manners import Pace
from connectors.payload import understood

CHANNEL = "affiliate"


class AwinConnector:
    """One advertiser's programme.

    Args:
        context: Its name, and the clock by which rows are fetched.
        options: The settings.

    Raises:
        AskMarketer: The token cannot be read.
    """

    def __init__(self, context: BuildContext, options: Options) -> None:
        self.name = context.name
        self.capabilities = Capabilities(
            writes_budgets=False,
            compares_and_sets=False,
            restatement_days=options.restatement_days,
            reports_impressions=False,
            reports_clicks=False,
        )
        self._options = options
        self._clock = context.clock
        token = options.token.read(context, "token")
        pace = Pace(options.calls_a_minute, 60.0)
        self._client = Client(options.address, token, options.timeout_seconds, pace, Redactor([token]))
        self._account = Account(self.name, options.advertiser, options.currency, options.time_zone)

    def accounts(self) -> Sequence[Account]:
        """Return the programme; asked of the network, so that a refused token is told here."""
        self._client.get("/accounts", {"type": "advertiser"})
        return (self._account,)

    def entities(self) -> Iterator[Entity]:
        """Yield the publishers that joined the programme."""
        found = self._client.get(f"/advertisers/{self._options.advertiser}/publishers")
        with understood("Awin's list of publishers"):
            publishers = [(str(one["id"]), str(one["name"])) for one in found]
        for publisher, name in publishers:
            yield Entity(self._account, EntityKind.CAMPAIGN, publisher, name, status=EntityStatus.ACTIVE)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield a row for each publisher and day with a transaction, counted or declined since.

        Spend is never negative: a day whose corrections take back more than it cost has cost nothing.

        Raises:
            AskMarketer: A transaction is in another currency, or of a status that nobody knows.
            RetryLater, Stop: See `connectors.errors`.
        """
        met: dict[str, Series] = {}
        options, fetched = self._options, self._clock()
        fee = 1_000_000 + round(options.network_fee * 1_000_000)
        for sums in summed(self._client, options.advertiser, options.currency, options.time_zone, since, until):
            series = met.get(sums.publisher_id) or met.setdefault(sums.publisher_id, self._series(sums.publisher_id))
            cost = max((sums.commission * fee + 500_000) // 1_000_000, 0)
            yield PerformanceRow(series, sums.day, cost, sums.conversions, sums.sales, None, None, fetched)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return nothing: a publisher has no budget."""
        return ()

    def check_budget(self, change: BudgetChange) -> None:
        """Refuse."""
        raise Stop(f"{change.key}: a publisher has no budget; its commission is agreed in the programme's terms")

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Refuse."""
        raise Stop(f"{change.key}: a publisher has no budget; its commission is agreed in the programme's terms")

    def ads(self) -> Sequence[AdState]:
        """Return nothing: statuses are not written here."""
        return ()

    def check_status(self, change: StatusChange) -> None:
        """Refuse."""
        raise Stop(f"{change.key}: a publisher's links are not switched by the advertiser")

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Refuse."""
        raise Stop(f"{change.key}: a publisher's links are not switched by the advertiser")

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say how the token stands, and whether it may read this advertiser."""
        try:
            found = self._client.get("/accounts", {"type": "advertiser"})
            with understood("Awin's list of accounts"):
                mine = {str(account["accountId"]) for account in found["accounts"]}
        except ConnectorError as error:
            return [Diagnosis("credentials", Verdict.WRONG, str(error), getattr(error, "mend", ""))]
        if self._options.advertiser not in mine:
            told = f"the token's user has no role at advertiser {self._options.advertiser}"
            return [Diagnosis("permissions", Verdict.WRONG, told, "invite the user to the advertiser's account")]
        return [Diagnosis("credentials", Verdict.WELL, f"advertiser {self._options.advertiser} can be read")]

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._client.close()

    def _series(self, publisher: str) -> Series:
        return Series(self._account, publisher, CHANNEL, conversion_definition="sale", attribution_setting="awin")
