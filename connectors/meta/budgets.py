"""Budgets of campaigns and ad sets: whichever holds it is the target. Read, checked, and set once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.comparing import Comparison
from connectors.contract import Account, BudgetChange, BudgetKey, BudgetKind, BudgetTarget, Level, Receipt
from connectors.errors import RetryLater, Stop
from connectors.manners import Clock
from connectors.meta.catalogue import learns
from connectors.meta.changes import BUDGET_EVENTS, events, instant
from connectors.meta.door import Body, Door, integer, text
from connectors.meta.units import from_units, quantum, to_units
from connectors.money import Money
from connectors.payload import understood

CHANGES_AN_HOUR: Final = 4
"""Meta locks the budget of an ad set that is changed more often."""

_CAMPAIGN: Final = "id,name,account_id,effective_status,daily_budget,lifetime_budget,updated_time"
_SHARING: Final = "is_adset_budget_sharing_enabled"
_AD_SET: Final = f"{_CAMPAIGN},campaign_id,billing_event,learning_stage_info,campaign{{{_SHARING}}}"
_GONE: Final = ("DELETED", "ARCHIVED")

# What an ad set is billed for says which of the account's minimums holds: the page on minimum budgets.
_OFTEN: Final = frozenset({"CLICKS", "LINK_CLICKS", "POST_ENGAGEMENT", "PAGE_LIKES", "VIDEO_VIEWS", "THRUPLAY"})
_SELDOM: Final = frozenset({"APP_INSTALLS", "OFFER_CLAIMS", "PURCHASE"})


class Budgets:
    """The budgets of a connector's accounts.

    Args:
        door: The way to the platform.
        clock: Tells the time.
    """

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock
        self._known: dict[BudgetKey, BudgetTarget] = {}
        self._comparison = Comparison()

    def listed(self, account: Account) -> Iterator[BudgetTarget]:
        """Yield the live budgets of an account, read now.

        Raises:
            ConnectorError: Of one of the families.
        """
        path = f"act_{account.account_id}"
        minimums = self._minimums(account)
        campaigns = list(self._door.rows(path, "campaigns", fields=f"{_CAMPAIGN},{_SHARING}"))
        ad_sets = list(self._door.rows(path, "adsets", fields=_AD_SET))
        least = _least_of_campaigns(ad_sets, minimums)
        learning = {str(body.get("campaign_id")) for body in ad_sets if learns(body)}
        for body in campaigns:
            found = _target(account, body, Level.CAMPAIGN, least.get(str(body.get("id"))))
            if found is not None:
                self._known[found.key] = found
                yield replace(found, learning=found.budget_id in learning)
        for body in ad_sets:
            found = _target(account, body, Level.AD_GROUP, _least(body, minimums))
            if found is not None:
                self._known[found.key] = found
                yield replace(found, learning=learns(body))

    def check(self, account: Account, change: BudgetChange) -> None:
        """Raise what `set` would raise, as far as Meta can tell: by its own validation, and by its history.

        Raises:
            RetryLater: The budget was changed so often within the last hour that Meta would lock it.
        """
        live = self._judged(account, change)
        if live.amount == change.target:
            return
        self._require_time(live)
        self._door.order(live.budget_id, **_asked(change), execution_options=["validate_only"])

    def set(self, account: Account, change: BudgetChange) -> Receipt:
        """Set a budget: one read, and one write if the live amount is the expected one.

        Raises:
            Drifted: It is not, nor is it the target.
            OutcomeUnknown: The write may stand or not.
        """
        live, trace = self._judged(account, change), "unchanged"
        if live.amount != change.target:
            answer = self._door.write(live.budget_id, **_asked(change))
            trace = answer.trace or "no trace"
        self._comparison.note(change)
        return Receipt(change.key, change.target, trace, self._clock())

    def _judged(self, account: Account, change: BudgetChange) -> BudgetTarget:
        """Return the live budget, if the change may be made."""
        self._require_sound(account, change)
        live = self._live(account, change.key)
        _require_ours(live)
        self._comparison.judge_budget(live, change)
        return live

    def _require_sound(self, account: Account, change: BudgetChange) -> None:
        if change.target.micros <= 0:
            raise Stop(f"{change.key}: {change.target} is no budget")
        to_units(change.target)

    def _live(self, account: Account, key: BudgetKey) -> BudgetTarget:
        """Read one budget now; what it is and its minimum are those of the last listing."""
        known = self._known.get(key) or {found.key: found for found in self.listed(account)}.get(key)
        if known is None:
            raise Stop(f"there is no budget {key} here; nothing was written")
        fields = f"{_CAMPAIGN},{_SHARING}" if known.holder is Level.CAMPAIGN else _AD_SET
        body = self._door.read(key.budget_id, fields=fields).body
        with understood(f"{known.name}: the live budget"):
            found = _target(account, body, known.holder, known.minimum)
        if found is None or body.get("effective_status") in _GONE or body.get("account_id") != account.account_id:
            raise Stop(f"{known.name} holds no budget any more; nothing was written")
        return replace(found, minimum=known.minimum)

    def _require_time(self, live: BudgetTarget) -> None:
        now = self._clock()
        made = sorted(self._changes(live, now - timedelta(hours=1)))
        if len(made) >= CHANGES_AN_HOUR:
            free = made[-CHANGES_AN_HOUR] + timedelta(hours=1)
            raise RetryLater(
                f"{live.name}: the budget was changed {len(made)} times within an hour, and Meta takes "
                f"{CHANGES_AN_HOUR}; nothing was written",
                retry_after_seconds=max((free - now).total_seconds(), 1.0),
            )

    def _changes(self, live: BudgetTarget, since: datetime) -> Iterator[datetime]:
        for event in events(self._door, live.account, "BUDGET", since, "event_type,event_time,object_id"):
            if event.get("event_type") in BUDGET_EVENTS and event.get("object_id") == live.budget_id:
                at = instant(event, f"{live.name}: activities")
                if at > since:
                    yield at

    def _minimums(self, account: Account) -> Body:
        """The least daily budgets of an account's currency, by what is billed."""
        for body in self._door.rows(f"act_{account.account_id}", "minimum_budgets"):
            if body.get("currency") == account.currency:
                return body
        return {}


