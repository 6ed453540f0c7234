"""The rules of the tree hold, and each checker that keeps them fails when one is broken."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("connectors", "bandits", "simulations", "optimizer")
BIN = Path(sysconfig.get_path("scripts"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# By contract, the module that breaks it and the import that does.
VIOLATIONS = {
    "Packages: optimizer -> bandits | simulations -> connectors": ("connectors/money.py", "import optimizer.goals"),
    "Bandits import no other package of ours": ("bandits/__init__.py", "import connectors.money"),
    "The floors of optimizer": ("optimizer/plan/problem.py", "import optimizer.ports"),
    "The floors of simulations: a policy never sees the market": (
        "simulations/policies/rules.py",
        "import simulations.market.truth",
    ),
    "Only the agent knows the simulator": ("optimizer/plan/problem.py", "import simulations"),
    "The core touches no disk, network, clock or terminal": ("optimizer/plan/problem.py", "import socket"),
    "The command line, letters and what is shown by all need no page": (
        "optimizer/agent/letters.py",
        "import optimizer.agent.web.printed",
    ),
}


def _run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The four packages and the rules, to be broken."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _plant(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract["name"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"]} == set(VIOLATIONS)


def test_imports_keep_their_contracts_and_a_violation_of_each_is_found(copy: Path) -> None:
    kept = _run(BIN / "lint-imports", "--no-cache", folder=copy)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    for module, line in VIOLATIONS.values():
        _plant(copy / module, line)
    broken = _run(BIN / "lint-imports", "--no-cache", folder=copy)
    assert broken.returncode != 0
    for name in VIOLATIONS:
        assert f"{name} KEPT" in kept.stdout
        assert f"{name} BROKEN" in broken.stdout


def test_no_module_imports_itself_by_any_way_round() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError


def test_a_cycle_would_be_found() -> None:
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


@pytest.mark.parametrize(
    "planted",
    ["def planted() -> int:\n    return 'one'\n", "def planted(amount):\n    return amount\n"],
    ids=["a wrong type", "no types at all"],
)
def test_the_type_checker_fails_on(planted: str, tmp_path: Path) -> None:
    rules = ("--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path / "cache")
    module = tmp_path / "planted.py"
    module.write_text("def fine(amount: int) -> int:\n    return amount\n", encoding="utf-8")
    assert _run(BIN / "mypy", *rules, module, folder=tmp_path).returncode == 0
    _plant(module, planted)
    assert _run(BIN / "mypy", *rules, module, folder=tmp_path).returncode == 1


def test_the_linter_fails_on_style_and_on_format(tmp_path: Path) -> None:
    rules = ("--config", ROOT / "pyproject.toml", "--no-cache")
    module = tmp_path / "planted.py"
    module.write_text('"""A module."""\n', encoding="utf-8")
    for command in ("check", "format --check"):
        assert _run(BIN / "ruff", *command.split(), *rules, module, folder=tmp_path).returncode == 0
    _plant(module, "import os\ndef planted( value ):\n    return eval(value)")
    found = _run(BIN / "ruff", "check", *rules, module, folder=tmp_path)
    assert found.returncode == 1
    assert {"D103", "F401", "S307"} <= set(re.findall(r"\b[A-Z]+\d{3}\b", found.stdout))
    assert _run(BIN / "ruff", "format", "--check", *rules, module, folder=tmp_path).returncode == 1


def _modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_is_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    if path.parent.name == "versions":
        return  # migrations: upgrade and downgrade mean the same in each
    assert not [f"{path.name}:{node.lineno} {node.name}" for node in _public(tree.body) if not ast.get_docstring(node)]


def test_tests_are_no_package_and_have_unique_names() -> None:
    tests = ROOT / "tests"
    assert not list(tests.rglob("__init__.py"))
    names = [path.name for path in tests.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_help_answers_without_the_heavy_packages() -> None:
    code = "import sys, optimizer.agent.cli; print(sorted({'numpy', 'scipy', 'sqlalchemy', 'pymc'} & set(sys.modules)))"
    answer = _run(sys.executable, "-c", code, folder=ROOT)
    assert answer.stdout.strip() == "[]", answer.stderr
