"""Free memory goes back to the system now and then, whichever portfolio asks first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from optimizer.agent.daemon.heap import Heap

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_it_is_given_back_every_six_hours_and_after_a_clock_that_went_back() -> None:
    heap = Heap()
    hours = (0, 1, 5.9, 6, 7, 12, 11, 2, 3)
    assert [heap.give_back(NOON + timedelta(hours=hour)) for hour in hours] == [
        True, False, False, True, False, True, False, True, False,
    ]  # fmt: skip
