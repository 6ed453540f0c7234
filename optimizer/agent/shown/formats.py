"""Amounts, numbers and times as a person of one place writes them; the only module that knows of locales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from babel import Locale, UnknownLocaleError, dates, negotiate_locale, numbers

from connectors.contract import zone
from connectors.money import Money

_FALLBACK: Final = "en_GB"
_OFFERED: Final = ("en_GB", "en_US", "en", "de", "fr", "es", "it", "nl", "pt", "pt_BR", "pl", "sv", "da", "fi", "nb",
                   "cs", "hu", "tr", "ja", "ko", "zh", "ar", "he", "hi")  # fmt: skip
_NOTHING: Final = "\N{EN DASH}"
_WRITTEN: Final = 20_000  # figures of each kind; to write one takes as long as to render a line
_MINUS: Final = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Formats:
    """How one reader sees figures; texts are English, and only the figures follow the locale.

    Attributes:
        locale: Babel's name of it.
        time_zone: IANA; times are shown in it.
    """

    locale: str
    time_zone: str

    @property
    def language(self) -> str:
        """The locale as HTML and browsers write it."""
        return self.locale.replace("_", "-")

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def money(self, amount: Money) -> str:
        """An amount with its currency."""
        return str(numbers.format_currency(amount.amount, amount.currency, locale=self.locale))

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def amount(self, units: float, currency: str) -> str:
        """Currency units, such as those of a curve, as money; a dash for nan."""
        if math.isnan(units):
            return _NOTHING
        return str(numbers.format_currency(round(units, 2), currency, locale=self.locale))

    def step(self, before: Money, after: Money) -> str:
        """A signed difference of two amounts."""
        found = self.money(Money(abs(after.micros - before.micros), after.currency))
        return f"{_sign(after.micros - before.micros)}{found}"

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def percent(self, share: float, digits: int = 0) -> str:
        """A share as per cent."""
        return str(numbers.format_percent(round(share, 2 + digits), _percent(digits), locale=self.locale))

    def relative(self, before: int, after: int) -> str:
        """A relative change, signed; `new` where it began at nothing."""
        if before == after:
            return self.percent(0)
        return "new" if before == 0 else f"{_sign(after - before)}{self.percent(abs(after - before) / before, 1)}"

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def number(self, value: float, digits: int = 2) -> str:
        """A number with at most so many decimals; a dash for nan."""
        if math.isnan(value):
            return _NOTHING
        return str(numbers.format_decimal(round(value, digits), _decimal(digits), locale=self.locale))

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def fixed(self, value: float, digits: int = 2) -> str:
        """A number to so many decimals, as in a column or an interval; a dash for nan."""
        if math.isnan(value):
            return _NOTHING
        return str(numbers.format_decimal(round(value, digits), _decimal(digits, "0"), locale=self.locale))

    def signed(self, value: float, digits: int = 2) -> str:
        """A number that is a change, to so many decimals: those of one interval stand side by side."""
        if math.isnan(value):
            return _NOTHING
        return f"{_sign(round(value, digits))}{self.fixed(abs(value), digits)}"

    def chance(self, probability: float) -> str:
        """A probability; one that draws cannot tell from 0 or 1 is called neither."""
        if probability < 0.01:
            return f"<\N{NO-BREAK SPACE}{self.percent(0.01)}"
        return f">\N{NO-BREAK SPACE}{self.percent(0.99)}" if probability > 0.99 else self.percent(probability)

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def day(self, day: date) -> str:
        """A day."""
        return str(dates.format_date(day, "medium", locale=self.locale))

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def short_day(self, day: date) -> str:
        """A day of a year that is known."""
        return str(dates.format_skeleton("MMMd", day, locale=self.locale))

    @lru_cache(_WRITTEN)  # noqa: B019 - there are as many readers as locales
    def when(self, at: datetime) -> str:
        """A moment in the reader's zone, to the minute, with the zone."""
        local = at.astimezone(zone(self.time_zone))
        return f"{dates.format_datetime(local, 'medium', locale=self.locale).replace(f':{local:%S}', '', 1)} {local:%Z}"

    def ago(self, at: datetime, now: datetime) -> str:
        """How long ago, or in how long, in words."""
        return str(dates.format_timedelta(at - now, add_direction=True, locale="en"))


def formats(wanted: str, accepted: str, time_zone: str) -> Formats:
    """Return how a reader sees figures.

    Args:
        wanted: The locale of the settings; empty for the browser's.
        accepted: The header Accept-Language; whatever it holds.
        time_zone: The portfolio's.
    """
    return Formats(_locale(wanted, accepted[:200]), time_zone)


@lru_cache(maxsize=256)
def _locale(wanted: str, accepted: str) -> str:
    if wanted:
        return str(Locale.parse(wanted, sep="-"))
    ranked = []
    for part in accepted.split(","):
        tag, _, quality = part.partition(";")
        try:
            weight = float(quality.partition("=")[2] or 1.0)
            Locale.parse(tag.strip(), sep="-")
        except (ValueError, UnknownLocaleError):
            continue
        ranked.append((weight, tag.strip().replace("-", "_")))
    ranked.sort(key=lambda pair: -pair[0])
    return negotiate_locale([tag for _, tag in ranked], _OFFERED) or _FALLBACK


def _sign(value: float) -> str:
    return _MINUS if value < 0 else "+"


def _percent(digits: int) -> str:
    return "#,##0%" if not digits else f"#,##0.{'0' * digits}%"


def _decimal(digits: int, place: str = "#") -> str:
    return "#,##0" if not digits else f"#,##0.{place * digits}"
