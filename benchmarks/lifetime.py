"""Lifetime value: published parameters and hold-out weeks of CDNOW, and coverage on customers whose worth is known.

CDNOW (`../shared/data/pymc_marketing/cdnow_transactions.csv`): 2,357 customers, 39 weeks to learn from and 39 to be
foreseen. Where the file is absent its bars are skipped and said to be open. Baseline of the hold-out: customers go on
buying at the rates of the first 39 weeks. Baseline of coverage: the mean of what customers of a channel brought so far.
Shocks that all customers share are drawn from the prior and held against the intervals of the weeks to come. A coverage
holds if it is within five points of its level; there are so many shops that its Monte Carlo error is half of that or
less, which is a bar, too. `--quick` has too few to speak of coverage, or of how many have values.

    python benchmarks/lifetime.py [--quick] [--shops 100]
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from benchmarks._bars import Bar, below, ended
from connectors.money import Money
from connectors.orders import Order
from optimizer.measure.lifetime import buying, shocks, spending
from optimizer.measure.lifetime.buying import Buying
from optimizer.measure.lifetime.contract import Lifetime, Valuation
from optimizer.measure.lifetime.customers import Customers, summarise
from optimizer.measure.lifetime.fitting import DRAWS, value
from optimizer.measure.lifetime.models import buying_of, spending_of
from optimizer.measure.lifetime.shocks import Scale
from optimizer.refit.contract import Sampling
from optimizer.refit.sampling import flat
from simulations.customers import Clientele, orders

FloatArray = npt.NDArray[np.float64]

SEED = 20261128
DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "pymc_marketing" / "cdnow_transactions.csv"
CALIBRATION = date(1997, 9, 30)
WEEKS = 39
FUTURES = 400
PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
PUBLISHED_SPEND = {"p": 6.25, "q": 3.74, "gamma": 15.44}
SAMPLING = Sampling(draws=500, tune=500, chains=4, target_accept=0.95)
SHORT = Sampling(draws=500, tune=300, chains=4, target_accept=0.85)
SHOPS, LEARNT, QUICK_LEARNT = 100, 400, 6
CHANNELS, SMALLEST, LARGEST = 6, 25, 200
TOLERANCE, ERROR = 0.05, 0.025
START, WON, UNTIL = (datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=d) for d in (0, 540, 728))
LAST = UNTIL.date() - timedelta(days=1)
SHOCKS = Scale(spell=0.2, noise=0.2, half_life=8.0)
KINDS: Mapping[str, Scale | None] = {"without shocks": None, "with shocks": SHOCKS}
QUICK_KINDS: Mapping[str, Scale | None] = {"without shocks": None}


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


def foreseen(customers: Customers, fit: Valuation, factors: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw the purchases of each hold-out week from the posterior, customer by customer, shape (S, WEEKS)."""
    draws = buying_of(flat(fit.idata, len(factors)))
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
            drawn = np.minimum(rng.poisson(7 * rate * factors[s, week]), left)
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
    if fit.shocks is None:
        return
    found = fit.shocks
    print(
        f"  shocks: noise {found.noise:.3f}, spells {found.spell:.3f} with a half-life of {found.half_life:.1f} weeks"
    )
    seen, even = weekly(customers, whole), np.ones((FUTURES, WEEKS))
    alone = dict(_outside(seen, foreseen(customers, fit, even, rng), "customers by themselves, "))
    drawn = foreseen(customers, fit, found.factors[:FUTURES], rng)
    naive = float((customers.repeats / np.maximum(customers.age, 1)).sum()) * 7 * WEEKS
    print(f"  hold-out: {seen.sum():.0f} purchases; foreseen {drawn.sum(axis=1).mean():.0f}; at past rates {naive:.0f}")
    for what, outside in _outside(seen, drawn, ""):
        # Of 39 weeks 3.9 lie outside by chance.
        yield below(f"CDNOW: {what} hold-out weeks outside their 90% intervals, of {WEEKS}", outside, 4.5)
        yield below(f"CDNOW: {what} weeks outside, less those of customers by themselves", outside - alone[what], 0.5)


