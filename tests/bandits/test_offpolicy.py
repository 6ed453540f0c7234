from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bandits import offpolicy
from bandits.groups import FloatArray, IntArray
from bandits.offpolicy import Estimate, Log, Shares

OPEN_BANDIT = Path(__file__).resolve().parents[3] / "shared" / "data" / "open_bandit" / "random"

LOGGED = np.array([0.5, 0.3, 0.2])
MEANS = np.array([0.2, 0.5, 0.35])
TARGET = np.array([0.1, 0.7, 0.2])


def log_of(actions: IntArray, rewards: FloatArray, shares: FloatArray = LOGGED) -> Log:
    return Log(actions, rewards, shares[actions], len(shares))


def drawn(rng: np.random.Generator, rows: int) -> Log:
    """Rows of a policy that favours the worst arm."""
    actions = rng.choice(3, size=rows, p=LOGGED)
    return log_of(actions, (rng.random(rows) < MEANS[actions]).astype(np.float64))


def test_weighting_by_hand() -> None:
    log = log_of(np.array([0, 1, 2, 0]), np.array([1.0, 0.0, 2.0, 4.0]), np.array([0.5, 0.25, 0.25]))
    found = offpolicy.weigh(log, np.array([0.25, 0.5, 0.25, 0.25]))  # weights .5, 2, 1, .5
    assert found.ips.value == pytest.approx((0.5 + 0 + 2 + 2) / 4)
    assert found.ips.se == pytest.approx(np.std([0.5, 0, 2, 2], ddof=1) / 2)
    assert found.snips.value == pytest.approx(4.5 / 4)
    around = np.array([0.5 * (1 - 1.125), 2 * -1.125, 2 - 1.125, 0.5 * (4 - 1.125)])
    assert found.snips.se == pytest.approx(np.sqrt((around**2).sum()) / 4)
    assert found.effective == pytest.approx(4**2 / (0.25 + 4 + 1 + 0.25))
    assert found.rewarded == pytest.approx(2**2 / (0.25 + 1 + 0.25))
    assert found.mean_weight.value == 1.0
    assert (found.largest_weight, found.clipped) == (2.0, 0.0)
    cut = offpolicy.weigh(log, np.array([0.25, 0.5, 0.25, 0.25]), clip=1.0)
    assert cut.snips.value == pytest.approx(4.5 / 3)
    assert (cut.largest_weight, cut.clipped) == (2.0, 0.25)


def test_the_doubly_robust_estimate_by_hand() -> None:
    """Two rows in two folds: each is judged by the other, whose arm's mean is shrunk towards itself."""
    log = log_of(np.array([0, 1]), np.array([2.0, 1.0]), np.array([0.5, 0.5]))
    target = Shares.fixed(np.array([0.2, 0.8]), 2)
    value, gain = offpolicy.doubly_robust(log, target)
    first = 1.0 + 0.4 * (2 - 1.0)  # the model of the second row: 1 for both arms
    second = 2.0 + 1.6 * (1 - 2.0)
    assert value.value == pytest.approx((first + second) / 2)
    assert gain.value == pytest.approx((first - 2 + second - 1) / 2)


def test_an_interval_is_the_normal_one() -> None:
    found = Estimate(1.0, 0.5)
    assert (found.low95, found.high95) == pytest.approx((1 - 0.979982, 1 + 0.979982))


@pytest.mark.parametrize("count", [1, 4, 30])
def test_an_interval_of_equal_weights_is_that_of_a_poisson_count(count: int) -> None:
    """Garwood (1936): chi-squared quantiles with 2 y and 2 y + 2 degrees of freedom."""
    found = Estimate(float(count), count**0.5, counted=float(count), one_more=1.0)
    assert found.low95 == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2)
    assert found.high95 == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2)
    moved = Estimate(count + 2.0, count**0.5, counted=float(count), one_more=1.0)
    assert (moved.low95, moved.high95) == pytest.approx((found.low95 + 2, found.high95 + 2))


def test_no_reward_at_all_still_leaves_room_above() -> None:
    log = log_of(np.array([0, 1, 2, 0]), np.zeros(4))
    found = offpolicy.weigh(log, np.array([0.1, 0.6, 0.3, 0.1]))  # the largest weight is 2
    assert (found.ips.value, found.ips.low95) == (0.0, 0.0)
    assert found.ips.high95 == pytest.approx(2 / 4 * -np.log(0.025))


