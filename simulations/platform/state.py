"""A simulated world on disk: not what happened, only what it follows from.

The seed, every edit of a budget and every switch of an ad determine the world to the byte, so a state file stays small
and a resumed world equals one that was never left.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from connectors.errors import AskMarketer, BadInput
from simulations import disk


class Edit(BaseModel):
    """One change of a live budget.

    Attributes:
        day: Index of the day from which it holds.
        campaign: Index of the campaign.
        micros: The new daily budget.
        by: Who made it: `api`, or `hand` for a person on the platform.
        key: The idempotency key of the call; empty for an edit by hand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: NonNegativeInt
    campaign: NonNegativeInt
    micros: NonNegativeInt
    by: Literal["api", "hand"]
    key: str = ""


class Switch(BaseModel):
    """One change of an ad's status.

    Attributes:
        day: Index of the day from which it holds.
        ad: Index of the ad.
        runs: Whether it runs from then on.
        by: Who made it: `api`, or `hand` for a person on the platform.
        key: The idempotency key of the call; empty for a switch by hand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    day: NonNegativeInt
    ad: NonNegativeInt
    runs: bool
    by: Literal["api", "hand"]
    key: str = ""


class WorldState(BaseModel):
    """Everything that a world follows from.

    Attributes:
        version: Of this format.
        scenario, digest: Name and digest of the scenario, its history_days included.
        seed: Of truth and noise.
        start: The date of day 0.
        day: Index of the morning on which the world stands: days before it have passed.
        edits: In the order in which they were made.
        switches: Likewise; ads that nobody switched run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    scenario: str
    digest: str
    seed: NonNegativeInt
    start: date
    day: NonNegativeInt
    edits: tuple[Edit, ...] = ()
    switches: tuple[Switch, ...] = ()


def read_state(path: Path) -> WorldState | None:
    """Return the state in a file, or None if there is no file.

    Raises:
        BadInput: The file is not a state of this format.
        AskMarketer: It cannot be read.
    """
    try:
        return WorldState.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"this is not the state of a simulated world ({first['msg']})",
            where=path.name,
            field=".".join(str(part) for part in first["loc"]) or None,
            mend="restore the file, or delete it to begin the world anew.",
        ) from None
    except OSError as error:
        raise _unusable(path, error) from None


def write_state(path: Path, state: WorldState) -> None:
    """Replace a file by this state; a reader sees the old or the new one, never a part. To be called while `locked`.

    Raises:
        AskMarketer: The file cannot be written.
    """
    try:
        disk.write_whole(path, state.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise _unusable(path, error) from None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from changing the state of `path` meanwhile.

    Raises:
        AskMarketer: The lock file beside it cannot be made.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        handle = lock.open("a")
    except OSError as error:
        raise _unusable(lock, error) from None
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes whenever the file is replaced, or None if there is no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from None
    return stat.st_ino, stat.st_mtime_ns


def _unusable(path: Path, error: OSError) -> AskMarketer:
    return AskMarketer(
        f"The simulator's state file {path} cannot be used: {error.strerror}.",
        mend="name a file in a folder that exists and can be written (setting state_file).",
    )
