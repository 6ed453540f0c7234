"""What journeys share: the real command line in this process, and a small shop's exports to walk it with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from optimizer.agent.cli.app import app

TODAY = date(2026, 3, 2)


@dataclass(frozen=True)
class Answered:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The object that --json printed."""
        return json.loads(self.out)


Outlay = Callable[..., Answered]


def command_line(monkeypatch: pytest.MonkeyPatch) -> Outlay:
    """Return a runner of command lines: `outlay("plan", "-c", path)`."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words: object) -> Answered:
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answered(result.exit_code, result.stdout, result.stderr)

    return run


@dataclass(frozen=True)
class Shop:
    """A folder with config.toml and a year of exports."""

    config: Path
    rows: Path
    today: date = TODAY

    @property
    def folder(self) -> Path:
        """Where everything lies."""
        return self.config.parent

    def append(self, text: str) -> None:
        """Add lines to the settings."""
        self.config.write_text(self.config.read_text(encoding="utf-8") + text, encoding="utf-8")

    def budgets(self) -> Mapping[str, str]:
        """The amounts that stand in the budgets file."""
        with (self.folder / "data" / "budgets.csv").open(newline="", encoding="utf-8") as lines:
            return {row["budget_id"]: row["amount"] for row in csv.DictReader(lines)}

    def edit_budget(self, budget_id: str, amount: str) -> None:
        """Change a budget by hand, as somebody else would."""
        path = self.folder / "data" / "budgets.csv"
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        for row in rows:
            if row["budget_id"] == budget_id:
                row["amount"] = amount
        _write(path, list(rows[0]), [list(row.values()) for row in rows])


SETTINGS = """
[portfolio]
currency = "EUR"
time_zone = "Europe/Berlin"

[connectors.shop]
kind = "files"
folder = "data"
account = "shop"
currency = "EUR"
time_zone = "Europe/Berlin"
"""

HALF = {"brand": 40.0, "generic": 160.0, "retargeting": 60.0, "prospecting": 400.0}
SCALE = {"brand": 12.0, "generic": 30.0, "retargeting": 10.0, "prospecting": 50.0}
BUDGET = {"brand": 200.0, "generic": 100.0, "retargeting": 150.0, "prospecting": 120.0}


def make_shop(folder: Path) -> Shop:
    """Four campaigns of two channels, concave responses, budgets that are visibly wrong, 120 days of history."""
    rng = np.random.default_rng(5)
    rows = []
    budget = dict(BUDGET)
    for back in range(120, 0, -1):
        day = TODAY - timedelta(days=back)
        if back % 10 == 0 and back > 20:
            budget = {name: round(base * rng.uniform(0.6, 1.5), 2) for name, base in BUDGET.items()}
        elif back == 20:
            budget = dict(BUDGET)
        for name, base in budget.items():
            spend = round(base * rng.uniform(0.95, 1.0), 2)
            got = rng.poisson(SCALE[name] * spend / (spend + HALF[name]))
            channel = "search" if name in ("brand", "generic") else "social"
            rows.append([day.isoformat(), channel, name, spend, got * 30, got, got * 40.0, base])
    data = folder / "data"
    data.mkdir()
    header = ["date", "channel", "campaign_id", "spend", "clicks", "conversions", "conversions_value", "daily_budget"]
    _write(data / "rows.csv", header, rows)
    config = folder / "config.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    return Shop(config, data / "rows.csv")


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
