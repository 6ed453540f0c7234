"""A child process in which everything that can leak a secret tries to: run as `python -m tests.optimizer.leaky FOLDER`.

With CONTROL in the environment the room that hides secrets is taken away, to see that they would be told.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
import urllib.request
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from connectors import registry, vault
from connectors.contract import BudgetChange, Entity, PerformanceRow, Receipt
from connectors.credentials import Redactor
from connectors.errors import AskMarketer, Stop
from optimizer import approval
from optimizer.agent import cycle, secrecy
from optimizer.agent.bootstrap import open_house
from optimizer.agent.cli import commands
from optimizer.agent.clock import SetClock
from optimizer.agent.daemon.desk import Desk
from optimizer.agent.daemon.health import Door
from optimizer.agent.daemon.logs import configure
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

CANARIES = {
    "option": "c4nary/opt+ion==",
    "nested": "c4nary-nested-1",
    "login": "c4nary-login-2",
    "variable": "c4nary-variable-3",
    "file": "c4nary-file-4",
    "hook": "c4nary-hook-5",
    "path": "T0KENc4naryPATH6",
    "renewed": 'c4nary-renewed/9\n"quoted"',
}
LOST = {"database": "c4nary-database-7", "password": "c4nary-password-8"}  # of a database that cannot be reached
CONFIG = f"""
[portfolio]
currency = "JPY"
time_zone = "Asia/Tokyo"
history_days = 60
[guardrails]
min_gain_probability = 0.0
min_gain_share = 0.0
minimum_conversions = 0.0
minimum_days = 0
[web]
listen = ""

[daemon]
refit = "never"
listen = ""
[notify]
urls = ["json://bot:{CANARIES["hook"]}@127.0.0.1:9/{CANARIES["path"]}"]
[connectors.market]
kind = "simulated"
api_token = "{CANARIES["option"]}"
endpoint = "https://bot:{CANARIES["login"]}@api.example/v1"
[connectors.market.oauth]
client_secret = "{CANARIES["nested"]}"
"""


class Leaky(SimulatedConnector):
    """Puts every secret that it knows into its errors, one kind of them after the other."""

    mood = "asks"

    def words(self) -> str:
        Redactor().add_passing(CANARIES["renewed"])  # as a connector does whose platform gave it a token just now
        told = [f"401 for https://bot:{CANARIES['login']}@api.example/v1?access_token={CANARIES['option']}"]
        return "; ".join([*told, *(f"sent {value}" for value in CANARIES.values())])

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        if self.mood == "asks":
            try:
                raise ValueError(self.words())
            except ValueError as error:
                raise AskMarketer(self.words(), mend=f"renew {CANARIES['option']}") from error
        return super().pull(since, until)

    def entities(self) -> Iterator[Entity]:
        if self.mood == "breaks":
            raise RuntimeError(self.words())
        return super().entities()

    def check_budget(self, change: BudgetChange) -> None:
        raise Stop(self.words())

    def set_budget(self, change: BudgetChange) -> Receipt:
        raise Stop(self.words())


def main(folder: Path) -> None:
    """Fail in every way, and let every outlet tell of it."""
    _without_redaction()
    config = folder / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    market = Leaky(named("tiny-yen", history_days=30), seed=4, start=date(2025, 9, 1), name="market")
    registry.build = lambda _kind, _context: market  # type: ignore[assignment]
    clock = SetClock(market.now + timedelta(minutes=5))
    configure()
    desk = Desk(config, clock)
    door = Door("127.0.0.1:0", [desk], clock.now)
    for mood in ("asks", "breaks", "well"):
        Leaky.mood = mood
        desk.look()
        _asked(door)
        clock.sleep(16 * 60)
    _approve(config, clock)
    desk.look()
    desk.look()
    _asked(door)
    if "CONTROL" not in os.environ:
        _commands(config, folder)
    _database(folder)
    desk.leave()
    door.close()


def _without_redaction() -> None:
    if "CONTROL" in os.environ:
        nothing = re.compile(r"(?!)()")
        vault.VAULT.hide = lambda text: text  # type: ignore[method-assign]
        secrecy._NET = secrecy._LOGIN = nothing  # type: ignore[misc]


def _approve(config: Path, clock: SetClock) -> None:
    with open_house(config, clock) as house:
        record = house.store.records(limit=1)[0].recommendation
        cycle.settle(house, record.rec_id, approval.Approve("ada", record.plan_hash))


def _asked(door: Door) -> None:
    for path in ("healthz", "readyz", "metrics"):
        request = f"http://127.0.0.1:{door.port}/{path}"
        try:
            with urllib.request.urlopen(request) as answer:
                print(answer.read().decode())
        except urllib.error.HTTPError as answer:
            print(answer.read().decode())
            answer.close()


def _commands(config: Path, folder: Path) -> None:
    """What people type, in words and as JSON; the last with a traceback, and one that cannot reach its database."""
    told: list[tuple[str, dict[str, Any]]] = [
        ("status", {}),
        ("doctor", {}),
        ("show", {"rec": "latest", "revision": None, "history": True}),
        ("explain", {"rec": "latest", "revision": None, "again": False}),
        ("audit_show", dict.fromkeys(("rec", "actor", "action", "since", "until")) | {"limit": 50}),
        ("db_backup", {"file": folder / "backup.sqlite"}),
        ("apply", {"rec": "latest", "dry_run": True}),
    ]
    for name, arguments in told:
        commands.run(name, json=False, config=config, **arguments)
    commands.run("status", json=True, config=config)
    for mood in ("asks", "breaks"):
        Leaky.mood = mood
        commands.run("plan", json=True, config=config, as_of=None, seed=1, out=None)
    lost = folder / "lost.toml"
    url = f"postgresql://bot:{LOST['database']}@127.0.0.1:1/none"
    lost.write_text(f'[store]\nurl = "{url}"\n', encoding="utf-8")
    commands.run("status", json=True, config=lost)
    lost.write_text(f'[store]\nurl = "{url}"\npassword = "{LOST["password"]}"\nfoo = 1\n', encoding="utf-8")
    commands.run("status", json=True, config=lost)
    lost.write_text(f'[notify]\nurls = "json://bot:{CANARIES["hook"]}@host/"\n', encoding="utf-8")
    commands.run("status", json=True, config=lost)
    lost.unlink()


def _database(folder: Path) -> None:
    with sqlite3.connect(folder / ".outlay" / "outlay.sqlite") as database:
        for line in database.iterdump():
            print(line)
    for path in folder.glob("backup*.json"):
        print(path.read_text(encoding="ascii"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
