"""Emulators at hand for the suites: a platform with the connectors that speak to it, and the suite around it.

The module of a platform derives a `Platform` by saying how it is served and what its connector is told; its suite
derives from `EmulatedConformance`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connectors.contract import BudgetKey, BuildContext, EntityStatus
from connectors.money import Money
from connectors.wire_conformance import Measures, Place, WireConformance
from simulations.emulators.account import Account
from simulations.emulators.faults import Fault, Faults
from simulations.emulators.registry import Setup
from simulations.scenarios import named

START = date(2025, 3, 20)  # the clocks change within the period


class Platform(ABC):
    """One emulator over a small market, with the connectors that speak to it; all is closed at the end.

    A subclass says `kind`, `conversion`, and how it is `served` and `told`; `by_ad` is whether rows name ads, `since`
    the market's first day.
    """

    kind: ClassVar[str]
    conversion: ClassVar[str]
    zone: ClassVar[str] = "Europe/Berlin"
    by_ad: ClassVar[bool] = True
    since: ClassVar[date] = START

    def __init__(self, folder: Path, *, currency: str = "EUR", days: int = 20, shape: Any = None, **knobs: Any) -> None:
        scenario = named("tiny-yen", **{"time_zone": self.zone, **knobs, "currency": currency, "history_days": days})
        self.account = Account(scenario, seed=11, start=self.since)
        self.faults = Faults()
        self.server = self.served(Setup(self.account, self.faults), shape)
        self.folder, self.open = folder, []

    @abstractmethod
    def served(self, setup: Setup, shape: Any) -> Any:
        """Start the platform's emulator."""

    @abstractmethod
    def told(self) -> dict[str, Any]:
        """The connector's settings."""

    @abstractmethod
    def build(self, context: BuildContext) -> Any:
        """Make a connector of settings."""

    def connector(self, **options: Any) -> Any:
        told = {**self.told(), **options}
        self.open.append(self.build(BuildContext(self.kind, told, self.folder, clock=lambda: self.account.now)))
        return self.open[-1]

    def books(self, since: date, until: date) -> dict[Place, Measures]:
        """What the market holds, as the connector's rows are cut."""
        sums: dict[Place, list[int]] = {}
        for line in self.account.lines(since, until):
            ad = str(line.ad.ad_id) if self.by_ad else None
            place = Place(str(self.account.account_id), str(line.ad.campaign_id), ad, line.day, self.conversion)
            added = (line.spend, line.conversions, line.value, line.impressions, line.clicks)
            sums[place] = [one + more for one, more in zip(sums.get(place, [0] * 5), added, strict=True)]
        return {place: Measures(*measured) for place, measured in sums.items()}

    def pulled(self, since: date, until: date) -> dict[Place, Measures]:
        """What a connector makes of the same days."""
        return {
            Place(
                row.series.account.account_id,
                row.series.campaign_id,
                row.series.ad_id,
                row.day,
                row.series.conversion_definition,
            ): Measures(
                row.spend_micros, row.conversions_micros, row.value_micros, row.impressions_micros, row.clicks_micros
            )
            for row in self.connector().pull(since, until)
        }

    def close(self) -> None:
        for connector in self.open:
            connector.close()
        self.server.close()


def platforms(make: type[Platform], folder: Path) -> Iterator[Any]:
    """Give a function that makes platforms, and close them; for a fixture."""
    made: list[Platform] = []

    def one(**knobs: Any) -> Platform:
        made.append(make(folder, **knobs))
        return made[-1]

    yield one
    for platform in made:
        platform.close()


def a_year(platform: Any, currency: str) -> tuple[dict[Place, Measures], dict[Place, Measures]]:
    """What a connector makes of a year after restatement, and the market's books of it; both without empty rows."""
    of = platform(currency=currency, days=365, horizon_days=420)
    of.account.advance(of.account.restatement_days)
    days = of.since, of.since + timedelta(364)
    return tuple({p: m for p, m in found.items() if any(m)} for found in (of.pulled(*days), of.books(*days)))


class EmulatedConformance(WireConformance):
    """The suite of a connector whose emulator is a `Platform`, given by the fixture `platform`."""

    knobs: ClassVar[tuple[tuple[str, Any], ...]] = ()

    @pytest.fixture(autouse=True)
    def _platforms(self, platform: Any) -> None:
        self.platform, self.of = platform, {}

    def make(self, currency: str) -> Any:
        made = self.platform(currency=currency, **dict(self.knobs))
        connector = made.connector()
        self.of[id(connector)] = made
        return connector

    def days(self) -> tuple[date, date]:
        return START + timedelta(8), START + timedelta(17)

    def restate(self, connector: Any) -> None:
        self.of[id(connector)].account.advance(4)

    def live(self, connector: Any, key: BudgetKey) -> Money:
        account = self.of[id(connector)].account
        return Money(account.campaigns()[self._index(account, key)].budget_micros, account.currency)

    def edit_behind(self, connector: Any, key: BudgetKey, amount: Money) -> None:
        account = self.of[id(connector)].account
        account.set_budget(self._index(account, key), amount.micros, by="hand")

    def switch_behind(self, connector: Any, key: Any, status: EntityStatus) -> None:
        account = self.of[id(connector)].account
        account.switch(self._index(account, key), status is EntityStatus.ACTIVE, by="hand")

    def spoil(self, connector: Any, kind: Any, *faults: str | None) -> None:
        self.of[id(connector)].faults.script(kind, *(None if f is None else Fault(f) for f in faults))

    def met(self, connector: Any) -> int:
        return sum(self.of[id(connector)].faults.met.values())

    def books(self, connector: Any) -> dict[Place, Measures]:
        return self.of[id(connector)].books(*self.days())

    def effects(self, connector: Any, key: Any) -> int:
        account = self.of[id(connector)].account
        changes = account.budget_changes() if isinstance(key, BudgetKey) else account.status_changes()
        return sum(change.index == self._index(account, key) for change in changes)

    def _index(self, account: Account, key: Any) -> int:
        """The campaign whose budget it is, or the ad; a campaign's only ad group may hold its budget."""
        if isinstance(key, BudgetKey):
            holders = {str(ad.campaign_id): ad.campaign for ad in account.ads()}
            holders |= {str(ad.ad_group_id): ad.campaign for ad in account.ads()}
            return holders[key.budget_id]
        return next(ad.index for ad in account.ads() if str(ad.ad_id) == key.ad_id)
