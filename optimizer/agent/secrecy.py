"""What must not be told: the secrets of this process by their values (`connectors.vault`), and what looks like one.

Whoever reads a secret hands it to `keep`; connectors put theirs into the same vault, and the tokens that they are given
while they run. Whatever leaves the process as a text (a log, an error, a row of the store, an answer) goes through
`redacted` first, and an exception of a connector through `scrub`, since others put it into words of their own.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from connectors.vault import HIDDEN, VAULT

_TELLING: Final = 8  # a part of an address that is no password must look like a token: long, with digits
_LONG_PATH: Final = 16  # as in /hooks/JqXbWmPz
_NAMED: Final = re.compile(
    r"(?i)token|secret|passw|pwd|api[_-]?key|private[_-]?key|credential|webhook|signature"
    r"|(?:^|[^a-z])(?:o?auth2?|authorization)(?:[^a-z]|$)"  # a whole part of a name: not that of an author
)
_FOLDERS: Final = frozenset({"PWD", "OLDPWD"})  # where a shell keeps the working directory, which is no secret
_NET: Final = re.compile(
    r"(?i)(\b[\w-]*(?:token|secret|password|passwd|api[_-]?key|authorization|credential|signature)s?"
    r"[\"']?\s*[=:]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;&*]+"
)
_LOGIN: Final = re.compile(r"(?<=://)[^/@\s:\"']*:[^/@\s\"']+(?=@)")


def keep(values: Iterable[str]) -> None:
    """Remember secrets, so that `redacted` finds them in every form in which they may be told."""
    VAULT.keep(values)


def redacted(text: str) -> str:
    """Return a text without the secrets that are known and without what looks like one."""
    return _LOGIN.sub(HIDDEN, _NET.sub(rf"\g<1>{HIDDEN}", VAULT.hide(text)))


def scrub[E: BaseException](error: E) -> E:
    """Take secrets out of an exception's words, and out of those that it was raised from; return it."""
    met: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or id(link) in met:
            continue
        met.add(id(link))
        link.args = tuple(_clean(part) for part in link.args)
        for name, value in vars(link).items():
            if isinstance(value, str):
                setattr(link, name, redacted(value))
        links += [link.__cause__, link.__context__]
    return error


def discreetly[T](act: Callable[[], T]) -> T:
    """Do what calls a connector.

    Raises:
        Exception: Whatever it raises, without secrets in its words.
    """
    try:
        return act()
    except Exception as error:
        scrub(error)
        raise


def of_environment(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets of an environment: values of variables whose names say so, and logins in addresses."""
    for name, value in environ.items():
        if _NAMED.search(name) and name not in _FOLDERS:
            yield value
        yield from logins(value)
    folder = environ.get("OUTLAY_SECRETS_DIR", "")
    if folder and Path(folder).is_dir():
        for path in Path(folder).iterdir():
            try:
                yield path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                continue  # reading the settings tells of it


def of_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets among a connector's settings, however deep: by their names, and logins in addresses."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from of_options(value)
        elif isinstance(value, str):
            if _NAMED.search(name):
                yield value
            yield from logins(value)
            if name == "env":
                yield os.environ.get(value, "")


def of_address(url: str) -> Iterator[str]:
    """Yield what of the address of a service is secret: its password, and parts that look like tokens."""
    yield from logins(url)
    rest = url.partition("://")[2]
    for part in re.split(r"[/:@?&=#]+", rest):
        if "." not in part and len(part) >= _TELLING and re.search(r"\d", part) and re.search(r"[^\d]", part):
            yield part
            yield unquote(part)


def of_hook(url: str) -> Iterator[str]:
    """Yield what of the address of a webhook is secret: the whole of it, and its path, may be all that a service asks.

    A short path may be an ordinary word, and is left.
    """
    yield from of_address(url)
    parts = urlsplit(url)
    path = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    if path:
        yield url
    if len(path) >= _LONG_PATH:
        yield path


class Discreet(logging.Formatter):
    """Puts log lines and tracebacks into words without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return redacted(super().format(record))


def logins(text: str) -> Iterator[str]:
    """Yield the passwords of an address such as scheme://user:password@host, as they stand there and as is meant."""
    if "://" not in text:
        return
    try:
        password = urlsplit(text).password
    except ValueError:
        password = None
    if password:
        yield password
        yield unquote(password)


def _clean(part: Any) -> Any:
    return redacted(part) if isinstance(part, str) else part
