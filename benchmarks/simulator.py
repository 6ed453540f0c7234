"""How fast is the market, how near to bare numpy draws, how large in memory, and is it the same in every process?

The world is `wide-300`: 300 campaigns x 3 creatives x 3 audiences, 120 days, without a policy; its seconds hold the
draw of its truth. Bare numpy draws as many random variates of the same laws at the same means: per day one beta and two
gammas per campaign, a Poisson for each ad's conversions at each lag, its other clicks and its other impressions, and a
log-normal for each cell that has conversions. The means are those of the expected day, prepared outside the clock.
Both are timed in turns, in seconds of the processor (one core), and medians compared. Memory is the whole resident set
of a process that holds all days of the world, imports included. Time is linear where a campaign-day of the larger world
costs at most the bar times as much as one of the smaller. A world with every force at once is timed for information.

Run `python benchmarks/simulator.py [--quick]`. The last line is JSON: the bars and whether they hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where this file hides the package

from simulations.market.play import Day, begin, play
from simulations.market.response import quality, volume, wear
from simulations.market.truth import Truth, draw
from simulations.noise import FloatArray, noise_key
from simulations.scenarios import FurtherConversion, Scenario, named, with_knobs

SEED = 11
START = date(2025, 1, 6)
WIDE = named("wide-300")
DAYS = 120


@dataclass(frozen=True)
class Bare:
    """What one day asks of numpy: the number of campaigns and of cells with conversions, and the means by ad."""

    campaigns: int
    cells: int
    means: FloatArray


def live(scenario: Scenario, days: int) -> list[Day]:
    """Draw a world and live its first days under its first budgets."""
    truth, key = draw(scenario, np.random.default_rng([SEED, 0]), START), noise_key(SEED)
    carry, lived = begin(truth), []
    for _ in range(days):
        day, carry = play(truth, key, carry, truth.first)
        lived.append(day)
    return lived


def means(truth: Truth, day: int) -> FloatArray:
    """Expected conversions by lag, other clicks and other impressions of each ad, shape (A, L + 3)."""
    ads, everyone = truth.ads, np.arange(truth.channel.size)
    g = volume(truth, everyone, day, np.minimum(truth.first / 1e6, truth.supply * truth.demand[:, day]))
    worn = wear(truth, day)
    shown = (truth.impressions * truth.demand[:, day] * g)[ads.campaign] * ads.share
    clicked = shown * ads.click_rate * worn
    bought = clicked * ads.conversion_rate * quality(truth, everyone, g)[ads.campaign]
    by_lag = bought[:, None] * truth.kinds[0].delay[truth.channel[ads.campaign]]
    return np.column_stack([by_lag, clicked - by_lag.sum(axis=1), shown - clicked])


def bare(work: list[Bare], rng: np.random.Generator) -> None:
    """Draw all variates of a world with numpy."""
    for day in work:
        rng.beta(2.0, 2.0, day.campaigns)
        rng.gamma(WIDE.funnel.traffic_size, size=day.campaigns)
        rng.gamma(WIDE.funnel.rate_size, size=day.campaigns)
        rng.poisson(day.means)
        rng.lognormal(size=day.cells)


def digest(lived: list[Day]) -> str:
    """SHA-256 of every byte of every day."""
    whole = hashlib.sha256()
    for day in lived:
        for field in fields(Day):
            whole.update(np.asarray(getattr(day, field.name)).tobytes())
    return whole.hexdigest()


def child() -> None:
    """Live the world in this process and tell its bytes and its memory."""
    lived = live(WIDE, DAYS)
    print(json.dumps([digest(lived), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def seconds(steps: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median processor seconds of each step, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.process_time()
            step()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def stormy() -> Scenario:
    """The world with every force of the market at once."""
    signup = FurtherConversion("signup", 3.0, 4.0)
    channels = tuple(replace(c, harvest=0.1, attribution_days=14, further=(signup,)) for c in WIDE.channels)
    return with_knobs(
        WIDE,
        channels=channels,
        ratio=(0.5, 2.0),
        year_amplitude=0.2,
        quality_elasticity=(0.0, 0.4),
        adstock_share=0.3,
        wear_out_half_life_days=20.0,
        refresh_days=40,
        overlap=0.8,
        overlap_campaigns=3,
        returned_share=0.1,
        outages=2.0,
        competitors=2.0,
        launch_share=0.2,
        pause_share=0.2,
    )


def sized(factor: float) -> Scenario:
    """The world with so many times its campaigns."""
    channels = tuple(replace(c, campaigns=round(c.campaigns * factor)) for c in WIDE.channels)
    return replace(WIDE, channels=channels)


def main() -> None:
    """Measure, print the table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three repeats instead of nine")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child()
        return
    # First of all: a child's peak begins with what its parent held when it was started.
    told = subprocess.run([sys.executable, __file__, "--child"], capture_output=True, text=True, check=True).stdout
    theirs, megabytes = json.loads(told)

    truth, lived = draw(WIDE, np.random.default_rng([SEED, 0]), START), live(WIDE, DAYS)
    work = [Bare(truth.channel.size, day.cell_ad.size, means(truth, day.day)) for day in lived]
    rng = np.random.default_rng(SEED)
    steps: dict[str, Callable[[], object]] = {
        "market": lambda: live(WIDE, DAYS),
        "bare": lambda: bare(work, rng),
        "quarter": lambda: live(sized(0.25), DAYS),
        "fourfold": lambda: live(sized(4.0), DAYS // 4),
        "month": lambda: live(WIDE, DAYS // 4),
        "stormy": lambda: live(stormy(), DAYS),
    }
    took = seconds(steps, 3 if options.quick else 9)
    variates = sum(3 * day.campaigns + day.means.size + day.cells for day in work)
    print(
        f"seed {SEED}; {WIDE.campaigns} campaigns, {truth.ads.campaign.size:,} ads, {DAYS} days, {variates:,} variates"
    )
    print("                                        seconds   ns per variate")
    print(f"market, with the draw of its truth    {took['market']:9.3f} {1e9 * took['market'] / variates:10.1f}")
    print(f"bare numpy draws                      {took['bare']:9.3f} {1e9 * took['bare'] / variates:10.1f}")
    print(f"market with every force at once       {took['stormy']:9.3f}")
    print("                                        seconds   us per campaign-day")
    rows = (("quarter", 75, DAYS), ("month", 300, DAYS // 4), ("market", 300, DAYS), ("fourfold", 1200, DAYS // 4))
    each = {name: took[name] / campaigns / days for name, campaigns, days in rows}
    for name, campaigns, days in rows:
        print(f"{campaigns:5,} campaigns x {days:3} days            {took[name]:9.3f} {1e6 * each[name]:10.1f}")
    bars = [
        _bar("300 campaigns x 3 creatives x 3 audiences x 120 days, median seconds", took["market"], 1.5),
        _bar("market / bare numpy draws, times", took["market"] / took["bare"], 4.0),
        _bar("resident memory with all days held, imports included, MB", megabytes, 300.0),
        _bar("campaign-day of 1,200 campaigns / of 300, times", each["fourfold"] / each["month"], 1.4),
        _bar("campaign-day of 300 campaigns / of 75, times", each["market"] / each["quarter"], 1.4),
        _bar("campaign-day of 120 days / of 30, times", each["market"] / each["month"], 1.4),
        _bar("days that differ in another process", float(theirs != digest(lived)), 0.0),
    ]
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def _bar(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(value, 3), "bar": bar, "holds": bool(value <= bar)}


if __name__ == "__main__":
    main()
