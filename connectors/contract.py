"""What a connector is: the protocol and the frozen records that cross it.

Written without the wire: nothing here does I/O. An adapter does all translation (currency, time zone, ids,
restatement), so that behind this door every platform looks the same.

Every measure is an integer number of millionths of its unit (`*_micros`), money and counts alike: platforms report
fractional conversions and even fractional clicks, and integers sum to the same total in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from connectors.money import Money, exponent

WHOLE: Final = 1_000_000
"""A share of one, in micros."""


class Level(StrEnum):
    """The level of an account's hierarchy at which a row reports or a budget is held."""

    CAMPAIGN = "campaign"
    AD_GROUP = "ad_group"
    AD = "ad"


class EntityKind(StrEnum):
    """What an entity is; audiences stand beside the hierarchy, many to many."""

    CAMPAIGN = "campaign"
    AD_GROUP = "ad_group"
    AD = "ad"
    CREATIVE = "creative"
    AUDIENCE = "audience"


class EntityStatus(StrEnum):
    """Whether an entity delivers."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class BudgetKind(StrEnum):
    """Whether an amount is spent each day or over the target's whole life."""

    DAILY = "daily"
    LIFETIME = "lifetime"


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        ValueError: The name is not an IANA zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not an IANA time zone (such as UTC or Europe/Berlin)") from None


@dataclass(frozen=True, slots=True)
class Account:
    """An advertiser's account on one platform, with the currency and zone of every row that it reports.

    Raises:
        ValueError: An empty id, an unknown currency or an unknown zone.
    """

    connector: str
    account_id: str
    currency: str
    time_zone: str

    def __post_init__(self) -> None:
        _named(self.connector, "connector")
        _named(self.account_id, "account_id")
        exponent(self.currency)
        zone(self.time_zone)


@dataclass(frozen=True, slots=True)
class Series:
    """What a row's numbers are about: one entity of one account, one definition of a conversion.

    `Series` and a day are the natural key of performance. The channel is a label, not part of the identity: under
    another one it is the same series, and equal. Connectors build one object per series and share it between rows.
    Ids below the reported level are None; `audience_id` may go with any level.

    Raises:
        ValueError: An empty id, or an ad without a campaign.
    """

    account: Account
    campaign_id: str
    channel: str = field(compare=False)
    ad_group_id: str | None = None
    ad_id: str | None = None
    creative_id: str | None = None
    audience_id: str | None = None
    conversion_definition: str = "all"
    attribution_setting: str = "platform"

    def __post_init__(self) -> None:
        for name in ("campaign_id", "channel", "conversion_definition", "attribution_setting"):
            _named(getattr(self, name), name)
        for name in ("ad_group_id", "ad_id", "creative_id", "audience_id"):
            if (value := getattr(self, name)) is not None:
                _named(value, name)

    @property
    def level(self) -> Level:
        """The finest level that is named."""
        if self.ad_id is not None:
            return Level.AD
        return Level.CAMPAIGN if self.ad_group_id is None else Level.AD_GROUP


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """What one series brought on one account-local day, as the platform stated it at `fetched_at`.

    Measures are integer micros of their unit; None where the platform does not report one. Conversions are
    dated by the click's day and may be restated by a later row of the same series and day.

    Attributes:
        impression_share_micros: Impressions over those that the series could have had, micros; None if unreported.
        lost_to_budget_micros: Share of those that was lost because the budget was too small, micros; None if
            unreported.

    Raises:
        ValueError: A negative spend, impression or click count, a share outside of 0 to 1, or a `fetched_at` without
            a zone.
    """

    series: Series
    day: date
    spend_micros: int
    conversions_micros: int
    value_micros: int | None
    impressions_micros: int | None
    clicks_micros: int | None
    fetched_at: datetime
    impression_share_micros: int | None = None
    lost_to_budget_micros: int | None = None

    def __post_init__(self) -> None:
        if self.spend_micros < 0 or (self.impressions_micros or 0) < 0 or (self.clicks_micros or 0) < 0:
            raise ValueError(f"spend, impressions and clicks cannot be negative: {self}")
        if self.fetched_at.tzinfo is None:
            raise ValueError(f"fetched_at needs a time zone: {self.fetched_at!r}")
        for share in (self.impression_share_micros, self.lost_to_budget_micros):
            if share is not None and not 0 <= share <= WHOLE:
                raise ValueError(f"a share of the impressions lies within 0 and {WHOLE} micros: {self}")

    @property
    def auctions(self) -> tuple[int, int] | None:
        """Impressions that there were to be had, and those lost to the budget, micros: unlike shares they add up.

        None where a share or the impressions are not reported, or where none was won.
        """
        share, lost, won = self.impression_share_micros, self.lost_to_budget_micros, self.impressions_micros
        if not share or lost is None or not won:
            return None
        eligible = won * WHOLE // share
        return eligible, eligible * lost // WHOLE


