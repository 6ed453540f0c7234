"""Meta at hand for the benchmark of connectors on the wire: an emulated account, and a connector that speaks to it."""

from __future__ import annotations

import os
from pathlib import Path

from connectors.contract import BuildContext, Connector
from connectors.meta import build
from simulations.emulators.account import Account
from simulations.emulators.faults import Faults
from simulations.emulators.meta import MetaEmulator, Options
from simulations.emulators.registry import Setup
from simulations.emulators.serving import Emulator

_SECRET = "OUTLAY_BENCH_SECRET"


def meta(account: Account, faults: Faults) -> tuple[Emulator, Connector]:
    """Return the emulator and a connector to it; budgets may be changed more than four times an hour."""
    emulator = MetaEmulator(Setup(account, faults), Options(budget_changes_an_hour=None))
    os.environ[_SECRET] = "EAAnothing-secret"
    settings = {
        "accounts": [str(account.account_id)],
        "access_token": {"env": _SECRET},
        "base_url": emulator.address,
        "page_rows": 50,
        "attempts": 60,
    }
    return emulator, build(BuildContext("meta", settings, Path(), clock=lambda: account.now))
