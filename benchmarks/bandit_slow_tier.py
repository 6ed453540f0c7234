"""The slow tier of ads on made-up accounts: is the truth recovered, and what is it worth to the fast tier?

    python benchmarks/bandit_slow_tier.py [--quick]

Three kinds of account, whose ads differ as the fast tier assumes, hardly, and greatly. The slow tier is fitted to an
account's history; then budgets with new ads start, three at a time, as a small account has them, and the fast tier
shares them out for two weeks from its own prior and from the one that was learnt: same ads, same chance, paired. Last,
new ads are foretold by attributes, some of which tell and some do not. Every world is assumed; nothing was tuned on it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

sys.path.pop(0)  # this folder, where bandits.py hides a package
sys.path.insert(0, str(Path(__file__).parents[1]))

from bandits import BanditSettings, believe
from bandits.evidence import Evidence
from bandits.features import Features, learn_features
from bandits.groups import Groups
from bandits.hierarchy import informed
from bandits.pooling import condition, learn_pool
from connectors.contract import Account, BudgetTarget, Level
from connectors.money import Money
from optimizer.plan.priors import AdPriors
from optimizer.plan.snapshot import Arm, ArmPanel, Panel, Snapshot, Target
from optimizer.refit import Refit, Sampling, fit_ads
from optimizer.refit.ad_evidence import gather_ads
from optimizer.refit.ad_hierarchy import export_ads
from optimizer.refit.sampling import flat

FloatArray = npt.NDArray[np.float64]

SEED = 20260427
RATE = 0.01
ADS, LIVE, DAYS = 4, 3, 14
WEEKLY = 20.0  # conversions of a typical ad in a week of history
DAILY = 4.0  # of a typical budget a day, while its new ads are shared out
NOW, TODAY = datetime(2026, 4, 27, 6, tzinfo=UTC), date(2026, 4, 27)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of account: standard deviations of log rates between budgets, within one, and of an ad's week."""

    name: str
    between: float
    within: float
    drift: float


KINDS = (Kind("as assumed", 0.7, 0.25, 0.03), Kind("alike", 0.3, 0.08, 0.03), Kind("unlike", 1.1, 0.6, 0.15))


class Size(NamedTuple):
    """How much is done."""

    kinds: tuple[Kind, ...]
    budgets: int
    weeks: int
    sampling: Sampling
    tests: int
    worlds: int


FULL = Size(KINDS, 24, 8, Sampling(draws=500, tune=500, chains=2), 100, 40)
SHORT = Size(KINDS[2:], 12, 6, Sampling(draws=120, tune=130, chains=2, target_accept=0.8), 12, 6)


def account(kind: Kind, size: Size, rng: np.random.Generator) -> Snapshot:
    """The history of an account, in which every ad is its own creative."""
    ads, days = size.budgets * ADS, size.weeks * 7
    group = np.repeat(np.arange(size.budgets), ADS)
    log_rate = math.log(RATE) + rng.normal(0, kind.between, size.budgets)[group] + rng.normal(0, kind.within, ads)
    walk = np.repeat(np.cumsum(rng.normal(0, kind.drift, (ads, size.weeks)), axis=1), 7, axis=1)
    impressions = rng.uniform(0.5, 1.5, (ads, days)) * WEEKLY / RATE / 7
    conversions = rng.poisson(impressions * np.exp(log_rate[:, None] + walk)).astype(np.float64)
    arms = tuple(Arm(int(k), None, str(a), None, None, f"ad {a}") for a, k in enumerate(group))
    panel = ArmPanel(arms, impressions / 100, conversions, conversions * 40, impressions / 20, impressions)
    sums = [np.add.reduceat(values, np.arange(0, ads, ADS)) for values in (panel.spend, conversions)]
    whole = Panel(TODAY - timedelta(days=days), *sums, sums[1] * 40, sums[0] * 5, sums[0] * 100, sums[0] * np.nan)
    targets = tuple(_target(k) for k in range(size.budgets))
    return Snapshot(NOW, TODAY, "EUR", "UTC", targets, whole, delays=(), arms=panel)


def _target(number: int) -> Target:
    name = f"k{number:03d}"
    owner = Account("files", "shop", "EUR", "UTC")
    return Target(
        BudgetTarget(owner, name, name, Level.CAMPAIGN, (name,), Money.of(100, "EUR")), "search", (), (name,), (name,)
    )


