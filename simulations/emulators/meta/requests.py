"""A request as the Graph API reads it: version, path, parameters, token; and the fields that are asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from simulations.emulators.meta.errors import GraphError, invalid

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        url: Its address without parameters.
        version: Of the API, such as 26.
        path: Node and edge.
        params: Of address and form together; what is JSON is read as such.
        query: The parameters of the address as texts, of which the address of the next page is made.
        token: The access token, wherever it stood.
    """

    method: str
    url: str
    version: int
    path: tuple[str, ...]
    params: Mapping[str, Any]
    query: Mapping[str, str]
    token: str

    @property
    def key(self) -> str:
        """What makes two reads the same."""
        return f"{self.method} {'/'.join(self.path)} {json.dumps(self.params, sort_keys=True)}"

    @property
    def validates_only(self) -> bool:
        """Whether nothing is to be written."""
        return "validate_only" in (self.params.get("execution_options") or ())


async def read(request: Request) -> Asked:
    """Read a request.

    Raises:
        GraphError: Its path is none of the API.
    """
    query = {name: str(value) for name, value in request.query_params.items()}
    form = {} if request.method == "GET" else dict(parse_qsl((await request.body()).decode(errors="replace")))
    found = re.fullmatch(r"/v(\d+)\.0/([^/]+)(?:/([^/]+))?", request.url.path)
    if found is None:
        raise GraphError("Unknown path components", 2500)
    header = request.headers.get("authorization", "")
    token = form.get("access_token") or query.get("access_token") or header.partition(" ")[2]
    params = {name: _value(name, text) for name, text in {**query, **form}.items() if name != "access_token"}
    return Asked(
        method=request.method,
        url=str(request.url).partition("?")[0],
        version=int(found[1]),
        path=tuple(part for part in found.groups()[1:] if part),
        params=params,
        query=query,
        token=token,
    )


def select(node: Body, fields: object, kind: str) -> Body:
    """Return the id and the fields that are asked for, also those within others: `creative{id,name}`.

    Raises:
        GraphError: There is no such field.
    """
    chosen: Body = {}
    for name, inner in _fields(fields):
        if name not in node and name not in _ABSENT:
            raise invalid(f"Tried accessing nonexisting field ({name}) on node type ({kind})")
        if name in node:
            value = node[name]() if callable(node[name]) else node[name]
            chosen[name] = select(value, inner, name) if inner and isinstance(value, dict) else value
    if "id" in node:
        chosen["id"] = node["id"]
    return chosen


# Fields that a node may lack: a campaign or ad set holds a budget, or does not.
_ABSENT = frozenset({"daily_budget", "lifetime_budget", "budget_remaining"})


def _fields(text: object) -> Iterable[tuple[str, str]]:
    """Split `a,b{c,d{e}}` into ("a", ""), ("b", "c,d{e}")."""
    parts, depth, start, whole = [], 0, 0, str(text or "")
    for place, letter in enumerate(whole + ","):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append(whole[start:place])
            start = place + 1
    for part in filter(None, (part.strip() for part in parts)):
        name, _, inner = part.partition("{")
        yield name, inner.removesuffix("}")


def _value(name: str, text: str) -> Any:
    """What a parameter holds: JSON where it is an object or a list, else its text."""
    if text[:1] in "[{" and text:
        try:
            return json.loads(text.replace("'", '"'))
        except ValueError:
            raise invalid(f"Param {name} must be valid JSON") from None
    return text
