"""The suite of every connector, for Meta: through its SDK, against the emulator, with all faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from connectors.meta.connector import MetaConnector
from connectors.wire_conformance import Measures, Place, WireConformance
from simulations.emulators.faults import Fault
from tests.connectors.meta_bench import HISTORY, SECRET, START, TOKEN, Bench, purchases

LAST = START + timedelta(days=HISTORY - 1)


class TestMeta(WireConformance):
    secrets = (TOKEN, SECRET)

    @pytest.fixture(autouse=True)
    def _benches(self, no_waiting: None) -> Iterator[None]:
        self.benches: dict[int, Bench] = {}
        yield
        for bench in self.benches.values():
            bench.close()

    def make(self, currency: str) -> MetaConnector:
        bench = Bench(currency=currency)
        connector = bench.connector()
        self.benches[id(connector)] = bench
        return connector

    def days(self) -> tuple[date, date]:
        return LAST - timedelta(days=9), LAST

    def restate(self, connector):
        self.benches[id(connector)].account.advance(4)

    def live(self, connector, key):
        return self.benches[id(connector)].held(key.budget_id)

    def edit_behind(self, connector, key, amount):
        bench = self.benches[id(connector)]
        bench.account.set_budget(bench.campaign_of(key.budget_id), amount.micros, by="hand")

    def switch_behind(self, connector, key, status):
        bench = self.benches[id(connector)]
        bench.account.switch(bench.ad_of(key.ad_id), status.value == "active", by="hand")

    def spoil(self, connector, kind, *faults):
        self.benches[id(connector)].faults.script(kind, *(None if fault is None else Fault(fault) for fault in faults))

    def met(self, connector):
        return sum(self.benches[id(connector)].faults.met.values())

    def books(self, connector):
        bench, sums = self.benches[id(connector)], defaultdict(lambda: [0] * 5)
        for line in bench.account.lines(*self.days()):
            place = Place(
                str(bench.account.account_id), str(line.ad.campaign_id), str(line.ad.ad_id), line.day, purchases(line)
            )
            for number, measure in enumerate((line.conversions, line.value, line.impressions, line.clicks)):
                sums[place][number + 1] += measure
            sums[place][0] += line.spend
        return {place: Measures(*measures) for place, measures in sums.items()}

    def effects(self, connector, key):
        bench = self.benches[id(connector)]
        if hasattr(key, "budget_id"):
            campaign = bench.campaign_of(key.budget_id)
            return sum(change.index == campaign for change in bench.account.budget_changes())
        ad = bench.ad_of(key.ad_id)
        return sum(change.index == ad for change in bench.account.status_changes())
