"""Risk aversion: the best plan by the mean and by the mean of its worst outcomes, over posterior draws.

    maximise  (1 - w) objective(x) + w CVaR_a( sum_k draw_sk(x_k) )

CVaR_a is the mean over the worst share a of the draws (Rockafellar and Uryasev 2000, "Optimization of conditional
value-at-risk", Journal of Risk 2). Its dual form is a minimum over weights of the draws, 0 <= pi_s <= 1 / (a S) and
sum pi = 1 (Artzner, Delbaen, Eber and Heath 1999, "Coherent measures of risk", Mathematical Finance 9): at fixed
weights the problem is the usual one over the reweighted mean curve, and whatever the weights, its bound is a bound
here. A linear programme mixes the plans met so far, part by part of the portfolio, to the best mean and tail; its
multipliers are the next weights (Dantzig-Wolfe again, with the draws as rows).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from optimizer.allocate.solver import TOLERANCE, certified, kept, solve
from optimizer.allocate.tables import between, locate
from optimizer.plan.problem import Allocation, Problem
from optimizer.plan.snapshot import FloatArray, IntArray

ROUNDS: Final = 25
PARTS: Final = 12
_PENALTY: Final = 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Risk:
    """What of the uncertainty counts against a plan.

    Attributes:
        draws: The objective of every target at every grid point in each of S posterior draws, shape (S, K, P).
        aversion: w, 0 to 1: the weight of the tail against the mean.
        tail: a, above 0 and at most 1: which share of the draws, worst first, is the tail.

    Raises:
        ValueError: A number lies outside of its range, or a draw is not finite.
    """

    draws: FloatArray
    aversion: float
    tail: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.aversion <= 1.0 and 0.0 < self.tail <= 1.0):
            raise ValueError(f"aversion {self.aversion} lies within 0 and 1, tail {self.tail} above 0 and at most 1")
        if self.draws.ndim != 3 or not len(self.draws):
            raise ValueError(f"draws must be (S, K, P) with one at least, not {self.draws.shape}")
        if not (np.isfinite(self.draws.min()) and np.isfinite(self.draws.max())):
            raise ValueError("draws must be finite")

    @property
    def cap(self) -> float:
        """The largest weight of a draw in the tail's mean."""
        return 1.0 / (self.tail * len(self.draws))

    def outcomes(self, left: IntArray, share: FloatArray) -> FloatArray:
        """Return what each target brings in each draw at located spends, shape (S, K)."""
        brought: FloatArray = np.stack([between(draw, left, share) for draw in self.draws])
        return brought


def tail_mean(outcomes: FloatArray, tail: float) -> float:
    """Return the mean over the worst share `tail` of equally likely outcomes, shape (S,); a part of one counts so."""
    count = tail * len(outcomes)
    weight = np.clip(count - np.arange(len(outcomes)), 0.0, 1.0)
    return float(np.sort(outcomes) @ weight / count)


def solve_averse(problem: Problem, risk: Risk) -> Allocation:
    """Find the plan with the largest (1 - w) objective + w CVaR over the draws, and prove how near it is to the best.

    The proof is exact for the draws given: they stand in for the posterior, and more of them stand nearer to it. On
    curves that are not concave a gap may remain that more rounds do not close; it is stated. `value`, `upper_bound`
    and `prices` are in terms of what is maximised here. A collision is told as `solve` tells it.

    Raises:
        ValueError: The draws do not fit the problem, or `solve` refuses it.
    """
    if risk.draws.shape[1:] != problem.grid.shape:
        raise ValueError(f"draws {risk.draws.shape} need a number for every grid point {problem.grid.shape}")
    weights = np.full(len(risk.draws), 1.0 / len(risk.draws))
    met, best, bound, centre, rounds = _Met.none(problem, risk), None, None, weights, 0
    for _ in range(ROUNDS):
        answer = solve(_reweighted(problem, risk, weights))
        if answer.collision is not None:
            return answer
        rounds += answer.rounds
        if bound is None or answer.upper_bound < bound.upper_bound:
            bound, centre = answer, weights
        met = met.and_plan(answer.spend)
        mixed, multipliers = met.mixture()
        for spend in (answer.spend, mixed):
            value = _value(problem, risk, spend)
            if kept(problem, spend) and (best is None or value > best[1]):
                best = (spend, value)
        if best is not None and bound.upper_bound - best[1] <= TOLERANCE * max(abs(bound.upper_bound), 1e-12):
            break
        # Halfway to the weights with the best bound, as the blocks do; every third time all the way.
        weights = multipliers if met.count % 3 == 0 else (multipliers + centre) / 2.0
    if best is None or bound is None:
        raise ArithmeticError("a plan that keeps every row was found and then lost")
    return certified(problem, best[0], replace(bound, value=best[1], rounds=rounds))


