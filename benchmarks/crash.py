"""Kill the agent, the real one, at every point of a write; print what that did to budgets, beside a naive agent.

    python benchmarks/crash.py              10,000 kills
    python benchmarks/crash.py --kills N    so many; with --minutes M as many of them as fit into that time
    python benchmarks/crash.py --quick      60 kills

Each kill is a SIGKILL of a process that was forked with the imports loaded and runs the agent's desk on its own store
against a platform over HTTP on loopback, which loses answers, delays, repeats and throttles (tests/crash). Half of them
hit an agent over an SQLite file, half one over a PostgreSQL server: that of OUTLAY_TEST_POSTGRES, or one that is
started for it; where there can be none, all hit SQLite, and the output says so.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._bars import Bar, above, ended, least, none
from tests.crash.campaign import KINDS, Campaign, NaiveCampaign, PlainCampaign, Tally, quick_folder
from tests.crash.worker import POINTS
from tests.postgres_server import new_database, server_if_any

SEED = 11
WORKERS = 6  # more than cores: while one waits for an answer that was lost, another is killed
SQLITE, POSTGRES, PLAIN, NAIVE = "SQLite", "PostgreSQL", "nothing compared", "naive"


@dataclass(frozen=True, slots=True)
class Part:
    """One campaign; `address` is that of a server, where the agent's store is to be on one."""

    arm: str
    kind: type[Campaign]
    seed: int
    kills: int
    address: str | None = None
    seconds: float = math.inf


def parts(kills: int, address: str | None, seconds: float) -> list[Part]:
    """Share the kills out: half to each kind of store, each half in two, and some to the other arms."""
    stores = [(SQLITE, None)] if address is None else [(SQLITE, None), (POSTGRES, address)]
    each = -(-kills // (2 * len(stores)))
    told = [Part(arm, Campaign, SEED + n, each, where, seconds) for n in range(2) for arm, where in stores]
    naive = Part(NAIVE, NaiveCampaign, SEED, min(500, max(40, kills // 8)), None, seconds)
    return [*told, Part(PLAIN, PlainCampaign, SEED, max(kills // 20, 10), None, seconds), naive]


def run(part: Part) -> Tally:
    """Run one campaign in a process that has no other thread, since it forks."""
    with tempfile.TemporaryDirectory(dir=quick_folder()) as folder, _place(part) as url:
        return part.kind(Path(folder) / "shop", part.seed, url).run(part.kills, part.seconds)


@contextmanager
def _place(part: Part) -> Iterator[str | None]:
    if part.address is None:
        yield None
        return
    with new_database(part.address, f"crash{part.seed}") as url:
        yield url


def side_by_side(given: Sequence[Part]) -> dict[str, Tally]:
    """Run the parts, as many at a time as there are workers; return what came of each arm."""
    found: dict[str, Tally] = {}
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("fork")) as pool:
        running: list[tuple[Part, Future[Tally]]] = [(part, pool.submit(run, part)) for part in given]
        for part, future in running:
            found.setdefault(part.arm, Tally()).add(future.result())
    return found


def main() -> int:
    """Run, print, and return 1 if a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kills", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=math.inf)
    words = parser.parse_args()
    kills = words.kills or (60 if words.quick else 10_000)
    began = time.perf_counter()
    with server_if_any() as address:
        found = side_by_side(parts(kills, address, words.minutes * 60))
    report(found, time.perf_counter() - began)
    return ended(judged(found, kills, all_asked=math.isinf(words.minutes)))


def judged(found: dict[str, Tally], kills: int, *, all_asked: bool) -> list[Bar]:
    """Return the bars: none of the agent's arms broke anything, each point was hit, and the naive agent was caught.

    Args:
        found: What came of each arm.
        kills: How many were asked for.
        all_asked: Whether they were to be so many however long that took; if not, those count that fitted in.
    """
    agent = real(found)
    bars = [none(kind, len(agent.wrong[kind])) for kind in KINDS]
    bars.append(none("breaches where the platform compares nothing", sum(map(len, found[PLAIN].wrong.values()))))
    asked = kills if all_asked else agent.kills.total()
    bars.append(least("kills", agent.kills.total(), max(asked, 1)))
    hit = min(agent.kills[point] for point in POINTS)
    bars.append(least("kills at the point hit least", hit, min(200, asked // 50)))
    bars.append(above("breaches of the naive agent", sum(map(len, found[NAIVE].wrong.values())), 0))
    return bars


def real(found: dict[str, Tally]) -> Tally:
    """Return what came of the agent over both kinds of store."""
    tally = Tally()
    for arm in (SQLITE, POSTGRES):
        tally.add(found.get(arm, Tally()))
    return tally


def report(found: dict[str, Tally], seconds: float) -> None:
    """Print the figures."""
    agent = real(found)
    print(f"{agent.kills.total():,} kills in {seconds:,.0f} s, seeds {SEED} and {SEED + 1} for each kind of store")
    if POSTGRES not in found:
        print("no PostgreSQL server here: all of them over SQLite")
    arms = [arm for arm in (SQLITE, POSTGRES, PLAIN, NAIVE) if arm in found]
    print(f"{'':38s}" + "".join(f"{arm:>18s}" for arm in arms))
    rows = {
        "kills": [found[arm].kills.total() for arm in arms],
        "plans": [found[arm].plans.total() for arm in arms],
        "budgets set": [found[arm].effects for arm in arms],
        "edits by people in between": [found[arm].edits for arm in arms],
        **{f"killed at {point}": [found[arm].kills[point] for arm in arms] for point in (*POINTS, "any moment")},
        **{kind: [len(found[arm].wrong[kind]) for arm in arms] for kind in KINDS},
    }
    for name, values in rows.items():
        print(f"{name:38s}" + "".join(f"{value:18,d}" for value in values))
    print(f"how the plans ended: {dict(agent.plans)}")
    for kind, told in agent.wrong.items():
        for words in told[:3]:
            print(f"  {kind}: {words}")


if __name__ == "__main__":
    sys.exit(main())
