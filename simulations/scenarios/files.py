"""Scenarios as TOML: what a tester writes, and the canonical text that a run keeps."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from simulations.scenarios.checks import ScenarioError, instead_of
from simulations.scenarios.library import SCENARIOS, named
from simulations.scenarios.scenario import PLACES, Scenario

_BASE = "based_on"
_ENDING = ".toml"


def find(name_or_path: str, home: Path) -> Scenario:
    """Return a named scenario, or read a file.

    Args:
        name_or_path: A name of the library, or a path that ends in `.toml`.
        home: The folder that a relative path starts from.

    Raises:
        ScenarioError: There is no such scenario or file, or the file is none of a scenario.
    """
    if name_or_path not in SCENARIOS and name_or_path.endswith(_ENDING):
        return read_scenario(home / name_or_path)
    try:
        return named(name_or_path)
    except ScenarioError as error:
        raise ScenarioError(error.field, f"{error.message}; or the path of a file that ends in {_ENDING}") from None


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from a TOML file; where it says no `name`, the scenario is called as the file is.

    Raises:
        ScenarioError: The file cannot be read or is none of a scenario; `where` names the file, and `field` the key.
    """
    try:
        return parse_scenario(path.read_text(encoding="utf-8-sig"), path.stem)
    except ScenarioError as error:
        raise error.at(str(path)) from None
    except OSError as error:
        raise ScenarioError("scenario", f"cannot be read: {error.strerror}", str(path)) from None
    except ValueError as error:
        raise ScenarioError("scenario", f"cannot be read: {error}", str(path)) from None


def parse_scenario(text: str, name: str = "") -> Scenario:
    """Return the scenario that a TOML text describes.

    `based_on` names a scenario of the library, which holds for every key that the text does not give. Lists of tables
    replace those of the base; a channel or further conversion with a name of the base's takes from it what its table
    does not say.

    Args:
        text: The document.
        name: Of the scenario, where the text gives none.

    Raises:
        ScenarioError: The text is not TOML, or a key is unknown, missing, of the wrong type or out of range.
    """
    table = {"name": name} | _toml(text)
    if _BASE not in table:
        return _scenario(table, None)
    chosen = table.pop(_BASE)
    if not isinstance(chosen, str):
        raise ScenarioError(_BASE, "must be the name of a scenario")
    if chosen not in SCENARIOS:
        raise ScenarioError(_BASE, f"there is none called {chosen!r}; {instead_of(chosen, SCENARIOS)}")
    base = SCENARIOS[chosen]
    return _scenario({"summary": f"Based on {base.name}. {base.summary}"} | table, base)


def write_scenario(scenario: Scenario) -> str:
    """Return every knob as canonical TOML text, which `parse_scenario` reads as an equal scenario of equal digest."""
    return "\n".join(_lines(scenario, "")) + "\n"


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError("scenario", f"is not TOML: {error}") from None
    except (ValueError, RecursionError):
        # Two limits of Python's: digits of a number, depth of nesting.
        raise ScenarioError("scenario", "is not TOML of any scenario: a number too long, or lists too deep") from None


def _scenario(table: Mapping[str, Any], base: Scenario | None) -> Scenario:
    built: Scenario = _build(Scenario, table, "", base)
    return built


def _build(kind: type, table: object, path: str, base: Any) -> Any:
    """A dataclass from a table; what the table does not give comes from the base, or is the default."""
    if not isinstance(table, dict):
        raise ScenarioError(path, "must be a table")
    prefix = f"{path}." if path else ""
    types = get_type_hints(kind)
    for key in table:
        if key not in types:
            raise ScenarioError(prefix + _key(key), f"there is no such key; {_meant(key, path, types)}")
    given = {key: _value(types[key], raw, prefix + key, getattr(base, key, None)) for key, raw in table.items()}
    if base is not None:
        return replace(base, **given)
    for knob in fields(kind):
        if knob.name not in given and knob.default is MISSING and knob.default_factory is MISSING:
            raise ScenarioError(prefix + knob.name, "is missing")
    return kind(**given)


def _value(hint: Any, raw: object, path: str, base: Any) -> object:
    """What a dataclass takes for a TOML value; scalars stay as they are, since the dataclass checks them."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _build(hint, raw, path, base)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _choice(hint, raw, path)
    if any(map(is_dataclass, get_args(hint))):
        return _entries(get_args(hint)[0], raw, path, base or ())
    return tuple(raw) if isinstance(raw, list) else raw


def _entries(kind: type, raw: object, path: str, bases: tuple[Any, ...]) -> tuple[object, ...]:
    if not isinstance(raw, list):
        raise ScenarioError(path, f"must be a list of tables, each begun by [[{path}]]")
    return tuple(_entry(kind, one, path, number, bases) for number, one in enumerate(raw, start=1))


def _entry(kind: type, raw: object, path: str, number: int, bases: tuple[Any, ...]) -> object:
    """One of a list of tables; errors tell which."""
    name = raw.get("name") if isinstance(raw, dict) else None
    base = next((b for b in bases if name is not None and getattr(b, "name", None) == name), None)
    try:
        return _build(kind, raw, path, base)
    except ScenarioError as error:
        raise error.at(f"[[{path}]] {number}") from None


def _choice(kind: type[StrEnum], raw: object, path: str) -> StrEnum:
    names = [str(member) for member in kind]
    if raw not in names:
        raise ScenarioError(path, f"must be one of {', '.join(names)}")
    return kind(raw)


def _meant(key: str, path: str, known: Mapping[str, Any]) -> str:
    if key in PLACES:
        return f"{key} belongs in [{PLACES[key]}]"
    if path and key in get_type_hints(Scenario):
        return f"{key} belongs to the scenario itself, before its first table"
    return instead_of(key, [*known, *(() if path else (_BASE,))])


def _key(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key)


def _lines(group: Any, prefix: str) -> list[str]:
    """The plain values of a dataclass, then its tables, as TOML wants them."""
    plain, tables = [], []
    for knob in fields(group):
        value, path = getattr(group, knob.name), prefix + knob.name
        if is_dataclass(value):
            tables += ["", f"[{path}]", *_lines(value, f"{path}.")]
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            for each in value:
                tables += ["", f"[[{path}]]", *_lines(each, f"{path}.")]
        else:
            plain.append(f"{knob.name} = {literal(value)}")
    return plain + tables


def literal(value: object) -> str:
    """Return a knob's value as TOML: `0.12`, `inf`, `"EUR"`, `[20, 100]`."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"[{', '.join(map(literal, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)