def test_rewards_below_zero_have_normal_intervals() -> None:
    log = log_of(np.array([0, 1, 2, 0]), np.array([1.0, -1.0, 2.0, 0.0]))
    for found in (offpolicy.weigh(log, log.propensity).ips, offpolicy.doubly_robust(log, Shares.fixed(LOGGED, 4))[0]):
        assert found.high95 - found.value == pytest.approx(1.959964 * found.se)
        assert found.value - found.low95 == pytest.approx(1.959964 * found.se)


def test_intervals_cover_where_few_rows_are_rewarded() -> None:
    """Ten rewards a log, and a target that cares for an arm with one of them: a normal interval misses too often."""
    rng = np.random.default_rng(12)
    arms, rows, logs = 10, 500, 1_500
    target, truth = Shares.fixed(np.array([0.91, *[0.01] * 9]), rows), 0.02
    held = np.zeros((logs, 4))
    for number in range(logs):
        action = rng.integers(0, arms, rows)
        log = Log(action, (rng.random(rows) < truth).astype(np.float64), np.full(rows, 1 / arms), arms)
        weighting = offpolicy.weigh(log, target.chosen(action))
        robust = offpolicy.doubly_robust(log, target)[0]
        normal = Estimate(weighting.ips.value, weighting.ips.se)
        every = (weighting.ips, weighting.snips, robust, normal)
        held[number] = [found.low95 <= truth <= found.high95 for found in every]
    error = np.sqrt(0.95 * 0.05 / logs)
    assert (held[:, :3].mean(axis=0) > 0.95 - 5.5 * error).all()
    assert held[:, 3].mean() < 0.9


def test_the_model_believes_arms_as_far_as_they_look_apart() -> None:
    """The mean of all weighs as many rows as the variance within arms is times that between them."""
    rng = np.random.default_rng(8)
    rate = np.repeat(rng.beta(20, 80, 400), 500)
    arm = np.repeat(np.arange(400), 500)

    def rows(reward: FloatArray) -> float:
        count, total = np.bincount(arm).astype(np.float64), np.bincount(arm, weights=reward)
        return offpolicy.credible(count, total, float(((reward - reward.mean()) ** 2).sum()))

    apart = rows((rng.random(arm.size) < rate).astype(np.float64))
    assert apart == pytest.approx(100, rel=0.6), "alpha + beta, whose error is about 10%"
    assert rows(np.tile([0.0, 1.0], arm.size // 2)) == 1e6, "less apart than chance alone would have them"
    assert rows(arm.astype(np.float64)) == 1.0


@given(st.integers(0, 2**32))
def test_the_policy_of_the_log_is_worth_what_it_brought(seed: int) -> None:
    log = drawn(np.random.default_rng(seed), 60)
    own = offpolicy.weigh(log, log.propensity)
    assert own.ips.value == pytest.approx(log.reward.mean())
    assert own.snips.value == pytest.approx(log.reward.mean())
    assert own.effective == pytest.approx(60)


@given(st.integers(0, 2**32), st.floats(-3, 3), st.floats(0.1, 10))
def test_estimates_follow_a_change_of_unit(seed: int, shift: float, scale: float) -> None:
    """A scale multiplies all three; a shift moves SNIPS and DR, and IPS only as far as the weights average 1."""
    log, target = drawn(np.random.default_rng(seed), 200), Shares.fixed(TARGET, 200)
    moved = Log(log.action, log.reward * scale + shift, log.propensity, 3)
    chosen = target.chosen(log.action)
    before, after = offpolicy.weigh(log, chosen), offpolicy.weigh(moved, chosen)
    assert after.snips.value == pytest.approx(before.snips.value * scale + shift)
    assert after.ips.value == pytest.approx(before.ips.value * scale + shift * before.mean_weight.value)
    values = [offpolicy.doubly_robust(each, target)[0] for each in (log, moved)]
    assert values[1].value == pytest.approx(values[0].value * scale + shift)
    assert values[1].se == pytest.approx(values[0].se * scale)


@pytest.fixture(scope="module")
def repeated() -> dict[str, list[Estimate]]:
    """The estimates of 2,000 logs of 400 rows, and the gain over the log, whose truths are known."""
    rng = np.random.default_rng(11)
    found: dict[str, list[Estimate]] = {"ips": [], "snips": [], "dr": [], "gain": []}
    for _ in range(2_000):
        log, target = drawn(rng, 400), Shares.fixed(TARGET, 400)
        weighting = offpolicy.weigh(log, target.chosen(log.action))
        robust, gain = offpolicy.doubly_robust(log, target)
        for name, estimate in zip(found, (weighting.ips, weighting.snips, robust, gain), strict=True):
            found[name].append(estimate)
    return found


TRUTH = {name: float(TARGET @ MEANS) for name in ("ips", "snips", "dr")} | {"gain": float((TARGET - LOGGED) @ MEANS)}


@pytest.mark.parametrize("name", TRUTH)
def test_estimates_are_right_on_average_and_their_intervals_cover(
    name: str, repeated: dict[str, list[Estimate]]
) -> None:
    values = np.array([found.value for found in repeated[name]])
    error = values.std() / np.sqrt(len(values))
    bias = 0.5 / 400 if name == "snips" else 0.0
    assert abs(values.mean() - TRUTH[name]) < 5.5 * error + bias
    covered = np.mean([found.low95 <= TRUTH[name] <= found.high95 for found in repeated[name]])
    # 5.5 binomial standard errors, and .01 for what the normal approximation misses at 400 rows.
    assert abs(covered - 0.95) < 5.5 * np.sqrt(0.95 * 0.05 / len(values)) + 0.01
    stated = np.mean([found.se for found in repeated[name]])
    assert stated == pytest.approx(values.std(), rel=5.5 / np.sqrt(2 * len(values)) + 0.02)


def test_a_model_of_the_reward_narrows_the_interval(repeated: dict[str, list[Estimate]]) -> None:
    ips, robust = (np.mean([found.se for found in repeated[name]]) for name in ("ips", "dr"))
    assert robust < 0.9 * ips


def test_clipping_biases_what_it_calms() -> None:
    log = drawn(np.random.default_rng(1), 4_000)
    chosen = Shares.fixed(TARGET, 4_000).chosen(log.action)
    whole, cut = offpolicy.weigh(log, chosen), offpolicy.weigh(log, chosen, clip=1.0)
    assert cut.ips.se < whole.ips.se
    assert cut.ips.value < TRUTH["ips"] - 5.5 * cut.ips.se, "arm 1 has weight 7 / 3 and counts for less than half"
    robust, _ = offpolicy.doubly_robust(log, Shares.fixed(TARGET, 4_000), clip=1.0)
    assert abs(robust.value - TRUTH["dr"]) < 5.5 * robust.se, "what is cut is left to the model, which is right here"


def test_arms_that_were_never_logged_are_told() -> None:
    log = Log(np.array([0, 1, 0, 1]), np.array([1.0, 0, 1, 0]), np.full(4, 0.5), 3)
    target = Shares(np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]]), np.array([0, 0, 0, 1]))
    assert offpolicy.unsupported(log, target) == pytest.approx(0.75 * 0.25 + 0.25)
    assert offpolicy.unsupported(log, offpolicy.even(log)) == pytest.approx(1 / 3)
    assert offpolicy.weigh(log, target.chosen(log.action)).mean_weight.value == pytest.approx(0.625)


