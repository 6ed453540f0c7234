"""`outlay lifetime` and what the agent keeps of it, on books that a plug-in reads."""

from __future__ import annotations

import csv
import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from connectors.errors import AskMarketer, BadInput
from connectors.orders import TellsOrders
from optimizer.agent import cycle
from optimizer.agent import lifetime as agent
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.commands import run
from optimizer.agent.cli.lifetime import lifetime
from optimizer.agent.clock import SetClock
from optimizer.agent.lifetime import Cost, appraisal, appraise, costs_of, read
from optimizer.agent.settings import load
from optimizer.measure.lifetime.contract import By, Lifetime, Valuation
from optimizer.measure.lifetime.customers import Customers
from optimizer.measure.lifetime.evidence import grouped
from optimizer.plan.appraisal import Subject
from optimizer.refit.contract import Check, Progress
from tests.optimizer.snapshots import TODAY, snapshot

NOW = datetime(2025, 7, 1, 8, tzinfo=UTC)
DAY = NOW.date()
CHANNELS = ("", "search", "social")


def _rows(path: Path) -> None:
    lines = ["date,campaign_id,channel,spend,conversions"]
    for back in range(120, 0, -1):
        day = (DAY - timedelta(days=back)).isoformat()
        lines += [f"{day},1,search,90.00,9", f"{day},2,social,40.00,2"]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "site" / "acme_books-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-books\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[outlay.connectors]\nbooks = tests.optimizer.books:build\n")
    monkeypatch.syspath_prepend(str(info.parent))


@pytest.fixture
def config(plugin: None, tmp_path: Path) -> Path:
    (tmp_path / "exports").mkdir()
    _rows(tmp_path / "exports" / "days.csv")
    path = tmp_path / "config.toml"
    path.write_text(
        """
portfolio.currency = "EUR"
[lifetime]
draws = 450
tune = 450
[connectors.shop]
kind = "books"
folder = "exports"
currency = "EUR"
time_zone = "UTC"
"""
    )
    return path


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


@pytest.mark.parametrize("passes", [True, False])
def test_what_is_appraised_is_a_value_for_each_channel_that_the_books_name(
    config: Path, monkeypatch: pytest.MonkeyPatch, passes: bool
) -> None:
    _answers(monkeypatch, np.array([[50.0, 80.0, 30.0], [50.0, 120.0, 30.0]]) if passes else None)
    refused = nullcontext() if passes else pytest.raises(AskMarketer, match="No value is given")
    with open_house(config, SetClock(NOW)) as house, refused:
        found = appraise(house, DAY, np.random.default_rng(1), load(config).lifetime, _silent)
    if not passes:
        return
    assert (found.subject, found.currency, found.made_at) == (Subject.CUSTOMER, "EUR", NOW)
    assert [(each.channel, each.mean) for each in found.estimates] == [("search", 100.0), ("social", 30.0)]
    assert found.model == "bg-nbd-gamma-gamma/2"


def test_books_are_read_behind_the_breaker_and_up_to_yesterday(config: Path) -> None:
    with open_house(config, SetClock(NOW)) as house:
        found = read(house, DAY, 1825)
        assert (found.end, found.channels) == (DAY - timedelta(days=1), CHANNELS)
        late = read(house, DAY, 90)
        assert late.first_day.min() >= (DAY - timedelta(days=90)).toordinal()
        assert not isinstance(house.connectors["shop"], TellsOrders)  # what stands before the breaker


def test_without_books_or_in_another_currency_the_marketer_is_asked(config: Path) -> None:
    text = config.read_text()
    config.write_text(text.replace('"books"', '"files"'))
    with (
        open_house(config, SetClock(NOW)) as house,
        pytest.raises(AskMarketer, match=r"no connector reads orders.* Mend: configure one"),
    ):
        read(house, DAY, 90)
    config.write_text(text + 'orders_in = "USD"\n')
    with (
        open_house(config, SetClock(NOW)) as house,
        pytest.raises(AskMarketer, match=r"order 'shop:o\d+' is in USD, not EUR\. Mend: convert the books to EUR"),
    ):
        read(house, DAY, 90)


# Values of draws that are known


def _valuation(values: np.ndarray | None) -> Valuation:
    ints = np.array([0, 1, 1, 2, 2], dtype=np.int64)
    first_day = np.full(5, TODAY.toordinal() - 10)
    first_day[1] = TODAY.toordinal() - 400
    customers = Customers(
        TODAY - timedelta(days=1), "EUR", tuple("abcde"), CHANNELS, ints, first_day,
        ints, ints * 3, ints * 5, np.ones(5), np.ones(5), ints,
    )  # fmt: skip
    check = Check("r-hat", 1.0, 1.01, values is not None, "Fine." if values is not None else "Not fine.")
    each = None if values is None else np.full(5, 0.5)
    return Valuation(Lifetime(), "bg-nbd-gamma-gamma/2", customers, CHANNELS, ints, (check,), values, each, each)


