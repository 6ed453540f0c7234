"""`[connectors.NAME]`: which platforms, books and files are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from optimizer.agent.settings.types import Table, Text

ConnectorName = Annotated[str, Field(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$")]


class ConnectorTable(Table):
    """One `[connectors.NAME]` table; all keys but `kind` are the connector's own and checked by it."""

    kind: Text = Field(
        description="Which connector: files, simulated, awin, ga4, google, linkedin, meta, microsoft, tiktok, "
        "warehouse, or one that another package provides."
    )
    options: Mapping[str, Any] = Field(default_factory=dict, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, table: object) -> object:
        if not isinstance(table, Mapping):
            return table
        rest = {key: value for key, value in table.items() if key != "kind"}
        return {"options": rest} | ({"kind": table["kind"]} if "kind" in table else {})
