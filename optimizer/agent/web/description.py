"""The description of the JSON API (OpenAPI 3.1), as one portfolio's readers see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from optimizer.agent.bootstrap import code_version
from optimizer.agent.web.gate import COOKIE

PREFIX: Final = "/{portfolio}/api/v1"

_SECURITY: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "Made by `outlay users token`; begins with outlay_."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A browser's; for reading only."},
}
_ABOUT: Final = (
    "Amounts of money are exact: decimal text in major units, and integer micros beside it. Estimates (effects, "
    "intervals, rates, curves) are numbers in the unit that is named beside them. Times are ISO 8601 with a zone."
)


def described(routes: Sequence[BaseRoute], portfolio: str) -> dict[str, Any]:
    """Describe the API of one portfolio: addresses begin with it, and it is no parameter.

    Args:
        routes: Those of the API.
        portfolio: Its name in addresses.
    """
    found = get_openapi(
        title="Outlay",
        version=code_version(),
        description=_ABOUT,
        routes=routes,
        servers=[{"url": PREFIX.format(portfolio=portfolio)}],
    )
    found["paths"] = {path.removeprefix(PREFIX): item for path, item in found["paths"].items()}
    for item in found["paths"].values():
        for method, operation in item.items():
            reads = method == "get"
            operation["parameters"] = [each for each in operation.get("parameters", []) if each["name"] != "portfolio"]
            operation["security"] = [{"token": []}, {"session": []}] if reads else [{"token": []}]
    found["components"]["securitySchemes"] = _SECURITY
    return found
