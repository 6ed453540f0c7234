"""The scores of a run, against figures worked out by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from simulations.runs.record import Run, RunSpec
from simulations.runs.scores import certified_gap, regret, scores_of
from simulations.runs.traces import OracleTrace, Place, Trace, Violation
from simulations.scenarios import named

SCENARIO = named("tiny-yen")
DAYS = 4


def place(seed: int) -> Place:
    return Place(SCENARIO.name, SCENARIO.digest(), seed, date(2025, 9, 1), 10, DAYS, "conversions")


def oracle(seed: int, best: list[float]) -> OracleTrace:
    return OracleTrace(place(seed), np.zeros((DAYS, 3), dtype=np.int64), np.array(best), np.array(best))


def trace(policy: str, seed: int, brought: list[float], covered: int = 0, stated: int = 0, broken: int = 0) -> Trace:
    zeros = np.zeros(DAYS)
    return Trace(
        policy=policy,
        place=place(seed),
        budgets=np.zeros((DAYS, 3), dtype=np.int64),
        spend=zeros.astype(np.int64),
        expected=np.array(brought),
        incremental=zeros,
        realised=zeros,
        violations=(Violation(0, "step", 1.0),) * broken,
        covered=np.array([covered, 0, 0, 0]),
        stated=np.array([stated, 0, 0, 0]),
        why=("",) * DAYS,
    )


def run() -> Run:
    return Run(
        spec=RunSpec(SCENARIO, ("a", "b"), (5, 7, 9), DAYS, date(2025, 9, 1), "conversions", "v1"),
        oracles=(oracle(5, [10, 10, 10, 10]), oracle(7, [10, 10, 10, 10]), oracle(9, [5, 5, 10, 20])),
        traces={
            "a": (trace("a", 5, [5] * 4), trace("a", 7, [6] * 4), trace("a", 9, [5, 5, 5, 5])),
            "b": (
                trace("b", 5, [8, 8, 10, 10], covered=9, stated=10),
                trace("b", 7, [6, 6, 7, 9], covered=15, stated=20, broken=2),
                trace("b", 9, [4, 4, 8, 16], broken=1),
            ),
        },
        seconds=np.array([[np.nan, 0.1, 0.3], [np.nan] * 3]),
    )


def test_shares_are_of_the_oracle_by_world() -> None:
    scores = scores_of(run())
    assert scores.whole == pytest.approx(np.array([[0.5, 0.6, 0.5], [0.9, 0.7, 0.8]]))
    assert scores.second == pytest.approx(np.array([[0.5, 0.6, 1 / 3], [1.0, 0.8, 0.8]]))


def test_a_standing_sums_the_worlds_up() -> None:
    a, b = scores_of(run()).standings()
    assert (b.policy, b.violations, b.stated) == ("b", 3, 30)
    assert b.whole.mean == pytest.approx(0.8)
    assert b.whole.error == pytest.approx(0.1 / np.sqrt(3))
    assert (b.whole.worst, b.whole.worst_seed) == (pytest.approx(0.7), 7)
    assert b.whole.tenth == pytest.approx(0.72)
    assert (a.second.worst, a.second.worst_seed) == (pytest.approx(1 / 3), 9)
    # Leads by world: .4, .1, .3.
    assert b.lead == pytest.approx(0.8 / 3)
    assert b.lead_error == pytest.approx(np.std([0.4, 0.1, 0.3], ddof=1) / np.sqrt(3))
    assert (a.lead, a.lead_error) == (0.0, 0.0)


def test_coverage_is_a_ratio_over_worlds() -> None:
    a, b = scores_of(run()).standings()
    assert b.coverage == pytest.approx(24 / 30)
    # Rests by world, 9 - .8 * 10, 15 - .8 * 20 and 0, over 10 intervals a world.
    assert b.coverage_error == pytest.approx(np.std([1.0, -1.0, 0.0], ddof=1) / np.sqrt(3) / 10)
    assert np.isnan(a.coverage)
    assert np.isnan(a.coverage_error)


def test_time_counts_where_it_was_measured() -> None:
    a, b = scores_of(run()).standings()
    assert a.seconds == pytest.approx(0.2)
    assert np.isnan(b.seconds)


def test_regret_is_what_the_oracle_brings_more() -> None:
    assert regret(run(), "b").tolist() == [[2, 2, 0, 0], [4, 4, 3, 1], [1, 1, 2, 4]]


def test_where_the_oracle_gains_nothing_nothing_is_lost() -> None:
    spec = RunSpec(SCENARIO, ("b",), (5, 7), DAYS, date(2025, 9, 1), "conversions", "v1")
    nothing = (trace("b", 5, [0.0] * 4), trace("b", 7, [2.0, 2.0, 0.0, 0.0]))
    scores = scores_of(
        found := Run(spec, (oracle(5, [0] * 4), oracle(7, [4, 4, 0, 0])), {"b": nothing}, np.zeros((1, 2)))
    )
    assert scores.whole.tolist() == [[1.0, 0.5]]
    assert scores.second.tolist() == [[1.0, 1.0]]
    assert certified_gap(found) == 0.0


def test_one_world_has_no_standard_error() -> None:
    whole = run()
    single = Run(
        spec=RunSpec(SCENARIO, ("b",), (5,), DAYS, date(2025, 9, 1), "conversions", "v1"),
        oracles=whole.oracles[:1],
        traces={"b": whole.traces["b"][:1]},
        seconds=whole.seconds[:1, :1],
    )
    (only,) = scores_of(single).standings()
    assert (only.whole.mean, only.whole.tenth) == (pytest.approx(0.9), pytest.approx(0.9))
    assert np.isnan(only.whole.error)
    assert np.isnan(only.lead_error)
