"""Reports on a period, the goals on the overview and in the API: whole, exact, and harmless."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.contract import PerformanceRow
from optimizer import approval
from optimizer.agent.cli.app import app
from optimizer.agent.measuring import kpi_states, statement
from optimizer.agent.settings.kpis import KpiTable
from optimizer.agent.statements import as_csv, plain
from optimizer.agent.web.printed import printed_statement
from optimizer.measure.metrics import Cut, Period, period_of
from optimizer.plan.kpis import Standing
from optimizer.plan.people import Role
from tests.optimizer.web_world import SETTINGS, world

DAY = timedelta(days=1)
GOALS = """
[[kpis]]
name = "Cheap <b>orders</b>"
metric = "cpa"
target = 900

[[kpis]]
name = "Value of search"
metric = "value"
target = 1
scope = "channel:search"
by = 2026-01-31
"""


@pytest.fixture
def here(tmp_path: Path):
    with world(tmp_path) as opened:
        opened.config.write_text(SETTINGS + GOALS, encoding="utf-8")
        opened.plan()
        yield opened


def told(here, text="last-7-days", cuts=(Cut.CAMPAIGN,)):
    seen = here.premises.seen()
    return statement(here.house, here.premises.settings.kpis, seen, period_of(text, seen.today), cuts)


def test_a_report_adds_up_to_what_the_decision_saw(here):
    found, seen = told(here), here.premises.seen()
    spend = seen.panel.spend[:, -7:].sum() * 1e6
    assert found.table.total.totals.spend == sum(row.totals.spend for row in found.table.rows) == pytest.approx(spend)
    assert found.table.total.totals.to_come > 0
    assert {metric.value for metric in found.table.rows[0].figures} >= {"cpa", "roas", "marginal_roas", "ctr"}


def test_advice_is_told_however_much_was_made_since(here):
    (made,) = here.premises.records()
    store, decision = here.premises.store, replace(made.recommendation.decision, lines=())
    later = [made.recommendation.created_at + timedelta(days=1, seconds=n) for n in range(1_001)]
    store.commit([approval.issue(decision, now=at, valid_for=DAY, seed=1, code_version="0") for at in later])
    seen = here.premises.seen()
    found = statement(here.house, (), seen, Period(seen.today, seen.today))
    assert [each.record.recommendation.rec_id for each in found.advice] == [made.recommendation.rec_id]


def test_the_page_needs_nothing_but_itself(here):
    text = printed_statement(here.premises.settings, told(here))
    assert not re.search(r"<script|<link|<form|<img", text)
    assert set(re.findall(r"(?:src|href)=", text)) == set()
    assert "Cheap &lt;b&gt;orders&lt;/b&gt;" in text
    assert "Marginal ROAS" in text
    assert "nan" not in text


def test_csv_and_json_tell_the_same_to_the_micro(here):
    found = told(here, cuts=(Cut.CHANNEL, Cut.DAY))
    rows = list(csv.DictReader(as_csv(found.table).splitlines()))
    values = json.loads(json.dumps(plain(found), allow_nan=False))
    assert len(rows) == len(values["rows"]) == len(found.table.rows)
    for row, value in zip(rows, values["rows"], strict=True):
        assert round(float(row["spend"]) * 1e6) == value["spend_micros"]
        assert [row["channel"], row["day"]] == [part["key"] for part in value["parts"]]
    assert len(rows) > 7
    assert sum(value["spend_micros"] for value in values["rows"]) == values["total"]["spend_micros"]


def add_history(here, days=40):
    """Let the platform have told of so many days more, of one campaign."""
    now, today = here.clock.now(), here.premises.seen().today
    series = here.premises.store.performance(now, today - timedelta(days=9), today).series[0]
    first = today - timedelta(days=10 + days)
    here.premises.store.ingest(
        PerformanceRow(series, first + timedelta(days=n), 30_000_000_000 + n, 20_000_000, 10**11, 10**12, 10**9, now)
        for n in range(days)
    )
    here.plan(seed=2)  # from then on pages read anew


def test_the_goals_stand_on_the_overview_and_in_the_api(here):
    assert [each.state.standing for each in here.premises.kpis()] == [Standing.UNKNOWN] * 2
    add_history(here)
    page = here.client("vic").get("/").text
    assert "Cheap &lt;b&gt;orders&lt;/b&gt;" in page
    answer = here.client().http.get(f"{here.root}/api/v1/kpis", headers=here.token("vic", Role.VIEWER))
    first, second = answer.json()["kpis"]
    assert (first["name"], first["metric"], first["scope"]) == ("Cheap <b>orders</b>", "cpa", "all")
    assert first["standing"] in ("on track", "behind")
    assert 0 < first["probability"] < 1
    assert first["low"] < first["forecast"] < first["high"]
    assert second["scope"] == "channel:search"
    assert answer.json()["currency"] == "JPY"


def test_the_status_names_them(here):
    answer = CliRunner().invoke(app, ["status", "-c", str(here.config)])
    assert "Goal 'Cheap <b>orders</b>' (all) is" in answer.stdout
    data = json.loads(CliRunner().invoke(app, ["status", "-c", str(here.config), "--json"]).stdout)
    assert [each["name"] for each in data["kpis"]] == ["Cheap <b>orders</b>", "Value of search"]


def command(here, *words):
    return CliRunner().invoke(app, ["report", "-c", str(here.config), *words])


def test_a_definition_that_no_row_has_is_refused_with_those_that_there_are(here):
    answer = command(
        here, "--period", str(period_of("last-7-days", here.premises.seen().today)), "--conversion", "laed"
    )
    assert answer.exit_code == 1
    assert "no conversion of these days is of the definition 'laed'" in answer.stderr
    assert "write one of purchase" in answer.stderr


def test_days_of_which_no_account_has_told_yet_are_to_come(here):
    add_history(here)
    at, goal = here.premises.seen().today, KpiTable(name="Spend", metric="spend", target=10.0**9)
    before = kpi_states(here.house, [goal], here.premises.seen(), at)
    here.clock.at += timedelta(days=2)
    assert here.premises.seen().today == at + timedelta(days=2)
    assert kpi_states(here.house, [goal], here.premises.seen(), at) == before
    assert before[0].state.so_far > 0


@pytest.mark.parametrize("form", ["html", "csv", "json"])
def test_the_command_writes_each_format(here, tmp_path, form):
    out = tmp_path / f"month.{form}"
    period = str(period_of("last-7-days", here.premises.seen().today))
    answer = command(here, "--period", period, "--by", "channel, week", "--format", form, "--out", str(out))
    assert answer.exit_code == 0, answer.stderr
    assert out.stat().st_size > 200


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("--period", "soon"), "'soon' is no period. Mend: write yesterday"),
        (("--period", "2020-01", "--by", "mood"), "--by 'mood' is not known. Mend: write one or more of channel"),
        (("--period", "2020-01", "--by", "day,week"), "cannot be split by day, week"),
        (("--period", "2020-01", "--format", "pdf"), "--format 'pdf' is not known. Mend: write html, csv, json"),
        (("--by", "day"), "are about a period. Mend: add --period"),
        (("R-1", "--period", "2020-01"), "not on both"),
        (("--period", "2020-01", "--out", "no/where.html"), "cannot be written"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_mend(here, words, mend):
    answer = command(here, *words)
    assert answer.exit_code == 1
    assert mend in answer.stderr
    assert not Path("report.html").exists()
