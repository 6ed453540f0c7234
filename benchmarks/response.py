"""The response filter in a closed loop, against a clairvoyant oracle, with interval coverage and speed.

    python benchmarks/response.py [--quick]

A market with code of its own: 60% concave and 40% S-shaped truths, weekday factors, drift, a break by half or double,
negative binomial counts, conversions that arrive 3 days late on average, supply that runs out. Of the mixed truths 60%
in all are Hill curves, the family that the filter itself assumes (a third of the concave, every S-shaped one); so the
same is played on markets without any (logarithm and exponential saturation; S-shaped: Weibull). 120 days from an equal
split, every budget moves at most 30% a day between 0.1 and 5 times the average. The oracle knows the expected curves
of each day and has no step limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer.plan.problem import Outcome
from optimizer.plan.snapshot import DelayTriangle, FloatArray, Panel, Snapshot, Target
from optimizer.response import Belief, learn

DAYS, STEP, AVERAGE = 120, 0.3, 100.0
UNITS = np.arange(2, 101)  # budgets of 0.1 to 5 times the average, in twentieths of it
LAGS, LATE = 31, 2.0 / 3.0
ORIGIN = date(2025, 1, 6)
SEED = 20_250_106
HILL, LOGARITHM, EXPONENTIAL, WEIBULL = range(4)


@dataclass(frozen=True)
class Families:
    """Which curves a market draws from."""

    concave: tuple[int, ...]
    curved: int


MIXED = Families((HILL, LOGARITHM, EXPONENTIAL), HILL)
NO_HILL = Families((LOGARITHM, EXPONENTIAL), WEIBULL)


@dataclass(frozen=True)
class Market:
    """A hidden truth: K expected curves that move, and how conversions come in."""

    level: FloatArray  # (K, DAYS) conversions at twice the average budget
    family: FloatArray  # (K,)
    kappa: FloatArray  # (K,)
    order: FloatArray  # (K,)
    season: FloatArray  # (K, 7)
    capacity: FloatArray  # (K,)
    size: float

    @classmethod
    def draw(cls, targets: int, rng: np.random.Generator, families: Families = MIXED) -> Market:
        """Draw a market of so many campaigns."""
        steps = rng.normal(0, 0.015, (targets, DAYS))
        at, factor = rng.integers(30, 90, targets), rng.choice([0.5, 2.0], targets)
        broken = (rng.random(targets) < 0.25)[:, None] & (np.arange(DAYS) >= at[:, None])
        walk = np.exp(np.cumsum(steps, axis=1)) * np.where(broken, factor[:, None], 1.0)
        curved = rng.random(targets) < 0.4
        week = 1 + 0.2 * np.sin(np.arange(7) + rng.uniform(0, 6)) + rng.normal(0, 0.05, (targets, 7))
        return cls(
            level=rng.lognormal(np.log(8.0), 0.6, targets)[:, None] * walk,
            family=np.where(curved, families.curved, rng.choice(families.concave, targets)),
            kappa=AVERAGE * rng.lognormal(0.2, 0.6, targets),
            order=np.where(curved, rng.uniform(1.5, 3.0, targets), rng.uniform(0.6, 1.1, targets)),
            season=week / week.mean(axis=1, keepdims=True),
            capacity=np.where(rng.random(targets) < 0.2, AVERAGE * rng.uniform(0.7, 2.0, targets), np.inf),
            size=15.0,
        )

    def shape(self, spend: FloatArray) -> FloatArray:
        """Return the curves over their value at twice the average spend, at spends (K, P)."""

        def raw(x: FloatArray) -> FloatArray:
            u = x / self.kappa[:, None]
            power = u ** self.order[:, None]
            curves = (power / (1 + power), np.log1p(3 * u), 1 - np.exp(-u), 1 - np.exp(-power))
            return np.choose(self.family[:, None], curves)

        return raw(spend) / raw(np.full((len(self.kappa), 1), 2.0 * AVERAGE))

    def expected(self, budget: FloatArray, day: int) -> FloatArray:
        """Return expected conversions at budgets (K, P) on a day of mean weekday factor."""
        return self.level[:, day, None] * self.shape(np.minimum(budget, self.capacity[:, None]))


class Diary:
    """What a market has shown so far, restatements included."""

    def __init__(self, market: Market, rng: np.random.Generator) -> None:
        k = len(market.kappa)
        self.market, self.rng, self.day = market, rng, 0
        self.spend, self.budget = np.full((k, DAYS), np.nan), np.full((k, DAYS), np.nan)
        self.arrived = np.full((k, DAYS, LAGS), np.nan)  # cumulative by lag
        self.targets = tuple(_target(i) for i in range(k))

    def live(self, budget: FloatArray) -> None:
        """Live one day at these budgets, shape (K,)."""
        m, rng, t = self.market, self.rng, self.day
        spend = np.minimum(budget, m.capacity) * rng.lognormal(0, 0.05, len(budget))
        mean = m.level[:, t] * m.shape(spend[:, None])[:, 0] * m.season[:, t % 7]
        eventual = rng.poisson(mean * rng.gamma(m.size, 1 / m.size, len(mean)))
        share = np.append((1 - LATE) * LATE ** np.arange(LAGS - 2), LATE ** (LAGS - 2))
        arrivals = rng.multinomial(eventual, share)
        self.arrived[:, t] = np.pad(np.cumsum(arrivals, axis=1), ((0, 0), (1, 0)))
        self.spend[:, t], self.budget[:, t] = spend, budget
        self.day += 1

    def snapshot(self, mature: bool = True) -> Snapshot:
        """Return what is known on the morning of the next day."""
        t = self.day
        age = t - np.arange(t)
        known = self.arrived[:, np.arange(t), np.minimum(age, LAGS - 1)]
        total = self.arrived[:, :t].sum(axis=0)
        triangle = np.where(np.arange(LAGS) <= age[:, None], total, np.nan) if mature else np.ones((t, LAGS))
        nothing = np.full_like(known, np.nan)
        panel = Panel(ORIGIN, self.spend[:, :t], known, nothing, nothing, nothing, self.budget[:, :t])
        today = ORIGIN + timedelta(days=t)
        group = DelayTriangle("market/purchase", np.arange(len(known)), triangle)
        at = datetime(today.year, today.month, today.day, tzinfo=UTC)
        return Snapshot(at, today, "EUR", "UTC", self.targets, panel, (group,), None)


def _target(number: int) -> Target:
    account = Account("market", "1", "EUR", "UTC")
    budget = BudgetTarget(
        account, f"{number:05}", f"budget {number}", Level.CAMPAIGN, (str(number),), Money.of("100", "EUR")
    )
    return Target(budget, "search", (), (str(number),), (f"campaign {number}",))


def best_split(values: FloatArray) -> FloatArray:
    """Return the budgets that maximise the sum of values (K, UNITS) within K averages, by dynamic programming."""
    targets = len(values)
    room = 20 * targets - UNITS[0] * targets
    best, taken = np.zeros(room + 1), []
    for row in values:
        ahead, choice = np.full(room + 1, -np.inf), np.zeros(room + 1, dtype=int)
        for extra in range(min(len(UNITS), room + 1)):
            trial = best[: room + 1 - extra] + row[extra]
            better = trial > ahead[extra:]
            ahead[extra:][better], choice[extra:][better] = trial[better], extra
        best = ahead
        taken.append(choice)
    split, left = np.empty(targets), int(np.argmax(best))
    for k in range(targets - 1, -1, -1):
        split[k] = UNITS[taken[k][left]]
        left -= taken[k][left]
    return split * AVERAGE / 20


def towards(current: FloatArray, goal: FloatArray) -> FloatArray:
    """Return the point of the step box nearest to the goal that spends the whole budget."""
    low = np.maximum(current * (1 - STEP), 0.1 * AVERAGE)
    high = np.minimum(current * (1 + STEP), 5.0 * AVERAGE)
    left, right = -10.0, 10.0
    for _ in range(60):
        middle = (left + right) / 2
        if np.clip(goal * np.exp(middle), low, high).sum() > AVERAGE * len(goal):
            right = middle
        else:
            left = middle
    return np.clip(goal * np.exp(left), low, high)


Policy = Callable[[Diary, FloatArray], FloatArray]


def equal(diary: Diary, current: FloatArray) -> FloatArray:
    """Keep the equal split."""
    return current


def roas(diary: Diary, current: FloatArray) -> FloatArray:
    """Split in proportion to the conversions per spend of the last 28 days."""
    panel = diary.snapshot().panel
    rate = (np.nansum(panel.conversions[:, -28:], axis=1) + 1) / np.nansum(panel.spend[:, -28:], axis=1)
    return towards(current, rate / rate.mean() * AVERAGE)


def filtered(optimism: float) -> Policy:
    """Build the policy that splits by posterior mean + optimism x standard deviation."""

    def policy(diary: Diary, current: FloatArray) -> FloatArray:
        belief = learn(diary.snapshot())
        grid = np.broadcast_to(UNITS * AVERAGE / 20, (len(current), len(UNITS)))
        mean, sd = belief.moments(grid, Outcome.CONVERSIONS)
        return towards(current, best_split(np.maximum.accumulate(mean + optimism * sd, axis=1)))

    return policy


POLICIES: dict[str, Policy] = {
    "equal split": equal,
    "proportional to 28-day ROAS": roas,
    "grid filter, posterior mean": filtered(0.0),
    "grid filter, mean + 1 sd": filtered(1.0),
}
CHOSEN = "grid filter, mean + 1 sd"


def play(market: Market, policy: Policy, seed: int, cover: list[float]) -> FloatArray:
    """Return the expected value of each day under a policy; collect randomised PIT values of tomorrow's counts."""
    rng, judge = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    diary, budget, value = Diary(market, rng), np.full(len(market.kappa), AVERAGE), np.empty(DAYS)
    for t in range(DAYS):
        if t >= 7:
            budget = policy(diary, budget)
        snapshot = diary.snapshot() if t >= 14 and t % 6 == 0 else None
        value[t] = market.expected(budget[:, None], t).sum()
        diary.live(budget)
        if snapshot is not None:
            cover.extend(transform(learn(snapshot), diary, t, judge))
    return value


