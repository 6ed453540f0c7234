"""Simulated journeys: what a channel adds is known, the same seed lives the same, and what is told is consistent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from connectors.touches import check
from simulations.journeys import Channel, World, drawn, live
from simulations.journeys.walk import START

VIDEO = Channel("video", 0.05, 0.0, 0.0, 1.5, view=True)
BRAND = Channel("brand", 0.0, 0.5, 0.0, 0.0)
CHASER = Channel("retargeting", 0.0, 0.0, 0.3, 0.0)


def _lived(*channels: Channel, persons: int = 20_000, seed: int = 7) -> Any:
    return live(World(channels, persons, base=-5.0), np.random.default_rng(seed))


def test_what_lifts_nobody_adds_nothing_though_buyers_meet_it() -> None:
    lived = _lived(VIDEO, BRAND, CHASER)
    bought = set(np.flatnonzero(lived.ordered >= 0).tolist())
    met = [{person for person, _, code in lived.met.tolist() if code == channel} & bought for channel in range(3)]
    assert lived.added[1] == lived.added[2] == 0
    assert min(len(met[1]), len(met[2])) > 100
    assert lived.added[0] > 100


def test_what_is_added_is_what_is_missing_without_the_channel() -> None:
    """Without its only channel a world has as many fewer orders as the channel added."""
    lived, bare = _lived(VIDEO), _lived(replace(VIDEO, reach=0.0))
    assert (lived.ordered >= 0).sum() - (bare.ordered >= 0).sum() == lived.added[0]


def test_the_share_of_buyers_without_touch_is_that_of_the_log_odds() -> None:
    """Of persons alike with log-odds -5 a day, 1 - (1 - p)^21 order: within 5.5 standard errors."""
    lived = live(World((replace(VIDEO, reach=0.0),), 20_000, base=-5.0, spread=0.0), np.random.default_rng(7))
    expected = 1 - (1 - 1 / (1 + np.exp(5.0))) ** 21
    assert np.mean(lived.ordered >= 0) == pytest.approx(expected, abs=5.5 * np.sqrt(expected / 20_000))


def test_one_seed_lives_once() -> None:
    one, two = (live(drawn(500, rng), rng) for rng in (np.random.default_rng(3), np.random.default_rng(3)))
    assert np.array_equal(one.met, two.met)
    assert np.array_equal(one.ordered, two.ordered)
    assert np.array_equal(one.added, two.added)


def test_touches_and_orders_tell_what_happened() -> None:
    lived = _lived(VIDEO, BRAND, persons=2_000)
    touches = lived.touches()
    check(touches)
    rows = touches.to_pylist()
    assert len(rows) == len(lived.met)
    orders = {order.customer: order for order in lived.orders()}
    assert len(orders) == (lived.ordered >= 0).sum()
    for row in rows:
        assert START <= row["at"] < lived.end
        assert row["view"] == (row["channel"] == "video")
        if row["person"] in orders:
            order = orders[row["person"]]
            assert row["at"] < order.at < lived.end
            assert row["channel"] in order.claims
    assert lived.end - START == timedelta(days=21)


@pytest.mark.parametrize("change", [{"reach": -0.1}, {"chase": 1.1}, {"follow": float("nan")}, {"lift": -1.0}])
def test_channels_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(VIDEO, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"channels": (VIDEO, VIDEO)}, "named twice"), ({"persons": 0}, "persons"), ({"memory_days": 0.0}, "memory_days")],
)
def test_worlds_that_make_no_sense_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(World((VIDEO,), 10), **change)
