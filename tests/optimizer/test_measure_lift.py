"""Lift tests: intervals by hand, readings that find what was put in, powers that hold, claims that are too large."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.money import Money
from optimizer.measure.lift import (
    Ageing,
    Claim,
    Draft,
    Interval,
    Outcomes,
    aged,
    as_test,
    compared,
    design_holdout,
    design_switchback,
    draw_blocks,
    gap,
    levels,
    power_of,
    read_holdout,
    read_switchback,
    typical_interval,
)
from optimizer.measure.lift.geo import draw_regions
from optimizer.measure.lift.switchback import contrasts
from optimizer.measure.lift.synthetic import convex_weights
from optimizer.plan.lift_tests import Base, Holdout, LiftTestError, Switchback
from optimizer.refit import LiftTest

START = date(2026, 1, 5)  # a Monday
floats = st.floats(-100, 100, allow_nan=False)


def test_a_typical_interval_by_hand() -> None:
    numbers = np.array([1.0, 2.0, 4.0, 9.0])
    means = sorted(float(np.mean(c)) for r in range(1, 5) for c in combinations(numbers, r))
    found = typical_interval(numbers, 0.75)  # 1 - 2 k / 16 at k = 2
    assert (found.low, found.high) == (means[1], means[-2])
    assert found.estimate == 4.0
    assert found.se == pytest.approx(numbers.std(ddof=1) / 2 * np.sqrt(3))


@given(st.lists(floats, min_size=5, max_size=9), floats)
def test_an_interval_moves_with_its_numbers_and_holds_their_mean(numbers: list[float], shift: float) -> None:
    found, moved = (typical_interval(np.array(numbers) + by, 0.9) for by in (0.0, shift))
    assert found.low - 1e-9 <= found.estimate <= found.high + 1e-9
    assert moved.low == pytest.approx(found.low + shift, abs=1e-6)
    assert moved.high == pytest.approx(found.high + shift, abs=1e-6)


def test_too_few_pairs_for_a_level_are_told() -> None:
    with pytest.raises(LiftTestError, match=r"at most 87\.5%"):
        typical_interval(np.arange(4.0), 0.9)
    for pairs in (3.0, 15.0):
        with pytest.raises(LiftTestError, match="4 to 14"):
            typical_interval(np.arange(pairs), 0.5)


def test_intervals_of_a_switchback_cover_as_often_as_they_say() -> None:
    rng, held, runs = np.random.default_rng(7), 0, 600
    for _ in range(runs):
        noise = np.zeros(84)
        for day in range(1, 84):
            noise[day] = 0.8 * noise[day - 1] + 3.0 * rng.standard_t(4)
        high = draw_blocks(6, rng)
        found = typical_interval(contrasts(noise + 5.0 * np.repeat(high, 7), 0, 0, high, (7, 2)), 0.9)
        held += found.low <= 5.0 <= found.high
    assert abs(held / runs - 0.9) < 5 * np.sqrt(0.09 / runs)


def test_weekdays_are_taken_off_where_blocks_are_not_whole_weeks() -> None:
    week = np.array([10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 0.0])
    series = np.tile(week, 10)
    high = (True, False) * 4
    series[35:59] += 2.0 * np.repeat(high, 3)
    assert contrasts(series, 0, 35, high, (3, 0)) == pytest.approx(np.full(4, 2.0))


@given(st.floats(0.01, 1.0), st.sampled_from(["down", "up", "both"]))
def test_no_change_between_levels_is_larger_than_the_step(step: float, way: str) -> None:
    lower, upper = levels(step, way)
    assert lower <= 1.0 <= upper
    stops = (lower, 1.0, upper)
    assert all(1 - step <= b / a <= 1 + step for a in stops for b in stops)


@pytest.mark.parametrize(("step", "way", "words"), [(0.0, "down", "above zero"), (0.3, "off", "down, up or both")])
def test_levels_that_cannot_be(step: float, way: str, words: str) -> None:
    with pytest.raises(LiftTestError, match=words):
        levels(step, way)


@given(st.integers(4, 14), st.integers(0, 1000))
def test_of_each_pair_one_block_is_high(pairs: int, seed: int) -> None:
    high = draw_blocks(pairs, np.random.default_rng(seed))
    assert len(high) == 2 * pairs
    assert all(a != b for a, b in zip(high[::2], high[1::2], strict=True))


def test_power_by_hand() -> None:
    placebos = [Interval(0.0, -low, low, 1.0) for low in range(1, 21)]
    found = power_of(placebos, 0.8)
    assert found.smallest == pytest.approx(np.quantile(np.arange(1, 21), 0.8))
    assert found.false_alarms == 0.0
    assert found.se == 0.0
    assert found.found[0] == 0.0
    assert found.found[-1] == 1.0
    assert (np.diff(found.found) >= 0).all()
    with pytest.raises(LiftTestError, match="long enough for 3"):
        power_of(placebos[:3], 0.8)


def test_what_is_foreseen_of_a_switchback_is_found_as_often() -> None:
    rng = np.random.default_rng(3)
    past = 100.0 + 8.0 * rng.standard_normal(180)
    foreseen = design_switchback(past, 0, Draft(), np.random.default_rng(4))
    assert abs(foreseen.false_alarms - 0.1) < 0.08  # 400 placebos that share their days
    found = 0
    for _ in range(400):
        high = draw_blocks(6, rng)
        days = 8.0 * rng.standard_normal(84) + foreseen.smallest * np.repeat(high, 7)
        found += typical_interval(contrasts(days, 0, 0, high, (7, 2)), 0.9).low > 0
    assert 0.65 < found / 400 < 0.92
    with pytest.raises(LiftTestError, match="too few for placebos"):
        design_switchback(past[:80], 0, Draft(), rng)


def _switchback(high: tuple[bool, ...]) -> Switchback:
    bases = (Base("shop/shop/1", Money.of(100, "EUR")),)
    return Switchback("Brand", "brand", None, bases, START, 7, 2, high, 0.8, 1.0)


def test_a_switchback_is_read_as_the_whole_test_high_beside_low() -> None:
    rng = np.random.default_rng(5)
    high = draw_blocks(6, rng)
    up = np.repeat(high, 7)
    sold, spend, claimed = 100.0 + 4.0 * up, 80.0 + 20.0 * up, 10.0 + 8.0 * up
    outcomes = Outcomes(START, ("all",), (sold + rng.normal(0, 0.1, 84))[None])
    found = read_switchback(_switchback(high), outcomes, spend, claimed)
    assert found.spend == pytest.approx(84 * 80.0)
    assert found.spend_change == pytest.approx(84 * 20.0)
    assert found.incremental == pytest.approx(84 * 4.0, rel=0.05)
    assert found.found
    assert found.claimed == pytest.approx(84 * 8.0)
    entered = as_test(_switchback(high), found)
    assert (entered.channel, entered.spend_change) == ("brand", found.spend_change)
    with pytest.raises(LiftTestError, match="did not follow"):
        read_switchback(_switchback(high), outcomes, np.full(84, 80.0))
    with pytest.raises(LiftTestError, match="not among them"):
        read_switchback(_switchback(high), outcomes.until(START + timedelta(days=60)), spend[:60])


def test_the_weights_of_a_control_are_convex_and_find_the_twin() -> None:
    rng = np.random.default_rng(1)
    donors = 1.0 + 0.2 * rng.standard_normal((5, 200))
    weights = convex_weights(donors[2], donors)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert weights.argmax() == 2
    assert weights[2] > 0.8


def test_a_control_that_runs_alike_leaves_the_effect_alone() -> None:
    rng = np.random.default_rng(2)
    days = 100.0 + 10.0 * np.sin(np.arange(112) / 5.0)
    donors = np.stack([days, 2.0 * days, 0.5 * days])
    target = 3.0 * days + rng.normal(0, 0.01, 112)
    target[-28:] -= 30.0
    found = gap(target, donors, 28, 0.9)
    assert found.folds == 3
    assert found.interval.estimate == pytest.approx(-30.0, abs=0.1)
    assert found.control == pytest.approx(3.0 * days, rel=1e-3)
    with pytest.raises(LiftTestError, match="84 are needed"):
        gap(target[1:], donors[:, 1:], 28, 0.9)
    with pytest.raises(LiftTestError, match="without any outcome"):
        gap(target, np.vstack([donors, np.zeros(112)]), 28, 0.9)


def _regions(rng: np.random.Generator, days: int, regions: int = 16) -> Outcomes:
    size = 20.0 * np.exp(0.6 * rng.standard_normal(regions))
    shared = 0.1 * np.sin(np.arange(days) * 2 * np.pi / 7) + 0.05 * rng.standard_normal(days)
    own = np.zeros((regions, days))
    for day in range(1, days):
        own[:, day] = 0.6 * own[:, day - 1] + 0.03 * rng.standard_normal(regions)
    sold = rng.poisson(size[:, None] * np.exp(shared + own)).astype(np.float64)
    return Outcomes(START, tuple(f"r{i:02}" for i in range(regions)), sold)


def test_intervals_of_a_holdout_cover_as_often_as_they_say() -> None:
    rng, held, runs = np.random.default_rng(11), 0, 400
    for _ in range(runs):
        outcomes = _regions(rng, 98)
        test, control = draw_regions(outcomes, 0.25, rng)
        found = gap(outcomes.rows(test).sum(axis=0), outcomes.rows(control), 14, 0.9).interval
        held += found.low <= 0.0 <= found.high
    assert abs(held / runs - 0.9) < 5 * np.sqrt(0.09 / runs)


@given(st.integers(0, 200), st.sampled_from([0.2, 0.25, 1 / 3, 0.5]))
def test_regions_are_drawn_one_of_each_stratum(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    outcomes = _regions(rng, 7, 15)
    test, control = draw_regions(outcomes, share, rng)
    assert sorted((*test, *control)) == sorted(outcomes.regions)
    assert len(test) == 15 // round(1 / share)


@pytest.mark.parametrize(("share", "words"), [(0.6, "at most 0.5"), (0.1, "30 are needed")])
def test_a_share_of_regions_that_cannot_be_tested(share: float, words: str) -> None:
    with pytest.raises(LiftTestError, match=words):
        draw_regions(_regions(np.random.default_rng(1), 7), share, np.random.default_rng(1))


def test_a_holdout_is_designed_and_read() -> None:
    rng = np.random.default_rng(21)
    outcomes = _regions(rng, 196)
    design = design_holdout(outcomes.until(START + timedelta(days=168)), 28, 0.25, (0.9, 0.8), rng)
    assert design.power.placebos == 12 * 9
    assert 0.1 < design.share < 0.4
    plan = Holdout(
        "Brand", "brand", None, START + timedelta(days=168), START + timedelta(days=195), design.test, design.control
    )
    cut = outcomes.values.copy()
    rows = outcomes.places(design.test)
    lost = 2.0 * design.power.smallest
    cut[np.ix_(rows, range(168, 196))] -= lost / len(rows)
    spend = np.full(cut.shape, 5.0)
    spend[np.ix_(rows, range(168, 196))] = 0.0
    found = read_holdout(plan, Outcomes(START, outcomes.regions, cut, spend), claimed_rate=0.1)
    assert found.spend == pytest.approx(28 * 5.0 * len(rows))
    assert found.spend_change == -found.spend
    assert found.low <= -28 * lost <= found.high
    assert found.found
    assert found.claimed == pytest.approx(0.1 * found.spend_change)
    told = read_holdout(plan, Outcomes(START, outcomes.regions, cut), spend=500.0)
    assert told.spend_change == -500.0
    assert told.incremental == found.incremental
    with pytest.raises(LiftTestError, match="not known"):
        read_holdout(plan, outcomes)
    with pytest.raises(LiftTestError, match="did not change as planned"):
        read_holdout(plan, Outcomes(START, outcomes.regions, cut, np.full(cut.shape, 5.0)))
    with pytest.raises(LiftTestError, match="no region 'x'"):
        read_holdout(replace(plan, test=("x",)), outcomes, spend=1.0)
    with pytest.raises(LiftTestError, match="112 are needed"):
        design_holdout(outcomes.until(START + timedelta(days=100)), 28, 0.25, (0.9, 0.8), rng)


TEST = LiftTest("brand", START, START + timedelta(days=9), 100.0, -100.0, -5.0, 2.0)


def test_a_test_weighs_half_after_each_half_life_and_expires() -> None:
    ageing = Ageing(100.0, 300)
    after = [aged(TEST, TEST.last_day + timedelta(days=age), ageing) for age in (-3, 0, 100, 200, 299, 300)]
    variances = [None if test is None else test.se**2 for test in after]
    assert variances == [4.0, 4.0, pytest.approx(8.0), pytest.approx(16.0), pytest.approx(4 * 2**2.99), None]
    with pytest.raises(ValueError, match="above zero"):
        Ageing(0.0)


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_older_test_never_says_more(first: int, second: int) -> None:
    young, old = (aged(TEST, TEST.last_day + timedelta(days=a), Ageing()) for a in sorted((first, second)))
    assert young is not None
    assert old is not None
    assert young.se <= old.se


def test_a_claim_that_is_four_times_too_large_is_told() -> None:
    found = compared([Claim(claimed=-400.0, claimed_se=10.0, incremental=-100.0, se=5.0)])
    assert found.middle == pytest.approx(0.25, rel=0.05)
    assert found.low < 0.25 < found.high
    assert found.overclaimed > 0.999
    honest = compared([Claim(100.0, 5.0, 105.0, 10.0)])
    assert 0.1 < honest.overclaimed < 0.7
    nothing_told = compared([])
    assert nothing_told.log.mean == pytest.approx(0.0, abs=1e-3)
    assert nothing_told.log.sd == pytest.approx(0.75, rel=1e-2)
    assert nothing_told.overclaimed == pytest.approx(0.5, abs=1e-3)


@given(st.floats(10, 100), st.floats(0.1, 2.0), st.floats(1.0, 20.0))
def test_a_ratio_does_not_know_which_way_spend_was_changed(claimed: float, ratio: float, se: float) -> None:
    up, down = (compared([Claim(side * claimed, 1.0, side * ratio * claimed, se)]) for side in (1, -1))
    assert up == down
    assert up.low <= up.middle <= up.high


@pytest.mark.parametrize("numbers", [(0.0, 0.0, 1.0, 1.0), (1.0, -1.0, 1.0, 1.0), (1.0, 0.0, np.nan, 1.0)])
def test_a_claim_needs_numbers(numbers: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="claim"):
        Claim(*numbers)


@pytest.mark.parametrize(
    ("table", "words"), [(np.zeros((1, 3)), "2 regions"), (np.full((2, 3), np.nan), "finite")]
)  # fmt: skip
def test_outcomes_that_cannot_be(table: np.ndarray, words: str) -> None:
    with pytest.raises(LiftTestError, match=words):
        Outcomes(START, ("a", "b"), table)
    with pytest.raises(LiftTestError, match="twice"):
        Outcomes(START, ("a", "a"), np.zeros((2, 3)))
    good = Outcomes(START, ("a", "b"), np.ones((2, 3)))
    assert good.digest() != Outcomes(START, ("a", "b"), np.ones((2, 3)), np.ones((2, 3))).digest()
