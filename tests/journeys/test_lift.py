"""A lift test from its design to what the next refit learns from it, by the real command line and a turned clock."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from optimizer.agent import bootstrap, cycle
from optimizer.agent.refitting import own_lifts
from tests.journeys.shops import SETTINGS, Answered, Outlay

TODAY = date(2026, 3, 2)
BUDGETS = {"brand": 200.0, "prospecting": 300.0}
CHANNELS = {"brand": "brand-search", "prospecting": "social"}
REGIONS = tuple(f"r{n:02}" for n in range(16))


@dataclass
class Clock:
    """A clock that stands until it is turned."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        assert seconds < 60, f"nothing waits so long here as {seconds} s"


@dataclass
class Bench:
    """A shop whose brand search claims one conversion per 4 EUR and brings one per 40."""

    folder: Path
    clock: Clock
    outlay: Outlay
    spent: dict[date, dict[str, float]] = field(default_factory=dict)

    def __call__(self, *words: object) -> Answered:
        return self.outlay(*words, "-c", self.folder / "config.toml", "--json")

    def budgets(self) -> dict[str, float]:
        path = self.folder / "data" / "budgets.csv"
        if not path.exists():
            return dict(BUDGETS)
        with path.open(newline="", encoding="utf-8") as lines:
            return dict(BUDGETS) | {row["budget_id"]: float(row["amount"]) for row in csv.DictReader(lines)}

    def until(self, day: date) -> None:
        """Turn the clock to the morning of a day; on the days up to it the budgets that stood were spent."""
        now = self.budgets()
        for back in range(200):
            then = TODAY - timedelta(days=150) + timedelta(days=back)
            if then < day and then not in self.spent:
                swing = 1.0 + 0.2 * ((then.toordinal() // 10) % 3 - 1) * (then < TODAY - timedelta(days=20))
                self.spent[then] = {name: amount * swing for name, amount in now.items()}
        rng = np.random.default_rng(3)
        rows, sold = [], []
        for then, spend in sorted(self.spent.items()):
            for name, amount in spend.items():
                claimed = int(rng.poisson(amount / 4))
                rows.append([then, CHANNELS[name], name, amount, claimed * 20, claimed, BUDGETS[name]])
            total = int(rng.poisson(200 + spend["brand"] / 40 + spend["prospecting"] / 6))
            split = rng.multinomial(total, np.full(len(REGIONS), 1 / len(REGIONS)))
            sold += [[then, region, n] for region, n in zip(REGIONS, split, strict=True)]
        header = ["date", "channel", "campaign_id", "spend", "clicks", "conversions", "daily_budget"]
        write(self.folder / "data" / "rows.csv", header, rows)
        write(self.folder / "outcomes.csv", ["date", "region", "conversions"], sold)
        self.clock.moment = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
        for path in (self.folder / "data").glob("*.csv"):
            os.utime(path, (self.clock.moment.timestamp(),) * 2)
        with bootstrap.open_house(self.folder / "config.toml") as house:
            cycle.pull(house, day)

    def morning(self) -> dict[str, object]:
        """Plan, approve and apply what is proposed; the decision."""
        made = self("plan", "--seed", 1)
        assert made.code in (0, 2), [f["message"] for f in made.data["recommendation"]["decision"]["findings"]]
        told = made.data["recommendation"]
        if made.code == 2:
            self("approve", told["rec_id"], "--hash", told["plan_hash"], "--as", "ada")
            done = self("apply", told["rec_id"])
            assert done.code == 0, done.out
        return told["decision"]


def write(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])


@pytest.fixture
def bench(tmp_path: Path, outlay: Outlay, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "data").mkdir()
    more = '\n[lift]\noutcomes_file = "outcomes.csv"\n[guardrails]\nmin_gain_share = 1.0\nmin_gain_probability = 1.0\n'
    (tmp_path / "config.toml").write_text(SETTINGS + more, encoding="utf-8")
    clock = Clock(datetime(2026, 3, 2, 6, tzinfo=UTC))
    monkeypatch.setattr(bootstrap, "SystemClock", lambda: clock)
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path, clock, outlay)
    made.until(TODAY)
    return made


PULSES = ("channel:brand-search", "--pairs", 5, "--block-days", 3, "--burn-in", 0, "--seed", 2)


def test_a_switchback_is_run_by_plans_read_at_its_end_and_learnt_from(bench: Bench) -> None:
    foreseen = bench("lift", "design", *PULSES)
    assert foreseen.code == 0, foreseen.err
    assert foreseen.data["power"]["smallest"] > 0
    assert foreseen.data["spend_change"] == pytest.approx(-0.5 * (1 - 1 / 1.297) * 200 * 30, rel=0.05)
    started = bench("lift", "start", "Brand", *PULSES, "--as", "ann")
    assert started.code == 0, started.err
    plan = started.data["plan"]
    assert bench("lift", "status").code == 0
    early = bench("lift", "read", "Brand")
    assert (early.code, "holds for one look" in early.data["error"]["message"]) == (1, True)
    twice = bench("lift", "start", "Brand", *PULSES, "--seed", 3)
    assert (twice.code, "still open" in twice.data["error"]["message"]) == (1, True)

    first = date.fromisoformat(plan["first_day"])
    low = round(200 / 1.297, 2) - 0.01
    for block, high in enumerate(plan["high"]):
        bench.until(first + timedelta(days=3 * block))
        bench.morning()
        assert bench.budgets()["brand"] == (200.0 if high else pytest.approx(low, abs=0.02))
        assert bench.budgets()["prospecting"] == 300.0
    bench.until(first + timedelta(days=30))
    over = bench("lift", "status", "Brand")
    assert (over.code, over.data["waits"]) == (2, True)
    bench.morning()
    assert bench.budgets()["brand"] == 200.0

    dry = bench("lift", "read", "Brand", "--dry-run")
    found = bench("lift", "read", "Brand", "--as", "bob")
    assert found.data["reading"] == dry.data["reading"]
    reading = found.data["reading"]
    assert reading["spend_change"] == pytest.approx(30 * (200 - low), rel=0.01)
    truth = reading["spend_change"] / 40
    assert abs(reading["incremental"] - truth) < 5 * reading["se"]
    assert reading["claimed"] == pytest.approx(reading["spend_change"] / 4, abs=5 * reading["claimed_se"])
    assert found.code == (4 if reading["overclaimed"] >= 0.9 else 0)
    with bootstrap.open_house(bench.folder / "config.toml") as house:
        (learnt,) = own_lifts(cycle.snapshot(house, house.today()))
    assert (learnt.channel, learnt.incremental) == ("brand-search", reading["incremental"])
    again = bench("lift", "read", "Brand")
    assert (again.code, "ended on" in again.data["error"]["message"]) == (1, True)
    (row,) = bench("lift", "list").data["lift_tests"]
    assert row["end"]["reading"]["incremental"] == reading["incremental"]