def _asked(change: BudgetChange) -> dict[str, Any]:
    return {"daily_budget": to_units(change.target)}


def _require_ours(live: BudgetTarget) -> None:
    if live.kind is BudgetKind.LIFETIME:
        raise Stop(f"{live.name}: a lifetime budget is not moved; set a daily one in Ads Manager first")
    if live.shared:
        raise Stop(
            f"{live.name}: its campaign lets ad sets share budgets, so that others draw on this one; "
            "switch the sharing off in Ads Manager, or let the campaign hold the budget"
        )


def _target(account: Account, body: Body, holder: Level, least: Money | None) -> BudgetTarget | None:
    """Return what a campaign or ad set holds; None where it holds nothing."""
    where = f"{account.connector}: {holder.value} {body.get('id')}"
    kinds = ((BudgetKind.DAILY, "daily_budget"), (BudgetKind.LIFETIME, "lifetime_budget"))
    held = [(kind, integer(body, field, where)) for kind, field in kinds if body.get(field) not in (None, "", "0", 0)]
    if not held:
        return None
    kind, units = held[0]
    campaign = body.get("campaign")
    budget_id = text(body, "id", where)
    return BudgetTarget(
        account=account,
        budget_id=budget_id,
        name=str(body.get("name") or budget_id),
        holder=holder,
        covers=(budget_id,),
        amount=from_units(units, account.currency),
        kind=kind,
        shared=bool(campaign.get(_SHARING)) if isinstance(campaign, Mapping) else False,
        minimum=least if kind is BudgetKind.DAILY else None,
        quantum_micros=quantum(account.currency),
        etag=f"{units} since {body.get('updated_time')}",
    )


def _least(ad_set: Body, minimums: Body) -> Money | None:
    event = ad_set.get("billing_event")
    field = "high_freq" if event in _OFTEN else "low_freq" if event in _SELDOM else "imp"
    units = minimums.get(f"min_daily_budget_{field}")
    return from_units(units, str(minimums["currency"])) if isinstance(units, int) else None


def _least_of_campaigns(ad_sets: Iterable[Body], minimums: Body) -> dict[str, Money]:
    """The least budgets of campaigns that hold them: of all their ad sets together."""
    sums: dict[str, Money] = {}
    for body in ad_sets:
        least, campaign = _least(body, minimums), str(body.get("campaign_id"))
        if least is not None:
            sums[campaign] = sums[campaign] + least if campaign in sums else least
    return sums
