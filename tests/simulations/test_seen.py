"""What policies are shown is what the platform has reported by then, and nothing more."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.market.play import Day, ages, begin, play
from simulations.market.truth import Truth, draw
from simulations.noise import FloatArray, IntArray, noise_key
from simulations.runs.seen import Diary
from simulations.scenarios import Scenario, named
from tests.simulations.tiny_policies import START

DAYS = 45
RESTATING = named(
    "demo",
    history_days=0,
    restatement_days=12,
    returned_share=0.3,
    returned_after_days=5,
    outages=3.0,
    launch_share=0.5,
    launch_days=(10, 30),
)


def played(scenario: Scenario, days: int) -> tuple[Truth, list[Day]]:
    truth = draw(scenario, np.random.default_rng([4, 0]), START)
    carry, found = begin(truth), []
    for _ in range(days):
        day, carry = play(truth, noise_key(4), carry, truth.first)
        found.append(day)
    return truth, found


def by_campaign(truth: Truth, measure: IntArray) -> FloatArray:
    rows = measure.reshape(len(measure), -1).sum(axis=1)
    return np.array([rows[truth.ads.campaign == k].sum() for k in range(truth.channel.size)], dtype=np.float64)


def test_every_morning_shows_every_day_as_it_is_reported_then() -> None:
    truth, days = played(RESTATING, DAYS)
    diary = Diary(truth, DAYS)
    for t in range(DAYS + 1):
        seen = diary.seen(truth.first)
        assert seen.today == t
        for d in range(t):
            conversions, value = days[d].reported(t)
            assert seen.conversions[:, d] == pytest.approx(by_campaign(truth, conversions))
            assert seen.value[:, d] == pytest.approx(by_campaign(truth, value) / 1e6)
        if t < DAYS:
            diary.add(truth.first, days[t])


def test_ages_are_the_mornings_after_a_day_and_those_to_come_are_unknown() -> None:
    truth, days = played(RESTATING, DAYS)
    diary = Diary(truth, DAYS)
    for day in days:
        diary.add(truth.first, day)
    seen = diary.seen(truth.first)
    count = ages(RESTATING)
    assert count == 12 + 1 + 5
    assert seen.by_age.shape == (truth.channel.size, DAYS, count)
    for d in range(DAYS):
        for age in range(count):
            told = seen.by_age[:, d, age]
            if d + 1 + age > DAYS:
                assert np.isnan(told).all()
            else:
                assert told == pytest.approx(by_campaign(truth, days[d].reported(d + 1 + age)[0]))
    assert (np.diff(seen.by_age[:, 0, :]) < 0).any(), "something was taken back"
    assert seen.conversions[:, 0] == pytest.approx(by_campaign(truth, days[0].matured()[0]))


def test_what_is_not_restated_stands_from_the_first_morning() -> None:
    truth, days = played(RESTATING, 3)
    diary = Diary(truth, 3)
    for day in days:
        diary.add(truth.first, day)
    seen = diary.seen(truth.first)
    assert seen.spend[:, 1] == pytest.approx(by_campaign(truth, days[1].spend) / 1e6)
    assert seen.impressions[:, 2] == pytest.approx(by_campaign(truth, days[2].impressions))
    assert seen.clicks[:, 0] == pytest.approx(by_campaign(truth, days[0].clicks))
    assert (seen.budgets == truth.first[:, None] / 1e6).all()
    assert (seen.live == truth.first / 1e6).all()
    assert (seen.runs == truth.runs[:, 3]).all()
    assert not seen.runs.all(), "some campaigns are still to be launched"


def test_views_cannot_be_written_through() -> None:
    truth, days = played(RESTATING, 1)
    diary = Diary(truth, 1)
    diary.add(truth.first, days[0])
    seen = diary.seen(truth.first)
    for name in ("budgets", "spend", "impressions", "clicks", "conversions", "value", "by_age", "live", "runs"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(seen, name)[...] = 1


def test_a_later_morning_takes_nothing_from_the_views_of_an_earlier_one() -> None:
    truth, days = played(RESTATING, 2)
    diary = Diary(truth, 2)
    diary.add(truth.first, days[0])
    early = diary.seen(truth.first)
    diary.add(truth.first, days[1])
    assert early.today == 1
    assert early.spend.shape == (truth.channel.size, 1)


def test_days_come_in_order_and_no_more_than_were_announced() -> None:
    truth, days = played(RESTATING, 2)
    diary = Diary(truth, 1)
    with pytest.raises(ValueError, match="day 1 cannot be added: 0 of 1 days are there"):
        diary.add(truth.first, days[1])
    diary.add(truth.first, days[0])
    with pytest.raises(ValueError, match="day 1 cannot be added: 1 of 1 days are there"):
        diary.add(truth.first, days[1])
