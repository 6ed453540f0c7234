"""Which emulators there are, and what each is started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from types import MappingProxyType

from simulations.emulators.account import Account
from simulations.emulators.faults import Faults
from simulations.emulators.serving import Emulator


@dataclass(frozen=True, slots=True)
class Setup:
    """What an emulator is started with.

    Attributes:
        account: What stands behind it.
        faults: What goes wrong on the wire.
        port: Where it listens on loopback; 0 for any that is free.
    """

    account: Account
    faults: Faults = field(default_factory=Faults)
    port: int = 0


Start = Callable[[Setup], Emulator]

EMULATORS: Mapping[str, str] = MappingProxyType(
    {
        "awin": "simulations.emulators.awin",
        "ga4": "simulations.emulators.ga4",
        "google": "simulations.emulators.google",
        "linkedin": "simulations.emulators.linkedin",
        "meta": "simulations.emulators.meta",
        "microsoft": "simulations.emulators.microsoft",
        "tiktok": "simulations.emulators.tiktok",
    }
)
"""The module of each platform that has a function `start(setup)`; imported when it is first asked for."""


def find(platform: str) -> Start:
    """Return what starts the emulator of a platform.

    Raises:
        ValueError: There is none; with the names that there are.
        ImportError: The package that it needs is not installed.
    """
    if platform not in EMULATORS:
        near = get_close_matches(platform, EMULATORS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"there is no emulator of {platform!r}; {hint}write one of {', '.join(sorted(EMULATORS))}")
    start: Start = import_module(EMULATORS[platform]).start
    return start
