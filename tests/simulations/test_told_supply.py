"""Impression shares: what the platform tells of supply and budget, where the scenario says that it does."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from simulations.market.delivery import supply
from simulations.market.play import begin, play
from simulations.market.response import volume
from simulations.market.truth import draw
from simulations.noise import noise_key
from simulations.platform.connector import SimulatedConnector
from simulations.runs.seen import Diary
from simulations.scenarios import named, with_knobs
from simulations.scenarios.files import parse_scenario, write_scenario

START = date(2025, 9, 1)
TOLD = with_knobs(named("told-supply"), history_days=5, horizon_days=60)
TRUTH = draw(TOLD, np.random.default_rng([4, 0]), START)
EVERYONE = np.arange(TRUTH.channel.size)


def test_a_share_is_of_what_the_supply_would_have_given() -> None:
    ample = np.rint(100e6 * supply(TRUTH, 0, EVERYONE)).astype(np.int64)
    for budgets, full in ((TRUTH.first, False), (ample, True)):
        day, _ = play(TRUTH, noise_key(4), begin(TRUTH), budgets)
        assert ((day.share > 0) & (day.share <= 1 + 1e-12)).all()
        assert (day.share > 1 - 1e-9).all() == full
    half = np.rint(0.2e6 * supply(TRUTH, 0, EVERYONE)).astype(np.int64)
    day, _ = play(TRUTH, noise_key(4), begin(TRUTH), half)
    spend = np.bincount(TRUTH.ads.campaign, day.spend) / 1e6
    most = volume(TRUTH, EVERYONE, 0, supply(TRUTH, 0, EVERYONE))
    assert day.share == pytest.approx(volume(TRUTH, EVERYONE, 0, spend) / most, rel=2e-3)


def test_rows_tell_it_only_where_the_scenario_says_so() -> None:
    silent = with_knobs(TOLD, impression_share=False)
    rows = {}
    for scenario in (TOLD, silent):
        platform = SimulatedConnector(scenario, seed=4, start=START)
        assert platform.capabilities.reports_impression_share == scenario.delivery.impression_share
        rows[scenario.delivery.impression_share] = list(platform.pull(START, platform.today))
    assert [row.spend_micros for row in rows[True]] == [row.spend_micros for row in rows[False]]
    assert {row.auctions for row in rows[False]} == {None}
    told = [row for row in rows[True] if row.series.conversion_definition == "purchase" and row.impressions_micros]
    assert told
    for row in told:
        assert row.impression_share_micros is not None
        assert row.impression_share_micros + (row.lost_to_budget_micros or 0) == 1_000_000


def test_policies_see_it_where_it_is_told() -> None:
    for scenario, told in ((TOLD, True), (with_knobs(TOLD, impression_share=False), False)):
        diary = Diary(draw(scenario, np.random.default_rng([4, 0]), START), 3)
        day, _ = play(TRUTH, noise_key(4), begin(TRUTH), TRUTH.first)
        diary.add(TRUTH.first, day)
        assert np.isfinite(diary.seen(TRUTH.first).impression_share).all() == told


def test_a_knob_that_is_true_or_false_survives_the_file() -> None:
    for scenario in (TOLD, with_knobs(TOLD, impression_share=False)):
        back = parse_scenario(write_scenario(scenario))
        assert back.delivery == scenario.delivery
