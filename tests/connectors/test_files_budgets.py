"""The budgets file: what is read, what is refused, and that a write changes one cell or nothing."""

from __future__ import annotations

import csv
import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.contract import BudgetChange, BudgetKind, BudgetTarget
from connectors.errors import AskMarketer, BadInput, Drifted, OutcomeUnknown, RetryLater, Stop
from connectors.files.budgets import plain
from connectors.files.connector import FilesConnector
from connectors.money import Money

Make = Callable[..., FilesConnector]

HEAD = "date,campaign_id,spend,conversions\n"
ROWS = {"a.csv": HEAD + "2025-01-01,c1,100,1\n2025-01-01,c2,50,1\n"}
BUDGETS = (
    '\ufeff"amount", budget_id,note,campaign_ids,currency,minimum,quantum,kind,shared\r\n'
    '  100.00,b1,"a, ""quoted""\r\nnote",c1,EUR,5,0.5,,\r\n'
    "\r\n"
    "50,b2,,c2; c3,EUR,,,lifetime,yes"
)


def change(budget: BudgetTarget, target: str, key: str = "k1") -> BudgetChange:
    return BudgetChange(key, budget.key, budget.amount, Money.of(target, budget.amount.currency))


def stored(tmp_path: Path, name: str = "budgets.csv") -> str:
    return (tmp_path / "exports" / name).read_bytes().decode()


def test_a_file_in_full(make: Make) -> None:
    first, second = make({**ROWS, "budgets.csv": BUDGETS}, budget_minimum=1).budgets()
    assert (first.budget_id, first.name, first.covers, first.amount) == ("b1", "b1", ("c1",), Money.of(100, "EUR"))
    assert (first.minimum, first.quantum_micros, first.kind, first.shared) == (
        Money.of(5, "EUR"),
        500_000,
        BudgetKind.DAILY,
        False,
    )
    assert (second.covers, second.kind, second.shared) == (("c2", "c3"), BudgetKind.LIFETIME, True)
    assert (second.minimum, second.quantum_micros) == (Money.of(1, "EUR"), 10_000)
    assert first.etag != second.etag


@pytest.mark.parametrize("column", ["amount", "minimum", "quantum"])
def test_an_amount_that_no_budget_is_names_row_and_field(make: Make, column: str) -> None:
    cells = {"amount": "5", "minimum": "", "quantum": ""} | {column: "100000000000000"}
    row = f"{cells['amount']},b1,c1,EUR,{cells['minimum']},{cells['quantum']}\n"
    connector = make({**ROWS, "budgets.csv": "amount,budget_id,campaign_ids,currency,minimum,quantum\n" + row})
    with pytest.raises(BadInput, match=rf"budgets\.csv:2, field '{column}'.*larger than any budget.*Mend"):
        connector.budgets()


def test_a_set_changes_one_row_and_keeps_all_other_bytes(make: Make, tmp_path: Path) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    path = tmp_path / "exports" / "budgets.csv"
    path.chmod(0o640)
    receipt = connector.set_budget(change(connector.budgets()[0], "120.5"))
    expected = BUDGETS.replace("  100.00,b1", "120.50,b1")
    assert stored(tmp_path) == expected
    assert path.stat().st_mode & 0o777 == 0o640
    assert {p.name for p in path.parent.iterdir()} == {
        "a.csv",
        "budgets.csv",
        "budget_changes.csv",
        ".budgets.csv.lock",
    }
    log = list(csv.DictReader(stored(tmp_path, "budget_changes.csv").splitlines()))
    assert [(r["budget_id"], r["from"], r["to"], r["idempotency_key"]) for r in log] == [
        ("b1", "100.00", "120.50", "k1")
    ]
    assert log[0]["request_id"] == receipt.request_id
    again = connector.set_budget(BudgetChange("k1", receipt.key, Money.of(100, "EUR"), receipt.amount))
    assert again.request_id == receipt.request_id
    assert len(stored(tmp_path, "budget_changes.csv").splitlines()) == 2


def test_a_late_copy_of_a_change_that_was_undone_is_refused(make: Make, tmp_path: Path) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    first = change(connector.budgets()[0], "120.5")
    connector.set_budget(first)
    (tmp_path / "exports" / "budgets.csv").write_bytes(BUDGETS.encode())  # a person puts the old amount back
    with pytest.raises(Drifted, match="was made before and has been undone") as caught:
        connector.set_budget(first)
    assert caught.value.live_micros == 100_000_000
    assert stored(tmp_path) == BUDGETS


