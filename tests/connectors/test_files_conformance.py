"""The files connector runs the suite that every connector runs, and connectors with one fault each fail it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from connectors.conformance import ConnectorConformance
from connectors.contract import (
    AdKey,
    BudgetChange,
    BudgetKey,
    BuildContext,
    Connector,
    EntityStatus,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import Drifted, StatusDrifted, Stop
from connectors.files import build
from connectors.files.connector import FilesConnector
from connectors.money import Money, exponent

FIRST = date(2025, 3, 27)  # the clocks change within the period
DAYS = 6
CAMPAIGNS = ("c1", "c2", "c3")


def rows(extra: int = 0) -> str:
    lines = ["date,campaign_id,ad_id,spend,conversions,clicks"]
    for number in range(DAYS):
        for index, campaign in enumerate(CAMPAIGNS):
            measures = f"{100 + index},{number + extra}.5,{number}"
            lines += [f"{FIRST + timedelta(number)},{campaign},{ad},{measures}" for ad in ("x", "y")]
    return "\n".join(lines) + "\n"


class TestDerivedBudgets(ConnectorConformance):
    """No budgets file: the first set writes one."""

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path) -> None:
        self.home = tmp_path
        self.made = 0

    def make(self, currency: str) -> Connector:
        self.made += 1
        folder = self.home / f"folder{self.made}"
        folder.mkdir()
        (folder / "a.csv").write_text(rows())
        os.utime(folder / "a.csv", (1_750_000_000, 1_750_000_000))
        self.prepare(folder, currency)
        options = {"folder": folder.name, "currency": currency, "time_zone": "Europe/Berlin"}
        return build(BuildContext(f"folder{self.made}", options, self.home))

    def prepare(self, folder: Path, currency: str) -> None:
        """Nothing to prepare."""

    def days(self) -> tuple[date, date]:
        return FIRST, FIRST + timedelta(DAYS - 1)

    def restate(self, connector: Connector) -> None:
        (self.home / connector.name / "b.csv").write_text(rows(extra=1))

    def live(self, connector: Connector, key: BudgetKey) -> Money:
        path = self.home / connector.name / "budgets.csv"
        if not path.exists():
            return next(b.amount for b in connector.budgets() if b.key == key)
        with path.open(newline="") as file:
            return next(
                Money.of(r["amount"], r["currency"]) for r in csv.DictReader(file) if r["budget_id"] == key.budget_id
            )

    def edit_behind(self, connector: Connector, key: BudgetKey, amount: Money) -> None:
        path = self.home / connector.name / "budgets.csv"
        lines = ["budget_id,campaign_ids,amount,currency"]
        for b in connector.budgets():
            held = amount if b.key == key else b.amount
            lines.append(f"{b.budget_id},{';'.join(b.covers)},{held.amount},{amount.currency}")
        path.write_text("\n".join(lines) + "\n")


class TestBudgetsFile(TestDerivedBudgets):
    """A budgets file with a minimum, a coarse quantum and a budget of two campaigns."""

    def prepare(self, folder: Path, currency: str) -> None:
        step = 5 * 10 ** -exponent(currency)
        (folder / "budgets.csv").write_text(
            "budget_id,name,campaign_ids,amount,currency,minimum,quantum,kind\r\n"
            f"b1,Brand,c1; c2,200,{currency},{step * 2:f},{step:f},daily\r\n"
            f'b2,"Say ""hi""\nthere",c3,55.00,{currency},,,\r\n'
        )


class TestStatusesFile(TestDerivedBudgets):
    """A statuses file that holds some of the ads, with a byte order mark, quotes and a column of its owner's."""

    def prepare(self, folder: Path, currency: str) -> None:
        (folder / "ad_status.csv").write_text(
            "\ufeffad_id,campaign_id,status,note,name,ad_group_id\r\n"
            'x1,c1,active,"said ""keep""",Spring,\r\nx2,c1,Active,,,\r\ny1,c2,paused,"two\nlines",,g1\r\n',
            encoding="utf-8",
            newline="",
        )

    def switch_behind(self, connector: Connector, key: AdKey, status: EntityStatus) -> None:
        path = self.home / connector.name / "ad_status.csv"
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(row | {"status": status} if row["ad_id"] == key.ad_id else row for row in rows)


class Faulty(FilesConnector):
    """Base of connectors that are wrong in one way."""

    def __init__(self, sound: Connector) -> None:
        assert isinstance(sound, FilesConnector)
        super().__init__(sound.name, sound._folder, sound._options)


class RepeatsRows(Faulty):
    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        for row in super().pull(since, until):
            yield from (row, row)


