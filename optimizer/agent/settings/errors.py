"""Turns what pydantic finds wrong with the settings into sentences: where, what, and the mend."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from optimizer.goals import Scope

_PREFIX: Final = "OUTLAY_"
_DELIMITER: Final = "__"

_COMPLAINTS: Final = {
    "missing": "it is missing",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "a name is made of small letters and digits, with single - or _ between them",
    "model_type": "must be a table",
    "dict_type": "must be a table of tables",
    "mapping_type": "must be a table of tables",
    "tuple_type": "must be a list; tables of a list stand in double brackets",
}

Place = tuple[int | str, ...]


class SettingsError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: One sentence or more for each thing wrong: file, key and mend.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def environment_problems(model: type[BaseModel], environ: Mapping[str, str]) -> list[str]:
    """Name each variable such as OUTLAY_GAOL__MARGIN that is meant as a setting and names no table.

    Variables without a double underscore are not looked at: orchestrators set some, such as OUTLAY_PORT.
    """
    problems = []
    for name in environ:
        table = name.upper().removeprefix(_PREFIX).partition(_DELIMITER)
        if name.upper().startswith(_PREFIX) and table[1] and table[0].lower() not in model.model_fields:
            mend = _mend_unknown((table[0].lower(),), model)
            problems.append(f"environment variable {name}: there is no table {table[0].lower()!r}. Mend: {mend}")
    return problems


def from_validation(
    error: ValidationError, model: type[BaseModel], source: str, environ: Mapping[str, str]
) -> list[str]:
    """Return one entry per error, in the order of the file's tables.

    Args:
        error: What validation raised.
        model: The settings' class.
        source: How to name the file.
        environ: To tell values of the environment from those of the file.
    """
    return [_sentence(detail, model, source, environ) for detail in error.errors(include_url=False)]


def _sentence(detail: ErrorDetails, model: type[BaseModel], source: str, environ: Mapping[str, str]) -> str:
    place = tuple(part for part in detail["loc"] if part != "[key]")
    key = dotted(place)
    where = _variable(place, environ) or source
    head = f"{where}, {key}" if key else where
    if detail["type"] == "extra_forbidden":
        return f"{head}: there is no such key. Mend: {_mend_unknown(place, model)}"
    complaint = _complaint(detail)
    return (
        f"{head}: {complaint}." if "Mend: " in complaint else f"{head}: {complaint}. Mend: {_mend_value(place, model)}"
    )


def _complaint(detail: ErrorDetails) -> str:
    if detail["type"] in _COMPLAINTS:
        return _COMPLAINTS[detail["type"]]
    message = detail["msg"].removeprefix("Value error, ").removesuffix(".").replace("Input should be", "must be")
    value = detail["input"]
    if detail["loc"][:1] == ("connectors",) or (isinstance(value, str) and repr(value) in message):
        return message  # a connector's table may hold a secret
    if isinstance(value, str | int | float | Decimal | date) and not isinstance(value, bool):
        message += f", not {value if isinstance(value, Decimal) else repr(value)}"
    return message


def _mend_value(place: Place, model: type[BaseModel]) -> str:
    field = _field(place, model)
    if field is None or field.description is None:
        return "see docs/configuration.md for what may stand there."
    if field.is_required():
        return f"write it; {_lower(field.description)}"
    return f"correct it, or remove it for the default ({default_text(field)}). {field.description}"


def _mend_unknown(place: Place, model: type[BaseModel]) -> str:
    name = str(place[-1])
    table = _table(str(place[0]), model) if len(place) > 1 else model
    here = list(table.model_fields) if table else []
    elsewhere = [key for key in keys(model) if key.rpartition(".")[2] == name]
    close = get_close_matches(name, here, n=1, cutoff=0.6)
    if close:
        return f"write {close[0]}."
    if elsewhere:
        return f"move it: {elsewhere[0]} is meant."
    return f"remove it; the keys here are {', '.join(here)}."


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of all tables by their dotted keys, such as `goal.margin` and `limits.scope`."""
    found = {}
    for name in model.model_fields:
        table = _table(name, model)
        for key, field in table.model_fields.items() if table else ():
            found[f"{name}.{key}"] = field
    return found


def default_text(field: FieldInfo) -> str:
    """Return a field's default as `config.toml` would say it; `unset` for none."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "unset"
    if isinstance(value, str | Scope):
        return f'"{value}"'
    return json.dumps(value) if isinstance(value, tuple) else str(value)


def dotted(place: Place) -> str:
    """Return `limits[1].scope` for ("limits", 0, "scope"); tables are counted from 1."""
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _variable(place: Place, environ: Mapping[str, str]) -> str | None:
    """The variable that set this place, the most specific first: OUTLAY_GOAL__MARGIN, then OUTLAY_GOAL."""
    names = {name.upper(): name for name in environ}
    for end in range(len(place), 0, -1):
        wanted = _PREFIX + _DELIMITER.join(str(part) for part in place[:end]).upper()
        if wanted in names:
            return f"environment variable {names[wanted]}"
    return None


def _field(place: Place, model: type[BaseModel]) -> FieldInfo | None:
    names = [part for part in place if isinstance(part, str)]
    table = _table(names[0], model) if len(names) > 1 else None
    return table.model_fields.get(names[-1]) if table else None


def _table(name: str, model: type[BaseModel]) -> type[BaseModel] | None:
    """The class of a table: the field's own, or that of the list's or mapping's members."""
    field = model.model_fields.get(name)
    if field is None:
        return None
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