def test_estimates_have_the_moments_of_the_draws(config: Path) -> None:
    draws = np.array([[1.0, 90.0, 30.0], [1.0, 110.0, 30.0]])
    with open_house(config, SetClock(NOW)) as house:
        search, social = appraisal(_valuation(draws), house).estimates
    assert (search.channel, search.mean) == ("search", 100.0)
    assert search.mean * np.sqrt(np.expm1(search.log_sd**2)) == pytest.approx(10.0)
    assert (social.mean, social.log_sd) == (30.0, 0.0)


def test_costs_are_spend_per_customer_won_in_the_same_days() -> None:
    """Of the two customers of search, one was won over a year ago."""
    seen = snapshot()
    found = costs_of(seen, _valuation(None).customers)
    days = seen.panel.spend[:, -agent.ACQUISITION_DAYS :].sum(axis=1)
    search = sum(spend for target, spend in zip(seen.targets, days, strict=True) if target.channel == "search")
    assert found["search"] == Cost(pytest.approx(search), 1)
    assert found["social"].won == 2
    assert found["search"].each == pytest.approx(search)
    assert (Cost(5.0, 0).each, Cost(0.0, 3).each) == (None, None)


# The command


def test_the_command_tells_values_costs_and_their_ratio(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _answers(monkeypatch, np.array([[50.0, 80.0, 30.0], [50.0, 120.0, 30.0]]))
    with open_house(config) as house:  # files are as new as their times say
        cycle.pull(house, DAY)
    out = tmp_path / "value.csv"
    asked = {"config": config, "by": "channel", "as_of": DAY.isoformat(), "seed": 1, "csv": out}
    assert run("lifetime", json=True, quiet=True, **asked) == 0
    told = json.loads(capsys.readouterr().out)
    rows = {row["channel"]: row for row in told["groups"]}
    assert sorted(rows) == sorted(CHANNELS)
    assert rows["search"]["value"] == 100.0
    assert rows["search"]["value_low"] < 100.0 < rows["search"]["value_high"]
    assert rows["search"]["spend"] == pytest.approx(90 * 90.0)
    assert rows["search"]["ratio"] == pytest.approx(100.0 / (8100.0 / rows["search"]["won"]))
    assert (rows[""]["cost"], rows[""]["ratio"]) == (None, None)
    with out.open(newline="") as lines:
        table = list(csv.DictReader(lines))
    assert [row["channel"] for row in table] == list(CHANNELS)
    assert float(table[1]["value"]) == 100.0
    assert run("lifetime", json=False, quiet=True, **asked) == 0
    shown = capsys.readouterr().out
    assert "CLTV:CAC" in shown
    assert "(none)" in shown


def _answers(monkeypatch: pytest.MonkeyPatch, values: np.ndarray | None) -> None:
    """Let a model answer with these draws, or none that passes; the real one is sampled in test_lifetime_fit."""

    def told(customers: Customers, asked: Lifetime, _rng: np.random.Generator, tell: Progress) -> Valuation:
        tell(0, 10)
        names, group = grouped(customers, asked.by)
        check = Check("r-hat", 1.0, 1.01, values is not None, "Fine." if values is not None else "Not fine.")
        half = None if values is None else np.full(len(customers), 0.5)
        return Valuation(asked, "bg-nbd-gamma-gamma/2", customers, names, group, (check,), values, half, half)

    monkeypatch.setattr(agent, "value", told)


def test_a_failed_check_ends_with_4_and_still_tells_the_customers(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _answers(monkeypatch, None)
    answer = run("lifetime", config=config, by="cohort", as_of=None, seed=1, csv=None, quiet=True, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (answer, told["passed"]) == (4, False)
    assert sum(row["customers"] for row in told["groups"]) == 710
    assert all(row["value"] is None and row["cost"] is None for row in told["groups"])
    assert told["groups"][0]["cohort"] < told["groups"][-1]["cohort"]


@pytest.mark.parametrize(
    ("by", "as_of", "words"),
    [("month", None, "field '--by': 'month' is no group of customers. Mend: write channel or cohort"),
     ("cohort", "soon", "field '--as-of': 'soon' is not a day. Mend: write it as YYYY-MM-DD")],
)  # fmt: skip
def test_words_that_make_no_sense_are_refused(config: Path, by: str, as_of: str | None, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        lifetime(config, by, as_of, None, None, True)
    assert words in str(caught.value)


def test_a_table_that_cannot_be_written_is_said_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, np.ones((2, 3)))
    with pytest.raises(AskMarketer, match=r"cannot be written.* Mend: choose another place with --csv"):
        lifetime(config, By.CHANNEL.value, None, 1, config / "no.csv", True)


def test_settings_become_the_question(config: Path) -> None:
    asked = agent.asked(load(config).lifetime, By.COHORT)
    assert (asked.by, asked.horizon_days, asked.sampling.draws, asked.sampling.cores) == (By.COHORT, 365, 450, 1)
