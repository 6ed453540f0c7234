from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from optimizer.goals import Sharing
from optimizer.plan.canonical import to_json
from optimizer.plan.recommendation import ArmShare
from optimizer.plan.snapshot import Arm, ArmPanel, FloatArray, IntArray, Snapshot
from optimizer.response import learn
from optimizer.shares import arm_shares
from tests.optimizer.snapshots import snapshot

NAN = np.nan
DAYS = 120


@dataclass(frozen=True)
class Ad:
    """An ad of the first budget: which creative for whom, its rates, and from when to when it ran."""

    name: str
    creative: str | None = None
    audience: str | None = None
    conversions: float = 0.01
    clicks: float = 0.1
    first: int = 0
    last: int = DAYS
    wears: bool = False


def shop(ads: Sequence[Ad], seed: int = 1) -> Snapshot:
    rng, made = np.random.default_rng(seed), snapshot()
    shown = np.full((len(ads), DAYS), NAN)
    for row, ad in enumerate(ads):
        shown[row, ad.first : ad.last] = 1_000.0
    left = np.array([np.where(ad.wears, 0.4 + 0.6 * np.exp(-(np.arange(DAYS) - ad.first) / 25), 1.0) for ad in ads])

    def counted(rates: list[float]) -> FloatArray:
        mean = shown * left * np.array(rates)[:, None]
        return np.where(np.isnan(mean), NAN, rng.poisson(np.nan_to_num(mean)).astype(float))

    conversions, clicks = counted([ad.conversions for ad in ads]), counted([ad.clicks for ad in ads])
    arms = tuple(Arm(0, "g", ad.name, ad.creative, ad.audience, ad.name) for ad in ads)
    return replace(made, arms=ArmPanel(arms, shown / 100, conversions, conversions * 40, clicks, shown))


def shares(made: Snapshot) -> dict[str, ArmShare]:
    return {arm.name: arm for arm in arm_shares(made, Mature(), Sharing(), np.random.default_rng(3))}


class Mature:
    """What `arm_shares` asks of a belief: all conversions are in."""

    def maturity(self, lag: IntArray) -> FloatArray:
        return np.ones((4, lag.size))


def test_ads_that_stopped_are_learnt_from_and_not_listed() -> None:
    running = [Ad("a", first=100), Ad("b", first=100)]
    before = [Ad(f"old {i}", conversions=0.03, last=60) for i in range(6)]
    alone, after = shares(shop(running)), shares(shop([*running, *before]))
    assert set(after) == {"a", "b"}
    assert sum(arm.share for arm in after.values()) == pytest.approx(1)
    assert sum(arm.p_best for arm in after.values()) == pytest.approx(1)
    assert sum(arm.share_now for arm in after.values()) == pytest.approx(1)
    assert sum(arm.rate for arm in after.values()) > sum(arm.rate for arm in alone.values())


def test_a_lone_ad_that_runs_is_not_compared_with_those_that_stopped() -> None:
    assert shares(shop([Ad("a"), Ad("old", last=60)])) == {}


def test_a_new_ad_learns_from_its_creative_for_another_audience() -> None:
    made = shop(
        [
            Ad("good for all", "good", "all", conversions=0.02),
            Ad("poor for all", "poor", "all", conversions=0.01),
            Ad("good for few", "good", "few", first=DAYS - 1),
            Ad("poor for few", "poor", "few", first=DAYS - 1),
        ]
    )
    panel = made.arms
    assert panel is not None
    for measure in (panel.conversions, panel.clicks):
        measure[2:, -1] = [10.0, 10.0]
    found = shares(made)
    assert found["good for few"].rate > 1.03 * found["poor for few"].rate
    unlabelled = replace(
        made, arms=replace(panel, arms=tuple(replace(arm, creative_id=None, audience_id=None) for arm in panel.arms))
    )
    alone = shares(unlabelled)
    assert alone["good for few"].rate == pytest.approx(alone["poor for few"].rate)


def test_an_ad_past_its_peak_is_said_to_be_so() -> None:
    found = shares(shop([Ad("steady"), Ad("tired", wears=True), Ad("young", first=90), Ad("other")]))
    assert found["tired"].worn is not None
    assert found["tired"].worn.startswith("past its peak: about ")
    assert "of its first click rate is gone (90% sure of " in found["tired"].worn
    assert [name for name, arm in found.items() if arm.worn] == ["tired"]


def test_wear_is_seen_in_conversions_where_clicks_are_not_told() -> None:
    made = shop([Ad("steady", conversions=0.1), Ad("tired", conversions=0.1, wears=True), Ad("other", conversions=0.1)])
    panel = made.arms
    assert panel is not None
    found = shares(replace(made, arms=replace(panel, clicks=np.full_like(panel.clicks, NAN))))
    assert "of its first conversion rate is gone" in (found["tired"].worn or "")


def test_what_is_not_worn_leaves_the_stored_text_as_it_was() -> None:
    found = shares(shop([Ad("a"), Ad("b", wears=True), Ad("c")]))
    assert "worn" not in to_json(found["a"])
    assert '"worn":"past its peak' in to_json(found["b"])


def test_a_real_belief_tells_maturity_by_target() -> None:
    made = shop([Ad("a"), Ad("b", conversions=0.02)])
    found = {arm.name: arm for arm in arm_shares(made, learn(made), Sharing(), np.random.default_rng(3))}
    assert found["b"].share > 0.9
