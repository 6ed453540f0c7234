"""Whether a large export streams: from a CSV file through the files connector into the store, in bounded memory.

    python benchmarks/files.py [--quick]

Writes one ad-level CSV of 2 GB (--quick: 300 MB) and one of a tenth of that into a temporary folder, and takes each
through `outlay`'s own pull in a process of its own. Baseline in the same run: a process that reads the large file with
the standard library's csv module and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

SEED = 20260304
ADS = 20_000
FIRST = date(2023, 1, 1)

TAKE = """
import sys
from datetime import date
from pathlib import Path
from connectors.contract import BuildContext
from connectors.files import build
from optimizer.agent.store import open_sql
folder = Path(sys.argv[1])
settings = dict(folder=".", currency="EUR", time_zone="Europe/Berlin")
store = open_sql(f"sqlite:///{folder / 'outlay.sqlite'}")
print(store.ingest(build(BuildContext("shop", settings, folder)).pull(date(2020, 1, 1), date(2030, 1, 1))).new)
"""
READ = """
import csv, sys
from pathlib import Path
with next(Path(sys.argv[1]).glob("*.csv")).open(newline="") as lines:
    print(sum(1 for _ in csv.DictReader(lines)))
"""


@dataclass(frozen=True)
class Run:
    """One finished process."""

    rows: int
    seconds: float
    megabytes: float


def run(program: str, folder: Path) -> Run:
    """Run a Python program on a folder and measure it from outside."""
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE)
    output = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"the process failed: {output.decode(errors='replace')}")
    return Run(int(output), time.perf_counter() - began, usage.ru_maxrss / 1024)


def write_export(folder: Path, size: int) -> int:
    """Write an ad-level CSV of about `size` bytes and return how many rows it has."""
    rng = np.random.default_rng(SEED)
    rows = 0
    with (folder / "ads.csv").open("w") as out:
        out.write("date_day,platform,account_id,campaign_id,ad_group_id,ad_id,clicks,impressions,spend,conversions\n")
        day = FIRST
        while out.tell() < size:
            cents, seen = rng.integers(1, 10**5, ADS), rng.integers(100, 10**5, ADS)
            lines = [
                f"{day},Google Ads,ACC001,CAM{k % 400:06d},AG{k % 4000:07d},AD{k:010d},"
                f"{n // 40},{n},{c / 100:.2f},{c % 9}\n"
                for k, (c, n) in enumerate(zip(cents.tolist(), seen.tolist(), strict=True))
            ]
            out.writelines(lines)
            rows += ADS
            day += timedelta(days=1)
    return rows


def main() -> None:
    """Measure, print a table, then the bars as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 MB instead of 2 GB")
    size = 3 * 10**8 if parser.parse_args().quick else 2 * 10**9
    found: dict[str, Run] = {}
    with tempfile.TemporaryDirectory(prefix="outlay-bench-") as made:
        for name, bytes_ in (("a tenth", size // 10), ("whole", size)):
            folder = Path(made) / name.replace(" ", "-")
            folder.mkdir()
            rows = write_export(folder, bytes_)
            found[name] = run(TAKE, folder)
            if found[name].rows != rows:
                raise SystemExit(f"{rows} rows were written, {found[name].rows} arrived")
        found["csv module"] = run(READ, folder)
    print(f"seed {SEED}, {size / 1e6:,.0f} MB, {ADS} ads")
    print(f"{'':<12}{'rows':>12}{'seconds':>9}{'rows/s':>10}{'peak MB':>9}")
    for name, each in found.items():
        print(f"{name:<12}{each.rows:>12,}{each.seconds:>9.1f}{each.rows / each.seconds:>10,.0f}{each.megabytes:>9.0f}")
    growth = found["whole"].megabytes / found["a tenth"].megabytes
    print(f"into the store / only read by the csv module: {found['whole'].seconds / found['csv module'].seconds:.1f} x")
    bars = [
        ("peak memory of the whole file, MB", found["whole"].megabytes, 500.0),
        ("peak memory, whole file / a tenth of it", growth, 1.5),
    ]
    rows_ = [{"name": n, "value": round(v, 2), "bar": f"< {b:g}", "holds": v < b} for n, v, b in bars]
    print(json.dumps({"bars": rows_}))
    sys.exit(0 if all(bar["holds"] for bar in rows_) else 1)


if __name__ == "__main__":
    main()
