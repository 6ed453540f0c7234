"""The bars of a benchmark: one row for each, the last line that is printed, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Bar = dict[str, Any]


def below(name: str, value: float, bar: float) -> Bar:
    """A figure that must be less than its bar."""
    return {"name": name, "value": round(float(value), 4), "bar": f"< {bar:g}", "holds": bool(value < bar)}


def above(name: str, value: float, bar: float) -> Bar:
    """A figure that must be more than its bar."""
    return {"name": name, "value": round(float(value), 4), "bar": f"> {bar:g}", "holds": bool(value > bar)}


def least(name: str, value: int, bar: int) -> Bar:
    """A count that must reach its bar."""
    return {"name": name, "value": value, "bar": f">= {bar}", "holds": value >= bar}


def none(name: str, count: int) -> Bar:
    """A count of what must not be."""
    return {"name": name, "value": count, "bar": "= 0", "holds": count == 0}


def ended(bars: Sequence[Bar]) -> int:
    """Print the bars as one JSON object and return the exit code: 1 if one does not hold."""
    print(json.dumps({"bars": list(bars)}))
    return 0 if all(bar["holds"] for bar in bars) else 1
