from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from bandits import limits, thompson
from bandits.groups import Groups

GROUPS = Groups.of(np.array([0, 0, 1, 1, 1, 2]))


@given(st.integers(0, 2**32), st.floats(0.01, 1), st.floats(0, 1))
def test_limits_hold_jointly(seed: int, step: float, floor_of_equal: float) -> None:
    rng = np.random.default_rng(seed)
    groups = Groups.of(np.sort(rng.integers(0, 4, 12)))

    def shares() -> np.ndarray:
        raw = rng.gamma(0.3, size=12) * (rng.random(12) < 0.8) + 1e-12
        return raw / groups.spread(groups.sum(raw))

    asked, now = shares(), shares()
    floor = floor_of_equal * thompson.uniform(groups) * (rng.random(12) < 0.5)
    got = limits.within_limits(asked, groups, floor=floor, share_now=now, largest_step=step)
    assert groups.sum(got) == pytest.approx(np.ones(groups.starts.size), abs=1e-9)
    assert (got >= -1e-12).all()
    assert (np.abs(got - now) <= step + 1e-9).all()
    least = np.clip(floor, np.maximum(now - step, 0), np.minimum(now + step, 1))
    possible = groups.spread(groups.sum(least)) <= 1
    assert (got >= least - 1e-9)[possible].all()


def test_shares_within_their_limits_are_left_alone() -> None:
    asked = np.array([0.6, 0.4, 0.2, 0.3, 0.5, 1.0])
    now = np.array([0.5, 0.5, 0.3, 0.3, 0.4, 1.0])
    got = limits.within_limits(asked, GROUPS, floor=np.full(6, 0.1), share_now=now, largest_step=0.2)
    assert got == pytest.approx(asked, abs=1e-12)


def test_limits_by_hand() -> None:
    groups = Groups.of(np.zeros(3, dtype=np.int64))
    asked, now = np.array([1.0, 0.0, 0.0]), np.array([0.4, 0.6, 0.0])
    got = limits.within_limits(asked, groups, floor=np.array([0, 0, 0.1]), share_now=now, largest_step=0.25)
    assert got == pytest.approx([0.55, 0.35, 0.1])


def test_floors_give_way_to_the_step() -> None:
    groups = Groups.of(np.zeros(4, dtype=np.int64))
    now, floor = np.array([1.0, 0, 0, 0]), np.array([0, 0.1, 0.1, 0.2])
    got = limits.within_limits(now, groups, floor=floor, share_now=now, largest_step=0.1)
    assert got == pytest.approx([0.9, 0.1 / 3, 0.1 / 3, 0.1 / 3])
    got = limits.within_limits(now, groups, floor=floor, share_now=np.zeros(4), largest_step=0.1)
    assert got == pytest.approx([0.6, 0.1, 0.1, 0.2])


def test_limits_give_the_nearest_shares() -> None:
    rng, groups = np.random.default_rng(3), Groups.of(np.zeros(5, dtype=np.int64))
    asked, now, floor = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5)), np.full(5, 0.04)
    got = limits.within_limits(asked, groups, floor=floor, share_now=now, largest_step=0.12)
    best = optimize.minimize(
        lambda s: ((s - asked) ** 2).sum(),
        now,
        jac=lambda s: 2 * (s - asked),
        bounds=list(zip(np.clip(floor, now - 0.12, now + 0.12), now + 0.12, strict=True)),
        constraints={"type": "eq", "fun": lambda s: s.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    assert got == pytest.approx(best.x, abs=1e-5)


def test_floors_fall_as_evidence_comes_in() -> None:
    expected = np.array([0.0, 0.99, 1.0, 3.0, 5.0, 9.0])
    least = limits.floors(expected, GROUPS, floor=0.3, new_below=1.0, enough_from=5.0)
    assert least == pytest.approx([0.15, 0.15, 0.1, 0.05, 0.0, 0.0])


def test_without_room_between_new_and_enough_the_floor_is_a_step() -> None:
    expected = np.array([0.0, 2.0, 1.9, 2.1, 2.0, 0.0])
    least = limits.floors(expected, GROUPS, floor=0.3, new_below=2.0, enough_from=2.0)
    assert least == pytest.approx([0.15, 0.0, 0.1, 0.0, 0.0, 0.3])


def test_a_pin_is_kept_to_the_letter() -> None:
    groups = Groups.of(np.array([0, 0, 0, 1, 1]))
    asked, now = np.array([1.0, 0, 0, 0.5, 0.5]), np.array([0.2, 0.4, 0.4, 0.5, 0.5])
    pinned = np.array([np.nan, 0.7, np.nan, np.nan, np.nan])
    arguments = {"floor": np.zeros(5), "share_now": now, "largest_step": 0.1}
    got = limits.within_limits(asked, groups, pinned=pinned, **arguments)
    # The free arms may give up .1 each, .4 in all; the pin asks for more, so both come down in proportion.
    assert got == pytest.approx([0.3 * 0.1 / 0.4, 0.7, 0.3 * 0.3 / 0.4, 0.5, 0.5])
    pinned = np.array([np.nan, 0.3, np.nan, np.nan, np.nan])
    got = limits.within_limits(asked, groups, pinned=pinned, **arguments)
    assert got == pytest.approx([0.3, 0.3, 0.4, 0.5, 0.5])
    pinned = np.array([0.0, 0.0, np.nan, np.nan, np.nan])
    assert limits.within_limits(asked, groups, pinned=pinned, **arguments) == pytest.approx([0, 0, 1, 0.5, 0.5])


@given(st.integers(0, 2**32), st.floats(0.01, 1))
def test_pins_leave_shares_that_sum_to_one(seed: int, step: float) -> None:
    rng = np.random.default_rng(seed)
    groups = Groups.of(np.sort(rng.integers(0, 4, 12)))
    raw = rng.gamma(0.3, size=(2, 12)) + 1e-12
    asked, now = raw / groups.spread(groups.sum(raw))
    pinned = np.where(rng.random(12) < 0.4, 0.9 * thompson.uniform(groups), np.nan)
    pinned[groups.starts] = np.nan
    floor = 0.1 * thompson.uniform(groups)
    got = limits.within_limits(asked, groups, floor=floor, share_now=now, largest_step=step, pinned=pinned)
    assert groups.sum(got) == pytest.approx(np.ones(groups.starts.size), abs=1e-9)
    assert (got >= -1e-12).all()
    fixed = ~np.isnan(pinned)
    assert got[fixed] == pytest.approx(pinned[fixed])


@pytest.mark.parametrize(
    ("pinned", "words"),
    [
        ([1.2, np.nan, np.nan, np.nan, np.nan, np.nan], "arm 0: a pinned share must be between 0 and 1"),
        ([np.nan, np.nan, 0.6, 0.6, np.nan, np.nan], "arm 2: the pinned shares of its group sum to 1.2"),
        ([0.4, 0.4, np.nan, np.nan, np.nan, np.nan], "arm 0: the pinned shares of its group sum to 0.8"),
    ],
)
def test_pins_that_cannot_be_are_refused(pinned: list[float], words: str) -> None:
    even = thompson.uniform(GROUPS)
    with pytest.raises(ValueError, match=words):
        limits.within_limits(even, GROUPS, floor=np.zeros(6), share_now=even, largest_step=0.5, pinned=np.array(pinned))
