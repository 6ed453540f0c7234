"""A process of benchmarks/wire.py: makes rows in place and takes them into a new store, the baseline of reading.

    python benchmarks/wire_make.py ADS DAYS FOLDER

Prints how many there were, and processor seconds.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, date, datetime, timedelta

from connectors.contract import Account, PerformanceRow, Series
from optimizer.agent.store import open_sql


def main(ads: int, days: int, folder: str) -> None:
    """Make, take in, and tell."""
    account, start, at = Account("made", "1", "EUR", "UTC"), date(2025, 1, 1), datetime(2026, 6, 1, tzinfo=UTC)
    series = [Series(account, f"c{n % 300}", "search", f"g{n % 900}", f"a{n}") for n in range(ads)]
    store = open_sql(f"sqlite:///{folder}/made.sqlite")
    spent = time.process_time()
    rows = (
        PerformanceRow(one, start + timedelta(day), number * day, number, number, number * 10**6, number, at)
        for day in range(days)
        for number, one in enumerate(series)
    )
    print(json.dumps([store.ingest(rows).new, time.process_time() - spent]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
