"""Policies as values: from what is believed of the arms to the share of its group that each gets.

A platform that rotates ads by share shows each with that probability: the shares are the policy's propensities, to be
logged with what was shown (`assign`). A policy is small and holds no state; what it may look at is an `Outlook`. Shares
have shape (A,) and sum to 1 in each group. Limits on them (floors, steps, pins) are of `bandits.limits`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from bandits import thompson
from bandits.groups import FloatArray, Groups, IntArray
from bandits.posterior import Posterior

_DRAWN_AT_ONCE: Final = 2_000_000  # numbers held while drawing: 16 MB an array


class Joint(Protocol):
    """The joint posterior of A rates."""

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n joint draws, shape (n, A)."""
        ...

    def learnable(self, ahead: FloatArray) -> FloatArray:
        """Return the part of each variance that further exposure, shape (A,), would resolve, in [0, 1], shape (A,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The joint posterior of some of the arms, such as those that still run.

    Attributes:
        whole: The joint posterior of all.
        chosen: Which arms, shape (A,); B of them.
    """

    whole: Joint
    chosen: npt.NDArray[np.bool_]

    def draws(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return n joint draws, shape (n, B), n >= 1; by blocks, since the arms that are not chosen are drawn too."""
        block = max(1, _DRAWN_AT_ONCE // max(self.chosen.size, 1))
        sizes = [min(block, n - done) for done in range(0, n, block)]
        return np.concatenate([self.whole.draws(size, rng)[:, self.chosen] for size in sizes])

    def learnable(self, ahead: FloatArray) -> FloatArray:
        """Return what further exposure of these arms, and of no other, would resolve, shape (B,)."""
        spread = np.zeros(self.chosen.size)
        spread[self.chosen] = ahead
        return self.whole.learnable(spread)[self.chosen]


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What a policy may look at.

    Attributes:
        groups: Of the A arms.
        marginal: The posterior of each arm's rate.
        joint: The joint posterior that draws come from.
        daily: The exposure, counted at what it is worth, that an equal share of its group would give each arm in a
            day, shape (A,).

    Raises:
        ValueError: `daily` is not of shape (A,).
    """

    groups: Groups
    marginal: Posterior
    joint: Joint
    daily: FloatArray

    def __post_init__(self) -> None:
        if self.daily.shape != (self.groups.arms,):
            raise ValueError(f"daily must be of shape ({self.groups.arms},), not {self.daily.shape}")


class Policy(Protocol):
    """Shares from how often each arm wins among draws that are drawn towards the mean by a factor of the policy's."""

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return the factor on the posterior's sd in the draws whose winners are counted, in [0, 1], shape (A,) or ().

        1 counts the winners of posterior draws, 0 those by posterior mean.
        """
        ...

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return the shares, shape (A,), given how often each arm won, shape (A,), which sums to 1 in each group."""
        ...


@dataclass(frozen=True, slots=True)
class TemperedThompson:
    """Thompson's rule on draws with less than the posterior's spread: less, the less can be learnt in time.

    The sd of arm a is multiplied by c sqrt(r_a), with r_a the part of its variance that an equal share of its group's
    exposure would resolve over the horizon. What cannot be learnt in time is not worth exploring.

    Attributes:
        constant: c, in [0, 1]; 0 is greedy.
        horizon: Days over which learning is to pay, >= 0: about as long as a creative runs, or what is left of it.

    Raises:
        ValueError: One is out of its range.
    """

    constant: float = 0.4
    horizon: float = 14.0

    def __post_init__(self) -> None:
        _within("constant", self.constant, 0.0, 1.0)
        _within("horizon", self.horizon, 0.0, np.inf)

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return c sqrt(r), shape (A,)."""
        factor: FloatArray = self.constant * np.sqrt(outlook.joint.learnable(self.horizon * outlook.daily))
        return factor

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return the wins."""
        return wins


@dataclass(frozen=True, slots=True)
class Thompson:
    """An arm's share is the probability that it is the best: W. R. Thompson (1933), Biometrika 25, 285-294."""

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return 1: the posterior as it is."""
        return np.array(1.0)

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return the wins."""
        return wins


@dataclass(frozen=True, slots=True)
class TopTwo:
    """Top-two Thompson sampling: for finding out which arm is best, not for what it brings meanwhile.

    The best of a draw is chosen with probability beta, else the best of a further draw in which another arm is best:
    beta p_a + (1 - beta) p_a sum_{b != a} p_b / (1 - p_b) with p = P(best). D. Russo (2016), Simple Bayesian algorithms
    for best arm identification, COLT; (2020) Operations Research 68, 1625-1647. An arm that is the best in all draws
    would leave no challenger; so its group's P(best) is mixed with an equal share that counts as one draw.

    Attributes:
        beta: Probability of the draw's best, in (0, 1]; 1 is Thompson's rule.
        draws: Draws that the wins are counted over, >= 1.

    Raises:
        ValueError: One is out of its range.
    """

    beta: float = 0.5
    draws: int = 400

    def __post_init__(self) -> None:
        _within("beta", self.beta, 0.0, 1.0)
        if self.beta == 0 or self.draws < 1:
            raise ValueError(f"beta must be above 0 and draws at least 1, not {self.beta} and {self.draws}")

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return 1: the posterior as it is."""
        return np.array(1.0)

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return the probabilities of the two steps together."""
        groups = outlook.groups
        alone = groups.spread(groups.sizes.astype(np.float64)) == 1
        best = (self.draws * wins + thompson.uniform(groups)) / (self.draws + 1)
        odds = np.where(alone, 0.0, best / np.where(alone, 1.0, 1 - best))
        second = best * (groups.spread(groups.sum(odds)) - odds)
        return np.where(alone, 1.0, self.beta * best + (1 - self.beta) * second)


@dataclass(frozen=True, slots=True)
class EpsilonGreedy:
    """A part shared evenly, the rest to the arm with the largest posterior mean.

    Attributes:
        epsilon: The part, in [0, 1].

    Raises:
        ValueError: It is out of its range.
    """

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        _within("epsilon", self.epsilon, 0.0, 1.0)

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return 0: winners by mean."""
        return np.array(0.0)

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return the mixture."""
        return self.epsilon * thompson.uniform(outlook.groups) + (1 - self.epsilon) * wins


@dataclass(frozen=True, slots=True)
class UpperBound:
    """All to the arm with the largest upper quantile: Bayes-UCB of Kaufmann, Cappe and Garivier (2012), AISTATS 15.

    They let the quantile grow as 1 - 1/t with the rounds t; with one round a day and weeks to go a constant stands for
    it: .9 is that of the tenth.

    Attributes:
        quantile: In (.5, 1).

    Raises:
        ValueError: It is out of its range.
    """

    quantile: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 < self.quantile < 1:
            raise ValueError(f"quantile must be above 0.5 and below 1, not {self.quantile}")

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return 0: no draws are asked for."""
        return np.array(0.0)

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return 1 for the largest quantile of each group; arms that tie divide it."""
        high = outlook.marginal.interval(2 * self.quantile - 1)[1]
        return thompson.thompson(high[np.newaxis], outlook.groups)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every arm of a group the same share: an even rotation."""

    def temper(self, outlook: Outlook) -> FloatArray:
        """Return 0: no draws are asked for."""
        return np.array(0.0)

    def shares(self, outlook: Outlook, wins: FloatArray) -> FloatArray:
        """Return equal shares."""
        return thompson.uniform(outlook.groups)


class Rule(StrEnum):
    """The policies by the names that settings have for them."""

    TEMPERED = "tempered"
    THOMPSON = "thompson"
    TOP_TWO = "top-two"
    EPSILON_GREEDY = "epsilon-greedy"
    UPPER_BOUND = "upper-bound"
    UNIFORM = "uniform"

    def policy(self, horizon: float) -> Policy:
        """Return the policy with its usual parameters.

        Args:
            horizon: Days over which learning is to pay, >= 0; only `tempered` looks at it.

        Raises:
            ValueError: The horizon is negative or not finite.
        """
        makers: dict[Rule, Callable[[], Policy]] = {
            Rule.THOMPSON: Thompson,
            Rule.TOP_TWO: TopTwo,
            Rule.EPSILON_GREEDY: EpsilonGreedy,
            Rule.UPPER_BOUND: UpperBound,
            Rule.UNIFORM: Uniform,
        }
        tempered = TemperedThompson(horizon=horizon)
        return tempered if self is Rule.TEMPERED else makers[self]()


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """Shares, and what people read beside them.

    Attributes:
        share: What the policy gives each arm of its group, shape (A,).
        p_best: How often the arm is the best of its group over the same draws, shape (A,).
    """

    share: FloatArray
    p_best: FloatArray


def share_out(policy: Policy, outlook: Outlook, n: int, rng: np.random.Generator) -> Advice:
    """Return a policy's shares and P(best) from the same n draws, a block of them at a time so that memory is bounded.

    Args:
        policy: Which rule.
        outlook: What is believed.
        n: Joint draws, >= 1; the Monte Carlo error of P(best) is at most .5 / sqrt(n).
        rng: Drawn from.

    Raises:
        ValueError: n is below 1, or the policy's factor is not in [0, 1].
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    mean, groups, temper = outlook.marginal.mean, outlook.groups, np.asarray(policy.temper(outlook))
    p_best, wins = np.zeros_like(mean), np.zeros_like(mean)
    block = max(1, _DRAWN_AT_ONCE // max(mean.size, 1))
    for done in range(0, n, block):
        draws = outlook.joint.draws(min(block, n - done), rng)
        p_best += len(draws) * thompson.thompson(draws, groups)
        wins += len(draws) * thompson.tempered(draws, mean, groups, temper)
    return Advice(policy.shares(outlook, wins / n), p_best / n)


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Arms chosen at random by share, and what must be logged with each choice.

    Attributes:
        arm: The arm of each of N choices, an index into A, shape (N,).
        propensity: The probability with which it was chosen within its group, above 0, shape (N,).
    """

    arm: IntArray
    propensity: FloatArray


def assign(share: FloatArray, groups: Groups, asked: IntArray, rng: np.random.Generator) -> Assignment:
    """Choose an arm of its group for each of N requests, with the shares as probabilities.

    Args:
        share: Not negative, sums to 1 in each group, shape (A,).
        groups: Of the arms.
        asked: The position of each request's group, 0 to G - 1, shape (N,).
        rng: Drawn from, N numbers.

    Raises:
        ValueError: A share is negative or not finite, a group's do not sum to 1, or there is no such group.
    """
    total = groups.sum(share)
    if share.shape != (groups.arms,) or not (np.isfinite(share).all() and (share >= 0).all()):
        raise ValueError(f"share must be finite and not negative, of shape ({groups.arms},)")
    off = np.flatnonzero(np.abs(total - 1) > 1e-6)
    if off.size:
        raise ValueError(f"group {off[0]}: its shares sum to {total[off[0]]:g}, not to 1")
    if ((asked < 0) | (asked >= groups.starts.size)).any():
        raise ValueError(f"a request's group must be 0 to {groups.starts.size - 1}")
    end = np.cumsum(share)
    last = end[groups.starts + groups.sizes - 1]
    first = np.append(0.0, last[:-1])
    point = first[asked] + rng.random(asked.size) * (last - first)[asked]
    # Rounding may put a point on its group's end, which is the next group's: keep it below.
    arm = np.searchsorted(end, np.minimum(point, np.nextafter(last[asked], -np.inf)), side="right")
    return Assignment(arm.astype(np.int64), (share / groups.spread(total))[arm])


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (low <= value <= high and np.isfinite(value)):
        words = f"between {low:g} and {high:g}" if np.isfinite(high) else "finite and not negative"
        raise ValueError(f"{name} must be {words}, not {value}")
