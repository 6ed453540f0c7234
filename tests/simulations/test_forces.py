"""Every force of the market by hand, with the noise off: counts so large that chance moves them by a thousandth."""

from dataclasses import replace
from datetime import date
from math import inf

import numpy as np
import pytest

from simulations.market.play import begin, play
from simulations.market.response import overlap_factor, potential, quality, wear, wear_of_campaign
from simulations.market.truth import draw
from simulations.noise import noise_key
from simulations.saturation import Family
from simulations.scenarios import Channel, FamilyShare, FurtherConversion, Scenario, with_knobs

BUDGET = 1e6
NEAR = 4e-3  # 5.5 standard deviations or more of every count above 2 million
KEY = noise_key(4)

SEARCH = Channel("search", 2, 0.1, 50.0, 0.2, 0.2, delay_mean_days=2.0)
SOCIAL = Channel("social", 1, 0.2, 80.0, 0.1, 0.2, delay_mean_days=3.0)
QUIET = with_knobs(
    Scenario("quiet", "Three campaigns and no noise.", (SEARCH, SOCIAL), average_budget=BUDGET),
    ratio=(1.0, 1.0),
    families=(FamilyShare(Family.MICHAELIS_MENTEN, 1.0),),
    half_saturation_median=1.0,
    half_saturation_sd=0.0,
    size_sd=0.0,
    efficiency_sd=0.0,
    value_sd=0.0,
    supply_sd=0.0,
    season_sd=0.0,
    season_channel_sd=0.0,
    drift_sd=0.0,
    break_probability=0.0,
    click_rate_sd_between=0.0,
    conversion_rate_sd_within=0.0,
    traffic_size=inf,
    rate_size=inf,
    order_cv=0.01,
    history_days=0,
    horizon_days=60,
)
"""At a budget of 1e6 (half saturation and reference): 1e7, 1e7 and 5e6 purchases a day."""


def _truth(scenario=QUIET, start=date(2025, 3, 1), **knobs):
    return draw(with_knobs(scenario, **knobs), np.random.default_rng(2), start)


def _days(truth, budgets, count=1):
    """Days under budgets in units of `BUDGET`: one row for all days, or one for each."""
    rows = np.broadcast_to(np.asarray(budgets, dtype=float), (count, truth.channel.size))
    carry, days = begin(truth), []
    for row in rows:
        day, carry = play(truth, KEY, carry, np.rint(row * BUDGET * 1e6).astype(np.int64))
        days.append(day)
    return days


def _sum(truth, by_ad):
    return np.bincount(truth.ads.campaign, by_ad)


def _purchases(truth, day):
    return _sum(truth, day.occurred()[0][:, 0])


def _spend(truth, days):
    return np.array([_sum(truth, day.spend) for day in days]) / 1e6 / BUDGET


def test_nothing_but_the_curve_is_at_work_in_the_quiet():
    truth = _truth()
    (day,) = _days(truth, [1.0, 0.5, 2.0])
    # g(z) = 2 z / (1 + z)
    assert _purchases(truth, day) == pytest.approx([1e7, 1e7 * 2 / 3, 5e6 * 4 / 3], rel=NEAR)
    assert _sum(truth, day.clicks) == pytest.approx(_purchases(truth, day) / 0.2, rel=NEAR)
    assert _spend(truth, [day])[0].tolist() == [1.0, 0.5, 2.0]


def test_a_higher_price_buys_less_and_lets_more_be_spent():
    truth = _truth(supply_median=1.5)
    dear = replace(truth, price=np.where(np.arange(2)[:, None] == 0, 2.0, truth.price))
    (day,) = _days(dear, [1.0, 4.0, 4.0])
    assert _spend(dear, [day])[0].tolist() == [1.0, 3.0, 1.5]
    g = np.array([2 * 0.5 / 1.5, 2 * 1.5 / 2.5, 2 * 1.5 / 2.5])
    assert _purchases(dear, day) == pytest.approx(truth.conversions * g, rel=NEAR)


