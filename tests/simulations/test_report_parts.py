"""What the pictures of a report show, worked out by hand, and how they are drawn."""

from __future__ import annotations

import base64
import re
import struct
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.noise import FloatArray
from simulations.report import drawing, figures, sections, series
from simulations.report.tables import NONE, percent, with_error
from simulations.runs.record import Run, RunSpec
from simulations.runs.scores import certified_gap, scores_of
from simulations.runs.traces import OracleTrace, Place, Trace
from simulations.scenarios import named

SCENARIO = named("tiny-yen")
TOTAL = SCENARIO.average_budget * SCENARIO.campaigns
BEST = {5: [10.0, 10.0, 0.0, 20.0], 7: [10.0, 10.0, 10.0, 10.0], 9: [20.0, 20.0, 20.0, 40.0], 11: [8.0] * 4}
BROUGHT = {
    "a": {5: [5.0, 10.0, 0.0, 15.0], 7: [9.0, 6.0, 9.0, 9.0], 9: [10.0, 10.0, 10.0, 10.0], 11: [8.0] * 4},
    "b": {5: [10.0, 10.0, 0.0, 20.0], 7: [9.0] * 4, 9: [20.0] * 4, 11: [2.0] * 4},
}


def place(seed: int) -> Place:
    return Place(SCENARIO.name, SCENARIO.digest(), seed, date(2025, 9, 1), 10, 4, "value")


def oracle(seed: int) -> OracleTrace:
    budgets = np.full((4, SCENARIO.campaigns), round(TOTAL / SCENARIO.campaigns * 1e6))
    best = np.array(BEST[seed])
    return OracleTrace(place(seed), budgets, best, best * (1.25 if seed == 7 else 1.0))


def trace(policy: str, seed: int) -> Trace:
    zeros = np.zeros(4, dtype=np.int64)
    return Trace(
        policy=policy,
        place=place(seed),
        budgets=np.zeros((4, SCENARIO.campaigns), dtype=np.int64),
        spend=(np.array([0.5, 1.0, 1.1, 0.0]) * TOTAL * 1e6).astype(np.int64),
        expected=np.array(BROUGHT[policy][seed]),
        incremental=np.zeros(4),
        realised=np.zeros(4),
        violations=(),
        covered=zeros,
        stated=zeros,
        why=("",) * 4,
    )


def run(seeds: tuple[int, ...] = (5, 7, 9, 11)) -> Run:
    return Run(
        spec=RunSpec(SCENARIO, ("a", "b"), seeds, 4, date(2025, 9, 1), "value", "v1"),
        oracles=tuple(map(oracle, seeds)),
        traces={policy: tuple(trace(policy, seed) for seed in seeds) for policy in ("a", "b")},
        seconds=np.full((2, len(seeds)), np.nan),
    )


def test_a_day_on_which_nothing_could_be_gained_counts_as_whole() -> None:
    assert series.day_shares(run(), "a")[0].tolist() == [0.5, 1.0, 1.0, 0.75]


def test_spend_is_a_share_of_the_total() -> None:
    assert series.spend_shares(run(), "a")[2] == pytest.approx([0.5, 1.0, 1.1, 0.0])


def test_what_is_lost_adds_up_to_what_is_missing_from_the_whole() -> None:
    whole = run()
    lost = series.lost_so_far(whole, "a")
    assert lost[0] == pytest.approx([5 / 40, 5 / 40, 5 / 40, 10 / 40])
    assert lost[:, -1] == pytest.approx(1.0 - scores_of(whole).whole[0])


def test_a_band_is_over_worlds() -> None:
    found = series.band(np.array([[0.0], [1.0], [2.0], [3.0], [9.0]]))
    assert (found.mean, found.low, found.high) == (pytest.approx([3.0]), pytest.approx([0.4]), pytest.approx([6.6]))


def test_the_worst_worlds_are_three_of_the_first_policy_and_one_of_each_other() -> None:
    whole = run()
    found = series.cases(whole, scores_of(whole))
    assert [(c.policy, c.seed, c.world, c.day) for c in found] == [
        ("a", 9, 2, 3),
        ("a", 5, 0, 0),
        ("a", 7, 1, 1),
        ("b", 11, 3, 0),
    ]
    assert [c.share for c in found] == pytest.approx([0.4, 0.75, 0.825, 0.25])


def test_the_median_world_is_the_lower_of_the_two_in_the_middle() -> None:
    assert series.median_and_worst(scores_of(run())) == {"median": 0, "worst": 2}
    assert series.median_and_worst(scores_of(run((7,)))) == {"only": 0}