class LeavesOutTheLastDay(Faulty):
    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        return super().pull(since, until - timedelta(1))


class KeepsTheFirstStatement(Faulty):
    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        met = set()
        for row in super().pull(since, until):
            if (row.series, row.day) not in met:
                met.add((row.series, row.day))
                yield row


class WritesWhenChecking(Faulty):
    def check_budget(self, change: BudgetChange) -> None:
        super().set_budget(change)


class OverwritesDrift(Faulty):
    def set_budget(self, change: BudgetChange) -> Receipt:
        try:
            return super().set_budget(change)
        except Drifted as drift:
            return super().set_budget(replace(change, expected=Money(drift.live_micros, change.target.currency)))


class RefusesTheSecondCall(Faulty):
    def set_budget(self, change: BudgetChange) -> Receipt:
        if any(b.amount == change.target for b in self.budgets()):
            raise Stop("done before")
        return super().set_budget(change)


class RaisesKeyError(Faulty):
    def set_budget(self, change: BudgetChange) -> Receipt:
        return super().set_budget({b.key: change for b in self.budgets()}[change.key])


class ShowsItsToken(Faulty):
    def set_budget(self, change: BudgetChange) -> Receipt:
        try:
            return super().set_budget(change)
        except Stop:
            raise Stop("refused for token-123") from None


class SendsYenInHundredths(Faulty):
    def set_budget(self, change: BudgetChange) -> Receipt:
        if change.target.currency != "JPY":
            return super().set_budget(change)
        return super().set_budget(replace(change, target=Money(change.target.micros * 100, "JPY")))


class PausesWhenChecking(Faulty):
    def check_status(self, change: StatusChange) -> None:
        super().set_status(change)


class SwitchesBackAndForth(Faulty):
    def set_status(self, change: StatusChange) -> StatusReceipt:
        live = next(ad.status for ad in self.ads() if ad.key == change.key)
        other = EntityStatus.PAUSED if live is EntityStatus.ACTIVE else EntityStatus.ACTIVE
        super().set_status(replace(change, idempotency_key=f"{live}", expected=live, target=other))
        return StatusReceipt(change.key, change.target, "", _AT)


class OverwritesAPerson(Faulty):
    def set_status(self, change: StatusChange) -> StatusReceipt:
        try:
            return super().set_status(change)
        except StatusDrifted:
            return super().set_status(replace(change, idempotency_key="again"))


class OnlySaysSo(Faulty):
    def set_status(self, change: StatusChange) -> StatusReceipt:
        self.check_status(change)
        return StatusReceipt(change.key, change.target, "", _AT)


_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        (PausesWhenChecking, "test_checking_a_status_switches_nothing"),
        (SwitchesBackAndForth, "test_switching_twice_has_one_effect"),
        (OverwritesAPerson, "test_switching_twice_has_one_effect"),
        (OnlySaysSo, "test_an_ad_is_paused_and_resumed"),
    ],
)
def test_the_suite_finds_a_connector_that_switches_ads_wrongly(tmp_path: Path, fault: type[Faulty], test: str) -> None:
    class Suite(TestStatusesFile):
        def make(self, currency: str) -> Connector:
            return fault(super().make(currency))

    suite = Suite()
    suite.home, suite.made = tmp_path, 0
    with pytest.raises(AssertionError):
        getattr(suite, test)()


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        (RepeatsRows, "test_a_key_stands_once_per_statement"),
        (LeavesOutTheLastDay, "test_every_day_has_rows_inside_the_period"),
        (KeepsTheFirstStatement, "test_a_restatement_replaces"),
        (WritesWhenChecking, "test_checking_writes_nothing"),
        (OverwritesDrift, "test_drift_is_refused_and_never_overwritten"),
        (RefusesTheSecondCall, "test_setting_twice_has_one_effect"),
        (RaisesKeyError, "test_what_cannot_be_set_is_refused"),
        (ShowsItsToken, "test_what_cannot_be_set_is_refused"),
        (SendsYenInHundredths, "test_a_budget_goes_there_and_back_in_every_currency"),
    ],
)
def test_the_suite_finds_a_faulty_connector(tmp_path: Path, fault: type[Faulty], test: str) -> None:
    class Suite(TestDerivedBudgets):
        secrets = ("token-123",)

        def make(self, currency: str) -> Connector:
            return fault(super().make(currency))

    suite = Suite()
    suite.home, suite.made = tmp_path, 0
    with pytest.raises((AssertionError, KeyError, Stop)):
        getattr(suite, test)()
