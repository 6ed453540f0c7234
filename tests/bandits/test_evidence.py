from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bandits.evidence import Evidence, answered, daily_exposure, gather, refuse_excess
from bandits.groups import Groups

NAN = np.nan
AGE = np.array([2.0, 1.0, 0.0])
MATURE = np.ones(3)


def test_sums_by_hand() -> None:
    exposure = np.array([[100.0, NAN, 40.0], [10.0, 20.0, 30.0]])
    successes = np.array([[4.0, NAN, 1.0], [1.5, NAN, 0.0]])
    got = gather(exposure, successes, age=AGE, maturity=np.array([1.0, 0.8, 0.5]), gamma=0.5)
    assert got.successes == pytest.approx([4 / 4 + 1, 1.5 / 4])
    assert got.exposure == pytest.approx([100 / 4 + 40 * 0.5, 10 / 4 + 30 * 0.5])


def test_maturity_may_differ_between_arms() -> None:
    day = np.full((2, 1), 100.0)
    got = gather(day, day / 10, age=np.zeros(1), maturity=np.array([[1.0], [0.25]]), gamma=1)
    assert got.exposure == pytest.approx([100, 25])


def test_conversions_taken_back_lower_the_sum_but_not_below_zero() -> None:
    exposure = np.full((2, 3), 10.0)
    got = gather(exposure, np.array([[3.0, -1, 0], [0, -1, 0.5]]), age=AGE, maturity=MATURE, gamma=1)
    assert got.successes.tolist() == [2, 0]


def test_successes_without_any_exposure_are_no_evidence() -> None:
    got = gather(np.array([[0.0, 0.0, NAN]]), np.array([[2.0, 0.0, 1.0]]), age=AGE, maturity=MATURE, gamma=1)
    assert (got.successes, got.exposure) == ([0], [0])


days = hnp.arrays(np.float64, (2, 3), elements=st.one_of(st.just(NAN), st.floats(0, 1e6)))


@given(days, days, st.floats(0.5, 1))
def test_a_day_more_is_one_discount_and_one_day(exposure: np.ndarray, successes: np.ndarray, gamma: float) -> None:
    exposure = exposure + 1
    whole = gather(exposure, successes, age=AGE, maturity=MATURE, gamma=gamma)
    before = gather(exposure[:, :2], successes[:, :2], age=AGE[1:], maturity=MATURE[1:], gamma=gamma)
    today = gather(exposure[:, 2:], successes[:, 2:], age=AGE[2:], maturity=MATURE[2:], gamma=gamma)
    assert whole.exposure == pytest.approx(gamma * before.exposure + today.exposure)
    assert whole.successes == pytest.approx(gamma * before.successes + today.successes)


def test_the_rate_is_unbiased_under_delay() -> None:
    rng, arms, rate = np.random.default_rng(1), 40_000, 0.03
    maturity = np.array([0.95, 0.6, 0.2])
    exposure = rng.uniform(50, 150, (arms, 3))
    reported = rng.binomial(rng.poisson(rate * exposure), maturity).astype(float)
    got = gather(exposure, reported, age=AGE, maturity=maturity, gamma=0.9)
    off = got.successes.sum() - rate * got.exposure.sum()
    variance = rate * ((exposure * maturity) @ 0.9 ** (2 * AGE)).sum()
    assert abs(off) < 5.5 * np.sqrt(variance)


def test_conversions_that_will_be_taken_back_are_not_counted() -> None:
    exposure, stays = np.full((1, 3), 100.0), np.array([[5.0, 5.0, 5.0]])
    maturity = np.array([1.0, 1.2, 1.2])
    got = gather(exposure, stays * maturity, age=AGE, maturity=maturity, gamma=0.9)
    assert got.successes / got.exposure == pytest.approx([0.05])
    assert got.exposure == pytest.approx([100 * (0.81 + 1.2 * 0.9 + 1.2)])


