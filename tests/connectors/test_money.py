"""Amounts: exact, in every currency, with one rounding."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.money import CurrencyMismatch, Money, UnknownCurrency, exponent, minor_unit_micros, to_micros, total

FIXED = settings(deadline=None, derandomize=True)
AMOUNTS = st.integers(-(10**18), 10**18)
QUANTA = st.integers(1, 10**9)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("33.51", 33_510_000),  # as a float times a million: 33509999.999999996
        ("13.916138151613369", 13_916_138),
        ("0.0000005", 0),  # a tie goes to the even neighbour
        ("0.0000015", 2),
        ("0.00000050000000000000000000000000001", 1),  # just above the tie, beyond 28 digits
        ("-0.0000015", -2),
        ("1e3", 1_000_000_000),
        ("123456789012345678901.234567", 123456789012345678901234567),
    ],
)
def test_text_becomes_micros_exactly(text: str, micros: int) -> None:
    assert to_micros(text) == micros


@pytest.mark.parametrize("text", ["", "abc", "nan", "inf", "-inf", "1,5", "1e24", "1e999999999"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number|too large"):
        to_micros(text)


@pytest.mark.parametrize(
    ("currency", "decimals", "minor", "shown"),
    [
        ("EUR", 2, 10_000, "1,234.50 EUR"),
        ("JPY", 0, 1_000_000, "1,234 JPY"),
        ("BHD", 3, 1_000, "1,234.500 BHD"),
        ("HUF", 2, 10_000, "1,234.50 HUF"),
    ],
)
def test_currencies_have_their_own_decimals(currency: str, decimals: int, minor: int, shown: str) -> None:
    assert exponent(currency) == decimals
    assert minor_unit_micros(currency) == minor
    assert str(Money.of("1234.5", currency)) == shown


@FIXED
@given(AMOUNTS, st.sampled_from(["EUR", "JPY", "BHD", "HUF"]))
def test_major_units_go_there_and_back(micros: int, currency: str) -> None:
    money = Money(micros, currency)
    assert Money.of(money.amount, currency) == money
    assert Money.of(str(money.amount), currency) == money


@FIXED
@given(AMOUNTS, QUANTA)
def test_quantizing_brackets_the_amount(micros: int, quantum: int) -> None:
    money = Money(micros, "EUR")
    down, near, up = (money.quantize(quantum, how).micros for how in ("down", "nearest", "up"))  # type: ignore[arg-type] # literals
    assert down % quantum == near % quantum == up % quantum == 0
    assert abs(down) <= abs(micros) <= abs(up)
    assert abs(up) - abs(down) == (0 if micros % quantum == 0 else quantum)
    exact = Fraction(micros, quantum)
    assert near == round(exact) * quantum  # Fraction rounds half to even


@FIXED
@given(st.lists(AMOUNTS, max_size=8))
def test_sums_do_not_depend_on_the_order(values: list[int]) -> None:
    amounts = [Money(v, "EUR") for v in values]
    assert total(amounts, "EUR") == total(amounts[::-1], "EUR") == Money(sum(values), "EUR")


def test_currencies_never_mix() -> None:
    euro, yen = Money.of(1, "EUR"), Money.of(1, "JPY")
    for mix in (lambda: euro + yen, lambda: euro - yen, lambda: euro < yen, lambda: total([yen], "EUR")):
        with pytest.raises(CurrencyMismatch, match="without a rate"):
            mix()


@pytest.mark.parametrize("code", ["eur", "EURO", "", "XXX", "DEM"])
def test_codes_that_are_no_currency(code: str) -> None:
    with pytest.raises(UnknownCurrency, match="ISO 4217"):
        Money(1, code)


def test_micros_are_integers() -> None:
    with pytest.raises(TypeError, match="must be an int"):
        Money(1.5, "EUR")  # type: ignore[arg-type] # the very mistake
    with pytest.raises(TypeError, match="must be an int"):
        Money(True, "EUR")
    with pytest.raises(ValueError, match="must be positive"):
        Money(1, "EUR").quantize(0, "down")
    assert Money.of(Decimal("0.1"), "EUR").micros == 100_000
