"""The response filter in a closed loop, against a clairvoyant oracle, with interval coverage and speed.

    python benchmarks/response.py [--quick]

A market of its own, that shares no code with the filter: 60% concave truths of three families and 40% S-shaped
ones, weekday factors, drift, a break by half or double, negative binomial counts, conversions that arrive 3 days
late on average, supply that runs out. 120 days from an equal split, every budget moves at most 30% a day between
0.1 and 5 times the average. The oracle knows the expected curves of each day and has no step limit.
"""

from __future__ import annotations

import argparse
import json
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


@dataclass(frozen=True)
class Market:
    """A hidden truth: K expected curves that move, and how conversions come in."""

    level: FloatArray  # (K, DAYS) conversions at twice the average budget
    family: FloatArray  # (K,) 0 Hill, 1 logarithm, 2 exponential saturation
    kappa: FloatArray  # (K,)
    order: FloatArray  # (K,)
    season: FloatArray  # (K, 7)
    capacity: FloatArray  # (K,)
    size: float

    @classmethod
    def draw(cls, targets: int, rng: np.random.Generator) -> Market:
        """Draw a market of so many campaigns."""
        steps = rng.normal(0, 0.015, (targets, DAYS))
        at, factor = rng.integers(30, 90, targets), rng.choice([0.5, 2.0], targets)
        broken = (rng.random(targets) < 0.25)[:, None] & (np.arange(DAYS) >= at[:, None])
        walk = np.exp(np.cumsum(steps, axis=1)) * np.where(broken, factor[:, None], 1.0)
        curved = rng.random(targets) < 0.4
        week = 1 + 0.2 * np.sin(np.arange(7) + rng.uniform(0, 6)) + rng.normal(0, 0.05, (targets, 7))
        return cls(
            level=rng.lognormal(np.log(8.0), 0.6, targets)[:, None] * walk,
            family=np.where(curved, 0, rng.integers(0, 3, targets)),
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
            family = self.family[:, None]
            return np.where(family == 0, power / (1 + power), np.where(family == 1, np.log1p(3 * u), 1 - np.exp(-u)))

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


def oracle(market: Market) -> FloatArray:
    """Return the largest expected value of each day, solved anew every fourth day."""
    grid = np.broadcast_to(UNITS * AVERAGE / 20, (len(market.kappa), len(UNITS)))
    value = np.empty(DAYS)
    for t in range(DAYS):
        if t % 4 == 0:
            split = best_split(market.expected(grid, t))
        value[t] = market.expected(split[:, None], t).sum()
    return value


def closed_loop(targets: int, worlds: int) -> dict[str, tuple[FloatArray, list[float]]]:
    """Return by policy the shares of the oracle over 120 and the last 60 days, (worlds, 2), and PIT values."""
    results: dict[str, tuple[FloatArray, list[float]]] = {n: (np.empty((worlds, 2)), []) for n in POLICIES}
    for world in range(worlds):
        market = Market.draw(targets, np.random.default_rng([SEED, targets, world]))
        best = oracle(market)
        for name, policy in POLICIES.items():
            shares, cover = results[name]
            value = play(market, policy, SEED + world, cover)
            shares[world] = 100 * value.sum() / best.sum(), 100 * value[60:].sum() / best[60:].sum()
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
    parser.add_argument("--quick", action="store_true", help="fewer worlds, under 50 s")
    quick = parser.parse_args().quick
    bars = []
    for targets, worlds in ((6, 6), (30, 2)) if quick else ((6, 48), (30, 12)):
        print(f"\n{targets} campaigns, {worlds} worlds, seeds [{SEED}, {targets}, 0..{worlds - 1}]")
        print(f"{'policy':30} {'120 days':>14} {'last 60':>8} {'10th pct':>9} {'worst':>6}   % of the oracle")
        results = closed_loop(targets, worlds)
        for name, (share, _) in results.items():
            error = share[:, 0].std(ddof=1) / np.sqrt(worlds)
            low, worst = np.quantile(share[:, 0], 0.1), share[:, 0].min()
            print(
                f"{name:30} {share[:, 0].mean():7.1f} +-{error:4.1f} {share[:, 1].mean():8.1f} {low:9.1f} {worst:6.1f}"
            )
        chosen, pit = results["grid filter, mean + 1 sd"]
        inside = (np.array(pit) > 0.05) & (np.array(pit) < 0.95)
        gain = (chosen[:, 0] - results["proportional to 28-day ROAS"][0][:, 0]).mean()
        print(f"90% intervals of tomorrow's eventual conversions cover {inside.mean():.3f} of {inside.size}")
        bars += [
            _bar(
                f"{targets} campaigns: % of oracle, mean + 1 sd", chosen[:, 0].mean(), 91.0, chosen[:, 0].mean() >= 91.0
            ),
            _bar(f"{targets} campaigns: points over proportional ROAS", gain, 3.0, gain >= 3.0),
            _bar(
                f"{targets} campaigns: coverage of 90% intervals", inside.mean(), 0.9, abs(inside.mean() - 0.9) <= 0.05
            ),
        ]
    speed = milliseconds()
    print(f"\nlearn, 300 campaigns x 400 days: {speed:.4f} ms per campaign-day")
    bars.append(_bar("ms per campaign-day", speed, 0.1, speed < 0.1))
    print(json.dumps({"bars": bars}))


def _bar(name: str, value: float, bar: float, holds: bool) -> dict[str, object]:
    return {"name": name, "value": round(float(value), 4), "bar": bar, "holds": bool(holds)}


if __name__ == "__main__":
    main()
