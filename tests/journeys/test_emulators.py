"""The whole agent through the wires of two platforms at once, and the command that puts a platform on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from tests.journeys.two_platforms import PATIENCE, Shop, live


def asked(url: str, body: dict[str, object] | None = None) -> dict[str, object]:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data), timeout=PATIENCE) as answer:
        return json.load(answer)


def test_the_agent_lives_through_days_on_google_and_meta_together(tmp_path: Path) -> None:
    lived = live(Shop(search=2, social=2, history=21, days=3), "emulators", tmp_path)
    assert lived.verified > 0, "what a person approved was written and read back"
    assert lived.written > 0
    assert lived.unmatched == 0, "each write has one effect in the markets, and there is no other"
    assert lived.drifted == 0
    assert lived.exit_code == 0
    assert all(world.state.edits or world.state.switches for world in lived.worlds), "through both connectors"


def test_an_emulator_serves_is_directed_and_ends_in_order() -> None:
    words = ["emulate", "meta", "--scenario", "tiny-yen", "--today", "2025-04-01", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "optimizer.agent.cli", *words], stdout=subprocess.PIPE, text=True
    ) as emulator:
        try:
            assert emulator.stdout is not None
            told = json.loads(emulator.stdout.readline())  # at once; the answer of the command comes when it ends
            assert told["address"].startswith("http://127.0.0.1:")
            assert (told["platform"], told["today"]) == ("meta", "2025-04-01")
            state = asked(f"{told['control']}/state")
            assert (str(state["account_id"]), state["currency"]) == (told["account_id"], "JPY")
            account = asked(f"{told['address']}/v26.0/act_{told['account_id']}?fields=currency&access_token=any")
            assert account["currency"] == "JPY"
            assert asked(f"{told['control']}/advance", {"days": 1}) == {"today": "2025-04-02"}
            assert asked(f"{told['control']}/state")["today"] == "2025-04-02"
        finally:
            emulator.send_signal(signal.SIGTERM)
        assert emulator.wait(PATIENCE) == 0
        assert json.loads(emulator.stdout.read()) == {"stopped": "meta"}
