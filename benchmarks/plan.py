"""How long `outlay plan` takes from process start, on a year of daily rows of 300 campaigns.

    python benchmarks/plan.py [--quick]

Baselines in the same run: a process that only imports what a plan needs, and one that starts Python and nothing
else. Every figure is the median over the runs; peak memory is the child process's own.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

SEED = 20260301
CAMPAIGNS = 300
DAYS = 365
TODAY = date(2026, 3, 1)
IMPORTS = "import numpy, scipy.optimize, pydantic, sqlmodel, alembic.command, pyarrow.csv, typer, rich.table"


@dataclass(frozen=True)
class Run:
    """One finished process: wall seconds, peak memory in megabytes, exit code."""

    seconds: float
    megabytes: float
    code: int


def run(command: list[str], folder: Path) -> Run:
    """Run a command to its end and measure it from outside."""
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    seconds, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
    if code not in (0, 2, 4):
        raise SystemExit(f"{command} failed with {code}:\n{output.decode(errors='replace')}")
    return Run(seconds, usage.ru_maxrss / 1024, code)


def write_world(folder: Path, campaigns: int, days: int) -> None:
    """Write a config.toml and a year of rows with concave responses, weekly season and noise."""
    rng = np.random.default_rng(SEED)
    scale, half = rng.lognormal(3, 0.6, campaigns), rng.lognormal(5, 0.5, campaigns)
    with (folder / "rows.csv").open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["date", "campaign_id", "spend", "clicks", "conversions", "daily_budget"])
        budget = np.round(rng.lognormal(5, 0.4, campaigns), 2)
        for back in range(days, 0, -1):
            day = TODAY - timedelta(days=back)
            if back % 14 == 0:
                budget = np.round(budget * rng.uniform(0.8, 1.25, campaigns), 2)
            spend = np.round(budget * rng.uniform(0.9, 1.05, campaigns), 2)
            mean = scale * spend / (spend + half) * (1.15 if day.weekday() < 5 else 0.8)
            got = rng.poisson(mean * rng.gamma(10, 0.1, campaigns))
            for k in range(campaigns):
                rows.writerow([day, f"c{k:03}", spend[k], got[k] * 22, got[k], budget[k]])
    (folder / "config.toml").write_text(
        '[portfolio]\ncurrency = "EUR"\ntime_zone = "Europe/Berlin"\n'
        '[connectors.shop]\nkind = "files"\nfolder = "."\npattern = "rows.csv"\naccount = "shop"\n'
        'currency = "EUR"\ntime_zone = "Europe/Berlin"\nchannel = "search"\n'
    )


def main() -> None:
    """Measure, print a table, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three runs of each instead of seven")
    runs = 3 if parser.parse_args().quick else 7
    outlay = [sys.executable, "-m", "optimizer.agent.cli"]
    plan = [*outlay, "plan", "--as-of", TODAY.isoformat(), "--seed", "1"]
    found: dict[str, list[Run]] = {name: [] for name in ("bare", "imports", "help", "first plan", "next plan")}
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as made:
        folder = Path(made)
        write_world(folder, CAMPAIGNS, DAYS)
        for _ in range(runs):
            found["bare"].append(run([sys.executable, "-c", "pass"], folder))
            found["imports"].append(run([sys.executable, "-c", IMPORTS], folder))
            found["help"].append(run([*outlay, "--help"], folder))
            for left in (folder / ".outlay").glob("*"):
                left.unlink()
            found["first plan"].append(run(plan, folder))
            found["next plan"].append(run(plan, folder))
    print(f"seed {SEED}, {CAMPAIGNS} campaigns x {DAYS} days, {runs} runs each, medians")
    print(f"{'process':<12}{'seconds':>9}{'x imports':>11}{'peak MB':>9}")
    middle = {name: statistics.median(r.seconds for r in each) for name, each in found.items()}
    for name, each in found.items():
        print(f"{name:<12}{middle[name]:>9.2f}{middle[name] / middle['imports']:>11.2f}"
              f"{statistics.median(r.megabytes for r in each):>9.0f}")  # fmt: skip
    peak = max(r.megabytes for name in ("first plan", "next plan") for r in found[name])
    bars = [
        ("plan, 300 campaigns x 365 days, from process start, seconds", middle["first plan"], 5.0),
        ("plan, peak memory, MB", peak, 500.0),
        ("outlay --help, seconds", middle["help"], 0.5),
    ]
    rows = [{"name": n, "value": round(v, 3), "bar": f"< {b:g}", "holds": v < b} for n, v, b in bars]
    print(json.dumps({"bars": rows}))
    sys.exit(0 if all(bar["holds"] for bar in rows) else 1)


if __name__ == "__main__":
    main()
