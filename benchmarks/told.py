"""What it is worth to be told: the calendar, the impression share, and weekdays that conversions per click follow.

    python benchmarks/told.py [--quick] [--part events|weekdays|supply] [--first SEED]

Each part compares Outlay with itself, paired by world, on the same rows but for what is left out:

- `events`: worlds of `closed-loop-6` with a sale of four days and one of five, each at 2.5 times the demand, known by
  their dates or not. On the morning after the first sale and on that of the second, how far (in log) the forecast of
  all campaigns' conversions is from what came, and the log score by campaign.
- `weekdays`: worlds of `calm` as they are, in which conversions per click know no weekday, and with conversions thinned
  by a random weekday factor (log sd .15). The log score of ten mornings, with the factors learnt and with none.
- `supply`: the closed loop in `told-supply`, with impression shares and with them hidden: expected conversions.

Judging seeds are 5000 and up, tuning has 100 to 199. Standard errors are over worlds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from optimizer.agent.simulating import OUTLAY, OutlayPolicy
from optimizer.plan.calendar import Occasion
from optimizer.plan.snapshot import FloatArray, Snapshot
from optimizer.response import learn
from optimizer.response.scores import Predictive
from simulations.market.play import begin, play
from simulations.market.truth import Truth, draw
from simulations.noise import noise_key
from simulations.policies.contract import MakePolicy, Proposal, Seen, Setting, setting_of
from simulations.runs.arena import WorldSpec, ground, in_goal, steps
from simulations.runs.seen import Diary
from simulations.scenarios import Holiday, Scenario, named, with_knobs

START: Final = date(2025, 9, 1)
FIRST_SEED: Final = 5_000
DRAWS: Final = 1_000
SALES: Final = (Holiday(10, 13, days=4, factor=2.5), Holiday(11, 24, days=5, factor=2.5))
OCCASIONS: Final = tuple(
    Occasion("sale", first, first + timedelta(days=sale.days - 1))
    for sale in SALES
    for first in (date(START.year, sale.month, sale.day),)
)
AFTER, SECOND = (OCCASIONS[0].last_day - START).days + 1, (OCCASIONS[1].first_day - START).days
MORNINGS: Final = tuple(range(56, 126, 7))
THINNING: Final = 0.15
AHEAD: Final = 2.0
"""By how many standard errors of the paired difference a gain is one."""


@dataclass(frozen=True)
class Size:
    """Worlds of each part, and days of the closed loop."""

    events: int
    weekdays: int
    supply: int
    days: int


FULL, QUICK = Size(12, 12, 8, 120), Size(3, 2, 1, 30)


@dataclass(frozen=True)
class Morning:
    """What was known on a morning, and what came of the day: spend and eventual conversions, each (K,)."""

    known: Snapshot
    spend: FloatArray
    came: FloatArray


class Unaware:
    """Outlay, to which no platform tells its impression share."""

    def __init__(self, setting: Setting) -> None:
        self._policy = OUTLAY["outlay"](setting)

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        """Return what Outlay proposes without the shares."""
        hidden = np.full_like(seen.impression_share, np.nan)
        return self._policy.propose(replace(seen, impression_share=hidden), rng)


def mornings(scenario: Scenario, seed: int, stops: tuple[int, ...]) -> Iterator[Morning]:
    """Play the marketer's history of one world, and stop on some mornings."""
    truth, key, days = draw(scenario, np.random.default_rng([seed, 0]), START), noise_key(seed), max(stops) + 1
    setting = setting_of(scenario, START, days, truth.names, truth.channel)
    policy, diary, carry = OUTLAY["outlay"](setting), Diary(truth, days), begin(truth)
    if not isinstance(policy, OutlayPolicy):
        raise TypeError("Outlay is played by OutlayPolicy")
    for day in range(days):
        seen = diary.seen(truth.history[day])
        outcome, carry = play(truth, key, carry, truth.history[day])
        if day in stops:
            spend, came = _by_campaign(truth, outcome.spend) / 1e6, outcome.occurred()[0].sum(axis=1)
            yield Morning(policy.snapshot(seen), spend, _by_campaign(truth, came))
        diary.add(truth.history[day], outcome)


def _by_campaign(truth: Truth, by_ad: FloatArray) -> FloatArray:
    return np.bincount(truth.ads.campaign, by_ad, truth.channel.size)


def scored(morning: Morning, occasions: tuple[Occasion, ...]) -> tuple[float, float]:
    """How far the forecast of all campaigns is off, in log, and the mean log score of those that spent."""
    belief = learn(replace(morning.known, occasions=occasions))
    drawn = belief.expected(morning.spend, morning.known.today, DRAWS, np.random.default_rng(1))
    ran = morning.spend > 0
    off = abs(float(np.log((drawn[:, ran].sum(axis=1).mean() + 0.5) / (morning.came[ran].sum() + 0.5))))
    return off, float(Predictive(drawn, belief.excess).log_score(morning.came)[ran].mean())


def even(morning: Morning) -> float:
    """The mean log score of a forecast whose conversions per click know no weekday: the week is the volume's alone."""
    panel = morning.known.panel
    silent = replace(panel, conversions=np.where(np.isfinite(panel.conversions), 0.0, np.nan))
    week, belief = learn(replace(morning.known, panel=silent)).season, learn(morning.known)
    blind, rng = replace(belief, season=week), np.random.default_rng(1)
    drawn, ran = blind.expected(morning.spend, morning.known.today, DRAWS, rng), morning.spend > 0
    return float(Predictive(drawn, belief.excess).log_score(morning.came)[ran].mean())


