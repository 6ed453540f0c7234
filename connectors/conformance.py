"""The suite that every connector passes, ours and a third party's: subclass `ConnectorConformance` in a test module.

    class TestMyConnector(ConnectorConformance):
        def make(self, currency): ...
        def days(self): ...
        def restate(self, connector): ...
        def live(self, connector, key): ...
        def edit_behind(self, connector, key, amount): ...
        def switch_behind(self, connector, key, status): ...  # where it writes the statuses of ads

It needs no test framework: each `test_*` method raises AssertionError with what was expected. `simulations` and the
files connector run it in this repository.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import ClassVar

from connectors.changes import Change, reported
from connectors.contract import (
    AdKey,
    AdState,
    BudgetChange,
    BudgetKey,
    BudgetTarget,
    Connector,
    EntityKind,
    EntityStatus,
    Level,
    PerformanceRow,
    Receipt,
    Series,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import AskMarketer, ConnectorError, Drifted, StatusDrifted, Stop
from connectors.money import Money, minor_unit_micros

LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
"""Before anything that a platform knows of."""
_Key = tuple[Series, date]


class ConnectorConformance(ABC):
    """What must hold of any connector; a subclass says how to make one and how to reach behind it.

    Attributes:
        currencies: Currencies of two, none and three decimals that the platform serves, and one (HUF) that platforms
            count without decimals although ISO 4217 gives it two. The first is used where any will do.
        secrets: Texts (tokens, passwords) given to the connector that no error may show.
    """

    currencies: ClassVar[tuple[str, ...]] = ("EUR", "JPY", "BHD", "HUF")
    secrets: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def make(self, currency: str) -> Connector:
        """Return a fresh connector whose accounts are in this currency: at least two budgets, none of them shared.

        Called twice in one test, it returns connectors that share nothing.
        """

    @abstractmethod
    def days(self) -> tuple[date, date]:
        """Return the first and last day of a period in which every day has rows; at least three days."""

    @abstractmethod
    def restate(self, connector: Connector) -> None:
        """Let the platform state at least one of those days anew, with other numbers."""

    @abstractmethod
    def live(self, connector: Connector, key: BudgetKey) -> Money:
        """Return the amount that the platform holds, read past the connector where that is possible."""

    @abstractmethod
    def edit_behind(self, connector: Connector, key: BudgetKey, amount: Money) -> None:
        """Change a budget on the platform as another person would."""

    def switch_behind(self, connector: Connector, key: AdKey, status: EntityStatus) -> None:
        """Pause or resume an ad on the platform as another person would; only of connectors that write statuses.

        The connector that `make` gives then has at least two ads, one of them running.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how a person switches {key} to {status}")

    # What it is

    def test_it_satisfies_the_protocol(self) -> None:
        """It has every attribute and method of the contract, and a name."""
        connector = self._any()
        require(isinstance(connector, Connector), f"{type(connector).__name__} lacks a part of the contract")
        require(bool(connector.name), "its name is empty")

    def test_accounts_are_its_own_and_in_their_currency(self) -> None:
        """Accounts are unique, carry the connector's name, and the currency that was asked for."""
        for currency in self.currencies:
            connector = self.make(currency)
            accounts = connector.accounts()
            require(bool(accounts), "it has no account")
            require({a.connector for a in accounts} == {connector.name}, "an account bears another connector's name")
            require({a.currency for a in accounts} == {currency}, f"an account is not in {currency}")
            _unique((a.account_id for a in accounts), "account")

    def test_entities_come_parents_first(self) -> None:
        """Entities are unique, and a parent precedes what is below it."""
        met: set[str] = set()
        entities = list(self._any().entities())
        _unique(((e.account.account_id, e.kind, e.entity_id) for e in entities), "entity")
        for entity in entities:
            require(entity.parent_id is None or entity.parent_id in met, f"{entity.entity_id} precedes its parent")
            met.add(entity.entity_id)

    def test_closing_twice_is_harmless(self) -> None:
        """A second close does nothing."""
        connector = self._any()
        connector.close()
        connector.close()

    # Reading

    def test_every_day_has_rows_inside_the_period(self) -> None:
        """Both ends of the period are included, and nothing beyond them."""
        first, last = self.days()
        require(last - first >= timedelta(days=2), "days() must span three days")
        seen = {row.day for row in self._any().pull(first, last)}
        wanted = {first + timedelta(days=n) for n in range((last - first).days + 1)}
        require(seen == wanted, f"days without rows or beyond the period: {sorted(seen ^ wanted)[:5]}")

    def test_single_days_add_up_to_the_period(self) -> None:
        """Reading day by day gives the rows of the whole period, so that sums agree however it is cut."""
        connector = self._any()
        first, last = self.days()
        whole = _measures(connector.pull(first, last))
        parts: dict[_Key, tuple[int | None, ...]] = {}
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            parts.update(_measures(connector.pull(day, day)))
        require(parts == whole, "the days one by one differ from the period at once")

    def test_a_key_stands_once_per_statement(self) -> None:
        """No two rows share series, day and `fetched_at`; later statements of a key come later."""
        latest: dict[_Key, PerformanceRow] = {}
        for row in self._rows(self._any()):
            before = latest.get((row.series, row.day))
            require(before is None or before.fetched_at < row.fetched_at, f"stated twice or out of order: {row}")
            latest[row.series, row.day] = row

    def test_each_campaign_reports_at_one_level(self) -> None:
        """Rows of one campaign are all of one level, with an audience or without, or their sum counts twice."""
        grain: dict[tuple[str, str], tuple[Level, bool]] = {}
        for row in self._rows(self._any()):
            mine = (row.series.level, row.series.audience_id is not None)
            key = (row.series.account.account_id, row.series.campaign_id)
            require(grain.setdefault(key, mine) == mine, f"campaign {key} reports at two levels")

    def test_rows_name_known_accounts_and_campaigns(self) -> None:
        """Every row's account and campaign are among the accounts and entities."""
        connector = self._any()
        accounts = set(connector.accounts())
        campaigns = {(e.account, e.entity_id) for e in connector.entities() if e.kind is EntityKind.CAMPAIGN}
        for row in self._rows(connector):
            require(row.series.account in accounts, f"unknown account: {row.series.account}")
            require((row.series.account, row.series.campaign_id) in campaigns, f"unknown: {row.series.campaign_id}")

    def test_measures_that_it_declares_absent_are_absent(self) -> None:
        """A measure is None in every row where the capabilities say that it is not reported."""
        connector = self._any()
        told = connector.capabilities
        for row in self._rows(connector):
            require(told.reports_value or row.value_micros is None, "a value, though none is reported")
            require(told.reports_impressions or row.impressions_micros is None, "impressions, though none are reported")
            require(told.reports_clicks or row.clicks_micros is None, "clicks, though none are reported")
            shares = (row.impression_share_micros, row.lost_to_budget_micros)
            require(
                told.reports_impression_share or shares == (None, None), "impression shares, though none are reported"
            )

    def test_reading_again_changes_nothing(self) -> None:
        """Two readings of an unchanged platform state the same."""
        connector = self._any()
        require(_measures(self._rows(connector)) == _measures(self._rows(connector)), "a second reading differs")

    def test_a_restatement_replaces(self) -> None:
        """After a restatement the same keys are there, some with other measures and a later `fetched_at`."""
        connector = self._any()
        before = latest(self._rows(connector))
        self.restate(connector)
        after = latest(self._rows(connector))
        require(before.keys() <= after.keys(), "a restatement lost a key")
        changed = [key for key, row in before.items() if _numbers(row) != _numbers(after[key])]
        require(bool(changed), "restate() changed nothing")
        for key in changed:
            require(after[key].fetched_at > before[key].fetched_at, f"restated, but not learnt later: {after[key]}")

    # Budgets

    def test_budgets_are_unique_and_cover_known_entities(self) -> None:
        """Keys are unique and of its accounts; what a budget covers is an entity of the holder's level."""
        connector = self._any()
        accounts, budgets = set(connector.accounts()), connector.budgets()
        least = 2 if connector.capabilities.writes_budgets else 0
        require(len(budgets) >= least, "make() must give at least two budgets")
        _unique((budget.key for budget in budgets), "budget")
        entities = {(e.account, e.kind.value, e.entity_id) for e in connector.entities()}
        for budget in budgets:
            require(budget.account in accounts, f"budget {budget.key} is of an unknown account")
            for covered in budget.covers:
                known = (budget.account, budget.holder.value, covered) in entities
                require(known, f"budget {budget.key} covers {covered}, which is no entity")

    def test_a_budget_goes_there_and_back_in_every_currency(self) -> None:
        """A set amount is live to the micro, nothing else moves, and the prior amount can be restored."""
        for currency in self.currencies:
            connector = self.make(currency)
            if not connector.capabilities.writes_budgets:
                continue
            budgets = connector.budgets()
            budget = budgets[0]
            change = change_of(budget, quanta=3)
            receipt = connector.set_budget(change)
            require(receipt.key == budget.key and receipt.amount == change.target, f"the receipt says {receipt}")
            require(self.live(connector, budget.key) == change.target, f"{currency}: the platform holds something else")
            now = {b.key: b for b in connector.budgets()}
            require(now[budget.key].amount == change.target, f"{currency}: read back {now[budget.key].amount}")
            require(not budget.etag or now[budget.key].etag != budget.etag, "the etag did not change")
            for other in budgets[1:]:
                require(now[other.key].amount == other.amount, f"setting {budget.key} moved {other.key}")
            connector.set_budget(BudgetChange("conformance-back", budget.key, change.target, budget.amount))
            require(self.live(connector, budget.key) == budget.amount, f"{currency}: the prior amount is not restored")

    def test_checking_writes_nothing(self) -> None:
        """`check_budget` accepts a fair change and leaves every budget as it was."""
        connector = self._any()
        if not connector.capabilities.writes_budgets:
            return
        before = connector.budgets()
        connector.check_budget(change_of(before[0]))
        require(self.live(connector, before[0].key) == before[0].amount, "check_budget wrote")
        require(list(connector.budgets()) == list(before), "check_budget changed the budgets")

    def test_setting_twice_has_one_effect(self) -> None:
        """The same change sent again is acknowledged and moves nothing."""
        connector = self._any()
        if not connector.capabilities.writes_budgets:
            return
        change = change_of(connector.budgets()[0])
        connector.set_budget(change)
        again = connector.set_budget(change)
        require(again.amount == change.target, "the second receipt differs")
        require(self.live(connector, change.key) == change.target, "the second call moved the budget")

    def test_drift_is_refused_and_never_overwritten(self) -> None:
        """A budget that somebody else changed stays as they left it; the error tells both amounts."""
        connector = self._any()
        if not connector.capabilities.compares_and_sets:
            return
        budget = connector.budgets()[0]
        theirs = _plus(budget, 7)
        self.edit_behind(connector, budget.key, theirs)
        error = self._refused(lambda: connector.set_budget(change_of(budget)))
        require(isinstance(error, Drifted), f"{type(error).__name__} instead of Drifted")
        if isinstance(error, Drifted):
            amounts = (error.expected_micros, error.live_micros)
            require(amounts == (budget.amount.micros, theirs.micros), f"Drifted tells {amounts}")
        require(self.live(connector, budget.key) == theirs, "somebody else's amount was overwritten")

    def test_an_amount_that_is_live_already_is_acknowledged(self) -> None:
        """When somebody else set the very target, there is nothing left to do."""
        connector = self._any()
        if not connector.capabilities.compares_and_sets:
            return
        change = change_of(connector.budgets()[0])
        self.edit_behind(connector, change.key, change.target)
        require(connector.set_budget(change).amount == change.target, "the receipt differs")
        require(self.live(connector, change.key) == change.target, "the budget moved")

    def test_what_cannot_be_set_is_refused(self) -> None:
        """An unknown budget, a foreign currency, a negative amount, one below the minimum or between two quanta."""
        connector = self._any()
        budget = _any_budget(connector)
        fair = change_of(budget)
        foreign = next(c for c in ("USD", "CHF") if c != budget.account.currency)
        unfit = {
            "an unknown budget": replace(fair, key=replace(fair.key, budget_id="no-such-budget")),
            "an unknown account": replace(fair, key=replace(fair.key, account_id="no-such-account")),
            "a foreign currency": replace(fair, target=Money(fair.target.micros, foreign)),
            "a negative amount": replace(fair, target=-fair.target),
        }
        if budget.quantum_micros > 1:
            unfit["an amount between two quanta"] = replace(
                fair, target=Money(fair.target.micros + 1, fair.target.currency)
            )
        if budget.minimum is not None and budget.minimum.micros > budget.quantum_micros:
            less = budget.minimum.micros - budget.quantum_micros
            unfit["an amount below the minimum"] = replace(fair, target=Money(less, fair.target.currency))
        for what, change in unfit.items():
            for call in (connector.check_budget, connector.set_budget):
                error = self._refused(_calling(call, change))
                require(isinstance(error, Stop | AskMarketer), f"{what}: {type(error).__name__}")
            if connector.capabilities.writes_budgets:
                require(self.live(connector, budget.key) == budget.amount, f"{what} was written")

    def test_a_connector_that_cannot_write_says_so(self) -> None:
        """Where budgets cannot be written, a set is refused for good or put to the marketer."""
        connector = self._any()
        if not connector.capabilities.writes_budgets:
            error = self._refused(_calling(connector.set_budget, change_of(_any_budget(connector))))
            require(isinstance(error, Stop | AskMarketer), f"{type(error).__name__}")

    # Ads

    def test_ads_are_unique_and_of_known_campaigns(self) -> None:
        """Keys are unique and of its accounts, campaigns are entities; where statuses cannot be set there is no ad."""
        connector = self._any()
        ads, accounts = connector.ads(), set(connector.accounts())
        if not connector.capabilities.writes_status:
            require(not ads, "it names ads, but says that it cannot switch them")
            return
        require(len(ads) >= 2, "make() must give at least two ads")
        _unique((ad.key for ad in ads), "ad")
        campaigns = {(e.account, e.entity_id) for e in connector.entities() if e.kind is EntityKind.CAMPAIGN}
        for ad in ads:
            require(ad.account in accounts, f"ad {ad.key} is of an unknown account")
            require((ad.account, ad.campaign_id) in campaigns, f"ad {ad.key} is of an unknown campaign")

    def test_an_ad_is_paused_and_resumed(self) -> None:
        """A set status is live, nothing else moves, and the prior status can be restored."""
        connector = self._any()
        for ad in self._switchable(connector):
            ads, budgets = connector.ads(), connector.budgets()
            receipt = connector.set_status(switch_of(ad))
            require((receipt.key, receipt.status) == (ad.key, _other(ad.status)), f"the receipt says {receipt}")
            now = {one.key: one for one in connector.ads()}
            require(now[ad.key].status is _other(ad.status), f"read back {now[ad.key].status}")
            require(not ad.etag or now[ad.key].etag != ad.etag, "the etag did not change")
            require(
                all(now[one.key] == one for one in ads if one.key != ad.key), f"switching {ad.key} moved another ad"
            )
            require(list(connector.budgets()) == list(budgets), f"switching {ad.key} moved a budget")
            connector.set_status(StatusChange("conformance-back", ad.key, _other(ad.status), ad.status))
            require(self._status(connector, ad.key) is ad.status, "the prior status is not restored")

    def test_checking_a_status_switches_nothing(self) -> None:
        """`check_status` accepts a fair change and leaves every ad as it was."""
        connector = self._any()
        for ad in self._switchable(connector):
            before = connector.ads()
            connector.check_status(switch_of(ad))
            require(list(connector.ads()) == list(before), "check_status switched an ad")

    def test_switching_twice_has_one_effect(self) -> None:
        """The same change sent again is acknowledged; once a person has undone it, it is refused."""
        connector = self._any()
        for ad in self._switchable(connector):
            change = switch_of(ad)
            connector.set_status(change)
            require(connector.set_status(change).status is change.target, "the second receipt differs")
            require(self._status(connector, ad.key) is change.target, "the second call switched the ad")
            if not connector.capabilities.compares_and_sets:
                return
            self.switch_behind(connector, ad.key, ad.status)
            error = self._refused(_calling_status(connector.set_status, change))
            require(isinstance(error, StatusDrifted), f"{type(error).__name__} instead of StatusDrifted")
            require(self._status(connector, ad.key) is ad.status, "somebody else's switch was overwritten")

    def test_a_status_that_is_live_already_is_acknowledged(self) -> None:
        """When somebody else set the very target, there is nothing left to do."""
        connector = self._any()
        for ad in self._switchable(connector):
            change = switch_of(ad)
            self.switch_behind(connector, ad.key, change.target)
            require(connector.set_status(change).status is change.target, "the receipt differs")
            require(self._status(connector, ad.key) is change.target, "the ad was switched")

    def test_an_unknown_ad_is_refused(self) -> None:
        """So is every ad where statuses cannot be written."""
        connector = self._any()
        account = connector.accounts()[0]
        key = AdKey(connector.name, account.account_id, "no-such-ad")
        for unknown in (key, replace(key, account_id="no-such-account")):
            change = StatusChange("conformance", unknown, EntityStatus.ACTIVE, EntityStatus.PAUSED)
            for call in (connector.check_status, connector.set_status):
                error = self._refused(_calling_status(call, change))
                require(isinstance(error, Stop | AskMarketer), f"{type(error).__name__}")

    # The history of changes, where the platform has one

    def test_changes_are_told_in_order_with_who_made_them(self) -> None:
        """Our change and somebody else's stand in the history, apart by who made them; ours may bear its key."""
        connector = self._any()
        if not connector.capabilities.reports_changes:
            return
        budget = connector.budgets()[0]
        change, theirs = change_of(budget), _plus(budget, 7)
        connector.set_budget(change)
        self.edit_behind(connector, budget.key, theirs)
        ours, other = _history(connector, budget.key)[-2:]
        require(ours.idempotency_key in ("", change.idempotency_key), f"our change bears {ours.idempotency_key!r}")
        require(other.idempotency_key == "", "somebody else's change bears a key of ours")
        require(ours.who != other.who, f"both changes are said to be by {ours.who!r}")
        amounts = [(ours.before, ours.after), (other.before, other.after)]
        wanted = [(budget.amount, change.target), (change.target, theirs)]
        for told, true in zip(amounts, wanted, strict=True):
            require(told[0] in (None, true[0]) and told[1] == true[1], f"the history tells {told} of {true}")

    def test_switches_are_told_in_order_with_who_made_them(self) -> None:
        """The same of an ad."""
        connector = self._any()
        for ad in self._switchable(connector) if connector.capabilities.reports_changes else ():
            connector.set_status(switch_of(ad))
            self.switch_behind(connector, ad.key, ad.status)
            ours, other = _history(connector, ad.key)[-2:]
            require((ours.after, other.after) == (_other(ad.status), ad.status), f"it tells {ours} and {other}")
            require(ours.who != other.who, f"both switches are said to be by {ours.who!r}")
            require(other.idempotency_key == "", "somebody else's switch bears a key of ours")

    def test_changes_before_the_time_that_is_asked_for_are_left_out(self) -> None:
        """Nothing is told of the day after tomorrow."""
        connector = self._any()
        if not connector.capabilities.reports_changes:
            return
        connector.set_budget(change_of(connector.budgets()[0]))
        latest = max(change.at for change in reported(connector, LONG_AGO))
        later = list(reported(connector, latest + timedelta(days=2)))
        require(not later, f"a change of {latest} is told as one of two days later: {later[:1]}")

    # Help

    def _switchable(self, connector: Connector) -> Sequence[AdState]:
        """One running ad; none where statuses cannot be written."""
        if not connector.capabilities.writes_status:
            return ()
        found = [ad for ad in connector.ads() if ad.status is EntityStatus.ACTIVE]
        require(bool(found), "make() must give an ad that runs")
        return found[:1]

    def _status(self, connector: Connector, key: AdKey) -> EntityStatus:
        return next(ad.status for ad in connector.ads() if ad.key == key)

    def _any(self) -> Connector:
        return self.make(self.currencies[0])

    def _rows(self, connector: Connector) -> Iterable[PerformanceRow]:
        return connector.pull(*self.days())

    def _refused(self, call: Callable[[], Receipt | StatusReceipt | None]) -> ConnectorError:
        """Return the error of a call that must fail, of one of the families and without a secret."""
        try:
            answer = call()
        except ConnectorError as error:
            require(type(error) is not ConnectorError, "the base of the families was raised itself")
            self._keeps_secrets(error)
            return error
        raise AssertionError(f"it should have been refused, but answered {answer}")

    def _keeps_secrets(self, error: BaseException) -> None:
        shown: BaseException | None = error
        while shown is not None:
            for secret in self.secrets:
                require(secret not in f"{shown} {shown!r}", f"{type(shown).__name__} shows a secret")
            shown = shown.__cause__ or shown.__context__


