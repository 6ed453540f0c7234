"""The suites of every connector and every wire, on Google Ads: the official client against the emulator."""

from datetime import timedelta
from typing import ClassVar

import pytest

from connectors.contract import BudgetKey, EntityStatus
from connectors.money import Money
from connectors.wire_conformance import Measures, Place, WireConformance
from simulations.emulators.faults import Fault
from simulations.emulators.google import Traits
from simulations.scenarios import Channel, FurtherConversion
from tests.connectors.google_at_hand import SECRETS, START, Hand, account

SIGNUP = FurtherConversion("signup", per_purchase=2.0, value=0.0)
TWO_KINDS = {
    "channels": (
        Channel("search", 2, 1_800.0, 7_000.0, 0.04, 0.04, attribution_days=7, further=(SIGNUP,)),
        Channel("social", 1, 2_400.0, 6_000.0, 0.012, 0.03),
    ),
    "returned_share": 0.2,
}


class GoogleConformance(WireConformance):
    secrets = SECRETS
    knobs: ClassVar[dict[str, object]] = {}
    settings: ClassVar[dict[str, object]] = {}

    @pytest.fixture(autouse=True)
    def _at_hand(self):
        self.hands = {}
        yield
        for hand in self.hands.values():
            hand.close()

    def make(self, currency):
        hand = Hand(account(currency, **self.knobs), traits=Traits(change_lag=timedelta()))
        connector = hand.connect(**self.settings)
        self.hands[id(connector)] = hand
        return connector

    def hand(self, connector):
        return self.hands[id(connector)]

    def days(self):
        return START + timedelta(10), START + timedelta(19)

    def restate(self, connector):
        self.hand(connector).account.advance(4)

    def live(self, connector, key):
        account = self.hand(connector).account
        (found,) = (c for c in account.campaigns() if str(c.budget_id) == key.budget_id)
        return Money(found.budget_micros, account.currency)

    def edit_behind(self, connector, key, amount):
        account = self.hand(connector).account
        account.set_budget(self._index(account, key), amount.micros, by="hand")

    def switch_behind(self, connector, key, status):
        account = self.hand(connector).account
        account.switch(self._index(account, key), status is EntityStatus.ACTIVE, by="hand")

    def spoil(self, connector, kind, *faults):
        self.hand(connector).faults.script(kind, *(fault and Fault(fault) for fault in faults))

    def effects(self, connector, key):
        account = self.hand(connector).account
        changes = account.budget_changes() if isinstance(key, BudgetKey) else account.status_changes()
        return sum(change.index == self._index(account, key) for change in changes)

    def met(self, connector):
        return sum(self.hand(connector).faults.met.values())

    def books(self, connector):
        """By ad and purchases alone: what the account counts as conversions."""
        account = self.hand(connector).account
        return {
            Place(str(account.account_id), str(line.ad.campaign_id), str(line.ad.ad_id), line.day, "all"): Measures(
                line.spend, line.conversions, line.value, line.impressions, line.clicks
            )
            for line in account.lines(*self.days())
            if line.kind == 0
        }

    def _index(self, account, key):
        if isinstance(key, BudgetKey):
            return next(c.index for c in account.campaigns() if str(c.budget_id) == key.budget_id)
        return next(ad.index for ad in account.ads() if str(ad.ad_id) == key.ad_id)


class TestGoogle(GoogleConformance):
    pass
