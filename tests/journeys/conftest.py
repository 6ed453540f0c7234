"""Fixtures of the journeys; what they give is described in `shops`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.shops import Outlay, Shop, command_line, make_shop


@pytest.fixture
def outlay(monkeypatch: pytest.MonkeyPatch) -> Outlay:
    """The command line, in this process."""
    return command_line(monkeypatch)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Four campaigns with 120 days of history."""
    return make_shop(tmp_path)
