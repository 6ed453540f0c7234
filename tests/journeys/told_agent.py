"""`outlay run` on a clock that a file tells, and with seeds of decisions drawn from a given one; all else is its own.

python tests/journeys/told_agent.py CONFIG CLOCK SEED
"""

from __future__ import annotations

import sys
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from optimizer.agent import cycle
from optimizer.agent.cli.app import app

config, clock, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
served, rng = import_module("optimizer.agent.daemon.serve"), np.random.default_rng(seed)


class Told(served._Clock):
    """The time of the file; it waits as the agent's own clock does."""

    def now(self) -> datetime:
        return datetime.fromisoformat(clock.read_text(encoding="utf-8"))


served._Clock = Told
cycle.secrets = SimpleNamespace(randbits=lambda bits: int(rng.integers(2**bits)))
app(["run", "-c", config])
