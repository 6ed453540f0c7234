"""Plug-ins are found by their entry points; a broken one harms nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import registry
from connectors.contract import BuildContext
from connectors.errors import AskMarketer, BadInput
from connectors.files.connector import FilesConnector

PLUGIN = """
from connectors.errors import Stop
count = 3
def build(context): return __import__("connectors.files", fromlist=["build"]).build(context)
def crash(context): raise RuntimeError("no luck")
def nothing(context): return object()
def refuse(context): raise Stop("not today")
"""


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution with one good and several bad connectors, as pip would lay it out."""
    site = tmp_path / "site"
    info = site / "acme_ads-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ads\nVersion: 2.0\n")
    (site / "acme_plugin.py").write_text(PLUGIN)
    (site / "acme_broken.py").write_text("import a_module_that_nobody_has\n")
    (info / "entry_points.txt").write_text(
        f"[{registry.GROUP}]\nacme = acme_plugin:build\nbroken = acme_broken:build\ncount = acme_plugin:count\n"
        "crash = acme_plugin:crash\nnothing = acme_plugin:nothing\nrefuse = acme_plugin:refuse\n"
        "files = acme_plugin:build\n"
    )
    monkeypatch.syspath_prepend(str(site))


def context(home: Path, **options: object) -> BuildContext:
    return BuildContext("mine", {"folder": ".", **options}, home, "config.toml [connectors.mine]")


def test_ours_are_installed(tmp_path: Path) -> None:
    files = registry.available()["files"]
    assert files.error is None
    assert files.distribution.startswith("outlay ")
    assert isinstance(registry.build("files", context(tmp_path)), FilesConnector)


def test_an_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"did you mean 'files'.*files, .*simulated") as caught:
        registry.build("file", context(tmp_path))
    assert (caught.value.where, caught.value.field) == ("config.toml [connectors.mine]", "kind")


@pytest.mark.usefixtures("plugins")
def test_a_strangers_connector_works_beside_broken_ones(tmp_path: Path) -> None:
    assert registry.build("acme", context(tmp_path)).name == "mine"
    found = registry.available()
    assert found["acme"] == registry.Status("acme", "acme-ads 2.0", None)
    assert "a_module_that_nobody_has" in (found["broken"].error or "")
    assert "cannot be called" in (found["count"].error or "")


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("broken", "acme-ads 2.0.*a_module_that_nobody_has"),
        ("count", "cannot be called"),
        ("crash", "RuntimeError: no luck"),
        ("nothing", "made a object, which is no connector"),
        ("files", "several packages bring 'files'"),
    ],
)
def test_a_broken_plug_in_is_put_to_the_marketer(tmp_path: Path, kind: str, words: str) -> None:
    with pytest.raises(AskMarketer, match=words) as caught:
        registry.build(kind, context(tmp_path))
    assert "reinstall" in caught.value.mend


@pytest.mark.usefixtures("plugins")
def test_errors_of_the_families_pass(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a setting"):
        registry.build("acme", context(tmp_path, foldr="x"))
