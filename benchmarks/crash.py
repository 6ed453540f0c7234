"""Kill the agent, the real one, at every point of a write; print what that did to budgets, beside a naive agent.

    python benchmarks/crash.py            10,000 kills
    python benchmarks/crash.py --quick    60 kills

Each kill is a SIGKILL of a process that was forked with the imports loaded and runs the agent's desk on its own store
against a platform over HTTP on loopback, which loses answers, delays, repeats and throttles (tests/crash).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.crash.campaign import KINDS, Campaign, NaiveCampaign, PlainCampaign, Tally
from tests.crash.worker import POINTS

SEED = 11


def main() -> int:
    """Run, print, and return 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kills", type=int, default=None)
    words = parser.parse_args()
    kills = words.kills or (60 if words.quick else 10_000)
    began = time.perf_counter()
    tally = _side_by_side(kills)
    seconds = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        naive = NaiveCampaign(Path(folder) / "shop", SEED).run(min(500, max(40, kills // 8)))
        plain = PlainCampaign(Path(folder) / "plain", SEED).run(max(kills // 20, 10))
    _print(tally, naive, seconds)
    print(f"where the platform compares nothing: {plain.kills.total():,} kills, {plain.effects:,} budgets set")
    bars = [{"name": kind, "value": len(tally.wrong[kind]), "bar": 0, "holds": not tally.wrong[kind]} for kind in KINDS]
    alone = sum(map(len, plain.wrong.values()))
    words = "breaches where the platform compares nothing"
    bars.append({"name": words, "value": alone, "bar": 0, "holds": not alone})
    least, asked = min(tally.kills[point] for point in POINTS), min(200, kills // 50)
    bars.append({"name": "kills at the point hit least", "value": least, "bar": asked, "holds": least >= asked})
    caught = sum(map(len, naive.wrong.values()))
    bars.append({"name": "breaches of the naive agent", "value": caught, "bar": "> 0", "holds": caught > 0})
    print(json.dumps({"bars": bars}))
    return 0 if all(bar["holds"] for bar in bars) else 1


def _side_by_side(kills: int) -> Tally:
    """Two campaigns in processes of their own; no threads, since each forks."""
    fork, tally = get_context("fork"), Tally()
    pipes = []
    for part in range(2):
        here, there = fork.Pipe()
        child = fork.Process(target=_one, args=(SEED + part, kills // 2, there))
        child.start()
        pipes.append((child, here))
    for child, here in pipes:
        tally.add(here.recv())
        child.join()
    return tally


def _one(seed: int, kills: int, there: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        there.send(Campaign(Path(folder) / "shop", seed).run(kills))


def _print(tally: Tally, naive: Tally, seconds: float) -> None:
    print(
        f"{tally.kills.total():,} kills in {seconds:,.0f} s (seeds {SEED} and {SEED + 1}); plans: {dict(tally.plans)}"
    )
    print(f"{tally.effects:,} budgets set, {tally.edits:,} edits by people in between")
    for point, count in tally.kills.most_common():
        print(f"  {point:32s} {count:6,d}")
    print(f"{'':28s}{'agent':>8s}{'naive':>8s}")
    for kind in KINDS:
        print(f"{kind:28s}{len(tally.wrong[kind]):8,d}{len(naive.wrong[kind]):8,d}")
    print(f"(naive: {naive.kills.total():,} kills, {naive.effects:,} budgets set)")


if __name__ == "__main__":
    sys.exit(main())
