"""Measures by channel, campaign, ad group, ad, creative, audience, day, week and month, over a period. Pure.

Sums are integer micros, so that the parts of a table add up to its total to the micro.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np

from connectors.contract import EntityKind, Series
from connectors.money import MICROS, Money
from optimizer.measure.metrics import figures
from optimizer.measure.metrics.figures import Daily, Figure
from optimizer.plan.appraisal import Appraisal, Estimate
from optimizer.plan.performance import CLICKS, IMPRESSIONS, VALUE, BoolArray, Performance
from optimizer.plan.periods import Period, month_of, week_of
from optimizer.plan.snapshot import FloatArray, IntArray


class Cut(StrEnum):
    """By what a table is split."""

    CHANNEL = "channel"
    CAMPAIGN = "campaign"
    AD_GROUP = "ad-group"
    AD = "ad"
    CREATIVE = "creative"
    AUDIENCE = "audience"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Metric(StrEnum):
    """The ratios and estimates of a row."""

    CTR = "ctr"
    CPC = "cpc"
    CPM = "cpm"
    CONVERSION_RATE = "conversion_rate"
    CPA = "cpa"
    ROAS = "roas"
    MARGINAL_ROAS = "marginal_roas"
    PROFIT = "profit"
    CLTV = "cltv"
    CLTV_CAC = "cltv_cac"


TIMES: Final = frozenset({Cut.DAY, Cut.WEEK, Cut.MONTH})


@dataclass(frozen=True, slots=True)
class Part:
    """What a row is about in one respect.

    Attributes:
        cut: The respect.
        key: A channel's name; `connector/account/id` of an entity, empty where the rows name none; the first day of a
            day, week or month that is in the period.
        label: For people.
    """

    cut: Cut
    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of a row in micros; None where no row reports the measure.

    Attributes:
        conversions, value: As reported by now.
        to_come, value_to_come: What is expected beyond.
    """

    spend: int
    conversions: int
    to_come: int
    value: int | None
    value_to_come: int | None
    impressions: int | None
    clicks: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        parts: What it is about, one for each cut; empty for the whole.
        totals: Its sums.
        figures: Its ratios and estimates, as far as they are defined.
    """

    parts: tuple[Part, ...]
    totals: Totals
    figures: Mapping[Metric, Figure]

    @property
    def key(self) -> tuple[str, ...]:
        """The keys of its parts."""
        return tuple(part.key for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Measures of a period.

    Attributes:
        period: Its days.
        cuts: By what it is split.
        currency: Of every amount.
        rows: Those that spent most first; in the order of time where it is split by that.
        total: Of all rows.
    """

    period: Period
    cuts: tuple[Cut, ...]
    currency: str
    rows: tuple[Row, ...]
    total: Row


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the rows.

    Attributes:
        period: Which days.
        cuts: By what to split; at most one of day, week and month.
        margin: Share of value that is profit before advertising.
        worth: What a conversion counts in place of the value that is reported; None where that counts.
        definition: Only conversions of this definition count (so that CPA is a CPL or CPI); None for all.
        customers: What a new customer is worth, if that was appraised.

    Raises:
        ValueError: A cut stands twice, or there are two of day, week and month.
    """

    period: Period
    cuts: tuple[Cut, ...] = ()
    margin: float = 1.0
    worth: Money | None = None
    definition: str | None = None
    customers: Appraisal | None = None

    def __post_init__(self) -> None:
        if len(set(self.cuts)) < len(self.cuts) or len(TIMES & set(self.cuts)) > 1:
            words = ", ".join(self.cuts)
            raise ValueError(f"a table cannot be split by {words}. Mend: name each once, and one of day, week, month")


_NOTHING_MARGINAL: Final[Mapping[tuple[str, ...], Figure]] = MappingProxyType({})


def measure(
    told: Performance,
    come: IntArray,
    asked: Question,
    currency: str,
    marginal: Mapping[tuple[str, ...], Figure] = _NOTHING_MARGINAL,
    only: Callable[[Series], bool] | None = None,
) -> Table:
    """Return the measures of a period.

    Args:
        told: The rows of its days; others may be among them.
        come: What is still to come of each, as `maturing.still_to_come` tells it, shape (N, 2).
        asked: What to measure.
        currency: Of every amount.
        marginal: The marginal ROAS of a row by its key, where it is known; under the empty key that of the whole.
        only: Which series count; by default all.
    """
    work = _work(told, come, asked, marginal, only)
    return Table(asked.period, asked.cuts, currency, work.rows(), work.row((), np.arange(len(work.day))))


def daily(
    told: Performance, come: IntArray, asked: Question, only: Callable[[Series], bool] | None = None
) -> tuple[IntArray, Daily]:
    """Return the days of the period that have rows, as ordinals, shape (D,), and their sums; arguments as `measure`."""
    work = _work(told, come, asked, MappingProxyType({}), only)
    return np.unique(work.day), work.daily(np.arange(len(work.day)))


def _work(
    told: Performance,
    come: IntArray,
    asked: Question,
    marginal: Mapping[tuple[str, ...], Figure],
    only: Callable[[Series], bool] | None,
) -> _Work:
    columns = _columns(told, come, asked)
    counted = np.array([only is None or only(series) for series in told.series], dtype=bool)
    within = (told.day >= asked.period.since.toordinal()) & (told.day <= asked.period.until.toordinal())
    here = np.flatnonzero(within & counted[told.row])
    reports = {c: told.reported[here, c] for c in (VALUE, IMPRESSIONS, CLICKS)}
    return _Work(told, asked, columns[here], reports, told.row[here], told.day[here], marginal)


# Columns of the sums that a row of a table is made of.
_NAMES: Final = (
    "spend", "reported", "to_come", "value_reported", "value_to_come", "impressions", "clicks_all", "shown", "clicked",
    "spend_shown", "spend_clicked", "spend_valued", "shown_paid", "clicks", "converted", "converted_reported",
)  # fmt: skip


def _columns(told: Performance, come: IntArray, asked: Question) -> IntArray:
    """The sums' parts of each row in micros, shape (N, columns)."""
    spend, conversions, value, impressions, clicks = told.micros.T
    counts = np.array([asked.definition in (None, s.conversion_definition) for s in told.series], dtype=np.int64)
    counted = counts[told.row]
    conversions, value = conversions * counted, value * counted
    to_come, value_to_come = come.T * counted
    shows, clicked, valued = (_accounts_report(told, column) for column in (IMPRESSIONS, CLICKS, VALUE))
    valued = valued | (asked.worth is not None)
    both = shows & clicked
    found = (
        spend, conversions, to_come, value, value_to_come, impressions, clicks,
        impressions * both, clicks * both, spend * shows, spend * clicked, spend * valued, impressions * shows,
        clicks * clicked, (conversions + to_come) * clicked, conversions * clicked,
    )  # fmt: skip
    return np.stack(found, axis=1).astype(np.int64)


