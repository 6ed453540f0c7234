"""A process of benchmarks/wire.py: serves Google Ads over a market until a line is read.

    python benchmarks/wire_serve.py SEED START DAYS

Prints how to reach it with the rows and the spend of its books, and at the end the processor seconds of serving.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import date

from simulations.emulators.account import Account
from simulations.emulators.google import GoogleEmulator, Traits
from simulations.emulators.registry import Setup
from simulations.scenarios import named


def main(seed: int, start: date, days: int) -> None:
    """Serve, and tell."""
    scenario = named("wide-300", history_days=days, horizon_days=max(days + 1, 120))
    account = Account(scenario, seed=seed, start=start)
    rows = sum(line.kind == 0 for line in account.lines(start, date.max))
    spend = sum(line.spend for line in account.lines(start, date.max))
    with GoogleEmulator(Setup(account), Traits(operations_per_day=None)) as emulator:
        before = _seconds()
        reach = [account.account_id, emulator.address, emulator.token_uri, emulator.environment]
        print(json.dumps([*reach, rows, spend]), flush=True)
        sys.stdin.readline()
        print(json.dumps(_seconds() - before), flush=True)


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]), date.fromisoformat(sys.argv[2]), int(sys.argv[3]))
