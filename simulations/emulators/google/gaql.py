"""The query language of Google Ads, read as far as it is emulated: SELECT, FROM, WHERE, ORDER BY, LIMIT, PARAMETERS.

What a query means is for `schema` and `tables`; here it only has its form. The grammar is the platform's, and so are
the names of what is wrong: those of its QueryError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<word>[A-Za-z_][\w.]*)|(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'[^'\n]*'|\"[^\"\n]*\")"
    r"|(?P<sign><=|>=|!=|[=<>(),]))"
)
_COMPARING: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_ENDS: Final = frozenset({"FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS"})


class QueryProblem(Exception):  # noqa: N818 - it is answered as the platform's QueryError
    """A query that the platform refuses.

    Attributes:
        code: The name of the platform's QueryError.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Condition(NamedTuple):
    """One condition of the WHERE clause; `between` has two values, `in` and `not in` any number."""

    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it is written.

    Attributes:
        order: Fields with whether they descend.
    """

    select: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    parameters: dict[str, str] = field(default_factory=dict)


class _Token(NamedTuple):
    kind: str
    text: str


def parse(text: str) -> Query:
    """Read a query.

    Raises:
        QueryProblem: It is not one.
    """
    return _Parser(_tokens(text)).query()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            rest = text[at:].strip()
            if rest[0] in "'\"":
                raise QueryProblem("STRING_NOT_TERMINATED", f"String is not terminated: {rest[:20]}")
            raise QueryProblem("BAD_SYMBOL", f"Invalid symbol: {rest[:10]!r}")
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def query(self) -> Query:
        self._require("SELECT", "EXPECTED_SELECT")
        select = self._listed(self._name)
        self._require("FROM", "EXPECTED_FROM")
        resource = self._name()
        where = self._conditions() if self._took("WHERE") else ()
        order = self._order() if self._took("ORDER") else ()
        limit = self._limit() if self._took("LIMIT") else None
        parameters = dict(self._listed(self._parameter)) if self._took("PARAMETERS") else {}
        if self._at < len(self._tokens):
            raise QueryProblem("UNEXPECTED_INPUT", f"Unexpected input: {self._tokens[self._at].text}")
        return Query(select, resource, where, order, limit, parameters)

    def _conditions(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while self._took("AND"):
            found.append(self._condition())
        return tuple(found)

    def _condition(self) -> Condition:
        name, token = self._name(), self._next()
        operator = token.text.upper()
        if token.kind == "sign" and operator in _COMPARING:
            return Condition(name, operator, (self._value(),))
        match operator:
            case "BETWEEN":
                low = self._value()
                self._require("AND", "EXPECTED_AND")
                return Condition(name, "between", (low, self._value()))
            case "DURING":
                return Condition(name, "during", (self._value(),))
            case "IN":
                return Condition(name, "in", self._bracketed())
            case "NOT":
                self._require("IN", "BAD_OPERATOR")
                return Condition(name, "not in", self._bracketed())
            case _:
                raise QueryProblem("BAD_OPERATOR", f"Invalid operator: {token.text}")

    def _bracketed(self) -> tuple[str, ...]:
        self._require("(", "EXPECTED_LIST")
        if self._took(")"):
            raise QueryProblem("PROHIBITED_EMPTY_LIST_IN_CONDITION", "A list in a condition cannot be empty.")
        values = self._listed(self._value)
        self._require(")", "EXPECTED_LIST")
        return values

    def _order(self) -> tuple[tuple[str, bool], ...]:
        self._require("BY", "EXPECTED_BY")
        return self._listed(self._ordering)

    def _ordering(self) -> tuple[str, bool]:
        name = self._name()
        if self._took("DESC"):
            return name, True
        self._took("ASC")
        return name, False

    def _limit(self) -> int:
        token = self._next()
        if token.kind != "number" or not token.text.isdigit() or int(token.text) < 1:
            raise QueryProblem("BAD_LIMIT_VALUE", f"Invalid limit: {token.text}")
        return int(token.text)

    def _parameter(self) -> tuple[str, str]:
        name = self._next().text
        self._require("=", "BAD_PARAMETER_VALUE")
        return name, self._value()

    def _listed[T](self, one: Callable[[], T]) -> tuple[T, ...]:
        found = [one()]
        while self._took(","):
            found.append(one())
        return tuple(found)

    def _name(self) -> str:
        token = self._next()
        if token.kind != "word" or token.text.upper() in _ENDS:
            raise QueryProblem("BAD_FIELD_NAME", f"Invalid field name: {token.text}")
        return token.text

    def _value(self) -> str:
        token = self._next()
        if token.kind == "sign":
            raise QueryProblem("BAD_VALUE", f"Invalid value: {token.text}")
        return token.text[1:-1] if token.kind == "text" else token.text

    def _next(self) -> _Token:
        if self._at == len(self._tokens):
            raise QueryProblem("UNEXPECTED_END_OF_QUERY", "Query is incomplete.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _took(self, word: str) -> bool:
        here = self._at < len(self._tokens) and self._tokens[self._at]
        if here and here.kind != "text" and here.text.upper() == word:
            self._at += 1
            return True
        return False

    def _require(self, word: str, code: str) -> None:
        if not self._took(word):
            here = self._tokens[self._at].text if self._at < len(self._tokens) else "the end of the query"
            raise QueryProblem(code, f"Expected {word}, found {here}.")
