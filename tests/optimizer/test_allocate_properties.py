"""What must hold of every allocation, whatever the curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.allocate import solve
from optimizer.plan.problem import Problem, Row
from tests.optimizer.allocate_problems import excess, market, read

TOLERANCE = 1.1e-4
MARKETS = st.builds(
    market,
    seed=st.integers(0, 10**6),
    targets=st.integers(1, 12),
    points=st.integers(2, 20),
    s_shaped=st.sampled_from([0.0, 0.4, 1.0]),
    strict=st.floats(0.5, 0.95),
)
few = settings(max_examples=25, deadline=None)


@few
@given(MARKETS)
def test_the_plan_is_feasible_and_below_its_bound(problem: Problem) -> None:
    answer = solve(problem)
    assert (answer.spend >= problem.grid[:, 0]).all()
    assert (answer.spend <= problem.grid[:, -1]).all()
    assert answer.upper_bound >= answer.value
    assert (answer.prices >= 0).all()
    assert np.isclose(answer.value, read(problem, problem.objective, answer.spend).sum())
    assert (answer.collision is None) == (excess(problem, answer.spend).max() <= 1e-6)
    if answer.collision is None:
        assert answer.gap <= TOLERANCE


@few
@given(MARKETS, st.randoms(use_true_random=False))
def test_the_order_of_the_targets_does_not_matter(problem: Problem, random: object) -> None:
    order = list(range(len(problem.grid)))
    random.shuffle(order)
    rows = tuple(
        replace(r, spend=r.spend[order], credit=None if r.credit is None else r.credit[order]) for r in problem.rows
    )
    tables = {outcome: table[order] for outcome, table in problem.outcomes.items()}
    one, other = solve(problem), solve(Problem(problem.grid[order], problem.objective[order], tables, rows))
    assume(one.collision is None)
    assert other.collision is None
    assert abs(one.value - other.value) <= TOLERANCE * abs(one.upper_bound)


@few
@given(MARKETS, st.floats(0.2, 1.5))
def test_one_more_row_never_brings_more(problem: Problem, share: float) -> None:
    first = np.eye(len(problem.grid))[0]
    row = Row("first", "", first, share * float(problem.grid[0, -1]) / 5)
    loose, tight = solve(problem), solve(replace(problem, rows=(*problem.rows, row)))
    assume(loose.collision is None and tight.collision is None)
    assert tight.value <= loose.upper_bound * (1 + 1e-9)


@few
@given(MARKETS, st.sampled_from([1e-6, 1e-3, 1e6]), st.sampled_from([1e-6, 1e3, 1e9]))
def test_units_do_not_matter(problem: Problem, money: float, worth: float) -> None:
    rows = tuple(
        replace(r, bound=r.bound * money, credit=None if r.credit is None else r.credit * money) for r in problem.rows
    )
    other = Problem(problem.grid * money, problem.objective * worth, problem.outcomes, rows)
    one, two = solve(problem), solve(other)
    assume(one.collision is None)
    assert two.collision is None
    assert two.gap <= TOLERANCE
    assert abs(two.value / worth - one.value) <= TOLERANCE * abs(one.upper_bound)


@few
@given(MARKETS, st.floats(-1e3, 1e3))
def test_a_constant_added_to_a_curve_moves_nothing_but_the_value(problem: Problem, constant: float) -> None:
    objective = problem.objective.copy()
    objective[0] += constant
    one, two = solve(problem), solve(replace(problem, objective=objective))
    assume(one.collision is None)
    scale = max(abs(one.upper_bound), abs(two.upper_bound))
    assert abs(one.value + constant - two.value) <= TOLERANCE * scale