def test_demand_multiplies_what_comes_and_what_can_be_spent():
    truth = _truth(supply_median=1.5)
    strong = replace(truth, demand=truth.demand * 2.0)
    (day,) = _days(strong, [1.0, 1.0, 4.0])
    assert _spend(strong, [day])[0].tolist() == [1.0, 1.0, 3.0]
    assert _purchases(strong, day) == pytest.approx(2.0 * truth.conversions * [1.0, 1.0, 6 / 4], rel=NEAR)


def test_a_campaign_that_does_not_run_brings_and_costs_nothing():
    truth = _truth()
    paused = replace(truth, runs=truth.runs & (np.arange(3) != 1)[:, None])
    (day,) = _days(paused, [1.0, 1.0, 1.0])
    assert _spend(paused, [day])[0].tolist() == [1.0, 0.0, 1.0]
    for measure in (day.impressions, day.clicks, day.occurred()[0][:, 0]):
        assert (_sum(paused, measure) > 0).tolist() == [True, False, True]


def test_delivery_is_spread_between_its_bounds():
    truth = _truth(ratio=(0.5, 1.5))
    spend = _spend(truth, _days(truth, [1.0, 1.0, 1.0], 20))
    assert 0.5 <= spend.min() < 0.8
    assert 1.2 < spend.max() <= 1.5


def test_a_month_charges_no_more_than_its_daily_budgets_and_delivers_on():
    truth = _truth(ratio=(2.0, 2.0), start=date(2025, 3, 1), supply_median=9.0)
    days = _days(truth, [1.0, 1.0, 1.0], 33)
    spend = _spend(truth, days)
    # 15 days of 2 budgets, .4 of the 16th, nothing until April.
    assert spend[:, 0].tolist() == pytest.approx([2.0] * 15 + [0.4] + [0.0] * 15 + [2.0] * 2)
    assert _purchases(truth, days[20]) == pytest.approx(_purchases(truth, days[0]), rel=NEAR)


def test_each_day_of_a_month_counts_with_the_budget_in_force_on_it():
    truth = _truth(ratio=(2.0, 2.0), start=date(2025, 4, 10), supply_median=9.0, month_days=30.0)
    budgets = np.concatenate([np.full(20, 1.0), np.full(1, 0.5), np.full(2, 1.0)])
    spend = _spend(truth, _days(truth, np.repeat(budgets[:, None], 3, axis=1), 23))
    # 21 days of this world's April: 20 of 1 and one of .5, after which the limit is 20 + .5 (30 - 20) = 25.
    assert spend[:, 0].tolist() == pytest.approx([2.0] * 15 + [0.0] * 5 + [0.0] + [2.0] * 2)
    spend = _spend(truth, _days(truth, np.repeat(2.0 * budgets[::-1, None], 3, axis=1), 23))
    # 2 days of 2, one of 1, then 2 again; on the 16th day 30 budgets: 2 + 2 + 1 + 2 * 27 = 59, of which 58 are used.
    assert spend[:16, 0].tolist() == pytest.approx([4.0, 4.0, 2.0] + [4.0] * 12 + [1.0])


def test_a_platform_without_a_monthly_promise_charges_all():
    truth = _truth(ratio=(2.0, 2.0), month_days=inf, supply_median=9.0)
    assert (_spend(truth, _days(truth, [1.0, 0.0, 0.5], 31)) == [2.0, 0.0, 1.0]).all()