def transform(belief: Belief, diary: Diary, t: int, rng: np.random.Generator) -> FloatArray:
    """Return the randomised probability integral transform of day t's eventual conversions, shape (K,)."""
    draws = belief.predict(diary.spend[:, t], ORIGIN + timedelta(days=t), 400, rng)
    truth = diary.arrived[:, t, -1]
    return (draws < truth).mean(axis=0) + rng.random(len(truth)) * (draws == truth).mean(axis=0)


@dataclass(frozen=True)
class Played:
    """By world the percentage of the oracle over 120 and the last 60 days, (worlds, 2), and PIT values."""

    shares: FloatArray
    cover: list[float]

    @property
    def mean(self) -> float:
        """Percentage of the oracle over 120 days."""
        return float(self.shares[:, 0].mean())

    @property
    def error(self) -> float:
        """Its standard error over worlds."""
        return float(self.shares[:, 0].std(ddof=1) / np.sqrt(len(self.shares)))

    @property
    def covered(self) -> float:
        """The part of tomorrow's eventual counts within their 90% intervals."""
        pit = np.array(self.cover)
        return float(((pit > 0.05) & (pit < 0.95)).mean())

    @property
    def covered_error(self) -> float:
        """Its standard error, were all counts independent."""
        return float(np.sqrt(self.covered * (1 - self.covered) / len(self.cover)))