@dataclass(frozen=True, slots=True)
class Entity:
    """A campaign, ad group, ad, creative or audience, as a marketer knows it."""

    account: Account
    kind: EntityKind
    entity_id: str
    name: str
    parent_id: str | None = None
    status: EntityStatus = EntityStatus.ACTIVE
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetTarget:
    """A budget that the platform holds: what the allocator moves and a write intent names.

    Attributes:
        budget_id: The platform's id of the budget, unique within the account.
        holder: The level that holds it.
        covers: The ids, at the holder's level, that draw on it; never empty.
        shared: Whether others than `covers` draw on it too; such a budget is never written.
        minimum: The least amount that the platform accepts, or None.
        quantum_micros: Amounts are multiples of it.
        etag: Changes whenever the budget changes; empty where the platform has none.
        learning: Whether the platform says that what draws on it is in its learning phase; False where it says nothing.
        key: The budget's identity across accounts.

    Raises:
        ValueError: A negative amount, a foreign currency, no cover, a quantum that is not positive.
    """

    account: Account
    budget_id: str
    name: str
    holder: Level
    covers: tuple[str, ...]
    amount: Money
    kind: BudgetKind = BudgetKind.DAILY
    shared: bool = False
    minimum: Money | None = None
    quantum_micros: int = 10_000
    etag: str = ""
    learning: bool = False
    key: BudgetKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Made once: a plan asks for it a dozen times.
        key = BudgetKey(self.account.connector, self.account.account_id, self.budget_id)
        object.__setattr__(self, "key", key)
        _named(self.budget_id, "budget_id")
        if not self.covers:
            raise ValueError(f"budget {self.budget_id!r} covers nothing")
        if self.quantum_micros <= 0:
            raise ValueError(f"budget {self.budget_id!r}: the quantum must be positive")
        for money in (self.amount, self.minimum):
            if money is not None and money.currency != self.account.currency:
                raise ValueError(
                    f"budget {self.budget_id!r} is in {money.currency}, its account in {self.account.currency}"
                )
            if money is not None and money.micros < 0:
                raise ValueError(f"budget {self.budget_id!r} is negative: {money}")


@dataclass(frozen=True, slots=True, order=True)
class BudgetKey:
    """A budget's identity across connectors and accounts; as text `connector/account/budget`."""

    connector: str
    account_id: str
    budget_id: str

    def __str__(self) -> str:
        return f"{self.connector}/{self.account_id}/{self.budget_id}"


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """An absolute set, never a delta: `target` replaces `expected`, or nothing happens.

    Attributes:
        idempotency_key: The intent that this call serves; stamped on the platform's record where it takes one.
        expected: The live amount that the approval was made from; a connector that can compare refuses otherwise.
    """

    idempotency_key: str
    key: BudgetKey
    expected: Money
    target: Money


@dataclass(frozen=True, slots=True)
class Receipt:
    """The platform's acknowledgement of a change."""

    key: BudgetKey
    amount: Money
    request_id: str
    acknowledged_at: datetime


@dataclass(frozen=True, slots=True, order=True)
class AdKey:
    """An ad's identity across connectors and accounts; as text `connector/account/ads/ad`."""

    connector: str
    account_id: str
    ad_id: str

    def __str__(self) -> str:
        return f"{self.connector}/{self.account_id}/ads/{self.ad_id}"


@dataclass(frozen=True, slots=True)
class AdState:
    """An ad as the platform holds it now: what a pause or a resume names.

    Attributes:
        ad_id: The platform's id of the ad, unique within the account.
        campaign_id, ad_group_id: What it belongs to; by these one knows on which budget it draws.
        status: ACTIVE or PAUSED, by the ad's own switch, whatever that of its ad group or campaign; an ad that was
            removed is not read at all.
        etag: Changes whenever the status changes; empty where the platform has none.

    Raises:
        ValueError: An empty id, or a status that is neither.
    """

    account: Account
    ad_id: str
    name: str
    campaign_id: str
    ad_group_id: str | None
    status: EntityStatus
    etag: str = ""

    def __post_init__(self) -> None:
        _named(self.ad_id, "ad_id")
        _named(self.campaign_id, "campaign_id")
        if self.ad_group_id is not None:
            _named(self.ad_group_id, "ad_group_id")
        _switchable(self.status)

    @property
    def key(self) -> AdKey:
        """The ad's identity across accounts."""
        return AdKey(self.account.connector, self.account.account_id, self.ad_id)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """An absolute set of an ad's status, never a toggle: `target` replaces `expected`, or nothing happens.

    Attributes:
        idempotency_key: The intent that this call serves; stamped on the platform's record where it takes one.
        expected: The live status that the approval was made from; a connector that can compare refuses otherwise.

    Raises:
        ValueError: A status that is neither ACTIVE nor PAUSED: an ad is never removed.
    """

    idempotency_key: str
    key: AdKey
    expected: EntityStatus
    target: EntityStatus

    def __post_init__(self) -> None:
        _switchable(self.expected)
        _switchable(self.target)