@pytest.mark.parametrize(("target", "words"), [("120.3", "multiples of 0.50 EUR"), ("4.5", "minimum of 5.00 EUR")])
def test_an_unfit_amount_is_refused(make: Make, target: str, words: str) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    for call in (connector.check_budget, connector.set_budget):
        with pytest.raises(Stop, match=words):
            call(change(connector.budgets()[0], target))


def test_a_shared_budget_is_never_written(make: Make) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    with pytest.raises(Stop, match="shared"):
        connector.set_budget(change(connector.budgets()[1], "60"))


def test_budgets_are_implied_by_the_rows(make: Make) -> None:
    lines = [f"2025-01-{n:02},c1,{n},1,\n" for n in range(1, 32)]
    text = (
        "date,campaign_id,spend,conversions,daily_budget\n"
        + "".join(lines)
        + "2025-01-02,c2,7,1,30\n2025-01-01,c2,7,1,20\n"
    )
    connector = make({"1.csv": text, "2.csv": "date,campaign_id,spend,conversions\n2025-01-31,c1,311,1\n"})
    held = {b.budget_id: b.amount for b in connector.budgets()}
    # The last 28 days are 4 .. 31, the last one restated from 31 to 311: (17.5 * 28 + 280) / 28.
    assert held == {"c1": Money.of("27.50", "EUR"), "c2": Money.of(30, "EUR")}


@pytest.mark.parametrize(("currency", "amount"), [("EUR", "33.33"), ("JPY", "33"), ("BHD", "33.333")])
def test_implied_budgets_are_rounded_to_the_quantum(make: Make, currency: str, amount: str) -> None:
    text = HEAD + "2025-01-01,c,33,1\n2025-01-02,c,33,1\n2025-01-03,c,34,1\n"
    (budget,) = make({"a.csv": text}, currency=currency).budgets()
    assert budget.amount == Money.of(amount, currency)


def test_the_first_set_writes_all_implied_budgets(make: Make, tmp_path: Path) -> None:
    connector = make(ROWS)
    connector.set_budget(change(connector.budgets()[0], "90"))
    assert stored(tmp_path).splitlines()[1:] == ["shop,c1,c1,c1,90.00,EUR", "shop,c2,c2,c2,50.00,EUR"]
    assert [b.amount for b in connector.budgets()] == [Money.of(90, "EUR"), Money.of(50, "EUR")]


def test_two_accounts_need_an_account_column(make: Make) -> None:
    rows = "date,account_id,campaign_id,spend,conversions\n2025-01-01,A,c,1,1\n2025-01-01,B,c,2,1\n"
    with_ids = "account_id,budget_id,campaign_ids,amount,currency\nA,b,c,1,EUR\nB,b,c,2,EUR\n"
    assert len(make({"a.csv": rows, "budgets.csv": with_ids}).budgets()) == 2
    without = "budget_id,campaign_ids,amount,currency\nb,c,1,EUR\n"
    with pytest.raises(BadInput, match=r"budgets.csv:2.*whose budget it is.*'A', 'B'"):
        make({"a.csv": rows, "budgets.csv": without}).budgets()


