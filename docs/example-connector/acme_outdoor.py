"""A connector for Outlay to an imaginary seller of billboards, whose bookings are an SQLite file.

Copy it to begin one of your own: it reads rows, restatements and budgets, and writes budgets with compare-and-set.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    EntityKind,
    Level,
    PerformanceRow,
    Receipt,
    Series,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import AskMarketer, BadInput, Drifted, Stop
from connectors.money import Money, minor_unit_micros

SCHEMA = """
CREATE TABLE IF NOT EXISTS seller (account_id TEXT, currency TEXT, time_zone TEXT);
CREATE TABLE IF NOT EXISTS board (board_id TEXT PRIMARY KEY, name TEXT, budget INTEGER, version INTEGER DEFAULT 1);
CREATE TABLE IF NOT EXISTS day (board_id TEXT, day TEXT, spend INTEGER, visits INTEGER, counted_at TEXT,
                                PRIMARY KEY (board_id, day, counted_at));
"""


class AcmeOutdoor:
    """One seller; every board is a campaign with a daily budget, a visit to the shop is its conversion."""

    def __init__(self, name: str, path: Path) -> None:
        """Open the seller's bookings; AskMarketer where they cannot be opened."""
        self.name = name
        self.capabilities = Capabilities(
            writes_budgets=True,
            compares_and_sets=True,
            restatement_days=14,  # visits are counted late
            reports_value=False,
            reports_impressions=False,
            reports_clicks=False,
        )
        try:
            self._db = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
            (found,) = self._db.execute("SELECT account_id, currency, time_zone FROM seller").fetchall()
        except (sqlite3.Error, ValueError) as error:
            raise AskMarketer(f"{path.name} is not a file of bookings ({error})", mend="name another file") from None
        self._account = Account(name, *found)

    def accounts(self) -> Sequence[Account]:
        """Return the one account."""
        return (self._account,)

    def entities(self) -> Iterator[Entity]:
        """Yield the boards."""
        for board, name in self._db.execute("SELECT board_id, name FROM board ORDER BY board_id"):
            yield Entity(self._account, EntityKind.CAMPAIGN, board, name)

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield every statement of the days, oldest first; with a cursor of its own, so that rows stream."""
        series = {board: Series(self._account, board, channel="outdoor") for board, *_ in self._boards()}
        with closing(self._db.cursor()) as cursor:
            cursor.execute(
                "SELECT board_id, day, spend, visits, counted_at FROM day WHERE day BETWEEN ? AND ?"
                " ORDER BY day, board_id, counted_at",
                (since.isoformat(), until.isoformat()),
            )
            for board, day, spend, visits, counted in cursor:
                at = datetime.fromisoformat(counted)
                yield PerformanceRow(
                    series[board], date.fromisoformat(day), spend, visits * 1_000_000, None, None, None, at
                )

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the live budgets."""
        return tuple(self._target(*row) for row in self._boards())

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise; write nothing."""
        held = {target.key: target for target in self.budgets()}
        if change.key not in held:
            raise Stop(f"{self.name}: there is no board {change.key}; nothing was written")
        now = held[change.key]
        if change.target.currency != self._account.currency:
            raise Stop(f"{now.name}: the seller takes {self._account.currency}, not {change.target.currency}")
        if change.target.micros < 0 or change.target.micros % now.quantum_micros:
            raise Stop(f"{now.name}: {change.target} is no amount that the seller takes")
        if now.amount not in (change.expected, change.target):
            raise Drifted(
                f"{now.name}: the budget is {now.amount}, approved was a change from {change.expected}",
                expected_micros=change.expected.micros,
                live_micros=now.amount.micros,
            )

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Set one budget once; the database itself compares, so that nothing can come in between."""
        self.check_budget(change)
        asked = (change.target.micros, change.key.budget_id, change.expected.micros)
        self._db.execute("UPDATE board SET budget = ?, version = version + 1 WHERE board_id = ? AND budget = ?", asked)
        self.check_budget(BudgetChange(change.idempotency_key, change.key, change.target, change.target))
        now = next(target for target in self.budgets() if target.key == change.key)
        return Receipt(change.key, now.amount, now.etag, datetime.now(UTC))

    def ads(self) -> Sequence[AdState]:
        """Return nothing: a billboard cannot be paused."""
        return ()

    def check_status(self, change: StatusChange) -> None:
        """Refuse."""
        raise Stop(f"{self.name}: a billboard cannot be paused")

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Refuse."""
        raise Stop(f"{self.name}: a billboard cannot be paused")

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        self._db.close()

    def _boards(self) -> list[tuple[str, str, int, int]]:
        return self._db.execute("SELECT board_id, name, budget, version FROM board ORDER BY board_id").fetchall()

    def _target(self, board: str, name: str, budget: int, version: int) -> BudgetTarget:
        currency = self._account.currency
        return BudgetTarget(
            account=self._account,
            budget_id=board,
            name=name,
            holder=Level.CAMPAIGN,
            covers=(board,),
            amount=Money(budget, currency),
            quantum_micros=minor_unit_micros(currency),
            etag=str(version),
        )


def build(context: BuildContext) -> AcmeOutdoor:
    """Build the connector from `[connectors.NAME]`; its one setting is `file`."""
    file = context.options.get("file")
    if not isinstance(file, str) or context.options.keys() != {"file"}:
        raise BadInput("file must be there, alone", where=context.source, field="file", mend='write file = "a.db"')
    return AcmeOutdoor(context.name, context.home / file)
