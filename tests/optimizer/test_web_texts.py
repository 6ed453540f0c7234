"""Every text of the page stands in one catalogue, and a language that has one is used."""

from __future__ import annotations

import gettext
import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from optimizer.agent.web import pages, texts
from optimizer.agent.web.words import SAID, STATES

ROOT = Path(texts.__file__).parent
NAMES = {
    "Outlay",
    "outlay",
    "run",
    "plan",
    "users",
    "add",
    "NAME",
    "role",
    "admin",
    "config",
    "toml",
    "my",
    "portfolio",
}


def test_the_catalogue_is_that_of_the_templates() -> None:
    assert texts.PLACE.read_bytes() == texts.collected(), "collect them anew: make texts"


def test_what_stands_in_no_template_is_in_it_too() -> None:
    known = {message.id for message in read_po(BytesIO(texts.collected()))}
    assert set(SAID.values()) | set(STATES.values()) <= known


def test_no_template_holds_a_word_outside_of_it() -> None:
    """What remains of a template without its expressions, tags and comments is signs, and the program's own names."""
    for path in (ROOT / "templates").glob("*.html"):
        bare = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", path.read_text(encoding="utf-8"))
        text = re.sub(r"<[^>]*>", " ", bare)
        assert set(re.findall(r"[A-Za-z]+", text)) <= NAMES, path.name


def test_a_language_with_a_catalogue_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    german = read_po(BytesIO(texts.collected()))
    german["Overview"].string = "Überblick"
    compiled = BytesIO()
    write_mo(compiled, german)
    compiled.seek(0)
    found = gettext.GNUTranslations(compiled)
    monkeypatch.setattr(pages, "catalogue", lambda language: found if language == "de" else gettext.NullTranslations())
    for language, word in (("de", "Überblick"), ("fr", "Overview")):
        rooms = pages.templates.__wrapped__(language)
        assert rooms.from_string("{{ _('Overview') }}").render() == word
