"""A million campaign-days agree with the closed forms: means, variances, delay, restatement, returns and outages.

Every check compares a sum of independent terms with mean 0 to its own standard error, of which it is further away than
`Z` less often than once in ten million times.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from simulations.market.play import ages, begin, by_age, play
from simulations.market.truth import draw
from simulations.noise import noise_key
from simulations.saturation import FAMILIES, Family
from simulations.scenarios import Channel, FurtherConversion, Scenario, with_knobs

Z = 5.5
CAMPAIGNS, DAYS = 10_000, 100
TRAFFIC, RATE, RETURNED, AFTER = 8.0, 15.0, 0.2, 2

SEARCH = Channel("search", CAMPAIGNS, 20.0, 50.0, 0.1, 0.1, delay_mean_days=2.0, attribution_days=4)
MARKET = with_knobs(
    Scenario("wide", "As many campaigns as give a million days.", (SEARCH,), average_budget=100.0),
    history_days=0,
    break_probability=0.0,
    horizon_days=DAYS,
    ratio=(1.0, 1.0),
    year_amplitude=0.3,
    drift_sd=0.05,
    quality_elasticity=(0.0, 0.5),
    competitors=3.0,
    wear_out_half_life_days=20.0,
    refresh_days=30,
    launch_share=0.2,
    supply_median=1.2,
    traffic_size=TRAFFIC,
    rate_size=RATE,
    restatement_days=5,
    returned_share=RETURNED,
    returned_after_days=AFTER,
    outages=4.0,
)


class Terms:
    """A sum of terms with mean 0, and its standard error by their squares."""

    def __init__(self):
        self.sum = self.squares = 0.0
        self.count = 0

    def add(self, terms):
        self.sum += terms.sum()
        self.squares += (terms * terms).sum()
        self.count += terms.size

    @property
    def z(self):
        return abs(self.sum) / np.sqrt(self.squares)


def _gain(curves, spend):
    """g(spend) / g(reference), written down once more."""

    def shape(z):
        n = curves.slope
        per_family = {
            Family.MICHAELIS_MENTEN: z / (1 + z),
            Family.HILL: 1 / (1 + z**-n),
            Family.POWER: z**n,
            Family.LOG: np.log(1 + z),
            Family.LOGISTIC: 1 / (1 + np.exp(-n * (z - 1))) - 1 / (1 + np.exp(n)),
        }
        return np.choose(curves.family, [per_family[family] for family in FAMILIES])

    return shape(spend / curves.half) / shape(curves.reference / curves.half)


def _means(truth, day):
    """Expected impressions, clicks and purchases of a day in which every campaign asks for its budget."""
    price = truth.price[0, day]
    runs = truth.runs[:, day]
    spend = np.minimum(truth.first / 1e6, truth.supply * truth.demand[:, day] * price)
    g = _gain(truth.curves, spend / price)
    ads = truth.ads
    worn = 0.4 + 0.6 * 2.0 ** (-((day + ads.age0) % 30) / ads.half_life)
    impressions = truth.impressions * truth.demand[:, day] * g * runs
    clicks = impressions * ads.click_rate * worn
    return impressions, clicks, clicks * ads.conversion_rate * ((g + 0.1) / 1.1) ** -truth.quality


@pytest.fixture(scope="module")
def played():
    """All checks of one pass over the days, by name."""
    truth, key = draw(MARKET, np.random.default_rng(2), date(2025, 1, 6)), noise_key(4)
    law = truth.kinds[0].delay[0]
    reported = np.cumsum(np.pad(law, (0, AFTER))) - RETURNED * np.cumsum(np.pad(law, (AFTER, 0)))
    carry = begin(truth)
    terms = {
        name: Terms() for name in ("impressions", "clicks", "purchases", "returned", "order value", "order spread")
    }
    terms |= {f"{name} spread": Terms() for name in ("impressions", "clicks", "purchases")}
    terms |= {f"age {age}": Terms() for age in range(ages(MARKET))}
    lags, lost = np.zeros(law.size), 0
    for day in range(DAYS):
        outcome, carry = play(truth, key, carry, truth.first)
        gross = outcome.cell_count > 0
        count, value = outcome.cell_count[gross], outcome.cell_value[gross] / 1e6
        purchases = np.bincount(outcome.cell_ad[gross], count, CAMPAIGNS)
        seen, clicked, bought = _means(truth, day)
        for name, sample, mean, spread in (
            ("impressions", outcome.impressions, seen, 1 / TRAFFIC),
            ("clicks", outcome.clicks, clicked, 1 / TRAFFIC),
            ("purchases", purchases, bought * law.sum(), (1 + 1 / TRAFFIC) * (1 + 1 / RATE) - 1),
        ):
            some = mean > 0
            assert not sample[~some].any()
            ratio = sample[some] / mean[some]
            terms[name].add(ratio - 1.0)
            terms[f"{name} spread"].add((ratio - 1.0) ** 2 - 1 / mean[some] - spread)
        back = np.bincount(outcome.cell_ad[~gross], -outcome.cell_count[~gross], CAMPAIGNS)
        terms["returned"].add(back - RETURNED * purchases)
        each = truth.order_value[outcome.cell_ad[gross]]
        terms["order value"].add(value / each - count)
        single = count == 1
        terms["order spread"].add((value[single] / each[single] - 1.0) ** 2 - 0.5**2)
        lags += np.bincount(outcome.cell_lag[gross], count, law.size)
        assert np.array_equal(outcome.cell_lost[gross], _dark(truth, day + outcome.cell_lag[gross]))
        lost += outcome.cell_count[gross & outcome.cell_lost].sum()
        # Restatement is checked where nothing is lost: then the morning's sum has a closed form.
        if truth.tracked[0, day : day + 6].all():
            for age, sums in enumerate(by_age(truth, outcome, ages(MARKET)).T):
                terms[f"age {age}"].add(sums - bought * reported[age])
    return truth, terms, lags, lost


def _dark(truth, days):
    return np.pad(~truth.tracked[0], (0, 10))[days]


def test_a_million_days_have_been_lived(played):
    _, terms, _, _ = played
    assert terms["returned"].count == CAMPAIGNS * DAYS
    assert terms["purchases"].count > 0.9 * CAMPAIGNS * DAYS
    assert terms["age 0"].count > 0.3 * CAMPAIGNS * DAYS
    assert terms["order spread"].count > 1_000_000


def test_all_forces_were_at_work(played):
    truth, _, _, lost = played
    assert (truth.price > 1).any()
    assert (~truth.tracked).any()
    assert (~truth.runs).any()
    assert (truth.supply < 100.0).mean() > 0.1
    assert lost > 0


@pytest.mark.parametrize(
    "name", ["impressions", "clicks", "purchases", "returned", "order value", *(f"age {age}" for age in range(8))]
)
def test_means_agree(played, name):
    assert played[1][name].z < Z


@pytest.mark.parametrize("name", ["impressions", "clicks", "purchases", "order"])
def test_variances_agree(played, name):
    assert played[1][f"{name} spread"].z < Z


def test_delays_agree(played):
    truth, _, lags, _ = played
    law = truth.kinds[0].delay[0] / truth.kinds[0].delay[0].sum()
    assert lags[5] == law[5] == 0.0
    error = np.sqrt(lags.sum() * law * (1 - law))
    assert (np.abs(lags - lags.sum() * law)[:5] < Z * error[:5]).all()


def test_delivered_spend_is_a_beta_between_its_bounds():
    truth = draw(with_knobs(MARKET, ratio=(0.9, 1.05), supply_median=50.0), np.random.default_rng(2), date(2025, 1, 6))
    carry, place, spread = begin(truth), Terms(), Terms()
    for _ in range(10):
        day, carry = play(truth, noise_key(5), carry, truth.first)
        ratio = day.spend[truth.runs[:, day.day]] / truth.first[truth.runs[:, day.day]]
        assert 0.9 - 1e-4 <= ratio.min() <= ratio.max() <= 1.05 + 1e-4
        place.add(ratio - 0.975)
        spread.add((ratio - 0.975) ** 2 - 0.15**2 / 20)
    assert place.z < Z
    assert spread.z < Z


def test_memory_and_harvest_move_conversions_and_keep_their_sum():
    signup = FurtherConversion("signup", 2.0, 3.0)
    channels = (
        replace(SEARCH, campaigns=1000, harvest=0.3, attribution_days=0, further=(signup,)),
        Channel("social", 1000, 20.0, 50.0, 0.1, 0.1, further=(signup,)),
    )
    still = with_knobs(MARKET, channels=channels, returned_share=0.0, quality_elasticity=(0.0, 0.0), launch_share=0.0)
    moved = with_knobs(still, adstock_share=0.4, adstock_mean_days=2.0)
    plain = with_knobs(still, channels=tuple(replace(channel, harvest=0.0) for channel in channels))
    sums = []
    for scenario in (plain, moved):
        truth, days = draw(scenario, np.random.default_rng(2), date(2025, 1, 6)), []
        carry = begin(truth)
        for day in range(40):
            outcome, carry = play(truth, noise_key(6), carry, truth.first * (day < 20))
            days.append(outcome.occurred()[0])
        sums.append(np.sum(days, axis=(0, 1)))
    # The shocks are the same in both; given them, each sum is a Poisson count.
    assert (np.abs(sums[0] - sums[1]) < Z * np.sqrt(sums[0] + sums[1])).all()
    assert sums[0].min() > 100_000
