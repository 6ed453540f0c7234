"""Settings and guardrails as they are in force: what Outlay will never do, and where that is written."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, SecretStr

from optimizer.agent.web.gate import Viewer
from optimizer.agent.web.pages import page

router = APIRouter(include_in_schema=False)

_TOLD: Final = ("goal", "guardrails", "ads", "approval", "autonomy", "windows", "daemon", "bandits", "refit", "web")


@router.get("/{portfolio}/rules")
def rules(request: Request, visitor: Viewer) -> HTMLResponse:
    """Show the settings; a secret never leaves the process."""
    settings = visitor.premises.settings
    facts = {
        "limits": [(str(limit.scope), _bounds(limit)) for limit in settings.limits],
        "pins": settings.pins,
        "tables": [(name, _rows(getattr(settings, name))) for name in _TOLD],
        "today": visitor.premises.house.today(),
        "people": visitor.store.users(),
        "connectors": sorted((name, table.kind) for name, table in settings.connectors.items()),
    }
    return page(request, visitor.premises, "rules.html", facts, visitor=visitor)


def _bounds(limit: BaseModel) -> str:
    written = limit.model_dump(exclude={"scope"}, exclude_none=True)
    return ", ".join(f"{name} {value}" for name, value in written.items())


def _rows(table: BaseModel) -> list[tuple[str, str, str, bool]]:
    """Key, value, meaning, and whether somebody wrote it."""
    default = type(table)()
    rows = []
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, SecretStr) or field.repr is False:
            continue
        rows.append((name, _text(value), field.description or "", value != getattr(default, name)))
    return rows


def _text(value: object) -> str:
    if value is None:
        return "unset"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
