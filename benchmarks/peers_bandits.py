"""MABWiser's and bayesianbandits' policies in the worlds of `bandits.py`, beside Outlay, and how fast each is.

    make peers && .venv-peers/bin/python benchmarks/peers_bandits.py [--quick]

Needs the environment of `peers.lock`. Every library plays the same tests: one bandit a test, told each evening of the
impressions and clicks of the day (whole impressions: what a share comes to is rounded at random), asked in the
morning for a number of choices, whose counts are the shares of the day. MABWiser: Thompson sampling, epsilon-greedy
at .1 and UCB1 with its default alpha of 1 and with .05; bayesianbandits: Thompson sampling on its Beta-Bernoulli
learner, told weighted outcomes. It is slower than the rest by so much that it plays fewer tests, and Outlay plays
those again beside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # before this folder, where bandits.py hides the package

from bandits import pooling, thompson
from bandits.belief import BanditSettings
from bandits.evidence import gather
from bandits.groups import FloatArray, Groups, IntArray

ASKED = 20  # choices a day whose counts are a library's shares
ARMS, GROUPS, SHOWN = 10_000, 100, 10  # of the speed test; impressions an arm a day


class Peer(Protocol):
    """One bandit of a library over a test's arms."""

    def learn(self, shown: IntArray, clicked: IntArray) -> None:
        """Take a day's impressions and clicks by arm, shape (A,) each."""
        ...

    def choices(self, n: int) -> IntArray:
        """Return n choices, shape (n,)."""
        ...


class MabWiser:
    """`mabwiser.mab.MAB`."""

    def __init__(self, arms: int, rule: Any, seed: int) -> None:
        from mabwiser.mab import MAB  # noqa: PLC0415 - only the peers' environment has it

        self.bandit, self.begun = MAB(list(range(arms)), rule, seed=seed), False

    def learn(self, shown: IntArray, clicked: IntArray) -> None:
        """Take a day, a row an impression."""
        arms = np.arange(shown.size)
        decisions = np.concatenate([np.repeat(arms, clicked), np.repeat(arms, shown - clicked)])
        rewards = np.repeat([1, 0], [clicked.sum(), (shown - clicked).sum()])
        (self.bandit.partial_fit if self.begun else self.bandit.fit)(decisions, rewards)
        self.begun = True

    def choices(self, n: int) -> IntArray:
        """Return n choices."""
        return np.array(self.bandit.predict(np.zeros((n, 1))))


class Bayesian:
    """`bayesianbandits.ContextualAgent` with a constant context, since it chooses for many rows at once."""

    def __init__(self, arms: int, seed: int) -> None:
        import bayesianbandits as peer  # noqa: PLC0415 - only the peers' environment has it

        made = [
            peer.Arm(arm, reward_function=_second, learner=peer.DirichletClassifier({0: 1.0, 1: 1.0}))
            for arm in range(arms)
        ]
        self.agent = peer.ContextualAgent(made, peer.ThompsonSampling(), random_seed=seed)

    def learn(self, shown: IntArray, clicked: IntArray) -> None:
        """Take a day, two weighted outcomes an arm."""
        for arm in np.flatnonzero(shown):
            weight = np.array([shown[arm] - clicked[arm], clicked[arm]], dtype=np.float64)
            self.agent.select_for_update(int(arm)).update(np.ones((2, 1)), np.array([0, 1]), sample_weight=weight)

    def choices(self, n: int) -> IntArray:
        """Return n choices."""
        return np.array(self.agent.pull(np.ones((n, 1))))


def _second(samples: FloatArray) -> FloatArray:
    """The probability of a click, of those of the two outcomes."""
    return samples[..., 1]


class Morning:
    """A policy of `bandits.py` that keeps one bandit of a library for each test and is fed day by day."""

    def __init__(self, make: Callable[[int, int], Peer]) -> None:
        self.make = make
        self.bandits: list[Peer] = []

    def __call__(self, h: Any) -> FloatArray:
        """Tell each bandit of the day, and return its shares of the next."""
        groups: Groups = h.groups
        if h.exposure.shape[1] == 1:  # the first evening of a world
            self.bandits = [self.make(int(size), g) for g, size in enumerate(groups.sizes)]
        shown = np.floor(h.exposure[:, -1] + h.rng.random(groups.arms)).astype(np.int64)
        clicked = h.successes[:, -1].astype(np.int64)
        shown, share = np.maximum(shown, clicked), np.zeros(groups.arms)
        for bandit, start, size in zip(self.bandits, groups.starts, groups.sizes, strict=True):
            own = slice(start, start + size)
            bandit.learn(shown[own], clicked[own])
            share[own] = np.bincount(bandit.choices(ASKED), minlength=size) / ASKED
        return share


