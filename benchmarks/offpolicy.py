"""What a log of random choices says of another policy, and whether its intervals hold the truth.

Two parts. First, logs are simulated whose truth is known: 80 arms with rates drawn around .4%, 10,000 even choices,
some forty rewards; the targets are the even policy and Thompson sampling from 100,000 earlier impressions. Counted is
how often 95% intervals hold the truth, beside the normal ones of the same estimates. Second, the Open Bandit data
(Saito, Aihara, Matsutani and Narita 2021, NeurIPS Datasets and Benchmarks; arXiv 2008.07146): 10,000 choices a shop
of an even policy, from which are estimated that policy itself and the Thompson sampling that ran in production beside
it, whose probabilities by place on the page are computed from its published priors. Both policies' click rates over
the whole experiment were published (table 1): those are what the intervals should hold.

Run `python benchmarks/offpolicy.py [--quick]`. The last line is JSON: the bars and whether they hold.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from bandits import offpolicy
from bandits.groups import FloatArray
from bandits.offpolicy import Estimate, Log, Shares

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "open_bandit"
ESTIMATORS = ("IPS", "SNIPS", "DR")
PLACES = 3
PUBLISHED = {"all": (0.0035, 0.0050), "men": (0.0051, 0.0067), "women": (0.0048, 0.0064)}
"""Click rates of the even and the Thompson policy on 0.5 to 12 million impressions each: table 1 of the paper."""

ARMS, ROWS, EARLIER, RATE, SPREAD, SHOWN = 80, 10_000, 100_000, 0.004, 0.4, 20_000
SEED = 7


def top_places(alpha: FloatArray, beta: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """Probability of each arm at each place when the best of a draw go to the places in order, shape (places, A)."""
    table = np.zeros((PLACES, alpha.size))
    for _ in range(n // 1_000):
        best = np.argsort(-rng.beta(alpha, beta, (1_000, alpha.size)), axis=1)[:, :PLACES]
        for place in range(PLACES):
            table[place] += np.bincount(best[:, place], minlength=alpha.size)
    return table / table.sum(axis=1, keepdims=True)


def estimates(log: Log, target: Shares) -> tuple[Estimate, Estimate, Estimate]:
    """IPS, SNIPS and DR."""
    found = offpolicy.weigh(log, target.chosen(log.action))
    return found.ips, found.snips, offpolicy.doubly_robust(log, target)[0]


def simulated(logs: int) -> list[dict[str, object]]:
    """Print how often intervals hold the truth of simulated logs; return the bars."""
    rng = np.random.default_rng(SEED)
    print(f"Simulated: {logs} logs of {ROWS:,} even choices of {ARMS} arms with rates around {RATE:.1%}, seed {SEED}")
    head = f"{'target':<12}{'estimate':<10}{'holds':>8}{'missed below, above':>22}"
    print(f"{head}{'normal holds':>14}{'width / normal':>16}")
    hits: dict[tuple[str, str], list[tuple[bool, bool, bool, float]]] = {}
    for _ in range(logs):
        rate = RATE * np.exp(rng.normal(0, SPREAD, ARMS) - SPREAD**2 / 2)
        action = rng.integers(0, ARMS, ROWS)
        log = Log(action, (rng.random(ROWS) < rate[action]).astype(np.float64), np.full(ROWS, 1 / ARMS), ARMS)
        known = rng.poisson(EARLIER / ARMS * rate)
        best = top_places(1 + known, 1 + EARLIER / ARMS - known, 1_000, rng)[0]
        for name, share in (("even", np.full(ARMS, 1 / ARMS)), ("Thompson", best)):
            truth = float(share @ rate)
            found = estimates(log, Shares.fixed(share, ROWS))
            for estimator, each in zip(ESTIMATORS, found, strict=True):
                normal = Estimate(each.value, each.se)
                hits.setdefault((name, estimator), []).append(
                    (
                        each.low95 <= truth,
                        truth <= each.high95,
                        normal.low95 <= truth <= normal.high95,
                        (each.high95 - each.low95) / max(normal.high95 - normal.low95, 1e-12),
                    )
                )
    bars = []
    for (name, estimator), rows in hits.items():
        above_low, below_high, normal_holds, width = np.array(rows, dtype=np.float64).T
        held = 100 * float((above_low * below_high).mean())
        below, above = 100 * (1 - above_low.mean()), 100 * (1 - below_high.mean())
        print(
            f"{name:<12}{estimator:<10}{held:>7.1f}%{below:>12.1f}% {above:>7.1f}%{100 * normal_holds.mean():>13.1f}%"
            f"{np.median(width):>16.2f}"
        )
        slack = round(300 * float(np.sqrt(0.95 * 0.05 / logs)), 2)
        words = f"{name}, {estimator}: % of 95% intervals that hold the truth (95 less 3 SE of {logs} logs)"
        bars.append(_at_least(words, held, 95 - slack))
    return bars


def published(shop: str) -> list[dict[str, object]]:
    """Print the estimates from a shop's log; return whether each interval holds the published rate."""
    import yaml  # noqa: PLC0415 - needed with the data alone

    with (DATA / "random" / shop / f"{shop}.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    priors = yaml.safe_load((DATA / "prior_bts.yaml").read_text(encoding="utf-8"))[shop]
    alpha, beta = np.array(priors["alpha"], dtype=np.float64), np.array(priors["beta"], dtype=np.float64)
    action, place = (np.array([int(row[name]) for row in rows]) for name in ("item_id", "position"))
    clicks = np.array([float(row["click"]) for row in rows])
    log = Log(action, clicks, np.array([float(row["propensity_score"]) for row in rows]), alpha.size)
    thompson = Shares(top_places(alpha, beta, SHOWN, np.random.default_rng(SEED)), place - 1)
    bars = []
    for name, target, truth in zip(("even", "Thompson"), (offpolicy.even(log), thompson), PUBLISHED[shop], strict=True):
        weighting = offpolicy.weigh(log, target.chosen(action))
        about = f"{weighting.effective:,.0f} rows, {weighting.rewarded:.1f} with a click"
        for estimator, each in zip(ESTIMATORS, estimates(log, target), strict=True):
            holds = each.low95 <= truth <= each.high95
            interval = f"[{100 * each.low95:.2f}, {100 * each.high95:.2f}]"
            line = f"{shop:<7}{name:<10}{estimator:<7}{100 * each.value:>7.3f}{interval:>16}{100 * truth:>11.2f}"
            print(f"{line}{'yes' if holds else 'NO':>7}   {about}")
            words = f"{shop}, {name}, {estimator}: 95% interval {interval} holds {100 * truth:.2f}%"
            bars.append(
                {"name": words, "value": round(100 * each.value, 3), "bar": round(100 * truth, 2), "holds": bool(holds)}
            )
    return bars


def main() -> None:
    """Run both parts and print the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer logs, under 50 s")
    bars = simulated(300 if parser.parse_args().quick else 1_000)
    if DATA.is_dir():
        print(f"\nOpen Bandit data, clicks per 100 choices; Thompson's probabilities from {SHOWN:,} draws, seed {SEED}")
        head = f"{'shop':<7}{'policy':<10}{'by':<7}{'value':>7}{'95% interval':>16}"
        print(f"{head}{'published':>11}{'holds':>7}   effective sample size")
        for shop in PUBLISHED:
            bars += published(shop)
    else:
        print("\nskipped: the Open Bandit data (../shared/data/open_bandit) are not on this machine")
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def _at_least(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": round(value, 2), "bar": bar, "holds": bool(value >= bar)}


if __name__ == "__main__":
    main()
