"""The figures of the page: sums of days, the month's end, formats, small pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AskMarketer
from connectors.money import Money
from optimizer.agent.cells import csv_text, harmless, write_csv
from optimizer.agent.shown.formats import Formats, formats
from optimizer.agent.web import drawn
from optimizer.agent.web.days import days
from optimizer.agent.web.drawn import Scale
from optimizer.agent.web.pacing import pace
from optimizer.agent.web.pages import plain_amount, short
from optimizer.plan.recommendation import Effect
from optimizer.plan.snapshot import Panel, Snapshot
from tests.optimizer.snapshots import snapshot

BRITISH = Formats("en_GB", "Europe/London")


def of_days(spend: list[float], budget: list[float], today: date) -> Snapshot:
    """One budget whose last days were these."""
    known = snapshot().select([0])
    shape = (1, len(spend))
    measures = dict.fromkeys(("conversions", "value", "clicks", "impressions"), np.full(shape, 2.0))
    panel = Panel(
        first_day=today - timedelta(days=len(spend)), spend=np.array([spend]), budget=np.array([budget]), **measures
    )
    return replace(known, today=today, panel=panel)


def test_days_are_summed_and_what_is_not_told_is_not_nothing() -> None:
    nan = float("nan")
    found = days(of_days([10.0, nan, 30.0], [20.0, nan, 40.0], date(2026, 3, 4)), 28)
    assert [day.day for day in found] == [date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]
    assert found.told == 2
    assert found.spend == 40.0
    assert np.isnan(found.all[1].spend)
    assert found.cpa == pytest.approx(40.0 / 6)


def test_the_interval_of_the_cpa_is_that_of_a_count_by_hand() -> None:
    found = days(of_days([100.0] * 8, [100.0] * 8, date(2026, 3, 9)), 28)  # 16 conversions: sqrt is 4, +-.64
    low, high = found.cpa_interval or (0.0, 0.0)
    assert low == pytest.approx(800 / (4 + 0.5 * 1.2815515655) ** 2)
    assert high == pytest.approx(800 / (4 - 0.5 * 1.2815515655) ** 2)


def test_a_month_that_spends_its_budgets_to_the_cent_ends_at_their_sum() -> None:
    known = of_days([50.0] * 31 + [50.0] * 10, [50.0] * 41, date(2026, 2, 11))
    current = float(known.current.sum())
    found = pace(known, np.random.default_rng(1))
    assert found is not None
    assert len(found.month) == 28
    assert found.known == 10
    assert found.spent[-1] == 500.0
    assert found.planned[-1] == pytest.approx(500.0 + 18 * current)
    assert found.low[-1] == found.high[-1] == pytest.approx(found.planned[-1])
    assert found.over == 0.0


def test_the_fan_holds_what_days_like_those_before_may_bring() -> None:
    rng = np.random.default_rng(2)
    share = rng.uniform(0.8, 1.0, size=41)
    known = of_days(list(50.0 * share), [50.0] * 41, date(2026, 2, 11))
    found = pace(known, np.random.default_rng(1))
    assert found is not None
    current, to_come = float(known.current.sum()), 18
    middle = found.spent[-1] + current * to_come * share[-28:].mean()
    spread = current * np.sqrt(to_come) * share[-28:].std()
    assert found.middle[-1] == pytest.approx(middle, abs=spread)
    assert found.high[-1] - found.low[-1] == pytest.approx(2 * 1.2816 * spread, rel=0.15)
    assert found.over == 0.0  # no day of theirs spent more than its budget


def test_where_the_budgets_of_a_day_are_not_known_its_spend_is_held_against_the_current_ones() -> None:
    rng = np.random.default_rng(2)
    known = of_days(list(rng.uniform(40.0, 60.0, size=41)), [float("nan")] * 40 + [50.0], date(2026, 2, 11))
    found = pace(known, np.random.default_rng(1))
    assert found is not None
    assert found.high[-1] - found.low[-1] > 0.01 * found.middle[-1]  # one day alone would seem sure


def test_a_month_of_which_nothing_is_known_has_no_pace() -> None:
    nan = float("nan")
    assert pace(of_days([nan] * 5, [nan] * 5, date(2026, 2, 6)), np.random.default_rng(1)) is None


@pytest.mark.parametrize(
    ("locale", "money", "number", "relative"),
    [("en-GB", "€1,234.50", "1,234.5", "+12.5%"), ("de-DE", "1.234,50 €", "1.234,5", "+12,5 %")],
)
def test_figures_follow_the_locale(locale: str, money: str, number: str, relative: str) -> None:
    f = formats(locale, "", "Europe/Berlin")
    plain = {ord("\N{NO-BREAK SPACE}"): " ", ord("\N{NARROW NO-BREAK SPACE}"): " "}
    assert f.money(Money.of("1234.50", "EUR")).translate(plain) == money
    assert f.number(1234.5) == number
    assert f.relative(8, 9).translate(plain).replace("12,5%", "12,5 %") == relative


def test_yen_have_no_cents_and_dinars_three() -> None:
    assert BRITISH.money(Money.of("1500", "JPY")) == "JP¥1,500"
    assert BRITISH.money(Money.of("1.234", "BHD")) == "BHD1.234"


def test_a_change_bears_its_sign_and_a_sure_thing_is_never_quite_sure() -> None:
    assert BRITISH.signed(-5.359) == "\N{MINUS SIGN}5.36"
    assert BRITISH.signed(0.0) == "+0.00"
    assert BRITISH.signed(-1_234.0) == "\N{MINUS SIGN}1,234.00"
    assert BRITISH.chance(0.0).replace("\N{NO-BREAK SPACE}", " ") == "< 1%"
    assert BRITISH.chance(1.0).replace("\N{NO-BREAK SPACE}", " ") == "> 99%"
    assert BRITISH.number(float("nan")) == BRITISH.amount(float("nan"), "EUR") == "\N{EN DASH}"


def test_times_bear_their_zone() -> None:
    f = formats("en-GB", "", "America/New_York")
    assert f.when(datetime(2026, 7, 1, 4, 30, 59, tzinfo=UTC)) == "1 Jul 2026, 00:30 EDT"


@given(st.text(max_size=400))
def test_whatever_a_browser_says_of_its_language_a_locale_is_found(said: str) -> None:
    assert formats("", said, "UTC").number(1.5)


def test_the_browser_s_first_language_that_is_known_counts() -> None:
    assert formats("", "tlh, de-DE;q=0.9, en;q=0.8", "UTC").locale == "de"
    assert formats("", "", "UTC").locale == "en_GB"


@given(st.text(max_size=50))
def test_a_picture_s_words_cannot_leave_their_attribute(words: str) -> None:
    effect = Effect(1.0, 0.5, 1.5, 0.1, 2.0, 0.1)
    text = str(drawn.interval(effect, Scale.of([effect]), f'{words}"><script>'))
    assert "<script" not in text
    assert text.count("<svg") == 1


def test_an_interval_stands_where_its_scale_says() -> None:
    scale = Scale.of([Effect(0.0, -1.0, 1.0, -2.0, 2.0, 0.5)])
    assert (scale.low, scale.high) == (-2.0, 2.0)
    assert scale.place(0.0, 100) == 50.0
    assert scale.place(-2.0, 100) == 2.0


def test_a_spark_leaves_gaps_where_no_row_tells() -> None:
    text = str(drawn.spark(np.array([1.0, np.nan, 2.0]), "spend"))
    assert text.count("M") == 2


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_numbers_stay_numbers_in_a_table() -> None:
    assert harmless(-1.5) == -1.5


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_name_that_ends_a_line_begins_no_row(end: str) -> None:
    text = csv_text(["name", "spend"], [(f"Brand{end}=1+1", 2.5)])
    assert text == f'name,spend\n"Brand{end}=1+1",2.5\n'
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["name", "spend"], [f"Brand{end}=1+1", "2.5"]]


def test_a_table_is_written_whole_or_the_one_before_stands(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, ["name", "amount"], [("=x", -1.5), ("a,b", None)])
    assert path.read_bytes() == b'name,amount\n\'=x,-1.5\n"a,b",\n'

    def lost() -> Iterator[tuple[str, ...]]:
        yield ("c", "2")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_csv(path, ["name", "amount"], lost())
    assert path.read_bytes().startswith(b"name,amount\n'=x")
    with pytest.raises(AskMarketer, match=r"cannot be written: .* Mend: choose another place with --csv"):
        write_csv(path / "no.csv", ["name"], [])


def test_names_that_turn_or_fill_the_page_are_tamed() -> None:
    assert "\u202e" not in short("a\u202eb")
    assert len(short("x" * 10_000)) == 120
    assert plain_amount(Money.of("1234.5", "EUR")) == "1234.50"
