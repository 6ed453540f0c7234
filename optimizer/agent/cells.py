"""Cells of tables that people open in a spreadsheet."""

from __future__ import annotations

from typing import Final

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: object) -> object:
    """A text that no spreadsheet runs (OWASP, CSV Injection); numbers stay as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_DANGEROUS) else cell
