"""The parts of the files connector against plain Python: cells, days, keys, totals."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.files.cells import MISSING, Fault, joint, micros
from connectors.files.days import day_hours, instant, locate
from connectors.files.keys import KeySet, Totals

FIXED = settings(deadline=None, derandomize=True)
DECIMALS = st.decimals(min_value=-(10**12), max_value=10**12, allow_nan=False, allow_infinity=False)


@FIXED
@given(st.lists(DECIMALS, max_size=20), st.sampled_from([0, 3, 4, 6]))
def test_cells_round_as_decimals_do(numbers: list[Decimal], digits: int) -> None:
    texts = [f"{n:f}" for n in numbers]
    exact = [int(n.scaleb(digits).quantize(Decimal(1), ROUND_HALF_EVEN)) for n in numbers]
    assert micros(pa.array(texts, pa.string()), digits).tolist() == exact


@FIXED
@given(st.lists(st.floats(0, 1e11, allow_nan=False).map(repr), min_size=1, max_size=20))
def test_floats_as_programs_print_them(texts: list[str]) -> None:
    exact = [int((Decimal(t) * 10**6).quantize(Decimal(1), ROUND_HALF_EVEN)) for t in texts]
    assert micros(pa.array(texts), 6).tolist() == exact


@pytest.mark.parametrize(
    ("text", "digits", "number"),
    [
        ("33.51", 6, 33_510_000),
        ("13.916138151613369", 6, 13_916_138),
        ("0.0000015", 6, 2),
        ("0.00000049999999999999999999999999999", 6, 0),  # more decimals than Arrow holds
        ("1250", 4, 12_500_000),  # cents
        ("99999999999999999", 0, 99_999_999_999_999_999),  # micros, more digits than Arrow holds here
        (" 12.5 ", 6, 12_500_000),
        ("", 6, MISSING),
    ],
)
def test_cells_by_hand(text: str, digits: int, number: int) -> None:
    assert micros(pa.array([text, "1"]), digits).tolist() == [number, 10**digits]
    assert micros(pa.array(["0", text, "1"]).slice(1), digits).tolist() == [number, 10**digits]


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "abc", "1,5", "1_000", "0x10", "12€", "1e9999", "1.2.3"])
def test_a_bad_cell_is_found(text: str) -> None:
    with pytest.raises(Fault, match=r"is not a number") as caught:
        micros(pa.array(["1", "", text, "2"]), 6)
    assert caught.value.index == 2


@FIXED
@given(st.from_regex(r"\A-?[0-9]{1,45}(\.[0-9]{0,40})?(e-?[0-9]{1,2})?\Z"), st.sampled_from([0, 4, 6]))
def test_long_numbers_are_exact_or_refused(text: str, digits: int) -> None:
    with localcontext(prec=300):
        exact = (Decimal(text) * 10**digits).quantize(Decimal(1), ROUND_HALF_EVEN)
    if abs(exact) < 2**58:
        assert micros(pa.array([text]), digits).tolist() == [int(exact)]
    else:
        with pytest.raises(Fault, match="too large"):
            micros(pa.array([text]), digits)


@pytest.mark.parametrize(
    "text", ["288230376151.711744", "9223372036855", "9" * 60, "9" * 199, "1e999", "-5235326759269029062.0058"]
)
def test_numbers_too_large_to_be_summed_are_refused(text: str) -> None:
    with pytest.raises(Fault, match="too large"):
        micros(pa.array([text]), 6)


def test_the_largest_number_is_held() -> None:
    assert micros(pa.array(["288230376151.711743", "-288230376151.711743"]), 6).tolist() == [2**58 - 1, 1 - 2**58]


def test_decimal_commas() -> None:
    assert micros(pa.array(["12,5", "-3", ""]), 6, ",").tolist() == [12_500_000, -3_000_000, MISSING]
    with pytest.raises(Fault) as caught:
        micros(pa.array(["1", "1.234,5"]), 6, ",")
    assert caught.value.index == 1
    with pytest.raises(Fault) as caught:
        micros(pa.array(["1,234.50"]), 6, ".")
    assert "thousands" in caught.value.mend


@FIXED
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("c")), max_size=30))
def test_joint_codes_number_the_distinct_rows(rows: list[tuple[str, str, str]]) -> None:
    columns = [pa.array([r[i] for r in rows], pa.string()) for i in range(3)]
    codes, first = joint(columns, len(rows))
    assert [rows[first[c]] for c in codes] == rows
    assert len(first) == len(set(rows))
    assert all(rows.index(rows[f]) == f for f in first)


# Days


def test_days_in_plain_forms() -> None:
    day = date(2025, 7, 10).toordinal()
    for text, form in [
        ("2025-07-10", "iso"),
        ("2025-07-10 00:00:00", "iso"),
        ("2025-07-09T22:00:00Z", "iso"),
        ("2025-07-10T00:00:00+02:00", "iso"),
        ("10.07.2025", "%d.%m.%Y"),
        ("20250710", "%Y%m%d"),
    ]:
        place = locate(text, "Europe/Berlin", form, hourly=False)
        assert (place.day, place.slot) == (day, day), text


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("10.07.2025", "UTC", "not a date of the form YYYY-MM-DD"),
        ("2025-02-30", "UTC", "not a date"),
        ("2025-W28-4", "UTC", "not a date"),
        ("", "UTC", "not a date"),
        ("2025-07-10 13:00", "UTC", "not the start of a day in UTC"),
        ("2025-07-10T00:00:00Z", "Europe/Berlin", "not the start of a day in Europe/Berlin"),
        ("2011-12-30", "Pacific/Apia", "lacks that day"),
        ("1969-09-30", "Pacific/Kwajalein", "has that day twice"),
        ("9999-12-31", "UTC", "beyond the calendar"),
    ],
)
def test_days_that_are_none(text: str, zone: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        locate(text, zone, "iso", hourly=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2025-03-30 02:00", "does not exist in Europe/Berlin"),
        ("2025-10-26 02:00", "happens twice in Europe/Berlin"),
        ("2025-10-26 03:30", "not a full hour"),
    ],
)
def test_hours_that_are_none(text: str, words: str) -> None:
    with pytest.raises(Fault, match=words):
        locate(text, "Europe/Berlin", "iso", hourly=True)


@FIXED
@given(
    st.dates(date(1990, 1, 1), date(2037, 12, 30)), st.sampled_from(["Europe/Berlin", "Africa/Cairo", "Asia/Kolkata"])
)
def test_every_hour_of_a_day_has_its_own_slot(day: date, zone: str) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))
    hours = [start + timedelta(hours=n) for n in range(round(day_hours(day, ZoneInfo(zone))))]
    places = [locate(hour.isoformat(), zone, "iso", hourly=True) for hour in hours]
    assert {place.day for place in places} == {day.toordinal()}
    assert len({place.slot for place in places}) == len(hours) in (23, 24, 25)


def test_export_times_without_an_offset_are_utc() -> None:
    assert instant("2025-07-10 12:00") == instant("2025-07-10T14:00:00+02:00")


# Memories of a stream


@FIXED
@given(st.lists(st.lists(st.tuples(st.integers(0, 300), st.integers(700_000, 700_300)), max_size=40), max_size=6))
def test_the_key_set_is_a_set(batches: list[list[tuple[int, int]]]) -> None:
    keys, known = KeySet(), set()
    for batch in batches:
        codes, slots = np.array(batch, dtype=np.int64).reshape(-1, 2).T
        expected = [key not in known and not known.add(key) for key in batch]  # type: ignore[func-returns-value] # add() is None
        assert keys.add(codes, slots).tolist() == expected


def test_totals_add_up() -> None:
    rng = random.Random(7)
    totals, plain = Totals(2), Counter[tuple[int, int]]()
    for _ in range(3):
        rows = [(rng.randrange(400), rng.randrange(400), rng.randrange(10**9)) for _ in range(40_000)]
        codes, slots, amounts = np.array(rows, dtype=np.int64).T
        totals.add(codes, slots, np.stack([amounts, np.ones_like(amounts)], axis=1))
        for code, slot, amount in rows:
            plain[code, slot] += amount
    codes, slots, sums = totals.result()
    assert dict(zip(zip(codes.tolist(), slots.tolist(), strict=True), sums[:, 0].tolist(), strict=True)) == dict(plain)
    assert sums[:, 1].sum() == 120_000
    assert [len(part) for part in Totals(2).result()] == [0, 0, 0]