def _history(connector: Connector, key: BudgetKey | AdKey) -> list[Change]:
    """The changes of one budget or ad; at least two of them, none told out of order."""
    found = list(reported(connector, LONG_AGO))
    require(all(a.at <= b.at for a, b in pairwise(found)), "the history is not told in order")
    mine = [change for change in found if change.key == key]
    require(len(mine) >= 2, f"of two changes of {key} {len(mine)} are told")
    return mine


def require(holds: bool, otherwise: str) -> None:
    """Raise AssertionError with these words unless it holds."""
    if not holds:
        raise AssertionError(otherwise)


def _any_budget(connector: Connector) -> BudgetTarget:
    """The first budget; of a connector that reads only and has none, one that is not there."""
    found = connector.budgets()
    if found or connector.capabilities.writes_budgets:
        return found[0]
    account = connector.accounts()[0]
    quantum = minor_unit_micros(account.currency)
    amount = Money(100 * quantum, account.currency)
    return BudgetTarget(account, "no-such-budget", "none", Level.CAMPAIGN, ("none",), amount, quantum_micros=quantum)


def _unique(items: Iterable[object], what: str) -> None:
    met: set[object] = set()
    for item in items:
        require(item not in met, f"{what} {item} comes twice")
        met.add(item)


def _numbers(row: PerformanceRow) -> tuple[int | None, ...]:
    return row.spend_micros, row.conversions_micros, row.value_micros, row.impressions_micros, row.clicks_micros


