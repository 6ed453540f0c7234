"""Lifetime value: published parameters and hold-out weeks of CDNOW, and coverage on customers whose worth is known.

CDNOW (`../shared/data/pymc_marketing/cdnow_transactions.csv`): 2,357 customers, 39 weeks to learn from and 39 to be
foreseen. Where the file is absent its bars are skipped and said to be open. Baseline of the hold-out: customers go on
buying at the rates of the first 39 weeks. Baseline of coverage: the mean of what customers of a channel brought so far.

    python benchmarks/lifetime.py [--quick] [--repetitions 25]
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import Bar, below, ended
from connectors.money import Money
from connectors.orders import Order
from optimizer.measure.lifetime import buying, spending
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.contract import Lifetime, Valuation
from optimizer.measure.lifetime.customers import Customers, summarise
from optimizer.measure.lifetime.fitting import value
from optimizer.measure.lifetime.models import buying_of
from optimizer.refit.contract import Sampling
from optimizer.refit.sampling import flat
from simulations.customers import Clientele, orders

FloatArray = npt.NDArray[np.float64]

SEED = 20261128
DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "pymc_marketing" / "cdnow_transactions.csv"
CALIBRATION = date(1997, 9, 30)
WEEKS = 39
PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
PUBLISHED_SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44}
SAMPLING = Sampling(draws=500, tune=500, chains=4, target_accept=0.95)
CHANNELS, QUICK_CHANNELS = 12, 4
START, WON, UNTIL = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in (0, 540, 730))


def silent(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


# CDNOW


def cdnow() -> list[Order]:
    """Read the transactions, oldest first within each customer."""
    nothing = Money(0, "USD")
    with DATA.open(encoding="utf-8") as lines:
        return [
            Order(
                str(place),
                row["id"],
                datetime.strptime(row["date"], "%Y%m%d").replace(tzinfo=UTC),
                Money.of(row["spent"], "USD"),
                nothing,
            )
            for place, row in enumerate(csv.DictReader(lines))
        ]


def published(customers: Customers) -> Iterator[Bar]:
    """Compare the parameters of greatest likelihood with those of the paper, in weeks."""
    found = buying.most_likely(customers.repeats, customers.recency / 7, customers.age / 7)
    for name, told in PUBLISHED.items():
        here = float(getattr(found, name)[0])
        print(f"  BG/NBD {name:<6} {here:8.4f}, published {told}")
        yield below(f"CDNOW: {name} off the published, share", abs(here / told - 1), 0.02)
    spent = spending.most_likely(customers.repeats, customers.spend)
    for name, told in PUBLISHED_SPEND.items():
        here = float(getattr(spent, name)[0])
        print(f"  Gamma-Gamma {name:<6} {here:8.4f}, published {told} (reported: {here / told - 1:+.2%})")


def weekly(customers: Customers, whole: list[Order]) -> FloatArray:
    """Return the purchases of each hold-out week, one a customer and day; a last day beyond whole weeks is left out."""
    known = set(customers.names)
    days = {(order.customer, order.at.date()) for order in whole if order.customer in known}
    weeks = [((day - CALIBRATION).days - 1) // 7 for _, day in days if day > CALIBRATION]
    return np.bincount([week for week in weeks if week < WEEKS], minlength=WEEKS).astype(float)


def foreseen(customers: Customers, fit: Valuation, rng: np.random.Generator) -> FloatArray:
    """Draw the purchases of each hold-out week from the posterior, customer by customer, shape (S, WEEKS)."""
    draws = buying_of(flat(fit.idata, 400))
    history = (customers.repeats, customers.recency, customers.age)
    found = []
    for s in range(len(draws.r)):
        p = Buying(*(column[s][fit.group] for column in (draws.r, draws.alpha, draws.a, draws.b)))
        going = rng.random(len(customers)) < buying.alive(p, *history)
        later = p.after(customers.repeats, customers.age)
        rate = rng.gamma(later.r) / later.alpha
        chance = np.maximum(rng.beta(later.a, later.b), 1e-12)
        bought = np.zeros(WEEKS)
        left = np.where(going, rng.geometric(chance), 0)
        for week in range(WEEKS):
            drawn = np.minimum(rng.poisson(7 * rate), left)
            bought[week] = drawn.sum()
            left = left - drawn
        found.append(bought)
    return np.array(found)


def of_cdnow(rng: np.random.Generator) -> list[Bar]:
    """Run all that CDNOW is asked."""
    whole = cdnow()
    customers = summarise(whole, CALIBRATION, "USD", UTC)
    print(f"\nCDNOW: {len(customers):,} customers, {int((customers.repeats > 0).sum())} of them came back")
    bars = list(published(customers))
    began, wall = time.process_time(), time.perf_counter()
    fit = value(customers, Lifetime(sampling=SAMPLING), rng, silent)
    spent, waited = time.process_time() - began, time.perf_counter() - wall
    print(f"  sampled: {spent:.1f} processor s, {waited:.1f} s of wall time; checks: {fit.words}")
    for check in fit.checks:
        print(f"    {check.words}")
    if fit.values is not None:
        low, high = np.quantile(fit.values[:, 0], [0.1, 0.9])
        print(f"  a new customer brings {fit.values.mean():.2f} USD in a year, 80% [{low:.2f}, {high:.2f}]")
    bars += [
        below("CDNOW: checks of the fit that fail", sum(not check.passed for check in fit.checks), 0.5),
        below("CDNOW: processor s to sample 2,357 customers", spent, 60.0),
    ]
    return bars + list(held_out(customers, whole, fit, rng))


def held_out(customers: Customers, whole: list[Order], fit: Valuation, rng: np.random.Generator) -> Iterator[Bar]:
    """Compare hold-out weeks with their predictive intervals."""
    seen, drawn = weekly(customers, whole), foreseen(customers, fit, rng)
    naive = float((customers.repeats / np.maximum(customers.age, 1)).sum()) * 7 * WEEKS
    print(f"  hold-out: {seen.sum():.0f} purchases; foreseen {drawn.sum(axis=1).mean():.0f}; at past rates {naive:.0f}")
    for what, truth, told in (("weekly", seen, drawn), ("cumulative", seen.cumsum(), drawn.cumsum(axis=1))):
        low, high = np.quantile(told, [0.05, 0.95], axis=0)
        outside = [week + 1 for week in range(WEEKS) if not low[week] <= truth[week] <= high[week]]
        print(f"  {what}: {WEEKS - len(outside)} of {WEEKS} weeks within 90% intervals; outside: {outside or 'none'}")
        # Of 39 weeks 3.9 lie outside by chance.
        yield below(f"CDNOW: {what} hold-out weeks outside their 90% intervals, of {WEEKS}", len(outside), 4.5)


# Customers whose worth is known


def world(channels: int, rng: np.random.Generator) -> list[Clientele]:
    """Channels drawn from a population, from 30 customers to 1,000."""
    sizes = np.round(np.geomspace(30, 1000, channels)).astype(int)
    shape, agreement, p, q = rng.uniform(0.4, 0.9), rng.uniform(2.0, 5.0), rng.uniform(3.0, 8.0), rng.uniform(3.0, 6.0)
    middle = math.log(rng.uniform(0.01, 0.03)), rng.uniform(-1.4, -0.6), math.log(rng.uniform(25.0, 60.0))
    found = []
    for place, size in enumerate(sizes):
        rate, loss, spend = rng.normal(middle, 0.25)
        chance = 1 / (1 + math.exp(-loss))
        bounds = (chance * agreement, (1 - chance) * agreement)
        gamma = math.exp(spend) * (q - 1) / p
        found.append(Clientele(f"channel {place:02d}", int(size), shape, shape / math.exp(rate), bounds, (p, q, gamma)))
    return found


def worth(kind: Clientele, asked: Lifetime) -> float:
    """Return the true mean value of a new customer over the horizon."""
    p, q, gamma = kind.spend
    one = Buying(*(np.array([x]) for x in (kind.shape, kind.scale, *kind.loss)))
    return p * gamma / (q - 1) * (1 + float(buying.expected(one, asked.horizon_days, asked.force)[0]))


def coverage(repetitions: int, channels: int, seed: int) -> list[Bar]:
    """Fit made-up shops, and count how often intervals hold the truth."""
    asked = Lifetime(sampling=SAMPLING)
    inside: dict[float, list[bool]] = {0.8: [], 0.9: []}
    errors, crude, failed, began = [], [], 0, time.process_time()
    for repetition in range(repetitions):
        rng = np.random.default_rng([seed, repetition])
        kinds = world(channels, rng)
        customers = summarise(orders(kinds, (START, WON), UNTIL, "EUR", rng), UNTIL.date(), "EUR", UTC)
        fit = value(customers, asked, rng, silent)
        if fit.values is None:
            failed += 1
            print(f"  shop {repetition}: {fit.words}")
            continue
        truth = np.array([worth(kind, asked) for kind in kinds])
        so_far = fit.mean_of(customers.opening + customers.repeats * customers.spend)
        for level, held in inside.items():
            low, high = np.quantile(fit.values, [0.5 - level / 2, 0.5 + level / 2], axis=0)
            held += list((low <= truth) & (truth <= high))
        errors += list(fit.values.mean(axis=0) / truth - 1)
        crude += list(so_far / truth - 1)
    count = len(errors)
    print(f"\n{repetitions - failed} made-up shops of {channels} channels, {failed} without a value as a check failed;")
    print(f"  {(time.process_time() - began) / repetitions:.0f} processor s each, {count} channels with a known worth")
    return list(told(inside, np.array(errors), np.array(crude), failed / repetitions))


def told(inside: dict[float, list[bool]], errors: FloatArray, crude: FloatArray, failed: float) -> Iterator[Bar]:
    """Print coverage and errors, and yield their bars."""
    count = max(len(errors), 1)
    for level, held in inside.items():
        share = sum(held) / count
        # Channels of one shop share what is learnt of all, so that chance is wider than of so many coins.
        allowed = 0.03 + 2 * math.sqrt(level * (1 - level) / count)
        print(f"  {level:.0%} intervals hold the truth in {share:.1%} of {len(held)} channels")
        yield below(f"{level:.0%} intervals: coverage off by", abs(share - level), round(allowed, 4))
    here, naive = (float(np.sqrt(np.mean(e**2))) if len(e) else math.inf for e in (errors, crude))
    print(f"  root mean square relative error {here:.1%}, bias {errors.mean() if len(errors) else math.nan:+.1%};")
    print(f"  of what customers brought so far {naive:.1%}")
    yield below("error of value per new customer over that of what customers brought so far", here / naive, 1.0)
    yield below("share of shops without a value", failed, 0.2)


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="published parameters and one small made-up shop")
    parser.add_argument("--repetitions", type=int, default=25)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    bars: list[Bar] = []
    if not DATA.exists():
        print("\nskipped: the CDNOW data (../shared/data/pymc_marketing) are not on this machine; their bars are open")
    elif arguments.quick:
        print("\nCDNOW, without sampling")
        bars += published(summarise(cdnow(), CALIBRATION, "USD", UTC))
    else:
        bars += of_cdnow(np.random.default_rng(arguments.seed))
    how_many = (1, QUICK_CHANNELS) if arguments.quick else (arguments.repetitions, CHANNELS)
    bars += coverage(*how_many, arguments.seed)
    return ended(bars)


if __name__ == "__main__":
    sys.exit(main())
