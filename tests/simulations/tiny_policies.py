"""Policies for tests: each does one thing, in whatever process."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np

from simulations.policies.contract import MakePolicy, Proposal, Seen, Setting
from simulations.runs.record import RunSpec
from simulations.scenarios import named

START = date(2025, 9, 1)
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Keep:
    """Leaves everything as it is."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        del rng
        return Proposal(seen.live, why=f"day {seen.today}: nothing to do")


@dataclass(frozen=True)
class Wander:
    """A random feasible move, with intervals around what was last reported."""

    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        bounds = self.setting.bounds
        step = min(bounds.step, 0.2)
        wanted = np.clip(seen.live * rng.uniform(1 - step, 1 + step, seen.live.size), bounds.lower, bounds.upper)
        wanted = np.maximum(wanted * min(1.0, bounds.total / wanted.sum()), bounds.lower)
        known = seen.conversions[:, -1] if seen.today else np.zeros(seen.live.size)
        return Proposal(wanted, known - 3.0, known + 3.0, "a walk")


@dataclass(frozen=True)
class Hold:
    """Leaves everything as it is, but says that it has begun, and waits for a file before it does."""

    folder: Path
    setting: Setting

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposal:
        del rng
        (self.folder / f"{os.getpid()}.at-work").touch()
        until = time.monotonic() + PATIENCE_SECONDS
        while not (self.folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.01)
        return Proposal(seen.live, why="held")


def makes(folder: Path) -> dict[str, MakePolicy]:
    """The policies of `small_run`; one of them waits for a file in the folder."""
    return {"keep": Keep, "wander": Wander, "hold": partial(Hold, folder)}


def small_run(seeds: int = 3, days: int = 15) -> RunSpec:
    """A run of the tiny scenario."""
    return RunSpec(
        named("tiny-yen"), ("keep", "wander", "hold"), tuple(range(1, seeds + 1)), days, START, "value", "v1"
    )


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file of a run but those that differ from run to run."""
    files = (path for path in folder.rglob("*.json") if not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
