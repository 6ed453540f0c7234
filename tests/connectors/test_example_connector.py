"""The example of a third party's connector: it passes the suite, and is found once its package is installed."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from connectors.conformance import ConnectorConformance
from connectors.contract import BuildContext
from connectors.errors import AskMarketer, BadInput
from connectors.money import Money

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "example-connector"
FIRST = date(2025, 3, 28)


def _module():
    spec = importlib.util.spec_from_file_location("acme_outdoor", EXAMPLE / "acme_outdoor.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ACME = _module()


def _bookings(path, currency):
    with sqlite3.connect(path) as db:
        db.executescript(ACME.SCHEMA)
        db.execute("INSERT INTO seller VALUES ('acme', ?, 'Europe/Berlin')", (currency,))
        db.executemany(
            "INSERT INTO board (board_id, name, budget) VALUES (?, ?, ?)",
            [("b1", "Station", 50_000_000), ("b2", "Harbour", 70_000_000)],
        )
        days = [(FIRST + timedelta(days=n)).isoformat() for n in range(5)]
        db.executemany(
            "INSERT INTO day VALUES (?, ?, ?, ?, '2025-04-03T06:00:00+00:00')",
            [(board, day, 48_000_000, 3 + n) for n, board in enumerate(("b1", "b2")) for day in days],
        )
    db.close()


class TestAcmeOutdoor(ConnectorConformance):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path):
        self.folder, self.made, self.open = tmp_path, 0, []
        yield
        for connector in self.open:
            connector.close()

    def make(self, currency):
        self.made += 1
        self.path = self.folder / f"{self.made}.db"
        _bookings(self.path, currency)
        self.open.append(ACME.build(BuildContext("acme", {"file": self.path.name}, self.folder)))
        return self.open[-1]

    def days(self):
        return FIRST, FIRST + timedelta(days=4)

    def restate(self, connector):
        with sqlite3.connect(self.path) as db:
            db.execute("INSERT INTO day VALUES ('b1', ?, 48000000, 9, '2025-04-05T06:00:00+00:00')", (str(FIRST),))
        db.close()

    def live(self, connector, key):
        with sqlite3.connect(self.path) as db:
            ((budget, currency),) = db.execute(
                "SELECT budget, currency FROM board, seller WHERE board_id = ?", (key.budget_id,)
            ).fetchall()
        db.close()
        return Money(budget, currency)

    def edit_behind(self, connector, key, amount):
        with sqlite3.connect(self.path) as db:
            db.execute(
                "UPDATE board SET budget = ?, version = version + 1 WHERE board_id = ?", (amount.micros, key.budget_id)
            )
        db.close()


def test_bad_settings_are_told(tmp_path):
    with pytest.raises(BadInput, match="file"):
        ACME.build(BuildContext("acme", {}, tmp_path))
    with pytest.raises(AskMarketer, match=r"none\.db is not a file of bookings"):
        ACME.build(BuildContext("acme", {"file": "none.db"}, tmp_path))


def test_it_is_under_200_lines():
    assert len((EXAMPLE / "acme_outdoor.py").read_text().splitlines()) < 200


def test_its_package_is_found_by_its_entry_point(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("pyproject.toml", "acme_outdoor.py"):
        (source / name).write_bytes((EXAMPLE / name).read_bytes())
    uv = Path(sys.executable).with_name("uv")
    made = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--offline",
        "--python",
        sys.executable,
    ]
    subprocess.run([*made, "--target", site, source], check=True)
    _bookings(tmp_path / "bookings.db", "EUR")
    (tmp_path / "config.toml").write_text('[connectors.boards]\nkind = "acme-outdoor"\nfile = "bookings.db"\n')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    outlay = [sys.executable, "-m", "optimizer.agent.cli", "connectors", "check", "--json"]
    ran = subprocess.run(outlay, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    checks = {check["subject"]: check["message"] for check in json.loads(ran.stdout)["checks"]}
    assert checks["boards: accounts"] == "acme in EUR, Europe/Berlin"
    assert checks["boards: budgets"] == "2 budgets, 120.00 EUR a day together"
