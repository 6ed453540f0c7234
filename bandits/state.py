"""The state of a posterior as JSON: versioned, the same bytes for the same numbers, and refused when broken.

Version 2 keeps beside the parameters the discount gamma under which they were summed: to fold in another day one has
to know how much the days before are to lose, and two states with the same numbers go on differently. Version 1 did
not have it; it is read with gamma not known, which `load` passes over and `forgetting` tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from bandits.groups import FloatArray

VERSION: Final = 2


def dump(kind: str, *, gamma: float | None = None, **parameters: FloatArray) -> str:
    """Return arrays of shape (A,) as canonical JSON; floats are written so that they are read back to the bit.

    Args:
        kind: Of posterior.
        gamma: What a day's evidence kept of its weight each day, in (0, 1]; None if not known.
        parameters: By name.

    Raises:
        ValueError: A number is not finite, or gamma out of its range.
    """
    _check_gamma(gamma)
    body = {name: values.tolist() for name, values in parameters.items()}
    document = {"kind": kind, "version": VERSION, "gamma": gamma, "parameters": body}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def load(text: str, kind: str, names: Sequence[str]) -> tuple[FloatArray, ...]:
    """Return the named arrays of a state that `dump` wrote, now or in an older version.

    Raises:
        ValueError: The text is not JSON, of another kind, of a version that is not known, or lacks a parameter.
    """
    document = _current(_document(text))
    if document.get("kind") != kind:
        raise ValueError(f"this is a state of {document.get('kind')!r}, not of {kind!r}")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or set(parameters) != set(names):
        raise ValueError(f"a state of {kind!r} holds exactly the parameters {', '.join(names)}")
    return tuple(_array(parameters[name], name) for name in names)


def forgetting(text: str) -> float | None:
    """Return the gamma of a state, None where it is not known.

    Raises:
        ValueError: The text is not JSON or of a version that is not known, or its gamma is out of range.
    """
    gamma = _current(_document(text))["gamma"]
    if gamma is not None and type(gamma) not in {int, float}:
        raise ValueError(f"the gamma of a state must be a number or null, not {gamma!r}")
    _check_gamma(gamma)
    return None if gamma is None else float(gamma)


def _from_1(document: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no gamma."""
    return document | {"version": 2, "gamma": None}


_MIGRATIONS: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _from_1}
"""From each older version to the next."""


def _current(document: dict[str, Any]) -> dict[str, Any]:
    """The document as the current version would have written it."""
    version = document.get("version")
    if type(version) is int and version > VERSION:
        raise ValueError(
            f"this state has version {version}, written by a newer program; this one reads versions up to {VERSION}: "
            "update it, or refold the state from the daily rows"
        )
    while (version := document.get("version")) != VERSION or type(version) is not int:
        migrate = _MIGRATIONS.get(version) if type(version) is int else None
        if migrate is None:
            raise ValueError(f"this state has version {version!r}; versions 1 to {VERSION} can be read")
        document = migrate(document)
    if "gamma" not in document:
        raise ValueError(f"a state of version {VERSION} names its gamma, and this one does not")
    return document


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"a state must be JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"a state must be a JSON object, not {type(document).__name__}")
    return document


def _check_gamma(gamma: float | None) -> None:
    if gamma is not None and not 0 < gamma <= 1:
        raise ValueError(f"gamma must be above 0 and at most 1, not {gamma}")


def _array(values: object, name: str) -> FloatArray:
    if not isinstance(values, list) or not all(type(v) in (int, float) for v in values):
        raise ValueError(f"parameter {name!r} of a state must be a list of numbers")
    return np.array(values, dtype=np.float64)
