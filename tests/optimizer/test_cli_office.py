"""The kill switch as it is typed: it works whatever else is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import ConnectorError
from optimizer.agent.bootstrap import open_house, open_store
from optimizer.agent.cli.office import pause, resume
from optimizer.agent.settings import SettingsError

BROKEN = """
[connectors.shop]
kind = "no-such-platform"
"""


def test_the_switch_is_thrown_and_released_while_no_connector_can_be_built(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(BROKEN)
    with pytest.raises(ConnectorError), open_house(config):
        pass
    assert pause("checkout is down", config, "mia").data["paused"] is True
    with open_store(config) as store:
        brake = store.brake()
        assert brake is not None
        assert (brake.on, brake.actor, brake.reason) == (True, "mia", "checkout is down")
    assert resume("", config, "mia").data["paused"] is False
    with open_store(config) as store:
        assert not store.brake().on


def test_the_switch_is_thrown_while_the_settings_make_no_sense(tmp_path: Path) -> None:
    """The agent goes on with the old ones meanwhile, and must be stopped all the same."""
    config = tmp_path / "config.toml"
    config.write_text('[store]\nurl = "sqlite:///other.sqlite"\n[guardrails]\nlargest_step = "a lot"\n')
    with pytest.raises(SettingsError, match="largest_step"), open_house(config):
        pass
    assert pause("a step too large", config, "mia").data["paused"] is True
    assert (tmp_path / "other.sqlite").exists()


def test_a_pause_without_a_reason_stops_nothing_and_says_so(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("")
    with pytest.raises(SettingsError, match="needs a reason"):
        pause(" ", config, "mia")
    with open_store(config) as store:
        assert store.brake() is None