def oracle(market: Market) -> FloatArray:
    """Return the largest expected value of each day, solved anew every fourth day."""
    grid = np.broadcast_to(UNITS * AVERAGE / 20, (len(market.kappa), len(UNITS)))
    value = np.empty(DAYS)
    for t in range(DAYS):
        if t % 4 == 0:
            split = best_split(market.expected(grid, t))
        value[t] = market.expected(split[:, None], t).sum()
    return value


def closed_loop(targets: int, worlds: int, families: Families) -> dict[str, Played]:
    """Play every policy through the same worlds."""
    results = {name: Played(np.empty((worlds, 2)), []) for name in POLICIES}
    for world in range(worlds):
        market = Market.draw(targets, np.random.default_rng([SEED, targets, world]), families)
        best = oracle(market)
        for name, policy in POLICIES.items():
            value = play(market, policy, SEED + world, results[name].cover)
            results[name].shares[world] = (
                100 * value.sum() / best.sum(),
                100 * value[60:].sum() / best[60:].sum(),
            )
    return results


def milliseconds(targets: int = 300, days: int = 400) -> float:
    """Return the time of `learn` per campaign-day, the median of five, on Poisson days."""
    rng = np.random.default_rng(SEED)
    spend = rng.lognormal(4.6, 0.3, (targets, days))
    counts = rng.poisson(5.0 * np.sqrt(spend / 100)).astype(float)
    nothing = np.full_like(spend, np.nan)
    panel = Panel(ORIGIN, spend, counts, nothing, nothing, nothing, spend)
    today = ORIGIN + timedelta(days=days)
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    snapshot = Snapshot(at, today, "EUR", "UTC", tuple(_target(i) for i in range(targets)), panel, (), None)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        learn(snapshot)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times)) / (targets * days)