def test_daily_exposure_counts_days_with_rows() -> None:
    groups = Groups.of(np.array([0, 0, 1, 2]))
    exposure = np.array([[10.0, NAN, 30.0], [5.0, NAN, NAN], [NAN, 8.0, NAN], [NAN, NAN, NAN]])
    assert daily_exposure(exposure, groups, AGE, 1.0) == pytest.approx([45 / 2, 8, 0])
    assert daily_exposure(exposure, groups, AGE, 0.5)[0] == pytest.approx((15 / 4 + 30) / (1 / 4 + 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"exposure": np.array([[1.0, 1, 1], [1, -2, 1]])},
            r"arm 1: exposure must be finite and not negative, not -2",
        ),
        ({"successes": np.array([[1.0, NAN, np.inf], [1, 1, 1]])}, "arm 0: successes must be finite"),
        ({"successes": np.ones((2, 2))}, r"must both be \(A, T\)"),
        ({"age": np.ones(2)}, r"age \(2,\) must be \(T,\)"),
        ({"age": np.array([2.0, 1.0, -1.0])}, "age must be finite"),
        ({"maturity": np.ones((3, 3))}, "maturity"),
        ({"maturity": np.array([1.0, 1.0, -0.1])}, "maturity must be finite and not negative"),
        ({"maturity": np.array([1.0, 1.0, NAN])}, "maturity must be finite and not negative"),
        ({"maturity": np.array([1.0, 1.0, np.inf])}, "maturity must be finite and not negative"),
        ({"gamma": 0.0}, "gamma must be above 0"),
    ],
)
def test_bad_days_are_refused(change: dict[str, object], words: str) -> None:
    good = {"exposure": np.ones((2, 3)), "successes": np.ones((2, 3)), "age": AGE, "maturity": MATURE, "gamma": 1.0}
    arguments = good | change
    with pytest.raises(ValueError, match=words):
        gather(arguments.pop("exposure"), arguments.pop("successes"), **arguments)


def test_evidence_is_checked_at_birth() -> None:
    with pytest.raises(ValueError, match="arm 1: exposure"):
        Evidence(np.zeros(2), np.array([1.0, NAN]))
    with pytest.raises(ValueError, match="must both be"):
        Evidence(np.zeros(2), np.zeros(3))


def test_groups_by_hand() -> None:
    groups = Groups.of(np.array([3, 3, 7, 9, 9, 9]))
    assert groups.sizes.tolist() == [2, 1, 3]
    x = np.array([[1.0, 2, 3, 4, 5, 6], [6.0, 5, 4, 3, 2, 1]])
    assert groups.sum(x).tolist() == [[3, 3, 15], [11, 4, 6]]
    assert groups.max(x).tolist() == [[2, 3, 6], [6, 4, 3]]
    assert groups.spread(np.array([1.0, 2, 3])).tolist() == [1, 1, 2, 3, 3, 3]
    assert Groups.of(np.array([], dtype=np.int64)).arms == 0


def test_thinned_groups_keep_their_arms_together() -> None:
    groups, kept = Groups.of(np.arange(90) // 3).thinned(7)
    assert groups.sizes.tolist() == [3] * 6
    assert kept.tolist() == [3 * g + a for g in range(0, 30, 5) for a in range(3)]


def test_groups_that_are_not_sorted_are_refused() -> None:
    with pytest.raises(ValueError, match="arm 2: arms must be sorted"):
        Groups.of(np.array([0, 1, 0]))
    with pytest.raises(ValueError, match="one integer per arm"):
        Groups.of(np.array([0.5, 1.0]))


def test_what_is_answered_for_is_nothing_without_a_row() -> None:
    exposure, successes = np.array([[10.0, 20.0, NAN]]), np.array([[1.0, NAN, 2.0]])
    assert answered(exposure, successes, np.full(3, 0.5)).tolist() == [[5, 0, 0]]


def test_weighed_evidence_counts_in_part() -> None:
    half = Evidence(np.array([4.0, 1.0]), np.array([10.0, 6.0])).weighed(np.array([0.5, 1.0]))
    assert (half.successes.tolist(), half.exposure.tolist()) == ([2, 1], [5, 6])


@pytest.mark.parametrize(
    ("successes", "trials", "words"),
    [
        ([1.0, 5.0], [1.0, 4.0], "arm 1: 5 successes are more than 4 trials"),
        ([[1.0, 0], [NAN, 3]], [[2.0, 1], [0, 2]], "arm 1, day 1: 3 successes are more than 2 trials"),
        ([1.0, -1], [1.0, 4.0], "arm 1: successes must be finite and not negative, not -1"),
        ([1.0, 1], [-2.0, 4.0], "arm 0: trials must be finite and not negative, not -2"),
    ],
)
def test_more_conversions_than_clicks_are_refused(successes: list, trials: list, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        refuse_excess(np.array(successes), np.array(trials))
    refuse_excess(np.array([NAN, 2.0]), np.array([3.0, 2.0]))