def test_creatives_wear_out_to_their_floor_and_come_back_fresh():
    truth = _truth(wear_out_half_life_days=5.0, wear_out_floor=0.4, refresh_days=12)
    ads = replace(truth.ads, half_life=np.full(3, 5.0), age0=np.array([0, 0, 7]))
    truth = replace(truth, ads=ads)
    days = _days(truth, [1.0, 1.0, 1.0], 13)
    for t, ages in ((0, (0, 7)), (5, (5, 0)), (10, (10, 5)), (12, (0, 7))):
        first, last = (0.4 + 0.6 * 0.5 ** (age / 5.0) for age in ages)
        assert wear(truth, t) == pytest.approx([first, first, last])
        assert wear_of_campaign(truth, t) == pytest.approx([first, first, last])
        assert _purchases(truth, days[t]) == pytest.approx(truth.conversions * [first, first, last], rel=NEAR)
        assert _sum(truth, days[t].clicks) == pytest.approx(truth.conversions * [first, first, last] / 0.2, rel=NEAR)
        assert _sum(truth, days[t].impressions) == pytest.approx(truth.impressions, rel=NEAR)


def test_a_creative_that_is_worn_to_nothing_still_has_its_share_of_what_is_remembered():
    truth = _truth(wear_out_half_life_days=1.0, wear_out_floor=0.0, horizon_days=3000, break_probability=0.0)
    truth = replace(truth, ads=replace(truth.ads, age0=np.full(3, 2990)))
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    assert day.clicks.tolist() == [0, 0, 0]
    assert day.impressions.sum() > 0


def test_quality_falls_with_the_volume_and_is_one_at_the_reference():
    truth = replace(_truth(), quality=np.array([0.5, 0.5, -0.2]))
    (day,) = _days(truth, [1.0, 3.0, 3.0])
    g = 2 * 3.0 / 4.0
    factors = [1.0, (1.6 / 1.1) ** -0.5, (1.6 / 1.1) ** 0.2]
    assert quality(truth, np.arange(3), np.array([1.0, g, g])) == pytest.approx(factors)
    assert _purchases(truth, day) == pytest.approx(truth.conversions * [1.0, g, g] * factors, rel=NEAR)
    assert _sum(truth, day.clicks) == pytest.approx(truth.conversions * [1.0, g, g] / 0.2, rel=NEAR)


def test_campaigns_that_reach_the_same_people_share_them():
    truth = _truth(overlap=1.0, overlap_campaigns=2)
    # The pool of search: s = (1 + 2/3) / 2 of its reference; that of social, alone: s = 4/3.
    factors = np.array([2 / (1 + 5 / 6), 2 / (1 + 5 / 6), 2 / (1 + 4 / 3)])
    assert overlap_factor(truth, 0, np.array([1.0, 0.5, 2.0]) * BUDGET) == pytest.approx(factors)
    (day,) = _days(truth, [1.0, 0.5, 2.0])
    assert _purchases(truth, day) == pytest.approx(truth.conversions * [1.0, 2 / 3, 4 / 3] * factors, rel=NEAR)
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    assert _purchases(truth, day) == pytest.approx(truth.conversions, rel=NEAR)


def test_the_potential_is_what_one_brings_alone():
    truth = _truth(ratio=(0.5, 1.5))
    budgets = np.array([0.1, 1.0, 7.0]) * BUDGET
    ratio = np.random.default_rng(0).beta(2, 2, 400_000) + 0.5
    spend = np.minimum(budgets[:, None] * ratio, truth.supply[:, None])
    alone = potential(truth, np.arange(3), 0, budgets)
    assert alone == pytest.approx((2 * spend / (BUDGET + spend)).mean(axis=1) * truth.conversions, rel=NEAR)
    some = potential(truth, np.array([2, 0]), 0, np.stack([budgets[[2, 0]], budgets[[1, 1]]], axis=1))
    assert some[:, 0] == pytest.approx(alone[[2, 0]])


HARVESTER = (replace(SEARCH, harvest=0.3), SOCIAL)


def test_a_harvesting_channel_claims_what_others_cause_and_its_worth():
    truth = _truth(channels=HARVESTER)
    (day,) = _days(truth, [1.0, 0.25, 1.0])
    # Level: half of the channel's size at g = 1, half at g = .4; the claim is .3 * .7 of 5e6.
    claim = 0.3 * 0.7 * 5e6
    caused, gains = np.array([1e7, 4e6, 5e6]), np.array([claim * 0.5 / 0.7, claim * 0.2 / 0.7, -claim])
    assert _purchases(truth, day) == pytest.approx(caused + gains, rel=NEAR)
    value = _sum(truth, day.occurred()[1][:, 0]) / 1e6
    assert value == pytest.approx(caused * [50, 50, 80] + gains * 80, rel=NEAR)
    assert _sum(truth, day.clicks) == pytest.approx(caused / 0.2, rel=NEAR)


