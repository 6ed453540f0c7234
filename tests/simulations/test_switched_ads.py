"""Ads that are paused on the simulated platform: their exposure goes to those that run, and all of it is replayed."""

import json
from datetime import date, timedelta

import numpy as np
import pytest

from connectors.contract import AdKey, EntityStatus, StatusChange
from connectors.errors import BadInput, StatusDrifted, Stop
from simulations.market.truth import with_ads
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import named

START = date(2025, 3, 3)
SCENARIO = named("tiny-yen", history_days=10, creatives=(3, 3), audiences=(1, 1))
ACTIVE, PAUSED = EntityStatus.ACTIVE, EntityStatus.PAUSED


def platform(state_file=None, seed=3):
    return SimulatedConnector(SCENARIO, seed=seed, start=START, state_file=state_file)


def by_ad(market, back=1):
    day = market.world.days()[-back]
    return day.impressions, day.spend


def of_campaign(market, ad_id):
    campaign = next(ad.campaign_id for ad in market.ads() if ad.ad_id == ad_id)
    return [place for place, ad in enumerate(market.ads()) if ad.campaign_id == campaign]


def test_a_paused_ad_gets_nothing_and_the_others_its_share():
    market, left = platform(), platform()
    first = market.ads()[0]
    market.switch(first.ad_id, PAUSED)
    for one in (market, left):
        one.advance(30)
    crew = of_campaign(market, first.ad_id)
    seen, spent = np.sum([by_ad(market, n + 1) for n in range(30)], axis=0)
    before, paid = np.sum([by_ad(left, n + 1) for n in range(30)], axis=0)
    assert seen[crew[0]] == spent[crew[0]] == 0
    # A campaign's delivery does not depend on which ads show it; the parts of the others stay in proportion.
    assert spent[crew].sum() == paid[crew].sum()
    assert seen[crew].sum() == pytest.approx(before[crew].sum(), rel=0.02)
    assert np.allclose(spent[crew[1:]] / spent[crew].sum(), paid[crew[1:]] / paid[crew[1:]].sum(), rtol=0.01)
    others = [n for n in range(seen.size) if n not in crew]
    assert np.array_equal(seen[others], before[others])
    assert {row.series.ad_id for row in market.pull(market.today - timedelta(5), market.today)} == {
        ad.ad_id for ad in market.ads() if ad.ad_id != first.ad_id
    }


def test_a_campaign_brings_what_its_running_ads_bring():
    truth = platform().world.truth
    runs = np.ones(truth.ads.campaign.size, dtype=bool)
    runs[0] = False
    mixed = with_ads(truth, runs)
    assert with_ads(truth, np.ones_like(runs)) is truth
    rate = truth.ads.click_rate * truth.ads.conversion_rate
    weight = truth.ads.share[1:3]
    expected = (weight @ rate[1:3] / weight.sum()) / (truth.ads.share[:3] @ rate[:3])
    assert mixed.conversions[0] / truth.conversions[0] == pytest.approx(expected)
    assert np.array_equal(mixed.conversions[1:], truth.conversions[1:])
    assert np.allclose(np.bincount(mixed.ads.campaign, mixed.ads.share), 1.0)


def test_the_platform_allows_a_campaign_without_a_running_ad_which_then_delivers_nothing():
    market = platform()
    crew = of_campaign(market, market.ads()[0].ad_id)
    for place in crew:
        market.switch(market.ads()[place].ad_id, PAUSED)
    market.advance(2)
    seen, spent = by_ad(market)
    assert seen[crew].sum() == spent[crew].sum() == 0
    assert seen.sum() > 0
    market.switch(market.ads()[crew[1]].ad_id, ACTIVE)
    market.advance(1)
    seen, _ = by_ad(market)
    assert (seen[crew] > 0).tolist() == [False, True, False]


def test_a_world_with_switches_is_found_as_it_was_left(tmp_path):
    file = tmp_path / "world.json"
    market = platform(file)
    first, second = market.ads()[:2]
    market.switch(first.ad_id, PAUSED)
    market.advance(3)
    market.set_status(StatusChange("k", second.key, ACTIVE, PAUSED))
    market.switch(first.ad_id, ACTIVE)
    market.advance(3)
    again = platform(file)
    assert again.ads() == market.ads()
    for one, two in zip(again.world.days(), market.world.days(), strict=True):
        assert np.array_equal(one.impressions, two.impressions)
        assert np.array_equal(one.cell_count, two.cell_count)
    statuses = {e.entity_id: e.status for e in again.entities() if e.entity_id in (first.ad_id, second.ad_id)}
    assert statuses == {first.ad_id: ACTIVE, second.ad_id: PAUSED}


def test_a_state_file_with_switches_that_cannot_be_is_refused(tmp_path):
    file = tmp_path / "world.json"
    platform(file).switch("1001-g1-a1", PAUSED)
    good = json.loads(file.read_text())
    for change in ({"ad": 99}, {"day": 11}, {"day": 9}):
        file.write_text(json.dumps(good | {"switches": [good["switches"][0] | change]}))
        with pytest.raises(BadInput, match="days and switches contradict"):
            platform(file)


def test_a_switch_is_made_once_for_one_key():
    market = platform()
    ad = market.ads()[0]
    change = StatusChange("k", ad.key, ACTIVE, PAUSED)
    market.set_status(change)
    with pytest.raises(Stop, match="already served another"):
        market.set_status(StatusChange("k", market.ads()[1].key, ACTIVE, PAUSED))
    market.switch(ad.ad_id, ACTIVE)
    with pytest.raises(StatusDrifted, match="undone since") as drifted:
        market.check_status(change)
    assert (drifted.value.expected, drifted.value.live) == ("active", "active")
    with pytest.raises(Stop, match="there is no ad"):
        market.set_status(StatusChange("n", AdKey("simulated", "other", ad.ad_id), ACTIVE, PAUSED))


def test_what_was_done_is_compared_with_budgets_and_ads_left_alone():
    market = platform(seed=5)
    since = market.today
    rate = market.world.truth.ads.click_rate * market.world.truth.ads.conversion_rate
    worst = int(np.argmin(rate[:3]))
    market.switch(market.ads()[worst].ad_id, PAUSED)
    market.advance(5)
    found = market.compare(since, market.today - timedelta(1), total=1e9)
    assert (found.actual > found.unchanged).all()
    assert np.allclose(found.spend, found.spend_unchanged)
    assert (found.actual <= found.bound * (1 + 1e-9)).all()
    landed = [day.matured()[0].sum() for day in market.world.days()[-5:]]
    assert found.realised.tolist() == landed
