"""A Meta connector and the emulator that it speaks to, for tests."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

from connectors.contract import BuildContext
from connectors.meta.connector import MetaConnector, build_connector
from connectors.money import Money
from simulations.emulators.account import Account, Line
from simulations.emulators.faults import Faults
from simulations.emulators.meta import MetaEmulator, Options
from simulations.emulators.registry import Setup
from simulations.scenarios import Scenario, named

START = date(2025, 3, 3)
HISTORY = 20
TOKEN = "EAAcanary-access-token-0123456789"
SECRET = "canary-app-secret-abcdef"


def purchases(_line: Line) -> str:
    return "omni_purchase"


class Bench:
    """An emulated account, and connectors to it; nothing waits longer than it must."""

    def __init__(self, currency: str = "EUR", *, scenario: Scenario | None = None, start: date = START, **knobs):
        world = scenario or named("tiny-yen", currency=currency, history_days=HISTORY)
        self.account = Account(world, seed=11, start=start)
        self.faults = Faults()
        self.options = Options(
            **{"token": TOKEN, "app_secret": SECRET, "budget_changes_an_hour": None, "page_rows": 7, **knobs}
        )
        self.emulator: MetaEmulator = MetaEmulator(Setup(self.account, self.faults), self.options)
        self.slept: list[float] = []
        self._open: list[MetaConnector] = []

    def connector(self, *, clock=None, **options) -> MetaConnector:
        os.environ["META_TEST_TOKEN"], os.environ["META_TEST_SECRET"] = TOKEN, SECRET
        settings = {
            "accounts": [f"act_{self.account.account_id}"],
            "access_token": {"env": "META_TEST_TOKEN"},
            "app_secret": {"env": "META_TEST_SECRET"},
            "base_url": self.emulator.address,
            "page_rows": 50,
            "attempts": 20,
            **options,
        }
        context = BuildContext("meta", {k: v for k, v in settings.items() if v is not None}, Path())
        if clock is not None:
            context = BuildContext("meta", context.options, Path(), clock=clock)
        connector = build_connector(context, self.slept.append)
        self._open.append(connector)
        return connector

    def held(self, budget_id: str) -> Money:
        """What the platform holds, in its own units."""
        for body in [*self.emulator.application.layout.campaigns(), *self.emulator.application.layout.ad_set_bodies()]:
            if body["id"] == budget_id:
                offset = 1 if self.account.currency in ("JPY", "HUF") else 100
                return Money(int(body["daily_budget"]) * 1_000_000 // offset, self.account.currency)
        raise LookupError(budget_id)

    def campaign_of(self, budget_id: str) -> int:
        layout = self.emulator.application.layout
        found = {str(campaign.campaign_id): campaign.index for campaign in self.account.campaigns()}
        found |= {str(ad_set.ad_set_id): ad_set.campaign.index for ad_set in layout.ad_sets()}
        return found[budget_id]

    def ad_of(self, ad_id: str) -> int:
        return next(ad.index for ad in self.account.ads() if str(ad.ad_id) == ad_id)

    def close(self) -> None:
        for connector in self._open:
            connector.close()
        self.emulator.close()
