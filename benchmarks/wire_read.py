"""A process of benchmarks/wire.py: reads an account of Google Ads into a new store.

    python benchmarks/wire_read.py SETTINGS START DAYS FOLDER

Prints rows, wall seconds, processor seconds, peak memory in MB, and spend in micros. It loads what reading needs and no
more, since its memory is measured.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from connectors.contract import BuildContext, PerformanceRow
from connectors.google import build
from optimizer.agent.store import open_sql


def main(settings: dict[str, Any], start: date, days: int, folder: str) -> None:
    """Read, and tell."""
    spend = 0
    store = open_sql(f"sqlite:///{folder}/outlay.sqlite")
    began, spent = time.perf_counter(), time.process_time()
    connector = build(BuildContext("google", settings, Path()))

    def rows() -> Iterator[PerformanceRow]:
        nonlocal spend
        for row in connector.pull(start, start + timedelta(days=days)):
            spend += row.spend_micros
            yield row

    taken = store.ingest(rows()).new
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([taken, time.perf_counter() - began, time.process_time() - spent, peak, spend]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), date.fromisoformat(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
