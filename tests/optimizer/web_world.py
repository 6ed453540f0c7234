"""A small portfolio at the page: a simulated market, a store, people, and an open application."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from connectors.money import Money
from optimizer.agent import cycle, passwords, writing
from optimizer.agent.bootstrap import open_house
from optimizer.agent.breaker import Guarded
from optimizer.agent.clock import SetClock
from optimizer.agent.cycle import House
from optimizer.agent.web import Premises, build, open_premises
from optimizer.plan.people import Role, Session, User
from optimizer.plan.record import Record, State

PASSWORD = "correct horse battery"
PEOPLE = {"ana": Role.ADMIN, "ben": Role.APPROVER, "vic": Role.VIEWER}
SETTINGS = """
[portfolio]
name = "Test shop"
currency = "JPY"
time_zone = "Asia/Tokyo"

[connectors.market]
kind = "simulated"
scenario = "tiny-yen"
seed = 4
state_file = "market.json"

[guardrails]
min_gain_probability = 0.0
min_gain_share = 0.0
minimum_conversions = 0.0
minimum_days = 0

[web]
locale = "en-GB"
"""


@dataclass
class World:
    """What a test holds of the portfolio."""

    config: Path
    clock: SetClock
    premises: Premises
    app: Any

    @property
    def root(self) -> str:
        return f"/{self.premises.slug}"

    @property
    def house(self) -> House:
        return self.premises.house

    def plan(self, seed: int = 1) -> Record:
        """Make a proposal, as the agent would."""
        with open_house(self.config, self.clock) as house:
            record = cycle.plan(house, house.today(), seed=seed)
        assert record.state is State.PROPOSED, record.recommendation.decision.findings
        return record

    def carry_out(self, record: Record) -> Record:
        """Write what was approved and read it back, as the agent would."""
        with open_house(self.config, self.clock) as house:
            writing.apply(house, record.recommendation.rec_id)
            self.clock.at += timedelta(minutes=31)
            return writing.verify(house, record.recommendation.rec_id)

    def rename(self, names: list[str]) -> None:
        """Let the platform have told other names of its budgets, as many as there are."""
        self.clock.at += timedelta(seconds=1)
        known = self.premises.store.budgets("market", self.clock.now())
        renamed = [replace(budget, name=names[n % len(names)]) for n, budget in enumerate(known)]
        self.premises.store.note_budgets("market", renamed, self.clock.now())

    def edit_behind(self, record: Record, factor: float = 2.0) -> None:
        """Change the first changed budget at the platform, as somebody else would."""
        line = next(line for line in record.recommendation.decision.lines if line.changes)
        with open_house(self.config, self.clock) as house:
            simulated(house).edit(line.key.budget_id, Money(int(line.current.micros * factor), line.current.currency))

    def client(self, name: str | None = None) -> Visitor:
        """A browser without scripts; logged in where a name is given."""
        visitor = Visitor(self, TestClient(self.app, base_url="http://127.0.0.1", follow_redirects=False))
        if name is not None:
            visitor.login(name)
        return visitor

    def token(self, name: str, role: Role, label: str = "test") -> dict[str, str]:
        """The headers of a program that shows a token."""
        secret, now = passwords.new_token(), self.clock.now()
        digest = passwords.secret_hash(secret)
        self.premises.store.open_session(Session(digest, name, role, label, now, now + timedelta(days=1), None))
        return {"Authorization": f"Bearer {secret}"}


@dataclass
class Visitor:
    """Somebody's browser."""

    world: World
    http: TestClient

    def login(self, name: str, password: str = PASSWORD) -> Any:
        answer = self.post("/login", name=name, password=password)
        assert answer.status_code == 303, answer.text
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.http.get(f"{self.world.root}{path}", **options)

    def post(self, path: str, *, origin: str | None = "http://127.0.0.1", **fields: Any) -> Any:
        headers = {} if origin is None else {"Origin": origin}
        return self.http.post(f"{self.world.root}{path}", data=fields, headers=headers)

    def act(self, path: str, *, seen: str = "/account", **fields: Any) -> Any:
        """Send a form with what proves that it is ours, as read from a page."""
        return self.post(path, proof=self.proof(seen), **fields)

    def proof(self, seen: str = "/account") -> str:
        found = re.search(r'name="proof" value="([0-9a-f]{64})"', self.get(seen).text)
        assert found is not None
        return found.group(1)


@cache
def hashed_once() -> str:
    """One hash for everybody: to make it is slow on purpose."""
    return passwords.hashed(PASSWORD)


def simulated(house: House) -> Any:
    """The market behind a house's connector."""
    connector = house.connectors["market"]
    return connector.inner if isinstance(connector, Guarded) else connector


@contextmanager
def world(
    folder: Path,
    more: str = "",
    *,
    settings: str = SETTINGS,
    people: Mapping[str, Role] = PEOPLE,
    name: str = "Test shop",
) -> Iterator[World]:
    """Open a portfolio with thirty days of history and three people, whose clock stands at the market's."""
    config = folder / "config.toml"
    config.write_text(settings.replace("Test shop", name) + more, encoding="utf-8")
    clock = SetClock(datetime(1970, 1, 1, tzinfo=UTC))
    with open_house(config, clock) as house:
        clock.at = simulated(house).now
        cycle.pull(house, house.today())
    with ExitStack() as held:
        (premises,) = held.enter_context(open_premises([config], clock))
        for name, role in people.items():
            premises.store.keep_user(None, User(name, role, hashed_once(), clock.now()), "setup", clock.now())
        yield World(config, clock, premises, build([premises], clock))
