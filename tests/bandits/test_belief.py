from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bandits import ArmBelief, BanditSettings, believe, thompson
from bandits.groups import Groups
from bandits.labels import Labels

NAN = np.nan


def run(exposure: Any, successes: Any, group: list[int], seed: int = 1, **changes: Any) -> ArmBelief:
    exposure, successes = np.array(exposure, dtype=float), np.array(successes, dtype=float)
    days = exposure.shape[1]
    arguments: dict[str, Any] = {
        "group": np.array(group, dtype=np.int64),
        "age": np.arange(days)[::-1].astype(float),
        "maturity": np.ones(days),
        "share_now": np.zeros(len(group)),
        "rng": np.random.default_rng(seed),
    }
    return believe(exposure, successes, **(arguments | changes))


def test_a_clear_winner_gets_the_group() -> None:
    belief = run(np.full((4, 10), 1000), [[30] * 10, [10] * 10, [10] * 10, [20] * 10], [0, 0, 0, 1])
    assert belief.share == pytest.approx([1, 0, 0, 1], abs=1e-6)
    assert belief.p_best[0] > 0.999
    assert belief.mean[0] == pytest.approx(0.03, rel=0.1)
    assert (belief.low90 < belief.mean).all()
    assert (belief.mean < belief.high90).all()
    assert belief.enough.all()


def test_without_data_shares_are_even_and_nothing_is_enough() -> None:
    belief = run(np.full((3, 5), NAN), np.full((3, 5), NAN), [0, 0, 1])
    assert belief.share == pytest.approx([0.5, 0.5, 1])
    assert belief.p_best == pytest.approx([0.5, 0.5, 1], abs=0.13)
    assert not belief.enough.any()


def test_no_arms_is_no_belief() -> None:
    assert run(np.zeros((0, 3)), np.zeros((0, 3)), []).share.shape == (0,)


def test_the_largest_step_holds_and_the_newcomer_has_its_floor() -> None:
    exposure = [[1000.0] * 10, [1000.0] * 10, [NAN] * 9 + [1.0]]
    successes = [[50.0] * 10, [10.0] * 10, [NAN] * 9 + [0.0]]
    settings = BanditSettings(largest_step=0.2, floor=0.3, temper=0)
    now = np.array([50.0, 50.0, 0.0])  # any scale
    belief = run(exposure, successes, [4, 4, 4], share_now=now, settings=settings)
    assert belief.share == pytest.approx([0.6, 0.3, 0.1])
    assert belief.enough.tolist() == [True, True, False]


def test_an_arm_with_exposure_but_no_success_is_known_to_be_poor() -> None:
    belief = run(np.full((3, 10), 1000), [[20] * 10, [22] * 10, [0] * 10], [0, 0, 0])
    assert belief.enough.all()
    assert belief.high90[2] < belief.low90[0]


def test_delay_is_not_taken_for_a_poor_creative() -> None:
    maturity = np.array([1.0, 1.0, 1.0, 0.5, 0.2])
    exposure = np.array([[500.0] * 5, [NAN, NAN, NAN, 1000, 1000]])
    successes = 0.05 * exposure * maturity
    right = run(exposure, successes, [0, 0], maturity=maturity)
    wrong = run(exposure, successes, [0, 0])
    assert right.mean[0] == pytest.approx(right.mean[1], rel=0.02)
    assert wrong.mean[1] < 0.75 * wrong.mean[0]
    assert right.share[1] > 0.3
    assert wrong.share[1] < 0.1


def test_conversions_that_will_be_taken_back_do_not_flatter_a_creative() -> None:
    maturity = np.array([1.0, 1.0, 1.0, 1.2, 1.2])
    exposure = np.array([[500.0] * 5, [NAN, NAN, NAN, 1000, 1000]])
    successes = 0.05 * exposure * maturity
    right = run(exposure, successes, [0, 0], maturity=maturity)
    wrong = run(exposure, successes, [0, 0])
    assert right.mean == pytest.approx([0.05, 0.05], rel=0.02)
    assert wrong.mean[1] > 1.05 * wrong.mean[0]


def test_more_volume_ahead_explores_more() -> None:
    evidence = (np.full((2, 1), 1000.0), np.array([[20.0], [14.0]]))
    short, long = (run(*evidence, [0, 0], settings=BanditSettings(horizon=h, draws=4000)) for h in (1.0, 200.0))
    assert 0.03 < short.share[1] + 0.03 < long.share[1] < long.p_best[1]


def test_the_same_generator_gives_the_same_belief() -> None:
    data = (np.full((3, 4), 100.0), np.random.default_rng(1).poisson(2, (3, 4)), [0, 0, 0])
    first, again, other = run(*data), run(*data), run(*data, seed=2)
    assert (first.share == again.share).all()
    assert (first.p_best != other.p_best).any()


def test_belief_follows_a_permutation_within_the_group() -> None:
    rng, settings = np.random.default_rng(3), BanditSettings(draws=4000)
    exposure, successes = rng.uniform(100, 900, (6, 8)), rng.poisson(5, (6, 8)).astype(float)
    order = [2, 0, 1, 5, 4, 3]
    belief = run(exposure, successes, [0, 0, 0, 1, 1, 1], settings=settings)
    other = run(exposure[order], successes[order], [0, 0, 0, 1, 1, 1], settings=settings)
    for name in ("mean", "low90", "high90"):
        assert getattr(other, name) == pytest.approx(getattr(belief, name)[order], rel=1e-5)
    assert other.share == pytest.approx(belief.share[order], abs=6 * np.sqrt(0.5 / 4000))
    assert (other.enough == belief.enough[order]).all()