def thinned(morning: Morning, week: FloatArray, rng: np.random.Generator) -> Morning:
    """The same morning where a conversion is kept with its weekday's probability."""
    panel, today = morning.known.panel, morning.known.today
    days = (panel.first_day.weekday() + np.arange(panel.days)) % 7
    counts = np.nan_to_num(panel.conversions).clip(0).astype(np.int64)
    kept = np.where(np.isfinite(panel.conversions), rng.binomial(counts, week[days]), np.nan)
    came = rng.binomial(morning.came.astype(np.int64), week[today.weekday()]).astype(np.float64)
    return Morning(replace(morning.known, panel=replace(panel, conversions=kept)), morning.spend, came)


def events(worlds: range, errors: float) -> Iterator[dict[str, object]]:
    """Compare forecasts with the calendar known and unknown."""
    scenario = with_knobs(named("closed-loop-6"), holidays=SALES, history_days=SECOND + 5, horizon_days=150)
    known, blind = ([], []), ([], [])
    for seed in worlds:
        for at, morning in enumerate(mornings(scenario, seed, (AFTER, SECOND))):
            known[at].append(scored(morning, OCCASIONS))
            blind[at].append(scored(morning, ()))
    for at, name in enumerate(("the morning after a sale", "the morning of the next one")):
        with_it, without = np.array(known[at]), np.array(blind[at])
        told, untold = with_it[:, 0].mean(), without[:, 0].mean()
        print(f"{name}: forecast off by {told:.2f} in log, without the calendar {untold:.2f}")
        yield lead(f"events, {name}: log off, saved", without[:, 0] - with_it[:, 0], errors)
        yield lead(f"events, {name}: log score gained", with_it[:, 1] - without[:, 1], errors)


def weekdays(worlds: range, errors: float) -> Iterator[dict[str, object]]:
    """Compare forecasts with weekdays of the rate learnt and without."""
    scenario = with_knobs(named("calm"), history_days=max(MORNINGS) + 5)
    plain, thin = [], []
    for seed in worlds:
        rng = np.random.default_rng(seed)
        week = np.exp(THINNING * rng.standard_normal(7))
        week /= week.max()
        both = [(m, thinned(m, week, rng)) for m in mornings(scenario, seed, MORNINGS)]
        gains = np.array([[scored(m, ())[1] - even(m) for m in pair] for pair in both]).mean(axis=0)
        plain.append(gains[0])
        thin.append(gains[1])
    cost = np.array(plain)
    error = float(cost.std(ddof=1) / np.sqrt(cost.size))
    print(f"conversions per click without weekdays: log score {cost.mean():+.5f} +- {error:.5f} a budget-day")
    yield bar("weekdays: log score where there are none, at least", float(cost.mean()), -0.002, cost.mean() > -0.002)
    yield lead("weekdays: log score gained where there are some", np.array(thin), errors)


def supply(worlds: range, days: int, errors: float) -> Iterator[dict[str, object]]:
    """Compare closed loops with and without impression shares."""
    makers: dict[str, MakePolicy] = {"told": OUTLAY["outlay"], "unaware": partial(Unaware)}
    gains = []
    for seed in worlds:
        here = ground(WorldSpec(named("told-supply"), seed, days, START))
        total = {
            name: sum(float(in_goal(step.expected, "conversions").sum()) for step in steps(here, "outlay", make))
            for name, make in makers.items()
        }
        gains.append(100.0 * np.log(total["told"] / total["unaware"]))
        print(f"  world {seed}: {gains[-1]:+.2f}%", flush=True)
    yield lead(f"supply: conversions gained over {days} days, %", np.array(gains), errors)


def lead(name: str, gains: FloatArray, errors: float) -> dict[str, object]:
    """A bar of so many standard errors for a paired gain; of a single world, nothing below -3."""
    mean = float(gains.mean())
    if gains.size < 2:
        return bar(name, mean, -3.0, mean > -3.0)
    error = float(gains.std(ddof=1) / np.sqrt(gains.size))
    print(f"{name}: {mean:+.4f} +- {error:.4f}")
    return bar(name, mean, round(errors * error, 5), mean > errors * error)


def bar(name: str, value: float, limit: float, holds: object) -> dict[str, object]:
    """One row of the last line."""
    return {"name": name, "value": round(value, 5), "bar": limit, "holds": bool(holds)}


def main() -> None:
    """Measure, print, and end with the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few worlds, under 50 s")
    parser.add_argument("--part", choices=("events", "weekdays", "supply"))
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first world's seed")
    asked = parser.parse_args()
    size, first = (QUICK if asked.quick else FULL), asked.first
    errors = -AHEAD if asked.quick else AHEAD  # quick: not behind by so much
    print(f"worlds of seeds {first} and up; tuning has 100 to 199")
    parts = {
        "events": lambda: events(range(first, first + size.events), errors),
        "weekdays": lambda: weekdays(range(first, first + size.weekdays), errors),
        "supply": lambda: supply(range(first, first + size.supply), size.days, errors),
    }
    bars = [row for name, part in parts.items() if asked.part in {None, name} for row in part()]
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(row["holds"] for row in bars) else 1)


if __name__ == "__main__":
    main()
