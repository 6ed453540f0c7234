"""`outlay attribution` on files: all models side by side, what they rest on, and what is wrong in words."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.errors import AskMarketer
from optimizer.agent import crediting
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli.commands import found
from optimizer.agent.cycle import pull
from optimizer.agent.settings import load
from optimizer.plan.appraisal import Appraisal, Subject
from tests.journeys.touched import TODAY, shop_of_paths


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    return partial(shop_of_paths, tmp_path)


def _asked(config: Path, **options: Any) -> dict[str, Any]:
    words = {"model": None, "window_clicks": None, "as_of": TODAY.isoformat(), "seed": 0, "csv": None, **options}
    return dict(found("attribution")(config=config, **words).data)


def _pulled(config: Path) -> None:
    with open_house(config) as house:
        pull(house, TODAY)


def test_models_stand_side_by_side(make: Callable[..., Path], tmp_path: Path) -> None:
    config = make()
    _pulled(config)
    data = _asked(config, csv=tmp_path / "out.csv")
    by_name = {view["name"]: {row["channel"]: row for row in view["channels"]} for view in data["models"]}
    assert list(by_name) == [
        "platform",
        "deduplicated",
        "first-click",
        "last-click",
        "linear",
        "time-decay",
        "position-based",
        "markov-1",
        "shapley",
        "shapley-chain",
    ]
    assert by_name["platform"]["search"]["conversions"] == 60
    assert by_name["deduplicated"]["search"]["conversions"] == 10
    assert by_name["first-click"]["social"]["conversions"] == 20
    assert by_name["last-click"]["search"]["cpa_micros"] == 60_000_000
    assert by_name["linear"]["social"]["roas"] == 1.0
    assert by_name["linear"]["social"]["share"] == 0.5
    moved = {view["name"]: view["moved"] for view in data["models"]}
    assert moved["first-click"] == pytest.approx(0.8)
    assert moved["linear"] == pytest.approx(0.3)
    assert data["interval80"]["social"]["low"] < 10 < data["interval80"]["social"]["high"]
    json.dumps(data)
    with (tmp_path / "out.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 20
    written = {(row["model"], row["channel"]): (row["conversions"], row["value"]) for row in rows}
    assert written["linear", "social"] == ("10.0", "300.0")


def test_what_is_known_of_cost_is_not_needed(make: Callable[..., Path]) -> None:
    data = _asked(make())
    assert data["met"]["orders"] == 20
    assert data["models"][0]["channels"] == []


def test_options_go_before_settings(make: Callable[..., Path]) -> None:
    config = make()
    assert _asked(config, model="platform")["interval80"] == {}
    data = _asked(config, window_clicks="0.9d")
    assert {row["channel"]: row["conversions"] for row in data["models"][2]["channels"]} == {"social": 0, "search": 20}


def test_the_chosen_model_appraises_channels_and_campaigns(make: Callable[..., Path]) -> None:
    config = make("linear")
    _pulled(config)
    appraisal = _appraised(config)
    assert appraisal is not None
    assert (appraisal.subject, appraisal.model) == (Subject.CREDIT, "linear/1")
    social, search, own = appraisal.of("social", "x"), appraisal.of("search", "x"), appraisal.of("search", "b2")
    assert social is not None
    assert search is not None
    assert own is not None
    # Twenty orders in halves against 30 claims of each campaign; nobody who came by b2 ordered.
    assert social.mean == pytest.approx(10 / 30)
    assert search.mean == pytest.approx(10 / 60)
    assert own.mean == pytest.approx(0.5 / 30)
    assert 0 < social.log_sd < own.log_sd
    assert _appraised(config) == appraisal


def test_without_touches_there_is_no_appraisal(make: Callable[..., Path]) -> None:
    config = make("linear")
    text = config.read_text(encoding="utf-8").replace('touches = "touches.csv"\n', "")
    config.write_text(text, encoding="utf-8")
    for ask in (_appraised, _asked):
        with pytest.raises(AskMarketer, match="no connector tells both touches and orders of the 30 days before"):
            ask(config)


def test_touches_of_other_channels_than_the_platforms_appraise_nothing(make: Callable[..., Path]) -> None:
    config = make("linear")
    _pulled(config)
    clicks = config.parent / "exports" / "touches.csv"
    clicks.write_text(clicks.read_text(encoding="utf-8").replace(",search,", ",Suche,").replace(",social,", ",Sozial,"))
    with pytest.raises(AskMarketer, match=r"only platforms have: search, social; only touches: Sozial, Suche"):
        _appraised(config)


def test_no_channel_is_a_formula_in_a_table(make: Callable[..., Path], tmp_path: Path) -> None:
    config = make(touches="p1,2026-02-10T08:00:00Z,=1+1,f1")
    _asked(config, csv=tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as lines:
        channels = {row["channel"] for row in csv.DictReader(lines)}
    assert channels == {"'=1+1", "search", "social"}


def test_two_shops_may_number_their_orders_alike(make: Callable[..., Path]) -> None:
    config = make("linear")
    other = config.parent / "other"
    other.mkdir()
    (other / "orders.csv").write_text("order_id,customer,at,value\no1,somebody,2026-02-12T00:00:00Z,9\n")
    shop = '\n[connectors.other]\nkind = "files"\nfolder = "other"\ncurrency = "EUR"\ntime_zone = "UTC"\n'
    config.write_text(f'{config.read_text(encoding="utf-8")}{shop}pattern = "ads*.csv"\norders = "orders.csv"\n')
    assert _asked(config)["models"]


def _appraised(config: Path) -> Appraisal:
    table = load(config).attribution
    assert table.chosen is not None
    with open_house(config) as house:
        found = crediting.appraise(house, table, table.chosen, TODAY, np.random.default_rng(7))
    return Appraisal(**{**_plain(found), "made_at": datetime(2026, 3, 1, tzinfo=UTC)})


def _plain(appraisal: Appraisal) -> dict[str, Any]:
    return {name: getattr(appraisal, name) for name in Appraisal.__dataclass_fields__}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "guess"}, "field '--model': input should be 'platform'"),
        ({"window_clicks": "a month"}, "field '--window-clicks': 'a month' is no number of days"),
        ({"window_clicks": "-1"}, "field '--window-clicks'"),
        ({"window_clicks": "nan"}, "field '--window-clicks'"),
        ({"as_of": "today"}, "field '--as-of': 'today' is not a day"),
        ({"csv": Path("/no/such/folder/out.csv")}, "cannot be written"),
    ],
)
def test_options_that_make_no_sense_are_named(make: Callable[..., Path], options: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=words):
        _asked(make(), **options)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,p1,2026-02-20T00:00:00Z,5,6,", r"orders.csv:22, field 'refunded': more was paid back than was paid"),
        ("o1,p2,2026-02-20T00:00:00Z,5,0,", r"order 'o1' was told of customer 'p1' before"),
    ],
)
def test_orders_that_make_no_sense_are_named(make: Callable[..., Path], row: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        _asked(make(orders=row))


def test_another_currency_than_the_portfolio_s_is_named(make: Callable[..., Path]) -> None:
    config = make()
    text = config.read_text(encoding="utf-8").replace('[portfolio]\ncurrency = "EUR"', '[portfolio]\ncurrency = "USD"')
    config.write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match="order 'shop:o1' is in EUR, the portfolio in USD"):
        _asked(config)
