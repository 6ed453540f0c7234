"""How measures and KPIs are shown: which are money, which shares, and to how many decimals. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from connectors.money import MICROS
from optimizer.agent.measuring import KpiState
from optimizer.agent.shown.formats import Formats
from optimizer.measure.metrics import Figure, Metric, Row
from optimizer.plan.kpis import AT_MOST

MONEY: Final = frozenset({"spend", "value", "profit", "cpc", "cpm", "cpa", "cltv"})
SHARES: Final = frozenset({"ctr", "conversion_rate"})
COUNTS: Final = frozenset({"impressions", "clicks"})
NOTHING: Final = "\N{EN DASH}"

_SHARE_DIGITS: Final = 2


def shown(name: str, value: float | None, f: Formats, currency: str) -> str:
    """Return a measure as text, by its name; a dash for None."""
    if value is None:
        return NOTHING
    if name in MONEY:
        return f.amount(value, currency)
    if name in SHARES:
        return f.percent(value, _SHARE_DIGITS)
    return f.number(value, 0 if name in COUNTS else 2)


@dataclass(frozen=True, slots=True)
class KpiRow:
    """A KPI as a table shows it."""

    told: KpiState

    @property
    def name(self) -> str:
        """Its name."""
        return self.told.state.kpi.name

    @property
    def scope(self) -> str:
        """Of what, and of which conversions."""
        definition = self.told.state.kpi.definition
        return str(self.told.scope) if definition is None else f"{self.told.scope}, {definition}"

    @property
    def metric(self) -> str:
        """What is measured, in words."""
        return title(self.told.state.kpi.measure.value)

    @property
    def at_most(self) -> bool:
        """Whether the target is the most."""
        return self.told.state.kpi.measure in AT_MOST

    @property
    def target(self) -> float:
        """What it is to be."""
        return self.told.state.kpi.target

    @property
    def since(self) -> date:
        """The first day that counts."""
        return self.told.state.window.since

    @property
    def by(self) -> date:
        """The last day that counts."""
        return self.told.state.window.until

    @property
    def so_far(self) -> float | None:
        """Of the days that are over."""
        return self.told.state.so_far

    @property
    def forecast(self) -> float | None:
        """At the end."""
        return None if self.told.state.forecast is None else self.told.state.forecast.value

    @property
    def low(self) -> float | None:
        """The lower end of the forecast's interval."""
        return None if self.told.state.forecast is None else self.told.state.forecast.low

    @property
    def high(self) -> float | None:
        """The upper end of the forecast's interval."""
        return None if self.told.state.forecast is None else self.told.state.forecast.high

    @property
    def probability(self) -> float | None:
        """Of meeting the target."""
        return self.told.state.probability

    @property
    def standing(self) -> str:
        """In a word."""
        return self.told.state.standing.value

    def shown(self, value: float | None, f: Formats, currency: str) -> str:
        """Return one of its values as text."""
        return shown(self.told.state.kpi.measure.value, value, f, currency)


_TITLES: Final = {
    "ctr": "CTR", "cpc": "CPC", "cpm": "CPM", "cpa": "CPA", "roas": "ROAS", "cltv": "CLTV", "cltv_cac": "CLTV:CAC",
    "marginal_roas": "Marginal ROAS", "to_come": "Still to come", "value_to_come": "Value to come",
}  # fmt: skip


def title(name: str) -> str:
    """Return a measure's name for people."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def sums_of(row: Row, names: tuple[str, ...], f: Formats, currency: str) -> list[str]:
    """Return the sums of a row as text."""
    totals = [getattr(row.totals, name) for name in names]
    return [
        shown(_plain(name), None if micros is None else micros / MICROS, f, currency)
        for name, micros in zip(names, totals, strict=True)
    ]


def figure_of(row: Row, metric: Metric, f: Formats, currency: str) -> tuple[str, str]:
    """Return a figure of a row as text, and its interval; the latter is empty where there is none."""
    figure = row.figures.get(metric)
    if figure is None:
        return NOTHING, ""
    return shown(metric.value, figure.value, f, currency), _interval(metric, figure, f, currency)


def _interval(metric: Metric, figure: Figure, f: Formats, currency: str) -> str:
    if figure.low is None or figure.high is None:
        return ""
    low, high = (shown(metric.value, end, f, currency) for end in (figure.low, figure.high))
    return f"{low} {NOTHING} {high}"


def _plain(name: str) -> str:
    return "value" if name == "value_to_come" else name
