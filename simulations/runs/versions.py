"""Which code made a run: the same version string means the same bytes."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_OURS: Final = ("connectors", "simulations")
_NUMBERS: Final = ("numpy", "scipy")


def code_version(*packages: str) -> str:
    """Return the version of this distribution, of its sources, and of what computes its numbers.

    Args:
        packages: Import packages that policies come from; `connectors` and `simulations` are always among them.

    Returns:
        Such as `outlay 0.1.0 (0f3a...), Python 3.12.1, numpy 2.1.0, scipy 1.15.0`; in brackets the SHA-256 of all
        Python sources by name.

    Raises:
        ModuleNotFoundError: There is no such package.
    """
    digest = hashlib.sha256()
    for package in sorted({*_OURS, *packages}):
        _add(digest, package)
    numbers = ", ".join(f"{name} {version(name)}" for name in _NUMBERS)
    return f"outlay {_own_version()} ({digest.hexdigest()}), Python {platform.python_version()}, {numbers}"


def _add(digest: hashlib._Hash, package: str) -> None:
    found = find_spec(package)
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError(f"there is no package {package!r}")
    for place in sorted(found.submodule_search_locations):
        root = Path(place)
        for path in sorted(root.rglob("*.py")):
            source = path.read_bytes()
            digest.update(f"{package}/{path.relative_to(root).as_posix()} {len(source)}\n".encode())
            digest.update(source)


def _own_version() -> str:
    try:
        return version("outlay")
    except PackageNotFoundError:
        return "unknown"