def test_drawing_in_blocks_needs_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (np.full((4, 4), 100.0), np.random.default_rng(1).poisson(2, (4, 4)), [0, 0, 1, 1])
    whole = run(*data)
    monkeypatch.setattr("bandits.policy._DRAWN_AT_ONCE", 24)
    blocks = run(*data)
    assert blocks.mean == pytest.approx(whole.mean)
    assert blocks.share == pytest.approx(whole.share, abs=6 * np.sqrt(0.5 / 400))
    assert np.add.reduceat(blocks.p_best, [0, 2]) == pytest.approx([1, 1])


def test_retired_arms_inform_the_group_and_get_nothing() -> None:
    exposure = np.array([[2000.0] * 8 + [NAN] * 2] * 3 + [[NAN] * 8 + [500.0] * 2] * 2)
    successes = np.where(np.isnan(exposure), NAN, exposure * np.array([[0.04], [0.05], [0.045], [0.03], [0.03]]))
    retired = np.array([True, True, True, False, False])
    belief = run(exposure, successes, [0] * 5, retired=retired, share_now=np.array([9.0, 0, 0, 1, 1]))
    young = run(exposure[3:], successes[3:], [0] * 2)
    assert (belief.share[:3] == 0).all()
    assert (belief.p_best[:3] == 0).all()
    assert belief.share[3:] == pytest.approx([0.5, 0.5], abs=0.1)
    assert belief.p_best.sum() == pytest.approx(1)
    assert (belief.mean[3:] > 1.03 * young.mean).all()  # lifted by those that went before
    assert belief.mean[0] == pytest.approx(0.04, rel=0.05)


def test_conversions_taken_back_in_masses_leave_a_belief() -> None:
    successes = np.full((2, 6), 3.0)
    successes[0, 2:4] = -90.0
    belief = run(np.full((2, 6), 500.0), successes, [0, 0])
    for values in (belief.mean, belief.low90, belief.high90, belief.share):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert belief.share.sum() == pytest.approx(1)


def test_a_group_whose_arms_are_all_retired_has_no_shares() -> None:
    belief = run(np.full((3, 4), 500.0), np.full((3, 4), 9.0), [0, 0, 1], retired=np.array([True, True, False]))
    assert belief.share.tolist() == [0, 0, 1]
    assert belief.p_best.tolist() == [0, 0, 1]


def test_a_new_ad_with_a_proven_creative_gets_more_than_one_with_a_poor_creative() -> None:
    exposure = np.array([[2000.0] * 5, [NAN] * 5, [2000.0] * 5, [NAN] * 5])
    successes = exposure * np.array([[0.04], [0], [0.02], [0]])
    creative, audience = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    alone = run(exposure, successes, [0] * 4)
    shared = run(exposure, successes, [0] * 4, labels=Labels(creative=creative, audience=audience))
    assert alone.mean[1] == pytest.approx(alone.mean[3])
    assert shared.mean[1] > 1.05 * shared.mean[3]
    assert shared.p_best[1] > alone.p_best[1] > shared.p_best[3]


def test_the_posterior_that_is_told_has_the_moments_that_are_told() -> None:
    belief = run(np.full((2, 4), 500.0), [[9.0] * 4, [12.0] * 4], [0, 0])
    assert (belief.posterior.mean == belief.mean).all()
    assert (belief.posterior.interval(0.9)[0] == belief.low90).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": Labels(arm=np.array([3, 3]))}, "arm 3 stands twice"),
        ({"labels": Labels(arm=np.array([3, 3])), "group": [0, 1]}, "arm 3 is in two groups"),
        ({"retired": np.array([True])}, "group names 2 arms, retired has"),
        ({"group": [1, 0]}, "arm 1: arms must be sorted by group"),
        ({"group": [0, 0, 0], "share_now": np.zeros(3)}, "group names 3 arms, exposure has"),
        ({"share_now": np.ones(3)}, "group names 2 arms, share_now has"),
        ({"share_now": np.array([0.5, -0.5])}, "arm 1: share_now must be finite and not negative"),
        ({"maturity": np.full(3, np.inf)}, "maturity must be finite and not negative"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run(np.ones((2, 3)), np.ones((2, 3)), change.pop("group", [0, 0]), **change)


@pytest.mark.parametrize(
    ("name", "value"),
    [("gamma", 0), ("temper", 1.1), ("horizon", -1), ("floor", -0.1), ("largest_step", 0), ("draws", 0)],
)
def test_settings_are_checked_at_birth(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        BanditSettings(**{name: value})


def test_two_weeks_of_creatives_beat_an_even_rotation() -> None:
    rng = np.random.default_rng(7)
    groups = Groups.of(np.repeat(np.arange(120), rng.integers(2, 15, 120)))
    rate = 0.015 * np.exp(rng.normal(0, 0.71, 120)[groups.index] + rng.normal(0, 0.24, groups.arms))
    share = thompson.uniform(groups)
    even, best, won = groups.sum(share * rate), groups.max(rate), 0.0
    exposure, successes = np.zeros((groups.arms, 0)), np.zeros((groups.arms, 0))
    for _ in range(14):
        exposure = np.column_stack([exposure, 1200 * share])
        successes = np.column_stack([successes, rng.poisson(1200 * share * rate)])
        share = run(
            exposure, successes, groups.index.tolist(), share_now=share, settings=BanditSettings(draws=60)
        ).share
        won += (groups.sum(share * rate) - even).sum()
    assert won / (14 * (best - even).sum()) > 0.5  # about 0.7, standard error 0.02
