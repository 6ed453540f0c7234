"""Where secrets come from, and how they are kept out of every message.

A secret never stands in `config.toml` itself, only where it is: `token = { env = "META_TOKEN" }`, or
`token = { file = "secrets/meta-token" }`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from connectors.contract import BuildContext
from connectors.errors import AskMarketer, BadInput
from connectors.vault import VAULT, Vault

_OF_OTHERS: Final = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH


class SecretSource(BaseModel):
    """Where one secret is: in an environment variable or in a file; exactly one of the two.

    Attributes:
        env: Name of the variable.
        file: Path of the file; relative to the folder of `config.toml`. Space around the secret is cut off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_plain_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError('a secret does not stand in the settings: write { env = "VARIABLE" } or { file = "PATH" }')
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('name either { env = "VARIABLE" } or { file = "PATH" }')
        return self

    def read(self, context: BuildContext, field: str) -> str:
        """Return the secret.

        Args:
            context: Whose setting it is.
            field: The setting.

        Raises:
            AskMarketer: The variable is not set, or the file cannot be read, is empty, or is open to other users.
        """
        place = f"{context.source}, field {field!r}"
        if self.env is not None:
            found = os.environ.get(self.env, "").strip()
            if not found:
                raise AskMarketer(f"{place}: the environment variable {self.env} is not set", mend=f"set {self.env}")
        else:
            assert self.file is not None  # noqa: S101 - one of the two, see _one
            found = read_private(context.home / self.file, place)
        VAULT.keep([found])
        return found


def read_private(path: Path, place: str) -> str:
    """Return the text of a file of secrets, without the space around it.

    Args:
        path: Of the file.
        place: Whose setting names it, for the error.

    Raises:
        AskMarketer: It cannot be read, is empty, or is open to others than its owner.
    """
    try:
        if path.stat().st_mode & _OF_OTHERS:
            wrong, mend = "is open to other users of this machine", f"chmod 600 {path}"
        elif found := path.read_text(encoding="utf-8").strip():
            return found
        else:
            wrong, mend = "is empty", f"write the secret to {path}"
    except OSError as error:
        wrong, mend = f"cannot be read ({error.strerror})", f"write the secret to {path}"
    except UnicodeError:
        wrong, mend = "cannot be read (it is not UTF-8)", f"write the secret to {path}"
    # Raised out here: a decoding error holds the file's bytes, and would be the context.
    raise AskMarketer(f"{place}: {path.name} {wrong}", mend=mend)


class Redactor:
    """Takes the secrets of one connector out of texts: of what a library says before it goes into an error or a log.

    Each is put into the vault of the process, too, so that whoever tells something of the connector hides it.

    Args:
        secrets: What must not be shown; those shorter than six characters are left alone.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._vault = Vault()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Hide one more."""
        for vault in (self._vault, VAULT):
            vault.keep([secret])

    def add_passing(self, token: str) -> None:
        """Hide a token that the platform gave for a while."""
        for vault in (self._vault, VAULT):
            vault.keep_passing(token)

    def clean(self, text: object) -> str:
        """Return the text with every secret replaced, in whatever form it stands there."""
        return self._vault.hide(str(text))

    def __repr__(self) -> str:
        return f"Redactor({self._vault!r})"


def missing_extra(context: BuildContext, extra: str, package: str) -> BadInput:
    """Return the error that asks for an extra by name; for a factory whose SDK cannot be imported."""
    return BadInput(
        f"the package {package!r} is not installed",
        where=context.source,
        field="kind",
        mend=f"install it with: pip install 'outlay[{extra}]'",
    )
