"""Values as canonical JSON, the same bytes for the same value, and their hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import TypeAdapter

_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # building one costs milliseconds, using it microseconds


def adapter(kind: type) -> TypeAdapter[Any]:
    """Return the JSON reader and writer of a kind of value."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def to_json(value: Any) -> str:
    """Return a value of the plan as canonical JSON: sorted keys, no spaces, the same bytes for the same value."""
    plain = adapter(type(value)).dump_python(value, mode="json")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def from_json[T](kind: type[T], text: str) -> T:
    """Read back what `to_json` wrote.

    Raises:
        ValueError: The text is not such a value.
    """
    value: T = adapter(kind).validate_json(text)
    return value


def content_hash(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()