def recovered(kind: Kind, size: Size, rng: np.random.Generator) -> tuple[AdPriors, dict[str, float]]:
    """Fit an account; return what would be handed on, and how deep the truth lies in the draws, by parameter."""
    seen, began = account(kind, size, rng), time.process_time()
    refit = fit_ads(seen, size.sampling, rng, lambda _done, _total: None)
    assert refit is not None
    assert seen.arms is not None
    draws = flat(refit.idata)
    print(f"\n{kind.name}: {size.budgets} budgets x {ADS} ads x {size.weeks} weeks, {_doubts(refit)};"
          f" {time.process_time() - began:.0f} s of processor time")  # fmt: skip
    mass = {}
    for name, true in (("campaign_sd", kind.between), ("ad_sd", kind.within), ("drift_sd", kind.drift)):
        low, middle, high = np.quantile(draws[name], [0.05, 0.5, 0.95])
        mass[name] = 2 * abs(float((draws[name] < true).mean()) - 0.5)
        print(f"  {name:<12} true {true:.2f}, median {middle:.2f}, 90% interval {low:.2f} to {high:.2f}")
    # Scored whether its checks passed or not: which did not is printed.
    return refit.priors or export_ads(draws, gather_ads(seen, seen.arms, size.sampling), NOW), mass


def _doubts(refit: Refit[AdPriors]) -> str:
    failed = [f"{check.name} {check.value:.3f}" for check in refit.checks if not check.passed]
    return f"refused ({', '.join(failed)})" if failed else "all checks pass"


def learnt(priors: AdPriors) -> BanditSettings:
    """The fast tier's settings, informed as `optimizer.shares` informs them."""
    return informed(
        BanditSettings(),
        log_strength=(priors.log_strength.mean, priors.log_strength.sd),
        log_spread=None if priors.log_spread is None else (priors.log_spread.mean, priors.log_spread.sd),
        drift=None if priors.log_drift is None else math.exp(priors.log_drift.mean),
        excess=priors.excess,
        daily=DAILY / ADS,
    )


@dataclass(frozen=True, slots=True)
class Test:
    """Three budgets of new ads: true rates by day, and counts had every ad had an even share, (ads, days) each."""

    rates: FloatArray
    even: FloatArray


def new_ads(kind: Kind, rng: np.random.Generator) -> Test:
    """Draw a test."""
    ads = LIVE * ADS
    log_rate = math.log(RATE) + np.repeat(rng.normal(0, kind.between, LIVE), ADS) + rng.normal(0, kind.within, ads)
    walk = np.cumsum(rng.normal(0, kind.drift / math.sqrt(7), (ads, DAYS)), axis=1)
    rates = np.exp(log_rate[:, None] + walk)
    return Test(rates, rng.poisson(rates * DAILY / RATE / ADS).astype(np.float64))


def shared_out(test: Test, settings: BanditSettings, seed: Sequence[int]) -> FloatArray:
    """What the shares of a policy bring over two weeks, less an even rotation and over the best there is: two sums."""
    rng, group = np.random.default_rng(seed), np.repeat(np.arange(LIVE), ADS)
    share = np.full(LIVE * ADS, 1 / ADS)
    exposure, counts = np.full(test.rates.shape, np.nan), np.full(test.rates.shape, np.nan)
    gained = np.zeros(2)
    volume = DAILY / RATE
    for day in range(DAYS):
        rate = test.rates[:, day]
        best = np.repeat(rate.reshape(LIVE, ADS).max(axis=1), ADS)
        gained += volume * np.array([((share - 1 / ADS) * rate).sum(), (best - rate).sum() / ADS])
        exposure[:, day] = volume * share
        counts[:, day] = rng.poisson(rate * exposure[:, day])
        seen = slice(0, day + 1)
        share = believe(
            exposure[:, seen],
            counts[:, seen],
            group=group,
            age=np.arange(day + 1, 0, -1, dtype=np.float64),
            maturity=np.ones(day + 1),
            share_now=share,
            rng=rng,
            settings=settings,
        ).share
    return gained


def scored(test: Test, settings: BanditSettings) -> float:
    """Mean log score of each ad's next four days, after three days of even rotation."""
    n = DAILY / RATE / ADS
    groups = Groups.of(np.repeat(np.arange(LIVE), ADS))
    weight = settings.gamma ** np.arange(3, 0, -1)
    evidence = Evidence(test.even[:, :3] @ weight, np.full(LIVE * ADS, n * weight.sum()))
    rates = condition(evidence, groups, learn_pool(evidence, groups, settings.hyperprior)).arms()
    to_come = test.even[:, 3:7].sum(axis=1)
    return float(stats.nbinom.logpmf(to_come, rates.shape, rates.rate / (rates.rate + 4 * n)).mean())