def test_a_channel_harvests_no_more_for_spending_beyond_its_reference_and_nothing_while_paused():
    truth = _truth(channels=HARVESTER)
    (lavish,) = _days(truth, [3.0, 3.0, 1.0])
    assert _purchases(truth, lavish)[2] == pytest.approx(0.7 * 5e6, rel=NEAR)
    (paused,) = _days(truth, [0.0, 0.0, 1.0])
    assert _purchases(truth, paused) == pytest.approx([0.0, 0.0, 5e6], rel=NEAR)


def test_two_channels_that_harvest_each_other_lose_nothing_between_them():
    truth = _truth(channels=(replace(SEARCH, harvest=0.3), replace(SOCIAL, harvest=0.5)))
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    purchases = _purchases(truth, day)
    assert purchases[2] == pytest.approx(0.7 * 5e6 + 0.5 * 2e7, rel=NEAR)
    assert purchases.sum() == pytest.approx(2.5e7, rel=NEAR)


def test_a_channel_claims_only_kinds_that_it_reports():
    signup = FurtherConversion("signup", 2.0, 3.0)
    truth = _truth(channels=(replace(SEARCH, harvest=0.3), replace(SOCIAL, further=(signup,))))
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    assert _sum(truth, day.occurred()[0][:, 1]) == pytest.approx([0.0, 0.0, 1e7], rel=NEAR)
    truth = _truth(channels=(replace(SEARCH, harvest=0.3, further=(signup,)), replace(SOCIAL, further=(signup,))))
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    assert _sum(truth, day.occurred()[0][:, 1]) == pytest.approx([2e7 + 1.5e6, 2e7 + 1.5e6, 7e6], rel=NEAR)


def test_what_ads_are_remembered_for_comes_later_and_all_of_it():
    truth = _truth(adstock_share=0.4, adstock_mean_days=2.0)
    budgets = np.zeros((30, 3))
    budgets[0] = 1.0
    days = _days(truth, budgets, 30)
    landed = np.array([_purchases(truth, day) for day in days])
    assert landed[0] == pytest.approx(0.6 * truth.conversions, rel=NEAR)
    # Geometric from the next day on, with mean 2: half of what is left every day.
    for lag in (1, 2, 5):
        mean = 0.4 * 0.5**lag * truth.conversions
        assert (np.abs(landed[lag] - mean) < 5.5 * np.sqrt(mean)).all()
    assert landed.sum(axis=0) == pytest.approx(truth.conversions, rel=NEAR)
    assert days[1].spend.sum() == days[1].clicks.sum() == 0
    assert _sum(truth, days[1].occurred()[1][:, 0]) / 1e6 == pytest.approx(landed[1] * [50, 50, 80], rel=1e-4)


def test_under_steady_budgets_memory_changes_nothing_in_the_long_run():
    truth = _truth(adstock_share=0.7, adstock_mean_days=3.0)
    last = _days(truth, [1.0, 1.0, 1.0], 50)[-1]
    assert _purchases(truth, last) == pytest.approx(truth.conversions, rel=NEAR)
    assert _sum(truth, last.clicks) == pytest.approx(truth.conversions / 0.2, rel=NEAR)


