"""The slow tier on published data with a known truth: returns with and without the confounder, and plans.

    python benchmarks/slow_tier.py [--quick]

Needs `../shared/data` beside the project; skipped, with its bars said to be open, where that is absent. The columns
with the truth are used for scoring alone. `peers_recovery.py` plans on the same panels with PyMC-Marketing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from _recovery import DATA, STEP, FloatArray, Panel, columns, panel

from optimizer.allocate import solve
from optimizer.plan.problem import Problem, Row
from optimizer.refit import LiftTest, Market, Mix, Sampling, fit_mix

SEED = 20260301
TRUE = {"x1": 93.388, "x2": 171.409}
LEVEL = 0.9
POINTS = 65
FULL = Sampling(draws=600, tune=500, chains=2, target_accept=0.9)
SHORT = Sampling(draws=200, tune=300, chains=2, target_accept=0.9)


def roas_market(*hidden: str) -> tuple[Market, tuple[LiftTest, ...]]:
    """The market with its lift tests, without the covariates that are hidden.

    The tests' increments are the true average return times the change of spend, to the digit; they are taken as
    published, one week each.
    """
    table = columns(DATA / "pymc_marketing" / "mmm_roas_data.csv")
    tests = columns(DATA / "pymc_marketing" / "mmm_roas_lift_tests.csv")
    spend = np.stack([table[name].astype(np.float64) for name in TRUE])[None]
    days = [date.fromisoformat(day) for day in table["date"].tolist()]
    seen = {name: table[name].astype(np.float64)[None] for name in ("z",) if name not in hidden}
    market = Market(tuple(TRUE), days[0], 7, spend, table["y"].astype(np.float64)[None], demand=seen)
    lifts = []
    for row in range(len(tests["channel"])):
        week = len(days) - int(tests["weeks_before_end"][row])
        x, change, found, se = (float(tests[name][row]) for name in ("x", "delta_x", "delta_y", "sigma"))
        last = date.fromordinal(days[week].toordinal() + 6)
        lifts.append(LiftTest(str(tests["channel"][row]), days[week], last, x, change, found, se))
    return market, tuple(lifts)


def fitted(market: Market, lifts: tuple[LiftTest, ...], settings: Sampling) -> tuple[Mix, float]:
    """Fit, and return the seconds that it took."""
    started = time.perf_counter()
    mix = fit_mix(market, lifts, settings, np.random.default_rng(SEED), lambda _done, _total: None)
    return mix, time.perf_counter() - started


def doubts(mix: Mix) -> str:
    """The checks that failed, or that none did."""
    failed = [f"{check.name} {check.value:.3f} (limit {check.limit:g})" for check in mix.checks if not check.passed]
    return "; ".join(failed) or "all checks pass"


def returns(settings: Sampling, cases: tuple[tuple[str, ...], ...]) -> list[dict[str, object]]:
    """Compare the ROAS intervals with the truth, with the confounder given and hidden."""
    print(f"\nmmm_roas_data, 131 weeks, two lift tests of x1; {LEVEL:.0%} intervals; seed {SEED}")
    bars, widths = [], {}
    for hidden in cases:
        mix, took = fitted(*roas_market(*hidden), settings)
        name = "confounder hidden" if hidden else "confounder given"
        print(f"{name}: {took:.0f} s; {doubts(mix)}")
        for channel, (low, middle, high), draws in zip(TRUE, mix.interval(LEVEL), mix.roas().T, strict=True):
            widths[channel, hidden] = high - low
            mass = 2 * abs(float((draws < TRUE[channel]).mean()) - 0.5)
            print(f"  {channel}: true {TRUE[channel]:.1f}, median {middle:.1f}, interval {low:.1f} to {high:.1f}")
            bars.append(_most(f"{channel}, {name}: central mass that stops short of the true ROAS", mass, LEVEL))
        for note in mix.notes:
            print(f"  {note}")
        if hidden:
            said = sum("wider" in note for note in mix.notes)
            bars.append(_least("the result says that its intervals are wider where demand is hidden", said, 1))
            for channel in TRUE:
                ratio = widths[channel, hidden] / widths[channel, ()]
                bars.append(_least(f"{channel}: width of the interval, hidden over given", ratio, 1.0))
    return bars


def recovery(name: str, settings: Sampling) -> list[dict[str, object]]:
    """Plan on a panel from what the fit says, and score the plan with the truth."""
    told = panel(name)
    first = date.fromisoformat(str(told.dates[0]))
    market = Market(told.channels, first, 7, told.spend, told.outcome, told.controls, regions=told.regions)
    mix, took = fitted(market, (), settings)
    now = told.current
    grid = now[:, None] * np.linspace(1 - STEP, 1 + STEP, POINTS)
    best = _planned(grid, told.worth(grid), now)
    plan = _planned(grid, mix.response(grid).mean(axis=0), now)
    of = {"the plan": _score(told, plan), "unchanged (uniform scaling)": _score(told, now), "best": _score(told, best)}
    print(
        f"\n{name} business: {took:.0f} s; {doubts(mix)}; true outcome per week of constant budgets, steps +-{STEP:.0%}"
    )
    for what, worth in of.items():
        print(f"  {what:<28}{worth:>10.1f}{100 * worth / of['best']:>8.2f} %")
    print(f"  budgets over now, plan: {np.round(plan / now, 2)}\n                    best: {np.round(best / now, 2)}")
    share, still = of["the plan"] / of["best"], of["unchanged (uniform scaling)"] / of["best"]
    return [
        _least(f"{name} business: worth of the plan over that of the true optimum", share, 0.97),
        _least(f"{name} business: lead over uniform scaling", share - still, 0.0),
    ]


def _planned(grid: FloatArray, objective: FloatArray, now: FloatArray) -> FloatArray:
    total = Row("total", "the same total", np.ones(len(now)), float(now.sum()))
    return solve(Problem(grid, objective, {}, (total,))).spend


def _score(told: Panel, budget: FloatArray) -> float:
    return float(told.worth(budget[:, None]).sum())


def _most(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": float(value), "bar": bar, "holds": bool(value <= bar)}


def _least(name: str, value: float, bar: float) -> dict[str, object]:
    return {"name": name, "value": float(value), "bar": bar, "holds": bool(value >= bar)}


def main() -> None:
    """Fit, print the tables and the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the market with its confounder given, few draws")
    quick = parser.parse_args().quick
    if not DATA.is_dir():
        print(
            "skipped: ../shared/data is absent, and so is what the bars of the slow tier are measured on; they are open"
        )
        print(json.dumps({"bars": []}))
        return
    if quick:
        bars = returns(SHORT, ((),))
    else:
        bars = returns(FULL, ((), ("z",)))
        for name in ("small", "growing"):
            bars += recovery(name, FULL)
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