def latest(rows: Iterable[PerformanceRow]) -> dict[_Key, PerformanceRow]:
    """Return the last statement of each series and day."""
    return {(row.series, row.day): row for row in rows}


def _measures(rows: Iterable[PerformanceRow]) -> dict[_Key, tuple[int | None, ...]]:
    return {key: _numbers(row) for key, row in latest(rows).items()}


def _plus(budget: BudgetTarget, quanta: int) -> Money:
    return budget.amount + Money(quanta * budget.quantum_micros, budget.account.currency)


def change_of(budget: BudgetTarget, quanta: int = 1, key: str = "conformance") -> BudgetChange:
    """Return a fair change of a budget, up by so many quanta."""
    return BudgetChange(key, budget.key, budget.amount, _plus(budget, quanta))


def _calling(call: Callable[[BudgetChange], Receipt | None], change: BudgetChange) -> Callable[[], Receipt | None]:
    return lambda: call(change)


def _other(status: EntityStatus) -> EntityStatus:
    return EntityStatus.PAUSED if status is EntityStatus.ACTIVE else EntityStatus.ACTIVE


def switch_of(ad: AdState) -> StatusChange:
    """Return the change of an ad to the other status."""
    return StatusChange("conformance", ad.key, ad.status, _other(ad.status))


def _calling_status(
    call: Callable[[StatusChange], StatusReceipt | None], change: StatusChange
) -> Callable[[], StatusReceipt | None]:
    return lambda: call(change)
