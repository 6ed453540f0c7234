"""Rows of several conversion definitions: a store sums them by campaign, and counts no delivery twice."""

from datetime import date, timedelta

import numpy as np
import pytest

from optimizer.agent.store import MemoryStore, open_sql
from optimizer.ports import SnapshotQuery
from simulations.platform.connector import SimulatedConnector
from simulations.scenarios import Channel, FurtherConversion, named

START = date(2025, 9, 1)
SEARCH = Channel(
    "search", 2, 1_800.0, 7_000.0, 0.04, 0.04, further=(FurtherConversion("signup", per_purchase=2.0, value=300.0),)
)
SOCIAL = Channel("social", 1, 2_400.0, 6_000.0, 0.012, 0.03)


@pytest.fixture(params=["memory", "sql"])
def store(request, tmp_path):
    found = MemoryStore() if request.param == "memory" else open_sql(f"sqlite:///{tmp_path}/outlay.sqlite")
    yield found
    found.close()


def test_a_campaign_is_the_sum_of_its_definitions_and_delivers_once(store):
    platform = SimulatedConnector(named("tiny-yen", channels=(SEARCH, SOCIAL), history_days=40), seed=3, start=START)
    store.note_entities(platform.entities())
    for reading in platform.readings(14):
        store.ingest(reading.rows)
    store.note_budgets(platform.name, platform.budgets(), platform.now)
    found = store.snapshot(SnapshotQuery(platform.now, platform.today, 40, "JPY", "Asia/Tokyo"))

    truth, days = platform.world.truth, platform.world.days()
    today = platform.world.index_of(platform.today)
    campaign = truth.ads.campaign

    def by_campaign(amount):
        return np.array([np.bincount(campaign, amount(day), 3) for day in days]).T

    assert np.array_equal(np.nan_to_num(found.panel.spend), by_campaign(lambda d: d.spend / 1e6))
    assert np.array_equal(np.nan_to_num(found.panel.impressions), by_campaign(lambda d: d.impressions))
    assert np.array_equal(np.nan_to_num(found.panel.clicks), by_campaign(lambda d: d.clicks))
    # The window of a reading is the platform's own, so that nothing came in later than it was read.
    reported = by_campaign(lambda d: d.reported(min(today, d.day + 14))[0].sum(axis=1))
    assert np.array_equal(np.nan_to_num(found.panel.conversions), reported)
    value = by_campaign(lambda d: d.reported(min(today, d.day + 14))[1].sum(axis=1) / 1e6)
    assert np.array_equal(np.nan_to_num(found.panel.value), value)
    assert {target.campaigns for target in found.targets} == {("1001",), ("1002",), ("1003",)}
    assert [triangle.group for triangle in found.delays] == ["simulated/purchase"]
    assert len(found.arms.arms) == campaign.size


def test_a_pull_of_one_morning_holds_every_definition_of_a_day(store):
    platform = SimulatedConnector(named("tiny-yen", channels=(SEARCH, SOCIAL), history_days=40), seed=3, start=START)
    report = store.ingest(platform.pull(START, platform.today - timedelta(days=1)))
    assert (report.new, report.restated) == (report.rows, 0)
    again = store.ingest(platform.pull(START, platform.today - timedelta(days=1)))
    assert (again.new, again.restated) == (0, 0)