def test_a_test_that_is_stopped_puts_its_budgets_back(bench: Bench) -> None:
    started = bench("lift", "start", "Brand", *PULSES)
    plan = started.data["plan"]
    low_block = plan["high"].index(False)
    low_day = date.fromisoformat(plan["first_day"]) + timedelta(days=3 * low_block)
    bench.until(low_day)
    decision = bench.morning()
    assert any(finding["code"] == "lift-test" for finding in decision["findings"])
    assert bench.budgets()["brand"] < 200.0
    bench.until(low_day + timedelta(days=1))
    assert bench("lift", "stop", "Brand", "--reason", "launch week").code == 0
    # The platform's clock is not the one that is turned here: for 48 hours it is doubted.
    bench.until(low_day + timedelta(days=3))
    bench.morning()
    assert bench.budgets()["brand"] == 200.0
    assert bench("lift", "status").data["end"]["reading"] is None


def test_a_holdout_draws_regions_and_is_read_beside_the_others(bench: Bench) -> None:
    words = ("channel:social", "--kind", "holdout", "--days", 21, "--seed", 4)
    started = bench("lift", "start", "No social", *words)
    assert started.code == 0, started.err
    plan = started.data["plan"]
    assert len(plan["test"]) == 4
    assert sorted(plan["test"] + plan["control"]) == list(REGIONS)
    bench.until(date.fromisoformat(plan["last_day"]) + timedelta(days=1))
    unknown = bench("lift", "read", "No social")
    assert (unknown.code, "--spend" in unknown.data["error"]["message"]) == (1, True)
    found = bench("lift", "read", "No social", "--spend", 1500)
    assert found.data["reading"]["spend_change"] == -1500.0
    assert found.data["reading"]["claimed"] == pytest.approx(-1500 / 4, rel=0.1)


UNDESIGNED = (
    (("tag:x",), "channel:NAME or campaign:ID"),
    (("channel:none",), "channel:brand-search"),
    (("nonsense",), "channel:NAME or campaign:ID"),
    (("channel:social", "--kind", "flip"), "switchback, holdout"),
    (("channel:social", "--way", "off"), "down, up or both"),
    (("channel:social", "--first-day", "2026-03-02"), "later day"),
    (("channel:social", "--first-day", "soon"), "YYYY-MM-DD"),
    (("channel:social", "--pairs", "4"), "plan more pairs"),
    (("channel:social", "--pairs", "14"), "fewer pairs"),
    (("channel:social", "--kind", "holdout", "--share", "0.05"), "finer regions"),
    (("channel:social", "--outcome", "smiles"), "conversions or value"),
    (("channel:social", "--outcome", "value"), "'value'"),
    (("channel:social", "--outcomes", "none.csv"), "outcomes_file"),
)
UNREADABLE = (
    ("date,conversions\n2026-01-01,1\n2026-01-01,2\n", "twice"),
    ("date,conversions\n2026-01-01,1\n2026-01-03,2\n", "2026-01-02"),
    ("date,conversions\n2026-01-01,many\n", "outcomes.csv:2"),
    ("date,conversions\n2026-01-01,-1\n", "0 or more"),
    ("date,conversions\nsoon,1\n", "YYYY-MM-DD"),
    ("date,conversions\n2026-01-01,1,2\n", "more cells"),
    ("date,conversions\n", "no row"),
    ("day,conversions\n2026-01-01,1\n", "'date'"),
    ("date,conversions\n2026-01-01,1\n2026-01-02,1\n", "too few"),
)


def test_what_cannot_be_designed_is_told_with_its_mend(bench: Bench) -> None:
    for words, told in UNDESIGNED:
        answer = bench("lift", "design", *words)
        assert answer.code == 1, words
        assert told.lower() in answer.out.lower(), words
    config = bench.folder / "config.toml"
    flight = '[[flights]]\nname = "March"\nscope = "channel:social"\namount = 9000\n'
    config.write_text(config.read_text(encoding="utf-8") + flight, encoding="utf-8")
    flown = bench("lift", "design", "channel:social")
    assert (flown.code, "would make up for the test" in flown.out) == (1, True)
    unknown = bench("lift", "status")
    assert (unknown.code, "outlay lift start" in unknown.out) == (1, True)


def test_outcomes_that_cannot_be_read_are_told_with_their_place(bench: Bench) -> None:
    for text, told in UNREADABLE:
        (bench.folder / "outcomes.csv").write_text(text, encoding="utf-8")
        answer = bench("lift", "design", "channel:social")
        assert answer.code == 1, text
        assert told in answer.out, text