def _outside(seen: FloatArray, drawn: FloatArray, whose: str) -> Iterator[tuple[str, int]]:
    """Print and yield how many weeks lie outside their intervals."""
    for what, truth, told in (("weekly", seen, drawn), ("cumulative", seen.cumsum(), drawn.cumsum(axis=1))):
        low, high = np.quantile(told, [0.05, 0.95], axis=0)
        out = [week + 1 for week in range(WEEKS) if not low[week] <= truth[week] <= high[week]]
        width = float(np.mean((high - low) / told.mean(axis=0)))
        print(
            f"  {whose}{what}: {WEEKS - len(out)} of {WEEKS} weeks in 90% intervals, {width:.0%} wide; outside: {out}"
        )
        yield what, len(out)


# Customers whose worth is known


def world(channels: int, rng: np.random.Generator) -> list[Clientele]:
    """Channels drawn from a population, small and large."""
    sizes = np.round(np.geomspace(SMALLEST, LARGEST, channels)).astype(int)
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


def worth(kind: Clientele, asked: Lifetime, factors: FloatArray) -> float:
    """Return the true mean value of a new customer over the horizon, given its weeks' factors, shape (1, H)."""
    p, q, gamma = kind.spend
    one = Buying(*(np.array([x]) for x in (kind.shape, kind.scale, *kind.loss)))
    return p * gamma / (q - 1) * (1 + float(buying.expected(one, asked.horizon_days, asked.force, factors)[0]))


def shocked(rng: np.random.Generator, scale: Scale, weeks: int) -> FloatArray:
    """Draw factors with a mean of one: noise of each week, and spells that fade."""
    level, logs = scale.spell * rng.standard_normal(), np.empty(weeks)
    for week in range(weeks):
        logs[week] = level + scale.noise * rng.standard_normal()
        level = scale.kept * level + scale.spell * math.sqrt(1 - scale.kept**2) * rng.standard_normal()
    return np.exp(logs - (scale.spell**2 + scale.noise**2) / 2)


def of_shocks(repetitions: int, seed: int) -> Iterator[Bar]:
    """Let shocks be drawn from the prior, learnt from a year of counts, and held against the weeks to come."""
    ranks = []
    for repetition in range(repetitions):
        rng = np.random.default_rng([seed, 1, repetition])
        scale = Scale(*rng.exponential(1 / 9.21, 2), 2 ** rng.uniform(1, 5))
        expected, factors = rng.uniform(5, 300) * np.linspace(0.5, 1.0, 52), shocked(rng, scale, 104)
        seen = rng.poisson(expected * factors[:52])
        drawn = shocks.learn(seen, expected * seen.sum() / expected.sum(), 52, 400, rng).factors
        # What single customers are expected to do was fitted to the same weeks, and so is off by their mean.
        truth = factors[52:] * expected.sum() / seen.sum()
        ranks.append([(drawn[:, 0] <= truth[0]).mean(), (drawn.mean(axis=1) <= truth.mean()).mean()])
    print(f"\n{repetitions} made-up shops with shocks of known scales, a year of weekly counts and a year to come:")
    for what, rank in zip(("next week", "mean of the year"), np.array(ranks).T, strict=True):
        print(f"  {what}: mean rank {rank.mean():.2f}")
        yield from covered(f"shocks, {what}", 0.9, (abs(rank - 0.5) <= 0.45)[:, None])


def covered(what: str, level: float, held: npt.NDArray[np.bool_]) -> Iterator[Bar]:
    """Print how often intervals hold the truth; the bars are left out where there are too few shops to speak of it.

    Args:
        what: Is covered.
        level: Of the intervals.
        held: By shop and by channel, shape (shops, channels); channels of one shop share what is learnt of all, and its
            shocks, so that each shop is one coin.
    """
    each = held.mean(axis=1)
    share, error = float(each.mean()), max(math.sqrt(level * (1 - level) / held.size), _error(each))
    print(f"    {what}: {level:.0%} intervals hold it in {share:.1%} (Monte Carlo error {error:.1%})")
    if len(held) > QUICK_LEARNT:
        yield below(f"{what}, {level:.0%} intervals: coverage off by", abs(share - level), TOLERANCE)
        yield below(f"{what}, {level:.0%} intervals: Monte Carlo error of it", error, ERROR)


def _error(each: FloatArray) -> float:
    return float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Shop:
    """What came of one made-up shop; G channels.

    Attributes:
        held: Whether its 80% and 90% intervals hold what a new customer is worth, shape (2, G).
        error: Relative errors of the means, shape (G,).
        crude: The same of what customers brought so far, shape (G,).
        wider: Widths of the 80% intervals over those of the same draws without shocks, less one, mean of channels.
    """

    held: npt.NDArray[np.bool_]
    error: FloatArray
    crude: FloatArray
    wider: float


