"""GA4 behind the contract of every connector: rows by campaign, in the property's zone and currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from connectors.contract import (
    Account,
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
from connectors.credentials import read_private
from connectors.diagnosis import Diagnosis, Verdict
from connectors.errors import AskMarketer, ConnectorError, Stop
from connectors.ga4.client import Client
from connectors.ga4.options import Options
from connectors.manners import Quota, stretches
from connectors.money import to_micros
from connectors.payload import understood

_DIMENSIONS: Final = ("date", "sessionCampaignId", "sessionDefaultChannelGroup")
_DELIVERY: Final = ("advertiserAdCost", "advertiserAdImpressions", "advertiserAdClicks")
_NO_CAMPAIGN: Final = frozenset({"", "(not set)", "(direct)", "(organic)", "(referral)"})
_OTHER: Final = "(other)"
_NAMED_DAYS: Final = 60
_LONGEST_STRETCH: Final = 31


class Ga4Connector:
    """One property.

    Args:
        context: Its name, and the clock by which rows are fetched.
        options: The settings.

    Raises:
        AskMarketer: There are no credentials.
    """

    def __init__(self, context: BuildContext, options: Options) -> None:
        self.name = context.name
        self.capabilities = Capabilities(
            writes_budgets=False, compares_and_sets=False, restatement_days=options.restatement_days
        )
        self._options = options
        self._clock = context.clock
        self._quota = Quota(options.calls_a_day, context.clock, self.name)
        credentials = None if options.credentials is None else context.home / options.credentials
        self._client = Client(
            options.property,
            None if credentials is None else read_private(credentials, f"{context.source}, field 'credentials'"),
            options.address,
            options.timeout_seconds,
            self._quota,
        )
        self._known: Account | None = None

    def accounts(self) -> Sequence[Account]:
        """Return the property, with its currency and zone; asked of GA4, so that a refused credential is told here.

        Raises:
            RetryLater, AskMarketer, Stop: See `connectors.errors`.
        """
        currency, zone_name = self._client.about()
        with understood(f"what is said of property {self._options.property}"):
            found = self._known = Account(self.name, self._options.property, currency, zone_name)
        return (found,)

    def entities(self) -> Iterator[Entity]:
        """Yield the campaigns of the last sixty days; the newest name counts."""
        account, today = self._account(), self._clock().date()
        names: dict[str, str] = {}
        dimensions = ("date", "sessionCampaignId", "sessionCampaignName")
        for told, _ in self._client.rows(dimensions, ("sessions",), today - timedelta(days=_NAMED_DAYS), today):
            if _is_campaign(told[1]):
                names[told[1]] = told[2]
        for campaign, name in sorted(names.items()):
            yield Entity(account, EntityKind.CAMPAIGN, campaign, name)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of every campaign; sessions that no campaign brought are left out.

        Raises:
            AskMarketer: GA4 withholds, estimates or rolls up a part of the report.
            RetryLater, Stop: See `connectors.errors`.
        """
        account = self._account()
        met: dict[tuple[str, str], Series] = {}
        for first, last in stretches(since, until, _LONGEST_STRETCH):
            days, groups = self._summed(first, last)
            for (day, campaign), measured in days.items():
                with understood(f"the figures of campaign {campaign} on {day}"):
                    rows = self._rows(account, day, campaign, groups[campaign], measured, met)
                yield from rows

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return nothing: GA4 holds no budgets."""
        return ()

    def check_budget(self, change: BudgetChange) -> None:
        """Refuse."""
        raise Stop(f"{change.key}: Google Analytics holds no budgets")

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Refuse."""
        raise Stop(f"{change.key}: Google Analytics holds no budgets")

    def ads(self) -> Sequence[AdState]:
        """Return nothing: GA4 switches no ads."""
        return ()

    def check_status(self, change: StatusChange) -> None:
        """Refuse."""
        raise Stop(f"{change.key}: Google Analytics switches no ads")

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Refuse."""
        raise Stop(f"{change.key}: Google Analytics switches no ads")

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say how the credential stands, and how many of the day's requests are spent."""
        try:
            currency, zone_name = self._client.about()
        except ConnectorError as error:
            return [Diagnosis("credentials", Verdict.WRONG, str(error), getattr(error, "mend", ""))]
        told = f"property {self._options.property} in {currency}, {zone_name} can be read"
        spent = f"{self._quota.spent} of {self._options.calls_a_day} requests of today are spent"
        return [Diagnosis("credentials", Verdict.WELL, told), Diagnosis("quota", Verdict.WELL, spent)]

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._client.close()

    def _account(self) -> Account:
        return self._known or self.accounts()[0]

    def _summed(self, since: date, until: date) -> tuple[dict[tuple[date, str], list[int]], dict[str, str]]:
        """Return the measures of each day and campaign, micros, and each campaign's channel group.

        GA4 groups sessions, not campaigns: one campaign may stand in several groups. A series has one channel, so
        the groups are added up, and the group that most was paid for gives its name.
        """
        metrics = (*_DELIVERY, self._options.value, *self._options.conversions)
        days: dict[tuple[date, str], list[int]] = {}
        paid: dict[str, Counter[str]] = {}
        for told, texts in self._client.rows(_DIMENSIONS, metrics, since, until):
            if not _is_campaign(told[1]):
                continue
            with understood(f"a row of the report of {since} to {until}"):
                day, campaign, group = date.fromisoformat(told[0]), told[1], told[2]
                measured = [to_micros(text) for text in texts]
                before = days.get((day, campaign), [0] * len(metrics))
                days[day, campaign] = [one + more for one, more in zip(before, measured, strict=True)]
                paid.setdefault(campaign, Counter())[group] += measured[0]
        return days, {campaign: max(sorted(groups), key=groups.__getitem__) for campaign, groups in paid.items()}

    def _rows(
        self,
        account: Account,
        day: date,
        campaign: str,
        channel: str,
        measured: list[int],
        met: dict[tuple[str, str], Series],
    ) -> list[PerformanceRow]:
        """Return a row for each definition, zeros too: one that fell to nothing must replace what was stated before."""
        cost, seen, clicked, value = measured[:4]
        fetched, rows = self._clock(), []
        for number, (definition, count) in enumerate(zip(self._options.conversions, measured[4:], strict=True)):
            key = (campaign, definition)
            series = met.get(key) or met.setdefault(key, _series(account, campaign, channel, definition))
            delivery = (0, 0, 0, 0) if number else (cost, value, seen, clicked)
            rows.append(PerformanceRow(series, day, delivery[0], count, *delivery[1:], fetched))
        return rows


def _series(account: Account, campaign: str, channel: str, definition: str) -> Series:
    return Series(account, campaign, channel, conversion_definition=definition, attribution_setting="ga4-session")


def _is_campaign(campaign: str) -> bool:
    if campaign == _OTHER:
        raise AskMarketer(
            "GA4 has rolled campaigns into (other)", mend="export the property to BigQuery, and read it as a warehouse"
        )
    return campaign not in _NO_CAMPAIGN
