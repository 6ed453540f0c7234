"""What a command answers: a picture for a terminal, an object for --json, and an exit code."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from rich.console import Console, RenderableType

from optimizer.agent.cli import screen
from optimizer.agent.secrecy import redacted
from optimizer.plan.canonical import adapter
from optimizer.plan.record import Event, Intent, Record


class Exit(IntEnum):
    """The exit codes of every command."""

    FINE = 0
    ERROR = 1
    PENDING = 2
    DRIFT = 3
    BLOCKED = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a command.

    Attributes:
        shown: For a terminal.
        data: For --json; plain values only.
        code: The process's exit code.
        handed: For --json: what is secret and is to be handed over, as a new token is; only this is told as it is.
    """

    shown: RenderableType
    data: Mapping[str, Any] = field(default_factory=dict)
    code: Exit = Exit.FINE
    handed: Mapping[str, str] = field(default_factory=dict, repr=False)


def give(answer: Answer, *, as_json: bool) -> int:
    """Print an answer and return its exit code."""
    if as_json:
        told = redacted(json.dumps(answer.data, ensure_ascii=False, allow_nan=False))
        if answer.handed:
            told = json.dumps(json.loads(told) | dict(answer.handed), ensure_ascii=False)
        sys.stdout.write(told + "\n")
    else:
        screen.show(answer.shown)
    return int(answer.code)


def fail(message: str, *, as_json: bool, code: Exit = Exit.ERROR, kind: str = "error") -> int:
    """Say on standard error what went wrong (with --json also as an object on standard output)."""
    message = redacted(message)
    if as_json:
        sys.stdout.write(json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False) + "\n")
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"Error: {message}", markup=False, style="red")
    return int(code)


def record_data(record: Record, events: Sequence[Event] = (), intents: Sequence[Intent] = ()) -> dict[str, Any]:
    """A recommendation with its state, and its history and writes where they are given, as plain values."""
    data: dict[str, Any] = adapter(Record).dump_python(record, mode="json")
    if events:
        data["events"] = adapter(tuple[Event, ...]).dump_python(tuple(events), mode="json")
    if intents:
        data["intents"] = adapter(tuple[Intent, ...]).dump_python(tuple(intents), mode="json")
    return data


def finite(value: Any) -> Any:
    """A plain value with None for every number that JSON has no word for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(part) for key, part in value.items()}
    return [finite(part) for part in value] if isinstance(value, list | tuple) else value
