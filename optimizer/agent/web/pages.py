"""How a page is made: one environment of templates, what each of them knows, and the addresses of our own files."""

from __future__ import annotations

import base64
import gettext
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from connectors.money import Money
from optimizer.agent.bootstrap import code_version
from optimizer.agent.shown.formats import Formats, formats
from optimizer.agent.web import drawn
from optimizer.agent.web.gate import Visitor, now_of
from optimizer.agent.web.premises import Premises
from optimizer.agent.web.words import said

STATIC: Final = files("optimizer.agent.web") / "static"
SCRIPTS: Final = ("vendor/htmx-2.0.11.min.js", "app.js")
STYLES: Final = ("vendor/pico-2.1.1.min.css", "app.css")
CHARTS: Final = ("vendor/echarts-6.1.0.common.min.js", "charts.js")

_LONGEST: Final = 120
"""Signs of a platform's name that are shown; the whole stands in its title."""


def page(
    request: Request, premises: Premises, template: str, facts: Mapping[str, Any], *, visitor: Visitor | None = None,
    status: int = 200,
) -> HTMLResponse:  # fmt: skip
    """Render a page.

    Args:
        request: What was asked.
        premises: The portfolio.
        template: Its file.
        facts: What only this page knows.
        visitor: Who asks; None before they are known.
        status: Of the answer.
    """
    shown = reader(request, premises)
    brake = premises.store.brake()
    known = {
        "f": shown,
        "visitor": visitor,
        "portfolio": premises.slug,
        "portfolio_name": premises.settings.portfolio.name,
        "root": f"/{premises.slug}",
        "here": request.url.path,
        "now": now_of(request),
        "brake": brake if brake is not None and brake.on else None,
        "settings_trouble": premises.trouble,
        "said": said(request.query_params.get("said", "")),
        "version": code_version(),
    }
    rooms = templates(shown.locale.partition("_")[0])
    return HTMLResponse(rooms.get_template(template).render(known | dict(facts)), status)


def reader(request: Request, premises: Premises) -> Formats:
    """Return how whoever asks sees figures."""
    settings = premises.settings
    return formats(settings.web.locale, request.headers.get("accept-language", ""), settings.portfolio.time_zone)


@cache
def templates(language: str = "en") -> Environment:
    """Return the templates; a name that one does not know is an error, and every text is escaped.

    Args:
        language: Its texts are taken where there is a catalogue of them (`locale/`); else the English ones.
    """
    rooms = Environment(
        loader=PackageLoader("optimizer.agent.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    texts = catalogue(language)
    rooms.install_gettext_translations(texts, newstyle=False)  # type: ignore[attr-defined]  # the extension adds it
    rooms.globals |= {
        "drawn": drawn,
        "mark": drawn.Mark,
        "asset": asset,
        "seal": seal,
        "SCRIPTS": SCRIPTS,
        "STYLES": STYLES,
        "CHARTS": CHARTS,
        "plain_amount": plain_amount,
    }
    rooms.filters |= {"short": short, "key": str}
    return rooms


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """Return the texts of a language; those of the program itself where there are none."""
    return gettext.translation("outlay", str(files("optimizer.agent.web") / "locale"), [language], fallback=True)


def short(text: str) -> str:
    """A platform's text without signs that turn or hide others, cut where it would fill the page."""
    plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def plain_amount(amount: Money) -> str:
    """An amount as it is typed: digits and a point, without a currency."""
    return str(amount).partition(" ")[0].replace(",", "")


@cache
def seal(name: str) -> str:
    """Return the hash by which a browser knows a file of ours (Subresource Integrity)."""
    digest = hashlib.sha384((STATIC / name).read_bytes()).digest()
    return f"sha384-{base64.b64encode(digest).decode()}"


@cache
def asset(name: str) -> str:
    """Return a file's address, which changes with what is in it, so that browsers may keep it for ever."""
    return f"/static/{name}?{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
