"""What a portfolio knows as tables and draws, for analysts: PyArrow and ArviZ. It only reads.

Amounts in tables are in currency units; `.to_pandas()` of a table makes a data frame where pandas is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from connectors.contract import EntityKind
from connectors.errors import AskMarketer
from connectors.money import MICROS
from optimizer import guardrails
from optimizer.agent import settings as configuration
from optimizer.agent.bootstrap import house_of, open_store
from optimizer.agent.clock import SetClock, SystemClock
from optimizer.agent.cycle import House, snapshot
from optimizer.agent.measuring import kpi_states, statement
from optimizer.agent.settings import Settings
from optimizer.agent.statements import SUMS, figure_cells, figure_columns, part_cells, part_columns, plain_kpi
from optimizer.agent.store.places import file_beside
from optimizer.forecast import Forecast
from optimizer.measure.metrics import Cut, Metric, period_of
from optimizer.plan.performance import MEASURES
from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import Snapshot
from optimizer.ports import NotFound
from optimizer.response import learn

_ALL: Final = 1_000_000
_POINTS: Final = 33
_BEYOND: Final = 1.6  # curves go so far past the present budget


@contextmanager
def open_analysis(config: Path | str, at: datetime | None = None) -> Iterator[Analysis]:
    """Open a portfolio to be read; no platform is asked.

    Args:
        config: The settings file.
        at: As known then, aware; by default now.

    Raises:
        SettingsError, StoreError: It cannot be opened, with the mend.
    """
    path, clock = Path(config), SystemClock() if at is None else SetClock(at)
    settings = configuration.load(path)
    with open_store(path) as store:
        yield Analysis(house_of(settings, str(path), store, clock), settings, path)


class Analysis:
    """A portfolio as tables and draws, as known when each is asked for."""

    def __init__(self, house: House, settings: Settings, config: Path) -> None:
        """Take a portfolio that is open; see `open_analysis`."""
        self._house, self._settings, self._config = house, settings, config

    def rows(self, since: date, until: date) -> pa.Table:
        """Return the daily rows of some days, both ends included: ids, names, and measures, null where unreported.

        Raises:
            ValueError: The last day is before the first.
        """
        told = self._house.store.performance(self._house.clock.now(), since, until)
        series = [told.series[place] for place in told.row.tolist()]
        names = [
            told.names.get((s.account.connector, s.account.account_id, EntityKind.CAMPAIGN, s.campaign_id))
            for s in series
        ]
        ids = ("campaign_id", "channel", "ad_group_id", "ad_id", "creative_id", "audience_id", "conversion_definition")
        texts = {name: pa.array([getattr(each, name) for each in series], pa.string()) for name in ids}
        measures = {
            name: pa.array(told.micros[:, column] / MICROS, mask=~told.reported[:, column])
            for column, name in enumerate(MEASURES)
        }
        return pa.table(
            {
                "day": pa.array([date.fromordinal(day) for day in told.day.tolist()], pa.date32()),
                "connector": pa.array([each.account.connector for each in series], pa.string()),
                "account": pa.array([each.account.account_id for each in series], pa.string()),
                "currency": pa.array([each.account.currency for each in series], pa.string()),
                "campaign": pa.array(names, pa.string()),
                **texts,
                **measures,
            }
        )

    def metrics(self, period: str, by: Sequence[str] = (), conversion: str | None = None) -> pa.Table:
        """Return the measures of a period, as `outlay report --period` writes them to CSV; the whole where not split.

        Args:
            period: Such as `last-7-days`, `2026-10` or `2026-10-01..2026-10-31`.
            by: Some of channel, campaign, ad-group, ad, creative, audience, and one of day, week and month.
            conversion: Only conversions of this definition count.

        Raises:
            PeriodError, ValueError: It is no period, or cannot be split so.
        """
        seen = self._seen()
        told = statement(self._house, (), seen, period_of(period, seen.today), tuple(map(Cut, by)), conversion).table
        found: dict[str, list[Any]] = {column: [] for cut in told.cuts for column in part_columns(cut)}
        numbers = [*SUMS, *(column for metric in Metric for column in figure_columns(metric))]
        found |= {column: [] for column in numbers}
        for row in told.rows if told.cuts else (told.total,):
            for part in row.parts:
                _append(found, part_columns(part.cut), part_cells(part))
            sums = [getattr(row.totals, name) for name in SUMS]
            _append(found, SUMS, [None if micros is None else micros / MICROS for micros in sums])
            for metric in Metric:
                _append(found, figure_columns(metric), figure_cells(metric, row.figures.get(metric)))
        return pa.table({name: pa.array(cells, pa.float64() if name in numbers else pa.string())
                         for name, cells in found.items()})  # fmt: skip

    def decisions(self) -> pa.Table:
        """Return the lines of each recommendation's newest revision, oldest first; effects are in `unit` a day."""
        lines = [
            (record, line)
            for record in reversed(self._house.store.records(limit=_ALL))
            for line in record.recommendation.decision.lines
        ]
        decisions = [record.recommendation.decision for record, _ in lines]
        texts = {
            "recommendation": [record.recommendation.rec_id for record, _ in lines],
            "state": [record.state.value for record, _ in lines],
            "budget": [str(line.key) for _, line in lines],
            "name": [line.name for _, line in lines],
            "channel": [line.channel for _, line in lines],
            "currency": [each.currency for each in decisions],
            "unit": [each.unit for each in decisions],
            "reason": [line.reason for _, line in lines],
        }
        numbers = {
            "current": [line.current.micros / MICROS for _, line in lines],
            "proposed": [line.proposed.micros / MICROS for _, line in lines],
            **{
                name: [getattr(line.effect, name) for _, line in lines]
                for name in ("mean", "low80", "high80", "low95", "high95", "p_worse")
            },
        }
        return pa.table(
            {
                "as_of": pa.array([each.as_of for each in decisions], pa.date32()),
                **{name: pa.array(cells, pa.string()) for name, cells in texts.items()},
                "approved": pa.array([line.key in record.approved_lines for record, line in lines], pa.bool_()),
                **{name: pa.array(cells, pa.float64()) for name, cells in numbers.items()},
            }
        )

    def kpis(self) -> list[Mapping[str, Any]]:
        """Return how the goals of the settings stand, as plain values."""
        seen = self._seen()
        return [plain_kpi(each) for each in kpi_states(self._house, self._settings.kpis, seen, seen.today)]

    def belief(self, draws: int = 1_000, seed: int = 0) -> Any:
        """Return posterior draws of today's response curves as ArviZ data (`xarray.DataTree`).

        The group `posterior` holds `conversions` and `value` a day with the dimensions chain (1), draw, target and
        point, and `constant_data` the daily `budget` of each target and point and its `current` one, currency units.

        Args:
            draws: How many; each is a whole curve of every target.
            seed: Of the generator.

        Raises:
            NotFound: The store knows of no budget yet.
        """
        import arviz  # noqa: PLC0415 - slow to load, and only draws need it

        planned, _ = guardrails.daily(self._seen())
        if not planned.targets:
            raise NotFound("the store knows of no budget yet. Mend: read the platforms with `outlay plan`")
        forecast = Forecast(learn(planned), self._house.goals, planned.current)
        budget = planned.current[:, None] * np.linspace(0.0, _BEYOND, _POINTS)
        posterior = {
            outcome.value: forecast.outcome_draws(budget, outcome, draws, np.random.default_rng(seed))[None]
            for outcome in Outcome
        }
        return arviz.from_dict(
            {"posterior": posterior, "constant_data": {"budget": budget, "current": planned.current}},
            coords={"target": [str(target.key) for target in planned.targets]},
            dims={
                **{outcome.value: ["target", "point"] for outcome in Outcome},
                "budget": ["target", "point"],
                "current": ["target"],
            },
        )

    def refit(self, refit_id: str | None = None) -> Any:
        """Return the draws of a refit as ArviZ data (`xarray.DataTree`), by default of the newest that kept any.

        Raises:
            NotFound: There is no such refit, or none kept its draws.
            AskMarketer: Its file is gone.
        """
        import arviz  # noqa: PLC0415 - as in `belief`

        found = [refit for refit in self._house.store.refits(_ALL) if refit.file and refit_id in (None, refit.refit_id)]
        if not found:
            raise NotFound(f"there are no draws of {refit_id or 'any refit'}. Mend: make some with `outlay refit`")
        path = self._folder / found[0].file
        if not path.exists():
            raise AskMarketer(f"{path} is gone", mend="name a newer refit, or fit anew with `outlay refit`")
        return arviz.from_netcdf(str(path))

    @property
    def _folder(self) -> Path:
        """The folder beside the database, from which the file of a refit is named."""
        home = self._config.resolve().parent
        return file_beside(configuration.store_url(self._settings.store, home), home).parent

    def _seen(self) -> Snapshot:
        return snapshot(self._house, self._house.today())


def _append(found: dict[str, list[Any]], names: Sequence[str], cells: Sequence[Any]) -> None:
    for name, cell in zip(names, cells, strict=True):
        found[name].append(cell)
