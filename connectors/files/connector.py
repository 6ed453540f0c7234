"""The files connector: a folder of exports read as performance, CSV files that hold budgets and statuses of ads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from connectors.contract import (
    Account,
    AdState,
    BudgetChange,
    BudgetTarget,
    BuildContext,
    Capabilities,
    Entity,
    PerformanceRow,
    Receipt,
    StatusChange,
    StatusReceipt,
)
from connectors.errors import AskMarketer, BadInput, Drifted, Stop
from connectors.files.book import Book
from connectors.files.budgets import Document, Record, held, plain, read_document, render
from connectors.files.layout import SHARES
from connectors.files.options import Options, read_options
from connectors.files.ordering import orders
from connectors.files.performance import FileReader, pull
from connectors.files.reading import CHANGES_FILE, SWITCHES_FILE, Source, layout, sources
from connectors.files.statuses import Held, judge, listed
from connectors.files.survey import Survey, survey
from connectors.files.told import ORDER_NAMES, TOUCH_NAMES, file_rows
from connectors.files.touching import touches
from connectors.files.writing import SWITCH_HEADER, ChangeLog, locked, replace_text
from connectors.money import Money
from connectors.orders import Order

_OPTIONAL = ("value", "impressions", "clicks", *SHARES)
_Held = list[tuple[BudgetTarget, Record | None]]


def build(context: BuildContext) -> FilesConnector:
    """Build the connector from `[connectors.NAME]` with `kind = "files"`.

    Raises:
        BadInput: A setting is unknown, missing or wrong, or the folder does not exist.
    """
    options = read_options(context)
    folder = context.home / options.folder
    if not folder.is_dir():
        raise BadInput(
            f"there is no folder {options.folder!r} in {context.home}",
            where=context.source,
            field="folder",
            mend="create it, or write the path of the folder that holds the exports.",
        )
    return FilesConnector(context.name, folder, options)


class FilesConnector:
    """A folder of CSV or Parquet files as a platform; see docs/connectors.md.

    Attributes:
        name: The connector's name in the settings.
        capabilities: Budgets are compared and set, and ads where there is a statuses file; the optional measures are
            those of the newest file.
    """

    def __init__(self, name: str, folder: Path, options: Options) -> None:
        self.name = name
        self._folder = folder
        self._options = options
        self._budgets_path = folder / options.budgets_file
        self._log = ChangeLog(self._budgets_path.parent / CHANGES_FILE)
        self._ads_path = folder / options.ads_file
        self._switches = ChangeLog(self._ads_path.parent / SWITCHES_FILE, SWITCH_HEADER, "changes of ads")
        self._survey: tuple[tuple[object, ...], Survey] | None = None
        self.capabilities = self._capabilities()

    def accounts(self) -> Sequence[Account]:
        """Return the accounts that the files name, in the order in which the newest files do."""
        return self._surveyed().accounts

    def entities(self) -> Sequence[Entity]:
        """Return campaigns and what is below them, then creatives and audiences; names are the newest."""
        return self._surveyed().entities

    def pull(self, since: date, until: date) -> Iterator[PerformanceRow]:
        """Yield the rows of `since` to `until`, both included, file by file in the order of their names.

        A series and day that a later file states again comes again, with a later `fetched_at`.

        Raises:
            BadInput: A file, row or cell cannot be read as it stands; the rows before it have been yielded.
        """
        book, now = Book(self.name, self._options), _now()
        for source in self._sources():
            reader = FileReader(source, self._options, book, now)
            yield from pull(reader, self._options.rows == "hourly", since, until)

    def budgets(self) -> Sequence[BudgetTarget]:
        """Return the budgets of the budgets file; where there is none, those that the rows imply.

        Raises:
            BadInput: The budgets file (or an export) cannot be read as it stands.
        """
        return tuple(target for target, _ in self._held(read_document(self._budgets_path)))

    def check_budget(self, change: BudgetChange) -> None:
        """Raise what `set_budget` would raise; write nothing.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`.
            Stop: There is no such budget, or it cannot hold the amount.
            AskMarketer: The folder cannot be written.
        """
        self._judge(change, self._held(read_document(self._budgets_path)))
        _require_writable(self._budgets_path)

    def set_budget(self, change: BudgetChange) -> Receipt:
        """Put the target into the budgets file, if the live amount is the expected one.

        Where there is no budgets file, one is written with all budgets. A change whose target stands already is
        acknowledged and writes nothing.

        Raises:
            Drifted: The live amount is neither `expected` nor `target`, or the change was made before and undone.
            Stop: There is no such budget, or it cannot hold the amount.
            RetryLater: Another process is writing the file.
            AskMarketer: The file cannot be read or written; nothing was changed.
            OutcomeUnknown: The disk did not confirm the change, or it could not be logged.
        """
        with locked(self._budgets_path):
            document = read_document(self._budgets_path)
            budgets = self._held(document)
            target, record = self._judge(change, budgets)
            request_id = _request_id(change)
            if target.amount != change.target:
                replace_text(self._budgets_path, _changed(document, budgets, record, change))
                self._log.append(change, request_id, _now())
        return Receipt(change.key, change.target, request_id, _now())

    def ads(self) -> Sequence[AdState]:
        """Return the ads of the statuses file; none where there is no such file.

        Raises:
            BadInput: The statuses file (or an export) cannot be read as it stands.
        """
        return tuple(state for state, _ in self._listed()[1])

    def check_status(self, change: StatusChange) -> None:
        """Raise what `set_status` would raise; write nothing.

        Raises:
            StatusDrifted: The change was made before and has been undone since.
            Stop: There is no such ad.
            AskMarketer: The folder cannot be written.
        """
        judge(change, self._listed()[1], done_before=self._switches.holds(change.idempotency_key))
        _require_writable(self._ads_path)

    def set_status(self, change: StatusChange) -> StatusReceipt:
        """Put the target into the statuses file; a status that stands already is acknowledged and writes nothing.

        Raises:
            StatusDrifted: The change was made before and has been undone since.
            Stop: There is no such ad.
            RetryLater: Another process is writing the file.
            AskMarketer: The file cannot be read or written; nothing was changed.
            OutcomeUnknown: The disk did not confirm the change, or it could not be logged.
        """
        with locked(self._ads_path):
            document, ads = self._listed()
            state, record = judge(change, ads, done_before=self._switches.holds(change.idempotency_key))
            request_id = _request_id(change)
            if document is not None and state.status is not change.target:
                replace_text(self._ads_path, document.with_cell(record, "status", change.target.value))
                self._switches.append_switch(change, request_id, _now())
        return StatusReceipt(change.key, change.target, request_id, _now())

    def touches(self, since: date, until: date) -> Iterator[Any]:
        """See `TellsTouches.touches`; there are none where `touches` is not set.

        Raises:
            BadInput: A file, row or cell cannot be read as it stands; the batches before it have been yielded.
        """
        if self._options.touches is not None:
            rows = file_rows(self._folder, self._options.touches, self._options, TOUCH_NAMES, "touch_columns")
            yield from touches(rows, since, until, self._options.time_zone)

    def orders(self, since: date, until: date) -> Iterator[Order]:
        """See `TellsOrders.orders`; there are none where `orders` is not set.

        Raises:
            BadInput: A file, row or cell cannot be read as it stands.
        """
        if self._options.orders is not None:
            rows = file_rows(self._folder, self._options.orders, self._options, ORDER_NAMES, "order_columns")
            yield from orders(rows, self._options, since, until)

    def close(self) -> None:
        """Forget what was read; nothing is held open between calls."""
        self._survey = None

    def _sources(self) -> tuple[Source, ...]:
        return sources(self._folder, self._options, _now())

    def _capabilities(self) -> Capabilities:
        found = frozenset({"value", "impressions", "clicks"} if self._options.rows == "hourly" else _OPTIONAL)
        # A folder that is empty or damaged is told of when it is read, not when it is named.
        with suppress(BadInput):
            found &= layout(self._sources()[-1], self._options).columns.keys()
        return Capabilities(
            writes_budgets=True,
            compares_and_sets=True,
            restatement_days=self._options.restatement_days,
            reports_value="value" in found,
            reports_impressions="impressions" in found,
            reports_clicks="clicks" in found,
            writes_status=self._ads_path.exists(),
            reports_impression_share=not found.isdisjoint(SHARES),
        )

    def _surveyed(self) -> Survey:
        """What the folder holds, read again only when a file was added, removed or written."""
        files = self._sources()
        mark = tuple((file.name, file.fingerprint) for file in files)
        if self._survey is None or self._survey[0] != mark:
            self._survey = (mark, survey(files, self._options, self.name, _now()))
        return self._survey[1]

    def _listed(self) -> tuple[Document | None, Held]:
        document = read_document(self._ads_path)
        return document, [] if document is None else listed(document, self._surveyed().accounts)

    def _held(self, document: Document | None) -> _Held:
        found = self._surveyed()
        if document is None:
            return [(target, None) for target in found.budgets]
        return list(held(document, found.accounts, self._options))

    def _judge(self, change: BudgetChange, budgets: _Held) -> tuple[BudgetTarget, Record | None]:
        """Find the budget that a change is for, and refuse the change if it must not be made."""
        found = next((pair for pair in budgets if pair[0].key == change.key), None)
        if found is None:
            raise Stop(f"there is no budget {change.key} in {self._budgets_path.name} or the rows")
        target = found[0]
        _refuse_unfit(target, change)
        if target.amount != change.target:
            if target.amount != change.expected:
                raise _drifted(target, change, "somebody else changed it")
            if self._log.holds(change.idempotency_key):
                raise _drifted(target, change, "the change was made before and has been undone since")
        return found


def _refuse_unfit(target: BudgetTarget, change: BudgetChange) -> None:
    """Refuse an amount that the budget cannot hold, whoever asks for it."""
    money, named = change.target, f"budget {change.key}"
    if {money.currency, change.expected.currency} != {target.account.currency}:
        raise Stop(f"{named} is in {target.account.currency}, not {money.currency}")
    if target.shared:
        raise Stop(f"{named} is shared with campaigns that are not ours and is never written")
    if money.micros < 0:
        raise Stop(f"{named} cannot be negative: {plain(money)}")
    if target.minimum is not None and money < target.minimum:
        raise Stop(f"{named} cannot be below its minimum of {target.minimum}: {plain(money)}")
    if money.micros % target.quantum_micros:
        step = plain(Money(target.quantum_micros, money.currency))
        raise Stop(f"{named} takes multiples of {step} {money.currency}, not {plain(money)}")


def _drifted(target: BudgetTarget, change: BudgetChange, why: str) -> Drifted:
    return Drifted(
        f"budget {change.key} stands at {target.amount}, not at {change.expected}: {why}",
        expected_micros=change.expected.micros,
        live_micros=target.amount.micros,
    )


def _changed(document: Document | None, budgets: _Held, record: Record | None, change: BudgetChange) -> str:
    """The budgets file with the change made: one cell of the file that there is, or a whole new file."""
    if document is not None and record is not None:
        return document.with_cell(record, "amount", plain(change.target))
    return render([replace(t, amount=change.target) if t.key == change.key else t for t, _ in budgets])


def _require_writable(path: Path) -> None:
    if not os.access(path.resolve().parent, os.W_OK):
        raise AskMarketer(f"{path.parent} cannot be written.", mend="grant writing to the folder.")


def _request_id(change: BudgetChange | StatusChange) -> str:
    target = change.target.micros if isinstance(change, BudgetChange) else change.target.value
    text = f"{change.idempotency_key}\0{change.key}\0{target}"
    return f"files-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _now() -> datetime:
    return datetime.now(UTC)
