"""An experiment from its registration to its end, by the real command line, with a clock that the test turns."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from optimizer.agent import bootstrap, cycle
from tests.journeys.shops import SETTINGS, Outlay

TODAY = date(2026, 3, 2)
FIRST = TODAY + timedelta(days=1)
ADS = {"a1": 1.0, "a2": 1.0, "b1": 1.0}


@dataclass
class Clock:
    """A clock that stands until it is turned."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing waits here, not even {seconds} s")


@dataclass(frozen=True)
class Bench:
    """A folder with two campaigns, the first with ads a1 and a2, the second with b1; and its clock."""

    folder: Path
    clock: Clock
    outlay: Outlay

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def __call__(self, *words: object) -> object:
        return self.outlay("experiment", *words, "-c", self.config, "--json")

    def register(self, *more: object, name: str = "headline") -> object:
        return self(
            "register", name, "--target", "brand", "--arm", "a1", "--arm", "a2", "--metric", "ctr", "--days", "14",
            "--minimum-effect", "0.1", "--guard", "conversions-per-impression=0.5", "--holdout", "0.2", "--as", "ann",
            *more,
        )  # fmt: skip

    def until(self, day: date, *, lift: float = 0.0, share: float = 0.5, harm: float = 0.0) -> None:
        """Turn the clock to the morning of a day, with rows up to the day before; a2 differs from FIRST on."""
        rng = np.random.default_rng(3)
        rows = []
        for back in range(60):
            then = TODAY - timedelta(days=30) + timedelta(days=back)
            if then >= day:
                break
            for ad in ADS:
                treated = ad == "a2" and then >= FIRST
                shown = int(rng.poisson(20_000 * (share if treated else 1 - share if ad == "a1" else 0.5)))
                clicks = int(rng.binomial(shown, 0.02 * (1 + lift * treated)))
                sold = int(rng.binomial(clicks, 0.3 * (1 - harm * treated)))
                campaign = "brand" if ad.startswith("a") else "other"
                rows.append([then, campaign, ad, 50 + 0.01 * shown, shown, clicks, sold, sold * 40.0, 600.0])
        with (self.folder / "data" / "rows.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(
                ["date", "campaign_id", "ad_id", "spend", "impressions", "clicks", "conversions", "conversions_value",
                 "daily_budget"]
            )  # fmt: skip
            writer.writerows(rows)
        self.clock.moment = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
        os.utime(self.folder / "data" / "rows.csv", (self.clock.moment.timestamp(), self.clock.moment.timestamp()))
        with bootstrap.open_house(self.config) as house:
            cycle.pull(house, day)

    def advised(self) -> object:
        """The decision of a plan made now."""
        made = self.outlay("plan", "-c", self.config, "--seed", 1, "--json")
        assert made.code in (0, 2), made.err
        return made.data["recommendation"]["decision"]


@pytest.fixture
def bench(tmp_path: Path, outlay: Outlay, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "data").mkdir()
    (tmp_path / "config.toml").write_text(SETTINGS, encoding="utf-8")
    clock = Clock(datetime(2026, 3, 2, 6, tzinfo=UTC))
    monkeypatch.setattr(bootstrap, "SystemClock", lambda: clock)
    monkeypatch.chdir(tmp_path)
    made = Bench(tmp_path, clock, outlay)
    made.until(TODAY)
    return made