def makers() -> dict[str, Callable[[int, int], Peer]]:
    """The libraries' policies by name."""
    from mabwiser.mab import LearningPolicy  # noqa: PLC0415 - only the peers' environment has it

    rules = {
        "MABWiser Thompson": LearningPolicy.ThompsonSampling(),
        "MABWiser epsilon .1": LearningPolicy.EpsilonGreedy(epsilon=0.1),
        "MABWiser UCB1": LearningPolicy.UCB1(alpha=1),
        "MABWiser UCB1 .05": LearningPolicy.UCB1(alpha=0.05),
    }
    found: dict[str, Callable[[int, int], Peer]] = {
        name: lambda arms, seed, rule=rule: MabWiser(arms, rule, seed) for name, rule in rules.items()
    }
    return found | {SLOW: Bayesian}


SLOW = "bayesianbandits Thompson"


def worlds() -> ModuleType:
    """The other benchmark as a module; its file bears the package's name."""
    spec = importlib.util.spec_from_file_location("bandit_worlds", Path(__file__).with_name("bandits.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def compare(game: ModuleType, names: list[str], tests: int, seeds: list[int]) -> list[dict[str, object]]:
    """Print a table of the libraries and Outlay on the same tests; return the bars: ahead of each in every row."""
    made = makers()
    policies = {name: Morning(made[name]) for name in names} | {game.ADVISED: game.outlay(BanditSettings())}
    played = game.table(policies, tests, seeds, game.WITHIN)
    leads = game.leads_over(played[game.ADVISED], {name: played[name] for name in names})
    bars: list[dict[str, object]] = []
    for volume, each in zip(game.VOLUMES, leads, strict=True):
        for name, lead in each.items():
            words = f"points over {name} at {volume} a day: ahead (paired SE {lead.error:.1f})"
            bars.append({"name": words, "value": round(lead.points, 2), "bar": 0.0, "holds": lead.points > 0})
    return bars


def speed(quick: bool) -> None:
    """Print processor seconds of a day's update and of a choice for each of 100 campaigns of 100 arms."""
    rng = np.random.default_rng(5)
    shown = np.full(ARMS, SHOWN)
    clicked = rng.binomial(shown, 0.018)
    groups = Groups.of(np.arange(ARMS) * GROUPS // ARMS)
    print(f"\nProcessor seconds at {ARMS:,} arms in {GROUPS} campaigns, {SHOWN} impressions an arm")
    print(f"{'':<34}{'a day learnt':>14}{'a choice each':>15}{'times Outlay':>22}")

    def learn() -> pooling.PooledRates:
        day = (shown[:, None].astype(np.float64), clicked[:, None].astype(np.float64))
        evidence = gather(*day, age=np.zeros(1), maturity=np.ones(1), gamma=0.99)
        return pooling.condition(evidence, groups, pooling.Pool(-4.0, 0.7, 16.0))

    rates = learn()
    own = np.array([_seconds(learn, 11), _seconds(lambda: thompson.thompson(rates.draws(1, rng), groups), 11)])
    print(f"{'Outlay':<34}{own[0]:>14.4f}{own[1]:>15.4f}")
    made = makers()
    for name in ("MABWiser Thompson", *(() if quick else (SLOW,))):
        size = ARMS // GROUPS
        bandits = [made[name](size, g) for g in range(GROUPS)]
        starts = range(0, ARMS, size)

        def tell(all_of: list[Peer] = bandits, starts: range = starts, size: int = size) -> None:
            for bandit, start in zip(all_of, starts, strict=True):
                bandit.learn(shown[start : start + size], clicked[start : start + size])

        def choose(all_of: list[Peer] = bandits) -> None:
            for bandit in all_of:
                bandit.choices(2)

        took = np.array([_seconds(tell, 1), _seconds(choose, 1)])
        print(
            f"{name:<34}{took[0]:>14.4f}{took[1]:>15.4f}{took[0] / own[0]:>12.0f}{took[1] / own[1]:>10.0f}", flush=True
        )


def _seconds(step: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def main() -> None:
    """Play, time, and print the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few tests, under 50 s")
    quick = parser.parse_args().quick
    missing = [name for name in ("mabwiser", "bayesianbandits") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: {', '.join(missing)} not in this environment; `make peers` makes one that has them")
        print(json.dumps({"bars": []}))
        return
    warnings.filterwarnings("ignore")
    game = worlds()
    many, few = (20, 3) if quick else (100, 25)
    seeds = game.JUDGED[:1] if quick else game.JUDGED
    fast = [name for name in makers() if name != SLOW]
    bars = compare(game, fast, many, seeds) + compare(game, [SLOW], few, seeds)
    speed(quick)
    if quick:
        bars = []  # too few tests to say who is ahead
    print(json.dumps({"bars": bars}))
    sys.exit(0 if all(bar["holds"] for bar in bars) else 1)


if __name__ == "__main__":
    main()
