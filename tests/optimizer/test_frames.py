"""The front door for data frames: the same rows give the same evidence whatever holds them, and slips are named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from connectors.money import Money
from optimizer import frames
from optimizer.decide import decide
from optimizer.frames import FrameError, budgets_of, lines_of, snapshot_from_frame
from optimizer.goals import Goals
from optimizer.guardrails import Guardrails
from optimizer.plan.snapshot import Snapshot

TODAY = date(2026, 3, 2)


def columns(days: int = 60) -> dict[str, list[object]]:
    """Two campaigns; `video` has no row on the third day, and its clicks are not known on the fourth."""
    rng = np.random.default_rng(4)
    made: dict[str, list[object]] = {
        name: [] for name in ("date", "campaign", "channel", "spend", "conversions", "clicks")
    }
    for number in range(days):
        for name in ("video", "search"):
            if name == "video" and number == 2:
                continue
            day = TODAY - timedelta(days=days - number)
            spend = float(rng.uniform(80, 120))
            clicks = None if (name, number) == ("video", 3) else int(rng.poisson(spend))
            row = (day, name, f"{name} ads", spend, float(rng.poisson(spend / 5)), clicks)
            for column, cell in zip(made, row, strict=True):
                made[column].append(cell)
    return made


def read(frame: object, **more: object) -> Snapshot:
    return snapshot_from_frame(frame, TODAY, **{"currency": "EUR", "time_zone": "Europe/Berlin", **more})


def test_rows_stand_where_they_belong() -> None:
    seen = read(columns())
    assert [target.budget.name for target in seen.targets] == ["search", "video"]
    assert [target.channel for target in seen.targets] == ["search ads", "video ads"]
    assert seen.panel.first_day == TODAY - timedelta(days=60)
    assert seen.panel.spend.shape == (2, 60)
    assert np.argwhere(np.isnan(seen.panel.spend)).tolist() == [[1, 2]]
    assert np.argwhere(np.isnan(seen.panel.clicks)).tolist() == [[1, 2], [1, 3]]
    assert np.isnan(seen.panel.value).all()
    rows = columns()
    last = [spend for spend, name in zip(rows["spend"], rows["campaign"], strict=True) if name == "video"][-1]
    assert seen.panel.spend[1, -1] == last
    assert seen.known_at == datetime(2026, 3, 2, 5, tzinfo=UTC)
    assert seen.freshness[0].last_day == TODAY - timedelta(days=1)


def test_whatever_holds_the_rows_the_evidence_is_the_same() -> None:
    rows = columns()
    digest = read(rows).digest()
    assert read(pd.DataFrame(rows)).digest() == digest
    assert read(pd.DataFrame(rows).convert_dtypes()).digest() == digest
    assert read(pa.table(rows)).digest() == digest
    assert read(pd.DataFrame(rows).sample(frac=1.0, random_state=3)).digest() == digest
    texts = {**rows, "date": [str(day) for day in rows["date"]]}
    assert read(texts).digest() == digest
    stamps = pd.DataFrame(rows).assign(date=lambda frame: pd.to_datetime(frame["date"]))
    assert read(stamps).digest() == digest


def test_budgets_are_given_or_the_last_known_or_what_was_spent() -> None:
    rows = columns()
    week = [s for s, name in zip(rows["spend"], rows["campaign"], strict=True) if name == "search"][-7:]
    assert read(rows).targets[0].budget.amount == Money(round(np.mean(week) * 100) * 10_000, "EUR")
    known = {**rows, "budget": [100.0] * (len(rows["date"]) - 1) + [125.5]}
    assert read(known).targets[0].budget.amount == Money.of("125.50", "EUR")
    assert read(known).panel.budget[0, -1] == 125.5
    given = read(rows, budgets={"search": 0.1, "video": Decimal("80.00"), "new": "12.5"})
    amounts = {target.budget.name: str(target.budget.amount) for target in given.targets}
    assert amounts == {"new": "12.50 EUR", "search": "0.10 EUR", "video": "80.00 EUR"}
    assert np.isnan(given.panel.spend[0]).all()
    left = read(rows, budgets={"search": 100})
    assert left.unbudgeted == ("video",)
    assert left.panel.spend.shape == (1, 60)


def test_of_many_campaigns_in_any_order_each_has_its_own_last_budget() -> None:
    rng = np.random.default_rng(8)
    keys = [(f"c{k:02}", day) for k in range(40) for day in range(1, int(rng.integers(2, 20)))]
    rows = [(name, day, float(rng.integers(50, 150))) for name, day in (keys[i] for i in rng.permutation(len(keys)))]
    last = {name: cells for name, _, cells in sorted(rows, key=lambda row: row[1])}
    seen = read({
        "date": [TODAY - timedelta(days=20 - day) for _, day, _ in rows],
        "campaign": [name for name, _, _ in rows],
        "spend": [1.0] * len(rows),
        "conversions": [1.0] * len(rows),
        "budget": [budget for _, _, budget in rows],
    })  # fmt: skip
    assert {target.budget.name: target.budget.amount.micros / 1e6 for target in seen.targets} == last


def test_today_and_later_are_left_out_and_nothing_is_something() -> None:
    rows = columns()
    early = snapshot_from_frame(rows, TODAY - timedelta(days=10), currency="EUR")
    assert early.panel.days == 50
    empty = {name: [] for name in rows}
    nothing = read(empty, budgets={"search": 100})
    assert nothing.panel.spend.shape == (1, 1)
    assert nothing.freshness[0].last_day is None
    decision = decide(nothing, Goals("EUR"), Guardrails(), nothing.known_at, np.random.default_rng(1))
    assert not decision.moves


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spend": None}, r"no column 'spend', only campaign, channel, clicks, conversions, date\. Mend"),
        ({"date": "yesterday"}, "column 'date', row 5: 'yesterday' is not a day"),
        ({"spend": -1.0}, "column 'spend', row 5: -1 is no spend of a day"),
        ({"spend": float("nan")}, "column 'spend', row 5: nan is no spend"),
        ({"conversions": float("inf")}, "column 'conversions', row 5: inf is no conversions"),
        ({"clicks": "many"}, "column 'clicks', row 5: 'many' is not a number"),
        ({"clicks": 10**400}, "column 'clicks', row 5: 1000.*000 is not a number"),
        ({"campaign": ""}, "column 'campaign', row 5 is empty"),
        ({"campaign": None}, "column 'campaign', row 5 is empty"),
        ({"campaign": pd.NA}, "column 'campaign', row 5 is empty"),
        ({"channel": pd.NA}, "column 'channel', row 5 is empty"),
        ({"channel": float("nan")}, "column 'channel', row 5 is empty"),
        ({"date": pd.NaT}, "column 'date', row 5: NaT is not a day"),
        ({"date": None}, "column 'date', row 5: None is not a day"),
    ],
)
def test_slips_are_named_with_column_and_row(change: dict[str, object], words: str) -> None:
    rows = columns()
    for name, cell in change.items():
        rows[name][5] = cell
        if name == "spend" and cell is None:
            del rows[name]
    with pytest.raises(FrameError, match=words):
        read(rows)


def test_a_day_that_stands_twice_ragged_columns_and_no_frame_at_all_are_named() -> None:
    rows = columns()
    twice = {name: [*cells, cells[0]] for name, cells in rows.items()}
    with pytest.raises(FrameError, match=r"row 119: 2026-01-01 of 'video' stands in row 0 already"):
        read(twice)
    with pytest.raises(FrameError, match="column 'clicks' has 3 rows, 'date' 119"):
        read({**rows, "clicks": [1, 2, 3]})
    with pytest.raises(FrameError, match="a list has no columns by name"):
        read([1, 2])
    with pytest.raises(ValueError, match="is not an ISO 4217"):
        read(rows, currency="Euro")


@pytest.mark.parametrize("today", [datetime(2026, 3, 2, 9, tzinfo=UTC), pd.Timestamp("2026-03-02"), "2026-03-02"])
def test_the_planned_day_is_a_day_however_it_is_written(today: object) -> None:
    rows = columns()
    seen = snapshot_from_frame(rows, today, currency="EUR", time_zone="Europe/Berlin")
    assert type(seen.today) is date
    assert seen.digest() == read(rows).digest()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"today": "tomorrow"}, "today: 'tomorrow' is not a day. Mend"),
        ({"today": pd.NaT}, "today: NaT is not a day"),
        ({"today": date.min}, r"today: .* is not a day\. Mend"),
        ({"currency": "Euro"}, "currency: 'Euro' is not an ISO 4217.*Mend"),
        ({"time_zone": None}, "time_zone: None is no text. Mend"),
        ({"time_zone": "Mars/Olympus"}, "time_zone: 'Mars/Olympus' is not an IANA time zone.*Mend"),
        ({"budgets": {"search": "abc"}}, "budgets, campaign 'search': 'abc' is not an amount. Mend"),
        ({"budgets": {"search": None}}, "campaign 'search': None is not an amount"),
        ({"budgets": {"video": float("nan")}}, "campaign 'video': nan is not an amount"),
        ({"budgets": {"search": -3}}, "campaign 'search': -3.00 EUR is negative"),
        ({"budgets": {"search": Money.of(3, "USD")}}, "campaign 'search': 3.00 USD is not in EUR"),
        ({"budgets": ["search"]}, "budgets: a list names no campaigns"),
    ],
)
def test_slips_in_what_is_given_with_a_frame_are_named(given: dict[str, object], words: str) -> None:
    more = {"today": TODAY, "currency": "EUR", **given}
    with pytest.raises(FrameError, match=words):
        snapshot_from_frame(columns(), **more)


@pytest.mark.parametrize(
    ("name", "cells"),
    [*product(["spend", "campaign", "date"], [1.0, np.ones((119, 2))]), ("spend", [[1.0], [1.0, 2.0]])],
)
def test_a_column_that_holds_no_value_for_each_row_is_named(name: str, cells: object) -> None:
    with pytest.raises(FrameError, match=f"column '{name}' does not hold one value for each row. Mend"):
        read({**columns(), name: cells})


def test_lines_and_budgets_come_back_out() -> None:
    seen = read(columns(), budgets={"search": 100, "video": 100})
    decision = decide(seen, Goals("EUR"), Guardrails(min_gain_probability=0.0), seen.known_at, np.random.default_rng(1))
    plan = pd.DataFrame(lines_of(decision)).set_index("campaign")
    assert set(plan.index) == {"search", "video"}
    for line in decision.lines:
        row = plan.loc[line.key.budget_id]
        assert row["proposed"] == line.proposed.micros / 1e6
        assert (row["effect"], row["low80"], row["high95"]) == (line.effect.mean, line.effect.low80, line.effect.high95)
        assert row["turn"] == ("" if line.turn is None else line.turn.words)
    again = read(columns(), budgets=budgets_of(decision))
    assert [t.budget.amount for t in again.targets] == [budgets_of(decision)[t.budget.name] for t in again.targets]


def test_the_front_door_is_what_its_page_says() -> None:
    assert set(frames.__all__) == {
        "COLUMNS", "REQUIRED", "Frame", "FrameError", "budgets_of", "lines_of", "snapshot_from_frame",
    }  # fmt: skip
    assert all(hasattr(frames, name) for name in frames.__all__)