def worth(kind: Kind, priors: AdPriors, size: Size, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Lead of the learnt prior over the plain one: share of the achievable gain and log score, each with its error."""
    plain, taught = BanditSettings(), learnt(priors)
    print(f"  the fast tier starts from nu {taught.hyperprior.strength:.1f} (plain {plain.hyperprior.strength:.0f}),"
          f" spread {taught.hyperprior.spread:.2f} ({plain.hyperprior.spread}), gamma {taught.gamma:.3f}")  # fmt: skip
    tests = [new_ads(kind, rng) for _ in range(size.tests)]
    gains = np.array([[shared_out(t, s, (SEED, i)) for s in (plain, taught)] for i, t in enumerate(tests)])
    scores = np.array([[scored(test, settings) for settings in (plain, taught)] for test in tests])
    shares = 100 * gains[..., 0].sum(axis=0) / gains[:, 0, 1].sum()
    lead = 100 * (gains[:, 1, 0] - gains[:, 0, 0]) / gains[:, 0, 1].mean()
    better = scores[:, 1] - scores[:, 0]
    error = [float(x.std(ddof=1) / math.sqrt(len(x))) for x in (lead, better)]
    print(f"  share of the achievable gain: plain {shares[0]:.1f} %, learnt {shares[1]:.1f} %,"
          f" lead {lead.mean():+.1f} ({error[0]:.1f})")  # fmt: skip
    print(f"  log score of a new ad's days 4 to 7: lead {better.mean():+.4f} ({error[1]:.4f}) nats an ad")
    return float(lead.mean()), error[0], float(better.mean()), error[1]


def foretold(effect: float, worlds: int, rng: np.random.Generator) -> tuple[float, float]:
    """What attributes are worth for 200 new ads: log score over the pool, and what the first pick of four gains."""
    better, gained = [], np.zeros(2)
    for _ in range(worlds):
        form, hook, seconds = rng.integers(0, 3, 400), rng.integers(0, 6, 400), rng.uniform(5, 60, 400)
        eta = rng.normal(0, effect, 3)[form] + rng.normal(0, effect, 6)[hook] + effect * (seconds - 32.5) / 16
        rate = RATE * np.exp(eta + rng.normal(0, 0.25, 400))
        n = rng.uniform(200, 3000, 400)
        y = rng.poisson(n * rate).astype(np.float64)
        ads = [
            Features((f"format:{f}", f"hook:{h}"), {"seconds": float(s)})
            for f, h, s in zip(form, hook, seconds, strict=True)
        ]
        prior = learn_features(ads[:200], y[:200], n[:200]).gamma_prior(ads[200:])
        known, groups = Evidence(y[:200], n[:200]), Groups.of(np.zeros(200, dtype=np.int64))
        pool = condition(known, groups, learn_pool(known, groups, BanditSettings().hyperprior))
        typical = pool.strength / float(np.exp(pool.log_rate[0]))
        ours = stats.nbinom.logpmf(y[200:], prior.shape, prior.rate / (prior.rate + n[200:]))
        theirs = stats.nbinom.logpmf(y[200:], pool.strength, typical / (typical + n[200:]))
        better.append(float((ours - theirs).mean()))
        fours, told = rate[200:].reshape(50, 4), prior.mean.reshape(50, 4).argmax(axis=1)
        gained += (
            (fours[np.arange(50), told] - fours.mean(axis=1)).sum(),
            (fours.max(axis=1) - fours.mean(axis=1)).sum(),
        )
    mean, error = float(np.mean(better)), float(np.std(better, ddof=1) / math.sqrt(worlds))
    print(f"  effects of {effect:.2f}: {mean:+.4f} ({error:.4f}) nats an ad over the pool's prior;"
          f" the first pick of four gains {100 * gained[0] / gained[1]:.0f} % of what the best would")  # fmt: skip
    return mean, error


def bar(name: str, value: float, limit: float, holds: bool) -> dict[str, object]:
    """One bar, printed as the last line has it."""
    return {"name": name, "value": float(value), "bar": limit, "holds": bool(holds)}


def main() -> None:
    """Fit, play, print the tables and the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one kind of account, few draws and tests")
    size = SHORT if parser.parse_args().quick else FULL
    rng = np.random.default_rng(SEED)
    bars, deep = [], []
    for kind in size.kinds:
        priors, mass = recovered(kind, size, rng)
        deep += list(mass.values())
        lead, error, better, doubt = worth(kind, priors, size, rng)
        bars.append(
            bar(
                f"{kind.name}: lead in share of the achievable gain, not below chance",
                lead,
                -2 * error,
                lead >= -2 * error,
            )
        )
        bars.append(bar(f"{kind.name}: lead in log score, not below chance", better, -2 * doubt, better >= -2 * doubt))
    outside = sum(mass > 0.9 for mass in deep)
    # Nine true numbers each lie outside their 90% interval once in ten: more than three do so once in a hundred.
    allowed = 3 if len(deep) > 3 else 1
    bars.append(bar("true spreads outside their 90% interval", outside, allowed, outside <= allowed))
    print("\nnew ads foretold by format, hook and length")
    tells, _ = foretold(0.3, size.worlds, rng)
    useless, error = foretold(0.0, size.worlds, rng)
    bars.append(bar("attributes that tell: log score over the pool's prior", tells, 0.1, tells >= 0.1))
    bars.append(bar("attributes that do not: log score over the pool's prior", useless, -0.01, useless >= -0.01))
    for found in bars:
        print(
            f"{'holds' if found['holds'] else 'MISSED'}: {found['name']}: {found['value']:.4f}, bar {found['bar']:.4f}"
        )
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(found["holds"] for found in bars) else 1)


if __name__ == "__main__":
    main()
