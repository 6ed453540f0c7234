"""Amounts as integer micros with an ISO 4217 currency: exact sums, explicit rounding, no float.

One micro is a millionth of the currency's major unit (1 USD = 1_000_000 micros, 1 JPY = 1_000_000 micros), the
unit that the ad platforms themselves use, so that a yen and a fils are held by the same integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final, Literal

MICROS: Final = 1_000_000

Rounding = Literal["down", "nearest", "up"]

# Sixty digits hold every amount below 1e24 to the micro, so that quantizing rounds once and never overflows.
_EXACT: Final = Context(prec=60)
_MICRO: Final = Decimal("0.000001")
_LARGEST_POWER: Final = 24

# ISO 4217 list one, the active national currencies, by the number of decimals of their minor unit.
_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_2 = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR "
    "IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN "
    "NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
    "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_EXPONENTS: Final[dict[str, int]] = {
    **dict.fromkeys(_EXPONENT_0.split(), 0),
    **dict.fromkeys(_EXPONENT_2.split(), 2),
    **dict.fromkeys(_EXPONENT_3.split(), 3),
}


class UnknownCurrency(ValueError):  # noqa: N818
    """The code is not an active ISO 4217 currency."""


class CurrencyMismatch(ValueError):  # noqa: N818
    """Two amounts of different currencies met in one operation."""


def exponent(currency: str) -> int:
    """Return the number of decimals of a currency's minor unit (2 for USD, 0 for JPY, 3 for BHD).

    Raises:
        UnknownCurrency: The code is not in ISO 4217 list one; codes are upper case.
    """
    try:
        return _EXPONENTS[currency]
    except (KeyError, TypeError):
        raise UnknownCurrency(f"{currency!r} is not an ISO 4217 currency code (such as USD, EUR or JPY)") from None


def minor_unit_micros(currency: str) -> int:
    """Return the micros of one minor unit: 10_000 for USD, 1_000_000 for JPY, 1_000 for BHD.

    Raises:
        UnknownCurrency: The code is not in ISO 4217 list one.
    """
    return int(10 ** (6 - exponent(currency)))


def to_micros(amount: Decimal | str | int) -> int:
    """Return a decimal number of major units as integer micros, rounded half to even below a micro.

    Raises:
        ValueError: The text is not a finite decimal number, or is 1e24 or more.
    """
    try:
        number = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not a decimal number") from None
    if not number.is_finite():
        raise ValueError(f"{amount!r} is not a finite number")
    if number and number.adjusted() >= _LARGEST_POWER:
        raise ValueError(f"{amount!r} is too large for an amount")
    return int(number.quantize(_MICRO, ROUND_HALF_EVEN, _EXACT).scaleb(6, _EXACT))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in integer micros of one ISO 4217 currency; negative amounts are allowed (differences).

    Raises:
        UnknownCurrency: The currency is not in ISO 4217 list one.
        TypeError: The micros are not an integer.
    """

    micros: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.micros) is not int:
            raise TypeError(f"micros must be an int, not {type(self.micros).__name__}: {self.micros!r}")
        exponent(self.currency)

    @classmethod
    def of(cls, amount: Decimal | str | int, currency: str) -> Money:
        """Build from major units, exactly or rounded half to even below a micro: `Money.of("12.50", "USD")`."""
        return cls(to_micros(amount), currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.micros).scaleb(-6, _EXACT)

    def quantize(self, quantum_micros: int, rounding: Rounding) -> Money:
        """Return the amount rounded to a multiple of the quantum.

        `down` is towards zero, `up` away from it, `nearest` takes the even multiple of two that are as near.

        Raises:
            ValueError: The quantum is not positive.
        """
        if quantum_micros <= 0:
            raise ValueError(f"a quantum must be positive, not {quantum_micros}")
        steps, rest = divmod(abs(self.micros), quantum_micros)
        match rounding:
            case "up":
                steps += rest > 0
            case "nearest":
                steps += 2 * rest > quantum_micros or (2 * rest == quantum_micros and steps % 2 == 1)
            case "down":
                pass
        return Money((steps if self.micros >= 0 else -steps) * quantum_micros, self.currency)

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.micros, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.micros < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.micros <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.micros > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.micros >= self._same(other)

    def __str__(self) -> str:
        return f"{self.amount:,.{exponent(self.currency)}f} {self.currency}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be combined without a rate")
        return other.micros


def total(amounts: list[Money] | tuple[Money, ...], currency: str) -> Money:
    """Return the sum of the amounts; zero of the currency when there are none.

    Raises:
        CurrencyMismatch: An amount is of another currency.
    """
    result = Money(0, currency)
    for amount in amounts:
        result += amount
    return result