def test_further_kinds_come_with_purchases_at_their_own_delay_and_value():
    signup = FurtherConversion("signup", 2.0, 3.0, delay_mean_days=0.5, delay_shape=1.0)
    truth = _truth(channels=(replace(SEARCH, further=(signup,)), SOCIAL))
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    conversions, value = day.occurred()
    assert conversions[:, 1] == pytest.approx([2e7, 2e7, 0.0], rel=NEAR)
    assert value[:, 1] / 1e6 == pytest.approx(conversions[:, 1] * 3.0, rel=1e-4)
    first = day.reported(1)[0][:2, 1]
    assert first == pytest.approx(2e7 * (1 - np.exp(-2.0)), rel=NEAR)
    assert _purchases(truth, day) == pytest.approx(truth.conversions, rel=NEAR)


def test_after_the_attribution_window_nothing_is_reported_though_it_was_clicked():
    truth = _truth(channels=(replace(SEARCH, attribution_days=1), SOCIAL))
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    in_time = truth.kinds[0].delay[0, :2].sum()
    assert in_time < 0.7
    assert _purchases(truth, day) == pytest.approx(truth.conversions * [in_time, in_time, 1.0], rel=NEAR)
    assert _sum(truth, day.clicks) == pytest.approx(truth.conversions / 0.2, rel=NEAR)
    assert day.cell_lag[truth.channel[truth.ads.campaign[day.cell_ad]] == 0].max() == 1


@pytest.mark.parametrize("after", [0, 4])
def test_returns_take_back_their_share_of_every_cell_later(after):
    truth = _truth(returned_share=0.25, returned_after_days=after)
    kept, (day,) = _days(_truth(), [1.0, 1.0, 1.0])[0], _days(truth, [1.0, 1.0, 1.0])
    gross, back = day.cell_count > 0, day.cell_count < 0
    assert np.array_equal(day.cell_count[gross], kept.cell_count)
    assert np.array_equal(day.cell_value[gross], kept.cell_value)
    assert -day.cell_count[back].sum() == pytest.approx(0.25 * 2.5e7, rel=NEAR)
    assert -day.cell_value[back].sum() == pytest.approx(0.25 * day.cell_value[gross].sum(), rel=NEAR)
    assert day.cell_lag[back].min() == after
    assert _purchases(truth, day) == pytest.approx(0.75 * truth.conversions, rel=NEAR)
    law = truth.kinds[0].delay[0]
    for morning in (1, 3, 6, 36):
        net = law[:morning].sum() - 0.25 * law[: max(morning - after, 0)].sum()
        assert day.reported(morning)[0][0, 0] == pytest.approx(1e7 * net, rel=NEAR)


def test_what_comes_during_an_outage_has_occurred_and_is_never_reported():
    truth = _truth()
    tracked = truth.tracked.copy()
    tracked[0, 2:4] = False
    truth = replace(truth, tracked=tracked)
    days = _days(truth, [1.0, 1.0, 1.0], 4)
    law = truth.kinds[0].delay[0]
    for t, lost in ((0, law[2:4].sum()), (1, law[1:3].sum()), (2, law[0:2].sum()), (3, law[0])):
        assert _purchases(truth, days[t]) == pytest.approx(truth.conversions, rel=NEAR)
        reported = days[t].matured()[0][:, 0]
        assert reported == pytest.approx(truth.conversions * [1 - lost, 1 - lost, 1.0], rel=NEAR)


def test_what_is_lost_in_an_outage_is_not_taken_back_either():
    truth = _truth(returned_share=0.25, returned_after_days=4)
    dark = replace(truth, tracked=np.zeros_like(truth.tracked))
    (day,) = _days(dark, [1.0, 1.0, 1.0])
    assert day.matured()[0].sum() == 0
    assert day.reported(6)[0].sum() == 0
    assert day.occurred()[0].sum() == pytest.approx(0.75 * 2.5e7, rel=NEAR)


def test_a_cell_has_its_mean_value_where_orders_are_alike():
    truth = _truth()
    (day,) = _days(truth, [1.0, 1.0, 1.0])
    each = truth.order_value[truth.ads.campaign[day.cell_ad]]
    sd = 0.01 * each * np.sqrt(day.cell_count)
    assert (np.abs(day.cell_value / 1e6 - day.cell_count * each) <= 0.005 + 6 * sd).all()