def test_a_lead_within_its_error_is_no_victory() -> None:
    def league(whole: Run) -> sections.Section:
        with drawing.style():
            return sections.sections_of(whole, scores_of(whole))[0]

    # Over worlds a brings 75, 82.5, 40 and 100%, b 100, 90, 80 and 25%; without the last one b leads by 24.2 +- 8.7.
    close, sure = league(run()), league(run((5, 7, 9)))
    assert close.heading == "a comes nearest to the oracle: 74.4%; 1 other too close to tell"
    assert "to tell (by less than two of its standard errors, or one world): b." in close.caption
    assert sure.heading == "b comes nearest to the oracle: 90.0%"
    assert "Too close" not in sure.caption
    assert "too close" in league(run((5,))).heading


def test_the_certified_gap_is_that_of_the_world_where_it_is_most() -> None:
    assert certified_gap(run()) == pytest.approx(0.25)
    assert certified_gap(run((5,))) == 0.0


def test_budgets_are_shares_of_the_total() -> None:
    whole = run()
    assert series.budget_shares(whole, whole.oracles[0]).sum(axis=1) == pytest.approx([1.0] * 4, abs=1e-6)


@given(
    st.lists(st.floats(0.0, 100.0), min_size=1, max_size=12),
    st.floats(0.1, 8.0),
)
def test_labels_keep_their_order_and_distance(wanted: list[float], gap: float) -> None:
    placed = drawing.spread(wanted, gap, 0.0, 100.0)
    pairs = sorted(zip(wanted, placed, strict=True))
    assert all(after - before >= gap - 1e-9 for (_, before), (_, after) in pairwise(pairs))
    assert max(placed) <= 100.0 + 1e-9
    assert min(placed) >= -1e-9 or gap * (len(wanted) - 1) > 100.0


def test_labels_with_room_stay_where_they_belong() -> None:
    assert drawing.spread([50.0, 10.0, 30.0], 15.0, 0.0, 100.0) == [50.0, 10.0, 30.0]


def test_policies_differ_in_more_than_colour() -> None:
    looks = [drawing.look(i) for i in range(84)]
    assert len(set(looks)) == 84
    assert len({(dash, marker) for _, dash, marker in looks[:14]}) == 14


def test_a_share_that_is_none_is_a_dash() -> None:
    assert percent(float("nan")) == NONE
    assert percent(-0.0123) == "\N{MINUS SIGN}1.2"
    assert percent(-0.0001) == "0.0"
    assert with_error(0.5, float("nan")) == "50.0"
    assert with_error(0.012, 0.003, "+") == "+1.2 ± 0.3"


def allocations(days: int, campaigns: int) -> tuple[FloatArray, FloatArray]:
    own = np.zeros((days, campaigns))
    own[:, 0] = 1.0
    best = np.zeros((days, campaigns))
    best[:, -1] = 1.0
    return own, best


@pytest.mark.parametrize("campaigns", [3, 40])
def test_a_heat_map_has_a_pixel_for_each_campaign_and_day(campaigns: int) -> None:
    names = [f"campaign {k}" for k in range(campaigns)]
    with drawing.style():
        drawn = figures.heat("key", names, ("a", "oracle"), allocations(7, campaigns))
    images = [base64.b64decode(found) for found in re.findall(r'base64,([^"]*)"', drawn)]
    sizes = [struct.unpack(">II", image[16:24]) for image in images]
    assert sizes[:2] == [(7, campaigns)] * 2
    assert images[0] != images[1]
    assert "100% of the total lies elsewhere" in drawn
    assert ("campaign 2<" in drawn) == (campaigns == 3)


def test_pictures_take_ink_and_font_from_the_page() -> None:
    with drawing.style():
        drawn = figures.worlds("key", {"a": (0, np.array([0.5, 0.7])), "b": (1, np.array([0.9, 0.8]))})
    assert drawn.startswith('<svg viewBox="0 0 390 104" role="img" aria-label="Share of the oracle world by world.')
    assert "a: 50% to 70%, mean 60.0%; b: 80% to 90%, mean 85.0%" in drawn
    assert "var(--ink)" in drawn
    assert not re.search(r"#0[1-9a]0[2-9a]0[3-9a]|font-family|#000000|<style|<metadata", drawn)
    assert drawn.count("<use") == 4


def test_pictures_of_different_keys_share_no_ids() -> None:
    shares = {"a": (0, np.array([0.5, 0.7]))}
    with drawing.style():
        one, again, other = (figures.worlds(key, shares) for key in ("one", "one", "other"))
    ids = [set(re.findall(r' id="([^"]*)"', drawn)) for drawn in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert one == again


def test_a_policy_as_good_as_the_oracle_loses_nothing() -> None:
    with drawing.style():
        drawn = figures.lost("key", {"a": np.zeros(3), "b": np.zeros(3)})
    assert "a 0.0%, b 0.0%" in drawn
