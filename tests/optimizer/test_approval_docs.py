"""docs/safety.md says what the code does: its tables are compared with the values, its test names with the tests."""

import re
from dataclasses import fields
from pathlib import Path

from optimizer import approval
from optimizer.agent.settings import Settings
from optimizer.agent.settings.errors import default_text, keys
from optimizer.guardrails import Guardrails
from optimizer.plan.record import IntentState

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")


def table(first_column: str) -> list[list[str]]:
    """The cells of the table whose heading begins with this column, without its heading."""
    block = PAGE[PAGE.index(f"\n| {first_column} |") + 1 :].split("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()[2:]]


def test_the_table_of_states_is_the_one_that_the_code_walks():
    rows = [
        ["-" if step.before is None else step.before.value, step.action.value, step.after.value, step.guard]
        for step in approval.TRANSITIONS
    ]
    assert table("from") == rows


def test_every_code_of_a_refusal_is_explained():
    assert [row[0] for row in table("code")] == [f"`{code.value}`" for code in approval.Code]


def test_every_state_of_a_write_is_explained():
    assert [row[0] for row in table("state")] == [state.value for state in IntentState]


def test_the_guardrails_have_the_defaults_that_are_stated():
    rows = {row[1].strip("`"): row for row in table("guard")}
    known = keys(Settings)
    for setting, row in rows.items():
        name = setting.replace("[[", "").replace("]]", "").replace("[", "").replace("] ", ".").replace(" ", ".")
        assert row[2] == default_text(known[name]), setting
        assert all(row), "each has a reason, and says where it is checked and by which test"
    assert {f"[guardrails] {item.name}" for item in fields(Guardrails)} <= set(rows)


def test_the_wait_before_a_resend_is_the_one_that_is_stated():
    assert f"{approval.RESEND_AFTER.total_seconds():.0f} seconds, twice" in PAGE


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "optimizer").glob("test_*.py"))
    assert len(named) > 10
    assert [name for name in sorted(named) if f"def {name}(" not in source] == []
