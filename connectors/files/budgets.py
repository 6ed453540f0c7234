"""The budgets file: a CSV that people and the agent both edit, changed one cell at a time and atomically."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from connectors.contract import Account, BudgetKind, BudgetTarget, Level
from connectors.errors import AskMarketer, BadInput
from connectors.files.options import Options
from connectors.money import Money, exponent

_NEEDED: Final = ("budget_id", "campaign_ids", "amount", "currency")
_KNOWN: Final = ("account_id", "budget_id", "name", "campaign_ids", "amount", "currency")
_EXTRA: Final = ("minimum", "quantum", "kind", "shared", "ad_group_ids")
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"", "false", "no", "0"})
_COVERS: Final = {Level.CAMPAIGN: "campaign_ids", Level.AD_GROUP: "ad_group_ids"}
_WORDS: Final = {"campaign_ids": "campaign", "ad_group_ids": "ad group"}
_LARGEST: Final = 2**63 - 1  # micros that a database holds


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the file: the lines that it covers, from `first` to before `end`, and its cells."""

    first: int
    end: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A CSV file as its lines, so that a row can be changed and all others kept to the byte."""

    name: str
    lines: tuple[str, ...]
    header: tuple[str, ...]
    records: tuple[Record, ...]

    def cell(self, record: Record, column: str) -> str:
        """The text of a cell without surrounding blanks; empty where the file has no such column."""
        return record.cells[self.header.index(column)].strip() if column in self.header else ""

    def bad(self, record: Record, column: str, message: str, mend: str) -> BadInput:
        """An error at a cell."""
        return BadInput(message, where=f"{self.name}:{record.first + 1}", field=column, mend=mend)

    def with_cell(self, record: Record, column: str, text: str) -> str:
        """The whole text with one cell replaced; all other lines stay as they are."""
        cells = list(record.cells)
        cells[self.header.index(column)] = text
        last = self.lines[record.end - 1]
        ending = last[len(last.rstrip("\r\n")) :]
        return "".join([*self.lines[: record.first], _row(cells, ending), *self.lines[record.end :]])


def read_document(path: Path) -> Document | None:
    """Read a CSV file of ours as text; None if there is none.

    Raises:
        BadInput: It is empty, not UTF-8, or a row has more or fewer fields than the header.
        AskMarketer: It may not be read.
    """
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeError:
        raise BadInput("is not UTF-8 text", where=path.name, mend="save it as CSV in UTF-8.") from None
    except OSError as error:
        raise AskMarketer(f"{path.name} cannot be read: {error.strerror}.", mend="grant reading it.") from None
    return parse(path.name, text)


def parse(name: str, text: str) -> Document:
    """Take a CSV text apart.

    Raises:
        BadInput: It has no header, or a row has more or fewer fields than it.
    """
    lines = tuple(io.StringIO(text, newline=""))
    reader = csv.reader([lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else [], strict=True)
    records: list[Record] = []
    first = 0
    try:
        for cells in reader:
            if cells:
                records.append(Record(first, reader.line_num, tuple(cells)))
            first = reader.line_num
    except csv.Error as error:
        raise BadInput(f"is not CSV: {error}", where=f"{name}:{first + 1}", mend="mend the quotes.") from None
    if not records:
        raise BadInput("the file is empty", where=name, mend="write the header and the budgets, or remove the file.")
    header = tuple(cell.strip() for cell in records[0].cells)
    for record in records[1:]:
        if len(record.cells) != len(header):
            raise BadInput(
                f"has {len(record.cells)} fields where the header has {len(header)}",
                where=f"{name}:{record.first + 1}",
                mend='separate fields by commas, and quote a field that holds one ("12,5" is no number: write 12.5).',
            )
    return Document(name, lines, header, tuple(records[1:]))


def held(document: Document, accounts: Sequence[Account], options: Options) -> list[tuple[BudgetTarget, Record]]:
    """Return the budgets of the file, each with its row.

    Raises:
        BadInput: A column or value is missing or wrong, or a budget or campaign stands there twice.
    """
    for column in _NEEDED:
        if column not in document.header:
            raise no_column(document, column)
    by_id = {account.account_id: account for account in accounts}
    found: list[tuple[BudgetTarget, Record]] = []
    owners: dict[tuple[str, str, str], str] = {}
    for record in document.records:
        target = _target(document, record, by_id, options)
        members = _COVERS[target.holder]
        for column, name in (("budget_id", target.budget_id), *((members, item) for item in target.covers)):
            key = (target.account.account_id, column, name)
            if key in owners:
                raise _twice(document, record, column, name, owners[key])
            owners[key] = target.budget_id
        found.append((target, record))
    return found


def no_column(document: Document, column: str) -> BadInput:
    """The error of a file that lacks a column, with the closest that it has."""
    near = get_close_matches(column, document.header, n=1)
    hint = f" ({near[0]!r} is the closest)" if near else ""
    return BadInput(
        f"there is no column {column!r}; the file has {', '.join(map(repr, document.header))}",
        where=document.name,
        field=column,
        mend=f"add the column or rename the one that holds it{hint}.",
    )


def _target(document: Document, record: Record, accounts: Mapping[str, Account], options: Options) -> BudgetTarget:
    account = _account(document, record, accounts)
    quantum = _money(document, record, "quantum", account)
    minimum = _money(document, record, "minimum", account)
    holder, covers = _covered(document, record)
    target = BudgetTarget(
        account=account,
        budget_id=filled(document, record, "budget_id"),
        name=document.cell(record, "name") or document.cell(record, "budget_id"),
        holder=holder,
        covers=covers,
        amount=_amount(document, record, account),
        kind=_kind(document, record),
        shared=_shared(document, record),
        minimum=options.minimum(account.currency) if minimum is None else minimum,
        quantum_micros=_quantum(document, record, quantum, options.quantum_micros(account.currency)),
        etag=hashlib.sha256("\0".join(record.cells).encode()).hexdigest()[:16],
    )
    if target.amount.micros % target.quantum_micros:
        step = plain(Money(target.quantum_micros, account.currency))
        raise document.bad(
            record, "amount", f"{target.amount.amount} is not a multiple of the quantum {step}", "round the amount."
        )
    return target


def _account(document: Document, record: Record, accounts: Mapping[str, Account]) -> Account:
    account = owner(document, record, accounts, "budget")
    currency = filled(document, record, "currency")
    if currency != account.currency:
        raise document.bad(
            record,
            "currency",
            f"is {currency!r}, but account {account.account_id!r} is in {account.currency!r}",
            f"write the amount in {account.currency}.",
        )
    return account


def owner(document: Document, record: Record, accounts: Mapping[str, Account], what: str) -> Account:
    """The account of a row, which may leave it out where the folder has one only.

    Raises:
        BadInput: The folder has no such account, or several, and the row names none.
    """
    account_id = document.cell(record, "account_id")
    if not account_id and len(accounts) == 1:
        account_id = next(iter(accounts))
    if account_id not in accounts:
        known = ", ".join(map(repr, accounts))
        words = (
            f"account {account_id!r} has no rows in the folder" if account_id else f"does not say whose {what} it is"
        )
        raise document.bad(record, "account_id", words, f"write one of {known}.")
    return accounts[account_id]


def filled(document: Document, record: Record, column: str) -> str:
    """The text of a cell that must not be empty.

    Raises:
        BadInput: It is.
    """
    if text := document.cell(record, column):
        return text
    raise document.bad(record, column, "is empty", "fill it in, or remove the row.")


def _covered(document: Document, record: Record) -> tuple[Level, tuple[str, ...]]:
    """What draws on a budget: campaigns, or the ad groups that the row names instead."""
    if not document.cell(record, "ad_group_ids"):
        return Level.CAMPAIGN, _ids(document, record, "campaign_ids", "campaign")
    if document.cell(record, "campaign_ids"):
        words = "is filled in beside campaign_ids"
        raise document.bad(record, "ad_group_ids", words, "name what holds the budget: campaigns or ad groups.")
    return Level.AD_GROUP, _ids(document, record, "ad_group_ids", "ad group")


def _ids(document: Document, record: Record, column: str, what: str) -> tuple[str, ...]:
    parts = [part.strip() for part in filled(document, record, column).split(";")]
    if found := tuple(dict.fromkeys(part for part in parts if part)):
        return found
    raise document.bad(record, column, f"names no {what}", "write the ids, separated by semicolons.")


def _money(document: Document, record: Record, column: str, account: Account) -> Money | None:
    text = document.cell(record, column)
    if not text:
        return None
    try:
        money = Money.of(text, account.currency)
    except ValueError as error:
        raise document.bad(record, column, str(error), "write a plain number such as 120.50.") from None
    if money.micros < 0:
        raise document.bad(record, column, "is negative", "correct it.")
    if money.micros > _LARGEST:
        raise document.bad(record, column, f"{text!r} is larger than any budget", "correct its unit.")
    return money


def _amount(document: Document, record: Record, account: Account) -> Money:
    amount = _money(document, record, "amount", account)
    if amount is None:
        raise document.bad(record, "amount", "is empty", "write the budget, or remove the row.")
    return amount


def _quantum(document: Document, record: Record, quantum: Money | None, default: int) -> int:
    if quantum is None:
        return default
    if quantum.micros == 0:
        raise document.bad(record, "quantum", "is zero", "write the step of the amounts, or leave it empty.")
    return quantum.micros


def _kind(document: Document, record: Record) -> BudgetKind:
    text = document.cell(record, "kind").lower() or BudgetKind.DAILY.value
    try:
        return BudgetKind(text)
    except ValueError:
        kinds = " or ".join(kind.value for kind in BudgetKind)
        raise document.bad(record, "kind", f"{text!r} is no kind of budget", f"write {kinds}.") from None


def _shared(document: Document, record: Record) -> bool:
    text = document.cell(record, "shared").lower()
    if text not in _YES | _NO:
        raise document.bad(record, "shared", f"{text!r} is neither true nor false", "write true or false.")
    return text in _YES


def _twice(document: Document, record: Record, column: str, name: str, owner: str) -> BadInput:
    if column == "budget_id":
        return document.bad(record, column, f"{name!r} stands there twice", "remove one of the rows.")
    what = _WORDS[column]
    words = f"{what} {name!r} draws on budget {owner!r} already"
    return document.bad(record, column, words, f"name each {what} in one budget only.")


def plain(money: Money) -> str:
    """Write an amount in major units, with the currency's decimals and more only where it has more: `12.50`."""
    whole, _, decimals = f"{money.amount:.6f}".partition(".")
    decimals = decimals.rstrip("0").ljust(exponent(money.currency), "0")
    return f"{whole}.{decimals}" if decimals else whole


def render(budgets: Sequence[BudgetTarget]) -> str:
    """Write budgets as a new file, for a folder that has none.

    Raises:
        AskMarketer: A campaign's id holds a semicolon, which separates ids in the file.
    """
    rows = [_row(_KNOWN, "\n")]
    for target in budgets:
        if any(";" in covered for covered in target.covers):
            raise AskMarketer(
                f"campaign {target.covers[0]!r} cannot stand in a budgets file: its id holds a semicolon.",
                mend="give the campaign another id.",
            )
        amount = (plain(target.amount), target.account.currency)
        rows.append(
            _row((target.account.account_id, target.budget_id, target.name, ";".join(target.covers), *amount), "\n")
        )
    return "".join(rows)


def _row(cells: Sequence[str], ending: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending).writerow(cells)
    return text.getvalue()