def _accounts_report(told: Performance, column: int) -> BoolArray:
    """Whether the account of each row reports a measure in any row, shape (N,)."""
    numbers: dict[object, int] = {}
    account = np.array([numbers.setdefault(s.account, len(numbers)) for s in told.series], dtype=np.int64)
    of_row = account[told.row]
    found: BoolArray = (np.bincount(of_row, told.reported[:, column], len(numbers)) > 0)[of_row]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """The rows of the period: columns in micros (N, C), which of them report, their series and days."""

    told: Performance
    asked: Question
    columns: IntArray
    reports: Mapping[int, BoolArray]
    series: IntArray
    day: IntArray
    marginal: Mapping[tuple[str, ...], Figure]

    def rows(self) -> tuple[Row, ...]:
        """One row for each group."""
        if not self.asked.cuts or not len(self.day):
            return ()
        groups = self._groups()
        found = [self.row(parts, members) for parts, members in groups]
        timed = next((n for n, cut in enumerate(self.asked.cuts) if cut in TIMES), None)

        def order(row: Row) -> tuple[str, int, tuple[str, ...]]:
            return ("" if timed is None else row.key[timed], -row.totals.spend, row.key)

        return tuple(sorted(found, key=order))

    def _groups(self) -> list[tuple[tuple[Part, ...], IntArray]]:
        """The parts of each group and the rows in it."""
        codes, meanings = np.zeros(len(self.day), dtype=np.int64), []
        for cut in self.asked.cuts:
            code, parts = self._split(cut)
            codes = codes * max(len(parts), 1) + code
            meanings.append((code, parts))
        distinct, first, group = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(group, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(group, minlength=len(distinct)))[:-1])
        named = [tuple(parts[int(code[at])] for code, parts in meanings) for at in first]
        return list(zip(named, members, strict=True))

    def _split(self, cut: Cut) -> tuple[IntArray, list[Part]]:
        """The number of each row's part, shape (N,), and the parts."""
        if cut in TIMES:
            days, place = np.unique(self.day, return_inverse=True)
            found = [_time_part(cut, date.fromordinal(int(day)), self.asked.period) for day in days]
        else:
            found, place = [_part(cut, series, self.told) for series in self.told.series], self.series
        numbers: dict[str, int] = {}
        codes = np.array([numbers.setdefault(part.key, len(numbers)) for part in found], dtype=np.int64)
        parts = {numbers[part.key]: part for part in found}
        return codes[place], [parts[number] for number in range(len(numbers))]

    def row(self, parts: tuple[Part, ...], members: IntArray) -> Row:
        """Measure one group."""
        sums = dict(zip(_NAMES, self.columns[members].sum(axis=0).tolist(), strict=True))
        totals = self._totals(sums, members)
        days = self.daily(members)
        cpa = figures.cost_per_action(days)
        cltv = self._customer(members)
        found = {
            Metric.CTR: figures.click_through(days),
            Metric.CPC: figures.cost_per_click(days),
            Metric.CPM: figures.cost_per_mille(days),
            Metric.CONVERSION_RATE: figures.conversion_rate(days),
            Metric.CPA: cpa,
            Metric.ROAS: figures.return_on_spend(days),
            Metric.MARGINAL_ROAS: self.marginal.get(tuple(part.key for part in parts)),
            Metric.PROFIT: figures.profit(days, self.asked.margin),
            Metric.CLTV: cltv,
            Metric.CLTV_CAC: figures.value_to_cost(cltv, cpa),
        }
        told = {metric: figure for metric, figure in found.items() if figure is not None}
        return Row(parts, totals, told)

    def _totals(self, sums: Mapping[str, int], members: IntArray) -> Totals:
        value, value_to_come = sums["value_reported"], sums["value_to_come"]
        worth = self.asked.worth
        if worth is not None:
            value, value_to_come = _times(sums["reported"], worth), _times(sums["to_come"], worth)
        valued = worth is not None or bool(self.reports[VALUE][members].any())
        return Totals(
            spend=sums["spend"],
            conversions=sums["reported"],
            to_come=sums["to_come"],
            value=value if valued else None,
            value_to_come=value_to_come if valued else None,
            impressions=sums["impressions"] if self.reports[IMPRESSIONS][members].any() else None,
            clicks=sums["clicks_all"] if self.reports[CLICKS][members].any() else None,
        )

    def daily(self, members: IntArray) -> Daily:
        """Sum up one group by day."""
        at = dict(zip(_NAMES, _by_day(self.columns[members], self.day[members]), strict=True))
        conversions = at["reported"] + at["to_come"]
        worth = self.asked.worth
        value = at["value_reported"] + at["value_to_come"] if worth is None else conversions * (worth.micros / MICROS)
        shared = {name: at[name] for name in _NAMES if name in Daily.__slots__}
        return Daily(**shared, conversions=conversions, value=value)

    def _customer(self, members: IntArray) -> Figure | None:
        """What a new customer is worth: the mean of the estimates, by conversions; None where one has none."""
        if self.asked.customers is None:
            return None
        of_series = np.bincount(self.series[members], self.columns[members, 1], len(self.told.series)) / MICROS
        weights: dict[Estimate | None, float] = {}
        for place in np.flatnonzero(of_series > 0.0).tolist():
            series = self.told.series[place]
            estimate = self.asked.customers.of(series.channel, series.campaign_id)
            weights[estimate] = weights.get(estimate, 0.0) + float(of_series[place])
        return _weighted(weights)


