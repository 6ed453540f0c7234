"""What a plan says of itself: the rows that bind, the money left and why, the nearest budget; budgets that pause."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.allocate import solve
from optimizer.plan.problem import Idle, Outcome, Problem, Row
from tests.optimizer.allocate_problems import excess, linear, market, plain


def roas(floor: float, targets: int = 1) -> Row:
    return Row("roas", "ROAS", np.full(targets, floor), 0.0, Outcome.VALUE, np.ones(targets))


def test_a_total_that_is_spent_binds_and_leaves_nothing() -> None:
    answer = solve(plain([[0, 3], [0, 2]], [linear("total", 1, 1.5, 2), linear("loose", 1, 9, 2)]))
    assert (answer.binding, answer.unspent) == (("total",), None)


def test_money_is_left_where_every_budget_is_full() -> None:
    left = solve(plain([[0, 3], [0, 2]], [linear("total", 1, 5, 2)])).unspent
    assert left is not None
    assert (left.amount, left.why) == (pytest.approx(3), Idle.FULL)
    assert "3.00 a day is left: every budget is as large as it may be" in left.words


def test_money_is_left_where_one_more_unit_brings_nothing() -> None:
    x = np.linspace(0, 4, 41)
    left = solve(plain([2 * np.sqrt(x) - x], [linear("total", 1, 4, 1)], end=4.0)).unspent
    assert left is not None
    assert (left.amount, left.why) == (pytest.approx(3), Idle.WORTHLESS)


def test_money_is_left_where_a_roas_floor_holds_it_back() -> None:
    x = np.linspace(0, 4, 401)
    answer = solve(plain([2 * np.sqrt(x)], [linear("total", 1, 4, 1), roas(1.25)], end=4.0))
    assert answer.unspent is not None
    assert (answer.unspent.amount, answer.unspent.why) == (pytest.approx(1.44, abs=1e-3), Idle.HELD)
    assert answer.binding == ("roas",)
    assert "`roas`" in answer.unspent.words


def test_a_problem_without_a_total_leaves_nothing_unspent() -> None:
    assert solve(plain([[0, 1]], [linear("ceiling", 1, 5, 1)])).unspent is None


def test_a_collision_tells_the_nearest_budget() -> None:
    first, second = np.array([1.0, 0]), np.array([0, 1.0])
    rows = [linear("total", 1, 100, 2), Row("a", "", -first, -80.0), Row("b", "", -second, -60.0)]
    collision = solve(plain([[0, 5]] * 2, rows, end=200.0)).collision
    assert collision is not None
    assert collision.budget == pytest.approx(140)
    alone = solve(plain([[0, 5]] * 2, [*rows[:1], Row("c", "", first, 1.0), Row("a", "", -first, -80.0)], end=200.0))
    assert alone.collision is not None
    assert alone.collision.budget is None  # no total mends a floor above a ceiling


# Budgets that are off, or at least at a minimum


def pausable(curves: list[list[float]], rows: list[Row], apart: list[bool], least: float, end: float) -> Problem:
    """Grids 0, least, ..., end."""
    table = np.array(curves, dtype=float)
    grid = np.tile(np.concatenate([[0.0], np.linspace(least, end, table.shape[1] - 1)]), (len(table), 1))
    return Problem(grid, table, {Outcome.VALUE: table}, tuple(rows), np.array(apart))


def test_a_budget_below_its_minimum_is_paused() -> None:
    """1.5 is enough for one budget at 1 or more, not for two: 0.75 each, the best of all without gaps, is none."""
    problem = pausable([[0, 3, 4], [0, 3, 4]], [linear("total", 1, 1.5, 2)], [True, True], 1.0, 2.0)
    answer = solve(problem)
    assert sorted(answer.spend) == pytest.approx([0, 1.5])
    assert answer.value == pytest.approx(3.5)
    assert answer.gap <= 1e-4
    assert solve(replace(problem, apart=None)).value == pytest.approx(4.5)


def test_only_what_the_marketer_allowed_is_paused() -> None:
    problem = pausable([[0, 3, 4], [0, 2, 3]], [linear("total", 1, 1.5, 2)], [True, False], 1.0, 2.0)
    answer = solve(problem)
    assert answer.spend == pytest.approx([1.0, 0.5])


def test_a_floor_that_lies_in_a_gap_is_met_above_it() -> None:
    rows = [Row("floor", "", -np.ones(1), -0.5)]
    answer = solve(pausable([[0, -1, -3]], rows, [True], 1.0, 2.0))
    assert answer.spend == pytest.approx([1.0])
    assert answer.collision is None


def test_a_floor_and_a_ceiling_within_a_gap_collide() -> None:
    rows = [Row("floor", "", -np.ones(1), -0.5), linear("ceiling", 1, 0.7, 1)]
    problem = pausable([[0, 1, 2]], rows, [True], 1.0, 2.0)
    answer = solve(problem)
    assert answer.collision is not None
    assert answer.collision.nearest["floor"] == pytest.approx(0.0)
    assert answer.spend == pytest.approx([0.0])  # the cap on spending holds, the floor gives way
    assert solve(replace(problem, apart=None)).collision is None


@pytest.mark.parametrize(
    ("apart", "words"), [(np.ones(3, dtype=bool), "one truth value"), (np.ones(1), "one truth value")]
)
def test_apart_must_fit(apart: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Problem(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]), {}, (), apart)
    with pytest.raises(ValueError, match="two grid points"):
        Problem(np.array([[0.0]]), np.array([[0.0]]), {}, (), np.ones(1, dtype=bool))


def with_gaps(seed: int, targets: int, points: int) -> Problem:
    problem = market(seed, targets, points, s_shaped=0.3, strict=0.7)
    rng = np.random.default_rng(seed)
    share = np.linspace(0.15, 1, points - 1)
    end = problem.grid[:, -1:]
    grid = np.concatenate([np.zeros_like(end), end * share], axis=1)
    table = np.array([np.interp(x, g, o) for x, g, o in zip(grid, problem.grid, problem.objective, strict=True)])
    return Problem(grid, table, {Outcome.VALUE: table}, problem.rows, rng.random(targets) < 0.6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 10))
def test_no_plan_spends_in_a_gap_and_every_plan_is_proven(seed: int, targets: int) -> None:
    problem = with_gaps(seed, targets, 8)
    answer = solve(problem)
    assert problem.apart is not None
    gap = problem.apart & (answer.spend > 1e-9) & (answer.spend < problem.grid[:, 1] * (1 - 1e-9))
    assert not gap.any()
    assert answer.upper_bound >= answer.value
    if answer.collision is None:
        assert excess(problem, answer.spend).max() <= 1e-6
        assert answer.gap <= 1.1e-4


@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_best_of_all_ways_to_pause(seed: int) -> None:
    """Each way to pause is a problem without gaps."""
    problem = with_gaps(seed, 5, 9)
    assert problem.apart is not None
    best = -np.inf
    for on in product([False, True], repeat=int(problem.apart.sum())):
        grid, table = problem.grid.copy(), problem.objective.copy()
        for k, running in zip(np.flatnonzero(problem.apart), on, strict=True):
            column = 1 if running else 0
            sides = (grid[k], table[k])
            for side in sides:
                side[:] = np.concatenate([side[1:], side[-1:]]) if running else side[column]
        answer = solve(Problem(grid, table, {Outcome.VALUE: table}, problem.rows))
        if answer.collision is None:
            best = max(best, answer.value)
    answer = solve(problem)
    assert answer.collision is None
    assert answer.value == pytest.approx(best, rel=2e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_does_not_depend_on_the_order_of_targets_and_rows(seed: int) -> None:
    """Concave curves with distinct slopes have one best plan; it is found from any order, to within the certificate."""
    problem = market(seed, targets=30, points=40, s_shaped=0.0, strict=0.8)
    order = np.random.default_rng(seed).permutation(30)
    rows = tuple(
        replace(r, spend=r.spend[order], credit=None if r.credit is None else r.credit[order])
        for r in reversed(problem.rows)
    )
    tables = {outcome: table[order] for outcome, table in problem.outcomes.items()}
    one = solve(problem)
    other = solve(Problem(problem.grid[order], problem.objective[order], tables, rows))
    assert other.value == pytest.approx(one.value, rel=1e-4)
    assert np.abs(other.spend - one.spend[order]).sum() <= 0.02 * one.spend.sum()
