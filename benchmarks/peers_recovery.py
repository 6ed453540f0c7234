"""PyMC-Marketing's own model and optimiser on the parameter-recovery panels that `slow_tier.py` plans on.

    make peers && .venv-peers/bin/python benchmarks/peers_recovery.py [--quick]

Needs the environment of `peers.lock`. Its mixed media model with geometric adstock over eight weeks, two yearly waves,
the two controls and its default priors is fitted to a panel (2 chains of 500 draws), once with its default logistic
saturation and once with its Hill curve, and its optimiser (SLSQP over the posterior) splits the same total within the
same bounds. Scored with the truth, as in `slow_tier.py`; the best is SLSQP on the true curves from 200 starts.
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
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from _recovery import DATA, STEP, FloatArray, Panel, panel

SEED = 20260301
STARTS = 200
SATURATIONS = ("LogisticSaturation", "HillSaturation")


def marketing_mix(told: Panel, saturation: str) -> FloatArray:
    """Return the weekly budgets that PyMC-Marketing plans, shape (G x C,)."""
    # Imported here, since only the peers' environment has it.
    import pandas as pd  # noqa: PLC0415
    import pymc_marketing.mmm as peer  # noqa: PLC0415
    import xarray as xr  # noqa: PLC0415
    from pymc_marketing.mmm.mmm import MMM  # noqa: PLC0415

    regions, weeks = len(told.regions), len(told.dates)
    dates = pd.to_datetime(told.dates)
    table = pd.DataFrame({"date": np.tile(dates, regions), "geo": np.repeat(told.regions, weeks)})
    for c, channel in enumerate(told.channels):
        table[channel] = told.spend[:, c].ravel()
    for control, values in told.controls.items():
        table[control] = values.ravel()
    many = regions > 1
    model = MMM(
        date_column="date",
        channel_columns=list(told.channels),
        control_columns=list(told.controls),
        target_column="y",
        dims=("geo",) if many else None,
        adstock=peer.GeometricAdstock(l_max=8),
        saturation=getattr(peer, saturation)(),
        yearly_seasonality=2,
    )
    kept = table if many else table.drop(columns="geo")
    outcome = pd.Series(told.outcome.ravel(), name="y")
    model.fit(kept, outcome, chains=2, cores=1, draws=500, tune=500, random_seed=SEED, progressbar=False)
    start = date.fromisoformat(str(told.dates[-1])) + timedelta(days=7)
    optimiser = model.budget_optimizer(start_date=start, end_date=start + timedelta(days=7 * 25))
    now = told.current.reshape(regions, len(told.channels))
    room = np.stack([(1 - STEP) * now, (1 + STEP) * now], axis=-1)
    names = {"channel": list(told.channels), "bound": ["lower", "upper"]}
    if many:
        bounds = xr.DataArray(room, dims=("geo", "channel", "bound"), coords={"geo": list(told.regions), **names})
    else:
        bounds = xr.DataArray(room[0], dims=("channel", "bound"), coords=names)
    found = optimiser.allocate_budget(total_budget=float(now.sum()), budget_bounds=bounds).budgets
    picked = found.sel(channel=list(told.channels))
    if many:
        picked = picked.sel(geo=list(told.regions)).transpose("geo", "channel")
    return np.asarray(picked.to_numpy(), dtype=np.float64).ravel()


def best(told: Panel) -> FloatArray:
    """Return the best budgets under the truth that many starts find, shape (G x C,)."""
    now, rng = told.current, np.random.default_rng(SEED)
    bounds = list(zip((1 - STEP) * now, (1 + STEP) * now, strict=True))
    same = {"type": "eq", "fun": lambda x: (x.sum() - now.sum()) / now.sum()}
    found = [
        minimize(
            lambda x: -score(told, x) / 1e3, now * rng.uniform(0.5, 1.5, len(now)), bounds=bounds, constraints=same
        )
        for _ in range(STARTS)
    ]
    return np.asarray(min((result for result in found if result.success), key=lambda result: result.fun).x)


def score(told: Panel, budget: FloatArray) -> float:
    """True outcome per week."""
    return float(told.worth(budget[:, None]).sum())


def main() -> None:
    """Fit, plan, score, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the small panel and the default saturation alone")
    quick = parser.parse_args().quick
    for needed, missing in ((DATA.is_dir(), "../shared/data"), (find_spec("pymc_marketing"), "pymc-marketing")):
        if not needed:
            print(f"skipped: {missing} is absent here (`make peers` makes an environment with pymc-marketing)")
            print(json.dumps({"bars": []}))
            return
    warnings.filterwarnings("ignore")
    print(f"seed {SEED}; true outcome per week of constant budgets, steps +-{STEP:.0%}")
    for name in ("small",) if quick else ("small", "growing"):
        told = panel(name)
        top = score(told, best(told))
        print(f"\n{name} business: best {top:.1f}")
        print(f"  {'unchanged (uniform scaling)':<36}{100 * score(told, told.current) / top:>8.2f} %")
        for saturation in SATURATIONS[:1] if quick else SATURATIONS:
            started = time.perf_counter()
            plan = marketing_mix(told, saturation)
            took = time.perf_counter() - started
            spent = plan.sum() / told.current.sum()
            print(f"  PyMC-Marketing, {saturation:<20}{100 * score(told, plan) / top:>8.2f} %  ({took:.0f} s)")
            print(
                f"    spends {spent:.4f} of the total; budgets over now {np.round(plan / told.current, 2)}", flush=True
            )
    print(json.dumps({"bars": []}))  # a peer has no bar to meet here: what is measured stands in the table


if __name__ == "__main__":
    main()
