"""The two commands of the README, the CI's steps, the lock and the distribution."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("connectors", "bandits", "simulations", "optimizer")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = dict(re.findall(r"(?m)^([a-z0-9.-]+)==([^ ]+)", LOCK))


def _recipe(target: str) -> str:
    """What `make TARGET` would run with a ready `.venv`, by make's own account."""
    made = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/ready", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
@pytest.mark.parametrize(
    ("target", "runs"),
    [
        ("demo", ".venv/bin/outlay demo"),
        ("test", ".venv/bin/pytest"),
        ("lint", ".venv/bin/ruff format --check ."),
        ("lint", ".venv/bin/ruff check ."),
        ("types", ".venv/bin/mypy"),
        ("imports", ".venv/bin/lint-imports"),
        ("bench-quick", "--quick"),
        ("lock", "--generate-hashes"),
    ],
)
def test_a_target_runs_what_it_says(target: str, runs: str) -> None:
    assert runs in _recipe(target)


@needs_make
def test_every_target_sets_everything_up_by_itself() -> None:
    for target in ("demo", "test", "lint", "types", "imports", "bench-quick", "lock"):
        made = subprocess.run(
            ["make", "--no-print-directory", "--dry-run", "--always-make", target],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert made.stdout.startswith(".ci/set-up"), target


def test_ci_stops_at_the_first_failure_and_ends_with_the_tests() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "set -euo pipefail" in script
    steps = re.findall(r"(?m)^step make ([a-z-]+)$", script)
    assert {"lint", "types", "imports", "demo", "test"} <= set(steps)
    assert steps[-1] == "test"


@pytest.mark.parametrize("script", ["run", "set-up", "get-postgres"])
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / ".ci" / script
    assert os.access(path, os.X_OK)
    shell = path.read_text(encoding="utf-8").partition("\n")[0].rpartition("/")[2].removeprefix("env ")
    subprocess.run([shell, "-n", path], check=True)


def test_set_up_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    """With a path that holds no Python at all, nothing is made and one sentence names the mend."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "set-up", tmp_path / ".ci")
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "sed", "mktemp", "rm", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    ran = subprocess.run(
        [tools / "sh", tmp_path / ".ci" / "set-up"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "install Python 3.12 or newer" in ran.stderr.splitlines()[-1]
    assert not (tmp_path / ".venv").exists()


def test_every_lock_names_no_address_and_hashes_every_package() -> None:
    locks = [ROOT / "requirements.lock", *(ROOT / "benchmarks").glob("*.lock")]
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text
        entries = re.findall(r"(?m)^[a-z0-9.-]+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)*", text)
        assert entries
        assert all("--hash=sha256:" in entry for entry in entries)


def test_the_lock_holds_every_dependency() -> None:
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[a-zA-Z0-9._-]+", entry)[0].lower() for entry in wanted}
    assert names <= set(LOCKED)


def test_python_versions_agree() -> None:
    assert PYPROJECT["project"]["requires-python"] == ">=3.12"
    assert (ROOT / ".python-version").read_text(encoding="utf-8").strip() == "3.12"
    assert sys.version_info >= (3, 12)


def test_the_wheel_holds_all_that_the_packages_hold(tmp_path: Path) -> None:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path / "dist"], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("outlay-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    held = {
        str(path.relative_to(tmp_path)) for name in PACKAGES for path in (tmp_path / name).rglob("*") if path.is_file()
    }
    assert held <= packed
    assert {"optimizer/agent/settings/sample.toml", "optimizer/py.typed"} <= packed
    assert {name.partition("/")[0] for name in packed if ".dist-info" not in name} == set(PACKAGES)
    assert any(name.endswith("licenses/LICENSE") for name in packed)