def _reweighted(problem: Problem, risk: Risk, weights: FloatArray) -> Problem:
    tail = (weights @ risk.draws.reshape(len(weights), -1)).reshape(problem.grid.shape)
    return replace(problem, objective=(1.0 - risk.aversion) * problem.objective + risk.aversion * tail)


def _value(problem: Problem, risk: Risk, spend: FloatArray) -> float:
    left, share = locate(problem.grid, spend)
    mean = float(between(problem.objective, left, share).sum())
    return (1.0 - risk.aversion) * mean + risk.aversion * tail_mean(risk.outcomes(left, share).sum(axis=1), risk.tail)


@dataclass(frozen=True, slots=True, eq=False)
class _Met:
    """The plans met so far, cut into parts of the portfolio: each column is one part of one plan.

    Attributes:
        plans: Shape (n, K).
        gain: Of each column, shape (n * parts,), plan by plan.
        drawn: Its outcome in each draw, shape (S, n * parts).
        usage: Of each row, shape (m, n * parts).
    """

    problem: Problem
    risk: Risk
    starts: IntArray
    plans: FloatArray
    gain: FloatArray
    drawn: FloatArray
    usage: FloatArray

    @classmethod
    def none(cls, problem: Problem, risk: Risk) -> _Met:
        targets = len(problem.grid)
        starts = np.unique(np.linspace(0, targets, min(PARTS, targets) + 1).astype(np.int64)[:-1])
        return cls(
            problem, risk, starts, np.zeros((0, targets)), np.zeros(0),
            np.zeros((len(risk.draws), 0)), np.zeros((len(problem.rows), 0)),
        )  # fmt: skip

    @property
    def count(self) -> int:
        return len(self.plans)

    def and_plan(self, spend: FloatArray) -> _Met:
        problem, at = self.problem, locate(self.problem.grid, spend)
        usage = np.array([row.spend * spend for row in problem.rows]).reshape(len(problem.rows), len(spend))
        for i, row in enumerate(problem.rows):
            if row.outcome is not None and row.credit is not None:
                usage[i] -= row.credit * between(problem.outcomes[row.outcome], *at)
        gain = between(problem.objective, *at)
        return replace(
            self,
            plans=np.concatenate([self.plans, spend[None]]),
            gain=np.concatenate([self.gain, np.add.reduceat(gain, self.starts)]),
            drawn=np.concatenate([self.drawn, np.add.reduceat(self.risk.outcomes(*at), self.starts, axis=1)], axis=1),
            usage=np.concatenate([self.usage, np.add.reduceat(usage, self.starts, axis=1)], axis=1),
        )

    def mixture(self) -> tuple[FloatArray, FloatArray]:
        """Return the best mixture's mean spends, shape (K,), and the weights of the draws that it asks for, (S,)."""
        parts, columns, draws, rows = len(self.starts), len(self.gain), len(self.drawn), len(self.usage)
        risk, unit = self.risk, max(float(np.abs(self.gain).sum()) / max(self.count, 1), 1e-12)
        # Variables: columns, the quantile of the tail (free), what each draw falls short of it, and broken rows.
        short = np.full(draws, risk.aversion * risk.cap)
        gain = -(1.0 - risk.aversion) * self.gain / unit
        aim = np.concatenate([gain, [-risk.aversion], short, np.full(rows, _PENALTY)])
        sizes = np.maximum(np.abs(self.usage).max(axis=1, initial=0.0), 1e-12)[:, None]
        bound = np.array([row.bound for row in self.problem.rows]) / sizes[:, 0]
        tail = np.hstack([-self.drawn / unit, np.ones((draws, 1)), -np.eye(draws), np.zeros((draws, rows))])
        held = np.hstack([self.usage / sizes, np.zeros((rows, 1 + draws)), -np.eye(rows)])
        owner = np.tile(np.arange(parts), self.count)
        shape = (parts, columns + 1 + draws + rows)
        result = linprog(
            aim,
            A_ub=csr_array(np.vstack([tail, held])),
            b_ub=np.concatenate([np.zeros(draws), bound]),
            A_eq=csr_array((np.ones(columns), (owner, np.arange(columns))), shape=shape),
            b_eq=np.ones(parts),
            bounds=[(0, None)] * columns + [(None, None)] + [(0, None)] * (draws + rows),
            method="highs-ds",
        )
        if result.x is None:
            raise ArithmeticError(f"the mixture of {columns} columns and {draws} draws was not found: {result.message}")
        share = result.x[:columns].reshape(self.count, parts)
        share /= share.sum(axis=0)
        spend = (self.plans * np.repeat(share, np.diff([*self.starts, self.plans.shape[1]]), axis=1)).sum(axis=0)
        weights = np.maximum(-result.ineqlin.marginals[:draws], 0.0)
        total = float(weights.sum())
        return spend, weights / total if total > 0.0 else np.full(draws, 1.0 / draws)
