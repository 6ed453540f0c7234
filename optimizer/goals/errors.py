"""How a wish that makes no sense is refused."""

from __future__ import annotations

import math


class GoalsError(ValueError):
    """A goal makes no sense, or a line cannot be what was asked; the message names the setting and the mend."""


def between(name: str, value: float, low: float, high: float) -> None:
    """Refuse a number that is not above `low`, is above `high`, or is not finite.

    Raises:
        GoalsError: It names the setting.
    """
    if not (low < value <= high and math.isfinite(value)):
        end = "" if math.isinf(high) else f" and at most {high:g}"
        raise GoalsError(f"{name} must be above {low:g}{end}, not {value!r}. Mend: correct it in config.toml")
