"""Kill the agent a thousand times: no budget is set twice, no cap passed, no approval lost, no edit overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.campaign import Campaign, NaiveCampaign, PlainCampaign
from tests.crash.worker import POINTS

KILLS = int(os.environ.get("OUTLAY_KILLS", "1000"))
PARTS = 4  # side by side where there are processors


@pytest.mark.parametrize("seed", range(PARTS))
def test_whenever_the_agent_is_killed_each_write_happens_once(tmp_path: Path, seed: int) -> None:
    tally = Campaign(tmp_path / "shop", seed).run(KILLS // PARTS)
    assert {kind: found[:3] for kind, found in tally.wrong.items()} == {kind: [] for kind in tally.wrong}
    assert tally.effects > 0
    assert tally.plans["verified"] > 0
    for point in POINTS:
        assert tally.kills[point] >= KILLS // PARTS // 50, f"{point} was hit {tally.kills[point]} times"


def test_so_it_is_where_the_platform_compares_nothing(tmp_path: Path) -> None:
    """Else the platform's own care could be taken for the agent's: the naive agent has none of it, either."""
    tally = PlainCampaign(tmp_path / "shop", 3).run(KILLS // 20)
    assert {kind: found[:3] for kind, found in tally.wrong.items()} == {kind: [] for kind in tally.wrong}
    assert tally.effects > 0


def test_the_judge_notices_a_write_that_is_told_and_was_never_made(tmp_path: Path) -> None:
    class Forgetful(Campaign):
        def _judge(self) -> None:
            self.server.ask = lambda _path: {"ledger": []}
            super()._judge()

    tally = Forgetful(tmp_path / "shop", 1).run(2)
    assert all("never took effect" in words for words in tally.wrong["lost approvals"])
    assert tally.wrong["lost approvals"]


def test_an_agent_without_an_outbox_is_caught_by_the_same_judge(tmp_path: Path) -> None:
    tally = NaiveCampaign(tmp_path / "shop", 7).run(150)
    assert tally.wrong["drift overwritten"]
    assert tally.wrong["double effects"]
