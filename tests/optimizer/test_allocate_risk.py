"""Risk aversion: by hand, against one linear programme, and what must hold of every answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from optimizer.allocate import Risk, solve, solve_averse
from optimizer.allocate.risk import tail_mean
from optimizer.plan.problem import Problem
from tests.optimizer.allocate_problems import excess, linear, market, plain, read


def spread(problem: Problem, seed: int, draws: int = 60) -> np.ndarray:
    """Each target's curve times a lognormal of its own uncertainty, mean one."""
    rng = np.random.default_rng(seed)
    sd = rng.uniform(0.05, 0.8, len(problem.grid))
    return problem.objective * np.exp(sd * rng.standard_normal((draws, len(sd))) - sd**2 / 2)[..., None]


def valued(problem: Problem, risk: Risk, spend: np.ndarray) -> float:
    drawn = np.array([read(problem, draw, spend).sum() for draw in risk.draws])
    mean = read(problem, problem.objective, spend).sum()
    return float((1 - risk.aversion) * mean + risk.aversion * tail_mean(drawn, risk.tail))


def test_the_tail_is_the_mean_of_the_worst_outcomes_with_a_part_of_one() -> None:
    outcomes = np.array([4.0, 1.0, 3.0, 2.0])
    assert tail_mean(outcomes, 0.5) == pytest.approx(1.5)
    assert tail_mean(outcomes, 1.0) == pytest.approx(2.5)
    assert tail_mean(outcomes, 0.375) == pytest.approx((1 + 0.5 * 2) / 1.5)


def test_a_sure_thing_is_preferred_to_a_gamble_that_brings_a_little_more() -> None:
    """The gamble brings 0 or 2.4 per unit, the sure thing 1; money for one."""
    problem = plain([[0, 1.2], [0, 1.0]], [linear("total", 1, 1, 2)])
    draws = np.array([[[0, 0.0], [0, 1.0]], [[0, 2.4], [0, 1.0]]])
    assert solve_averse(problem, Risk(draws, 0.0, 0.5)).spend == pytest.approx([1, 0])
    shy = solve_averse(problem, Risk(draws, 0.5, 0.5))
    assert shy.spend == pytest.approx([0, 1])
    assert shy.value == pytest.approx(1.0)
    assert shy.gap <= 1e-4


def test_two_gambles_that_are_never_lost_together_are_shared() -> None:
    problem = plain([[0, 1], [0, 1]], [linear("total", 1, 1, 2)])
    draws = np.array([[[0, 2.0], [0, 0.0]], [[0, 0.0], [0, 2.0]]])
    answer = solve_averse(problem, Risk(draws, 1.0, 0.5))
    assert answer.spend == pytest.approx([0.5, 0.5])
    assert answer.value == pytest.approx(1.0)


def test_without_aversion_it_is_the_usual_answer() -> None:
    problem = market(2, 10, 20, strict=0.8)
    usual, answer = solve(problem), solve_averse(problem, Risk(spread(problem, 2), 0.0, 0.2))
    assert answer.value == pytest.approx(usual.value, rel=1e-6)


def by_programme(problem: Problem, risk: Risk) -> float:
    """The optimum over concave curves under the total alone: mixtures of grid points, and the tail's quantile."""
    targets, points = problem.grid.shape
    count, draws = targets * points, len(risk.draws)
    cells = risk.draws.reshape(draws, -1)
    aim = np.concatenate([
        -(1 - risk.aversion) * problem.objective.ravel(), [-risk.aversion],
        np.full(draws, risk.aversion / (risk.tail * draws)),
    ])  # fmt: skip
    tail = np.hstack([-cells, np.ones((draws, 1)), -np.eye(draws)])
    total = np.concatenate([problem.grid.ravel(), np.zeros(1 + draws)])
    one = np.hstack([np.kron(np.eye(targets), np.ones((1, points))), np.zeros((targets, 1 + draws))])
    found = linprog(
        aim, A_ub=np.vstack([tail, total]), b_ub=[*np.zeros(draws), problem.rows[0].bound], A_eq=one,
        b_eq=np.ones(targets), bounds=[(0, None)] * count + [(None, None)] + [(0, None)] * draws,
    )  # fmt: skip
    assert found.success
    return float(-found.fun)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("aversion", [0.3, 1.0])
def test_it_equals_the_linear_programme_on_concave_curves(seed: int, aversion: float) -> None:
    problem = market(seed, 6, 12, s_shaped=0.0)
    problem = replace(problem, rows=problem.rows[:1])
    risk = Risk(spread(problem, seed), aversion, 0.25)
    answer, best = solve_averse(problem, risk), by_programme(problem, risk)
    assert answer.value >= best * (1 - 2e-4)
    assert answer.value <= best * (1 + 1e-9)
    assert answer.upper_bound >= best * (1 - 1e-9)


def test_slsqp_finds_nothing_better() -> None:
    problem = market(4, 4, 33, s_shaped=0.0)
    problem = replace(problem, rows=problem.rows[:1])
    risk = Risk(spread(problem, 4, 40), 0.7, 0.25)
    answer = solve_averse(problem, risk)
    other = minimize(
        lambda x: -valued(problem, risk, np.clip(x, problem.grid[:, 0], problem.grid[:, -1])),
        problem.grid[:, -1] / 5,
        bounds=list(zip(problem.grid[:, 0], problem.grid[:, -1], strict=True)),
        constraints=[{"type": "ineq", "fun": lambda x: problem.rows[0].bound - x.sum()}],
        method="SLSQP",
        options={"maxiter": 60},
    )
    assert answer.value >= -other.fun * (1 - 1e-4)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 1.0), st.floats(0.05, 1.0), st.sampled_from([0.0, 0.4]))
def test_the_bound_holds_and_the_rows_are_kept(seed: int, aversion: float, tail: float, s_shaped: float) -> None:
    problem = market(seed, 8, 14, s_shaped=s_shaped, strict=0.8)
    risk = Risk(spread(problem, seed, 40), aversion, tail)
    answer = solve_averse(problem, risk)
    assume(answer.collision is None)
    assert answer.value == pytest.approx(valued(problem, risk, answer.spend))
    assert answer.upper_bound >= answer.value
    assert excess(problem, answer.spend).max() <= 1e-6
    assert valued(problem, risk, solve(problem).spend) <= answer.upper_bound * (1 + 1e-9)
    if s_shaped == 0.0:
        assert answer.gap <= 1e-3


def test_rows_that_cannot_hold_are_told_as_ever() -> None:
    problem = plain([[0, 1]], [linear("total", -1, -2, 1)])
    assert solve_averse(problem, Risk(problem.objective[None], 0.5, 0.5)).collision is not None


@pytest.mark.parametrize(
    ("draws", "aversion", "tail", "words"),
    [
        (np.zeros((1, 1, 2)), 1.1, 0.5, "aversion"),
        (np.zeros((1, 1, 2)), 0.5, 0.0, "tail"),
        (np.zeros((1, 2)), 0.5, 0.5, "draws must be"),
        (np.full((1, 1, 2), np.nan), 0.5, 0.5, "finite"),
        (np.zeros((1, 1, 3)), 0.5, 0.5, "every grid point"),
    ],
)
def test_what_makes_no_sense_is_refused(draws: np.ndarray, aversion: float, tail: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        solve_averse(plain([[0, 1]]), Risk(draws, aversion, tail))
