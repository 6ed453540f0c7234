"""Checks that every group of knobs shares; each names the knob that fails."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from typing import Any, get_args, get_origin, get_type_hints

_LARGEST = 2**63


class ScenarioError(ValueError):
    """A scenario cannot be what it is asked to be.

    Attributes:
        field: The knob, with its group where it stands in one: `demand.season_sd`.
        message: What is wrong with it.
        where: The file, and the table in it, where it was read from one; else empty.
    """

    def __init__(self, field: str, message: str, where: str = "") -> None:
        # All three are arguments, so that the error survives the way back from another process.
        super().__init__(field, message, where)
        self.field = field
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.field, self.message) if part)

    def at(self, place: str) -> ScenarioError:
        """Return the same error with a place put before where it was."""
        return ScenarioError(self.field, self.message, f"{place}, {self.where}" if self.where else place)


def typed(group: object, path: str) -> None:
    """Require that every field of a dataclass has its declared type.

    Integers become floats where floats are declared, so that equal scenarios have one representation and one digest.

    Args:
        group: A frozen dataclass that is being born.
        path: Of its group, with a dot, or empty.
    """
    for name, hint in get_type_hints(type(group)).items():
        object.__setattr__(group, name, _fit(hint, getattr(group, name), path + name))


def within(group: object, path: str, low: float, high: float, *names: str) -> None:
    """Require numbers from `low` to `high`."""
    for name in names:
        value = getattr(group, name)
        if not low <= value <= high:
            raise ScenarioError(path + name, f"must be {_range(low, high)}, not {value}")


def ordered(group: object, path: str, low: float, high: float, *names: str) -> None:
    """Require two numbers from `low` to `high`, the first not above the second."""
    for name in names:
        first, last = getattr(group, name)
        if not low <= first <= last <= high:
            wanted = f"two numbers {_range(low, high)}, the first not above the second"
            raise ScenarioError(path + name, f"must be {wanted}, not {first}, {last}")


def differing(path: str, names: Iterable[str]) -> None:
    """Require that no name comes twice."""
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise ScenarioError(path, f"names must differ: {', '.join(listed)}")


def instead_of(name: str, known: Iterable[str]) -> str:
    """Return what a reader may have meant: the nearest known name if one is near, then all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, 1)
    return "".join(f"did you mean {n}? " for n in near) + f"There are {', '.join(names)}"


def _range(low: float, high: float) -> str:
    return f"from {low:g} to {high:g}" if isfinite(high) else f"from {low:g} up"


def _fit(hint: Any, value: object, field: str) -> object:
    if hint is str:
        return _words(value, field)
    if hint is int:
        return _whole(value, field)
    if hint is float:
        return _number(value, field)
    if get_origin(hint) is tuple:
        return _several(hint, value, field)
    if not isinstance(value, hint):
        raise ScenarioError(field, f"must be a {hint.__name__}, not {_shown(value)}")
    return value


def _words(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise ScenarioError(field, f"must be text, not {_shown(value)}")
    if not value.isprintable():
        raise ScenarioError(field, "must be text on one line, without control characters")
    return value


def _whole(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ScenarioError(field, f"must be a whole number, not {_shown(value)}")
    if abs(value) >= _LARGEST:
        raise ScenarioError(field, "is too large a number")
    return value


def _number(value: object, field: str) -> float:
    if isinstance(value, float):
        return float(value)  # also of numpy's, which would be written in another way
    if not isinstance(value, int) or isinstance(value, bool):
        raise ScenarioError(field, f"must be a number, not {_shown(value)}")
    return float(_whole(value, field))


def _several(hint: Any, value: object, field: str) -> tuple[object, ...]:
    if not isinstance(value, tuple):
        raise ScenarioError(field, f"must be a list, not {_shown(value)}")
    kinds = get_args(hint)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ScenarioError(field, f"must be a list of {len(kinds)}, not of {len(value)}")
    return tuple(_fit(kind, each, field) for kind, each in zip(kinds, value, strict=True))


def _shown(value: object) -> str:
    """A value in few words; never the digits of an integer, of which there may be too many to be written."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "...")
    names = {int: "a whole number", list: "a list", tuple: "a list", dict: "a table"}
    return str(value) if isinstance(value, float) else names.get(type(value), f"a {type(value).__name__}")