@dataclass(frozen=True, slots=True)
class StatusReceipt:
    """The platform's acknowledgement of a change of status."""

    key: AdKey
    status: EntityStatus
    request_id: str
    acknowledged_at: datetime


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a connector can do; the agent never asks for more.

    Attributes:
        writes_budgets: `set_budget` exists on the platform.
        compares_and_sets: A set whose `expected` is not live is refused, of budgets and statuses, and so is one that
            was made already and undone since: by the platform (or file) itself, or by a reading right before the write.
        restatement_days: How many days back conversions are restated.
        reports_value, reports_impressions, reports_clicks: Which optional measures its rows carry.
        writes_status: `ads` reads the live statuses of ads, and `set_status` pauses and resumes them.
        reports_impression_share: Whether its rows tell impression share and what of it was lost to the budget.
        reports_changes: Whether it reads who changed what on the platform (`connectors.changes`).
        validates: `check_budget` and `check_status` have the platform itself judge a change without making it; then
            they are asked before the first call of each write.
    """

    writes_budgets: bool
    compares_and_sets: bool
    restatement_days: int
    reports_value: bool = True
    reports_impressions: bool = True
    reports_clicks: bool = True
    writes_status: bool = False
    reports_impression_share: bool = False
    reports_changes: bool = False
    validates: bool = False


@runtime_checkable
class Connector(Protocol):
    """One platform (or folder, or simulator) with one or more accounts. Raises the families of `errors` only."""

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; it may have to ask the platform once, and raises nothing."""
        ...

    def accounts(self) -> Sequence[Account]:
        """Return the accounts that it serves, currencies and zones included."""
        ...

    def entities(self) -> Iterable[Entity]:
        """Yield campaigns and what is below them, parents first."""
        ...

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of the account-local days `since` to `until`, both included.

        A series and day stands at most once for one `fetched_at`; where a source keeps several statements of it,
        they come oldest first. Each account reports at one level per campaign, so that its rows sum to its total.
        Rows stream: memory does not grow with the period.
        """
        ...

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets, read now."""
        ...

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise, as far as the platform can tell; write nothing."""
        ...

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget once. Never retries by itself.

        Raises:
            Drifted: The live amount is not `expected` (nor already `target`).
            OutcomeUnknown: The call may have taken effect.
        """
        ...

    def ads(self) -> Sequence[AdState]:
        """Return the ads that could deliver, with their live statuses, read now; none where it cannot write them."""
        ...

    def check_status(self, change: StatusChange) -> None:
        """Raise what `set_status` would raise, as far as the platform can tell; write nothing."""
        ...

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Pause or resume one ad once. Never retries by itself, and never removes anything.

        Raises:
            StatusDrifted: This very change was made before, and somebody has undone it since.
            Stop: The ad is gone or unknown, or statuses cannot be written here.
            OutcomeUnknown: The call may have taken effect.
        """
        ...

    def close(self) -> None:
        """Release what it holds; may be called twice."""
        ...


@runtime_checkable
class TellsTime(Protocol):
    """What a connector adds that can tell the platform's own clock."""

    def ahead_seconds(self) -> float | None:
        """Return by how much the platform's clock was ahead of ours (below 0: behind) at its last answer.

        None before the first. Over HTTP the header `Date` tells it, whole seconds and the way of the answer included.
        """
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class BuildContext:
    """What a connector's factory is given.

    Attributes:
        name: The connector's name in `config.toml` (`[connectors.NAME]`).
        options: The settings of that table, less `kind`; the factory validates them.
        home: The folder of `config.toml`, from which relative paths start.
        source: How to name the settings in an error, such as `config.toml [connectors.NAME]`.
        clock: Tells the time, aware UTC; rows are fetched by it.
    """

    name: str
    options: Mapping[str, Any]
    home: Path
    source: str = field(default="config.toml")
    clock: Callable[[], datetime] = field(default=_utc_now)


def _named(value: object, name: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text that is not empty, not {value!r}")


def _switchable(status: EntityStatus) -> None:
    if status not in (EntityStatus.ACTIVE, EntityStatus.PAUSED):
        raise ValueError(f"an ad is switched between active and paused, not {status.value!r}")