def shop(channels: int, asked: Lifetime, scale: Scale | None, rng: np.random.Generator) -> Shop | None:
    """Make up a shop, fit it, and hold its values against the truth; None where a check fails."""
    kinds, past = world(channels, rng), (UNTIL - START).days // 7
    factors = np.ones(past + asked.weeks) if scale is None else shocked(rng, scale, past + asked.weeks)
    customers = summarise(orders(kinds, (START, WON), UNTIL, "EUR", rng, factors), LAST, "EUR", UTC)
    fit = value(customers, asked, rng, silent)
    if fit.values is None:
        print(f"  {fit.words}")
        return None
    truth = np.array([worth(kind, asked, factors[None, past:]) for kind in kinds])
    ends = [np.quantile(fit.values, [0.5 - level / 2, 0.5 + level / 2], axis=0) for level in (0.8, 0.9)]
    low, high = np.quantile(by_themselves(fit), [0.1, 0.9], axis=0)
    return Shop(
        held=np.array([(bottom <= truth) & (truth <= top) for bottom, top in ends]),
        error=fit.values.mean(axis=0) / truth - 1,
        crude=fit.mean_of(customers.opening + customers.repeats * customers.spend) / truth - 1,
        wider=float(np.mean((ends[0][1] - ends[0][0]) / (high - low))) - 1,
    )


def by_themselves(fit: Valuation) -> FloatArray:
    """Return values as if nothing moved all customers at once."""
    draws = flat(fit.idata, DRAWS)
    p = buying_of(draws)
    each = Buying(*(np.ascontiguousarray(column).ravel() for column in (p.r, p.alpha, p.a, p.b)))
    repeats = buying.expected(each, fit.asked.horizon_days, fit.asked.force).reshape(p.r.shape)
    return np.exp(draws["log_opening"]) + spending_of(draws).mean * repeats


def coverage(shops: int, kinds: Mapping[str, Scale | None], seed: int) -> Iterator[Bar]:
    """Fit made-up shops of each kind, and count how often intervals hold the truth."""
    asked = Lifetime(sampling=SHORT)
    print(f"\nmade-up shops of {CHANNELS} channels with {SMALLEST} to {LARGEST} customers each")
    for kind, scale in kinds.items():
        found, began = [], time.process_time()
        for repetition in range(shops):
            one = shop(CHANNELS, asked, scale, np.random.default_rng([seed, 2 + (scale is not None), repetition]))
            found += [] if one is None else [one]
            if one is not None:
                held = " and ".join(f"{share:.0%}" for share in one.held.mean(axis=1))
                print(
                    f"  {kind}: 80% and 90% intervals hold {held} of its channels; {one.wider:+.1%} wider", flush=True
                )
        each = (time.process_time() - began) / shops
        print(f"  {kind}: {each:.0f} processor s each; {len(found)} of {shops} have values")
        if shops > 1:
            yield below(f"{kind}: share of shops without a value", 1 - len(found) / shops, 0.05)
        if found:
            yield from told(found, kind)


def told(shops: list[Shop], kind: str) -> Iterator[Bar]:
    """Print coverage, errors and widths of some shops, and yield their bars."""
    held = np.stack([shop.held for shop in shops])
    for place, level in enumerate((0.8, 0.9)):
        yield from covered(kind, level, held[:, place])
    errors, crude = (np.concatenate(each) for each in zip(*((one.error, one.crude) for one in shops), strict=True))
    here, naive = (float(np.sqrt(np.mean(e**2))) for e in (errors, crude))
    print(f"    root mean square relative error {here:.1%}, of what customers brought so far {naive:.1%}")
    yield below(f"{kind}, error over that of what customers brought so far", here / naive, 1.0)
    wider = float(np.mean([one.wider for one in shops]))
    print(f"    80% intervals are {wider:+.1%} wider than if customers were independent")
    if kind == "without shocks":
        yield below("shops without shocks: intervals widen by", wider, 0.15)


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="published parameters, few shocks and one made-up shop")
    parser.add_argument("--shops", type=int, default=SHOPS, help="of each kind, with shocks and without")
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
    bars += of_shocks(QUICK_LEARNT if arguments.quick else LEARNT, arguments.seed)
    kinds = QUICK_KINDS if arguments.quick else KINDS
    bars += coverage(1 if arguments.quick else arguments.shops, kinds, arguments.seed)
    return ended(bars)


if __name__ == "__main__":
    sys.exit(main())
