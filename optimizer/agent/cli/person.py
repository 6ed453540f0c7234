"""Who acts, where a command was not told."""

from __future__ import annotations

import getpass
import os


def person(given: str | None) -> str:
    """Return the name that was given, else the user's; a container's user often has a number only."""
    if given:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
