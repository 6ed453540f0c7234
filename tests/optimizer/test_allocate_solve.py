"""The allocator on cases with known answers, against other solvers, and at the edges of what it takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from optimizer.allocate import solve
from optimizer.plan.problem import Allocation, Outcome, Problem, Row
from tests.optimizer.allocate_problems import exact_milp, excess, linear, market, plain, read


def test_money_goes_to_the_steepest_curve_first() -> None:
    answer = solve(plain([[0, 3], [0, 2], [0, 1]], [linear("total", 1, 1.5, 3)]))
    assert answer.spend == pytest.approx([1, 0.5, 0])
    assert (answer.value, answer.upper_bound) == (pytest.approx(4), pytest.approx(4))
    assert answer.prices == pytest.approx([2])
    assert answer.slack == pytest.approx([0], abs=1e-9)
    assert answer.collision is None


def test_two_equal_s_curves_are_not_halved() -> None:
    """Half each brings 0.2, all to one brings 1; the mixture of both ends promises 1 as well, so branching decides."""
    s_curve = [0, 0.1, 1.0]
    answer = solve(plain([s_curve, s_curve], [linear("total", 1, 1.0, 2)]))
    assert sorted(answer.spend) == pytest.approx([0, 1])
    assert answer.value == pytest.approx(1)


def test_an_s_curve_that_the_money_cannot_lift_has_a_true_duality_gap_that_branching_closes() -> None:
    answer = solve(plain([[0, 0, 0, 0, 0, 10], [0, 1, 1, 1, 1, 1]], [linear("total", 1, 0.9, 2)]))
    assert answer.value == pytest.approx(5)  # half of the last fifth; the chord promises 9
    assert answer.gap <= 1e-4
    assert answer.spend == pytest.approx([0.9, 0.0])


def test_profit_leaves_money_unspent_where_one_more_unit_loses() -> None:
    x = np.linspace(0, 4, 41)
    answer = solve(plain([2 * np.sqrt(x) - x], [linear("total", 1, 4, 1)], end=4.0))
    assert answer.spend == pytest.approx([1.0])
    assert answer.prices == pytest.approx([0])
    assert answer.slack == pytest.approx([3])


def test_an_objective_below_zero_everywhere_is_maximised_all_the_same() -> None:
    answer = solve(plain([[-5, -1, -3], [-2, -4, -9]], [linear("total", 1, 1, 2)]))
    assert answer.spend == pytest.approx([0.5, 0])
    assert answer.value == pytest.approx(-3)
    assert answer.gap <= 1e-4


def test_without_rows_each_target_goes_to_its_own_best() -> None:
    answer = solve(plain([[0, 2, 1], [0, 1, 3]]))
    assert answer.spend == pytest.approx([0.5, 1])
    assert (answer.prices.shape, answer.gap) == ((0,), 0)


def test_flat_and_zero_curves_cost_nothing() -> None:
    answer = solve(plain([[0, 0, 0], [7, 7, 7]], [linear("total", 1, 1, 2)]))
    assert answer.spend == pytest.approx([0, 0])
    assert (answer.value, answer.gap) == (7, 0)


def test_a_pinned_target_stays_and_uses_its_share_of_the_rows() -> None:
    free, pinned = np.linspace(0, 1, 5), np.full(5, 0.7)
    table = np.array([np.sqrt(free), np.full(5, 2.0)])
    answer = solve(Problem(np.array([free, pinned]), table, {}, (linear("total", 1, 1.2, 2),)))
    assert answer.spend == pytest.approx([0.5, 0.7])
    assert answer.spend[1] == 0.7


@pytest.mark.parametrize("rows", [(), (linear("total", 1, 3, 2),)])
def test_when_all_is_pinned_the_plan_is_the_pins(rows: tuple[Row, ...]) -> None:
    grid = np.array([[1.0, 1, 1], [2.0, 2, 2]])
    answer = solve(Problem(grid, np.array([[4.0, 4, 4], [5.0, 5, 5]]), {}, rows))
    assert answer.spend.tolist() == [1, 2]
    assert (answer.value, answer.upper_bound, answer.collision) == (9, 9, None)


def test_a_single_grid_point_is_a_plan() -> None:
    answer = solve(Problem(np.array([[1.0]]), np.array([[2.0]]), {}, (linear("total", 1, 3, 1),)))
    assert (answer.spend.tolist(), answer.value, answer.slack.tolist()) == ([1.0], 2.0, [2.0])


def test_a_roas_floor_stops_where_the_average_return_falls_to_it() -> None:
    x = np.linspace(0, 4, 401)
    value = 2 * np.sqrt(x)
    row = Row("roas", "ROAS at least 1.25", np.array([1.25]), 0.0, Outcome.VALUE, np.array([1.0]))
    answer = solve(Problem(x[None], value[None], {Outcome.VALUE: value[None]}, (row,)))
    assert answer.spend == pytest.approx([2.56], abs=1e-3)  # 2 sqrt(x) = 1.25 x


def test_a_cpa_ceiling_counts_conversions_whatever_is_maximised() -> None:
    x = np.linspace(0, 4, 401)
    row = Row("cpa", "a conversion costs at most 2", np.ones(1), 0.0, Outcome.CONVERSIONS, np.array([2.0]))
    answer = solve(Problem(x[None], x[None], {Outcome.CONVERSIONS: np.sqrt(x)[None]}, (row,)))
    assert answer.spend == pytest.approx([4.0])
    tight = solve(Problem(x[None], x[None], {Outcome.CONVERSIONS: np.sqrt(x)[None] / 2}, (row,)))
    assert tight.spend == pytest.approx([1.0], abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_it_equals_the_exact_integer_programme(seed: int) -> None:
    problem = market(seed, targets=5, points=9, s_shaped=0.8)
    answer, exact = solve(problem), exact_milp(problem)
    assert answer.collision is None
    assert answer.value >= exact * (1 - 1.1e-4)
    assert answer.upper_bound >= exact * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_no_plan_of_a_fine_lattice_is_above_the_bound(seed: int) -> None:
    problem = market(seed, targets=3, points=7, s_shaped=1.0)
    answer = solve(problem)
    share = np.linspace(0, 1, 31)
    axes = [grid[0] + share * (grid[-1] - grid[0]) for grid in problem.grid]
    plans = np.array(list(product(*axes)))
    worth = sum(np.interp(plans[:, k], problem.grid[k], problem.objective[k]) for k in range(3))
    kept = np.ones(len(plans), dtype=bool)
    for row in problem.rows:
        used = plans @ row.spend
        if row.outcome is not None:
            table = problem.outcomes[row.outcome]
            used -= sum(row.credit[k] * np.interp(plans[:, k], problem.grid[k], table[k]) for k in range(3))
        kept &= used <= row.bound
    assert kept.sum() > 20
    assert worth[kept].max() <= answer.upper_bound * (1 + 1e-9)
    assert answer.value >= worth[kept].max() * (1 - 1.1e-4)


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
@pytest.mark.filterwarnings("ignore")  # the other solvers grumble about curves with corners
def test_it_is_never_worse_than_a_local_solver_on_concave_curves(method: str) -> None:
    problem = market(3, targets=6, points=65, s_shaped=0.0, strict=1.05)
    answer = solve(problem)

    def used(spend: np.ndarray) -> np.ndarray:
        value = read(problem, problem.objective, spend).sum()
        return np.array([r.bound - r.spend @ spend + (value if r.outcome else 0.0) for r in problem.rows])

    other = minimize(
        lambda x: -read(problem, problem.objective, x).sum(),
        problem.grid[:, -1] / 5,
        bounds=list(zip(problem.grid[:, 0], problem.grid[:, -1], strict=True)),
        constraints=[{"type": "ineq", "fun": used}],
        method=method,
        options={"maxiter": 60},
    )
    reached = -other.fun if (used(other.x) >= -1e-6).all() else -np.inf
    assert answer.value >= reached - 1e-6 * abs(answer.value)
    assert answer.gap <= 1e-4
    assert excess(problem, answer.spend).max() <= 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_prices_are_the_derivatives_of_the_value(seed: int) -> None:
    problem = market(seed, targets=8, points=40, s_shaped=0.0)
    answer = solve(problem)
    assert answer.prices.max() > 0
    for i, row in enumerate(problem.rows):
        step = 1e-6 * np.abs(row.spend) @ problem.grid[:, -1]
        moved = [
            solve(replace(problem, rows=(*problem.rows[:i], replace(row, bound=row.bound + d), *problem.rows[i + 1 :])))
            for d in (-step, step)
        ]
        down, up = (answer.value - moved[0].value) / step, (moved[1].value - answer.value) / step
        assert up - 1e-4 <= answer.prices[i] <= down + 1e-4  # one-sided where the plan lies on a corner
    assert answer.prices[np.abs(answer.slack) > 1e-6] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("targets", [40, 400])
def test_larger_markets_are_certified_to_a_hundredth_of_a_per_cent(targets: int) -> None:
    problem = market(11, targets=targets, points=32)
    answer = solve(problem)
    assert answer.collision is None
    assert answer.gap <= 1e-4
    assert answer.value == pytest.approx(read(problem, problem.objective, answer.spend).sum())
    assert excess(problem, answer.spend).max() <= 1e-9


def test_the_same_problem_has_the_same_answer_to_the_bit() -> None:
    first, second = solve(market(5, 20, 24)), solve(market(5, 20, 24))
    assert first.spend.tobytes() == second.spend.tobytes()
    assert (first.upper_bound, first.rounds) == (second.upper_bound, second.rounds)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (Problem(np.zeros((0, 3)), np.zeros((0, 3)), {}, ()), "no target"),
        (plain([[0, 1]], [linear("total", 1, np.nan, 1)]), "'total' needs a finite bound"),
        (plain([[0, 1]], [linear("total", np.inf, 1, 1)]), "'total' needs a finite bound"),
        (plain([[0, 1]], [Row("roas", "", np.ones(1), 0.0, Outcome.VALUE, -np.ones(1))]), "negative credit"),
        (plain([[0, 1]], [Row("roas", "", np.ones(1), 0.0, Outcome.VALUE, np.ones(2))]), "'roas' needs"),
        (replace(plain([[0, 1]]), outcomes={Outcome.VALUE: np.array([[0, np.nan]])}), "outcome value needs"),
    ],
)
def test_what_cannot_be_proved_is_refused(problem: Problem, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        solve(problem)


def test_the_example_in_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "allocation.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(compile(example, "docs/allocation.md", "exec"), names)
    answer = names["answer"]
    assert isinstance(answer, Allocation)
    assert answer.gap <= 1e-4
    assert answer.spend.sum() == pytest.approx(110)
    assert "one more euro a day would bring" in capsys.readouterr().out
