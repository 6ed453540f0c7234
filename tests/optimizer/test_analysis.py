"""A portfolio as tables and draws: what analysts read is what reports and plans say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from connectors.errors import AskMarketer
from optimizer.agent.analysis import open_analysis
from optimizer.agent.measuring import statement
from optimizer.forecast import Forecast
from optimizer.measure.metrics import Cut, Metric, period_of
from optimizer.plan.problem import Outcome
from optimizer.ports import NotFound
from optimizer.response import learn
from tests.optimizer.test_store_conformance import refit
from tests.optimizer.web_world import SETTINGS, world

GOAL = '\n[[kpis]]\nname = "Value"\nmetric = "value"\ntarget = 1\n'


@pytest.fixture
def here(tmp_path: Path):
    with world(tmp_path) as opened:
        opened.config.write_text(SETTINGS + GOAL, encoding="utf-8")
        opened.plan()
        yield opened


@pytest.fixture
def portfolio(here):
    with open_analysis(here.config, here.clock.now()) as opened:
        yield opened


def test_the_rows_are_those_of_the_store(here, portfolio):
    today = here.premises.seen().today
    told = here.premises.store.performance(here.clock.now(), today - timedelta(days=3), today)
    table = portfolio.rows(today - timedelta(days=3), today)
    assert isinstance(table, pa.Table)
    assert table.num_rows == len(told.row) > 0
    assert round(sum(table["spend"].to_pylist()) * 1e6) == told.micros[:, 0].sum()
    assert set(table["currency"].to_pylist()) == {"JPY"}
    assert table["day"].type == pa.date32()
    with pytest.raises(ValueError, match="before the first"):
        portfolio.rows(today, today - timedelta(days=1))


def test_the_measures_are_those_of_the_report(here, portfolio):
    seen = here.premises.seen()
    report = statement(here.house, (), seen, period_of("last-7-days", seen.today), (Cut.CAMPAIGN,)).table
    table = portfolio.metrics("last-7-days", ["campaign"])
    assert table["campaign_id"].to_pylist() == [row.key[0] for row in report.rows]
    assert table["cpa_low"].to_pylist() == [row.figures[Metric.CPA].low for row in report.rows]
    assert table["cltv"].to_pylist() == [None] * len(report.rows)
    whole = portfolio.metrics("last-7-days")
    assert whole.num_rows == 1
    assert whole["spend"].to_pylist() == [report.total.totals.spend / 1e6]
    with pytest.raises(ValueError, match="is no period"):
        portfolio.metrics("soon")
    with pytest.raises(ValueError, match="mood"):
        portfolio.metrics("last-7-days", ["mood"])


def test_decisions_have_a_row_for_each_line(here, portfolio):
    (record,) = here.premises.records()
    table = portfolio.decisions()
    lines = record.recommendation.decision.lines
    assert table["budget"].to_pylist() == [str(line.key) for line in lines]
    assert table["proposed"].to_pylist() == [line.proposed.micros / 1e6 for line in lines]
    assert table["low80"].to_pylist() == [line.effect.low80 for line in lines]
    assert table["approved"].to_pylist() == [False] * len(lines)


def test_goals_stand_as_on_the_overview(here, portfolio):
    (goal,) = portfolio.kpis()
    assert (goal["name"], goal["standing"]) == ("Value", here.premises.kpis()[0].state.standing.value)


def test_draws_of_the_belief_are_those_of_its_forecast(here, portfolio):
    tree, seen = portfolio.belief(draws=300, seed=2), here.premises.seen()
    drawn = tree.posterior.conversions
    assert drawn.dims == ("chain", "draw", "target", "point")
    assert drawn.shape == (1, 300, len(seen.targets), 33)
    assert list(drawn.target.values) == [str(target.key) for target in seen.targets]
    assert np.array_equal(tree.constant_data.current.values, seen.current)
    forecast = Forecast(learn(seen), here.house.goals, seen.current)
    mean = forecast.outcomes(tree.constant_data.budget.values, (Outcome.CONVERSIONS,))[Outcome.CONVERSIONS]
    error = drawn.std("draw").values[0] / np.sqrt(300)
    assert (np.abs(drawn.mean("draw").values[0] - mean) <= 6.0 * error + 1e-9).all()
    again = portfolio.belief(draws=300, seed=2)
    assert np.array_equal(again.posterior.value.values, tree.posterior.value.values)


def test_the_draws_of_a_refit_are_read_back_or_it_is_said_why_not(here, portfolio):
    import arviz

    with pytest.raises(NotFound, match="no draws of any refit"):
        portfolio.refit()
    made = refit(at=here.clock.now(), file="refits/F-1.nc")
    here.premises.store.record_refit(made)
    with pytest.raises(AskMarketer, match="is gone"):
        portfolio.refit()
    place = here.config.parent / ".outlay" / "refits"
    place.mkdir()
    draws = arviz.from_dict({"posterior": {"mu": np.arange(8.0).reshape(2, 4)}})
    draws.to_netcdf(place / "F-1.nc", engine="h5netcdf")
    assert portfolio.refit("F-1").posterior.mu.values.tolist() == draws.posterior.mu.values.tolist()
    with pytest.raises(NotFound, match="no draws of F-2"):
        portfolio.refit("F-2")


def test_without_a_budget_there_is_no_belief(tmp_path: Path):
    (tmp_path / "config.toml").write_text("")
    with open_analysis(tmp_path / "config.toml") as empty:
        assert empty.decisions().num_rows == 0
        with pytest.raises(NotFound, match="knows of no budget yet"):
            empty.belief()
