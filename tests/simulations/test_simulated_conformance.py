"""The suite of every connector, on the simulated platform: bare, and under wrappers that let everything through."""

from datetime import date, timedelta

import numpy as np

from connectors.conformance import ConnectorConformance
from simulations.platform.connector import SimulatedConnector
from simulations.platform.faults import (
    Delayed,
    EditedBehind,
    NotApplied,
    OutOfOrder,
    PartialPull,
    PartialSet,
    Refuses,
    StaleAds,
    StaleBudgets,
    StaleRows,
    Throttled,
    TimesOutAfterCommit,
    TimesOutBeforeCommit,
    TokenExpired,
    Wrapper,
    on_calls,
)
from simulations.scenarios import Channel, FurtherConversion, named

START = date(2025, 3, 3)
SIGNUP = FurtherConversion("signup", per_purchase=2.0, value=0.0)
EVERYTHING = {
    "channels": (
        Channel("search", 2, 1_800.0, 7_000.0, 0.04, 0.04, attribution_days=7, harvest=0.2, further=(SIGNUP,)),
        Channel("social", 2, 2_400.0, 6_000.0, 0.012, 0.03, incrementality=0.6),
    ),
    "ratio": (0.0, 2.0),
    "month_days": 28.0,
    "adstock_share": 0.3,
    "quality_elasticity": (0.0, 0.3),
    "returned_share": 0.2,
    "outages": 3.0,
    "competitors": 2.0,
    "overlap": 0.3,
    "overlap_campaigns": 2,
    "wear_out_half_life_days": 10.0,
    "launch_share": 0.25,
    "launch_days": (15, 15),
    "pause_share": 0.5,
}


class TestSimulatedPlatform(ConnectorConformance):
    def make(self, currency):
        scenario = named("tiny-yen", currency=currency, history_days=20)
        return SimulatedConnector(scenario, seed=11, start=START)

    def days(self):
        return START + timedelta(10), START + timedelta(19)

    def restate(self, connector):
        connector.advance(4)

    def live(self, connector, key):
        (found,) = (target for target in connector.budgets() if target.key == key)
        return found.amount

    def edit_behind(self, connector, key, amount):
        connector.edit(key.budget_id, amount)

    def switch_behind(self, connector, key, status):
        connector.switch(key.ad_id, status)


class TestPlatformWithEveryForce(TestSimulatedPlatform):
    def make(self, currency):
        scenario = named("tiny-yen", currency=currency, history_days=20, **EVERYTHING)
        return SimulatedConnector(scenario, seed=11, start=START)


def _never(_seconds):
    raise AssertionError("no call takes time")


class _Wrapped(Wrapper):
    """A platform inside every fault, none of which ever comes; with the platform at hand to reach behind them."""

    def __init__(self, platform):
        self.platform = platform
        inner = platform
        for fault in (
            TimesOutBeforeCommit,
            TimesOutAfterCommit,
            Refuses,
            EditedBehind,
            NotApplied,
            StaleAds,
            StaleBudgets,
            StaleRows,
            Throttled,
            TokenExpired,
        ):
            inner = fault(inner, on_calls())
        inner = Delayed(inner, on_calls(), _never, 1.0)
        inner = PartialSet(PartialPull(inner, on_calls(), rows=0), on_calls(), quantum_micros=1)
        super().__init__(OutOfOrder(inner, on_calls(), np.random.default_rng(1)), on_calls())


class TestWrappedPlatform(TestSimulatedPlatform):
    def make(self, currency):
        return _Wrapped(super().make(currency))

    def restate(self, connector):
        super().restate(connector.platform)

    def live(self, connector, key):
        return super().live(connector.platform, key)

    def edit_behind(self, connector, key, amount):
        super().edit_behind(connector.platform, key, amount)

    def switch_behind(self, connector, key, status):
        super().switch_behind(connector.platform, key, status)