def test_a_target_without_weight_on_any_row_has_no_self_normalised_value() -> None:
    log = Log(np.array([0, 0]), np.array([1.0, 2.0]), np.full(2, 0.5), 2)
    found = offpolicy.weigh(log, np.zeros(2))
    assert (found.ips.value, found.effective, found.rewarded) == (0.0, 0.0, 0.0)
    assert np.isnan(found.snips.value)


@pytest.mark.parametrize("learn", ["greedy", "thompson"])
def test_a_policy_that_learns_from_the_log_sees_no_row_before_its_time(learn: str) -> None:
    def policy(log: Log) -> Shares:
        if learn == "greedy":
            return offpolicy.greedy_so_far(log, 10)
        return offpolicy.thompson_so_far(log, 10, np.random.default_rng(3))

    log = drawn(np.random.default_rng(2), 1_000)
    changed = log.reward.copy()
    changed[500:] = 1.0 - changed[500:]
    before, after = policy(log), policy(Log(log.action, changed, log.propensity, 3))
    assert before.table[0] == pytest.approx(np.full(3, 1 / 3))
    assert (before.table[:6] == after.table[:6]).all(), "the sixth batch begins with row 500"
    assert not np.allclose(before.table[9], after.table[9])
    assert (np.bincount(before.segment) == 100).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 7))
def test_shares_sum_to_one_whatever_was_logged(seed: int, batches: int) -> None:
    rng = np.random.default_rng(seed)
    log = drawn(rng, int(rng.integers(7, 40)))
    for target in (offpolicy.greedy_so_far(log, batches), offpolicy.thompson_so_far(log, batches, rng)):
        assert target.table.shape == (batches, 3)
        assert target.table.sum(axis=1) == pytest.approx(np.ones(batches))
        assert set(target.segment.tolist()) == set(range(batches))


