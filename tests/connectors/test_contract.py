"""The records refuse what must not be built."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.contract import Account, BudgetKey, BudgetTarget, Level, PerformanceRow, Series
from connectors.errors import AskMarketer, BadInput, ConnectorError, Drifted, Stop
from connectors.money import Money

ACCOUNT = Account("shop", "A1", "EUR", "Europe/Berlin")
SERIES = Series(ACCOUNT, "C1", "search")
BUDGET = BudgetTarget(ACCOUNT, "B1", "Brand", Level.CAMPAIGN, ("C1",), Money.of(10, "EUR"))


@pytest.mark.parametrize(
    ("record", "change", "words"),
    [
        (ACCOUNT, {"account_id": ""}, "account_id"),
        (ACCOUNT, {"currency": "EURO"}, "ISO 4217"),
        (ACCOUNT, {"time_zone": "Berlin"}, "IANA"),
        (ACCOUNT, {"time_zone": "../etc/passwd"}, "IANA"),
        (SERIES, {"campaign_id": ""}, "campaign_id"),
        (SERIES, {"channel": ""}, "channel"),
        (SERIES, {"ad_id": ""}, "ad_id"),
        (BUDGET, {"covers": ()}, "covers nothing"),
        (BUDGET, {"quantum_micros": 0}, "quantum"),
        (BUDGET, {"amount": Money.of(1, "USD")}, "in USD, its account in EUR"),
        (BUDGET, {"minimum": Money.of(1, "USD")}, "in USD, its account in EUR"),
        (BUDGET, {"amount": Money.of(-1, "EUR")}, "negative"),
    ],
)
def test_wrong_values_cannot_be_built(record: Any, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(record, **change)


@pytest.mark.parametrize("change", [{"spend_micros": -1}, {"clicks_micros": -1}, {"impressions_micros": -1}])
def test_rows_cannot_be_negative(change: dict[str, int]) -> None:
    row = PerformanceRow(SERIES, date(2025, 1, 1), 0, -5, -5, None, None, datetime(2025, 1, 2, tzinfo=UTC))
    with pytest.raises(ValueError, match="negative"):
        replace(row, **change)
    with pytest.raises(ValueError, match="time zone"):
        replace(row, fetched_at=datetime(2025, 1, 2))  # noqa: DTZ001 - the very mistake


def test_the_finest_id_is_the_level() -> None:
    assert SERIES.level is Level.CAMPAIGN
    assert replace(SERIES, audience_id="U").level is Level.CAMPAIGN
    assert replace(SERIES, ad_group_id="G").level is Level.AD_GROUP
    assert replace(SERIES, ad_id="A").level is Level.AD


def test_a_budget_key_reads_as_a_path() -> None:
    assert BUDGET.key == BudgetKey("shop", "A1", "B1")
    assert str(BUDGET.key) == "shop/A1/B1"


def test_errors_are_named_by_what_the_caller_does() -> None:
    assert issubclass(BadInput, AskMarketer)
    assert issubclass(Drifted, Stop)
    error = BadInput("is negative", where="a.csv:7", field="spend", mend="correct it.")
    assert isinstance(error, ConnectorError)
    assert str(error) == "a.csv:7, field 'spend': is negative. Mend: correct it."
    assert (error.where, error.field, error.mend) == ("a.csv:7", "spend", "correct it.")


def test_shares_of_auctions_become_impressions_that_add_up() -> None:
    row = PerformanceRow(
        SERIES, date(2025, 1, 1), 0, 0, 0, 400_000_000, None, datetime(2025, 1, 2, tzinfo=UTC), 800_000, 150_000
    )
    assert row.auctions == (500_000_000, 75_000_000)
    unsaid: tuple[dict[str, Any], ...] = (
        {"impression_share_micros": None},
        {"lost_to_budget_micros": None},
        {"impressions_micros": None},
        {"impression_share_micros": 0},
    )
    assert [replace(row, **change).auctions for change in unsaid] == [None] * 4
    for name in ("impression_share_micros", "lost_to_budget_micros"):
        for share in (-1, 1_000_001):
            wrong: dict[str, Any] = {name: share}
            with pytest.raises(ValueError, match="share of the impressions"):
                replace(row, **wrong)
