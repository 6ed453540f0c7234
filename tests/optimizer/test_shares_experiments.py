"""Shares keep clear of the arms of an experiment, and so does what is read for it keep to its own."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from bandits.experiment import Experiment, Kind, Metric, Share
from optimizer.agent.experiments import rows_of
from optimizer.goals import Sharing
from optimizer.plan.snapshot import Arm, ArmPanel
from optimizer.plan.tested import ads_in_experiments, in_experiment
from optimizer.response import learn
from optimizer.shares import arm_shares, standing_aside
from tests.optimizer.snapshots import snapshot

DAYS = 40


@pytest.fixture(scope="module")
def seen():
    """The first target has ads a to d, of which a and b have 60% of the impressions; creative k is in a and c."""
    plain = snapshot(days=DAYS)
    impressions = np.outer([400.0, 200.0, 300.0, 100.0, 500.0], np.ones(DAYS))
    rng = np.random.default_rng(3)
    clicks = rng.poisson(impressions * 0.1).astype(float)
    made = [("a", "k", "u"), ("b", "l", "u"), ("c", "k", "v"), ("d", "m", "v")]
    arms = (*(Arm(0, "g", ad, creative, audience, ad.upper()) for ad, creative, audience in made),
            Arm(1, "g", "a", "k", "u", "A elsewhere"))  # fmt: skip
    panel = ArmPanel(arms, impressions / 100, clicks / 5, clicks * 8, clicks, impressions)
    return replace(plain, arms=panel)


@pytest.fixture(scope="module")
def belief(seen):
    return learn(seen)


def experiment(seen, *ids, kind=Kind.AD, target=0, first=None):
    share = 1 / len(ids)
    begin = first or seen.today - timedelta(days=10)
    return Experiment("headline", (str(seen.targets[target].key),), kind, tuple(Share(i, share) for i in ids), ids[0],
                      Metric.CTR, 0.1, begin, begin + timedelta(days=20))  # fmt: skip


def shares(seen, belief, *experiments):
    given = replace(seen, experiments=experiments)
    return {arm.arm_id: arm for arm in arm_shares(given, belief, Sharing(), np.random.default_rng(1))}


def test_the_arms_of_an_experiment_are_left_out_and_the_others_share_the_rest(seen, belief):
    assert sum(arm.share for arm in shares(seen, belief).values()) == pytest.approx(1)
    held = shares(seen, belief, experiment(seen, "a", "b"))
    assert set(held) == {"c", "d"}
    assert sum(arm.share for arm in held.values()) == pytest.approx(0.4)
    assert held["c"].share_now == pytest.approx(0.3)


def test_one_that_has_not_begun_or_is_elsewhere_changes_nothing(seen, belief):
    later = experiment(seen, "a", "b", first=seen.today + timedelta(days=1))
    elsewhere = experiment(seen, "a", "b", target=2)
    assert shares(seen, belief, later, elsewhere) == shares(seen, belief)
    assert list(standing_aside(replace(seen, experiments=(later,)))) == []


@pytest.mark.parametrize(
    ("kind", "ids", "taken"),
    [(Kind.AD, ("a", "d"), "ad"), (Kind.CREATIVE, ("k", "z"), "ac"), (Kind.AUDIENCE, ("u", "v"), "abcd")],
)
def test_arms_are_known_by_ad_creative_or_audience(seen, kind, ids, taken):
    mask = in_experiment(replace(seen, experiments=(experiment(seen, *ids, kind=kind),)))
    assert {arm.ad_id for arm, held in zip(seen.arms.arms[:4], mask, strict=False) if held} == set(taken)
    assert not mask[4]


def test_an_ad_is_tested_where_one_of_its_arms_is_and_from_the_registration_on(seen):
    twin = replace(seen.arms.arms[0], audience_id="v")
    both = replace(seen, arms=replace(seen.arms, arms=(*seen.arms.arms[:3], twin, seen.arms.arms[4])))
    later = experiment(seen, "u", "w", kind=Kind.AUDIENCE, first=seen.today + timedelta(days=1))
    assert {ad for _, ad in ads_in_experiments(replace(both, experiments=(later,)))} == {"a", "b"}
    assert set(shares(both, learn(both), replace(later, first_day=seen.today))) == {"a", "c"}
    assert ads_in_experiments(both) == frozenset()


def test_it_is_told(seen):
    (told,) = standing_aside(replace(seen, experiments=(experiment(seen, "a", "b"),)))
    assert (told.code, told.subject) == ("experiment", str(seen.targets[0].key))


def test_rows_are_those_of_the_arms_the_targets_and_the_days(seen):
    plan = experiment(seen, "k", "l", kind=Kind.CREATIVE)
    rows = rows_of(plan, seen)
    np.testing.assert_array_equal(rows.impressions, np.outer([700.0, 200.0], np.ones(10)))
    assert rows.day.tolist() == [(plan.first_day + timedelta(days=n)).toordinal() for n in range(10)]
    np.testing.assert_array_equal(rows.age, np.arange(10, 0, -1))
    assert (np.diff(rows.maturity) < 0).all()
    both = rows_of(replace(plan, targets=tuple(str(t.key) for t in seen.targets[:2])), seen)
    assert both.impressions.shape == (2, 20)
    assert np.nansum(both.impressions[:, 10:]) == 5_000
    assert np.isnan(both.impressions[1, 10:]).all()
    nothing = rows_of(replace(plan, targets=("gone",)), seen)
    assert nothing.impressions.shape == (2, 0)
    assert rows_of(plan, replace(seen, arms=None)).impressions.shape == (2, 10)
    early = replace(plan, first_day=date(2020, 1, 1), last_day=date(2020, 1, 20))
    assert rows_of(early, seen).day.size == 0