@pytest.mark.parametrize(
    ("text", "where", "field", "words"),
    [
        ("", "budgets.csv", None, "empty"),
        ("budget_id,campaign_ids,amout,currency\n", "budgets.csv", "amount", "'amout' is the closest"),
        ("b,c1,12,5,EUR\n", "budgets.csv:2", None, "5 fields"),
        ("b,c1,x,EUR\n", "budgets.csv:2", "amount", "'x' is not a decimal number"),
        ("b,c1,-1,EUR\n", "budgets.csv:2", "amount", "negative"),
        ("b,c1,,EUR\n", "budgets.csv:2", "amount", "empty"),
        ("b,c1,1.005,EUR\n", "budgets.csv:2", "amount", "not a multiple of the quantum 0.01"),
        ("b,c1,1,USD\n", "budgets.csv:2", "currency", "account 'shop' is in 'EUR'"),
        (",c1,1,EUR\n", "budgets.csv:2", "budget_id", "empty"),
        ("b, ; ,1,EUR\n", "budgets.csv:2", "campaign_ids", "names no campaign"),
        ("b,c1,1,EUR\n\nb,c2,1,EUR\n", "budgets.csv:4", "budget_id", "twice"),
        ("b,c1,1,EUR\nd,c2;c1,1,EUR\n", "budgets.csv:3", "campaign_ids", "'c1' draws on budget 'b' already"),
        ('b,"c1,1,EUR\n', "budgets.csv:2", None, "not CSV"),
    ],
)
def test_bad_budgets(make: Make, text: str, where: str, field: str | None, words: str) -> None:
    head = "" if not text or text.startswith("budget_id") else "budget_id,campaign_ids,amount,currency\n"
    connector = make({**ROWS, "budgets.csv": head + text})
    with pytest.raises(BadInput) as caught:
        connector.budgets()
    assert (caught.value.where, caught.value.field) == (where, field)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("kind", "weekly", "daily or lifetime"),
        ("shared", "maybe", "true or false"),
        ("quantum", "0", "zero"),
        ("minimum", "a", "number"),
    ],
)
def test_bad_optional_columns(make: Make, column: str, cell: str, words: str) -> None:
    connector = make({**ROWS, "budgets.csv": f"budget_id,campaign_ids,amount,currency,{column}\nb,c1,1,EUR,{cell}\n"})
    with pytest.raises(BadInput, match=words) as caught:
        connector.budgets()
    assert caught.value.field == column


def test_a_file_that_somebody_is_writing_is_left_alone(make: Make, tmp_path: Path) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    wanted = change(connector.budgets()[0], "120.5")
    with (tmp_path / "exports" / ".budgets.csv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RetryLater, match="another process"):
            connector.set_budget(wanted)
    assert stored(tmp_path) == BUDGETS
    assert connector.set_budget(wanted).amount == wanted.target


def test_a_folder_that_cannot_be_written_is_put_to_the_marketer(make: Make, tmp_path: Path) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    wanted = change(connector.budgets()[0], "120.5")
    (tmp_path / "exports" / ".budgets.csv.lock").mkdir()  # permissions would not hold back root
    with pytest.raises(AskMarketer, match="nothing was changed") as caught:
        connector.set_budget(wanted)
    assert "grant writing" in caught.value.mend
    assert stored(tmp_path) == BUDGETS


def test_a_change_that_could_not_be_logged_is_of_unknown_outcome(make: Make, tmp_path: Path) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS})
    wanted = change(connector.budgets()[0], "120.5")
    log = tmp_path / "exports" / "budget_changes.csv"
    log.symlink_to(tmp_path / "gone" / "log.csv")  # read as absent, and cannot be created
    with pytest.raises(OutcomeUnknown, match="was set, but"):
        connector.set_budget(wanted)
    assert "120.50,b1" in stored(tmp_path)


def test_a_damaged_log_closes_the_door(make: Make, tmp_path: Path) -> None:
    connector = make({**ROWS, "budgets.csv": BUDGETS, "budget_changes.csv": "when,what\n1,2\n"})
    with pytest.raises(BadInput, match="not the log"):
        connector.set_budget(change(connector.budgets()[0], "120.5"))
    assert stored(tmp_path) == BUDGETS


def test_a_link_to_the_file_stays_a_link(make: Make, tmp_path: Path) -> None:
    connector = make(ROWS)
    (tmp_path / "held.csv").write_text("budget_id,campaign_ids,amount,currency\nb,c1,1,EUR\n")
    (tmp_path / "exports" / "budgets.csv").symlink_to(tmp_path / "held.csv")
    connector.set_budget(change(connector.budgets()[0], "2"))
    assert (tmp_path / "exports" / "budgets.csv").is_symlink()
    assert (tmp_path / "held.csv").read_text().endswith("b,c1,2.00,EUR\n")


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("12.5", "EUR", "12.50"),
        ("1200", "JPY", "1200"),
        ("0.125", "BHD", "0.125"),
        ("1.234567", "EUR", "1.234567"),
        ("100", "EUR", "100.00"),
    ],
)
def test_amounts_are_written_plainly(amount: str, currency: str, text: str) -> None:
    assert plain(Money.of(amount, currency)) == text
    assert Money.of(text, currency) == Money.of(amount, currency)
