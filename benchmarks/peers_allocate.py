"""PyMC-Marketing's budget optimiser beside the allocator: the same curves, the same posterior draws, the same total.

    make peers && .venv-peers/bin/python benchmarks/peers_allocate.py [--quick]

Needs the environment of `peers.lock`. Each channel has a logistic saturation, beta (1 - exp(-lam x)) / (1 +
exp(-lam x)), with 200 joint draws of beta and lam standing for a posterior, so that no time goes into a fit. Both
maximise the mean over the draws of what all channels bring in one period, within the same bounds. PyMC-Marketing's
`BudgetOptimizer` gets its own defaults (SLSQP, uniform start) and is asked twice: `warm` is the second call, with all
compiled; `cold` is what a new posterior costs: building, compiling, the first call. The allocator has nothing to
compile. It averages the draws at 24 spends per channel and solves on a wide grid of the curve through them, then on
closer ones around the plan, since these curves are concave; all of that is in its time. Both plans are valued by the
smooth curves themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.polynomial.chebyshev import chebvander

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from optimizer.allocate import solve
from optimizer.plan.problem import Problem, Row
from optimizer.plan.snapshot import FloatArray

SEEDS = (7_001, 7_002, 7_003)
CHANNELS = (10, 30, 100)
DRAWS = 200
NODES, POINTS, ZOOMS = 24, 24, 3


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Draws of the curves, (S, K) each, the bounds, (K, 2), and the total."""

    beta: FloatArray
    lam: FloatArray
    bounds: FloatArray
    total: float

    def curves(self) -> FloatArray:
        """Chebyshev coefficients of the mean curves between their bounds, (NODES, K): they are analytic, so few do.

        2 / (1 + exp(-z)) - 1 is the saturation.
        """
        nodes = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        low, high = self.bounds.T
        found = np.empty((NODES, self.beta.shape[1]))
        for row, spend in zip(found, low + (high - low) * (1 + nodes[:, None]) / 2, strict=True):
            drawn = np.exp(-self.lam * spend)
            drawn += 1.0
            np.divide(self.beta, drawn, out=drawn)
            row[:] = 2.0 * drawn.mean(axis=0)
        found -= self.beta.mean(axis=0)
        return np.linalg.solve(chebvander(nodes, NODES - 1), found)

    def value(self, spend: FloatArray) -> float:
        """Mean over the draws of what a plan, (K,), brings."""
        drawn = np.exp(-self.lam * spend)
        return float((self.beta * (1 - drawn) / (1 + drawn)).sum(axis=1).mean())


def market(seed: int, channels: int) -> Market:
    """Channels of lognormal size, known to within about 30%; a total that leaves every curve bent."""
    rng = np.random.default_rng(seed)
    size = rng.lognormal(0, 0.7, channels)
    lam = rng.lognormal(0.3, 0.5, channels) / size * rng.lognormal(0, 0.3, (DRAWS, channels))
    beta = size * rng.lognormal(0, 0.5, channels) * rng.lognormal(0, 0.3, (DRAWS, channels))
    bounds = np.stack([0.1 * size, 4.0 * size], axis=1)
    return Market(beta, lam, bounds, float(size.sum()))


def ours(case: Market) -> FloatArray:
    """The allocator's plan: solved on a wide grid of the draws' mean curve, then on close ones around it."""
    coefficients, (first, last) = case.curves(), case.bounds.T
    low, high = first, last
    for _ in range(ZOOMS):
        grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, POINTS)
        at = 2 * (grid - first[:, None]) / (last - first)[:, None] - 1
        mean = np.einsum("kpn,nk->kp", chebvander(at, NODES - 1), coefficients)
        row = Row("total", "the total", np.ones(len(grid)), case.total)
        spend = solve(Problem(grid, mean, {}, (row,))).spend
        reach = 1.5 * (high - low) / (POINTS - 1)
        low, high = np.maximum(spend - reach, first), np.minimum(spend + reach, last)
    return spend