class Page(HTMLParser):
    """Notes what a page refers to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.pictures: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag != "script"
        self.links += [found[name] or "" for name in ("src", "href") if name in found]
        self.ids += [found["id"] or ""] if "id" in found and tag != "path" else []
        self.pictures += [found.get("aria-label") or ""] if tag == "svg" else []


def test_a_better_arm_wins_is_closed_and_its_story_is_told(bench: Bench) -> None:
    made = bench.register()
    assert made.code == 0, made.err
    assert made.data["unseen"] == []
    assert (made.data["plan"]["first_day"], made.data["plan"]["last_day"]) == ("2026-03-03", "2026-03-16")
    waiting = bench("status")
    assert (waiting.code, waiting.data["readout"]["verdict"]) == (0, "no-rows")
    assert bench("report").code == 0
    bench.until(date(2026, 3, 7), lift=0.3)
    young = bench("status", "headline")
    assert (young.code, young.data["readout"]["verdict"], young.data["readout"]["days"]) == (0, "running", 4)
    bench.until(date(2026, 3, 12), lift=0.3)
    won = bench("status", "headline")
    assert (won.code, won.data["readout"]["verdict"], won.data["readout"]["winner"]) == (2, "winner", "a2")
    earlier = bench("status", "headline", "--as-of", "2026-03-08")
    assert earlier.data["readout"] == young.data["readout"]
    page = bench("report", "--out", "page.html")
    assert (page.code, page.data["report"]) == (2, "page.html")
    text = (bench.folder / "page.html").read_text(encoding="utf-8")
    read = Page(text)
    assert all(link.startswith(("#", "data:")) for link in read.links)
    assert len(read.ids) == len(set(read.ids))
    assert len(read.pictures) == 6
    assert made.data["plan_hash"] in text
    closed = bench("close", "headline", "--reason", "a2 won", "--as", "bob")
    assert (closed.code, closed.data["closing"]["kept"], closed.data["closing"]["verdict"]) == (0, "a2", "winner")
    bench.until(date(2026, 3, 14), lift=0.3)
    after = bench("status", made.data["experiment"])
    assert (after.code, after.data["readout"]) == (0, won.data["readout"])
    assert after.data["evidence"] == closed.data["closing"]["evidence"]
    again = bench("close", made.data["experiment"], "--reason", "again")
    assert (again.code, "closed already" in again.data["error"]["message"]) == (1, True)
    (row,) = bench("list").data["experiments"]
    assert (row["name"], row["closing"]["closed_by"]) == ("headline", "bob")


def test_while_it_runs_no_share_is_advised_for_its_arms(bench: Bench) -> None:
    assert {arm["arm_id"] for arm in bench.advised()["arms"]} == {"a1", "a2"}
    bench.register()
    bench.until(date(2026, 3, 5))
    held = bench.advised()
    assert held["arms"] == []
    (told,) = [finding for finding in held["findings"] if finding["code"] == "experiment"]
    assert "2 arms are in experiment 'headline'" in told["message"]
    bench("close", "headline", "--reason", "enough")
    bench.until(date(2026, 3, 6))
    assert {arm["arm_id"] for arm in bench.advised()["arms"]} == {"a1", "a2"}


def test_one_that_shows_nothing_ends_at_its_last_look_and_stays_so(bench: Bench) -> None:
    bench.register()
    bench.until(date(2026, 3, 24))
    over = bench("status")
    assert (over.code, over.data["readout"]["verdict"], over.data["readout"]["last"]) == (2, "not-shown", True)
    assert over.data["readout"]["days"] == 14
    bench.until(date(2026, 3, 26))
    assert bench("status").data["readout"] == over.data["readout"]


def test_a_split_that_is_not_the_promised_one_is_told_and_blocks(bench: Bench) -> None:
    bench.register()
    bench.until(date(2026, 3, 12), lift=0.3, share=0.6)
    seen = bench("status")
    assert (seen.code, seen.data["readout"]["verdict"], seen.data["readout"]["winner"]) == (4, "mismatch", None)
    assert seen.data["readout"]["mismatch"]["found"]


def test_harm_to_a_guard_is_told_and_blocks(bench: Bench) -> None:
    bench.register("--guard", "conversion-rate=0.2")
    bench.until(date(2026, 3, 14), harm=0.8)
    seen = bench("status")
    assert (seen.code, seen.data["readout"]["verdict"]) == (4, "harm")
    assert {g["kept"] for g in seen.data["readout"]["guards"]} == {"broken"}


REFUSED = {
    "is not after today": ("--first-day", "2026-03-02"),
    "'soon' is not a day": ("--first-day", "soon"),
    "names no of the budgets": ("--target", "nobody"),
    "does not end in a number": ("--arm", "a3=half"),
    "is none of the arms": ("--control", "zz"),
    "write one of ctr, conversion-rate": ("--metric", "roas"),
    "none of ctr": ("--guard", "ctr=0.1"),
    "is not METRIC=LOSS": ("--guard", "0.1"),
    "holdout must be between 0": ("--holdout", "0.9"),
    "it must last 7": ("--days", "3"),
    "write one of ad, creative, audience": ("--kind", "colour"),
}


def test_what_cannot_be_registered_is_told_with_its_mend(bench: Bench) -> None:
    for told, words in REFUSED.items():
        refused = bench.register(*words)
        assert refused.code == 1
        assert told in refused.data["error"]["message"]
    assert bench("list").data["experiments"] == []


def test_arms_that_were_never_seen_are_told_and_a_second_experiment_on_them_is_refused(bench: Bench) -> None:
    assert bench.register("--arm", "new").data["unseen"] == ["new"]
    clash = bench.register(name="other")
    assert (clash.code, "arm 'a1' is in 'headline'" in clash.data["error"]["message"]) == (1, True)


def test_what_there_is_not_is_told(bench: Bench) -> None:
    assert "register one with" in bench("status").data["error"]["message"]
    bench.register()
    assert "there is no experiment 'x'" in bench("status", "x").data["error"]["message"]
    assert "is no arm" in bench("close", "headline", "--reason", "r", "--keep", "zz").data["error"]["message"]
    assert "YYYY-MM-DD" in bench("status", "headline", "--as-of", "now").data["error"]["message"]
    assert "cannot be written" in bench("report", "--out", "no/where.html").data["error"]["message"]


def test_a_person_reads_it_in_a_terminal(bench: Bench) -> None:
    bench.register()
    bench.until(date(2026, 3, 12), lift=0.3)
    read = bench.outlay("experiment", "status", "-c", bench.config)
    assert read.code == 2
    for words in ("headline", "is shown to be better than a1", "P(best)", "As promised", "expected-loss rule", "kept"):
        assert words in read.out
    assert (
        "running" in bench.outlay("experiment", "-h").out
        or bench.outlay("experiment", "list", "-c", bench.config).code == 0
    )


def test_sizes_are_told(outlay: Outlay) -> None:
    words = ("experiment", "size", "--metric", "ctr", "--rate", "0.02", "--daily", "10000")
    found = outlay(*words, "--json").data["size"]
    assert found["fixed_days"] == 17
    assert found["days"] > found["expected_days"] > found["fixed_days"] / 2
    assert "17 days" in outlay(*words).out
    wrong = outlay(*words, "--arms", "1", "--json")
    assert (wrong.code, "control_share" in wrong.data["error"]["message"]) == (1, True)
    long = outlay("experiment", "size", "--metric", "ctr", "--rate", "0.001", "--daily", "100")
    assert "more than 730 days" in long.out
