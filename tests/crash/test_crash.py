"""Kill the agent again and again: no budget is set twice, no cap passed, no approval lost, no edit overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.crash.campaign import Campaign

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = os.environ.get("OUTLAY_KILLS", "60")


def test_whenever_the_agent_is_killed_each_write_happens_once_and_without_an_outbox_not() -> None:
    """In a process of its own: forking one that holds as much as a test runner takes several times as long."""
    words = [sys.executable, str(ROOT / "benchmarks" / "crash.py"), "--kills", KILLS]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    print(ran.stdout)
    assert ran.stdout, ran.stderr
    bars = json.loads(ran.stdout.splitlines()[-1])["bars"]
    assert len(bars) >= 7
    assert [bar for bar in bars if not bar["holds"]] == []


def test_of_two_at_once_exactly_one_wins_and_without_a_guard_both() -> None:
    """In a process of its own, as above: each race is between two that were forked."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "races.py"), "--quick"], capture_output=True, text=True, check=False
    )
    print(ran.stdout)
    assert ran.stdout, ran.stderr
    bars = json.loads(ran.stdout.splitlines()[-1])["bars"]
    assert len(bars) >= 4
    assert [bar for bar in bars if not bar["holds"]] == []


def test_the_judge_notices_a_write_that_is_told_and_was_never_made(tmp_path: Path) -> None:
    class Forgetful(Campaign):
        def _judge(self) -> None:
            self.server.ask = lambda _path: {"ledger": []}
            super()._judge()

    tally = Forgetful(tmp_path / "shop", 1).run(2)
    assert all("never took effect" in words for words in tally.wrong["lost approvals"])
    assert tally.wrong["lost approvals"]
