"""What is heavy is imported by those who need it, when they need it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from optimizer.agent.cli import commands

HEAVY = ("pandas", "pymc", "arviz", "alembic", "scipy.stats", "matplotlib")


def loaded_after(program: str, names: tuple[str, ...]) -> list[str]:
    """Which of the modules a fresh Python holds after a program."""
    told = f"{program}\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("program", "names"),
    [
        ("import optimizer.agent.cli.app", (*HEAVY, "numpy", "scipy", "sqlalchemy", "pydantic", "pyarrow")),
        (
            "from optimizer.agent.cli import commands; commands.found('run')",
            (*HEAVY, "scipy.special", "scipy.optimize", "optimizer.decide", "optimizer.response", "simulations"),
        ),
        ("from connectors import contract, registry", (*HEAVY, "numpy", "scipy", "sqlalchemy", "pyarrow")),
        ("import bandits", (*HEAVY, "sqlalchemy", "pydantic", "pyarrow")),
    ],
)
def test_importing_stays_light(program: str, names: tuple[str, ...]) -> None:
    assert loaded_after(program, names) == []


def test_every_command_stands_where_it_is_said_to() -> None:
    for name in commands.COMMANDS:
        assert callable(commands.found(name)), name


def test_reading_files_does_not_import_pandas(tmp_path: object) -> None:
    program = f"""
from datetime import date
from pathlib import Path
from connectors.contract import BuildContext
from connectors.files import build
folder = Path({str(tmp_path)!r})
rows = ["date,campaign_id,spend,conversions,clicks", "2026-01-01,c,1.50,,2", "2026-01-02,c,2.50,1,"]
(folder / "a.csv").write_text("\\n".join(rows))
settings = dict(folder=".", currency="EUR", time_zone="UTC")
files = build(BuildContext("shop", settings, folder))
assert len(list(files.pull(date(2026, 1, 1), date(2026, 1, 2)))) == 2 and files.budgets() and list(files.entities())
"""
    assert loaded_after(program, ("pandas",)) == []
