from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from connectors.contract import BuildContext
from connectors.files import build
from connectors.files.connector import FilesConnector

Make = Callable[..., FilesConnector]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write files into a folder of exports and build a connector over it: make({"a.csv": text}, currency="JPY")."""

    def build_over(files: dict[str, str | bytes], **options: Any) -> FilesConnector:
        folder = tmp_path / "exports"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        settings = {"folder": "exports", "currency": "EUR", "time_zone": "Europe/Berlin", **options}
        settings = {key: value for key, value in settings.items() if value is not None}
        return build(BuildContext("shop", settings, tmp_path, "config.toml [connectors.shop]"))

    return build_over


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Reads are tried again at once, as often as they would be."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
