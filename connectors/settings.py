"""How the settings of a connector are read: checked as a whole, and told with the mend where one is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ValidationError

from connectors.contract import BuildContext
from connectors.errors import BadInput

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


def secure(url: str) -> str:
    """Return an address that a secret may be sent to, without a slash at its end.

    Raises:
        ValueError: It is not https; http is taken for this machine only.
    """
    parts = urlsplit(url)
    if not parts.hostname or any(sign.isspace() for sign in url):
        raise ValueError("it is no address such as https://example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("the token is sent there: it must begin with https:// (http:// only for this machine)")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(secure)]
"""Where a platform's interface is."""


def read[M: BaseModel](model: type[M], context: BuildContext, kind: str, examples: Mapping[str, str] = _NONE) -> M:
    """Return the settings of a connector, checked.

    Args:
        model: What they are; it forbids what it does not know.
        context: Whose they are.
        kind: The kind of connector, for the error.
        examples: How a setting that is needed may be written, as in TOML.

    Raises:
        BadInput: A setting is unknown, missing or wrong; its words are the validators, without what was given.
    """
    try:
        return model.model_validate(dict(context.options))
    except ValidationError as error:
        # What pydantic says holds the input, which may be a secret in the wrong place: nothing of it is kept,
        # nor does the error below have it for its context.
        failed = _told(error, model, context.source, kind, examples)
    raise failed


def _told(
    error: ValidationError, model: type[BaseModel], source: str, kind: str, examples: Mapping[str, str]
) -> BadInput:
    first: Mapping[str, Any] = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = get_close_matches(field, model.model_fields, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(model.model_fields)}."
        return BadInput(f"is not a setting of the {kind} connector", where=source, field=field, mend=mend)
    if first["type"] == "missing":
        mend = f"add a line such as {field} = {examples.get(field, '...')}."
        return BadInput("is missing", where=source, field=field, mend=mend)
    words = str(first["msg"]).removeprefix("Value error, ")
    return BadInput(words, where=source, field=field or None, mend="correct the setting; docs/platforms.md lists all.")