def _weighted(weights: Mapping[Estimate | None, float]) -> Figure | None:
    """The mean of independent log-normal estimates, as a log-normal with its two moments (Fenton, 1960)."""
    total = sum(weights.values())
    if None in weights or total <= 0.0:
        return None
    shares = [(weight / total * each.mean, each.log_sd) for each, weight in weights.items() if each is not None]
    mean = sum(part for part, _ in shares)
    variance = sum(part**2 * math.expm1(spread**2) for part, spread in shares)
    return figures.log_normal(mean, math.sqrt(math.log1p(variance / mean**2)))


def _by_day(columns: IntArray, day: IntArray) -> Sequence[FloatArray]:
    """Each column's sums by day, units, shape (C, D)."""
    days, place = np.unique(day, return_inverse=True)
    sums = np.zeros((len(days), columns.shape[1]), dtype=np.int64)
    np.add.at(sums, place, columns)
    return list((sums / MICROS).T)


def _times(micros: int, worth: Money) -> int:
    """A count in micros times an amount, in whole micros, half up."""
    return (micros * worth.micros + MICROS // 2) // MICROS


def _time_part(cut: Cut, day: date, period: Period) -> Part:
    match cut:
        case Cut.WEEK:
            first = max(week_of(day).since, period.since)
            return Part(cut, str(first), f"week from {first}")
        case Cut.MONTH:
            return Part(cut, str(max(month_of(day).since, period.since)), f"{day:%Y-%m}")
        case _:
            return Part(cut, str(day), str(day))


_KINDS: Final = {
    Cut.CAMPAIGN: EntityKind.CAMPAIGN,
    Cut.AD_GROUP: EntityKind.AD_GROUP,
    Cut.AD: EntityKind.AD,
    Cut.CREATIVE: EntityKind.CREATIVE,
    Cut.AUDIENCE: EntityKind.AUDIENCE,
}


def _part(cut: Cut, series: Series, told: Performance) -> Part:
    if cut is Cut.CHANNEL:
        return Part(cut, series.channel, series.channel)
    account = series.account
    ids = {
        Cut.CAMPAIGN: series.campaign_id,
        Cut.AD_GROUP: series.ad_group_id,
        Cut.AD: series.ad_id,
        Cut.CREATIVE: series.creative_id,
        Cut.AUDIENCE: series.audience_id,
    }
    found = ids[cut]
    if found is None:
        return Part(cut, "", "not told")
    name = told.names.get((account.connector, account.account_id, _KINDS[cut], found), found)
    return Part(cut, f"{account.connector}/{account.account_id}/{found}", name)
