"""What a campaign brings."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What a campaign brings, that a coupling row may count."""

    CONVERSIONS = "conversions"
    VALUE = "value"