def peer(case: Market) -> tuple[FloatArray, float, float]:
    """PyMC-Marketing's plan, the seconds of a warm call, and those of building, compiling and the first call."""
    # Imported here, since only the peers' environment has them.
    import pymc as pm  # noqa: PLC0415
    import pymc.dims as pmd  # noqa: PLC0415
    import xarray as xr  # noqa: PLC0415
    from pymc_marketing.mmm import BudgetOptimizer  # noqa: PLC0415

    names = [f"c{k:03}" for k in range(case.beta.shape[1])]
    start = time.perf_counter()
    with pm.Model(coords={"date": [0], "channel": names}) as model:
        data = pmd.Data("channel_data", np.ones((1, len(names))), dims=("date", "channel"))
        lam = pmd.HalfNormal("lam", dims="channel")
        beta = pmd.HalfNormal("beta", dims="channel")
        drawn = pmd.math.exp(-lam * data)
        brought = pmd.Deterministic("channel_contribution", beta * (1 - drawn) / (1 + drawn))
        pmd.Deterministic("total_media_contribution_original_scale", brought.sum())
    dims = ("chain", "draw", "channel")
    posterior = xr.Dataset(
        {"lam": (dims, case.lam[None]), "beta": (dims, case.beta[None])},
        coords={"chain": [0], "draw": np.arange(DRAWS), "channel": names},
    )
    room = xr.DataArray(case.bounds, dims=("channel", "bound"), coords={"channel": names, "bound": ["lower", "upper"]})
    optimiser = BudgetOptimizer(model=model, idata=xr.DataTree.from_dict({"posterior": posterior}), num_periods=1)
    optimiser.allocate_budget(total_budget=case.total, budget_bounds=room)
    cold = time.perf_counter() - start
    start = time.perf_counter()
    result = optimiser.allocate_budget(total_budget=case.total, budget_bounds=room)
    warm = time.perf_counter() - start
    return result.budgets.sel(channel=names).to_numpy().ravel(), warm, cold


def main() -> None:
    """Measure, print a row per market, then the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed")
    seeds = SEEDS[:1] if parser.parse_args().quick else SEEDS
    if find_spec("pymc_marketing") is None:
        print("skipped: pymc-marketing is not in this environment; `make peers` makes one that has it")
        print(json.dumps({"bars": []}))
        return
    warnings.filterwarnings("ignore")
    print(f"seeds {seeds}, {DRAWS} draws; values are means over the draws, of the same smooth curves")
    print("channels  seed   ours ms  peer ms (warm)  times  peer s (cold)   ours ahead by")
    speed: dict[str, list[float]] = {"warm": [], "cold": []}
    ahead = []
    for channels in CHANNELS:
        for seed in seeds:
            case = market(seed, channels)
            plan, seconds = _timed(case)
            other, warm, cold = peer(case)
            lead = case.value(plan) / case.value(other) - 1
            _check(case, plan)
            _check(case, other)
            if channels == CHANNELS[-1]:
                speed["warm"].append(warm / seconds)
                speed["cold"].append(cold / seconds)
            ahead.append(lead)
            print(
                f"{channels:8} {seed:5} {1e3 * seconds:9.1f} {1e3 * warm:15.1f} {warm / seconds:6.0f}"
                f" {cold:14.1f} {100 * lead:+14.6f} %",
                flush=True,
            )
    bars = [
        {
            "name": f"times faster at 100 channels, peer {kind}, median",
            "value": value,
            "bar": 20.0,
            "holds": value >= 20.0,
        }
        for kind, ratios in speed.items()
        for value in [statistics.median(ratios)]
    ]
    least = min(ahead)
    bars.append({"name": "least lead in value, relative", "value": least, "bar": 0.0, "holds": least >= -1e-6})
    print("a lead is a tie where it is within a millionth: that is the tolerance of either solver")
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


def _timed(case: Market) -> tuple[FloatArray, float]:
    plan, seconds = ours(case), []
    for _ in range(5):
        start = time.perf_counter()
        plan = ours(case)
        seconds.append(time.perf_counter() - start)
    return plan, statistics.median(seconds)


def _check(case: Market, plan: FloatArray) -> None:
    """Neither plan may spend more than there is, or leave its bounds."""
    within = (plan >= case.bounds[:, 0] * (1 - 1e-6)).all() and (plan <= case.bounds[:, 1] * (1 + 1e-6)).all()
    if not within or plan.sum() > case.total * (1 + 1e-6):
        raise SystemExit("a plan breaks its bounds or the total")


if __name__ == "__main__":
    main()
