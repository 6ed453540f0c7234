"""Rows that cannot hold together are named, with a nearest bound that a plan can in fact keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.allocate import solve
from optimizer.plan.problem import Outcome, Problem, Row
from tests.optimizer.allocate_problems import linear, plain


def floors_above_the_total() -> Problem:
    first, second = np.array([1.0, 0, 0]), np.array([0, 1.0, 1])
    rows = [
        linear("total", 1, 100, 3),
        Row("floor:a", "search at least 80.00 EUR a day", -first, -80.0),
        Row("floor:b", "social at least 60.00 EUR a day", -second, -60.0),
        Row("ceiling:b", "social at most 500.00 EUR a day", second, 500.0),
    ]
    return plain([[0, 5, 6]] * 3, rows, end=200.0)


def test_floors_above_the_total_name_all_three_and_the_nearest_total() -> None:
    answer = solve(floors_above_the_total())
    assert answer.collision is not None
    assert set(answer.collision.rows) == {"total", "floor:a", "floor:b"}
    assert answer.collision.nearest == pytest.approx({"total": 140, "floor:a": -40, "floor:b": -20})
    assert "search at least 80.00 EUR a day" in answer.collision.words
    assert "`total` at 140.00 instead of 100.00" in answer.collision.words
    assert "ceiling:b" not in answer.collision.words


def test_the_plan_in_a_collision_keeps_the_spending_cap() -> None:
    answer = solve(floors_above_the_total())
    assert answer.spend.sum() == pytest.approx(100)
    assert answer.slack.min() < -1


@pytest.mark.parametrize("name", ["total", "floor:a", "floor:b"])
def test_each_nearest_bound_is_enough_and_a_little_less_is_not(name: str) -> None:
    problem = floors_above_the_total()
    collision = solve(problem).collision
    assert collision is not None

    def with_bound(bound: float) -> Problem:
        return replace(problem, rows=tuple(replace(r, bound=bound) if r.name == name else r for r in problem.rows))

    assert solve(with_bound(collision.nearest[name])).collision is None
    assert solve(with_bound(collision.nearest[name] - 0.1)).collision is not None


def test_a_box_above_the_total_is_told_with_the_total_alone() -> None:
    grid = np.array([[50.0, 60], [70.0, 90]])
    answer = solve(Problem(grid, grid, {}, (linear("total", 1, 100, 2),)))
    assert answer.collision is not None
    assert answer.collision.rows == ("total",)
    assert answer.collision.nearest == pytest.approx({"total": 120})
    assert answer.spend == pytest.approx([50, 70])
    assert "This cannot hold with the room that the budgets have" in answer.collision.words


def test_a_roas_floor_that_no_spend_reaches_collides_with_a_spending_floor() -> None:
    roas = Row("roas", "ROAS at least 3", np.array([3.0]), 0.0, Outcome.VALUE, np.ones(1))
    spend = Row("floor", "at least 0.5", -np.ones(1), -0.5)
    answer = solve(plain([[0, 1, 2]], [roas, spend]))
    assert answer.collision is not None
    assert set(answer.collision.rows) == {"roas", "floor"}
    assert answer.collision.nearest == pytest.approx({"roas": 0.5, "floor": 0}, abs=1e-6)
    assert "`roas` missed by 0.50 a day" in answer.collision.words


def test_a_roas_floor_that_only_a_mixture_reaches_is_a_collision_too() -> None:
    """Between nothing and 1 the S-curve is below its chord: 0.4 brings 0.08, not the 0.4 that ROAS asks for."""
    roas = Row("roas", "ROAS at least 1", np.ones(1), 0.0, Outcome.VALUE, np.ones(1))
    rows = [roas, Row("floor", "", -np.ones(1), -0.4), linear("ceiling", 1, 0.6, 1)]
    answer = solve(plain([[0, 0.1, 1]], rows))
    assert answer.collision is not None
    assert answer.collision.nearest == pytest.approx({"roas": 0.32, "floor": 0}, abs=1e-6)


def test_two_disjoint_contradictions_are_told_together() -> None:
    one, two = np.array([1.0, 0]), np.array([0, 1.0])
    rows = [
        Row("a-most", "", one, 1.0), Row("a-least", "", -one, -2.0),
        Row("b-most", "", two, 1.0), Row("b-least", "", -two, -3.0),
    ]  # fmt: skip
    answer = solve(plain([[0, 1], [0, 1]], rows, end=5.0))
    assert answer.collision is not None
    assert set(answer.collision.rows) == {"a-most", "a-least", "b-most", "b-least"}
    assert answer.collision.nearest == pytest.approx({"a-least": -1, "b-least": -1})
    assert " and " in answer.collision.words


def test_a_price_above_the_first_penalty_does_not_pass_for_a_collision() -> None:
    row = Row("floor", "", np.array([-1e-9]), -1e-9)
    answer = solve(plain([[0, -1e6]], [row]))
    assert answer.collision is None
    assert answer.spend == pytest.approx([1.0])


def test_a_plan_that_keeps_the_rows_is_preferred_whatever_the_penalties_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    """With penalties far too small every attempt overspends; the plan of least excess steps in."""
    monkeypatch.setattr("optimizer.allocate.solver.PENALTIES", (1e-9, 1e-8))
    answer = solve(plain([[0, 1, 2]], [linear("total", 1, 0.5, 1)]))
    assert answer.collision is None
    assert answer.slack.min() >= -1e-9
    assert answer.upper_bound >= 1.0 >= answer.value


def with_shares(total: float, floor: float, share_floor: float, share_ceiling: float) -> Problem:
    """Two budgets up to 400: the first a share of the total at least, the second at most and no less than a floor."""
    one, two = np.array([1.0, 0]), np.array([0, 1.0])
    rows = [
        linear("total", 1, total, 2),
        Row("share-floor", "first", -one, -share_floor * total, share=-share_floor),
        Row("share-ceiling", "second", two, share_ceiling * total, share=share_ceiling),
        Row("floor", "second", -two, -floor),
    ]
    return plain([[0, 5, 6]] * 2, rows, end=400.0)


@pytest.mark.parametrize(
    ("share_floor", "share_ceiling", "nearest"),
    [
        (0.6, 1.0, 125.0),  # 50 is what is left of 40%
        (0.0, 0.25, 200.0),  # 50 is no more than a quarter
        (0.75, 0.2, 250.0),
        (0.9, 1.0, None),  # 450 of 500 for the first, which takes no more than 400
    ],
)
def test_the_nearest_total_is_one_with_which_shares_of_it_hold(
    share_floor: float, share_ceiling: float, nearest: float | None
) -> None:
    asked = (50.0, share_floor, share_ceiling)
    collision = solve(with_shares(100.0, *asked)).collision
    assert collision is not None
    if nearest is None:
        assert collision.budget is None
        return
    assert collision.budget == pytest.approx(nearest, rel=1e-4)
    assert solve(with_shares(collision.budget, *asked)).collision is None
    assert solve(with_shares(nearest - 0.1, *asked)).collision is not None
