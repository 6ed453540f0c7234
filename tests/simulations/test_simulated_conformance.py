"""The suite of every connector, on the simulated platform: bare, and under wrappers that let everything through."""

from dataclasses import replace
from datetime import date, timedelta

from connectors.conformance import ConnectorConformance
from simulations.connector import SimulatedConnector
from simulations.faults import (
    EditedBehind,
    Refuses,
    StaleBudgets,
    Throttled,
    TimesOutAfterCommit,
    TimesOutBeforeCommit,
    on_calls,
)
from simulations.scenarios import SCENARIOS

START = date(2025, 3, 3)


class TestSimulatedPlatform(ConnectorConformance):
    def make(self, currency):
        scenario = replace(SCENARIOS["tiny-yen"], currency=currency, history_days=20)
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


class _Wrapped(TimesOutBeforeCommit):
    """A platform inside every wrapper, with the platform at hand to reach behind them."""

    def __init__(self, platform):
        self.platform = platform
        inner = StaleBudgets(EditedBehind(Refuses(platform, on_calls()), on_calls()), on_calls())
        super().__init__(TimesOutAfterCommit(Throttled(inner, on_calls()), on_calls()), on_calls())


class TestWrappedPlatform(TestSimulatedPlatform):
    def make(self, currency):
        return _Wrapped(super().make(currency))

    def restate(self, connector):
        super().restate(connector.platform)

    def live(self, connector, key):
        return super().live(connector.platform, key)

    def edit_behind(self, connector, key, amount):
        super().edit_behind(connector.platform, key, amount)
