"""Sums of budgets under linear rows: what needs no solver is what the solver says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.decide import linear
from optimizer.plan.problem import Row

amounts = st.floats(0.0, 50.0)
sides = st.lists(st.tuples(amounts, amounts).map(sorted), min_size=1, max_size=5)
totals = st.lists(st.tuples(st.sampled_from((-2.0, -1.0, 0.0, 1.0, 3.0)), st.floats(-150.0, 250.0)), max_size=4)


@given(sides, totals)
def test_a_sum_under_totals_alone_is_what_the_solver_says(
    room: list[list[float]], rows: list[tuple[float, float]]
) -> None:
    box, bounds = np.array(room), np.array([bound for _, bound in rows])
    kept = [Row(f"total {n}", "", np.full(len(room), weight), bound) for n, (weight, bound) in enumerate(rows)]
    most = linear.most_together(box, kept, bounds)
    solved = linear.cheapest(-np.ones(len(room)), box, kept, bounds)
    near = any(abs(weight * edge - bound) < 1e-5 for weight, bound in rows for edge in box.sum(axis=0))
    if solved is None or most is None:
        assert near or (solved is None) == (most is None)
    else:
        assert most == pytest.approx(float(solved.sum()), abs=1e-5)


def test_where_a_row_weighs_budgets_apart_the_solver_is_asked() -> None:
    box = np.array([[0.0, 10.0], [0.0, 10.0]])
    kept = [Row("channel", "", np.array([1.0, 0.0]), 4.0)]
    assert linear.most_together(box, kept, np.array([4.0])) == pytest.approx(14.0)
    assert linear.most_together(box, kept, np.array([-1.0])) is None
    assert linear.most_together(box, (), np.zeros(0)) == pytest.approx(20.0)
