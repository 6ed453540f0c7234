"""The state of a posterior as JSON: versioned, the same bytes for the same numbers, and refused when broken."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bandits.groups import FloatArray

VERSION: Final = 1


def dump(kind: str, **parameters: FloatArray) -> str:
    """Return arrays of shape (A,) as canonical JSON; floats are written so that they are read back to the bit."""
    body = {name: values.tolist() for name, values in parameters.items()}
    document = {"kind": kind, "version": VERSION, "parameters": body}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def load(text: str, kind: str, names: Sequence[str]) -> tuple[FloatArray, ...]:
    """Return the named arrays of a state that `dump` wrote.

    Raises:
        ValueError: The text is not JSON, of another kind or version, or lacks a parameter.
    """
    document = _document(text)
    if document.get("kind") != kind:
        raise ValueError(f"this is a state of {document.get('kind')!r}, not of {kind!r}")
    if document.get("version") != VERSION:
        raise ValueError(f"this state has version {document.get('version')!r}; only version {VERSION} can be read")
    parameters = document.get("parameters")
    if not isinstance(parameters, dict) or set(parameters) != set(names):
        raise ValueError(f"a state of {kind!r} holds exactly the parameters {', '.join(names)}")
    return tuple(_array(parameters[name], name) for name in names)


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"a state must be JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"a state must be a JSON object, not {type(document).__name__}")
    return document


def _array(values: object, name: str) -> FloatArray:
    if not isinstance(values, list) or not all(type(v) in (int, float) for v in values):
        raise ValueError(f"parameter {name!r} of a state must be a list of numbers")
    return np.array(values, dtype=np.float64)
