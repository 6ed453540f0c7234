"""Meta's units of money, as its pages on currencies and insights tell them."""

from __future__ import annotations

from typing import Final

from connectors.money import MICROS

# Offset of the currencies page: of all others it is 100.
_WHOLE: Final = frozenset(["CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"])


def step(currency: str) -> int:
    """Return the micros of one unit of a budget."""
    return MICROS if currency in _WHOLE else MICROS // 100


def units(micros: int, currency: str) -> int:
    """Return a budget in Meta's units, rounded down: it holds no fraction of one."""
    return micros // step(currency)


def decimal(micros: int, places: int = 0) -> str:
    """Return a decimal text of micros with at least so many places, and no digit lost."""
    whole, rest = divmod(abs(micros), MICROS)
    digits = f"{rest:06d}".rstrip("0").ljust(places, "0")
    return f"{'-' if micros < 0 else ''}{whole}{'.' if digits else ''}{digits}"


def least(currency: str) -> dict[str, object]:
    """Return the account's least daily budgets, in Meta's units: a hundred, five and forty times as much if rarer."""
    return {
        "currency": currency,
        "min_daily_budget_imp": 100,
        "min_daily_budget_high_freq": 500,
        "min_daily_budget_low_freq": 4_000,
        "min_daily_budget_video_views": 500,
    }
