"""The texts of the page in one place, for translators: `locale/outlay.pot`, collected by `make texts`.

A translation is `locale/LANGUAGE/LC_MESSAGES/outlay.po` there, compiled to `outlay.mo` (`pybabel compile`). What the
core says of a plan, such as why a line moves, stands in the recommendation itself, and is English.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

_HERE: Final = Path(__file__).parent
PLACE: Final = _HERE / "locale" / "outlay.pot"
_METHODS: Final = [("templates/**.html", "jinja2"), ("words.py", "python")]
_OPTIONS: Final = {"templates/**.html": {"trimmed": "true", "silent": "false"}}


def collected() -> bytes:
    """Return the catalogue of all texts, each with the files in which it stands."""
    found = Catalog(project="Outlay", charset="utf-8")
    for name, _, text, comments, context in sorted(
        extract_from_dir(str(_HERE), _METHODS, _OPTIONS, keywords={"_": None}), key=lambda row: (str(row[2]), row[0])
    ):
        found.add(text, locations=[(name, 0)], auto_comments=comments, context=context)
    out = BytesIO()
    write_po(out, found, omit_header=True, sort_output=True, include_lineno=False)
    return out.getvalue()


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_bytes(collected())
