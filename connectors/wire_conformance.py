"""What must hold of a connector that speaks to a platform over a wire: on top of `ConnectorConformance`.

Its subclass has an emulator of the platform at hand, which can be told to misbehave and whose books can be read:

    class TestMyConnector(WireConformance):
        ...                                     # what ConnectorConformance asks
        def spoil(self, connector, kind, *faults): ...
        def met(self, connector): ...
        def books(self, connector): ...
        def effects(self, connector, key): ...

Faults are named `throttled`, `broken`, `lost_before`, `lost_after`, `empty_page`, `expired`. A platform that cannot
show one says so in `faults`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import ClassVar, Literal, NamedTuple

from connectors.changes import reported
from connectors.conformance import LONG_AGO, ConnectorConformance, change_of, latest, require, switch_of
from connectors.contract import AdKey, BudgetKey, BudgetTarget, Connector, PerformanceRow
from connectors.errors import AskMarketer, ConnectorError, Drifted, OutcomeUnknown, RetryLater

Kind = Literal["read", "write"]


class Place(NamedTuple):
    """Whose figures they are: the reported ids of one entity, one day, one definition of a conversion."""

    account_id: str
    campaign_id: str
    ad_id: str | None
    day: date
    conversion_definition: str


class Measures(NamedTuple):
    """Micros, counts alike; None where the connector says that it reports no such measure."""

    spend: int
    conversions: int
    value: int | None
    impressions: int | None
    clicks: int | None


class WireConformance(ConnectorConformance):
    """What must hold of a connector whose platform's emulator can be told to misbehave.

    Attributes:
        faults: Those that the platform can show; what is missing here is not tried.
        times: How often a lost answer is tried.
    """

    faults: ClassVar[frozenset[str]] = frozenset(
        {"throttled", "broken", "lost_before", "lost_after", "empty_page", "expired"}
    )
    times: ClassVar[int] = 20
    _met_before: int = 0

    @abstractmethod
    def spoil(self, connector: Connector, kind: Kind, *faults: str | None) -> None:
        """Let the platform's next requests of this kind go wrong so, in order; None lets one through."""

    @abstractmethod
    def met(self, connector: Connector) -> int:
        """Return how many faults the platform's requests have met so far."""

    @abstractmethod
    def books(self, connector: Connector) -> Mapping[Place, Measures]:
        """Return what the market's own ledger holds now for `days()`, read past the wire."""

    @abstractmethod
    def effects(self, connector: Connector, key: BudgetKey | AdKey) -> int:
        """Return how many changes of this budget or ad the platform has entered in its own history."""

    # Reading

    def test_the_pull_equals_the_books(self) -> None:
        """To the cent and the count, in every currency, before and after a restatement.

        As they are kept: what a later pull leaves out stands as the earlier one told it.
        """
        for currency in self.currencies:
            connector = self.make(currency)
            kept: dict[Place, Measures] = {}
            self._same_as_the_books(connector, currency, kept)
            self.restate(connector)
            self._same_as_the_books(connector, f"{currency}, restated", kept)

    def test_throttled_reads_go_through(self) -> None:
        """A read that is turned away is made again; no row is lost or doubled."""
        self._reads_through("throttled", "throttled", None, "throttled")

    def test_broken_reads_go_through(self) -> None:
        """So is one that met a failure of the platform, or whose connection broke."""
        self._reads_through("broken", "lost_before", None, "broken")

    def test_an_empty_page_ends_nothing(self) -> None:
        """Pages without rows in the middle of a report or of a listing are passed over."""
        self._reads_through("empty_page", "empty_page", None, "empty_page")
        connector = self._any()
        if "empty_page" in self.faults and connector.capabilities.writes_budgets:
            listed = list(connector.budgets())
            self._spoiled(connector, "empty_page", None, "empty_page")
            require(list(connector.budgets()) == listed, "budgets behind an empty page are lost")
            self._require_met(connector, "a listing with empty pages")

    def test_the_history_of_changes_is_read_through(self) -> None:
        """Throttles, failures and empty pages lose none of it, where the platform has one."""
        connector = self._any()
        if not connector.capabilities.reports_changes:
            return
        budget = connector.budgets()[0]
        connector.set_budget(change_of(budget))
        told = list(reported(connector, LONG_AGO))
        require([change.key for change in told] == [budget.key], f"one budget was changed; told is {told}")
        faults = ("throttled", "broken", None, "empty_page", "lost_before")
        self._spoiled(connector, *(fault for fault in faults if fault is None or fault in self.faults))
        require(list(reported(connector, LONG_AGO)) == told, "another history is told after failures")
        self._require_met(connector, "the history of changes")

    def test_a_refused_credential_asks_the_marketer(self) -> None:
        """No retry helps; the message says what to mend and shows no secret."""
        for name, read in self._reading():
            if "expired" in self.faults:
                connector = self._any()
                able = {
                    "budgets": connector.capabilities.writes_budgets,
                    "changes": connector.capabilities.reports_changes,
                }
                if not able.get(name, True):
                    continue
                self.spoil(connector, "read", *["expired"] * 20)
                error = self._failed(lambda read=read, connector=connector: read(connector))  # type: ignore[misc]
                require(isinstance(error, AskMarketer), f"{name}: {type(error).__name__} instead of AskMarketer")

    def test_a_pull_can_be_left(self) -> None:
        """Whoever stops reading in the middle leaves nothing behind: the next pull is whole."""
        connector = self._any()
        whole = latest(connector.pull(*self.days()))
        rows = iter(connector.pull(*self.days()))
        next(rows)
        close = getattr(rows, "close", None)
        if close is not None:
            close()
        require(latest(connector.pull(*self.days())).keys() == whole.keys(), "the next pull is not whole")

    # Writing

    def test_a_throttled_write_may_be_sent_later(self) -> None:
        """It did nothing, says so, and is not retried by itself."""
        self._writes_nothing("throttled", RetryLater)

    def test_a_write_that_is_not_taken_up_has_no_effect(self) -> None:
        """A connection that broke before leaves the outcome unknown, unless the connector can prove that it knows."""
        self._writes_nothing("lost_before", OutcomeUnknown, RetryLater)

    def test_a_platform_that_breaks_is_not_believed(self) -> None:
        """Of a write that met a failure of the platform the outcome is unknown, or provably nothing."""
        self._writes_nothing("broken", OutcomeUnknown, RetryLater)

    def test_a_refused_write_asks_the_marketer(self) -> None:
        """A credential that is refused at a write."""
        self._writes_nothing("expired", AskMarketer)

    def test_a_lost_answer_has_one_effect(self) -> None:
        """The outcome is unknown; what is read back is the target; sent again it changes nothing. Many times."""
        connector = self._any()
        if not connector.capabilities.writes_budgets or "lost_after" not in self.faults:
            return
        for number in range(self.times):
            budget = connector.budgets()[0]
            change = change_of(budget, quanta=1 + number % 3, key=f"conformance-{number}")
            before = self.effects(connector, budget.key)
            self.spoil(connector, "write", "lost_after")
            error = self._failed(lambda change=change: connector.set_budget(change))  # type: ignore[misc]
            require(isinstance(error, OutcomeUnknown), f"{type(error).__name__} instead of OutcomeUnknown")
            now = _found(connector.budgets(), budget.key)
            require(now.amount == change.target, "the write took effect and is not read back")
            connector.set_budget(change)
            made = self.effects(connector, budget.key) - before
            require(made == 1, f"{made} effects of one change whose answer was lost")

    def test_a_lost_answer_of_a_switch_has_one_effect(self) -> None:
        """Likewise of an ad."""
        connector = self._any()
        for ad in self._switchable(connector) if "lost_after" in self.faults else ():
            before = self.effects(connector, ad.key)
            self.spoil(connector, "write", "lost_after")
            error = self._failed(lambda ad=ad: connector.set_status(switch_of(ad)))  # type: ignore[misc]
            require(isinstance(error, OutcomeUnknown), f"{type(error).__name__} instead of OutcomeUnknown")
            connector.set_status(switch_of(ad))
            made = self.effects(connector, ad.key) - before
            require(made == 1, f"{made} effects of one switch whose answer was lost")

    def test_drift_that_can_be_seen_is_refused(self) -> None:
        """Where the platform cannot compare, the connector does, right before it writes."""
        connector = self._any()
        if not connector.capabilities.writes_budgets:
            return
        budget = connector.budgets()[0]
        change = change_of(budget)
        theirs = change_of(budget, quanta=7).target
        self.edit_behind(connector, budget.key, theirs)
        for call in (connector.check_budget, connector.set_budget):
            error = self._failed(lambda call=call: call(change))  # type: ignore[misc]
            require(isinstance(error, Drifted), f"{type(error).__name__} instead of Drifted")
        require(self.live(connector, budget.key) == theirs, "somebody else's amount was overwritten")

    def test_a_check_reaches_no_book(self) -> None:
        """Neither check enters anything in the platform's history."""
        connector = self._any()
        if connector.capabilities.writes_budgets:
            budget = connector.budgets()[0]
            before = self.effects(connector, budget.key)
            connector.check_budget(change_of(budget))
            require(self.effects(connector, budget.key) == before, "check_budget left a trace in the history")
        for ad in self._switchable(connector):
            before = self.effects(connector, ad.key)
            connector.check_status(switch_of(ad))
            require(self.effects(connector, ad.key) == before, "check_status left a trace in the history")

    # Help

    def _reading(self) -> Sequence[tuple[str, Callable[[Connector], object]]]:
        def pull(connector: Connector) -> object:
            return list(connector.pull(*self.days()))

        return (
            ("accounts", lambda connector: list(connector.accounts())),
            ("budgets", lambda connector: list(connector.budgets())),
            ("pull", pull),
            ("changes", lambda connector: list(reported(connector, LONG_AGO))),
        )

    def _reads_through(self, *faults: str | None) -> None:
        met = [fault for fault in faults if fault is None or fault in self.faults]
        if not any(met):
            return
        connector, when = self._any(), f"with {', '.join(map(str, met))}"
        self._spoiled(connector, *met)
        self._same_as_the_books(connector, when, {})
        self._require_met(connector, when)

    def _spoiled(self, connector: Connector, *faults: str | None) -> None:
        self._met_before = self.met(connector)
        self.spoil(connector, "read", *faults)

    def _require_met(self, connector: Connector, when: str) -> None:
        require(self.met(connector) > self._met_before, f"{when}: the pull met none of them, so nothing was tried")

    def _same_as_the_books(self, connector: Connector, when: str, kept: dict[Place, Measures]) -> None:
        """Compare a pull, written over what was kept of earlier ones, with the books."""
        told: dict[Place, Measures] = {}
        for row in self._rows(connector):
            place = _place(row)
            require(place not in told, f"{when}: {place} comes twice")
            told[place] = _measured(row)
        books = {place: measures for place, measures in self.books(connector).items() if any(measures)}
        kept.update(told)
        told = {place: measures for place, measures in kept.items() if any(measures)}
        require(told.keys() == books.keys(), f"{when}: rows lost or invented: {_some(told.keys() ^ books.keys())}")
        wrong = [place for place, measures in books.items() if told[place] != measures]
        require(not wrong, f"{when}: other figures than the books: {[(p, told[p], books[p]) for p in wrong[:3]]}")

    def _writes_nothing(self, fault: str, *families: type[ConnectorError]) -> None:
        connector = self._any()
        if not connector.capabilities.writes_budgets or fault not in self.faults:
            return
        budget = connector.budgets()[0]
        before = self.effects(connector, budget.key)
        self.spoil(connector, "write", fault)
        error = self._failed(lambda: connector.set_budget(change_of(budget)))
        names = " or ".join(family.__name__ for family in families)
        require(isinstance(error, families), f"{type(error).__name__} instead of {names}")
        require(self.effects(connector, budget.key) == before, f"{fault}: the platform has entered a change")
        require(self.live(connector, budget.key) == budget.amount, f"{fault}: the budget moved")
        connector.set_budget(change_of(budget))
        made = self.effects(connector, budget.key) - before
        require(made == 1, f"{fault}: {made} effects after it was sent again")

    def _failed(self, call: Callable[[], object]) -> ConnectorError:
        """Return the error of a call that must fail: one of the families, without a secret."""
        try:
            answer = call()
        except ConnectorError as error:
            require(type(error) is not ConnectorError, "the base of the families was raised itself")
            self._keeps_secrets(error)
            return error
        raise AssertionError(f"it should have failed, but answered {answer}")


def _found(budgets: Iterable[BudgetTarget], key: BudgetKey) -> BudgetTarget:
    return next(budget for budget in budgets if budget.key == key)


def _place(row: PerformanceRow) -> Place:
    series = row.series
    return Place(series.account.account_id, series.campaign_id, series.ad_id, row.day, series.conversion_definition)


def _measured(row: PerformanceRow) -> Measures:
    return Measures(
        row.spend_micros, row.conversions_micros, row.value_micros, row.impressions_micros, row.clicks_micros
    )


def _some(places: Iterable[Place]) -> list[Place]:
    return sorted(places, key=str)[:3]
