"""PyMC-Marketing's own model and optimiser as one more policy, in the worlds in which all others are compared.

    make peers && .venv-peers/bin/python benchmarks/peers.py [--quick] [--worlds N] [--campaigns 6|30]

Needs the environment of `peers.lock`, since pymc-marketing pins versions of PyMC other than ours. After six weeks in
which all budgets are varied (as for our own `mmm-once`), its mixed media model is fitted once to all campaigns
(geometric adstock, logistic saturation, its default priors, a panel with one campaign per cell; 2 chains of 500 draws),
and its optimiser (SLSQP over the posterior) splits the same total within the same bounds; that plan is kept. What is
late is corrected first, since the model knows no delay. The share of the oracle over the days after the plan is the
fairer figure. Outlay itself cannot be imported there; its row stands in `policies.py`, which plays the same seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from simulations.noise import FloatArray
from simulations.policies import BASELINES
from simulations.policies.contract import MakePolicy, Seen, Setting
from simulations.policies.evidence import gather
from simulations.policies.mmm import TRIAL_DAYS, Once
from simulations.policies.rules import WARM_UP
from simulations.runs.arena import WorldSpec, clairvoyant, play_world
from simulations.scenarios import named

START = date(2025, 9, 1)
FIRST_SEED = 5_000
DAYS = 120
PLANNED = WARM_UP + TRIAL_DAYS
"""The first day that the plan may change."""
RIVALS = ("equal", "mmm-once", "greedy")
PEER = "pymc-marketing"


def marketing_mix(setting: Setting, seen: Seen) -> FloatArray:
    """Return the budgets that PyMC-Marketing plans from what was seen, currency units, shape (K,)."""
    # Imported here, since only the peers' environment has it.
    import pandas as pd  # noqa: PLC0415
    import xarray as xr  # noqa: PLC0415
    from pymc_marketing.mmm import GeometricAdstock, LogisticSaturation  # noqa: PLC0415
    from pymc_marketing.mmm.mmm import MMM  # noqa: PLC0415

    days = gather(setting, seen)
    # `exposure` is the share of a day's conversions that has come in by now, times the weekday factor.
    counts = np.divide(days.counts, days.exposure, out=np.zeros_like(days.counts), where=days.exposure > 0)
    cells = [f"c{k:03}" for k in range(len(setting.names))]
    dates = pd.date_range(setting.start, periods=seen.today)
    table = pd.DataFrame(
        {
            "date": np.tile(dates, len(cells)),
            "campaign": np.repeat(cells, seen.today),
            "spend": seen.spend.ravel(),
            "y": counts[:, -seen.today :].ravel(),
        }
    )
    model = MMM(
        date_column="date",
        channel_columns=["spend"],
        target_column="y",
        dims=("campaign",),
        adstock=GeometricAdstock(l_max=4),
        saturation=LogisticSaturation(),
    )
    model.fit(
        table.drop(columns="y"), table["y"], chains=2, cores=2, draws=500, tune=500, random_seed=1, progressbar=False
    )
    first = dates[-1] + timedelta(days=1)
    optimiser = model.budget_optimizer(start_date=first, end_date=first + timedelta(days=27))
    bounds = setting.bounds
    room = xr.DataArray(
        np.stack([bounds.lower, bounds.upper], axis=1)[:, None, :],
        dims=("campaign", "channel", "bound"),
        coords={"campaign": cells, "channel": ["spend"], "bound": ["lower", "upper"]},
    )
    result = optimiser.allocate_budget(total_budget=bounds.total, budget_bounds=room)
    budgets: FloatArray = result.budgets.sel(campaign=cells).to_numpy().ravel()
    return budgets


def peer(setting: Setting) -> Once:
    """Begin the policy whose one plan is PyMC-Marketing's."""
    return Once(setting, marketing_mix)


def shares(name: str, make: MakePolicy, spec: WorldSpec, best: FloatArray) -> tuple[FloatArray, float]:
    """Share of the oracle over all days and over those after the plan, in percent, and the seconds it took."""
    started = time.perf_counter()
    played = play_world(spec, name, make)
    whole, after = played.trace.expected, slice(PLANNED, None)
    found = 100 * np.array([whole.sum() / best.sum(), whole[after].sum() / best[after].sum()])
    return found, time.perf_counter() - started


def main() -> None:
    """Play, print the table, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one world of 60 days: a fit alone takes most of a minute")
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--campaigns", type=int, default=6, choices=(6, 30))
    asked = parser.parse_args()
    if find_spec("pymc_marketing") is None:
        print("skipped: pymc-marketing is not in this environment; `make peers` makes one that has it")
        print(json.dumps({"bars": []}))
        return
    warnings.filterwarnings("ignore")
    worlds, days = (1, 60) if asked.quick else (asked.worlds, DAYS)
    scenario = named(f"closed-loop-{asked.campaigns}")
    makes = {name: BASELINES[name] for name in RIVALS} | {PEER: peer}
    found: dict[str, list[FloatArray]] = {name: [] for name in makes}
    seconds: dict[str, float] = dict.fromkeys(makes, 0.0)
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        spec = WorldSpec(scenario, seed, days, START)
        best = clairvoyant(spec).best
        for name, make in makes.items():
            share, took = shares(name, make, spec, best)
            found[name].append(share)
            seconds[name] += took
        print(f"seed {seed}: " + ", ".join(f"{name} {found[name][-1][1]:.1f}" for name in makes), flush=True)
    show(found, seconds, worlds, days)
    print(json.dumps({"bars": []}))  # a peer has no bar to meet here: what is measured stands in the table


def show(found: dict[str, list[FloatArray]], seconds: dict[str, float], worlds: int, days: int) -> None:
    """Print a row per policy."""
    print(
        f"\n{worlds} worlds (seeds {FIRST_SEED}..{FIRST_SEED + worlds - 1}), {days} days; plans from day {PLANNED} on"
    )
    print(f"{'policy':<16}{'% of oracle':>16}{'after the plan':>18}{'worst after':>13}{'s per world':>13}")
    for name, rows in found.items():
        mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=min(1, len(rows) - 1)) / np.sqrt(len(rows))
        print(f"{name:<16}{mean[0]:>9.1f} +-{error[0]:>4.1f}{mean[1]:>11.1f} +-{error[1]:>4.1f}", end="")
        print(f"{np.min(rows, axis=0)[1]:>13.1f}{seconds[name] / worlds:>13.1f}")


if __name__ == "__main__":
    main()
