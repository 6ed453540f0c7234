"""Every notebook runs from its first cell to its last, in a kernel of its own, and is kept without outputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert not any(cell.get("outputs") for cell in book.cells), "clear the outputs before it is kept"
    NotebookClient(book, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    AGREES[path.stem]([_shown(cell) for cell in book.cells if cell.cell_type == "code" and _asks(cell.source)])


def _asks(source: str) -> bool:
    """Whether a cell ends in something to be shown, and not in a name that is given."""
    return isinstance(ast.parse(source).body[-1], ast.Expr)


def _shown(cell: Any) -> str:
    """What a cell shows as text; an error where it shows nothing, or more than one thing."""
    (text,) = (output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")
    return str(text)


def _analysis(shown: Sequence[str]) -> None:
    """Plans were carried out, rows and campaigns sum to the same spend, and chances are some between 0 and 1."""
    applied, decisions, _, _, _, sums, _, chances, _ = shown
    assert int(applied) > 0
    assert "proposed" in decisions
    rows, campaigns = re.findall(r"\d+\.\d+", sums)
    assert float(rows) == pytest.approx(float(campaigns), abs=0.011)
    found = [float(line.split()[-1]) for line in chances.splitlines()[1:-1]]
    assert len(found) == 12
    assert 0.0 <= min(found) < max(found) <= 1.0


AGREES: Mapping[str, Callable[[Sequence[str]], None]] = {"analysis": _analysis}
"""What must stand in each notebook, of what its cells show in turn."""