def test_the_value_of_a_policy_that_learns_is_that_of_its_shares() -> None:
    """Its weights depend on earlier rows only, so that its terms are martingale differences around the truth."""
    rng = np.random.default_rng(5)
    scores = []
    for _ in range(300):
        log = drawn(rng, 600)
        target = offpolicy.greedy_so_far(log, 6)
        truth = float((target.table @ MEANS)[target.segment].mean())
        found = offpolicy.weigh(log, target.chosen(log.action)).ips
        scores.append((found.value - truth) / found.se)
    assert abs(np.mean(scores)) < 5.5 / np.sqrt(300)
    assert np.mean(np.abs(scores) < 1.96) > 0.95 - 5.5 * np.sqrt(0.95 * 0.05 / 300)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"propensity": np.array([0.5, 0.0, 0.2])}, "row 1: propensity must be above 0 and at most 1, not 0"),
        ({"propensity": np.array([0.5, 0.2, 1.2])}, "row 2: propensity"),
        ({"propensity": np.array([np.nan, 0.2, 0.2])}, "row 0: propensity"),
        ({"reward": np.array([0.0, 0.0, np.inf])}, "row 2: reward must be finite"),
        ({"action": np.array([0, 3, 1])}, "row 1: action must be 0 to 2, not 3"),
        ({"action": np.array([0, 1])}, "one shape"),
    ],
)
def test_a_log_that_makes_no_sense_is_refused(change: dict[str, np.ndarray], words: str) -> None:
    parts = {"action": np.array([0, 1, 2]), "reward": np.zeros(3), "propensity": np.full(3, 0.3)} | change
    with pytest.raises(ValueError, match=words):
        Log(**parts, arms=3)


def test_targets_that_make_no_sense_are_refused() -> None:
    log = drawn(np.random.default_rng(1), 10)
    with pytest.raises(ValueError, match="row 0: a target's probabilities must sum to 1"):
        Shares.fixed(np.array([0.5, 0.4, 0.2]), 10)
    with pytest.raises(ValueError, match="not negative"):
        Shares.fixed(np.array([1.5, -0.5, 0.0]), 10)
    with pytest.raises(ValueError, match="row 3: a target's probability must be in"):
        offpolicy.weigh(log, np.array([0.1, 0.1, 0.1, 1.1, *[0.1] * 6]))
    with pytest.raises(ValueError, match="clipped to something above 0"):
        offpolicy.weigh(log, np.full(10, 0.1), clip=0.0)
    with pytest.raises(ValueError, match="the target is of"):
        offpolicy.doubly_robust(log, Shares.fixed(TARGET, 9))
    with pytest.raises(ValueError, match="batches must be 1 to 10"):
        offpolicy.greedy_so_far(log, 11)
    with pytest.raises(ValueError, match="row 0: Thompson's rule counts successes"):
        offpolicy.thompson_so_far(log_of(np.array([0, 1]), np.array([-1.0, 0])), 1, np.random.default_rng(1))
    with pytest.raises(ValueError, match="two rows"):
        Log(np.array([0]), np.array([1.0]), np.array([1.0]), 1)


@pytest.mark.parametrize("shop", ["all", "men", "women"])
def test_a_published_uniform_log_is_consistent_with_itself(shop: str) -> None:
    """The even policy wrote the log, so its mean is known; a policy chosen on one half is judged on the other."""
    path = OPEN_BANDIT / shop / f"{shop}.csv"
    if not path.exists():
        pytest.skip("the Open Bandit data set is not on this machine (shared/data)")
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    action = np.array([int(row["item_id"]) for row in rows])
    reward = np.array([float(row["click"]) for row in rows])
    log = Log(action, reward, np.array([float(row["propensity_score"]) for row in rows]), int(action.max()) + 1)
    even = offpolicy.even(log)
    assert offpolicy.weigh(log, even.chosen(action)).ips.value == pytest.approx(reward.mean())
    robust, gain = offpolicy.doubly_robust(log, even)
    assert abs(gain.value) < 5.5 * gain.se
    assert abs(robust.value - reward.mean()) < 0.2 * robust.se
    half = log.rows // 2
    best = int(offpolicy.greedy_so_far(log, 2).table[1].argmax())
    late = Log(action[half:], reward[half:], log.propensity[half:], log.arms)
    one = Shares.fixed(np.eye(log.arms)[best], late.rows)
    found = offpolicy.weigh(late, one.chosen(late.action))
    on_arm = late.action == best
    assert found.snips.value == pytest.approx(late.reward[on_arm].mean())
    assert found.effective == pytest.approx(on_arm.sum())
    assert abs(found.mean_weight.value - 1) < 5.5 * found.mean_weight.se
    assert found.ips.value == pytest.approx(late.reward[on_arm].sum() * log.arms / late.rows)