def main() -> None:
    """Print the table and the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer worlds, under 50 s; bars are loosened by two standard errors"
    )
    quick = parser.parse_args().quick
    bars = []
    for title, families, targets, worlds, bar in (
        ("mixed", MIXED, 6, 6 if quick else 48, 93.5),
        ("mixed", MIXED, 30, 2 if quick else 12, 93.6),
        ("no Hill curve", NO_HILL, 6, 6 if quick else 48, None),
    ):
        name = f"{targets} campaigns, {title}"
        print(f"\n{name}: {worlds} worlds, seeds [{SEED}, {targets}, 0..{worlds - 1}]")
        results = closed_loop(targets, worlds, families)
        show(results)
        bars += judge(name, results, bar, 2.0 if quick else 0.0)
    speed = milliseconds()
    print(f"\nlearn, 300 campaigns x 400 days: {speed:.4f} ms per campaign-day")
    bars.append(_bar("ms per campaign-day", speed, 0.1, speed < 0.1))
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def show(results: dict[str, Played]) -> None:
    """Print a row per policy, and the coverage under the one that the default is."""
    print(f"{'policy':30} {'120 days':>14} {'last 60':>8} {'10th pct':>9} {'worst':>6}   % of the oracle")
    for name, played in results.items():
        low, worst = np.quantile(played.shares[:, 0], 0.1), played.shares[:, 0].min()
        later = played.shares[:, 1].mean()
        print(f"{name:30} {played.mean:7.1f} +-{played.error:4.1f} {later:8.1f} {low:9.1f} {worst:6.1f}")
    chosen = results[CHOSEN]
    print(f"90% intervals of tomorrow's eventual conversions cover {chosen.covered:.3f} of {len(chosen.cover)}")


def judge(name: str, results: dict[str, Played], least: float | None, errors: float) -> list[dict[str, object]]:
    """Return the bars of one market.

    Args:
        name: Of the market.
        results: By policy.
        least: What the prototype of this policy reached, on worlds of its own; None where there was none.
        errors: By how many standard errors a bar is loosened.
    """
    chosen, simple = results[CHOSEN], results["proportional to 28-day ROAS"]
    ahead = (chosen.shares - simple.shares)[:, 0]
    error = float(ahead.std(ddof=1) / np.sqrt(len(ahead)))
    loose = f", less {errors:g} standard errors" if errors else ""
    band = 0.02 + errors * chosen.covered_error
    bars = [
        _at_least(f"{name}: points over proportional ROAS (paired SE {error:.1f}){loose}", ahead.mean(),
                  3.0 - errors * error),
        _bar(f"{name}: coverage of 90% intervals (SE {chosen.covered_error:.3f}), +-{band:.3f}", chosen.covered, 0.9,
             abs(chosen.covered - 0.9) <= band),
    ]  # fmt: skip
    if least is not None:
        words = f"{name}: % of oracle, mean + 1 sd (SE {chosen.error:.1f}){loose}"
        bars.insert(0, _at_least(words, chosen.mean, least - errors * chosen.error))
    return bars


def _at_least(name: str, value: float, bar: float) -> dict[str, object]:
    return _bar(name, value, round(bar, 2), value >= bar)


def _bar(name: str, value: float, bar: float, holds: bool) -> dict[str, object]:
    return {"name": name, "value": round(float(value), 4), "bar": bar, "holds": bool(holds)}


if __name__ == "__main__":
    main()
